package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// model is what a store should hold, in plain Go.
type model struct {
	s         *store.Store
	prefix    string // tells the runs on one database apart
	now       time.Time
	keys      map[string]string        // value → body of the first response
	resources map[string]*modelVersion // by id, the current version
	order     []string                 // ids in the order they were created
	queue     []*modelDelivery         // in the order to send
}

type modelVersion struct {
	number       int
	organisation string
	code         string
	deleted      bool
	updated      time.Time
}

type modelDelivery struct {
	id, referral, recipient, claim string
	state                          referral.DeliveryState
	wake                           time.Time
	attempts                       int
}

var organisations = []string{"A83002", "B12345"}

// TestModel drives a store and a model with the same random steps.
func TestModel(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		run := 0
		rapid.Check(t, func(rt *rapid.T) {
			run++
			m := &model{s: s, prefix: fmt.Sprintf("%d-", run), now: epoch, keys: map[string]string{}, resources: map[string]*modelVersion{}}
			m.drain(rt)
			rt.Repeat(map[string]func(*rapid.T){
				"commit": m.commit, "update": m.update, "search": m.search, "read": m.read,
				"enqueue": m.enqueue, "claim": m.claimSome, "finish": m.finishOne, "": func(*rapid.T) { m.now = m.now.Add(time.Second) },
			})
		})
	})
}

// drain finishes what the run before left in the queue.
func (m *model) drain(t *rapid.T) {
	for {
		list, err := m.s.Claim(background, m.now.Add(1000*time.Hour), lease, 100)
		if err != nil {
			t.Fatal(explain(err))
		}
		if len(list) == 0 {
			return
		}
		for _, d := range list {
			if err := m.s.Finish(background, d.Claim, try(d, m.now, referral.DeliveryDead)); err != nil {
				t.Fatal(explain(err))
			}
		}
	}
}

func (m *model) commit(t *rapid.T) {
	key := m.prefix + rapid.StringMatching(`[a-e]`).Draw(t, "key")
	id, code := m.s.NewID(), m.prefix+rapid.StringMatching(`[xyz]`).Draw(t, "code")
	organisation := rapid.SampledFrom(organisations).Draw(t, "organisation")
	response := &referral.Response{Status: 201, Body: []byte(id)}
	err := m.s.Commit(background, &referral.Change{Organisation: organisation, At: m.now, Response: response,
		Keys:     []referral.Key{{Kind: referral.KeyRequest, Scope: "client", Value: key}},
		Versions: []referral.Version{{Type: "Observation", ID: id, Number: 1, Body: []byte(id), Terms: []referral.Term{{Param: "code", Value: code}}}}})
	first, known := m.keys[key]
	repeat, isRepeat := errors.AsType[*referral.Repeat](err)
	if known != isRepeat || (err != nil) != isRepeat || known && string(repeat.Response.Body) != first {
		t.Fatalf("key %s, known %v: got %v", key, known, explain(err))
	}
	if !known {
		m.keys[key] = id
		m.resources[id] = &modelVersion{1, organisation, code, false, m.now}
		m.order = append(m.order, id)
	}
}

// An action that does not apply yet is skipped: rapid then draws another in its place,
// and the test goes on.
func (m *model) update(t *rapid.T) {
	if len(m.order) == 0 {
		t.Skip("nothing to update")
	}
	id := rapid.SampledFrom(m.order).Draw(t, "id")
	v := m.resources[id]
	number := v.number + rapid.IntRange(0, 2).Draw(t, "step")
	code, deleted := m.prefix+rapid.StringMatching(`[xyz]`).Draw(t, "code"), rapid.Bool().Draw(t, "deleted")
	err := m.s.Commit(background, &referral.Change{Organisation: v.organisation, At: m.now, Versions: []referral.Version{
		{Type: "Observation", ID: id, Number: number, Deleted: deleted, Body: []byte(id), Terms: []referral.Term{{Param: "code", Value: code}}}}})
	if number == v.number+1 {
		if err != nil {
			t.Fatal(explain(err))
		}
		*v = modelVersion{number, v.organisation, code, deleted, m.now}
	} else if !errors.Is(err, issue.Conflict) {
		t.Fatalf("version %d after %d: got %v", number, v.number, explain(err))
	}
}

