package auth

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"spadapter/adapter/issue"
)

const (
	platform = "https://platform.example/oauth2"
	cis2     = "https://cis2.example/openam"
	gp       = "S8000:G8000:R8000"
	worker   = "R8016"
)

// outside is a Verifier that trusts a platform (RS512) and NHS CIS2 (RS384), besides us.
func outside(t testing.TB, change func(*Config)) *Verifier {
	now := start
	return newVerifier(t, &now, func(c *Config) {
		c.Issuers = []Issuer{
			{Name: us, Keys: parties()[ES384].keys},
			{Name: platform, Keys: parties()[RS384].keys, Algorithms: []Algorithm{RS512}, AnyType: true, Audience: []string{"https://platform.example/adapter"}, Clients: &Clients{
				Claim:      "client_id",
				Registered: map[string]Registration{"gp-system": {Organisations: []string{"a81001"}, Role: RoleRequester, Scopes: []string{"system/ServiceRequest.c"}}},
			}},
			{Name: cis2, Keys: parties()[RS384].keys, Algorithms: []Algorithm{RS384}, AnyType: true, CIS2: &CIS2{
				Roles: map[string]Permission{
					gp:     {Role: RoleRequester, Scopes: []string{"system/ServiceRequest.cruds"}},
					worker: {Role: RoleOwner, Scopes: []string{"system/Task.rus"}},
				},
				Identity: 3, Authentication: 2, Registered: func(ods string) bool { return ods == "A81001" || ods == "LW001" },
			}},
		}
		if change != nil {
			change(c)
		}
	})
}

// application are the claims of a token of the platform; person those of a user.
func application() jwt.MapClaims {
	return jwt.MapClaims{"iss": platform, "sub": "app-1", "client_id": "gp-system", "aud": "https://platform.example/adapter",
		"exp": start.Unix() + 300, "role": "operator", "organisation": []string{"Z99"}, "scope": "system/*.cruds"}
}

func person() jwt.MapClaims {
	return jwt.MapClaims{"iss": cis2, "sub": "555000000001", "azp": "tool-1", "aud": audience, "exp": start.Unix() + 300,
		"nhsid_useruid": "555000000001", "selected_roleid": "900000000002",
		"id_assurance_level": "3", "idassurancelevel": "3", "authentication_assurance_level": 2,
		"role": "operator", "organisation": []string{"Z99"}, "scope": "system/*.cruds",
		"nhsid_nrbac_roles": []any{
			map[string]any{"person_orgid": "1", "person_roleid": "900000000001", "org_code": "A81001", "role_name": `"Clinical":"GP"`, "role_code": gp, "activity_codes": []string{"B0825"}},
			map[string]any{"person_orgid": "2", "person_roleid": "900000000002", "org_code": "lw001", "role_name": `"Admin":"Link worker"`, "role_code": "S8001:G8003:R8016"},
		}}
}

// changed replaces claims; nil takes one away.
func changed(claims jwt.MapClaims, pairs ...any) jwt.MapClaims {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(claims, pairs[i].(string))
			continue
		}
		claims[pairs[i].(string)] = pairs[i+1]
	}
	return claims
}

func TestAClientOfAPlatformIsWhatItWasRegisteredAs(t *testing.T) {
	token := mint(t, parties()[RS384], jwt.SigningMethodRS512, nil, application())
	p, err := outside(t, nil).Verify(context.Background(), token)
	if err != nil {
		t.Fatal(err)
	}
	want := &Principal{Client: "gp-system", Organisations: []string{"A81001"}, Role: RoleRequester, Subject: "app-1", Scopes: []string{"system/ServiceRequest.c"}, Expires: p.Expires, Issuer: platform}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v", p)
	}
	for claim, pairs := range map[string][]any{"sub": {"sub", "gp-system", "client_id", nil}, "azp": {"azp", "gp-system", "client_id", "other"}} {
		v := outside(t, func(c *Config) { c.Issuers[1].Clients.Claim = claim })
		if p, err := v.Verify(context.Background(), mint(t, parties()[RS384], jwt.SigningMethodRS512, nil, changed(application(), pairs...))); err != nil || p.Client != "gp-system" {
			t.Errorf("%s: %+v, %v", claim, p, err)
		}
	}
}

