package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

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

// Who is refused for asking too much from one address does not use up what is recorded of
// everybody else whom nobody knows.
func TestAFloodOfRefusalsHidesNobodyElse(t *testing.T) {
	w, _ := guarded(t, nil, Protection{AddressRate: 1, AddressBurst: 3})
	from := func(address, token string) int {
		r := httptest.NewRequest("GET", "/fhir/R4/Patient/1", nil)
		r.RemoteAddr = address + ":9"
		r.Header.Set("Authorization", "Bearer "+token)
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		return rec.Code
	}
	for range 3 {
		from("192.0.2.1", "nobody")
	}
	for range 10 * anonymousRecords {
		if status := from("192.0.2.1", "nobody"); status != 429 {
			t.Fatalf("status %d", status)
		}
	}
	if n := len(w.refused); n != 3+throttledRecords {
		t.Errorf("%d are recorded", n)
	}
	if status := from("198.51.100.7", "nobody"); status != 401 || len(w.refused) != 4+throttledRecords {
		t.Errorf("status %d, and %d are recorded", status, len(w.refused))
	}
}

// A flood of assertions is refused in the words of the token endpoint before one is looked at.
func TestAssertionsAreBoundedByAddress(t *testing.T) {
	looked := 0
	w := withAuthority(t, func(url.Values) (*auth.Grant, error) {
		looked++
		return nil, issue.New(issue.Login, "invalid_client", "the signature of the token is wrong")
	})
	w.config.Protection.AddressRate, w.config.Protection.AddressBurst = 1, 3
	w.config.Now = func() time.Time { return noon }
	w.handler = New(w.config)
	for range 3 {
		if rec := w.described("POST", TokenPath, someForm, asForm); rec.Code != 400 {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
	}
	for range 10 {
		rec := w.described("POST", TokenPath, someForm, asForm)
		if rec.Code != 429 || seconds(t, rec) != 1 || !strings.Contains(rec.Body.String(), `"error":"temporarily_unavailable"`) || rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
		}
	}
	if looked != 3 || len(w.refused) != 3+throttledRecords {
		t.Errorf("%d were looked at, %d recorded", looked, len(w.refused))
	}
}

// What is open to everybody is bounded, too, and answers then as its description says.
func TestOpenRoutesAreBoundedAsDescribed(t *testing.T) {
	w := withAuthority(t, nil)
	w.config.Protection.AddressRate, w.config.Protection.AddressBurst = 1, 1
	w.config.Now = func() time.Time { return noon }
	for _, target := range []string{keysPath, "/fhir/R4/.well-known/smart-configuration"} {
		w.handler = New(w.config)
		if rec := w.described("GET", target, ""); rec.Code != 200 {
			t.Fatalf("%s: %d %s", target, rec.Code, rec.Body)
		}
		if rec := w.described("GET", target, ""); rec.Code != 429 || seconds(t, rec) != 1 {
			t.Errorf("%s: %d %v", target, rec.Code, rec.Header())
		}
		fields := make([]string, maxFields+1)
		for i := range fields {
			fields[i] = fmt.Sprintf("X-%d: x", i)
		}
		if rec := w.described("GET", target, "", fields...); rec.Code != 431 {
			t.Errorf("%s: %d", target, rec.Code)
		}
		if rec := w.described("GET", target+"?"+strings.Repeat("x", maxURL), ""); rec.Code != 414 {
			t.Errorf("%s: %d", target, rec.Code)
		}
	}
}
