package referral

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// TestTableIsSound holds the life-cycle table against the value sets it uses and
// against itself.
func TestTableIsSound(t *testing.T) {
	task := fhir.Types(fhir.R4).Type("Task").Element("status")
	request := fhir.Types(fhir.R4).Type("ServiceRequest").Element("status")
	for _, m := range Table {
		for _, from := range m.From {
			if from != "" && !task.HasCode(from) || Terminal(from) {
				t.Errorf("%s starts from %q", m.ID, from)
			}
		}
		if !task.HasCode(m.To) || !request.HasCode(m.Proposes) {
			t.Errorf("%s leads to %q and proposes %q", m.ID, m.To, m.Proposes)
		}
		if m.Action != "" && len(m.Business) == 0 || m.Reason && len(m.Business) == 0 {
			t.Errorf("%s has no business status", m.ID)
		}
		if Terminal(m.To) && m.Writes == WriteNothing {
			t.Errorf("%s ends a referral and tells the record nothing", m.ID)
		}
		if Terminal(m.To) && m.To != StatusCompleted && !m.Reason {
			t.Errorf("%s ends a referral without a reason", m.ID)
		}
	}
	// a caller's action means one move from any one status
	for _, action := range Actions() {
		for _, from := range task.Codes {
			if rows := moves(action, from); len(rows) > 1 {
				t.Errorf("%s from %s is %d moves", action, from, len(rows))
			}
		}
	}
}

// TestEveryMove tries every action from every status in every role: a step is made
// when the table has a row for it, and refused with the legal next moves otherwise.
func TestEveryMove(t *testing.T) {
	instruments := testInstruments(t)
	statuses := fhir.Types(fhir.R4).Type("Task").Element("status").Codes
	made := 0
	for _, action := range Actions() {
		for _, from := range statuses {
			for _, role := range []auth.Role{auth.RoleRequester, auth.RoleOwner, auth.RoleOperator} {
				st := &step{
					s: &Service{Config: Config{Instruments: instruments, MinAttempts: 1, Partners: &Partners{}, Now: time.Now}}, at: time.Unix(1700000000, 0),
					c:      Call{Principal: &auth.Principal{Role: role, Organisations: []string{"Y99201"}}},
					before: &Record{Status: from, Version: 3, Owner: "Y99201"}, in: inputFor(action, from),
					events: []Event{{BusinessStatus: "contact-attempted"}},
				}
				if action == "plan" {
					st.events = append(st.events, Event{BusinessStatus: "contacted"})
				}
				err := st.decide(action)
				rows := moves(action, from)
				switch {
				case len(rows) == 0:
					if !errors.Is(err, issue.BusinessRule) || !strings.Contains(err.Error(), "possible are") && !strings.Contains(err.Error(), "nothing follows") {
						t.Errorf("%s from %s by %s: %v", action, from, role, err)
					}
				case role != rows[0].Role:
					if !errors.Is(err, issue.Forbidden) {
						t.Errorf("%s from %s by %s: %v", action, from, role, err)
					}
				case err != nil:
					t.Errorf("%s from %s by %s: %v", action, from, role, err)
				default:
					made++
					if st.after.Status != rows[0].To || st.after.Version != 4 || !slices.Contains(rows[0].Business, st.after.BusinessStatus) {
						t.Errorf("%s from %s led to %+v", action, from, st.after)
					}
				}
			}
		}
	}
	if made < 12 {
		t.Errorf("only %d moves were made", made)
	}
}

func inputFor(action, from string) Input {
	reason := func(code string) *Coded { return &Coded{Code: code, Text: "said so"} }
	switch action {
	case "reject":
		return Input{Reason: reason("no-capacity")}
	case "contact":
		return Input{Channel: "telephone", Result: "no-answer"}
	case "plan":
		return Input{Plan: &Plan{Summary: "a plan", Agreed: true}}
	case "progress":
		return Input{Status: "signposted"}
	case "hold":
		return Input{Reason: reason("unwell"), ReviewOn: "2030-01-01"}
	case "complete":
		return Input{Outcome: &Outcome{Status: "goals-met", Findings: []Coded{{Code: "1230392000", Display: "Not feeling lonely"}}}}
	case "close":
		return Input{Reason: reason("unable-to-contact")}
	case "fail":
		return Input{Reason: reason("service-closed")}
	}
	return Input{}
}

