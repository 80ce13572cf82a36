package profile

import (
	"encoding/json"
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

// TestPlanted: every planted fault is found at its element and nothing else is, and the
// clean versions have none. Each passes fhir.Check, so that the profile alone finds it.
func TestPlanted(t *testing.T) {
	const folder = "testdata/planted"
	s := plantedSet(t, folder+"/definitions")
	if err := s.Compile(); err != nil {
		t.Fatal(err)
	}
	var cases []planted
	if err := json.Unmarshal([]byte(read(t, filepath.Join(folder, "index.json"))), &cases); err != nil {
		t.Fatal(err)
	}
	kinds, profiles, clean, faults := map[string]bool{}, map[string]bool{}, map[string]bool{}, 0
	for _, c := range cases {
		root := parsed(t, read(t, filepath.Join(folder, c.File)))
		if err := fhir.Check(root); err != nil {
			t.Errorf("%s: %v", c.File, err)
		}
		want := make([]string, len(c.Faults))
		for i, f := range c.Faults {
			want[i] = fmt.Sprintf("%s %s at %s", f.Severity, f.Rule, f.Expression)
		}
		err := s.ValidateAgainst(root, c.Profile)
		if got := graded(err); got != strings.Join(want, "\n") {
			t.Errorf("%s (%s): got\n%s\nwanted\n%s", c.File, c.Kind, got, strings.Join(want, "\n"))
		}
		for _, e := range issue.All(err) {
			if e.Line == 0 || len(e.Details) < 20 {
				t.Errorf("%s: %+v", c.File, e)
			}
		}
		profiles[c.Profile] = true
		if c.Kind == "clean" {
			clean[c.Profile] = true
		} else {
			kinds[c.Kind] = true
		}
		faults += len(c.Faults)
	}
	if len(kinds) < 60 || faults < 60 {
		t.Errorf("only %d kinds and %d faults are planted", len(kinds), faults)
	}
	t.Logf("%d faults of %d kinds", faults, len(kinds))
	for p := range profiles {
		if !clean[p] && !strings.HasSuffix(p, "planted-patient-strict") {
			t.Errorf("there is no clean resource for %s", p)
		}
	}
}
