package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// put sends a resource back in the version that was seen.
func (c caller) put(n *fhir.Node, version string) answer {
	c.t.Helper()
	headers := []string{"Content-Type", "application/fhir+json"}
	if version != "" {
		headers = append(headers, "If-Match", `W/"`+version+`"`)
	}
	return c.do(http.MethodPut, "/fhir/R4/"+n.ResourceType()+"/"+n.Text("id"), fhir.Encode(n), headers...)
}

// taskOf reads the Task of a referral, to be changed.
func (c caller) taskOf(id string) *fhir.Node {
	c.t.Helper()
	return c.get("/fhir/R4/Task/" + id).want(http.StatusOK).node().Clone()
}

// change makes a Task say where it stands now.
func change(n *fhir.Node, status, business, reason string) *fhir.Node {
	n.Set("status", status)
	if business != "" {
		n.Child("businessStatus").Child("coding").Set("code", business)
		n.Child("businessStatus").Child("coding").Set("display", "")
	}
	n.Remove("statusReason")
	if reason != "" {
		r := n.Add("statusReason")
		setCode(r, referral.SystemBusinessStatus, reason, reason)
		r.Set("text", "in words")
	}
	return n
}

func numberOf(n *fhir.Node) string { return n.Text("meta", "versionId") }

// rules are the rules of an OperationOutcome, in order.
func rulesOf(a answer) string {
	var list []string
	for _, i := range a.node().All("issue") {
		list = append(list, i.Text("details", "coding", "code"))
	}
	return strings.Join(list, " ")
}

// A link-worker tool that speaks FHIR works a referral with updates of its Task alone:
// the same rows, the same record.
func TestATaskIsWorkedByUpdates(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		id := c.referred("received").ID
		step := func(n *fhir.Node, move, status, business string) *fhir.Node {
			t.Helper()
			got := c.worker.put(n, numberOf(n)).want(http.StatusOK)
			now := got.node()
			if got.header.Get("X-Referral-Move") != move || now.Text("status") != status || now.Text("businessStatus", "coding", "code") != business {
				t.Fatalf("%s led to %s: %s", move, got.header.Get("X-Referral-Move"), got.body)
			}
			if got.header.Get("ETag") != `W/"`+numberOf(now)+`"` {
				t.Errorf("the ETag is %s", got.header.Get("ETag"))
			}
			return now.Clone()
		}
		n := c.worker.taskOf(id)
		n = step(change(n, "accepted", "", ""), "T05", "accepted", "allocated")
		change(n, "in-progress", "contacted", "")
		reason := n.Add("statusReason")
		setCode(reason, "https://spadapter.example/fhir/CodeSystem/contact-channel", "telephone", "")
		setCode(reason, "https://spadapter.example/fhir/CodeSystem/contact-result", "reached", "")
		n = step(n, "T08", "in-progress", "contacted")
		change(n, "in-progress", "did-not-attend", "")
		n.Add("note").Set("text", "The bus did not come.")
		n = step(n, "T09", "in-progress", "did-not-attend")
		if same := c.worker.put(n, numberOf(n)).want(http.StatusOK); same.header.Get("X-Referral-Move") != "" || numberOf(same.node()) != numberOf(n) {
			t.Errorf("an update that changes nothing made %s", same.header.Get("X-Referral-Move"))
		}
		change(n, "on-hold", "unwell", "unwell")
		n.Add("executionPeriod").Set("end", "2030-01-31")
		n = step(n, "T10", "on-hold", "unwell")
		n = step(change(n, "in-progress", "", ""), "T11", "in-progress", "support-ongoing")
		change(n, "completed", "goals-met", "")
		finding := n.Add("output")
		setCode(finding.Add("type"), referral.SystemTaskOutput, "outcome", "Outcome")
		setCode(finding.Add("valueCodeableConcept"), referral.SystemSNOMED, "1230392000", "Not feeling lonely")
		action := n.Add("output")
		setCode(action.Add("type"), referral.SystemTaskOutput, "requested-action", "Requested action")
		action.Set("valueString", "Review the sleeping tablets")
		score := fhir.Types(fhir.R4).New("Observation")
		score.Set("id", "s1")
		score.Set("status", "final")
		setCode(score.Add("code"), referral.SystemSNOMED, "718466001", "SWEMWBS")
		score.Add("valueQuantity").Set("value", "25")
		n.Append("contained", score)
		last := n.Add("output")
		setCode(last.Add("type"), referral.SystemTaskOutput, "observation", "Observation")
		last.Add("valueReference").Set("reference", "#s1")
		step(n, "T16", "completed", "goals-met")
		eventually(t, "the outcome is in the record", func() bool { return inRecord(c.w, id) != nil })
		lines := fmt.Sprint(c.w.gp.Record())
		for _, want := range []string{"1230392000", "25 score", "Review the sleeping tablets", "17 to 25"} {
			if !strings.Contains(lines, want) {
				t.Errorf("the record does not say %q: %s", want, lines)
			}
		}
	})
}

