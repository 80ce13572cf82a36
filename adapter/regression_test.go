package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

func encoded(n *fhir.Node) []byte { return fhir.Encode(n) }

// programPath is the test binary, which is the adapter when asProgram is set.
func programPath(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// R02: a requester revokes while services accept. One order or the other: revoked first
// ends it, accepted first makes it a request to cancel, and the answer says which.
func TestR02CancelAgainstAccept(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		for range 8 {
			v := c.referred("received")
			n := c.gp.get("/fhir/R4/" + v.Links.ServiceRequest).want(http.StatusOK).node().Clone()
			n.Set("status", "revoked")
			got := together(t, 2, func(i int) (answer, error) {
				if i == 0 {
					return c.worker.try(http.MethodPost, "/api/v1/referrals/"+v.ID+"/actions/accept", []byte("{}"), "If-Match", `W/"1"`)
				}
				return c.gp.try(http.MethodPut, "/fhir/R4/"+v.Links.ServiceRequest, encoded(n), "Content-Type", "application/fhir+json", "If-Match", `W/"1"`)
			})
			move := got[1].want(http.StatusOK).header.Get("X-Referral-Move")
			now := c.worker.look(v.ID)
			switch {
			case move == "T07" && now.Status == "cancelled" && got[0].status == http.StatusPreconditionFailed:
			case move == "T07" && now.Status == "cancelled" && got[0].status == http.StatusUnprocessableEntity:
			case move == "T13" && now.Status == "accepted" && now.CancellationAsked && got[0].status == http.StatusOK:
			default:
				t.Errorf("cancel made %s, accept got %d, the referral is %s, %s", move, got[0].status, now.Status, now.BusinessStatus)
			}
		}
	})
}

// R03: the outcome wins whenever it commits before the cancellation is confirmed; after
// that it is refused.
func TestR03OutcomeAgainstConfirmation(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		for range 5 {
			v := c.gp.act(c.referred("in-progress"), "cancel", referral.Input{Reason: said("moved-away")}).view()
			match := fmt.Sprintf(`W/"%d"`, v.Version)
			got := together(t, 2, func(i int) (answer, error) {
				action, in := "complete", referral.Input{Outcome: fullOutcome()}
				if i == 1 {
					action, in = "confirm-cancellation", referral.Input{Reason: said("moved-away")}
				}
				return c.worker.try(http.MethodPost, "/api/v1/referrals/"+v.ID+"/actions/"+action, mustJSON(in), "If-Match", match)
			})
			now := c.worker.look(v.ID)
			won := map[bool]string{got[0].status == 200: "completed", got[1].status == 200: "cancelled"}[true]
			if (got[0].status == 200) == (got[1].status == 200) || now.Status != won || now.Version != v.Version+1 {
				t.Errorf("complete %d, confirm %d, the referral is %s", got[0].status, got[1].status, now.Status)
			}
			if now.Status == "cancelled" {
				late := c.worker.act(now, "complete", referral.Input{Outcome: fullOutcome()})
				if late.status != http.StatusUnprocessableEntity {
					t.Errorf("an outcome after the cancellation: %d", late.status)
				}
			}
		}
	})
}

// R11: an activity ends while its referral is completed: the referral sees it ended, or is
// refused; it is never completed with an open one.
func TestR11ActivityEndsAgainstCompletion(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		for range 5 {
			v := c.worker.act(c.referred("in-progress"), "refer", referral.Input{Activity: &referral.ActivityInput{Provider: service2, Name: "Choir", Consent: true}}).view()
			activity := "/api/v1/activities/" + v.Activities[0].ID + "/actions/"
			got := together(t, 2, func(i int) (answer, error) {
				if i == 0 {
					return c.other.try(http.MethodPost, activity+"reject", mustJSON(referral.Input{Reason: said("no-capacity")}), "If-Match", `W/"1"`)
				}
				return c.worker.try(http.MethodPost, "/api/v1/referrals/"+v.ID+"/actions/complete", mustJSON(referral.Input{Outcome: fullOutcome()}), "If-Match", fmt.Sprintf(`W/"%d"`, v.Version))
			})
			now := c.worker.look(v.ID)
			if now.Status == "completed" && now.Activities[0].Status != "rejected" || got[0].status != http.StatusOK ||
				(got[1].status == http.StatusOK) != (now.Status == "completed") || got[1].status != http.StatusOK && got[1].status != http.StatusUnprocessableEntity {
				t.Errorf("reject %d, complete %d, the referral is %s, the activity %s", got[0].status, got[1].status, now.Status, now.Activities[0].Status)
			}
		}
		// a referral onward races with the completion: the version of the referral decides
		v := c.referred("in-progress")
		match := fmt.Sprintf(`W/"%d"`, v.Version)
		got := together(t, 2, func(i int) (answer, error) {
			action, in := "complete", referral.Input{Outcome: fullOutcome()}
			if i == 1 {
				action, in = "refer", referral.Input{Activity: &referral.ActivityInput{Name: "Choir", Consent: true}}
			}
			return c.worker.try(http.MethodPost, "/api/v1/referrals/"+v.ID+"/actions/"+action, mustJSON(in), "If-Match", match)
		})
		if (got[0].status == 200) == (got[1].status == 200) {
			t.Errorf("complete %d and refer %d", got[0].status, got[1].status)
		}
	})
}

