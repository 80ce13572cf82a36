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
