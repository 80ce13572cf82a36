package store_test

import (
	"fmt"
	"testing"

	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// BenchmarkSealed is what sealing costs: the same work plain and sealed, in pairs. commit is
// an intake of the size of real ones with 16 at once, page reads 50 referrals of 7 kB.
func BenchmarkSealed(b *testing.B) {
	_, keys := dataKeys(b, nil)
	for _, database := range []struct {
		name string
		url  func(testing.TB) string
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}} {
		for _, work := range []string{"commit", "page", "read"} {
			for name, opts := range map[string][]store.Option{"plain": nil, "sealed": {store.Sealed(keys)}} {
				b.Run(fmt.Sprintf("%s/%s/%s", work, database.name, name), func(b *testing.B) {
					url := database.url(b)
					if url == "" {
						return
					}
					s := storetest.Open(b, url, opts...)
					if work == "commit" {
						benchmarkCommit(b, s, 16)
						return
					}
					benchmarkReads(b, s, work)
				})
			}
		}
	}
}

func benchmarkReads(b *testing.B, s *store.Store, work string) {
	var patient string
	for n := range 100 {
		c, id := intake(s, n, "A83002", "SPX01", "")
		patient = id.patient
		if err := s.Commit(background, c); err != nil {
			b.Fatal(explain(err))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if work == "page" {
			_, _, err = s.Referrals(background, operator, referral.Filter{Page: referral.Page{Count: 50}})
		} else {
			_, err = s.Read(background, operator, "Patient", patient)
		}
		if err != nil {
			b.Fatal(explain(err))
		}
	}
}
