package profile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

const (
	published = "../../../shared/reference/definitions"
	realFiles = "../../../shared/reference/real"
)

// publishedPackages opens the packages of the base standard, UK Core and BaRS; nil where
// they are not on this machine.
func publishedPackages(t testing.TB) []*fhir.Package {
	t.Helper()
	if _, err := os.Stat(published); os.IsNotExist(err) {
		t.Log("NOT TESTED: the published packages are not on this machine")
		return nil
	}
	var out []*fhir.Package
	for _, folder := range []string{"r4-core", "ukcore", "bars"} {
		p, err := fhir.OpenPackage(filepath.Join(published, folder))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// publishedSet is a Set of the published packages with their value sets and code systems.
func publishedSet(t testing.TB, packages []*fhir.Package) *Set {
	t.Helper()
	var codes *terminology.Registry
	for _, p := range packages {
		for _, kind := range []string{"CodeSystem", "ValueSet"} {
			list, err := p.Resources(fhir.Types(fhir.R4), kind)
			if err != nil {
				t.Fatal(err)
			}
			more, err := codes.With(list...)
			if err != nil {
				t.Fatal(err)
			}
			codes = more
		}
	}
	s, err := Load(Env{ValidateCode: func(valueSet string, c *fhir.Node) (bool, bool) {
		if c.HasValue() {
			return false, false
		}
		return codes.ValidateCode(valueSet, c.Text("system"), c.Text("code"))
	}}, packages...)
	if issue.Failures(err) != nil {
		t.Fatal(err)
	}
	return s
}

// table reads a list of names, each with its reason, tab between them.
func table(t testing.TB, file string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(read(t, file)) {
		name, reason, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok || reason == "" || out[name] != "" {
			t.Fatalf("%s: %q needs one line of name, tab and reason", file, line)
		}
		out[name] = reason
	}
	return out
}

// tally of a suite: what passes although it is excluded fails the run.
type suiteTally struct {
	name             string
	excluded         map[string]string
	passed, left, ko int
}

func (s *suiteTally) settle(t *testing.T, name string, problem string) {
	t.Helper()
	reason, out := s.excluded[name]
	delete(s.excluded, name)
	switch {
	case problem == "" && !out:
		s.passed++
	case problem == "":
		s.ko++
		t.Errorf("%s passes; its exclusion is stale: %s", name, reason)
	case out:
		s.left++
	default:
		s.ko++
		t.Errorf("%s: %s", name, problem)
	}
}

func (s *suiteTally) end(t *testing.T) {
	t.Helper()
	for name := range s.excluded {
		t.Errorf("%s is excluded and is not there", name)
	}
	t.Logf("suite %s %d passed, %d excluded, %d failed", s.name, s.passed, s.left, s.ko)
}

// TestSuiteUKCore validates every official UK Core example against the profile that its
// name says, each entry of a Bundle against the UK Core profile of its type, and every
// other real file that claims a UK Core profile against what it claims. The publisher of
// an example means it to be valid. What the manifest says is no valid FHIR must be
// refused here too.
func TestSuiteUKCore(t *testing.T) {
	packages := publishedPackages(t)
	if packages == nil {
		return
	}
	s := publishedSet(t, packages)
	ids := map[string]string{}
	for _, d := range packages[1].Definitions {
		if d.ResourceType == "StructureDefinition" && d.Type != "Extension" {
			ids[d.ID] = d.URL
		}
	}
	// the longest id that the name of the file starts with
	profileOf := func(name string) string {
		best := ""
		for id := range ids {
			if strings.HasPrefix(name, id+"-") && len(id) > len(best) {
				best = id
			}
		}
		return ids[best]
	}
	suite := &suiteTally{name: "ukcore", excluded: table(t, "testdata/ukcore.tsv")}
	examples := 0
	for line := range strings.Lines(read(t, filepath.Join(realFiles, "MANIFEST.tsv"))) {
		columns := strings.Split(line, "\t")
		name := columns[0]
		example := strings.HasPrefix(name, "ukcore/")
		if len(columns) < 8 || columns[5] != "R4" || !strings.HasSuffix(name, ".json") {
			continue
		}
		body := read(t, filepath.Join(realFiles, name))
		if !example && !strings.Contains(body, "/StructureDefinition/UKCore-") {
			continue
		}
		root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(body), fhir.Limits{})
		if err == nil {
			err = fhir.Check(root)
		}
		if root != nil && issue.Failures(err) == nil {
			err = s.ValidateEach(root, func(n *fhir.Node) []string {
				switch {
				case example && n == root:
					examples++
					return []string{profileOf(filepath.Base(name))}
				case example && ids["UKCore-"+n.ResourceType()] != "":
					return []string{ids["UKCore-"+n.ResourceType()]}
				}
				return nil
			})
		}
		problem := ""
		err = issue.Failures(err)
		refused := slices.ContainsFunc([]string{"refuse", "→ 400", "NOT valid FHIR"}, func(words string) bool { return strings.Contains(columns[7], words) })
		switch {
		case refused && err == nil:
			problem = "is accepted, and the manifest says: " + columns[7]
		case !refused && err != nil:
			problem = err.Error()
		}
		suite.settle(t, name, problem)
	}
	if examples < 42 {
		t.Errorf("only %d examples", examples)
	}
	suite.end(t)
}

// TestPublishedDefinitions compiles every definition of the published packages. What is
// at fault in one is listed with the reason.
func TestPublishedDefinitions(t *testing.T) {
	packages := publishedPackages(t)
	if packages == nil {
		return
	}
	s := publishedSet(t, packages)
	wrong := map[string][]string{}
	for _, e := range issue.All(s.Compile()) {
		file, _, _ := strings.Cut(e.Details, ":")
		wrong[file] = append(wrong[file], e.Error())
	}
	suite := &suiteTally{name: "definitions", excluded: table(t, "testdata/definitions.tsv")}
	for _, e := range s.order {
		suite.settle(t, e.definition.File, strings.Join(wrong[e.definition.File], "\n"))
		delete(wrong, e.definition.File)
	}
	if len(wrong) > 0 {
		t.Errorf("%v", wrong)
	}
	suite.end(t)
}