// What is no move of the caller is refused, with the rule and the moves that are; what
// never changes does not change (invariants 2 to 4); RC03 and RC11: without the version, or
// with that of a cached copy, nothing is written.
func TestUpdatesThatAreNoMoves(t *testing.T) {
	c := newCast(t, "")
	v := c.referred("accepted")
	n := c.worker.taskOf(v.ID)
	refuse := func(who caller, what string, status int, want string, edit func(n *fhir.Node)) {
		t.Helper()
		m := who.taskOf(v.ID)
		edit(m)
		got := who.put(m, numberOf(m))
		if got.status != status || !strings.Contains(rulesOf(got), want) {
			t.Errorf("%s: %d %s, want %d %s: %s", what, got.status, rulesOf(got), status, want, got.body)
		}
		if now := c.worker.look(v.ID); now.Version != v.Version {
			t.Fatalf("%s moved the referral", what)
		}
	}
	refuse(c.worker, "a move back", 422, "illegal-move", func(n *fhir.Node) { n.Set("status", "received") })
	refuse(c.worker, "a status of no row", 422, "illegal-move", func(n *fhir.Node) { n.Set("status", "ready") })
	refuse(c.worker, "no reason", 422, "field-required", func(n *fhir.Node) { change(n, "rejected", "no-capacity", "") })
	refuse(c.worker, "no outcome", 422, "guard-has-outcome", func(n *fhir.Node) { change(n, "completed", "goals-met", "") })
	refuse(c.worker, "a business status of another status", 422, "illegal-move", func(n *fhir.Node) { change(n, "in-progress", "goals-met", "") })
	refuse(c.gp, "the requester completes", 422, "illegal-move", func(n *fhir.Node) { change(n, "completed", "goals-met", "") })
	refuse(c.worker, "another person", 422, "immutable", func(n *fhir.Node) { n.Child("for").Set("reference", "Patient/other") })
	refuse(c.worker, "another request", 422, "immutable", func(n *fhir.Node) { n.Child("focus").Set("reference", "ServiceRequest/other") })
	refuse(c.worker, "another intent", 422, "immutable", func(n *fhir.Node) { n.Set("intent", "plan") })
	refuse(c.worker, "another owner", 422, "immutable", func(n *fhir.Node) { n.Child("owner").Child("identifier").Set("value", service2) })
	refuse(c.worker, "a new identifier", 422, "immutable", func(n *fhir.Node) { n.Add("identifier").Set("value", "x") })
	refuse(c.worker, "the restriction", 422, "not-yours", func(n *fhir.Node) { n.Remove("restriction") })
	refuse(c.worker, "an input", 422, "not-yours", func(n *fhir.Node) {
		i := n.Add("input")
		i.Add("type").Set("text", "x")
		i.Set("valueString", "y")
	})
	refuse(c.gp, "an output of the requester", 422, "not-yours", func(n *fhir.Node) {
		o := n.Add("output")
		setCode(o.Add("type"), referral.SystemTaskOutput, "outcome", "")
		o.Add("valueCodeableConcept").Set("text", "well again")
	})
	// notes stay
	v = c.worker.act(v, "contact", referral.Input{Channel: "sms", Result: "reached", Note: "one"}).view()
	refuse(c.worker, "a note less", 422, "append-only", func(n *fhir.Node) { n.Remove("note") })
	refuse(c.worker, "another note", 422, "append-only", func(n *fhir.Node) { n.Child("note").Set("text", "two") })

	if got := c.worker.put(n, ""); got.status != http.StatusPreconditionRequired {
		t.Errorf("without If-Match: %d", got.status)
	}
	if got := c.worker.put(change(n, "in-progress", "", ""), numberOf(n)); got.status != http.StatusPreconditionFailed {
		t.Errorf("with the version before: %d %s", got.status, got.body)
	}
	got := c.worker.put(func() *fhir.Node { m := c.worker.taskOf(v.ID); m.Set("status", "received"); return m }(), fmt.Sprint(v.Version))
	for _, want := range []string{"complete (T16)", "close (T17)", "hold (T10)"} {
		if !strings.Contains(string(got.body), want) {
			t.Errorf("the refusal does not name %s: %s", want, got.body)
		}
	}
	other := c.worker.taskOf(v.ID)
	if got := c.worker.do(http.MethodPut, "/fhir/R4/Task/"+v.Links.Patient[8:], fhir.Encode(other), "Content-Type", "application/fhir+json", "If-Match", `W/"1"`); got.status != http.StatusBadRequest {
		t.Errorf("under another id: %d %s", got.status, got.body)
	}
	if got := c.other.put(other, numberOf(other)); got.status != http.StatusNotFound {
		t.Errorf("by another service: %d", got.status)
	}
}

