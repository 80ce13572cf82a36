package store

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

const selectColumns = `
SELECT r.type, r.id, r.number, r.organisation, r.updated, r.deleted, r.hidden, r.referral, r.patient, r.since, r.until, r.body
`

const selectVersion = selectColumns + "FROM resource r WHERE "

// scanVersion reads a row of selectColumns, and what follows them into more.
func (db *database) scanVersion(rows *sql.Rows, more ...any) (v referral.Version, err error) {
	var updated int64
	var since, until sql.NullInt64
	var deleted, hidden int64
	var body []byte
	err = rows.Scan(append([]any{&v.Type, &v.ID, &v.Number, &v.Organisation, &updated, &deleted, &hidden, &v.Referral, &v.Patient, &since, &until, &body}, more...)...)
	v.Updated, v.Deleted, v.Hidden = fromMilli(updated), deleted == 1, hidden == 1
	v.From, v.To = end(since), end(until)
	if err != nil || v.Deleted {
		return v, err
	}
	v.Body, err = db.keys.openValue(sealedResource, body, v.ID, v.Number)
	return v, err
}

func (db *database) justVersion(rows *sql.Rows) (referral.Version, error) {
	return db.scanVersion(rows)
}

// end reads one end of a range of dates; the zero time when it is open or missing.
func end(n sql.NullInt64) time.Time {
	if !n.Valid || n.Int64 == farPast || n.Int64 == farFuture {
		return time.Time{}
	}
	return time.UnixMilli(n.Int64).UTC()
}

// byID names a resource. The type is an expression, so that nothing but the key can serve
// it: SQLite would else walk through all resources of the type.
const byID = "r.id = ? AND " + anyOrder

// Read gives the current version of a resource, without its Terms. Errors: not-found,
// deleted, transient.
func (s *Store) Read(ctx context.Context, scope referral.Scope, resourceType, id string) (*referral.Version, error) {
	return s.version(ctx, scope, resourceType, byID+" AND r.current = 1", clean(id), clean(resourceType))
}

// ReadVersion gives one version of a resource, without its Terms. Errors: not-found,
// deleted when that version is the deletion, transient.
func (s *Store) ReadVersion(ctx context.Context, scope referral.Scope, resourceType, id string, number int) (*referral.Version, error) {
	return s.version(ctx, scope, resourceType, byID+" AND r.number = ?", clean(id), clean(resourceType), int64(number))
}

func (s *Store) version(ctx context.Context, scope referral.Scope, resourceType, which string, args ...any) (*referral.Version, error) {
	text, args := versionQuery(scope, resourceType, which, args...)
	rows, err := s.db.lookUp(ctx, text, args...)
	if err != nil {
		return nil, fault(err)
	}
	v, err := one(rows, s.db.justVersion)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, s.missing(ctx, scope, args[0].(string), notFound("there is no such resource, or none that you may see"))
	case err != nil:
		return nil, fault(err)
	case v.Deleted:
		return nil, issue.New(issue.Deleted, "resource-deleted", "the resource was deleted")
	}
	return &v, nil
}

func versionQuery(scope referral.Scope, resourceType, which string, args ...any) (string, []any) {
	var w clause
	w.and(which, args...)
	own, more := resourceScope(scope, resourceType)
	w.and(own, more...)
	return selectVersion + w.text.String(), w.args
}

func notFound(details string) error { return issue.New(issue.NotFound, "not-found", details) }

// History gives the versions of one resource, or of all of a type when id is "",
// deletions included, newest first. It is empty, not an error, for a type without
// versions. Errors: not-found for an unknown id, value for a bad cursor, transient.
func (s *Store) History(ctx context.Context, scope referral.Scope, resourceType, id string, p referral.Page) (referral.Found, error) {
	list := "history " + resourceType + "/" + id
	after, more, err := decodeCursor(list, p.After)
	if err != nil {
		return referral.Found{}, err
	}
	w := clause{from: "resource r"}
	order := " ORDER BY r.updated DESC, r.id DESC, r.number DESC"
	if id != "" {
		order = " ORDER BY r.number DESC"
		w.and(byID, clean(id), clean(resourceType))
	} else {
		w.and("r.type = ?", clean(resourceType))
	}
	own, args := resourceScope(scope, resourceType)
	w.and(own, args...)
	switch {
	case more && id != "":
		w.and("r.number < ?", int64(after.Number))
	case more:
		w.and("(r.updated, r.id, r.number) < (?, ?, ?)", after.Time, after.ID, int64(after.Number))
	}
	found, err := s.page(ctx, &w, order, list, p.Count)
	if err != nil {
		return referral.Found{}, err
	}
	if id != "" && !more && p.Count > 0 && len(found.Versions) == 0 {
		return referral.Found{}, s.missing(ctx, scope, clean(id), notFound("there is no such resource, or none that you may see"))
	}
	return found, nil
}

// page reads at most count versions and says where to go on. Rows are chosen and
// sorted by their keys alone; the documents are read for those that are on the page.
func (s *Store) page(ctx context.Context, w *clause, order, list string, count int) (referral.Found, error) {
	out := referral.Found{Total: -1}
	if count <= 0 {
		return out, nil
	}
	text := selectColumns + "FROM (SELECT r.id, r.number FROM " + w.from + " WHERE " + w.text.String() + order + " LIMIT CAST(? AS BIGINT)) p\n" +
		"CROSS JOIN resource r WHERE r.id = p.id AND r.number = p.number" + order
	limit := int64(min(count, math.MaxInt32)) + 1 // one more tells whether there is a next page
	rows, err := s.db.query(ctx, text, append(w.args[:len(w.args):len(w.args)], limit)...)
	if err != nil {
		return out, fault(err)
	}
	if out.Versions, err = all(rows, s.db.justVersion); err != nil {
		return out, fault(err)
	}
	if len(out.Versions) > count {
		out.Versions = out.Versions[:count]
		last := out.Versions[count-1]
		out.Next = cursor{Time: milli(last.Updated), ID: last.ID, Number: last.Number}.encode(list)
	}
	return out, nil
}
