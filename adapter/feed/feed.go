package feed

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"spadapter/adapter/directory"
	"spadapter/adapter/issue"
)

// Config says how feeds are fetched.
type Config struct {
	PlainHTTP bool              // http to other machines: for test networks only
	Transport http.RoundTripper // nil for one of its own, with tight limits
	PageBytes int64             // the most of one answer, default 32 MiB
	Tries     int               // of one request, default 4
	Sleep     func(ctx context.Context, d time.Duration) error
	Now       func() time.Time
}

// perPage is how many services are asked for at a time.
const perPage = 100

// Feed is the Source of one address. Details may be asked for concurrently.
type Feed struct {
	config Config
	client *http.Client
	base   *url.URL

	mu    sync.Mutex
	known map[string]validator // by address: what the feed said before
	fresh map[string]validator // what it says now
	first *directory.Page      // page 1, when Unchanged has read it already
}

// validator is what a feed says of one version of a page.
type validator struct {
	ETag     string `json:"e,omitempty"`
	Modified string `json:"m,omitempty"`
}

// Open makes the Source of the feed at address, the base URL of an HSDS API or that of
// its list of services. state is the State of the Source before, "" for none; one that
// cannot be read is none. Errors: value for an address that may not be fetched.
func Open(address, state string, c Config) (*Feed, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, issue.New(issue.Value, "feed-address", "the address of a feed must be an https URL without a user, such as https://directory.example.gov.uk/api")
	case u.Scheme == "http" && !c.PlainHTTP && !loopbackName(u.Hostname()):
		return nil, issue.New(issue.Value, "feed-address", "a feed on another machine must be https; ADAPTER_PLAIN_FEEDS allows http on test networks")
	}
	u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/services")
	u.RawPath = ""
	if c.PageBytes == 0 {
		c.PageBytes = 32 << 20
	}
	if c.Tries == 0 {
		c.Tries = 4
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	f := &Feed{config: c, base: u, known: map[string]validator{}, fresh: map[string]validator{}}
	if json.Unmarshal([]byte(state), &f.known) != nil || f.known == nil {
		f.known = map[string]validator{}
	}
	if c.Transport == nil {
		c.Transport = transport(loopbackName(u.Hostname()))
	}
	f.client = &http.Client{Transport: c.Transport, CheckRedirect: f.redirect}
	return f, nil
}

// maxRedirects is generous: an API that answers at another path does so once.
const maxRedirects = 3

// redirect follows within the same scheme and host only: whoever may write a feed's
// answers may not choose what this program reads.
func (f *Feed) redirect(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return issue.New(issue.Processing, "feed-redirect", "the feed redirects more than three times")
	}
	if r.URL.Scheme != f.base.Scheme || r.URL.Host != f.base.Host || r.URL.User != nil {
		return issue.New(issue.Processing, "feed-redirect", "the feed redirects to another host; if it has moved, change its address in ADAPTER_FEEDS")
	}
	return nil
}

// page is the address of one page.
func (f *Feed) page(n int) string {
	u := f.base.JoinPath("services")
	q := f.base.Query()
	q.Set("page", strconv.Itoa(n))
	q.Set("per_page", strconv.Itoa(perPage))
	u.RawQuery = q.Encode()
	return u.String()
}

// Unchanged asks for each page that was read before, whether it is still the same, and
// stops at the first that is not. Errors: as Page.
func (f *Feed) Unchanged(ctx context.Context) (bool, error) {
	if len(f.known) == 0 {
		return false, nil
	}
	for n := 1; n <= len(f.known); n++ {
		address := f.page(n)
		v, ok := f.known[address]
		if !ok {
			return false, nil
		}
		body, fresh, err := f.get(ctx, address, v)
		if err != nil {
			return false, err
		}
		if body != nil {
			if n == 1 { // not to be fetched twice
				if f.first, err = directory.ReadPage(body); err != nil {
					return false, err
				}
				f.keep(address, fresh)
			}
			return false, nil
		}
	}
	f.fresh = f.known
	return true, nil
}

// Page gives page n of the list of services. Errors: structure for what is no page;
// not-supported, forbidden, not-found, too-long, incomplete and transient for an answer
// that is none.
func (f *Feed) Page(ctx context.Context, n int) (*directory.Page, error) {
	if p := f.first; n == 1 && p != nil {
		f.first = nil
		return p, nil
	}
	address := f.page(n)
	body, fresh, err := f.get(ctx, address, validator{})
	if err != nil {
		return nil, err
	}
	p, err := directory.ReadPage(body)
	if err == nil && len(p.Contents) > 0 {
		f.keep(address, fresh)
	}
	return p, err
}

