package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// patientOf is a Patient in that many bytes.
func patientOf(bytes int) string {
	const around = `{"resourceType":"Patient","id":"` + `"}`
	return `{"resourceType":"Patient","id":"` + strings.Repeat("1", bytes-len(around)) + `"}`
}

// admitted sends a Patient as system gp, its length told or not; it may be compressed.
func admitted(ctx context.Context, handler http.Handler, target, body string, compressed, told bool) *httptest.ResponseRecorder {
	if compressed {
		body = zipped(body)
	}
	r := httptest.NewRequestWithContext(ctx, "POST", target, strings.NewReader(body))
	if !told {
		r.ContentLength = -1
	}
	r.Header.Set("Authorization", "Bearer gp")
	r.Header.Set("Content-Type", contentFHIR)
	if compressed {
		r.Header.Set("Content-Encoding", "gzip")
	}
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, r)
	return rec
}

// TestBodiesAtOnce: however many large bodies come, compressed or not, those in work
// never have more bytes than the budget, and each gets its turn: none waits for one that
// waits for it.
func TestBodiesAtOnce(t *testing.T) {
	const whole = 512 << 10
	for _, budget := range []int{1, whole, whole + 100<<10, 3 * whole} {
		var inWork, most, done atomic.Int64
		w := newWorld(t, func(o *Operations) {
			o.Submit = func(_ context.Context, c referral.Call, _ *fhir.Node) (*referral.Response, error) {
				n := int64(len(c.Body))
				now := inWork.Add(n)
				for {
					if before := most.Load(); now <= before || most.CompareAndSwap(before, now) {
						break
					}
				}
				for range 50 {
					runtime.Gosched()
				}
				inWork.Add(-n)
				done.Add(1)
				return &referral.Response{Status: 201, ContentType: contentFHIR, Body: []byte(`{"resourceType":"Patient"}`)}, nil
			}
			o.Refused = func(context.Context, referral.Call, string, string, error) error { return nil }
		})
		w.config.Limits.Bytes, w.config.BytesAtOnce, w.config.BytesWait = whole, budget, time.Hour
		w.config.Logger = slog.New(slog.DiscardHandler)
		handler := New(w.config)
		var group sync.WaitGroup
		const clients = 48
		for i := range clients {
			size := []int{5_000, 70_000, 300_000, whole - 1000, whole}[i%5]
			group.Go(func() {
				if rec := admitted(t.Context(), handler, "/fhir/R4/Patient", patientOf(size), i%2 == 0, i%3 > 0); rec.Code != 201 {
					t.Errorf("%d bytes: %d %s", size, rec.Code, rec.Body)
				}
			})
		}
		group.Wait()
		if most.Load() > int64(max(budget, whole)) || done.Load() != clients {
			t.Errorf("%d bytes were in work at once, %d may be; %d of %d bodies were taken", most.Load(), max(budget, whole), done.Load(), clients)
		}
	}
}

