package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"spadapter/adapter/issue"
)

// publisher is where a partner publishes its keys.
type publisher struct {
	server   *httptest.Server
	requests atomic.Int64
	answer   atomic.Pointer[http.HandlerFunc]
	now      time.Time
	verifier *Verifier
	keys     *Keys
}

func (p *publisher) answers(f http.HandlerFunc) { p.answer.Store(&f) }

func (p *publisher) serves(header string, sets ...[]byte) {
	p.answers(func(w http.ResponseWriter, _ *http.Request) {
		if header != "" {
			w.Header().Set("Cache-Control", header)
		}
		w.Write(together(sets...))
	})
}

// together makes one set of several.
func together(sets ...[]byte) []byte {
	var all struct {
		Keys []json.RawMessage `json:"keys"`
	}
	for _, s := range sets {
		var one struct {
			Keys []json.RawMessage `json:"keys"`
		}
		if err := json.Unmarshal(s, &one); err != nil {
			panic(err)
		}
		all.Keys = append(all.Keys, one.Keys...)
	}
	out, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return out
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	p := &publisher{now: start}
	p.serves("", parties()[RS384].public)
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		(*p.answer.Load())(w, r)
	}))
	t.Cleanup(p.server.Close)
	var err error
	if p.keys, err = NewRemoteKeys(RemoteConfig{URL: p.server.URL + "/jwks.json", Networks: loopback}); err != nil {
		t.Fatal(err)
	}
	p.verifier = newVerifier(t, &p.now, func(c *Config) {
		c.Issuers[1].Keys = p.keys
		c.MaxLifetime = 48 * time.Hour
	})
	return p
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// token is one of the partner's, signed with RS384 or ES384, under a kid of its own or another.
func (p *publisher) token(t testing.TB, by party, kid string) string {
	t.Helper()
	method := jwt.SigningMethod(jwt.SigningMethodRS384)
	if RS384.fits(by.key().Public()) == false {
		method = jwt.SigningMethodES384
	}
	header := map[string]any{}
	if kid != "" {
		header["kid"] = kid
	}
	return mint(t, by, method, header, with(jwt.MapClaims{"iss": partner, "sub": partner, "iat": nil, "exp": start.Add(40 * time.Hour).Unix()}))
}

func (p *publisher) expect(t *testing.T, what, token string, kind issue.Type, requests int64) {
	t.Helper()
	_, err := p.verifier.Verify(context.Background(), token)
	if kind == "" && err != nil || kind != "" && !errors.Is(err, kind) {
		t.Errorf("%s: got %v, want %q", what, err, kind)
	}
	if n := p.requests.Load(); n != requests {
		t.Errorf("%s: %d requests, want %d", what, n, requests)
	}
}

// settle waits for a fetch that goes on behind a request.
func (p *publisher) settle() {
	p.keys.remote.mu.Lock()
	flight := p.keys.remote.flight
	p.keys.remote.mu.Unlock()
	if flight != nil {
		<-flight
	}
}

func TestRemoteKeysAreFetchedWhenDue(t *testing.T) {
	p := newPublisher(t)
	p.serves("max-age=120", parties()[RS384].public)
	known := p.token(t, parties()[RS384], "")
	p.expect(t, "the first token", known, "", 1)
	p.now = start.Add(119 * time.Second)
	p.expect(t, "a fresh set", known, "", 1)
	p.now = start.Add(121 * time.Second)
	if _, err := p.verifier.Verify(context.Background(), known); err != nil {
		t.Errorf("a set that is due is used while another comes: %v", err)
	}
	p.settle()
	p.expect(t, "it came", known, "", 2)
	p.serves("", parties()[ES384].public)
	p.now = start.Add(time.Hour)
	p.verifier.Verify(context.Background(), known)
	p.settle()
	p.expect(t, "a key that was withdrawn, of a token that was known", known, issue.Unknown, 3)
}

func TestRemoteKeysBoundTheirFreshness(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": freshFor, "max-age=0": leastFresh, "no-store, max-age=600": leastFresh, "no-cache": leastFresh, "max-age=300": 5 * time.Minute, "public, Max-Age=\"300\"": 5 * time.Minute,
		"max-age=31536000": mostFresh, "max-age=99999999999999999999": mostFresh, "max-age=-1": leastFresh, "max-age=x": leastFresh, "max-age": leastFresh, "s-maxage=60": freshFor,
	} {
		if got := freshness(http.Header{"Cache-Control": {header}}); got != want {
			t.Errorf("%s: %v, want %v", header, got, want)
		}
	}
	if got := freshness(http.Header{"Cache-Control": {"max-age=600"}, "Age": {"300"}}); got != 5*time.Minute {
		t.Errorf("the age is not counted: %v", got)
	}
}

