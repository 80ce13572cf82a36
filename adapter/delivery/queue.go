package delivery

import (
	"context"
	"time"

	"spadapter/adapter/referral"
)

// Queue is the outbox as the Worker sees it; store implements it.
//
// Errors: transient and below when the database cannot answer; the Worker waits and
// asks again.
type Queue interface {
	// Claim takes up to n rows that are queued and due, or whose lease has run out, makes
	// them sending until now+lease, and gives them with their bodies and a Claim, the
	// longest due first. It never gives a row while an earlier row of the same referral to
	// the same recipient is queued or sending, so that order is kept. No two claims hold
	// the same row at the same time, in any number of processes.
	Claim(ctx context.Context, now time.Time, lease time.Duration, n int) ([]referral.Delivery, error)

	// Finish records an attempt and gives the row the attempt's State, Due and Issue, in
	// one commit. Errors: conflict when the claim is no longer held: its lease ran out and
	// another took the row, or the row was superseded.
	Finish(ctx context.Context, claim string, a referral.Attempt) error
}
