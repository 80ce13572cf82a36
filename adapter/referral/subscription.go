package referral

import (
	"context"
	"slices"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// TopicReferral is the one topic: every change of a referral's Task.
const TopicReferral = canonical + "/SubscriptionTopic/referral-task"

// The extensions of the guide that are read here.
// Source: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/artifacts.html.
const (
	backport          = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
	extPayloadContent = backport + "backport-payload-content"
	extFilter         = backport + "backport-filter-criteria"
	extHeartbeat      = backport + "backport-heartbeat-period"
	extTimeout        = backport + "backport-timeout"
	extMaxCount       = backport + "backport-max-count"
	extChannelType    = backport + "backport-channel-type"
)

// How much a notification holds.
const (
	contentEmpty  = "empty"
	contentIDOnly = "id-only"
	contentFull   = "full-resource"
)

const (
	leastHeartbeat = 10  // seconds
	mostTimeout    = 60  // seconds
	mostCount      = 100 // events in one notification
	hiddenValue    = "(not shown)"
)

// CreateSubscription makes a Subscription, status requested: it becomes active when its
// address has accepted a handshake, else error. The answer is the resource as stored.
//
// Errors (all faults joined): those of fhir.Check; required, value, not-supported and
// business-rule for what is asked; forbidden.
func (s *Service) CreateSubscription(ctx context.Context, c Call, root *fhir.Node) (*Version, error) {
	organisation, err := reader(c, "")
	if err != nil {
		return nil, err
	}
	now := s.now()
	p := &Subscriber{ID: s.Store.NewID(), Kind: KindSubscription, Organisation: organisation, Role: c.Principal.Role, Client: c.Principal.Client, Version: 1,
		Created: now, Updated: now, Beat: now}
	if err := s.setSubscription(c, p, root); err != nil {
		return nil, err
	}
	if err := s.fewEnough(ctx, p); err != nil {
		return nil, err
	}
	if err := s.Store.AddSubscriber(ctx, p, s.auditSubscriber(c, "create", "C", p), s.handshake(p)...); err != nil {
		return nil, err
	}
	return s.subscriptionVersion(p)
}

// UpdateSubscription replaces a Subscription; version is what If-Match named, 0 for
// whichever is current. Status off stops it; any other asks for a new handshake, after
// which it goes on where it was. Errors: not-found, conflict (rule "version-conflict"),
// those of CreateSubscription.
func (s *Service) UpdateSubscription(ctx context.Context, c Call, id string, version int, root *fhir.Node) (*Version, error) {
	p, err := s.own(ctx, c, KindSubscription, id)
	if err != nil {
		return nil, err
	}
	if version != 0 && p.Version != version {
		return nil, issue.Newf(issue.Conflict, "version-conflict", "the Subscription has changed: its version is now %d; read it again", p.Version)
	}
	if root.Text("id") != id {
		return nil, issue.New(issue.Invalid, "resource-id", "the id of the resource must be the one in the address").At("Subscription.id")
	}
	p.Version++
	p.Updated = s.now()
	if err := s.setSubscription(c, p, root); err != nil {
		return nil, err
	}
	if p.Reached, err = s.kept(ctx, p); err != nil {
		return nil, err
	}
	order := LaneRevived
	if p.Status == SubscriberOff {
		order = LaneDropped
	}
	if err := s.Store.ChangeSubscriber(ctx, p, order, s.auditSubscriber(c, "update", "U", p), s.handshake(p)...); err != nil {
		return nil, err
	}
	return s.subscriptionVersion(p)
}

// handshake is the first thing that goes to a Subscription, before anything that waits
// for it. It is tried once.
func (s *Service) handshake(p *Subscriber) []Delivery {
	if p.Status != SubscriberRequested {
		return nil
	}
	d := s.delivery(p, p.Updated, noticeHandshake, "", mustJSON(notice{Type: noticeHandshake, Since: p.Sent})).after(0, 0)
	d.Expires = d.Created
	return []Delivery{d}
}

// subscriptionVersion is a Subscription as it is shown. What its headers say is not.
func (s *Service) subscriptionVersion(p *Subscriber) (*Version, error) {
	set, err := settings[subscriptionSettings](p)
	if err != nil {
		return nil, err
	}
	root, err := parse(set.Resource)
	if err != nil {
		return nil, err
	}
	stamp(root, p.ID, p.Version, p.Updated)
	root.Set("status", p.Status)
	if p.Problem != "" {
		root.Set("error", problemWords[p.Problem])
	}
	for i, h := range root.Child("channel").All("header") {
		name, _, _ := strings.Cut(set.Header[i], ":")
		h.Value = name + ": " + hiddenValue
	}
	return &Version{Type: "Subscription", ID: p.ID, Number: p.Version, Organisation: p.Organisation, Updated: p.Updated, Body: fhir.Encode(root)}, nil
}

var problemWords = map[string]string{
	ProblemGone:          "The endpoint answered 410 Gone. Update the Subscription to ask for a new handshake.",
	ProblemUndeliverable: "A notification could not be delivered until its time was over. Update the Subscription to ask for a new handshake; $events gives what was missed.",
	ProblemPruned:        "Events that were still to be told are not kept any more. Read the referrals afresh, then update the Subscription to ask for a new handshake.",
	ProblemHandshake:     "The endpoint did not accept the handshake. Update the Subscription to ask for a new one.",
}

// Subscription gives one Subscription. Errors: not-found.
func (s *Service) Subscription(ctx context.Context, c Call, id string) (*Version, error) {
	p, err := s.own(ctx, c, KindSubscription, id)
	if err != nil {
		return nil, err
	}
	if err := s.record(ctx, s.auditSubscriber(c, "read", "R", p)); err != nil {
		return nil, err
	}
	return s.subscriptionVersion(p)
}

// RemoveSubscription forgets a Subscription. Errors: not-found.
func (s *Service) RemoveSubscription(ctx context.Context, c Call, id string) error {
	p, err := s.own(ctx, c, KindSubscription, id)
	if err != nil {
		return err
	}
	return s.Store.RemoveSubscriber(ctx, p, s.auditSubscriber(c, "delete", "D", p))
}

// SubscriptionFilter selects Subscriptions; empty fields do not filter.
type SubscriptionFilter struct {
	IDs    []string
	Status []string
	URL    string // of the endpoint
	Topic  string // canonical
}

func (f SubscriptionFilter) pass(p *Subscriber) bool {
	return (len(f.IDs) == 0 || slices.Contains(f.IDs, p.ID)) && (len(f.Status) == 0 || slices.Contains(f.Status, p.Status)) &&
		(f.URL == "" || f.URL == p.URL) && (f.Topic == "" || f.Topic == TopicReferral)
}

// subscriptions finds those of the caller's audiences that a filter passes; there are
// few of each, see maxSubscribers.
func (s *Service) subscriptions(ctx context.Context, c Call, f SubscriptionFilter) ([]Subscriber, error) {
	organisations := c.Principal.Organisations
	if c.Principal.Role == auth.RoleOperator {
		organisations = []string{""}
	}
	var out []Subscriber
	for _, organisation := range organisations {
		list, _, err := s.Store.Subscribers(ctx, audience(c.Principal.Role, organisation), KindSubscription, Page{Count: maxSubscribers})
		if err != nil {
			return nil, err
		}
		for i := range list {
			if f.pass(&list[i]) {
				out = append(out, list[i])
			}
		}
	}
	a := s.audit(c, "search-type", "E", nil)
	a.Entity = "Subscription"
	return out, s.record(ctx, a)
}

// Subscriptions finds the Subscriptions of the caller's organisations, the oldest first.
func (s *Service) Subscriptions(ctx context.Context, c Call, f SubscriptionFilter) ([]Version, error) {
	list, err := s.subscriptions(ctx, c, f)
	if err != nil {
		return nil, err
	}
	var out []Version
	for i := range list {
		v, err := s.subscriptionVersion(&list[i])
		if err != nil {
			return nil, err
		}
		out = append(out, *v)
	}
	return out, nil
}
