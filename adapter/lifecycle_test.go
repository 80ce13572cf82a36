package main

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// said is a reason with words.
func said(code string) *referral.Coded { return &referral.Coded{Code: code, Text: "in words"} }

// cast are the callers of a story.
type cast struct {
	w                          *world
	a                          *adapter
	gp, worker, other, manager caller
}

func newCast(t *testing.T, url string) *cast { return newWorld(t, url).cast() }

// cast starts an adapter, and gives its callers.
func (w *world) cast() *cast { return w.castLogging(quiet()) }

func (w *world) castLogging(log *slog.Logger) *cast {
	a := w.run(log)
	return &cast{w, a, a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1), a.as(auth.RoleOwner, service2), a.as(auth.RoleOperator)}
}

// referred is a new referral of practice A, which service 1 has accepted when reached or
// beyond, and reached the person when contacted.
func (c *cast) referred(status string) referral.View {
	v := c.worker.look(c.gp.refer(someone(practiceA).message()))
	if status == "received" {
		return v
	}
	v = c.worker.act(v, "accept", referral.Input{}).view()
	if status == "accepted" {
		return v
	}
	return c.worker.act(v, "contact", referral.Input{Channel: "telephone", Result: "reached"}).view()
}

// moved makes a move and demands what it leads to.
func moved(t *testing.T, got answer, status, business string) referral.View {
	t.Helper()
	v := got.view()
	if v.Status != status || v.BusinessStatus != business {
		t.Fatalf("the referral is %s, %s; want %s, %s", v.Status, v.BusinessStatus, status, business)
	}
	return v
}

// The service asks the practice before it decides, and gets its answer.
func TestAQuestionIsAskedAndAnswered(t *testing.T) {
	c := newCast(t, "")
	v := c.referred("received")
	v = moved(t, c.worker.act(v, "ask", referral.Input{Question: "Which language does she speak?"}), "received", "info-requested")
	eventually(t, "the question reaches the practice", func() bool { return inRecord(c.w, v.ID) != nil })
	if n := inRecord(c.w, v.ID); !strings.Contains(string(fhir.Encode(n)), "Which language does she speak?") {
		t.Errorf("the practice is asked %s", fhir.Encode(n))
	}
	seen := c.gp.look(v.ID)
	if seen.Question != "Which language does she speak?" {
		t.Errorf("the practice sees the question %q", seen.Question)
	}
	v = moved(t, c.gp.act(seen, "answer", referral.Input{Answer: "Somali, with an interpreter."}), "received", "awaiting-triage")
	if v.Question != "" {
		t.Errorf("the question is still open")
	}
	if got := c.gp.act(v, "answer", referral.Input{Answer: "again"}); got.status != http.StatusUnprocessableEntity {
		t.Errorf("an answer without a question: %d", got.status)
	}
	moved(t, c.worker.act(c.worker.look(v.ID), "accept", referral.Input{}), "accepted", "allocated")
}

// A requester cancels: at once before the service accepts, by asking afterwards; the
// service confirms, declines, or records the outcome of what was done; the requester
// thinks better of it.
func TestCancellations(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		cancel := referral.Input{Reason: said("consent-withdrawn")}
		t.Run("T07", func(t *testing.T) {
			v := moved(t, c.gp.act(c.referred("received"), "cancel", cancel), "cancelled", "consent-withdrawn")
			if d := c.w.number("SELECT count(*) FROM delivery WHERE referral = '" + v.ID + "'"); d != 0 {
				t.Errorf("the practice is told what it did itself: %d", d)
			}
		})
		t.Run("T13 and T14", func(t *testing.T) {
			v := c.referred("in-progress")
			v = moved(t, c.gp.act(v, "cancel", cancel), "in-progress", "cancellation-requested")
			if !v.CancellationAsked {
				t.Error("the cancellation is not asked for")
			}
			if got := c.worker.act(v, "contact", referral.Input{Channel: "sms", Result: "reached"}); got.status != http.StatusUnprocessableEntity {
				t.Errorf("work goes on before the service answers: %d", got.status)
			}
			v = moved(t, c.worker.act(v, "confirm-cancellation", referral.Input{Reason: said("moved-away")}), "cancelled", "moved-away")
			eventually(t, "the closure is in the record", func() bool { return inRecord(c.w, v.ID) != nil })
		})
		t.Run("T13 and T15", func(t *testing.T) {
			v := c.gp.act(c.referred("in-progress"), "cancel", cancel).view()
			v = moved(t, c.worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}), "completed", "outcome-recorded")
			eventually(t, "the outcome is in the record", func() bool {
				n := inRecord(c.w, v.ID)
				return n != nil && n.Text("status") == "completed"
			})
		})
		t.Run("T13 and T22 by each", func(t *testing.T) {
			v := c.referred("accepted")
			v = c.gp.act(v, "cancel", cancel).view()
			v = moved(t, c.gp.act(v, "withdraw-cancellation", referral.Input{}), "accepted", "allocated")
			v = c.gp.act(v, "cancel", cancel).view()
			v = moved(t, c.worker.act(v, "decline-cancellation", referral.Input{Reason: said("support-ongoing")}), "accepted", "allocated")
			if v.CancellationAsked {
				t.Error("the cancellation is still asked for")
			}
			eventually(t, "the answer reaches the requester", func() bool { return inRecord(c.w, v.ID) != nil })
		})
	})
}

