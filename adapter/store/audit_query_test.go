package store_test

import (
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// looked records searches, and gives the queries as an operator reads them, the oldest first.
func looked(t *testing.T, s *store.Store, queries ...string) (out []string) {
	t.Helper()
	for _, q := range queries {
		a := referral.Audit{At: epoch, Client: "client", Role: auth.RoleOperator, Action: "E", Interaction: "search-type", Outcome: "0", RequestID: "request", Query: q}
		if err := s.Commit(t.Context(), &referral.Change{At: epoch, Audits: []referral.Audit{a}}); err != nil {
			t.Fatal(explain(err))
		}
	}
	found, err := s.Audits(t.Context(), operator, referral.Query{Page: referral.Page{Count: 100}})
	if err != nil {
		t.Fatal(explain(err))
	}
	for _, a := range found.List {
		out = append([]string{a.Query}, out...)
	}
	return out
}

// What was looked for cannot be read in the database, is read with the keys, also after they
// were changed, and the chain holds. What was stored before, or was put in the place of
// another, hides nothing.
func TestQueriesInTheAuditAreSealed(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		const early = "sealed:bm9uZQ" // as a client may write it
		text, keys := dataKeys(t, nil)
		s := storetest.Open(t, url)
		looked(t, s, early, "family=early")
		closed(t, s)
		s = storetest.Open(t, url, store.Sealed(keys))
		want := []string{early, "family=early", "", "family=" + canary, "identifier=9990000018"}
		if got := looked(t, s, want[2:]...); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%q", got)
		}
		if n := rowsOf(t, url, "SELECT count(*) FROM audit WHERE query LIKE 'sealed:%'"); n != 3 {
			t.Errorf("%d queries are sealed", n)
		}
		if n := rowsOf(t, url, "SELECT count(*) FROM audit WHERE query LIKE '%"+canary+"%' OR query LIKE '%999%'"); n != 0 {
			t.Errorf("%d queries name a person", n)
		}
		closed(t, s)
		next, rotated := dataKeys(t, text)
		s = storetest.Open(t, url, store.Sealed(rotated))
		if _, err := s.Reseal(t.Context(), nil); err != nil {
			t.Fatal(explain(err))
		}
		closed(t, s)
		left, err := store.DropDataKeys(next)
		if err != nil {
			t.Fatal(explain(err))
		}
		s = storetest.Open(t, url, store.Sealed(parseKeys(t, left)))
		if got := looked(t, s); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("with other keys: %q", got)
		}
		if report := verified(t, s); len(report.Faults) > 0 || report.Records != int64(len(want)) {
			t.Errorf("%+v", report)
		}
		closed(t, s)
		raw(t, url, "UPDATE audit SET client = 'another' WHERE query LIKE 'sealed:%' AND query <> '"+early+"'")
		s = storetest.Open(t, url, store.Sealed(parseKeys(t, left)))
		if got := looked(t, s); len(got) != len(want) || got[3] == want[3] || !strings.HasPrefix(got[3], "sealed:") {
			t.Errorf("in the record of another: %q", got)
		}
		if report := verified(t, s); len(report.Faults) == 0 {
			t.Error("a record that was changed is not found")
		}
	})
}
