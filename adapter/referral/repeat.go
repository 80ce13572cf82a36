package referral

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// repeat answers a message that is known. keys are those of the message now.
func (s *Service) repeat(known *Repeat, keys []Key) (*Response, error) {
	for _, k := range keys {
		if k.Kind != known.Key.Kind || k.Scope != known.Key.Scope || k.Value != known.Key.Value {
			continue
		}
		if known.Key.Hash == KeyPurged {
			return nil, purged(k)
		}
		if k.Hash == known.Key.Hash && known.Response != nil {
			return known.Response, nil
		}
	}
	another := "for a new referral"
	if known.Key.Kind == KeyIdempotency || known.Key.Kind == KeyRequest { // which stand in any request
		another = "for each new request"
	}
	e := issue.New(issue.Conflict, "repeat-differs", "this "+keyNames[known.Key.Kind]+" was used before with other content; use a new one "+another)
	if at := existing(known.Response); at != "" {
		_ = e.With("the existing resource is %s", at)
	}
	return nil, e
}

// answerAgain is repeat for a message, with the record that what is stored was shown again.
func (s *Service) answerAgain(ctx context.Context, c Call, root *fhir.Node, known *Repeat, keys []Key) (*Response, error) {
	response, err := s.repeat(known, keys)
	if err != nil {
		return nil, err
	}
	interaction := "create"
	if root.ResourceType() == "Bundle" {
		interaction = "transaction"
	}
	var stored *Version
	kind, rest, _ := strings.Cut(existing(response), "/")
	if id, _, _ := strings.Cut(rest, "/"); id != "" {
		if stored, err = s.Store.Read(ctx, Scope{Role: auth.RoleOperator}, kind, id); err != nil && !errors.Is(err, issue.NotFound) && !errors.Is(err, issue.Deleted) {
			return nil, err
		}
	}
	return response, s.record(ctx, s.audit(c, interaction, "R", stored))
}

// existing is where an answer said that the resource is, of a transaction its
// ServiceRequest; "" when it said nothing.
func existing(r *Response) string {
	if r == nil {
		return ""
	}
	if r.Location != "" {
		return r.Location
	}
	answer, err := parse(r.Body)
	if err != nil {
		return ""
	}
	for _, entry := range answer.All("entry") {
		if at := entry.Text("response", "location"); strings.HasPrefix(at, "ServiceRequest/") {
			return at
		}
	}
	return ""
}

var keyNames = map[KeyKind]string{KeyRequest: "X-Request-ID", KeyIdempotency: "Idempotency-Key", KeyNatural: "ServiceRequest.identifier", KeySuccessor: "Task"}

// requestKeys are the keys in the headers of a request; their hash is that of its body.
func requestKeys(c Call) []Key {
	var keys []Key
	hash := hexHash(c.Body)
	// one client program may serve several practices: their keys must not meet
	organisations := slices.Sorted(slices.Values(c.Principal.Organisations))
	scope := c.Principal.Client + "|" + strings.Join(organisations, ",")
	if c.RequestGiven {
		keys = append(keys, Key{KeyRequest, scope, c.RequestID, hash})
	}
	if c.IdempotencyKey != "" {
		keys = append(keys, Key{KeyIdempotency, scope, c.IdempotencyKey, hash})
	}
	return keys
}

func hexHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
