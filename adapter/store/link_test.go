package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// The links of these tests.
var (
	taskPatient  = referral.Link{From: "Task", Param: "patient", Kind: referral.ParamPatient, To: "Patient"}
	taskFocus    = referral.Link{From: "Task", Param: "focus", Kind: referral.ParamRef, To: "ServiceRequest"}
	observedOf   = referral.Link{From: "Observation", Param: "patient", Kind: referral.ParamPatient, To: "Patient"}
	requestOf    = referral.Link{From: "ServiceRequest", Param: "patient", Kind: referral.ParamPatient, To: "Patient"}
	nobodysLinks = referral.Link{From: "Task", Param: "part-of", Kind: referral.ParamRef, To: "Task"}
)

// over is a condition on the other end of a link.
func over(l referral.Link, back bool, kind referral.ParamKind, param, text string) referral.Condition {
	return referral.Condition{Param: param, Kind: kind, Values: []referral.Value{{AnySystem: true, Text: text}}, Link: &l, Back: back}
}

// cast is what the tests of links search in: two practices, two services, and a sub-Task that
// the first service sent to a provider.
func cast(t *testing.T, s *store.Store) (first, second ids, sub string) {
	t.Helper()
	one, first := intake(s, 1, "A83002", "SPX01", "")
	two, second := intake(s, 2, "B12345", "SPX02", "")
	commit(t, s, one)
	commit(t, s, two)
	sub = s.NewID()
	commit(t, s, &referral.Change{Organisation: "A83002", At: one.At, Versions: []referral.Version{
		{Type: "Task", ID: sub, Number: 1, Updated: one.At, Body: []byte(`{"id":"` + sub + `"}`), Referral: first.referral, Patient: first.patient,
			Terms: []referral.Term{{Param: "part-of", Value: "Task/" + first.referral}, {Param: "status", Value: "accepted"}}},
	}, Activities: []referral.Activity{{ID: sub, Referral: first.referral, Organisation: "A83002", Owner: "PRV01", Version: 1, Status: "accepted", Created: one.At, Updated: one.At}}})
	return first, second, sub
}

// What is searched for at the other end of a link is in the scope as well: a provider that
// sees a sub-Task cannot find out whose it is, and nobody learns of what others have.
func TestLinksStayWithinTheScope(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		first, second, sub := cast(t, s)
		number := fmt.Sprintf("99%08d", 1)
		provider := referral.Scope{Role: auth.RoleOwner, Organisations: []string{"PRV01"}}
		nobody := referral.Scope{Role: auth.RoleRequester}
		tests := []struct {
			name string
			kind string
			c    referral.Condition
			sees map[string]referral.Scope // who finds the first referral's
			want func(ids) []string
			not  map[string]referral.Scope
		}{
			{"Task?patient.identifier", "Task", over(taskPatient, false, referral.ParamToken, "identifier", number),
				map[string]referral.Scope{"practice": requester("A83002"), "service": owner("SPX01"), "operator": operator},
				func(i ids) []string { return []string{i.referral, sub} },
				map[string]referral.Scope{"provider": provider, "another practice": requester("B12345"), "another service": owner("SPX02"), "nobody": nobody}},
			{"Task?patient.family", "Task", over(taskPatient, false, referral.ParamString, "family", "SMITH1"),
				map[string]referral.Scope{"practice": requester("A83002"), "operator": operator},
				func(i ids) []string { return []string{i.referral, sub} },
				map[string]referral.Scope{"provider": provider, "another practice": requester("B12345")}},
			{"Task?focus.identifier", "Task", over(taskFocus, false, referral.ParamToken, "identifier", "1"),
				map[string]referral.Scope{"practice": requester("A83002"), "service": owner("SPX01"), "operator": operator},
				func(i ids) []string { return []string{i.referral} },
				map[string]referral.Scope{"provider": provider, "another practice": requester("B12345"), "another service": owner("SPX02")}},
			{"Patient?_has:Task:patient:status", "Patient", over(taskPatient, true, referral.ParamToken, "status", "accepted"),
				map[string]referral.Scope{"practice": requester("A83002"), "service": owner("SPX01"), "operator": operator},
				func(i ids) []string { return []string{i.patient} },
				map[string]referral.Scope{"provider": provider, "another practice": requester("B12345"), "another service": owner("SPX02")}},
			{"ServiceRequest?_has:Task:focus:_id", "ServiceRequest", over(taskFocus, true, referral.ParamID, "_id", first.referral),
				map[string]referral.Scope{"practice": requester("A83002"), "service": owner("SPX01"), "operator": operator},
				func(i ids) []string { return []string{i.request} },
				map[string]referral.Scope{"provider": provider, "another practice": requester("B12345"), "another service": owner("SPX02")}},
			{"Task?_has:Task:part-of:owner", "Task", over(nobodysLinks, true, referral.ParamOwner, "owner", "PRV01"),
				map[string]referral.Scope{"practice": requester("A83002"), "service": owner("SPX01")},
				func(i ids) []string { return []string{i.referral} },
				map[string]referral.Scope{"provider": provider, "another service": owner("SPX02")}},
			{"Task?part-of.status", "Task", over(nobodysLinks, false, referral.ParamToken, "status", "requested"),
				map[string]referral.Scope{"practice": requester("A83002"), "service": owner("SPX01")},
				func(ids) []string { return []string{sub} },
				map[string]referral.Scope{"provider": provider, "another service": owner("SPX02")}},
		}
		for _, few := range []int{0, maxFew} {
			s.Linked(few)
			for _, test := range tests {
				find := func(scope referral.Scope) []string {
					t.Helper()
					found, err := s.Search(t.Context(), scope, referral.Query{Type: test.kind, Conditions: []referral.Condition{test.c}, Page: referral.Page{Count: 9}, Total: true})
					if err != nil {
						t.Fatal(explain(err))
					}
					list := versionIDs(found.Versions)
					if found.Total != len(list) {
						t.Errorf("%s: %d found, total %d", test.name, len(list), found.Total)
					}
					return list
				}
				want := test.want(first)
				slices.Sort(want)
				for who, scope := range test.sees {
					if got := find(scope); !slices.Equal(got, want) {
						t.Errorf("few %d, %s: the %s finds %v, want %v", few, test.name, who, got, want)
					}
				}
				for who, scope := range test.not {
					if got := find(scope); len(got) > 0 {
						t.Errorf("few %d, %s: %s finds %v", few, test.name, who, got)
					}
				}
			}
		}
		// what is included is in the scope too
		for who, c := range map[string]struct {
			scope referral.Scope
			q     referral.Query
			want  []string
		}{
			"the practice":              {requester("A83002"), referral.Query{Type: "Task", Included: []referral.Link{taskPatient, taskFocus}}, []string{first.patient, first.request}},
			"the provider":              {provider, referral.Query{Type: "Task", Included: []referral.Link{taskPatient, taskFocus, nobodysLinks}}, nil},
			"the provider's others":     {provider, referral.Query{Type: "Task", Referring: []referral.Link{nobodysLinks}}, nil},
			"the service's requests":    {owner("SPX02"), referral.Query{Type: "Patient", Referring: []referral.Link{requestOf, taskPatient}}, []string{second.request, second.referral}},
			"what is found is not also": {requester("A83002"), referral.Query{Type: "Task", Included: []referral.Link{nobodysLinks}, Referring: []referral.Link{nobodysLinks}}, nil},
		} {
			c.q.Page = referral.Page{Count: 9}
			found, err := s.Search(t.Context(), c.scope, c.q)
			if err != nil {
				t.Fatal(explain(err))
			}
			slices.Sort(c.want)
			if got := versionIDs(found.Included); len(found.Versions) == 0 || found.More || !slices.Equal(got, c.want) {
				t.Errorf("%s: %d found, included %v, want %v", who, len(found.Versions), got, c.want)
			}
		}
	})
}

