package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
	dir := b.TempDir()
	private, public, err := auth.GenerateKeys(auth.ES384)
	if err != nil {
		b.Fatal(err)
	}
	signer, err := auth.NewSigner(private, auth.SignerConfig{NewID: uuid.NewString})
	if err != nil {
		b.Fatal(err)
	}
	c := Config{Listen: "127.0.0.1:0", Database: "sqlite:" + filepath.Join(dir, "adapter.db"), JWKS: filepath.Join(dir, "jwks.json"), Keys: defaultKeys,
		Issuer: "spadapter", Sharing: "summary", MinAttempts: 3, BodyBytes: 5 << 20, RetryFor: time.Hour, DrainFor: time.Second}
	if err := os.WriteFile(c.JWKS, public, 0o600); err != nil {
		b.Fatal(err)
	}
	if err := c.complete(); err != nil {
		b.Fatal(err)
	}
	a, err := newApp(b.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer a.store.Close(b.Context())
	defer a.listener.Close()
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
	token, err := signer.Token(auth.Claims{Issuer: "spadapter", Client: "bench", Audience: a.config.Audience, Organisations: []string{demoService},
		Role: auth.RoleOwner, Scopes: []string{"system/*.cruds"}}, time.Now(), time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/events?since=0&count=10000", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		a.handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Body.Len() < events*400 {
			b.Fatal(w.Code, w.Body.Len())
		}
	}
}
