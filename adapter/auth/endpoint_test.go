package auth

import (
	"context"
	"errors"
	"net/url"
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

func TestGrantedScopes(t *testing.T) {
	for _, c := range []struct{ asked, registered, want []string }{
		{[]string{"system/*.cruds"}, []string{"system/*.rs"}, []string{"system/*.rs"}},
		{[]string{"system/Task.r", "system/Task.u"}, []string{"system/*.cruds"}, []string{"system/Task.ru"}},
		{[]string{"system/*.*"}, []string{"system/Task.r", "system/Task.s", "system/Patient.c"}, []string{"system/Patient.c", "system/Task.rs"}},
		{[]string{"system/Task.sr", "user/Task.r", "x"}, []string{"system/*.cruds"}, nil},
		{nil, []string{"system/*.cruds"}, nil},
	} {
		if diff := cmp.Diff(c.want, grant(c.asked, c.registered)); diff != "" {
			t.Errorf("%v of %v: %s", c.asked, c.registered, diff)
		}
	}
}
