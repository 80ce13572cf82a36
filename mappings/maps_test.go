package mappings

import (
	"bytes"
	"context"
	"flag"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
)

var update = flag.Bool("update", false, "write what the maps make into the case files")

func dialects(t testing.TB) map[string]*mapping.Dialect {
	t.Helper()
	lib, err := mapping.LoadLibrary(mapping.Env{}, mapping.Layer{FS: FS})
	if err != nil {
		t.Fatalf("the maps do not compile:\n%v", err)
	}
	all := map[string]*mapping.Dialect{}
	for _, d := range lib.Dialects("") {
		all[d.Name] = d
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
	c, err := mapping.ParseCase(path.Base(file), text)
	if err != nil {
		t.Fatal(err)
	}
	v, err := c.Run(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	if *update && len(v.Faults) == 0 {
		if err := os.WriteFile(file, c.Updated(v), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	var report strings.Builder
	if _ = v.Report(&report); !v.Passed() {
		t.Errorf("run with -update after looking:\n%s", &report)
	}
	if v.Passed() && !bytes.Equal(c.Updated(v), text) {
		t.Error("an update of a case that passes changes it")
	}
}

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
				if root.Text(element) == "" && root.ResourceType() != "PlanDefinition" {
					t.Errorf("%s: %s must say where the codes come from", file, element)
				}
			}
			for _, g := range root.All("group") {
				source, target := g.Text("source"), g.Text("target")
				for _, e := range g.All("element") {
					checkCode(t, d, file, source, e.Text("code"))
					for _, m := range e.All("target") {
						if m.Text("equivalence") != "unmatched" {
							checkCode(t, d, file, target, m.Text("code"))
						}
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
	if strings.HasPrefix(system, "http://read.info/") && !readForm.MatchString(code) {
		t.Errorf("%s: %s is no Read code: five characters with dots at the end, and of Read v2 two digits of a term code", file, code)
	}
	if strings.HasPrefix(system, "https://spadapter.example/") {
		if _, ok := d.Codes.Lookup(system, code); !ok && !inConformance(t, system, code) {
			t.Errorf("%s: the code %s is not in %s", file, code, system)
		}
	}
}

// readForm is a code of Read v2 or CTV3.
var readForm = regexp.MustCompile(`^([0-9A-Za-z]{5}|[0-9A-Za-z]{4}\.|[0-9A-Za-z]{3}\.\.|[0-9A-Za-z]{2}\.{3}|[0-9A-Za-z]\.{4})([0-9][0-9])?$`)

// inConformance reports whether a code is in one of our own systems that lie with the
// other artefacts and not with the maps.
func inConformance(t *testing.T, system, code string) bool {
	t.Helper()
	name := strings.TrimPrefix(system, "https://spadapter.example/fhir/CodeSystem/")
	text, err := os.ReadFile(path.Join("..", "conformance", "codesystems", "CodeSystem-"+name+".json"))
	if err != nil {
		return false
	}
	root, err := fhir.Parse(fhir.Types(fhir.R4), text, fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var among func(n *fhir.Node) bool
	among = func(n *fhir.Node) bool {
		return slices.ContainsFunc(n.All("concept"), func(c *fhir.Node) bool { return c.Text("code") == code || among(c) })
	}
	return root.Text("url") == system && among(root)
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
