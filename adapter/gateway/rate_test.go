package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// guarded is a world with a protection and a clock.
func guarded(t *testing.T, change func(*Operations), p Protection) (*world, *time.Time) {
	t.Helper()
	w, now := newWorld(t, change), noon
	p.Metrics = w.config.Protection.Metrics
	w.config.Protection = p
	w.config.Now = func() time.Time { return now }
	w.handler = New(w.config)
	return w, &now
}

// actsAtOnce is a domain whose actions may be asked for at the same time, as a bulk action does.
func actsAtOnce(o *Operations) {
	o.Act = func(_ context.Context, _ referral.Call, id, _ string, number int, _ referral.Input) (*referral.View, error) {
		v := someReferral(id, number+1)
		return &v, nil
	}
}

// seconds reads Retry-After, which every refusal for asking too much has.
func seconds(t *testing.T, rec *httptest.ResponseRecorder) int {
	t.Helper()
	n, err := strconv.Atoi(rec.Header().Get("Retry-After"))
	if err != nil || n < 1 {
		t.Fatalf("Retry-After is %q", rec.Header().Get("Retry-After"))
	}
	return n
}

// A client that asks too often is refused until it has waited as long as it was told, and no
// other client notices.
func TestRateIsPerClient(t *testing.T) {
	w, now := guarded(t, nil, Protection{Rate: 2, Burst: 5})
	for range 5 {
		wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp"), 200, "")
	}
	rec := w.do("GET", "/fhir/R4/Patient/1", "", "as gp", "X-Request-ID: r1")
	wants(t, rec, 429, "rate-limit")
	if parsed(t, rec).Text("issue", "code") != "throttled" || rec.Header().Get("X-Request-ID") != "r1" || seconds(t, rec) != 1 {
		t.Errorf("%v %s", rec.Header(), rec.Body)
	}
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp", "Accept: application/fhir+xml"), 429, "rate-limit")
	for range 5 {
		wants(t, w.do("GET", "/api/v1/referrals", "", "as lw"), 200, "")
	}
	wants(t, w.do("GET", "/api/v1/referrals", "", "as lw"), 429, "rate-limit")

	for range 20 {
		rec := w.do("GET", "/fhir/R4/Patient/1", "", "as gp")
		if rec.Code == 429 {
			*now = now.Add(time.Duration(seconds(t, rec)) * time.Second)
			rec = w.do("GET", "/fhir/R4/Patient/1", "", "as gp")
		}
		wants(t, rec, 200, "")
	}
}

// An entry of a batch and of a transaction, and an item of a bulk action, count as one
// request each. The message that goes over the limit is still done: the next ones wait for it.
func TestEntriesCount(t *testing.T) {
	const reads = 20
	entries := strings.TrimSuffix(strings.Repeat(`{"request":{"method":"GET","url":"Patient/1"}},`, reads), ",")
	items := ""
	for i := range reads {
		items += fmt.Sprintf(`,{"id":"r%d","version":1,"input":{}}`, i)
	}
	for name, c := range map[string]struct{ target, body, as string }{
		"batch":       {"/fhir/R4", `{"resourceType":"Bundle","type":"batch","entry":[` + entries + `]}`, "gp"},
		"transaction": {"/fhir/R4", `{"resourceType":"Bundle","type":"transaction","entry":[` + entries + `]}`, "gp"},
		"bulk":        {"/api/v1/referrals/actions/accept", `{"items":[` + items[1:] + `]}`, "lw"},
	} {
		w, now := guarded(t, actsAtOnce, Protection{Rate: 1, Burst: reads})
		wants(t, w.do("POST", c.target, c.body, "as "+c.as, "Content-Type: application/json"), map[string]int{"transaction": 201}[name]+map[string]int{"batch": 200, "bulk": 200}[name], "")
		wants(t, w.do("GET", "/api/v1/referrals/1", "", "as "+c.as), 429, "rate-limit")
		*now = now.Add(time.Second)
		wants(t, w.do("POST", c.target, c.body, "as "+c.as, "Content-Type: application/json"), map[string]int{"transaction": 201}[name]+map[string]int{"batch": 200, "bulk": 200}[name], "")
		rec := w.do("GET", "/api/v1/referrals/1", "", "as "+c.as)
		if wants(t, rec, 429, "rate-limit"); seconds(t, rec) != reads {
			t.Errorf("%s: the debt is paid in %d s", name, seconds(t, rec))
		}
	}
}

