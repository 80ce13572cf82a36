package store_test

import (
	"fmt"
	"strings"
	"testing"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// TestSearchWithManyAlternatives: up to the limit both databases answer, above it
// neither is asked.
func TestSearchWithManyAlternatives(t *testing.T) {
	kinds := map[referral.ParamKind]func(i int) referral.Value{
		referral.ParamToken:   func(i int) referral.Value { return referral.Value{System: "sct", Text: fmt.Sprint(i)} },
		referral.ParamString:  func(i int) referral.Value { return referral.Value{Text: fmt.Sprint("z", i)} },
		referral.ParamRef:     func(i int) referral.Value { return referral.Value{Text: fmt.Sprint("Patient/p", i)} },
		referral.ParamID:      func(i int) referral.Value { return referral.Value{Text: fmt.Sprint("id", i)} },
		referral.ParamPatient: func(i int) referral.Value { return referral.Value{Text: fmt.Sprint("p", i)} },
		referral.ParamDate:    func(i int) referral.Value { return referral.Value{Prefix: "le", From: day(1), To: day(2)} },
		referral.ParamUpdated: func(i int) referral.Value { return referral.Value{Prefix: "le", From: epoch, To: epoch} },
	}
	want := map[referral.ParamKind]int{referral.ParamToken: 2, referral.ParamRef: 2, referral.ParamPatient: 4, referral.ParamDate: 1}
	params := map[referral.ParamKind]string{referral.ParamToken: "code", referral.ParamString: "name", referral.ParamRef: "subject"}
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		three(t, s)
		for kind, value := range kinds {
			c := referral.Condition{Param: params[kind], Kind: kind}
			for i := range 1000 {
				c.Values = append(c.Values, value(i))
			}
			q := referral.Query{Type: "Observation", Conditions: []referral.Condition{c}, Page: referral.Page{Count: 9}, Total: true}
			for _, scope := range []referral.Scope{requester("A83002"), operator} {
				found, err := s.Search(t.Context(), scope, q)
				if err != nil {
					t.Fatalf("kind %d: %v", kind, explain(err))
				}
				if len(found.Versions) != want[kind] || found.Total != want[kind] {
					t.Errorf("kind %d: %d found of %d, want %d", kind, len(found.Versions), found.Total, want[kind])
				}
			}
			q.Conditions = append(q.Conditions, referral.Condition{Param: c.Param, Kind: kind, Values: []referral.Value{value(0)}})
			_, err := s.Search(t.Context(), operator, q)
			wantIssue(t, err, issue.TooCostly, "search-values")
		}
		statuses := strings.Fields(strings.Repeat("x ", 1000))
		if _, _, err := s.Referrals(t.Context(), operator, referral.Filter{Status: statuses, Page: referral.Page{Count: 1}}); err != nil {
			t.Error(explain(err))
		}
		_, _, err := s.Referrals(t.Context(), operator, referral.Filter{Status: append(statuses, "x"), Page: referral.Page{Count: 1}})
		wantIssue(t, err, issue.TooCostly, "search-values")
	})
}

// TestTextThatNoDatabaseKeeps: NUL and broken UTF-8 lead to the same answers on both
// databases: nothing is found, and nothing fails.
func TestTextThatNoDatabaseKeeps(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		c, id := intake(s, 1, "A83002", "VN501", "")
		c.Message.ContentType = "application/fhir+json; a=\"\x00\xff\""
		commit(t, s, c)
		m, err := s.Original(t.Context(), operator, id.referral)
		if err != nil || m.ContentType != "application/fhir+json; a=\"\uFFFD\uFFFD\"" {
			t.Errorf("%+v, %v", m, explain(err))
		}
		for _, bad := range []string{"\x00", "a\x00b", "\xff", id.referral + "\x00"} {
			page := referral.Page{Count: 5}
			for _, f := range []referral.Filter{{Status: []string{bad, "draft"}}, {Owner: bad}, {Patient: bad}} {
				f.Page = page
				if list, _, err := s.Referrals(t.Context(), operator, f); err != nil || len(list) != 0 {
					t.Errorf("%+v: %d, %v", f, len(list), explain(err))
				}
			}
			for _, f := range []store.Outbox{{State: referral.DeliveryState(bad)}, {Referral: bad}, {Recipient: bad}} {
				f.Page = page
				if list, _, err := s.Deliveries(t.Context(), f); err != nil || len(list) != 0 {
					t.Errorf("%+v: %d, %v", f, len(list), explain(err))
				}
			}
			_, err := s.Referral(t.Context(), operator, bad)
			wantIssue(t, err, issue.NotFound, "")
			_, err = s.Events(t.Context(), operator, bad)
			wantIssue(t, err, issue.NotFound, "")
			_, err = s.Original(t.Context(), operator, bad)
			wantIssue(t, err, issue.NotFound, "")
			_, err = s.Read(t.Context(), operator, "Task", bad)
			wantIssue(t, err, issue.NotFound, "")
			_, err = s.ReadVersion(t.Context(), operator, "Task", bad, 1)
			wantIssue(t, err, issue.NotFound, "")
			_, err = s.History(t.Context(), operator, "Task", bad, page)
			wantIssue(t, err, issue.NotFound, "")
		}
	})
}
