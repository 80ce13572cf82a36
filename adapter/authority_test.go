package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// canary is in every part of what a client sends that no log may tell.
const canary = "canary"

// tokenEndpoint is the aud of assertions.
const tokenEndpoint = publicURL + "/oauth2/token"

// registrant is a client with keys of its own, as partners have them.
type registrant struct {
	id     string
	kid    string
	key    crypto.Signer
	method jwt.SigningMethod
}

// registrants are made once: an RSA key takes a second.
var registrants = sync.OnceValue(func() (list struct{ rsa, ec, other registrant }) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err)
	}
	o, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err)
	}
	list.rsa = registrant{"gp-system", canary + "-rsa", r, jwt.SigningMethodRS384}
	list.ec = registrant{"link-worker-tool", canary + "-ec", e, jwt.SigningMethodES384}
	list.other = registrant{"link-worker-tool", canary + "-next", o, jwt.SigningMethodES384}
	return list
})

// keySet publishes the keys of some, as one set.
func keySet(t *testing.T, of ...registrant) []byte {
	t.Helper()
	var set jwkset.JWKSMarshal
	for _, c := range of {
		one, err := jwkset.NewJWKFromKey(c.key.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: c.kid}})
		if err != nil {
			t.Fatal(err)
		}
		set.Keys = append(set.Keys, one.Marshal())
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// device registers a client: with its keys in the Bundle, or where it publishes them.
func device(id, role, ods, scope string, keys []byte, at string) string {
	where := fmt.Sprintf(`{"url":"https://spadapter.example/fhir/StructureDefinition/client-jwks","valueString":%q}`, keys)
	if at != "" {
		where = fmt.Sprintf(`{"url":"https://spadapter.example/fhir/StructureDefinition/client-jwks-url","valueUrl":%q}`, at)
	}
	return fmt.Sprintf(`{"resource":{"resourceType":"Device","identifier":[{"system":"https://spadapter.example/fhir/Id/client","value":%q}],"owner":{"identifier":{"system":%q,"value":%q}},
 "extension":[{"url":"https://spadapter.example/fhir/StructureDefinition/client-role","valueCode":%q},{"url":"https://spadapter.example/fhir/StructureDefinition/client-scope","valueString":%q},%s]}}`,
		id, referral.SystemODS, ods, role, scope, where)
}

