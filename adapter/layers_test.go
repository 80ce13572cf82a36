package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers is the picture of the design: a package imports only from layers below its
// own, never sideways and never up. A package that is not here is on no layer.
var layers = map[string]int{
	"adapter/issue": 0, "adapter/internet": 0,

	"adapter/fhir": 1, "adapter/auth": 1, "adapter/mesh": 1, "adapter/summary": 1,

	"adapter/fhirpath": 2, "adapter/pds": 2,

	"adapter/terminology": 3,
	"adapter/mapping":     4, "adapter/profile": 4,

	"adapter/referral": 5, "adapter/directory": 5,

	"adapter/store": 6, "adapter/delivery": 6, "adapter/gateway": 6, "adapter/console": 6, "adapter/feed": 6,

	"mappings":    7,
	"conformance": 8,
	"adapter":     9, // package main
}

// testOnly holds the packages that only tests may import.
var testOnly = []string{"adapter/store/storetest", "adapter/gateway/apitest", "conformance/peer/mesh", "conformance/peer/pds"}

// data holds the packages that are files in the first place. A test of any package may
// read them, whatever its layer.
var data = []string{"mappings", "conformance"}

// proves is what conformance may import: it proves a running server over HTTP alone.
var proves = []string{"adapter/fhir", "adapter/fhirpath", "adapter/terminology", "adapter/profile", "adapter/issue"}

// homes says where a library may be imported. The longest prefix that fits counts, and
// a library that is not here is refused: name its home first. An empty list means
// anywhere.
var homes = map[string][]string{
	"github.com/gin-gonic/gin":                                {"adapter/gateway", "adapter/console"},
	"golang.org/x/time":                                       {"adapter/gateway"},
	"github.com/standard-webhooks/standard-webhooks":          {"adapter/delivery"},
	"github.com/getkin/kin-openapi":                           oracles,
	"github.com/swaggest/swgui":                               {"adapter/gateway"},
	"github.com/prometheus":                                   {"adapter/gateway", "adapter"},
	"go.opentelemetry.io":                                     {"adapter/gateway", "adapter"},
	"github.com/golang-jwt/jwt":                               {"adapter/auth"},
	"github.com/MicahParks/keyfunc":                           {"adapter/auth"},
	"github.com/MicahParks/jwkset":                            {"adapter/auth"},
	"github.com/google/fhir":                                  {"adapter/fhir"},
	"github.com/google/fhir/go/jsonformat":                    {}, // the oracle: tests only, by oracles below
	"google.golang.org/protobuf":                              {"adapter/fhir"},
	"database/sql":                                            {"adapter/store"},
	"modernc.org/sqlite":                                      {"adapter/store"},
	"github.com/tink-crypto/tink-go":                          {"adapter/store"},
	"github.com/jackc/pgx":                                    {"adapter/store"},
	"github.com/alecthomas/kong":                              {"adapter"},
	"github.com/schollz/progressbar":                          {"adapter"},
	"github.com/fsnotify/fsnotify":                            {"adapter"},
	"github.com/beevik/etree":                                 {"adapter/fhir"},
	"codeberg.org/go-pdf/fpdf":                                {"adapter/console", "adapter"},
	"github.com/hashicorp/golang-lru":                         {"adapter/referral"},
	"github.com/rickar/cal":                                   {"adapter/referral"},
	"github.com/go-fonts/dejavu":                              {"adapter/summary"},
	"github.com/google/uuid":                                  {},
	"github.com/shopspring/decimal":                           {},
	"golang.org/x/sync":                                       {},
	"golang.org/x/text":                                       {},
	"golang.org/x/term":                                       {"adapter"},
	"net/http":                                                {"adapter/auth", "adapter/mesh", "adapter/delivery", "adapter/feed", "adapter/pds", "adapter/gateway", "adapter/console", "conformance", "adapter"},
	"html/template":                                           {"adapter/gateway", "adapter/console", "adapter"},
	"net/http/httptest":                                       oracles,
	"testing":                                                 oracles,
	"github.com/google/go-cmp":                                oracles,
	"pgregory.net/rapid":                                      oracles,
	"golang.org/x/tools/txtar":                                {}, // cases: read by tests, and by the commands that run them
	"github.com/rogpeppe/go-internal":                         oracles,
	"github.com/anishathalye/porcupine":                       oracles,
	"github.com/chromedp":                                     oracles,
	"github.com/prometheus/client_golang/prometheus/testutil": oracles,
}

// oracles marks a library for tests alone.
var oracles = []string{"tests"}

