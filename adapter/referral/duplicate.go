package referral

import (
	"context"

	"spadapter/adapter/issue"
)

// Processed refuses a call that was processed before, by its X-Request-ID.
//
// Errors: duplicate (rule "message-duplicate"); those of the Store.
func (s *Service) Processed(ctx context.Context, c Call) error {
	known, err := s.Store.Known(ctx, requestKeys(c))
	if err != nil || known == nil {
		return err
	}
	return duplicate(known)
}

// duplicate refuses a repeat of a message whose standard answers each message once: the
// sender takes a duplicate for a success, so that only the same request id is one. A request
// that is known under another request id is a conflict, whatever it says now.
// Source: BaRS guide 1.8.2, transactional integrity.
func duplicate(known *Repeat) error {
	var e *issue.Error
	switch known.Key.Kind {
	case KeyRequest, KeyIdempotency:
		e = issue.New(issue.Duplicate, "message-duplicate", "the message with this "+keyNames[known.Key.Kind]+" was processed before; its answer stands").At("http." + keyNames[known.Key.Kind])
	default:
		if known.Key.Hash == KeyPurged {
			return purged(known.Key)
		}
		e = issue.New(issue.Conflict, "request-known", "a referral with this "+keyNames[known.Key.Kind]+" was received before in another message; to change it, take it back and refer again").At("ServiceRequest.identifier")
	}
	if at := existing(known.Response); at != "" {
		_ = e.With("the existing resource is %s", at)
	}
	return e
}
