package main

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
)

// outsider is an issuer that is not ours, with a key of its own.
type outsider struct{ key *rsa.PrivateKey }

// platformKey and cis2Key are made once: an RSA key takes a while.
var platformKey, cis2Key = sync.OnceValue(newOutsider), sync.OnceValue(newOutsider)

func newOutsider() *outsider {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return &outsider{key}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (e *outsider) jwks() string {
	return fmt.Sprintf(`{"keys":[{"kty":"RSA","kid":"k1","use":"sig","n":%q,"e":%q}]}`, b64(e.key.N.Bytes()), b64(big.NewInt(int64(e.key.E)).Bytes()))
}

// sign makes a token with any claims.
func (e *outsider) sign(alg string, claims map[string]any) string {
	text := b64(mustJSON(map[string]any{"alg": alg, "typ": "JWT", "kid": "k1"})) + "." + b64(mustJSON(claims))
	hash, sum := crypto.SHA512, sha512.Sum512([]byte(text))
	digest := sum[:]
	if alg == "RS256" {
		sum := sha256.Sum256([]byte(text))
		hash, digest = crypto.SHA256, sum[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, e.key, hash, digest)
	if err != nil {
		panic(err)
	}
	return text + "." + b64(signature)
}

const platformName, cis2Name = "https://platform.example/oauth2", "https://cis2.example/openam"

// outside configures a platform, whose keys are fetched, and NHS CIS2, whose keys are in
// the file. It gives how often the keys were fetched.
func (w *world) outside() *atomic.Int32 {
	w.t.Helper()
	fetched := &atomic.Int32{}
	keys := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprint(rw, platformKey().jwks())
	}))
	w.t.Cleanup(keys.Close)
	w.config.Issuers = filepath.Join(w.dir, "issuers.json")
	w.write(w.config.Issuers, fmt.Sprintf(`{"issuers":[
		{"issuer":%q,"kind":"client","jwks_url":%q,"networks":["127.0.0.0/8"],"algorithms":["RS512"],"audience":["https://platform.example/adapter"]},
		{"issuer":%q,"kind":"cis2","jwks":%s,"algorithms":["RS256"],"audience":[%q],
		 "roles":{"S8000:G8000:R8000":{"role":"requester","scopes":["system/*.cruds"]},"R8016":{"role":"owner","scopes":["system/Task.rus"]}}}]}`,
		platformName, keys.URL, cis2Name, cis2Key().jwks(), publicURL))
	w.registerKeyless("gp-system-1", "requester", practiceA)
	return fetched
}

