package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/gateway/apitest"
	"spadapter/adapter/issue"
)

// withAuthority is a world whose token endpoint answers as grant does.
func withAuthority(t *testing.T, grant func(url.Values) (*auth.Grant, error)) *world {
	t.Helper()
	w := newWorld(t, nil)
	w.config.Authority = &Authority{
		Grant: func(_ context.Context, form url.Values) (*auth.Grant, error) { return grant(form) },
		Keys:  func() ([]byte, error) { return []byte(`{"keys":[]}`), nil },
	}
	w.handler = New(w.config)
	return w
}

// described asks, and holds the exchange against the document of the API.
func (w *world) described(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r, rec := w.serve(method, target, body, headers...)
	x := apitest.Exchange{Method: method, Target: target, Request: r.Header, Sent: []byte(body), Status: rec.Code, Response: rec.Header(), Body: plainText(w.t, rec)}
	if err := contract(w.t).Check(x); err != nil {
		w.t.Error(err)
	}
	return rec
}

const (
	asForm    = "Content-Type: application/x-www-form-urlencoded"
	someForm  = "grant_type=client_credentials&scope=system%2FTask.r&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=canary.in.assertion"
	someToken = "canary.access.token"
)

func TestTokenIsGranted(t *testing.T) {
	var asked url.Values
	w := withAuthority(t, func(form url.Values) (*auth.Grant, error) {
		asked = form
		return &auth.Grant{AccessToken: someToken, TokenType: "bearer", ExpiresIn: 300, Scope: "system/Task.r", Client: "gp-system"}, nil
	})
	for _, accept := range []string{"", "Accept: application/json", "Accept: text/html", "Accept: application/fhir+xml"} {
		headers := []string{asForm}
		if accept != "" {
			headers = append(headers, accept)
		}
		rec := w.described("POST", TokenPath, someForm, headers...)
		h := rec.Header()
		if rec.Code != 200 || h.Get("Cache-Control") != "no-store" || h.Get("Pragma") != "no-cache" || h.Get("Content-Type") != "application/json" {
			t.Fatalf("%d %v", rec.Code, h)
		}
		var got map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || len(got) != 4 || got["access_token"] != someToken || got["token_type"] != "bearer" || got["expires_in"] != 300.0 || got["scope"] != "system/Task.r" {
			t.Errorf("%s", rec.Body)
		}
	}
	if asked.Get("client_assertion") != "canary.in.assertion" || asked.Get("scope") != "system/Task.r" {
		t.Errorf("asked %v", asked)
	}
	if log := w.log.String(); strings.Contains(log, "canary") || !strings.Contains(log, `"client":"gp-system"`) || !strings.Contains(log, `"route":"/oauth2/token"`) {
		t.Errorf("the log: %s", log)
	}
}

