package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"modernc.org/sqlite"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// maxTries is how often a single change is tried when other processes get in its way.
const maxTries = 4

// commitGroup answers every member of a group. When the group as a whole meets an
// error that one member may have caused, each is tried alone, so that it harms no other.
func (s *Store) commitGroup(c *chain, members []*pending) {
	err := s.tryGroup(c, members)
	if err == nil {
		return
	}
	if len(members) > 1 && divisible(err) {
		for _, p := range members {
			s.commitGroup(c, []*pending{p})
		}
		return
	}
	for try := 1; len(members) == 1 && try < maxTries && contended(err); try++ {
		if err = s.tryGroup(c, members); err == nil {
			return
		}
	}
	for _, p := range members {
		p.answer <- outcome(err)
	}
}

// outcome is the answer to a change whose transaction failed.
func outcome(err error) error {
	if u, ok := errors.AsType[*unsure](err); ok {
		return unknown(u.cause)
	}
	if errors.Is(err, errStale) {
		return stale()
	}
	if faultType(err) == issue.Conflict { // an id that exists, or a row that refers to none
		return issue.New(issue.Conflict, "version-conflict", "the change contradicts what is stored").Because(err)
	}
	return fault(err)
}

// errStale is met when another process changed a row between the check and the write.
var errStale = errors.New("store: a row changed since it was checked")

// divisible reports whether an error may be the fault of one member alone.
func divisible(err error) bool {
	if _, ok := errors.AsType[*unsure](err); ok {
		return false
	}
	switch faultType(err) {
	case issue.NoStore:
		return errors.Is(err, errStale)
	case issue.LockError:
		return !foreignLock(err)
	case issue.Timeout:
		return false
	}
	return true
}

// foreignLock reports that another program holds a SQLite file. The driver has waited
// for it already.
func foreignLock(err error) bool {
	_, lite := errors.AsType[*sqlite.Error](err)
	return lite && faultType(err) == issue.LockError
}

// contended reports whether the same transaction may do better a moment later.
func contended(err error) bool {
	if _, ok := errors.AsType[*unsure](err); ok {
		return false
	}
	t := faultType(err)
	return errors.Is(err, errStale) || t == issue.Conflict || t == issue.LockError && !foreignLock(err)
}

// group is one transaction: who is in it and what it has learnt of the database.
type group struct {
	db      *database
	s       session
	members []*pending
	answers []error // by member; nil for those that are written

	known    map[key]found
	firsts   map[key]*pending // keys that members before bring
	current  map[string]int   // resource id → current number, as after the members before
	states   map[string]int   // referral id → version, likewise
	places   map[string]int64 // delivery id → place, while it is open or dead
	gone     map[string]bool  // Patients that were removed
	replaced map[string]bool  // deliveries that members before supersede
	changes  []statement      // to run before the rows are inserted
	rows     batch
}

// tryGroup writes all members whose demands are met in one transaction, and answers
// every member once that is durable. On an error none was answered.
func (s *Store) tryGroup(c *chain, members []*pending) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.patience)
	defer cancel()
	if audited(members) {
		if err := c.begin(ctx, s.db); err != nil {
			return err
		}
	}
	g := &group{db: s.db, members: members, answers: make([]error, len(members))}
	err := s.db.inTransaction(ctx, func(tx session) error {
		g.s = tx
		if err := g.learn(ctx); err != nil {
			return err
		}
		if err := g.update(ctx); err != nil {
			return err
		}
		return c.commit(ctx, tx, &g.rows, g.changes)
	})
	if err = c.settle(err); err != nil {
		return err
	}
	for i, p := range members {
		p.answer <- g.answers[i]
	}
	return nil
}

// audited reports whether a group brings audit records.
func audited(members []*pending) bool {
	for _, p := range members {
		if p.change != nil && len(p.change.rows[tableAudit]) > 0 {
			return true
		}
	}
	return false
}

