package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

func day(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }

// three are Observations a, b and c with terms and dates that tell the ways to compare
// apart: a on the 1st, b from the 2nd to the 4th, c from the 3rd on without end.
func three(t *testing.T, s *store.Store) {
	t.Helper()
	version := func(id string, n int, patient string, from, to time.Time, terms ...referral.Term) referral.Version {
		return referral.Version{Type: "Observation", ID: id, Number: 1, Updated: epoch.Add(time.Duration(n) * time.Hour), Body: []byte(`{"id":"` + id + `"}`),
			Patient: patient, From: from, To: to, Terms: terms}
	}
	commit(t, s, &referral.Change{Organisation: "A83002", At: epoch, Versions: []referral.Version{
		version("a", 1, "p1", day(1), day(2), referral.Term{Param: "code", System: "sct", Value: "1"}, referral.Term{Param: "code", System: "loinc", Value: "7"},
			referral.Term{Param: "name", Value: "zoë"}, referral.Term{Param: "subject", Value: "Patient/p1"}),
		version("b", 2, "p1", day(2), day(4), referral.Term{Param: "code", System: "", Value: "1"},
			referral.Term{Param: "name", Value: "zoe%"}, referral.Term{Param: "subject", Value: "Patient/p1"}),
		version("c", 3, "p2", day(3), time.Time{}, referral.Term{Param: "code", System: "sct", Value: "2"},
			referral.Term{Param: "other", System: "sct", Value: "1"}, referral.Term{Param: "name", Value: "adam"}),
		version("d", 4, "p2", time.Time{}, time.Time{}),
	}})
	// Another type with the same terms is not found.
	commit(t, s, &referral.Change{Organisation: "A83002", At: epoch, Versions: []referral.Version{
		{Type: "Procedure", ID: "e", Number: 1, Terms: []referral.Term{{Param: "code", System: "sct", Value: "1"}}}}})
}

