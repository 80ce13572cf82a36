package referral

import (
	"fmt"
	"strings"
	"testing"
)

// Nobody was born or has died on a day that has not come; today is that of any time zone,
// by the clock of the service, which is noon on 10 March 2026 here.
func TestADayThatHasNotComeIsRefused(t *testing.T) {
	s := renderer(t)
	patient := func(element, value string) string {
		return fmt.Sprintf(`{"resourceType":"Patient",%q:%q}`, element, value)
	}
	for text, at := range map[string]string{
		patient("birthDate", "1951-02-03"):                                                              "",
		patient("birthDate", "2026-03-10"):                                                              "",
		patient("birthDate", "2026-03-11"):                                                              "", // in Kiribati
		patient("birthDate", "2026-03-12"):                                                              "Patient.birthDate",
		patient("birthDate", "2026-03"):                                                                 "",
		patient("birthDate", "2026"):                                                                    "",
		patient("birthDate", "2026-04"):                                                                 "Patient.birthDate",
		patient("birthDate", "2027"):                                                                    "Patient.birthDate",
		patient("deceasedDateTime", "2026-03-11T23:59:59Z"):                                             "",
		patient("deceasedDateTime", "2026-03-12T13:59:00+14:00"):                                        "",
		patient("deceasedDateTime", "2026-03-12T00:00:00Z"):                                             "Patient.deceased",
		patient("deceasedDateTime", "2026-03-11T23:00:00-05:00"):                                        "Patient.deceased",
		patient("deceasedDateTime", "2062-03"):                                                          "Patient.deceased",
		`{"resourceType":"Patient","deceasedBoolean":true}`:                                             "",
		`{"resourceType":"RelatedPerson","patient":{"reference":"Patient/1"},"birthDate":"2099-01-01"}`: "RelatedPerson.birthDate",
		`{"resourceType":"Observation","contained":[` + patient("birthDate", "2099-01-01") + `]}`:       "Observation.contained[0].birthDate",
	} {
		got := ""
		for _, e := range s.Examine(tree(t, text)) {
			if e.Rule != "date-future" {
				continue
			}
			if got += e.Expression; !e.Failure() || strings.Contains(e.Details, "2099") {
				t.Errorf("%s: %v", text, e)
			}
		}
		if got != at {
			t.Errorf("%s: refused at %q, want %q", text, got, at)
		}
	}
}
