package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/gateway"
	"spadapter/adapter/store/storetest"
)

// matrix is everything that can be asked of an adapter, by everybody who can ask, about what
// is theirs, what is somebody else's, and what nobody has.
type matrix struct {
	w        *world
	url      string
	handler  http.Handler
	listener *subscriber
	ids      map[string][]string // of each tenant, by its word
	own      tenant              // of practice A and service 1
	foreign  tenant              // of practice B and service 2
	unknown  tenant
	secrets  []string // what of the foreign tenant nobody else may be told
	shared   []string // what of that a provider of an activity is told

	requests atomic.Int64
	mu       sync.Mutex
	faults   map[string]int // by what is wrong, how often
	fine     map[string]int // answers with content about what is the caller's own, by route
}

// asker is one of those who ask.
type asker struct {
	name, token string
	owns        bool // the own tenant is its own
	provides    bool // it was sent an activity of the foreign tenant, and sees the Task of that
	status      int  // of every answer where a token is needed; 0 for what the route says
}

// ask is a request as a template: names in braces are filled with the values of a tenant.
type ask struct {
	method, path, body string
	headers            []string // names and values
	entries            int      // of a batch, 0 for one request
}

func (a ask) String() string {
	text := a.method + " " + a.path
	if len(a.headers) > 0 {
		text += fmt.Sprintf(" %q", a.headers)
	}
	if len(a.body) > 0 {
		text += " " + a.body[:min(len(a.body), 160)]
	}
	return text
}

// countKey is where the context of a request holds the number of its statements.
type countKey struct{}

// reply is what came back, and what it cost.
type reply struct {
	status     int
	header     http.Header
	body       string
	statements int64
}