// source is one Go file as the rules see it.
type source struct {
	path    string // "adapter/store/claim.go", from the root of the repository
	name    string // the package clause
	imports []string
	lines   int
}

func (s source) dir() string { return filepath.ToSlash(filepath.Dir(s.path)) }

// test reports whether the file is part of tests only.
func (s source) test() bool {
	return strings.HasSuffix(s.path, "_test.go") || slices.Contains(testOnly, s.dir())
}

// faults lists what the file does against the rules.
func (s source) faults() (out []string) {
	add := func(format string, args ...any) { out = append(out, s.path+": "+fmt.Sprintf(format, args...)) }
	layer, known := layers[s.dir()]
	if !known && !slices.Contains(testOnly, s.dir()) {
		add("package %s is on no layer", s.dir())
		return out
	}
	for _, path := range s.imports {
		if own, ok := strings.CutPrefix(path, "spadapter/"); ok || path == "spadapter" {
			s.own(own, layer, add)
		} else {
			s.library(path, add)
		}
	}
	if s.lines > 500 && !s.test() {
		add("%d lines; 500 are the most, 100 to 300 the aim", s.lines)
	}
	return out
}

func (s source) own(path string, layer int, add func(string, ...any)) {
	if s.test() {
		// a package x_test stands above x and everything else, like any user of x
		if path == s.dir() || strings.HasSuffix(s.name, "_test") || slices.Contains(data, path) || slices.Contains(testOnly, s.dir()) {
			return
		}
	}
	below, known := layers[path]
	switch {
	case slices.Contains(testOnly, path):
		if !s.test() {
			add("imports %s, which is for tests", path)
		}
	case !known:
		add("imports %s, which is on no layer", path)
	case below > layer:
		add("imports %s, which is above it", path)
	case below == layer:
		add("imports %s, which is beside it", path)
	case s.dir() == "conformance" && !slices.Contains(proves, path):
		add("imports %s; conformance proves a server over HTTP alone", path)
	}
}

func (s source) library(path string, add func(string, ...any)) {
	home, known, longest := []string(nil), false, ""
	for prefix, where := range homes {
		if (path == prefix || strings.HasPrefix(path, prefix+"/")) && len(prefix) > len(longest) {
			home, known, longest = where, true, prefix
		}
	}
	first, _, _ := strings.Cut(path, "/")
	outside := strings.Contains(first, ".")
	switch {
	case s.test():
		return // a test may look through any window
	case longest == "github.com/google/fhir/go/jsonformat":
		add("imports %s, which is the oracle of tests", path)
	case !known && outside:
		add("imports %s, which has no home: add it to homes with the package it is for", path)
	case !known || len(home) == 0 || slices.Contains(home, s.dir()):
	default:
		add("imports %s, which is at home in %s", path, strings.Join(home, ", "))
	}
}

// empties are names that say nothing of what is inside.
var empties = []string{"internal", "pkg", "util", "utils", "common", "lib", "models", "types", "helper", "helpers", "misc"}

func emptyName(path string) bool {
	path = strings.TrimSuffix(strings.TrimSuffix(path, ".go"), "_test")
	for _, part := range strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '_' }) {
		if slices.Contains(empties, part) {
			return true
		}
	}
	return false
}

// sources reads every Go file of the repository, imports only.
func sources(t *testing.T, root string) (out []source) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		s, err := read(filepath.ToSlash(rel), string(text))
		out = append(out, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func read(path, text string) (source, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly)
	if err != nil {
		return source{}, err
	}
	s := source{path: path, name: file.Name.Name, lines: strings.Count(text, "\n")}
	for _, i := range file.Imports {
		name, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return source{}, err
		}
		s.imports = append(s.imports, name)
	}
	return s, nil
}

func TestPackagesImportDownwards(t *testing.T) {
	list := sources(t, "..")
	if len(list) < 20 {
		t.Fatalf("only %d Go files found", len(list))
	}
	for _, s := range list {
		for _, f := range s.faults() {
			t.Error(f)
		}
	}
}

func TestNamesSayWhatIsInside(t *testing.T) {
	for _, s := range sources(t, "..") {
		if emptyName(s.path) {
			t.Errorf("%s: a name that says nothing", s.path)
		}
		for _, path := range s.imports {
			if strings.HasPrefix(path, "spadapter/") && emptyName(path) {
				t.Errorf("%s imports %s: a name that says nothing", s.path, path)
			}
		}
	}
}

