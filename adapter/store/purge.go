package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// purgeStep is how many requests, people or loose messages one transaction removes: some
// thousand rows, so that nobody who commits waits long.
const purgeStep = 20

// Purge removes what is old enough, a few requests at a time, or says what it would remove.
type Purge struct {
	s       *Store
	removal referral.Removal
	apply   bool
	stage   int
	after   cursor
	removed map[string]bool // referrals and people, where nothing is really removed
	codes   []string        // of needs
}

// The stages of a Purge: requests with all that belongs to them, people without any
// request, and messages and answers that are about nobody known.
const (
	purgeRequests = iota
	purgePeople
	purgeLoose
	purgeDone
)

// Purge begins a removal; without apply nothing is changed. Several may run at the same
// time, and one that was killed is begun again.
func (s *Store) Purge(r referral.Removal, apply bool) *Purge {
	return &Purge{s: s, removal: r, apply: apply, removed: map[string]bool{}}
}

// Retained lists the organisations whose data there are, in order. Errors: transient.
func (s *Store) Retained(ctx context.Context) ([]string, error) {
	rows, err := s.db.query(ctx, "SELECT r.organisation FROM resource r WHERE r.type = 'Patient' UNION SELECT m.organisation FROM message m WHERE m.about = '' ORDER BY 1")
	if err != nil {
		return nil, fault(err)
	}
	list, err := all(rows, func(rows *sql.Rows) (ods string, err error) { return ods, rows.Scan(&ods) })
	return list, fault(err)
}

// Next removes the next few in one commit, which holds all of a request or nothing of it,
// and the audit record with the parameters, the counts and a digest of the ids. more is
// false when there is nothing left to look at. Errors: transient.
func (p *Purge) Next(ctx context.Context, by referral.Audit) (done referral.Removed, more bool, err error) {
	stage, after := p.stage, p.after
	b := &purgeBatch{Purge: p, at: milli(by.At)}
	if !p.apply {
		b.tx = looking{p.s.db}
		err = b.run(ctx)
	} else {
		err = p.s.inWriteAudited(ctx, false, func(tx session) error {
			p.stage, p.after, b.tx = stage, after, tx
			if err := p.s.db.lockRetention(ctx, tx); err != nil {
				return err
			}
			if err := b.run(ctx); err != nil || len(b.ids) == 0 {
				return err
			}
			by.Query = b.words()
			by.Organisation, by.Patient = p.removal.Organisation, p.removal.Patient
			return p.s.finish(ctx, tx, &b.rows, by, by.At, nil)
		})
	}
	if err != nil {
		p.stage, p.after = stage, after
		return referral.Removed{}, true, fault(err)
	}
	return b.done, p.stage != purgeDone, nil
}

// looking is a session of a Purge that changes nothing.
type looking struct{ db *database }

func (l looking) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return l.db.lookUp(ctx, text, args...)
}

func (looking) exec(context.Context, string, ...any) (int64, error) {
	return 0, issue.New(issue.Exception, "purge", "a look at what would be removed tried to change something")
}

func (looking) run(context.Context, []statement) error { return nil }

// purgeBatch is what one commit removes.
type purgeBatch struct {
	*Purge
	tx   session
	at   int64
	done referral.Removed
	ids  []string // of requests and people
	rows batch    // tombstones
}

