package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
)

// BenchmarkEvents answers a follower that was away for 10,000 events: token, database,
// JSON, as one page without the network.
func BenchmarkEvents(b *testing.B) {
	const events = 10_000
	a, token := benchApp(b)
	for n := range events / 500 {
		change := &referral.Change{Organisation: demoPractice, At: time.Now()}
		for i := range 500 {
			id := uuid.NewString()
			change.Events = append(change.Events, referral.Event{ID: id, Referral: fmt.Sprint(n, i), Move: "T05", Audiences: []string{"owner:" + demoService, "requester:" + demoPractice},
				Public: mustJSON(referral.Happening{SpecVersion: "1.0", ID: id, Type: "referral.moved", Subject: "Task/" + id, Time: time.Now(), Data: referral.HappeningData{
					Referral: id, Version: 2, Move: "T05", From: "received", To: "accepted", BusinessStatus: "allocated", Requester: demoPractice, Owner: demoService,
					Actor: referral.ActingParty{Organisation: demoService, Role: auth.RoleOwner}}})})
		}
		if err := a.store.Commit(b.Context(), change); err != nil {
			b.Fatal(err)
		}
		if n, err := a.store.Sequence(b.Context()); n != 500 || err != nil {
			b.Fatal(n, err)
		}
	}
	follower := token(auth.RoleOwner, demoService)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/events?since=0&count=10000", nil)
		r.Header.Set("Authorization", "Bearer "+follower)
		w := httptest.NewRecorder()
		a.handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Body.Len() < events*400 {
			b.Fatal(w.Code, w.Body.Len())
		}
	}
}
