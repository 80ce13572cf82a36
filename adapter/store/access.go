package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// Audits finds audit records, the newest first: for a requester those about its
// organisations' data, for an owner those of its own accesses, for an operator all. A list
// is found under each patient and organisation that it showed. A Count of 0 gives only the
// Total, which is -1 otherwise.
//
// Errors: value for a bad cursor or an unknown parameter, too-costly, transient.
func (s *Store) Audits(ctx context.Context, scope referral.Scope, q referral.Query) (referral.Audits, error) {
	out := referral.Audits{Total: -1}
	list := fmt.Sprintf("audit %+v %+v", scope, q.Conditions)
	after, more, err := decodeCursor(list, q.Page.After)
	if err != nil {
		return out, err
	}
	if !more {
		after.ID = "~" // after every id
	}
	branches, err := accesses(scope, q.Conditions, after.ID)
	if err != nil {
		return out, err
	}
	limit := int64(min(q.Page.Count, math.MaxInt32)) + 1
	var text strings.Builder
	var args []any
	for i, b := range branches {
		if i > 0 {
			text.WriteString("\nUNION ")
		}
		fmt.Fprintf(&text, "SELECT id FROM (SELECT %s AS id FROM %s WHERE %s", b.id, b.from, b.text.String())
		args = append(args, b.args...)
		if q.Page.Count > 0 {
			fmt.Fprintf(&text, " ORDER BY %s DESC LIMIT CAST(? AS BIGINT)", b.id)
			args = append(args, limit)
		}
		fmt.Fprintf(&text, ") b%d", i)
	}
	if q.Page.Count == 0 {
		rows, err := s.db.query(ctx, "SELECT COUNT(*) FROM ("+text.String()+") p", args...)
		if err != nil {
			return out, fault(err)
		}
		out.Total, err = one(rows, func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) })
		return out, fault(err)
	}
	columns := "a." + strings.ReplaceAll(auditColumns, ", ", ", a.")
	rows, err := s.db.query(ctx, "SELECT "+columns+" FROM ("+text.String()+") p CROSS JOIN audit a WHERE a.id = p.id ORDER BY a.id DESC LIMIT CAST(? AS BIGINT)", append(args, limit)...)
	if err != nil {
		return out, fault(err)
	}
	if out.List, err = all(rows, s.db.keys.scanAudit); err != nil {
		return out, fault(err)
	}
	if len(out.List) > q.Page.Count {
		out.List = out.List[:q.Page.Count]
		out.Next = cursor{ID: out.List[q.Page.Count-1].ID}.encode(list)
	}
	return out, nil
}

// branch is one way to find records by an index, in the order of their ids.
type branch struct {
	clause
	id string // the column of the id
}

// accesses makes the branches whose records together meet all conditions. The narrowest of
// id, patient and entity leads, else the scope.
func accesses(scope referral.Scope, conditions []referral.Condition, before string) (list []*branch, err error) {
	values := 0
	find := func(kind referral.ParamKind) int {
		return slices.IndexFunc(conditions, func(c referral.Condition) bool { return c.Kind == kind })
	}
	for _, c := range conditions {
		values += len(c.Values)
	}
	if err := affordable(values); err != nil {
		return nil, err
	}
	direct := func(text string, args ...any) *branch {
		b := &branch{id: "a.id"}
		b.from = "audit a"
		b.and(text, args...)
		b.and("a.id < ?", before)
		list = append(list, b)
		return b
	}
	beside := func(about string) *branch {
		b := &branch{id: "x.audit"}
		b.from = "audit_about x CROSS JOIN audit a"
		b.and("x.about = ? AND x.audit < ? AND a.id = x.audit", about, before)
		list = append(list, b)
		return b
	}
	lead := -1
	switch id, patient, entity := find(referral.ParamID), find(referral.ParamPatient), find(referral.ParamRef); {
	case id >= 0:
		lead = id
		text, args := oneOf("a.id", conditions[id])
		direct(text, args...).seen(scope)
	case patient >= 0:
		lead = patient
		for _, v := range conditions[patient].Values {
			direct("a.patient = ?", clean(v.Text)).seen(scope)
			b := beside("Patient/" + clean(v.Text))
			if scope.Role == auth.RoleRequester {
				own, args := in("x.organisation", scope.Organisations)
				b.and(own, args...)
			} else {
				b.seen(scope)
			}
		}
	case entity >= 0:
		lead = entity
		for _, v := range conditions[entity].Values {
			direct("a.entity = ?", clean(v.Text)).seen(scope)
		}
	case scope.Role == auth.RoleRequester:
		for _, ods := range scope.Organisations {
			if ods != "" {
				direct("a.organisation = ?", ods)
				beside(ods)
			}
		}
	case scope.Role == auth.RoleOwner:
		for _, ods := range scope.Organisations {
			if ods != "" {
				direct("a.actor = ?", ods)
			}
		}
	case scope.Role == auth.RoleOperator:
		if lead = find(referral.ParamOwner); lead < 0 {
			direct("1 = 1")
		} else {
			for _, v := range conditions[lead].Values {
				direct("a.actor = ?", clean(v.Text))
			}
		}
	}
	if len(list) == 0 {
		direct(nothing)
	}
	for i, c := range conditions {
		if i == lead {
			continue
		}
		text, args, err := accessed(c)
		if err != nil {
			return nil, err
		}
		for _, b := range list {
			b.and(text, args...)
		}
	}
	return list, nil
}

