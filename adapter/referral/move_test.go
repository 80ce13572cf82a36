package referral

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// TestTableIsSound holds the life-cycle tables against the value sets they use and
// against themselves.
func TestTableIsSound(t *testing.T) {
	task := fhir.Types(fhir.R4).Type("Task").Element("status")
	request := fhir.Types(fhir.R4).Type("ServiceRequest").Element("status")
	for _, m := range Table {
		for _, from := range m.From {
			if from != "" && !task.HasCode(from) || Terminal(from) && m.ID != "T20" && m.ID != "T24" && m.Opens != OpensSuccessor {
				t.Errorf("%s starts from %q", m.ID, from)
			}
			if to := m.Leads(from); to != "" && !task.HasCode(to) {
				t.Errorf("%s leads to %q", m.ID, to)
			}
		}
		if m.Proposes != "" && !request.HasCode(m.Proposes) {
			t.Errorf("%s proposes %q", m.ID, m.Proposes)
		}
		if len(m.Actors) == 0 || m.Name == "" || len(m.From) == 0 {
			t.Errorf("%s has no actor, name or beginning", m.ID)
		}
		if m.Reason && len(m.ReasonCodes()) == 0 {
			t.Errorf("%s wants a reason and has no code for it", m.ID)
		}
		// the requester knows what it ended itself
		if Terminal(m.To) && m.Writes == WriteNothing && !m.By(ActorRequester) {
			t.Errorf("%s ends a referral and tells the record nothing", m.ID)
		}
		if Terminal(m.To) && m.To != StatusCompleted && !m.Reason {
			t.Errorf("%s ends a referral without a reason", m.ID)
		}
		if (m.Writes == WriteNothing) != (m.Least == "") {
			t.Errorf("%s writes %q from the level %q on", m.ID, m.Writes, m.Least)
		}
	}
	// an actor's action means one move from any one state
	for _, table := range [][]Move{Table, Activities} {
		for _, action := range actions(table) {
			for _, from := range task.Codes {
				for _, asked := range []bool{false, true} {
					for _, a := range []Actor{ActorRequester, ActorWorker, ActorProvider, ActorOperator} {
						rows := slices.DeleteFunc(moves(table, action, from, asked), func(m *Move) bool { return !m.By(a) })
						if len(rows) > 1 {
							t.Errorf("%s from %s by %s is %d moves", action, from, a, len(rows))
						}
					}
				}
			}
		}
	}
}

