package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"time"
)

const insertAssertion = "INSERT INTO assertion (client, jti, until) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"

// Once notes that a client used an assertion, and reports whether it is the first time,
// in whatever process. until is when the assertion ends and may be forgotten. The note is
// durable before it reports. Errors: transient; whether it was noted is then not known,
// and the assertion does not count.
// Source: https://www.rfc-editor.org/rfc/rfc7523#section-3, point 7.
func (s *Store) Once(ctx context.Context, client, jti string, until time.Time) (first bool, err error) {
	sum := sha256.Sum256([]byte(jti))
	err = s.inWrite(ctx, false, func(tx session) error {
		n, err := tx.exec(ctx, insertAssertion, clean(client), hex.EncodeToString(sum[:]), until.UnixMilli())
		first = n == 1
		return err
	})
	return first && err == nil, err
}

// assertionLock is the first half of the advisory lock of the process that forgets; any
// number would do that nothing else takes.
const assertionLock = 0x5350_4a54

// maxForgotten is how many assertions one transaction of ForgetAssertions deletes.
const maxForgotten = 1000

const deleteAssertions = `
DELETE FROM assertion WHERE until < ? AND (client, jti) IN (
    SELECT a.client, a.jti FROM assertion a WHERE a.until < ? ORDER BY a.until LIMIT CAST(? AS BIGINT))`

// ForgetAssertions forgets those that ended before a time, in transactions of bounded size
// and in one process at a time: another gives 0 at once. It gives how many it forgot.
// Errors: transient.
func (s *Store) ForgetAssertions(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for {
		var n int64
		err := s.inWrite(ctx, false, func(tx session) error {
			if s.db.postgres {
				rows, err := tx.query(ctx, "SELECT pg_try_advisory_xact_lock(?, hashtext(current_schema()))", int64(assertionLock))
				if err != nil {
					return err
				}
				mine, err := one(rows, func(rows *sql.Rows) (mine bool, err error) { return mine, rows.Scan(&mine) })
				if err != nil || !mine {
					return err
				}
			}
			var err error
			n, err = tx.exec(ctx, deleteAssertions, before.UnixMilli(), before.UnixMilli(), int64(maxForgotten))
			return err
		})
		if total += int(n); err != nil || n < maxForgotten {
			return total, err
		}
	}
}
