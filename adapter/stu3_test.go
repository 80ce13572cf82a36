package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// structuredRecord is a synthetic structured record of GP Connect. ballast is how many entries of the
// record have nothing to do with the referral.
type structuredRecord struct {
	practice, nhsNumber, number string
	ballast                     int
	referral                    string // members that replace the usual ones of the ReferralRequest, "" for none
	more                        []string
}

const readReferral = `{"system":"http://read.info/readv2","code":"8T09.00","display":"Referral to social prescribing service","userSelected":true},` +
	`{"extension":[{"url":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-coding-sctdescid","extension":[{"url":"descriptionId","valueId":"1975111000000114"}]}],"system":"http://snomed.info/sct","code":"871731000000106","display":"Referral to social prescribing service"}`

// request is the ReferralRequest, as a member "resource" holds it.
func (r structuredRecord) request() string {
	usual := r.referral
	if usual == "" {
		usual = `"reasonCode":[{"coding":[` + readReferral + `]}]`
	}
	return fmt.Sprintf(`{"resourceType":"ReferralRequest","id":"RR1","identifier":[{"system":"https://EMISWeb/%s","value":%q}],"status":"unknown","intent":"order","priority":"routine",`+
		`"subject":{"reference":"Patient/P1"},"context":{"reference":"Encounter/E1"},"authoredOn":"2026-02-13","requester":{"agent":{"reference":"Practitioner/GP1"},"onBehalfOf":{"reference":"Organization/O1"}},`+
		`"description":"Lonely since her sister died","note":[{"text":"Mode:Written"}],"supportingInfo":[{"reference":"Observation/OB1"}],%s}`, r.practice, r.number, usual)
}

// alone is the ReferralRequest as it is posted without a Bundle.
func (r structuredRecord) alone() string {
	return fmt.Sprintf(`{"resourceType":"ReferralRequest","identifier":[{"system":"https://EMISWeb/%s","value":%q}],"status":"unknown","intent":"order","subject":{"identifier":{"system":%q,"value":%q}},"reasonCode":{"coding":[%s]}}`,
		r.practice, r.number, referral.SystemNHSNumber, r.nhsNumber, readReferral)
}

