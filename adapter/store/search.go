package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
)

// Search gives the current resources that meet a query, in its order, without hidden and
// deleted ones, and on each page what this page includes. Versions come without their
// Terms. A Count of 0 gives only the Total. Next belongs to this query: with another it is
// refused.
//
// Errors: value for a bad cursor or an unknown prefix, too-costly for more than
// maxValues alternatives, transient.
func (s *Store) Search(ctx context.Context, scope referral.Scope, q referral.Query) (referral.Found, error) {
	none := referral.Found{Total: -1}
	values := 0
	for _, c := range q.Conditions {
		values += len(c.Values)
	}
	if err := affordable(values); err != nil {
		return none, err
	}
	own, ownArgs := resourceScope(scope, q.Type)
	list := fmt.Sprintf("search %s %q %s %t%s", own, ownArgs, q.Type, q.Oldest, written(q.Conditions))
	after, more, err := decodeCursor(list, q.Page.After)
	if err != nil {
		return none, err
	}
	q.Conditions = s.db.keys.maskConditions(q.Type, q.Conditions)
	if q.Conditions, err = s.linked(ctx, scope, q.Conditions); err != nil {
		return none, err
	}
	for _, c := range q.Conditions {
		if c.Absent == referral.Either && len(c.Values) == 0 { // nothing meets it
			if q.Total {
				none.Total = 0
			}
			return none, nil
		}
	}
	w, err := s.plan(ctx, scope, &q)
	if err != nil {
		return none, err
	}
	w.and("r.current = 1 AND r.deleted = 0 AND r.hidden = 0")
	w.and(own, ownArgs...)
	if q.Total {
		if none.Total, err = s.count(ctx, w); err != nil {
			return none, err
		}
	}
	order, behind := " ORDER BY r.updated DESC, r.id DESC", "<"
	if q.Oldest {
		order, behind = " ORDER BY r.updated, r.id", ">"
	}
	if more {
		w.and("(r.updated, r.id) "+behind+" (?, ?)", after.Time, after.ID)
	}
	found, err := s.page(ctx, w, order, list, q.Page.Count)
	found.Total = none.Total
	if err != nil {
		return found, err
	}
	return found, s.include(ctx, scope, &q, &found)
}

// written tells conditions apart, so that a cursor belongs to one list.
func written(list []referral.Condition) string {
	var b strings.Builder
	for _, c := range list {
		link := referral.Link{}
		if c.Link != nil {
			link = *c.Link
		}
		c.Link = nil
		fmt.Fprintf(&b, " %+v %+v", c, link)
	}
	return b.String()
}

func (s *Store) count(ctx context.Context, w *clause) (int, error) {
	rows, err := s.db.query(ctx, "SELECT COUNT(*) FROM "+w.from+" WHERE "+w.text.String(), w.args...)
	if err != nil {
		return 0, fault(err)
	}
	n, err := one(rows, func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) })
	return n, fault(err)
}

// anyOrder asks for a type by an expression: no index on types may be used instead.
const anyOrder = "r.type || '' = ?"

// few is how many candidates are better sorted than found by walking through all
// resources of a type from the newest on.
const few = 5000

// plan writes the conditions of a query so that both databases begin at its narrowest
// part, whatever they know of their tables: SQLite knows nothing, PostgreSQL nothing
// for the first minute. In this order: an id or a patient; the rarest term; the
// referrals in the scope; else the resources of the type, the newest first.
func (s *Store) plan(ctx context.Context, scope referral.Scope, q *referral.Query) (*clause, error) {
	w := &clause{from: "resource r"}
	var err error
	lead := -1
	if pointed(q.Conditions) {
		w.and(anyOrder, q.Type)
	} else if i, terms, err := s.rarest(ctx, scope, q); err != nil {
		return nil, err
	} else if i >= 0 {
		lead = i
		w.from = "(SELECT DISTINCT t.id FROM term t WHERE " + terms.text.String() + ") d CROSS JOIN resource r"
		w.args = terms.args
		w.and("r.id = d.id")
		w.and(anyOrder, q.Type)
	} else if ids, args, err := s.ownFew(ctx, scope, q.Type); err != nil {
		return nil, err
	} else if ids != "" {
		w.from = "(" + ids + ") d CROSS JOIN resource r"
		w.args = args
		w.and("r.id = d.id")
		w.and(anyOrder, q.Type)
	} else {
		w.and("r.type = ?", q.Type)
	}
	for i, c := range q.Conditions {
		if i == lead {
			continue
		}
		if c.Link != nil {
			err = w.link(scope, c)
		} else {
			err = w.condition(c, "r")
		}
		if err != nil {
			return nil, err
		}
	}
	return w, nil
}

