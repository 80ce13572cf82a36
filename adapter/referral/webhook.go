package referral

import (
	"context"
	"errors"
	"time"

	"spadapter/adapter/issue"
)

// Webhook is a webhook as its owner sees it. Secret is there once: in the answer that
// made it.
type Webhook struct {
	ID           string     `json:"id"`
	Version      int        `json:"version"` // the ETag is W/"version"
	URL          string     `json:"url"`
	Description  string     `json:"description,omitempty"`
	Organisation string     `json:"organisation,omitempty"` // ODS code whose events it is told of; none for an operator
	Status       string     `json:"status"`                 // active or paused
	Problem      string     `json:"problem,omitempty"`      // why it was paused: gone, undeliverable or pruned; none when its owner did it
	Number       int64      `json:"number"`                 // number of the last event that was put in its outbox
	Secret       string     `json:"secret,omitempty"`
	FormerUntil  *time.Time `json:"former_secret_until,omitempty"` // until then the secret before this one signs too
	Created      time.Time  `json:"created"`
	Updated      time.Time  `json:"updated"`
}

// WebhookInput is what a caller may set. A nil field stays as it is.
type WebhookInput struct {
	URL          *string `json:"url"`
	Description  *string `json:"description"`
	Organisation *string `json:"organisation"` // only when it is made
}

const (
	secretBytes    = 32 // Standard Webhooks: between 24 and 64 bytes
	overlapDefault = 24 * time.Hour
	overlapMost    = 7 * 24 * time.Hour
	maxDescription = 400
	maxSubscribers = 50 // of one kind for one audience
)

type webhookSettings struct {
	Description string `json:"description"`
}

// webhookView is what the owner of a webhook sees of it.
func webhookView(p *Subscriber) (*Webhook, error) {
	set, err := settings[webhookSettings](p)
	if err != nil {
		return nil, err
	}
	w := &Webhook{ID: p.ID, Version: p.Version, URL: p.URL, Description: set.Description, Organisation: p.Organisation, Status: p.Status, Problem: p.Problem,
		Number: p.Reached, Created: p.Created, Updated: p.Updated}
	if p.Former != "" {
		w.FormerUntil = &p.FormerUntil
	}
	return w, nil
}

// CreateWebhook makes a webhook for the events that come from now on. The answer has its
// secret, which is not shown again.
//
// Errors: required and value for the input, forbidden for another's organisation,
// business-rule when there are too many.
func (s *Service) CreateWebhook(ctx context.Context, c Call, in WebhookInput) (*Webhook, error) {
	organisation := ""
	if in.Organisation != nil {
		organisation = *in.Organisation
	}
	organisation, err := reader(c, organisation)
	if err != nil {
		return nil, err
	}
	if in.URL == nil {
		return nil, issue.New(issue.Required, "field-required", "a webhook needs the url that events are sent to").At("url")
	}
	now := s.now()
	p := &Subscriber{ID: s.Store.NewID(), Kind: KindWebhook, Organisation: organisation, Role: c.Principal.Role, Client: c.Principal.Client, Version: 1,
		Status: SubscriberActive, Settings: []byte(`{}`), Secret: newSecret(), Created: now, Updated: now, Beat: now}
	if err := s.setWebhook(p, in); err != nil {
		return nil, err
	}
	if err := s.fewEnough(ctx, p); err != nil {
		return nil, err
	}
	if err := s.Store.AddSubscriber(ctx, p, s.auditSubscriber(c, "create", "C", p)); err != nil {
		return nil, err
	}
	w, err := webhookView(p)
	if err == nil {
		w.Secret = p.Secret
	}
	return w, err
}

// fewEnough bounds the subscribers of one audience: each event costs a delivery for each.
func (s *Service) fewEnough(ctx context.Context, p *Subscriber) error {
	list, _, err := s.Store.Subscribers(ctx, AudienceOf(p), p.Kind, Page{Count: maxSubscribers})
	if err != nil || len(list) < maxSubscribers {
		return err
	}
	return issue.Newf(issue.BusinessRule, "subscribers", "there are %d of these for your organisation already; remove those that are not needed", maxSubscribers)
}

// setWebhook takes over what a caller may set.
func (s *Service) setWebhook(p *Subscriber, in WebhookInput) error {
	var faults []*issue.Error
	if in.URL != nil {
		if e := s.address(*in.URL); e != nil {
			faults = append(faults, e.At("url"))
		}
		p.URL = *in.URL
	}
	if in.Description != nil {
		if len(*in.Description) > maxDescription {
			faults = append(faults, issue.Newf(issue.TooLong, "field-length", "description has at most %d characters", maxDescription).At("description"))
		}
		p.Settings = mustJSON(webhookSettings{*in.Description})
	}
	return issue.Join(faults)
}

// address checks where a subscriber wants to be told.
func (s *Service) address(url string) *issue.Error {
	if len(url) > 2000 {
		return issue.New(issue.TooLong, "field-length", "the address has at most 2000 characters")
	}
	if s.Reachable == nil {
		return nil
	}
	return s.Reachable(url)
}

// Webhooks lists the webhooks of the caller's organisation, the oldest first. Errors:
// those of reader, value for a bad cursor.
func (s *Service) Webhooks(ctx context.Context, c Call, organisation string, page Page) ([]Webhook, string, error) {
	organisation, err := reader(c, organisation)
	if err != nil {
		return nil, "", err
	}
	list, next, err := s.Store.Subscribers(ctx, audience(c.Principal.Role, organisation), KindWebhook, page)
	if err != nil {
		return nil, "", err
	}
	out := make([]Webhook, 0, len(list))
	for i := range list {
		w, err := webhookView(&list[i])
		if err != nil {
			return nil, "", err
		}
		out = append(out, *w)
	}
	a := s.audit(c, "search-type", "E", nil)
	a.Entity, a.Organisation = "Webhook", organisation
	return out, next, s.record(ctx, a)
}

