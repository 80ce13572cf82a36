package main

import (
	"bytes"
	"context"
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
	"spadapter/adapter/store"
)

// lacking is a store that lets go of a part of each change, so that what the part costs is
// measured.
type lacking struct {
	*store.Store
	audit, provenance bool
}

func (w lacking) Commit(ctx context.Context, c *referral.Change) error {
	if w.audit {
		c.Audits = nil
	}
	if w.provenance {
		c.Versions = slices.DeleteFunc(c.Versions, func(v referral.Version) bool { return v.Type == "Provenance" })
	}
	return w.Store.Commit(ctx, c)
}

// BenchmarkIntake measures the whole intake without the network: token, parse, checks,
// profiles, conversion, audit, durable commit, answer; and the same without the audit, and
// without the Provenance. Referrals arrive from 32 goroutines, so that commits are shared
// as they are under load.
func BenchmarkIntake(b *testing.B) {
	b.Run("whole", func(b *testing.B) { benchIntake(b, lacking{}) })
	b.Run("unaudited", func(b *testing.B) { benchIntake(b, lacking{audit: true}) })
	b.Run("unproven", func(b *testing.B) { benchIntake(b, lacking{provenance: true}) })
}

func benchIntake(b *testing.B, leaving lacking) {
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
	leaving.Store = a.store
	a.service.Store = leaving
	token, err := signer.Token(auth.Claims{Issuer: "spadapter", Client: "bench", Audience: a.config.Audience, Organisations: []string{demoPractice},
		Role: auth.RoleRequester, Scopes: []string{"system/*.cruds"}}, time.Now(), time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	s := newSeries(demoPractice, 1)
	var mu sync.Mutex
	b.ReportAllocs()
	b.SetParallelism(16)
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
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
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		b.Fatal(err)
	}
	cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(cpu)/1e6/float64(b.N), "cpu-ms/op")
}
