package main

import (
	"fmt"
	"net/http"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// A person who moves to another practice between the outcome and its sending: the new
// practice gets the outcome, and the old one nothing (rule R14).
func TestR14AnOutcomeFollowsThePersonToTheNewPractice(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.run(quiet())
		gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
		sent := someone(practiceA)
		gp.refer(sent.message())
		// the first try fails, so that there is a time between decision and sending
		w.gp.fail(standInFault{Status: http.StatusServiceUnavailable})
		v := worker.worklist("")[0]
		v = worker.act(v, "accept", referral.Input{}).want(http.StatusOK).view()
		worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).want(http.StatusOK)
		eventually(t, "the first try failed", func() bool {
			return w.number("SELECT COUNT(*) FROM attempt WHERE state = 'queued'") == 1
		})

		patient := sent.patient()
		setPart(patient, "generalPractitioner", fmt.Sprintf(`[{"identifier":{"system":%q,"value":%q}}]`, referral.SystemODS, practiceB))
		gp.do(http.MethodPost, "/fhir/R4/Patient", fhir.Encode(patient)).want(http.StatusOK)

		eventually(t, "the outcome is delivered", func() bool { return w.gp.task(referral.StatusCompleted) != nil })
		eventually(t, "its row is marked", func() bool {
			return w.number("SELECT COUNT(*) FROM delivery WHERE state = 'delivered' AND recipient = '"+practiceB+"'") == 1
		})
		if n := w.number("SELECT COUNT(*) FROM delivery WHERE state = 'superseded' AND recipient = '" + practiceA + "'"); n != 1 {
			t.Errorf("%d rows for the old practice are superseded, not one", n)
		}
		if n := w.number("SELECT COUNT(*) FROM delivery"); n != 2 {
			t.Errorf("there are %d deliveries, not the old and the new one", n)
		}
	})
}

// A death or a restriction that is learned while an outcome waits: it goes to the record
// all the same, decided anew with what is known, and nothing goes to the person or tells a
// provider where they are (rule R15, invariant 13).
func TestR15ADeathOrARestrictionArrivesBeforeTheSending(t *testing.T) {
	for what, learn := range map[string]func(n *fhir.Node){
		"deceased": func(n *fhir.Node) { n.Set("deceasedDateTime", "2026-11-20") },
		"restricted": func(n *fhir.Node) {
			setPart(n, "meta", `{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]}`)
		},
	} {
		t.Run(what, func(t *testing.T) {
			storetest.EachURL(t, func(t *testing.T, url string) {
				c := newCast(t, url)
				sent := someone(practiceA)
				v := c.worker.look(c.gp.refer(sent.message()))
				v = c.worker.act(v, "accept", referral.Input{}).view()
				v = c.worker.act(v, "contact", referral.Input{Channel: "telephone", Result: "reached"}).view()
				v = c.worker.act(v, "refer", referral.Input{Activity: &referral.ActivityInput{Provider: service2, Name: "Choir", Consent: true}}).view()
				v = c.waiting(func() referral.View {
					return c.worker.act(v, "escalate", referral.Input{Status: "escalated-to-gp", RequestedAction: "Please see her."}).view()
				})
				patient := sent.patient()
				patient.Remove("generalPractitioner")
				learn(patient)
				c.gp.do(http.MethodPost, "/fhir/R4/Patient", fhir.Encode(patient)).want(http.StatusOK)
				c.settledRows(v)
				rows := func(where string) int {
					return c.w.number("SELECT count(*) FROM delivery WHERE referral = '" + v.ID + "' AND " + where)
				}
				if n := rows("state = 'delivered' AND facts LIKE '%\"" + what + "\":true%'"); n != 1 || rows("state = 'superseded'") != 1 || rows("1 = 1") != 2 {
					t.Errorf("%s: %d rows know it", what, n)
				}
				var a referral.ActivityView
				c.other.get("/api/v1/activities/" + v.Activities[0].ID).want(http.StatusOK).into(&a)
				if a.Person == nil || len(a.Person.Telecom) != 0 {
					t.Errorf("%s: the provider reads %+v", what, a.Person)
				}
				got := c.worker.act(v, "progress", referral.Input{Status: "support-ongoing"}).view()
				for _, action := range []string{"contact", "signpost"} {
					offered := false
					for _, may := range got.AllowedActions {
						offered = offered || may.Name == action
					}
					if offered == (what == "deceased") {
						t.Errorf("%s: %s is offered: %v", what, action, offered)
					}
				}
				// the loop closes
				v = c.worker.act(got, "close", referral.Input{Reason: said("disengaged")}).view()
				c.settledRows(v)
				if inRecord(c.w, v.ID).Text("status") != "cancelled" {
					t.Errorf("%s: the end is not in the record", what)
				}
			})
		})
	}
}