// TestBodiesThatWait: what finds no room is told to come again and nothing of it is
// kept, small messages pass, one whose client leaves gives up its turn, and all is as
// before when the room is free.
func TestBodiesThatWait(t *testing.T) {
	const whole = 512 << 10
	working, finish := make(chan bool), make(chan bool)
	w := newWorld(t, nil)
	known := w.config.Validator
	w.config.Validator = &Validator{Known: known.Known, Validate: func(ctx context.Context, root *fhir.Node, profiles []string, intake bool) []*issue.Error {
		if len(root.Text("id")) > 100_000 {
			working <- true
			<-finish
		}
		return nil
	}}
	w.config.Limits.Bytes, w.config.BytesAtOnce, w.config.BytesWait = whole, whole, time.Millisecond
	handler := New(w.config)
	patient := New(func() Config { c := w.config; c.BytesWait = time.Hour; return c }())
	var group sync.WaitGroup
	hold := func(h http.Handler, compressed bool) {
		group.Go(func() {
			if rec := admitted(t.Context(), h, "/fhir/R4/$validate", patientOf(whole-100<<10), compressed, true); rec.Code != 200 {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
		})
		<-working
	}
	for _, compressed := range []bool{false, true} {
		hold(handler, compressed)
		for _, target := range []string{"/fhir/R4", "/fhir/R4/Patient", "/fhir/R4/$validate", "/fhir/R4/$convert", "/fhir/R4/ValueSet/$expand"} {
			for _, zip := range []bool{false, true} {
				rec := admitted(t.Context(), handler, target, patientOf(300_000), zip, true)
				if wants(t, rec, 503, "bodies-at-once"); rec.Header().Get("Retry-After") == "" || !strings.Contains(rec.Body.String(), `"throttled"`) {
					t.Errorf("%s: %v %s", target, rec.Header(), rec.Body)
				}
			}
		}
		if len(w.calls) > 0 {
			t.Errorf("%d calls of the domain", len(w.calls))
		}
		wants(t, admitted(t.Context(), handler, "/fhir/R4/Patient", patientOf(5000), compressed, true), 201, "")
		finish <- true
		group.Wait()
		wants(t, admitted(t.Context(), handler, "/fhir/R4/Patient", patientOf(whole), compressed, true), 201, "")
		w.calls = nil
	}

	hold(patient, false)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan int)
	go func() { left <- admitted(ctx, patient, "/fhir/R4/Patient", patientOf(300_000), true, true).Code }()
	leave()
	if code := <-left; code != 503 {
		t.Errorf("one that left got %d", code)
	}
	wants(t, admitted(t.Context(), patient, "/fhir/R4/Patient", patientOf(5000), true, true), 201, "")
	finish <- true
	group.Wait()
	wants(t, admitted(t.Context(), patient, "/fhir/R4/Patient", patientOf(whole), true, false), 201, "")
}

// TestAdmission: who waits is served in turn, a place that is given up frees those
// behind it, and half-read bodies leave room for one of them to end.
func TestAdmission(t *testing.T) {
	const mib = 1 << 20
	a := newAdmission(4*mib, 2*mib, time.Hour)
	take := func(n int, last bool) *place {
		p := &place{of: a}
		if err := p.take(t.Context(), n, last); err != nil {
			t.Fatal(err)
		}
		return p
	}
	waits := func(ctx context.Context, p *place, n int, last bool) chan error {
		a.mu.Lock()
		before := len(a.queue)
		a.mu.Unlock()
		out := make(chan error, 1)
		go func() { out <- p.take(ctx, n, last) }()
		for {
			a.mu.Lock()
			now := len(a.queue)
			a.mu.Unlock()
			if now > before {
				return out
			}
			runtime.Gosched()
		}
	}
	first, second, third := take(mib, false), take(mib, false), take(mib, false)
	fourth := &place{of: a}
	blocked := waits(t.Context(), fourth, mib, false) // 4 half-read bodies of 1 MiB would never end
	if err := first.take(t.Context(), mib, true); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	ahead, behind := waits(ctx, &place{of: a}, 2*mib, true), waits(t.Context(), &place{of: a}, mib, true)
	leave()
	if err := <-ahead; !errors.Is(err, issue.Timeout) {
		t.Error(err)
	}
	first.release()
	if err := <-blocked; err != nil {
		t.Error(err)
	}
	second.release()
	third.release()
	if err := <-behind; err != nil {
		t.Error(err)
	}
	fourth.release()
	fourth.release()
	if a.taken != mib || a.growing != 0 || len(a.open) != 0 || len(a.queue) != 0 {
		t.Errorf("%d taken, %d by %d that grow, %d wait", a.taken, a.growing, len(a.open), len(a.queue))
	}
	if small := newAdmission(1, mib, time.Hour); small.budget != mib {
		t.Errorf("a whole body does not fit into %d", small.budget)
	}
}