// expected is what each actor may do from each state, written by hand from the
// description of the life cycle and not from the table: "action:row>status".
var expected = map[string]map[Actor]string{
	"requested": {
		ActorRequester: "cancel:T07>cancelled enter-in-error:T19>entered-in-error",
		ActorOperator:  "enter-in-error:T19>entered-in-error",
	},
	"received": {
		ActorRequester: "answer:T23>received cancel:T07>cancelled enter-in-error:T19>entered-in-error",
		ActorWorker:    "ask:T04>received accept:T05>accepted reject:T06>rejected transfer:T17>cancelled",
		ActorOperator:  "transfer:T17>cancelled enter-in-error:T19>entered-in-error",
	},
	"accepted": {
		ActorRequester: "cancel:T13>accepted",
		ActorWorker:    "contact:T08>in-progress escalate:T09>in-progress hold:T10>on-hold reject:T12>rejected complete:T16>completed close:T17>cancelled transfer:T17>cancelled fail:T18>failed",
		ActorOperator:  "transfer:T17>cancelled enter-in-error:T19>entered-in-error",
	},
	"in-progress": {
		ActorRequester: "cancel:T13>in-progress",
		ActorWorker: "contact:T08>in-progress escalate:T09>in-progress plan:T09>in-progress signpost:T09>in-progress refer:T09>in-progress progress:T09>in-progress hold:T10>on-hold " +
			"reject:T12>rejected complete:T16>completed close:T17>cancelled transfer:T17>cancelled fail:T18>failed",
		ActorOperator: "transfer:T17>cancelled enter-in-error:T24>entered-in-error",
	},
	"on-hold": {
		ActorRequester: "cancel:T13>on-hold",
		ActorWorker:    "resume:T11>in-progress escalate:T09>in-progress complete:T16>completed close:T17>cancelled transfer:T17>cancelled fail:T18>failed",
		ActorOperator:  "transfer:T17>cancelled enter-in-error:T24>entered-in-error",
	},
	"accepted asked": {
		ActorRequester: "withdraw-cancellation:T22>accepted",
		ActorWorker:    "confirm-cancellation:T14>cancelled complete:T15>completed decline-cancellation:T22>accepted",
		ActorOperator:  "enter-in-error:T19>entered-in-error",
	},
	"in-progress asked": {
		ActorRequester: "withdraw-cancellation:T22>in-progress",
		ActorWorker:    "confirm-cancellation:T14>cancelled complete:T15>completed decline-cancellation:T22>in-progress",
		ActorOperator:  "enter-in-error:T24>entered-in-error",
	},
	"on-hold asked": {
		ActorRequester: "withdraw-cancellation:T22>on-hold",
		ActorWorker:    "confirm-cancellation:T14>cancelled complete:T15>completed decline-cancellation:T22>on-hold",
		ActorOperator:  "enter-in-error:T24>entered-in-error",
	},
	"rejected":  {ActorRequester: "reopen:T02>rejected", ActorWorker: "reopen:T02>rejected", ActorOperator: "enter-in-error:T24>entered-in-error"},
	"cancelled": {ActorRequester: "reopen:T02>cancelled", ActorWorker: "reopen:T02>cancelled", ActorOperator: "enter-in-error:T24>entered-in-error"},
	"completed": {ActorRequester: "reopen:T02>completed", ActorWorker: "reopen:T02>completed correct:T20>completed", ActorOperator: "enter-in-error:T24>entered-in-error"},
	"failed":    {ActorRequester: "reopen:T02>failed", ActorWorker: "reopen:T02>failed", ActorOperator: "enter-in-error:T24>entered-in-error"},
}

// TestTableIsWhatWasAskedFor compares the table with the expectation, both ways.
func TestTableIsWhatWasAskedFor(t *testing.T) {
	for _, status := range fhir.Types(fhir.R4).Type("Task").Element("status").Codes {
		for _, asked := range []bool{false, true} {
			state := status
			if asked {
				state += " asked"
				if expected[state] == nil {
					continue // a cancellation is asked for while support goes on, and at no other time
				}
			}
			for _, actor := range []Actor{ActorRequester, ActorWorker, ActorProvider, ActorOperator, ActorTimer, ActorAdapter} {
				var got []string
				for _, m := range Table {
					if m.Action != "" && m.Starts(status, asked) && m.By(actor) {
						got = append(got, m.Action+":"+m.ID+">"+m.Leads(status))
					}
				}
				want := strings.Fields(expected[state][actor])
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("%s by %s\n got %v\nwant %v", state, actor, got, want)
				}
			}
		}
	}
	ids := map[string]bool{}
	for _, m := range slices.Concat(Table, Activities) {
		ids[m.ID] = true
	}
	for n := 1; n <= 24; n++ {
		if id := fmt.Sprintf("T%02d", n); !ids[id] {
			t.Errorf("the table has no row %s", id)
		}
	}
	for n := 1; n <= 5; n++ {
		if id := fmt.Sprintf("S%02d", n); !ids[id] {
			t.Errorf("the table of sub-Tasks has no row %s", id)
		}
	}
}

// testService is a Service that decides and stores nothing.
func testService(t *testing.T) *Service {
	return NewService(Config{Instruments: testInstruments(t), Rules: Rules{MinAttempts: 1}.withDefaults(), Now: time.Now,
		Partners: &Partners{organisations: map[string]Organisation{"Y99202": {ODS: "Y99202"}}}})
}

// testPerson is a Patient who is alive, or not.
func testPerson(t *testing.T, dead bool) *fhir.Node {
	t.Helper()
	n := fhir.Types(fhir.R4).New("Patient")
	if dead {
		n.Set("deceasedBoolean", "true")
	}
	return n
}

