package pds

import (
	"cmp"
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Config says where and as whom a Client asks. URL and NewID are demanded.
type Config struct {
	URL     string // FHIR base address
	EndUser string // ODS code for NHSD-End-User-Organisation-ODS, "" sends none

	// Token gives an access token. refused is the one that was just turned away, "" at
	// first. nil sends none, as to a sandbox.
	Token func(ctx context.Context, refused string) (string, error)

	NewID     func() string     // makes an X-Request-ID, a UUID
	Transport http.RoundTripper // nil for one with tight limits of its own
	Timeout   time.Duration     // of one request, default 10 s
	Plain     bool              // http to other machines: for test networks only
	Now       func() time.Time  // nil for time.Now
}

const (
	answerLimit = 1 << 20          // a person with a long history is some 20 KiB
	longestWait = 15 * time.Minute // a service that says "tomorrow" is asked again sooner
	defaultWait = 5 * time.Second  // after a 429 without Retry-After
)

// Client reads persons. Safe for concurrent use.
type Client struct {
	config Config
	base   string
	http   *http.Client

	mu    sync.Mutex
	until time.Time // the service asked not to be asked before
}

// New makes a Client. Errors: value for a Config that lacks something, or whose address is
// no https (http only to this machine, or with Plain).
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || c.NewID == nil {
		return nil, issue.New(issue.Value, "pds-config", "the address of the PDS is an absolute URL without user, query and fragment, and ids are needed")
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme != "https" && (u.Scheme != "http" || !c.Plain && (ip == nil || !ip.IsLoopback()) && u.Hostname() != "localhost") {
		return nil, issue.New(issue.Value, "pds-config", "the address of the PDS begins with https")
	}
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Transport == nil {
		c.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, TLSHandshakeTimeout: 5 * time.Second,
			ResponseHeaderTimeout: c.Timeout, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
		}
	}
	return &Client{config: c, base: strings.TrimSuffix(c.URL, "/"), http: &http.Client{Transport: c.Transport,
		// a redirect would carry the number and the token to an address that nobody agreed
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// Read asks for the person with an NHS number of ten digits. etag is that of the answer
// before, "" for the first time; where nothing changed since, the Answer is Same and has
// nothing else.
//
// Errors, none with anything of a person: not-found (rule "pds-unknown") for a number that the
// service does not know, deleted ("pds-invalidated") for one that is not valid any more and
// that none has replaced; conflict ("pds-other") for an answer about somebody else; login,
// forbidden; throttled, timeout, incomplete, which may be tried again; exception for what is
// no answer; value for what is no number.
func (c *Client) Read(ctx context.Context, number, etag string) (*Answer, error) {
	if len(number) != 10 || strings.Trim(number, "0123456789") != "" {
		return nil, issue.New(issue.Value, "pds-number", "an NHS number has ten digits")
	}
	if c.config.Now().Before(c.pause()) {
		return nil, throttled()
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	token, err := c.token(ctx, "")
	if err != nil {
		return nil, err
	}
	got, err := c.get(ctx, number, etag, token)
	if err != nil {
		return nil, err
	}
	if got.status == http.StatusUnauthorized && token != "" {
		// it may have been revoked, or the keys changed: one new one
		renewed, err := c.token(ctx, token)
		if err != nil {
			return nil, err
		}
		if renewed != token {
			if got, err = c.get(ctx, number, etag, renewed); err != nil {
				return nil, err
			}
		}
	}
	return c.judge(got, number, etag)
}

func (c *Client) token(ctx context.Context, refused string) (string, error) {
	if c.config.Token == nil {
		return "", nil
	}
	return c.config.Token(ctx, refused)
}

// pause is until when the service asked to be left alone.
func (c *Client) pause() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.until
}

// received is an answer as it came.
type received struct {
	status  int
	header  http.Header
	request string // the X-Request-ID it was asked with
	body    []byte
}

func (c *Client) get(ctx context.Context, number, etag, token string) (received, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/Patient/"+number, nil)
	if err != nil {
		return received{}, issue.New(issue.Value, "pds-config", "the address of the PDS cannot be used")
	}
	got := received{request: c.config.NewID()}
	request.Header.Set("Accept", "application/fhir+json")
	request.Header.Set("X-Request-ID", got.request)
	request.Header.Set("X-Correlation-ID", c.config.NewID())
	for name, value := range map[string]string{"If-None-Match": etag, "NHSD-End-User-Organisation-ODS": c.config.EndUser} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return received{}, unreachable(err)
	}
	defer response.Body.Close()
	got.status, got.header = response.StatusCode, response.Header
	if got.body, err = io.ReadAll(io.LimitReader(response.Body, answerLimit+1)); err != nil {
		return received{}, unreachable(err)
	}
	if len(got.body) > answerLimit {
		return received{}, issue.New(issue.TooLong, "pds-answer", "the PDS answered with more than a mebibyte")
	}
	return got, nil
}

// unreachable keeps no cause: a *url.Error quotes the address, which has the number.
func unreachable(err error) error {
	var network net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout() {
		return issue.New(issue.Timeout, "pds-timeout", "the PDS did not answer in time")
	}
	return issue.New(issue.Incomplete, "pds-unreachable", "the PDS cannot be reached, or broke off its answer")
}

func throttled() error {
	return issue.New(issue.Throttled, "pds-throttled", "the PDS asks us to slow down")
}

// judge says what an answer means.
func (c *Client) judge(got received, number, etag string) (*Answer, error) {
	switch status := got.status; {
	case status == http.StatusOK:
		if echoed := got.header.Get("X-Request-ID"); echoed != "" && !strings.EqualFold(echoed, got.request) {
			return nil, issue.New(issue.Exception, "pds-answer", "the PDS, or something in between, gave the answer to another request")
		}
		root, err := c.parse(got)
		if err != nil {
			return nil, err
		}
		return read(root, number, got.header.Get("ETag"), c.config.Now())
	case status == http.StatusNotModified && etag != "":
		return &Answer{Number: number, ETag: etag, Same: true}, nil
	case status == http.StatusTooManyRequests:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.until = c.config.Now().Add(min(cmp.Or(c.retryAfter(got.header), defaultWait), longestWait))
		return nil, throttled()
	case status == http.StatusNotFound, status == http.StatusGone:
		switch c.code(got) {
		case "RESOURCE_NOT_FOUND":
			return nil, issue.New(issue.NotFound, "pds-unknown", "the PDS does not know the NHS number: trace the person")
		case "INVALIDATED_RESOURCE":
			return nil, issue.New(issue.Deleted, "pds-invalidated", "the NHS number is not valid any more, and the PDS names none in its place: trace the person")
		}
		return nil, issue.New(issue.Exception, "pds-address", "there is no PDS at the address that is configured")
	case status == http.StatusUnauthorized:
		return nil, issue.New(issue.Login, "pds-refused", "the PDS does not accept our token: check client id, key, and that the application may use this API")
	case status == http.StatusForbidden:
		return nil, issue.New(issue.Forbidden, "pds-refused", "the PDS does not allow this application to read persons")
	case status == http.StatusRequestTimeout:
		return nil, issue.New(issue.Timeout, "pds-timeout", "the PDS did not answer in time")
	case status >= 500:
		return nil, issue.Newf(issue.Incomplete, "pds-failed", "the PDS failed with status %d", status)
	default:
		return nil, issue.Newf(issue.Exception, "pds-answer", "the PDS answered with status %d, which says nothing about a person", status)
	}
}

// parse reads a body of FHIR JSON.
func (c *Client) parse(got received) (*fhir.Node, error) {
	kind, _, _ := mime.ParseMediaType(got.header.Get("Content-Type"))
	if kind == "application/fhir+json" || kind == "application/json" {
		if root, err := fhir.Parse(fhir.Types(fhir.R4), got.body, fhir.Limits{Bytes: answerLimit}); err == nil {
			return root, nil
		}
	}
	// what is wrong with it is not told: it may quote the person
	return nil, issue.New(issue.Exception, "pds-answer", "the PDS answered with something that is no whole FHIR JSON")
}

// code is the error code of an OperationOutcome, "" when there is none.
func (c *Client) code(got received) string {
	root, err := c.parse(got)
	if err != nil || root.ResourceType() != "OperationOutcome" {
		return ""
	}
	for _, told := range root.All("issue") {
		for _, coding := range told.Child("details").All("coding") {
			if code := coding.Text("code"); code != "" {
				return code
			}
		}
	}
	return ""
}

// retryAfter reads the header, 0 when it says nothing. Source: RFC 9110 section 10.2.3.
func (c *Client) retryAfter(h http.Header) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 20); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(c.config.Now()))
	}
	return 0
}
