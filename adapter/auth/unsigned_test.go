package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/issue"
)

const root = "https://adapter.example/fhir/R4"

func newUnsigned(t testing.TB, leeway time.Duration) *Unsigned {
	t.Helper()
	u, err := NewUnsigned(UnsignedConfig{
		Audience: []string{"https://spine.example/A81001/", root}, Leeway: leeway, Now: func() time.Time { return start },
		Scopes: map[string][]string{
			"patient/*.read": {"system/Patient.rs"}, "patient/*.write": {"system/ServiceRequest.c"},
			"organization/*.read": {"system/HealthcareService.rs"}, "organization/*.write": nil,
		},
		Registered: func(ods string) bool { return ods == "A81001" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

type object = map[string]any

func id(system, value string) object { return object{"system": system, "value": value} }

// direct are the claims of a token of GP Connect that is in order.
func direct() object {
	return object{
		"iss": "https://consumer.example/", "sub": "10019", "aud": root, "iat": start.Unix(), "exp": start.Unix() + 300,
		"reason_for_request": "directcare", "requested_scope": "patient/*.read",
		"requesting_device":       object{"resourceType": "Device", "model": "Consumer", "version": "1.2", "identifier": []any{id("https://consumer.example/Id/local", "d1")}},
		"requesting_organization": object{"resourceType": "Organization", "name": "Practice", "identifier": []any{id("https://fhir.nhs.uk/Id/ods-organization-code", "a81001")}},
		"requesting_practitioner": object{"resourceType": "Practitioner", "id": "10019", "identifier": []any{
			id("https://fhir.nhs.uk/Id/sds-user-id", "111112222233"), id("https://fhir.nhs.uk/Id/sds-role-profile-id", "444455555666"), id("https://consumer.example/Id/user", "abc")}},
	}
}

func b64(v any) string {
	text, ok := v.(string)
	if !ok {
		body, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		text = string(body)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// unsigned is a token of those claims.
func unsigned(claims any) string {
	return b64(object{"alg": "none", "typ": "JWT"}) + "." + b64(claims) + "."
}

func TestAnUnsignedTokenNamesARequesterAndAUser(t *testing.T) {
	p, err := newUnsigned(t, 0).Verify(context.Background(), unsigned(direct()))
	if err != nil {
		t.Fatal(err)
	}
	want := &Principal{Client: "gpconnect:A81001", Organisations: []string{"A81001"}, Role: RoleRequester, Subject: "10019", Scopes: []string{"system/Patient.rs"},
		Expires: start.Add(300 * time.Second).In(time.Local), Issuer: "https://consumer.example/", User: "111112222233", RoleProfile: "444455555666", Software: "Consumer 1.2"}
	if !p.Expires.Equal(want.Expires) {
		t.Errorf("expires %v", p.Expires)
	}
	if want.Expires = p.Expires; !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v", p)
	}
}

// edit changes a copy of the claims in order.
func edit(change func(object)) object {
	c := direct()
	change(c)
	return c
}

func set(claim string, value any) object { return edit(func(c object) { c[claim] = value }) }

func inside(claim, member string, value any) object {
	return edit(func(c object) {
		if c[claim].(object)[member] = value; value == nil {
			delete(c[claim].(object), member)
		}
	})
}

func TestUnsignedTokensThatAreTaken(t *testing.T) {
	practitioner := func(user, profile string) object {
		return inside("requesting_practitioner", "identifier", []any{id("https://fhir.nhs.uk/Id/sds-user-id", user), id("https://fhir.nhs.uk/Id/sds-role-profile-id", profile), id("urn:local", "abc")})
	}
	at := func(seconds int64) object {
		return edit(func(c object) { c["iat"], c["exp"] = start.Unix()+seconds, start.Unix()+seconds+300 })
	}
	for name, c := range map[string]struct {
		claims       object
		user, scopes string
	}{
		"no role profile":                  {practitioner("111112222233", "UNK"), "111112222233", "system/Patient.rs"},
		"no Spine user at all":             {practitioner("UNK", "UNK"), "10019", "system/Patient.rs"},
		"writing":                          {set("requested_scope", "patient/*.write"), "111112222233", "system/ServiceRequest.c"},
		"reading about organisations":      {set("requested_scope", "organization/*.read"), "111112222233", "system/HealthcareService.rs"},
		"writing about organisations":      {set("requested_scope", "organization/*.write"), "111112222233", ""},
		"the root with a slash":            {set("aud", root+"/"), "111112222233", "system/Patient.rs"},
		"another root with a slash":        {set("aud", "https://spine.example/A81001"), "111112222233", "system/Patient.rs"},
		"one of several audiences":         {set("aud", []string{"https://other.example", root}), "111112222233", "system/Patient.rs"},
		"a clock that is 200 s fast":       {at(200), "111112222233", "system/Patient.rs"},
		"a clock that is an hour fast":     {at(3600), "111112222233", "system/Patient.rs"},
		"the last second":                  {at(-299), "111112222233", "system/Patient.rs"},
		"ODS system with a small id":       {inside("requesting_organization", "identifier", []any{id("https://fhir.nhs.uk/id/ods-organization-code", "A81001")}), "111112222233", "system/Patient.rs"},
		"a Device of another FHIR version": {inside("requesting_device", "version", []any{object{"value": "1"}}), "111112222233", "system/Patient.rs"},
		"a claim that nobody reads":        {set("requested_record", object{"resourceType": "Patient"}), "111112222233", "system/Patient.rs"},
	} {
		p, err := newUnsigned(t, 0).Verify(context.Background(), unsigned(c.claims))
		if err != nil || p.User != c.user || strings.Join(p.Scopes, " ") != c.scopes || !p.SpeaksFor("A81001") {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if p, err := newUnsigned(t, 30*time.Second).Verify(context.Background(), unsigned(at(-329))); err != nil {
		t.Errorf("the leeway: %+v, %v", p, err)
	}
}

func TestUnsignedTokensAreRefused(t *testing.T) {
	ids := func(list ...any) []any { return list }
	user, profile, local := id("https://fhir.nhs.uk/Id/sds-user-id", "1"), id("https://fhir.nhs.uk/Id/sds-role-profile-id", "2"), id("urn:local", "3")
	good := unsigned(direct())
	part := strings.Split(good, ".")
	for name, c := range map[string]struct {
		token string
		kind  issue.Type
		rule  string
		names string // the claim that the refusal names
	}{
		"nothing":                    {"", issue.Structure, "jwt-form", ""},
		"no trailing dot":            {strings.TrimSuffix(good, "."), issue.Structure, "jwt-form", ""},
		"two trailing dots":          {good + ".", issue.Structure, "jwt-form", ""},
		"a signature":                {good + "c2lnbmVk", issue.Structure, "jwt-form", ""},
		"no header":                  {"." + part[1] + ".", issue.Structure, "jwt-form", ""},
		"huge":                       {unsigned(set("x", strings.Repeat("a", 16<<10))), issue.Structure, "jwt-form", ""},
		"not base64":                 {`{"alg":"none"}.` + part[1] + ".", issue.Structure, "jwt-base64", "header"},
		"claims not base64":          {part[0] + ".{}.", issue.Structure, "jwt-base64", "claims"},
		"base64 with padding":        {part[0] + "." + base64.URLEncoding.EncodeToString([]byte("{} ")) + "==.", issue.Structure, "jwt-base64", "claims"},
		"base64 of the other kind":   {part[0] + "." + "e30+" + ".", issue.Structure, "jwt-base64", "claims"},
		"bits left over":             {part[0] + "." + "e31" + ".", issue.Structure, "jwt-base64", "claims"},
		"claims that are a list":     {part[0] + "." + b64([]any{}) + ".", issue.Structure, "jwt-json", "claims"},
		"claims that are null":       {part[0] + "." + b64("null") + ".", issue.Structure, "jwt-json", "claims"},
		"claims that are broken":     {part[0] + "." + b64(`{"iss":`) + ".", issue.Structure, "jwt-json", "claims"},
		"signed by header":           {b64(object{"alg": "HS256"}) + "." + part[1] + ".", issue.Value, "jwt-alg", ""},
		"None":                       {b64(object{"alg": "None"}) + "." + part[1] + ".", issue.Value, "jwt-alg", ""},
		"no alg":                     {b64(object{"typ": "JWT"}) + "." + part[1] + ".", issue.Value, "jwt-alg", ""},
		"another typ":                {b64(object{"alg": "none", "typ": "at+jwt"}) + "." + part[1] + ".", issue.Value, "jwt-typ", ""},
		"crit":                       {b64(object{"alg": "none", "crit": []string{"b64"}}) + "." + part[1] + ".", issue.Value, "jwt-crit", ""},
		"299 seconds":                {unsigned(set("exp", start.Unix()+299)), issue.Value, "jwt-claim", "exp"},
		"301 seconds":                {unsigned(set("exp", start.Unix()+301)), issue.Value, "jwt-claim", "exp"},
		"exp before iat":             {unsigned(set("exp", start.Unix()-1)), issue.Value, "jwt-claim", "exp"},
		"exp with a fraction":        {unsigned(set("exp", float64(start.Unix())+300.5)), issue.Value, "jwt-claim", "exp"},
		"exp that is text":           {unsigned(set("exp", "soon")), issue.Value, "jwt-claim", "exp"},
		"times beyond all time":      {unsigned(edit(func(c object) { c["iat"], c["exp"] = int64(1)<<62, int64(1)<<62+300 })), issue.Value, "jwt-claim", "iat"},
		"times below zero":           {unsigned(edit(func(c object) { c["iat"], c["exp"] = -300, 0 })), issue.Value, "jwt-claim", "iat"},
		"600 seconds slow":           {unsigned(edit(func(c object) { c["iat"], c["exp"] = start.Unix()-600, start.Unix()-300 })), issue.Value, "jwt-claim", "exp"},
		"just over":                  {unsigned(edit(func(c object) { c["iat"], c["exp"] = start.Unix()-300, start.Unix() })), issue.Value, "jwt-claim", "exp"},
		"two days fast":              {unsigned(edit(func(c object) { c["iat"], c["exp"] = start.Unix()+172800, start.Unix()+173100 })), issue.Value, "jwt-claim", "iat"},
		"another reason":             {unsigned(set("reason_for_request", "secondaryuses")), issue.Value, "jwt-claim", "reason_for_request"},
		"another scope":              {unsigned(set("requested_scope", "encounter/*.read")), issue.Value, "jwt-claim", "requested_scope"},
		"two scopes":                 {unsigned(set("requested_scope", "patient/*.read patient/*.write")), issue.Value, "jwt-claim", "requested_scope"},
		"another audience":           {unsigned(set("aud", "https://authorize.fhir.nhs.net/token")), issue.Value, "jwt-claim", "aud"},
		"iss that is a number":       {unsigned(set("iss", 5)), issue.Value, "jwt-claim", "iss"},
		"a Patient for a device":     {unsigned(inside("requesting_device", "resourceType", "Patient")), issue.BusinessRule, "jwt-claim", "requesting_device"},
		"an unknown type":            {unsigned(inside("requesting_organization", "resourceType", "InvalidResourceType")), issue.BusinessRule, "jwt-claim", "requesting_organization"},
		"no type":                    {unsigned(inside("requesting_practitioner", "resourceType", nil)), issue.BusinessRule, "jwt-claim", "requesting_practitioner"},
		"a device that is text":      {unsigned(set("requesting_device", "Device")), issue.Value, "jwt-claim", "requesting_device"},
		"identifier that is no list": {unsigned(inside("requesting_organization", "identifier", user)), issue.Value, "jwt-claim", "requesting_organization"},
		"no ODS code":                {unsigned(inside("requesting_organization", "identifier", ids(user))), issue.Required, "jwt-claim", "requesting_organization"},
		"an ODS system of nobody":    {unsigned(inside("requesting_organization", "identifier", ids(id("https://evil.example/Id/ods-organization-code", "A81001")))), issue.Required, "jwt-claim", "requesting_organization"},
		"no identifier":              {unsigned(inside("requesting_organization", "identifier", nil)), issue.Required, "jwt-claim", "requesting_organization"},
		"sub of another":             {unsigned(set("sub", "10020")), issue.Value, "jwt-claim", "requesting_practitioner"},
		"a user without id":          {unsigned(inside("requesting_practitioner", "id", nil)), issue.Value, "jwt-claim", "requesting_practitioner"},
		"no SDS user":                {unsigned(inside("requesting_practitioner", "identifier", ids(profile, local))), issue.Required, "jwt-claim", "requesting_practitioner"},
		"no SDS role profile":        {unsigned(inside("requesting_practitioner", "identifier", ids(user, local))), issue.Required, "jwt-claim", "requesting_practitioner"},
		"no local identifier":        {unsigned(inside("requesting_practitioner", "identifier", ids(user, profile))), issue.Required, "jwt-claim", "requesting_practitioner"},
		"a stranger's organisation":  {unsigned(inside("requesting_organization", "identifier", ids(id("https://fhir.nhs.uk/Id/ods-organization-code", "X26")))), issue.Forbidden, "jwt-organisation", "requesting_organization"},
	} {
		p, err := newUnsigned(t, 0).Verify(context.Background(), c.token)
		var e *issue.Error
		if p != nil || !errors.As(err, &e) || e.Type != c.kind || e.Rule != c.rule || !strings.Contains(e.Details, c.names) || e.Diagnostics != "" {
			t.Errorf("%s: %+v, %v; want %s [%s] %s", name, p, err, c.kind, c.rule, c.names)
		}
	}
}

func TestEveryClaimOfAnUnsignedTokenIsRequired(t *testing.T) {
	for claim := range direct() {
		for name, claims := range map[string]object{"missing": edit(func(c object) { delete(c, claim) }), "null": set(claim, nil), "empty": set(claim, "")} {
			_, err := newUnsigned(t, 0).Verify(context.Background(), unsigned(claims))
			first := issue.All(err)
			if len(first) == 0 || first[0].Type != issue.Required || !strings.Contains(first[0].Details, "the claim "+claim+" is missing") {
				t.Errorf("%s %s: %v", claim, name, err)
			}
		}
	}
	_, err := newUnsigned(t, 0).Verify(context.Background(), unsigned(object{}))
	if got := len(issue.All(err)); got != len(direct()) {
		t.Errorf("%d faults of a token without claims: %v", got, err)
	}
}

func TestUnsignedTokensNeedAConfiguration(t *testing.T) {
	full := newUnsigned(t, 0).c
	for name, change := range map[string]func(*UnsignedConfig){
		"audience": func(c *UnsignedConfig) { c.Audience = nil }, "scopes": func(c *UnsignedConfig) { c.Scopes = nil },
		"partners": func(c *UnsignedConfig) { c.Registered = nil }, "clock": func(c *UnsignedConfig) { c.Now = nil },
		"leeway": func(c *UnsignedConfig) { c.Leeway = 61 * time.Second },
	} {
		c := full
		change(&c)
		if _, err := NewUnsigned(c); !errors.Is(err, issue.Value) {
			t.Errorf("%s: %v", name, err)
		}
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := newUnsigned(t, 0).Verify(gone, unsigned(direct())); !errors.Is(err, issue.Timeout) {
		t.Errorf("a caller who has gone: %v", err)
	}
}

func FuzzUnsigned(f *testing.F) {
	f.Add("none", string(mustClaims(direct())), "")
	f.Add("None", "{}", "x")
	f.Add("none", `{"iss":null,"requesting_device":{"resourceType":"Device","identifier":[null]}}`, "")
	f.Fuzz(func(t *testing.T, alg, claims, signature string) {
		token := b64(object{"alg": alg}) + "." + b64(claims) + "." + signature
		p, err := newUnsigned(t, 0).Verify(context.Background(), token)
		if (p == nil) == (err == nil) {
			t.Fatal("neither or both of principal and error")
		}
		if err == nil && (alg != "none" || signature != "" || p.Role != RoleRequester || !reflect.DeepEqual(p.Organisations, []string{"A81001"}) || p.User == "" || p.Client != "gpconnect:A81001" ||
			p.Expires.Before(start) || p.Expires.After(start.Add(maxAhead+300*time.Second))) {
			t.Fatalf("%+v", p)
		}
		for _, e := range issue.All(err) {
			if e.Type == issue.Exception || e.Details == "" || e.Diagnostics != "" {
				t.Fatalf("%+v", e)
			}
		}
	})
}

func mustClaims(c object) []byte {
	body, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return body
}
