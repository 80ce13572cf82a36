package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/issue"
)

// AuditReport is what a look at the whole audit came to.
type AuditReport struct {
	Records int64         `json:"records"` // that were looked at
	Before  int64         `json:"before"`  // of them, from before there was a chain
	Streams []AuditStream `json:"streams"` // in the order in which they began
	Faults  []AuditFault  `json:"faults"`  // the first of each stream, empty when all is as it was written
}

// AuditStream is one stream of records.
type AuditStream struct {
	ID       string    `json:"id"`
	Began    time.Time `json:"began"`
	First    int64     `json:"first"`    // number of the oldest record that is kept
	Last     int64     `json:"last"`     // of the newest
	Pruned   int64     `json:"pruned"`   // records that were removed when their time was over
	Covered  int64     `json:"covered"`  // number of the last record that a checkpoint covers: what comes after could be cut off unseen
	Sealed   int64     `json:"sealed"`   // the same for checkpoints that one of the keys sealed
	Unproven int       `json:"unproven"` // checkpoints sealed with a key that was not given
}

// AuditFault says where the audit is not as it was written.
type AuditFault struct {
	Stream   string `json:"stream"`
	Sequence int64  `json:"sequence"`
	ID       string `json:"id,omitempty"` // of the record, "" when there is none
	What     string `json:"what"`
}

// verifyPage is how many records are read at a time.
const verifyPage = 2000

// VerifyAudit walks through the whole audit and finds where it is not as it was written:
// records that were changed, removed, moved or put in, ends that were cut off before a
// checkpoint, and checkpoints whose seal none of the keys made. outside are checkpoints
// that were kept elsewhere. progress is told how many records were looked at, of about how
// many; nil for nobody. What is committed meanwhile is left to the next look. Errors:
// transient.
func (s *Store) VerifyAudit(ctx context.Context, keys []*AuditKey, outside []Checkpoint, progress func(done, of int64)) (*AuditReport, error) {
	points, err := s.checkpoints(ctx) // before the streams, which then go as far as these at least
	if err != nil {
		return nil, fault(err)
	}
	strands, order, err := s.strands(ctx)
	if err != nil {
		return nil, fault(err)
	}
	report := &AuditReport{Streams: []AuditStream{}, Faults: []AuditFault{}}
	lone := map[string]*AuditFault{} // of streams that are not there
	missing := func(stream string, sequence int64, id, what string) {
		if lone[stream] == nil {
			lone[stream] = &AuditFault{stream, sequence, id, what}
			order = append(order, stream)
		}
	}
	for _, id := range slices.Clone(order) {
		st := strands[id]
		for line := range strings.Lines(st.previous) {
			var name, hash string
			var sequence int64
			if n, _ := fmt.Sscanf(line, "%s %d %s", &name, &sequence, &hash); n != 3 {
				st.fail(0, "", "what the stream says of others cannot be read")
			} else if other := strands[name]; other == nil {
				missing(name, sequence, "", "the stream "+id+" names this one, which is not there any more")
			} else {
				other.expect[sequence] = append(other.expect[sequence], expected{hash, "the stream " + id + ", which began later,"})
			}
		}
	}
	for i, p := range append(points, outside...) {
		st, by := strands[p.Stream], "a checkpoint"
		if i >= len(points) {
			by = "a checkpoint that was kept elsewhere"
		}
		if st == nil {
			missing(p.Stream, p.Sequence, "", by+" is of this stream, which is not there any more")
			continue
		}
		st.Covered = max(st.Covered, p.Sequence)
		st.expect[p.Sequence] = append(st.expect[p.Sequence], expected{p.Hash, by})
		if p.Signer == "" {
			continue
		}
		switch k := slices.IndexFunc(keys, func(k *AuditKey) bool { return k.ID == p.Signer }); {
		case k < 0:
			st.Unproven++
		case !keys[k].verify(&p):
			st.fail(p.Sequence, "", "the seal of a checkpoint is not one that the key %s made", p.Signer)
		default:
			st.Sealed = max(st.Sealed, p.Sequence)
			st.anchored = st.anchored || p.Pruned && p.Sequence == st.Pruned
		}
	}
	if err := s.walk(ctx, strands, report, missing, progress); err != nil {
		return nil, fault(err)
	}
	if err := s.ends(ctx, strands); err != nil {
		return nil, fault(err)
	}
	for _, id := range order {
		if st := strands[id]; st != nil {
			if st.Pruned > 0 && st.Sealed > 0 && !st.anchored {
				st.fail(st.Pruned, "", "the records up to %d were removed, and no key sealed where", st.Pruned)
			}
			report.Streams = append(report.Streams, st.AuditStream)
			if st.fault != nil {
				report.Faults = append(report.Faults, *st.fault)
			}
		} else {
			report.Faults = append(report.Faults, *lone[id])
		}
	}
	return report, nil
}

