package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// Backup copies a SQLite database into a new file that only its owner may read, as it is at
// one moment, while others write. The copy is checked and opened before it gets its name,
// so that a file of that name is a whole one. Nothing is overwritten. opts are those that
// Open takes.
// Source: https://www.sqlite.org/lang_vacuum.html#vacuuminto.
//
// Errors: not-supported for another database, duplicate when the file exists, no-store, and
// those of Open.
func Backup(ctx context.Context, databaseURL, path string, opts ...Option) error {
	from, ok := strings.CutPrefix(databaseURL, "sqlite:")
	if !ok || from == ":memory:" {
		return issue.New(issue.NotSupported, "backup", "only a SQLite file is copied like this: use pg_dump for PostgreSQL")
	}
	from = strings.TrimPrefix(from, "//")
	if _, err := os.Stat(from); err != nil {
		return issue.New(issue.NoStore, "backup", "there is no database file to copy").Because(err)
	}
	if _, err := os.Lstat(path); err == nil {
		return existing()
	}
	part := path + ".part"
	file, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // SQLite would make one that everyone may read, and takes an empty one
	if errors.Is(err, fs.ErrExist) {
		return issue.New(issue.Duplicate, "backup", "a backup to this file is being made, or was not ended: remove the file that ends in .part when nobody makes it")
	}
	if err != nil {
		return unwritable(err)
	}
	file.Close()
	defer os.Remove(part)
	if err := copyInto(ctx, from, part); err != nil {
		return err
	}
	s, err := Open(ctx, "sqlite:"+part, opts...)
	if err != nil {
		return err
	}
	if err := s.Close(ctx); err != nil {
		return err
	}
	if err := flush(part); err != nil {
		return unwritable(err)
	}
	if err := os.Link(part, path); errors.Is(err, fs.ErrExist) { // unlike a rename it replaces nothing
		return existing()
	} else if err != nil {
		return unwritable(err)
	}
	return nil
}

func existing() error {
	return issue.New(issue.Duplicate, "backup", "the file exists and is kept: name another")
}

func unwritable(err error) error {
	return issue.New(issue.NoStore, "backup", "the backup cannot be written").Because(err)
}

func copyInto(ctx context.Context, from, to string) error {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: from}).EscapedPath()+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return fault(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		return fault(err)
	}
	copied, err := sql.Open("sqlite", "file:"+(&url.URL{Path: to}).EscapedPath())
	if err != nil {
		return fault(err)
	}
	defer copied.Close()
	rows, err := copied.QueryContext(ctx, "PRAGMA integrity_check")
	if err != nil {
		return fault(err)
	}
	words, err := all(rows, func(rows *sql.Rows) (text string, err error) { return text, rows.Scan(&text) })
	if err != nil {
		return fault(err)
	}
	if len(words) != 1 || words[0] != "ok" {
		return issue.New(issue.NoStore, "backup", "the copy is damaged, and so may be the database: it is not kept")
	}
	return nil
}

// flush makes a file and its name durable.
func flush(path string) error {
	for _, name := range []string{path, filepath.Dir(path)} {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// nobodyYet is an audience without events, from whose number on those begin that this
// database does not know: followers may have been told of theirs before it was put back.
const nobodyYet = ""

// Restored makes a database that was put back from a backup fit to be followed again. Since
// the backup followers were told of numbers that this database would give out a second
// time: every audience goes on skip numbers further, and what is before counts as not kept,
// so that whoever follows is told to read the referrals afresh, and webhooks and Subscriptions
// wait until somebody looks, as for any events that are not kept any more. It gives how many audiences
// there are. Errors: value for a skip below 1, transient.
func (s *Store) Restored(ctx context.Context, skip int64, by referral.Audit) (int, error) {
	if skip < 1 {
		return 0, issue.New(issue.Value, "restored", "numbers go on by at least 1")
	}
	var n int64
	err := s.inWriteAudited(ctx, false, func(tx session) error {
		if err := s.db.onlySequencer(ctx, tx); err != nil {
			return issue.New(issue.LockError, "restored", "a server is numbering events on this database: stop it first")
		}
		var err error
		for _, text := range []string{
			"INSERT INTO audience (name, last, oldest, head) VALUES ('" + nobodyYet + "', 0, 1, 0) ON CONFLICT DO NOTHING",
			"DELETE FROM feed",
			"UPDATE audience SET last = last + CAST(? AS BIGINT), oldest = last + CAST(? AS BIGINT) + 1, head = head + CAST(? AS BIGINT)",
		} {
			args := make([]any, strings.Count(text, "?"))
			for i := range args {
				args[i] = skip
			}
			if n, err = tx.exec(ctx, text, args...); err != nil {
				return err
			}
		}
		var b batch
		return s.finish(ctx, tx, &b, by, by.At, nil)
	})
	return int(n) - 1, err // nobodyYet is none
}
