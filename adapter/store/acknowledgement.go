package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"time"

	"spadapter/adapter/referral"
)

// acknowledgedRoute is the route whose messages are acknowledged later.
const acknowledgedRoute = "mesh"

const acknowledgementColumns = "id, delivery, organisation, kind, code, negative, at, workflow, problem, body"

const (
	insertDispatch = `
INSERT INTO dispatch (name, delivery, organisation, at)
SELECT CAST(? AS TEXT), d.id, d.organisation, CAST(? AS BIGINT) FROM delivery d WHERE d.id = ?
ON CONFLICT DO NOTHING`

	// A message may have been sent again as another row, with the same names: the last one
	// that was not replaced is meant.
	selectDispatched = `
SELECT d.id FROM delivery d JOIN dispatch p ON p.delivery = d.id
WHERE p.name IN (%s)
ORDER BY CASE WHEN d.state = 'superseded' THEN 1 ELSE 0 END, d.id DESC LIMIT 1`

	insertAcknowledgement = "INSERT INTO acknowledgement (" + acknowledgementColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"

	selectAcknowledgements = `
SELECT a.id, a.delivery, a.kind, a.code, a.negative, a.at, a.workflow, a.problem
FROM acknowledgement a WHERE a.delivery = ? ORDER BY a.at, a.id`

	selectUnmatched = `
SELECT a.id, a.delivery, a.kind, a.code, a.negative, a.at, a.workflow, a.problem
FROM acknowledgement a WHERE a.delivery = '' ORDER BY a.at DESC, a.id DESC LIMIT CAST(? AS BIGINT)`

	updateSettled = "UPDATE delivery SET state = ?, open = 0, claim = '', due = ?, wake = ?, problem = ?, said = ? WHERE id = ?"

	selectOverdue = "SELECT d.id FROM delivery d WHERE d.state = 'awaiting' AND d.wake <= ? ORDER BY d.wake, d.id LIMIT CAST(? AS BIGINT)"
)

// Dispatch notes the names of a message just before it is sent, so that an acknowledgement
// finds its delivery however early it comes. Doing so again is no fault. Errors: transient.
func (s *Store) Dispatch(ctx context.Context, p referral.Dispatch) error {
	return fault(s.db.inTransaction(ctx, func(tx session) error {
		for _, name := range p.Names {
			if _, err := tx.exec(ctx, insertDispatch, named(name), p.At.UnixMilli(), p.Delivery); err != nil {
				return err
			}
		}
		return nil
	}))
}

// named is how a name is compared: UUIDs are written with capitals too.
func named(name string) string {
	return strings.ToLower(strings.TrimPrefix(clean(strings.TrimSpace(name)), "urn:uuid:"))
}

// Acknowledge keeps an acknowledgement and settles its delivery by all that have come, in
// one commit. until is how long what is still awaited then may take. The same one again, in
// whatever order they come, changes nothing; of a delivery that another has replaced, and of
// what is about none, it is kept alone. Errors: transient.
func (s *Store) Acknowledge(ctx context.Context, a referral.Acknowledgement, until time.Time) (referral.Settled, error) {
	body, err := s.db.keys.sealValue(sealedAcknowledgement, bytes(a.Body), a.ID)
	if err != nil {
		return referral.Settled{}, err
	}
	var out referral.Settled
	err = s.db.inTransaction(ctx, func(tx session) error {
		out = referral.Settled{}
		id, err := dispatched(ctx, tx, a.Names)
		if err != nil {
			return err
		}
		var d referral.Delivery
		if id != "" {
			if d, err = s.taken(ctx, tx, id); err != nil {
				return err
			}
		}
		n, err := tx.exec(ctx, insertAcknowledgement, a.ID, id, d.Organisation, string(a.Kind), clean(a.Code), flag(a.Negative), milli(a.At), clean(a.Workflow), clean(a.Problem), body)
		if err != nil {
			return err
		}
		if out.Changed = n > 0; id == "" {
			return nil
		}
		if out.Changed {
			if err := settle(ctx, tx, &d, until); err != nil {
				return err
			}
		}
		out.Delivery = d
		out.Code, err = settledBy(ctx, tx, id)
		return err
	})
	if err == nil && out.Changed {
		s.rouse()
	}
	return out, fault(err)
}

