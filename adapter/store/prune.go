package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
)

// prunePage is how many records one transaction removes.
const prunePage = 500

// PruneAudit removes the audit records from before a time, the oldest first, and gives how
// many those were. Of each stream a beginning goes: the number and the hash of the last
// record that went stay, sealed where there is a key, so that the rest is verified as
// before. What it did is recorded in the audit in the same transactions. Records are
// taken in the order in which they were committed, up to the first that is not old enough.
// Errors: transient; what was removed before one stays removed.
func (s *Store) PruneAudit(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for {
		n, err := s.pruneSome(ctx, before)
		total += n
		if err != nil || n < prunePage {
			return total, err
		}
	}
}

// gone is the last record of a stream that goes.
type gone struct {
	stream   string
	sequence int64
	hash     string
}

func (s *Store) pruneSome(ctx context.Context, before time.Time) (n int, err error) {
	now := time.Now()
	var told []Checkpoint
	err = s.inWriteAudited(ctx, false, func(tx session) error {
		n, told = 0, nil
		rows, err := tx.query(ctx, selectRecords, "", int64(prunePage))
		if err != nil {
			return err
		}
		page, err := all(rows, scanRow)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(page, func(row []any) bool { return row[2].(int64) >= before.UnixMilli() }); i >= 0 {
			page = page[:i]
		}
		if n = len(page); n == 0 {
			return nil
		}
		var last []gone
		var list []statement
		for _, row := range page {
			id, stream := row[auditID].(string), row[auditStream].(string)
			for _, a := range aboutOf(row[auditShown].(string)) {
				list = append(list, statement{text: "DELETE FROM audit_about WHERE about = ? AND audit = ?", args: []any{a.about, id}})
			}
			list = append(list, statement{text: "DELETE FROM audit WHERE id = ?", args: []any{id}, one: true})
			g := gone{stream, row[auditSequence].(int64), row[auditHash].(string)}
			if i := slices.IndexFunc(last, func(l gone) bool { return l.stream == stream }); i >= 0 {
				last[i] = g
			} else if stream != "" {
				last = append(last, g)
			}
		}
		for _, g := range last {
			c := Checkpoint{Stream: g.stream, Sequence: g.sequence, Pruned: true, At: time.UnixMilli(now.UnixMilli()).UTC(), Hash: g.hash}
			s.options.auditKey.seal(&c)
			told = append(told, c)
			list = append(list,
				statement{text: "UPDATE audit_stream SET pruned = ?, anchor = ? WHERE id = ?", args: []any{g.sequence, g.hash, g.stream}, one: true},
				statement{text: "DELETE FROM audit_checkpoint WHERE stream = ? AND sequence <= ?", args: []any{g.stream, g.sequence}},
				c.statement())
		}
		if err := tx.run(ctx, list); err != nil {
			return err
		}
		var b batch
		return s.finish(ctx, tx, &b, referral.Audit{At: now, Client: "adapter purge", Role: auth.RoleOperator, Action: "D", Interaction: "purge", Outcome: "0",
			Entity: "AuditEvent", Query: fmt.Sprintf("before=%s&count=%d", before.UTC().Format(time.RFC3339), n)}, now, nil)
	})
	if err != nil {
		return 0, err
	}
	if s.options.tell != nil {
		for _, c := range told {
			s.options.tell(c)
		}
	}
	return n, nil
}