// learn asks the database for all that the members demand, in one query per kind.
func (g *group) learn(ctx context.Context) (err error) {
	var keys []key
	hidden := map[key]key{}
	var resources, referrals, deliveries, people []string
	for _, p := range g.members {
		if p.change == nil {
			continue
		}
		keys = append(keys, p.change.stored...)
		maps.Copy(hidden, p.change.hidden)
		for _, b := range p.change.builds {
			resources = append(resources, b.id)
		}
		if r := p.change.record; r != nil {
			referrals = append(referrals, r.ID)
		}
		if t := p.change.timer; t != nil {
			referrals = append(referrals, t.Referral)
		}
		deliveries = append(deliveries, p.change.supersedes...)
		people = append(people, p.change.people...)
	}
	if g.gone, err = goneOf(ctx, g.s, g.db, people); err != nil {
		return err
	}
	g.firsts, g.replaced = map[key]*pending{}, map[string]bool{}
	if g.known, err = g.db.knownKeys(ctx, g.s.query, keys, hidden); err != nil {
		return err
	}
	if g.current, err = numbers[int](ctx, g.s, "SELECT id, number FROM resource WHERE current = 1 AND id IN (", resources); err != nil {
		return err
	}
	if g.states, err = numbers[int](ctx, g.s, "SELECT id, version FROM referral WHERE id IN (", referrals); err != nil {
		return err
	}
	g.places, err = numbers[int64](ctx, g.s, "SELECT id, place FROM delivery WHERE (open = 1 OR state = 'dead') AND id IN (", deliveries)
	return err
}

// numbers asks for one number for each id; ids that are not found are left out.
func numbers[N int | int64](ctx context.Context, s session, text string, ids []string) (map[string]N, error) {
	out := map[string]N{}
	err := inSteps(ctx, s.query, text, ids, func(rows *sql.Rows) error {
		var id string
		var n N
		err := rows.Scan(&id, &n)
		out[id] = n
		return err
	})
	return out, err
}

// update decides about each member in turn, and gathers the few updates that it needs and
// the rows to insert.
func (g *group) update(ctx context.Context) error {
	for i, p := range g.members {
		if p.finish != nil {
			// it looks at what the members before have changed
			if err := g.s.run(ctx, g.changes); err != nil {
				return err
			}
			g.changes = nil
			answer, err := p.finish.write(ctx, g.s, &g.rows)
			if err != nil {
				return err
			}
			g.answers[i] = answer
			continue
		}
		c := p.change
		if g.answers[i] = g.refusal(c); g.answers[i] != nil {
			continue
		}
		for _, k := range c.stored {
			g.firsts[k] = p
		}
		g.replace(c)
		g.rows.join(&c.rows)
	}
	return nil
}

// refusal says why a change cannot be written, nil when it can.
func (g *group) refusal(c *prepared) error {
	for _, k := range c.stored {
		if first := g.firsts[k]; first != nil {
			return g.repeatWithin(c, first)
		}
	}
	if r := repeatOf(c.keys, c.stored, g.known); r != nil {
		return r
	}
	if slices.ContainsFunc(c.people, func(id string) bool { return g.gone[id] }) {
		return stale()
	}
	for _, b := range c.builds {
		if n, ok := g.current[b.id]; !ok || n != b.number {
			return stale()
		}
	}
	if r := c.record; r != nil {
		if n, ok := g.states[r.ID]; !ok || n != r.Version-1 {
			return stale()
		}
	}
	if t := c.timer; t != nil {
		if n, ok := g.states[t.Referral]; !ok || n != t.Version {
			return stale()
		}
	}
	for _, id := range c.supersedes {
		if _, open := g.places[id]; !open || g.replaced[id] {
			return issue.New(issue.Conflict, "delivery-conflict", "the delivery to replace is not waiting any more: it was sent, or replaced already")
		}
	}
	return nil
}

// repeatWithin is the answer to a change that repeats one of the same group. It is
// given after the commit, when what it says is durable.
func (g *group) repeatWithin(c *prepared, first *pending) error {
	known := map[key]found{}
	for i, k := range first.change.stored {
		f := found{hash: first.change.keys[i].Hash, answer: first.change.response}
		if k := first.change.keys[i].Kind; k == referral.KeyPatient || k == referral.KeySuccessor {
			f.answer = nil
		}
		known[k] = f
	}
	return repeatOf(c.keys, c.stored, known)
}

func stale() error {
	return issue.New(issue.Conflict, "version-conflict", "the resource changed since it was read: read it again and repeat the change")
}