func TestSearchConditions(t *testing.T) {
	token := func(param string, v ...referral.Value) referral.Condition {
		return referral.Condition{Param: param, Kind: referral.ParamToken, Values: v}
	}
	text := func(kind referral.ParamKind, param string, list ...string) referral.Condition {
		c := referral.Condition{Param: param, Kind: kind}
		for _, v := range list {
			c.Values = append(c.Values, referral.Value{Text: v})
		}
		return c
	}
	date := func(prefix string, from, to time.Time) referral.Condition {
		return referral.Condition{Kind: referral.ParamDate, Values: []referral.Value{{Prefix: prefix, From: from, To: to}}}
	}
	updated := func(prefix string, n int) referral.Condition {
		at := epoch.Add(time.Duration(n) * time.Hour)
		return referral.Condition{Kind: referral.ParamUpdated, Values: []referral.Value{{Prefix: prefix, From: at, To: at.Add(time.Second)}}}
	}
	tests := []struct {
		name       string
		conditions []referral.Condition
		want       string
	}{
		{"all, the last updated first", nil, "d c b a"},
		{"code", []referral.Condition{token("code", referral.Value{AnySystem: true, Text: "1"})}, "b a"},
		{"system|code", []referral.Condition{token("code", referral.Value{System: "sct", Text: "1"})}, "a"},
		{"|code", []referral.Condition{token("code", referral.Value{Text: "1"})}, "b"},
		{"system|", []referral.Condition{token("code", referral.Value{System: "sct", AnyCode: true})}, "c a"},
		{"any", []referral.Condition{token("code", referral.Value{AnySystem: true, AnyCode: true})}, "c b a"},
		{"or", []referral.Condition{token("code", referral.Value{AnySystem: true, Text: "7"}, referral.Value{System: "sct", Text: "2"})}, "c a"},
		{"and on one parameter", []referral.Condition{token("code", referral.Value{AnySystem: true, Text: "7"}), token("code", referral.Value{System: "sct", Text: "1"})}, "a"},
		{"and without a match", []referral.Condition{token("code", referral.Value{AnySystem: true, Text: "7"}), token("code", referral.Value{System: "sct", Text: "2"})}, ""},
		{"no alternatives", []referral.Condition{token("code")}, ""},
		{"string prefix", []referral.Condition{text(referral.ParamString, "name", "ZO")}, "b a"},
		{"string with an accent", []referral.Condition{text(referral.ParamString, "name", "ZoË")}, "a"},
		{"string with a wildcard", []referral.Condition{text(referral.ParamString, "name", "zoe%")}, "b"},
		{"empty string", []referral.Condition{text(referral.ParamString, "name", "")}, "c b a"},
		{"reference", []referral.Condition{text(referral.ParamRef, "subject", "Patient/p1")}, "b a"},
		{"id", []referral.Condition{text(referral.ParamID, "_id", "a", "c", "e")}, "c a"},
		{"patient", []referral.Condition{text(referral.ParamPatient, "patient", "p2")}, "d c"},
		{"patient and code", []referral.Condition{text(referral.ParamPatient, "patient", "p1"), token("code", referral.Value{System: "sct", Text: "1"})}, "a"},
		{"date eq", []referral.Condition{date("", day(1), day(2))}, "a"},
		{"date eq of a part", []referral.Condition{date("eq", day(2), day(3))}, ""},
		{"date eq around", []referral.Condition{date("eq", day(1), day(4))}, "b a"},
		{"date ne", []referral.Condition{date("ne", day(1), day(2))}, "c b"},
		{"date gt", []referral.Condition{date("gt", day(2), day(3))}, "c b"},
		{"date gt the end", []referral.Condition{date("gt", day(3), day(4))}, "c"},
		{"date ge", []referral.Condition{date("ge", day(2), day(4))}, "c b"},
		{"date lt", []referral.Condition{date("lt", day(2), day(3))}, "a"},
		{"date le", []referral.Condition{date("le", day(2), day(4))}, "b a"},
		{"date between", []referral.Condition{date("ge", day(2), day(3)), date("lt", day(3), day(4))}, "b"},
		{"updated gt", []referral.Condition{updated("gt", 2)}, "d c"},
		{"updated ge", []referral.Condition{updated("ge", 2)}, "d c b"},
		{"updated lt", []referral.Condition{updated("lt", 2)}, "a"},
		{"updated le", []referral.Condition{updated("le", 2)}, "b a"},
		{"updated eq", []referral.Condition{updated("eq", 2)}, "b"},
		{"updated ne", []referral.Condition{updated("ne", 2)}, "d c a"},
	}
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		three(t, s)
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				want := strings.Fields(test.want)
				for count := 1; count <= 5; count++ {
					q := referral.Query{Type: "Observation", Conditions: test.conditions, Page: referral.Page{Count: count}, Total: count == 1}
					var got []string
					for {
						found, err := s.Search(t.Context(), requester("A83002"), q)
						if err != nil {
							t.Fatal(explain(err))
						}
						if q.Total && found.Total != len(want) || !q.Total && found.Total != -1 {
							t.Fatalf("total %d, want %d", found.Total, len(want))
						}
						for _, v := range found.Versions {
							got = append(got, v.ID)
						}
						if found.Next == "" {
							break
						}
						q.Page.After = found.Next
					}
					if !slices.Equal(got, want) {
						t.Fatalf("in pages of %d: got %v, want %v", count, got, want)
					}
				}
			})
		}
	})
}

func TestSearchForgetsFormerTerms(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		c, id := intake(s, 1, "A83002", "SPX01", "")
		commit(t, s, c)
		commit(t, s, next(c, id, 2, "accepted"))
		for status, want := range map[string]int{"requested": 0, "accepted": 1} {
			found, err := s.Search(t.Context(), operator, referral.Query{Type: "Task", Page: referral.Page{Count: 5}, Conditions: []referral.Condition{
				{Param: "status", Kind: referral.ParamToken, Values: []referral.Value{{AnySystem: true, Text: status}}}}})
			if err != nil || len(found.Versions) != want {
				t.Errorf("%s finds %d, %v, want %d", status, len(found.Versions), explain(err), want)
			}
		}
	})
}