// register adds clients to the partners of a world.
func (w *world) register(devices ...string) {
	w.t.Helper()
	bundle := strings.TrimSuffix(string(castPartners(w.gp.URL())), "]}") + "," + strings.Join(devices, ",") + "]}"
	if err := os.WriteFile(w.config.Partners, []byte(bundle), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// standard registers the GP system, with its keys in the Bundle.
func (w *world) standard() {
	w.t.Helper()
	w.register(device("gp-system", "requester", practiceA, "system/ServiceRequest.cruds system/Task.rs", keySet(w.t, registrants().rsa), ""))
}

// assertion is one of the client's; nil in change takes a claim or a header out.
func (c registrant) assertion(t *testing.T, change, header map[string]any) string {
	t.Helper()
	now := time.Now()
	claims := jwt.MapClaims{"iss": c.id, "sub": c.id, "aud": tokenEndpoint, "iat": now.Unix(), "exp": now.Add(4 * time.Minute).Unix(), "jti": canary + uuid.NewString(), "note": canary}
	maps.Copy(claims, change)
	token := jwt.NewWithClaims(c.method, claims)
	token.Header["kid"] = c.kid
	maps.Copy(token.Header, header)
	for _, m := range []map[string]any{claims, token.Header} {
		maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	}
	text, err := token.SignedString(c.key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// tokenForm is the form of a token request.
func tokenForm(assertion string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "scope": {"system/Task.rs"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
}

// granted is what the token endpoint answers.
type granted struct {
	status      int
	Token       string `json:"access_token"`
	Type        string `json:"token_type"`
	Expires     int    `json:"expires_in"`
	Scope       string `json:"scope"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// grant asks for a token.
func (a *adapter) grant(form url.Values) granted {
	a.w.t.Helper()
	got := caller{a.w.t, a.url, ""}.do(http.MethodPost, "/oauth2/token", []byte(form.Encode()), "Content-Type", "application/x-www-form-urlencoded")
	out := granted{status: got.status}
	if err := json.Unmarshal(got.body, &out); err != nil {
		a.w.t.Fatalf("%d %s", got.status, got.body)
	}
	return out
}

// silent fails when a log has a part of a token or a canary.
func silent(t *testing.T, log *buffer, tokens ...string) {
	t.Helper()
	text := log.String()
	if i := strings.Index(text, canary); i >= 0 {
		t.Errorf("the log tells what a client sent: …%s", around(text, i))
	}
	for _, token := range tokens {
		for part := range strings.SplitSeq(token, ".") {
			if len(part) > 16 && strings.Contains(text, part[:16]) {
				t.Errorf("the log has a part of a token: …%s", around(text, strings.Index(text, part[:16])))
			}
		}
	}
}

// logged is a log of everything, and what writes it.
func logged() (*buffer, *slog.Logger) {
	b := &buffer{}
	return b, slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
}

// The checks that the Inferno test kit makes of a token endpoint, in our own words: a wrong
// grant type, a wrong type of assertion, and a wrong assertion are refused, a right one
// gets a token with all its fields, and the token opens what it is for.
func TestBackendServices(t *testing.T) {
	w := newWorld(t, "")
	log, to := logged()
	w.register(
		device("gp-system", "requester", practiceA, "system/ServiceRequest.cruds system/Task.rs", keySet(t, registrants().rsa), ""),
		device("link-worker-tool", "owner", service1, "system/*.cruds", keySet(t, registrants().ec), ""))
	a := w.run(to)
	configuration := caller{t, a.url, ""}.do(http.MethodGet, "/fhir/R4/.well-known/smart-configuration", nil, "Accept", "application/fhir+json").want(http.StatusOK)
	if !strings.Contains(string(configuration.body), `"token_endpoint":"`+tokenEndpoint+`"`) {
		t.Errorf("%s", configuration.body)
	}
	statement := caller{t, a.url, ""}.get("/fhir/R4/metadata").want(http.StatusOK)
	if !strings.Contains(string(statement.body), tokenEndpoint) || !strings.Contains(string(statement.body), "SMART-on-FHIR") {
		t.Errorf("the CapabilityStatement does not name the token endpoint")
	}
	var sent []string
	for _, c := range []registrant{registrants().rsa, registrants().ec} {
		assertion := c.assertion(t, nil, nil)
		sent = append(sent, assertion)
		for name, check := range map[string]struct {
			change url.Values
			code   string
		}{
			"wrong grant type":     {url.Values{"grant_type": {"not_a_grant_type"}}, "unsupported_grant_type"},
			"wrong assertion type": {url.Values{"client_assertion_type": {"not_an_assertion_type"}}, "invalid_request"},
			"wrong JWT":            {url.Values{"client_assertion": {"not.a.jwt"}}, "invalid_client"},
		} {
			form := tokenForm(assertion)
			maps.Copy(form, check.change)
			if got := a.grant(form); got.status != http.StatusBadRequest || got.Error != check.code || got.Token != "" {
				t.Errorf("%s: %+v", name, got)
			}
		}
		form := tokenForm(assertion)
		got := a.grant(form)
		if got.status != http.StatusOK || got.Token == "" || !strings.EqualFold(got.Type, "bearer") || got.Expires != 300 || got.Scope != "system/Task.rs" {
			t.Fatalf("%+v", got)
		}
		sent = append(sent, got.Token)
		holder := caller{t, a.url, got.Token}
		holder.get("/fhir/R4/Task").want(http.StatusOK)
		if refused := holder.get("/fhir/R4/Patient"); refused.status != http.StatusForbidden || !strings.Contains(refused.header.Get("WWW-Authenticate"), "insufficient_scope") {
			t.Errorf("a scope that was not asked for: %d %v", refused.status, refused.header)
		}
		// each kind of token is good for its own purpose alone
		if got := a.grant(tokenForm(got.Token)); got.Error != "invalid_client" {
			t.Errorf("an access token as assertion: %+v", got)
		}
		for _, aud := range []string{tokenEndpoint, publicURL} {
			self := c.assertion(t, map[string]any{"aud": aud}, nil)
			sent = append(sent, self)
			if got := (caller{t, a.url, self}).get("/fhir/R4/Task"); got.status != http.StatusUnauthorized {
				t.Errorf("an assertion as access token, for %s: %d", aud, got.status)
			}
		}
	}
	a.stop()
	silent(t, log, sent...)
	if !strings.Contains(log.String(), `"client":"gp-system"`) {
		t.Error("the log does not say who got a token")
	}
}

func TestAssertionsThatAreRefused(t *testing.T) {
	w := newWorld(t, "")
	log, to := logged()
	w.standard()
	a := w.run(to)
	gp, stranger := registrants().rsa, registrants().other
	stranger.id = gp.id
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	public, err := x509.MarshalPKIXPublicKey(gp.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	symmetric := func(secret []byte) string {
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": gp.id, "sub": gp.id, "aud": tokenEndpoint, "exp": at(time.Minute), "jti": canary})
		token.Header["kid"] = gp.kid
		text, err := token.SignedString(secret)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good := gp.assertion(t, nil, nil)
	parts := strings.Split(good, ".")
	var sent []string
	for name, assertion := range map[string]string{
		"expired":                     gp.assertion(t, map[string]any{"iat": at(-10 * time.Minute), "exp": at(-time.Minute)}, nil),
		"issued in the future":        gp.assertion(t, map[string]any{"iat": at(2 * time.Minute)}, nil),
		"not valid yet":               gp.assertion(t, map[string]any{"nbf": at(2 * time.Minute)}, nil),
		"valid for too long":          gp.assertion(t, map[string]any{"exp": at(10 * time.Minute)}, nil),
		"without exp":                 gp.assertion(t, map[string]any{"exp": nil}, nil),
		"for another audience":        gp.assertion(t, map[string]any{"aud": "https://" + canary + ".example"}, nil),
		"for the base URL":            gp.assertion(t, map[string]any{"aud": publicURL}, nil),
		"without aud":                 gp.assertion(t, map[string]any{"aud": nil}, nil),
		"iss is not sub":              gp.assertion(t, map[string]any{"sub": canary}, nil),
		"of somebody unknown":         gp.assertion(t, map[string]any{"iss": canary, "sub": canary}, nil),
		"without jti":                 gp.assertion(t, map[string]any{"jti": nil}, nil),
		"unknown kid":                 gp.assertion(t, nil, map[string]any{"kid": canary}),
		"no kid":                      gp.assertion(t, nil, map[string]any{"kid": nil}),
		"typ of an access token":      gp.assertion(t, nil, map[string]any{"typ": "at+jwt"}),
		"a jku":                       gp.assertion(t, nil, map[string]any{"jku": "https://" + canary + ".example/jwks.json"}),
		"crit":                        gp.assertion(t, nil, map[string]any{"crit": []string{canary}}),
		"HS256 with the public key":   symmetric(public),
		"HS256 with the key set":      symmetric(keySet(t, gp)),
		"none":                        base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"`+gp.kid+`"}`)) + "." + parts[1] + ".",
		"a key that is not the kid's": stranger.assertion(t, nil, map[string]any{"kid": gp.kid}),
		"no signature":                parts[0] + "." + parts[1] + ".",
		"a wrong signature":           parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-8] + "AAAAAAAA",
		"garbage":                     canary,
	} {
		sent = append(sent, assertion)
		if got := a.grant(tokenForm(assertion)); got.status != http.StatusBadRequest || got.Error != "invalid_client" || got.Token != "" || strings.Contains(got.Description, canary) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for name, change := range map[string]url.Values{
		"a foreign scope": {"scope": {"system/Patient.r"}}, "a made-up scope": {"scope": {canary}},
	} {
		form := tokenForm(gp.assertion(t, nil, nil))
		maps.Copy(form, change)
		if got := a.grant(form); got.status != http.StatusBadRequest || got.Error != "invalid_scope" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := a.grant(tokenForm(good)); got.status != http.StatusOK {
		t.Errorf("the good one: %+v", got)
	}
	metrics := string(caller{t, a.url, ""}.get("/metrics").body)
	a.stop()
	silent(t, log, append(sent, good)...)
	if strings.Contains(metrics, canary) {
		t.Error("the metrics tell what a client sent")
	}
	if n := strings.Count(log.String(), `"rules":"invalid_client"`); n != len(sent) {
		t.Errorf("%d of %d refusals are logged with their rule", n, len(sent))
	}
}

// An assertion counts once: not again, not in another process, not after a restart.
func TestAnAssertionIsSpent(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		log, to := logged()
		w.standard()
		a, b := w.run(to), (*adapter)(nil)
		if strings.HasPrefix(database, "sqlite:") {
			b = a // a file belongs to one process
		} else {
			b = w.run(to)
		}
		spent := registrants().rsa.assertion(t, nil, nil)
		if got := a.grant(tokenForm(spent)); got.status != http.StatusOK {
			t.Fatalf("%+v", got)
		}
		for _, process := range []*adapter{a, b} {
			if got := process.grant(tokenForm(spent)); got.status != http.StatusBadRequest || got.Error != "invalid_client" {
				t.Errorf("%+v", got)
			}
		}
		racing := registrants().rsa.assertion(t, nil, nil)
		var won atomic.Int64
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				if []*adapter{a, b}[i%2].grant(tokenForm(racing)).status == http.StatusOK {
					won.Add(1)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%d got a token for one assertion", won.Load())
		}
		a.stop()
		if b != a {
			b.stop()
		}
		again := w.run(to)
		if got := again.grant(tokenForm(spent)); got.Error != "invalid_client" {
			t.Errorf("after a restart: %+v", got)
		}
		again.stop()
		silent(t, log, spent, racing)
	})
}

// A client publishes its keys, changes them, and is away for a while.
func TestClientsThatPublishTheirKeys(t *testing.T) {
	var keys atomic.Pointer[[]byte]
	var requests atomic.Int64
	serve := func(of ...registrant) {
		set := keySet(t, of...)
		keys.Store(&set)
	}
	serve(registrants().ec)
	publisher := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		if set := keys.Load(); set != nil {
			out.Write(*set)
			return
		}
		http.Error(out, canary, http.StatusBadGateway)
	}))
	defer publisher.Close()
	at := publisher.URL + "/jwks.json"
	w := newWorld(t, "")
	log, to := logged()
	w.config.JWKSNetworks = []string{"127.0.0.0/8"}
	w.register(device("link-worker-tool", "owner", service1, "system/*.cruds", nil, at))
	a := w.run(to)
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests before anybody asked", n)
	}
	for name, jku := range map[string]any{"no jku": nil, "its own jku": at} {
		if got := a.grant(tokenForm(registrants().ec.assertion(t, nil, map[string]any{"jku": jku}))); got.status != http.StatusOK {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := a.grant(tokenForm(registrants().ec.assertion(t, nil, map[string]any{"jku": publisher.URL + "/other"}))); got.Error != "invalid_client" {
		t.Errorf("another jku: %+v", got)
	}
	serve(registrants().ec, registrants().other)
	for i := range 50 {
		if got := a.grant(tokenForm(registrants().ec.assertion(t, nil, map[string]any{"kid": fmt.Sprint(canary, i)}))); got.Error != "invalid_client" {
			t.Fatalf("%+v", got)
		}
	}
	if n := requests.Load(); n > 2 {
		t.Errorf("a flood of unknown kids made %d requests", n)
	}
	a.stop()

	keys.Store(nil)
	b := w.run(to)
	lost := registrants().ec.assertion(t, nil, nil)
	if got := b.grant(tokenForm(lost)); got.status != http.StatusServiceUnavailable || got.Error != "temporarily_unavailable" {
		t.Errorf("while the keys cannot be fetched: %+v", got)
	}
	b.stop()
	silent(t, log, lost)
	if !strings.Contains(log.String(), `"client_keys_not_fetched","client":"link-worker-tool"`) {
		t.Error("the log does not say whose keys cannot be fetched")
	}
}

// A registration that cannot be trusted stops the start, and says whose it is.
func TestRegistrationsThatAreRefused(t *testing.T) {
	rsaKeys := keySet(t, registrants().rsa)
	twin := registrants().other
	twin.kid = registrants().ec.kid
	for name, c := range map[string]struct {
		devices []string
		want    string
	}{
		"a key set inside":   {[]string{device("a", "owner", service1, "system/Task.rs", nil, "https://10.0.0.1/jwks.json")}, `"a"`},
		"a key set by http":  {[]string{device("a", "owner", service1, "system/Task.rs", nil, "http://keys.example/jwks.json")}, `"a"`},
		"broken keys":        {[]string{device("a", "owner", service1, "system/Task.rs", []byte("{}"), "")}, `"a"`},
		"two keys, one kid":  {[]string{device("a", "owner", service1, "system/Task.rs", keySet(t, registrants().ec, twin), "")}, `"a"`},
		"two of one name":    {[]string{device("a", "owner", service1, "system/Task.rs", rsaKeys, ""), device("a", "owner", service2, "system/Task.rs", rsaKeys, "")}, "same identifier"},
		"keys in two places": {[]string{strings.Replace(device("a", "owner", service1, "system/Task.rs", rsaKeys, ""), `"extension":[`, `"extension":[{"url":"https://spadapter.example/fhir/StructureDefinition/client-jwks-url","valueUrl":"https://gp.example/jwks"},`, 1)}, "not both"},
		"unknown algorithm":  {[]string{strings.Replace(device("a", "owner", service1, "system/Task.rs", rsaKeys, ""), `"extension":[`, `"extension":[{"url":"https://spadapter.example/fhir/StructureDefinition/client-algorithm","valueCode":"HS256"},`, 1)}, "client-algorithm"},
	} {
		w := newWorld(t, "")
		w.register(c.devices...)
		partners, err := loadPartners(w.config.Partners)
		if err == nil {
			_, err = registered(w.config, partners, quiet())
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A JWT that a client signed itself opens nothing, unless the deployment says so.
func TestClientTokensAreASetting(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		w := newWorld(t, "")
		w.standard()
		w.config.ClientTokens = allowed
		a := w.run(quiet())
		got := caller{t, a.url, registrants().rsa.assertion(t, map[string]any{"aud": publicURL}, nil)}.get("/fhir/R4/Task")
		if want := map[bool]int{false: http.StatusUnauthorized, true: http.StatusOK}[allowed]; got.status != want {
			t.Errorf("allowed %t: status %d", allowed, got.status)
		}
		a.stop()
	}
}

// The tokens of an issuer elsewhere need the typ of RFC 9068, unless the deployment says
// otherwise; those of the token endpoint always do.
func TestTheTypeOfTokensIsASetting(t *testing.T) {
	idp := registrants().other
	for _, lax := range []bool{false, true} {
		w := newWorld(t, "")
		w.config.Issuer, w.config.AnyTokenType = "https://idp.example", lax
		if err := os.WriteFile(w.config.JWKS, keySet(t, idp), 0o600); err != nil {
			t.Fatal(err)
		}
		a := w.run(quiet())
		for _, typ := range []any{"at+jwt", "JWT", nil} {
			token := idp.assertion(t, map[string]any{"iss": "https://idp.example", "aud": publicURL, "role": "operator", "scope": "system/*.cruds"}, map[string]any{"typ": typ})
			want := http.StatusUnauthorized
			if lax || typ == "at+jwt" {
				want = http.StatusOK
			}
			if got := (caller{t, a.url, token}).get("/fhir/R4/Task"); got.status != want {
				t.Errorf("typ %v, any type %t: status %d: %s", typ, lax, got.status, got.body)
			}
			forged := idp.assertion(t, map[string]any{"iss": publicURL, "aud": publicURL, "role": "operator", "scope": "system/*.cruds"}, map[string]any{"typ": typ})
			if got := (caller{t, a.url, forged}).get("/fhir/R4/Task"); got.status != http.StatusUnauthorized {
				t.Errorf("a token of the other issuer in our name: status %d", got.status)
			}
		}
		a.stop()
	}
}
