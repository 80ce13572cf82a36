package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"spadapter/adapter/referral"
)

const selectTimes = `
SELECT t.id FROM (
    SELECT f.id, f.due AS at FROM referral f WHERE f.open = 1 AND f.due > 0 AND f.due <= ?
    UNION
    SELECT f.id, f.remind AS at FROM referral f WHERE f.open = 1 AND f.remind > 0 AND f.remind <= ?
) t
GROUP BY t.id ORDER BY MIN(t.at), t.id LIMIT CAST(? AS BIGINT)`

// DueReferrals gives the ids of at most n referrals whose time is over, or of which a
// timer reminds somebody, the longest over first. Errors: transient.
func (s *Store) DueReferrals(ctx context.Context, now time.Time, n int) ([]string, error) {
	rows, err := s.db.query(ctx, selectTimes, now.UnixMilli(), now.UnixMilli(), int64(n))
	if err != nil {
		return nil, fault(err)
	}
	list, err := all(rows, func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) })
	return list, fault(err)
}

// What must still reach a record: a delivery that has to go, is not acknowledged or is dead, or an outcome that
// nothing could be made of.
const stillOpen = "(f.unfiled <> '' OR EXISTS (SELECT 1 FROM delivery d WHERE d.referral = f.id AND (d.open = 1 OR d.state IN ('dead', 'awaiting'))))"

const selectCounts = `
SELECT c.organisation,
    SUM(CASE WHEN c.place = 1 THEN 1 ELSE 0 END), SUM(CASE WHEN c.place = 2 THEN 1 ELSE 0 END), SUM(CASE WHEN c.place = 3 THEN 1 ELSE 0 END),
    SUM(CASE WHEN c.place = 4 THEN 1 ELSE 0 END), SUM(CASE WHEN c.place = 5 THEN 1 ELSE 0 END), SUM(c.late)
FROM (
    SELECT f.organisation,
        CASE WHEN f.open = 1 AND (f.former <> '' OR f.status IN ('requested', 'received') AND f.business_status <> 'info-requested') THEN 1
             WHEN f.open = 1 AND f.status = 'received' THEN 2
             WHEN f.open = 1 THEN 3
             WHEN ` + stillOpen + ` THEN 5
             ELSE 4 END AS place,
        CASE WHEN f.open = 1 AND (f.overdue = 1 OR f.due > 0 AND f.due <= ?) THEN 1 ELSE 0 END AS late
    FROM referral f WHERE `

const selectLate = `
SELECT f.id, f.patient, f.organisation, f.owner, f.status, f.business_status, f.since, f.due
FROM referral f
WHERE f.open = 1 AND (f.overdue = 1 OR f.due > 0 AND f.due <= ?) AND `

const selectUndelivered = `
SELECT u.id, u.referral, u.patient, u.organisation, u.status, u.move, u.recipient, u.state, u.attempts, u.created, u.problem,
    COALESCE(NULLIF(u.said, ''), (SELECT t.details FROM attempt t WHERE t.delivery = u.id ORDER BY t.number DESC LIMIT 1), '')
FROM (
    SELECT d.id, d.referral, f.patient, f.organisation, f.status, d.move, d.recipient, d.state, d.attempts, d.created, d.problem, d.said
    FROM delivery d JOIN referral f ON f.id = d.referral
    WHERE d.referral <> '' AND d.kind IN ('write-back', 'response') AND (d.open = 1 OR d.state = 'dead' OR d.state = 'awaiting') AND %s
    UNION ALL
    SELECT f.id, f.id, f.patient, f.organisation, f.status, '', '', 'unfiled', 0, f.since, f.unfiled, ''
    FROM referral f WHERE f.unfiled <> '' AND %s
) u
WHERE `

