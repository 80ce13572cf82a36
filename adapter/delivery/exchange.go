package delivery

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

const contentFHIR = "application/fhir+json"

// answerLimit bounds what is read of an answer. A transaction-response with every
// resource in it is about the size of the request, some 20 KiB; a partner that sends
// more than this is at fault.
const answerLimit = 2 << 20

// reply is what a partner answered.
type reply struct {
	Receipt
	header http.Header
	root   *fhir.Node // of the body, nil when it was no FHIR JSON
	empty  bool       // there was no body
}

// request makes the POST of a delivery, with what all routes send. Errors: not-supported
// for an address that is none.
func request(ctx context.Context, address, token string, d referral.Delivery) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(d.Body))
	if err != nil {
		return nil, issue.New(issue.NotSupported, "endpoint-address",
			"the address of the recipient's endpoint cannot be used; correct it among the partners").Because(err)
	}
	contentType := d.ContentType
	if contentType == "" {
		contentType = contentFHIR
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "spadapter")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// exchange sends a request and reads the answer. t nil is for the transport that all
// routes share, clock nil for time.Now. The reply holds what is known even with an error.
//
// Errors: those of network, and too-long for a good answer without an end.
func exchange(req *http.Request, t http.RoundTripper, clock func() time.Time) (reply, error) {
	client := http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if client.Transport == nil {
		client.Transport = transport()
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, network(req.Context(), err)
	}
	defer resp.Body.Close()
	a := reply{Receipt: Receipt{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header, clock)}, header: resp.Header}
	body, readErr := io.ReadAll(io.LimitReader(resp.Body, answerLimit+1))
	if resp.StatusCode/100 == 2 {
		switch {
		case readErr != nil:
			return a, network(req.Context(), readErr)
		case len(body) > answerLimit:
			return a, issue.Newf(issue.TooLong, "answer-limit", "the recipient's answer is longer than %d bytes; it is not read further", answerLimit)
		}
	}
	a.empty = len(bytes.TrimSpace(body)) == 0
	if root, parseErr := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{}); parseErr == nil {
		a.root = root
	}
	return a, nil
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

// retryAfter reads the header: seconds, or a date seen from the answer's own Date, so
// that the partner's clock need not agree with ours. 0 when absent, past or unreadable.
// Source: RFC 9110 section 10.2.3.
func retryAfter(h http.Header, clock func() time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	switch {
	case err == nil:
	case clock != nil:
		now = clock()
	default:
		now = time.Now()
	}
	return max(0, date.Sub(now))
}