// seen limits a branch to what a scope may see.
func (b *branch) seen(scope referral.Scope) {
	switch scope.Role {
	case auth.RoleOperator:
	case auth.RoleRequester:
		own, args := in("a.organisation", scope.Organisations)
		shown, more := in("o.about", scope.Organisations)
		b.and("("+own+" OR EXISTS (SELECT 1 FROM audit_about o WHERE o.audit = a.id AND "+shown+"))", append(args, more...)...)
	case auth.RoleOwner:
		own, args := in("a.actor", scope.Organisations)
		b.and(own, args...)
	default:
		b.and(nothing)
	}
}

// oneOf is the condition that a column has one of the values.
func oneOf(column string, c referral.Condition) (string, []any) {
	args := make([]any, len(c.Values))
	for i, v := range c.Values {
		args[i] = clean(v.Text)
	}
	return column + " IN (" + marks(len(args)) + ")", args
}

// accessed is a condition on a record that is at hand.
func accessed(c referral.Condition) (text string, args []any, err error) {
	switch c.Kind {
	case referral.ParamID:
		text, args = oneOf("a.id", c)
		return text, args, nil
	case referral.ParamPatient:
		text, args = oneOf("a.patient", c)
		for _, v := range c.Values {
			text += " OR EXISTS (SELECT 1 FROM audit_about o WHERE o.about = ? AND o.audit = a.id)"
			args = append(args, "Patient/"+clean(v.Text))
		}
		return "(" + text + ")", args, nil
	case referral.ParamRef:
		text, args = oneOf("a.entity", c)
		return text, args, nil
	case referral.ParamOwner:
		text, args = oneOf("a.actor", c)
		return text, args, nil
	case referral.ParamDate, referral.ParamUpdated:
		var list []string
		for _, v := range c.Values {
			one, more, err := during(v)
			if err != nil {
				return "", nil, err
			}
			list, args = append(list, one), append(args, more...)
		}
		return anyOf(list), args, nil
	}
	column, known := map[string]string{"action": "a.action", "outcome": "a.outcome", "subtype": "a.interaction", "altid": "a.client"}[c.Param]
	if !known {
		return "", nil, issue.Newf(issue.Value, "search-parameter", "audit records are not found by %s", c.Param)
	}
	text, args = oneOf(column, c)
	return text, args, nil
}

// during compares the time of a record with a range.
func during(v referral.Value) (string, []any, error) {
	from, to := v.From.UnixMilli(), v.To.UnixMilli()
	switch v.Prefix {
	case "", "eq":
		return "(a.at >= ? AND a.at < ?)", []any{from, to}, nil
	case "ne":
		return "(a.at < ? OR a.at >= ?)", []any{from, to}, nil
	case "gt":
		return "a.at >= ?", []any{to}, nil
	case "ge":
		return "a.at >= ?", []any{from}, nil
	case "lt":
		return "a.at < ?", []any{from}, nil
	case "le":
		return "a.at < ?", []any{to}, nil
	}
	return "", nil, issue.New(issue.Value, "search-prefix", "a date takes the prefixes eq, ne, gt, ge, lt and le")
}
