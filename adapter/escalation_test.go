package main

import (
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/referral"
)

// A service asks the practice to act: what it asks for is in the record at once, first and
// in words. In a crisis and for safeguarding the answer says that the telephone comes
// first, and goes on saying it as long as that stands.
func TestAnEscalationReachesThePractice(t *testing.T) {
	c := newCast(t, "")
	for _, status := range []string{"escalated-to-gp", "crisis", "safeguarding"} {
		v := c.referred("in-progress")
		if got := c.worker.act(v, "escalate", referral.Input{Status: status}); got.status != http.StatusBadRequest && got.status != http.StatusUnprocessableEntity {
			t.Errorf("%s without what is asked for: %d", status, got.status)
		}
		v = moved(t, c.worker.act(v, "escalate", referral.Input{Status: status, RequestedAction: "Please see her today."}), "in-progress", status)
		if first := strings.Contains(v.Advice, "Telephone the practice now"); first != (status != "escalated-to-gp") {
			t.Errorf("%s: the answer says %q", status, v.Advice)
		}
		eventually(t, "the practice is asked", func() bool { return inRecord(c.w, v.ID) != nil })
		asked := ""
		for _, o := range inRecord(c.w, v.ID).All("output") {
			if o.Text("type", "coding", "code") == "requested-action" {
				asked = o.Child("value").Value
			}
		}
		if asked != "Please see her today." || inRecord(c.w, v.ID).Text("businessStatus", "coding", "code") != status {
			t.Errorf("%s: the record says %s", status, encoded(inRecord(c.w, v.ID)))
		}
		if v = moved(t, c.worker.act(v, "progress", referral.Input{Status: "support-ongoing"}), "in-progress", "support-ongoing"); v.Advice != "" {
			t.Errorf("%s: afterwards the answer says %q", status, v.Advice)
		}
	}
	// on hold it is not kept waiting, and a tool that speaks FHIR can do it too
	v := c.worker.act(c.referred("accepted"), "hold", referral.Input{Reason: said("unwell"), ReviewOn: "2030-01-31"}).view()
	n := change(c.worker.taskOf(v.ID), "in-progress", "safeguarding", "")
	o := n.Add("output")
	setCode(o.Add("type"), referral.SystemTaskOutput, "requested-action", "Requested action")
	o.Set("valueString", "Call the team.")
	if got := c.worker.put(n, numberOf(n)).want(http.StatusOK); got.header.Get("X-Referral-Move") != "T09" {
		t.Errorf("the update made %s", got.header.Get("X-Referral-Move"))
	}
}
