package delivery

import (
	"context"
	"net/http"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// FHIR is the Route that posts a transaction Bundle to the recipient's FHIR server.
//
// The request carries the delivery's id as X-Request-ID, the same on every try, and
// the referral's as X-Correlation-ID. Redirects are not followed: they would hand the
// token and the record to an address that nobody agreed.
//
// Source: http://hl7.org/fhir/R4/http.html#transaction.
type FHIR struct {
	// Endpoint finds the recipient's endpoint by its ODS code; called for each try.
	Endpoint func(ods string) (Endpoint, bool)

	// Token gives the bearer token for an endpoint with a TokenURL. refused is the token
	// the partner just turned away, "" at first: a cache must not give it again. nil when
	// no partner demands a token.
	Token func(ctx context.Context, e Endpoint, refused string) (string, error)

	Transport http.RoundTripper // nil for one with tight limits that all FHIR routes share
	PlainHTTP bool              // http to other machines: for test networks only
	Now       func() time.Time  // nil for time.Now; reads a Retry-After date where the answer has no Date
}

// Send posts d once, and once more when the partner turned the token away.
//
// Errors: not-found for a recipient without endpoint and not-supported for a bad
// address (both wait for a correction); transient, timeout, incomplete and security
// where no full answer came; else what the partner said or its status stands for. The
// Receipt is Refused for a refusal of the message itself.
func (f *FHIR) Send(ctx context.Context, d referral.Delivery) (Receipt, error) {
	e, ok := f.Endpoint(d.Recipient)
	if !ok {
		return Receipt{}, issue.New(issue.NotFound, "endpoint-unknown",
			"no FHIR endpoint is known for the recipient; add one to the partners")
	}
	address, bad := e.target(f.PlainHTTP)
	if bad != nil {
		return Receipt{}, bad
	}
	return authorised(ctx, f.Token, e, func(token string) (Receipt, error) { return f.post(ctx, address, token, d) })
}

// authorised posts with a token where e asks for one, and once more with a new one when
// the first was turned away: it may have been revoked, or the partner's keys changed.
func authorised(ctx context.Context, get func(ctx context.Context, e Endpoint, refused string) (string, error), e Endpoint, post func(token string) (Receipt, error)) (Receipt, error) {
	token := ""
	if get != nil && e.TokenURL != "" {
		var err error
		if token, err = get(ctx, e, ""); err != nil {
			return Receipt{}, err
		}
	}
	r, err := post(token)
	if token == "" || r.Status != http.StatusUnauthorized && r.Status != http.StatusForbidden {
		return r, err
	}
	renewed, tokenErr := get(ctx, e, token)
	if tokenErr != nil || renewed == "" || renewed == token {
		return r, err
	}
	return post(renewed)
}

func (f *FHIR) post(ctx context.Context, address, token string, d referral.Delivery) (Receipt, error) {
	req, err := request(ctx, address, token, d)
	if err != nil {
		return Receipt{}, err
	}
	req.Header.Set("Accept", contentFHIR)
	req.Header.Set("X-Request-ID", d.ID)
	if d.Referral != "" {
		req.Header.Set("X-Correlation-ID", d.Referral)
	}
	a, err := exchange(req, f.Transport, f.Now)
	if err != nil {
		return a.Receipt, err
	}
	a.Refused, err = judge(a.Status, a.root, entries(d.Body))
	return a.Receipt, err
}

// entries counts the entries of the Bundle that was sent, -1 when it is none.
func entries(body []byte) int {
	root, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
	if err != nil || root.ResourceType() != "Bundle" {
		return -1
	}
	return len(root.All("entry"))
}
