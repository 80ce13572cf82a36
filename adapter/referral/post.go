package referral

import (
	"context"
	"encoding/json"
	"time"

	"spadapter/adapter/issue"
)

// Post is one message to a subscriber, as it is to be sent now.
type Post struct {
	URL         string
	ContentType string
	Body        []byte
	Header      [][2]string   // besides the usual ones, names and values
	ID          string        // names the message, the same on every try
	Secrets     []string      // whsec_…, each signs; none for a message that is not signed
	Timeout     time.Duration // 0 for the usual one
}

// PostOutcome is what came of sending a Post.
type PostOutcome uint8

// The outcomes.
const (
	PostDelivered PostOutcome = iota
	PostFailed
	PostGone // the address answered 410: nothing is to be sent there any more
)

// Post makes the message of a delivery to a subscriber: where to, what, and signed with
// which secrets, all as it stands at this moment. Errors: not-found when the subscriber
// is not there any more, transient.
func (s *Service) Post(ctx context.Context, d Delivery) (*Post, error) {
	p, err := s.Store.Subscriber(ctx, "", d.Route, d.Recipient)
	if err != nil {
		return nil, err
	}
	if d.Route == KindSubscription {
		return s.notification(ctx, p, d)
	}
	var message struct{ ID string }
	if err := json.Unmarshal(d.Body, &message); err != nil {
		return nil, issue.New(issue.Exception, "stored-event", "a stored event cannot be read").Because(err)
	}
	post := &Post{URL: p.URL, ContentType: d.ContentType, Body: d.Body, ID: message.ID, Secrets: []string{p.Secret}}
	if p.Former != "" && s.now().Before(p.FormerUntil) {
		post.Secrets = append(post.Secrets, p.Former)
	}
	return post, nil
}

// Posted takes note of what came of a Post, before the try is recorded: when the process
// ends in between, the delivery is tried again, and this is said again.
func (s *Service) Posted(ctx context.Context, d Delivery, outcome PostOutcome) error {
	defer func() {
		select {
		case s.room <- struct{}{}:
		default: // one is waiting already
		}
	}()
	mark := func(status, problem string, from ...string) error {
		_, err := s.Store.MarkSubscriber(ctx, d.Recipient, status, problem, from...)
		return err
	}
	switch {
	case d.Kind == noticeHandshake && outcome == PostDelivered:
		return mark(SubscriberActive, "", SubscriberRequested)
	case d.Kind == noticeHandshake:
		return mark(SubscriberError, ProblemHandshake, SubscriberRequested)
	case outcome == PostGone && d.Kind != "test":
		return mark(stopped(d.Route), ProblemGone, SubscriberActive)
	}
	return nil
}
