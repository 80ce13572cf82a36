package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

// planted is one resource of testdata/planted with the faults that are in it. The files
// are plain JSON so that other validators can read them too.
type planted struct {
	File    string
	Kind    string // of rule that is broken; "clean" when none is
	Profile string
	Faults  []struct{ Severity, Rule, Expression string }
}

// plantedSet loads the profiles of a folder of testdata with the value sets beside them,
// and any other packages.
func plantedSet(t testing.TB, folder string, more ...*fhir.Package) *Set {
	t.Helper()
	p, err := fhir.PackageFS(os.DirFS(folder), "planted")
	if err != nil {
		t.Fatal(err)
	}
	sets, err := p.Resources(fhir.Types(fhir.R4), "ValueSet")
	if err != nil {
		t.Fatal(err)
	}
	codes, err := terminology.Load(sets...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Load(Env{ValidateCode: func(valueSet string, c *fhir.Node) (bool, bool) {
		if c.HasValue() {
			return false, false
		}
		return codes.ValidateCode(valueSet, c.Text("system"), c.Text("code"))
	}}, append(more, p)...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// hold validates every resource of an index and compares what is found with what is
// planted. Each passes fhir.Check, so that the profile alone finds its fault.
func hold(t *testing.T, s *Set, index string) (kinds map[string]bool, faults int) {
	t.Helper()
	var cases []planted
	if err := json.Unmarshal([]byte(read(t, filepath.Join("testdata/planted", index))), &cases); err != nil {
		t.Fatal(err)
	}
	kinds = map[string]bool{}
	clean, profiles := map[string]bool{}, map[string]bool{}
	for _, c := range cases {
		root := parsed(t, read(t, filepath.Join("testdata/planted", c.File)))
		if err := fhir.Check(root); err != nil {
			t.Errorf("%s: %v", c.File, err)
		}
		want := make([]string, len(c.Faults))
		for i, f := range c.Faults {
			want[i] = fmt.Sprintf("%s %s at %s", f.Severity, f.Rule, f.Expression)
		}
		var told []error
		for _, e := range issue.All(s.ValidateAgainst(root, c.Profile)) {
			if index == "ukcore.json" && e.Severity == issue.SeverityInformation {
				continue // value sets and extensions that the package does not hold
			}
			told = append(told, e)
			if e.Line == 0 || len(e.Details) < 20 {
				t.Errorf("%s: %+v", c.File, e)
			}
		}
		if got := graded(errors.Join(told...)); got != strings.Join(want, "\n") {
			t.Errorf("%s (%s): got\n%s\nwanted\n%s", c.File, c.Kind, got, strings.Join(want, "\n"))
		}
		profiles[c.Profile] = true
		if c.Kind == "clean" {
			clean[c.Profile] = true
		} else {
			kinds[c.Kind] = true
		}
		faults += len(c.Faults)
	}
	for p := range profiles {
		if !clean[p] {
			t.Errorf("there is no clean resource for %s", p)
		}
	}
	return kinds, faults
}

// TestPlanted: every planted fault is found at its element and nothing else is, and the
// clean versions have none.
func TestPlanted(t *testing.T) {
	s := plantedSet(t, "testdata/planted/definitions")
	if err := s.Compile(); err != nil {
		t.Fatal(err)
	}
	kinds, faults := hold(t, s, "index.json")
	if len(kinds) < 60 || faults < 60 {
		t.Errorf("only %d kinds and %d faults are planted", len(kinds), faults)
	}
	t.Logf("%d faults of %d kinds", faults, len(kinds))
}

// TestPlantedUKCore is TestPlanted against the profiles of UK Core.
func TestPlantedUKCore(t *testing.T) {
	packages := publishedPackages(t)
	if packages == nil {
		return
	}
	_, faults := hold(t, publishedSet(t, packages), "ukcore.json")
	t.Logf("%d faults", faults)
}
