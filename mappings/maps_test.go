package mappings

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
)

var update = flag.Bool("update", false, "write what the maps make into the case files")

func dialects(t testing.TB) map[string]*mapping.Dialect {
	t.Helper()
	all, err := mapping.Load(mapping.Env{}, FS)
	if err != nil {
		t.Fatalf("the maps do not compile:\n%v", err)
	}
	return all
}

// TestCases runs every case of every dialect. A case is a txtar file: the comment says
// what happens to a person, source.json goes in, target.json must come out, issues must
// be said, one a line; trace is compared where the case has it.
func TestCases(t *testing.T) {
	for name, d := range dialects(t) {
		files, _ := fs.Glob(FS, name+"/*.txtar")
		if len(files) == 0 {
			t.Errorf("the dialect %s has no case", name)
		}
		for _, file := range files {
			t.Run(file, func(t *testing.T) { runCase(t, d, file) })
		}
	}
}

func runCase(t *testing.T, d *mapping.Dialect, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	archive := txtar.Parse(text)
	if len(strings.TrimSpace(string(archive.Comment))) < 40 {
		t.Error("the comment must say why this case exists")
	}
	section := func(name string) (string, bool) {
		for _, f := range archive.Files {
			if f.Name == name {
				return string(f.Data), true
			}
		}
		return "", false
	}
	source, _ := section("source.json")
	root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(source), fhir.Limits{})
	if err != nil {
		t.Fatalf("source.json: %v", err)
	}
	if err := issue.Failures(fhir.Check(root)); err != nil {
		t.Errorf("source.json is not valid FHIR:\n%v", err)
	}
	before := fhir.Encode(root)
	in := mapping.Input{Source: root, Identity: path.Base(file), Now: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC), Trace: true}
	result, err := d.Map.Transform(context.Background(), in)
	got := map[string]string{}
	var lines []string
	for _, e := range issue.All(err) {
		lines = append(lines, line(e))
	}
	if result != nil {
		got["target.json"] = string(fhir.EncodeIndent(result.Target)) + "\n"
		for _, e := range result.Issues {
			lines = append(lines, line(e))
		}
		var steps []string
		for _, s := range result.Trace {
			steps = append(steps, s.String()+"\n")
		}
		got["trace"] = strings.Join(steps, "")
		checkTarget(t, result.Target, len(result.Unread) > 0)
		again, err := d.Map.Transform(context.Background(), mapping.Input{Source: root, Identity: in.Identity, Now: in.Now})
		if err != nil || !bytes.Equal(fhir.Encode(again.Target), fhir.Encode(result.Target)) {
			t.Error("the same input gave other bytes the second time")
		}
	}
	if !bytes.Equal(before, fhir.Encode(root)) {
		t.Error("the transform changed its source")
	}
	got["issues"] = strings.Join(lines, "")
	if *update {
		out := &txtar.Archive{Comment: archive.Comment, Files: []txtar.File{{Name: "source.json", Data: []byte(source)}}}
		for _, name := range []string{"target.json", "issues", "trace"} {
			if _, has := section(name); got[name] != "" || name == "issues" {
				if name != "trace" || has {
					out.Files = append(out.Files, txtar.File{Name: name, Data: []byte(got[name])})
				}
			}
		}
		if err := os.WriteFile(file, txtar.Format(out), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, name := range []string{"target.json", "issues", "trace"} {
		want, has := section(name)
		if name == "trace" && !has {
			continue
		}
		if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got[name], "\n")); diff != "" {
			t.Errorf("%s differs (run with -update after looking):\n%s", name, diff)
		}
	}
}

// checkTarget holds what is true of the result of every map. Where something was left out,
// a reference may lead to it still: that the sender named it is information.
func checkTarget(t *testing.T, target *fhir.Node, left bool) {
	root, err := fhir.Parse(fhir.Types(fhir.R4), fhir.Encode(target), fhir.Limits{})
	if err != nil {
		t.Fatalf("the target does not parse: %v", err)
	}
	for _, e := range issue.All(issue.Failures(fhir.Check(root))) {
		if !left || e.Rule != "bundle-reference" {
			t.Errorf("the target is not valid FHIR: %v", e)
		}
	}
}

func line(e *issue.Error) string { return fmt.Sprintf("%s %s %s\n", e.Type, e.Rule, e.Expression) }

// TestEveryFolderIsADialect finds folders that are never run.
func TestEveryFolderIsADialect(t *testing.T) {
	all := dialects(t)
	entries, err := fs.ReadDir(FS, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "base" {
			continue
		}
		if all[e.Name()] == nil {
			t.Errorf("%s holds no map that runs", e.Name())
		}
		if _, err := fs.Stat(FS, e.Name()+"/README.md"); err != nil {
			t.Errorf("%s has no README.md", e.Name())
		}
	}
}

