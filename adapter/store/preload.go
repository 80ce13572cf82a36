package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"spadapter/adapter/referral"
)

// A scalar, so that the referral of each event is looked up by its key: what is few is
// guessed to be many before there are statistics, and then all referrals are walked through.
const selectEvents = `
SELECT e.id, e.referral, e.organisation, e.move, e.from_status, e.to_status, e.business_status, e.reason, e.actor, e.role, e.at, e.data, e.activity
FROM event e
WHERE (SELECT 1 FROM referral f WHERE f.id = e.referral AND `

// Events gives the history of one referral in order. Errors: not-found, transient.
func (s *Store) Events(ctx context.Context, scope referral.Scope, id string) ([]referral.Event, error) {
	found, err := s.EventsOf(ctx, scope, []string{id})
	if err != nil {
		return nil, err
	}
	list := found[clean(id)]
	if len(list) == 0 { // every referral has its first event, unless the caller may not see it
		if _, err := s.Referral(ctx, scope, id); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// EventsOf gives the histories of several referrals, each in order, by referral. Those that
// the scope does not hold are left out. Errors: transient.
func (s *Store) EventsOf(ctx context.Context, scope referral.Scope, ids []string) (map[string][]referral.Event, error) {
	out := make(map[string][]referral.Event, len(ids))
	own, args := besideScope(scope, "f")
	err := s.each(ctx, selectEvents+own+") = 1 AND e.referral IN (", args, ids, ") ORDER BY e.referral, e.at, e.id", func(rows *sql.Rows) error {
		var e referral.Event
		var at int64
		err := rows.Scan(&e.ID, &e.Referral, &e.Organisation, &e.Move, &e.From, &e.To, &e.BusinessStatus, &e.Reason, &e.Actor, &e.Role, &at, &e.Data, &e.Activity)
		e.At = fromMilli(at)
		if err == nil {
			e.Data, err = s.db.keys.openValue(sealedEvent, e.Data, e.Referral, e.ID)
		}
		if len(e.Data) == 0 {
			e.Data = nil
		}
		out[e.Referral] = append(out[e.Referral], e)
		return err
	})
	return out, fault(err)
}

// maxJoined is how many resources of one type a referral is shown with that joined it.
const maxJoined = 500

// What joined is found by a term that names the referral. Keys are counted first; the
// documents are read for those that are shown.
var (
	selectJoined = `
SELECT r.type, r.id, r.number, r.organisation, r.updated, r.deleted, r.hidden, r.referral, r.patient, r.since, r.until, r.body, p.value
FROM (
    SELECT r.id, r.number, t.value, r.type, r.updated, ROW_NUMBER() OVER (PARTITION BY t.value, r.type ORDER BY r.updated DESC, r.id DESC) AS place
    FROM term t CROSS JOIN resource r
    WHERE r.id = t.id AND r.current = 1 AND r.deleted = 0 AND r.hidden = 0 AND t.param = '_referral'
      AND t.type IN ('` + strings.Join(referral.Joining, "', '") + `') AND `
	orderJoined = `)
) p CROSS JOIN resource r
WHERE p.place <= ? AND r.id = p.id AND r.number = p.number
ORDER BY ` + ranked("p.type", referral.Joining) + `, p.updated, p.id`
)

// ranked is the place of a column's value in a list of words of ours.
func ranked(column string, list []string) string {
	var b strings.Builder
	b.WriteString("CASE " + column)
	for i, word := range list {
		fmt.Fprintf(&b, " WHEN '%s' THEN %d", word, i)
	}
	return b.String() + " END"
}

// Joined gives what joined referrals after their requests, by referral: what is current of
// the types of referral.Joining, in their order; of each the oldest first, and the newest
// 500. Errors: transient.
func (s *Store) Joined(ctx context.Context, scope referral.Scope, ids []string) (map[string][]referral.Version, error) {
	out := map[string][]referral.Version{}
	own, args := resourceScope(scope, "Observation") // the same for all of them
	err := s.each(ctx, selectJoined+own+" AND t.value IN (", args, ids, orderJoined, func(rows *sql.Rows) error {
		var of string
		v, err := s.db.scanVersion(rows, &of)
		out[of] = append(out[of], v)
		return err
	}, int64(maxJoined))
	return out, fault(err)
}

// ReadAll gives the current versions of resources of one type, by id, without their Terms.
// What is not found, or was deleted, is left out. Errors: transient.
func (s *Store) ReadAll(ctx context.Context, scope referral.Scope, resourceType string, ids []string) (map[string]*referral.Version, error) {
	out := make(map[string]*referral.Version, len(ids))
	own, args := resourceScope(scope, resourceType)
	err := s.each(ctx, selectVersion+"r.type || '' = ? AND r.current = 1 AND r.deleted = 0 AND "+own+" AND r.id IN (", append([]any{clean(resourceType)}, args...), ids, ")",
		func(rows *sql.Rows) error {
			v, err := s.db.scanVersion(rows)
			out[v.ID] = &v
			return err
		})
	return out, fault(err)
}

// each asks for the rows of many ids, as inSteps does: text ends in "IN (", args are those
// before the ids, and after and more follow them.
func (s *Store) each(ctx context.Context, text string, args []any, ids []string, after string, scan func(*sql.Rows) error, more ...any) error {
	ask := s.db.lookUp
	if len(ids) > 1 {
		ask = s.db.query // what reads one row in one way may read many in another
	}
	return inSteps(ctx, func(ctx context.Context, text string, some ...any) (*sql.Rows, error) {
		list := make([]any, 0, len(args)+len(some)+len(more))
		return ask(ctx, text[:len(text)-1]+after, append(append(append(list, args...), some...), more...)...)
	}, text, cleanAll(ids), scan)
}