// unreadBody fails when somebody reads it.
type unreadBody struct{ t *testing.T }

func (b unreadBody) Read([]byte) (int, error) { b.t.Error("the body was read"); return 0, nil }

// What is refused for its rate costs neither its body nor a record of its own.
func TestRefusedIsCheap(t *testing.T) {
	w, now := guarded(t, nil, Protection{Rate: 1, Burst: 1})
	w.do("GET", "/fhir/R4/Patient/1", "", "as gp")
	for range 100 {
		r := httptest.NewRequest("POST", "/fhir/R4", unreadBody{t})
		r.Header.Set("Authorization", "Bearer gp")
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		wants(t, rec, 429, "rate-limit")
	}
	if len(w.refused) != throttledRecords {
		t.Errorf("%d are audited", len(w.refused))
	}
	*now = now.Add(time.Second)
	w.do("GET", "/fhir/R4/Patient/1", "", "as gp")
	w.do("GET", "/fhir/R4/Patient/1", "", "as gp")
	if len(w.refused) != 2*throttledRecords {
		t.Errorf("%d are audited a second later", len(w.refused))
	}
	if metrics := w.do("GET", "/metrics", "").Body.String(); !strings.Contains(metrics, "adapter_http_refusals_unrecorded_total 99\n") {
		t.Error(metrics)
	}
}

// Who shows no valid token is counted by its address, on every path, and does not touch those
// who come from there with a good one. Probes are always answered.
func TestRateOfAddresses(t *testing.T) {
	for _, c := range []struct {
		target, as string
		status     int
	}{{"/fhir/R4/metadata", "", 200}, {"/fhir/R4/Patient/1", "", 401}, {"/fhir/R4/Patient/1", "nobody", 401}, {"/fhir/R4/Nothing", "", 404}, {"/nothing", "", 404}} {
		w, now := guarded(t, nil, Protection{AddressRate: 1, AddressBurst: 3})
		verified := 0
		verify := w.config.Verify
		w.config.Verify = func(ctx context.Context, token string) (*auth.Principal, error) {
			verified++
			return verify(ctx, token)
		}
		w.handler = New(w.config)
		ask := func() *httptest.ResponseRecorder {
			if c.as != "" {
				return w.do("GET", c.target, "", "as "+c.as)
			}
			return w.do("GET", c.target, "")
		}
		wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp"), 200, "")
		for range 3 {
			wants(t, ask(), c.status, "")
		}
		before := verified
		rec := ask()
		if wants(t, rec, 429, ""); seconds(t, rec) != 1 || verified != before {
			t.Errorf("%s: a token was looked at", c.target)
		}
		wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp"), 200, "")
		for range 10 {
			wants(t, w.do("GET", "/healthz", ""), 200, "")
			wants(t, w.do("GET", "/readyz", ""), 200, "")
		}
		r := httptest.NewRequest("GET", c.target, nil)
		r.RemoteAddr = "198.51.100.7:9"
		other := httptest.NewRecorder()
		if w.handler.ServeHTTP(other, r); other.Code == 429 {
			t.Errorf("%s: another address is refused", c.target)
		}
		*now = now.Add(time.Second)
		wants(t, ask(), c.status, "")
	}
}

