package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"spadapter/adapter/referral"
)

const selectReferral = `
SELECT f.id, f.organisation, f.owner, f.pool, f.version, f.status, f.business_status, f.patient, f.service_request,
    f.filler, f.sharing, f.dialect, f.attempts, f.created, f.updated, f.former, f.follows, f.root, f.unfiled, f.since, f.due, f.overdue, f.remind, c.body
FROM %s f JOIN content c ON c.referral = f.id
WHERE %s`

func scanReferral(rows *sql.Rows) (r referral.Record, err error) {
	var created, updated, since, due, overdue, remind int64
	err = rows.Scan(&r.ID, &r.Organisation, &r.Owner, &r.Pool, &r.Version, &r.Status, &r.BusinessStatus, &r.Patient, &r.ServiceRequest,
		&r.Filler, &r.Sharing, &r.Dialect, &r.Attempts, &created, &updated, &r.Former, &r.Follows, &r.Root, &r.Unfiled, &since, &due, &overdue, &remind, &r.Content)
	r.Created, r.Updated, r.Since, r.Due, r.Overdue, r.Remind = fromMilli(created), fromMilli(updated), fromMilli(since), fromMilli(due), overdue == 1, fromMilli(remind)
	return r, err
}

// Referral gives one referral with its content. Errors: not-found, transient.
func (s *Store) Referral(ctx context.Context, scope referral.Scope, id string) (*referral.Record, error) {
	var w clause
	w.and("f.id = ?", clean(id))
	own, args := referralScope(scope, "f")
	w.and(own, args...)
	rows, err := s.db.query(ctx, fmt.Sprintf(selectReferral, "referral", w.text.String()), w.args...)
	if err != nil {
		return nil, fault(err)
	}
	r, err := one(rows, scanReferral)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, notFound("there is no such referral, or none that you may see")
	case err != nil:
		return nil, fault(err)
	}
	return &r, nil
}

// Referrals gives the worklist, the oldest first, with content. next is "" on the last
// page; it belongs to this filter. Errors: value for a bad cursor, too-costly for more
// than maxValues statuses, transient.
func (s *Store) Referrals(ctx context.Context, scope referral.Scope, f referral.Filter) (list []referral.Record, next string, err error) {
	if err := affordable(len(f.Status)); err != nil {
		return nil, "", err
	}
	var w clause
	own, args := referralScope(scope, "f")
	w.and(own, args...)
	w.filter(f)
	name := fmt.Sprintf("referrals %s %q", w.text.String(), w.args)
	after, more, err := decodeCursor(name, f.Page.After)
	if err != nil || f.Page.Count <= 0 {
		return nil, "", err
	}
	if more {
		w.and("(f.created, f.id) > (?, ?)", after.Time, after.ID)
	}
	limit := int64(min(f.Page.Count, math.MaxInt32)) + 1
	// The contents are read for the rows on the page, not for all that are sorted.
	inner := "(SELECT * FROM referral f WHERE " + w.text.String() + " ORDER BY f.created, f.id LIMIT CAST(? AS BIGINT))"
	rows, err := s.db.query(ctx, fmt.Sprintf(selectReferral, inner, "1 = 1 ORDER BY f.created, f.id"), append(w.args, limit)...)
	if err != nil {
		return nil, "", fault(err)
	}
	if list, err = all(rows, scanReferral); err != nil {
		return nil, "", fault(err)
	}
	if len(list) > f.Page.Count {
		list = list[:f.Page.Count]
		last := list[len(list)-1]
		next = cursor{Time: milli(last.Created), ID: last.ID}.encode(name)
	}
	return list, next, nil
}

func (w *clause) filter(f referral.Filter) {
	if len(f.Status) > 0 {
		text, args := in("f.status", cleanAll(f.Status))
		w.and(text, args...)
	}
	switch f.Owner {
	case "":
	case "-":
		w.and("f.owner = ''")
	default:
		w.and("f.owner = ?", clean(f.Owner))
	}
	if f.Patient != "" {
		w.and("f.patient = ?", clean(f.Patient))
	}
	if f.Open {
		w.and("f.open = 1")
	}
	if !f.Since.IsZero() {
		w.and("f.updated >= ?", f.Since.UnixMilli())
	}
}

const selectEvents = `
SELECT e.id, e.referral, e.organisation, e.move, e.from_status, e.to_status, e.business_status, e.reason, e.actor, e.role, e.at, e.data, e.activity
FROM event e JOIN referral f ON f.id = e.referral
WHERE e.referral = ? AND `

// Events gives the history of one referral in order. Errors: not-found, transient.
func (s *Store) Events(ctx context.Context, scope referral.Scope, id string) ([]referral.Event, error) {
	own, args := referralScope(scope, "f")
	rows, err := s.db.query(ctx, selectEvents+own+" ORDER BY e.at, e.id", append([]any{clean(id)}, args...)...)
	if err != nil {
		return nil, fault(err)
	}
	list, err := all(rows, func(rows *sql.Rows) (e referral.Event, err error) {
		var at int64
		err = rows.Scan(&e.ID, &e.Referral, &e.Organisation, &e.Move, &e.From, &e.To, &e.BusinessStatus, &e.Reason, &e.Actor, &e.Role, &at, &e.Data, &e.Activity)
		e.At = fromMilli(at)
		if len(e.Data) == 0 {
			e.Data = nil
		}
		return e, err
	})
	if err != nil {
		return nil, fault(err)
	}
	if len(list) == 0 { // every referral has its first event, unless the caller may not see it
		if _, err := s.Referral(ctx, scope, id); err != nil {
			return nil, err
		}
	}
	return list, nil
}

const selectOriginal = `
SELECT m.id, m.client, m.dialect, m.content_type, m.sha256, m.body
FROM referral f JOIN message m ON m.id = f.message
WHERE f.id = ? AND `

// Original gives the message that a referral began with, as it was received. Errors:
// not-found, also for a referral that began without one, transient.
func (s *Store) Original(ctx context.Context, scope referral.Scope, id string) (*referral.Message, error) {
	own, args := referralScope(scope, "f")
	rows, err := s.db.query(ctx, selectOriginal+own, append([]any{clean(id)}, args...)...)
	if err != nil {
		return nil, fault(err)
	}
	m, err := one(rows, func(rows *sql.Rows) (m referral.Message, err error) {
		return m, rows.Scan(&m.ID, &m.Client, &m.Dialect, &m.ContentType, &m.SHA256, &m.Body)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, notFound("there is no such referral, or none that you may see, or it began without a message")
	case err != nil:
		return nil, fault(err)
	}
	return &m, nil
}
