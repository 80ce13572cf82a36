package gateway

import (
	"hash/maphash"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"spadapter/adapter/issue"
)

const (
	// mostVisitors bounds the buckets that are kept, some 250 bytes each. Those who come when
	// there are that many share one.
	mostVisitors = 50_000
	firstSweep   = 1024
	// throttledRecords is how many refusals a second for asking too much are audited of one
	// client: the first say all there is to say.
	throttledRecords = 1
)

// visitor is what is left to one client or address.
type visitor struct {
	tokens  *rate.Limiter
	records *rate.Limiter // of its refusals for asking too much
}

// rates holds a token bucket for each key. A bucket that is full again is as good as none and
// is forgotten. A nil *rates limits nothing. It is safe for concurrent use.
type rates[K comparable] struct {
	rate  rate.Limit
	burst int

	mu       sync.Mutex
	visitors map[K]*visitor
	rest     *visitor // of all that are too many
	sweepAt  int
	swept    time.Time
}

// newRates makes buckets that get perSecond tokens and hold burst; nil for no limit.
func newRates[K comparable](perSecond float64, burst int) *rates[K] {
	if perSecond <= 0 {
		return nil
	}
	r := &rates[K]{rate: rate.Limit(perSecond), burst: max(burst, 1), visitors: map[K]*visitor{}, sweepAt: firstSweep}
	r.rest = r.fresh()
	return r
}

func (r *rates[K]) fresh() *visitor {
	return &visitor{rate.NewLimiter(r.rate, r.burst), rate.NewLimiter(throttledRecords, throttledRecords)}
}

// of gives the bucket of a key.
func (r *rates[K]) of(key K, now time.Time) *visitor {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v := r.visitors[key]; v != nil {
		return v
	}
	if len(r.visitors) >= r.sweepAt && (len(r.visitors) < mostVisitors || now.Sub(r.swept) >= time.Second) {
		for key, v := range r.visitors {
			if v.tokens.TokensAt(now) >= float64(r.burst) {
				delete(r.visitors, key)
			}
		}
		r.sweepAt, r.swept = min(max(firstSweep, 2*len(r.visitors)), mostVisitors), now
	}
	if len(r.visitors) >= mostVisitors {
		return r.rest
	}
	v := r.fresh()
	r.visitors[key] = v
	return v
}

// take takes a token. Where there is none it gives how long it takes until there is.
func (r *rates[K]) take(key K, now time.Time) (wait time.Duration, ok bool) {
	if r == nil {
		return 0, true
	}
	v := r.of(key, now)
	if v.tokens.AllowN(now, 1) {
		return 0, true
	}
	missing := 1 - v.tokens.TokensAt(now)
	return time.Duration(missing / float64(r.rate) * float64(time.Second)), false
}

// charge takes n tokens for what a request turned out to be, into debt if need be: it is here
// already, and the next ones wait for it.
func (r *rates[K]) charge(key K, now time.Time, n int) {
	if r == nil || n <= 0 {
		return
	}
	r.of(key, now).tokens.ReserveN(now, min(n, r.burst))
}

// spent reports whether there is no token now, and takes none.
func (r *rates[K]) spent(key K, now time.Time) bool {
	return r != nil && r.of(key, now).tokens.TokensAt(now) < 1
}

// recorded reports whether one more refusal for asking too much is audited.
func (r *rates[K]) recorded(key K, now time.Time) bool {
	return r == nil || r.of(key, now).records.AllowN(now, 1)
}

// tooMuch is the refusal of who asks too often. The answer says when to come again.
func (x *exchange) tooMuch(wait time.Duration, who string, perSecond float64, burst int) error {
	x.again = wait
	return issue.Newf(issue.Throttled, "rate-limit", "%s asks too often: %g requests a second in the long run and %d in one moment are answered, each entry of a Bundle counted; nothing of this one was kept, send it again after the seconds that Retry-After names", who, perSecond, burst)
}

// provenGeneration is how many tokens are remembered before the older half is forgotten.
const provenGeneration = 10_000

// proven remembers which tokens have been good, by a hash that only this process knows. It
// proves nothing: it is for telling, without looking at a signature, who is worth the look.
type proven struct {
	seed maphash.Seed

	mu     sync.Mutex
	young  map[uint64]bool
	former map[uint64]bool
}

func newProven() *proven { return &proven{seed: maphash.MakeSeed(), young: map[uint64]bool{}} }

func (p *proven) has(token string) bool {
	sum := maphash.String(p.seed, token)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.young[sum] || p.former[sum]
}

// drop forgets a token that is good no more.
func (p *proven) drop(token string) {
	sum := maphash.String(p.seed, token)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.young, sum)
	delete(p.former, sum)
}

func (p *proven) add(token string) {
	sum := maphash.String(p.seed, token)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.young[sum] {
		return
	}
	if len(p.young) >= provenGeneration {
		p.young, p.former = map[uint64]bool{}, p.young
	}
	p.young[sum] = true
}
