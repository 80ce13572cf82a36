package mapping

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

func file1(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

// gender is a map that gives every Patient that gender, and its id by a map of base.
func gender(name, value string) string { return genderOf(name, "'"+value+"'", "") }

func genderOf(name, value, more string) string {
	return `map "https://test.example/StructureMap/` + name + `" = "` + name + `"
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as source
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as target
imports "https://test.example/StructureMap/shared"
` + more + `
group main(source src : Patient, target tgt : Patient) { src -> tgt.gender = ` + value + ` "g"; src then id(src, tgt) "id"; }`
}

const sharedMap = `map "https://test.example/StructureMap/shared" = "shared"
group id(source src, target tgt) { src.id as v -> tgt.id = v; }`

// genders is a ConceptMap from our own code 1 to a gender.
func genders(gender string) string {
	return `{"resourceType":"ConceptMap","url":"https://test.example/ConceptMap/g","status":"active","group":[{"source":"urn:s","target":"urn:t","element":[{"code":"1","target":[{"code":"` + gender + `","equivalence":"equal"}]}]}]}`
}

const translating = `map "https://test.example/StructureMap/tr" = "tr"
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as source
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as target
group main(source src : Patient, target tgt : Patient) { src.maritalStatus as m, m.coding as c -> tgt.gender = translate(c, 'https://test.example/ConceptMap/g', 'code') "g"; }`

// gives runs a dialect on a small Patient and returns the gender it makes.
func gives(t *testing.T, d *Dialect) string {
	t.Helper()
	if d == nil {
		t.Fatal("no such dialect")
	}
	p := fhir.Types(fhir.R4).New("Patient")
	p.Set("id", "1")
	c := p.Add("maritalStatus").Add("coding")
	c.Set("system", "urn:s")
	c.Set("code", "1")
	result, err := d.Map.Transform(context.Background(), Input{Source: p})
	if err != nil {
		t.Fatal(err)
	}
	return result.Target.Text("gender")
}

// A deployment overrides one file of a dialect, adds a dialect, and adds a file to base;
// one practice has a map and a ConceptMap of its own.
func TestLayers(t *testing.T) {
	shipped := fstest.MapFS{
		"base/shared.map": file1(sharedMap), "a/a.map": file1(gender("a", "male")), "a/other.map": file1(gender("o", "other")),
		"b/any.map": file1(gender("b", "male")), "README.md": file1("x"), "a/case.txtar": file1("x"),
		"tr/tr.map": file1(translating), "tr/conceptmap-g.json": file1(genders("male")),
	}
	local := fstest.MapFS{
		"b/b.map": file1(gender("b2", "female")), "c/c.map": file1(gender("c", "unknown")),
		"tr/conceptmap-g.json": file1(genders("other")), // the ConceptMap alone
		"base/codes.json":      file1(`{"resourceType":"CodeSystem","url":"urn:c","status":"active","content":"complete","concept":[{"code":"1"}]}`),

		"organisations/Z99001/a/a.map":           file1(gender("a", "female")), // the map alone
		"organisations/Z99002/tr/another.json":   file1(genders("female")),     // by its url
		"organisations/Z99003/base/shared.map":   file1(strings.Replace(sharedMap, "src.id as v -> tgt.id = v", "src.id as v -> tgt.language = v", 1)),
		"organisations/Z99003/own/own.map":       file1(gender("own", "male")),
		"organisations/Z99003/README.md":         file1("x"),
		".hidden/x":                              file1("x"),
		"organisations/Z99001/a/.hidden.swp":     file1("x"),
		"organisations/Z99001/a/codes-more.json": file1(`{"resourceType":"CodeSystem","url":"urn:d","status":"active","content":"complete","concept":[{"code":"1"}]}`),
	}
	lib, err := LoadLibrary(Env{}, Layer{FS: shipped}, Layer{Name: "/etc/maps", FS: local})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ organisation, name, want string }{
		{"", "a", "male"}, {"", "b", "female"}, {"", "c", "unknown"}, {"", "tr", "other"},
		{"Z99001", "a", "female"}, {"Z99001", "tr", "other"}, {"Z99002", "tr", "female"}, {"Z99002", "a", "male"},
		{"Z99003", "own", "male"}, {"X26", "a", "male"},
	} {
		if got := gives(t, lib.Dialect(c.organisation, c.name)); got != c.want {
			t.Errorf("%s %s gives %s, not %s", c.organisation, c.name, got, c.want)
		}
	}
	if lib.Dialect("", "own") != nil || lib.Dialect("Z99001", "own") != nil || lib.Dialect("", "base") != nil {
		t.Error("a dialect of one organisation is nobody else's, and base is none")
	}
	if got := lib.Organisations(); !slices.Equal(got, []string{"Z99001", "Z99002", "Z99003"}) {
		t.Errorf("organisations %v", got)
	}
	var listed []string
	for _, d := range lib.Dialects("Z99003") {
		listed = append(listed, d.Name+" "+d.Organisation)
	}
	if !slices.Equal(listed, []string{"a Z99003", "b Z99003", "c Z99003", "own Z99003", "tr Z99003"}) {
		t.Errorf("with a base of its own every dialect is its own: %v", listed)
	}
	if len(lib.Dialects("")) != 4 || lib.Dialects("Z99001")[0].Organisation != "Z99001" || lib.Dialects("Z99001")[1].Organisation != "" {
		t.Errorf("%v", lib.Dialects("Z99001"))
	}
	for _, d := range lib.Dialects("") {
		if _, ok := d.Codes.Lookup("urn:c", "1"); !ok {
			t.Errorf("%s does not see the codes of base", d.Name)
		}
	}
	if _, ok := lib.Dialect("", "a").Codes.Lookup("urn:d", "1"); ok {
		t.Error("the codes of one organisation are seen by all")
	}
	want := []File{{"a/a.map", "/etc/maps", "organisations/Z99001/a/a.map", false}, {"a/codes-more.json", "/etc/maps", "organisations/Z99001/a/codes-more.json", false},
		{"a/other.map", "", "a/other.map", false}, {"base/codes.json", "/etc/maps", "base/codes.json", false}, {"base/shared.map", "", "base/shared.map", false}}
	if got := lib.Dialect("Z99001", "a").Origin; !slices.Equal(got, want) {
		t.Errorf("origin %v", got)
	}
	if got := lib.Dialect("Z99001", "a").Map.File; got != "/etc/maps/organisations/Z99001/a/a.map" {
		t.Errorf("file %s", got)
	}
}

