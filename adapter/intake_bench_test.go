package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"syscall"
	"testing"

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
	a, tokenOf := benchApp(b)
	leaving.Store = a.store
	a.service.Store = leaving
	token := tokenOf(auth.RoleRequester, demoPractice)
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
