package store

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"spadapter/adapter/referral"
)

const subscriberColumns = "id, kind, audience, organisation, role, client, version, status, problem, url, settings, secret, former, former_until, reached, sent, heartbeat, beat, ends, created, updated"

const selectSubscriber = `
SELECT p.id, p.kind, p.organisation, p.role, p.client, p.version, p.status, p.problem, p.url, p.settings, p.secret, p.former,
    p.former_until, p.reached, p.sent, p.heartbeat, p.beat, p.ends, p.created, p.updated, `

// The deliveries to a subscriber have no referral.
const countOpen = "(SELECT COUNT(*) FROM delivery d WHERE d.referral = '' AND d.recipient = p.id AND d.open = 1)"

func (db *database) scanSubscriber(rows *sql.Rows) (p referral.Subscriber, err error) {
	var until, heartbeat, beat, ends, created, updated int64
	err = rows.Scan(&p.ID, &p.Kind, &p.Organisation, &p.Role, &p.Client, &p.Version, &p.Status, &p.Problem, &p.URL, &p.Settings, &p.Secret, &p.Former,
		&until, &p.Reached, &p.Sent, &heartbeat, &beat, &ends, &created, &updated, &p.Open)
	p.FormerUntil, p.Beat, p.Ends, p.Created, p.Updated = fromMilli(until), fromMilli(beat), fromMilli(ends), fromMilli(created), fromMilli(updated)
	p.Heartbeat = time.Duration(heartbeat) * time.Millisecond
	if err == nil {
		err = db.keys.openText(sealedSecret, &p.Secret, p.ID)
	}
	if err == nil {
		err = db.keys.openText(sealedFormer, &p.Former, p.ID)
	}
	return p, err
}

// AddSubscriber stores a new subscriber, which is told of what comes after this commit.
// Errors: transient.
func (s *Store) AddSubscriber(ctx context.Context, p *referral.Subscriber, a referral.Audit, first ...referral.Delivery) error {
	audience := referral.AudienceOf(p)
	return s.inWriteAudited(ctx, len(first) > 0, func(tx session) error {
		rows, err := tx.query(ctx, selectAudience, audience)
		if err != nil {
			return err
		}
		var oldest int64
		_, err = one(rows, func(rows *sql.Rows) (struct{}, error) { return struct{}{}, rows.Scan(&p.Reached, &oldest) })
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		var b batch
		b.add(tableSubscriber, p.ID, p.Kind, audience, p.Organisation, string(p.Role), p.Client, int64(p.Version), p.Status, p.Problem, clean(p.URL),
			string(p.Settings), p.Secret, p.Former, milli(p.FormerUntil), p.Reached, p.Sent, p.Heartbeat.Milliseconds(), milli(p.Beat), milli(p.Ends),
			milli(p.Created), milli(p.Updated))
		return s.finish(ctx, tx, &b, a, p.Updated, first)
	})
}

// finish adds an audit and deliveries and writes the batch, within inAudited.
func (s *Store) finish(ctx context.Context, tx session, b *batch, a referral.Audit, at time.Time, deliveries []referral.Delivery) error {
	b.addAudit(&a, at)
	for i := range deliveries {
		if err := b.addDelivery(&deliveries[i], i); err != nil {
			return err
		}
	}
	if err := s.db.keys.seal(b); err != nil {
		return err
	}
	return s.records.commit(ctx, tx, b, nil)
}

// inAudited runs one write that brings audit records beside the committers, one at a time:
// there are few of them, and together they are one stream.
func (s *Store) inAudited(ctx context.Context, f func(session) error) error {
	s.aside.Lock()
	defer s.aside.Unlock()
	if err := s.records.begin(ctx, s.db); err != nil {
		return err
	}
	return s.records.settle(s.db.inTransaction(ctx, f))
}

// inWrite runs one write and says what its error means.
func (s *Store) inWrite(ctx context.Context, sends bool, f func(session) error) error {
	return s.wrote(sends, s.db.inTransaction(ctx, f))
}

// inWriteAudited is inWrite for one that calls finish.
func (s *Store) inWriteAudited(ctx context.Context, sends bool, f func(session) error) error {
	return s.wrote(sends, s.inAudited(ctx, f))
}