// A partner adds a key and signs with it at once; strangers name kids that nobody has.
func TestUnknownKidsFetchSeldom(t *testing.T) {
	p := newPublisher(t)
	old, next := parties()[RS384], parties()[ES384]
	p.expect(t, "the first token", p.token(t, old, ""), "", 1)
	p.serves("", old.public, next.public)
	p.now = start.Add(fetchEvery)
	p.expect(t, "a new key counts at once", p.token(t, next, ""), "", 2)
	for i := range 1000 {
		p.expect(t, "a flood of kids", p.token(t, next, fmt.Sprint("kid-", i)), issue.Unknown, 2)
	}
	p.now = start.Add(2 * fetchEvery)
	p.expect(t, "after the interval", p.token(t, next, "kid-x"), issue.Unknown, 3)
	p.expect(t, "known kids are not touched", p.token(t, old, ""), "", 3)
}

func TestConcurrentCallersShareOneFetch(t *testing.T) {
	p := newPublisher(t)
	release := make(chan struct{})
	p.answers(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		w.Write(parties()[RS384].public)
	})
	token := p.token(t, parties()[RS384], "")
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := p.verifier.Verify(context.Background(), token); err != nil {
				t.Error(err)
			}
		})
	}
	impatient, cancel := context.WithCancel(context.Background())
	cancelled := make(chan error)
	go func() {
		_, err := p.keys.remote.look(impatient, start, "x", RS384)
		cancelled <- err
	}()
	cancel()
	if err := <-cancelled; !errors.Is(err, issue.Timeout) {
		t.Errorf("got %v", err)
	}
	// another issuer does not wait for the slow one
	if _, err := p.verifier.Verify(context.Background(), mint(t, parties()[ES384], jwt.SigningMethodES384, nil, good())); err != nil {
		t.Error(err)
	}
	close(release)
	all.Wait()
	if n := p.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestOutageKeepsTheLastKeysForATime(t *testing.T) {
	p := newPublisher(t)
	p.serves("max-age=60", parties()[RS384].public)
	known := p.token(t, parties()[RS384], "")
	p.expect(t, "the first token", known, "", 1)
	p.answers(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "canary", http.StatusServiceUnavailable) })
	p.now = start.Add(time.Minute + staleFor - time.Second)
	if _, err := p.verifier.Verify(context.Background(), known); err != nil {
		t.Error(err)
	}
	p.settle()
	p.expect(t, "a kid that is not in the last set: nobody can say", p.token(t, parties()[RS384], "other"), issue.Transient, 2)
	p.now = start.Add(time.Minute + staleFor)
	_, err := p.verifier.Verify(context.Background(), known)
	if !errors.Is(err, issue.Incomplete) || strings.Contains(err.Error(), "canary") {
		t.Errorf("after the bounded time: %v", err)
	}
	p.serves("", parties()[RS384].public)
	p.now = p.now.Add(fetchEvery)
	if _, err := p.verifier.Verify(context.Background(), known); err != nil {
		t.Errorf("the partner is back: %v", err)
	}
}

func TestRemoteKeysThatCannotBeUsed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(parties()[RS384].public) }))
	defer other.Close()
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) }
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		rule   string
	}{
		"no JSON":                  {body("canary"), "keys-json"},
		"no keys":                  {body(`{"keys":[]}`), "keys-none"},
		"private":                  {body(string(parties()[RS384].private)), "keys-private"},
		"large":                    {body(`{"x":"` + strings.Repeat("a", maxSet) + `"}`), "keys-size"},
		"not found":                {http.NotFound, "keys-status"},
		"redirect to another host": {http.RedirectHandler(other.URL, http.StatusFound).ServeHTTP, "keys-redirect"},
		"redirect without end":     {http.RedirectHandler("/jwks.json", http.StatusFound).ServeHTTP, "keys-redirect"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte("{"))
		}, "keys-remote"},
	} {
		p := newPublisher(t)
		p.answers(c.answer)
		var e *issue.Error
		_, err := p.verifier.Verify(context.Background(), p.token(t, parties()[RS384], ""))
		if !errors.As(err, &e) || e.Rule != c.rule || !errors.Is(err, issue.Transient) || strings.Contains(fmt.Sprint(e, e.Diagnostics, e.Cause), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	moved := newPublisher(t)
	moved.answers(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/jwks.json" {
			http.Redirect(w, r, "/keys", http.StatusMovedPermanently)
			return
		}
		w.Write(parties()[RS384].public)
	})
	moved.expect(t, "a redirect on the same host", moved.token(t, parties()[RS384], ""), "", 2)
}

