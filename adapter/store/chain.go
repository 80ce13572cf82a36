package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A checkpoint is written after so many records or so much time, whichever is first; when a
// process stops there is one more.
const (
	checkpointRecords = 500
	checkpointEvery   = time.Minute
)

// chain is one stream of audit records: those that one connection commits, one transaction
// after another, so that their order is decided before each of them and survives its
// failing. It belongs to one goroutine at a time.
type chain struct {
	key   *AuditKey
	tell  func(Checkpoint)
	id    string // "" before the stream has begun
	state link
	next  *link // where the transaction under way leads, nil when it has no records
	done  *Checkpoint
	buf   []byte
}

// link is where a stream stands.
type link struct {
	sequence int64
	hash     [sha256.Size]byte
	checked  int64 // sequence of the last checkpoint
	at       time.Time
}

// Checkpoint is where a stream of audit records stood at some time. Signer names the key
// of Seal, both "" where there is none.
type Checkpoint struct {
	Stream   string    `json:"stream"`
	Sequence int64     `json:"sequence"`
	Pruned   bool      `json:"pruned,omitempty"` // the records up to it were removed, because their time was over
	At       time.Time `json:"at"`
	Hash     string    `json:"hash"` // of that record, hexadecimal
	Signer   string    `json:"signer,omitempty"`
	Seal     string    `json:"seal,omitempty"`
}

// content is what is sealed.
func (c *Checkpoint) content() []byte {
	return fmt.Appendf(nil, "spadapter audit checkpoint\n%s\n%d\n%t\n%d\n%s\n", c.Stream, c.Sequence, c.Pruned, c.At.UnixMilli(), c.Hash)
}

// beginning is the hash that the first record of a stream follows.
func beginning(id string, began int64, previous string) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "spadapter audit stream\n%s\n%d\n%s", id, began, previous))
}

// appendContent appends what is hashed of a record: its values up to hash, each with its
// kind and length, so that nothing can move from one to the next.
func appendContent(buf []byte, row []any) []byte {
	for _, v := range row[:auditHash] {
		switch v := v.(type) {
		case string:
			buf = append(buf, 's')
			buf = binary.BigEndian.AppendUint32(buf, uint32(len(v)))
			buf = append(buf, v...)
		case int64:
			buf = append(buf, 'i')
			buf = binary.BigEndian.AppendUint64(buf, uint64(v))
		}
	}
	return buf
}

const (
	selectUnnamed    = "SELECT id, sequence, head FROM audit_stream WHERE sequence > named ORDER BY id"
	updateNamed      = "UPDATE audit_stream SET named = ? WHERE id = ? AND named < ?"
	insertStream     = "INSERT INTO audit_stream (id, began, previous, hash, sequence, head, named, pruned, anchor) VALUES (?, ?, ?, ?, 0, ?, 0, 0, ?)"
	updateStream     = "UPDATE audit_stream SET sequence = ?, head = ? WHERE id = ?"
	insertCheckpoint = "INSERT INTO audit_checkpoint (stream, sequence, pruned, at, hash, signer, seal) VALUES (?, ?, ?, ?, ?, ?, ?)"
)

// begin starts the stream, in a transaction of its own: the rows of other streams that it
// names must not be held while keys are waited for. Once begun it does nothing.
func (c *chain) begin(ctx context.Context, db *database) error {
	if c.id != "" {
		return nil
	}
	id, now := newID(), time.Now()
	var first [sha256.Size]byte
	err := db.inTransaction(ctx, func(tx session) error {
		rows, err := tx.query(ctx, selectUnnamed)
		if err != nil {
			return err
		}
		type end struct {
			id       string
			sequence int64
			head     string
		}
		ends, err := all(rows, func(rows *sql.Rows) (e end, err error) { return e, rows.Scan(&e.id, &e.sequence, &e.head) })
		if err != nil {
			return err
		}
		var previous strings.Builder
		for _, e := range ends {
			fmt.Fprintf(&previous, "%s %d %s\n", e.id, e.sequence, e.head)
			if _, err := tx.exec(ctx, updateNamed, e.sequence, e.id, e.sequence); err != nil {
				return err
			}
		}
		first = beginning(id, now.UnixMilli(), previous.String())
		text := hex.EncodeToString(first[:])
		_, err = tx.exec(ctx, insertStream, id, now.UnixMilli(), previous.String(), text, text, text)
		return err
	})
	if err != nil {
		return err
	}
	c.id, c.state = id, link{hash: first, at: now}
	return nil
}