// R12: a referral is entered in error. What waits is never sent; what was sent is taken
// back, resource by resource.
func TestR12EnteredInErrorAgainstTheOutbox(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		wrong := referral.Input{Reason: &referral.Coded{Code: "entered-in-error", Text: "meant for somebody else"}}

		sent := c.worker.act(c.referred("in-progress"), "complete", referral.Input{Outcome: fullOutcome()}).view()
		eventually(t, "the outcome is in the record", func() bool { return inRecord(c.w, sent.ID) != nil })
		eventually(t, "that is noted", func() bool {
			return c.w.number("SELECT count(*) FROM delivery WHERE state = 'delivered'") == 1
		})
		sent = moved(t, c.manager.act(c.manager.look(sent.ID), "enter-in-error", wrong), "entered-in-error", "goals-met")
		eventually(t, "it is taken back", func() bool { return inRecord(c.w, sent.ID).Text("status") == "entered-in-error" })
		notices := 0
		c.w.gp.locked(func() {
			for _, key := range c.w.gp.order {
				n := c.w.gp.held[key].node
				if n.Text("status") == "entered-in-error" {
					continue
				}
				// one page says so, in the place of the summary
				if r := n.Child("relatesTo"); n.Text("type", "text") != "Social prescribing: entered in error" || r.Text("code") != "replaces" {
					t.Errorf("the record still says %s", encoded(n))
				}
				notices++
			}
			if notices != 1 {
				t.Errorf("%d pages say that it was entered in error", notices)
			}
			if len(c.w.gp.order) < 6 {
				t.Errorf("the record holds %d resources", len(c.w.gp.order))
			}
		})
		if n := c.gp.total("/fhir/R4/Provenance?target=Task/" + sent.ID); n != 1 {
			t.Errorf("%d Provenances say who took it back", n)
		}

		c.w.gp.fail(standInFault{Status: 503}, standInFault{Status: 503}, standInFault{Status: 503}, standInFault{Status: 503})
		before := len(c.w.gp.received())
		v := c.referred("in-progress")
		v = c.worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).view()
		eventually(t, "the first try has failed", func() bool {
			return c.w.number("SELECT count(*) FROM delivery WHERE referral = '"+v.ID+"' AND state = 'queued' AND attempts > 0") == 1
		})
		v = moved(t, c.manager.act(c.manager.look(v.ID), "enter-in-error", wrong), "entered-in-error", "goals-met")
		if n := c.w.number("SELECT count(*) FROM delivery WHERE referral = '" + v.ID + "' AND state = 'superseded'"); n != 1 {
			t.Errorf("%d rows were withdrawn", n)
		}
		// it was tried, so that it may have arrived: it is taken back all the same
		if n := c.w.number("SELECT count(*) FROM delivery WHERE referral = '" + v.ID + "' AND move = 'T24'"); n != 1 {
			t.Errorf("%d retractions wait", n)
		}
		if len(c.w.gp.received()) == before {
			t.Error("nothing was tried")
		}
	})
	// what was never tried is withdrawn, and nothing is said of it
	c := newCast(t, "")
	c.w.gp.fail(standInFault{Status: 503})
	v := c.worker.act(c.referred("received"), "ask", referral.Input{Question: "Who?"}).view()
	eventually(t, "the first try has failed", func() bool {
		return c.w.number("SELECT count(*) FROM delivery WHERE state = 'queued' AND attempts = 1") == 1
	})
	c.exec("UPDATE delivery SET attempts = 0, wake = 9000000000000") // as if it had waited all the time
	moved(t, c.gp.act(v, "enter-in-error", referral.Input{Reason: said("entered-in-error")}), "entered-in-error", "info-requested")
	if n, all := c.w.number("SELECT count(*) FROM delivery WHERE state = 'superseded'"), c.w.number("SELECT count(*) FROM delivery"); n != 1 || all != 1 {
		t.Errorf("%d of %d rows were withdrawn", n, all)
	}
}

