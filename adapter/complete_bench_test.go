package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
)

// BenchmarkComplete measures the move that writes most: an outcome with scores, its
// write-back converted, checked and stored, without the network. Sixteen at once; what
// comes before it is done outside the clock. Run it with -benchtime 500x.
func BenchmarkComplete(b *testing.B) {
	const together = 16
	a, token := benchApp(b)
	gp, worker := token(auth.RoleRequester, demoPractice), token(auth.RoleOwner, demoService)
	call := func(token, method, path, match string, body []byte) []byte {
		r := httptest.NewRequest(method, path, bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		if match != "" {
			r.Header.Set("If-Match", match)
		} else {
			r.Header.Set("Content-Type", "application/fhir+json")
		}
		w := httptest.NewRecorder()
		a.handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Errorf("%s %d %s", path, w.Code, w.Body.String())
		}
		return w.Body.Bytes()
	}
	act := func(v referral.View, action string, in referral.Input) (next referral.View) {
		body := call(worker, http.MethodPost, "/api/v1/referrals/"+v.ID+"/actions/"+action, fmt.Sprintf(`W/"%d"`, v.Version), mustJSON(in))
		if err := json.Unmarshal(body, &next); err != nil {
			b.Error(err)
		}
		return next
	}
	s := newSeries(demoPractice, 1)
	ready := make([]referral.View, b.N)
	for i := range ready {
		var m message
		s.next(&m)
		body := call(gp, http.MethodPost, "/fhir/R4", "", m.body)
		_, rest, _ := bytes.Cut(body, []byte(`"diagnostics":"Task/`))
		ready[i] = act(act(referral.View{ID: string(rest[:36]), Version: 1}, "accept", referral.Input{}), "contact", referral.Input{Channel: "telephone", Result: "reached"})
	}
	took := make([]time.Duration, b.N)
	var wg sync.WaitGroup
	next := make(chan int)
	b.ReportAllocs()
	b.ResetTimer()
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for range together {
		wg.Go(func() {
			for i := range next {
				began := time.Now()
				act(ready[i], "complete", referral.Input{Outcome: fullOutcome()})
				took[i] = time.Since(began)
			}
		})
	}
	for i := range ready {
		next <- i
	}
	close(next)
	wg.Wait()
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(cpu)/1e6/float64(b.N), "cpu-ms/op")
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
