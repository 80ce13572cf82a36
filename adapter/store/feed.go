package store

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

const selectFeed = "SELECT f.number, f.body FROM feed f WHERE f.audience = ? AND f.number > ? ORDER BY f.number LIMIT CAST(? AS BIGINT)"

const selectAudience = "SELECT a.last, a.oldest FROM audience a WHERE a.name = ?"

// Feed gives at most n events of an audience with numbers above after, in the order of
// their numbers and without gaps. Errors: deleted with the rule "events-pruned" when the
// next event is not kept any more; value with the rule "events-ahead" when the audience
// has not come as far as after, both with Oldest and Last; transient.
func (s *Store) Feed(ctx context.Context, audience string, after int64, n int) (referral.Feed, error) {
	var feed referral.Feed
	// the state first: events that are numbered in between may be on the page, and are not lost
	if err := s.reach(ctx, audience, &feed); err != nil {
		return feed, err
	}
	if after > feed.Last {
		return feed, issue.Newf(issue.Value, "events-ahead",
			"the newest event has the number %d: the number that you give is not from here, or from before a backup was put back; read the referrals afresh, then go on with since=%d", feed.Last, feed.Last)
	}
	if after+1 < feed.Oldest {
		return feed, pruned(feed.Oldest)
	}
	if after == feed.Last || n <= 0 {
		return feed, nil
	}
	rows, err := s.db.query(ctx, selectFeed, clean(audience), after, int64(min(n, math.MaxInt32)))
	if err != nil {
		return feed, fault(err)
	}
	feed.Events, err = all(rows, func(rows *sql.Rows) (e referral.Numbered, err error) { return e, rows.Scan(&e.Number, &e.Body) })
	if err != nil {
		return feed, fault(err)
	}
	if len(feed.Events) == 0 || feed.Events[0].Number != after+1 { // pruned since we looked
		feed.Events = nil
		if err := s.reach(ctx, audience, &feed); err != nil {
			return feed, err
		}
		return feed, pruned(feed.Oldest)
	}
	feed.Last = max(feed.Last, feed.Events[len(feed.Events)-1].Number)
	return feed, nil
}

// reach sets from where to where an audience's events go.
func (s *Store) reach(ctx context.Context, audience string, feed *referral.Feed) error {
	rows, err := s.db.query(ctx, selectAudience, clean(audience))
	if err != nil {
		return fault(err)
	}
	feed.Oldest = 1
	_, err = one(rows, func(rows *sql.Rows) (struct{}, error) { return struct{}{}, rows.Scan(&feed.Last, &feed.Oldest) })
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return fault(err)
}

func pruned(oldest int64) error {
	return issue.Newf(issue.Deleted, "events-pruned",
		"the events after that number are not kept any more; the oldest that is kept has the number %d: read the referrals afresh, then go on with since=%d", oldest, oldest-1)
}

// maxPruned is how many events one transaction of a Prune deletes.
const maxPruned = 2000

// Prune forgets the events that were numbered before a time, in whole from the oldest
// on, and what was delivered of them. Deliveries that are dead or still have to go stay. It gives how
// many events it forgot. Errors: transient.
func (s *Store) Prune(ctx context.Context, before time.Time) (int, error) {
	rows, err := s.db.query(ctx, "SELECT name FROM audience ORDER BY name")
	if err != nil {
		return 0, fault(err)
	}
	names, err := all(rows, func(rows *sql.Rows) (name string, err error) { return name, rows.Scan(&name) })
	if err != nil {
		return 0, fault(err)
	}
	total := 0
	for _, name := range names {
		for {
			n, err := s.pruneStep(ctx, name, before.UnixMilli())
			if total += n; err != nil {
				return total, fault(err)
			}
			if n < maxPruned {
				break
			}
		}
	}
	return total, fault(s.pruneDelivered(ctx, before.UnixMilli()))
}

func (s *Store) pruneStep(ctx context.Context, audience string, before int64) (n int, err error) {
	err = s.db.inTransaction(ctx, func(tx session) error {
		rows, err := tx.query(ctx, selectAudience, audience)
		if err != nil {
			return err
		}
		var last, oldest int64
		if _, err := one(rows, func(rows *sql.Rows) (struct{}, error) { return struct{}{}, rows.Scan(&last, &oldest) }); err != nil {
			return err
		}
		rows, err = tx.query(ctx, "SELECT number, at FROM feed WHERE audience = ? AND number >= ? ORDER BY number LIMIT CAST(? AS BIGINT)", audience, oldest, int64(maxPruned))
		if err != nil {
			return err
		}
		type numbered struct{ number, at int64 }
		list, err := all(rows, func(rows *sql.Rows) (e numbered, err error) { return e, rows.Scan(&e.number, &e.at) })
		if err != nil {
			return err
		}
		// up to the first that is kept: clocks of several processes differ, numbers do not
		for n < len(list) && list[n].at < before {
			n++
		}
		if n == 0 {
			return nil
		}
		if _, err := tx.exec(ctx, "DELETE FROM feed WHERE audience = ? AND number <= ?", audience, list[n-1].number); err != nil {
			return err
		}
		_, err = tx.exec(ctx, "UPDATE audience SET oldest = ? WHERE name = ? AND oldest = ?", list[n-1].number+1, audience, oldest)
		return err
	})
	return n, err
}

// The deliveries of events are those without referral.
const (
	deletePrunedAttempts = `
DELETE FROM attempt WHERE delivery IN (
    SELECT d.id FROM delivery d WHERE d.referral = '' AND d.open = 0 AND d.state <> 'dead' AND d.created < ?)`
	deletePrunedDeliveries = "DELETE FROM delivery WHERE referral = '' AND open = 0 AND state <> 'dead' AND created < ?"
	deletePrunedNumbers    = `
DELETE FROM notification WHERE event < (
    SELECT a.oldest FROM audience a JOIN subscriber p ON p.audience = a.name WHERE p.id = notification.subscriber)`
)

func (s *Store) pruneDelivered(ctx context.Context, before int64) error {
	return s.db.inTransaction(ctx, func(tx session) error {
		for _, text := range []string{deletePrunedAttempts, deletePrunedDeliveries} {
			if _, err := tx.exec(ctx, text, before); err != nil {
				return err
			}
		}
		_, err := tx.exec(ctx, deletePrunedNumbers)
		return err
	})
}