// A map that replaces a file may build on the one it replaces.
func TestReplacedMapIsImported(t *testing.T) {
	shipped := fstest.MapFS{"base/shared.map": file1(sharedMap), "a/a.map": file1(gender("a", "male"))}
	local := fstest.MapFS{"a/a.map": file1(`map "https://local.example/StructureMap/a" = "a"
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as source
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as target
imports "https://test.example/StructureMap/a"
group mine(source src : Patient, target tgt : Patient) extends main { src -> tgt.language = 'cy' "l"; }`)}
	lib, err := LoadLibrary(Env{}, Layer{FS: shipped}, Layer{Name: "local", FS: local})
	if err != nil {
		t.Fatal(err)
	}
	d := lib.Dialect("", "a")
	p := fhir.Types(fhir.R4).New("Patient")
	p.Set("id", "1")
	result, err := d.Map.Transform(context.Background(), Input{Source: p})
	if err != nil || result.Target.Text("language") != "cy" || result.Target.Text("gender") != "male" || result.Target.Text("id") != "1" {
		t.Errorf("%v %v", result, err)
	}
	if d.Map.URL != "https://local.example/StructureMap/a" || len(d.Set.Maps()) != 3 {
		t.Errorf("%s runs among %d maps", d.Map.URL, len(d.Set.Maps()))
	}
	// a third layer with the first url again: what it replaces is still there under its own
	third := fstest.MapFS{"a/a.map": file1(gender("a", "female"))}
	lib, err = LoadLibrary(Env{}, Layer{FS: shipped}, Layer{Name: "local", FS: local}, Layer{Name: "third", FS: third})
	if err != nil {
		t.Fatal(err)
	}
	if got := gives(t, lib.Dialect("", "a")); got != "female" || len(lib.Dialect("", "a").Set.Maps()) != 3 {
		t.Errorf("got %s of %d maps", got, len(lib.Dialect("", "a").Set.Maps()))
	}
	// by its url a map in a file of another name replaces one, and runs in its place
	lib, err = LoadLibrary(Env{}, Layer{FS: shipped}, Layer{Name: "local", FS: fstest.MapFS{"a/new-name.map": file1(gender("a", "other"))}})
	if err != nil {
		t.Fatal(err)
	}
	if got := gives(t, lib.Dialect("", "a")); got != "other" {
		t.Errorf("got %s", got)
	}
}