// Several keys of one kid: kid and alg select one, or the token is refused.
func TestKidAndAlgorithmSelectOneKey(t *testing.T) {
	p := newPublisher(t)
	rs, es, twin := parties()[RS384], parties()[ES384], newParty(t, ES384)
	renamed := func(of party) []byte { return bytes.ReplaceAll(of.public, []byte(of.kid()), []byte("shared")) }
	p.serves("", renamed(rs), renamed(es))
	p.expect(t, "by RS384", p.token(t, rs, "shared"), "", 1)
	p.expect(t, "by ES384", p.token(t, es, "shared"), "", 1)
	two := newPublisher(t)
	two.serves("", renamed(es), renamed(rs), renamed(twin), rs.public, renamed(rs))
	two.expect(t, "RS384, listed twice", two.token(t, rs, "shared"), "", 1)
	two.expect(t, "the first of two for ES384", two.token(t, es, "shared"), issue.Login, 1)
	two.expect(t, "the second of two for ES384", two.token(t, twin, "shared"), issue.Login, 1)
	two.expect(t, "a key of another kid", two.token(t, rs, ""), "", 1)
	if _, err := ParseKeys(together(renamed(es), renamed(twin))); !errors.Is(err, issue.Value) {
		t.Errorf("a registered set with such keys: %v", err)
	}
}

// A reader of keys that panics is one fetch that failed.
func TestAPanicIsAFetchThatFailed(t *testing.T) {
	keys, err := NewRemoteKeys(RemoteConfig{URL: "https://gp.example/jwks.json", Transport: panics{}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := keys.remote.look(context.Background(), start, "x", RS384); !errors.Is(err, issue.Exception) {
			t.Errorf("got %v", err)
		}
	}
}

type panics struct{}

func (panics) RoundTrip(*http.Request) (*http.Response, error) { panic("canary") }

func TestURLsThatAreNotFetched(t *testing.T) {
	private := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for text, c := range map[string]struct {
		networks []netip.Prefix
		plain    bool
		want     issue.Type
	}{
		"https://gp.example/jwks.json":     {nil, false, ""},
		"http://gp.example/jwks.json":      {nil, false, issue.Value},
		"http://gp.example/keys":           {nil, true, ""},
		"https://u:p@gp.example/jwks.json": {nil, false, issue.Value},
		"https://gp.example/jwks.json#a":   {nil, false, issue.Value},
		"https://0x7f000001/jwks":          {nil, false, issue.Value},
		"https://2130706433/jwks":          {nil, false, issue.Value},
		"https://10.1.2.3/jwks":            {nil, false, issue.Security},
		"https://10.1.2.3/keys":            {private, false, ""},
		"https://169.254.169.254/latest":   {private, false, issue.Security},
		"https://[::ffff:127.0.0.1]/jwks":  {nil, false, issue.Security},
		"https://localhost/jwks":           {nil, false, issue.Security},
		"https://keys.internal/jwks":       {nil, false, issue.Security},
		"http://127.0.0.1:8080/jwks":       {nil, false, issue.Security},
		"http://127.0.0.1:8080/keys":       {loopback, false, ""},
		"file:///etc/passwd":               {loopback, true, issue.Value},
		"ftp://gp.example/jwks":            {loopback, true, issue.Value},
		"":                                 {nil, false, issue.Value},
		"gp.example/jwks":                  {nil, false, issue.Value},
	} {
		_, err := NewRemoteKeys(RemoteConfig{URL: text, Networks: c.networks, PlainHTTP: c.plain})
		if c.want == "" && err != nil || c.want != "" && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %q", text, err, c.want)
		}
	}
	// a name that leads inward is stopped when it is connected to
	p := newPublisher(t)
	p.keys.remote.client = RemoteConfig{}.client()
	p.expect(t, "an address that is not permitted", p.token(t, parties()[RS384], ""), issue.Transient, 0)
}

func TestGivenKeysAreReplaced(t *testing.T) {
	now := start
	keys, err := ParseKeys(parties()[ES384].public)
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, &now, func(c *Config) { c.Issuers[0].Keys = keys })
	token := mint(t, parties()[ES384], jwt.SigningMethodES384, nil, good())
	expect := func(what string, kind issue.Type) {
		t.Helper()
		if _, err := v.Verify(context.Background(), token); kind == "" && err != nil || kind != "" && !errors.Is(err, kind) {
			t.Errorf("%s: %v", what, err)
		}
	}
	expect("as given", "")
	if err := keys.Replace([]byte("broken")); !errors.Is(err, issue.Structure) {
		t.Error(err)
	}
	expect("after a broken set", "")
	if err := keys.Replace(newParty(t, ES384).public); err != nil {
		t.Fatal(err)
	}
	expect("a token that was known, its key gone", issue.Unknown)
	ends := bytes.Replace(parties()[ES384].public, []byte(`"kty"`), fmt.Appendf(nil, `"exp":%d,"kty"`, start.Add(time.Minute).Unix()), 1)
	if err := keys.Replace(ends, parties()[ES384].public); err != nil {
		t.Fatal(err)
	}
	expect("before the key ends", "")
	now = start.Add(time.Minute)
	expect("after the key ended", issue.Unknown)
	remote, err := NewRemoteKeys(RemoteConfig{URL: "https://gp.example/jwks"})
	if err != nil || !errors.Is(remote.Replace(ends), issue.NotSupported) {
		t.Errorf("a set that is fetched was replaced: %v", err)
	}
}
