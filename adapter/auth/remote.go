package auth

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"spadapter/adapter/issue"
)

// RemoteConfig says where an owner publishes its keys.
type RemoteConfig struct {
	URL string // https; also http, to a loopback address that is in Networks, or with PlainHTTP

	Networks  []netip.Prefix // where the set may be besides the public internet
	PlainHTTP bool           // http is allowed everywhere: for test networks only

	// Transport is what it is fetched with, nil for one that keeps to the public internet and
	// Networks whatever a name leads to. One that is given sees to that itself.
	Transport http.RoundTripper

	// Observe hears of each fetch, with nil when it gave a set. It must not block.
	Observe func(err error)
}

// How long a set counts. Cache-Control of its owner says when it is fetched again, within
// the bounds.
const (
	freshFor   = 10 * time.Minute // when its owner says nothing
	leastFresh = time.Minute      // max-age=0 would be a fetch for each token
	mostFresh  = time.Hour        // a key that was withdrawn stops to count by then
	staleFor   = 4 * time.Hour    // it counts on while it cannot be fetched: most outages are over by then, a stolen key is soon withdrawn

	// between the beginnings of two fetches, whoever asks for whatever kid
	fetchEvery = 30 * time.Second
	// for a fetch with its redirects; who waits for it is a request
	fetchTimeout = 5 * time.Second
)

// remote is a set that is fetched. It is fetched when it is first asked for, and again
// when it is due or a kid is not in it; who finds its key in a set that is due does not
// wait.
type remote struct {
	config RemoteConfig
	client *http.Client

	mu     sync.Mutex
	set    *keySet   // nil before the first
	fresh  time.Time // until when nothing is fetched for a kid that is in set
	stale  time.Time // until when set counts at all
	tried  time.Time // when the last fetch began; zero before the first
	failed error     // why the last fetch gave no set; nil when it did
	flight chan struct{}
}

// NewRemoteKeys makes the set that an owner publishes at a URL. Nothing is fetched before
// it is asked for. It is fetched again by its Cache-Control, kept for at least one minute
// and at most an hour, and for a kid that is not in it, at most every 30 seconds; while
// it cannot be fetched the last one counts for four hours. Finding a key in it then fails
// as transient.
//
// Errors: value and security for a URL that is not to be fetched.
// Source: https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys,
// RFC 9111 section 4.2.
func NewRemoteKeys(c RemoteConfig) (*Keys, error) {
	if err := c.reachable(); err != nil {
		return nil, err
	}
	return &Keys{remote: &remote{config: c, client: c.client()}}, nil
}

func (r *remote) settled(now time.Time) *keySet {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Before(r.fresh) {
		return r.set
	}
	return nil
}

// look gives the set in which kid is, or the newest that can be had. One caller's wait
// holds up nobody who asks another remote, and ends with ctx; the fetch goes on.
func (r *remote) look(ctx context.Context, now time.Time, kid string, alg Algorithm) (*keySet, error) {
	r.mu.Lock()
	set := r.counts(now)
	known := set != nil && set.has(kid, alg)
	if known && now.Before(r.fresh) {
		r.mu.Unlock()
		return set, nil
	}
	if r.flight == nil && (r.tried.IsZero() || now.Sub(r.tried) >= fetchEvery || now.Before(r.tried)) {
		r.tried, r.flight = now, make(chan struct{})
		go r.fly(now, r.flight)
	}
	flight := r.flight
	r.mu.Unlock()
	if !known && flight != nil {
		select {
		case <-flight:
		case <-ctx.Done():
			return nil, issue.New(issue.Timeout, "keys-timeout", "the keys of the issuer did not come in time").Because(ctx.Err())
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if set = r.counts(now); set != nil && (r.failed == nil || set.has(kid, alg)) {
		return set, nil
	}
	if r.failed == nil { // a set that stopped to count a moment ago, and another fetch is not due
		return nil, issue.New(issue.Incomplete, "keys-remote", "the keys of the issuer cannot be fetched now; try again later")
	}
	return nil, r.failed // whether the kid is there nobody can say
}

// counts gives the set while it counts. The caller holds mu.
func (r *remote) counts(now time.Time) *keySet {
	if r.set == nil || !now.Before(r.stale) {
		return nil
	}
	return r.set
}

// has reports whether some key of that kid serves alg.
func (s *keySet) has(kid string, alg Algorithm) bool {
	for _, key := range s.byID[kid] {
		if key.serves(alg) {
			return true
		}
	}
	return false
}

// recovered is fetch, with a panic as an error: what a stranger publishes must not end the
// program, whatever the reader of keys makes of it.
func (r *remote) recovered(ctx context.Context) (set *keySet, fresh time.Duration, err error) {
	defer func() {
		if recover() != nil {
			set, err = nil, issue.New(issue.Exception, "keys-value", "the key set that the issuer publishes cannot be read")
		}
	}()
	return r.fetch(ctx)
}

// fly fetches the set. It depends on no request: others wait for it too.
func (r *remote) fly(now time.Time, done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	set, fresh, err := r.recovered(ctx)
	if r.config.Observe != nil {
		r.config.Observe(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed, r.flight = err, nil
	if err == nil {
		r.set, r.fresh, r.stale = set, now.Add(fresh), now.Add(fresh+staleFor)
	}
	close(done)
}
