package directory

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/profile"
)

var update = flag.Bool("update", false, "write the golden renderings anew")

// checkRendering renders an entry and holds it to the structure of FHIR R4.
func checkRendering(t *testing.T, d *Directory, e *Entry) *fhir.Node {
	t.Helper()
	n, err := d.Resource(e)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := fhir.Parse(fhir.Types(fhir.R4), fhir.Encode(n), fhir.Limits{Bytes: 64 << 20, Nodes: 1 << 30})
	if err == nil {
		err = issue.Failures(fhir.Check(parsed))
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, fhir.EncodeIndent(n))
	}
	return parsed
}

// Everything in Millbrook is valid FHIR R4, invariants included; some of it is as it was
// when somebody last looked at it.
func TestRender(t *testing.T) {
	v := shipped(t)
	d := New(Config{Vocabulary: v, Now: func() time.Time { return noon }})
	invariants := profile.Base(fhir.Types(fhir.R4))
	golden := map[string]string{"Tuesday Lunch Club": "service", "Museum Memories": "monthly", "Friendly Calls": "telephone", "Millbrook Pantry": "closed", "Tea and Tablets": "stale",
		"Riverside Hall": "location", "Millbrook Friends": "organization"}
	seen := map[string]bool{}
	for _, raw := range millbrook(t) {
		s, faults := v.Read("millbrook", raw, noon)
		if s == nil {
			t.Fatal(faults)
		}
		for _, e := range v.entries(s, time.Time{}, noon) {
			e.Version, e.Updated = 3, noon
			n := checkRendering(t, d, e)
			if err := issue.Failures(invariants.Validate(n)); err != nil {
				t.Errorf("%s: %v", n.Text("name"), err)
			}
			file := golden[n.Text("name")]
			if file == "" || seen[file] {
				continue
			}
			seen[file] = true
			path := filepath.Join("testdata", file+".json")
			got := append(fhir.EncodeIndent(n), '\n')
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || string(want) != string(got) {
				t.Errorf("%s differs (%v); -update writes it anew:\n%s", path, err, got)
			}
		}
	}
	if len(seen) != len(golden) {
		t.Errorf("seen: %v", seen)
	}
}

// What is withdrawn is there, and not active.
func TestRenderWithdrawn(t *testing.T) {
	v := shipped(t)
	d := New(Config{Vocabulary: v, Now: func() time.Time { return noon }})
	s, _ := v.Read("millbrook", millbrook(t)[0], noon)
	for _, e := range v.entries(s, noon, noon) {
		e.Version, e.Updated = 4, noon
		n := checkRendering(t, d, e)
		switch e.Type {
		case TypeLocation:
			if n.Text("status") != "inactive" {
				t.Errorf("%s", fhir.Encode(n))
			}
		default:
			if n.Text("active") != "false" {
				t.Errorf("%s", fhir.Encode(n))
			}
		}
	}
}

// The digits of a place are those of the feed.
func TestPlainDecimal(t *testing.T) {
	for text, want := range map[string]string{"53.80": "53.80", "+1.5": "1.5", ".5": "0.5", "-.5": "-0.5", "1.": "1", "007": "7", "1e1": "1e1"} {
		if got := plainDecimal(text); got != want || !json.Valid([]byte(got)) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
