package store

import (
	"context"
	"database/sql"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// maxLinked is how many resources at the other end of a link are few: a search then begins
// with them. Of more it is asked for each resource that is walked past whether one of them
// leads to it.
const maxLinked = 300

// linked turns conditions on other resources into conditions on the resource itself, where
// those others are few. The others are in the scope, as whatever is found is: a condition
// tells nothing of what its caller cannot read.
func (s *Store) linked(ctx context.Context, scope referral.Scope, list []referral.Condition) ([]referral.Condition, error) {
	out := make([]referral.Condition, 0, len(list))
	for _, c := range list {
		if c.Link == nil {
			out = append(out, c)
			continue
		}
		direct, err := s.direct(ctx, scope, c)
		if err != nil {
			return nil, err
		}
		if direct != nil {
			c = *direct
		}
		out = append(out, c)
	}
	return out, nil
}

// direct is the condition on the resource itself that a condition over a link comes to; nil
// where too many others meet it.
func (s *Store) direct(ctx context.Context, scope referral.Scope, c referral.Condition) (*referral.Condition, error) {
	l := c.Link
	other, column := l.To, "r.id"
	if c.Back {
		other = l.From
		if l.Kind == referral.ParamPatient {
			column = "r.patient"
		}
	}
	here := c
	here.Link, here.Back = nil, false
	q := referral.Query{Type: other, Conditions: []referral.Condition{here}}
	w, err := s.plan(ctx, scope, &q)
	if err != nil {
		return nil, err
	}
	w.and("r.current = 1 AND r.deleted = 0 AND r.hidden = 0")
	own, args := resourceScope(scope, other)
	w.and(own, args...)
	ids, err := s.texts(ctx, "SELECT "+column+" FROM "+w.from+" WHERE "+w.text.String()+" LIMIT CAST(? AS BIGINT)", append(w.args, int64(s.options.linked+1)))
	if err != nil || len(ids) > s.options.linked {
		return nil, err
	}
	out := referral.Condition{Param: "_id", Kind: referral.ParamID}
	switch {
	case !c.Back:
		out.Param, out.Kind = l.Param, l.Kind
	case l.Kind == referral.ParamRef && len(ids) > 0:
		within, args := in("t.id", ids)
		if ids, err = s.texts(ctx, "SELECT t.value FROM term t WHERE "+within+" AND t.param = ?", append(args, l.Param)); err != nil {
			return nil, err
		}
		ids = below(l.To, ids)
	}
	for _, id := range ids {
		if !c.Back && l.Kind == referral.ParamRef {
			id = l.To + "/" + id
		}
		out.Values = append(out.Values, referral.Value{Text: id})
	}
	return &out, nil
}

// below gives the ids of the references that lead to a type.
func below(resourceType string, references []string) []string {
	var ids []string
	for _, r := range references {
		if n := len(resourceType); len(r) > n && r[:n] == resourceType && r[n] == '/' {
			ids = append(ids, r[n+1:])
		}
	}
	return ids
}

// texts reads one column.
func (s *Store) texts(ctx context.Context, text string, args []any) ([]string, error) {
	rows, err := s.db.query(ctx, text, args...)
	if err != nil {
		return nil, fault(err)
	}
	list, err := all(rows, func(rows *sql.Rows) (v string, err error) { return v, rows.Scan(&v) })
	return list, fault(err)
}

// link adds a condition over a link for a resource that is at hand, named r: the other end
// is named x, and is in the scope too.
func (w *clause) link(scope referral.Scope, c referral.Condition) error {
	l := c.Link
	x := clause{}
	other := l.To
	switch {
	case l.Kind == referral.ParamPatient && !c.Back:
		x.from = "resource x"
		x.and("x.id = r.patient")
	case l.Kind == referral.ParamPatient:
		x.from, other = "resource x", l.From
		x.and("x.patient = r.id")
	case l.Kind == referral.ParamRef && !c.Back:
		x.from = "term l CROSS JOIN resource x"
		x.and("l.id = r.id AND l.param = ? AND l.value >= ? AND l.value < ?", l.Param, l.To+"/", l.To+"0") // 0 follows the slash
		x.and("x.id = SUBSTR(l.value, CAST(? AS INTEGER))", int64(len(l.To)+2))
	case l.Kind == referral.ParamRef:
		x.from, other = "term l CROSS JOIN resource x", l.From
		x.and("l.type = ? AND l.param = ? AND l.value = CAST(? AS TEXT) || r.id", l.From, l.Param, l.To+"/")
		x.and("x.id = l.id")
	default:
		return issue.Newf(issue.Exception, "store-query", "a link of kind %d is not known", l.Kind)
	}
	x.and("x.type || '' = ? AND x.current = 1 AND x.deleted = 0 AND x.hidden = 0", other)
	c.Link = nil
	if err := x.condition(c, "x"); err != nil {
		return err
	}
	own, args := scopeOf(scope, other, "x")
	x.and(own, args...)
	// a scalar, which is asked for each row that is walked past: of an EXISTS PostgreSQL may
	// make a join with all that meet the condition
	w.and("(SELECT 1 FROM "+x.from+" WHERE "+x.text.String()+" LIMIT 1) = 1", x.args...)
	return nil
}