// What has no place in a layer is refused, everything at once, each with layer and file.
func TestLayerFaults(t *testing.T) {
	good := fstest.MapFS{"base/shared.map": file1(sharedMap), "a/a.map": file1(gender("a", "male"))}
	if _, err := LoadLibrary(Env{}, Layer{FS: good}); err != nil {
		t.Fatal(err)
	}
	faults := map[string]struct {
		file, text string
		want       error
		in         string
	}{
		"no map runs":             {"x/third.map", gender("x", "male"), nil, ""},
		"which map runs":          {"x/fourth.map", gender("x4", "male"), issue.NotFound, "local/x"},
		"unknown kind":            {"a/a.xml", "<x/>", issue.Structure, "local/a/a.xml"},
		"folder in a dialect":     {"a/cases/c.txtar", "x", issue.Structure, "local/a/cases"},
		"nothing in the folder":   {"notes/README.md", "x", issue.Structure, "local/notes"},
		"no ODS code":             {"organisations/z99001/a/a.map", gender("a", "male"), issue.Structure, "local/organisations/z99001"},
		"too short":               {"organisations/Z9/a/a.map", gender("a", "male"), issue.Structure, "local/organisations/Z9"},
		"nothing overridden":      {"organisations/Z99009/README.md", "x", issue.Structure, "local/organisations/Z99009"},
		"stray in organisations":  {"organisations/a.map", gender("a", "male"), issue.Structure, "local/organisations/a.map"},
		"stray in organisation":   {"organisations/Z99008/a.map", gender("a", "male"), issue.Structure, "local/organisations/Z99008/a.map"},
		"its dialect":             {"organisations/Z99008/a/a.map", gender("a", "male"), nil, ""},
		"a map beside dialects":   {"a.map", gender("a", "male"), issue.Structure, "local/a.map"},
		"another resource":        {"a/patient.json", `{"resourceType":"Patient"}`, issue.Structure, "local/a/patient.json"},
		"no JSON":                 {"a/broken.json", `{`, issue.Structure, "local/a/broken.json"},
		"invalid":                 {"base/invalid.json", `{"resourceType":"ConceptMap","url":"urn:x"}`, issue.Required, "local/base/invalid.json"},
		"of one organisation":     {"organisations/Z99007/zz/conceptmap.json", genders("male"), issue.NotFound, "local/organisations/Z99007/zz"},
		"syntax":                  {"y/y.map", "map", issue.Structure, "local/y/y.map"},
		"compiles not":            {"z/z.map", strings.Replace(gender("z", "male"), "tgt.gender", "tgt.gendre", 1), issue.Structure, "local/z/z.map"},
		"a replaced map's fault":  {"organisations/Z99006/z/other.json", genders("male"), nil, ""},
		"two resources, one url":  {"v/one.json", genders("male"), nil, ""},
		"two resources, one url2": {"v/two.json", genders("male"), issue.Duplicate, "local/v"},
		"its map":                 {"v/v.map", gender("v", "male"), nil, ""},
	}
	local := fstest.MapFS{}
	for _, c := range faults {
		local[c.file] = file1(c.text)
	}
	delete(local, "base/invalid.json") // with it nothing compiles
	_, err := LoadLibrary(Env{}, Layer{FS: good}, Layer{Name: "local", FS: local})
	told := issue.All(err)
	for name, c := range faults {
		if c.want == nil || c.file == "base/invalid.json" {
			continue
		}
		if !slices.ContainsFunc(told, func(e *issue.Error) bool { return errors.Is(e, c.want) && strings.HasPrefix(e.Details, c.in+":") }) {
			t.Errorf("%s: %s is not refused with %v", name, c.file, c.want)
		}
	}
	if t.Failed() {
		t.Logf("told:\n%v", err)
	}
	local = fstest.MapFS{"base/invalid.json": file1(faults["invalid"].text), "base/shared.map": file1("map")}
	if _, err := LoadLibrary(Env{}, Layer{FS: good}, Layer{Name: "local", FS: local}); len(issue.All(err)) != 1 || !strings.Contains(err.Error(), "local/base/invalid.json") {
		t.Errorf("the first of two steps fails alone: %v", err)
	}
	delete(local, "base/invalid.json")
	if _, err := LoadLibrary(Env{}, Layer{FS: fstest.MapFS{"a/a.map": good["a/a.map"], "b/b.map": file1(gender("b", "male"))}}, Layer{Name: "local", FS: local}); len(issue.All(err)) != 1 {
		t.Errorf("a fault of base is told once: %v", err)
	}
}

