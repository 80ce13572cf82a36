package store_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// inScope says in Go what the scopes say in SQL.
func inScope(s referral.Scope, r *referral.Record) bool {
	switch s.Role {
	case auth.RoleOperator:
		return true
	case auth.RoleRequester:
		return slices.Contains(s.Organisations, r.Organisation)
	case auth.RoleOwner:
		return r.Owner != "" && slices.Contains(s.Organisations, r.Owner) || r.Owner == "" && r.Pool != "" && slices.Contains(s.Pools, r.Pool)
	}
	return false
}

// meets says in Go what the filters say in SQL.
func meets(scope referral.Scope, f referral.Filter, r *referral.Record) bool {
	one := func(list []string, values ...string) bool {
		return len(list) == 0 || slices.ContainsFunc(values, func(v string) bool { return v != "" && slices.Contains(list, v) })
	}
	is := func(w referral.Wanted, holds bool) bool { return w == referral.Either || holds == (w == referral.Yes) }
	open := !referral.Terminal(r.Status)
	return one(f.Status, r.Status) && one(f.Business, r.BusinessStatus) && one(f.Practices, r.Organisation, r.Registered) && one(f.Needs, r.Needs...) &&
		one(f.Priority, r.Priority) && (f.Owner == "" || f.Owner == r.Owner || f.Owner == "-" && r.Owner == "") && (f.Patient == "" || f.Patient == r.Patient) &&
		is(f.Open, open) && is(f.Overdue, open && r.Overdue) && is(f.Risk, r.Risk && (r.RiskTold || scope.Role != auth.RoleRequester)) && is(f.Asked, r.Former != "") && !r.Updated.Before(f.Since) &&
		(f.DueBefore.IsZero() || !r.Due.IsZero() && r.Due.Before(f.DueBefore))
}

// keyOf is what a record is sorted by.
func keyOf(order referral.Sort, r *referral.Record) time.Time {
	switch {
	case order == referral.SortUpdated:
		return r.Updated
	case order == referral.SortDue && r.Due.IsZero():
		return epoch.AddDate(100, 0, 0)
	case order == referral.SortDue:
		return r.Due
	}
	return r.Created
}

func idsOf(list []*referral.Record) (out []string) {
	for _, r := range list {
		out = append(out, r.ID)
	}
	return out
}

// walked reads a whole worklist in pages.
func walked(t *testing.T, s *store.Store, scope referral.Scope, f referral.Filter) (out []string) {
	t.Helper()
	for {
		list, next, err := s.Referrals(t.Context(), scope, f)
		if err != nil {
			t.Fatal(explain(err))
		}
		for _, r := range list {
			out = append(out, r.ID)
		}
		if next == "" {
			return out
		}
		f.Page.After = next
	}
}

// Every filter in every scope and order, and each filter with each other, gives what the same
// conditions in Go give: nothing of others, nothing twice, nothing missing.
func TestWorklistIsWhatIsAskedFor(t *testing.T) {
	const n = 500
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		records := many(t, s, n, padded("{}", 40))
		scopes := map[string]referral.Scope{"nobody": {}, "a slash": owner("/north"), "no organisation": owner("", ""), "two practices": requester("A00003", "A00004")}
		for name, scope := range worklistScopes {
			scopes[name] = scope
		}
		filters := worklistFilters(n)
		filters["patient"] = referral.Filter{Patient: records[7].Patient}
		names := sorted(filters)
		for i, a := range names { // each with the one after it, and with one farther away
			for _, b := range []string{names[(i+1)%len(names)], names[(i+7)%len(names)]} {
				filters[a+" and "+b] = together(filters[a], filters[b])
			}
		}
		for _, few := range []int{5, 2000} { // so that lists are walked, and sorted
			s.Few(few, 3*few)
			for scopeName, scope := range scopes {
				for name, f := range filters {
					f.Sort = worklistSorts[len(name)%3]
					var want []*referral.Record
					for _, r := range records {
						if inScope(scope, r) && meets(scope, f, r) {
							want = append(want, r)
						}
					}
					slices.SortFunc(want, func(a, b *referral.Record) int {
						return cmp.Or(keyOf(f.Sort, a).Compare(keyOf(f.Sort, b)), cmp.Compare(a.ID, b.ID))
					})
					f.Page.Count = 1 + len(want)/3
					if got := walked(t, s, scope, f); !slices.Equal(got, idsOf(want)) {
						t.Errorf("%s, %s, %s, few %d: got %d, want %d\n%v\n%v", scopeName, name, f.Sort, few, len(got), len(want), got, idsOf(want))
					}
				}
			}
		}
	})
}