func (w *world) write(file, text string) {
	w.t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// registerKeyless adds a client without keys of its own to the partners.
func (w *world) registerKeyless(id, role string, organisations ...string) {
	w.t.Helper()
	body, err := os.ReadFile(w.config.Partners)
	if err != nil {
		w.t.Fatal(err)
	}
	extensions := []string{fmt.Sprintf(`{"url":"https://spadapter.example/fhir/StructureDefinition/client-role","valueCode":%q}`, role),
		`{"url":"https://spadapter.example/fhir/StructureDefinition/client-scope","valueString":"system/*.cruds"}`}
	for _, ods := range organisations {
		extensions = append(extensions, fmt.Sprintf(`{"url":"https://spadapter.example/fhir/StructureDefinition/client-organization","valueReference":{"identifier":{"system":%q,"value":%q}}}`, referral.SystemODS, ods))
	}
	device := fmt.Sprintf(`{"resource":{"resourceType":"Device","identifier":[{"system":"https://spadapter.example/fhir/Id/client","value":%q}],"extension":[%s]}},`, id, strings.Join(extensions, ","))
	w.write(w.config.Partners, strings.Replace(string(body), `"entry":[`, `"entry":[`+device, 1))
}

// application are the claims that the platform makes for a client; person those that NHS
// CIS2 makes for a user with two roles.
func application(client string, change ...any) map[string]any {
	return altered(map[string]any{"iss": platformName, "sub": "app", "client_id": client, "aud": "https://platform.example/adapter", "exp": time.Now().Add(5 * time.Minute).Unix(),
		"role": "operator", "organisation": []string{practiceB}, "scope": "system/*.cruds"}, change)
}

func person(selected string, change ...any) map[string]any {
	return altered(map[string]any{"iss": cis2Name, "sub": "555032000001", "azp": "tool-1", "aud": publicURL, "exp": time.Now().Add(5 * time.Minute).Unix(),
		"nhsid_useruid": "555032000001", "selected_roleid": selected, "id_assurance_level": "3", "authentication_assurance_level": "3",
		"nhsid_nrbac_roles": []any{
			map[string]any{"person_orgid": "1", "person_roleid": "900100000001", "org_code": practiceA, "role_name": "GP", "role_code": "S8000:G8000:R8000", "activity_codes": []string{"B0825"}},
			map[string]any{"person_orgid": "2", "person_roleid": "900100000002", "org_code": service1, "role_name": "Link worker", "role_code": "S8001:G8003:R8016"},
			map[string]any{"person_orgid": "3", "person_roleid": "900100000003", "org_code": "X9X9X", "role_name": "GP", "role_code": "S8000:G8000:R8000"},
			map[string]any{"person_orgid": "4", "person_roleid": "900100000004", "org_code": practiceA, "role_name": "Porter", "role_code": "S8002:G8004:R9999"},
		}}, change)
}

func altered(claims map[string]any, pairs []any) map[string]any {
	for i := 0; i < len(pairs); i += 2 {
		if claims[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
			delete(claims, pairs[i].(string))
		}
	}
	return claims
}

// with is a client with any token.
func (a *adapter) with(token string) caller { return caller{a.w.t, a.url, token} }

func TestTokensOfOtherIssuers(t *testing.T) {
	w := newWorld(t, "")
	fetched := w.outside()
	a := w.run(quiet())
	client := a.with(platformKey().sign("RS512", application("gp-system-1")))
	task := client.refer(someone(practiceA).message())
	if other := someone(practiceB); client.do(http.MethodPost, "/fhir/R4", other.message()).status != http.StatusForbidden {
		t.Error("a client sends for an organisation that it was not registered for")
	}
	if n := fetched.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times for two requests", n)
	}
	worker := a.with(cis2Key().sign("RS256", person("900100000002")))
	if v := worker.look(task); v.Owner == nil || v.Owner.ODS != service1 {
		t.Errorf("the link worker sees %+v", v)
	}
	gp := a.with(cis2Key().sign("RS256", person("900100000001")))
	gp.refer(someone(practiceA).message())
	if got := gp.do(http.MethodPost, "/fhir/R4", someone(service1).message()); got.status != http.StatusForbidden {
		t.Errorf("a role speaks for the organisation of another role: %d", got.status)
	}
	worker.get("/fhir/R4/Patient").want(http.StatusForbidden) // the scopes of the role, not those of the other
	if n := w.number("SELECT count(*) FROM audit WHERE client = 'tool-1' AND actor = '" + service1 + "'"); n == 0 {
		t.Error("what the user did is not audited for the organisation of the role")
	}
	for name, c := range map[string]struct {
		token  string
		status int
		rule   string
	}{
		"a client nobody registered":    {platformKey().sign("RS512", application("stranger")), 401, "token-client"},
		"no client":                     {platformKey().sign("RS512", application("x", "client_id", nil)), 401, "token-claims"},
		"an algorithm not of its list":  {platformKey().sign("RS256", application("gp-system-1")), 401, "token-algorithm"},
		"the audience of another":       {platformKey().sign("RS512", application("gp-system-1", "aud", publicURL)), 401, "token-audience"},
		"the key of another issuer":     {cis2Key().sign("RS512", application("gp-system-1")), 401, "token-signature"},
		"the issuer of another key":     {cis2Key().sign("RS256", person("900100000001", "iss", platformName)), 401, "token-algorithm"},
		"no role selected":              {cis2Key().sign("RS256", person("", "selected_roleid", nil)), 401, "token-selected"},
		"a role that is not the user's": {cis2Key().sign("RS256", person("900100000009")), 401, "token-selected"},
		"an organisation no partner":    {cis2Key().sign("RS256", person("900100000003")), 403, "token-organisation"},
		"a role not in the table":       {cis2Key().sign("RS256", person("900100000004")), 403, "token-role"},
		"a level below":                 {cis2Key().sign("RS256", person("900100000001", "authentication_assurance_level", "2")), 403, "token-assurance"},
		"expired":                       {cis2Key().sign("RS256", person("900100000001", "exp", time.Now().Unix()-60)), 401, "token-expired"},
	} {
		got := a.with(c.token).get("/fhir/R4/Task")
		if got.status != c.status || !bytes.Contains(got.body, []byte(`"`+c.rule+`"`)) {
			t.Errorf("%s: status %d: %s", name, got.status, got.body)
		}
	}
}

