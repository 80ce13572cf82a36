package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
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

// FuzzKeySet: what somebody publishes is read or refused, and what is read can be asked.
func FuzzKeySet(f *testing.F) {
	for _, p := range parties() {
		f.Add(p.public)
		f.Add(p.private)
	}
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"AQ","y":"AQ"},{"kty":"RSA","kid":"a","n":"AQ","e":"AQ"},{"kty":"oct","k":"AQ"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if keys, err := ParseKeys(body); (keys == nil) == (err == nil) {
			t.Fatal("neither or both of keys and error")
		}
		set, err := published(body)
		if (set == nil) == (err == nil) {
			t.Fatal("neither or both of set and error")
		}
		if set == nil {
			return
		}
		for kid := range set.byID {
			for _, alg := range algorithms {
				if key, err := set.one(start, kid, alg); err == nil && (kid == "" || !alg.fits(key.key)) {
					t.Fatalf("%q selects %v for %s", kid, key, alg)
				}
			}
		}
		if signer, err := NewSigner(body, SignerConfig{NewID: func() string { return "j" }}); err == nil {
			signer.Assertion("c", tokenURL, start)
			signer.Public(start)
		}
	})
}

// FuzzAssertion: nothing but the one assertion that was signed gets a token.
func FuzzAssertion(f *testing.F) {
	now := start
	e, err := NewEndpoint(EndpointConfig{
		URL: tokenURL, Issuer: us, Audience: audience, Signer: parties()[ES384].signer, Now: func() time.Time { return now },
		Clients: []Issuer{{Name: partner, Keys: parties()[ES384].keys, Registration: &Registration{Role: RoleOwner, Scopes: []string{"system/*.cruds"}}}},
		Once:    func(context.Context, string, string, time.Time) (bool, error) { return true, nil },
	})
	if err != nil {
		f.Fatal(err)
	}
	assertion, err := parties()[ES384].signer.Assertion(partner, tokenURL, now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(assertion, "system/*.*", partner)
	f.Add("eyJhbGciOiJub25lIn0.e30.", "system/Task.rs?code=x", "")
	f.Add("a.b.c", " ", "x")
	f.Fuzz(func(t *testing.T, text, scope, client string) {
		form := url.Values{"grant_type": {clientCredents}, "client_assertion_type": {clientAssert}, "client_assertion": {text}, "scope": {scope}}
		if client != "" {
			form.Set("client_id", client)
		}
		g, err := e.Grant(context.Background(), form)
		if (g == nil) == (err == nil) {
			t.Fatal("neither or both of token and error")
		}
		if g != nil && (text != assertion || g.Scope == "" || len(g.AccessToken) > maxToken) {
			t.Fatalf("a token for %q: %+v", text, g)
		}
		if err != nil && len(text) > 8 && strings.Contains(err.Error(), text) {
			t.Fatal(err)
		}
	})
}

// What a request costs: a token that was seen before, one that was not, with keys that
// were given and keys that were fetched, and one that is refused.
func BenchmarkVerify(b *testing.B) {
	now := start
	fetched := func(by party) *Keys {
		keys, err := NewRemoteKeys(RemoteConfig{URL: "https://gp.example/jwks.json", Transport: served200(by.public)})
		if err != nil {
			b.Fatal(err)
		}
		return keys
	}
	ec, p256, rs, rs2048, rs4096 := parties()[ES384], parties()[ES256], parties()[RS384], rsaParty(b, 2048), rsaParty(b, 4096)
	for _, c := range []struct {
		name   string
		by     party
		method jwt.SigningMethod
		cache  int
		remote bool
		kid    any
	}{
		{"cached", ec, jwt.SigningMethodES384, 0, false, nil},
		{"cached, keys fetched", ec, jwt.SigningMethodES384, 0, true, nil},
		{"ES384", ec, jwt.SigningMethodES384, -1, false, nil},
		{"ES256", p256, jwt.SigningMethodES256, -1, false, nil},
		{"RS384, 3072 bits", rs, jwt.SigningMethodRS384, -1, false, nil},
		{"RS512, 3072 bits", rs, jwt.SigningMethodRS512, -1, false, nil},
		{"RS384, 2048 bits", rs2048, jwt.SigningMethodRS384, -1, false, nil},
		{"RS512, 2048 bits", rs2048, jwt.SigningMethodRS512, -1, false, nil},
		{"RS512, 4096 bits", rs4096, jwt.SigningMethodRS512, -1, false, nil},
		{"ES384, keys fetched", ec, jwt.SigningMethodES384, -1, true, nil},
		{"RS384, 2048 bits, keys fetched", rs2048, jwt.SigningMethodRS384, -1, true, nil},
		{"RS512, 2048 bits, keys fetched", rs2048, jwt.SigningMethodRS512, -1, true, nil},
		{"unknown kid", ec, jwt.SigningMethodES384, 0, false, "x"},
		{"unknown kid, keys fetched", ec, jwt.SigningMethodES384, 0, true, "x"},
	} {
		b.Run(c.name, func(b *testing.B) {
			by := c.by
			v := newVerifier(b, &now, func(config *Config) {
				config.CacheSize = c.cache
				config.Issuers[1].Keys = by.keys
				if c.remote {
					config.Issuers[1].Keys = fetched(by)
				}
			})
			kid := c.kid
			if kid == nil {
				kid = by.kid()
			}
			token := mint(b, by, c.method, map[string]any{"kid": kid}, with(jwt.MapClaims{"iss": partner, "sub": partner}))
			v.Verify(context.Background(), token)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(context.Background(), token); (err == nil) != (c.kid == nil) {
					b.Fatal(err)
				}
			}
		})
	}
}

// rsaParty is someone with an RSA key of that size; GenerateKeys makes them with 3072 bits.
func rsaParty(t testing.TB, bits int) party {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	one, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{Marshal: jwkset.JWKMarshalOptions{Private: true}, Metadata: jwkset.JWKMetadataOptions{KID: "rsa"}})
	if err != nil {
		t.Fatal(err)
	}
	private, public, err := marshalSet([]jwk{{JWKMarshal: one.Marshal()}})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := NewSigner(private, SignerConfig{NewID: func() string { return "j" }})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ParseKeys(public)
	if err != nil {
		t.Fatal(err)
	}
	return party{private, public, signer, keys}
}

// served200 is a partner whose set is always there.
type served200 []byte

func (s served200) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(s))}, nil
}
