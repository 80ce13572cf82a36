package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"spadapter/adapter/referral"
)

// maxPass is how many events one pass numbers. Three audiences read an event as a rule:
// that is some 1,500 rows, written in about 20 ms.
const maxPass = 500

// sequencerLock is the first half of the advisory lock that the numbering process holds;
// the second is the schema, so that two databases in one are numbered apart.
const sequencerLock = 0x5350_4556

// errTaken says that another process is numbering at this moment.
var errTaken = errors.New("store: another process numbers the events")

// passed is what one pass did.
type passed struct {
	events int  // how many were numbered
	taken  bool // another process was at it: nothing was done
}

// waitingEvent is a committed event without numbers.
type waitingEvent struct {
	place     int64
	audiences string
	body      string
}

// Sequence numbers the committed events that have no number yet, as far as one pass
// goes, and gives how many those were. Numbers are given after the commit, by one
// process at a time, so that no row is shared by those who commit. An event whose commit
// was answered before that of another began comes before it in every feed; those of one
// referral stand in the order of its versions. What a process that was killed left
// without numbers is numbered by the next pass, of any process. Errors: transient.
func (s *Store) Sequence(ctx context.Context) (int, error) {
	p, err := s.pass(ctx)
	return p.events, err
}

func (s *Store) pass(ctx context.Context) (p passed, err error) {
	// asked without a writing transaction, so that idle looks disturb nobody
	rows, err := s.db.query(ctx, "SELECT 1 FROM waiting LIMIT 1")
	if err != nil {
		return p, fault(err)
	}
	some, err := all(rows, func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) })
	if err != nil || len(some) == 0 {
		return p, fault(err)
	}
	now := time.Now().UnixMilli()
	err = s.db.inTransaction(ctx, func(tx session) error {
		if err := s.db.onlySequencer(ctx, tx); err != nil {
			return err
		}
		rows, err := tx.query(ctx, "SELECT place, audiences, body FROM waiting ORDER BY place LIMIT CAST(? AS BIGINT)", int64(maxPass))
		if err != nil {
			return err
		}
		list, err := all(rows, func(rows *sql.Rows) (w waitingEvent, err error) {
			return w, rows.Scan(&w.place, &w.audiences, &w.body)
		})
		if err != nil || len(list) == 0 {
			return err
		}
		p.events = len(list)
		return s.number(ctx, tx, list, now)
	})
	if errors.Is(err, errTaken) {
		return passed{taken: true}, nil
	}
	if err != nil {
		return passed{}, fault(err)
	}
	return p, nil
}

// onlySequencer makes the transaction the only one that numbers, until it ends; errTaken
// when another is.
func (db *database) onlySequencer(ctx context.Context, tx session) error {
	if !db.postgres {
		return nil // the one writer has the whole file
	}
	rows, err := tx.query(ctx, "SELECT pg_try_advisory_xact_lock(?, hashtext(current_schema()))", int64(sequencerLock))
	if err != nil {
		return err
	}
	got, err := one(rows, func(rows *sql.Rows) (ok bool, err error) { return ok, rows.Scan(&ok) })
	if err == nil && !got {
		err = errTaken
	}
	return err
}

// asideMark is before an audience that is told the second line of an event.
const asideMark = "|"

// number gives the next numbers of every audience to a list of events in its order.
func (s *Store) number(ctx context.Context, tx session, list []waitingEvent, now int64) error {
	last := map[string]int64{referral.AudienceOperator: 0}
	for _, w := range list {
		for name := range strings.FieldsSeq(w.audiences) {
			last[strings.TrimPrefix(name, asideMark)] = 0
		}
	}
	last[nobodyYet] = 0
	names := make([]string, 0, len(last))
	for name := range last {
		names = append(names, name)
	}
	known := map[string]bool{}
	err := inSteps(ctx, tx.query, "SELECT name, last FROM audience WHERE name IN (", names, func(rows *sql.Rows) error {
		var name string
		var n int64
		err := rows.Scan(&name, &n)
		last[name], known[name] = n, true
		return err
	})
	if err != nil {
		return err
	}
	floor := last[nobodyYet]
	delete(last, nobodyYet)
	for name := range last {
		if !known[name] {
			last[name] = floor
		}
	}
	var b batch
	add := func(name, body string) {
		last[name]++
		b.add(tableFeed, name, last[name], now, body)
	}
	places := make([]any, len(list))
	for i, w := range list {
		places[i] = w.place
		body, aside, _ := strings.Cut(w.body, "\n")
		add(referral.AudienceOperator, body)
		for name := range strings.FieldsSeq(w.audiences) {
			if to, apart := strings.CutPrefix(name, asideMark); apart {
				add(to, aside)
			} else {
				add(name, body)
			}
		}
	}
	if err := s.db.insert(ctx, tx, &b); err != nil {
		return err
	}
	head := last[referral.AudienceOperator]
	for name := range last {
		text := "UPDATE audience SET last = ?, head = ? WHERE name = ?"
		args := []any{last[name], head, name}
		if !known[name] {
			text = "INSERT INTO audience (last, head, name, oldest) VALUES (?, ?, ?, CAST(? AS BIGINT) + 1)"
			args = append(args, floor)
		}
		if _, err := tx.exec(ctx, text, args...); err != nil {
			return err
		}
	}
	if err := forget(ctx, tx, places); err != nil || !s.db.postgres {
		return err
	}
	// Only the sequencer notifies: a commit that does takes a lock which all others that do wait for.
	_, err = tx.exec(ctx, "SELECT pg_notify('"+channel+"', '')")
	return err
}

// forget takes events out of those that wait. The number of placeholders is a power of
// two, filled up with the last one, so that few texts are prepared.
func forget(ctx context.Context, tx session, places []any) error {
	for len(places) > 0 {
		n := min(len(places), inStep)
		size := 1
		for size < n {
			size *= 2
		}
		args := make([]any, size)
		for i := range args {
			args[i] = places[min(i, n-1)]
		}
		places = places[n:]
		if _, err := tx.exec(ctx, "DELETE FROM waiting WHERE place IN ("+marks(size)+")", args...); err != nil {
			return err
		}
	}
	return nil
}
