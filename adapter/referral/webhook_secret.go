package referral

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"time"

	"spadapter/adapter/issue"
)

// Rotation says how a secret is replaced. Overlap is how long the former one still
// signs, such as "24h"; "" is 24 hours.
type Rotation struct {
	Overlap string `json:"overlap"`
}

// newSecret makes a secret in the form of Standard Webhooks.
// Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme.
func newSecret() string {
	key := make([]byte, secretBytes)
	_, _ = rand.Read(key) // it never returns an error
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

// RotateSecret gives a webhook a new secret. Until the overlap is over the former one
// signs as well, so that its receiver can change at leisure. The answer has the new
// secret, which is not shown again. Errors: not-found, value for the overlap.
func (s *Service) RotateSecret(ctx context.Context, c Call, id string, in Rotation) (*Webhook, error) {
	overlap := overlapDefault
	if in.Overlap != "" {
		var err error
		if overlap, err = time.ParseDuration(in.Overlap); err != nil || overlap < 0 || overlap > overlapMost {
			return nil, issue.Newf(issue.Value, "overlap", "overlap is a time such as 24h or 30m, from 0s to %s", overlapMost).At("overlap")
		}
	}
	secret := newSecret()
	w, err := s.change(ctx, c, id, 0, "rotate-secret", LaneKept, func(p *Subscriber) error {
		p.Former, p.FormerUntil, p.Secret = p.Secret, p.Updated.Add(overlap), secret
		if overlap == 0 {
			p.Former, p.FormerUntil = "", time.Time{}
		}
		return nil
	})
	if err == nil {
		w.Secret = secret
	}
	return w, err
}