func (r structuredRecord) body() []byte {
	entries := []string{
		`{"resourceType":"List","status":"current","mode":"snapshot","code":{"coding":[{"system":"http://snomed.info/sct","code":"886721000000107"}]},"entry":[{"item":{"reference":"ReferralRequest/RR1"}}]}`,
		`{"resourceType":"Patient","id":"P1","identifier":[{"system":"` + referral.SystemNHSNumber + `","value":"` + r.nhsNumber + `"}],"name":[{"use":"official","family":"Quillfeather","given":["Dorothy"]}],"gender":"female","birthDate":"1951-03-09","managingOrganization":{"reference":"Organization/O1"}}`,
		`{"resourceType":"Practitioner","id":"GP1","name":[{"family":"Penhale","prefix":["Dr"]}]}`,
		`{"resourceType":"Organization","id":"O1","identifier":[{"system":"` + referral.SystemODS + `","value":"` + r.practice + `"}],"name":"Quayside Surgery"}`,
		`{"resourceType":"Encounter","id":"E1","status":"finished","subject":{"reference":"Patient/P1"},"period":{"start":"2026-02-13T10:20:00"}}`,
		r.request(),
		`{"resourceType":"Observation","id":"OB1","status":"final","code":{"coding":{"system":"http://snomed.info/sct","code":" 267076002","display":"Feeling lonely"}},"subject":{"reference":"Patient/P1"},"issued":"2026-02-13T10:31:02.5+00:00","comment":"sees nobody"}`,
		`{"resourceType":"Condition","id":"PR1","extension":[{"url":"https://fhir.hl7.org.uk/STU3/StructureDefinition/Extension-CareConnect-RelatedClinicalContent-1","valueReference":{"reference":"ReferralRequest/RR1"}}],"clinicalStatus":"active","code":{"text":"Bereavement"},"subject":{"reference":"Patient/P1"}}`,
	}
	entries = append(entries, r.more...)
	for i := range r.ballast {
		entries = append(entries, fmt.Sprintf(`{"resourceType":"MedicationRequest","id":"M%d","status":"active","intent":"plan","medicationReference":{"reference":"Medication/X%d"},"subject":{"reference":"Patient/P1"},"context":{"reference":"Encounter/E1"},"authoredOn":"2025-11-03T09:00:00","dosageInstruction":[{"text":"one a day with food, as the leaflet says"}],"note":{"text":"repeat %d of the series, reviewed at the practice"}}`, i, i%7, i))
	}
	return []byte(`{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + strings.Join(entries, `},{"resource":`) + `}]}`)
}

var stu3Content = []string{"Content-Type", "application/fhir+json; fhirVersion=3.0"}

// A structured record goes in, its referral is worked, and who works it sees in which dialect
// it came and every repair.
func TestStructuredRecordIsWorked(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.run(quiet())
		gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
		s := someone(practiceA)
		r := structuredRecord{practice: practiceA, nhsNumber: s.nhsNumber, number: s.identifier, ballast: 300}
		sent := gp.do(http.MethodPost, "/fhir/STU3", r.body(), stu3Content...).want(http.StatusOK)
		if got := sent.header.Get("X-Referral-Dialect"); got != "gpconnect-stu3" {
			t.Errorf("the dialect is %q", got)
		}
		v := theOne(t, worker, s.nhsNumber)
		if v.Intake.Dialect != "gpconnect-stu3" {
			t.Errorf("the intake is %+v", v.Intake)
		}
		told := map[string]string{}
		for _, i := range v.Intake.Issues {
			told[i.Rule+" "+i.Expression] += i.Text + " " + i.Was
		}
		for where, words := range map[string]string{
			"repair-offset Bundle.entry[4].resource.period.start":       "2026-02-13T10:20:00",
			"repair-array Bundle.entry[6].resource.code.coding":         "array",
			"repair-blank Bundle.entry[6].resource.code.coding[0].code": " 267076002",
			"excerpt Bundle.entry[5].resource":                          "1 List, 300 MedicationRequest",
			"map-log Bundle.entry[5].resource.status":                   "unknown was taken as active",
		} {
			if !strings.Contains(told[where], words) {
				t.Errorf("%s is told as %q", where, told[where])
			}
		}
		for where := range told {
			if strings.Contains(where, "entry[9]") {
				t.Errorf("of what was left out it is told: %s", where)
			}
			if _, at, _ := strings.Cut(where, " "); at != "" && !strings.HasPrefix(at, "Bundle") {
				t.Errorf("it is told at a place that no message has: %s", where)
			}
		}
		request := gp.get("/fhir/R4/" + v.Links.ServiceRequest).want(http.StatusOK).node()
		if got := request.Text("authoredOn"); got != "2026-02-13" {
			t.Errorf("authored on %s", got)
		}
		if got := request.Text("status"); got != "active" {
			t.Errorf("the status is %s", got)
		}
		if text := string(fhir.Encode(request)); !strings.Contains(text, `"valueCode":"unknown"`) || !strings.Contains(text, `"code":"8T09.00"`) || !strings.Contains(text, `"userSelected":true`) {
			t.Errorf("the request is %s", text)
		}
		worker.act(v, "accept", referral.Input{})
		if again := gp.do(http.MethodPost, "/fhir/STU3", r.body(), stu3Content...).want(http.StatusOK); !slices.Equal(again.body, sent.body) {
			t.Errorf("a repeat is answered\n%s\nand was\n%s", again.body, sent.body)
		}
	})
}

// A referral may come alone, and is then answered as what it became.
func TestReferralRequestAlone(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	s := someone(practiceA)
	r := structuredRecord{practice: practiceA, nhsNumber: s.nhsNumber, number: s.identifier}
	made := gp.do(http.MethodPost, "/fhir/STU3/ReferralRequest", []byte(r.alone()), stu3Content...).want(http.StatusCreated)
	v := theOne(t, worker, s.nhsNumber)
	if made.located() != v.Links.ServiceRequest || made.header.Get("ETag") != `W/"1"` {
		t.Errorf("the answer names %s %s, the referral %s", made.located(), made.header.Get("ETag"), v.Links.ServiceRequest)
	}
	told := ""
	for _, i := range v.Intake.Issues {
		told += i.Rule + " " + i.Expression + "\n"
	}
	if !strings.Contains(told, "repair-array ReferralRequest.reasonCode\n") || !strings.Contains(told, "map-log ReferralRequest.status") {
		t.Errorf("told\n%s", told)
	}
	again := gp.do(http.MethodPost, "/fhir/STU3/ReferralRequest", []byte(r.alone()), stu3Content...).want(http.StatusCreated)
	if !slices.Equal(again.body, made.body) || again.located() != made.located() {
		t.Errorf("a repeat is answered %s %s", again.located(), again.body)
	}
}

// What is refused is said in FHIR STU3, with the code that clients of GP Connect know, at the
// element and line that was sent.
func TestRefusedInSTU3(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp := a.as(auth.RoleRequester, practiceA)
	s := someone(practiceA)
	sound := structuredRecord{practice: practiceA, nhsNumber: s.nhsNumber, number: s.identifier}
	second := strings.NewReplacer(`"id":"RR1"`, `"id":"RR2"`, s.identifier, s.identifier+"-2").Replace(sound.request())
	several, other, odd, stranger := sound, sound, sound, sound
	several.more = []string{second}
	other.referral = `"reasonCode":[{"coding":[{"system":"http://snomed.info/sct","code":"306238000","display":"Referral to Social Services"}]}]`
	odd.referral = `"reasonCode":[{"coding":[` + readReferral + `]}],"authoredOn":"in spring"`
	stranger.nhsNumber = "9990000019"
	for name, c := range map[string]struct {
		method, path string
		body         []byte
		status       int
		spine, rule  string
		at, words    string
	}{
		"several":            {"POST", "/fhir/STU3", several.body(), 422, "INVALID_PARAMETER", "several-referrals", "Bundle.entry[5].resource", "identifier https://EMISWeb/" + practiceA + "|" + s.identifier + ", of 2026-02-13"},
		"none":               {"POST", "/fhir/STU3", other.body(), 422, "INVALID_RESOURCE", "no-referral", "Bundle", `http://snomed.info/sct|306238000 "Referral to Social Services"`},
		"a choice":           {"POST", "/fhir/STU3?identifier=nobody", several.body(), 422, "INVALID_PARAMETER", "referral-choice", "http.identifier", "nobody"},
		"no date":            {"POST", "/fhir/STU3", odd.body(), 400, "BAD_REQUEST", "json-duplicate", "Bundle.entry[5].resource.authoredOn", ""},
		"a wrong NHS number": {"POST", "/fhir/STU3", stranger.body(), 422, "INVALID_NHS_NUMBER", "nhs-number-check-digit", "Bundle.entry[1].resource.identifier[0].value", ""},
		"no JSON":            {"POST", "/fhir/STU3", []byte("{"), 400, "BAD_REQUEST", "json", "", ""},
		"another resource":   {"POST", "/fhir/STU3", []byte(`{"resourceType":"Patient"}`), 400, "BAD_REQUEST", "resource-type", "resourceType", "Patient"},
		"no dialect":         {"POST", "/fhir/STU3", []byte(`{"resourceType":"Bundle","type":"collection"}`), 422, "INVALID_RESOURCE", "dialect-unknown", "Bundle", ""},
		"nothing there":      {"GET", "/fhir/STU3/Patient/1", nil, 404, "NO_RECORD_FOUND", "unknown-path", "", ""},
		"not that method":    {"DELETE", "/fhir/STU3/ReferralRequest", nil, 405, "NOT_IMPLEMENTED", "method-not-allowed", "", ""},
		"no token":           {"POST", "/fhir/STU3", sound.body(), 401, "ACCESS_DENIED", "token-missing", "", ""},
	} {
		who := gp.in(t)
		if name == "no token" {
			who.token = ""
		}
		got := who.do(c.method, c.path, c.body, stu3Content...).want(c.status)
		root, err := fhir.Parse(fhir.Types(fhir.STU3), got.body, fhir.Limits{})
		if err != nil || fhir.Check(root) != nil {
			t.Errorf("%s: no OperationOutcome of FHIR STU3: %v %v %s", name, err, fhir.Check(root), got.body)
			continue
		}
		first := root.Child("issue")
		codes := first.Child("details").All("coding")
		if len(codes) != 2 || codes[0].Text("code") != c.spine || codes[1].Text("code") != c.rule || c.at != "" && first.Text("expression") != c.at || !strings.Contains(first.Text("diagnostics"), c.words) {
			t.Errorf("%s: %s", name, got.body)
		}
		if !strings.Contains(got.header.Get("Content-Type"), "fhirVersion=3.0") {
			t.Errorf("%s: the content type is %s", name, got.header.Get("Content-Type"))
		}
	}
	chosen := gp.do(http.MethodPost, "/fhir/STU3?identifier=https://EMISWeb/"+practiceA+"%7C"+s.identifier+"-2", several.body(), stu3Content...).want(http.StatusOK)
	if !strings.Contains(string(chosen.body), "1 ReferralRequest") {
		t.Errorf("the chosen one is answered %s", chosen.body)
	}
	statement := gp.get("/fhir/STU3/metadata").want(http.StatusOK)
	if root, err := fhir.Parse(fhir.Types(fhir.STU3), statement.body, fhir.Limits{}); err != nil || fhir.Check(root) != nil || !strings.Contains(string(statement.body), `"ReferralRequest"`) {
		t.Errorf("the CapabilityStatement: %v %s", err, statement.body)
	}
}