// together is a filter by what two ask for; of one field the second.
func together(a, b referral.Filter) referral.Filter {
	a.Status, a.Business, a.Needs = append(b.Status, a.Status...), append(b.Business, a.Business...), append(b.Needs, a.Needs...)
	a.Priority, a.Practices = append(b.Priority, a.Priority...), append(b.Practices, a.Practices...)
	a.Owner, a.Patient = cmp.Or(b.Owner, a.Owner), cmp.Or(b.Patient, a.Patient)
	a.Open, a.Overdue, a.Risk, a.Asked = max(a.Open, b.Open), max(a.Overdue, b.Overdue), max(a.Risk, b.Risk), max(a.Asked, b.Asked)
	if a.Since.IsZero() {
		a.Since = b.Since
	}
	if a.DueBefore.IsZero() {
		a.DueBefore = b.DueBefore
	}
	return a
}

// What comes in and what moves while somebody pages shifts nothing: who stays where it was is
// listed once, who moved to the end once more.
func TestWorklistCursorStays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, order := range worklistSorts {
			practice := "A1" + string(order)
			var list []*referral.Change
			for n := range 12 {
				c, _ := intake(s, n, practice, "SPX01", "")
				c.Keys, c.Referral.Created, c.Referral.Due = nil, c.At, c.At.Add(time.Hour)
				commit(t, s, c)
				list = append(list, c)
			}
			f := referral.Filter{Sort: order, Page: referral.Page{Count: 5}}
			first, next, err := s.Referrals(t.Context(), requester(practice), f)
			if err != nil || len(first) != 5 {
				t.Fatal(len(first), explain(err))
			}
			// one of the first page, the last of it and one of the next move to the end
			for _, n := range []int{1, 4, 6} {
				moved := *list[n].Referral
				moved.Organisation, moved.Version, moved.Updated, moved.Due = practice, 2, epoch.Add(time.Hour), epoch.Add(5*time.Hour)
				commit(t, s, &referral.Change{Organisation: practice, At: epoch.Add(time.Hour), Referral: &moved})
			}
			late, _ := intake(s, 3600, practice, "SPX01", "")
			late.Keys, late.Referral.Due = nil, late.At.Add(9*time.Hour)
			commit(t, s, late)
			f.Page.After = next
			rest := walked(t, s, requester(practice), f)
			var want []string
			for _, n := range map[referral.Sort][]int{
				referral.SortCreated: {5, 6, 7, 8, 9, 10, 11}, referral.SortDue: {5, 7, 8, 9, 10, 11, 1, 4, 6}, referral.SortUpdated: {5, 7, 8, 9, 10, 11, 1, 4, 6},
			}[order] {
				want = append(want, list[n].Referral.ID)
			}
			if order != referral.SortCreated { // equal times are in the order of ids
				slices.Sort(want[6:])
			}
			if want = append(want, late.Referral.ID); !slices.Equal(rest, want) {
				t.Errorf("%s: got %v\nwant %v", order, rest, want)
			}
			for name, other := range map[string]referral.Filter{"another order": {Sort: map[referral.Sort]referral.Sort{"created": "due", "due": "updated", "updated": "created"}[order]},
				"another filter": {Sort: order, Open: referral.Yes}} {
				other.Page = f.Page
				_, _, err := s.Referrals(t.Context(), requester(practice), other)
				if wantIssue(t, err, issue.Value, "page-cursor"); t.Failed() {
					t.Fatal(name)
				}
			}
			_, _, err = s.Referrals(t.Context(), requester("A99999"), f)
			wantIssue(t, err, issue.Value, "page-cursor")
		}
		_, _, err := s.Referrals(t.Context(), operator, referral.Filter{Sort: "name", Page: referral.Page{Count: 1}})
		wantIssue(t, err, issue.Value, "worklist-sort")
	})
}