// The rules can fail: each of these small sources does, with these words.
func TestLayerRulesCanFail(t *testing.T) {
	for _, c := range []struct {
		path, pack string
		imports    []string
		want       string // "" when the file is in order
	}{
		{"adapter/referral/a.go", "referral", []string{"spadapter/adapter/store"}, "above it"},
		{"adapter/store/a.go", "store", []string{"spadapter/adapter/delivery"}, "beside it"},
		{"adapter/fhir/a.go", "fhir", []string{"spadapter/adapter/auth"}, "beside it"},
		{"adapter/mapping/a.go", "mapping", []string{"spadapter/mappings"}, "above it"},
		{"adapter/delivery/a.go", "delivery", []string{"spadapter/adapter/referral", "spadapter/adapter/auth"}, ""},
		{"adapter/main.go", "main", []string{"spadapter/adapter/store", "spadapter/conformance", "github.com/alecthomas/kong"}, ""},
		{"adapter/widget/a.go", "widget", nil, "on no layer"},
		{"adapter/fhir/a.go", "fhir", []string{"spadapter/adapter/widget"}, "on no layer"},
		{"conformance/a.go", "conformance", []string{"spadapter/adapter/profile", "net/http"}, ""},
		{"conformance/a.go", "conformance", []string{"spadapter/adapter/referral"}, "over HTTP alone"},
		{"adapter/fhir/a.go", "fhir", []string{"github.com/google/fhir/go/proto/r4"}, ""},
		{"adapter/fhir/a.go", "fhir", []string{"github.com/google/fhir/go/jsonformat"}, "oracle of tests"},
		{"adapter/fhir/a_test.go", "fhir", []string{"github.com/google/fhir/go/jsonformat"}, ""},
		{"adapter/referral/a.go", "referral", []string{"github.com/google/fhir/go/proto/r4"}, "at home in adapter/fhir"},
		{"adapter/referral/a.go", "referral", []string{"github.com/gin-gonic/gin"}, "at home in adapter/gateway"},
		{"adapter/delivery/a.go", "delivery", []string{"github.com/golang-jwt/jwt/v5"}, "at home in adapter/auth"},
		{"adapter/gateway/a.go", "gateway", []string{"database/sql"}, "at home in adapter/store"},
		{"adapter/gateway/a.go", "gateway", []string{"database/sql/driver"}, "at home in adapter/store"},
		{"adapter/gateway/a.go", "gateway", []string{"modernc.org/sqlite"}, "at home in adapter/store"},
		{"adapter/delivery/a.go", "delivery", []string{"github.com/prometheus/client_golang/prometheus"}, "at home in adapter/gateway, adapter"},
		{"adapter/referral/a.go", "referral", []string{"net/http"}, "at home in"},
		{"adapter/gateway/a.go", "gateway", []string{"net/http/httptest"}, "at home in tests"},
		{"adapter/fhir/a.go", "fhir", []string{"example.com/new/library"}, "has no home"},
		{"adapter/fhir/a.go", "fhir", []string{"strings", "encoding/json", "github.com/shopspring/decimal"}, ""},
		{"adapter/referral/a_test.go", "referral", []string{"spadapter/mappings", "pgregory.net/rapid"}, ""},
		{"adapter/referral/a_test.go", "referral", []string{"spadapter/adapter/gateway"}, "above it"},
		{"adapter/referral/a_test.go", "referral_test", []string{"spadapter/adapter/store", "spadapter/adapter/store/storetest"}, ""},
		{"adapter/store/a.go", "store", []string{"spadapter/adapter/store/storetest"}, "for tests"},
		{"adapter/store/storetest/a.go", "storetest", []string{"spadapter/adapter/store", "database/sql", "testing"}, ""},
	} {
		text := "package " + c.pack + "\n"
		for _, i := range c.imports {
			text += "import _ " + strconv.Quote(i) + "\n"
		}
		s, err := read(c.path, text)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(s.faults(), "\n")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s importing %v: %q, want %q", c.path, c.imports, got, c.want)
		}
	}
	long, err := read("adapter/fhir/a.go", "package fhir\n"+strings.Repeat("//\n", 500))
	if err != nil || len(long.faults()) != 1 {
		t.Errorf("a file of 501 lines: %v, %v", long.faults(), err)
	}
	for path, empty := range map[string]bool{
		"adapter/internal/a.go": true, "adapter/fhir/types.go": true, "adapter/fhir/type.go": false, "adapter/store/sql_util.go": true,
		"adapter/fhir/helpers_test.go": true, "spadapter/adapter/pkg/x": true, "adapter/terminology/library.go": false,
	} {
		if emptyName(path) != empty {
			t.Errorf("%s: empty name %v", path, !empty)
		}
	}
}
