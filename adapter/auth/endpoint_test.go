package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"spadapter/adapter/issue"
)

const tokenURL = "https://adapter.example.org/oauth2/token"

func newEndpoint(t *testing.T, now *time.Time) *Endpoint {
	t.Helper()
	used := map[string]bool{}
	e, err := NewEndpoint(EndpointConfig{
		URL: tokenURL, Issuer: us, Audience: audience, Signer: parties()[ES384].signer, Now: func() time.Time { return *now },
		Clients: []Issuer{{Name: partner, Keys: parties()[RS384].keys, Registration: &Registration{
			Organisations: []string{"A81001"}, Role: RoleRequester, Scopes: []string{"system/ServiceRequest.cruds", "system/Task.rs"}}}},
		Once: func(_ context.Context, client, jti string, until time.Time) (bool, error) {
			if !until.After(*now) {
				t.Errorf("the jti is to be kept until %v", until)
			}
			fresh := !used[client+" "+jti]
			used[client+" "+jti] = true
			return fresh, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEndpointGrants(t *testing.T) {
	now := start
	e := newEndpoint(t, &now)
	assertion, err := parties()[RS384].signer.Assertion(partner, tokenURL, now)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"grant_type": {clientCredents}, "client_assertion_type": {clientAssert}, "client_assertion": {assertion},
		"scope": {"system/ServiceRequest.c system/*.read system/Patient.r"}}
	g, err := e.Grant(context.Background(), form)
	if err != nil {
		t.Fatal(err)
	}
	if g.TokenType != "bearer" || g.ExpiresIn != 300 || g.Scope != "system/ServiceRequest.crs system/Task.rs" {
		t.Errorf("got %+v", g)
	}
	p, err := newVerifier(t, &now, nil).Verify(context.Background(), g.AccessToken)
	if err != nil || p.Client != partner || p.Role != RoleRequester || !p.SpeaksFor("A81001") || !p.Allows("ServiceRequest", 'c') || p.Allows("ServiceRequest", 'd') {
		t.Errorf("got %+v, %v", p, err)
	}
	if _, err := e.Grant(context.Background(), form); !errors.Is(err, issue.Login) {
		t.Errorf("the assertion counted twice: %v", err)
	}
}

func TestEndpointRefuses(t *testing.T) {
	now := start
	rs := parties()[RS384]
	assert := func(c jwt.MapClaims) string {
		base := jwt.MapClaims{"iss": partner, "sub": partner, "aud": tokenURL, "role": nil, "organisation": nil, "scope": nil}
		for k, v := range c {
			base[k] = v
		}
		return mint(t, rs, jwt.SigningMethodRS384, nil, with(base))
	}
	plain := jwt.MapClaims{"iss": partner, "sub": partner, "aud": tokenURL, "exp": start.Add(time.Minute).Unix(), "jti": "j"}
	header := func(name string, value any) string {
		return mint(t, rs, jwt.SigningMethodRS384, map[string]any{name: value}, plain)
	}
	forge := func(method jwt.SigningMethod, key any) string {
		token := jwt.NewWithClaims(method, plain)
		token.Header["kid"] = rs.kid()
		s, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	symmetric, unsigned := forge(jwt.SigningMethodHS256, rs.public), forge(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType)
	for name, c := range map[string]struct {
		change url.Values
		rule   string
		kind   issue.Type
	}{
		"no grant type":    {url.Values{"grant_type": nil}, "invalid_request", issue.Invalid},
		"other grant type": {url.Values{"grant_type": {"password"}}, "unsupported_grant_type", issue.NotSupported},
		"other assertion":  {url.Values{"client_assertion_type": {"x"}}, "invalid_request", issue.Invalid},
		"no assertion":     {url.Values{"client_assertion": nil}, "invalid_request", issue.Invalid},
		"no scope":         {url.Values{"scope": {" "}}, "invalid_request", issue.Invalid},
		"scope twice":      {url.Values{"scope": {"a", "b"}}, "invalid_request", issue.Invalid},
		"wrong JWT":        {url.Values{"client_assertion": {"x.y.z"}}, "invalid_client", issue.Login},
		"other audience":   {url.Values{"client_assertion": {assert(jwt.MapClaims{"aud": audience})}}, "invalid_client", issue.Login},
		"expired":          {url.Values{"client_assertion": {assert(jwt.MapClaims{"exp": start.Add(-time.Minute).Unix()})}}, "invalid_client", issue.Expired},
		"too long":         {url.Values{"client_assertion": {assert(jwt.MapClaims{"exp": start.Add(6 * time.Minute).Unix()})}}, "invalid_client", issue.Login},
		"no jti":           {url.Values{"client_assertion": {assert(jwt.MapClaims{"jti": nil})}}, "invalid_client", issue.Login},
		"unknown client":   {url.Values{"client_assertion": {assert(jwt.MapClaims{"iss": "x", "sub": "x"})}}, "invalid_client", issue.Unknown},
		"another client":   {url.Values{"client_id": {"x"}}, "invalid_client", issue.Login},
		"client secret":    {url.Values{"client_secret": {"x"}}, "invalid_request", issue.Invalid},
		"in the future":    {url.Values{"client_assertion": {assert(jwt.MapClaims{"nbf": start.Add(time.Minute).Unix()})}}, "invalid_client", issue.Login},
		"issued later":     {url.Values{"client_assertion": {assert(jwt.MapClaims{"iat": start.Add(time.Minute).Unix()})}}, "invalid_client", issue.Login},
		"iss is not sub":   {url.Values{"client_assertion": {assert(jwt.MapClaims{"sub": "x"})}}, "invalid_client", issue.Login},
		"no sub":           {url.Values{"client_assertion": {assert(jwt.MapClaims{"sub": nil})}}, "invalid_client", issue.Login},
		"no aud":           {url.Values{"client_assertion": {assert(jwt.MapClaims{"aud": nil})}}, "invalid_client", issue.Login},
		"no exp":           {url.Values{"client_assertion": {assert(jwt.MapClaims{"exp": nil})}}, "invalid_client", issue.Login},
		"access token":     {url.Values{"client_assertion": {header("typ", "at+jwt")}}, "invalid_client", issue.Login},
		"unknown kid":      {url.Values{"client_assertion": {header("kid", "x")}}, "invalid_client", issue.Unknown},
		"no kid":           {url.Values{"client_assertion": {header("kid", nil)}}, "invalid_client", issue.Login},
		"unregistered jku": {url.Values{"client_assertion": {header("jku", "https://evil.example/jwks")}}, "invalid_client", issue.Login},
		"RS256":            {url.Values{"client_assertion": {mint(t, rs, jwt.SigningMethodRS256, nil, plain)}}, "invalid_client", issue.Login},
		"PS384":            {url.Values{"client_assertion": {mint(t, rs, jwt.SigningMethodPS384, nil, plain)}}, "invalid_client", issue.Login},
		"HMAC":             {url.Values{"client_assertion": {symmetric}}, "invalid_client", issue.Login},
		"none":             {url.Values{"client_assertion": {unsigned}}, "invalid_client", issue.Login},
		"too many scopes":  {url.Values{"scope": {strings.Repeat("system/Task.r ", 101)}}, "invalid_scope", issue.Forbidden},
		"foreign scope":    {url.Values{"scope": {"system/Patient.r"}}, "invalid_scope", issue.Forbidden},
		"no scope at all":  {url.Values{"scope": {"openid"}}, "invalid_scope", issue.Forbidden},
	} {
		form := url.Values{"grant_type": {clientCredents}, "client_assertion_type": {clientAssert}, "client_assertion": {assert(nil)}, "scope": {"system/Task.r"}}
		for k, v := range c.change {
			form[k] = v
		}
		g, err := newEndpoint(t, &now).Grant(context.Background(), form)
		var e *issue.Error
		if g != nil || !errors.As(err, &e) || e.Rule != c.rule || !errors.Is(err, c.kind) {
			t.Errorf("%s: got %v, %v", name, g, err)
		}
	}
}

// What a client may sign with, by default and by registration, and where its keys are.
func TestEndpointAlgorithms(t *testing.T) {
	now := start
	for _, c := range []struct {
		method     jwt.SigningMethod
		key        Algorithm
		registered []Algorithm
		want       bool
	}{
		{jwt.SigningMethodRS384, RS384, nil, true}, {jwt.SigningMethodRS512, RS384, nil, true}, {jwt.SigningMethodES384, ES384, nil, true},
		{jwt.SigningMethodES256, ES256, nil, false}, {jwt.SigningMethodES256, ES256, []Algorithm{ES256}, true}, {jwt.SigningMethodEdDSA, EdDSA, nil, false},
		{jwt.SigningMethodRS384, RS384, []Algorithm{ES384}, false}, {jwt.SigningMethodRS256, RS384, nil, false},
	} {
		e := newEndpoint(t, &now)
		clients := []Issuer{{Name: partner, Keys: parties()[c.key].keys, Algorithms: c.registered, Registration: &Registration{Role: RoleOwner, Scopes: []string{"system/*.r"}}}}
		e.config.Clients = clients
		e, err := NewEndpoint(e.config)
		if err != nil {
			t.Fatal(err)
		}
		assertion := mint(t, parties()[c.key], c.method, nil, jwt.MapClaims{"iss": partner, "sub": partner, "aud": tokenURL, "exp": start.Add(5 * time.Minute).Unix(), "jti": "j"})
		g, err := e.Grant(context.Background(), requestOf(assertion))
		if c.want != (err == nil) || !c.want && !errors.Is(err, issue.Login) {
			t.Errorf("%s, registered with %v: %v, %v", c.method.Alg(), c.registered, g, err)
		}
	}
}

// requestOf is the form of a token request.
func requestOf(assertion string) url.Values {
	return url.Values{"grant_type": {clientCredents}, "client_assertion_type": {clientAssert}, "client_assertion": {assertion}, "scope": {"system/Task.r"}}
}

// The keys of a client come from where it publishes them; an outage there is no refusal.
func TestEndpointWithPublishedKeys(t *testing.T) {
	p := newPublisher(t)
	e := newEndpoint(t, &p.now)
	e.config.Clients[0].Keys = p.keys
	e, err := NewEndpoint(e.config)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ask := func(jku any) error {
		n++
		_, err := e.Grant(context.Background(), requestOf(mint(t, parties()[RS384], jwt.SigningMethodRS384, map[string]any{"jku": jku},
			jwt.MapClaims{"iss": partner, "sub": partner, "aud": tokenURL, "exp": p.now.Add(time.Minute).Unix(), "jti": fmt.Sprint(n)})))
		return err
	}
	p.answers(http.NotFound)
	var own *issue.Error
	if err := ask(nil); !errors.Is(err, issue.Transient) || !errors.As(err, &own) || own.Rule == "invalid_client" {
		t.Errorf("an outage: %v", err)
	}
	p.serves("", parties()[RS384].public)
	p.now = p.now.Add(fetchEvery)
	for jku, want := range map[any]bool{nil: true, p.server.URL + "/jwks.json": true, p.server.URL + "/other.json": false, "": false, 1: false} {
		if err := ask(jku); want != (err == nil) {
			t.Errorf("jku %v: %v", jku, err)
		}
	}
}

// An assertion is spent by being presented, whatever comes of the rest of the request.
func TestAssertionIsSpentByAWrongScope(t *testing.T) {
	now := start
	e := newEndpoint(t, &now)
	assertion, err := parties()[RS384].signer.Assertion(partner, tokenURL, now)
	if err != nil {
		t.Fatal(err)
	}
	form := requestOf(assertion)
	form.Set("scope", "system/Patient.r")
	if _, err := e.Grant(context.Background(), form); !errors.Is(err, issue.Forbidden) {
		t.Fatal(err)
	}
	if _, err := e.Grant(context.Background(), requestOf(assertion)); !errors.Is(err, issue.Login) {
		t.Errorf("it counted again: %v", err)
	}
	e.config.Once = func(context.Context, string, string, time.Time) (bool, error) {
		return false, issue.New(issue.NoStore, "", "no store")
	}
	if assertion, err = parties()[RS384].signer.Assertion(partner, tokenURL, now); err != nil {
		t.Fatal(err)
	}
	if g, err := e.Grant(context.Background(), requestOf(assertion)); g != nil || !errors.Is(err, issue.NoStore) {
		t.Errorf("without a store: %v, %v", g, err)
	}
	e.config.Clients = nil
	none, err := NewEndpoint(e.config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := none.Grant(context.Background(), requestOf(assertion)); !errors.Is(err, issue.Unknown) {
		t.Errorf("without clients: %v", err)
	}
}

func TestGrantedScopes(t *testing.T) {
	for _, c := range []struct{ asked, registered, want []string }{
		{[]string{"system/*.cruds"}, []string{"system/*.rs"}, []string{"system/*.rs"}},
		{[]string{"system/Task.r", "system/Task.u"}, []string{"system/*.cruds"}, []string{"system/Task.ru"}},
		{[]string{"system/*.*"}, []string{"system/Task.r", "system/Task.s", "system/Patient.c"}, []string{"system/Patient.c", "system/Task.rs"}},
		{[]string{"system/Task.sr", "user/Task.r", "x"}, []string{"system/*.cruds"}, nil},
		{nil, []string{"system/*.cruds"}, nil},
		{[]string{"system/a b.r", `system/".r`, "system/.r", "system/Task.r?code=x", "system/" + strings.Repeat("a", 65) + ".r"}, []string{"system/*.cruds"}, nil},
	} {
		if diff := cmp.Diff(c.want, grant(c.asked, c.registered)); diff != "" {
			t.Errorf("%v of %v: %s", c.asked, c.registered, diff)
		}
	}
}
