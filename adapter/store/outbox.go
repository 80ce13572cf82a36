package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"spadapter/adapter/referral"
)

// Outbox selects deliveries. Empty fields do not filter.
type Outbox struct {
	State     referral.DeliveryState
	Referral  string
	Recipient string // ODS code
	Page      referral.Page
}

// Deliveries lists the outbox, the newest first, without bodies. next is "" on the
// last page. It knows no scope: it is for operators. Errors: value for a bad cursor,
// transient.
func (s *Store) Deliveries(ctx context.Context, f Outbox) (list []referral.Delivery, next string, err error) {
	var w clause
	w.and("1 = 1")
	switch f.State {
	case "":
	case referral.DeliveryDead:
		w.and("d.state = 'dead'") // spelled out for the index on these rows
	case referral.DeliveryAwaiting:
		w.and("d.state = 'awaiting'")
	case referral.DeliveryQueued, referral.DeliverySending:
		w.and("d.open = 1 AND d.state = ?", string(f.State))
	default:
		w.and("d.state = ?", clean(string(f.State)))
	}
	if f.Referral != "" {
		w.and("d.referral = ?", clean(f.Referral))
	}
	if f.Recipient != "" {
		w.and("d.recipient = ?", clean(f.Recipient))
	}
	name := fmt.Sprintf("deliveries %s %q", w.text.String(), w.args)
	after, more, err := decodeCursor(name, f.Page.After)
	if err != nil || f.Page.Count <= 0 {
		return nil, "", err
	}
	if more {
		w.and("d.id < ?", after.ID)
	}
	limit := int64(min(f.Page.Count, math.MaxInt32)) + 1
	rows, err := s.db.query(ctx, selectOutbox+w.text.String()+" ORDER BY d.id DESC LIMIT CAST(? AS BIGINT)", append(w.args, limit)...)
	if err != nil {
		return nil, "", fault(err)
	}
	if list, err = all(rows, s.db.scanDelivery); err != nil {
		return nil, "", fault(err)
	}
	if len(list) > f.Page.Count {
		list = list[:f.Page.Count]
		next = cursor{ID: list[len(list)-1].ID}.encode(name)
	}
	for i := range list {
		list[i].Body = nil
	}
	return list, next, nil
}

// selectOutbox has the columns of deliveryColumns, with nothing for the body.
const selectOutbox = `
SELECT d.id, d.organisation, d.referral, d.recipient, d.state, d.claim, d.attempts, d.problem, d.move, d.kind,
    d.route, d.content_type, d.facts, d.due, d.expires, d.created, d.replay_of, d.supersedes, d.said, NULL
FROM delivery d
WHERE `

const selectDelivery = "SELECT " + deliveryColumns + " FROM delivery d WHERE d.id = ?"

const selectAttempts = `
SELECT a.delivery, a.number, a.at, a.duration, a.state, a.due, a.status, a.issue, a.details
FROM attempt a WHERE a.delivery = ? ORDER BY a.number`

// Delivery gives one delivery with its body, and its tries in order. It knows no
// scope. Errors: not-found, transient.
func (s *Store) Delivery(ctx context.Context, id string) (*referral.Delivery, []referral.Attempt, error) {
	rows, err := s.db.query(ctx, selectDelivery, id)
	if err != nil {
		return nil, nil, fault(err)
	}
	d, err := one(rows, s.db.scanDelivery)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil, notFound("there is no such delivery")
	case err != nil:
		return nil, nil, fault(err)
	}
	rows, err = s.db.query(ctx, selectAttempts, id)
	if err != nil {
		return nil, nil, fault(err)
	}
	tries, err := all(rows, scanAttempt)
	return &d, tries, fault(err)
}

func scanAttempt(rows *sql.Rows) (a referral.Attempt, err error) {
	var at, duration, due int64
	err = rows.Scan(&a.Delivery, &a.Number, &at, &duration, &a.State, &due, &a.Status, &a.Issue, &a.Details)
	a.At, a.Due, a.Duration = fromMilli(at), fromMilli(due), time.Duration(duration)*time.Millisecond
	return a, err
}

// Backlog is how much waits in the outbox, but for what subscribers are told.
type Backlog struct {
	Queued   int
	Sending  int
	Awaiting int // sent, and not acknowledged yet
	Dead     int
	Oldest   time.Time // when the oldest row that still has to go was created; zero when none has
}

const selectBacklog = `
SELECT state, COUNT(*), MIN(created) FROM delivery WHERE open = 1 AND referral <> '' GROUP BY state
UNION ALL
SELECT 'dead', COUNT(*), 0 FROM delivery WHERE state = 'dead' AND referral <> ''
UNION ALL
SELECT 'awaiting', COUNT(*), 0 FROM delivery WHERE state = 'awaiting' AND referral <> ''`

// Pending counts the outbox, for metrics. Errors: transient.
func (s *Store) Pending(ctx context.Context) (Backlog, error) {
	rows, err := s.db.query(ctx, selectBacklog)
	if err != nil {
		return Backlog{}, fault(err)
	}
	var b Backlog
	_, err = all(rows, func(rows *sql.Rows) (struct{}, error) {
		var state referral.DeliveryState
		var n int
		var oldest int64
		if err := rows.Scan(&state, &n, &oldest); err != nil {
			return struct{}{}, err
		}
		switch state {
		case referral.DeliveryQueued:
			b.Queued = n
		case referral.DeliverySending:
			b.Sending = n
		case referral.DeliveryDead:
			b.Dead = n
			return struct{}{}, nil
		case referral.DeliveryAwaiting:
			b.Awaiting = n
			return struct{}{}, nil
		}
		if t := fromMilli(oldest); b.Oldest.IsZero() || t.Before(b.Oldest) {
			b.Oldest = t
		}
		return struct{}{}, nil
	})
	return b, fault(err)
}