func TestOrigin(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"192.0.2.1:5", nil, "192.0.2.1"},
		{"192.0.2.1:5", []string{"198.51.100.1"}, "192.0.2.1"}, // anybody can write that header
		{"10.0.0.1:5", nil, "10.0.0.1"},
		{"10.0.0.1:5", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"}, // what the client wrote stands first
		{"10.0.0.1:5", []string{"203.0.113.9", "198.51.100.1, 10.2.3.4"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"10.2.3.4"}, "10.2.3.4"},
		{"10.0.0.1:5", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"unknown"}, "10.0.0.1"},
		{"10.0.0.1:5", []string{"198.51.100.1, nonsense, 10.1.1.1"}, "10.1.1.1"},
		{"10.0.0.1:5", []string{strings.Repeat("10.9.9.9,", 10_000)}, "10.0.0.1"},
		{"10.0.0.1:5", []string{strings.Repeat("10.9.9.9,", 10_000) + "10.9.9.9"}, "10.9.9.9"},
		{"[::ffff:10.0.0.1]:5", []string{"2001:db8::7"}, "2001:db8::7"},
		{"[fd00::1%eth0]:5", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"@", []string{"198.51.100.1"}, "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		r.Header["X-Forwarded-For"] = c.forwarded
		if got := origin(r, proxies); got.String() != c.want {
			t.Errorf("%s %.60q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
	if a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff:1"); neighbourhood(a) != neighbourhood(b) || neighbourhood(a) == neighbourhood(netip.MustParseAddr("2001:db8:0:1::1")) {
		t.Error("a network of IPv6 is not one sender")
	}
}

// The buckets of those who have gone are forgotten, and those who come when there are too many
// share one.
func TestBucketsAreBounded(t *testing.T) {
	r, now := newRates[int](1, 2), noon
	for i := range 3 * mostVisitors {
		if _, ok := r.take(i, now); !ok && i < mostVisitors {
			t.Fatalf("the first request of %d is refused", i)
		}
	}
	if len(r.visitors) != mostVisitors {
		t.Errorf("%d buckets", len(r.visitors))
	}
	if _, ok := r.take(-1, now); ok {
		t.Error("what all share has no limit")
	}
	if _, ok := r.take(1, now); !ok {
		t.Error("who was there before is refused for those who came later")
	}
	now = now.Add(time.Minute)
	r.take(-1, now)
	if len(r.visitors) != 1 {
		t.Errorf("%d buckets a minute later", len(r.visitors))
	}
}

// holding is a world whose reads wait until they are let go, and what tells of each.
func holding(t *testing.T, p Protection) (w *world, begun chan string, let chan struct{}) {
	begun, let = make(chan string, 100), make(chan struct{})
	w, _ = guarded(t, func(o *Operations) {
		o.Read = func(ctx context.Context, c referral.Call, resourceType, id string) (*referral.Version, error) {
			begun <- c.Principal.Client
			<-let
			return &referral.Version{Type: resourceType, ID: id, Number: 1, Body: []byte(`{"resourceType":"Patient"}`)}, nil
		}
		o.Refused = func(context.Context, referral.Call, string, string, error) error { return nil }
	}, p)
	w.config.NewID = func() string { return "made" }
	return w, begun, let
}

func (w *world) read(as string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/fhir/R4/Patient/1", nil)
	r.Header.Set("Authorization", "Bearer "+as)
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// A client that has all its requests in work waits for itself and then gets 429; another is
// served beside it. What all have in work is bounded too, and that is 503.
func TestRequestsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, begun, let := holding(t, Protection{AtOnce: 3, ClientAtOnce: 2, Wait: time.Second})
		var group sync.WaitGroup
		answers := make(chan *httptest.ResponseRecorder, 10)
		ask := func(as string) { group.Go(func() { answers <- w.read(as) }) }
		ask("gp")
		ask("gp")
		synctest.Wait()
		wants(t, w.read("gp"), 429, "client-at-once") // it waits its second
		ask("lw")
		synctest.Wait()
		if len(begun) != 3 {
			t.Fatalf("%d are in work", len(begun))
		}
		rec := w.read("both")
		if wants(t, rec, 503, "requests-at-once"); seconds(t, rec) < 1 {
			t.Error(rec.Header())
		}
		wants(t, w.do("GET", "/healthz", ""), 200, "")
		ask("gp") // before both in the line, and its client has all it may have
		synctest.Wait()
		ask("both")
		synctest.Wait()
		for range 3 {
			let <- struct{}{}
		}
		synctest.Wait()
		if len(begun) != 5 {
			t.Errorf("%d have begun", len(begun))
		}
		close(let)
		group.Wait()
		for range 5 {
			wants(t, <-answers, 200, "")
		}
	})
}

// The line is no longer than it may be, who hangs up leaves it, and nothing is left behind.
func TestTheLineIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(1, 0, time.Hour)
		if err := turns.enter(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		ctx, hangUp := context.WithCancel(t.Context())
		ended := make(chan error, lineLength)
		for i := range lineLength {
			go func() { ended <- turns.enter(ctx, strconv.Itoa(i)) }()
		}
		synctest.Wait()
		if err := turns.enter(t.Context(), "b"); issue.All(err)[0].Rule != "requests-at-once" {
			t.Errorf("one more waits: %v", err)
		}
		hangUp()
		for range lineLength {
			if err := <-ended; issue.All(err)[0].Rule != "client-gone" {
				t.Error(err)
			}
		}
		turns.leave("a")
		if turns.working != 0 || len(turns.line) != 0 || len(turns.clients) > 1 {
			t.Errorf("%+v", turns)
		}
	})
}

