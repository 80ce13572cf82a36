package delivery

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// memory is the outbox in memory, with the rules that the Queue states: one row of a
// referral at a time, in order, and a lease that tells one claim from the next.
type memory struct {
	mu       sync.Mutex
	rows     []*referral.Delivery // in the order committed
	attempts []referral.Attempt
	away     error // what Claim and Finish answer while the database is away
	lost     int   // so many calls of Finish do nothing: the process was killed before them
	claims   int   // calls of Claim
}

// put adds n queued rows for a referral and recipient, due at once.
func (m *memory) put(ref, recipient string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for range n {
		m.rows = append(m.rows, &referral.Delivery{
			ID: fmt.Sprintf("d%d", len(m.rows)+1), Referral: ref, Recipient: recipient, Route: "test",
			State: referral.DeliveryQueued, Created: time.Now(), Due: time.Now(), Expires: time.Now().Add(Lifetime),
			Body: []byte("Betty Secret"),
		})
	}
}

func (m *memory) Claim(_ context.Context, now time.Time, lease time.Duration, n int) ([]referral.Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.claims++
	if m.away != nil {
		return nil, m.away
	}
	var due []*referral.Delivery
	busy := map[string]bool{}
	for _, r := range m.rows {
		open := r.State == referral.DeliveryQueued || r.State == referral.DeliverySending
		// of a sending row, Due is the end of its lease
		line := r.Referral + " " + r.Recipient
		if open && !busy[line] && !r.Due.After(now) {
			due = append(due, r)
		}
		busy[line] = busy[line] || open
	}
	slices.SortStableFunc(due, func(a, b *referral.Delivery) int { return a.Due.Compare(b.Due) })
	var out []referral.Delivery
	for _, r := range due[:min(n, len(due))] {
		r.State, r.Due, r.Claim = referral.DeliverySending, now.Add(lease), fmt.Sprintf("%s/%d", r.ID, m.claims)
		out = append(out, *r)
	}
	return out, nil
}

func (m *memory) Finish(_ context.Context, claim string, a referral.Attempt) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return m.away
	}
	if m.lost > 0 {
		m.lost--
		return issue.New(issue.Conflict, "killed", "")
	}
	r := m.row(a.Delivery)
	if r.State != referral.DeliverySending || r.Claim != claim {
		return issue.New(issue.Conflict, "claim-lost", "the claim is no longer held")
	}
	r.State, r.Due, r.Attempts, r.Problem, r.Claim = a.State, a.Due, a.Number, a.Issue, ""
	m.attempts = append(m.attempts, a)
	return nil
}

func (m *memory) row(id string) *referral.Delivery {
	for _, r := range m.rows {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// count gives how many rows to a recipient are in a state.
func (m *memory) count(recipient string, s referral.DeliveryState) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, r := range m.rows {
		if r.Recipient == recipient && r.State == s {
			n++
		}
	}
	return n
}

// claimed gives how often Claim was called.
func (m *memory) claimed() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.claims
}

func (m *memory) set(away error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}
