package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
	"spadapter/adapter/summary"
)

// outcome is an outcome with every part that one can have.
func fullOutcome() *referral.Outcome {
	return &referral.Outcome{
		Status:           "goals-met",
		Findings:         []referral.Coded{{Code: "1230392000", Display: "Not feeling lonely"}, {Code: "185960001", Display: "Housing problem solved"}},
		Interventions:    []referral.Coded{{Code: "710911006", Display: "Referral to housing service"}},
		Scores:           []referral.Score{{Instrument: "ons4-satisfaction", Value: "7"}, {Instrument: "swemwbs", Value: "25.03"}},
		RequestedActions: []string{"Review the sleeping tablets"},
		Summary:          "Goes to the lunch club every week.",
	}
}

func agreedPlan() referral.Input {
	return referral.Input{ReviewOn: time.Now().AddDate(0, 1, 0).Format(time.DateOnly), Plan: &referral.Plan{
		Summary: "Lunch club on Tuesdays.", Goals: []string{"Meet people every week"}, Actions: []string{"Go together the first time"}, Agreed: true,
	}}
}

// A referral goes from the practice through every step of the service, and each part
// of its outcome is in the patient's record, on each database.
func TestLoopBringsEveryPartOfTheOutcomeIntoTheRecord(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.start()
		gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
		sent := someone(practiceA)
		task := gp.refer(sent.message())

		stored := gp.get("/fhir/R4/" + task).want(http.StatusOK).node()
		if stored.Text("status") != "received" || stored.Text("owner", "identifier", "value") != service1 || stored.Text("businessStatus", "coding", "code") != "awaiting-triage" {
			t.Fatalf("the Task is %s", fhir.Encode(stored))
		}
		original := gp.get("/fhir/R4/" + stored.Text("focus", "reference")).want(http.StatusOK).node()
		if original.Text("identifier", "value") != sent.identifier || original.Text("intent") != "order" {
			t.Errorf("the focus is not the original as sent: %s", fhir.Encode(original))
		}

		list := worker.worklist("status=received")
		if len(list) != 1 || list[0].Person.NHSNumber != sent.nhsNumber || len(list[0].Scores) != 2 || len(list[0].Social) != 1 || len(list[0].Notes) != 1 || len(list[0].Needs) != 2 {
			t.Fatalf("the worklist is %+v", list)
		}
		v := list[0]
		for _, step := range []struct {
			action, status, business string
			in                       referral.Input
		}{
			{"accept", "accepted", "allocated", referral.Input{}},
			{"contact", "in-progress", "contact-attempted", referral.Input{Channel: "telephone", Result: "no-answer"}},
			{"contact", "in-progress", "contacted", referral.Input{Channel: "home-visit", Result: "reached", Note: "Prefers mornings."}},
			{"plan", "in-progress", "plan-agreed", agreedPlan()},
			{"progress", "in-progress", "referred-onward", referral.Input{Status: "referred-onward"}},
			{"complete", "completed", "goals-met", referral.Input{Outcome: fullOutcome()}},
		} {
			before := v.Version
			v = worker.act(v, step.action, step.in).view()
			if v.Status != step.status || v.BusinessStatus != step.business || v.Version != before+1 {
				t.Fatalf("after %s the referral is %s, %s, version %d", step.action, v.Status, v.BusinessStatus, v.Version)
			}
		}
		eventually(t, "the outcome is in the record", func() bool { return w.gp.task("completed") != nil })
		assertRecord(t, w, sent, task)

		// what the practice reads here is the same as what it was sent
		closed := gp.get("/fhir/R4/" + task).want(http.StatusOK).node()
		if closed.Text("status") != "completed" || len(closed.All("output")) != len(w.gp.task("completed").All("output")) {
			t.Errorf("the Task here is %s", fhir.Encode(closed))
		}
		if code := a.terminate(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
}

// assertRecord demands every part of fullOutcome in the GP record, once.
func assertRecord(t *testing.T, w *world, sent *synthetic, task string) {
	t.Helper()
	id := strings.TrimPrefix(task, "Task/")
	var got []gpLine
	for _, l := range w.gp.Record() {
		if l.What == "output" && strings.Contains(l.Value, "/") {
			l.Value = "a reference" // each is looked at below
		}
		if l.What == "document" {
			// what the practice is asked to do comes before everything else
			_, l.Value, _ = strings.Cut(l.Value, "\n\nRequested actions of the practice\n  ")
			l.Value, _, _ = strings.Cut(l.Value, "\n")
		}
		if l.What == "task" {
			l.Value = "" // its version counts the write-backs
		}
		l.Resource, _, _ = strings.Cut(l.Resource, "/")
		got = append(got, l)
	}
	has := func(what, code, value string) {
		t.Helper()
		n := 0
		for _, l := range got {
			if l.What == what && l.Code == code && (value == "" || l.Value == value) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("the record has %s %s %q %d times: %+v", what, code, value, n, got)
		}
	}
	has("task", "completed", "")
	has("output", "proposed-status", "completed")
	has("output", "requested-action", "Review the sleeping tablets")
	has("finding", "1230392000", "")
	has("finding", "185960001", "")
	has("score", "ons4-satisfaction", "7 score")
	has("score", "718466001", "25.03 score")
	has("intervention", "710911006", "")
	has("document", "", "Review the sleeping tablets")
	has("document", "", summary.NoActions) // of the plan
	kinds := map[string]int{}
	for _, l := range got {
		if l.What != "output" {
			kinds[l.Resource]++
		}
	}
	if diff := cmp.Diff(map[string]int{"Task": 1, "Observation": 4, "Procedure": 1, "DocumentReference": 2}, kinds); diff != "" {
		t.Errorf("resources in the record (- want, + got):\n%s", diff)
	}
	record := w.gp.task("completed")
	if record.Text("identifier", "value") != id || record.Text("businessStatus", "coding", "code") != "goals-met" {
		t.Errorf("the Task in the record is %s", fhir.Encode(record))
	}
	// what belongs to the GP system is named in its own words, never by our ids
	gpSide := caller{t, strings.TrimSuffix(w.gp.URL(), "/fhir"), ""}
	for _, kind := range []string{"Observation", "Procedure", "DocumentReference"} {
		for _, entry := range gpSide.get("/fhir/" + kind).want(http.StatusOK).node().All("entry") {
			n := entry.Child("resource")
			if n.Text("subject", "identifier", "value") != sent.nhsNumber {
				t.Errorf("the subject of a %s is %s", kind, fhir.Encode(n.Child("subject")))
			}
			if based := n.Child("basedOn"); kind != "DocumentReference" && based.Text("identifier", "value") != sent.identifier {
				t.Errorf("a %s is based on %s", kind, fhir.Encode(n))
			}
		}
	}
	for _, output := range record.All("output") {
		ref := output.Child("value").Text("reference")
		if ref == "" {
			continue
		}
		if a := gpSide.get("/fhir/" + ref); a.status != http.StatusOK {
			t.Errorf("the output %s of the Task leads nowhere in the record", ref)
		}
	}
}

// Every way to end a referral without an outcome tells the practice why, and proposes
// that the request is revoked; steps in between tell nothing.
func TestClosuresReachTheRecordWithTheirReason(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	reason := func(code string) referral.Input {
		return referral.Input{Reason: &referral.Coded{Code: code, Text: "in words"}}
	}
	attempt := func(days int) referral.Input {
		at := time.Now().AddDate(0, 0, -days)
		return referral.Input{Channel: "telephone", Result: "no-answer", At: &at}
	}
	type move struct {
		action string
		in     referral.Input
	}
	hold := reason("waiting-list")
	hold.ReviewOn = "2027-01-04"
	for name, c := range map[string]struct {
		moves  []move
		status string
		code   string
	}{
		"T06 rejected before it is accepted":    {[]move{{"reject", reason("not-eligible")}}, "rejected", "not-eligible"},
		"T12 declined late, before any contact": {[]move{{"accept", referral.Input{}}, {"contact", attempt(0)}, {"reject", reason("no-capacity")}}, "rejected", "no-capacity"},
		"T17 closed after hold and resume":      {[]move{{"accept", referral.Input{}}, {"hold", hold}, {"resume", referral.Input{}}, {"close", reason("declined-by-patient")}}, "cancelled", "declined-by-patient"},
		"T17 closed while on hold":              {[]move{{"accept", referral.Input{}}, {"hold", hold}, {"close", reason("moved-away")}}, "cancelled", "moved-away"},
		"T17 not to be contacted, three days":   {[]move{{"accept", referral.Input{}}, {"contact", attempt(2)}, {"contact", attempt(1)}, {"contact", attempt(0)}, {"close", reason("unable-to-contact")}}, "cancelled", "unable-to-contact"},
		"T18 the service closed":                {[]move{{"accept", referral.Input{}}, {"fail", reason("service-closed")}}, "failed", "service-closed"},
	} {
		t.Run(name, func(t *testing.T) {
			v := worker.look(gp.refer(someone(practiceA).message()))
			for i, m := range c.moves {
				if i == len(c.moves)-1 && len(w.gp.Record()) > 0 && inRecord(w, v.ID) != nil {
					t.Errorf("the record knows of the referral before it ends")
				}
				v = worker.act(v, m.action, m.in).view()
			}
			if v.Status != c.status || v.BusinessStatus != c.code || len(v.AllowedActions) != 1 || v.AllowedActions[0].Name != "reopen" {
				t.Fatalf("the referral is %s, %s, with the actions %v", v.Status, v.BusinessStatus, v.AllowedActions)
			}
			eventually(t, "the closure is in the record", func() bool { return inRecord(w, v.ID) != nil })
			n := inRecord(w, v.ID)
			proposed := ""
			for _, o := range n.All("output") {
				if o.Text("type", "coding", "code") == "proposed-status" {
					proposed = o.Child("value").Value
				}
			}
			if n.Text("status") != c.status || n.Text("statusReason", "coding", "code") != c.code || n.Text("statusReason", "text") != "in words" || proposed != "revoked" {
				t.Errorf("the record says %s", fhir.Encode(n))
			}
		})
	}
}

// inRecord finds the Task of a referral in the GP record, nil when it is not there.
func inRecord(w *world, id string) *fhir.Node {
	w.gp.mu.Lock()
	defer w.gp.mu.Unlock()
	for _, key := range w.gp.order {
		if n := w.gp.held[key].node; n.ResourceType() == "Task" && n.Text("identifier", "value") == id {
			return n.Clone()
		}
	}
	return nil
}

// The guards of the life cycle hold over HTTP: what is missing is said, nothing moves.
func TestGuardsHold(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	v := worker.look(gp.refer(someone(practiceA).message()))
	v = worker.act(v, "accept", referral.Input{}).view()
	refuse := func(action string, in referral.Input, rules ...string) {
		t.Helper()
		answer := worker.act(v, action, in)
		var p struct {
			Errors []struct{ Rule, Detail, Element string }
		}
		answer.into(&p)
		var got []string
		for _, e := range p.Errors {
			got = append(got, strings.TrimSuffix(e.Rule+" "+e.Element, " "))
			if e.Detail == "" {
				t.Errorf("%s: %s has no words", action, e.Rule)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(rules, got); diff != "" || answer.status/100 != 4 {
			t.Errorf("%s: status %d (- want, + got)\n%s", action, answer.status, diff)
		}
	}
	refuse("plan", referral.Input{Plan: &referral.Plan{Summary: "x", Agreed: true}}, "illegal-move")
	for range 3 {
		v = worker.act(v, "contact", referral.Input{Channel: "telephone", Result: "no-answer"}).view()
	}
	refuse("plan", referral.Input{Plan: &referral.Plan{Summary: "x", Agreed: true}}, "guard-contacted")
	refuse("close", referral.Input{Reason: &referral.Coded{Code: "unable-to-contact"}}, "guard-enough-attempts") // three, on one day
	v = worker.act(v, "contact", referral.Input{Channel: "telephone", Result: "reached"}).view()
	refuse("reject", referral.Input{Reason: &referral.Coded{Code: "no-capacity"}}, "guard-not-contacted")
	refuse("plan", referral.Input{Plan: &referral.Plan{Summary: "x"}}, "guard-agreed")
	refuse("complete", referral.Input{Outcome: &referral.Outcome{Status: "goals-met"}}, "guard-has-outcome")
	refuse("complete", referral.Input{Outcome: &referral.Outcome{Status: "splendid", Scores: []referral.Score{{Instrument: "swemwbs", Value: "36"}, {Instrument: "mood", Value: "1"}},
		Findings: []referral.Coded{{Code: "1230392001"}}}},
		"code-refused outcome.findings[0].code", "field-code outcome.status", "instrument-range outcome.scores[0].value", "instrument-unknown outcome.scores[1].instrument")
	refuse("hold", referral.Input{}, "field-required reason", "field-required review_on")
	if now := worker.look(v.ID); now.Version != v.Version || now.Status != "in-progress" {
		t.Errorf("a refused move changed the referral: %s, version %d", now.Status, now.Version)
	}
}
