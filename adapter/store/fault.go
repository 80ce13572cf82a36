package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"spadapter/adapter/issue"
)

// fault says what an error of a driver means. The driver's words stay in the cause:
// they may quote values.
func fault(err error) error {
	if err == nil {
		return nil
	}
	var known *issue.Error
	if errors.As(err, &known) {
		return err
	}
	t := faultType(err)
	return issue.New(t, "store", faultWords[t]).Because(err)
}

var faultWords = map[issue.Type]string{
	issue.Timeout:   "the database did not answer in time: try again",
	issue.LockError: "the database was busy with a change to the same data: try again",
	issue.NoStore:   "the database cannot be reached or cannot write: try again later",
	issue.Conflict:  "the change contradicts what is stored",
	issue.Value:     "a value cannot be stored",
	issue.TooLong:   "the change is larger than the database takes",
	issue.Exception: "the database refused a statement",
}

func faultType(err error) issue.Type {
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return issue.Timeout
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return postgresFault(pg.Code)
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return sqliteFault(lite.Code())
	}
	if errors.Is(err, sql.ErrTxDone) || errors.Is(err, sql.ErrNoRows) {
		return issue.Exception // a mistake of this package, not of the database
	}
	return issue.NoStore // what is left comes from the network or the pool
}

// postgresFault reads a SQLSTATE.
// Source: https://www.postgresql.org/docs/current/errcodes-appendix.html.
func postgresFault(code string) issue.Type {
	switch code {
	case "40001", "40P01", "55P03": // serialization failure, deadlock, lock not available
		return issue.LockError
	case "57014": // query canceled
		return issue.Timeout
	case "54000": // program limit exceeded, as an index row that is too large
		return issue.TooLong
	}
	switch {
	case strings.HasPrefix(code, "23"):
		return issue.Conflict
	case strings.HasPrefix(code, "22"):
		return issue.Value
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "53"), strings.HasPrefix(code, "57"),
		strings.HasPrefix(code, "58"), strings.HasPrefix(code, "25"), strings.HasPrefix(code, "28"), code == "3D000":
		return issue.NoStore
	}
	return issue.Exception
}

// sqliteFault reads a result code.
// Source: https://www.sqlite.org/rescode.html.
func sqliteFault(code int) issue.Type {
	switch code & 0xff { // the rest tells variants apart
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return issue.LockError
	case sqlite3.SQLITE_INTERRUPT:
		return issue.Timeout
	case sqlite3.SQLITE_CONSTRAINT:
		return issue.Conflict
	case sqlite3.SQLITE_TOOBIG:
		return issue.TooLong
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM:
		return issue.NoStore
	}
	return issue.Exception
}
