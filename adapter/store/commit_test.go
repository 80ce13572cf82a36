package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

func TestCommitIsReadBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		c, id := intake(s, 1, "A83002", "SPX01", "")
		c.Deliveries = []referral.Delivery{notice(s, id.referral, "A83002", c.At)}
		commit(t, s, c)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := s.Ping(ctx); err != nil { // while the writer keeps its connection
			t.Error(explain(err))
		}

		got, err := s.Referral(t.Context(), requester("A83002"), id.referral)
		if err != nil {
			t.Fatal(explain(err))
		}
		want := *c.Referral
		want.Organisation, want.Created, want.Updated, want.Since = "A83002", c.At, c.At, c.At
		if d := cmp.Diff(&want, got, cmpopts.IgnoreUnexported(referral.Record{})); d != "" {
			t.Error(d)
		}
		for _, v := range c.Versions {
			got, err := s.Read(t.Context(), operator, v.Type, v.ID)
			if err != nil {
				t.Fatal(explain(err))
			}
			v.Organisation, v.Terms = "A83002", nil
			if d := cmp.Diff(&v, got, cmpopts.IgnoreUnexported(referral.Version{})); d != "" {
				t.Error(d)
			}
		}
		events, err := s.Events(t.Context(), operator, id.referral)
		if err != nil {
			t.Fatal(explain(err))
		}
		for i := range c.Events {
			c.Events[i].Organisation = "A83002"
		}
		if d := cmp.Diff(c.Events, events); d != "" {
			t.Error(d)
		}
		message, err := s.Original(t.Context(), operator, id.referral)
		if err != nil {
			t.Fatal(explain(err))
		}
		if d := cmp.Diff(c.Message, message); d != "" {
			t.Error(d)
		}
		d, tries, err := s.Delivery(t.Context(), c.Deliveries[0].ID)
		if err != nil || len(tries) != 0 {
			t.Fatal(tries, explain(err))
		}
		wanted := c.Deliveries[0]
		wanted.Organisation, wanted.State = "A83002", referral.DeliveryQueued
		if diff := cmp.Diff(&wanted, d); diff != "" {
			t.Error(diff)
		}
		select {
		case <-s.Wake():
		default:
			t.Error("a commit with a delivery wakes nobody")
		}
	})
}

func TestRepeatGetsTheFirstResponse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		first, id := intake(s, 1, "A83002", "SPX01", "")
		commit(t, s, first)

		again, other := intake(s, 1, "A83002", "SPX01", "")
		again.Keys = again.Keys[1:] // a new request id for the same referral
		slices.Reverse(again.Keys)  // the key without a response first
		err := s.Commit(t.Context(), again)
		repeat, ok := errors.AsType[*referral.Repeat](err)
		if !ok {
			t.Fatalf("got %v, want a repeat", explain(err))
		}
		want := &referral.Repeat{Key: first.Keys[1], Response: first.Response}
		if d := cmp.Diff(want, repeat); d != "" {
			t.Error(d)
		}
		if _, err := s.Read(t.Context(), operator, "Patient", other.patient); !errors.Is(err, issue.NotFound) {
			t.Errorf("a part of the repeat was stored: %v", err)
		}

		known, err := s.Known(t.Context(), []referral.Key{{Kind: referral.KeyRequest, Scope: "gp-A83002", Value: "unheard of"}, first.Keys[2], first.Keys[0]})
		if err != nil {
			t.Fatal(explain(err))
		}
		if d := cmp.Diff(&referral.Repeat{Key: first.Keys[0], Response: first.Response}, known); d != "" {
			t.Error(d)
		}
		known, err = s.Known(t.Context(), first.Keys[2:])
		if err != nil || known == nil || known.Response != nil {
			t.Errorf("the key of a patient: got %+v, %v", known, explain(err))
		}
		strangers := []referral.Key{
			{Kind: referral.KeyRequest, Scope: "gp-other", Value: first.Keys[0].Value},
			{Kind: referral.KeyIdempotency, Scope: "gp-A83002", Value: first.Keys[0].Value},
		}
		if known, err = s.Known(t.Context(), strangers); known != nil || err != nil {
			t.Errorf("a key of another scope or kind: got %+v, %v", known, explain(err))
		}
		if got, _ := s.Referral(t.Context(), operator, id.referral); got == nil {
			t.Error("the first is gone")
		}
	})
}