// R23: two corrections at once: one is made, the other reads again. Each takes the place
// of exactly one outcome.
func TestR23TwoCorrections(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		v := c.worker.act(c.referred("in-progress"), "complete", referral.Input{Outcome: fullOutcome()}).view()
		eventually(t, "the outcome is in the record", func() bool { return inRecord(c.w, v.ID) != nil })
		better := func(n int) referral.Input {
			return referral.Input{Note: fmt.Sprintf("A slip, number %d.", n), Outcome: &referral.Outcome{Status: "partially-met",
				Findings: []referral.Coded{{Code: "1230392000", Display: "Not feeling lonely"}}, Scores: []referral.Score{{Instrument: "ons4-satisfaction", Value: fmt.Sprint(5 + n)}}, Summary: "Goes now and then."}}
		}
		match := fmt.Sprintf(`W/"%d"`, v.Version)
		won, lost := 0, 0
		for _, got := range together(t, 2, func(i int) (answer, error) {
			return c.worker.try(http.MethodPost, "/api/v1/referrals/"+v.ID+"/actions/correct", mustJSON(better(i)), "If-Match", match)
		}) {
			switch got.status {
			case http.StatusOK:
				won++
			case http.StatusPreconditionFailed:
				lost++
			}
		}
		if won != 1 || lost != 1 {
			t.Fatalf("%d corrections were made and %d refused", won, lost)
		}
		v = moved(t, c.worker.act(c.worker.look(v.ID), "correct", better(2)), "completed", "goals-met")
		eventually(t, "both corrections are in the record", func() bool {
			return len(c.w.gp.received()) == 3 && c.w.number("SELECT count(*) FROM delivery WHERE state = 'delivered'") == 3
		})
		statuses, replacing := map[string]int{}, 0
		c.w.gp.locked(func() {
			for _, key := range c.w.gp.order {
				n := c.w.gp.held[key].node
				statuses[n.ResourceType()+" "+n.Text("status")]++
				for _, e := range n.All("extension") {
					if strings.HasSuffix(e.Text("url"), "observation-replaces") {
						replacing++
					}
				}
				if r := n.Child("relatesTo"); r != nil && r.Text("code") == "replaces" {
					replacing++
				}
			}
		})
		// of each correction: a finding, a score and a summary stand in the place of those before
		want := map[string]int{"Task completed": 1, "Observation final": 2, "Observation entered-in-error": 6, "Procedure entered-in-error": 1,
			"DocumentReference current": 1, "DocumentReference superseded": 2}
		if fmt.Sprint(statuses) != fmt.Sprint(want) || replacing != 6 {
			t.Errorf("the record holds %v, %d of them in the place of others; want %v and 6", statuses, replacing, want)
		}
		// nothing is deleted here: the outputs of all three outcomes are there, and the first versions
		task := c.gp.taskOf(v.ID)
		outcomes := 0
		for _, o := range task.All("output") {
			if o.Text("type", "coding", "code") == "outcome" && o.Text("value", "coding", "system") == referral.SystemBusinessStatus {
				outcomes++
			}
		}
		if outcomes != 3 {
			t.Errorf("the Task has %d outcomes", outcomes)
		}
		if n := c.gp.total("/fhir/R4/Provenance?target=Task/" + v.ID); n != 2 {
			t.Errorf("%d Provenances", n)
		}
	})
}

