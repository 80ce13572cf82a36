package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"spadapter/adapter/auth"
)

// BenchmarkActions measures each action of a support without the network, from 16
// goroutines: token, If-Match, the move, its write-back, the durable commit and the
// referral in the answer. Nothing is sent.
func BenchmarkActions(b *testing.B) {
	for at, action := range benchPath {
		b.Run(action.name, func(b *testing.B) {
			a, token := benchApp(b)
			tokens := map[auth.Role]string{auth.RoleRequester: token(auth.RoleRequester, demoPractice), auth.RoleOwner: token(auth.RoleOwner, demoService)}
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