func TestTokenIsRefused(t *testing.T) {
	var fails error
	w := withAuthority(t, func(url.Values) (*auth.Grant, error) { return nil, fails })
	for name, c := range map[string]struct {
		body    string
		headers []string
		fails   error
		status  int
		code    string
	}{
		"client":               {someForm, []string{asForm}, issue.New(issue.Login, "invalid_client", `the "jti" was used\n`), 400, "invalid_client"},
		"unknown client":       {someForm, []string{asForm}, issue.New(issue.Unknown, "invalid_client", "who"), 400, "invalid_client"},
		"expired":              {someForm, []string{asForm}, issue.New(issue.Expired, "invalid_client", "late"), 400, "invalid_client"},
		"grant type":           {someForm, []string{asForm}, issue.New(issue.NotSupported, "unsupported_grant_type", "no"), 400, "unsupported_grant_type"},
		"request":              {someForm, []string{asForm}, issue.New(issue.Invalid, "invalid_request", "no"), 400, "invalid_request"},
		"scope":                {someForm, []string{asForm}, issue.New(issue.Forbidden, "invalid_scope", "no"), 400, "invalid_scope"},
		"keys of the client":   {someForm, []string{asForm}, issue.New(issue.Incomplete, "keys-remote", "later"), 503, "temporarily_unavailable"},
		"store":                {someForm, []string{asForm}, issue.New(issue.NoStore, "", ""), 503, "temporarily_unavailable"},
		"our fault":            {someForm, []string{asForm}, errors.New("canary"), 500, "server_error"},
		"percent":              {"grant_type=%zz", []string{asForm}, nil, 400, "invalid_request"},
		"semicolon":            {"grant_type=a;b=c", []string{asForm}, nil, 400, "invalid_request"},
		"JSON":                 {`{"grant_type":"client_credentials"}`, []string{"Content-Type: application/json"}, nil, 415, "invalid_request"},
		"no content type":      {someForm, nil, nil, 415, "invalid_request"},
		"another charset":      {someForm, []string{asForm + "; charset=utf-16"}, nil, 415, "invalid_request"},
		"large":                {"scope=" + strings.Repeat("a", maxTokenForm), []string{asForm}, nil, 413, "invalid_request"},
		"Basic":                {someForm, []string{asForm, "Authorization: Basic Y2FuYXJ5OmNhbmFyeQ=="}, nil, 401, "invalid_client"},
		"header id that is no": {someForm, []string{asForm, "X-Request-ID: a b"}, nil, 400, "invalid_request"},
	} {
		fails = c.fails
		rec := w.described("POST", TokenPath, c.body, c.headers...)
		h := rec.Header()
		var got map[string]string
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Code != c.status || got["error"] != c.code || got["error_description"] == "" || len(got) != 2 {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
		if h.Get("Cache-Control") != "no-store" || h.Get("Pragma") != "no-cache" || h.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", name, h)
		}
		if (c.status == 401) != (h.Get("WWW-Authenticate") != "") || (c.status == 503) != (h.Get("Retry-After") != "") {
			t.Errorf("%s: %v", name, h)
		}
		if strings.ContainsAny(got["error_description"], "\"\\\n") || strings.Contains(rec.Body.String(), "canary") {
			t.Errorf("%s: %s", name, rec.Body)
		}
	}
	if n := len(w.refused); n < 10 {
		t.Errorf("%d refusals are recorded", n)
	}
	fails = nil
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		if rec := w.do(method, TokenPath, ""); rec.Code != 405 || rec.Header().Get("Allow") != "POST" {
			t.Errorf("%s: %d %v", method, rec.Code, rec.Header())
		}
	}
	for _, part := range []string{"canary.in", "Y2FuYXJ5"} {
		if strings.Contains(w.log.String(), part) {
			t.Errorf("the log has %s: %s", part, w.log)
		}
	}
}

func TestSMARTConfiguration(t *testing.T) {
	w := withAuthority(t, nil)
	for _, accept := range []string{"*/*", "application/json", "application/fhir+xml", "text/html", "image/png"} {
		rec := w.described("GET", "/fhir/R4/.well-known/smart-configuration", "", "Accept: "+accept)
		if rec.Code != 200 || rec.Header().Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %d %s", accept, rec.Code, rec.Body)
		}
	}
	rec := w.do("GET", "/fhir/R4/.well-known/smart-configuration", "")
	var got smartConfiguration
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.TokenEndpoint != base+"/oauth2/token" || got.Keys != base+"/jwks.json" || !slices.Contains(got.Algorithms, auth.RS384) || !slices.Contains(got.Algorithms, auth.ES384) || slices.Contains(got.Algorithms, auth.ES256) ||
		!slices.Contains(got.Scopes, "system/ServiceRequest.crus") || !slices.Contains(got.Capabilities, "client-confidential-asymmetric") || !slices.IsSorted(got.Scopes) {
		t.Errorf("%s", rec.Body)
	}
	// every scope that a route refuses for the want of is offered
	for _, r := range (&gateway{Config: w.config.withDefaults()}).table() {
		if r.letter != 0 && !slices.ContainsFunc(got.Scopes, func(s string) bool { return (&auth.Principal{Scopes: []string{s}}).Allows(r.resource, r.letter) }) {
			t.Errorf("%s %s needs a scope that is not offered", r.method, r.path)
		}
	}
	if rec := w.do("HEAD", "/fhir/R4/.well-known/smart-configuration", ""); rec.Code != 200 || rec.Body.Len() != 0 {
		t.Errorf("HEAD: %d", rec.Code)
	}
}

