package mapping

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

const recordPlan = `{"resourceType":"PlanDefinition","status":"active","name":"x","action":[{"title":"a","condition":[{"kind":"applicability","expression":{"language":"text/fhirpath","expression":"true"}}]},
{"title":"excerpt","dynamicValue":[
 {"path":"focus","expression":{"language":"text/fhirpath","expression":"Bundle.entry.resource.where($this is ReferralRequest).where(reasonCode.coding.exists(code = 'yes'))"}},
 {"path":"candidate","expression":{"language":"text/fhirpath","expression":"Bundle.entry.resource.where($this is ReferralRequest)"}},
 {"path":"record","expression":{"language":"text/fhirpath","expression":"Bundle.entry.resource.where($this is List).exists()"}},
 {"path":"aside","expression":{"language":"text/fhirpath","expression":"Bundle.entry.resource.where($this is List)"}}]}]}`

func referralOf(id, code, more string) string {
	return fmt.Sprintf(`{"resourceType":"ReferralRequest","id":%q,"identifier":[{"system":"urn:r","value":%q}],"authoredOn":"2026-02-13","subject":{"reference":"Patient/p"},"reasonCode":[{"coding":[{"system":"urn:c","code":%q,"display":"a referral"}]}]%s}`, id, id, code, more)
}

// TestExcerpt: of a record goes on what belongs to the one referral, with its places.
func TestExcerpt(t *testing.T) {
	l := spoken(t, fstest.MapFS{"x/plan.json": &fstest.MapFile{Data: []byte(recordPlan)}})
	const (
		list    = `{"resourceType":"List","entry":[{"item":{"reference":"ReferralRequest/a"}}]}`
		patient = `{"resourceType":"Patient","id":"p","managingOrganization":{"reference":"Organization/o"}}`
		org     = `{"resourceType":"Organization","id":"o","partOf":{"reference":"Organization/o"}}`
		other   = `{"resourceType":"Organization","id":"other"}`
		problem = `{"resourceType":"Condition","id":"c","extension":[{"url":"urn:e","valueReference":{"reference":"ReferralRequest/a"}},{"url":"urn:e","valueReference":{"reference":"Observation/b"}}],"subject":{"reference":"Patient/p"}}`
		finding = `{"resourceType":"Observation","id":"b","subject":{"reference":"Patient/p"}}`
	)
	for name, c := range map[string]struct {
		entries []string
		chosen  string
		want    string // ids of what stays, or rules of the refusal
		told    string // words of the issue or of the diagnostics
	}{
		"what it refers to, and what refers to it": {[]string{list, finding, patient, referralOf("a", "yes", ""), other, org, problem}, "", "p a o c", "left out were 1 List, 1 Observation, 1 Organization"},
		"by an extension of its own":               {[]string{list, finding, patient, referralOf("a", "yes", `,"extension":[{"url":"urn:e","valueReference":{"reference":"Observation/b"}}]`)}, "", "b p a", "1 List"},
		"by a version":                             {[]string{list, finding, patient, referralOf("a", "yes", `,"supportingInfo":[{"reference":"Observation/b/_history/2"}]`)}, "", "b p a", "1 List"},
		"no record":                                {[]string{finding, patient, referralOf("a", "yes", ""), other}, "", "b p a other", ""},
		"another referral stays behind":            {[]string{list, patient, referralOf("a", "no", ""), referralOf("b", "yes", "")}, "", "p b", "1 List, 1 ReferralRequest"},
		"several":                                  {[]string{list, patient, referralOf("a", "yes", ""), referralOf("b", "yes", "")}, "", "several-referrals several-referrals", "identifier urn:r|a, of 2026-02-13"},
		"several and a choice":                     {[]string{list, patient, referralOf("a", "yes", ""), referralOf("b", "yes", "")}, "urn:r|b", "p b", "1 ReferralRequest"},
		"a choice by value alone":                  {[]string{list, patient, referralOf("a", "yes", ""), referralOf("b", "yes", "")}, "a", "p a", "1 ReferralRequest"},
		"a choice that none is":                    {[]string{list, patient, referralOf("a", "yes", "")}, "urn:r|c", "referral-choice", "urn:r|c"},
		"none":                                     {[]string{list, patient, referralOf("a", "no", "")}, "", "no-referral", `urn:c|no "a referral"`},
		"no referral at all":                       {[]string{list, patient}, "", "no-referral", "no referral at all"},
	} {
		t.Run(name, func(t *testing.T) {
			body := `{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + strings.Join(c.entries, `},{"resource":`) + `}]}`
			root, err := fhir.Parse(fhir.Types(fhir.STU3), []byte(body), fhir.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			places := map[string]string{}
			for _, e := range root.All("entry") {
				places[e.Text("resource", "id")] = e.Path()
			}
			left, err := l.Dialect("", "x").Recognition.Excerpt(Arrival{Root: root, Version: "3.0"}, c.chosen)
			var got, words []string
			for _, e := range issue.All(err) {
				got, words = append(got, e.Rule), append(words, e.Diagnostics)
			}
			if err == nil {
				for _, e := range root.All("entry") {
					id := e.Text("resource", "id")
					if got = append(got, id); e.Path() != places[id] {
						t.Errorf("%s is at %s and was at %s", id, e.Path(), places[id])
					}
				}
			}
			if left != nil {
				words = append(words, left.Details)
				if left.Failure() || left.Rule != "excerpt" || !strings.HasSuffix(left.Expression, ".resource") {
					t.Errorf("%v", left)
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %s, want %s", strings.Join(got, " "), c.want)
			}
			if all := strings.Join(words, "\n"); !strings.Contains(all, c.told) || c.told == "" && all != "" {
				t.Errorf("told %s", all)
			}
		})
	}
}
