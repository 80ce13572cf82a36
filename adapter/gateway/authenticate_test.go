package gateway

import (
	"context"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
)

func TestCallersWithoutToken(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range []struct{ header, rule, challenge string }{
		{"X-Nothing: 1", "token-missing", `Bearer realm="spadapter"`},
		{"Authorization: Basic YTpi", "token-form", "invalid_token"},
		{"Authorization: Bearer", "token-form", "invalid_token"},
		{"as nobody", "token-signature", "invalid_token"},
	} {
		for _, target := range []string{"/fhir/R4/Patient/1", "/api/v1/referrals"} {
			rec := w.do("GET", target, "", c.header)
			wants(t, rec, 401, c.rule)
			if got := rec.Header().Get("WWW-Authenticate"); !strings.Contains(got, c.challenge) {
				t.Errorf("%s: WWW-Authenticate %q", c.header, got)
			}
			last := w.refused[len(w.refused)-1]
			if last.call.Principal != nil || last.call.RequestID != "made-id" {
				t.Errorf("recorded as %+v", last)
			}
		}
	}
	if len(w.refused) != 8 || len(w.calls) != 0 {
		t.Errorf("%d refusals recorded, %d calls made", len(w.refused), len(w.calls))
	}
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "Authorization: bearer gp"), 200, "")
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp", "as lw"), 401, "token-form")
	for _, open := range []string{"/fhir/R4/metadata", "/healthz", "/readyz", "/metrics"} {
		wants(t, w.do("GET", open, ""), 200, "")
	}
}

func TestVerifierThatCannotSay(t *testing.T) {
	w := newWorld(t, nil)
	w.config.Verify = func(context.Context, string) (*auth.Principal, error) {
		return nil, issue.New(issue.Timeout, "jwks", "the keys could not be fetched")
	}
	w.handler = New(w.config)
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp"), 503, "jwks")
}

func TestScopesAndRoles(t *testing.T) {
	w := newWorld(t, nil)
	patient, bundle := `{"resourceType":"Patient"}`, `{"resourceType":"Bundle","type":"transaction"}`
	for _, c := range []struct {
		method, target, body, as string
		status                   int
		rule                     string
	}{
		{"GET", "/fhir/R4/Patient/1", "", "reader", 200, ""},
		{"GET", "/fhir/R4/Patient", "", "reader", 200, ""},
		{"GET", "/fhir/R4/Observation/1", "", "reader", 403, "scope"},
		{"GET", "/fhir/R4/Patient/1", "", "patients", 403, "scope"},
		{"GET", "/fhir/R4/Patient/1/_history", "", "patients", 403, "scope"},
		{"GET", "/fhir/R4/Patient/_history", "", "patients", 403, "scope"},
		{"POST", "/fhir/R4/Patient", patient, "reader", 403, "scope"},
		{"POST", "/fhir/R4/Patient", patient, "patients", 201, ""},
		{"POST", "/fhir/R4/Patient", patient, "lw", 403, "role"},
		{"POST", "/fhir/R4/Patient", patient, "op", 201, ""},
		{"POST", "/fhir/R4", bundle, "gp", 201, ""},
		{"POST", "/fhir/R4", bundle, "lw", 403, "role"},
		{"GET", "/api/v1/referrals", "", "reader", 403, "scope"},
		{"GET", "/api/v1/referrals", "", "gp", 200, ""},
		{"GET", "/api/v1/referrals/1", "", "gp", 200, ""},
		{"POST", "/api/v1/referrals/1/actions/accept", "", "gp", 428, "if-match-missing"}, // who may make a move is the domain's to say
		{"POST", "/api/v1/activities/1/actions/accept", "", "gp", 403, "role"},
	} {
		rec := w.do(c.method, c.target, c.body, "as "+c.as, "Content-Type: application/json")
		wants(t, rec, c.status, c.rule)
		if got := rec.Header().Get("WWW-Authenticate"); (c.rule == "scope") != strings.Contains(got, "insufficient_scope") {
			t.Errorf("%s: WWW-Authenticate %q", c.target, got)
		}
	}
}