// Nothing unsigned, and nothing signed with what is public, comes in by the main listener,
// whoever it says to be from; also not where GP Connect has a listener of its own.
func TestAlgorithmsThatNobodyMayUse(t *testing.T) {
	w := newWorld(t, "")
	w.outside()
	w.config.GPConnectListen = "127.0.0.1:0"
	a := w.run(quiet())
	public, err := x509.MarshalPKIXPublicKey(&cis2Key().key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	inPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	jwks, err := os.ReadFile(w.config.JWKS)
	if err != nil {
		t.Fatal(err)
	}
	symmetric := func(alg string, claims map[string]any, secret []byte) string {
		text := b64(mustJSON(map[string]any{"alg": alg, "kid": "k1"})) + "." + b64(mustJSON(claims))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text))
		return text + "." + b64(mac.Sum(nil))
	}
	part := strings.Split(cis2Key().sign("RS256", person("900100000001")), ".")
	own := strings.Split(w.token(auth.Claims{Role: auth.RoleRequester, Organisations: []string{practiceA}}, time.Now()), ".")
	headed := func(header, claims, signature string) string {
		return b64([]byte(header)) + "." + claims + "." + signature
	}
	for name, token := range map[string]string{
		"HS256 with the public key":         symmetric("HS256", person("900100000001"), public),
		"HS256 with the public key in PEM":  symmetric("HS256", person("900100000001"), inPEM),
		"HS256 with the key set":            symmetric("HS256", person("900100000001"), []byte(cis2Key().jwks())),
		"HS256 with our key set":            symmetric("HS256", map[string]any{"iss": "spadapter", "sub": "x", "aud": publicURL, "role": "operator", "exp": time.Now().Unix() + 300}, jwks),
		"HS512 by name, RS256 by signature": headed(`{"alg":"HS512","kid":"k1"}`, part[1], part[2]),
		"none":                              headed(`{"alg":"none","kid":"k1"}`, part[1], ""),
		"none, of ours":                     headed(`{"alg":"none"}`, own[1], ""),
		"none, with the signature":          headed(`{"alg":"none","kid":"k1"}`, part[1], part[2]),
		"None":                              headed(`{"alg":"None","kid":"k1"}`, part[1], ""),
		"NONE":                              headed(`{"alg":"NONE","kid":"k1"}`, part[1], ""),
		"nOnE, of ours":                     headed(`{"alg":"nOnE"}`, own[1], ""),
		"no alg":                            headed(`{"kid":"k1"}`, part[1], ""),
		"an empty alg":                      headed(`{"alg":"","kid":"k1"}`, part[1], ""),
		"alg that is null":                  headed(`{"alg":null,"kid":"k1"}`, part[1], ""),
		"alg in a list":                     headed(`{"alg":["RS256"],"kid":"k1"}`, part[1], part[2]),
		"none after RS256":                  headed(`{"alg":"RS256","alg":"none","kid":"k1"}`, part[1], ""),
		"an empty signature":                part[0] + "." + part[1] + ".",
		"no signature":                      part[0] + "." + part[1],
		"an empty signature, of ours":       own[0] + "." + own[1] + ".",
		"a token of GP Connect":             spineToken(practiceA),
	} {
		if got := a.with(token).get("/fhir/R4/Task"); got.status != http.StatusUnauthorized || !strings.Contains(got.header.Get("WWW-Authenticate"), "invalid_token") {
			t.Errorf("%s: status %d: %s", name, got.status, got.body)
		}
	}
	a.with(strings.Join(part, ".")).get("/fhir/R4/Task").want(http.StatusOK)
}