// A patch is held to the same rules: JSON Patch and FHIRPath Patch.
func TestATaskIsPatched(t *testing.T) {
	c := newCast(t, "")
	v := c.referred("received")
	path := "/fhir/R4/Task/" + v.ID
	patch := func(body, contentType, version string) answer {
		return c.worker.do(http.MethodPatch, path, []byte(body), "Content-Type", contentType, "If-Match", `W/"`+version+`"`)
	}
	const jsonPatch, fhirJSON = "application/json-patch+json", "application/fhir+json"
	got := patch(`[{"op":"test","path":"/status","value":"received"},{"op":"replace","path":"/status","value":"accepted"}]`, jsonPatch, "1").want(http.StatusOK)
	if got.header.Get("X-Referral-Move") != "T05" || got.node().Text("status") != "accepted" {
		t.Fatalf("the patch led to %s", got.body)
	}
	patch(`[{"op":"replace","path":"/status","value":"accepted"}]`, jsonPatch, "1").want(http.StatusPreconditionFailed)
	patch(`[{"op":"replace","path":"/for/reference","value":"Patient/other"}]`, jsonPatch, "2").want(http.StatusUnprocessableEntity)
	patch(`[{"op":"test","path":"/status","value":"received"}]`, jsonPatch, "2").want(http.StatusUnprocessableEntity)
	for body, want := range map[string]int{ // what a copy makes is a change as any other
		`[{"op":"copy","from":"","path":"/contained"}]`:               http.StatusBadRequest,
		`[{"op":"copy","from":"/note/0","path":"/note/0/extension"}]`: http.StatusBadRequest,
		`[{"op":"add","path":"/contained","value":[{}]}` + strings.Repeat(`,{"op":"copy","from":"/contained","path":"/contained/-"}`, 34) + `]`: http.StatusUnprocessableEntity,
	} {
		patch(`[{"op":"add","path":"/note","value":[{"text":"one"}]},`+body[1:], jsonPatch, "2").want(want)
	}
	patch(`[]`, "text/plain", "2").want(http.StatusUnsupportedMediaType)
	c.worker.do(http.MethodPatch, path, []byte(`[]`), "Content-Type", jsonPatch).want(http.StatusPreconditionRequired)
	got = patch(`{"resourceType":"Parameters","parameter":[
		{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Task.status"},{"name":"value","valueCode":"rejected"}]},
		{"name":"operation","part":[{"name":"type","valueCode":"add"},{"name":"path","valueString":"Task"},{"name":"name","valueString":"statusReason"},
		 {"name":"value","valueCodeableConcept":{"coding":[{"system":"https://spadapter.example/fhir/CodeSystem/business-status","code":"no-capacity"}],"text":"full until May"}}]}]}`, fhirJSON, "2").want(http.StatusOK)
	if got.header.Get("X-Referral-Move") != "T12" || got.node().Text("businessStatus", "coding", "code") != "no-capacity" {
		t.Errorf("the patch led to %s: %s", got.header.Get("X-Referral-Move"), got.body)
	}
}