// What is compiled of the same files has the same hash; a changed map or code map, of
// whichever folder or layer, gives another.
func TestHashOfADialect(t *testing.T) {
	codes := `{"resourceType":"ConceptMap","url":"https://test.example/ConceptMap/c","status":"active"}`
	shipped := func(edit func(fstest.MapFS)) *Dialect {
		files := fstest.MapFS{"base/shared.map": file1(sharedMap), "base/conceptmap-c.json": file1(codes), "a/a.map": file1(gender("a", "male")), "b/b.map": file1(gender("b", "male"))}
		edit(files)
		lib, err := LoadLibrary(Env{}, Layer{FS: files})
		if err != nil {
			t.Fatal(err)
		}
		return lib.Dialect("", "a")
	}
	first := shipped(func(fstest.MapFS) {})
	if len(first.Hash) != 64 || first.Canonical != first.Map.URL+"|"+first.Hash[:12] {
		t.Errorf("%+v", first)
	}
	for name, edit := range map[string]func(fstest.MapFS){
		"the map":             func(f fstest.MapFS) { f["a/a.map"] = file1(gender("a", "female")) },
		"a comment":           func(f fstest.MapFS) { f["a/a.map"] = file1(gender("a", "male") + "\n// later") },
		"a map it can import": func(f fstest.MapFS) { f["base/shared.map"] = file1(sharedMap + "\n// later") },
		"a code map": func(f fstest.MapFS) {
			f["base/conceptmap-c.json"] = file1(strings.Replace(codes, "active", "draft", 1))
		},
	} {
		if d := shipped(edit); d.Hash == first.Hash {
			t.Errorf("%s is another, and the hash is the same", name)
		}
	}
	for name, edit := range map[string]func(fstest.MapFS){
		"nothing":         func(fstest.MapFS) {},
		"another dialect": func(f fstest.MapFS) { f["b/b.map"] = file1(gender("b", "female")) },
	} {
		if d := shipped(edit); d.Hash != first.Hash {
			t.Errorf("%s changed, and the hash is another", name)
		}
	}
	d := shipped(func(f fstest.MapFS) { f["a/a.map"] = file1("/// version = '3.1'\n" + gender("a", "male")) })
	if d.Canonical != d.Map.URL+"|3.1" {
		t.Error(d.Canonical)
	}
}