// TestCodes: every SNOMED CT id in the ConceptMaps and maps' code systems is well formed,
// every target code exists in its code system where that is here, and every map has a
// description of where its codes come from.
func TestCodes(t *testing.T) {
	for name, d := range dialects(t) {
		files, _ := fs.Glob(FS, name+"/*.json")
		baseFiles, _ := fs.Glob(FS, "base/*.json")
		for _, file := range append(files, baseFiles...) {
			text, err := fs.ReadFile(FS, file)
			if err != nil {
				t.Fatal(err)
			}
			root, err := fhir.Parse(fhir.Types(fhir.R4), text, fhir.Limits{})
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if err := issue.Failures(fhir.Check(root)); err != nil {
				t.Errorf("%s is not valid FHIR:\n%v", file, err)
			}
			for _, element := range []string{"description", "copyright"} {
				if root.Text(element) == "" {
					t.Errorf("%s: %s must say where the codes come from", file, element)
				}
			}
			for _, g := range root.All("group") {
				source, target := g.Text("source"), g.Text("target")
				for _, e := range g.All("element") {
					checkCode(t, d, file, source, e.Text("code"))
					for _, m := range e.All("target") {
						checkCode(t, d, file, target, m.Text("code"))
					}
				}
			}
		}
	}
}

func checkCode(t *testing.T, d *mapping.Dialect, file, system, code string) {
	t.Helper()
	if system == "http://snomed.info/sct" && !verhoeff(code) {
		t.Errorf("%s: %s is no SNOMED CT id: the check digit is wrong", file, code)
	}
	if strings.HasPrefix(system, "https://spadapter.example/") {
		if _, ok := d.Codes.Lookup(system, code); !ok {
			t.Errorf("%s: the code %s is not in %s", file, code, system)
		}
	}
}

// verhoeff checks the last digit of a SNOMED CT id.
// Source: https://confluence.ihtsdotools.org/display/DOCRELFMT/5.5+Check-digit
func verhoeff(id string) bool {
	if len(id) < 6 || len(id) > 18 {
		return false
	}
	// multiplication in the dihedral group D5, and the permutation of each position
	d5 := func(a, b int) int {
		switch {
		case a < 5 && b < 5:
			return (a + b) % 5
		case a < 5:
			return 5 + (a+b-5)%5
		case b < 5:
			return 5 + (a-5-b+5)%5
		}
		return (a - b + 5) % 5
	}
	step := [10]int{1, 5, 7, 6, 2, 8, 3, 0, 9, 4}
	check := 0
	for i := range len(id) {
		c := id[len(id)-1-i]
		if c < '0' || c > '9' {
			return false
		}
		n := int(c - '0')
		for range i % 8 {
			n = step[n]
		}
		check = d5(check, n)
	}
	return check == 0
}

func TestVerhoeff(t *testing.T) {
	for _, id := range []string{"73211009", "871731000000106", "22298006", "404684003"} {
		if !verhoeff(id) {
			t.Errorf("%s is a SNOMED CT id", id)
		}
		if wrong := id[:len(id)-1] + string('0'+(id[len(id)-1]-'0'+1)%10); verhoeff(wrong) {
			t.Errorf("%s is none", wrong)
		}
	}
}

// TestCasesUseTestPatients: every NHS number in a case is of the range 999, which is
// never issued, and has the right check digit.
func TestCasesUseTestPatients(t *testing.T) {
	for name := range dialects(t) {
		files, _ := fs.Glob(FS, name+"/*.txtar")
		for _, file := range files {
			text, _ := os.ReadFile(file)
			for _, f := range txtar.Parse(text).Files {
				if f.Name != "source.json" {
					continue
				}
				root, err := fhir.Parse(fhir.Types(fhir.R4), f.Data, fhir.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				for _, number := range nhsNumbers(root) {
					if !strings.HasPrefix(number, "999") || !modulus11(number) {
						t.Errorf("%s: %s is no test NHS number", file, number)
					}
				}
			}
		}
	}
}

func nhsNumbers(n *fhir.Node) []string {
	var out []string
	if n.Text("system") == "https://fhir.nhs.uk/Id/nhs-number" {
		out = append(out, n.Text("value"))
	}
	for _, c := range n.Children {
		out = append(out, nhsNumbers(c)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// modulus11 checks an NHS number.
// Source: https://www.datadictionary.nhs.uk/attributes/nhs_number.html
func modulus11(number string) bool {
	if len(number) != 10 {
		return false
	}
	sum := 0
	for i := range 9 {
		sum += int(number[i]-'0') * (10 - i)
	}
	return (11-sum%11)%11 == int(number[9]-'0')
}
