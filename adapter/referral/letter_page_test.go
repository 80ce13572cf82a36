package referral

import (
	"strings"
	"testing"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/summary"
	"spadapter/adapter/terminology"
	"spadapter/conformance"
)

// A letter at the level that shares codes alone says nothing that somebody wrote in words,
// and says that there is more; one at a higher level says it.
func TestALetterInCodesHasNoWords(t *testing.T) {
	codes, err := terminology.LoadFS(conformance.FS)
	if err != nil {
		t.Fatal(err)
	}
	patient, err := parse([]byte(`{"resourceType":"Patient","id":"p","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}],"name":[{"use":"official","family":"Ashworth","given":["Margaret"]}],"birthDate":"1944-11-08"}`))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	outcome := &Outcome{Status: "goals-met", Summary: "SECRET summary", RequestedActions: []string{"SECRET action"},
		Findings:      []Coded{{Code: "1230392000", Display: "Not feeling lonely", Text: "SECRET finding"}, {Text: "SECRET alone"}},
		Interventions: []Coded{{Code: "710911006", Display: "Referral to housing service", Text: "SECRET intervention"}}}
	events := map[string][]Event{
		"outcome":  {{ID: "1", Move: "T16", At: at, To: StatusCompleted, BusinessStatus: "goals-met", Data: mustJSON(Input{Outcome: outcome, Note: "SECRET note"})}},
		"question": {{ID: "1", Move: "T04", At: at, To: StatusReceived, BusinessStatus: "info-requested", Data: mustJSON(Input{Question: "SECRET question"})}},
		"escalation": {{ID: "1", Move: "T09", At: at, To: StatusInProgress, BusinessStatus: "crisis",
			Data: mustJSON(Input{Status: "crisis", RequestedAction: "SECRET request", Signpost: &Signpost{To: "SECRET place", Code: &Coded{Code: "1084431000000106", Text: "SECRET signpost"}}})}},
		"closure": {{ID: "1", Move: "T17", At: at, To: StatusCancelled, BusinessStatus: "declined-by-patient", Reason: "declined-by-patient",
			Data: mustJSON(Input{Reason: &Coded{Code: "declined-by-patient", Text: "SECRET reason"}})}},
		"retraction": {{ID: "1", Move: "T24", At: at, To: StatusInError, BusinessStatus: "goals-met", Reason: "entered-in-error",
			Data: mustJSON(Input{Reason: &Coded{Code: "entered-in-error", Text: "SECRET error"}})}},
	}
	for name, list := range events {
		last := list[len(list)-1]
		for _, level := range []string{SharingCodes, SharingSummary} {
			a := &account{s: NewService(Config{Partners: &Partners{}, Terminology: codes, Instruments: &Instruments{}}), letter: true, level: level, at: at, events: list,
				record:  &Record{ID: "r", Patient: "p", Organisation: "Z99001", Owner: "Z99010", Status: last.To, BusinessStatus: last.BusinessStatus, Sharing: level, Since: at, Created: at},
				patient: patient, content: fhir.Types(fhir.R4).New("Bundle")}
			text := string(summary.Text(a.summary()))
			switch told := strings.Contains(text, "SECRET"); {
			case level == SharingCodes && told:
				t.Errorf("%s at %s says what somebody wrote:\n%s", name, level, text)
			case level != SharingCodes && !told:
				t.Errorf("%s at %s does not say it:\n%s", name, level, text)
			}
			if !strings.Contains(text, "Requested actions of the practice") || !strings.Contains(text, "999 000 0018") {
				t.Errorf("%s at %s:\n%s", name, level, text)
			}
			asks := name == "outcome" || name == "question" || name == "escalation"
			if withheld := strings.Contains(text, "Withheld at sharing level codes-only: there is one"); withheld != (asks && level == SharingCodes) {
				t.Errorf("%s at %s does not say rightly that something is asked:\n%s", name, level, text)
			}
		}
	}
}