// TestEveryMove tries every action from every state by every actor: a step is made when
// the table has a row for it, and refused with the legal next moves otherwise. Then each
// guard of the row is broken alone, and must refuse it.
func TestEveryMove(t *testing.T) {
	statuses := fhir.Types(fhir.R4).Type("Task").Element("status").Codes
	made, broken := 0, map[string]bool{}
	for _, action := range Actions() {
		for _, from := range statuses {
			for _, asked := range []bool{false, true} {
				for _, role := range []auth.Role{auth.RoleRequester, auth.RoleOwner, auth.RoleOperator} {
					rows := moves(Table, action, from, asked)
					mine := slices.IndexFunc(rows, func(m *Move) bool { return m.By(actorOf(role)) })
					var m *Move
					if mine >= 0 {
						m = rows[mine]
					}
					what := fmt.Sprintf("%s from %s (asked %t) by %s", action, from, asked, role)
					st := ready(t, m, from, asked, role)
					err := st.decide(action)
					switch {
					case len(rows) == 0:
						if !errors.Is(err, issue.BusinessRule) || !strings.Contains(err.Error(), "possible are") && !strings.Contains(err.Error(), "nothing that the caller") {
							t.Errorf("%s: %v", what, err)
						}
						continue
					case m == nil:
						if !errors.Is(err, issue.Forbidden) {
							t.Errorf("%s: %v", what, err)
						}
						continue
					case err != nil:
						t.Errorf("%s: %v", what, err)
						continue
					}
					made++
					version, business := 4, st.after.BusinessStatus
					if m.Opens == OpensSuccessor && m.To == "" {
						version = 3
					}
					fits := slices.Contains(m.Business, business) || len(m.Business) == 0 && business == st.before.BusinessStatus || m.Restores && business == "plan-agreed"
					if st.after.Status != m.Leads(from) || st.after.Version != version || !fits || st.after.Asked() != m.Keeps && version == 4 {
						t.Errorf("%s led to %+v", what, st.after)
					}
					for _, g := range m.Guards {
						st := ready(t, m, from, asked, role)
						breaks[g.Name](st)
						broken[g.Name] = true
						if err := st.decide(action); !slices.ContainsFunc(issue.All(err), func(e *issue.Error) bool { return e.Rule == "guard-"+g.Name }) {
							t.Errorf("%s with %s broken: %v", what, g.Name, err)
						}
					}
				}
			}
		}
	}
	if made < 45 || len(broken) < len(breaks)-3 { // three are of timers
		t.Errorf("only %d moves were made, and the guards %v broken", made, broken)
	}
	for _, m := range Table {
		for _, g := range m.Guards {
			if breaks[g.Name] == nil {
				t.Errorf("nobody breaks the guard %s of %s", g.Name, m.ID)
			}
		}
	}
}

// ready is a step to which nothing but its state and actor stands in the way.
func ready(t *testing.T, m *Move, from string, asked bool, role auth.Role) *step {
	t.Helper()
	st := &step{
		s: testService(t), at: time.Unix(1700000000, 0), patient: testPerson(t, false), actor: actorOf(role),
		c:      Call{Principal: &auth.Principal{Role: role, Organisations: []string{"Y99201"}}},
		before: &Record{Status: from, BusinessStatus: "allocated", Version: 3, Owner: "Y99201", Organisation: "Y99001", Since: time.Unix(1700000000, 0)},
		events: []Event{{Move: "T08", BusinessStatus: "contact-attempted"}},
	}
	if asked {
		st.before.Former, st.before.BusinessStatus = "plan-agreed", "cancellation-requested"
	}
	if m == nil {
		return st
	}
	st.in = inputFor(m)
	for _, g := range m.Guards {
		switch g.Name {
		case "contacted":
			st.events = append(st.events, Event{BusinessStatus: "contacted"})
		case "questioned":
			st.before.BusinessStatus = "info-requested"
		}
	}
	return st
}

