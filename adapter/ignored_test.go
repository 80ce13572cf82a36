package main

import (
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// What an update does not take of what was changed is said, in a header and in an
// OperationOutcome; what did not change is not.
func TestAnUpdateSaysWhatItDidNotTake(t *testing.T) {
	c := newCast(t, "")
	narrative := func(n *fhir.Node) {
		text := n.Add("text")
		text.Set("status", "additional")
		text.Set("div", `<div xmlns="http://www.w3.org/1999/xhtml">She likes trains.</div>`)
	}
	score := func(n *fhir.Node) {
		o := fhir.Types(fhir.R4).New("Observation")
		o.Set("id", "s1")
		o.Set("status", "final")
		setCode(o.Add("code"), referral.SystemSNOMED, "718466001", "SWEMWBS")
		o.Add("valueQuantity").Set("value", "25")
		n.Append("contained", o)
	}
	update := func(who caller, n *fhir.Node, move string, want ...string) *fhir.Node {
		t.Helper()
		headers := []string{"Content-Type", "application/fhir+json", "If-Match", `W/"` + numberOf(n) + `"`, "Prefer", "return=OperationOutcome"}
		path := "/fhir/R4/" + n.ResourceType() + "/" + n.Text("id")
		got := who.do(http.MethodPut, path, fhir.Encode(n), headers...).want(http.StatusOK)
		if made, said := got.header.Get("X-Referral-Move"), got.header.Get("X-Referral-Ignored"); made != move || said != strings.Join(want, ", ") {
			t.Errorf("made %q and did not take %q, want %q and %q", made, said, move, want)
		}
		var warned []string
		for _, i := range got.node().All("issue")[1:] {
			if warned = append(warned, i.Text("expression")); i.Text("severity") != "warning" || i.Text("details", "coding", "code") != "update-ignored" {
				t.Errorf("the issue is %s", fhir.Encode(i))
			}
		}
		if strings.Join(warned, ", ") != strings.Join(want, ", ") {
			t.Errorf("the outcome warns of %q, want %q", warned, want)
		}
		return who.get(path).want(http.StatusOK).node().Clone()
	}

	id := c.referred("received").ID
	n := update(c.worker, c.worker.taskOf(id), "")
	n.Child("meta").Set("versionId", "1") // what every version has is nobody's change
	n.Child("meta").Set("lastUpdated", "2026-01-01T00:00:00Z")
	n = update(c.worker, n, "")
	n.Child("meta").Add("tag").Set("code", "mine")
	n.Set("lastModified", "2026-01-01T00:00:00Z")
	narrative(n)
	score(n)
	n = update(c.worker, n, "", "Task.meta", "Task.lastModified", "Task.text", "Task.contained[0]")
	if n.Child("text") != nil || n.Child("contained") != nil || numberOf(n) != "1" {
		t.Errorf("taken was %s", fhir.Encode(n))
	}
	narrative(n)
	n = update(c.worker, change(n, "accepted", "", ""), "T05", "Task.text")
	n.Add("executionPeriod").Set("end", "2030-01-31")
	n = update(c.worker, n, "", "Task.executionPeriod")

	theirs := c.gp.taskOf(id)
	theirs.Child("businessStatus").Set("text", "on a list")
	update(c.gp, theirs, "", "Task.businessStatus")
	patch := c.worker.do(http.MethodPatch, "/fhir/R4/Task/"+id, []byte(`[{"op":"add","path":"/text","value":{"status":"empty","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}}]`),
		"Content-Type", "application/json-patch+json", "If-Match", `W/"2"`).want(http.StatusOK)
	if said := patch.header.Get("X-Referral-Ignored"); said != "Task.text" || patch.node().ResourceType() != "Task" {
		t.Errorf("the patch did not take %q: %s", said, patch.body)
	}

	// what an output leads to is taken, what nothing leads to is not
	change(n, "in-progress", "contacted", "")
	reason := n.Add("statusReason")
	setCode(reason, "https://spadapter.example/fhir/CodeSystem/contact-channel", "telephone", "")
	setCode(reason, "https://spadapter.example/fhir/CodeSystem/contact-result", "reached", "")
	n = change(update(c.worker, n, "T08"), "completed", "goals-met", "")
	score(n)
	score(n)
	n.All("contained")[1].Set("id", "s2")
	n.All("contained")[1].Child("valueQuantity").Set("value", "17")
	last := n.Add("output")
	setCode(last.Add("type"), referral.SystemTaskOutput, "observation", "Observation")
	last.Add("valueReference").Set("reference", "#s1")
	finding := n.Add("output")
	setCode(finding.Add("type"), referral.SystemTaskOutput, "outcome", "Outcome")
	setCode(finding.Add("valueCodeableConcept"), referral.SystemSNOMED, "1230392000", "Not feeling lonely")
	n.Add("note").Set("text", "Well done.")
	update(c.worker, n, "T16", "Task.contained[1]")

	// the requester's own request, and a question
	request := c.gp.get("/fhir/R4/" + c.worker.look(id).Links.ServiceRequest).want(http.StatusOK).node().Clone()
	narrative(request)
	update(c.gp, request, "", "ServiceRequest.text")
	v := c.referred("received")
	c.worker.act(v, "ask", referral.Input{Question: "Which language does she speak?"}).want(http.StatusOK)
	question := c.question().Clone()
	narrative(question)
	update(c.gp, question, "", "Task.text")
}
