package referral

import (
	"context"
	"encoding/json"
	"time"

	"spadapter/adapter/issue"
)

// Notice is one delivery to a webhook.
type Notice struct {
	ID       string          `json:"id"`
	Kind     string          `json:"kind"` // event or test
	Move     string          `json:"move,omitempty"`
	State    DeliveryState   `json:"state"`
	Attempts int             `json:"attempts"`
	Problem  string          `json:"problem,omitempty"` // issue type of the last try that failed
	Due      *time.Time      `json:"due,omitempty"`     // of the next try
	Expires  time.Time       `json:"expires"`
	Created  time.Time       `json:"created"`
	ReplayOf string          `json:"replay_of,omitempty"`
	Tries    []NoticeTry     `json:"tries,omitempty"` // only for one delivery
	Body     json.RawMessage `json:"body,omitempty"`  // likewise
}

// NoticeTry is one try to deliver.
type NoticeTry struct {
	Number     int           `json:"number"`
	At         time.Time     `json:"at"`
	DurationMS int64         `json:"duration_ms"`
	State      DeliveryState `json:"state"` // after it
	Status     int           `json:"status,omitempty"`
	Issue      string        `json:"issue,omitempty"`
	Details    string        `json:"details,omitempty"`
}

// noticeView is what the owner of a webhook sees of a delivery.
func noticeView(d *Delivery) *Notice {
	n := &Notice{ID: d.ID, Kind: d.Kind, Move: d.Move, State: d.State, Attempts: d.Attempts, Problem: d.Problem, Expires: d.Expires, Created: d.Created, ReplayOf: d.ReplayOf}
	if d.State == DeliveryQueued {
		n.Due = &d.Due
	}
	return n
}

// Notices lists the deliveries to a webhook, the newest first; state "" is every state,
// "dead" what was given up. Errors: not-found, value.
func (s *Service) Notices(ctx context.Context, c Call, id string, state DeliveryState, page Page) ([]Notice, string, error) {
	p, err := s.own(ctx, c, KindWebhook, id)
	if err != nil {
		return nil, "", err
	}
	list, next, err := s.Store.SubscriberDeliveries(ctx, p.ID, state, page)
	if err != nil {
		return nil, "", err
	}
	out := make([]Notice, 0, len(list))
	for i := range list {
		out = append(out, *noticeView(&list[i]))
	}
	return out, next, s.record(ctx, s.auditSubscriber(c, "search-type", "E", p))
}

// ownDelivery finds a delivery to a webhook of the caller's. Errors: not-found.
func (s *Service) ownDelivery(ctx context.Context, c Call, id, delivery string) (*Subscriber, *Delivery, []Attempt, error) {
	p, err := s.own(ctx, c, KindWebhook, id)
	if err != nil {
		return nil, nil, nil, err
	}
	d, tries, err := s.Store.Delivery(ctx, delivery)
	if err == nil && (d.Recipient != p.ID || d.Referral != "") {
		err = issue.New(issue.NotFound, "not-found", "there is no such delivery to this webhook")
	}
	return p, d, tries, err
}

// Notice gives one delivery with its body and its tries. Errors: not-found.
func (s *Service) Notice(ctx context.Context, c Call, id, delivery string) (*Notice, error) {
	p, d, tries, err := s.ownDelivery(ctx, c, id, delivery)
	if err != nil {
		return nil, err
	}
	n := noticeView(d)
	n.Body = d.Body
	for _, t := range tries {
		n.Tries = append(n.Tries, NoticeTry{t.Number, t.At, t.Duration.Milliseconds(), t.State, t.Status, t.Issue, t.Details})
	}
	return n, s.record(ctx, s.auditSubscriber(c, "read", "R", p))
}

// ReplayNotice sends a delivery that is dead or was delivered again, with the same
// webhook-id. The answer is the new delivery. Errors: not-found, business-rule.
func (s *Service) ReplayNotice(ctx context.Context, c Call, id, delivery string) (*Notice, error) {
	p, _, _, err := s.ownDelivery(ctx, c, id, delivery)
	if err != nil {
		return nil, err
	}
	again, err := s.Store.Replay(ctx, delivery, s.now(), true, s.auditSubscriber(c, "replay", "U", p))
	if err != nil {
		return nil, err
	}
	d, _, err := s.Store.Delivery(ctx, again)
	if err != nil {
		return nil, err
	}
	return noticeView(d), nil
}