// What is overdue keeps the time it was due, through the timer and through what joins it, and
// loses it with a move.
func TestWorklistKeepsTheTimeThatIsOver(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		c, id := intake(s, 1, "A83002", "SPX01", "")
		c.Referral.Due = epoch.Add(time.Hour)
		commit(t, s, c)
		finds := func(want int, f referral.Filter) {
			t.Helper()
			f.Page.Count = 5
			if got := walked(t, s, owner("SPX01"), f); len(got) != want {
				t.Errorf("%+v finds %d, want %d", f, len(got), want)
			}
		}
		before := referral.Filter{DueBefore: epoch.Add(2 * time.Hour)}
		finds(1, before)
		finds(0, referral.Filter{Overdue: referral.Yes})
		commit(t, s, &referral.Change{Organisation: "A83002", At: epoch, Timer: &referral.Timer{Referral: id.referral, Version: 1, Due: c.Referral.Due}})
		finds(1, before)
		finds(1, referral.Filter{Overdue: referral.Yes})
		r, err := s.Referral(t.Context(), operator, id.referral)
		if err != nil || !r.Overdue || !r.Due.IsZero() {
			t.Fatalf("%+v %v", r, explain(err))
		}
		r.Version, r.Risk = 2, true // something joins it
		commit(t, s, &referral.Change{Organisation: "A83002", At: epoch, Referral: r})
		finds(1, before)
		finds(1, referral.Filter{Risk: referral.Yes, Overdue: referral.Yes})
		r.Version, r.Overdue, r.Due = 3, false, epoch.Add(9*time.Hour)
		commit(t, s, &referral.Change{Organisation: "A83002", At: epoch, Referral: r})
		finds(0, before)
		finds(1, referral.Filter{Overdue: referral.No, DueBefore: epoch.Add(10 * time.Hour)})

		// the person moves to another practice, and back
		for i, practice := range []string{"B00001", "A83002"} {
			commit(t, s, &referral.Change{Organisation: "A83002", At: epoch, Registered: []referral.Registration{{Patient: id.patient, Practice: practice}}})
			finds(1-i, referral.Filter{Practices: []string{"B00001"}})
			finds(1, referral.Filter{Practices: []string{"A83002"}})
		}
		if got := walked(t, s, requester("B00001"), referral.Filter{Page: referral.Page{Count: 5}}); len(got) != 0 {
			t.Errorf("where the person is registered sees %v", got)
		}
	})
}

// Referrals of a database from before there were these columns are found by them after they
// were read once, unless they changed meanwhile.
func TestWorklistOfBefore(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url)
		for n := range 3 {
			c, _ := intake(s, n, "A83002", "SPX01", "")
			commit(t, s, c)
		}
		if list, err := s.Unseen(t.Context(), 10); err != nil || len(list) != 0 {
			t.Fatal(len(list), explain(err))
		}
		raw(t, url, "UPDATE referral SET seen = 0, priority = '', risk = 0")
		list, err := s.Unseen(t.Context(), 2)
		if err != nil || len(list) != 2 || len(list[0].Content) == 0 {
			t.Fatal(len(list), explain(err))
		}
		for i := range list {
			list[i].Priority, list[i].Needs, list[i].Risk, list[i].RiskTold, list[i].Registered = "urgent", []string{"housing", "housing", "food"}, true, i == 0, "B00001"
		}
		list[1].Version++ // as if it had changed
		for range 2 {
			if err := s.See(t.Context(), list); err != nil {
				t.Fatal(explain(err))
			}
		}
		f := referral.Filter{Priority: []string{"urgent"}, Needs: []string{"housing", "food"}, Risk: referral.Yes, Practices: []string{"B00001"}, Page: referral.Page{Count: 5}}
		if got := walked(t, s, operator, f); fmt.Sprint(got) != fmt.Sprint([]string{list[0].ID}) {
			t.Error(got)
		}
		if list, err = s.Unseen(t.Context(), 10); err != nil || len(list) != 2 {
			t.Error(len(list), explain(err))
		}
	})
}
