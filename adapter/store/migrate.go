package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"time"

	"spadapter/adapter/issue"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock is the advisory lock that processes starting on one PostgreSQL
// database take in turn; any number would do that nothing else takes.
const migrationLock = 0x5350_4644

const createMigration = `
CREATE TABLE IF NOT EXISTS migration (
    name   TEXT   NOT NULL PRIMARY KEY,
    sha256 TEXT   NOT NULL,
    at     BIGINT NOT NULL
)`

// migrate runs the migrations that a database has not seen, in the order of their
// names, each in a transaction of its own.
func migrate(ctx context.Context, db *database) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return issue.New(issue.Exception, "migration", "the migrations cannot be listed").Because(err)
	}
	own := map[string]bool{}
	for _, path := range names {
		text, err := migrations.ReadFile(path)
		if err != nil {
			return issue.New(issue.Exception, "migration", "a migration cannot be read").Because(err)
		}
		name := path[len("migrations/"):]
		own[name] = true
		if err := fault(db.inTransaction(ctx, func(s session) error { return apply(ctx, db, s, name, string(text)) })); err != nil {
			return err
		}
	}
	return db.onlyKnown(ctx, own)
}

// apply runs one migration unless it was run before.
func apply(ctx context.Context, db *database, s session, name, text string) error {
	if db.postgres { // SQLite's writer transaction is a lock by itself
		if _, err := s.exec(ctx, "SELECT pg_advisory_xact_lock(?)", int64(migrationLock)); err != nil {
			return err
		}
	}
	if _, err := s.exec(ctx, db.schema(createMigration)); err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(text))
	want := hex.EncodeToString(digest[:])
	rows, err := s.query(ctx, "SELECT sha256 FROM migration WHERE name = ?", name)
	if err != nil {
		return err
	}
	got, err := one(rows, func(rows *sql.Rows) (sum string, err error) { return sum, rows.Scan(&sum) })
	switch {
	case err == nil && got != want:
		return issue.Newf(issue.Conflict, "migration-changed",
			"the database was made by another version of %s: a migration that ran is never edited, add a new one", name)
	case err == nil:
		return nil
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	if _, err := s.exec(ctx, db.schema(text)); err != nil {
		return err
	}
	_, err = s.exec(ctx, "INSERT INTO migration (name, sha256, at) VALUES (?, ?, ?)", name, want, time.Now().UnixMilli())
	return err
}

// onlyKnown refuses a database that a newer program has migrated: this one would
// write rows that the newer one does not expect.
func (db *database) onlyKnown(ctx context.Context, own map[string]bool) error {
	rows, err := db.query(ctx, "SELECT name FROM migration ORDER BY name")
	if err != nil {
		return fault(err)
	}
	names, err := all(rows, func(rows *sql.Rows) (name string, err error) { return name, rows.Scan(&name) })
	if err != nil {
		return fault(err)
	}
	for _, name := range names {
		if !own[name] {
			return issue.Newf(issue.Conflict, "migration-changed",
				"the database has the migration %s, which this program does not know: run the newer program", name)
		}
	}
	return nil
}
