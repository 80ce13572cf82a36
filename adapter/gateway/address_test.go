package gateway

import (
	"strings"
	"testing"
)

func TestUnknownAddresses(t *testing.T) {
	w := newWorld(t, nil)
	for _, target := range []string{
		"/fhir", "/fhir/", "/fhir/R4/patient", "/fhir/R4/patient/1", "/fhir/R4/Encounter/1", "/fhir/R4/Patient/1/2", "/fhir/R5/Patient/1",
		"/fhir/R4/Patient/1/_history/1/x", "/fhir/R4/Patient/$everything", "/fhir/R4/Patient/no_id", "/fhir/R4/Patient/" + strings.Repeat("1", 65),
		"/fhir/R4/Patient/1/_history/0", "/fhir/R4/Patient/1/_history/x", "/fhir/R4/Patient/1/_history/+1", "/fhir/R4/metadata/", "/fhir/R4",
	} {
		rec := w.do("GET", target, "", "as gp", "X-Request-ID: r1")
		if target == "/fhir/R4" { // takes POST
			wants(t, rec, 405, "method-not-allowed")
			continue
		}
		wants(t, rec, 404, "not-found")
		if root := parsed(t, rec); root.ResourceType() != "OperationOutcome" || root.Text("issue", "code") != "not-found" {
			t.Errorf("%s: %s", target, rec.Body)
		}
		if rec.Header().Get("X-Request-ID") != "r1" {
			t.Errorf("%s: the request id is not mirrored", target)
		}
	}
	for _, target := range []string{"/", "/api", "/api/v1/nothing", "/api/v1/referrals/", "/favicon.ico"} {
		rec := w.do("GET", target, "", "as lw")
		wants(t, rec, 404, "unknown-path")
		if rec.Header().Get("Content-Type") != contentProblem {
			t.Errorf("%s: %v", target, rec.Header())
		}
	}
	if len(w.calls) != 0 {
		t.Error("the domain was asked")
	}
}

func TestMethodNotAllowed(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range []struct{ method, target, allow string }{
		{"PUT", "/fhir/R4/Patient/1", "GET HEAD"},
		{"PATCH", "/fhir/R4/Patient/1", "GET HEAD"},
		{"DELETE", "/fhir/R4/Patient/1", "GET HEAD"},
		{"POST", "/fhir/R4/Patient/1", "GET HEAD"},
		{"POST", "/fhir/R4/Task", "GET HEAD"},
		{"PUT", "/fhir/R4/Patient", "GET HEAD POST"},
		{"GET", "/fhir/R4", "POST"},
		{"GET", "/fhir/R4/", "POST"},
		{"POST", "/fhir/R4/metadata", "GET HEAD"},
		{"OPTIONS", "/fhir/R4/Patient/1", "GET HEAD"},
		{"DELETE", "/fhir/R4/Patient/1/_history/1", "GET HEAD"},
		{"POST", "/api/v1/referrals", "GET HEAD"},
		{"GET", "/api/v1/referrals/1/actions/accept", "POST"},
		{"BREW", "/fhir/R4/Patient/1", "GET HEAD"},
	} {
		rec := w.do(c.method, c.target, "", "as op")
		wants(t, rec, 405, "method-not-allowed")
		allowed := strings.Split(rec.Header().Get("Allow"), ", ")
		if len(allowed) != len(strings.Fields(c.allow)) {
			t.Errorf("%s %s: Allow is %q, want %s", c.method, c.target, allowed, c.allow)
		}
		for _, method := range allowed {
			if !strings.Contains(c.allow, method) {
				t.Errorf("%s %s: Allow is %q, want %s", c.method, c.target, allowed, c.allow)
			}
		}
		if strings.HasPrefix(c.target, "/fhir") && parsed(t, rec).ResourceType() != "OperationOutcome" {
			t.Error(rec.Body)
		}
	}
	if strings.Contains(w.log.String(), "BREW") {
		t.Error("a method somebody made up is in the log")
	}
}

func TestHeadIsLikeGet(t *testing.T) {
	w := newWorld(t, nil)
	for _, target := range []string{"/fhir/R4/metadata", "/fhir/R4/Patient/1", "/fhir/R4/Patient", "/fhir/R4/Patient/1/_history", "/api/v1/referrals/1", "/healthz", "/fhir/R4/Patient/no_id"} {
		get, head := w.do("GET", target, "", "as op"), w.do("HEAD", target, "", "as op")
		if head.Code != get.Code || head.Header().Get("ETag") != get.Header().Get("ETag") || head.Header().Get("Content-Length") != get.Header().Get("Content-Length") {
			t.Errorf("%s: GET %v, HEAD %v", target, get.Header(), head.Header())
		}
		if head.Body.Len() != 0 {
			t.Errorf("%s: HEAD has a body", target)
		}
	}
}