func TestRepeatsAtTheSameMoment(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for round := range 5 {
			const n = 32
			var wg sync.WaitGroup
			start := make(chan struct{})
			stored := make([]*referral.Change, n)
			repeats := make([]*referral.Repeat, n)
			for i := range n {
				wg.Go(func() {
					c, _ := intake(s, round, "A83002", "SPX01", "")
					<-start
					err := s.Commit(background, c)
					if repeat, ok := errors.AsType[*referral.Repeat](err); ok {
						repeats[i] = repeat
					} else if err == nil {
						stored[i] = c
					} else {
						t.Errorf("Commit: %v", explain(err))
					}
				})
			}
			close(start)
			wg.Wait()
			stored = slices.DeleteFunc(stored, func(c *referral.Change) bool { return c == nil })
			if len(stored) != 1 {
				t.Fatalf("%d of %d repeats were stored", len(stored), n)
			}
			for _, r := range repeats {
				if r != nil && (r.Response == nil || !bytes.Equal(r.Response.Body, stored[0].Response.Body)) {
					t.Fatal("a repeat got another response than the first")
				}
			}
		}
		if list, _, err := s.Referrals(t.Context(), operator, referral.Filter{Page: referral.Page{Count: 100}}); err != nil || len(list) != 5 {
			t.Errorf("got %d referrals, %v, want 5", len(list), explain(err))
		}
	})
}

// next is a change that brings the following version of a Task and its referral.
func next(c *referral.Change, id ids, number int, status string) *referral.Change {
	at := c.At.Add(time.Duration(number) * time.Minute)
	record := *c.Referral
	record.Version, record.Status, record.Updated, record.Content = number, status, at, nil
	return &referral.Change{
		Organisation: c.Organisation, At: at, Referral: &record,
		Versions: []referral.Version{{Type: "Task", ID: id.referral, Number: number, Updated: at, Referral: id.referral, Patient: id.patient,
			Body:  padded(fmt.Sprint(id.referral, number, status), 700),
			Terms: []referral.Term{{Param: "status", System: "http://hl7.org/fhir/task-status", Value: status}}}},
		Events: []referral.Event{{Referral: id.referral, Move: "T05", From: "requested", To: status, At: at}},
	}
}

func TestStaleVersionIsAConflict(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		c, id := intake(s, 1, "A83002", "SPX01", "")
		commit(t, s, c)
		commit(t, s, next(c, id, 2, "accepted"))
		wantIssue(t, s.Commit(t.Context(), next(c, id, 2, "rejected")), issue.Conflict, "version-conflict")
		wantIssue(t, s.Commit(t.Context(), next(c, id, 4, "rejected")), issue.Conflict, "version-conflict")
		onlyRecord := next(c, id, 2, "rejected")
		onlyRecord.Versions = nil
		wantIssue(t, s.Commit(t.Context(), onlyRecord), issue.Conflict, "version-conflict")
		onlyVersion := next(c, id, 2, "rejected")
		onlyVersion.Referral = nil
		wantIssue(t, s.Commit(t.Context(), onlyVersion), issue.Conflict, "version-conflict")
		twice := next(c, id, 1, "requested")
		twice.Referral = nil
		wantIssue(t, s.Commit(t.Context(), twice), issue.Conflict, "version-conflict")

		got, err := s.Referral(t.Context(), operator, id.referral)
		if err != nil || got.Status != "accepted" || got.Version != 2 || !bytes.Equal(got.Content, c.Referral.Content) {
			t.Errorf("got %+v, %v", got, explain(err))
		}
		history, err := s.History(t.Context(), operator, "Task", id.referral, referral.Page{Count: 10})
		if err != nil || len(history.Versions) != 2 || history.Versions[0].Number != 2 {
			t.Errorf("got %+v, %v", history, explain(err))
		}
		if events, _ := s.Events(t.Context(), operator, id.referral); len(events) != 3 {
			t.Errorf("got %d events, want 3", len(events))
		}
	})
}

func TestRacingUpdates(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		// Two stores stand for two processes; SQLite has one.
		stores := []*store.Store{storetest.Open(t, url)}
		stores = append(stores, stores[0])
		if url[:6] != "sqlite" {
			stores[1] = storetest.Open(t, url)
		}
		c, id := intake(stores[0], 1, "A83002", "SPX01", "")
		commit(t, stores[0], c)
		for number := 2; number < 12; number++ {
			var wg sync.WaitGroup
			results := make([]error, 8)
			for i := range results {
				wg.Go(func() { results[i] = stores[i%2].Commit(background, next(c, id, number, "accepted")) })
			}
			wg.Wait()
			won := 0
			for _, err := range results {
				if err == nil {
					won++
				} else if !errors.Is(err, issue.Conflict) {
					t.Errorf("got %v", explain(err))
				}
			}
			if won != 1 {
				t.Fatalf("version %d: %d of 8 won", number, won)
			}
		}
	})
}

