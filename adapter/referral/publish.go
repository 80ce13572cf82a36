package referral

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"spadapter/adapter/issue"
)

const (
	// window is how many deliveries to one subscriber may wait in the outbox. More would
	// not go faster, since they go one after another, and a subscriber that is away must
	// not fill the outbox: its events are kept once, in the feed.
	window = 20
	// glance is how many events are looked at for one subscriber at a time.
	glance = 200
)

// notice is what a Subscription is told, as the outbox holds it. It becomes a Bundle when
// it is sent, under the rights that its reader has then.
type notice struct {
	Type   string        `json:"type"` // handshake, heartbeat or event-notification
	Since  int64         `json:"since"`
	Events []noticeEvent `json:"events,omitempty"`
}

type noticeEvent struct {
	Number int64           `json:"number"` // the Subscription's own
	Event  json.RawMessage `json:"event"`
}

// The types of notification.
// Source: http://hl7.org/fhir/R4B/codesystem-subscription-notification-type.html.
const (
	noticeHandshake = "handshake"
	noticeHeartbeat = "heartbeat"
	noticeEvents    = "event-notification"
	noticeStatus    = "query-status"
	noticeQuery     = "query-event"
)

// Publish puts the events that subscribers are to be told of into the outbox, until ctx
// ends. Every process may run one: where two meet at a subscriber, one of them gets through.
func (s *Service) Publish(ctx context.Context, log *slog.Logger) {
	seen, failures := int64(-1), 0
	for ctx.Err() == nil {
		again, err := s.round(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failures++
			log.Warn("subscribers_not_told", "issue", string(issue.All(err)[0].Type), "failures", failures)
		case failures > 0:
			log.Info("subscribers_told_again", "failures", failures)
			failures = 0
		}
		if again {
			continue
		}
		// a second at most: heartbeats, ends, and what other processes did
		wait, stop := context.WithTimeout(ctx, time.Second)
		news := make(chan int64, 1)
		go func() { news <- s.Store.Await(wait, AudienceOperator, seen) }()
		select {
		case seen = <-news:
		case <-s.room:
			stop()
			<-news
		}
		stop()
	}
}

// round looks once at every subscriber that has something coming. again says that there
// is more that could go now.
func (s *Service) round(ctx context.Context) (again bool, err error) {
	list, err := s.Store.DueSubscribers(ctx, s.now())
	if err != nil {
		return false, err
	}
	var faults []error
	for i := range list {
		more, err := s.tell(ctx, &list[i])
		if err != nil {
			faults = append(faults, err)
		}
		again = again || more
	}
	return again && len(faults) == 0, errors.Join(faults...)
}

// tell takes one subscriber as far as there is room in the outbox.
func (s *Service) tell(ctx context.Context, p *Subscriber) (more bool, err error) {
	now := s.now()
	if !p.Ends.IsZero() && !now.Before(p.Ends) {
		_, err := s.Store.MarkSubscriber(ctx, p.ID, SubscriberOff, "", SubscriberActive, SubscriberError)
		return false, err
	}
	room := window - p.Open
	switch {
	case p.Status == SubscriberError:
		room = window // events are counted, and nothing is sent
	case room < window/2:
		return false, nil // filled up by halves: each time costs a commit
	}
	feed, err := s.Store.Feed(ctx, AudienceOf(p), p.Reached, glance)
	if errors.Is(err, issue.Deleted) || errors.Is(err, issue.Value) {
		// what it had to be told is gone: somebody must know before it goes on
		_, err := s.Store.MarkSubscriber(ctx, p.ID, stopped(p.Kind), ProblemPruned, SubscriberActive)
		return false, err
	}
	if err != nil {
		return false, err
	}
	a := Advance{Before: p, Reached: p.Reached, Sent: p.Sent, Beat: p.Beat}
	if p.Kind == KindWebhook {
		for _, e := range feed.Events[:min(room, len(feed.Events))] {
			h, err := e.happening()
			if err != nil {
				return false, err
			}
			a.Reached = e.Number
			a.Deliveries = append(a.Deliveries, s.delivery(p, now, "event", h.Data.Move, e.JSON(s.source())).after(e.Number, 0))
		}
	} else if err := s.notify(&a, feed.Events, room, now); err != nil {
		return false, err
	}
	switch {
	case len(a.Deliveries) > 0:
		a.Beat = now
	case p.Heartbeat > 0 && p.Status == SubscriberActive && !now.Before(p.Beat.Add(p.Heartbeat)):
		a.Beat = now
		if p.Open == 0 { // what waits already will show that we are here
			a.Deliveries = append(a.Deliveries, s.delivery(p, now, noticeHeartbeat, "", mustJSON(notice{Type: noticeHeartbeat, Since: a.Sent})).after(a.Reached, betweenEvents))
		}
	case a.Reached == p.Reached:
		return false, nil
	}
	if p.Status == SubscriberError {
		a.Deliveries, a.Beat = nil, p.Beat
	}
	done, err := s.Store.Advance(ctx, a)
	return done && a.Reached < feed.Last && len(a.Deliveries) < room, err
}

