package referral

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spadapter/adapter/fhir"
)

// with is a referral of a person with these resources; patient has more members of the
// Patient, with a comma before.
func with(t testing.TB, patient string, resources ...string) *fhir.Node {
	t.Helper()
	if !strings.Contains(patient, `"name":[`) {
		patient += `,"name":[{"family":"Marsh","given":["Edie"]}]`
	}
	entries := []string{
		`{"resourceType":"Patient","id":"p","identifier":[{"system":"` + SystemNHSNumber + `","value":"9990000018"}]` + patient + `}`,
		`{"resourceType":"ServiceRequest","id":"s","status":"active","intent":"filler-order","subject":{"reference":"Patient/p"}}`,
	}
	for i, r := range resources {
		entries = append(entries, strings.Replace(r, `"resourceType"`, fmt.Sprintf(`"id":"r%d","resourceType"`, i), 1))
	}
	for i := range entries {
		entries[i] = `{"resource":` + entries[i] + `}`
	}
	return tree(t, `{"resourceType":"Bundle","type":"collection","entry":[`+strings.Join(entries, ",\n")+`]}`)
}

// coded is an Observation or a Flag with a SNOMED CT code, and more members.
func codedAs(kind, code, more string) string {
	return `{"resourceType":"` + kind + `","status":"final","code":{"coding":[{"system":"` + SystemSNOMED + `","code":"` + code + `"}]}` + more + `}`
}

func worded(kind, text, more string) string {
	return `{"resourceType":"` + kind + `","status":"active","code":{"text":"` + text + `"}` + more + `}`
}

// TestRisksAreListedAbsentOrUnknown: three states that must never be taken for each other.
func TestRisksAreListedAbsentOrUnknown(t *testing.T) {
	s := renderer(t)
	safeguarding := `,"category":[{"coding":[{"code":"SG"}]}]`
	over := `,"period":{"start":"2019-01-01","end":"2020-01-01"}`
	for name, c := range map[string]struct {
		resources []string
		state     string
		words     string
		risks     int
		guard     string
	}{
		"nothing":               {nil, StateNotRecorded, "not the same as no known risk", 0, StateNotRecorded},
		"a code":                {[]string{codedAs("Observation", "281694009", "")}, StateRecorded, "Risks are listed", 1, StateNotRecorded},
		"a concern":             {[]string{worded("Flag", "locked in", safeguarding)}, StateRecorded, "Risks are listed", 1, StateRecorded},
		"a place":               {[]string{worded("Flag", "dog", `,"category":[{"coding":[{"system":"`+systemFlagCategory+`","code":"SS"}]}]`)}, StateRecorded, "Risks are listed", 1, StateNotRecorded},
		"no known risks":        {[]string{worded("Flag", "No known risks.", "")}, StateNoneKnown, "It is recorded that no risk is known.", 0, StateNotRecorded},
		"as a value":            {[]string{worded("Observation", "Risks", `,"valueString":"No  known risks"`)}, StateNoneKnown, "It is recorded", 0, StateNotRecorded},
		"once no known risks":   {[]string{worded("Flag", "No known risks", over)}, StateNotRecorded, "not the same", 0, StateNotRecorded},
		"denied to be known":    {[]string{worded("Observation", "No known risks", `,"valueBoolean":false`)}, StateNotRecorded, "not the same", 0, StateNotRecorded},
		"a code that is denied": {[]string{codedAs("Observation", "281694009", `,"valueBoolean":false`)}, StateNotRecorded, "not the same", 0, StateNotRecorded},
		"both": {[]string{worded("Flag", "No known risks", ""), codedAs("Observation", "281694009", "")},
			StateRecorded, "though the record also says", 1, StateNotRecorded},
		"ended": {[]string{worded("Flag", "locked in", safeguarding+over)}, StateRecorded, "have ended; whether there are others", 1, StateRecorded},
		"ended, none now": {[]string{worded("Flag", "locked in", safeguarding+over), worded("Flag", "no known risks", "")},
			StateRecorded, "no risk is known now", 1, StateRecorded},
		"no safeguarding issue is no risk":     {[]string{codedAs("Observation", "861931000000100", "")}, StateNotRecorded, "not the same", 0, StateNone},
		"a concern that is denied":             {[]string{codedAs("Observation", "706893006", `,"valueBoolean":false`)}, StateNotRecorded, "not the same", 0, StateNotRecorded},
		"what was entered in error is no risk": {[]string{strings.Replace(codedAs("Observation", "281694009", ""), "final", "entered-in-error", 1)}, StateNotRecorded, "not the same", 0, StateNotRecorded},
	} {
		v := rendered(t, s, with(t, "", c.resources...))
		if v.RiskState != c.state || !strings.Contains(v.RiskStatement, c.words) || len(v.Risks) != c.risks || v.Safeguarding.State != c.guard {
			t.Errorf("%s: %s, %q, %d risks, safeguarding %s", name, v.RiskState, v.RiskStatement, len(v.Risks), v.Safeguarding.State)
		}
	}
}