// Details gives one service with all its parts. Errors: not-found, and as Page.
func (f *Feed) Details(ctx context.Context, id string) ([]byte, error) {
	u := *f.base
	// one segment, whatever the id holds
	u.RawPath = f.base.EscapedPath() + "/services/" + url.PathEscape(id)
	u.Path = f.base.Path + "/services/" + id
	if id == "." || id == ".." {
		return nil, issue.New(issue.NotFound, "feed-details", "a service with this id has no address")
	}
	body, _, err := f.get(ctx, u.String(), validator{})
	return body, err
}

func (f *Feed) keep(address string, v validator) {
	if v != (validator{}) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.fresh[address] = v
	}
}

// State is the validators of the pages that were read, as JSON; "" when one had none, so
// that the feed is not taken for unchanged.
func (f *Feed) State() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := 1; n <= len(f.fresh); n++ {
		if _, ok := f.fresh[f.page(n)]; !ok {
			return ""
		}
	}
	if len(f.fresh) == 0 {
		return ""
	}
	text, err := json.Marshal(f.fresh)
	if err != nil {
		return ""
	}
	return string(text)
}

// waits are those between tries when the feed does not say how long: a feed is in no
// hurry, and neither are we.
var waits = []time.Duration{time.Second, 4 * time.Second, 15 * time.Second}

// maxWait bounds what a feed may make us wait for; when it asks for more, the refresh
// ends and the next one tries again.
const maxWait = time.Minute

// get fetches an address, and again when the failure may pass. body is nil when v still
// holds.
func (f *Feed) get(ctx context.Context, address string, v validator) (body []byte, fresh validator, err error) {
	for try := 1; ; try++ {
		var wait time.Duration
		body, fresh, wait, err = f.try(ctx, address, v)
		if err == nil || !issue.Retryable(err) || try >= f.config.Tries || ctx.Err() != nil {
			return body, fresh, err
		}
		if wait == 0 {
			wait = waits[min(try, len(waits))-1]
		}
		if wait > maxWait {
			return nil, validator{}, err
		}
		if f.config.Sleep(ctx, wait) != nil {
			return nil, validator{}, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answerTime bounds one answer: a feed that drips its bytes is no feed.
const answerTime = 60 * time.Second

func (f *Feed) try(ctx context.Context, address string, v validator) (body []byte, fresh validator, wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fresh, 0, issue.New(issue.Value, "feed-address", "the address of the feed cannot be used").Because(err)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "spadapter (social prescribing directory)")
	if v.ETag != "" {
		r.Header.Set("If-None-Match", v.ETag)
	}
	if v.Modified != "" {
		r.Header.Set("If-Modified-Since", v.Modified)
	}
	resp, err := f.client.Do(r)
	if err != nil {
		return nil, fresh, 0, network(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && v != (validator{}) {
		return nil, v, 0, nil
	}
	if resp.StatusCode != http.StatusOK {
		io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
		return nil, fresh, f.retryAfter(resp.Header), refused(resp.StatusCode)
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, f.config.PageBytes+1))
	switch {
	case err != nil:
		return nil, fresh, 0, network(err)
	case int64(len(body)) > f.config.PageBytes:
		return nil, fresh, 0, issue.Newf(issue.TooLong, "feed-bytes", "one answer of the feed has more than %d bytes", f.config.PageBytes)
	case len(body) == 0:
		return nil, fresh, 0, issue.New(issue.Structure, "feed-page", "the feed answers with nothing")
	}
	if cut := resp.ContentLength; cut >= 0 && int64(len(body)) < cut {
		return nil, fresh, 0, issue.New(issue.Incomplete, "feed-cut", "the answer of the feed was cut off")
	}
	return body, validator{resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")}, 0, nil
}

// network says what it means that no answer came.
func network(err error) error {
	if known, ok := errors.AsType[*issue.Error](err); ok {
		return known // ours, as for a redirect
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return issue.New(issue.Timeout, "feed-network", "the feed did not answer in time").Because(err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return issue.New(issue.Incomplete, "feed-cut", "the answer of the feed was cut off").Because(err)
	}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		return issue.New(issue.Timeout, "feed-network", "the feed did not answer in time").Because(err)
	}
	return issue.New(issue.Timeout, "feed-network", "the feed cannot be reached").Because(err)
}

// refused says what a status means.
func refused(status int) error {
	t, words := issue.Processing, "the feed refuses to be read"
	switch {
	case status == http.StatusTooManyRequests:
		t, words = issue.Throttled, "the feed asks to be read more slowly"
	case status == http.StatusNotFound || status == http.StatusGone:
		t, words = issue.NotFound, "the feed has nothing at this address"
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		t, words = issue.Forbidden, "the feed lets only some read it"
	case slices.Contains([]int{500, 502, 503, 504}, status):
		t, words = issue.Timeout, "the feed is out of order"
	}
	return issue.Newf(t, "feed-status", "%s (HTTP status %d)", words, status)
}

// retryAfter reads how long a feed asks to wait, 0 when it does not.
// Source: RFC 9110 section 10.2.3.
func (f *Feed) retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n < 1<<30 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(f.config.Now()), 0)
	}
	return 0
}