// breaks let one guard fail each.
var breaks = map[string]func(st *step){
	"questioned":       func(st *step) { st.before.BusinessStatus = "awaiting-triage" },
	"alive":            func(st *step) { st.patient.Set("deceasedBoolean", "true") },
	"contacted":        func(st *step) { st.events = nil },
	"not-contacted":    func(st *step) { st.events = []Event{{BusinessStatus: "contacted"}} },
	"agreed":           func(st *step) { st.in.Plan.Agreed = false },
	"consented":        func(st *step) { st.in.Activity.Consent = false },
	"has-outcome":      func(st *step) { st.in.Outcome.Findings = nil },
	"activities-ended": func(st *step) { st.activities = []Activity{{Status: StatusAccepted}} },
	"enough-attempts":  func(st *step) { st.events = nil },
	"another-service":  func(st *step) { st.in.Service = "Y99201" },
	"reopenable":       func(st *step) { st.before.Since = st.at.AddDate(0, 0, -91) },
	"owned":            func(st *step) { st.actor, st.before.Owner = ActorWorker, "" },
	"halfway":          func(st *step) { st.before.Remind = time.Time{} },
	"unanswered":       func(st *step) { st.s.Rules.DeclineDays = 0 },
	"expired":          func(st *step) { st.before.Due = time.Time{} },
}

// inputFor is what a row wants.
func inputFor(m *Move) Input {
	var in Input
	for _, field := range m.Requires {
		switch field {
		case "channel":
			in.Channel = "telephone"
		case "result":
			in.Result = "no-answer"
		case "status":
			in.Status = m.Business[len(m.Business)-1]
		case "review_on":
			in.ReviewOn = "2030-01-01"
		case "requested_action":
			in.RequestedAction = "Please see her today."
		case "question":
			in.Question = "Which language?"
		case "answer":
			in.Answer = "Somali"
		case "note":
			in.Note = "a slip of the pen"
		case "service":
			in.Service = "Y99202"
		case "signpost":
			in.Signpost = &Signpost{To: "the library"}
		case "activity":
			in.Activity = &ActivityInput{Name: "Lunch club", Consent: true}
		case "plan":
			in.Plan = &Plan{Summary: "a plan", Agreed: true}
		case "outcome":
			in.Outcome = &Outcome{Status: "goals-met", Findings: []Coded{{Code: "1230392000", Display: "Not feeling lonely"}}}
		case "sessions":
			in.Sessions = "6"
		}
	}
	if m.Reason {
		code := m.ReasonCodes()[0]
		if m.Action == "close" {
			code = "unable-to-contact"
		}
		in.Reason = &Coded{Code: code, Text: "said so"}
	}
	return in
}

// TestEveryMoveOfAnActivity is the same for sub-Tasks: by hand first.
func TestEveryMoveOfAnActivity(t *testing.T) {
	both := map[string]string{
		StatusRequested:  "accept:S02>accepted reject:S02>rejected cancel:S05>cancelled",
		StatusAccepted:   "attend:S03>in-progress end:S04>completed cancel:S05>cancelled",
		StatusInProgress: "attend:S03>in-progress end:S04>completed cancel:S05>cancelled",
	}
	for _, status := range fhir.Types(fhir.R4).Type("Task").Element("status").Codes {
		for _, actor := range []Actor{ActorRequester, ActorWorker, ActorProvider, ActorOperator} {
			var got []string
			for _, action := range ActivityActions() {
				m, err := activityRow(action, status, []Actor{actor})
				if err != nil {
					if !errors.Is(err, issue.BusinessRule) && !errors.Is(err, issue.Forbidden) {
						t.Errorf("%s from %s by %s: %v", action, status, actor, err)
					}
					continue
				}
				got = append(got, action+":"+m.ID+">"+m.Leads(status))
				st := &step{s: testService(t), at: time.Unix(1700000000, 0), before: &Record{}, in: inputFor(m), move: m}
				if faults := st.fields(); len(faults) > 0 {
					t.Errorf("%s: %v", action, faults[0])
				}
			}
			want := strings.Fields(both[status])
			if actor == ActorRequester || actor == ActorOperator {
				want = nil
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s by %s: got %v, want %v", status, actor, got, want)
			}
		}
	}
}

