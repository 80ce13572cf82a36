package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// mine is the search of a GP system for what it is asked.
const mine = "/fhir/R4/Task?status=requested&owner:identifier=" + referral.SystemODS + "|" + practiceA

// question is the only Task that waits for the practice.
func (c *cast) question() *fhir.Node {
	c.w.t.Helper()
	list := c.gp.get(mine).want(http.StatusOK).node().All("entry")
	if len(list) != 1 {
		c.w.t.Fatalf("the practice finds %d questions", len(list))
	}
	return list[0].Child("resource").Clone()
}

// replied is the Task of a question, completed with an answer.
func replied(n *fhir.Node, words string) *fhir.Node {
	n = n.Clone()
	n.Set("status", "completed")
	o := n.Add("output")
	setCode(o.Add("type"), referral.SystemTaskOutput, "answer", "Answer")
	o.Set("valueString", words)
	return n
}

// A question is a Task that the practice owns, which it finds among its own and answers
// there: that is the move of the referral, in one commit (T04, T23).
func TestAQuestionIsATaskOfThePractice(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		v := c.referred("received")
		if n := c.gp.total(mine); n != 0 {
			t.Fatalf("%d questions before one is asked", n)
		}
		v = moved(t, c.worker.act(v, "ask", referral.Input{Question: "Which language does she speak?"}), "received", "info-requested")
		q := c.question()
		if q.Text("partOf", "reference") != "Task/"+v.ID || q.Text("focus", "reference") != v.Links.ServiceRequest || q.Text("for", "reference") != v.Links.Patient ||
			q.Text("requester", "identifier", "value") != service1 || q.Text("input", "value") != "Which language does she speak?" || q.Text("code", "coding", "code") != "question" {
			t.Errorf("the question is %s", fhir.Encode(q))
		}
		id := q.Text("id")
		for who, want := range map[*caller]int{&c.gp: 1, &c.worker: 1, &c.other: 0, &c.manager: 1} {
			if n := who.total("/fhir/R4/Task?part-of=Task/" + v.ID); n != want {
				t.Errorf("%d questions are found, want %d", n, want)
			}
			if n := who.total("/fhir/R4/Task"); n != 2*want {
				t.Errorf("%d Tasks are found, want %d", n, 2*want)
			}
		}
		c.other.get("/fhir/R4/Task/" + id).want(http.StatusNotFound)
		for _, who := range []caller{c.worker, c.other} {
			var list struct{ Items []referral.ActivityView }
			if who.get("/api/v1/activities").want(http.StatusOK).into(&list); len(list.Items) != 0 {
				t.Errorf("a question is listed as an activity: %+v", list.Items)
			}
		}
		c.gp.get("/api/v1/activities/" + id).want(http.StatusNotFound)
		if now := c.worker.look(v.ID); len(now.Activities) != 0 || now.Version != v.Version {
			t.Errorf("the referral has the activities %+v", now.Activities)
		}

		// what is no answer changes nothing
		before := c.w.counts()
		bad := map[string]func(n *fhir.Node){
			"immutable Task.description":   func(n *fhir.Node) { n.Set("description", "another") },
			"immutable Task.input":         func(n *fhir.Node) { n.Child("input").Set("valueString", "another") },
			"answer-output Task.output":    func(n *fhir.Node) { n.Remove("output") },
			"illegal-move Task.status":     func(n *fhir.Node) { n.Set("status", "rejected") },
			"field-text Task.output.value": func(n *fhir.Node) { n.Child("output").Set("valueString", strings.Repeat("a", 4001)) },
		}
		for want, spoil := range bad {
			n := replied(q, "Somali.")
			spoil(n)
			got := c.gp.put(n, "1")
			if issues := got.node().Child("issue"); got.status != http.StatusUnprocessableEntity && got.status != http.StatusBadRequest || issues.Text("details", "coding", "code")+" "+issues.Text("expression") != want {
				t.Errorf("%s: %d %s", want, got.status, got.body)
			}
		}
		c.worker.put(replied(q, "Somali."), "1").want(http.StatusForbidden)
		c.other.put(replied(q, "Somali."), "1").want(http.StatusNotFound)
		c.gp.put(replied(q, "Somali."), "2").want(http.StatusPreconditionFailed)
		if got := c.gp.put(q, "1").want(http.StatusOK); got.header.Get("X-Referral-Move") != "" {
			t.Error("the same again is a move")
		}
		if now := c.w.counts(); now["resource"] != before["resource"] || now["event"] != before["event"] {
			t.Errorf("something was stored: %v, before %v", now, before)
		}

		got := c.gp.put(replied(q, "Somali, with an interpreter."), "1").want(http.StatusOK)
		if got.header.Get("X-Referral-Move") != "T23" || got.node().Text("status") != "completed" || got.node().Text("meta", "versionId") != "2" {
			t.Errorf("the answer is %s", got.body)
		}
		now := c.worker.look(v.ID)
		if now.BusinessStatus != "awaiting-triage" || now.Version != v.Version+1 || now.Question != "" {
			t.Errorf("the referral is %s, version %d", now.BusinessStatus, now.Version)
		}
		if notes := taskNotes(c.worker.taskOf(v.ID)); notes[len(notes)-1] != "Answer of the practice: Somali, with an interpreter." {
			t.Errorf("the Task says %q", notes)
		}
		if n := c.gp.total(mine); n != 0 {
			t.Errorf("%d questions wait after the answer", n)
		}
		if got := c.gp.put(replied(q, "Arabic."), "2"); got.status != http.StatusUnprocessableEntity {
			t.Errorf("a second answer: %d %s", got.status, got.body)
		}
	})
}