func (s *Store) wrote(sends bool, err error) error {
	if u, ok := errors.AsType[*unsure](err); ok {
		return unknown(u.cause)
	}
	if err == nil && sends {
		s.rouse()
	}
	return fault(err)
}

// Subscriber gives one subscriber of an audience, or of any for "". Errors: not-found,
// transient.
func (s *Store) Subscriber(ctx context.Context, audience, kind, id string) (*referral.Subscriber, error) {
	var w clause
	w.and("p.id = ? AND p.kind = ?", clean(id), kind)
	if audience != "" {
		w.and("p.audience = ?", clean(audience))
	}
	rows, err := s.db.query(ctx, selectSubscriber+"0 FROM subscriber p WHERE "+w.text.String(), w.args...)
	if err != nil {
		return nil, fault(err)
	}
	p, err := one(rows, s.db.scanSubscriber)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, notFound("there is no such " + kind + ", or none that you may see")
	case err != nil:
		return nil, fault(err)
	}
	return &p, nil
}

// Subscribers lists the subscribers of a kind of an audience, or of all for "", the
// oldest first. Errors: value for a bad cursor, transient.
func (s *Store) Subscribers(ctx context.Context, audience, kind string, page referral.Page) ([]referral.Subscriber, string, error) {
	var w clause
	w.and("p.kind = ?", kind)
	if audience != "" {
		w.and("p.audience = ?", clean(audience))
	}
	name := "subscribers " + kind + " " + audience
	after, more, err := decodeCursor(name, page.After)
	if err != nil || page.Count <= 0 {
		return nil, "", err
	}
	if more {
		w.and("p.id > ?", after.ID)
	}
	limit := int64(min(page.Count, math.MaxInt32)) + 1
	rows, err := s.db.query(ctx, selectSubscriber+"0 FROM subscriber p WHERE "+w.text.String()+" ORDER BY p.id LIMIT CAST(? AS BIGINT)", append(w.args, limit)...)
	if err != nil {
		return nil, "", fault(err)
	}
	list, err := all(rows, s.db.scanSubscriber)
	if err != nil {
		return nil, "", fault(err)
	}
	next := ""
	if len(list) > page.Count {
		list = list[:page.Count]
		next = cursor{ID: list[len(list)-1].ID}.encode(name)
	}
	return list, next, nil
}

const updateSubscriber = `
UPDATE subscriber SET version = ?, status = ?, problem = ?, url = ?, settings = ?, secret = ?, former = ?, former_until = ?,
    reached = CASE WHEN reached < ? THEN ? ELSE reached END, heartbeat = ?, beat = ?, ends = ?, updated = ?
WHERE id = ? AND version = ?`

const (
	dropLane   = "UPDATE delivery SET state = 'superseded', open = 0, claim = '' WHERE referral = '' AND recipient = ? AND open = 1"
	reviveLane = "UPDATE delivery SET due = ?, wake = ?, expires = expires + (? - created) WHERE referral = '' AND recipient = ? AND open = 1 AND state = 'queued'"
)

// ChangeSubscriber stores the next version of a subscriber. Reached only ever grows.
// Errors: conflict with the rule "version-conflict", transient.
func (s *Store) ChangeSubscriber(ctx context.Context, p *referral.Subscriber, order referral.LaneOrder, a referral.Audit, first ...referral.Delivery) error {
	secret, err := s.db.keys.sealValue(sealedSecret, []byte(p.Secret), p.ID)
	if err != nil {
		return err
	}
	former, err := s.db.keys.sealValue(sealedFormer, []byte(p.Former), p.ID)
	if err != nil {
		return err
	}
	return s.inWriteAudited(ctx, true, func(tx session) error {
		n, err := tx.exec(ctx, updateSubscriber, int64(p.Version), p.Status, p.Problem, clean(p.URL), string(p.Settings), string(secret), string(former), milli(p.FormerUntil),
			p.Reached, p.Reached, p.Heartbeat.Milliseconds(), milli(p.Beat), milli(p.Ends), milli(p.Updated), p.ID, int64(p.Version-1))
		if err != nil {
			return err
		}
		if n == 0 {
			return stale()
		}
		now := milli(p.Updated)
		switch order {
		case referral.LaneDropped:
			_, err = tx.exec(ctx, dropLane, p.ID)
		case referral.LaneRevived:
			_, err = tx.exec(ctx, reviveLane, now, now, now, p.ID)
		}
		if err != nil {
			return err
		}
		var b batch
		return s.finish(ctx, tx, &b, a, p.Updated, first)
	})
}

