package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"spadapter/adapter/issue"
)

// session is one open transaction.
type session interface {
	exec(ctx context.Context, text string, args ...any) (int64, error)
	query(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	// run executes statements in order, on PostgreSQL in one round trip. Errors: errStale
	// when one that must changes another number of rows than one.
	run(ctx context.Context, list []statement) error
}

// statement is one that changes rows.
type statement struct {
	text string
	args []any
	one  bool // it must change exactly one row, which was there when it was checked
}

// unsure is the error of a COMMIT that was sent and not answered: the change may be
// stored, or not.
type unsure struct{ cause error }

func (*unsure) Error() string   { return "store: the outcome of a commit is not known" }
func (u *unsure) Unwrap() error { return u.cause }

// unknown tells a caller of Commit of an unsure outcome.
func unknown(err error) error {
	t := faultType(err)
	if t != issue.Timeout {
		t = issue.NoStore
	}
	return issue.New(t, "commit-unknown",
		"the database did not confirm the change, which may or may not be stored: send it again with the same request id").Because(err)
}

// inTransaction runs f in a transaction and makes it durable, or leaves no trace of
// it when f fails. An error of type *unsure means that neither is certain.
func (db *database) inTransaction(ctx context.Context, f func(session) error) error {
	if db.postgres {
		return db.inPostgres(ctx, f)
	}
	var w *liteWriter
	select {
	case w = <-db.writer:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { db.writer <- w }()
	return w.transact(db.write, f)
}

func (db *database) inPostgres(ctx context.Context, f func(session) error) error {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(postgresSession{db, conn, tx}); err != nil {
		tx.Rollback()
		return err
	}
	err = tx.Commit()
	if err == nil || errors.Is(err, pgx.ErrTxCommitRollback) {
		return err
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (strings.HasPrefix(pg.Code, "23") || strings.HasPrefix(pg.Code, "40")) {
		return err // the server says that it rolled back
	}
	return &unsure{err}
}

type postgresSession struct {
	db   *database
	conn *sql.Conn // of tx
	tx   *sql.Tx
}

func (s postgresSession) exec(ctx context.Context, text string, args ...any) (int64, error) {
	r, err := s.tx.ExecContext(ctx, s.db.text(text), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (s postgresSession) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return s.tx.QueryContext(ctx, s.db.text(text), args...)
}

func (s postgresSession) run(ctx context.Context, list []statement) error {
	if len(list) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	for _, st := range list {
		batch.Queue(s.db.text(st.text), st.args...)
	}
	return s.conn.Raw(func(driver any) (err error) {
		results := driver.(*stdlib.Conn).Conn().SendBatch(ctx, batch)
		for i := 0; i < len(list) && err == nil; i++ {
			var done pgconn.CommandTag
			if done, err = results.Exec(); err == nil && list[i].one && done.RowsAffected() != 1 {
				err = errStale
			}
		}
		if e := results.Close(); err == nil {
			err = e
		}
		return err
	})
}

// liteWriter is the one connection that writes to a SQLite file, with its prepared
// statements. It takes no deadline: the driver starts a goroutine for every statement
// that has one, and a statement on a local file ends.
type liteWriter struct {
	conn *sql.Conn
	kept statements
}

func (w *liteWriter) transact(db *sql.DB, f func(session) error) (err error) {
	ctx := context.Background()
	if w.conn == nil {
		if w.conn, err = db.Conn(ctx); err != nil {
			w.conn = nil
			return err
		}
	}
	tx, err := w.conn.BeginTx(ctx, nil)
	if err != nil {
		w.drop()
		return err
	}
	if err := f(w); err != nil {
		if e := tx.Rollback(); e != nil {
			w.drop()
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		w.drop()
		return &unsure{err}
	}
	return nil
}

// drop lets the connection go, so that the next transaction starts with a new one.
func (w *liteWriter) drop() {
	for _, stmt := range w.kept.kept {
		stmt.Close()
	}
	w.kept.kept = nil
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

func (w *liteWriter) exec(_ context.Context, text string, args ...any) (int64, error) {
	ctx := context.Background()
	stmt, err := w.kept.get(ctx, w.conn, text)
	if err != nil {
		return 0, err
	}
	var r sql.Result
	if stmt != nil {
		r, err = stmt.ExecContext(ctx, args...)
	} else {
		r, err = w.conn.ExecContext(ctx, text, args...)
	}
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (w *liteWriter) run(ctx context.Context, list []statement) error {
	for _, st := range list {
		n, err := w.exec(ctx, st.text, st.args...)
		if err != nil {
			return err
		}
		if st.one && n != 1 {
			return errStale
		}
	}
	return nil
}

func (w *liteWriter) query(_ context.Context, text string, args ...any) (*sql.Rows, error) {
	ctx := context.Background()
	stmt, err := w.kept.get(ctx, w.conn, text)
	if err != nil {
		return nil, err
	}
	if stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	return w.conn.QueryContext(ctx, text, args...)
}
