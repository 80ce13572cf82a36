package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

const deliveryColumns = `d.id, d.organisation, d.referral, d.recipient, d.state, d.claim, d.attempts, d.problem, d.move, d.kind,
    d.route, d.content_type, d.facts, d.due, d.expires, d.created, d.replay_of, d.supersedes, d.said, d.body`

func (db *database) scanDelivery(rows *sql.Rows) (d referral.Delivery, err error) {
	var due, expires, created int64
	var facts []byte
	err = rows.Scan(&d.ID, &d.Organisation, &d.Referral, &d.Recipient, &d.State, &d.Claim, &d.Attempts, &d.Problem, &d.Move, &d.Kind,
		&d.Route, &d.ContentType, &facts, &due, &expires, &created, &d.ReplayOf, &d.Supersedes, &d.Said, &d.Body)
	if err != nil {
		return d, err
	}
	d.Due, d.Expires, d.Created = fromMilli(due), fromMilli(expires), fromMilli(created)
	if d.Body, err = db.keys.openValue(sealedDelivery, d.Body, d.ID); err != nil {
		return d, err
	}
	return d, json.Unmarshal(facts, &d.Facts)
}

// A row may be claimed when its time has come and no earlier row of the same referral
// to the same recipient still has to go. What answers a message and what goes to the record
// of the patient do not wait for each other: they may go different ways.
const selectClaimable = `
SELECT ` + deliveryColumns + `
FROM delivery d
WHERE d.open = 1 AND d.wake <= ?
  AND %s
  AND NOT EXISTS (
    SELECT 1 FROM delivery e
    WHERE e.referral = d.referral AND e.recipient = d.recipient AND e.open = 1
      AND (e.kind = 'response') = (d.kind = 'response')
      AND (e.place, e.id) < (d.place, d.id))
ORDER BY d.wake
LIMIT CAST(? AS BIGINT)`

const updateClaimed = "UPDATE delivery SET state = 'sending', claim = ?, wake = ? WHERE id = ? AND open = 1"

// What a queue holds: the deliveries of referrals, or those of events, which have no
// referral and wait while their subscriber is sent nothing.
const (
	ofReferrals = "d.referral <> ''"
	ofEvents    = "d.referral = ''\n  AND NOT EXISTS (SELECT 1 FROM subscriber p WHERE p.id = d.recipient AND p.status IN ('paused', 'error', 'off'))"
)

// Notices is the part of the outbox that tells subscribers of events. It is a queue of
// its own, so that slow subscribers do not hold up what goes to the records of patients.
type Notices struct{ s *Store }

// Notices gives the queue of what subscribers are told.
func (s *Store) Notices() Notices { return Notices{s} }

// Claim is the Claim of a Store, for subscribers: those that are paused, off or in error
// are sent nothing.
func (q Notices) Claim(ctx context.Context, now time.Time, lease time.Duration, n int) ([]referral.Delivery, error) {
	return q.s.claim(ctx, ofEvents, now, lease, n)
}

// Finish is the Finish of a Store. A delivery that is dead pauses its subscriber, or
// puts it in error, in the same commit.
func (q Notices) Finish(ctx context.Context, claim string, a referral.Attempt) error {
	return q.s.Finish(ctx, claim, a)
}

// Wake is the Wake of a Store, for this queue.
func (q Notices) Wake() <-chan struct{} { return q.s.wakeEvents }

// Claim takes at most n deliveries that are due, the longest waiting first, and sets
// them to sending until now + lease: rows that are queued, and rows whose lease ran
// out. Of one referral only the first row to each recipient is taken, so that order is
// kept. Each has a Claim, with which alone Finish takes the outcome. Several workers
// and processes may claim at the same time; none gets what another has. Nil when
// nothing is due. Errors: transient.
func (s *Store) Claim(ctx context.Context, now time.Time, lease time.Duration, n int) ([]referral.Delivery, error) {
	return s.claim(ctx, ofReferrals, now, lease, n)
}

