package auth

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"spadapter/adapter/issue"
)

const (
	audience = "https://adapter.example.org/fhir/R4"
	us       = "https://adapter.example.org"
	partner  = "gp-system-1"
)

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// party is someone with keys.
type party struct {
	private, public []byte
	signer          *Signer
	keys            *Keys
}

func (p party) kid() string        { return (*p.signer.ring.Load())[0].kid }
func (p party) key() crypto.Signer { return (*p.signer.ring.Load())[0].key }

func (p party) published(t testing.TB) []byte {
	t.Helper()
	set, err := p.signer.Public(start)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func newParty(t testing.TB, alg Algorithm) party {
	t.Helper()
	private, public, err := GenerateKeys(alg)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	signer, err := NewSigner(private, SignerConfig{NewID: func() string { n++; return fmt.Sprint("id-", n) }})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ParseKeys(public)
	if err != nil {
		t.Fatal(err)
	}
	return party{private, public, signer, keys}
}

// parties are made once: an RSA key takes a second.
var parties = sync.OnceValue(func() map[Algorithm]party {
	out := map[Algorithm]party{}
	for _, alg := range []Algorithm{ES384, ES256, RS384, EdDSA} {
		out[alg] = newParty(&testing.T{}, alg)
	}
	return out
})

func newVerifier(t testing.TB, now *time.Time, change func(*Config)) *Verifier {
	t.Helper()
	c := Config{
		Audience: []string{audience},
		Issuers: []Issuer{
			{Name: us, Keys: parties()[ES384].keys},
			{Name: partner, Keys: parties()[RS384].keys, Registration: &Registration{
				Organisations: []string{"b82001", "A81001"}, Role: RoleRequester, Scopes: []string{"system/ServiceRequest.cruds"}}},
		},
		Leeway: 10 * time.Second,
		Now:    func() time.Time { return *now },
	}
	if change != nil {
		change(&c)
	}
	v, err := NewVerifier(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// good are the claims of a token of our own that is in order.
func good() jwt.MapClaims {
	return jwt.MapClaims{
		"iss": us, "sub": "link-worker-tool", "aud": []string{audience}, "iat": start.Unix(), "exp": start.Add(5 * time.Minute).Unix(),
		"jti": "j1", "organisation": []string{"x99"}, "role": "owner", "scope": "system/Task.rus system/Patient.read",
	}
}

func with(change jwt.MapClaims) jwt.MapClaims {
	c := good()
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func mint(t testing.TB, p party, method jwt.SigningMethod, header map[string]any, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	token.Header["kid"] = p.kid()
	if c["iss"] == us {
		token.Header["typ"] = "at+jwt"
	}
	maps.Copy(token.Header, header)
	maps.DeleteFunc(token.Header, func(_ string, v any) bool { return v == nil })
	s, err := token.SignedString(p.key())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVerifyOwnToken(t *testing.T) {
	now := start
	v := newVerifier(t, &now, nil)
	p, err := v.Verify(context.Background(), mint(t, parties()[ES384], jwt.SigningMethodES384, nil, good()))
	if err != nil {
		t.Fatal(err)
	}
	if p.Client != "link-worker-tool" || p.Role != RoleOwner || !p.SpeaksFor("x99") || !p.SpeaksFor("X99") || p.SpeaksFor("A81001") || p.SpeaksFor("") ||
		p.TokenID != "j1" || !p.Expires.Equal(start.Add(5*time.Minute)) || !p.Allows("Task", 'u') || p.Allows("Task", 'c') || !p.Allows("Patient", 's') {
		t.Errorf("got %+v", p)
	}
	token, err := parties()[ES384].signer.Token(Claims{Issuer: us, Client: "dev", Audience: []string{audience}, Organisations: []string{"A1"}, Role: RoleOperator, Scopes: []string{"system/*.cruds"}}, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := v.Verify(context.Background(), token); err != nil || p.Client != "dev" || p.Role != RoleOperator || !p.Allows("Anything", 'd') || !p.SpeaksFor("A1") {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestVerifyPartnerKey(t *testing.T) {
	now := start
	v := newVerifier(t, &now, nil)
	key := parties()[RS384]
	claims := with(jwt.MapClaims{"iss": partner, "sub": partner, "role": "operator", "organisation": []string{"Z99"}, "scope": "system/*.*"})
	for _, method := range []jwt.SigningMethod{jwt.SigningMethodRS384, jwt.SigningMethodRS512} {
		p, err := v.Verify(context.Background(), mint(t, key, method, nil, claims))
		if err != nil {
			t.Fatal(err)
		}
		if p.Client != partner || p.Role != RoleRequester || !p.SpeaksFor("A81001") || !p.SpeaksFor("B82001") || p.SpeaksFor("Z99") || p.Allows("Task", 'r') {
			t.Errorf("the registration does not rule: %+v", p)
		}
	}
	assertion, err := key.signer.Assertion(partner, audience, now)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := v.Verify(context.Background(), assertion); err != nil || p.TokenID == "" || p.Expires.Sub(now) > 5*time.Minute {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	own, rs := parties()[ES384], parties()[RS384]
	es := jwt.SigningMethodES384
	token := mint(t, own, es, nil, good())
	part := strings.Split(token, ".")
	public, err := x509.MarshalPKIXPublicKey(rs.key().Public())
	if err != nil {
		t.Fatal(err)
	}
	hmac := func(secret []byte) string {
		h := jwt.NewWithClaims(jwt.SigningMethodHS256, with(jwt.MapClaims{"iss": partner, "sub": partner}))
		h.Header["kid"] = rs.kid()
		s, _ := h.SignedString(secret)
		return s
	}
	none := jwt.NewWithClaims(jwt.SigningMethodNone, good())
	none.Header["kid"] = own.kid()
	unsigned, _ := none.SignedString(jwt.UnsafeAllowNoneSignatureType)
	claims := func(c jwt.MapClaims) string { return mint(t, own, es, nil, with(c)) }
	header := func(h map[string]any) string { return mint(t, own, es, h, good()) }
	b64 := base64.RawURLEncoding.EncodeToString
	at := func(d time.Duration) int64 { return start.Add(d).Unix() }
	for name, c := range map[string]struct {
		token string
		kind  issue.Type
		rule  string
	}{
		"nothing":                    {"", issue.Login, "token-missing"},
		"garbage":                    {"garbage", issue.Login, "token-malformed"},
		"dots":                       {"..", issue.Login, "token-malformed"},
		"four parts":                 {token + ".x", issue.Login, "token-malformed"},
		"huge":                       {strings.Repeat("a", 1<<20), issue.Login, "token-size"},
		"huge and signed":            {claims(jwt.MapClaims{"x": strings.Repeat("a", 16<<10)}), issue.Login, "token-size"},
		"no signature":               {part[0] + "." + part[1] + ".", issue.Login, "token-signature"},
		"signature with padding":     {token + "=", issue.Login, "token-malformed"},
		"tampered payload":           {part[0] + "." + b64([]byte(strings.Replace(payload(t, part[1]), `"owner"`, `"operator"`, 1))) + "." + part[2], issue.Login, "token-signature"},
		"tampered header":            {b64([]byte(`{"alg":"ES384","typ":"at+jwt","kid":"`+own.kid()+`","x":1}`)) + "." + part[1] + "." + part[2], issue.Login, "token-signature"},
		"none":                       {unsigned, issue.Login, "token-signature"},
		"None":                       {b64([]byte(`{"alg":"None","kid":"x"}`)) + "." + part[1] + ".", issue.Login, "token-algorithm"},
		"HMAC with the public key":   {hmac(public), issue.Login, "token-signature"},
		"HMAC with the JWKS":         {hmac(rs.public), issue.Login, "token-signature"},
		"no kid":                     {header(map[string]any{"kid": nil}), issue.Login, "token-kid"},
		"kid that is a number":       {header(map[string]any{"kid": 1}), issue.Login, "token-kid"},
		"unknown kid":                {header(map[string]any{"kid": "other"}), issue.Unknown, "token-key"},
		"key of another issuer":      {mint(t, rs, jwt.SigningMethodRS384, nil, good()), issue.Unknown, "token-key"},
		"another key, kid as ours":   {mint(t, newParty(t, ES384), es, map[string]any{"kid": own.kid()}, good()), issue.Login, "token-signature"},
		"RS256, which is not listed": {mint(t, rs, jwt.SigningMethodRS256, nil, with(jwt.MapClaims{"iss": partner, "sub": partner})), issue.Login, "token-signature"},
		"PS384":                      {mint(t, rs, jwt.SigningMethodPS384, nil, with(jwt.MapClaims{"iss": partner, "sub": partner})), issue.Login, "token-signature"},
		"alg of another kind":        {b64([]byte(`{"alg":"RS384","typ":"at+jwt","kid":"`+own.kid()+`"}`)) + "." + part[1] + "." + part[2], issue.Unknown, "token-key"},
		"crit":                       {header(map[string]any{"crit": []string{"b64"}, "b64": false}), issue.Login, "token-crit"},
		"another typ":                {header(map[string]any{"typ": "dpop+jwt"}), issue.Login, "token-type"},
		"typ of an assertion":        {header(map[string]any{"typ": "JWT"}), issue.Login, "token-type"},
		"no typ":                     {header(map[string]any{"typ": nil}), issue.Login, "token-type"},
		"typ that is a number":       {header(map[string]any{"typ": 1}), issue.Login, "token-type"},
		"jku that is not registered": {mint(t, rs, jwt.SigningMethodRS384, map[string]any{"jku": "https://gp.example/jwks"}, with(jwt.MapClaims{"iss": partner, "sub": partner})), issue.Login, "token-jku"},
		"jwk and jku in the header":  {header(map[string]any{"kid": "evil", "jku": "https://evil.example/jwks", "jwk": map[string]any{"kty": "EC"}}), issue.Unknown, "token-key"},
		"no issuer":                  {claims(jwt.MapClaims{"iss": nil}), issue.Login, "token-claims"},
		"unknown issuer":             {claims(jwt.MapClaims{"iss": "https://elsewhere.example"}), issue.Unknown, "token-issuer"},
		"no audience":                {claims(jwt.MapClaims{"aud": nil}), issue.Login, "token-claims"},
		"another audience":           {claims(jwt.MapClaims{"aud": "https://elsewhere.example"}), issue.Login, "token-audience"},
		"expired":                    {claims(jwt.MapClaims{"exp": at(-11 * time.Second)}), issue.Expired, "token-expired"},
		"no expiry":                  {claims(jwt.MapClaims{"exp": nil}), issue.Login, "token-claims"},
		"expiry far ahead":           {claims(jwt.MapClaims{"exp": at(48 * time.Hour)}), issue.Login, "token-lifetime"},
		"expiry beyond all time":     {claims(jwt.MapClaims{"exp": 1e300}), issue.Security, ""},
		"expiry that is text":        {claims(jwt.MapClaims{"exp": "tomorrow"}), issue.Login, "token-malformed"},
		"not yet valid":              {claims(jwt.MapClaims{"nbf": at(11 * time.Second)}), issue.Login, "token-early"},
		"issued in the future":       {claims(jwt.MapClaims{"iat": at(11 * time.Second)}), issue.Login, "token-early"},
		"no role":                    {claims(jwt.MapClaims{"role": nil}), issue.Login, "token-claims"},
		"unknown role":               {claims(jwt.MapClaims{"role": "root"}), issue.Login, "token-claims"},
		"nobody":                     {claims(jwt.MapClaims{"sub": nil}), issue.Login, "token-claims"},
		"organisation is an object":  {claims(jwt.MapClaims{"organisation": map[string]any{}}), issue.Login, "token-malformed"},
		"client who is not itself":   {mint(t, rs, jwt.SigningMethodRS384, nil, with(jwt.MapClaims{"iss": partner})), issue.Login, "token-subject"},
	} {
		now := start
		v := newVerifier(t, &now, nil)
		p, err := v.Verify(context.Background(), c.token)
		var e *issue.Error
		if p != nil || !errors.As(err, &e) || !errors.Is(err, c.kind) || c.rule != "" && e.Rule != c.rule {
			t.Errorf("%s: got %v, %v; want %s [%s]", name, p, err, c.kind, c.rule)
			continue
		}
		if e.Diagnostics != "" || e.Cause != nil || e.Details == "" {
			t.Errorf("%s: %+v", name, e)
		}
		if v.cache.get([32]byte{}, now) != nil || len(v.cache.entries) != 0 {
			t.Errorf("%s: a failure was kept", name)
		}
	}
}

func payload(t *testing.T, part string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLeeway(t *testing.T) {
	now := start
	v := newVerifier(t, &now, nil)
	for name, change := range map[string]jwt.MapClaims{
		"expired nine seconds ago":     {"exp": start.Add(-9 * time.Second).Unix()},
		"valid in nine seconds":        {"nbf": start.Add(9 * time.Second).Unix()},
		"issued nine seconds from now": {"iat": start.Add(9 * time.Second).Unix()},
	} {
		if _, err := v.Verify(context.Background(), mint(t, parties()[ES384], jwt.SigningMethodES384, nil, with(change))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCachedTokenExpires(t *testing.T) {
	now := start
	v := newVerifier(t, &now, nil)
	token := mint(t, parties()[ES384], jwt.SigningMethodES384, nil, good())
	first, err := v.Verify(context.Background(), token)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := v.Verify(context.Background(), token); again != first {
		t.Error("the token was verified twice")
	}
	now = start.Add(5*time.Minute + 11*time.Second)
	if _, err := v.Verify(context.Background(), token); !errors.Is(err, issue.Expired) {
		t.Errorf("got %v", err)
	}
}

func TestConfigRefuses(t *testing.T) {
	keys := parties()[ES384].keys
	clock := func() time.Time { return start }
	for name, c := range map[string]Config{
		"no audience":       {Issuers: []Issuer{{Name: us, Keys: keys}}, Now: clock},
		"no issuer":         {Audience: []string{audience}, Now: clock},
		"no clock":          {Audience: []string{audience}, Issuers: []Issuer{{Name: us, Keys: keys}}},
		"long leeway":       {Audience: []string{audience}, Issuers: []Issuer{{Name: us, Keys: keys}}, Now: clock, Leeway: 61 * time.Second},
		"two of one name":   {Audience: []string{audience}, Issuers: []Issuer{{Name: us, Keys: keys}, {Name: us, Keys: keys}}, Now: clock},
		"no keys":           {Audience: []string{audience}, Issuers: []Issuer{{Name: us}}, Now: clock},
		"HMAC":              {Audience: []string{audience}, Issuers: []Issuer{{Name: us, Keys: keys, Algorithms: []Algorithm{"HS256"}}}, Now: clock},
		"none":              {Audience: []string{audience}, Issuers: []Issuer{{Name: us, Keys: keys, Algorithms: []Algorithm{"none"}}}, Now: clock},
		"client of no role": {Audience: []string{audience}, Issuers: []Issuer{{Name: us, Keys: keys, Registration: &Registration{}}}, Now: clock},
	} {
		if _, err := NewVerifier(c); !errors.Is(err, issue.Value) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