// The requester revokes its own request: before the service accepts that ends the
// referral, afterwards it asks; it may take it back. Nothing else of it changes.
func TestARequesterChangesItsRequest(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		request := func(v referral.View) *fhir.Node {
			return c.gp.get("/fhir/R4/" + v.Links.ServiceRequest).want(http.StatusOK).node().Clone()
		}
		with := func(n *fhir.Node, status string) *fhir.Node { n.Set("status", status); return n }
		put := func(v referral.View, status, move string) referral.View {
			t.Helper()
			n := with(request(v), status)
			got := c.gp.put(n, numberOf(n)).want(http.StatusOK)
			if got.header.Get("X-Referral-Move") != move || got.node().Text("status") != status {
				t.Errorf("%s made %s: %s", status, got.header.Get("X-Referral-Move"), got.body)
			}
			return c.worker.look(v.ID)
		}
		if v := put(c.referred("received"), "revoked", "T07"); v.Status != "cancelled" {
			t.Errorf("T07 led to %s", v.Status)
		}
		v := put(c.referred("in-progress"), "revoked", "T13")
		if v.Status != "in-progress" || !v.CancellationAsked {
			t.Errorf("T13 led to %s, %s", v.Status, v.BusinessStatus)
		}
		if v = put(v, "active", "T22"); v.BusinessStatus != "contacted" || v.CancellationAsked {
			t.Errorf("T22 led to %s", v.BusinessStatus)
		}
		if v = put(v, "entered-in-error", "T13"); !v.CancellationAsked {
			t.Errorf("entered-in-error after acceptance led to %s", v.BusinessStatus)
		}
		if v := put(c.referred("received"), "entered-in-error", "T19"); v.Status != "entered-in-error" {
			t.Errorf("T19 led to %s", v.Status)
		}
		v = c.referred("accepted")
		n := request(v)
		n.Set("priority", "urgent")
		if got := c.gp.put(n, numberOf(n)); got.status != 422 || rulesOf(got) != "immutable" {
			t.Errorf("another priority: %d %s", got.status, got.body)
		}
		n = with(request(v), "completed")
		if got := c.gp.put(n, numberOf(n)); got.status != 422 || rulesOf(got) != "illegal-move" {
			t.Errorf("completed by the requester: %d %s", got.status, got.body)
		}
		n = with(request(v), "revoked")
		if got := c.worker.put(n, numberOf(n)); got.status != 403 {
			t.Errorf("revoked by the service: %d", got.status)
		}
		if got := c.gp.put(n, "7"); got.status != 412 {
			t.Errorf("a stale version: %d", got.status)
		}
		reason := n.Add("extension")
		reason.Set("url", "http://hl7.org/fhir/StructureDefinition/request-statusReason")
		setCode(reason.Add("valueCodeableConcept"), referral.SystemBusinessStatus, "moved-away", "Moved away")
		c.gp.put(n, numberOf(n)).want(http.StatusOK)
		if task := c.gp.taskOf(v.ID); task.Text("statusReason", "coding", "code") != "moved-away" {
			t.Errorf("the Task says %s", fhir.Encode(task.Child("statusReason")))
		}
		patch := c.gp.do(http.MethodPatch, "/fhir/R4/"+v.Links.ServiceRequest, []byte(`[{"op":"replace","path":"/status","value":"active"}]`),
			"Content-Type", "application/json-patch+json", "If-Match", `W/"2"`).want(http.StatusOK)
		if patch.header.Get("X-Referral-Move") != "T22" {
			t.Errorf("the patch made %s", patch.header.Get("X-Referral-Move"))
		}
		if got := c.a.as(auth.RoleRequester, practiceB).put(n, "3"); got.status != 404 {
			t.Errorf("another practice: %d", got.status)
		}
	})
}