// Ledger gives the open loops of a scope, the oldest first. Errors: value for a bad
// cursor, transient.
func (s *Store) Ledger(ctx context.Context, scope referral.Scope, q referral.LedgerQuery) (*referral.Ledger, error) {
	own, args := referralScope(scope, "f")
	l := &referral.Ledger{AsOf: q.Now, Overdue: []referral.LedgerEntry{}, Undelivered: []referral.LedgerOutcome{}}
	now := q.Now.UnixMilli()
	rows, err := s.db.query(ctx, selectCounts+own+") c GROUP BY c.organisation ORDER BY c.organisation", append([]any{now}, args...)...)
	if err != nil {
		return nil, fault(err)
	}
	l.Counts, err = all(rows, func(rows *sql.Rows) (c referral.LedgerCount, err error) {
		err = rows.Scan(&c.Practice.ODS, &c.WaitingForService, &c.WaitingForRequester, &c.InService, &c.ClosedDelivered, &c.ClosedOpen, &c.Overdue)
		return c, err
	})
	if err != nil {
		return nil, fault(err)
	}
	if l.Counts == nil {
		l.Counts = []referral.LedgerCount{}
	}
	if err := s.late(ctx, l, q, own, args); err != nil {
		return nil, err
	}
	return l, s.undelivered(ctx, l, q, own, args)
}

func (s *Store) late(ctx context.Context, l *referral.Ledger, q referral.LedgerQuery, own string, scoped []any) error {
	after, more, err := decodeCursor("overdue", q.Cursor.Overdue)
	if err != nil {
		return err
	}
	text, args := selectLate+own, append([]any{q.Now.UnixMilli()}, scoped...)
	if more {
		text, args = text+" AND (f.since, f.id) > (?, ?)", append(args, after.Time, after.ID)
	}
	rows, err := s.db.query(ctx, text+" ORDER BY f.since, f.id LIMIT CAST(? AS BIGINT)", append(args, limitOf(q.Count))...)
	if err != nil {
		return fault(err)
	}
	list, err := all(rows, func(rows *sql.Rows) (e referral.LedgerEntry, err error) {
		var owner string
		var since, due int64
		err = rows.Scan(&e.Referral, &e.Patient, &e.Practice.ODS, &owner, &e.Status, &e.BusinessStatus, &since, &due)
		if owner != "" {
			e.Owner = &referral.Party{ODS: owner}
		}
		if e.Since = fromMilli(since); due > 0 {
			at := fromMilli(due)
			e.Due = &at
		}
		return e, err
	})
	if err != nil {
		return fault(err)
	}
	if len(list) > q.Count {
		list = list[:q.Count]
		last := list[len(list)-1]
		l.Next.Overdue = cursor{Time: milli(last.Since), ID: last.Referral}.encode("overdue")
	}
	l.Overdue = append(l.Overdue, list...)
	return nil
}

func (s *Store) undelivered(ctx context.Context, l *referral.Ledger, q referral.LedgerQuery, own string, scoped []any) error {
	after, more, err := decodeCursor("undelivered", q.Cursor.Undelivered)
	if err != nil {
		return err
	}
	text, args := fmt.Sprintf(selectUndelivered, own, own), append(append([]any{}, scoped...), scoped...)
	if more {
		text, args = text+"(u.created, u.id) > (?, ?)", append(args, after.Time, after.ID)
	} else {
		text += "1 = 1"
	}
	rows, err := s.db.query(ctx, text+" ORDER BY u.created, u.id LIMIT CAST(? AS BIGINT)", append(args, limitOf(q.Count))...)
	if err != nil {
		return fault(err)
	}
	type found struct {
		referral.LedgerOutcome
		id string
	}
	list, err := all(rows, func(rows *sql.Rows) (o found, err error) {
		var recipient string
		var created int64
		err = rows.Scan(&o.id, &o.Referral, &o.Patient, &o.Practice.ODS, &o.Status, &o.Move, &recipient, &o.State, &o.Attempts, &created, &o.Why, &o.Details)
		o.Since = fromMilli(created)
		if o.State != "unfiled" {
			o.Delivery, o.Recipient = o.id, &referral.Party{ODS: recipient}
		}
		return o, err
	})
	if err != nil {
		return fault(err)
	}
	if len(list) > q.Count {
		list = list[:q.Count]
		last := list[len(list)-1]
		l.Next.Undelivered = cursor{Time: milli(last.Since), ID: last.id}.encode("undelivered")
	}
	for _, o := range list {
		l.Undelivered = append(l.Undelivered, o.LedgerOutcome)
	}
	return nil
}

func limitOf(count int) int64 { return int64(min(max(count, 1), math.MaxInt32-1)) + 1 }