// A person is referred onward to an activity of a provider that works here itself: it
// sees what it needs and no more, and its moves never move the referral.
func TestAnActivityIsASubTask(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		v := c.referred("in-progress")
		c.worker.act(v, "refer", referral.Input{Activity: &referral.ActivityInput{Provider: practiceA, Name: "Lunch club", Consent: true}}).refuses(422, "provider-practice activity.provider")
		refuse := c.worker.act(v, "refer", referral.Input{Activity: &referral.ActivityInput{Provider: service2, Name: "Lunch club"}})
		if refuse.status != http.StatusUnprocessableEntity || !strings.Contains(string(refuse.body), "guard-consented") {
			t.Errorf("without agreement: %d %s", refuse.status, refuse.body)
		}
		v = moved(t, c.worker.act(v, "refer", referral.Input{Activity: &referral.ActivityInput{
			Provider: service2, Name: "Lunch club", Words: "Step-free, please.", Consent: true, Code: &referral.Coded{Code: "710911006", Display: "Referral to housing service"}}}),
			"in-progress", "referred-onward")
		if len(v.Activities) != 1 {
			t.Fatalf("the referral has the activities %+v", v.Activities)
		}
		id := v.Activities[0].ID
		var list struct{ Items []referral.ActivityView }
		c.other.get("/api/v1/activities?open=true").want(http.StatusOK).into(&list)
		if len(list.Items) != 1 || list.Items[0].Person == nil || list.Items[0].Person.Name == "" || list.Items[0].Referral != "" || list.Items[0].Instructions != "Step-free, please." {
			t.Fatalf("the provider sees %+v", list.Items)
		}
		c.other.get("/api/v1/activities?open=false").want(http.StatusOK).into(&list)
		if len(list.Items) != 0 {
			t.Errorf("of those that have ended the provider sees %+v", list.Items)
		}
		c.other.get("/api/v1/activities?cursor=").refuses(http.StatusBadRequest, "filter http.cursor")
		c.other.get("/api/v1/referrals/" + v.ID).want(http.StatusNotFound)
		sub := c.other.get("/fhir/R4/Task/" + id).want(http.StatusOK).node()
		if sub.Text("partOf", "reference") != "Task/"+v.ID || sub.Text("status") != "requested" {
			t.Errorf("the sub-Task is %s", fhir.Encode(sub))
		}
		if n := c.worker.total("/fhir/R4/Task?part-of=Task/" + v.ID); n != 1 {
			t.Errorf("%d sub-Tasks are found", n)
		}
		// the sub-Task is among the Tasks of each side that may read it
		for _, who := range []struct {
			caller
			want int
		}{{c.worker, 2}, {c.other, 1}, {c.gp, 2}, {c.manager, 2}} {
			if n := who.total("/fhir/R4/Task"); n != who.want {
				t.Errorf("%d Tasks are found, want %d", n, who.want)
			}
		}
		// by owner: the service sees its Task and the one that it sent, the provider its own
		for _, search := range []struct {
			who  caller
			by   string
			want int
		}{{c.worker, service1, 1}, {c.worker, service2, 1}, {c.worker, service1 + "," + service2, 2}, {c.other, service2, 1}, {c.other, service1, 0}, {c.manager, service1, 1}} {
			if n := search.who.total("/fhir/R4/Task?owner:identifier=" + referral.SystemODS + "|" + search.by); n != search.want {
				t.Errorf("owner %s finds %d, want %d", search.by, n, search.want)
			}
		}
		act := func(who caller, version, action string, in referral.Input) answer {
			return who.do(http.MethodPost, "/api/v1/activities/"+id+"/actions/"+action, mustJSON(in), "If-Match", `W/"`+version+`"`)
		}
		if got := act(c.gp, "1", "accept", referral.Input{}); got.status != http.StatusForbidden {
			t.Errorf("the practice moves an activity: %d", got.status)
		}
		act(c.other, "1", "accept", referral.Input{}).want(http.StatusOK)
		act(c.other, "1", "attend", referral.Input{}).want(http.StatusPreconditionFailed)
		act(c.other, "2", "attend", referral.Input{Note: "Enjoyed it."}).want(http.StatusOK)
		// R11: the referral cannot be completed while the activity is open
		got := c.worker.act(c.worker.look(v.ID), "complete", referral.Input{Outcome: fullOutcome()})
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(string(got.body), "guard-activities-ended") {
			t.Errorf("complete with an open activity: %d %s", got.status, got.body)
		}
		if now := c.worker.look(v.ID); now.Version != v.Version {
			t.Errorf("the moves of the activity moved the referral to version %d", now.Version)
		}
		act(c.worker, "3", "end", referral.Input{Sessions: "6"}).want(http.StatusOK)
		got = act(c.worker, "4", "cancel", referral.Input{})
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(string(got.body), "nothing that the caller may do") {
			t.Errorf("a move after the end: %d %s", got.status, got.body)
		}
		v = moved(t, c.worker.act(c.worker.look(v.ID), "complete", referral.Input{Outcome: fullOutcome()}), "completed", "goals-met")
		eventually(t, "the outcome is in the record", func() bool { return inRecord(c.w, v.ID) != nil })
		document := ""
		for _, l := range c.w.gp.Record() {
			if l.What == "document" {
				document += l.Value
			}
		}
		if !strings.Contains(document, "Lunch club (completed, ended, came 6 times)") {
			t.Errorf("the summary says %s", document)
		}
	})
}