// Pages of other origins may call when they are named, exactly, and never with the credentials
// of the browser.
func TestOtherOrigins(t *testing.T) {
	w, _ := guarded(t, nil, Protection{Origins: []string{"https://tool.example"}})
	ask := func(method, target, from string, more ...string) *httptest.ResponseRecorder {
		return w.do(method, target, "", append(more, "Origin: "+from)...)
	}
	preflight := "Access-Control-Request-Method: POST"
	rec := ask("OPTIONS", "/fhir/R4/Patient", "https://tool.example", preflight)
	if wants(t, rec, 204, ""); rec.Header().Get("Access-Control-Allow-Origin") != "https://tool.example" || !strings.Contains(rec.Header().Get("Access-Control-Allow-Methods"), "POST") ||
		!strings.Contains(rec.Header().Get("Access-Control-Allow-Headers"), "Authorization") || rec.Header().Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%v", rec.Header())
	}
	rec = ask("GET", "/fhir/R4/Patient/1", "https://tool.example", "as gp")
	if wants(t, rec, 200, ""); rec.Header().Get("Access-Control-Allow-Origin") != "https://tool.example" || !strings.Contains(rec.Header().Get("Access-Control-Expose-Headers"), "Retry-After") {
		t.Errorf("%v", rec.Header())
	}
	rec = ask("GET", "/fhir/R4/Patient/1", "https://tool.example", "as nobody") // the page may read why
	if wants(t, rec, 401, ""); rec.Header().Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("%v", rec.Header())
	}
	for _, from := range []string{"https://tool.example.evil", "http://tool.example", "https://TOOL.example:444", "null", "*"} {
		rec := ask("OPTIONS", "/api/v1/referrals", from, preflight)
		wants(t, rec, 403, "cors-origin")
		for _, rec := range []*httptest.ResponseRecorder{rec, ask("GET", "/fhir/R4/Patient/1", from, "as gp")} {
			if rec.Header().Get("Access-Control-Allow-Origin") != "" || rec.Header().Get("Vary") == "" {
				t.Errorf("%s: %v", from, rec.Header())
			}
		}
	}
	w, _ = guarded(t, nil, Protection{})
	wants(t, ask("OPTIONS", "/fhir/R4/Patient", "https://tool.example", preflight), 403, "cors-origin")
	wants(t, w.do("OPTIONS", "/fhir/R4/Patient", ""), 405, "method-not-allowed")
	for name := range ask("GET", "/fhir/R4/Patient/1", "https://tool.example", "as gp").Header() {
		if strings.HasPrefix(name, "Access-Control") {
			t.Errorf("%s is sent", name)
		}
	}
	if got := parsed(t, w.do("GET", "/fhir/R4/metadata", "")).Text("rest", "security", "cors"); got != "false" {
		t.Errorf("cors is %s", got)
	}
}

// Metrics are for this machine and the networks that are named, and no proxy opens them.
func TestMetricsAreNotForEverybody(t *testing.T) {
	w := newWorld(t, nil)
	w.config.Protection = Protection{Metrics: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	w.handler = New(w.config)
	for _, c := range []struct {
		peer, header string
		status       int
	}{
		{"127.0.0.1:5", "", 200}, {"[::1]:5", "", 200}, {"198.51.100.3:5", "", 200}, {"192.0.2.1:5", "", 403}, {"@", "", 403},
		{"127.0.0.1:5", "X-Forwarded-For: 192.0.2.1", 403}, {"127.0.0.1:5", "Forwarded: for=192.0.2.1", 403}, {"192.0.2.1:5", "X-Forwarded-For: 127.0.0.1", 403},
		{"10.0.0.1:5", "X-Forwarded-For: 198.51.100.3", 200}, {"10.0.0.1:5", "X-Forwarded-For: 192.0.2.1", 403}, {"10.0.0.1:5", "", 403},
	} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.RemoteAddr = c.peer
		if name, value, ok := strings.Cut(c.header, ": "); ok {
			r.Header.Set(name, value)
		}
		rec := httptest.NewRecorder()
		if w.handler.ServeHTTP(rec, r); rec.Code != c.status || (c.status == 200) != strings.Contains(rec.Body.String(), "adapter_http_refusals_unrecorded_total") {
			t.Errorf("%s %s: %d", c.peer, c.header, rec.Code)
		}
	}
	w.config.Protection.MetricsApart = true
	w.handler = New(w.config)
	if rec := w.do("GET", "/metrics", ""); rec.Code != http.StatusNotFound {
		t.Errorf("%d", rec.Code)
	}
}
