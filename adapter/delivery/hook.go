package delivery

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"spadapter/adapter/internet"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

const (
	// hookTimeout is how long a subscriber may take. It has only to put the message down.
	hookTimeout = 10 * time.Second
	// hookAnswer is how much of an answer is read, for the sake of the connection: what
	// it says does not matter.
	hookAnswer = 16 << 10
	// hookBody is how long that may take: an answer that trickles must not hold up the next
	// message to the same subscriber.
	hookBody = 500 * time.Millisecond
)

// Hook is the Route that tells subscribers of events: webhooks, signed as Standard
// Webhooks says, and the rest-hook channel of FHIR Subscriptions.
//
// A status of 2xx means delivered. 410 stops what goes to that address; everything else,
// redirects included, is tried again. Connections go only to addresses on the public
// internet and in Networks, which is checked for each connection, after the name was
// looked up; a proxy is never used, since it would look it up again.
//
// Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
type Hook struct {
	Post     func(ctx context.Context, d referral.Delivery) (*referral.Post, error)             // makes the message, for each try
	Posted   func(ctx context.Context, d referral.Delivery, outcome referral.PostOutcome) error // told of each try
	Networks []netip.Prefix                                                                     // besides the public internet; http is allowed to loopback addresses in them
	Now      func() time.Time                                                                   // nil for time.Now

	transport http.RoundTripper
}

// NewHook makes a Hook.
func NewHook(h Hook) *Hook {
	if h.Now == nil {
		h.Now = time.Now
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second, ControlContext: internet.Guard(h.Networks)}
	h.transport = &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &h
}

// Send posts d once. Errors: not-found for a subscriber that is gone and not-supported
// for a bad address; transient, timeout, incomplete and security where no answer came;
// else what the status stands for. Nothing but a subscriber that is gone is Refused.
func (h *Hook) Send(ctx context.Context, d referral.Delivery) (Receipt, error) {
	post, err := h.Post(ctx, d)
	if err != nil {
		return Receipt{Refused: failure(err).Type == issue.NotFound}, err
	}
	r, err := h.post(ctx, d, post)
	outcome := referral.PostDelivered
	switch {
	case r.Status == http.StatusGone:
		outcome = referral.PostGone
	case err != nil:
		outcome = referral.PostFailed
	}
	// a note that cannot be taken means another try, when it is taken
	noted, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if e := h.Posted(noted, d, outcome); err == nil {
		err = e
	}
	return r, err
}

func (h *Hook) post(ctx context.Context, d referral.Delivery, post *referral.Post) (Receipt, error) {
	if bad := Reachable(post.URL, h.Networks); bad != nil {
		return Receipt{}, bad
	}
	timeout := hookTimeout
	if post.Timeout > 0 {
		timeout = post.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, post.URL, bytes.NewReader(post.Body))
	if err != nil {
		return Receipt{}, issue.New(issue.NotSupported, "endpoint-address", "the address of the subscriber cannot be used; correct it").Because(err)
	}
	req.Header.Set("User-Agent", "spadapter")
	for _, one := range post.Header {
		req.Header.Add(one[0], one[1])
	}
	req.Header.Set("Content-Type", post.ContentType)
	req.Header.Set("X-Request-ID", d.ID)
	if len(post.Secrets) > 0 {
		at := h.Now()
		signatures, err := Sign(post.Secrets, post.ID, at, post.Body)
		if err != nil {
			return Receipt{}, err
		}
		req.Header.Set("webhook-id", post.ID)
		req.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
		req.Header.Set("webhook-signature", signatures)
	}
	client := http.Client{
		Transport:     h.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return Receipt{}, hookNetwork(ctx, err)
	}
	defer resp.Body.Close()
	r := Receipt{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header, h.Now)}
	// whatever the body is: the status has said it
	enough := time.AfterFunc(hookBody, cancel)
	_, _ = io.CopyN(io.Discard, resp.Body, hookAnswer)
	enough.Stop()
	if resp.StatusCode/100 == 2 {
		return r, nil
	}
	m := hookMeant(resp.StatusCode)
	return r, issue.New(m.issue, "answer-"+strconv.Itoa(resp.StatusCode), m.words)
}

// hookMeant says what a status of a subscriber stands for. None is final: it is for
// people to repair, and the time of a delivery gives them three days.
func hookMeant(status int) meaning {
	switch {
	case status == http.StatusGone:
		return meaning{issue.Deleted, false, "the subscriber's address is gone, and it is sent nothing more until it is resumed"}
	case status == http.StatusTooManyRequests:
		return meaning{issue.Throttled, false, "the subscriber asks us to slow down"}
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return meaning{issue.Forbidden, false, "the subscriber does not allow us to send"}
	case status/100 == 3:
		return meaning{issue.NotSupported, false, "the subscriber points to another address, which is not followed; correct the address"}
	case status/100 == 4:
		return meaning{issue.Processing, false, "the subscriber did not accept the message"}
	}
	return meaning{issue.Exception, false, "the subscriber failed"}
}