// TestWorkingDays counts Monday to Friday, without bank holidays and closed days.
func TestWorkingDays(t *testing.T) {
	open := Rules{Closed: []time.Time{time.Date(2027, 6, 14, 0, 0, 0, 0, time.UTC)}}
	for _, c := range []struct {
		from string
		days int
		want string
	}{
		{"2026-11-23", 1, "2026-11-24"}, {"2026-11-23", 5, "2026-11-30"}, {"2026-11-27", 1, "2026-11-30"},
		{"2026-11-28", 1, "2026-11-30"}, {"2026-11-29", 10, "2026-12-11"}, {"2026-11-23", 0, "2026-11-23"},
		// Christmas Day and Boxing Day of 2026, which fall on Friday and Saturday
		{"2026-12-24", 1, "2026-12-29"}, {"2026-12-31", 1, "2027-01-04"},
		// Easter, early May, spring and summer of 2027
		{"2027-03-25", 1, "2027-03-30"}, {"2027-04-30", 1, "2027-05-04"}, {"2027-05-28", 1, "2027-06-01"}, {"2027-08-27", 1, "2027-08-31"},
		// Christmas of 2027 on Saturday and Sunday has two substitute days, New Year 2028 one
		{"2027-12-24", 1, "2027-12-29"}, {"2027-12-31", 1, "2028-01-04"},
		// a day on which the deployment is closed
		{"2027-06-11", 1, "2027-06-15"},
	} {
		from, _ := time.Parse(time.DateOnly, c.from)
		if got := open.after(from, c.days).Format(time.DateOnly); got != c.want {
			t.Errorf("%d working days after %s is %s, want %s", c.days, c.from, got, c.want)
		}
	}
	r := Rules{}.withDefaults()
	monday, _ := time.Parse(time.DateOnly, "2026-11-23")
	for _, c := range []struct {
		status, business string
		asked            bool
		want             string
	}{
		{StatusReceived, "awaiting-triage", false, "2026-12-07"}, {StatusReceived, "info-requested", false, "2026-11-30"},
		{StatusAccepted, "allocated", false, "2026-12-07"}, {StatusInProgress, "contacted", false, "2026-12-21"},
		{StatusOnHold, "unwell", false, "2026-12-25"}, {StatusOnHold, "unwell", true, "2026-11-30"},
		{StatusCompleted, "goals-met", false, "0001-01-01"},
	} {
		if got := r.due(c.status, c.business, c.asked, monday, "2026-12-24").Format(time.DateOnly); got != c.want {
			t.Errorf("%s, %s: due %s, want %s", c.status, c.business, got, c.want)
		}
	}
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
			s := testService(t)
			s.Rules.MinAttempts = 3
			st := &step{
				s: s, at: time.Unix(1700000000, 0), patient: testPerson(t, false), actor: ActorWorker,
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

// What is noted or sent while nobody has answered carries that business status, and is
// no attempt to reach the person.
func TestANoteIsNoAttempt(t *testing.T) {
	rules := Rules{}.withDefaults()
	sit := situation{business: "unable-to-contact", rules: &rules}
	for day, move := range []string{"T08", "note", "observation", "attachment", "sharing-changed"} {
		sit.events = append(sit.events, Event{Move: move, BusinessStatus: "contact-attempted", At: time.Date(2026, 11, 2+day, 9, 0, 0, 0, time.UTC)})
	}
	if enoughAttempts.ok(sit) {
		t.Error("one attempt and four other days are enough")
	}
	for day := range 2 {
		sit.events = append(sit.events, Event{Move: "T08", BusinessStatus: "contact-attempted", At: time.Date(2026, 11, 12+day, 9, 0, 0, 0, time.UTC)})
	}
	if !enoughAttempts.ok(sit) {
		t.Error("three attempts on three days are not enough")
	}
}