// What is open at a provider ends with a referral that is closed.
func TestActivitiesEndWithTheReferral(t *testing.T) {
	c := newCast(t, "")
	v := c.worker.act(c.referred("in-progress"), "refer", referral.Input{Activity: &referral.ActivityInput{Name: "Choir", Consent: true}}).view()
	v = moved(t, c.worker.act(v, "close", referral.Input{Reason: said("deceased")}), "cancelled", "deceased")
	if a := v.Activities; len(a) != 1 || a[0].Status != "cancelled" || a[0].BusinessStatus != "deceased" {
		t.Errorf("the activities are %+v", a)
	}
}

// A signpost is an event of its own and no referral: nothing goes to the service that was
// named, and it reaches the record with the end.
func TestASignpostIsNoReferral(t *testing.T) {
	c := newCast(t, "")
	v := moved(t, c.worker.act(c.referred("in-progress"), "signpost", referral.Input{Signpost: &referral.Signpost{To: "Millbrook library", Contact: "01632 960123"}}), "in-progress", "signposted")
	if len(v.Activities) != 0 {
		t.Errorf("a signpost made a sub-Task: %+v", v.Activities)
	}
	c.worker.act(v, "close", referral.Input{Reason: said("declined-by-patient")}).view()
	eventually(t, "the closure is in the record", func() bool { return inRecord(c.w, v.ID) != nil })
	found := false
	for _, l := range c.w.gp.Record() {
		found = found || l.What == "intervention" && strings.Contains(l.Value+l.Display, "Millbrook library")
	}
	if !found {
		t.Errorf("the signpost is not in the record: %+v", c.w.gp.Record())
	}
}

// First and last score of the person stand side by side, with their change; a score
// without a first one says so (RC30).
func TestRC30ScoresArePaired(t *testing.T) {
	c := newCast(t, "")
	v := c.referred("in-progress") // ONS4 satisfaction 4, SWEMWBS 17
	c.worker.act(v, "complete", referral.Input{Outcome: &referral.Outcome{Status: "goals-met", Scores: []referral.Score{
		{Instrument: "swemwbs", Value: "25"}, {Instrument: "gad-7", Value: "9"},
		{Instrument: "phq-9", Value: "14", Role: "baseline", Date: "2026-03-02"}, {Instrument: "phq-9", Value: "8"},
	}}}).view()
	eventually(t, "the outcome is in the record", func() bool { return inRecord(c.w, v.ID) != nil })
	text := ""
	for _, l := range c.w.gp.Record() {
		if l.What == "document" {
			text = l.Value
		}
	}
	for _, want := range []string{"17 to 25 (+8, better", "14 to 8 (-6, better", " 9, no comparable first score", "2 of 3 compared"} {
		if !strings.Contains(text, want) {
			t.Errorf("the summary does not say %q: %s", want, text)
		}
	}
	coded := 0
	c.w.gp.locked(func() {
		for _, key := range c.w.gp.order {
			n := c.w.gp.held[key].node
			if n.ResourceType() != "Observation" || n.Child("derivedFrom") == nil {
				continue
			}
			coded++
			change := n.Text("component", "value", "value")
			if n.Text("interpretation", "coding", "code") != "B" || change != "8" && change != "-6" {
				t.Errorf("a paired score is %s", fhir.Encode(n))
			}
		}
	})
	if coded != 2 {
		t.Errorf("%d scores are paired in the record", coded)
	}
}