const maxFew = 300

func versionIDs(list []referral.Version) []string {
	var out []string
	for _, v := range list {
		out = append(out, v.ID)
	}
	slices.Sort(out)
	return out
}

// A page includes so much and no more, and says when there is more.
func TestIncludedIsBounded(t *testing.T) {
	s := storetest.Open(t, storetest.SQLite(t))
	c, id := intake(s, 1, "A83002", "SPX01", "")
	for range 1000 {
		c.Versions = append(c.Versions, referral.Version{Type: "Observation", ID: s.NewID(), Number: 1, Updated: c.At, Body: []byte("{}"), Referral: id.referral, Patient: id.patient})
	}
	commit(t, s, c)
	found, err := s.Search(t.Context(), operator, referral.Query{Type: "Patient", Page: referral.Page{Count: 9}, Referring: []referral.Link{observedOf}})
	if err != nil || len(found.Included) != 1000 || !found.More {
		t.Errorf("%d included, more %v, %v", len(found.Included), found.More, err)
	}
}

// not, missing and the order, which goes on from page to page both ways.
func TestNotAndMissing(t *testing.T) {
	code := func(c referral.Condition) referral.Condition {
		c.Param, c.Kind = "code", referral.ParamToken
		return c
	}
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		three(t, s)
		for name, test := range map[string]struct {
			c      referral.Condition
			oldest bool
			want   string
		}{
			"not":             {code(referral.Condition{Not: true, Values: []referral.Value{{AnySystem: true, Text: "1"}}}), false, "d c"},
			"not with system": {code(referral.Condition{Not: true, Values: []referral.Value{{System: "sct", Text: "1"}}}), true, "b c d"},
			"missing":         {code(referral.Condition{Absent: referral.Yes}), false, "d"},
			"not missing":     {code(referral.Condition{Absent: referral.No}), true, "a b c"},
			"no date":         {referral.Condition{Kind: referral.ParamDate, Absent: referral.Yes}, false, "d"},
			"a date":          {referral.Condition{Kind: referral.ParamDate, Absent: referral.No}, false, "c b a"},
			"no patient":      {referral.Condition{Kind: referral.ParamPatient, Absent: referral.Yes}, false, ""},
			"a patient":       {referral.Condition{Kind: referral.ParamPatient, Absent: referral.No}, true, "a b c d"},
		} {
			q := referral.Query{Type: "Observation", Conditions: []referral.Condition{test.c}, Oldest: test.oldest, Page: referral.Page{Count: 1}}
			var got []string
			for {
				found, err := s.Search(t.Context(), requester("A83002"), q)
				if err != nil {
					t.Fatal(explain(err))
				}
				for _, v := range found.Versions {
					got = append(got, v.ID)
				}
				if q.Page.After = found.Next; found.Next == "" {
					break
				}
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("%s: got %v, want %s", name, got, test.want)
			}
		}
	})
}