// A file that would trust somebody by mistake is refused before anything listens, and says why.
func TestIssuerFilesThatAreRefused(t *testing.T) {
	w := newWorld(t, "")
	partners, err := loadPartners(w.config.Partners)
	if err != nil {
		t.Fatal(err)
	}
	written := filepath.Join(w.dir, "issuers.json")
	trusted := func() error {
		issuers, err := outsideIssuers(written, partners, quiet())
		if err == nil {
			_, err = auth.NewVerifier(auth.Config{Audience: []string{publicURL}, Issuers: issuers, Now: time.Now})
		}
		return err
	}
	jwks := cis2Key().jwks()
	client := func(more string) string {
		return `{"issuer":"https://i.example","kind":"client","jwks":` + jwks + `,"algorithms":["RS512"],"audience":["https://a.example"]` + more + `}`
	}
	file := func(list ...string) string { return `{"issuers":[` + strings.Join(list, ",") + `]}` }
	without := func(part, instead string) string { return file(strings.Replace(client(""), part, instead, 1)) }
	roles := `,"roles":{"R1":{"role":"owner","scopes":["system/Task.r"]}}`
	user := func(more string) string { return strings.Replace(client(more), `"client"`, `"cis2"`, 1) }
	for name, c := range map[string]struct{ text, says string }{
		"no JSON":                   {`{`, "unexpected EOF"},
		"no list":                   {`{}`, "at least one issuer"},
		"text after":                {file(client("")) + "x", "after the end"},
		"a member nobody knows":     {file(client(`,"jwks_uri":"https://i.example"`)), `unknown field "jwks_uri"`},
		"a member beside":           {`{"issuers":[],"leeway":5}`, `unknown field "leeway"`},
		"no issuer":                 {without(`"issuer":"https://i.example",`, ""), "issuer is missing"},
		"no kind":                   {without(`"kind":"client",`, ""), `kind is ""`},
		"another kind":              {without(`"client"`, `"login"`), `kind is "login"`},
		"no keys":                   {without(`"jwks":`+jwks+`,`, ""), "one of jwks and jwks_url"},
		"keys twice":                {file(client(`,"jwks_url":"https://i.example/jwks"`)), "one of jwks and jwks_url"},
		"keys that are none":        {without(jwks, `{"keys":[]}`), "jwks"},
		"keys over http":            {without(`"jwks":`+jwks, `"jwks_url":"http://i.example/jwks"`), "https"},
		"keys in a private network": {without(`"jwks":`+jwks, `"jwks_url":"https://10.1.2.3/jwks"`), "network"},
		"a network that is none":    {without(`"jwks":`+jwks, `"jwks_url":"https://10.1.2.3/jwks","networks":["10.1"]`), `networks has "10.1"`},
		"networks for nothing":      {file(client(`,"networks":["10.1.0.0/16"]`)), "networks are where jwks_url"},
		"no algorithms":             {without(`"algorithms":["RS512"],`, ""), "algorithms is missing"},
		"HS256":                     {without("RS512", "HS256"), `algorithms has "HS256"`},
		"none":                      {without("RS512", "none"), `algorithms has "none"`},
		"no audience":               {without(`,"audience":["https://a.example"]`, ""), "audience is missing"},
		"an empty audience":         {without("https://a.example", ""), "audience is missing"},
		"an unknown claim":          {file(client(`,"client_claim":"jti"`)), "client_claim"},
		"an unknown client":         {file(client(`,"clients":["stranger"]`)), `clients has "stranger"`},
		"two platforms, no clients": {file(client(""), strings.Replace(client(""), "i.example", "j.example", 1)), "clients is missing"},
		"the same twice":            {file(client(`,"clients":[]`), client(`,"clients":[]`)), "name of its own"},
		"a platform with roles":     {file(client(roles)), "for the kind cis2"},
		"CIS2 with clients":         {file(user(roles + `,"clients":["x"]`)), "for the kind client"},
		"CIS2 without roles":        {file(user("")), "roles is missing"},
		"a role that is none":       {file(user(`,"roles":{"R1":{"role":"root","scopes":["system/Task.r"]}}`)), `"R1" needs a role`},
		"a role without scopes":     {file(user(`,"roles":{"R1":{"role":"owner"}}`)), `"R1" needs a role`},
		"a level that is none":      {file(user(roles + `,"identity_assurance":4`)), "identity_assurance"},
		"a level below":             {file(user(roles + `,"authentication_assurance":-1`)), "authentication_assurance"},
	} {
		w.write(written, c.text)
		if err := trusted(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want %q", name, err, c.says)
		}
	}
	// the program says the same before it listens
	w.config.Issuers = written
	for name, text := range map[string]string{"algorithms has \"HS256\"": without("RS512", "HS256"), "name of its own": without("https://i.example", w.config.Issuer), "ADAPTER_ISSUERS_FILE": "{"} {
		w.write(written, text)
		if err := w.refused(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", text, err)
		}
	}
	w.config.Issuers = filepath.Join(w.dir, "nothing.json")
	if err := w.refused(); err == nil || !strings.Contains(err.Error(), "ADAPTER_ISSUERS_FILE") {
		t.Errorf("no file: %v", err)
	}
}

