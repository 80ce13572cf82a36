package gateway

import (
	"strings"
	"testing"
)

func TestRequestIDsAreMirrored(t *testing.T) {
	w := newWorld(t, nil)
	for _, target := range []string{"/fhir/R4/Patient/1", "/fhir/R4/nothing", "/fhir/R4/metadata", "/api/v1/referrals", "/healthz", "/"} {
		for _, token := range []string{"as op", "as nobody"} {
			rec := w.do("GET", target, "", token, "X-Request-ID: one", "X-Correlation-ID: two")
			if got := rec.Header(); got.Get("X-Request-ID") != "one" || got.Get("X-Correlation-ID") != "two" {
				t.Errorf("%s: %v", target, got)
			}
		}
	}
	rec := w.do("GET", "/fhir/R4/Patient/1", "", "as gp")
	if got := rec.Header(); got.Get("X-Request-ID") != "made-id" || got.Get("X-Correlation-ID") != "" {
		t.Errorf("%v", got)
	}
	w.do("GET", "/fhir/R4/Patient/1", "", "as gp", "X-Request-ID: one", "X-Correlation-ID: two", "Idempotency-Key: three")
	made, given := w.calls[len(w.calls)-2], w.calls[len(w.calls)-1]
	if made.RequestGiven || made.RequestID != "made-id" {
		t.Errorf("%+v", made)
	}
	if !given.RequestGiven || given.RequestID != "one" || given.CorrelationID != "two" || given.IdempotencyKey != "three" {
		t.Errorf("%+v", given)
	}
}

func TestWrongRequestIDs(t *testing.T) {
	w := newWorld(t, nil)
	for _, value := range []string{"", "two words", "ümlaut", "tab\tbed", strings.Repeat("x", 129)} {
		for _, name := range []string{"X-Request-ID", "X-Correlation-ID", "Idempotency-Key"} {
			rec := w.do("GET", "/fhir/R4/Patient/1", "", "as gp", name+": "+value)
			wants(t, rec, 400, "header-id")
			if got := rec.Header(); got.Get("X-Request-ID") != "made-id" || got.Get("X-Correlation-ID") != "" {
				t.Errorf("%s %q: %v", name, value, got)
			}
		}
	}
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp", "X-Request-ID: one", "X-Request-ID: two"), 400, "header-id")
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp", "X-Request-ID: "+strings.Repeat("x", 128)), 200, "")
}
