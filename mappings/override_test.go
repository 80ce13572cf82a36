package mappings

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"spadapter/adapter/fhir"
	"spadapter/adapter/mapping"
)

// What a deployment puts into a directory of its own: one ConceptMap for everybody, and
// for one practice a map that adds to ours.
func TestDeploymentOverridesWhatShips(t *testing.T) {
	need, err := FS.ReadFile("base/conceptmap-need.json")
	if err != nil {
		t.Fatal(err)
	}
	local := fstest.MapFS{
		"base/conceptmap-need.json": {Data: []byte(strings.ReplaceAll(string(need), `"housing"`, `"other"`))},
		"organisations/Z99002/ukcore-r4-to-referral/ukcore-r4-to-referral.map": {Data: []byte(`map "https://quayside.example/StructureMap/referral" = "quayside"
// Quayside sends its messages without a language; they are in Welsh
uses "http://hl7.org/fhir/StructureDefinition/Bundle" alias Bundle as source
uses "http://hl7.org/fhir/StructureDefinition/Bundle" alias Bundle as target
imports "https://spadapter.example/fhir/StructureMap/ukcore-r4-to-referral"
group quayside(source src : Bundle, target tgt : Bundle) extends referral {
  src where language.empty() -> tgt.language = 'cy' "language";
}
`)},
	}
	lib, err := mapping.LoadLibrary(mapping.Env{}, mapping.Layer{FS: FS}, mapping.Layer{Name: "/etc/maps", FS: local})
	if err != nil {
		t.Fatal(err)
	}
	body := source(t, "ukcore-r4-to-referral/restricted-person.txtar") // at risk of eviction
	convert := func(organisation string) *mapping.Result {
		result, err := lib.Dialect(organisation, "ukcore-r4-to-referral").Convert(context.Background(), mapping.Input{Source: parse(t, body), Trace: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(result.Unread) > 0 {
			t.Errorf("%s: unread %s", organisation, result.Unread[0].Path())
		}
		return result
	}
	shipped, err := dialects(t)["ukcore-r4-to-referral"].Convert(context.Background(), mapping.Input{Source: parse(t, body)})
	if err != nil {
		t.Fatal(err)
	}
	everybody, quayside := convert(""), convert("Z99002")
	found := mapping.Differences(shipped.Target, everybody.Target)
	if len(found) == 0 {
		t.Fatal("the ConceptMap of the deployment is not used")
	}
	for _, d := range found {
		if d.Element() != "Bundle.entry.resource.reasonCode.coding.code" || d.Before.Value != "housing" || d.After.Value != "other" {
			t.Errorf("%s %s", d, d.Element())
		}
		if s, ok := everybody.Origin(d.After); !ok || s.ConceptMap != "https://spadapter.example/fhir/ConceptMap/need" || s.File != "ukcore-r4-to-referral/ukcore-r4-to-referral.map" {
			t.Errorf("made by %v", s)
		}
	}
	found = mapping.Differences(everybody.Target, quayside.Target)
	if len(found) != 1 || found[0].String() != "added Bundle.language" || found[0].After.Value != "cy" {
		t.Fatalf("for Quayside alone: %v", found)
	}
	if s, ok := quayside.Origin(found[0].After); !ok || !strings.HasPrefix(s.File, "/etc/maps/organisations/Z99002/") || s.Rule != "language" || s.Line != 7 {
		t.Errorf("made by %v", s)
	}
	if err := fhir.Check(quayside.Parameters()); err != nil {
		t.Error(err)
	}
}
