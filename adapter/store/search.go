package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// Search gives the current resources that meet a query, the last updated first,
// without hidden and deleted ones. Versions come without their Terms. A Count of 0
// gives only the Total. Next belongs to this query: with another it is refused.
//
// Errors: value for a bad cursor or an unknown prefix, transient.
func (s *Store) Search(ctx context.Context, scope referral.Scope, q referral.Query) (referral.Found, error) {
	var w clause
	w.and("r.type = ? AND r.current = 1 AND r.deleted = 0 AND r.hidden = 0", q.Type)
	own, args := resourceScope(scope)
	w.and(own, args...)
	for _, c := range q.Conditions {
		if err := w.condition(q.Type, c); err != nil {
			return referral.Found{}, err
		}
	}
	list := fmt.Sprintf("search %s %q", w.text.String(), w.args)
	after, more, err := decodeCursor(list, q.Page.After)
	if err != nil {
		return referral.Found{}, err
	}
	total := -1
	if q.Total {
		if total, err = s.count(ctx, &w); err != nil {
			return referral.Found{}, err
		}
	}
	if more {
		w.and("(r.updated, r.id) < (?, ?)", after.Time, after.ID)
	}
	found, err := s.page(ctx, &w, " ORDER BY r.updated DESC, r.id DESC", list, q.Page.Count)
	found.Total = total
	return found, err
}

func (s *Store) count(ctx context.Context, w *clause) (int, error) {
	rows, err := s.db.query(ctx, "SELECT COUNT(*) FROM resource r WHERE "+w.text.String(), w.args...)
	if err != nil {
		return 0, fault(err)
	}
	n, err := one(rows, func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) })
	return n, fault(err)
}

// condition adds one Condition: its Values are alternatives. A condition without
// values holds for nothing.
func (w *clause) condition(resourceType string, c referral.Condition) error {
	var or []string
	var args []any
	for _, v := range c.Values {
		text, more, err := alternative(c.Kind, v)
		if err != nil {
			return err
		}
		or, args = append(or, text), append(args, more...)
	}
	if len(or) == 0 {
		w.and(nothing)
		return nil
	}
	text := "(" + strings.Join(or, " OR ") + ")"
	switch c.Kind {
	case referral.ParamToken, referral.ParamString, referral.ParamRef:
		w.and("r.id IN (SELECT t.id FROM term t WHERE t.type = ? AND t.param = ? AND "+text+")",
			append([]any{resourceType, c.Param}, args...)...)
	default:
		w.and(text, args...)
	}
	return nil
}

func alternative(kind referral.ParamKind, v referral.Value) (string, []any, error) {
	switch kind {
	case referral.ParamToken:
		text, args := token(v)
		return text, args, nil
	case referral.ParamString:
		text, args := startsWith(strings.ToLower(v.Text))
		return text, args, nil
	case referral.ParamRef:
		return "t.value = ?", []any{short(v.Text)}, nil
	case referral.ParamDate:
		return within("r.since", "r.until", v)
	case referral.ParamUpdated:
		return within("r.updated", "r.updated + 1", v)
	case referral.ParamID:
		return "r.id = ?", []any{clean(v.Text)}, nil
	case referral.ParamPatient:
		return "r.patient = ?", []any{clean(v.Text)}, nil
	}
	return "", nil, issue.Newf(issue.Exception, "store-query", "a condition of kind %d is not known", kind)
}

// token writes the forms of a token: code, system|code, |code, system| and, with both
// left open, any value at all.
// Source: https://hl7.org/fhir/R4/search.html#token.
func token(v referral.Value) (string, []any) {
	switch {
	case v.AnySystem && v.AnyCode:
		return "1 = 1", nil
	case v.AnySystem:
		return "t.value = ?", []any{short(v.Text)}
	case v.AnyCode:
		return "t.system = ?", []any{short(v.System)}
	}
	return "(t.value = ? AND t.system = ?)", []any{short(v.Text), short(v.System)}
}

// startsWith compares by a range, which an index serves on both databases, where LIKE
// differs in case. Behind the length where values are cut it compares that much.
func startsWith(prefix string) (string, []any) {
	prefix = prefixOf(clean(prefix))
	return "(t.value >= ? AND t.value < ?)", []any{prefix, prefix + "\U0010FFFF"} // the last code point there is
}

// within compares the range of a resource with the range of a search value. A
// resource without a date meets no comparison.
// Source: https://hl7.org/fhir/R4/search.html#prefix.
func within(since, until string, v referral.Value) (string, []any, error) {
	from, to := int64(farPast), int64(farFuture)
	if !v.From.IsZero() {
		from = v.From.UnixMilli()
	}
	if !v.To.IsZero() {
		to = ceilMilli(v.To)
	}
	inside := "(" + since + " >= ? AND " + until + " <= ?)"
	switch v.Prefix {
	case "", "eq":
		return inside, []any{from, to}, nil
	case "ne":
		return "(" + since + " < ? OR " + until + " > ?)", []any{from, to}, nil
	case "gt":
		return until + " > ?", []any{to}, nil
	case "lt":
		return since + " < ?", []any{from}, nil
	case "ge":
		return "(" + until + " > ? OR " + inside + ")", []any{to, from, to}, nil
	case "le":
		return "(" + since + " < ? OR " + inside + ")", []any{from, from, to}, nil
	}
	return "", nil, issue.New(issue.Value, "search-prefix", "a date is compared with eq, ne, gt, lt, ge or le").With("got %q", v.Prefix)
}

// ceilMilli rounds up, so that the end of a range still lies behind what it held.
func ceilMilli(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}
