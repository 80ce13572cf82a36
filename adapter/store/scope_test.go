package store_test

import (
	"errors"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// Two practices, two services and a pool; who sees what, by every way to read.
func TestScope(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		owned, ownedID := intake(s, 1, "A83002", "SPX01", "")
		pooled, pooledID := intake(s, 2, "A83002", "", "north")
		foreign, foreignID := intake(s, 3, "B12345", "SPX02", "")
		claimed, claimedID := intake(s, 4, "B12345", "SPX02", "north") // it waited in the pool before SPX02 took it
		for _, c := range []*referral.Change{owned, pooled, foreign, claimed} {
			commit(t, s, c)
		}
		all := []ids{ownedID, pooledID, foreignID, claimedID}
		tests := []struct {
			name  string
			scope referral.Scope
			sees  [4]bool
		}{
			{"the practice", requester("A83002"), [4]bool{true, true, false, false}},
			{"another practice", requester("B12345"), [4]bool{false, false, true, true}},
			{"a system of both", requester("A83002", "B12345"), [4]bool{true, true, true, true}},
			{"the service", owner("SPX01"), [4]bool{true, false, false, false}},
			{"the service in the pool", owner("SPX01", "north"), [4]bool{true, true, false, false}},
			{"another service", owner("SPX02"), [4]bool{false, false, true, true}},
			{"another service in another pool", owner("SPX02", "south"), [4]bool{false, false, true, true}},
			{"a service with nothing", owner("SPX03"), [4]bool{}},
			{"a service with an empty name", owner("", ""), [4]bool{}},
			{"an operator", operator, [4]bool{true, true, true, true}},
			{"an owner without organisations", referral.Scope{Role: auth.RoleOwner}, [4]bool{}},
			{"a requester without organisations", referral.Scope{Role: auth.RoleRequester}, [4]bool{}},
			{"nobody", referral.Scope{}, [4]bool{}},
		}
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				count := 0
				for i, id := range all {
					if test.sees[i] {
						count++
					}
					sees(t, s, test.scope, id, test.sees[i])
				}
				list, _, err := s.Referrals(t.Context(), test.scope, referral.Filter{Page: referral.Page{Count: 10}})
				if err != nil || len(list) != count {
					t.Errorf("the worklist has %d, %v, want %d", len(list), explain(err), count)
				}
				for _, resourceType := range []string{"Task", "Patient", "ServiceRequest"} {
					found, err := s.Search(t.Context(), test.scope, referral.Query{Type: resourceType, Total: true, Page: referral.Page{Count: 10}})
					if err != nil || len(found.Versions) != count || found.Total != count {
						t.Errorf("search finds %d of %d %s, %v, want %d", len(found.Versions), found.Total, resourceType, explain(err), count)
					}
					history, err := s.History(t.Context(), test.scope, resourceType, "", referral.Page{Count: 10})
					want := count
					if resourceType == "ServiceRequest" {
						want *= 2 // the hidden one is in the history
					}
					if err != nil || len(history.Versions) != want {
						t.Errorf("the history of %s has %d, %v, want %d", resourceType, len(history.Versions), explain(err), want)
					}
				}
			})
		}
	})
}

func sees(t *testing.T, s *store.Store, scope referral.Scope, id ids, want bool) {
	t.Helper()
	check := func(what string, err error) {
		t.Helper()
		if want && err != nil || !want && !errors.Is(err, issue.NotFound) {
			t.Errorf("%s: got %v, want visible %v", what, explain(err), want)
		}
	}
	_, err := s.Referral(t.Context(), scope, id.referral)
	check("Referral", err)
	_, err = s.Events(t.Context(), scope, id.referral)
	check("Events", err)
	_, err = s.Original(t.Context(), scope, id.referral)
	check("Original", err)
	for resourceType, resource := range map[string]string{"Task": id.referral, "Patient": id.patient, "ServiceRequest": id.filler, "Observation": id.observation} {
		_, err = s.Read(t.Context(), scope, resourceType, resource)
		check("Read "+resourceType, err)
		_, err = s.ReadVersion(t.Context(), scope, resourceType, resource, 1)
		check("ReadVersion "+resourceType, err)
		_, err = s.History(t.Context(), scope, resourceType, resource, referral.Page{Count: 1})
		check("History "+resourceType, err)
	}
}

func TestReadFindsWhatIsThere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		c, id := intake(s, 1, "A83002", "SPX01", "")
		commit(t, s, c)
		_, err := s.Read(t.Context(), operator, "Observation", id.patient)
		wantIssue(t, err, issue.NotFound, "")
		_, err = s.ReadVersion(t.Context(), operator, "Patient", id.patient, 2)
		wantIssue(t, err, issue.NotFound, "")

		commit(t, s, &referral.Change{Organisation: "A83002", At: c.At, Versions: []referral.Version{
			{Type: "Observation", ID: id.observation, Number: 2, Deleted: true, Referral: id.referral, Patient: id.patient}}})
		_, err = s.Read(t.Context(), requester("A83002"), "Observation", id.observation)
		wantIssue(t, err, issue.Deleted, "")
		_, err = s.Read(t.Context(), requester("B12345"), "Observation", id.observation)
		wantIssue(t, err, issue.NotFound, "")
		if _, err := s.ReadVersion(t.Context(), operator, "Observation", id.observation, 1); err != nil {
			t.Error(explain(err))
		}
		found, err := s.Search(t.Context(), operator, referral.Query{Type: "Observation", Total: true})
		if err != nil || found.Total != 5 || len(found.Versions) != 0 {
			t.Errorf("got %+v, %v, want 5 that are not deleted", found, explain(err))
		}
		history, err := s.History(t.Context(), operator, "Observation", id.observation, referral.Page{Count: 1})
		if err != nil || len(history.Versions) != 1 || !history.Versions[0].Deleted || history.Next == "" {
			t.Fatalf("got %+v, %v", history, explain(err))
		}
		history, err = s.History(t.Context(), operator, "Observation", id.observation, referral.Page{Count: 1, After: history.Next})
		if err != nil || len(history.Versions) != 1 || history.Versions[0].Number != 1 || history.Next != "" {
			t.Errorf("got %+v, %v", history, explain(err))
		}
	})
}
