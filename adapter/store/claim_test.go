package store_test

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

const lease = time.Minute

// queued commits a referral with so many deliveries to each recipient, and gives their
// ids in the order to send.
func queued(t *testing.T, s *store.Store, n, each int, recipients ...string) (ids, map[string][]string) {
	t.Helper()
	c, id := intake(s, n, "A83002", "SPX01", "")
	out := map[string][]string{}
	for range each {
		for _, r := range recipients {
			d := notice(s, id.referral, r, epoch)
			c.Deliveries = append(c.Deliveries, d)
			out[r] = append(out[r], d.ID)
		}
	}
	commit(t, s, c)
	return id, out
}

func claim(t *testing.T, s *store.Store, now time.Time, n int) []referral.Delivery {
	t.Helper()
	list, err := s.Claim(t.Context(), now, lease, n)
	if err != nil {
		t.Fatal(explain(err))
	}
	return list
}

func finish(t *testing.T, s *store.Store, d referral.Delivery, now time.Time, state referral.DeliveryState) {
	t.Helper()
	if err := s.Finish(t.Context(), d.Claim, try(d, now, state)); err != nil {
		t.Fatal(explain(err))
	}
}

func try(d referral.Delivery, now time.Time, state referral.DeliveryState) referral.Attempt {
	a := referral.Attempt{Delivery: d.ID, Number: d.Attempts + 1, At: now, Duration: 120 * time.Millisecond, State: state, Status: 200}
	if state != referral.DeliveryDelivered {
		a.Status, a.Issue, a.Details = 503, "transient", "the receiver is busy"
	}
	if state == referral.DeliveryQueued {
		a.Due = now.Add(10 * time.Second)
	}
	return a
}

func TestClaimKeepsOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		_, order := queued(t, s, 1, 3, "A83002", "B12345")
		now := epoch.Add(time.Second)
		if list := claim(t, s, epoch.Add(-time.Second), 10); len(list) != 0 {
			t.Fatalf("%d were claimed before they were due", len(list))
		}
		for round := range 3 {
			list := claim(t, s, now, 10)
			if len(list) != 2 {
				t.Fatalf("round %d: got %d, want one for each recipient", round, len(list))
			}
			if more := claim(t, s, now, 10); len(more) != 0 {
				t.Fatalf("round %d: a row was claimed beside the one before it", round)
			}
			slices.SortFunc(list, func(a, b referral.Delivery) int { return strings.Compare(b.Recipient, a.Recipient) })
			for _, d := range list {
				if d.ID != order[d.Recipient][round] || d.State != referral.DeliverySending || d.Claim == "" || len(d.Body) < 1900 {
					t.Fatalf("round %d: got %+v", round, d)
				}
				if d.Recipient == "B12345" { // fails once: what follows waits
					finish(t, s, d, now, referral.DeliveryQueued)
					if more := claim(t, s, now, 10); len(more) != 0 {
						t.Fatal("a row overtook one that will be tried again")
					}
					now = now.Add(10 * time.Second)
					again := claim(t, s, now, 10)
					if len(again) != 1 || again[0].ID != d.ID || again[0].Attempts != 1 || again[0].Problem != "transient" {
						t.Fatalf("got %+v", again)
					}
					d = again[0]
				}
				finish(t, s, d, now, referral.DeliveryDelivered)
			}
		}
		_, tries, err := s.Delivery(t.Context(), order["B12345"][0])
		if err != nil || len(tries) != 2 || tries[0].State != referral.DeliveryQueued || tries[0].Details != "the receiver is busy" ||
			tries[1].State != referral.DeliveryDelivered || tries[1].Duration != 120*time.Millisecond {
			t.Errorf("got %+v, %v", tries, explain(err))
		}
		if b, err := s.Pending(t.Context()); err != nil || b != (store.Backlog{}) {
			t.Errorf("got %+v, %v", b, explain(err))
		}
	})
}

