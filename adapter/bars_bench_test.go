package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"

	"spadapter/adapter/auth"
)

// BenchmarkBaRS measures the whole intake of a message of 12 entries without the network, from
// 8 goroutines for each processor, and the usual transaction beside it: how much more a
// message costs is the ratio of the two.
func BenchmarkBaRS(b *testing.B) {
	b.Run("message", func(b *testing.B) {
		benchDialect(b, processMessage, newMessageSeries(demoPractice, 1), barsHeaders(demoPractice))
	})
	b.Run("transaction", func(b *testing.B) { benchDialect(b, "/fhir/R4", newSeries(demoPractice, 1), nil) })
}

func benchDialect(b *testing.B, path string, s *series, headers []string) {
	a, tokenOf := benchApp(b, takeBaRS)
	token := tokenOf(auth.RoleRequester, demoPractice)
	var mu sync.Mutex
	b.ReportAllocs()
	b.SetParallelism(4)
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
			r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Content-Type", "application/fhir+json")
			r.Header.Set("X-Request-ID", m.requestID)
			r.Header.Set("X-Correlation-ID", m.requestID)
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
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