// send makes a request without a network.
func (m *matrix) send(who *asker, a ask, v tenant) reply {
	var count atomic.Int64
	path, body := v.fill(a.path), v.fill(a.body)
	r := httptest.NewRequest(a.method, "/", strings.NewReader(body)).WithContext(context.WithValue(context.Background(), countKey{}, &count))
	address, query, _ := strings.Cut(path, "?")
	if u, err := r.URL.Parse(address); err == nil {
		r.URL = u
	} else {
		r.URL.Path = address
	}
	r.URL.RawQuery, r.RequestURI = query, path
	if who.token != "" {
		r.Header.Set("Authorization", "Bearer "+who.token)
	}
	r.Header.Set("Content-Type", "application/fhir+json")
	if strings.HasPrefix(path, "/api/") {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(a.headers); i += 2 {
		r.Header.Set(a.headers[i], v.fill(a.headers[i+1]))
	}
	rec := httptest.NewRecorder()
	m.handler.ServeHTTP(rec, r)
	m.requests.Add(int64(max(1, a.entries)))
	out := reply{status: rec.Code, header: rec.Header(), body: rec.Body.String(), statements: count.Load()}
	if out.status >= 500 {
		m.fault("a fault of the server", who, a, fmt.Sprint(out.status, " ", out.body))
	}
	return out
}

// fault notes that something is wrong, once for each kind of request.
func (m *matrix) fault(what string, who *asker, a ask, detail string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.faults[what]++; m.faults[what] <= 12 {
		m.w.t.Errorf("%s: %s asks %s\n%.1500s", what, who.name, a, detail)
	}
}

// leaks looks for what the foreign tenant alone knows. What was asked for may be repeated.
func (m *matrix) leaks(who *asker, a ask, v tenant, got reply) {
	var asked string
	for _, secret := range m.secrets {
		if !strings.Contains(got.body, secret) || who.provides && slices.Contains(m.shared, secret) {
			continue
		}
		if asked == "" {
			asked = v.fill(a.path) + "\n" + v.fill(a.body) + "\n" + v.fill(strings.Join(a.headers, "\n"))
		}
		if !strings.Contains(asked, secret) {
			m.fault("a leak", who, a, "of "+secret+" in "+got.body)
			return
		}
	}
	for name, values := range got.header {
		for _, secret := range m.secrets {
			if text := strings.Join(values, " "); strings.Contains(text, secret) && !strings.Contains(v.fill(a.path+strings.Join(a.headers, "\n")), secret) {
				m.fault("a leak", who, a, "of "+secret+" in "+name+": "+text)
			}
		}
	}
}

var (
	anyID   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyTime = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`)
)

// bare is an answer without what differs from one request to the next, and with the names
// that a template has in the place of their values.
func bare(a ask, v tenant, got reply) string {
	template := a.path + a.body + strings.Join(a.headers, "\n")
	v = maps.Clone(v)
	maps.DeleteFunc(v, func(name, _ string) bool { return !strings.Contains(template, "{"+name+"}") })
	var b strings.Builder
	fmt.Fprintln(&b, got.status)
	for _, name := range slices.Sorted(maps.Keys(got.header)) {
		if name != "X-Request-Id" && name != "Date" && name != "Content-Length" && name != "Last-Modified" {
			fmt.Fprintln(&b, name, got.header[name])
		}
	}
	b.WriteString(got.body)
	return anyTime.ReplaceAllString(anyID.ReplaceAllString(v.blank(b.String()), "{id}"), "{time}")
}

// judge asks for what is foreign and for what nobody has, and holds the answers against each
// other: content, headers, and how many statements there were.
func (m *matrix) judge(who *asker, a ask) {
	foreign := m.send(who, a, m.foreign)
	m.leaks(who, a, m.foreign, foreign)
	if who.status != 0 && foreign.status != who.status {
		m.fault("a caller without right", who, a, fmt.Sprintf("is answered with %d: %s", foreign.status, foreign.body))
	}
	if filled := a.method + a.path + a.body + strings.Join(a.headers, ""); !strings.Contains(filled, "{") {
		return // it names nobody
	}
	if who.provides && !about(a) {
		return // its Task says whose it is
	}
	nobody := m.send(who, a, m.unknown)
	if one, other := bare(a, m.foreign, foreign), bare(a, m.unknown, nobody); one != other {
		same := 0
		for same < min(len(one), len(other)) && one[same] == other[same] {
			same++
		}
		same = max(0, same-100)
		m.fault("a difference", who, a, fmt.Sprintf("what is foreign is answered with\n… %.400s\nwhat nobody has with\n… %.400s", one[same:], other[same:]))
	}
	if foreign.statements != nobody.statements {
		m.fault("a difference in statements", who, a, fmt.Sprintf("%d for what is foreign, %d for what nobody has", foreign.statements, nobody.statements))
	}
	if who.owns && a.method == http.MethodGet && a.entries == 0 {
		if got := m.send(who, a, m.own); got.status == http.StatusOK && (strings.Contains(got.body, m.own["Task"]) || strings.Contains(got.body, m.own["Patient"])) {
			m.mu.Lock()
			m.fine[who.name]++
			m.mu.Unlock()
		} else {
			m.leaks(who, a, m.own, got)
		}
	}
}

// about reports whether a request is about the person behind a reference, by what a provider
// is not told.
func about(a ask) bool {
	_, query, _ := strings.Cut(a.path+a.body, "?")
	query = query[:min(len(query), strings.IndexByte(query+" ", ' '))]
	if strings.Contains(query, "/{") {
		return false // a reference, which the Task of the provider has too
	}
	return a.entries == 0 && (strings.Contains(query, ".") || strings.Contains(query, "_has:") || strings.Contains(query, ":identifier")) && !strings.Contains(query, "owner") && !strings.Contains(query, "requester")
}

// shareWithProvider remembers what a provider of the foreign tenant's activity is told: the
// Task of it, whose references name others, and whom to meet.
func (m *matrix) shareWithProvider(t *testing.T) {
	t.Helper()
	provider := m.as(t, auth.RoleOwner, practiceC)
	list := provider.get("/fhir/R4/Task").want(http.StatusOK).node().All("entry")
	if len(list) != 1 {
		t.Fatalf("the provider sees %d Tasks", len(list))
	}
	m.shared = append(anyID.FindAllString(string(fhir.Encode(list[0])), -1), m.foreign["family"])
}

// newMatrix starts an adapter and fills it with the tenants.
func newMatrix(t *testing.T, url string) *matrix {
	t.Helper()
	w := newWorld(t, url)
	w.config.SubscriberNetworks = loopback
	takeBaRS(&w.config)
	c := w.config
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	running, err := newApp(ctx, c, quiet())
	if err != nil {
		stop()
		t.Fatal(err)
	}
	running.store.Watch(func(ctx context.Context, _ string, _ []any) {
		if n, ok := ctx.Value(countKey{}).(*atomic.Int64); ok {
			n.Add(1)
		}
	})
	ended := make(chan error, 1)
	go func() { ended <- running.run(ctx) }()
	t.Cleanup(func() {
		stop()
		http.DefaultClient.CloseIdleConnections()
		if err := <-ended; err != nil {
			t.Errorf("the adapter ended with %v", err)
		}
	})
	m := &matrix{w: w, url: running.url, handler: running.handler, listener: newSubscriber(t), ids: map[string][]string{}, faults: map[string]int{}, fine: map[string]int{}}
	m.own = m.populate(t, practiceA, service1, "", "sparrow", "1951-03-09")
	m.foreign = m.populate(t, practiceB, service2, practiceC, "xylocanary", "1917-11-07")
	m.unknown = nobodyLike(m.foreign)
	m.secrets = append(marked("xylocanary"), m.foreign["nhs"], m.foreign["birth"], m.foreign["webhook"], m.foreign["Subscription"], m.foreign["activity"])
	m.shareWithProvider(t)
	for _, id := range m.ids["xylocanary"] {
		if !slices.Contains(m.secrets, id) {
			m.secrets = append(m.secrets, id)
		}
	}
	return m
}

// askers are those whose own the own tenant is, those who own nothing, and those whom nobody
// lets in.
func (m *matrix) askers() (within, without []*asker) {
	now := time.Now()
	token := func(c auth.Claims, at time.Time) string { return m.w.token(c, at) }
	within = []*asker{
		{name: "the requester", token: token(auth.Claims{Role: auth.RoleRequester, Organisations: []string{practiceA}}, now), owns: true},
		{name: "the owner", token: token(auth.Claims{Role: auth.RoleOwner, Organisations: []string{service1}}, now), owns: true},
		{name: "a requester without organisation", token: token(auth.Claims{Role: auth.RoleRequester}, now)},
		{name: "an owner without organisation", token: token(auth.Claims{Role: auth.RoleOwner}, now)},
		{name: "a provider", token: token(auth.Claims{Role: auth.RoleOwner, Organisations: []string{practiceC}}, now), provides: true},
	}
	without = []*asker{
		{name: "nobody", status: http.StatusUnauthorized},
		{name: "an expired token", token: token(auth.Claims{Role: auth.RoleRequester, Organisations: []string{practiceB}}, now.Add(-3*time.Hour)), status: http.StatusUnauthorized},
		{name: "a spoilt token", token: within[0].token + "x", status: http.StatusUnauthorized},
		{name: "a token without scope", token: token(auth.Claims{Role: auth.RoleRequester, Organisations: []string{practiceB}, Scopes: []string{"system/Basic.r"}}, now), status: http.StatusForbidden},
	}
	return within, without
}

// sideBySide runs jobs side by side.
func sideBySide(jobs []func()) {
	queue := make(chan func())
	var group sync.WaitGroup
	for range 4 * runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for job := range queue {
				job()
			}
		})
	}
	for _, job := range jobs {
		queue <- job
	}
	close(queue)
	group.Wait()
}

// Every route, every role, every way to ask: nobody is told of what is not theirs, nor that it
// is there.
func TestIsolationMatrix(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		m := newMatrix(t, url)
		m.w.t = t
		view := func() string {
			owner := m.as(t, auth.RoleOwner, service2)
			return string(owner.get("/api/v1/referrals/" + m.foreign["Task"]).want(http.StatusOK).body)
		}
		before := view()
		routes := gateway.Routes(m.handler)
		within, without := m.askers()
		operator := &asker{name: "an operator", token: m.w.token(auth.Claims{Role: auth.RoleOperator}, time.Now())}
		var jobs []func()
		for _, route := range routes {
			asks, ok := m.asks(route)
			if !ok {
				t.Errorf("%s %s has no rule here: say what may be asked of it", route.Method, route.Path)
			}
			for i, a := range asks {
				if raced && i%6 != 0 {
					continue
				}
				for _, who := range within {
					if who.owns || who.provides && i%2 == 0 || i%5 == 0 {
						jobs = append(jobs, func() { m.judge(who, a) })
					}
				}
				if i%4 == 0 && a.method != http.MethodPut && a.method != http.MethodPatch && a.method != http.MethodDelete && (a.method != http.MethodPost || strings.HasSuffix(route.Path, "/_search")) {
					jobs = append(jobs, func() { m.send(operator, a, m.foreign) }) // sees everything, and must not fail
				}
				if i > 0 {
					continue
				}
				for _, who := range without {
					one := *who
					if open(route) || who.status == http.StatusForbidden && unscoped(route) {
						one.status = 0
					}
					jobs = append(jobs, func() { m.judge(&one, a) })
				}
			}
		}
		sideBySide(jobs)
		for _, a := range m.batches(routes) {
			for _, who := range within {
				m.judge(who, a)
			}
		}
		for _, who := range within {
			for _, a := range m.writes() {
				m.judge(who, a)
			}
		}
		if after := view(); after != before {
			t.Errorf("what is foreign was changed: %s", after)
		}
		t.Logf("%d requests, %d routes, own content %v, faults %v", m.requests.Load(), len(routes), m.fine, m.faults)
		if m.requests.Load() < 10_000 && !raced {
			t.Errorf("only %d requests", m.requests.Load())
		}
		for _, who := range within[:2] {
			if m.fine[who.name] < 100 && !raced {
				t.Errorf("%s was shown its own by %d requests alone: the others mean nothing", who.name, m.fine[who.name])
			}
		}
	})
}
