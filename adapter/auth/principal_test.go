package auth

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

func TestScopes(t *testing.T) {
	for scope, want := range map[string]string{
		"system/Task.cruds": "cruds", "system/Task.rs": "rs", "system/*.c": "c", "system/Task.read": "rs", "system/Task.write": "cud", "system/*.*": "cruds",
		"system/Task.sr": "", "system/Task.rr": "", "system/Task.x": "", "system/Task.": "", "system/Task": "", "Task.r": "", "user/Task.r": "", "patient/*.cruds": "",
		"system/Task.rs?code=x": "", "system/Patient.cruds": "", "system/task.r": "", "": "",
	} {
		p := &Principal{Scopes: []string{scope}}
		got := ""
		for _, letter := range []byte("cruds") {
			if p.Allows("Task", letter) {
				got += string(letter)
			}
		}
		if got != want || p.Allows("Task", '.') || p.Allows("", 'r') {
			t.Errorf("%q allows %q, want %q", scope, got, want)
		}
	}
	if (*Principal)(nil).Allows("Task", 'r') || (*Principal)(nil).SpeaksFor("A1") {
		t.Error("nobody may do something")
	}
}

// BenchmarkAuthorise is what a referral in a transaction of eight entries costs to be allowed:
// its token, seen before, the sender, and the scope of the Bundle and of each entry.
func BenchmarkAuthorise(b *testing.B) {
	now := start
	v := newVerifier(b, &now, func(*Config) {})
	token := mint(b, parties()[ES384], jwt.SigningMethodES384, nil, with(jwt.MapClaims{"scope": "system/*.rs system/Observation.c system/*.c"}))
	types := []string{"Patient", "Organization", "Practitioner", "PractitionerRole", "ServiceRequest", "Observation", "Observation", "Consent"}
	b.ReportAllocs()
	for b.Loop() {
		p, err := v.Verify(b.Context(), token)
		if err != nil {
			b.Fatal(err)
		}
		if !p.SpeaksFor("X99") {
			b.Fatal("it speaks for nobody")
		}
		for _, t := range types {
			if !p.Allows(t, 'c') {
				b.Fatal("it may not create ", t)
			}
		}
	}
}
