package referral

import (
	"testing"
	"time"

	"spadapter/adapter/fhir"
)

// A person whose only names are of before, or who has none, is shown as without a name, and
// never by an old one.
func TestNoNameIsSaid(t *testing.T) {
	for text, want := range map[string]string{
		`{"resourceType":"Patient"}`: noName,
		`{"resourceType":"Patient","name":[{"use":"old","family":"Ashgrove"}]}`:                                  noName,
		`{"resourceType":"Patient","name":[{"use":"usual","family":"Ashgrove","period":{"end":"2001-01-01"}}]}`:  noName,
		`{"resourceType":"Patient","name":[{"use":"usual"}]}`:                                                    noName,
		`{"resourceType":"Patient","name":[{"use":"nickname","text":"Gwen"},{"use":"old","family":"Ashgrove"}]}`: "Gwen",
	} {
		n, err := fhir.Parse(fhir.Types(fhir.R4), []byte(text), fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		v := &View{}
		h := (&Service{Config: Config{Now: time.Now, Partners: &Partners{}}}).newSheet(v)
		h.person(n, fhir.Types(fhir.R4).New("Bundle"))
		if v.Person.Name != want {
			t.Errorf("%s: %q, want %q", text, v.Person.Name, want)
		}
	}
}