// TestAReasonIsARisk: who is referred for an abuse must not seem to be at no risk.
func TestAReasonIsARisk(t *testing.T) {
	b := with(t, "").Clone()
	reason := b.All("entry")[1].Child("resource").Add("reasonCode").Add("coding")
	reason.Set("system", SystemSNOMED)
	reason.Set("code", "707087005")
	v := rendered(t, renderer(t), b)
	if v.RiskState != StateRecorded || len(v.Safeguarding.Concerns) != 1 || !v.Risks[0].Reason || !v.Needs[0].Sensitive {
		t.Errorf("the risks are %+v, the needs %+v", v.Risks, v.Needs)
	}
}

// TestYesNoAndUnknown: an interpreter, a carer, being a carer. Null is neither.
func TestYesNoAndUnknown(t *testing.T) {
	s := renderer(t)
	yes, no := "true", "false"
	said := func(b *bool) string {
		if b == nil {
			return "null"
		}
		return fmt.Sprint(*b)
	}
	required := `,"extension":[{"url":"` + extInterpreter + `","valueBoolean":%s}]`
	for name, c := range map[string]struct {
		patient                   string
		resources                 []string
		interpreter, isCarer, has string
	}{
		"nothing":             {"", nil, "null", "null", "null"},
		"an interpreter":      {fmt.Sprintf(required, yes), nil, yes, "null", "null"},
		"none":                {fmt.Sprintf(required, no), nil, no, "null", "null"},
		"said twice":          {fmt.Sprintf(required, no), []string{codedAs("Flag", "204021000000108", "")}, yes, "null", "null"},
		"a code":              {"", []string{codedAs("Observation", "315594003", "")}, yes, "null", "null"},
		"a code denied":       {"", []string{codedAs("Observation", "315594003", `,"valueBoolean":false`)}, no, "null", "null"},
		"a language":          {"", []string{codedAs("Observation", "315566006", "")}, "null", "null", "null"},
		"as UK Core had it":   {`,"extension":[{"url":"` + ukCore + `NHSCommunication","extension":[{"url":"language","valueCodeableConcept":{"text":"Somali"}},{"url":"modeOfCommunication"},{"url":"interpreterRequired","valueBoolean":true}]}]`, nil, yes, "null", "null"},
		"is a carer":          {"", []string{codedAs("Observation", "224484003", "")}, "null", yes, "null"},
		"has no carer":        {"", []string{codedAs("Observation", "414041006", "")}, "null", "null", no},
		"is one and has none": {"", []string{codedAs("Observation", "224484003", ""), codedAs("Observation", "276039008", "")}, "null", yes, no},
		"was one":             {"", []string{worded("Observation", "No longer a carer", "")}, "null", no, "null"},
		"is none":             {"", []string{codedAs("Observation", "224484003", `,"valueBoolean":false`)}, "null", no, "null"},
		"was one, by its end": {"", []string{codedAs("Observation", "224484003", `,"effectivePeriod":{"end":"2020"}`)}, "null", "null", "null"},
		"somebody cares":      {`,"contact":[{"relationship":[{"coding":[{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-AdditionalPersonRelationshipRole","code":"Carer"}]}],"name":{"text":"Ann"}}]`, nil, "null", "null", yes},
		"somebody did":        {"", []string{`{"resourceType":"RelatedPerson","active":false,"relationship":[{"text":"carer"}]}`}, "null", "null", "null"},
	} {
		v := rendered(t, s, with(t, c.patient, c.resources...))
		if got := []string{said(v.Communicate.Interpreter), said(v.Carer.Is), said(v.Carer.Has)}; !cmp.Equal(got, []string{c.interpreter, c.isCarer, c.has}) {
			t.Errorf("%s: interpreter, is a carer, has one: %v", name, got)
		}
	}
}