// RemoveSubscriber forgets a subscriber and supersedes what it still had to be sent.
// Errors: not-found, transient.
func (s *Store) RemoveSubscriber(ctx context.Context, p *referral.Subscriber, a referral.Audit) error {
	return s.inWriteAudited(ctx, false, func(tx session) error {
		n, err := tx.exec(ctx, "DELETE FROM subscriber WHERE id = ?", p.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound("there is no such " + p.Kind + " any more")
		}
		for _, text := range []string{dropLane, "DELETE FROM notification WHERE subscriber = ?"} {
			if _, err := tx.exec(ctx, text, p.ID); err != nil {
				return err
			}
		}
		var b batch
		return s.finish(ctx, tx, &b, a, a.At, nil)
	})
}

// MarkSubscriber sets status and problem of a subscriber that has one of the statuses
// from. Errors: transient.
func (s *Store) MarkSubscriber(ctx context.Context, id, status, problem string, from ...string) (bool, error) {
	text, args := in("status", from)
	var n int64
	err := s.inWrite(ctx, false, func(tx session) (err error) {
		n, err = tx.exec(ctx, "UPDATE subscriber SET status = ?, problem = ? WHERE id = ? AND "+text, append([]any{status, problem, id}, args...)...)
		return err
	})
	return n > 0, err
}

const selectDue = `
FROM subscriber p LEFT JOIN audience a ON a.name = p.audience
WHERE (p.status = 'active' OR (p.status = 'error' AND p.kind = 'subscription'))
  AND (a.last > p.reached OR (p.heartbeat > 0 AND p.beat + p.heartbeat <= ?) OR (p.ends > 0 AND p.ends <= ?))
ORDER BY p.id`

// DueSubscribers gives the subscribers that have something coming: active ones, and
// Subscriptions in error. Errors: transient.
func (s *Store) DueSubscribers(ctx context.Context, now time.Time) ([]referral.Subscriber, error) {
	rows, err := s.db.query(ctx, selectSubscriber+countOpen+selectDue, milli(now), milli(now))
	if err != nil {
		return nil, fault(err)
	}
	list, err := all(rows, s.db.scanSubscriber)
	return list, fault(err)
}

const advance = `
UPDATE subscriber SET reached = ?, sent = ?, beat = ?
WHERE id = ? AND version = ? AND status = ? AND reached = ? AND sent = ? AND beat = ?`

// Advance takes a subscriber past some events, unless it is not as it was before; then it
// gives false. Errors: transient.
func (s *Store) Advance(ctx context.Context, a referral.Advance) (bool, error) {
	var done bool
	p := a.Before
	err := s.inWrite(ctx, len(a.Deliveries) > 0, func(tx session) error {
		n, err := tx.exec(ctx, advance, a.Reached, a.Sent, milli(a.Beat), p.ID, int64(p.Version), p.Status, p.Reached, p.Sent, milli(p.Beat))
		if err != nil || n == 0 {
			return err
		}
		var b batch
		for i, event := range a.Numbers {
			b.add(tableNotification, p.ID, a.Sent-int64(len(a.Numbers)-1-i), event)
		}
		for i := range a.Deliveries {
			if err := b.addDelivery(&a.Deliveries[i], i); err != nil {
				return err
			}
		}
		done = true
		return s.db.insert(ctx, tx, &b)
	})
	return done && err == nil, err
}