// notify gathers the events that pass the filters of a Subscription into notifications.
func (s *Service) notify(a *Advance, events []Numbered, room int, now time.Time) error {
	set, err := settings[subscriptionSettings](a.Before)
	if err != nil {
		return err
	}
	filters, err := parseFilters(set.Filters)
	if err != nil {
		return err
	}
	var pending []noticeEvent
	move := ""
	flush := func() {
		if len(pending) > 0 {
			a.Deliveries = append(a.Deliveries, s.delivery(a.Before, now, noticeEvents, move, mustJSON(notice{Type: noticeEvents, Since: a.Sent, Events: pending})).after(a.Reached, 0))
			pending = nil
		}
	}
	for _, e := range events {
		h, err := e.happening()
		if err != nil {
			return err
		}
		if !filters.pass(h.Data) {
			a.Reached = e.Number
			continue
		}
		if len(pending) == 0 && len(a.Deliveries) == room {
			break
		}
		a.Reached = e.Number
		a.Sent++
		a.Numbers = append(a.Numbers, e.Number)
		pending, move = append(pending, noticeEvent{a.Sent, e.Body}), h.Data.Move
		if len(pending) >= max(1, set.MaxCount) {
			flush()
		}
	}
	flush()
	return nil
}

// delivery makes a row of the outbox for a subscriber.
func (s *Service) delivery(p *Subscriber, now time.Time, kind, move string, body []byte) Delivery {
	contentType := "application/json"
	if p.Kind == KindSubscription {
		contentType = "application/fhir+json"
	}
	return Delivery{
		ID: s.Store.NewID(), Organisation: p.Organisation, Recipient: p.ID, Kind: kind, Move: move, Route: p.Kind, ContentType: contentType, Body: body,
		State: DeliveryQueued, Due: now, Created: now, Expires: now.Add(s.RetryFor),
	}
}

// betweenEvents is where something goes that belongs to no event: after the one before it.
const betweenEvents = 500

// after gives a delivery its place among those to one subscriber: by the number of the
// event, which is the same for every process, where clocks differ.
func (d Delivery) after(number int64, offset int64) Delivery {
	d.Place = number*1000 + offset + 1
	return d
}

// source is the base URL of this server, without a slash at the end.
func (s *Service) source() string {
	const fhirBase = "/fhir/R4/"
	if n := len(s.Base) - len(fhirBase); n > 0 && s.Base[n:] == fhirBase {
		return s.Base[:n]
	}
	return s.Base
}

// stopped is the status of a subscriber that is sent nothing because something is wrong.
func stopped(kind string) string {
	if kind == KindWebhook {
		return SubscriberPaused
	}
	return SubscriberError
}