func (s *Store) checkpoints(ctx context.Context) ([]Checkpoint, error) {
	rows, err := s.db.query(ctx, "SELECT stream, sequence, pruned, at, hash, signer, seal FROM audit_checkpoint WHERE stream > '' ORDER BY stream, sequence")
	if err != nil {
		return nil, err
	}
	return all(rows, func(rows *sql.Rows) (c Checkpoint, err error) {
		var at, pruned int64
		err = rows.Scan(&c.Stream, &c.Sequence, &pruned, &at, &c.Hash, &c.Signer, &c.Seal)
		c.At, c.Pruned = fromMilli(at), pruned == 1
		return c, err
	})
}

const selectRecords = "SELECT " + auditColumns + " FROM audit WHERE id > ? ORDER BY id LIMIT CAST(? AS BIGINT)"

// walk checks every record in the order of the ids, which is that of each stream.
func (s *Store) walk(ctx context.Context, strands map[string]*strand, report *AuditReport, missing func(string, int64, string, string), progress func(done, of int64)) error {
	var of int64
	if progress != nil {
		for _, st := range strands {
			of += st.head - st.Pruned
		}
	}
	for _, st := range strands {
		st.expectAt(st.Pruned)
	}
	var buf []byte
	for after := ""; ; {
		rows, err := s.db.query(ctx, selectRecords, after, int64(verifyPage))
		if err != nil {
			return err
		}
		page, err := all(rows, scanRow)
		if err != nil {
			return err
		}
		var listed []listing
		for _, row := range page {
			after = row[auditID].(string)
			report.Records++
			stream := row[auditStream].(string)
			if stream == "" {
				report.Before++
				continue
			}
			st := strands[stream]
			if st == nil {
				missing(stream, row[auditSequence].(int64), after, "the record is in a stream that is not there")
				continue
			}
			buf = st.check(buf, row)
			for _, a := range aboutOf(row[auditShown].(string)) {
				listed = append(listed, listing{a.about, after, stream})
			}
		}
		if err := s.findable(ctx, strands, listed); err != nil {
			return err
		}
		if progress != nil {
			progress(report.Records, max(of, report.Records))
		}
		if len(page) < verifyPage {
			return nil
		}
	}
}

// scanRow reads a record as its row was written.
func scanRow(rows *sql.Rows) ([]any, error) {
	row := make([]any, auditHash+1)
	texts, numbers := make([]string, len(row)), make([]int64, len(row))
	for i := range row {
		if whole(i) {
			row[i] = &numbers[i]
		} else {
			row[i] = &texts[i]
		}
	}
	err := rows.Scan(row...)
	for i := range row {
		if whole(i) {
			row[i] = numbers[i]
		} else {
			row[i] = texts[i]
		}
	}
	return row, err
}

// whole reports whether a column of audit is a number: at, version and sequence.
func whole(column int) bool { return column == 2 || column == 14 || column == auditSequence }

// listing says that a record must be found under what it is about.
type listing struct{ about, audit, stream string }

// findable checks that the records of a page are found under all whose data they showed.
func (s *Store) findable(ctx context.Context, strands map[string]*strand, list []listing) error {
	if len(list) == 0 {
		return nil
	}
	var abouts []string
	for _, l := range list {
		abouts = append(abouts, l.about)
	}
	slices.Sort(abouts)
	found := map[listing]bool{}
	for chunk := range slices.Chunk(slices.Compact(abouts), inStep) {
		args := []any{list[0].audit, list[len(list)-1].audit}
		for _, a := range chunk {
			args = append(args, a)
		}
		rows, err := s.db.query(ctx, "SELECT about, audit FROM audit_about WHERE audit >= ? AND audit <= ? AND about IN ("+marks(len(chunk))+")", args...)
		if err != nil {
			return err
		}
		if _, err := all(rows, func(rows *sql.Rows) (struct{}, error) {
			var l listing
			err := rows.Scan(&l.about, &l.audit)
			found[l] = true
			return struct{}{}, err
		}); err != nil {
			return err
		}
	}
	for _, l := range list {
		if !found[listing{about: l.about, audit: l.audit}] {
			strands[l.stream].fail(0, l.audit, "the record cannot be found under %s any more", l.about)
		}
	}
	return nil
}

// NotVerified is the error of an audit with faults.
func (r *AuditReport) NotVerified() error {
	if len(r.Faults) == 0 {
		return nil
	}
	return issue.Newf(issue.Security, "audit-chain", "%d of the streams of the audit are not as they were written", len(r.Faults))
}
