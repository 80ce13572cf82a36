package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
)

// benchApp is the program on a new SQLite file with the partners of the demo, without the
// network and with nothing that sends; token makes the token of a client for a role and an
// organisation.
func benchApp(b *testing.B, set ...func(*Config)) (a *app, token func(role auth.Role, organisation string) string) {
	b.Helper()
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
		Partners: filepath.Join(dir, "partners.json"), Issuer: "spadapter", Sharing: "summary", MinAttempts: 3, BodyBytes: 5 << 20, RetryFor: time.Hour, DrainFor: time.Second}
	for file, body := range map[string][]byte{c.JWKS: public, c.Partners: demoPartners("http://127.0.0.1:9/fhir")} {
		if err := os.WriteFile(file, body, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for _, s := range set {
		s(&c)
	}
	if err := c.complete(); err != nil {
		b.Fatal(err)
	}
	if a, err = newApp(b.Context(), c, slog.New(slog.DiscardHandler)); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		a.listener.Close()
		a.store.Close(context.WithoutCancel(b.Context()))
	})
	return a, func(role auth.Role, organisation string) string {
		token, err := signer.Token(auth.Claims{Issuer: "spadapter", Client: "bench-" + string(role), Audience: a.config.Audience, Organisations: []string{organisation},
			Role: role, Scopes: []string{"system/*.cruds"}}, time.Now(), time.Hour)
		if err != nil {
			b.Fatal(err)
		}
		return token
	}
}
