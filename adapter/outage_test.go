package main

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// line is the network between an adapter and its PostgreSQL. It can be cut.
type line struct {
	listener net.Listener
	to       string

	mu     sync.Mutex
	cut    bool
	silent bool // connections are accepted, and nothing that is said on any comes through
	conns  []net.Conn
}

// newLine gives a line to the server of a database, and the URL of the database at its
// near end.
func newLine(t *testing.T, database string) (*line, string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{listener: listener, to: u.Host}
	t.Cleanup(func() { listener.Close(); l.set(true) })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			l.join(near)
		}
	}()
	u.Host = listener.Addr().String()
	return l, u.String()
}

func (l *line) join(near net.Conn) {
	far, err := net.Dial("tcp", l.to)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || l.cut {
		near.Close()
		if err == nil {
			far.Close()
		}
		return
	}
	l.conns = append(l.conns, near, far)
	for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
		go func() {
			_, _ = io.Copy(pair[0], heard{l, pair[1]}) // ends when either side goes
			near.Close()
			far.Close()
		}()
	}
}

// set cuts the line, and every connection over it, or mends it.
func (l *line) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	if cut {
		for _, c := range l.conns {
			c.Close()
		}
		l.conns = nil
	}
}

// heard is one direction of a line.
type heard struct {
	l    *line
	from io.Reader
}

func (h heard) Read(b []byte) (int, error) {
	for {
		n, err := h.from.Read(b)
		h.l.mu.Lock()
		silent := h.l.silent
		h.l.mu.Unlock()
		if err != nil || !silent {
			return n, err
		}
	}
}

// hush makes the line silent; when it speaks again, new connections are made over it.
func (l *line) hush(silent bool) {
	l.mu.Lock()
	l.silent = silent
	l.mu.Unlock()
	if !silent {
		l.set(true)
		l.set(false)
	}
}

// outage is how the database of a running adapter goes away and comes back.
type outage struct {
	database   string
	away, back func(*adapter)
}

// While the database is away everything is refused with 503 and Retry-After, the
// adapter is not ready and nothing is half; when it is back the adapter goes on without
// a restart, and what was refused can be sent again.
func TestDatabaseGoesAwayAndComesBack(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { withoutDatabase(t, fullDisk(t)) })
	t.Run("postgres", func(t *testing.T) {
		database := storetest.Postgres(t)
		if database == "" {
			return
		}
		l, near := newLine(t, database)
		withoutDatabase(t, &outage{near, func(*adapter) { l.set(true) }, func(*adapter) { l.set(false) }})
	})
}

func withoutDatabase(t *testing.T, o *outage) {
	if o == nil {
		return
	}
	w := newWorld(t, o.database)
	a := w.start()
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	before := worker.look(gp.refer(someone(practiceA).message()))
	gp.get("/readyz").want(http.StatusOK)

	o.away(a)
	sent, key := someone(practiceA), uuid.NewString()
	for range 3 {
		got := gp.do(http.MethodPost, "/fhir/R4", sent.message(), "X-Request-ID", key).want(http.StatusServiceUnavailable)
		i := got.node().Child("issue")
		if got.header.Get("Retry-After") == "" || i.Text("details", "text") == "" || i.Text("diagnostics") != "" {
			t.Errorf("the refusal is %v %s", got.header, got.body)
		}
	}
	if got := worker.act(before, "accept", referral.Input{}); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("a move is answered with %d %s", got.status, got.body)
	}
	eventually(t, "the adapter says that it is not ready", func() bool { return gp.get("/readyz").status == http.StatusServiceUnavailable })
	gp.get("/healthz").want(http.StatusOK) // a restart would not help
	gp.get("/metrics").want(http.StatusOK)
	if text := string(gp.get("/readyz").body); strings.Contains(text, "127.0.0.1") || strings.Contains(text, "sqlite") || strings.Contains(text, "postgres") {
		t.Errorf("readiness tells of the inside: %s", text)
	}

	o.back(a)
	eventually(t, "the adapter is ready again", func() bool { return gp.get("/readyz").status == http.StatusOK })
	for what, query := range halves {
		if n := w.number(query); n != 0 {
			t.Errorf("%s: %d", what, n)
		}
	}
	task := gp.refer(sent.message(), "X-Request-ID", key)
	if again := gp.refer(sent.message(), "X-Request-ID", key); again != task {
		t.Errorf("sent again, the Task is %s and %s", task, again)
	}
	if n := w.number("SELECT count(*) FROM referral"); n != 2 {
		t.Errorf("%d referrals are stored, want 2", n)
	}
	v := worker.act(worker.look(before.ID), "accept", referral.Input{}).view()
	worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).want(http.StatusOK)
	eventually(t, "the outcome is in the record", func() bool { return w.gp.task("completed") != nil })
	if code := a.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
