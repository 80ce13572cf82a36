package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
)

const activityColumns = "id, referral, organisation, owner, name, version, status, open, business_status, sessions, created, updated"

const selectActivity = `
SELECT a.id, a.referral, a.organisation, a.owner, a.name, a.version, a.status, a.business_status, a.sessions, a.created, a.updated
FROM activity a
WHERE `

func scanActivity(rows *sql.Rows) (a referral.Activity, err error) {
	var created, updated int64
	err = rows.Scan(&a.ID, &a.Referral, &a.Organisation, &a.Owner, &a.Name, &a.Version, &a.Status, &a.BusinessStatus, &a.Sessions, &created, &updated)
	a.Created, a.Updated = fromMilli(created), fromMilli(updated)
	return a, err
}

// ActivitiesOf gives the sub-Tasks of referrals, the oldest first. It knows no scope.
// Errors: transient.
func (s *Store) ActivitiesOf(ctx context.Context, ids ...string) (list []referral.Activity, err error) {
	err = inSteps(ctx, s.db.lookUp, selectActivity+"a.referral IN (", cleanAll(ids), func(rows *sql.Rows) error {
		a, err := scanActivity(rows)
		list = append(list, a)
		return err
	})
	slices.SortFunc(list, func(a, b referral.Activity) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	return list, fault(err)
}

// activityScope is the condition for rows of activity, named a: a provider sees what was
// sent to it, others what belongs to the referrals they see.
func activityScope(s referral.Scope) (string, []any) {
	own, args := besideScope(s, "f")
	text := "EXISTS (SELECT 1 FROM referral f WHERE f.id = a.referral AND " + own + ")"
	if s.Role != auth.RoleOwner {
		return text, args
	}
	sent, more := in("a.owner", s.Organisations)
	return "(" + text + " OR " + sent + ")", append(args, more...)
}

// Activity gives one sub-Task. Errors: not-found, transient.
func (s *Store) Activity(ctx context.Context, scope referral.Scope, id string) (*referral.Activity, error) {
	own, args := activityScope(scope)
	rows, err := s.db.lookUp(ctx, selectActivity+"a.id = ? AND "+own, append([]any{clean(id)}, args...)...)
	if err != nil {
		return nil, fault(err)
	}
	a, err := one(rows, scanActivity)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, s.missing(ctx, scope, clean(id), notFound("there is no such activity, or none that you may see"))
	case err != nil:
		return nil, fault(err)
	}
	return &a, nil
}

// Activities gives the sub-Tasks that were sent to the organisations of a scope, the
// oldest first. next is "" on the last page. Errors: value for a bad cursor, transient.
func (s *Store) Activities(ctx context.Context, scope referral.Scope, open referral.Wanted, p referral.Page) (list []referral.Activity, next string, err error) {
	var w clause
	sent, args := in("a.owner", scope.Organisations)
	w.and(sent, args...)
	switch open {
	case referral.Yes:
		w.and("a.open = 1")
	case referral.No:
		w.and("a.open = 0")
	}
	name := fmt.Sprintf("activities %s %q", w.text.String(), w.args)
	after, more, err := decodeCursor(name, p.After)
	if err != nil || p.Count <= 0 {
		return nil, "", err
	}
	if more {
		w.and("(a.created, a.id) > (?, ?)", after.Time, after.ID)
	}
	limit := int64(min(p.Count, math.MaxInt32)) + 1
	rows, err := s.db.query(ctx, selectActivity+w.text.String()+" ORDER BY a.created, a.id LIMIT CAST(? AS BIGINT)", append(w.args, limit)...)
	if err != nil {
		return nil, "", fault(err)
	}
	if list, err = all(rows, scanActivity); err != nil {
		return nil, "", fault(err)
	}
	if len(list) > p.Count {
		list = list[:p.Count]
		last := list[len(list)-1]
		next = cursor{Time: milli(last.Created), ID: last.ID}.encode(name)
	}
	return list, next, nil
}

// Outbox gives what was and is to be sent to records about a referral, without bodies, in
// the order to send. It knows no scope. Errors: transient.
func (s *Store) Outbox(ctx context.Context, id string) ([]referral.Delivery, error) {
	if id == "" {
		return nil, nil
	}
	rows, err := s.db.query(ctx, selectOutbox+"d.referral = ? ORDER BY d.place, d.id", clean(id))
	if err != nil {
		return nil, fault(err)
	}
	list, err := all(rows, s.db.scanDelivery)
	for i := range list {
		list[i].Body = nil
	}
	return list, fault(err)
}