func TestLease(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		_, order := queued(t, s, 1, 2, "A83002")
		first := claim(t, s, epoch, 10)
		if list := claim(t, s, epoch.Add(lease-time.Second), 10); len(list) != 0 {
			t.Fatal("a lease ended early")
		}
		second := claim(t, s, epoch.Add(lease), 10)
		if len(first) != 1 || len(second) != 1 || first[0].ID != second[0].ID || first[0].Claim == second[0].Claim {
			t.Fatalf("got %+v, then %+v", first, second)
		}
		wantIssue(t, s.Finish(t.Context(), first[0].Claim, try(first[0], epoch, referral.DeliveryDelivered)), issue.Conflict, "claim-lost")
		wantIssue(t, s.Finish(t.Context(), "", try(first[0], epoch, referral.DeliveryDelivered)), issue.Conflict, "claim-lost")
		wantIssue(t, s.Finish(t.Context(), second[0].Claim, try(first[0], epoch, referral.DeliverySending)), issue.Exception, "store-finish")
		finish(t, s, second[0], epoch, referral.DeliveryDelivered)
		wantIssue(t, s.Finish(t.Context(), second[0].Claim, try(second[0], epoch, referral.DeliveryDead)), issue.Conflict, "claim-lost")

		// A late finisher whose row nobody took meanwhile still counts.
		third := claim(t, s, epoch.Add(lease), 10)
		finish(t, s, third[0], epoch.Add(3*lease), referral.DeliveryDelivered)
		if _, tries, _ := s.Delivery(t.Context(), order["A83002"][0]); len(tries) != 1 {
			t.Errorf("got %d tries, want 1", len(tries))
		}
	})
}

// Many workers share a queue: each row goes to one of them, in order.
// What a killed process was sending is sent again at once where nobody else may be at it.
func TestReleaseAfterAKill(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url)
		queued(t, s, 1, 2, "A83002")
		held := claim(t, s, epoch, 9)
		if len(held) != 1 {
			t.Fatalf("%d rows are claimed", len(held))
		}
		n, err := s.Release(t.Context())
		if err != nil {
			t.Fatal(explain(err))
		}
		again := claim(t, s, epoch, 9)
		if strings.HasPrefix(url, "postgres") {
			if n != 0 || len(again) != 0 {
				t.Errorf("%d rows are released and %d claimed, while another process may send them", n, len(again))
			}
			return
		}
		if n != 1 || len(again) != 1 || again[0].ID != held[0].ID {
			t.Errorf("%d rows are released, and claimed are %+v", n, again)
		}
		if err := s.Finish(t.Context(), held[0].Claim, try(held[0], epoch, referral.DeliveryDelivered)); err == nil {
			t.Error("the claim from before holds still")
		}
	})
}

func TestClaimByManyWorkers(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		stores := []*store.Store{storetest.Open(t, url)}
		if url[:6] != "sqlite" {
			stores = append(stores, storetest.Open(t, url))
		}
		const referrals, each = 20, 4
		for n := range referrals {
			queued(t, stores[0], n, each, "A83002")
		}
		var mu sync.Mutex
		sent := map[string][]string{}
		var wg sync.WaitGroup
		for i := range 6 {
			s := stores[i%len(stores)]
			wg.Go(func() {
				for {
					mu.Lock()
					total := 0
					for _, list := range sent {
						total += len(list)
					}
					mu.Unlock()
					if total >= referrals*each || t.Failed() {
						return
					}
					list, err := s.Claim(background, epoch, lease, 3)
					if err != nil {
						t.Error(explain(err))
						return
					}
					for _, d := range list {
						mu.Lock()
						sent[d.Referral] = append(sent[d.Referral], d.ID)
						mu.Unlock()
						if err := s.Finish(background, d.Claim, try(d, epoch, referral.DeliveryDelivered)); err != nil {
							t.Error(explain(err))
						}
					}
				}
			})
		}
		wg.Wait()
		for id, list := range sent {
			if len(list) != each {
				t.Errorf("%s: %d sent, want %d", id, len(list), each)
			}
			for i := 1; i < len(list); i++ {
				if list[i] <= list[i-1] {
					t.Errorf("%s: sent out of order", id)
				}
			}
		}
	})
}