func TestBadCursorAndPrefix(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		three(t, s)
		q := referral.Query{Type: "Observation", Page: referral.Page{Count: 1}}
		found, err := s.Search(t.Context(), operator, q)
		if err != nil {
			t.Fatal(explain(err))
		}
		good := found.Next
		for _, bad := range []string{"x", "AAAA", good[:len(good)-2], good + "AA", "A" + good[1:]} {
			if bad == good {
				continue
			}
			q.Page.After = bad
			_, err := s.Search(t.Context(), operator, q)
			wantIssue(t, err, issue.Value, "page-cursor")
			_, err = s.History(t.Context(), operator, "Observation", "", q.Page)
			wantIssue(t, err, issue.Value, "page-cursor")
			_, _, err = s.Referrals(t.Context(), operator, referral.Filter{Page: q.Page})
			wantIssue(t, err, issue.Value, "page-cursor")
		}
		q.Page.After, q.Type = good, "Procedure"
		_, err = s.Search(t.Context(), operator, q)
		wantIssue(t, err, issue.Value, "page-cursor")

		_, err = s.Search(t.Context(), operator, referral.Query{Type: "Observation", Conditions: []referral.Condition{
			{Kind: referral.ParamDate, Values: []referral.Value{{Prefix: "sa"}}}}})
		wantIssue(t, err, issue.Value, "search-prefix")
	})
}

func TestWorklist(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var all []ids
		for n := range 7 {
			c, id := intake(s, n, "A83002", []string{"SPX01", ""}[n%2], []string{"", "north"}[n%2])
			c.Referral.Status = []string{"requested", "completed"}[n/4]
			commit(t, s, c)
			all = append(all, id)
		}
		tests := []struct {
			filter referral.Filter
			want   []int
		}{
			{referral.Filter{}, []int{0, 1, 2, 3, 4, 5, 6}},
			{referral.Filter{Owner: "SPX01"}, []int{0, 2, 4, 6}},
			{referral.Filter{Owner: "-"}, []int{1, 3, 5}},
			{referral.Filter{Open: referral.Yes}, []int{0, 1, 2, 3}},
			{referral.Filter{Status: []string{"completed", "rejected"}}, []int{4, 5, 6}},
			{referral.Filter{Patient: all[3].patient}, []int{3}},
			{referral.Filter{Since: epoch.Add(5 * time.Second)}, []int{5, 6}},
			{referral.Filter{Open: referral.Yes, Owner: "SPX01", Since: epoch.Add(time.Second)}, []int{2}},
		}
		for i, test := range tests {
			for count := 1; count < 4; count++ {
				f := test.filter
				f.Page.Count = count
				var got, want []string
				for _, n := range test.want {
					want = append(want, all[n].referral)
				}
				for {
					list, after, err := s.Referrals(t.Context(), owner("SPX01", "north"), f)
					if err != nil {
						t.Fatal(explain(err))
					}
					for _, r := range list {
						got = append(got, r.ID)
						if len(r.Content) != 7000-7000%16 && len(r.Content) < 6900 {
							t.Fatalf("the content has %d bytes", len(r.Content))
						}
					}
					if after == "" {
						break
					}
					f.Page.After = after
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("filter %d in pages of %d: got %v, want %v", i, count, got, want)
				}
			}
		}
	})
}

// SQLite knows nothing of how many resources a type has: left to choose, it would walk
// through all of them for each read by id.
func TestReadGoesByTheID(t *testing.T) {
	s := storetest.Open(t, storetest.SQLite(t))
	for _, scope := range []referral.Scope{operator, requester("A83002"), {Role: auth.RoleOwner, Organisations: []string{"Y99201"}}} {
		for _, kind := range []string{"Task", "Patient", "ServiceRequest"} {
			plan, err := s.ReadPlan(t.Context(), scope, kind, "a")
			if err != nil {
				t.Fatal(explain(err))
			}
			if first, _, _ := strings.Cut(plan, "\n"); !strings.Contains(first, "(id=?") {
				t.Errorf("a %s is read by %s", kind, first)
			}
		}
	}
}
