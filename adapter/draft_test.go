package main

import (
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/referral"
)

// T01: a draft stays at the requester. Sent here it is refused, with words that say so, and
// nothing of it is kept; sent again as active it is a referral.
func TestADraftStaysAtTheRequester(t *testing.T) {
	c := newCast(t, "")
	b := someone(practiceA).bundle()
	resourceOf(b, requestEntry).Set("status", "draft")
	got := c.gp.do(http.MethodPost, "/fhir/R4", encoded(b))
	if got.status != http.StatusUnprocessableEntity || !strings.Contains(string(got.body), "draft") {
		t.Fatalf("a draft is answered with %d %s", got.status, got.body)
	}
	if n := c.w.number("SELECT count(*) FROM resource"); n != 0 {
		t.Errorf("%d resources of a draft are kept", n)
	}
	resourceOf(b, requestEntry).Set("status", "active")
	if v := c.worker.look(c.gp.refer(encoded(b))); v.Status != "received" {
		t.Errorf("the referral is %s", v.Status)
	}
}

// A person dies while support goes on, as the practice says: nobody contacts, signposts or
// refers them any more, and the loop still closes, into the record.
func TestAfterADeathTheLoopStillCloses(t *testing.T) {
	c := newCast(t, "")
	s := someone(practiceA)
	v := c.worker.look(c.gp.refer(s.message()))
	v = c.worker.act(v, "accept", referral.Input{}).view()
	v = c.worker.act(v, "contact", referral.Input{Channel: "telephone", Result: "reached"}).view()
	p := s.patient()
	p.Remove("generalPractitioner")
	p.Set("deceasedDateTime", "2026-10-01")
	c.gp.do(http.MethodPost, "/fhir/R4/Patient", encoded(p), "Content-Type", "application/fhir+json").want(http.StatusOK)
	v = c.worker.look(v.ID)
	for _, a := range v.AllowedActions {
		if a.Name == "contact" || a.Name == "signpost" || a.Name == "refer" {
			t.Errorf("%s is offered", a.Name)
		}
	}
	for action, in := range map[string]referral.Input{
		"contact":  {Channel: "sms", Result: "reached"},
		"signpost": {Signpost: &referral.Signpost{To: "the library"}},
		"refer":    {Activity: &referral.ActivityInput{Name: "Choir", Consent: true}},
	} {
		if got := c.worker.act(v, action, in); got.status != http.StatusUnprocessableEntity || !strings.Contains(string(got.body), "guard-alive") {
			t.Errorf("%s is answered with %d %s", action, got.status, got.body)
		}
	}
	v = moved(t, c.worker.act(v, "close", referral.Input{Reason: said("deceased")}), "cancelled", "deceased")
	eventually(t, "the record is told", func() bool { return inRecord(c.w, v.ID) != nil })
	// one who moved away is closed in the same way
	moved(t, c.worker.act(c.referred("in-progress"), "close", referral.Input{Reason: said("moved-away")}), "cancelled", "moved-away")
}
