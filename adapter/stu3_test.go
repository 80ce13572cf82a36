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

// record is a synthetic structured record of GP Connect. ballast is how many entries of the
// record have nothing to do with the referral.
type record struct {
	practice, nhsNumber, number string
	ballast                     int
	referral                    string // members that replace the usual ones of the ReferralRequest, "" for none
	more                        []string
}

const readReferral = `{"system":"http://read.info/readv2","code":"8T09.00","display":"Referral to social prescribing service","userSelected":true},` +
	`{"extension":[{"url":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-coding-sctdescid","extension":[{"url":"descriptionId","valueId":"1975111000000114"}]}],"system":"http://snomed.info/sct","code":"871731000000106","display":"Referral to social prescribing service"}`

// request is the ReferralRequest, as a member "resource" holds it.
func (r record) request() string {
	usual := r.referral
	if usual == "" {
		usual = `"reasonCode":[{"coding":[` + readReferral + `]}]`
	}
	return fmt.Sprintf(`{"resourceType":"ReferralRequest","id":"RR1","identifier":[{"system":"https://EMISWeb/%s","value":%q}],"status":"unknown","intent":"order","priority":"routine",`+
		`"subject":{"reference":"Patient/P1"},"context":{"reference":"Encounter/E1"},"authoredOn":"2026-02-13","requester":{"agent":{"reference":"Practitioner/GP1"},"onBehalfOf":{"reference":"Organization/O1"}},`+
		`"description":"Lonely since her sister died","note":[{"text":"Mode:Written"}],"supportingInfo":[{"reference":"Observation/OB1"}],%s}`, r.practice, r.number, usual)
}

func (r record) body() []byte {
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
		r := record{practice: practiceA, nhsNumber: s.nhsNumber, number: s.identifier, ballast: 300}
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
