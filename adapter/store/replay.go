package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// selectLater finds what makes a replay old news: a later row to the same recipient
// that has been delivered.
const selectLater = `
SELECT 1 FROM delivery d JOIN delivery e
  ON e.referral = d.referral AND e.recipient = d.recipient AND (e.place, e.id) > (d.place, d.id)
WHERE d.id = ? AND e.state = 'delivered' LIMIT 1`

// Replay queues a delivery again: a new row with the same bytes that names the old
// one, due now, with as much time to get through as the old one had; a dead old one
// becomes superseded and gives its place in the order. by goes into the
// audit in the same commit; its Entity is filled in when empty. Rows that are dead may
// be replayed; with force also delivered ones, and also when a later row to the same
// recipient has been delivered already.
//
// Errors: not-found, business-rule with the rule "replay", transient.
func (s *Store) Replay(ctx context.Context, id string, now time.Time, force bool, by referral.Audit) (string, error) {
	var replayed string
	err := s.inAudited(ctx, func(tx session) error {
		// Taking the row keeps two operators from replaying it at the same moment.
		if _, err := tx.exec(ctx, "UPDATE delivery SET replay_of = replay_of WHERE id = ?", id); err != nil {
			return err
		}
		rows, err := tx.query(ctx, selectDelivery, id)
		if err != nil {
			return err
		}
		old, err := one(rows, s.db.scanDelivery)
		if errors.Is(err, sql.ErrNoRows) {
			return notFound("there is no such delivery")
		}
		if err != nil {
			return err
		}
		if err := replayable(ctx, tx, &old, force); err != nil {
			return err
		}
		next := old
		next.ID, next.ReplayOf, next.Supersedes, next.Said, next.Created, next.Due = newID(), old.ID, "", "", now, now
		if !old.Expires.IsZero() {
			next.Expires = now.Add(old.Expires.Sub(old.Created))
		}
		if by.Entity == "" {
			by.Entity = "Delivery/" + old.ID
		}
		if by.Organisation == "" {
			by.Organisation = old.Organisation
		}
		var b batch
		replayed = next.ID
		if err := s.finish(ctx, tx, &b, by, now, []referral.Delivery{next}); err != nil || old.State != referral.DeliveryDead {
			return err
		}
		// A dead row that was replayed is done with: what is dead is what still needs a
		// person. Its replay takes its place in the order, before what came after it.
		if _, err := tx.exec(ctx, "UPDATE delivery SET place = (SELECT o.place FROM delivery o WHERE o.id = ?) WHERE id = ?", old.ID, next.ID); err != nil {
			return err
		}
		_, err = tx.exec(ctx, "UPDATE delivery SET state = 'superseded' WHERE id = ?", old.ID)
		return err
	})
	if u, ok := errors.AsType[*unsure](err); ok {
		return "", unknown(u.cause)
	}
	if err != nil {
		return "", fault(err)
	}
	s.rouse()
	return replayed, nil
}

const (
	selectReplay = "SELECT 1 FROM delivery d WHERE d.referral = ? AND d.recipient = ? AND d.replay_of = ? AND (d.open = 1 OR d.state = 'awaiting') LIMIT 1"
)

// replayable refuses a replay that would do harm or nothing.
func replayable(ctx context.Context, tx session, d *referral.Delivery, force bool) error {
	refuse := func(details string) error { return issue.New(issue.BusinessRule, "replay", details) }
	switch d.State {
	case referral.DeliveryAwaiting:
		return refuse("the delivery was sent and waits for its acknowledgement: there is nothing to replay yet")
	case referral.DeliveryQueued, referral.DeliverySending:
		return refuse("the delivery is still on its way: there is nothing to replay yet")
	case referral.DeliverySuperseded:
		return refuse("another delivery has taken the place of this one: replay that one")
	case referral.DeliveryDelivered:
		if !force {
			return refuse("the delivery arrived: replay it with force if the receiver has lost it")
		}
	}
	waiting, err := exists(ctx, tx, selectReplay, d.Referral, d.Recipient, d.ID)
	if err != nil {
		return err
	}
	if waiting {
		return refuse("a replay of this delivery is on its way already")
	}
	if force {
		return nil
	}
	later, err := exists(ctx, tx, selectLater, d.ID)
	if err != nil {
		return err
	}
	if later {
		return refuse("a later message of this referral has reached the receiver: replaying this one would put old news after new; use force if that is wanted")
	}
	return nil
}

func exists(ctx context.Context, s session, text string, args ...any) (bool, error) {
	rows, err := s.query(ctx, text, args...)
	if err != nil {
		return false, err
	}
	found, err := all(rows, func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) })
	return len(found) > 0, err
}
