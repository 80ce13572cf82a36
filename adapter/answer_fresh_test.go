package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
)

// An answer that waits while the person gets another NHS number, or is restricted, is written
// again: the old number does not go out, and neither does where the person is.
func TestAnAnswerKnowsWhatWasLearnedWhileItWaited(t *testing.T) {
	down := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	p := newBarsPartner(t, down)
	w := barsWorld(t, p)
	a := w.run(quiet())
	worker, manager := a.as(auth.RoleOwner, service1), a.as(auth.RoleOperator)
	correlation := uuid.NewString()
	task, _ := a.byBars(t, correlation)
	v := worker.look(task)
	old, current := v.Person.NHSNumber, unused()
	worker.act(v, "accept", referral.Input{}).want(http.StatusOK)
	eventually(t, "a try fails", func() bool {
		return w.number("SELECT count(*) FROM delivery WHERE kind = 'response' AND state = 'queued'") == 1 && len(p.received()) == 1
	})
	if first := string(p.received()[0].body); !strings.Contains(first, "4 Elm Lane") || !strings.Contains(first, old) {
		t.Fatalf("the first try says %s", first)
	}
	manager.tell(old, "2026-03-02", `"restricted":true,"replaced_by":"`+current+`"`)
	w.hasten()
	eventually(t, "the answer is delivered", func() bool {
		return w.number("SELECT count(*) FROM delivery WHERE kind = 'response' AND state = 'delivered'") == 1
	})
	list := p.received()
	last := list[len(list)-1]
	for _, secret := range []string{"4 Elm Lane", "ZZ99 3CZ", "01632 960011", old} {
		if strings.Contains(string(last.body), secret) {
			t.Errorf("%q leaves", secret)
		}
	}
	if !strings.Contains(string(last.body), current) || last.header.Get("X-Correlation-Id") != correlation {
		t.Errorf("sent %s of %s", last.body, last.header.Get("X-Correlation-Id"))
	}
	if n := w.number("SELECT count(*) FROM delivery WHERE kind = 'response' AND state = 'superseded'"); n != 1 || len(list) != 2 {
		t.Errorf("%d rows are superseded, %d requests", n, len(list))
	}
}