// dispatched finds the delivery that went out under one of the names, "" when none did.
func dispatched(ctx context.Context, tx session, names []string) (string, error) {
	var args []any
	for _, name := range names {
		if name = named(name); name != "" {
			args = append(args, name)
		}
	}
	if len(args) == 0 {
		return "", nil
	}
	return firstText(ctx, tx, strings.Replace(selectDispatched, "%s", marks(len(args)), 1), args...)
}

// taken locks a delivery against whoever finishes, replays or acknowledges it, and reads it
// without its body.
func (s *Store) taken(ctx context.Context, tx session, id string) (referral.Delivery, error) {
	if _, err := tx.exec(ctx, "UPDATE delivery SET replay_of = replay_of WHERE id = ?", id); err != nil {
		return referral.Delivery{}, err
	}
	rows, err := tx.query(ctx, selectOutbox+"d.id = ?", id)
	if err != nil {
		return referral.Delivery{}, err
	}
	return one(rows, s.db.scanDelivery)
}

// acknowledgements reads those of a delivery, without bodies.
func acknowledgements(ctx context.Context, ask asker, text string, args ...any) ([]referral.Acknowledgement, error) {
	rows, err := ask(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return all(rows, func(rows *sql.Rows) (a referral.Acknowledgement, err error) {
		var negative, at int64
		err = rows.Scan(&a.ID, &a.Delivery, &a.Kind, &a.Code, &negative, &at, &a.Workflow, &a.Problem)
		a.Negative, a.At = negative == 1, fromMilli(at)
		return a, err
	})
}

func settledBy(ctx context.Context, tx session, id string) (string, error) {
	list, err := acknowledgements(ctx, tx.query, selectAcknowledgements, id)
	return referral.Settle(list).Code, err
}

// settle gives a delivery the state that its acknowledgements mean together.
func settle(ctx context.Context, tx session, d *referral.Delivery, until time.Time) error {
	list, err := acknowledgements(ctx, tx.query, selectAcknowledgements, d.ID)
	if err != nil || len(list) == 0 {
		return err
	}
	s := referral.Settle(list)
	switch d.State {
	case referral.DeliverySuperseded: // recorded only
		return nil
	case referral.DeliverySending: // Finish looks at them
		return nil
	case referral.DeliveryDead:
		if s.State == referral.DeliveryAwaiting {
			return nil // what is dead waits for a person; half an answer brings it back no more than none
		}
	}
	d.State, d.Said, d.Problem, d.Due = s.State, s.Said, string(s.Issue), time.Time{}
	if s.State == referral.DeliveryAwaiting {
		d.Due = until
	}
	_, err = tx.exec(ctx, updateSettled, string(d.State), milli(d.Due), milli(d.Due), d.Problem, d.Said, d.ID)
	return err
}

// acknowledged looks, at the end of a try, at what came before the end of it was known: its
// answer may have been lost, or been slower than that of the recipient.
func acknowledged(ctx context.Context, tx session, a *referral.Attempt, organisation string) error {
	if a.Message != "" {
		if _, err := tx.exec(ctx, insertDispatch, named(a.Message), a.At.UnixMilli(), a.Delivery); err != nil {
			return err
		}
	}
	list, err := acknowledgements(ctx, tx.query, selectAcknowledgements, a.Delivery)
	if err != nil || len(list) == 0 && a.State != referral.DeliveryAwaiting {
		return err
	}
	d := referral.Delivery{ID: a.Delivery, State: a.State, Organisation: organisation}
	if len(list) == 0 {
		_, err = tx.exec(ctx, "UPDATE delivery SET said = ? WHERE id = ?", referral.Settle(nil).Said, a.Delivery)
		return err
	}
	until := a.Due
	if a.State != referral.DeliveryAwaiting || until.IsZero() {
		until = a.At.Add(referral.AwaitUnknown)
	}
	return settle(ctx, tx, &d, until)
}

// Overdue makes deliveries dead whose time for an acknowledgement is over, at most n, and
// gives them. Errors: transient.
func (s *Store) Overdue(ctx context.Context, now time.Time, n int) ([]referral.Settled, error) {
	rows, err := s.db.lookUp(ctx, selectOverdue, now.UnixMilli(), int64(n))
	if err != nil {
		return nil, fault(err)
	}
	ids, err := all(rows, func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) })
	if err != nil || len(ids) == 0 {
		return nil, fault(err)
	}
	var out []referral.Settled
	err = s.db.inTransaction(ctx, func(tx session) error {
		out = nil
		for _, id := range ids {
			d, err := s.taken(ctx, tx, id)
			if err != nil {
				return err
			}
			if d.State != referral.DeliveryAwaiting || d.Due.After(now) {
				continue // an acknowledgement came in between
			}
			list, err := acknowledgements(ctx, tx.query, selectAcknowledgements, id)
			if err != nil {
				return err
			}
			over := referral.Settle(list).Overdue()
			d.State, d.Said, d.Problem, d.Due = over.State, over.Said, string(over.Issue), time.Time{}
			if _, err := tx.exec(ctx, updateSettled, string(d.State), int64(0), int64(0), d.Problem, d.Said, d.ID); err != nil {
				return err
			}
			out = append(out, referral.Settled{Delivery: d, Changed: true})
		}
		return nil
	})
	return out, fault(err)
}

