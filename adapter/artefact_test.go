package main

import (
	"io/fs"
	"log/slog"
	"regexp"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/terminology"
	"spadapter/conformance"
	"spadapter/mappings"
)

// TestArtefactsCompile: what ships compiles, and is itself valid FHIR.
func TestArtefactsCompile(t *testing.T) {
	a, err := compile(Config{}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, fsys := range []fs.FS{conformance.FS, mappings.FS} {
		resources, err := terminology.Resources(fsys, func(string) bool { return true })
		if err != nil || len(resources) == 0 {
			t.Fatalf("%d resources: %v", len(resources), err)
		}
		for _, n := range resources {
			if err := fhir.Check(n); err != nil {
				t.Errorf("%s %s: %v", n.ResourceType(), n.Text("id"), err)
			}
			if err := a.invariants.Validate(n); err != nil {
				t.Errorf("%s %s: %v", n.ResourceType(), n.Text("id"), err)
			}
		}
	}
}

// TestEveryCodePassesItsCheckDigit looks at every SNOMED CT code in the artefacts.
func TestEveryCodePassesItsCheckDigit(t *testing.T) {
	code := regexp.MustCompile(`"code":\s*"([0-9]{6,18})"`)
	seen := 0
	for _, fsys := range []fs.FS{conformance.FS, mappings.FS} {
		err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			body, err := fs.ReadFile(fsys, name)
			for _, m := range code.FindAllStringSubmatch(string(body), -1) {
				seen++
				if !terminology.Verhoeff(m[1]) {
					t.Errorf("%s: %s fails its check digit", name, m[1])
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 50 {
		t.Errorf("only %d codes were looked at", seen)
	}
}

// TestBusinessStatuses: the life-cycle table, the code system and the ConceptMap for
// filing know the same codes.
func TestBusinessStatuses(t *testing.T) {
	a, err := compile(Config{}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	const filing = "https://spadapter.example/fhir/ConceptMap/business-status-filing"
	for _, m := range referral.Table {
		for _, code := range m.Business {
			if _, ok := a.terminology.Lookup(referral.SystemBusinessStatus, code); !ok {
				t.Errorf("%s: %s is not in the code system", m.ID, code)
			}
			if m.Writes != referral.WriteClosure {
				continue
			}
			if rows, err := a.terminology.Translate(filing, referral.SystemBusinessStatus, code); err != nil || len(rows) != 1 {
				t.Errorf("%s: %s has %d rows in the ConceptMap, not one that maps it or says unmatched: %v", m.ID, code, len(rows), err)
			}
		}
	}
}
