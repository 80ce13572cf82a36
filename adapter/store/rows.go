package store

import (
	"context"
	"database/sql"
	"strings"
	"time"
)

// all reads every row and closes rows. Nil when there is none.
func all[T any](rows *sql.Rows, scan func(*sql.Rows) (T, error)) ([]T, error) {
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// one reads the first row and closes rows; sql.ErrNoRows when there is none.
func one[T any](rows *sql.Rows, scan func(*sql.Rows) (T, error)) (v T, err error) {
	defer rows.Close()
	if !rows.Next() {
		if err = rows.Err(); err == nil {
			err = sql.ErrNoRows
		}
		return v, err
	}
	return scan(rows)
}

// asker is the query of a pool or of a transaction.
type asker func(ctx context.Context, text string, args ...any) (*sql.Rows, error)

// inStep is how many values one IN holds.
const inStep = 64

// inSteps asks for the rows of many ids. text ends in "IN (". The number of
// placeholders is a power of two, filled up with the last id, so that few texts are
// prepared.
func inSteps[S ~string](ctx context.Context, ask asker, text string, ids []S, scan func(*sql.Rows) error) error {
	for len(ids) > 0 {
		n := min(len(ids), inStep)
		size := 1
		for size < n {
			size *= 2
		}
		args := make([]any, size)
		for i := range args {
			args[i] = string(ids[min(i, n-1)])
		}
		ids = ids[n:]
		rows, err := ask(ctx, text+marks(size)+")", args...)
		if err != nil {
			return err
		}
		if _, err := all(rows, func(rows *sql.Rows) (struct{}, error) { return struct{}{}, scan(rows) }); err != nil {
			return err
		}
	}
	return nil
}

// marks writes n placeholders: "?, ?, ?".
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// milli is how a time is stored; the zero time is 0.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