// pointed reports whether a condition names ids or patients.
func pointed(list []referral.Condition) bool {
	for _, c := range list {
		if c.Link == nil && c.Absent == referral.Either && (c.Kind == referral.ParamID || c.Kind == referral.ParamPatient) {
			return true
		}
	}
	return false
}

// rarest finds the condition on terms that the fewest terms meet, and writes it; -1
// when all are met by many.
func (s *Store) rarest(ctx context.Context, scope referral.Scope, q *referral.Query) (lead int, terms *clause, err error) {
	best, lead := few+1, -1
	for i, c := range q.Conditions {
		if !indexed(c) {
			continue
		}
		text, args, err := alternatives(c, "r")
		if err != nil {
			return -1, nil, err
		}
		w := &clause{}
		w.and("t.type = ? AND t.param = ?", q.Type, c.Param)
		w.and(text, args...)
		if scope.Role == auth.RoleRequester {
			own, args := in("t.organisation", scope.Organisations)
			w.and(own, args...)
		}
		n, err := s.capped(ctx, "SELECT 1 FROM term t WHERE "+w.text.String(), w.args, best)
		if err != nil {
			return -1, nil, err
		}
		if n < best {
			best, lead, terms = n, i, w
		}
	}
	return lead, terms, nil
}

// indexed reports whether the index on the values of terms serves a condition.
func indexed(c referral.Condition) bool {
	if c.Link != nil || c.Not || c.Absent != referral.Either {
		return false
	}
	switch c.Kind {
	case referral.ParamRef, referral.ParamString:
		return len(c.Values) > 0
	case referral.ParamToken:
		for _, v := range c.Values {
			if v.AnyCode {
				return false
			}
		}
		return len(c.Values) > 0
	}
	return false
}

// ownFew gives a query for the ids of the resources of a type that a caller sees, when
// these follow from its referrals and are few; "" otherwise.
func (s *Store) ownFew(ctx context.Context, scope referral.Scope, resourceType string) (string, []any, error) {
	column := ""
	switch {
	case scope.Role == auth.RoleOperator:
	case resourceType == "Task": // the id of a referral is that of its Task
		column = "f.id"
	case resourceType == "Patient" && scope.Role == auth.RoleOwner: // a requester also has patients without a referral
		column = "f.patient"
	}
	own, args := referralScope(scope, "f")
	if own == nothing || column == "" {
		return "", nil, nil
	}
	n, err := s.capped(ctx, "SELECT 1 FROM referral f WHERE "+own, args, few+1)
	if err != nil || n > few {
		return "", nil, err
	}
	text := "SELECT DISTINCT " + column + " AS id FROM referral f WHERE " + own
	if resourceType == "Task" { // and the sub-Tasks: of these referrals, and those sent to a provider
		text += " UNION SELECT t.id FROM referral f CROSS JOIN term t WHERE t.type = 'Task' AND t.param = 'part-of' AND t.value = 'Task/' || f.id AND " + own
		args = append(args[:len(args):len(args)], args...)
		if scope.Role == auth.RoleOwner {
			sent, more := in("a.owner", scope.Organisations)
			text, args = text+" UNION SELECT a.id FROM activity a WHERE "+sent, append(args, more...)
		}
	}
	return text, args, nil
}

// capped counts rows up to a limit. Here as everywhere the limit is cast: SQLite looks
// at the value of a bare LIMIT parameter while it plans, and so plans anew each time.
func (s *Store) capped(ctx context.Context, text string, args []any, limit int) (int, error) {
	rows, err := s.db.query(ctx, "SELECT COUNT(*) FROM ("+text+" LIMIT CAST(? AS BIGINT)) x", append(args[:len(args):len(args)], int64(limit))...)
	if err != nil {
		return 0, fault(err)
	}
	n, err := one(rows, func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) })
	return n, fault(err)
}
