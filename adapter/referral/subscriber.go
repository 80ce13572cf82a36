package referral

import (
	"context"
	"encoding/json"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
)

// The kinds of subscriber.
const (
	KindWebhook      = "webhook"
	KindSubscription = "subscription"
)

// The statuses of a subscriber. A webhook is active or paused, a Subscription requested,
// active, error or off. Only one that is active, or requested, is sent anything.
// Source: http://hl7.org/fhir/R4/valueset-subscription-status.html.
const (
	SubscriberRequested = "requested"
	SubscriberActive    = "active"
	SubscriberPaused    = "paused"
	SubscriberError     = "error"
	SubscriberOff       = "off"
)

// Why a subscriber is not sent anything any more.
const (
	ProblemGone          = "gone"          // its address answered 410
	ProblemUndeliverable = "undeliverable" // a delivery was tried until its time was over
	ProblemPruned        = "pruned"        // it was away for longer than events are kept
	ProblemHandshake     = "handshake"     // its address did not accept the handshake
)

// Subscriber is who is told of the events of one audience at an address.
type Subscriber struct {
	ID           string
	Kind         string
	Organisation string    // ODS code whose events these are, "" for an operator
	Role         auth.Role // in which it reads them
	Client       string    // who made it
	Version      int
	Status       string
	Problem      string // "" when there is none
	URL          string
	Settings     []byte        // JSON, of the kind
	Secret       string        // whsec_…, for signing alone; of a webhook
	Former       string        // the secret before, "" when none
	FormerUntil  time.Time     // it signs too until then
	Reached      int64         // number of the last event that was looked at for it
	Sent         int64         // how many events it was told of
	Heartbeat    time.Duration // 0 for none
	Beat         time.Time     // when something was last sent
	Ends         time.Time     // zero for never
	Created      time.Time
	Updated      time.Time
	Open         int // deliveries that still have to go; from Due alone
}

// AudienceOf names the audience whose events a subscriber is told of.
func AudienceOf(s *Subscriber) string { return audience(s.Role, s.Organisation) }

// settings reads the settings of a kind.
func settings[T any](s *Subscriber) (out T, err error) {
	if err := json.Unmarshal(s.Settings, &out); err != nil {
		return out, issue.New(issue.Exception, "stored-settings", "the stored settings of a subscriber cannot be read").Because(err)
	}
	return out, nil
}

// Advance takes a subscriber past some events: what it is told of them, and how far it
// then has come. It holds only while the subscriber is as it was before.
type Advance struct {
	Before     *Subscriber
	Reached    int64
	Sent       int64
	Beat       time.Time
	Deliveries []Delivery
	Numbers    []int64 // of events that get numbers of its own, which end with Sent
}

// LaneOrder says what becomes of the deliveries to a subscriber that still have to go.
type LaneOrder uint8

// The orders: leave them, send them now with new time to get through, or never.
const (
	LaneKept LaneOrder = iota
	LaneRevived
	LaneDropped
)

// Subscribers is what a store keeps of them. A scope is an audience, as of Feeds; "" is
// every audience.
type Subscribers interface {
	// AddSubscriber stores a new one, which is told of what comes after this commit, with
	// its first deliveries.
	AddSubscriber(ctx context.Context, s *Subscriber, a Audit, first ...Delivery) error
	// Subscriber gives one. Errors: not-found.
	Subscriber(ctx context.Context, audience, kind, id string) (*Subscriber, error)
	// Subscribers lists them, the oldest first. next is "" on the last page.
	Subscribers(ctx context.Context, audience, kind string, p Page) (list []Subscriber, next string, err error)
	// ChangeSubscriber stores what a caller may change, when Version-1 is current. Errors:
	// conflict with the rule "version-conflict".
	ChangeSubscriber(ctx context.Context, s *Subscriber, order LaneOrder, a Audit, first ...Delivery) error
	// RemoveSubscriber forgets one, and what it still had to be sent.
	RemoveSubscriber(ctx context.Context, s *Subscriber, a Audit) error
	// MarkSubscriber sets the status of one without a new version of what its owner set,
	// when it has one of the statuses from. It reports whether it had.
	MarkSubscriber(ctx context.Context, id, status, problem string, from ...string) (bool, error)

	// DueSubscribers gives those that have events to be told of, a heartbeat to be sent, or
	// an end that has come: the active ones, and Subscriptions in error, whose events are
	// counted.
	DueSubscribers(ctx context.Context, now time.Time) ([]Subscriber, error)
	// Advance commits an Advance; false when another process was first.
	Advance(ctx context.Context, a Advance) (bool, error)
	// Numbers gives which event a Subscription was told of under each number of its own,
	// from the first of two numbers to the last, at most n.
	Numbers(ctx context.Context, id string, from, to int64, n int) (map[int64]int64, error)

	// SubscriberDeliveries lists what was and is to be sent to one, the newest first,
	// without bodies; state "" is every state.
	SubscriberDeliveries(ctx context.Context, id string, state DeliveryState, p Page) (list []Delivery, next string, err error)
	// Delivery gives a delivery, and its tries in order. Errors: not-found.
	Delivery(ctx context.Context, id string) (*Delivery, []Attempt, error)
	// Replay queues a delivery again. Errors: not-found, business-rule.
	Replay(ctx context.Context, id string, now time.Time, force bool, by Audit) (string, error)
}