// A referral that ended is opened again as a new Task on the same request, once; one is
// handed over to another service, which sees what came with the request and what was found.
func TestANewTaskTakesThePlaceOfAnother(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		old := c.worker.act(c.referred("in-progress"), "close", referral.Input{Reason: said("disengaged")}).view()
		next := moved(t, c.worker.act(old, "reopen", referral.Input{Note: "She has rung."}), "received", "awaiting-triage")
		if next.ID == old.ID || next.Follows != old.ID || next.Links.ServiceRequest != old.Links.ServiceRequest || next.Owner.ODS != service1 || len(next.Scores) != len(old.Scores) {
			t.Errorf("the new referral is %+v", next)
		}
		if again := c.worker.look(old.ID); again.Version != old.Version {
			t.Errorf("what ended has moved to version %d", again.Version)
		}
		if got := c.worker.act(old, "reopen", referral.Input{}); got.status != http.StatusConflict {
			t.Errorf("opened again twice: %d %s", got.status, got.body)
		}
		task := c.worker.taskOf(next.ID)
		if task.Text("input", "type", "coding", "code") != "follows" || task.Text("input", "value", "reference") != "Task/"+old.ID {
			t.Errorf("the new Task is %s", encoded(task))
		}

		v := c.referred("in-progress")
		hand := referral.Input{Reason: said("replaced"), Service: service1}
		if got := c.worker.act(v, "transfer", hand); got.status != 422 || !strings.Contains(string(got.body), "guard-another-service") {
			t.Errorf("handed over to itself: %d %s", got.status, got.body)
		}
		hand.Service = service2
		v = moved(t, c.worker.act(v, "transfer", hand), "cancelled", "replaced")
		list := c.other.worklist("status=received")
		if len(list) != 1 || list[0].Follows != v.ID || list[0].Person.Name == "" || len(list[0].Scores) != 2 {
			t.Fatalf("the other service has %+v", list)
		}
		c.other.get("/fhir/R4/" + list[0].Links.ServiceRequest).want(http.StatusOK)
		c.other.get("/fhir/R4/Task/" + v.ID).want(http.StatusNotFound)
		c.worker.get("/fhir/R4/Task/" + list[0].ID).want(http.StatusNotFound)
		moved(t, c.other.act(list[0], "accept", referral.Input{}), "accepted", "allocated")
		c.exec("UPDATE referral SET since = 1000 WHERE id = '" + v.ID + "'")
		for _, a := range c.worker.look(v.ID).AllowedActions {
			if a.Name == "reopen" {
				t.Error("what was handed over can be opened again")
			}
		}
	})
}

