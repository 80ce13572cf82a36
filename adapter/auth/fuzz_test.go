package auth

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"spadapter/adapter/issue"
)

func FuzzVerify(f *testing.F) {
	now := start
	v := newVerifier(f, &now, nil)
	token := mint(f, parties()[ES384], jwt.SigningMethodES384, nil, good())
	f.Add(token)
	f.Add("")
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := v.Verify(context.Background(), s)
		if (p == nil) == (err == nil) {
			t.Fatal("neither or both of principal and error")
		}
		if p != nil && s != token {
			t.Fatalf("a forged token passed: %s", s)
		}
		if err != nil && (!errors.Is(err, issue.Security) || len(s) > 8 && strings.Contains(err.Error(), s)) {
			t.Fatal(err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	now := start
	for name, c := range map[string]struct {
		key    party
		method jwt.SigningMethod
		iss    string
		cache  int
		kid    any
	}{
		"cached":      {parties()[ES384], jwt.SigningMethodES384, us, 0, parties()[ES384].kid()},
		"ES384":       {parties()[ES384], jwt.SigningMethodES384, us, -1, parties()[ES384].kid()},
		"RS384":       {parties()[RS384], jwt.SigningMethodRS384, partner, -1, parties()[RS384].kid()},
		"unknown kid": {parties()[ES384], jwt.SigningMethodES384, us, 0, "x"},
	} {
		b.Run(name, func(b *testing.B) {
			v := newVerifier(b, &now, func(config *Config) { config.CacheSize = c.cache })
			claims := with(jwt.MapClaims{"iss": c.iss})
			if c.iss == partner {
				claims["sub"] = partner
			}
			token := mint(b, c.key, c.method, map[string]any{"kid": c.kid}, claims)
			b.ReportAllocs()
			for b.Loop() {
				v.Verify(context.Background(), token)
			}
		})
	}
}