func (s *Store) claim(ctx context.Context, which string, now time.Time, lease time.Duration, n int) ([]referral.Delivery, error) {
	due, err := s.anyDue(ctx, which, now)
	if err != nil || !due || n <= 0 {
		return nil, err
	}
	var list []referral.Delivery
	err = s.db.inTransaction(ctx, func(tx session) error {
		rows, err := tx.query(ctx, fmt.Sprintf(selectClaimable, which)+s.db.skipLocked(), now.UnixMilli(), int64(n))
		if err != nil {
			return err
		}
		if list, err = all(rows, s.db.scanDelivery); err != nil {
			return err
		}
		for i := range list {
			d := &list[i]
			d.State, d.Claim = referral.DeliverySending, newID()
			if _, err := tx.exec(ctx, updateClaimed, d.Claim, now.Add(lease).UnixMilli(), d.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fault(err)
	}
	return list, nil
}

// Release queues again what a process that is gone was sending, and gives how many rows
// these were: nobody else works on a SQLite file. On PostgreSQL, where others may be at
// work, it does nothing, and rows come back when their lease ends. Errors: transient.
func (s *Store) Release(ctx context.Context) (n int, err error) {
	if s.db.postgres {
		return 0, nil
	}
	err = s.db.inTransaction(ctx, func(tx session) error {
		rows, err := tx.exec(ctx, "UPDATE delivery SET state = 'queued', claim = '', wake = due WHERE open = 1 AND state = 'sending'")
		n = int(rows)
		return err
	})
	return n, fault(err)
}

// anyDue asks without a writing transaction, so that idle polling disturbs nobody.
func (s *Store) anyDue(ctx context.Context, which string, now time.Time) (bool, error) {
	rows, err := s.db.lookUp(ctx, "SELECT 1 FROM delivery d WHERE d.open = 1 AND d.wake <= ? AND "+which+" LIMIT 1", now.UnixMilli())
	if err != nil {
		return false, fault(err)
	}
	list, err := all(rows, func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) })
	return len(list) > 0, fault(err)
}

// finished is the end of one try.
type finished struct {
	claim   string
	attempt referral.Attempt
}

// Finish records a try and the state after it: delivered, awaiting, dead, or queued until
// Attempt.Due. Acknowledgements that came before it count at once. It shares transactions
// with Commit.
//
// Errors: conflict with the rule "claim-lost" when the lease ran out and another
// worker has claimed the row since, or when it was superseded; exception for a state
// that no try ends in; transient.
func (s *Store) Finish(ctx context.Context, claim string, a referral.Attempt) error {
	switch a.State {
	case referral.DeliveryDelivered, referral.DeliveryAwaiting, referral.DeliveryQueued, referral.DeliveryDead:
	default:
		return issue.New(issue.Exception, "store-finish", "a try ends in delivered, awaiting, queued or dead")
	}
	if claim == "" {
		return claimLost()
	}
	err := s.submit(ctx, &pending{finish: &finished{claim, a}, answer: make(chan error, 1)})
	if err == nil {
		s.rouse() // the next row of the referral may go now
	}
	return err
}

const updateFinished = `
UPDATE delivery SET state = ?, open = ?, claim = '', attempts = ?, due = ?, wake = ?, problem = ?
WHERE id = ? AND claim = ? AND state = 'sending'`

// A subscriber whose delivery is dead is sent no more until somebody looks: what comes
// after it waits, and nothing is lost in silence.
const updateUndeliverable = `
UPDATE subscriber SET problem = 'undeliverable', status = CASE WHEN kind = 'webhook' THEN 'paused' ELSE 'error' END
WHERE status = 'active' AND id = (SELECT d.recipient FROM delivery d WHERE d.id = ? AND d.referral = '')`

const selectSent = "SELECT organisation, route FROM delivery WHERE id = ?"

// write ends the try within a group. answer is for the caller alone.
func (f *finished) write(ctx context.Context, s session, rows *batch) (answer, err error) {
	a := &f.attempt
	again := a.State == referral.DeliveryQueued
	n, err := s.exec(ctx, updateFinished, string(a.State), flag(again), int64(a.Number), milli(a.Due), milli(a.Due), a.Issue, a.Delivery, f.claim)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return claimLost(), nil
	}
	found, err := s.query(ctx, selectSent, a.Delivery)
	if err != nil {
		return nil, err
	}
	sent, err := one(found, func(rows *sql.Rows) (d referral.Delivery, err error) { return d, rows.Scan(&d.Organisation, &d.Route) })
	if err != nil {
		return nil, err
	}
	if sent.Route == acknowledgedRoute {
		if err := acknowledged(ctx, s, a, sent.Organisation); err != nil {
			return nil, err
		}
	}
	if a.State == referral.DeliveryDead {
		if _, err := s.exec(ctx, updateUndeliverable, a.Delivery); err != nil {
			return nil, err
		}
	}
	rows.add(tableAttempt, a.Delivery, int64(a.Number), sent.Organisation, milli(a.At), a.Duration.Milliseconds(), string(a.State), milli(a.Due),
		int64(a.Status), a.Issue, clean(a.Details))
	return nil, nil
}

func claimLost() error {
	return issue.New(issue.Conflict, "claim-lost", "the lease on the delivery ran out, and someone else has it or it was superseded")
}
