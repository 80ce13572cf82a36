package profile

import (
	"errors"
	"os"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// TestWords: a fault says what was expected, in words that can be acted on.
func TestWords(t *testing.T) {
	planted, err := fhir.PackageFS(os.DirFS("testdata/planted/definitions"), "planted")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Load(Env{
		ValidateCode: func(string, *fhir.Node) (bool, bool) { return false, true },
		Codes: func(valueSet string) []string {
			if strings.HasSuffix(valueSet, "relation") {
				return []string{"mother", "father", "carer"}
			}
			return nil
		},
	}, planted)
	if err := errors.Join(err, s.Compile()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, profile, details, diagnostics string }{
		{"patient/number-missing", "planted-patient", "Patient.identifier (nhsNumber) is required: one whose system is https://fhir.nhs.uk/Id/nhs-number (profile PlantedPatient)", ""},
		{"patient/telecom-fax", "planted-patient", "Patient.telecom must be one of the slices phone (whose system is phone), email (whose system is email) (profile PlantedPatient)", "got fax"},
		{"patient/relationship-outside", "planted-patient", "Patient.contact.relationship must have a code of the value set https://spadapter.example/planted/ValueSet/relation: mother, father, carer (profile PlantedPatient)", "got https://spadapter.example/planted/codes|baker"},
		{"patient/language-not-pattern", "planted-patient", "Patient.communication.language must hold urn:ietf:bcp:47|en (profile PlantedPatient)", "got urn:ietf:bcp:47|cy with the text English"},
		{"patient/other-type", "planted-patient", "the profile PlantedPatient is for a Patient, and this is an Organization", ""},
		{"patient/practice-contained", "planted-patient", "Patient.generalPractitioner must refer to an Organization that conforms to PlantedOrganization, and the one it leads to does not (profile PlantedPatient): Organization.name is required (profile PlantedOrganization)", ""},
		{"patient/dead-active", "planted-patient", "plp-1 does not hold: a person who died is not active (profile PlantedPatient)", "the rule is deceased.exists() implies active != true"},
		{"observation/note-unsigned", "planted-observation", "Observation.note (plain) is not allowed here; leave it out (profile PlantedObservation)", ""},
		{"observation/derived-image", "planted-observation", "Observation.derivedFrom must be one of the slices answers (whose resolve() is QuestionnaireResponse) (profile PlantedObservation)", ""},
		{"bundle/task", "planted-bundle", "Bundle.entry must be one of the slices patient (whose resource is Patient), organization (whose resource is Organization), observation (whose resource is Observation) (profile PlantedBundle)", "got Task"},
		{"bundle/list-none", "planted-list", "Bundle.entry (named) is required: one whose resource conforms to https://spadapter.example/planted/planted-organization (profile PlantedList)", ""},
	} {
		found := false
		for _, e := range issue.All(s.ValidateAgainst(parsed(t, read(t, "testdata/planted/cases/"+c.file+".json")), "https://spadapter.example/planted/"+c.profile)) {
			found = found || e.Details == c.details && (c.diagnostics == "" || e.Diagnostics == c.diagnostics)
			if e.Details == c.details && !found {
				t.Errorf("%s: %s", c.file, e.Diagnostics)
			}
		}
		if !found {
			t.Errorf("%s: nothing says\n%s", c.file, c.details)
		}
	}
}