func TestRepeatsInTwoProcesses(t *testing.T) {
	url := storetest.Postgres(t)
	if url == "" {
		return
	}
	a, b := storetest.Open(t, url), storetest.Open(t, url)
	var wg sync.WaitGroup
	const n = 40
	var stored, repeated [n]int
	var mu sync.Mutex
	for i := range n {
		for _, s := range []*store.Store{a, b, a} {
			wg.Go(func() {
				c, _ := intake(s, i, "A83002", "SPX01", "")
				err := s.Commit(background, c)
				mu.Lock()
				defer mu.Unlock()
				if repeat, ok := errors.AsType[*referral.Repeat](err); ok && repeat.Response != nil {
					repeated[i]++
				} else if err == nil {
					stored[i]++
				} else {
					t.Errorf("got %v", explain(err))
				}
			})
		}
	}
	wg.Wait()
	for i := range n {
		if stored[i] != 1 || repeated[i] != 2 {
			t.Fatalf("message %d: stored %d times, repeated %d times", i, stored[i], repeated[i])
		}
	}
}

// A change that cannot be written must not take the others of its group with it.
func TestBadChangeHarmsNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		first, id := intake(s, 0, "A83002", "SPX01", "")
		commit(t, s, first)
		var wg sync.WaitGroup
		for i := 1; i <= 24; i++ {
			wg.Go(func() {
				c, _ := intake(s, i, "A83002", "SPX01", "")
				if i%6 == 0 {
					c.Versions[0].ID = id.patient // exists: found only by the database
				}
				if err := s.Commit(background, c); (err == nil) != (i%6 != 0) {
					t.Errorf("change %d: %v", i, explain(err))
				} else if err != nil && !errors.Is(err, issue.Conflict) {
					t.Errorf("change %d: %v", i, explain(err))
				}
			})
		}
		wg.Wait()
		if list, _, err := s.Referrals(t.Context(), operator, referral.Filter{Page: referral.Page{Count: 100}}); err != nil || len(list) != 21 {
			t.Errorf("got %d referrals, %v, want 21", len(list), explain(err))
		}
	})
}

func TestCommitTakesWhatSendersSend(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		c, id := intake(s, 1, "A83002", "SPX01", "")
		long := string(padded("é", 6000))
		c.Keys[1].Value = long
		c.Versions[0].Terms = []referral.Term{{Param: "identifier", System: long, Value: long + "1"}, {Param: "family", Value: "o\x00neil\xff"}}
		c.Audits[0].Query = "name=%00\x00"
		commit(t, s, c)
		if repeat, err := s.Known(t.Context(), c.Keys[1:2]); err != nil || repeat == nil || repeat.Key.Value != long {
			t.Errorf("a long key is not known: %v", explain(err))
		}
		for value, want := range map[string]int{long + "1": 1, long + "2": 0} {
			found, err := s.Search(t.Context(), operator, referral.Query{Type: "Patient", Page: referral.Page{Count: 5}, Conditions: []referral.Condition{
				{Param: "identifier", Kind: referral.ParamToken, Values: []referral.Value{{System: long, Text: value}}}}})
			if err != nil || len(found.Versions) != want || want == 1 && found.Versions[0].ID != id.patient {
				t.Errorf("got %d found, %v, want %d", len(found.Versions), explain(err), want)
			}
		}
	})
}

func TestCommitEndsWithItsContext(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		c, id := intake(s, 1, "A83002", "SPX01", "")
		wantIssue(t, s.Commit(ctx, c), issue.Timeout, "commit-timeout")
		if _, err := s.Referral(t.Context(), operator, id.referral); !errors.Is(err, issue.NotFound) {
			t.Errorf("got %v", explain(err))
		}
		commit(t, s, c)
	})
}

func TestClosedStoreRefuses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		acknowledged := 0
		for i := range 64 {
			wg.Go(func() {
				c, _ := intake(s, i, "A83002", "SPX01", "")
				if err := s.Commit(background, c); err == nil {
					mu.Lock()
					acknowledged++
					mu.Unlock()
				} else if !errors.Is(err, issue.NoStore) {
					t.Errorf("got %v", explain(err))
				}
			})
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(explain(err))
		}
		wg.Wait()
		c, _ := intake(s, 99, "A83002", "SPX01", "")
		wantIssue(t, s.Commit(t.Context(), c), issue.NoStore, "store-closed")
		if err := s.Ping(t.Context()); !errors.Is(err, issue.NoStore) {
			t.Errorf("got %v", err)
		}
	})
}
