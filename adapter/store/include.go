package store

import (
	"context"
	"database/sql"
	"slices"

	"spadapter/adapter/referral"
)

// maxIncluded is how many resources one page includes beside those that were found.
const maxIncluded = 1000

// include adds what the links of a query lead to from the resources that were found, and
// what leads to these, in the scope of the caller. What there is more of is left out, and
// said.
func (s *Store) include(ctx context.Context, scope referral.Scope, q *referral.Query, found *referral.Found) error {
	if len(found.Versions) == 0 || len(q.Included) == 0 && len(q.Referring) == 0 {
		return nil
	}
	seen := map[string]bool{}
	var ids []string
	for i := range found.Versions {
		ids = append(ids, found.Versions[i].ID)
		seen[found.Versions[i].ID] = true
	}
	add := func(resourceType, from, where string, args ...any) error {
		w := clause{from: from}
		w.and(where, args...)
		w.and(anyOrder+" AND r.current = 1 AND r.deleted = 0 AND r.hidden = 0", resourceType)
		own, more := resourceScope(scope, resourceType)
		w.and(own, more...)
		page, err := s.page(ctx, &w, " ORDER BY r.updated DESC, r.id DESC", "", maxIncluded)
		if err != nil {
			return err
		}
		found.More = found.More || page.Next != ""
		for _, v := range page.Versions {
			switch {
			case seen[v.ID]:
			case len(found.Included) == maxIncluded:
				found.More = true
				return nil
			default:
				seen[v.ID] = true
				found.Included = append(found.Included, v)
			}
		}
		return nil
	}
	for _, l := range q.Included {
		targets, err := s.targets(ctx, l, ids, found.Versions)
		if err != nil {
			return err
		}
		for chunk := range slices.Chunk(targets, maxValues) {
			text, args := in("r.id", chunk)
			if err := add(l.To, "resource r", text, args...); err != nil {
				return err
			}
		}
	}
	for _, l := range q.Referring {
		if l.Kind == referral.ParamPatient {
			text, args := in("r.patient", ids)
			if err := add(l.From, "resource r", text, args...); err != nil {
				return err
			}
			continue
		}
		to := make([]string, len(ids))
		for i, id := range ids {
			to[i] = l.To + "/" + id
		}
		text, args := in("t.value", to)
		args = append([]any{l.From, l.Param}, args...)
		from := "(SELECT DISTINCT t.id FROM term t WHERE t.type = ? AND t.param = ? AND " + text + ") d CROSS JOIN resource r"
		w := "r.id = d.id"
		if err := add(l.From, from, w, args...); err != nil {
			return err
		}
	}
	return nil
}

// targets are the ids that a link leads to from resources, each once.
func (s *Store) targets(ctx context.Context, l referral.Link, ids []string, versions []referral.Version) ([]string, error) {
	var list []string
	if l.Kind == referral.ParamPatient {
		for i := range versions {
			list = append(list, versions[i].Patient)
		}
	} else {
		within, args := in("t.id", ids)
		rows, err := s.db.query(ctx, "SELECT t.value FROM term t WHERE "+within+" AND t.param = ?", append(args, l.Param)...)
		if err != nil {
			return nil, fault(err)
		}
		values, err := all(rows, func(rows *sql.Rows) (v string, err error) { return v, rows.Scan(&v) })
		if err != nil {
			return nil, fault(err)
		}
		list = below(l.To, values)
	}
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(id string) bool { return id == "" }), nil
}
