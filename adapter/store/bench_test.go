package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// BenchmarkCommit commits intakes of the size of real ones, durable, at most so many
// at the same time. Every second one causes a delivery.
func BenchmarkCommit(b *testing.B) {
	databases := []struct {
		name string
		url  func(testing.TB) string
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}}
	for _, database := range databases {
		for _, parallel := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("%s/%d", database.name, parallel), func(b *testing.B) {
				url := database.url(b)
				if url == "" {
					return
				}
				benchmarkCommit(b, storetest.Open(b, url), parallel)
			})
		}
	}
}

var serial atomic.Int64

func benchmarkCommit(b *testing.B, s *store.Store, parallel int) {
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	begin := time.Now()
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				n := int(serial.Add(1))
				c, id := intake(s, n, fmt.Sprintf("A%05d", n%200), "SPX01", "")
				if n%2 == 0 {
					c.Deliveries = []referral.Delivery{notice(s, id.referral, c.Organisation, c.At)}
				}
				if err := s.Commit(background, c); err != nil {
					b.Error(explain(err))
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "commits/s")
}
