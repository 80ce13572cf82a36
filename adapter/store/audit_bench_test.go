package store_test

import (
	"fmt"
	"testing"

	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// BenchmarkAudit commits the record of a read, that of a list of 50 patients, and for
// comparison a record for each of the 50.
func BenchmarkAudit(b *testing.B) {
	for name, database := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		url := database(b)
		if url == "" {
			continue
		}
		s := storetest.Open(b, url, store.Committers(1))
		list := access(0)
		list.Patient, list.Shown = "", []referral.Shown{{Organisation: "A83002"}}
		var each []referral.Audit
		for i := range 50 {
			list.Shown[0].Patients = append(list.Shown[0].Patients, s.NewID())
			one := access(i)
			one.Patient = list.Shown[0].Patients[i]
			each = append(each, one)
		}
		for what, audits := range map[string][]referral.Audit{"read": {access(0)}, "list": {list}, "each": each} {
			b.Run(fmt.Sprintf("%s/%s", name, what), func(b *testing.B) {
				for b.Loop() {
					if err := s.Commit(b.Context(), &referral.Change{At: epoch, Audits: audits}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
