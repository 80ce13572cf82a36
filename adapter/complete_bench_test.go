package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
)

// BenchmarkComplete measures the move that writes most: an outcome with scores, its
// write-back converted, checked and stored, without the network. Sixteen at once; what
// comes before it is done outside the clock. Run it with -benchtime 500x.
func BenchmarkComplete(b *testing.B) {
	const together = 16
	dir := b.TempDir()
	private, public, err := auth.GenerateKeys(auth.ES384)
	if err != nil {
		b.Fatal(err)
	}
	signer, err := auth.NewSigner(private, auth.SignerConfig{NewID: uuid.NewString})
	if err != nil {
		b.Fatal(err)
	}
	c := Config{Listen: "127.0.0.1:0", Database: "sqlite:" + filepath.Join(dir, "adapter.db"), JWKS: filepath.Join(dir, "jwks.json"), Keys: defaultKeys,
		Partners: filepath.Join(dir, "partners.json"), Issuer: "spadapter", Sharing: "summary", MinAttempts: 3, BodyBytes: 5 << 20, RetryFor: time.Hour, DrainFor: time.Second}
	if err := os.WriteFile(c.JWKS, public, 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(c.Partners, demoPartners("http://127.0.0.1:9/fhir"), 0o600); err != nil {
		b.Fatal(err)
	}
	if err := c.complete(); err != nil {
		b.Fatal(err)
	}
	a, err := newApp(b.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer a.store.Close(b.Context())
	defer a.listener.Close()
	token := func(role auth.Role, organisation string) string {
		token, err := signer.Token(auth.Claims{Issuer: "spadapter", Client: "bench-" + string(role), Audience: a.config.Audience, Organisations: []string{organisation},
			Role: role, Scopes: []string{"system/*.cruds"}}, time.Now(), time.Hour)
		if err != nil {
			b.Fatal(err)
		}
		return token
	}
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
