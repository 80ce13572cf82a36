package main

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
)

// BenchmarkIntake measures the whole intake without the network: token, parse, checks,
// profiles, conversion, audit, durable commit, answer. Referrals arrive from 32
// goroutines, so that commits are shared as they are under load.
func BenchmarkIntake(b *testing.B) {
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
	token, err := signer.Token(auth.Claims{Issuer: "spadapter", Client: "bench", Audience: a.config.Audience, Organisations: []string{demoPractice},
		Role: auth.RoleRequester, Scopes: []string{"system/*.cruds"}}, time.Now(), time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	s := newSeries(demoPractice, 1)
	var mu sync.Mutex
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		var m message
		for pb.Next() {
			mu.Lock()
			s.next(&m)
			body := bytes.Clone(m.body)
			mu.Unlock()
			r := httptest.NewRequest(http.MethodPost, "/fhir/R4", bytes.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Content-Type", "application/fhir+json")
			w := httptest.NewRecorder()
			a.handler.ServeHTTP(w, r)
			if w.Code != http.StatusOK {
				b.Errorf("%d %s", w.Code, w.Body.String())
				return
			}
		}
	})
}
