package delivery

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// Config is what a Worker works with. Queue and Routes are demanded; the zero value
// of every other field means its default.
type Config struct {
	Queue  Queue
	Routes map[string]Route // by Delivery.Route, such as "fhir-rest"

	// Fresh is asked just before each send whether the facts the row was decided on still
	// hold. False means that the row was superseded in a commit and
	// must not be sent; an error counts as a failed attempt. nil sends every row as it is.
	Fresh func(ctx context.Context, d referral.Delivery) (bool, error)

	// Observe is told of each recorded attempt, for metrics. It is called by many
	// goroutines at once and must not wait.
	Observe func(d referral.Delivery, a referral.Attempt)

	Wake <-chan struct{} // a value says that new rows may be due; nil for polling alone

	Concurrency  int           // sends at the same time, default 32
	PerRecipient int           // of them to one recipient, default 4
	Hold         int           // rows in hand that wait for a busy recipient, default 1024; each is some 20 KiB
	Timeout      time.Duration // for one try, with login, default 30 s
	Lease        time.Duration // of a claim, default 2 min, at least three Timeouts
	Poll         time.Duration // between looks at the queue, default 2 s
	Drain        time.Duration // for what is being sent when Run is told to stop, default 20 s

	Now  func() time.Time // default time.Now
	Rand func() float64   // in [0, 1), for jitter, safe for concurrent use; default math/rand
	Log  *slog.Logger     // default slog.Default()
}

// check fills in the defaults. Errors: required without Queue or Routes.
func (c Config) check() (Config, error) {
	if c.Queue == nil || len(c.Routes) == 0 {
		return c, issue.New(issue.Required, "delivery-config", "a delivery worker needs a Queue and at least one Route")
	}
	positive(&c.Concurrency, 32)
	positive(&c.PerRecipient, 4)
	positive(&c.Hold, 1024)
	positive(&c.Timeout, 30*time.Second)
	positive(&c.Lease, 2*time.Minute)
	positive(&c.Poll, 2*time.Second)
	positive(&c.Drain, 20*time.Second)
	// a row may wait for its recipient's turn before its own try begins
	c.Lease = max(c.Lease, 3*c.Timeout)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c, nil
}

func positive[T ~int | ~int64](v *T, standard T) {
	if *v <= 0 {
		*v = standard
	}
}