// A message that grows beyond what is taken in on its way to FHIR R4 is the sender's to divide.
func TestAMessageThatGrowsIsRefused(t *testing.T) {
	w := newWorld(t, "")
	w.config.BodyBytes = 5 << 20
	gp := w.run(quiet()).as(auth.RoleRequester, practiceA)
	s := someone(practiceA)
	r := structuredRecord{practice: practiceA, nhsNumber: s.nhsNumber, number: s.identifier}
	const note = `{"text":"Mode:Written"}`
	body := strings.Replace(string(r.body()), note, note+strings.Repeat(","+note, 60_000), 1)
	got := gp.do(http.MethodPost, "/fhir/STU3", []byte(body), stu3Content...).want(http.StatusUnprocessableEntity)
	if !strings.Contains(string(got.body), "message-large") {
		t.Errorf("it is refused with %s", got.body)
	}
}

// References to what is contained are looked for among all of it, so that there is a bound.
func TestAResourceContainsABoundedNumber(t *testing.T) {
	w := newWorld(t, "")
	gp := w.run(quiet()).as(auth.RoleRequester, practiceA)
	s := someone(practiceA)
	var contained []string
	for i := range 1001 {
		contained = append(contained, fmt.Sprintf(`{"resourceType":"Practitioner","id":"c%d"}`, i))
	}
	r := structuredRecord{practice: practiceA, nhsNumber: s.nhsNumber, number: s.identifier,
		referral: `"reasonCode":[{"coding":[` + readReferral + `]}],"contained":[` + strings.Join(contained, ",") + `]`}
	got := gp.do(http.MethodPost, "/fhir/STU3", r.body(), stu3Content...).want(http.StatusUnprocessableEntity)
	if !strings.Contains(string(got.body), "too-many-contained") {
		t.Errorf("it is refused with %s", got.body)
	}
}
