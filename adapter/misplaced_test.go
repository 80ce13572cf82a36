package main

import (
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
)

// A message that came to the address of another dialect is refused with what it looks like:
// what was recognised and what was missing.
func TestMisplacedMessagesAreToldWhatWasRecognised(t *testing.T) {
	c := barsCast(t, "")
	s := someone(practiceA)
	record := structuredRecord{practice: practiceA, nhsNumber: s.nhsNumber, number: s.identifier}
	for name, row := range map[string]struct {
		path, content string
		body          []byte
		status        int
		words         []string
	}{
		"BaRS to the transactions":       {"/fhir/R4", "application/fhir+json", fhir.Encode(s.barsMessage(service1)), 400, []string{"bars comes nearest", "the Bundle is of type message", "Missing: it came by $process-message"}},
		"GP Connect to the transactions": {"/fhir/R4", "application/fhir+json", record.body(), 400, []string{"gpconnect-stu3 comes nearest", "Recognised: it is a Bundle with a ReferralRequest", "Missing: it came to an address of FHIR STU3"}},
		"BaRS to FHIR STU3":              {"/fhir/STU3", stu3Content[1], fhir.Encode(s.barsMessage(service1)), 422, []string{"Recognised:", "Missing: it is a Bundle with a ReferralRequest"}},
		"a transaction to FHIR STU3":     {"/fhir/STU3", stu3Content[1], s.message(), 422, []string{"Recognised:", "Missing: it is a Bundle with a ReferralRequest"}},
	} {
		got := c.gp.in(t).do(http.MethodPost, row.path, row.body, "Content-Type", row.content).want(row.status)
		for _, words := range row.words {
			if !strings.Contains(string(got.body), words) {
				t.Errorf("%s: %q is not said: %s", name, words, got.body)
			}
		}
	}
}
