package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"spadapter/adapter/issue"
)

// kidOf is the kid of a token.
func kidOf(t *testing.T, token string) string {
	t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Header["kid"].(string)
}

// Two processes with the same set change over by the clock: no token is refused, and the
// old key ends.
func TestRotation(t *testing.T) {
	for _, alg := range []Algorithm{ES384, RS384} {
		private, _, err := GenerateKeys(alg)
		if err != nil {
			t.Fatal(err)
		}
		now := start
		signs, checks := signerFrom(t, private), signerFrom(t, private)
		keys := &Keys{}
		v := func() *Verifier {
			set, err := checks.Public(now)
			if err != nil {
				t.Fatal(err)
			}
			if err := keys.Replace(set); err != nil {
				t.Fatal(err)
			}
			return newVerifier(t, &now, func(c *Config) { c.Issuers[0].Keys = keys })
		}
		token := func() string {
			text, err := signs.Token(Claims{Issuer: us, Client: "c", Audience: []string{audience}, Role: RoleOwner}, now, 5*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		before := token()
		next, public, begins, err := RotateKeys(private, Rotation{Lead: time.Hour, Keep: 15 * time.Minute}, now)
		if err != nil || !begins.Equal(start.Add(time.Hour)) {
			t.Fatal(begins, err)
		}
		if _, err := ParseKeys(public); err != nil || bytes.Contains(public, []byte(`"d"`)) || bytes.Count(public, []byte(`"kid"`)) != 2 {
			t.Fatalf("%s: %v", public, err)
		}
		if err := checks.Replace(next); err != nil {
			t.Fatal(err)
		}
		verifier := v()
		expect := func(what, text string, kind issue.Type) {
			t.Helper()
			if _, err := verifier.Verify(context.Background(), text); kind == "" && err != nil || kind != "" && !errors.Is(err, kind) {
				t.Errorf("%s, %s: %v", alg, what, err)
			}
		}
		expect("one process has read the new set, the other not yet", before, "")
		if err := signs.Replace(next); err != nil {
			t.Fatal(err)
		}
		now = begins.Add(-time.Second)
		last := token()
		if kidOf(t, last) != kidOf(t, before) {
			t.Errorf("%s: the next key signs before its time", alg)
		}
		now = begins
		first := token()
		if kidOf(t, first) == kidOf(t, last) {
			t.Errorf("%s: the old key signs on", alg)
		}
		expect("the new key", first, "")
		expect("the old key, of a token that holds", last, "")
		now = begins.Add(4 * time.Minute)
		expect("the old key, later", last, "")
		if _, _, _, err := RotateKeys(next, Rotation{Lead: time.Hour}, start.Add(time.Minute)); !errors.Is(err, issue.Conflict) {
			t.Errorf("%s: a rotation within another: %v", alg, err)
		}
		now = begins.Add(15 * time.Minute)
		set, err := signs.Public(now)
		if err != nil || bytes.Contains(set, []byte(kidOf(t, last))) {
			t.Errorf("%s: the old key is still published: %s, %v", alg, set, err)
		}
		late := mint(t, partyOf(t, private), map[Algorithm]jwt.SigningMethod{ES384: jwt.SigningMethodES384, RS384: jwt.SigningMethodRS384}[alg], nil,
			with(jwt.MapClaims{"iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}))
		expect("the old key after its end", late, issue.Unknown)
		third, _, _, err := RotateKeys(next, Rotation{}, now)
		if err != nil || bytes.Contains(third, []byte(kidOf(t, last))) || bytes.Count(third, []byte(`"kid"`)) != 2 {
			t.Errorf("%s: the next rotation keeps what has ended: %v", alg, err)
		}
		if kidOf(t, first) == kidOf(t, tokenOf(t, third, now)) {
			t.Errorf("%s: without a lead the new key signs at once", alg)
		}
	}
}

func signerFrom(t *testing.T, private []byte) *Signer {
	t.Helper()
	n := 0
	s, err := NewSigner(private, SignerConfig{NewID: func() string { n++; return fmt.Sprint(n) }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func partyOf(t *testing.T, private []byte) party { return party{signer: signerFrom(t, private)} }

func tokenOf(t *testing.T, private []byte, now time.Time) string {
	t.Helper()
	text, err := signerFrom(t, private).Assertion("c", tokenURL, now)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestRotationRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		private []byte
		r       Rotation
		kind    issue.Type
	}{
		"no set":       {[]byte("x"), Rotation{}, issue.Structure},
		"public set":   {parties()[ES384].public, Rotation{}, issue.Value},
		"past":         {parties()[ES384].private, Rotation{Lead: -1}, issue.Value},
		"no algorithm": {parties()[ES384].private, Rotation{Algorithm: "HS256"}, issue.NotSupported},
	} {
		if next, _, _, err := RotateKeys(c.private, c.r, start); next != nil || !errors.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignerWithoutAKeyForNow(t *testing.T) {
	s := signerFrom(t, bytes.Replace(parties()[ES384].private, []byte(`"kty"`), fmt.Appendf(nil, `"nbf":%d,"exp":%d,"kty"`, start.Unix(), start.Add(time.Hour).Unix()), 1))
	for at, want := range map[time.Duration]bool{-time.Second: false, 0: true, time.Hour - time.Second: true, time.Hour: false} {
		if _, err := s.Assertion("c", tokenURL, start.Add(at)); want != (err == nil) || !want && !errors.Is(err, issue.Exception) {
			t.Errorf("at %v: %v", at, err)
		}
	}
	if err := s.Replace([]byte("broken")); !errors.Is(err, issue.Structure) {
		t.Error(err)
	}
	if _, err := s.Assertion("c", tokenURL, start); err != nil {
		t.Errorf("after a broken set: %v", err)
	}
}