func TestKeysArePublished(t *testing.T) {
	w := withAuthority(t, nil)
	rec := w.described("GET", "/jwks.json", "")
	h := rec.Header()
	if rec.Code != 200 || rec.Body.String() != `{"keys":[]}` || h.Get("Content-Type") != "application/jwk-set+json" || h.Get("Cache-Control") != "public, max-age=300" || h.Get("ETag") == "" {
		t.Errorf("%d %v %s", rec.Code, h, rec.Body)
	}
	if rec := w.described("GET", "/jwks.json", "", "If-None-Match: "+h.Get("ETag")); rec.Code != 304 {
		t.Errorf("%d", rec.Code)
	}
	w.config.Authority.Keys = func() ([]byte, error) { return nil, errors.New("canary") }
	if rec := w.described("GET", "/jwks.json", ""); rec.Code != 500 || strings.Contains(rec.Body.String(), "canary") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestWithoutAuthorityNothingIsOffered(t *testing.T) {
	w := newWorld(t, nil)
	w.config.TokenURL = ""
	w.handler = New(w.config)
	for _, path := range []string{"/fhir/R4/.well-known/smart-configuration", "/jwks.json", TokenPath} {
		if rec := w.do("GET", path, ""); rec.Code != 404 {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
	if strings.Contains(w.do("GET", "/fhir/R4/metadata", "").Body.String(), "oauth-uris") {
		t.Error("the CapabilityStatement names a token endpoint")
	}
}

// However a form is written, the answer is a token or one of the codes.
func FuzzTokenForm(f *testing.F) {
	private, public, err := auth.GenerateKeys(auth.ES384)
	if err != nil {
		f.Fatal(err)
	}
	signer, err := auth.NewSigner(private, auth.SignerConfig{NewID: func() string { return "one" }})
	if err != nil {
		f.Fatal(err)
	}
	keys, err := auth.ParseKeys(public)
	if err != nil {
		f.Fatal(err)
	}
	w := newWorld(&testing.T{}, nil)
	e, err := auth.NewEndpoint(auth.EndpointConfig{
		URL: base + TokenPath, Issuer: "us", Audience: base, Signer: signer, Now: w.config.Now,
		Clients: []auth.Issuer{{Name: "gp", Keys: keys, Registration: &auth.Registration{Role: auth.RoleRequester, Scopes: []string{"system/*.cruds"}}}},
		Once:    func(_ context.Context, client, jti string, _ time.Time) (bool, error) { return true, nil },
	})
	if err != nil {
		f.Fatal(err)
	}
	w.config.Authority = &Authority{Grant: e.Grant, Keys: func() ([]byte, error) { return public, nil }}
	w.config.Logger, w.config.Operations.Refused = slog.New(slog.DiscardHandler), nil // millions of requests
	handler := New(w.config)
	assertion, err := signer.Assertion("gp", base+TokenPath, noon)
	if err != nil {
		f.Fatal(err)
	}
	good := "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&scope=system%2FTask.r&client_assertion="
	f.Add(good + assertion)
	f.Add(good + assertion + "&scope=system/*.*")
	f.Add(good + "e30.e30.")
	f.Add(someForm)
	f.Add("grant_type=%zz")
	f.Add("")
	codes := []string{"invalid_request", "invalid_client", "invalid_scope", "unsupported_grant_type"}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", TokenPath, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		var got struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
			Token       string `json:"access_token"`
			Scope       string `json:"scope"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		switch {
		case rec.Code == 200:
			if got.Token == "" || got.Scope == "" || !strings.Contains(body, assertion[:20]) {
				t.Fatalf("a token for %q", body)
			}
		case rec.Code >= 500 || !slices.Contains(codes, got.Error) || got.Description == "":
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
	})
}