// The defects of reference implementations that concern the life cycle: none is here.
// Those with a test of their own elsewhere: RC03, RC11 and more TestDefectsOfOthersAtTheEdge, RC02
// TestRC02OneBadItemStopsNoOther, RC19 race_test.go, RC29 TestRC29SilenceDeclinesOnlyByConfiguration, RC30
// TestRC30ScoresArePaired, RC14 and RC17 events_test.go and subscriptions_test.go.
func TestDefectsOfOthers(t *testing.T) {
	c := newCast(t, "")
	t.Run("RC01 transport is not failure", func(t *testing.T) {
		c.w.gp.fail(standInFault{Status: 400, Body: "{}"})
		v := c.worker.act(c.referred("in-progress"), "complete", referral.Input{Outcome: fullOutcome()}).view()
		eventually(t, "the delivery is dead", func() bool {
			return c.w.number("SELECT count(*) FROM delivery WHERE referral = '"+v.ID+"' AND state = 'dead'") == 1
		})
		if now := c.worker.look(v.ID); now.Status != "completed" || now.Version != v.Version {
			t.Errorf("a partner's error moved the referral to %s", now.Status)
		}
		request := c.gp.get("/fhir/R4/" + v.Links.ServiceRequest).want(http.StatusOK).node()
		if request.Text("status") != "active" || request.Text("meta", "versionId") != "1" {
			t.Errorf("the original was edited: %s", encoded(request))
		}
	})
	t.Run("RC04 every end proposes its status", func(t *testing.T) {
		for action, want := range map[string]string{"reject": "revoked", "hold": "on-hold", "close": "revoked", "fail": "revoked"} {
			v := c.referred("accepted")
			in := referral.Input{Reason: said(map[string]string{"reject": "no-capacity", "hold": "unwell", "close": "disengaged", "fail": "service-closed"}[action])}
			if action == "hold" {
				in.ReviewOn = "2030-01-31"
			}
			c.worker.act(v, action, in).view()
			proposed := ""
			for _, o := range c.gp.taskOf(v.ID).All("output") {
				if o.Text("type", "coding", "code") == "proposed-status" {
					proposed = o.Child("value").Value
				}
			}
			if proposed != want {
				t.Errorf("%s proposes %q, want %s", action, proposed, want)
			}
		}
	})
	t.Run("RC08 the sender does not claim received", func(t *testing.T) {
		c.gp.do(http.MethodPost, "/fhir/R4/Task", []byte(`{"resourceType":"Task","status":"received","intent":"order"}`), "Content-Type", "application/fhir+json").want(http.StatusMethodNotAllowed)
		v := c.referred("accepted")
		n := c.gp.taskOf(v.ID)
		n.Set("status", "received")
		if got := c.gp.put(n, numberOf(n)); got.status != 422 {
			t.Errorf("the sender sets received: %d", got.status)
		}
	})
	t.Run("RC09 all outputs, in order", func(t *testing.T) {
		v := c.worker.act(c.referred("in-progress"), "complete", referral.Input{Outcome: fullOutcome()}).view()
		eventually(t, "the outcome is in the record", func() bool { return inRecord(c.w, v.ID) != nil })
		kinds := func(n *fhir.Node) (out []string) {
			for _, o := range n.All("output") {
				out = append(out, o.Text("type", "coding", "code"))
			}
			return out
		}
		here, there := kinds(c.gp.taskOf(v.ID)), kinds(inRecord(c.w, v.ID))
		if fmt.Sprint(here) != fmt.Sprint(there) || len(here) < 9 {
			t.Errorf("here %v, in the record %v", here, there)
		}
	})
	t.Run("RC12 an outcome is one transaction", func(t *testing.T) {
		before := len(c.w.gp.received())
		v := c.worker.act(c.referred("in-progress"), "complete", referral.Input{Outcome: fullOutcome()}).view()
		eventually(t, "the outcome is in the record", func() bool { return inRecord(c.w, v.ID) != nil })
		if n := len(c.w.gp.received()) - before; n != 1 {
			t.Errorf("the outcome came in %d requests", n)
		}
	})
	t.Run("RC13 a failed notification is kept", func(t *testing.T) {
		c.w.gp.fail(standInFault{Drop: true})
		v := c.worker.act(c.referred("in-progress"), "complete", referral.Input{Outcome: fullOutcome()}).view()
		eventually(t, "the try is recorded", func() bool {
			return c.w.number("SELECT count(*) FROM attempt a JOIN delivery d ON d.id = a.delivery WHERE d.referral = '"+v.ID+"'") >= 1
		})
		if n := c.w.number("SELECT count(*) FROM delivery WHERE referral = '" + v.ID + "' AND state IN ('queued', 'sending', 'delivered')"); n != 1 {
			t.Errorf("%d rows are kept", n)
		}
	})
	t.Run("RC16 refused moves are audited", func(t *testing.T) {
		v := c.referred("received")
		before := c.w.number("SELECT count(*) FROM audit WHERE outcome = '4'")
		c.worker.act(v, "resume", referral.Input{}).want(http.StatusUnprocessableEntity)
		if n := c.w.number("SELECT count(*) FROM audit WHERE outcome = '4'"); n != before+1 {
			t.Errorf("%d refusals are audited", n-before)
		}
	})
	t.Run("RC18 a requester can cancel after the start", func(t *testing.T) {
		for _, status := range []string{"accepted", "in-progress", "on-hold"} {
			v := c.referred(map[string]string{"on-hold": "accepted"}[status] + map[string]string{"accepted": "accepted", "in-progress": "in-progress"}[status])
			if status == "on-hold" {
				v = c.worker.act(v, "hold", referral.Input{Reason: said("unwell"), ReviewOn: "2030-01-31"}).view()
			}
			v = moved(t, c.gp.act(v, "cancel", referral.Input{Reason: said("consent-withdrawn")}), status, "cancellation-requested")
			moved(t, c.worker.act(v, "confirm-cancellation", referral.Input{Reason: said("consent-withdrawn")}), "cancelled", "consent-withdrawn")
		}
	})
	t.Run("RC20 the answer has the ids that were given", func(t *testing.T) {
		if task := c.gp.refer(someone(practiceA).message()); c.gp.get("/fhir/R4/"+task).status != http.StatusOK {
			t.Error("the receipt names no Task")
		}
	})
}

// What a sharing level withholds is said, whichever move writes.
func TestWhatIsWithheldIsSaid(t *testing.T) {
	for level, want := range map[string]string{"codes-only": "Withheld at sharing level codes-only", "full": ""} {
		w := newWorld(t, "")
		w.config.Sharing = level
		a := w.run(quiet())
		c := &cast{w: w, a: a, gp: a.as(auth.RoleRequester, practiceA), worker: a.as(auth.RoleOwner, service1)}
		v := c.worker.act(c.referred("in-progress"), "complete", referral.Input{Outcome: fullOutcome(), Note: "words of hers"}).view()
		v = c.worker.act(v, "correct", referral.Input{Outcome: fullOutcome(), Note: "a slip"}).view()
		eventually(t, "both are in the record", func() bool {
			n := inRecord(w, v.ID)
			return n != nil && w.number("SELECT count(*) FROM delivery WHERE state = 'delivered'") == 2
		})
		text := string(encoded(inRecord(w, v.ID)))
		if want != "" && (!strings.Contains(text, want) || strings.Contains(text, "words of hers") || strings.Contains(text, "a slip")) {
			t.Errorf("%s: the record says %s", level, text)
		}
		if want == "" && strings.Contains(text, "Withheld") {
			t.Errorf("%s: the record says %s", level, text)
		}
	}
}