// Acknowledgements gives what came back about a delivery, in the order it came, without
// bodies; with "" the last n that are about nothing that was sent, the newest first. It knows
// no scope. Errors: transient.
func (s *Store) Acknowledgements(ctx context.Context, delivery string, n int) ([]referral.Acknowledgement, error) {
	text, arg := selectAcknowledgements, any(delivery)
	if delivery == "" {
		text, arg = selectUnmatched, int64(n)
	}
	list, err := acknowledgements(ctx, s.db.query, text, arg)
	return list, fault(err)
}

// DispatchedAs gives the names under which a delivery was sent, in order; nil when it was not.
// Errors: transient.
func (s *Store) DispatchedAs(ctx context.Context, delivery string) ([]string, error) {
	rows, err := s.db.query(ctx, "SELECT p.name FROM dispatch p WHERE p.delivery = ? ORDER BY p.at, p.name", delivery)
	if err != nil {
		return nil, fault(err)
	}
	list, err := all(rows, func(rows *sql.Rows) (name string, err error) { return name, rows.Scan(&name) })
	return list, fault(err)
}

// leadLock is the first half of the advisory lock of who reads the inbox of a carrier.
const leadLock = 0x5350_4d58

// Alone runs f while no other process runs its own, and gives false without running it when
// one does. On PostgreSQL the lock ends with the connection of whoever held it, so that a
// process that is killed keeps nobody out; a SQLite file has one process. Errors: those of f,
// transient.
func (s *Store) Alone(ctx context.Context, f func(ctx context.Context) error) (bool, error) {
	if !s.db.postgres {
		return true, f(ctx)
	}
	conn, err := s.db.read.Conn(ctx)
	if err != nil {
		return false, fault(err)
	}
	defer conn.Close()
	var got bool
	if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1, hashtext(current_schema()))", int64(leadLock)).Scan(&got); err != nil || !got {
		return false, fault(err)
	}
	err = f(ctx)
	// also when ctx has ended: the connection goes back to the pool
	if _, e := conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1, hashtext(current_schema()))", int64(leadLock)); e != nil {
		_ = conn.Raw(func(any) error { return errDiscard }) // the lock ends with it
	}
	return true, err
}

// errDiscard has the pool forget a connection.
var errDiscard = driver.ErrBadConn