// TestConsentIsRecordedAndNoCondition: given, refused, over, or nothing.
func TestConsentIsRecordedAndNoCondition(t *testing.T) {
	s := renderer(t)
	consent := func(status, more string) string {
		return `{"resourceType":"Consent","status":"` + status + `","scope":{"text":"sharing"},"category":[{"text":"x"}]` + more + `}`
	}
	for name, c := range map[string]struct {
		resources []string
		state     string
		best      bool
	}{
		"nothing":         {nil, StateNotRecorded, false},
		"given":           {[]string{consent("active", "")}, consentGiven, false},
		"refused":         {[]string{consent("rejected", "")}, consentRefused, false},
		"denied":          {[]string{consent("active", `,"provision":{"type":"deny"}`)}, consentRefused, false},
		"over":            {[]string{consent("active", `,"provision":{"type":"permit","period":{"end":"2020-05-01"}}`)}, consentEnded, false},
		"withdrawn":       {[]string{consent("inactive", "")}, consentEnded, false},
		"asked":           {[]string{consent("proposed", "")}, StateRecorded, false},
		"given once":      {[]string{consent("inactive", ""), consent("active", "")}, consentGiven, false},
		"in her interest": {[]string{consent("active", `,"policyRule":{"text":"Best interests decision"}`)}, consentGiven, true},
		"a mistake":       {[]string{consent("entered-in-error", "")}, StateNotRecorded, false},
	} {
		v := rendered(t, s, with(t, "", c.resources...))
		best := len(v.Consent.Entries) > 0 && v.Consent.Entries[0].BestInterests
		if v.Consent.State != c.state || best != c.best || v.Consent.LegalBasis != "direct care" {
			t.Errorf("%s: %+v", name, v.Consent)
		}
	}
}

// TestWhatEndedIsShownAsEnded, and what was wrong is not shown.
func TestWhatEndedIsShownAsEnded(t *testing.T) {
	status := func(code, verification string) string {
		return `{"resourceType":"Condition","clinicalStatus":{"coding":[{"code":"` + code + `"}]},"verificationStatus":{"coding":[{"code":"` + verification + `"}]},"code":{"text":"` + code + ` ` + verification + `"}}`
	}
	v := rendered(t, renderer(t), with(t, `,"telecom":[{"value":"1","period":{"end":"2020"}},{"value":"2"}],"address":[{"text":"a","use":"old"},{"text":"b"}],"name":[{"family":"Long","period":{"end":"2001"},"use":"usual"},{"family":"Marsh"}]`,
		status("active", "confirmed"), status("resolved", "confirmed"), status("active", "refuted"), status("active", "provisional"),
		worded("Flag", "old", `,"period":{"end":"2026-03-09"}`), worded("Flag", "today", `,"period":{"end":"2026-03-10"}`), strings.Replace(worded("Flag", "off", ""), "active", "inactive", 1)))
	var got []string
	for _, f := range append(v.Problems, v.Findings...) {
		got = append(got, fmt.Sprint(f.Text, " ", f.Ended))
	}
	want := []string{"active confirmed false", "resolved confirmed true", "active provisional false", "old true", "today false", "off true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if p := v.Person; p.Name != "Marsh" || p.Address != "b" || len(p.Telecom) != 1 || !p.Points[0].Ended || !p.Names[0].Previous || !p.Addresses[0].Ended {
		t.Errorf("%+v", p)
	}
	if len(v.Withdrawn) != 1 || v.Withdrawn[0] != (Withdrawn{"Condition", "refuted", "Condition/r2"}) || strings.Contains(shownAs(t, v), "active refuted") {
		t.Errorf("withdrawn is %+v", v.Withdrawn)
	}
}