// commit runs the statements of a transaction and inserts a batch, whose records get their
// ids and their places in the stream. settle must follow.
func (c *chain) commit(ctx context.Context, tx session, b *batch, list []statement) error {
	c.next, c.done = nil, nil
	if len(b[tableAudit]) == 0 {
		return tx.run(ctx, b.inserts(list))
	}
	end := c.extend(b)
	return tx.run(ctx, append(b.inserts(list), end...))
}

// extend links the records of a batch to the stream, and adds what they are found by. The
// statements are for the end of the transaction: they hold a row that a stream that begins
// may wait for.
func (c *chain) extend(b *batch) (end []statement) {
	next := c.state
	rows, n := b[tableAudit], widths[tableAudit]
	for at := 0; at < len(rows); at += n {
		row := rows[at : at+n]
		next.sequence++
		row[auditID], row[auditStream], row[auditSequence] = newID(), c.id, next.sequence
		c.buf = appendContent(append(c.buf[:0], next.hash[:]...), row)
		next.hash = sha256.Sum256(c.buf)
		row[auditHash] = hex.EncodeToString(next.hash[:])
		for _, about := range aboutOf(row[auditShown].(string)) {
			b.add(tableAbout, about.about, row[auditID], about.organisation)
		}
	}
	end = []statement{{text: updateStream, args: []any{next.sequence, hex.EncodeToString(next.hash[:]), c.id}}}
	if now := time.Now(); next.sequence-next.checked >= checkpointRecords || now.Sub(next.at) >= checkpointEvery {
		c.done = c.checkpoint(&next, now)
		end = append(end, c.done.statement())
	}
	c.next = &next
	return end
}

// settle takes the chain to where its transaction led, when that is durable; err is what
// became of it, and is given back. One that failed left no trace, and the next has its
// numbers. Where nobody knows, the stream ends here: the next one names what is stored.
func (c *chain) settle(err error) error {
	next, done := c.next, c.done
	c.next, c.done = nil, nil
	if _, ok := errors.AsType[*unsure](err); ok {
		c.id = ""
	}
	if err != nil || next == nil {
		return err
	}
	c.state = *next
	if done != nil && c.tell != nil {
		c.tell(*done)
	}
	return nil
}

// checkpoint seals where a stream stands.
func (c *chain) checkpoint(l *link, now time.Time) *Checkpoint {
	l.checked, l.at = l.sequence, now
	p := &Checkpoint{Stream: c.id, Sequence: l.sequence, At: time.UnixMilli(now.UnixMilli()).UTC(), Hash: hex.EncodeToString(l.hash[:])}
	c.key.seal(p)
	return p
}

func (c *Checkpoint) statement() statement {
	return statement{text: insertCheckpoint, args: []any{c.Stream, c.Sequence, flag(c.Pruned), c.At.UnixMilli(), c.Hash, c.Signer, c.Seal}}
}

// close writes a last checkpoint.
func (c *chain) close(ctx context.Context, db *database) error {
	if c.id == "" || c.state.sequence == c.state.checked {
		return nil
	}
	next := c.state
	c.next, c.done = &next, c.checkpoint(&next, time.Now())
	return c.settle(db.inTransaction(ctx, func(tx session) error { return tx.run(ctx, []statement{c.done.statement()}) }))
}
