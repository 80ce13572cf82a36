package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
)

func TestAnotherDoorHasItsOwnRules(t *testing.T) {
	w := newWorld(t, nil)
	inner := w.handler
	door := Through(Door{FHIR: true, Demands: Demands{Headers: []string{"Ssp-TraceID"}}, Verify: func(_ context.Context, token string) (*auth.Principal, error) {
		if token == "spine" {
			return tokens["gp"], nil
		}
		return nil, issue.New(issue.Value, "jwt-claim", "the claim sub is missing from the JWT")
	}}, inner)
	w.handler = door
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as spine", "Ssp-TraceID: 1"), 200, "")
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as spine"), 400, "header-missing")
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp", "Ssp-TraceID: 1"), 400, "jwt-claim")
	wants(t, w.do("GET", "/fhir/R4/metadata", ""), 200, "")
	wants(t, w.post("/fhir/R4", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/1"}},{"request":{"method":"GET","url":"../../api/v1/referrals"}}]}`, "as spine", "Ssp-TraceID: 1"), 200, "")
	for _, path := range []string{"/api/v1/referrals", "/metrics", "/healthz", "/readyz", "/openapi.json", "/docs", "/", "/api/nothing"} {
		if rec := w.undescribed("GET", path, "", "as spine", "Ssp-TraceID: 1"); rec.Code != 404 {
			t.Errorf("%s: status %d", path, rec.Code)
		}
		if rec := w.undescribed("GET", path, ""); rec.Code != 404 {
			t.Errorf("%s without a token: status %d", path, rec.Code)
		}
	}
	w.handler = inner
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as spine", "Ssp-TraceID: 1"), 401, "token-signature")
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp"), 200, "")
	wants(t, w.do("GET", "/metrics", ""), 200, "")
}

func TestATokenIsBoundToTheCertificateOfItsConnection(t *testing.T) {
	mine, other := &x509.Certificate{Raw: []byte("mine")}, &x509.Certificate{Raw: []byte("another")}
	sum := sha256.Sum256(mine.Raw)
	thumbprint := base64.RawURLEncoding.EncodeToString(sum[:])
	digits := hex.EncodeToString(sum[:])
	var pairs []string
	for i := range sum {
		pairs = append(pairs, strings.ToUpper(digits[2*i:2*i+2]))
	}
	colons := strings.Join(pairs, ":")
	w := newWorld(t, nil)
	bound := *tokens["gp"]
	bound.Certificate = thumbprint
	verify := w.config.Verify
	w.config.Verify = func(ctx context.Context, token string) (*auth.Principal, error) {
		if token == "bound" {
			return &bound, nil
		}
		return verify(ctx, token)
	}
	proxy := Proxy{Header: "X-Client-Thumbprint", Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	for name, c := range map[string]struct {
		token   string
		peer    *x509.Certificate
		plain   bool
		demands Demands
		remote  string
		headers []string
		rule    string
	}{
		"the certificate of the token":            {token: "bound", peer: mine},
		"another certificate":                     {token: "bound", peer: other, rule: "token-certificate"},
		"no certificate":                          {token: "bound", rule: "token-certificate"},
		"no TLS":                                  {token: "bound", plain: true, rule: "token-certificate"},
		"a token that is bound to none":           {token: "gp", peer: mine},
		"all must be bound":                       {token: "gp", peer: mine, demands: Demands{Bound: true}, rule: "token-unbound"},
		"all must be bound, and it is":            {token: "bound", peer: mine, demands: Demands{Bound: true}},
		"a header that nobody named":              {token: "bound", plain: true, headers: []string{thumbprint}, remote: "10.1.2.3:5", rule: "token-certificate"},
		"a proxy":                                 {token: "bound", plain: true, headers: []string{thumbprint}, remote: "10.1.2.3:5", demands: Demands{Proxy: proxy}},
		"a proxy, padded":                         {token: "bound", plain: true, headers: []string{thumbprint + "="}, remote: "10.1.2.3:5", demands: Demands{Proxy: proxy}},
		"a proxy, in digits":                      {token: "bound", plain: true, headers: []string{digits}, remote: "10.1.2.3:5", demands: Demands{Proxy: proxy}},
		"a proxy, in digits with colons":          {token: "bound", plain: true, headers: []string{colons}, remote: "[::ffff:10.1.2.3]:5", demands: Demands{Proxy: proxy}},
		"a proxy that saw another":                {token: "bound", plain: true, headers: []string{strings.Repeat("A", 43)}, remote: "10.1.2.3:5", demands: Demands{Proxy: proxy}, rule: "token-certificate"},
		"a proxy that saw none, with one itself":  {token: "bound", peer: mine, remote: "10.1.2.3:5", demands: Demands{Proxy: proxy}, rule: "token-certificate"},
		"a proxy that adds to what was sent":      {token: "bound", plain: true, headers: []string{thumbprint, strings.Repeat("A", 43)}, remote: "10.1.2.3:5", demands: Demands{Proxy: proxy}, rule: "token-certificate"},
		"a proxy that says nothing to read":       {token: "bound", plain: true, headers: []string{"CN=mine"}, remote: "10.1.2.3:5", demands: Demands{Proxy: proxy}, rule: "token-certificate"},
		"the header from elsewhere":               {token: "bound", plain: true, headers: []string{thumbprint}, remote: "10.2.2.3:5", demands: Demands{Proxy: proxy}, rule: "token-certificate"},
		"the header from elsewhere, with another": {token: "bound", peer: other, headers: []string{thumbprint}, remote: "10.2.2.3:5", demands: Demands{Proxy: proxy}, rule: "token-certificate"},
		"no proxy, with the certificate":          {token: "bound", peer: mine, headers: []string{"nonsense"}, remote: "10.2.2.3:5", demands: Demands{Proxy: proxy}},
	} {
		w.config.Demands = c.demands
		handler := New(w.config)
		r := httptest.NewRequest(http.MethodGet, "/fhir/R4/Patient/1", nil)
		r.Header.Set("Authorization", "Bearer "+c.token)
		for _, value := range c.headers {
			r.Header.Add(proxy.Header, value)
		}
		if c.remote != "" {
			r.RemoteAddr = c.remote
		}
		if !c.plain {
			r.TLS = &tls.ConnectionState{}
		}
		if c.peer != nil {
			r.TLS.PeerCertificates = []*x509.Certificate{c.peer}
		}
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		want := 200
		if c.rule != "" {
			want = 401
		}
		if rec.Code != want || !strings.Contains(rec.Body.String(), c.rule) || want == 401 && !strings.Contains(rec.Header().Get("WWW-Authenticate"), "invalid_token") {
			t.Errorf("%s: status %d: %s", name, rec.Code, rec.Body)
		}
	}
}
