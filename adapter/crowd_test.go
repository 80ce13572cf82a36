package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// end is a connection of a test: it has an address, and knows whether it is closed.
type end struct {
	net.Conn
	from   string
	closed bool
}

func (e *end) RemoteAddr() net.Addr { return where(e.from) }
func (e *end) Close() error         { e.closed = true; return nil }

type where string

func (where) Network() string  { return "tcp" }
func (w where) String() string { return string(w) }

// arrivals is a listener that gives connections of a list.
type arrivals struct{ list []*end }

func (a *arrivals) Accept() (net.Conn, error) {
	if len(a.list) == 0 {
		return nil, io.EOF
	}
	next := a.list[0]
	a.list = a.list[1:]
	return next, nil
}
func (*arrivals) Close() error   { return nil }
func (*arrivals) Addr() net.Addr { return where("127.0.0.1:1") }

// The steps of a crowd of at most 6 connections, 3 of one address: "a1" is the first that comes
// from a, a letter before it what becomes of it: + comes, ! has a request in work, ~ waits for
// its next one, - goes.
func TestCrowd(t *testing.T) {
	for name, c := range map[string]struct{ steps, closed string }{
		"room":                             {"+a1 +a2 +a3 +b1", ""},
		"the oldest that asked nothing":    {"+a1 +a2 +a3 +a4", "a1"},
		"not one with a request in work":   {"+a1 !a1 +a2 +a3 +a4", "a2"},
		"one kept open goes last":          {"+a1 !a1 ~a1 +a2 +a3 +a4 +a5 !a3 !a4 !a5 +a6", "a1 a2 a3"},
		"nothing to close":                 {"+a1 !a1 +a2 !a2 +a3 !a3 +a4 +b1", "a4"},
		"another address is untouched":     {"+b1 +a1 !a1 +a2 !a2 +a3 !a3 +a4 +a5", "a4 a5"},
		"who goes makes room":              {"+a1 !a1 +a2 !a2 +a3 !a3 -a1 +a4", "a1"},
		"in all, of the one with the most": {"+a1 +a2 +a3 +b1 +b2 +c1 +d1", "a1"},
		"a proxy has many":                 {"+p1 +p2 +p3 +p4 +p5 +p6 +p7", "p1"},
		"all at work":                      {"+p1 !p1 +p2 !p2 +p3 !p3 +p4 !p4 +p5 !p5 +p6 !p6 +a1", "a1"},
		"a network of IPv6 is one":         {"+x1 +y1 +x2 +y2", "x1"},
		"a proxy in it is not":             {"+z1 +z2 +z3 +z4 +x1 +x2", ""},
	} {
		addresses := map[byte]string{'a': "192.0.2.1:1", 'b': "192.0.2.2:1", 'c': "192.0.2.3:1", 'd': "192.0.2.4:1", 'p': "10.0.0.1:1", 'x': "[2001:db8::1]:1", 'y': "[2001:db8::2]:1", 'z': "[2001:db8::3]:1"}
		listener := &arrivals{}
		crowd := newCrowd(listener, 6, 3, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::3/128")}, prometheus.NewRegistry())
		ends, conns := map[string]*end{}, map[string]net.Conn{}
		for step := range strings.FieldsSeq(c.steps) {
			who := step[1:]
			switch step[0] {
			case '+':
				ends[who] = &end{from: addresses[who[0]]}
				listener.list = []*end{ends[who]}
				if conn, err := crowd.Accept(); err == nil {
					conns[who] = conn
					crowd.follow(conn, http.StateNew)
				}
			case '!':
				crowd.follow(conns[who], http.StateActive)
			case '~':
				crowd.follow(conns[who], http.StateIdle)
			case '-':
				_ = conns[who].Close()
				_ = conns[who].Close() // net/http does so
			}
		}
		var closed []string
		for who, e := range ends {
			if e.closed {
				closed = append(closed, who)
			}
		}
		slices.Sort(closed)
		if got := strings.Join(closed, " "); got != c.closed {
			t.Errorf("%s: closed are %q, want %q", name, got, c.closed)
		}
		if want := len(ends) - len(closed); crowd.count != want || len(crowd.members) != want {
			t.Errorf("%s: %d are counted, %d are there", name, crowd.count, want)
		}
		for _, conn := range conns {
			_ = conn.Close()
		}
		if crowd.count != 0 || len(crowd.from) != 0 || len(crowd.members) != 0 {
			t.Errorf("%s: %+v is left", name, crowd)
		}
	}
	registry := prometheus.NewRegistry()
	crowd := newCrowd(&arrivals{list: []*end{{from: "192.0.2.1:1"}, {from: "192.0.2.1:2"}}}, 1, 1, nil, registry)
	for range 2 {
		if _, err := crowd.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	rec := httptest.NewRecorder()
	newMetricsServer(registry).Handler.ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	if text := rec.Body.String(); !strings.Contains(text, "\nadapter_connections_rejected_total 1\n") || !strings.Contains(text, "\nadapter_connections 1\n") {
		t.Errorf("the metrics are %s", text)
	}
}

// pipeline is a listener without a network, so that its time can be a test's.
type pipeline struct {
	conns chan net.Conn
	end   func()
	done  chan struct{}
}

func newPipeline() *pipeline {
	p := &pipeline{conns: make(chan net.Conn), done: make(chan struct{})}
	p.end = sync.OnceFunc(func() { close(p.done) })
	return p
}

func (p *pipeline) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipeline) Close() error { p.end(); return nil }
func (*pipeline) Addr() net.Addr { return where("127.0.0.1:1") }

// A header that comes byte by byte is cut, and what is longer than a header may be is refused.
func TestSlowAndLongHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipeline()
		served := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "served") })
		crowd := newCrowd(p, 10, 10, nil, prometheus.NewRegistry())
		server := newServer(served, crowd, quiet())
		go func() { _ = server.Serve(crowd) }()
		defer time.Sleep(time.Minute) // what net/http does after an answer comes to its end
		defer server.Close()
		ask := func(head string, each int) (answer string, took time.Duration) {
			near, far := net.Pipe()
			p.conns <- far
			began := time.Now()
			go func() {
				for rest := head; rest != ""; rest = rest[min(each, len(rest)):] {
					if _, err := io.WriteString(near, rest[:min(each, len(rest))]); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}()
			text := make([]byte, 1000)
			n, _ := near.Read(text)
			took = time.Since(began)
			_ = near.Close()
			return string(text[:n]), took
		}
		const get = "GET / HTTP/1.1\r\nHost: x\r\n"
		if answer, took := ask(get+"\r\n", 1); strings.Contains(answer, "served") || took > 11*time.Second {
			t.Errorf("one byte a second: %q after %v", answer, took)
		}
		if answer, _ := ask(get+"X-Long: "+strings.Repeat("x", 60<<10)+"\r\n\r\n", 1<<20); !strings.Contains(answer, " 200 ") {
			t.Errorf("a long header: %q", answer)
		}
		if answer, _ := ask(get+"X-Long: "+strings.Repeat("x", 70<<10)+"\r\n\r\n", 1<<20); !strings.Contains(answer, " 431 ") {
			t.Errorf("too long a header: %q", answer)
		}
	})
}
