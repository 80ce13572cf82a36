package main

import (
	"encoding/json"
	"io/fs"
	"testing"

	"spadapter/conformance"
)

// Every business status says which ITK response code it is answered with, or why with none.
// The pairs are those of the design of the life cycle, written down a second time.
func TestEveryBusinessStatusIsAnsweredOrSaysWhyNot(t *testing.T) {
	type concepts struct {
		Concept []struct{ Code string } `json:"concept"`
	}
	type conceptMap struct {
		Group []struct {
			Source, Target string
			Element        []struct {
				Code   string
				Target []struct{ Code, Display, Equivalence, Comment string }
			}
		}
	}
	read := func(file string, to any) {
		body, err := fs.ReadFile(conformance.FS, file)
		if err == nil {
			err = json.Unmarshal(body, to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var statuses concepts
	var m conceptMap
	read("codesystems/CodeSystem-business-status.json", &statuses)
	read("conceptmaps/ConceptMap-business-status-itk.json", &m)
	displays := map[string]string{
		"30005": "Referral open", "30006": "Referral completed", "30007": "Referral escalated back to GP", "30012": "Unable to contact the patient",
		"30013": "Closure (service not needed)", "30014": "Closure (service not accepted)", "30015": "Closure (duplicate referral)",
		"30016": "Referral accepted", "30017": "Referral rejected", "30018": "Did Not Attend",
	}
	got := map[string]string{}
	for _, e := range m.Group[0].Element {
		if _, twice := got[e.Code]; twice || len(e.Target) != 1 {
			t.Errorf("%s has several rows", e.Code)
			continue
		}
		to := e.Target[0]
		got[e.Code] = to.Code
		switch {
		case to.Code == "" && (to.Equivalence != "unmatched" || to.Comment == ""):
			t.Errorf("%s has no code and does not say why", e.Code)
		case to.Code != "" && displays[to.Code] != to.Display:
			t.Errorf("%s: %s is displayed as %q", e.Code, to.Code, to.Display)
		}
	}
	for _, c := range statuses.Concept {
		if _, ok := got[c.Code]; !ok {
			t.Errorf("%s has no row", c.Code)
		}
	}
	if len(got) != len(statuses.Concept) || m.Group[0].Target != "https://fhir.nhs.uk/STU3/CodeSystem/ITK-ResponseCodes-1" {
		t.Errorf("%d rows of %d statuses lead to %s", len(got), len(statuses.Concept), m.Group[0].Target)
	}
	for code, want := range map[string]string{
		"awaiting-triage": "30005", "info-requested": "30005", "allocated": "30016", "not-eligible": "30017", "no-capacity": "30017", "wrong-service": "30017",
		"duplicate": "30015", "contacted": "30005", "did-not-attend": "30018", "plan-agreed": "30005", "signposted": "30005", "referred-onward": "30005",
		"waiting-list": "30005", "patient-request": "30005", "unwell": "30005", "goals-met": "30006", "partially-met": "30006", "outcome-recorded": "30006",
		"signposted-only": "30006", "declined-by-patient": "30014", "unable-to-contact": "30012", "disengaged": "30018", "consent-withdrawn": "30013",
		"moved-away": "", "deceased": "", "service-closed": "30017", "escalated-to-gp": "30007", "crisis": "30007", "safeguarding": "30007", "entered-in-error": "",
	} {
		if got[code] != want {
			t.Errorf("%s is answered with %q, not %q", code, got[code], want)
		}
	}
}
