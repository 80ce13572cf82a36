package store_test

import (
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// Two rows of one referral over MESH: the first that waits for its acknowledgements does not
// hold up the second, gives up in time, and can be replaced once it is dead.
func TestAwaiting(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		c, id := intake(s, 1, "A83002", "SPX01", "")
		for range 2 {
			d := notice(s, id.referral, "A83002", epoch)
			d.Route = "mesh"
			c.Deliveries = append(c.Deliveries, d)
		}
		commit(t, s, c)
		now, until := epoch, epoch.Add(time.Hour)
		one := claim(t, s, now, 10)[0]
		if err := s.Dispatch(t.Context(), referral.Dispatch{Delivery: one.ID, Names: []string{"urn:uuid:AB", "cd"}, At: now}); err != nil {
			t.Fatal(explain(err))
		}
		a := try(one, now, referral.DeliveryAwaiting)
		a.Due, a.Message = until, "20261123_1"
		if err := s.Finish(t.Context(), one.Claim, a); err != nil {
			t.Fatal(explain(err))
		}
		two := claim(t, s, now, 10)
		if len(two) != 1 || two[0].ID == one.ID {
			t.Fatalf("claimed %+v: what is awaited holds up what comes after it, or is claimed itself", two)
		}
		come := func(id, name, code string, at time.Time) referral.Settled {
			t.Helper()
			settled, err := s.Acknowledge(t.Context(), referral.Acknowledgement{ID: id, Names: []string{name}, Kind: referral.KindOfResponse(code), Code: code, At: at}, at.Add(time.Hour))
			if err != nil {
				t.Fatal(explain(err))
			}
			return settled
		}
		// by any of its names, however it is written; a second time it is no news
		for i, name := range []string{"ab", "urn:uuid:CD", "20261123_1"} {
			if got := come("m"+name, name, "20013", now); got.Delivery.ID != one.ID || got.Changed != (i == 0) || got.Delivery.State != referral.DeliveryAwaiting {
				t.Errorf("%s: %+v", name, got)
			}
		}
		if got := come("loose", "nothing", "20013", now); got.Delivery.ID != "" || !got.Changed {
			t.Errorf("about nothing: %+v", got)
		}
		if list, err := s.Overdue(t.Context(), until.Add(-time.Millisecond), 10); err != nil || len(list) != 0 {
			t.Errorf("given up before its time: %+v, %v", list, err)
		}
		list, err := s.Overdue(t.Context(), until, 10)
		if err != nil || len(list) != 1 || list[0].Delivery.State != referral.DeliveryDead || list[0].Delivery.Problem != string(issue.Timeout) || !strings.Contains(list[0].Delivery.Said, "business") {
			t.Errorf("at its time: %+v, %v", list, err)
		}
		if list, err := s.Overdue(t.Context(), until, 10); err != nil || len(list) != 0 {
			t.Errorf("given up twice: %+v, %v", list, err)
		}
		l, err := s.Ledger(t.Context(), referral.Scope{Role: auth.RoleOperator}, referral.LedgerQuery{Now: now, Count: 10})
		if err != nil || len(l.Undelivered) != 2 || !strings.Contains(l.Undelivered[0].Details+l.Undelivered[1].Details, "no business acknowledgement") {
			t.Errorf("the ledger: %+v, %v", l, err)
		}
		// another message in its place; what comes about the old one is then kept alone
		next := notice(s, id.referral, "A83002", now)
		next.Supersedes = one.ID
		if err := s.Commit(t.Context(), &referral.Change{Organisation: "A83002", At: now, Deliveries: []referral.Delivery{next}}); err != nil {
			t.Fatal(explain(err))
		}
		if got := come("late", "ab", "30001", now); got.Delivery.State != referral.DeliverySuperseded || !got.Changed {
			t.Errorf("after a replacement: %+v", got)
		}
		if got, err := s.Acknowledgements(t.Context(), one.ID, 0); err != nil || len(got) != 2 {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := s.Acknowledgements(t.Context(), "", 10); err != nil || len(got) != 1 || got[0].ID != "loose" {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