// refused gives why an adapter does not start with the configuration of the world.
func (w *world) refused() error {
	c := w.config
	if err := c.complete(); err != nil {
		return err
	}
	running, err := newApp(w.t.Context(), c, quiet())
	if err == nil {
		_ = running.listener.Close()
		_ = running.store.Close(w.t.Context())
	}
	return err
}

// With two platforms a client is who its own platform says, and nobody else.
func TestAClientBelongsToItsPlatform(t *testing.T) {
	w := newWorld(t, "")
	w.config.Issuers = filepath.Join(w.dir, "issuers.json")
	entry := `{"issuer":%q,"kind":"client","jwks":%s,"algorithms":["RS512"],"audience":[%q],"clients":[%q],"require_at_jwt":%t}`
	w.write(w.config.Issuers, `{"issuers":[`+fmt.Sprintf(entry, platformName, platformKey().jwks(), publicURL, "gp-system-1", false)+","+
		fmt.Sprintf(entry, cis2Name, cis2Key().jwks(), publicURL, "gp-system-2", true)+`]}`)
	w.registerKeyless("gp-system-1", "requester", practiceA)
	w.registerKeyless("gp-system-2", "requester", practiceB)
	a := w.run(quiet())
	for _, c := range []struct {
		by     *outsider
		name   string
		client string
		rule   string
	}{
		{platformKey(), platformName, "gp-system-1", ""},
		{platformKey(), platformName, "gp-system-2", "token-client"},
		{cis2Key(), cis2Name, "gp-system-2", "token-type"}, // it says JWT where at+jwt is asked for
	} {
		got := a.with(c.by.sign("RS512", application(c.client, "iss", c.name, "aud", publicURL))).get("/fhir/R4/Task")
		if (c.rule == "") != (got.status == http.StatusOK) || !bytes.Contains(got.body, []byte(c.rule)) {
			t.Errorf("%s of %s: status %d: %s", c.client, c.name, got.status, got.body)
		}
	}
}
