package delivery

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// attempt makes one try at a row, records it and logs it.
func (w *Worker) attempt(ctx context.Context, row claimed) {
	start := w.config.Now()
	receipt, current, err := w.try(ctx, row.Delivery)
	if !current && err == nil {
		w.config.Log.Info("delivery_superseded", "delivery", row.ID, "referral", row.Referral, "recipient", row.Recipient, "route", row.Route)
		return
	}
	a := w.record(row.Delivery, start, receipt, err)
	if err := w.finish(ctx, row, a); err != nil {
		// the row stays claimed until its lease ends, and is then sent again with the same id
		w.config.Log.Error("delivery_not_recorded", "delivery", row.ID, "referral", row.Referral,
			"attempt", a.Number, "state", string(a.State), "issue", string(failure(err).Type))
		return
	}
	w.log(row.Delivery, a)
	if w.config.Observe != nil {
		w.config.Observe(row.Delivery, a)
	}
}

// try sends a row. current is false when it must not be sent any more. A panic in a
// Route, or in Fresh, is a failed try like any other.
func (w *Worker) try(ctx context.Context, d referral.Delivery) (r Receipt, current bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.config.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			// the value of the panic may quote the message; the stack holds only addresses
			w.config.Log.Error("delivery_panic", "delivery", d.ID, "route", d.Route, "stack", string(debug.Stack()))
			r, current = Receipt{}, true
			err = issue.New(issue.Exception, "delivery-panic", "the adapter failed while sending")
		}
	}()
	route := w.config.Routes[d.Route]
	if route == nil {
		// waits like a missing endpoint: a later start may bring the route
		return Receipt{}, true, issue.New(issue.NotSupported, "route-unknown", "the adapter has no such route; the delivery waits for one")
	}
	if w.config.Fresh != nil {
		if current, err = w.config.Fresh(ctx, d); err != nil || !current {
			// a check of the map holds no sooner for another try: a person must see it
			return Receipt{Refused: err != nil && failure(err).Rule == "map-check"}, current, err
		}
	}
	r, err = route.Send(ctx, d)
	return r, true, err
}

// record makes the attempt of what came back: this is where the state of a delivery is
// decided. Nothing here, or anywhere in the package, can decide a state of a referral.
func (w *Worker) record(d referral.Delivery, start time.Time, r Receipt, err error) referral.Attempt {
	now := w.config.Now()
	a := referral.Attempt{
		Delivery: d.ID, Number: d.Attempts + 1, At: start, Duration: now.Sub(start),
		State: referral.DeliveryDelivered, Status: r.Status, Message: r.Message,
	}
	if err == nil {
		if !r.Awaits.IsZero() {
			a.State, a.Due = referral.DeliveryAwaiting, r.Awaits
		}
		return a
	}
	problem := failure(err)
	a.Issue, a.Details = string(problem.Type), problem.Details
	if a.Details == "" {
		a.Details = "the try failed"
	}
	expires := d.Expires
	if expires.IsZero() {
		expires = d.Created.Add(Lifetime)
	}
	a.State = referral.DeliveryDead
	if !r.Refused {
		if due, ok := next(now, expires, a.Number, r.RetryAfter, w.config.Rand()); ok {
			a.State, a.Due = referral.DeliveryQueued, due
		}
	}
	return a
}

// log writes one line for an attempt: never a body, and of the partner's words none.
func (w *Worker) log(d referral.Delivery, a referral.Attempt) {
	level := slog.LevelInfo
	switch a.State {
	case referral.DeliveryQueued:
		level = slog.LevelWarn
	case referral.DeliveryDead:
		level = slog.LevelError
	}
	w.config.Log.LogAttrs(context.Background(), level, "delivery_attempt",
		slog.String("delivery", d.ID), slog.String("referral", d.Referral), slog.String("recipient", d.Recipient),
		slog.String("route", d.Route), slog.Int("attempt", a.Number), slog.String("state", string(a.State)),
		slog.Int("status", a.Status), slog.String("issue", a.Issue), slog.String("details", a.Details),
		slog.Int64("duration_ms", a.Duration.Milliseconds()))
}