func TestSupersedeAndCancel(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		id, order := queued(t, s, 1, 2, "A83002")
		held := claim(t, s, epoch, 10)
		replace := func(old string) error {
			d := notice(s, id.referral, "A83002", epoch.Add(time.Hour))
			d.Supersedes, d.Due = old, epoch
			return s.Commit(t.Context(), &referral.Change{Organisation: "A83002", At: epoch.Add(time.Hour), Deliveries: []referral.Delivery{d}})
		}
		if err := replace(held[0].ID); err != nil {
			t.Fatal(explain(err))
		}
		wantIssue(t, s.Finish(t.Context(), held[0].Claim, try(held[0], epoch, referral.DeliveryDelivered)), issue.Conflict, "claim-lost")
		wantIssue(t, replace(held[0].ID), issue.Conflict, "delivery-conflict")
		wantIssue(t, replace("no such delivery"), issue.Conflict, "delivery-conflict")

		now := epoch.Add(time.Hour)
		first := claim(t, s, now, 10)
		if len(first) != 1 || first[0].Supersedes != held[0].ID {
			t.Fatalf("the new row did not take the place of the old one: %+v", first)
		}
		finish(t, s, first[0], now, referral.DeliveryDelivered)

		c := &referral.Change{Organisation: "A83002", At: now, Cancels: []referral.Cancellation{{Delivery: order["A83002"][1]}},
			Referral:   &referral.Record{ID: id.referral, Version: 2, Status: "entered-in-error"},
			Deliveries: []referral.Delivery{notice(s, id.referral, "A83002", now)}}
		// a row that was tried since it was looked at is not the row that was to be cancelled
		seen := *c
		seen.Cancels = []referral.Cancellation{{Delivery: order["A83002"][1], Attempts: 1}}
		wantIssue(t, s.Commit(t.Context(), &seen), issue.Conflict, "version-conflict")
		commit(t, s, c)
		rest := claim(t, s, now, 10)
		if len(rest) != 1 || rest[0].ID != c.Deliveries[0].ID {
			t.Fatalf("got %+v, want only the retraction", rest)
		}
		if d, _, err := s.Delivery(t.Context(), order["A83002"][1]); err != nil || d.State != referral.DeliverySuperseded {
			t.Errorf("got %+v, %v", d, explain(err))
		}
	})
}

func TestReplay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		_, order := queued(t, s, 1, 2, "A83002")
		one, two := order["A83002"][0], order["A83002"][1]
		by := referral.Audit{Client: "console", Action: "E", Interaction: "replay", Outcome: "0"}
		replay := func(id string, now time.Time, force bool) error {
			_, err := s.Replay(t.Context(), id, now, force, by)
			return err
		}
		wantIssue(t, replay("no such delivery", epoch, false), issue.NotFound, "")
		wantIssue(t, replay(one, epoch, true), issue.BusinessRule, "replay")
		finish(t, s, claim(t, s, epoch, 1)[0], epoch, referral.DeliveryDead)
		if b, err := s.Pending(t.Context()); err != nil || b.Dead != 1 || b.Queued != 1 || !b.Oldest.Equal(epoch) {
			t.Errorf("got %+v, %v", b, explain(err))
		}

		now := epoch.Add(100 * time.Hour)
		id, err := s.Replay(t.Context(), one, now, false, by)
		if err != nil {
			t.Fatal(explain(err))
		}
		wantIssue(t, replay(one, now, true), issue.BusinessRule, "replay") // one is on its way
		old, _, err := s.Delivery(t.Context(), one)
		if err != nil {
			t.Fatal(explain(err))
		}
		again, tries, err := s.Delivery(t.Context(), id)
		if err != nil || again.ReplayOf != one || !bytes.Equal(again.Body, old.Body) || again.State != referral.DeliveryQueued ||
			again.Attempts != 0 || len(tries) != 0 || !again.Expires.Equal(now.Add(72*time.Hour)) || again.Organisation != "A83002" {
			t.Errorf("got %+v, %v", again, explain(err))
		}
		list := claim(t, s, now, 10)
		if len(list) != 1 || list[0].ID != id {
			t.Fatalf("the replay did not take the place of the old row: %+v", list)
		}
		finish(t, s, list[0], now, referral.DeliveryDead)
		finish(t, s, claim(t, s, now, 10)[0], now, referral.DeliveryDelivered)
		wantIssue(t, replay(one, now, true), issue.BusinessRule, "replay")  // its replay stands for it
		wantIssue(t, replay(id, now, false), issue.BusinessRule, "replay")  // two is newer and has arrived
		wantIssue(t, replay(two, now, false), issue.BusinessRule, "replay") // arrived
		if err := replay(id, now, true); err != nil {
			t.Error(explain(err))
		}
		if err := replay(two, now.Add(time.Second), true); err != nil {
			t.Error(explain(err))
		}

		var got []string
		page := referral.Page{Count: 1}
		for {
			list, after, err := s.Deliveries(t.Context(), store.Outbox{Recipient: "A83002", Page: page})
			if err != nil {
				t.Fatal(explain(err))
			}
			got = append(got, list[0].ID)
			if page.After = after; after == "" {
				break
			}
		}
		if len(got) != 5 || got[4] != one || got[2] != id {
			t.Errorf("got %v", got)
		}
		if list, _, err := s.Deliveries(t.Context(), store.Outbox{State: referral.DeliveryDead, Page: referral.Page{Count: 9}}); err != nil || len(list) != 0 {
			t.Errorf("got %d dead, %v, want none", len(list), explain(err))
		}
	})
}