func (m *model) search(t *rapid.T) {
	code := m.prefix + rapid.StringMatching(`[xyz]`).Draw(t, "code")
	organisation := rapid.SampledFrom(organisations).Draw(t, "organisation")
	q := referral.Query{Type: "Observation", Page: referral.Page{Count: rapid.IntRange(1, 4).Draw(t, "count")}, Conditions: []referral.Condition{
		{Param: "code", Kind: referral.ParamToken, Values: []referral.Value{{AnySystem: true, Text: code}}}}}
	var want, got []string
	for id, v := range m.resources {
		if v.code == code && !v.deleted && v.organisation == organisation {
			want = append(want, id)
		}
	}
	slices.SortFunc(want, func(a, b string) int {
		if c := m.resources[b].updated.Compare(m.resources[a].updated); c != 0 {
			return c
		}
		return slices.Index(m.order, b) - slices.Index(m.order, a)
	})
	for {
		found, err := m.s.Search(background, requester(organisation), q)
		if err != nil {
			t.Fatal(explain(err))
		}
		for _, v := range found.Versions {
			got = append(got, v.ID)
		}
		if q.Page.After = found.Next; found.Next == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func (m *model) read(t *rapid.T) {
	if len(m.order) == 0 {
		t.Skip("nothing to read")
	}
	id := rapid.SampledFrom(m.order).Draw(t, "id")
	organisation := rapid.SampledFrom(organisations).Draw(t, "organisation")
	v := m.resources[id]
	got, err := m.s.Read(background, requester(organisation), "Observation", id)
	switch {
	case v.organisation != organisation:
		if !errors.Is(err, issue.NotFound) || errors.Is(err, issue.Deleted) {
			t.Fatal(explain(err))
		}
		return
	case v.deleted:
		if !errors.Is(err, issue.Deleted) {
			t.Fatal(explain(err))
		}
	case err != nil || got.Number != v.number:
		t.Fatalf("got %+v, %v, want version %d", got, explain(err), v.number)
	}
	history, err := m.s.History(background, requester(organisation), "Observation", id, referral.Page{Count: 1000})
	if err != nil || len(history.Versions) != v.number {
		t.Fatalf("got %d versions, %v, want %d", len(history.Versions), explain(err), v.number)
	}
}

func (m *model) enqueue(t *rapid.T) {
	d := notice(m.s, m.prefix+rapid.StringMatching(`[rs]`).Draw(t, "referral"), rapid.SampledFrom(organisations).Draw(t, "recipient"), m.now)
	d.Due = m.now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "due")) * time.Second)
	if err := m.s.Commit(background, &referral.Change{Organisation: "A83002", At: m.now, Deliveries: []referral.Delivery{d}}); err != nil {
		t.Fatal(explain(err))
	}
	m.queue = append(m.queue, &modelDelivery{id: d.ID, referral: d.Referral, recipient: d.Recipient, state: referral.DeliveryQueued, wake: d.Due})
}

func (d *modelDelivery) open() bool {
	return d.state == referral.DeliveryQueued || d.state == referral.DeliverySending
}

func (m *model) claimSome(t *rapid.T) {
	now := m.now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "later")) * time.Second)
	claimable := map[string]*modelDelivery{}
	blocked := map[string]bool{}
	for _, d := range m.queue {
		if !d.open() {
			continue
		}
		line := d.referral + "/" + d.recipient
		if !blocked[line] && !d.wake.After(now) {
			claimable[d.id] = d
		}
		blocked[line] = true
	}
	n := rapid.IntRange(1, 3).Draw(t, "n")
	list, err := m.s.Claim(background, now, lease, n)
	if err != nil || len(list) != min(n, len(claimable)) {
		t.Fatalf("claimed %d of %d, %v", len(list), len(claimable), explain(err))
	}
	for _, got := range list {
		d := claimable[got.ID]
		if d == nil || got.Attempts != d.attempts {
			t.Fatalf("%+v was claimed out of turn", got)
		}
		d.state, d.claim, d.wake = referral.DeliverySending, got.Claim, now.Add(lease)
	}
}

func (m *model) finishOne(t *rapid.T) {
	if len(m.queue) == 0 {
		t.Skip("nothing to finish") // skipped: rapid draws another in its place
	}
	d := rapid.SampledFrom(m.queue).Draw(t, "delivery")
	state := rapid.SampledFrom([]referral.DeliveryState{referral.DeliveryDelivered, referral.DeliveryQueued, referral.DeliveryDead}).Draw(t, "state")
	held := d.claim
	if rapid.IntRange(0, 3).Draw(t, "lost") == 0 {
		held = "a claim from before"
	}
	a := try(referral.Delivery{ID: d.id, Attempts: d.attempts}, m.now, state)
	err := m.s.Finish(background, held, a)
	if held == "" || held != d.claim || d.state != referral.DeliverySending {
		if !errors.Is(err, issue.Conflict) {
			t.Fatalf("a lost claim: got %v", explain(err))
		}
		return
	}
	if err != nil {
		t.Fatal(explain(err))
	}
	d.state, d.claim, d.wake, d.attempts = state, "", a.Due, a.Number
}