// A question is answered by the action or by a patch too, and ends unanswered, with a
// reason, in the commit that moves the referral on.
func TestAQuestionEndsWithWhatHappens(t *testing.T) {
	c := newCast(t, "")
	asked := func() referral.View {
		return c.worker.act(c.referred("received"), "ask", referral.Input{Question: "Which language?"}).view()
	}
	read := func(id string) *fhir.Node { return c.gp.get("/fhir/R4/Task/" + id).want(http.StatusOK).node() }

	v := asked()
	id := c.question().Text("id")
	c.gp.act(v, "answer", referral.Input{Answer: "Somali."}).want(http.StatusOK)
	if n := read(id); n.Text("status") != "completed" || n.Text("output", "value") != "Somali." {
		t.Errorf("answered over JSON: %s", fhir.Encode(n))
	}
	v = asked()
	id = c.question().Text("id")
	patch := fmt.Sprintf(`[{"op":"replace","path":"/status","value":"completed"},{"op":"add","path":"/output","value":[{"type":{"coding":[{"system":%q,"code":"answer"}]},"valueString":"Somali."}]}]`, referral.SystemTaskOutput)
	if got := c.gp.do(http.MethodPatch, "/fhir/R4/Task/"+id, []byte(patch), "Content-Type", "application/json-patch+json", "If-Match", `W/"1"`).want(http.StatusOK); got.header.Get("X-Referral-Move") != "T23" {
		t.Errorf("the patch made %q", got.header.Get("X-Referral-Move"))
	}
	if now := c.worker.look(v.ID); now.BusinessStatus != "awaiting-triage" {
		t.Errorf("the referral is %s", now.BusinessStatus)
	}

	for _, end := range []struct {
		who          caller
		action, code string
		in           referral.Input
	}{
		{c.worker, "accept", "allocated", referral.Input{}},
		{c.worker, "reject", "no-capacity", referral.Input{Reason: said("no-capacity")}},
		{c.gp, "cancel", "moved-away", referral.Input{Reason: said("moved-away")}},
		{c.worker, "transfer", "replaced", referral.Input{Reason: said("replaced"), Service: service2}},
		{c.gp, "enter-in-error", "entered-in-error", referral.Input{Reason: said("entered-in-error")}},
		{c.manager, "enter-in-error", "entered-in-error", referral.Input{Reason: said("entered-in-error")}},
		{c.worker, "ask", "replaced", referral.Input{Question: "Which language, and does she need an interpreter?"}},
	} {
		v := asked()
		id := c.question().Text("id")
		end.who.act(v, end.action, end.in).want(http.StatusOK)
		n := read(id)
		if n.Text("status") != "cancelled" || n.Text("statusReason", "coding", "code") != end.code || n.Text("statusReason", "text") == "" || n.Child("output") != nil {
			t.Errorf("%s: %s", end.action, fhir.Encode(n))
		}
		if got := c.gp.put(replied(n, "Somali."), "2"); got.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: an answer afterwards: %d", end.action, got.status)
		}
	}
	if q := c.question(); q.Text("input", "value") != "Which language, and does she need an interpreter?" {
		t.Errorf("the question that is left is %s", fhir.Encode(q))
	}
}
