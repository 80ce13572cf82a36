package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// pipes is a listener without a network, so that its time can be a test's.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func (p *pipes) dial() net.Conn {
	near, far := net.Pipe()
	p.conns <- far
	return near
}

// paceWorld is a gateway over pipes.
func paceWorld(t *testing.T) *pipes {
	w := newWorld(t, func(o *Operations) {
		o.Submit = func(_ context.Context, c referral.Call, _ *fhir.Node) (*referral.Response, error) {
			return &referral.Response{Status: 201, ContentType: contentFHIR, Body: []byte(`{"resourceType":"Patient"}`)}, nil
		}
		o.Refused = func(context.Context, referral.Call, string, string, error) error { return nil }
	})
	p := newPipes()
	server := &http.Server{Handler: w.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 90 * time.Second}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(p) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return p
}

// send sends a head and then the body, so many bytes each second, and gives the answer, how long
// it took and how much was sent.
func (p *pipes) send(head, body string, each int) (answer *http.Response, took time.Duration, sent int, err error) {
	conn := p.dial()
	defer conn.Close()
	began := time.Now()
	if _, err := io.WriteString(conn, head); err != nil {
		return nil, 0, 0, err
	}
	var n int
	written := make(chan struct{})
	go func() {
		defer close(written)
		for rest := body; rest != ""; rest = rest[min(each, len(rest)):] {
			time.Sleep(time.Second)
			m, err := io.WriteString(conn, rest[:min(each, len(rest))])
			if n += m; err != nil {
				return
			}
		}
	}()
	answer, err = http.ReadResponse(bufio.NewReader(conn), nil)
	took = time.Since(began)
	_ = conn.Close()
	<-written
	return answer, took, n, err
}

func head(bytes int, more string) string {
	return fmt.Sprintf("POST /fhir/R4/Patient HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nContent-Length: %d\r\n%s\r\n", bytes, more)
}

// A body that trickles is cut, however small it is; a large one over a slow and honest line is
// read to its end, and its answer is written after the time in which answers usually are.
func TestSlowBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := paceWorld(t)
		const known = "Authorization: Bearer gp\r\n"
		small := patientOf(5000)
		got, took, sent, err := p.send(head(len(small), known), small, 1)
		if err != nil || got.StatusCode != 408 || took > bodyGrace+time.Second || sent > 20 {
			t.Errorf("one byte a second: %v %v after %v", got, err, took)
		}
		large := patientOf(4 << 20)
		got, took, _, err = p.send(head(len(large), known), large, slowest)
		if err != nil || got.StatusCode != 201 || took < 4*time.Minute {
			t.Errorf("16 KiB a second: %v %v after %v", got, err, took)
		}
		got, took, _, err = p.send(head(len(large), known), large, slowest/2)
		if err != nil || got.StatusCode != 408 || took > time.Minute {
			t.Errorf("8 KiB a second: %v %v after %v", got, err, took)
		}
		chunked := strings.Replace(head(0, known), "Content-Length: 0", "Transfer-Encoding: chunked", 1)
		got, took, _, err = p.send(chunked, "1\r\n{\r\n"+strings.Repeat("1\r\n \r\n", 1000), 6)
		if err != nil || got.StatusCode != 408 || took > bodyGrace+time.Second {
			t.Errorf("one byte a chunk: %v %v after %v", got, err, took)
		}
		// nobody waits long for what somebody unknown still sends
		got, took, _, err = p.send(head(100_000, ""), small, 1)
		if err != nil || got.StatusCode != 401 || took > discardTime+time.Second {
			t.Errorf("without a token: %v %v after %v", got, err, took)
		}
	})
}

// What is in work longer than a body may take is not cut when its body is here.
func TestLongWorkIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *Operations) {
			o.Submit = func(ctx context.Context, c referral.Call, _ *fhir.Node) (*referral.Response, error) {
				select {
				case <-time.After(80 * time.Second):
					return &referral.Response{Status: 201, ContentType: contentFHIR, Body: []byte(`{"resourceType":"Patient"}`)}, nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
		})
		p := newPipes()
		server := &http.Server{Handler: w.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 90 * time.Second}
		go func() { _ = server.Serve(p) }()
		defer server.Close()
		body := patientOf(200)
		got, _, _, err := p.send(head(len(body), "Authorization: Bearer gp\r\n"), body, len(body))
		if err != nil || got.StatusCode != 201 {
			t.Errorf("%v %v", got, err)
		}
	})
}

// A request that its time runs out for is told so with 503, whatever became of it, and its
// refusal waits for no silent database either.
func TestRequestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		deaf := make(chan struct{})
		w, _ := guarded(t, func(o *Operations) {
			o.Read = func(ctx context.Context, _ referral.Call, _, _ string) (*referral.Version, error) {
				return nil, silent(ctx)
			}
			o.Act = func(ctx context.Context, _ referral.Call, _, _ string, _ int, _ referral.Input) (*referral.View, error) {
				return nil, silent(ctx)
			}
			o.Refused = func(context.Context, referral.Call, string, string, error) error { <-deaf; return nil }
		}, Protection{Timeout: 10 * time.Second})
		began := time.Now()
		rec := w.read("gp")
		if wants(t, rec, 503, "request-timeout"); seconds(t, rec) < 1 || time.Since(began) > 10*time.Second {
			t.Errorf("%v after %v", rec.Header(), time.Since(began))
		}
		if !strings.Contains(w.log.String(), "audit_error") {
			t.Error("the log does not say that it is not audited")
		}
		// each entry has its time, and a batch has an end
		began = time.Now()
		rec = w.post("/fhir/R4", batchOf(strings.TrimSuffix(strings.Repeat(`{"request":{"method":"GET","url":"Patient/1"}},`, 20), ",")), "as gp")
		if wants(t, rec, 200, "request-timeout"); time.Since(began) > 2*manyTimes*10*time.Second {
			t.Errorf("a batch took %v", time.Since(began))
		}
		began = time.Now()
		rec = w.do("POST", "/api/v1/referrals/actions/accept", `{"items":[{"id":"1","version":1,"input":{}}]}`, "as lw", "Content-Type: application/json")
		if wants(t, rec, 200, ""); time.Since(began) > manyTimes*10*time.Second {
			t.Errorf("a bulk action took %v", time.Since(began))
		}
		close(deaf)
	})
}