// Numbers gives which event a Subscription was told of under each number of its own.
// Errors: transient.
func (s *Store) Numbers(ctx context.Context, id string, from, to int64, n int) (map[int64]int64, error) {
	rows, err := s.db.query(ctx, "SELECT number, event FROM notification WHERE subscriber = ? AND number >= ? AND number <= ? ORDER BY number LIMIT CAST(? AS BIGINT)",
		clean(id), from, to, int64(n))
	if err != nil {
		return nil, fault(err)
	}
	out := map[int64]int64{}
	_, err = all(rows, func(rows *sql.Rows) (struct{}, error) {
		var number, event int64
		err := rows.Scan(&number, &event)
		out[number] = event
		return struct{}{}, err
	})
	return out, fault(err)
}

// SubscriberDeliveries lists the deliveries to a subscriber, the newest first, without
// bodies. Errors: value for a bad cursor, transient.
func (s *Store) SubscriberDeliveries(ctx context.Context, id string, state referral.DeliveryState, page referral.Page) (list []referral.Delivery, next string, err error) {
	name := "subscriber " + id + " " + string(state)
	after, more, err := decodeCursor(name, page.After)
	if err != nil || page.Count <= 0 {
		return nil, "", err
	}
	var w clause
	w.and("d.referral = '' AND d.recipient = ?", clean(id))
	if state != "" {
		w.and("d.state = ?", clean(string(state)))
	}
	if more {
		w.and("(d.place, d.id) < (?, ?)", after.Time, after.ID)
	}
	limit := int64(min(page.Count, math.MaxInt32)) + 1
	type placed struct {
		referral.Delivery
		place int64
	}
	rows, err := s.db.query(ctx, selectLane+w.text.String()+" ORDER BY d.place DESC, d.id DESC LIMIT CAST(? AS BIGINT)", append(w.args, limit)...)
	if err != nil {
		return nil, "", fault(err)
	}
	found, err := all(rows, func(rows *sql.Rows) (p placed, err error) {
		var due, expires, created int64
		err = rows.Scan(&p.ID, &p.Organisation, &p.Recipient, &p.State, &p.Attempts, &p.Problem, &p.Move, &p.Kind, &p.Route, &due, &expires, &created,
			&p.ReplayOf, &p.place)
		p.Due, p.Expires, p.Created = fromMilli(due), fromMilli(expires), fromMilli(created)
		return p, err
	})
	if err != nil {
		return nil, "", fault(err)
	}
	if len(found) > page.Count {
		found = found[:page.Count]
		last := found[len(found)-1]
		next = cursor{Time: last.place, ID: last.ID}.encode(name)
	}
	for _, p := range found {
		list = append(list, p.Delivery)
	}
	return list, next, nil
}

const selectLane = `
SELECT d.id, d.organisation, d.recipient, d.state, d.attempts, d.problem, d.move, d.kind, d.route, d.due, d.expires, d.created,
    d.replay_of, d.place
FROM delivery d
WHERE `

// EventBacklog is what stands between events and those who are to be told of them.
type EventBacklog struct {
	Waiting     int            // events without numbers
	Subscribers map[string]int // by kind and status, such as "webhook active"
	Behind      int64          // events that the subscriber which is furthest behind has not been told of
}

// PendingEvents counts for metrics. Errors: transient.
func (s *Store) PendingEvents(ctx context.Context) (EventBacklog, error) {
	b := EventBacklog{Subscribers: map[string]int{}}
	rows, err := s.db.query(ctx, "SELECT COUNT(*) FROM waiting")
	if err != nil {
		return b, fault(err)
	}
	if b.Waiting, err = one(rows, func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) }); err != nil {
		return b, fault(err)
	}
	rows, err = s.db.query(ctx, `
SELECT p.kind, p.status, COUNT(*), MAX(COALESCE(a.last, 0) - p.reached)
FROM subscriber p LEFT JOIN audience a ON a.name = p.audience GROUP BY p.kind, p.status`)
	if err != nil {
		return b, fault(err)
	}
	_, err = all(rows, func(rows *sql.Rows) (struct{}, error) {
		var kind, status string
		var n int
		var behind int64
		err := rows.Scan(&kind, &status, &n, &behind)
		b.Subscribers[kind+" "+status] = n
		b.Behind = max(b.Behind, behind)
		return struct{}{}, err
	})
	return b, fault(err)
}
