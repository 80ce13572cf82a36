package auth

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"spadapter/adapter/internet"
	"spadapter/adapter/issue"
)

const (
	maxSet       = 256 << 10 // 64 RSA keys of 8192 bits are 100 KiB
	maxRedirects = 3
)

// reachable says why the URL is not to be fetched, as far as its text shows; what its
// name leads to is looked at for each connection.
func (c RemoteConfig) reachable() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return issue.New(issue.Value, "keys-url", "the URL of a key set must be an absolute https URL without a password and without a fragment")
	}
	ip, literal := netip.ParseAddr(u.Hostname())
	local := literal == nil && ip.IsLoopback() || u.Hostname() == "localhost"
	if u.Scheme != "https" && (u.Scheme != "http" || !local && !c.PlainHTTP) {
		return issue.New(issue.Value, "keys-url", "the URL of a key set must start with https")
	}
	inside := false
	switch internet.KindOf(u.Hostname()) {
	case internet.Odd:
		return issue.New(issue.Value, "keys-url", "the host of the URL of a key set is neither a name nor an address in its usual spelling, such as 192.0.2.1")
	case internet.Inside:
		inside = len(c.Networks) == 0
	case internet.Literal:
		inside = !internet.Permitted(ip, c.Networks)
	}
	if inside && c.Transport == nil {
		return inwardKeys()
	}
	return nil
}

func inwardKeys() *issue.Error {
	return issue.New(issue.Security, "keys-network", "the URL of a key set leads into a network that key sets are not fetched from")
}

// errElsewhere stops a redirect.
var errElsewhere = errors.New("auth: a key set redirects to another host, or too often")

func (c RemoteConfig) client() *http.Client {
	transport := c.Transport
	if transport == nil {
		dialer := &net.Dialer{Timeout: 3 * time.Second, ControlContext: internet.Guard(c.Networks)}
		// no proxy: the guard would see its address in place of the set's
		transport = &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 3 * time.Second, ForceAttemptHTTP2: true,
			MaxIdleConns: 1, IdleConnTimeout: fetchEvery, MaxResponseHeaderBytes: 64 << 10,
		}
	}
	return &http.Client{Transport: transport, CheckRedirect: func(to *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects || to.URL.Scheme != via[0].URL.Scheme || to.URL.Host != via[0].URL.Host {
			return errElsewhere
		}
		return nil
	}}
}

// fetch gets the set and how long it is fresh. Errors, none with what its owner wrote:
// timeout, incomplete and exception, which are transient.
func (r *remote) fetch(ctx context.Context) (*keySet, time.Duration, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.config.URL, nil)
	if err != nil {
		return nil, 0, issue.New(issue.Value, "keys-url", "the URL of the key set cannot be used")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return nil, 0, noAnswer(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, 0, issue.Newf(issue.Incomplete, "keys-status", "the keys of the issuer cannot be fetched: its server answered with status %d", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxSet+1))
	if err != nil {
		return nil, 0, noAnswer(err)
	}
	if len(body) > maxSet {
		return nil, 0, issue.New(issue.Exception, "keys-size", "the key set of the issuer is larger than 256 KiB")
	}
	set, err := published(body)
	if err != nil {
		own := issue.All(err)[0]
		return nil, 0, issue.New(issue.Exception, own.Rule, "the key set that the issuer publishes cannot be used: "+own.Details)
	}
	return set, freshness(response.Header), nil
}

// noAnswer keeps no cause: a *url.Error quotes the URL.
func noAnswer(err error) error {
	var network net.Error
	switch {
	case errors.Is(err, internet.ErrInward):
		return issue.New(issue.Exception, "keys-network", inwardKeys().Details)
	case errors.Is(err, errElsewhere):
		return issue.New(issue.Exception, "keys-redirect", "the URL of the key set redirects to another host, or too often")
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout():
		return issue.New(issue.Timeout, "keys-timeout", "the keys of the issuer did not come in time")
	}
	return issue.New(issue.Incomplete, "keys-remote", "the keys of the issuer cannot be fetched now; try again later")
}

// freshness reads how long a set may be kept, within our bounds: no-store and no-cache
// count as the least. Source: RFC 9111 sections 4.2.1, 5.1 and 5.2.2.
func freshness(h http.Header) time.Duration {
	fresh := freshFor
	for part := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "no-store", "no-cache":
			return leastFresh
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err != nil && !errors.Is(err, strconv.ErrRange) {
				return leastFresh // RFC 9111 section 4.2.1: what cannot be read is stale
			}
			fresh = time.Duration(seconds) * time.Second
		}
	}
	if age, err := strconv.ParseUint(h.Get("Age"), 10, 31); err == nil {
		fresh -= time.Duration(age) * time.Second
	}
	return min(max(fresh, leastFresh), mostFresh)
}
