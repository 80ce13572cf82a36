package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strconv"
)

// expected is the hash that a stream had at some number, and who says so.
type expected struct {
	hash, by string
}

// strand is a stream while it is looked at.
type strand struct {
	AuditStream
	previous, beginning string
	anchored            bool  // a key sealed up to where records were removed
	head                int64 // as of the beginning of the look
	headHash, anchor    string
	expect              map[int64][]expected
	next                int64
	hash                [sha256.Size]byte
	beyond              int64  // the highest number above head that was met
	beyondID            string // and the record that has it
	fault               *AuditFault
}

func (s *strand) fail(sequence int64, id, format string, args ...any) {
	if s.fault == nil {
		s.fault = &AuditFault{s.ID, sequence, id, fmt.Sprintf(format, args...)}
	}
}

// strands reads the streams, and checks how each began.
func (s *Store) strands(ctx context.Context) (map[string]*strand, []string, error) {
	rows, err := s.db.query(ctx, "SELECT id, began, previous, hash, sequence, head, pruned, anchor FROM audit_stream WHERE id > '' ORDER BY id")
	if err != nil {
		return nil, nil, err
	}
	list, err := all(rows, func(rows *sql.Rows) (*strand, error) {
		st := &strand{expect: map[int64][]expected{}}
		var began int64
		err := rows.Scan(&st.ID, &began, &st.previous, &st.beginning, &st.head, &st.headHash, &st.Pruned, &st.anchor)
		st.Began, st.next = fromMilli(began), st.Pruned+1
		st.First, st.Last = st.next, st.Pruned
		first := beginning(st.ID, began, st.previous)
		if st.hash = first; hex.EncodeToString(first[:]) != st.beginning {
			st.fail(0, "", "how the stream began was changed")
		}
		if st.Pruned > 0 {
			if n, e := hex.Decode(st.hash[:], []byte(st.anchor)); e != nil || n != len(st.hash) {
				st.fail(st.Pruned, "", "the hash of the last record that was removed cannot be read")
			}
		}
		st.expect[st.head] = append(st.expect[st.head], expected{st.headHash, "the head of the stream"})
		return st, err
	})
	out := make(map[string]*strand, len(list))
	var order []string
	for _, st := range list {
		out[st.ID], order = st, append(order, st.ID)
	}
	return out, order, err
}

// check holds a record to what its stream says of it.
func (s *strand) check(buf []byte, row []any) []byte {
	id, sequence, hash := row[auditID].(string), row[auditSequence].(int64), row[auditHash].(string)
	if sequence > s.head { // committed since we began, or put in: ends tells
		if sequence > s.beyond {
			s.beyond, s.beyondID = sequence, id
		}
		return buf
	}
	if s.fault != nil {
		return buf
	}
	switch {
	case sequence < s.next:
		s.fail(sequence, id, "a second record has this number, or one stands where it does not belong")
		return buf
	case sequence > s.next:
		s.fail(s.next, "", "%s missing from this number on: removed, or moved", lacking(sequence-s.next))
		return buf
	}
	buf = appendContent(append(buf[:0], s.hash[:]...), row)
	s.hash = sha256.Sum256(buf)
	if hex.EncodeToString(s.hash[:]) != hash {
		s.fail(sequence, id, "the content of the record, or its place, is not what was written")
		return buf
	}
	s.Last = sequence
	s.next = sequence + 1
	s.expectAt(sequence)
	return buf
}

func lacking(n int64) string {
	if n == 1 {
		return "one record is"
	}
	return strconv.FormatInt(n, 10) + " records are"
}

// expectAt compares with what others say of the stream at a number.
func (s *strand) expectAt(sequence int64) {
	for _, e := range s.expect[sequence] {
		if e.hash != hex.EncodeToString(s.hash[:]) {
			s.fail(sequence, "", "%s has another hash at this number: the records up to it were written anew", e.by)
		}
	}
	delete(s.expect, sequence)
}

// ends checks that each stream goes as far as it was known to go, and no further.
func (s *Store) ends(ctx context.Context, strands map[string]*strand) error {
	rows, err := s.db.query(ctx, "SELECT id, sequence FROM audit_stream WHERE id > '' ORDER BY id")
	if err != nil {
		return err
	}
	now := map[string]int64{}
	if _, err := all(rows, func(rows *sql.Rows) (struct{}, error) {
		var id string
		var sequence int64
		err := rows.Scan(&id, &sequence)
		now[id] = sequence
		return struct{}{}, err
	}); err != nil {
		return err
	}
	for _, st := range strands {
		if st.beyond > now[st.ID] {
			st.fail(st.beyond, st.beyondID, "the record is beyond the end of its stream, which has %d", now[st.ID])
		}
		for sequence, list := range st.expect {
			if sequence > st.Last {
				st.fail(st.Last+1, "", "the stream ends after %d, and %s says that it went on to %d: its end was cut off", st.Last, list[0].by, sequence)
			}
		}
	}
	return nil
}
