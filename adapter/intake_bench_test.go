package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"spadapter/adapter/auth"
)

// BenchmarkIntake measures the whole intake without the network: token, parse, checks,
// profiles, conversion, audit, durable commit, answer. Referrals arrive from 32
// goroutines, so that commits are shared as they are under load.
func BenchmarkIntake(b *testing.B) {
	a, token := benchApp(b)
	gp := token(auth.RoleRequester, demoPractice)
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
			r.Header.Set("Authorization", "Bearer "+gp)
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