// words are the parameters, the counts and the digest, for the audit.
func (b *purgeBatch) words() string {
	slices.Sort(b.ids)
	sum := sha256.Sum256([]byte(strings.Join(b.ids, "\n")))
	var w strings.Builder
	if r := b.removal; r.Patient != "" {
		w.WriteString("erasure=1")
	} else {
		fmt.Fprintf(&w, "before=%s", r.Before.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(&w, "&force=%d&requests=%d&people=%d", flag(b.removal.Force), b.done.Requests, b.done.People)
	for _, kind := range slices.Sorted(maps.Keys(b.done.Rows)) {
		fmt.Fprintf(&w, "&%s=%d", kind, b.done.Rows[kind])
	}
	fmt.Fprintf(&w, "&sha256=%s", hex.EncodeToString(sum[:]))
	return w.String()
}

const (
	selectOldRequests = `
SELECT f.id, f.updated FROM referral f
WHERE f.organisation = ? AND (f.open * (1 + f.overdue)) = 0 AND f.root = '' AND f.updated < ? AND (f.updated, f.id) > (?, ?)
ORDER BY f.updated, f.id LIMIT CAST(? AS BIGINT)`
	selectRequestsOf = `
SELECT f.id, f.created FROM referral f
WHERE f.patient = ? AND f.organisation = ? AND f.root = '' AND (f.created, f.id) > (?, ?)
ORDER BY f.created, f.id LIMIT CAST(? AS BIGINT)`
	selectOldPeople = `
SELECT r.id, r.updated FROM resource r
WHERE r.type = 'Patient' AND r.updated < ? AND (r.updated, r.id) > (?, ?) AND r.current = 1 AND r.organisation = ?
  AND NOT EXISTS (SELECT 1 FROM referral f WHERE f.patient = r.id)
ORDER BY r.updated, r.id LIMIT CAST(? AS BIGINT)`
	selectLoose = "SELECT m.id, m.at FROM %s m WHERE m.about = '' AND m.organisation = ? AND m.at < ? ORDER BY m.at, m.id LIMIT CAST(? AS BIGINT)"
)

// run does one step and sets where the next begins.
func (b *purgeBatch) run(ctx context.Context) error {
	r := &b.removal
	b.done.Add(referral.Removed{})
	switch b.stage {
	case purgeRequests:
		text, args := selectOldRequests, []any{r.Organisation, r.Before.UnixMilli()}
		if r.Patient != "" {
			text, args = selectRequestsOf, []any{r.Patient, r.Organisation}
		}
		return b.each(ctx, b.request, text, append(args, b.after.Time, b.after.ID, int64(purgeStep))...)
	case purgePeople:
		if r.Patient == "" {
			return b.each(ctx, b.lonePerson, selectOldPeople, r.Before.UnixMilli(), b.after.Time, b.after.ID, r.Organisation, int64(purgeStep))
		}
		if err := b.lonePerson(ctx, r.Patient); err != nil {
			return err
		}
		b.stage = purgeDone // what is about nobody known is not about this person
	case purgeLoose:
		return b.loose(ctx)
	}
	return nil
}

// each does something with each id that a list gives, and goes on to the next stage at its end.
func (b *purgeBatch) each(ctx context.Context, do func(context.Context, string) error, text string, args ...any) error {
	rows, err := b.tx.query(ctx, text, args...)
	if err != nil {
		return err
	}
	list, err := all(rows, scanCursor)
	if err != nil {
		return err
	}
	for _, c := range list {
		if err := do(ctx, c.ID); err != nil {
			return err
		}
		b.after = c
	}
	if len(list) < purgeStep {
		b.stage, b.after = b.stage+1, cursor{}
	}
	return nil
}

func scanCursor(rows *sql.Rows) (c cursor, err error) { return c, rows.Scan(&c.ID, &c.Time) }

// loose removes messages and answers that are about nobody known, by their own age.
func (b *purgeBatch) loose(ctx context.Context) error {
	held, err := exists(ctx, b.tx, fmt.Sprintf(selectHeld, "''"), b.removal.Organisation, "")
	if err != nil || held {
		b.stage = purgeDone
		return err
	}
	more := false
	for _, table := range []string{"message", "response"} {
		limit := int64(purgeStep)
		if !b.apply {
			limit = math.MaxInt32 // they are counted in one look
		}
		rows, err := b.tx.query(ctx, fmt.Sprintf(selectLoose, table), b.removal.Organisation, b.removal.Before.UnixMilli(), limit)
		if err != nil {
			return err
		}
		list, err := all(rows, scanCursor)
		if err != nil {
			return err
		}
		b.done.Rows[table] += len(list)
		more = more || b.apply && len(list) == purgeStep
		for _, c := range list {
			if !b.apply {
				break
			}
			b.ids = append(b.ids, c.ID)
			if _, err := b.tx.exec(ctx, "DELETE FROM "+table+" WHERE id = ?", c.ID); err != nil {
				return err
			}
		}
	}
	if !more {
		b.stage = purgeDone
	}
	return nil
}
