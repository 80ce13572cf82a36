package gateway

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
)

// Behind a door of unsigned tokens all callers come from a few addresses, each with a new
// token for every request. One that sends bad ones is bounded, and shuts out nobody.
func TestABadTokenShutsNobodyOutWhereAllShareAnAddress(t *testing.T) {
	w, _ := guarded(t, nil, Protection{AddressRate: 1, AddressBurst: 3})
	front := w.handler
	looked := 0
	door := Door{FHIR: true, Unsigned: true, Verify: func(_ context.Context, token string) (*auth.Principal, error) {
		looked++
		switch {
		case strings.HasPrefix(token, "spine"):
			return tokens["gp"], nil
		case token == "stranger":
			return nil, issue.New(issue.Forbidden, "jwt-organisation", "no partner")
		}
		return nil, issue.New(issue.Value, "jwt-claim", "the claim exp of the JWT is over")
	}}
	for name, status := range map[string]int{"stranger": 403, "late": 400} {
		w.handler = New(w.config)
		inner := w.handler
		w.handler = Through(door, inner)
		for range 3 {
			wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as "+name), status, "")
		}
		wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as "+name), 429, "rate-limit")
		for _, fresh := range []string{"spine1", "spine2"} {
			wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as "+fresh), 200, "")
		}
		// what another door let in is not known as good at this one
		w.handler = inner
		wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as spine1"), 429, "rate-limit")
	}
	w.handler = front
	if looked != 2*(4+2) {
		t.Errorf("%d tokens were looked at", looked)
	}
}

// A token that was good once gives no right to have its signature looked at for ever.
func TestAnEndedTokenIsLookedAtOnce(t *testing.T) {
	w, _ := guarded(t, nil, Protection{AddressRate: 1, AddressBurst: 3})
	ended, verified := false, 0
	verify := w.config.Verify
	w.config.Verify = func(ctx context.Context, token string) (*auth.Principal, error) {
		verified++
		if ended && token == "gp" {
			return nil, issue.New(issue.Expired, "token-expired", "the token has expired; get a new one")
		}
		return verify(ctx, token)
	}
	w.handler = New(w.config)
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp"), 200, "")
	wants(t, w.do("GET", "/api/v1/referrals", "", "as lw"), 200, "")
	ended = true
	for range 3 {
		wants(t, w.do("GET", "/nothing", ""), 404, "")
	}
	before := verified
	for range 10 {
		wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp"), 429, "rate-limit")
	}
	if verified != before+1 {
		t.Errorf("it was looked at %d times", verified-before)
	}
	wants(t, w.do("GET", "/api/v1/referrals", "", "as lw"), 200, "")
}

// A proxy that adds a line of its own to X-Forwarded-For opens the metrics to nobody, whatever
// stands in the first.
func TestAnEmptyForwardedHeaderOpensNoMetrics(t *testing.T) {
	w := newWorld(t, nil)
	w.config.Protection = Protection{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	w.handler = New(w.config)
	for _, name := range []string{"X-Forwarded-For", "Forwarded"} {
		for _, values := range [][]string{{"", "192.0.2.1"}, {""}, {"192.0.2.1", ""}} {
			r := httptest.NewRequest("GET", "/metrics", nil)
			r.RemoteAddr = "127.0.0.1:5"
			r.Header[http.CanonicalHeaderKey(name)] = values
			rec := httptest.NewRecorder()
			if w.handler.ServeHTTP(rec, r); rec.Code != http.StatusForbidden {
				t.Errorf("%s %q: %d", name, values, rec.Code)
			}
		}
	}
}

// What a request must have, a page of another origin may send.
func TestAPageMaySendWhatIsDemanded(t *testing.T) {
	w, _ := guarded(t, nil, Protection{Origins: []string{"https://tool.example"}})
	rec := w.do("OPTIONS", "/fhir/R4/Patient", "", "Origin: https://tool.example", "Access-Control-Request-Method: POST")
	wants(t, rec, 204, "")
	may := strings.Split(rec.Header().Get("Access-Control-Allow-Headers"), ", ")
	for _, name := range []string{headerOrganisation, headerPractitioner, headerSoftware, headerTarget, "Authorization", "X-Request-ID"} {
		if !strings.Contains(", "+strings.Join(may, ", ")+", ", ", "+name+", ") {
			t.Errorf("%s may not be sent: %q", name, may)
		}
	}
}
