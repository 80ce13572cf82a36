package store

import (
	"context"
	"database/sql"
	"strings"

	"spadapter/adapter/referral"
)

// Trace lets a test see each statement that finds in the directory.
func (d *Directory) Trace(see func(text string, args []any)) { d.trace = see }

// Spell gives a statement as the database of d takes it.
func (d *Directory) Spell(text string) string { return d.db.text(text) }

// ReadPlan gives how SQLite finds the current version of a resource, in its own words.
func (s *Store) ReadPlan(ctx context.Context, scope referral.Scope, resourceType, id string) (string, error) {
	text, args := versionQuery(scope, resourceType, byID+" AND r.current = 1", id, resourceType)
	rows, err := s.db.query(ctx, "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		return "", err
	}
	lines, err := all(rows, func(rows *sql.Rows) (line string, err error) {
		var id, parent, unused int
		return line, rows.Scan(&id, &parent, &unused, &line)
	})
	return strings.Join(lines, "\n"), err
}

// Trace lets a test see each statement that reads, outside and inside transactions.
func (s *Store) Trace(see func(text string, args []any)) {
	if see == nil {
		s.db.trace = nil
		return
	}
	s.db.trace = func(_ context.Context, text string, args []any) { see(text, args) }
}

// Spell gives a statement as the database of s takes it.
func (s *Store) Spell(text string) string { return s.db.text(text) }

// Few sets how many rows are sorted at most, and how many of one holder are many.
func (s *Store) Few(few, many int) { s.options.few, s.options.many = few, many }

// Linked sets how many resources at the other end of a link are few.
func (s *Store) Linked(few int) { s.options.linked = few }

// Planned is how PostgreSQL is to plan our statements.
var Planned = planned

// AuditColumns are the columns of audit in the order of its hash.
const AuditColumns = auditColumns