// TestSexIsNotShownBesideGender, whatever says it, and that it was sent is said.
func TestSexIsNotShownBesideGender(t *testing.T) {
	v := rendered(t, renderer(t), with(t, `,"gender":"female","extension":[{"url":"`+ukCore+`BirthSex","valueCodeableConcept":{"coding":[{"code":"male"}],"text":"reassigned"}},
		{"url":"http://hl7.org/fhir/StructureDefinition/patient-genderIdentity","valueCodeableConcept":{"text":"reassigned"}}]`))
	if text := shownAs(t, v); strings.Contains(text, `"male"`) || strings.Contains(text, "reassigned") {
		t.Error(text)
	}
	if w := v.Person.Withheld; len(w) != 1 || w[0].Element != "sex" {
		t.Errorf("withheld is %+v", w)
	}
}

// TestADeploymentsCodeDecides: where a code for it is known, a value set that is put in
// takes the place of ours.
func TestADeploymentsCodeDecides(t *testing.T) {
	s := renderer(t)
	b := with(t, "", `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"https://linton.example/codes","code":"NKR"}]}}`)
	if v := rendered(t, s, b); v.RiskState != StateNotRecorded || len(v.Findings) != 1 {
		t.Errorf("%s, %d findings", v.RiskState, len(v.Findings))
	}
	codes, err := s.Terminology.With(tree(t, `{"resourceType":"ValueSet","url":"`+canonical+`/ValueSet/sp-no-known-risk","status":"active",
		"compose":{"include":[{"system":"https://linton.example/codes","concept":[{"code":"NKR"}]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	s.Terminology = codes
	if v := rendered(t, s, b); v.RiskState != StateNoneKnown {
		t.Errorf("%s", v.RiskState)
	}
}

// TestWhatWasNotSentIsSaid: what must be recordable as absent is null or has a state, and
// a list is never null.
func TestWhatWasNotSentIsSaid(t *testing.T) {
	shown := shownAs(t, rendered(t, renderer(t), with(t, "")))
	for _, want := range []string{
		`"nhs_number_status": null`, `"preferred_name": null`, `"ethnicity": null`, `"religion": null`, `"marital_status": null`, `"preferred_contact_method": null`,
		`"restricted": false`, `"deceased": false`, `"interpreter_needed": null`, `"written_format": null`, `"is_carer": null`, `"has_carer": null`,
		`"reasonable_adjustments_needed": null`, `"risk_state": "not-recorded"`, `"state": "not-recorded"`, `"stated": false`,
		`"about_me": []`, `"contacts": []`, `"concerns": []`, `"risks": []`, `"other": []`, `"entries": []`, `"social_context": []`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("%s is not in %s", want, shown)
		}
	}
	for _, name := range []string{"gp_practice", "about_me", "reasonable_adjustments", "impairments", "mobility", "other", "languages", "interpreter", "needs", "contacts", "recorded",
		"concerns", "none_identified", "risks", "entries", "social_context", "presenting_complaints", "problems", "assessments", "documents", "withdrawn", "findings",
		"scores", "notes", "names", "identifiers", "addresses", "contact_points", "immigration_status", "withheld", "more", "security_labels", "preferred_contact_times"} {
		if strings.Contains(shown, `"`+name+`": null`) {
			t.Errorf("%s is null", name)
		}
	}
}