// own finds a subscriber of one of the caller's audiences. Errors: not-found.
func (s *Service) own(ctx context.Context, c Call, kind, id string) (*Subscriber, error) {
	p, err := s.Store.Subscriber(ctx, "", kind, id)
	if err != nil {
		return nil, err
	}
	if p.Role != c.Principal.Role || p.Organisation != "" && !c.Principal.SpeaksFor(p.Organisation) {
		return nil, issue.New(issue.NotFound, "not-found", "there is no such "+kind+", or none that you may see")
	}
	return p, nil
}

// auditSubscriber is the record of an access to a subscriber.
func (s *Service) auditSubscriber(c Call, interaction, action string, p *Subscriber) Audit {
	a := s.audit(c, interaction, action, nil)
	a.Organisation, a.Actor, a.Entity = p.Organisation, p.Organisation, "Webhook/"+p.ID
	if p.Kind == KindSubscription {
		a.Entity = "Subscription/" + p.ID
	}
	return a
}

// Webhook gives one webhook. Errors: not-found.
func (s *Service) Webhook(ctx context.Context, c Call, id string) (*Webhook, error) {
	p, err := s.own(ctx, c, KindWebhook, id)
	if err != nil {
		return nil, err
	}
	if err := s.record(ctx, s.auditSubscriber(c, "read", "R", p)); err != nil {
		return nil, err
	}
	return webhookView(p)
}

// ChangeWebhook changes its address or description. version is what If-Match named, 0
// for whichever is current. Errors: not-found, conflict (rule "version-conflict"), value.
func (s *Service) ChangeWebhook(ctx context.Context, c Call, id string, version int, in WebhookInput) (*Webhook, error) {
	if in.Organisation != nil {
		return nil, issue.New(issue.Value, "field-not-allowed", "organisation is set when a webhook is made; make another").At("organisation")
	}
	return s.change(ctx, c, id, version, "update", LaneKept, func(p *Subscriber) error { return s.setWebhook(p, in) })
}

// change makes the next version of a webhook.
func (s *Service) change(ctx context.Context, c Call, id string, version int, interaction string, order LaneOrder, set func(*Subscriber) error) (*Webhook, error) {
	p, err := s.own(ctx, c, KindWebhook, id)
	if err != nil {
		return nil, err
	}
	if version != 0 && p.Version != version {
		return nil, issue.Newf(issue.Conflict, "version-conflict", "the webhook has changed: its version is now %d; read it again", p.Version)
	}
	p.Version++
	p.Updated = s.now()
	if err := set(p); err != nil {
		return nil, err
	}
	if err := s.Store.ChangeSubscriber(ctx, p, order, s.auditSubscriber(c, interaction, "U", p)); err != nil {
		return nil, err
	}
	return webhookView(p)
}

// PauseWebhook stops sending. What comes meanwhile is kept and sent when it is resumed.
// Errors: not-found.
func (s *Service) PauseWebhook(ctx context.Context, c Call, id string) (*Webhook, error) {
	return s.change(ctx, c, id, 0, "pause", LaneKept, func(p *Subscriber) error {
		p.Status, p.Problem = SubscriberPaused, ""
		return nil
	})
}

// ResumeWebhook sends on from where it stopped, at once and with new time to get
// through. Where events are not kept any more it goes on with the oldest that is.
// Errors: not-found.
func (s *Service) ResumeWebhook(ctx context.Context, c Call, id string) (*Webhook, error) {
	return s.change(ctx, c, id, 0, "resume", LaneRevived, func(p *Subscriber) error {
		kept, err := s.kept(ctx, p)
		p.Status, p.Problem, p.Reached = SubscriberActive, "", kept
		return err
	})
}

// kept is the number from which a subscriber can go on: where it was, or before the
// oldest event that is kept.
func (s *Service) kept(ctx context.Context, p *Subscriber) (int64, error) {
	feed, err := s.Store.Feed(ctx, AudienceOf(p), p.Reached, 0)
	if errors.Is(err, issue.Deleted) {
		return feed.Oldest - 1, nil
	}
	return p.Reached, err
}

// TestWebhook sends a test event, which is delivered as any other and has no number. The
// answer is its delivery. A webhook that is paused gets it when it is resumed. Errors: not-found.
func (s *Service) TestWebhook(ctx context.Context, c Call, id string) (*Notice, error) {
	p, err := s.own(ctx, c, KindWebhook, id)
	if err != nil {
		return nil, err
	}
	now := s.now()
	h := Happening{Source: s.source(), SpecVersion: "1.0", ID: s.Store.NewID(), Type: "test", Subject: "Webhook/" + p.ID, Time: now}
	d := s.delivery(p, now, "test", "", mustJSON(h)).after(p.Reached, betweenEvents)
	if err := s.Store.Commit(ctx, &Change{Organisation: p.Organisation, At: now, Deliveries: []Delivery{d}, Audits: []Audit{s.auditSubscriber(c, "test", "E", p)}}); err != nil {
		return nil, err
	}
	return noticeView(&d), nil
}

// RemoveWebhook forgets a webhook; what it still had to be told is not sent. Errors: not-found.
func (s *Service) RemoveWebhook(ctx context.Context, c Call, id string) error {
	p, err := s.own(ctx, c, KindWebhook, id)
	if err != nil {
		return err
	}
	a := s.auditSubscriber(c, "delete", "D", p)
	return s.Store.RemoveSubscriber(ctx, p, a)
}