func TestAUserIsWhatTheSelectedRoleIs(t *testing.T) {
	for name, c := range map[string]struct {
		claims jwt.MapClaims
		want   Principal
	}{
		"the selected role, by its job role": {person(), Principal{Client: "tool-1", Organisations: []string{"LW001"}, Role: RoleOwner, Scopes: []string{"system/Task.rus"}, UserRole: "S8001:G8003:R8016", RoleProfile: "900000000002"}},
		"the other role, by its whole code": {changed(person(), "selected_roleid", "900000000001"),
			Principal{Client: "tool-1", Organisations: []string{"A81001"}, Role: RoleRequester, Scopes: []string{"system/ServiceRequest.cruds"}, UserRole: gp, RoleProfile: "900000000001"}},
		"the only role": {changed(person(), "selected_roleid", nil, "nhsid_nrbac_roles", person()["nhsid_nrbac_roles"].([]any)[:1], "azp", nil),
			Principal{Client: cis2, Organisations: []string{"A81001"}, Role: RoleRequester, Scopes: []string{"system/ServiceRequest.cruds"}, UserRole: gp, RoleProfile: "900000000001"}},
		"one level of identity said": {changed(person(), "idassurancelevel", nil, "id_assurance_level", 3, "client_id", "tool-2"),
			Principal{Client: "tool-2", Organisations: []string{"LW001"}, Role: RoleOwner, Scopes: []string{"system/Task.rus"}, UserRole: "S8001:G8003:R8016", RoleProfile: "900000000002"}},
	} {
		p, err := outside(t, nil).Verify(context.Background(), mint(t, parties()[RS384], jwt.SigningMethodRS384, nil, c.claims))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c.want.Subject, c.want.User, c.want.Issuer, c.want.Expires = "555000000001", "555000000001", cis2, p.Expires
		if !reflect.DeepEqual(*p, c.want) {
			t.Errorf("%s: got %+v, want %+v", name, *p, c.want)
		}
	}
}

