package delivery

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// answerLimit bounds what is read of an answer. A transaction-response with every
// resource in it is about the size of the request, some 20 KiB; a partner that sends
// more than this is at fault.
const answerLimit = 2 << 20

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
	token := ""
	if f.Token != nil && e.TokenURL != "" {
		var err error
		if token, err = f.Token(ctx, e, ""); err != nil {
			return Receipt{}, err
		}
	}
	r, err := f.post(ctx, address, token, d)
	if token == "" || r.Status != http.StatusUnauthorized && r.Status != http.StatusForbidden {
		return r, err
	}
	// the token may have been revoked, or the partner's keys changed: one new one
	renewed, tokenErr := f.Token(ctx, e, token)
	if tokenErr != nil || renewed == "" || renewed == token {
		return r, err
	}
	return f.post(ctx, address, renewed, d)
}

func (f *FHIR) post(ctx context.Context, address, token string, d referral.Delivery) (Receipt, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(d.Body))
	if err != nil {
		return Receipt{}, issue.New(issue.NotSupported, "endpoint-address",
			"the address of the recipient's endpoint cannot be used; correct it among the partners").Because(err)
	}
	contentType := d.ContentType
	if contentType == "" {
		contentType = "application/fhir+json"
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", "application/fhir+json")
	req.Header.Set("User-Agent", "spadapter")
	req.Header.Set("X-Request-ID", d.ID)
	if d.Referral != "" {
		req.Header.Set("X-Correlation-ID", d.Referral)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{
		Transport:     f.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if client.Transport == nil {
		client.Transport = transport()
	}
	resp, err := client.Do(req)
	if err != nil {
		return Receipt{}, network(ctx, err)
	}
	defer resp.Body.Close()
	r := Receipt{Status: resp.StatusCode, RetryAfter: f.retryAfter(resp.Header)}
	body, readErr := io.ReadAll(io.LimitReader(resp.Body, answerLimit+1))
	if resp.StatusCode/100 == 2 {
		switch {
		case readErr != nil:
			return r, network(ctx, readErr)
		case len(body) > answerLimit:
			return r, issue.Newf(issue.TooLong, "answer-limit", "the recipient's answer is longer than %d bytes; it is not read further", answerLimit)
		}
	}
	root, parseErr := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
	if parseErr != nil {
		root = nil
	}
	r.Refused, err = judge(resp.StatusCode, root, entries(d.Body))
	return r, err
}

// entries counts the entries of the Bundle that was sent, -1 when it is none.
func entries(body []byte) int {
	root, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
	if err != nil || root.ResourceType() != "Bundle" {
		return -1
	}
	return len(root.All("entry"))
}

// transport is shared so that connections are reused. Its limits are below those of
// http.DefaultTransport: a partner answers a connection attempt within seconds or
// not at all, and the header of an answer is small.
var transport = sync.OnceValue(func() http.RoundTripper {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
	}
})

// network says in our own words why no full answer came. The text of err may quote
// the partner and is kept as the cause only.
func network(ctx context.Context, err error) *issue.Error {
	var timeout net.Error
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	t, rule, text := issue.Transient, "unreachable", "the recipient could not be reached"
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		t, rule, text = issue.Incomplete, "delivery-stopped", "the adapter stopped while the message was being sent"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		t, rule, text = issue.Timeout, "delivery-timeout", "the recipient did not answer in time"
	case errors.As(err, &name):
		rule, text = "unreachable-name", "the name of the recipient's server is not known; it may be misspelt among the partners"
	case errors.As(err, &certificate):
		t, rule, text = issue.Security, "certificate", "the certificate of the recipient's server is not trusted"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		t, rule, text = issue.Incomplete, "answer-cut", "the recipient closed the connection before the end of its answer"
	}
	return issue.New(t, rule, text).Because(err)
}
