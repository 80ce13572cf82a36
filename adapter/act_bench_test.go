package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
)

// BenchmarkActions measures each action of a support without the network, from 16
// goroutines: token, If-Match, the move, its write-back, the durable commit and the
// referral in the answer. Nothing is sent.
func BenchmarkActions(b *testing.B) {
	for at, action := range benchPath {
		b.Run(action.name, func(b *testing.B) {
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
			if err := os.WriteFile(c.JWKS, public, 0o600); err != nil {
				b.Fatal(err)
			}
			if err := os.WriteFile(c.Partners, demoPartners("http://127.0.0.1:9/fhir"), 0o600); err != nil {
				b.Fatal(err)
			}
			if err := c.complete(); err != nil {
				b.Fatal(err)
			}
			a, err := newApp(b.Context(), c, slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			defer a.store.Close(context.WithoutCancel(b.Context()))
			defer a.listener.Close()
			tokens := map[auth.Role]string{}
			for role, ods := range map[auth.Role]string{auth.RoleRequester: demoPractice, auth.RoleOwner: demoService} {
				if tokens[role], err = signer.Token(auth.Claims{Issuer: "spadapter", Client: "bench", Audience: a.config.Audience, Organisations: []string{ods},
					Role: role, Scopes: []string{"system/*.cruds"}}, time.Now(), time.Hour); err != nil {
					b.Fatal(err)
				}
			}
			send := func(role auth.Role, path, contentType, body string, version int) string {
				r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
				r.Header.Set("Authorization", "Bearer "+tokens[role])
				r.Header.Set("Content-Type", contentType)
				r.Header.Set("If-Match", fmt.Sprintf(`W/"%d"`, version))
				w := httptest.NewRecorder()
				a.handler.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Errorf("%s: %d %s", path, w.Code, w.Body.String())
				}
				return w.Body.String()
			}
			act := func(id string, at int) {
				send(auth.RoleOwner, "/api/v1/referrals/"+id+"/actions/"+benchPath[at].name, "application/json", benchPath[at].body, at+1)
			}
			s := newSeries(demoPractice, 1)
			var m message
			ids := make([]string, b.N)
			for i := range ids {
				s.next(&m)
				_, rest, _ := strings.Cut(send(auth.RoleRequester, "/fhir/R4", "application/fhir+json", string(m.body), 0), `"diagnostics":"Task/`)
				ids[i], _, _ = strings.Cut(rest, `"`)
				for before := range at {
					act(ids[i], before)
				}
			}
			var next atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(8)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					act(ids[next.Add(1)-1], at)
				}
			})
		})
	}
}