func TestOutsideIssuersAreRefused(t *testing.T) {
	rs := parties()[RS384]
	role := func(change ...any) []any {
		return []any{map[string]any(changed(jwt.MapClaims{"person_roleid": "900000000002", "org_code": "LW001", "role_code": worker}, change...))}
	}
	twice := append(role(), role()...)
	for name, c := range map[string]struct {
		claims jwt.MapClaims
		method jwt.SigningMethod
		kind   issue.Type
		rule   string
	}{
		"an algorithm of another issuer":           {application(), jwt.SigningMethodRS384, issue.Login, "token-algorithm"},
		"an algorithm of another issuer, again":    {person(), jwt.SigningMethodRS512, issue.Login, "token-algorithm"},
		"the audience of another issuer":           {changed(application(), "aud", audience), jwt.SigningMethodRS512, issue.Login, "token-audience"},
		"the audience of another issuer, again":    {changed(person(), "aud", "https://platform.example/adapter"), jwt.SigningMethodRS384, issue.Login, "token-audience"},
		"a client nobody registered":               {changed(application(), "client_id", "stranger"), jwt.SigningMethodRS512, issue.Unknown, "token-client"},
		"no client":                                {changed(application(), "client_id", nil), jwt.SigningMethodRS512, issue.Login, "token-claims"},
		"no user":                                  {changed(person(), "nhsid_useruid", nil), jwt.SigningMethodRS384, issue.Login, "token-user"},
		"a user that is a number":                  {changed(person(), "nhsid_useruid", 5), jwt.SigningMethodRS384, issue.Login, "token-user"},
		"several roles, none selected":             {changed(person(), "selected_roleid", nil), jwt.SigningMethodRS384, issue.Login, "token-selected"},
		"a role selected that the user has not":    {changed(person(), "selected_roleid", "900000000009"), jwt.SigningMethodRS384, issue.Login, "token-selected"},
		"the only role is not the selected one":    {changed(person(), "selected_roleid", "9", "nhsid_nrbac_roles", role()), jwt.SigningMethodRS384, issue.Login, "token-selected"},
		"an empty selection":                       {changed(person(), "selected_roleid", ""), jwt.SigningMethodRS384, issue.Login, "token-selected"},
		"the same role twice":                      {changed(person(), "nhsid_nrbac_roles", twice), jwt.SigningMethodRS384, issue.Login, "token-selected"},
		"no roles":                                 {changed(person(), "nhsid_nrbac_roles", nil), jwt.SigningMethodRS384, issue.Login, "token-roles"},
		"an empty list of roles":                   {changed(person(), "nhsid_nrbac_roles", []any{}), jwt.SigningMethodRS384, issue.Login, "token-roles"},
		"roles that are text":                      {changed(person(), "nhsid_nrbac_roles", "R8016"), jwt.SigningMethodRS384, issue.Login, "token-roles"},
		"a role without organisation":              {changed(person(), "nhsid_nrbac_roles", role("org_code", nil)), jwt.SigningMethodRS384, issue.Login, "token-roles"},
		"a role that the table does not have":      {changed(person(), "nhsid_nrbac_roles", role("role_code", "S8001:G8003:R0001")), jwt.SigningMethodRS384, issue.Forbidden, "token-role"},
		"a whole code is not found by its first":   {changed(person(), "nhsid_nrbac_roles", role("role_code", "R8016:G8003:R0001")), jwt.SigningMethodRS384, issue.Forbidden, "token-role"},
		"an organisation that is no partner":       {changed(person(), "nhsid_nrbac_roles", role("org_code", "X26")), jwt.SigningMethodRS384, issue.Forbidden, "token-organisation"},
		"identity below the level":                 {changed(person(), "id_assurance_level", "2"), jwt.SigningMethodRS384, issue.Forbidden, "token-assurance"},
		"identity below the level, the other name": {changed(person(), "idassurancelevel", "2"), jwt.SigningMethodRS384, issue.Forbidden, "token-assurance"},
		"no level of identity":                     {changed(person(), "id_assurance_level", nil, "idassurancelevel", nil), jwt.SigningMethodRS384, issue.Forbidden, "token-assurance"},
		"authentication below the level":           {changed(person(), "authentication_assurance_level", "1"), jwt.SigningMethodRS384, issue.Forbidden, "token-assurance"},
		"a level that is none":                     {changed(person(), "authentication_assurance_level", "high"), jwt.SigningMethodRS384, issue.Forbidden, "token-assurance"},
		"bound to a key":                           {changed(application(), "cnf", map[string]any{"jkt": "x"}), jwt.SigningMethodRS512, issue.Login, "token-confirmation"},
		"bound to a certificate and a key":         {changed(application(), "cnf", map[string]any{"x5t#S256": strings.Repeat("A", 43), "jkt": "x"}), jwt.SigningMethodRS512, issue.Login, "token-confirmation"},
		"a thumbprint that is none":                {changed(application(), "cnf", map[string]any{"x5t#S256": "short"}), jwt.SigningMethodRS512, issue.Login, "token-confirmation"},
		"cnf that is text":                         {changed(application(), "cnf", "x"), jwt.SigningMethodRS512, issue.Login, "token-confirmation"},
	} {
		v := outside(t, nil)
		p, err := v.Verify(context.Background(), mint(t, rs, c.method, nil, c.claims))
		var e *issue.Error
		if p != nil || !errors.As(err, &e) || e.Type != c.kind || e.Rule != c.rule {
			t.Errorf("%s: %+v, %v; want %s [%s]", name, p, err, c.kind, c.rule)
			continue
		}
		if e.Diagnostics != "" || len(v.cache.entries) != 0 {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestATokenSaysWhichCertificateItIsBoundTo(t *testing.T) {
	sum := strings.Repeat("A", 43)
	p, err := outside(t, nil).Verify(context.Background(), mint(t, parties()[ES384], jwt.SigningMethodES384, nil, with(jwt.MapClaims{"cnf": map[string]any{"x5t#S256": sum}})))
	if err != nil || p.Certificate != sum {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestOutsideIssuersThatCannotBeTrusted(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"two kinds at once":       func(c *Config) { c.Issuers[1].CIS2 = c.Issuers[2].CIS2 },
		"a claim nobody knows":    func(c *Config) { c.Issuers[1].Clients.Claim = "jti" },
		"a client of no role":     func(c *Config) { c.Issuers[1].Clients.Registered["x"] = Registration{} },
		"no table of roles":       func(c *Config) { c.Issuers[2].CIS2.Roles = nil },
		"a role code of no role":  func(c *Config) { c.Issuers[2].CIS2.Roles["R1"] = Permission{} },
		"a level that is not":     func(c *Config) { c.Issuers[2].CIS2.Identity = 4 },
		"nobody says who is here": func(c *Config) { c.Issuers[2].CIS2.Registered = nil },
		"an empty audience":       func(c *Config) { c.Issuers[1].Audience = []string{""} },
	} {
		outside(t, func(c *Config) {
			change(c)
			if _, err := NewVerifier(*c); !errors.Is(err, issue.Value) {
				t.Errorf("%s: %v", name, err)
			}
			*c = Config{Audience: c.Audience, Issuers: c.Issuers[:1], Now: c.Now}
		})
	}
}

func TestActing(t *testing.T) {
	both := &Principal{Client: "c", Organisations: []string{"A1", "B1"}}
	if one := both.Acting("b1"); !one.SpeaksFor("B1") || one.SpeaksFor("A1") || one.Client != "c" || len(both.Organisations) != 2 {
		t.Errorf("%+v of %+v", one, both)
	}
}
