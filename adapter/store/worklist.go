package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"spadapter/adapter/referral"
)

const referralColumns = `
SELECT f.id, f.organisation, f.owner, f.pool, f.version, f.status, f.business_status, f.patient, f.service_request,
    f.filler, f.sharing, f.dialect, f.attempts, f.created, f.updated, f.former, f.follows, f.root, f.unfiled, f.since, f.due, f.overdue, f.remind,
    f.risk, f.risk_told, f.priority, f.registered, c.body`

const selectReferral = referralColumns + `
FROM referral f JOIN content c ON c.referral = f.id
WHERE `

// scanReferral reads a row of referralColumns, and what follows them into more.
func (db *database) scanReferral(rows *sql.Rows, more ...any) (r referral.Record, err error) {
	var created, updated, since, due, overdue, remind, risk, told int64
	err = rows.Scan(append([]any{&r.ID, &r.Organisation, &r.Owner, &r.Pool, &r.Version, &r.Status, &r.BusinessStatus, &r.Patient, &r.ServiceRequest,
		&r.Filler, &r.Sharing, &r.Dialect, &r.Attempts, &created, &updated, &r.Former, &r.Follows, &r.Root, &r.Unfiled, &since, &due, &overdue, &remind,
		&risk, &told, &r.Priority, &r.Registered, &r.Content}, more...)...)
	r.Created, r.Updated, r.Since, r.Due = fromMilli(created), fromMilli(updated), fromMilli(since), fromMilli(due)
	r.Remind, r.Overdue, r.Risk, r.RiskTold = fromMilli(remind), overdue == 1, risk == 1, told == 1
	if err == nil {
		r.Content, err = db.keys.openValue(sealedContent, r.Content, r.ID)
	}
	return r, err
}

// Referral gives one referral with its content. Errors: not-found, transient.
func (s *Store) Referral(ctx context.Context, scope referral.Scope, id string) (*referral.Record, error) {
	own, args := besideScope(scope, "f")
	rows, err := s.db.lookUp(ctx, selectReferral+"f.id = ? AND "+own, append([]any{clean(id)}, args...)...)
	if err != nil {
		return nil, fault(err)
	}
	r, err := one(rows, func(rows *sql.Rows) (referral.Record, error) { return s.db.scanReferral(rows) })
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, s.missing(ctx, scope, clean(id), notFound("there is no such referral, or none that you may see"))
	case err != nil:
		return nil, fault(err)
	}
	return &r, nil
}

// Referrals gives the worklist in the order of the filter, with content. next is "" on the
// last page; it belongs to this filter and scope. Errors: value for a bad cursor or an
// unknown order, too-costly for more than maxValues alternatives, transient.
func (s *Store) Referrals(ctx context.Context, scope referral.Scope, f referral.Filter) (list []referral.Record, next string, err error) {
	if err := affordable(len(f.Status) + len(f.Business) + len(f.Needs) + len(f.Priority) + len(f.Practices)); err != nil {
		return nil, "", err
	}
	w, err := newWorklist(scope, f)
	if err != nil {
		return nil, "", err
	}
	page := f.Page
	f.Page = referral.Page{}
	name := fmt.Sprintf("referrals %v %q %+v", scope.Role, w.scope.check.args, f)
	after, more, err := decodeCursor(name, page.After)
	if err != nil || page.Count <= 0 || w.empty {
		return nil, "", err
	}
	if more {
		w.after = &after
	}
	w.limit = int64(min(page.Count, math.MaxInt32)) + 1 // one more tells whether there is a next page
	lead, err := s.leadOf(ctx, w)
	if err != nil {
		return nil, "", err
	}
	text, args := w.statement(lead)
	// The contents are read for the rows on the page, not for all that are sorted.
	rows, err := s.db.query(ctx, referralColumns+", p.k\nFROM ("+text+") p CROSS JOIN referral f CROSS JOIN content c\n"+
		"WHERE f.id = p.id AND c.referral = p.id ORDER BY p.k, p.id", args...)
	if err != nil {
		return nil, "", fault(err)
	}
	var key, last int64
	list, err = all(rows, func(rows *sql.Rows) (referral.Record, error) {
		last = key // of the row before
		return s.db.scanReferral(rows, &key)
	})
	if err != nil {
		return nil, "", fault(err)
	}
	if len(list) > page.Count {
		list = list[:page.Count]
		next = cursor{Time: last, ID: list[page.Count-1].ID}.encode(name)
	}
	return list, next, nil
}

const selectOriginal = `
SELECT m.id, m.client, m.dialect, m.content_type, m.sha256, m.body
FROM referral f JOIN message m ON m.id = f.message
WHERE f.id = ? AND `

// Original gives the message that a referral began with, as it was received. Errors:
// not-found, also for a referral that began without one, transient.
func (s *Store) Original(ctx context.Context, scope referral.Scope, id string) (*referral.Message, error) {
	own, args := besideScope(scope, "f")
	rows, err := s.db.lookUp(ctx, selectOriginal+own, append([]any{clean(id)}, args...)...)
	if err != nil {
		return nil, fault(err)
	}
	m, err := one(rows, func(rows *sql.Rows) (m referral.Message, err error) {
		if err = rows.Scan(&m.ID, &m.Client, &m.Dialect, &m.ContentType, &m.SHA256, &m.Body); err == nil {
			m.Body, err = s.db.keys.openValue(sealedMessage, m.Body, m.ID)
		}
		return m, err
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, s.missing(ctx, scope, clean(id), notFound("there is no such referral, or none that you may see, or it began without a message"))
	case err != nil:
		return nil, fault(err)
	}
	return &m, nil
}
