package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/gateway"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
)

// FuzzSearch: whatever is asked of a type, no query makes the program panic or the database
// fail, every statement that reads resources is limited to the organisation of the caller, and
// nothing of another practice comes back.
func FuzzSearch(f *testing.F) {
	for i, kind := range referral.ResourceTypes() {
		for j, q := range everyQuery(kind) {
			if (i+j)%7 == 0 { // each kind of query with some type
				f.Add(uint8(i), q)
			}
		}
	}
	f.Add(uint8(0), "_has:Task:patient:_has:Task:patient:status=x")
	f.Add(uint8(1), "subject:Patient.identifier=a|b|c&_include=*&_cursor=%00")
	f.Add(uint8(2), "patient.family=%F0%9F%92%A5'%22;--&_sort=&_total=")
	s, err := store.Open(f.Context(), "sqlite:"+f.TempDir()+"/adapter.db")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close(context.Background()) })
	var unlimited atomic.Pointer[string]
	s.Watch(func(_ context.Context, text string, args []any) {
		if (strings.Contains(text, "resource r") || strings.Contains(text, "resource x")) &&
			(strings.Count(text, ".organisation = ?") == 0 || !slices.Contains(args, any(practiceA))) {
			unlimited.Store(&text)
		}
	})
	const secret = "xylocanary"
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for practice, word := range map[string]string{practiceA: "sparrow", practiceB: secret} {
		change := &referral.Change{Organisation: practice, At: at}
		for _, kind := range referral.ResourceTypes() {
			id := word + strings.ToLower(kind)
			v := referral.Version{Type: kind, ID: id, Number: 1, Updated: at, Patient: word + "patient", From: at, To: at.Add(time.Hour),
				Body: fmt.Appendf(nil, `{"resourceType":%q,"id":%q,"meta":{"versionId":"1"}}`, kind, id)}
			for _, p := range referral.SearchParams(kind) {
				term := referral.Term{Param: p.Name, Value: word}
				if len(p.Targets) > 0 {
					term.Value = p.Targets[0] + "/" + word + strings.ToLower(p.Targets[0])
				}
				v.Terms = append(v.Terms, term)
			}
			change.Versions = append(change.Versions, v)
		}
		if err := s.Commit(f.Context(), change); err != nil {
			f.Fatal(err)
		}
	}
	partners, err := loadPartners("")
	if err != nil {
		f.Fatal(err)
	}
	who := &auth.Principal{Client: "fuzz", Role: auth.RoleRequester, Organisations: []string{practiceA}, Scopes: []string{"system/*.cruds"}}
	handler := gateway.New(gateway.Config{
		Operations: gateway.OperationsOf(referral.NewService(referral.Config{Store: s, Partners: partners, Base: publicURL + "/fhir/R4/"})),
		Verify:     func(context.Context, string) (*auth.Principal, error) { return who, nil },
		BaseURL:    publicURL, Logger: quiet(),
	})
	kinds := referral.ResourceTypes()
	f.Fuzz(func(t *testing.T, kind uint8, query string) {
		r := httptest.NewRequest(http.MethodGet, "/fhir/R4/"+kinds[int(kind)%len(kinds)], nil)
		r.URL.RawQuery = strings.NewReplacer("{word}", secret, "{family}", secret, "{nhs}", secret, "{Patient}", secret+"patient", "{Task}", secret+"task").Replace(query)
		r.Header.Set("Authorization", "Bearer x")
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		if rec.Code >= 500 {
			t.Fatalf("%s?%q is answered with %d: %s", r.URL.Path, r.URL.RawQuery, rec.Code, rec.Body)
		}
		if text := unlimited.Swap(nil); text != nil {
			t.Fatalf("%s?%q asks without a scope: %s", r.URL.Path, r.URL.RawQuery, *text)
		}
		if !strings.Contains(r.URL.RawQuery, secret) && strings.Contains(rec.Body.String(), secret) {
			t.Fatalf("%s?%q tells %s", r.URL.Path, r.URL.RawQuery, rec.Body)
		}
		if strings.Contains(rec.Body.String(), `"id":"`+secret) {
			t.Fatalf("%s?%q finds %s", r.URL.Path, r.URL.RawQuery, rec.Body)
		}
	})
}