// TestInputFaults wants every fault of an input at once, each with its field.
func TestInputFaults(t *testing.T) {
	future := time.Unix(1700000000, 0).Add(time.Hour)
	for _, tc := range []struct {
		name, action, from string
		in                 Input
		want               []string // "rule field"
	}{
		{"missing", "contact", StatusAccepted, Input{}, []string{"field-required channel", "field-required result"}},
		{"foreign", "accept", StatusReceived, Input{Channel: "sms", At: &future}, []string{"field-not-allowed channel", "field-time at"}},
		{"codes", "contact", StatusAccepted, Input{Channel: "pigeon", Result: "flew"}, []string{"field-code channel", "field-code result"}},
		{"reason", "reject", StatusReceived, Input{Reason: &Coded{Code: "because"}}, []string{"field-code reason.code"}},
		{"no reason", "reject", StatusReceived, Input{}, []string{"field-required reason"}},
		{"outcome", "complete", StatusInProgress, Input{Outcome: &Outcome{Status: "great",
			Findings:      []Coded{{Code: "1230392001"}, {}, {Code: "185336008"}, {Code: "470231000124107"}},
			Interventions: []Coded{{Code: "871731000000106"}},
			Scores:        []Score{{Instrument: "swemwbs", Value: "36"}, {Instrument: "mood", Value: "1"}, {Instrument: "ons4-happy", Value: "1e9", Date: "soon"}},
		}}, []string{"field-code outcome.status", "code-refused outcome.findings[0].code", "code-or-text outcome.findings[1]",
			"code-refused outcome.findings[2].code", "code-refused outcome.findings[3].code", "code-refused outcome.interventions[0].code",
			"instrument-range outcome.scores[0].value", "instrument-unknown outcome.scores[1].instrument", "instrument-range outcome.scores[2].value", "field-date outcome.scores[2].date"}},
		{"empty outcome", "complete", StatusInProgress, Input{Outcome: &Outcome{Status: "goals-met"}}, []string{"guard-has-outcome "}},
		{"plan without contact", "plan", StatusInProgress, Input{Plan: &Plan{Summary: "x", Agreed: true}}, []string{"guard-contacted "}},
		{"plan not agreed", "plan", StatusInProgress, Input{Plan: &Plan{Summary: "x"}}, []string{"guard-contacted ", "guard-agreed "}},
		{"too few attempts", "close", StatusInProgress, Input{Reason: &Coded{Code: "unable-to-contact"}}, []string{"guard-enough-attempts "}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			st := &step{
				s: &Service{Config: Config{Instruments: testInstruments(t), MinAttempts: 3, Partners: &Partners{}, Now: time.Now}}, at: time.Unix(1700000000, 0),
				c:      Call{Principal: &auth.Principal{Role: auth.RoleOwner, Organisations: []string{"Y99201"}}},
				before: &Record{Status: tc.from, Owner: "Y99201"}, in: tc.in,
			}
			var got []string
			for _, e := range issue.All(st.decide(tc.action)) {
				got = append(got, e.Rule+" "+e.Expression)
				if e.Details == "" || !e.Type.Valid() {
					t.Errorf("an issue without words: %+v", e)
				}
			}
			want := slices.Clone(tc.want)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
		})
	}
}

func testInstruments(t *testing.T) *Instruments {
	t.Helper()
	bundle, err := fhir.Parse(fhir.Types(fhir.R4), []byte(`{"resourceType":"Bundle","type":"collection","entry":[
		{"resource":{"resourceType":"ObservationDefinition","identifier":[{"value":"swemwbs"}],"preferredReportName":"SWEMWBS",
		 "code":{"coding":[{"system":"http://snomed.info/sct","code":"718466001"}]},"qualifiedInterval":[{"category":"absolute","range":{"low":{"value":7},"high":{"value":35}}}]}},
		{"resource":{"resourceType":"ObservationDefinition","identifier":[{"value":"ons4-happy"}],"preferredReportName":"ONS4 happy",
		 "code":{"coding":[{"system":"https://spadapter.example/fhir/CodeSystem/instrument","code":"ons4-happy"}]},"qualifiedInterval":[{"category":"absolute","range":{"low":{"value":0},"high":{"value":10}}}]}}]}`), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := LoadInstruments(bundle)
	if err != nil {
		t.Fatal(err)
	}
	return x
}
