package store

import (
	"context"
	"database/sql"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// missing is the answer about an id that was not found: deleted with the rule
// "resource-removed" when it was removed at the end of its retention and the caller might
// have seen it, else the error that is given.
func (s *Store) missing(ctx context.Context, scope referral.Scope, id string, notFound error) error {
	text, args := "1 = 1", []any(nil)
	switch scope.Role {
	case auth.RoleOperator:
	case auth.RoleRequester:
		text, args = in("g.organisation", scope.Organisations)
	case auth.RoleOwner:
		text, args = in("g.owner", scope.Organisations)
	default:
		return notFound
	}
	rows, err := s.db.lookUp(ctx, "SELECT 1 FROM gone g WHERE g.id = ? AND "+text, append([]any{id}, args...)...)
	if err != nil {
		return fault(err)
	}
	found, err := all(rows, func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) })
	switch {
	case err != nil:
		return fault(err)
	case len(found) == 0:
		return notFound
	}
	return issue.New(issue.Deleted, "resource-removed", "the resource was removed at the end of its retention, with all that belonged to it")
}

// goneOf says which of some Patients were removed. Those that were not stay while the
// transaction lasts: what removes people takes the same rows.
func goneOf(ctx context.Context, tx session, db *database, people []string) (map[string]bool, error) {
	if len(people) == 0 {
		return nil, nil
	}
	missing := make(map[string]bool, len(people))
	for _, id := range people {
		missing[id] = true
	}
	end := ""
	if db.postgres {
		end = " FOR KEY SHARE"
	}
	err := inSteps(ctx, func(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
		return tx.query(ctx, text+end, args...)
	},
		"SELECT r.id FROM resource r WHERE r.current = 1 AND r.id IN (", people, func(rows *sql.Rows) error {
			var id string
			err := rows.Scan(&id)
			delete(missing, id)
			return err
		})
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	gone := map[string]bool{}
	var ids []string
	for id := range missing {
		ids = append(ids, id)
	}
	err = inSteps(ctx, tx.query, "SELECT g.id FROM gone g WHERE g.id IN (", ids, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		gone[id] = true
		return err
	})
	return gone, err
}
