package delivery

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

const messageSent = `{"resourceType":"Bundle","id":"7b000000-0000-4000-8000-0000000000ab","type":"message","timestamp":"2026-03-02T09:30:00Z","entry":[
{"fullUrl":"urn:uuid:7b000001-0000-4000-8000-000000000001","resource":{"resourceType":"MessageHeader",
 "eventCoding":{"system":"https://fhir.nhs.uk/CodeSystem/message-events-bars","code":"servicerequest-response"},
 "destination":[{"endpoint":"https://fhir.nhs.uk/Id/dos-service-id|2000099001"}],"sender":{"reference":"urn:uuid:7b000003-0000-4000-8000-000000000003"},
 "source":{"name":"Elmbridge link workers","endpoint":"https://fhir.nhs.uk/Id/dos-service-id|2000099010"},
 "reason":{"coding":[{"system":"https://fhir.nhs.uk/CodeSystem/message-reason-bars","code":"new"}]},"focus":[{"reference":"urn:uuid:7b000002-0000-4000-8000-000000000002"}]}},
{"fullUrl":"urn:uuid:7b000002-0000-4000-8000-000000000002","resource":{"resourceType":"ServiceRequest","status":"active","intent":"plan","subject":{"display":"x"},
 "category":[{"coding":[{"system":"https://fhir.nhs.uk/CodeSystem/message-category-servicerequest","code":"referral"},{"system":"https://fhir.nhs.uk/CodeSystem/usecases-categories-bars","code":"a5t1"}]}]}},
{"fullUrl":"urn:uuid:7b000003-0000-4000-8000-000000000003","resource":{"resourceType":"Organization","name":"Receiving/performing Organization",
 "identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Z99010"}]}}]}`

var rowBaRS = referral.Delivery{ID: "019c0000-0000-7000-8000-00000000000d", Referral: "019c0000-0000-7000-8000-000000000001", Recipient: "A12345",
	Body: []byte(messageSent), Facts: referral.Facts{Correlation: "7b0000cc-0000-4000-8000-0000000000cc"}}

// partnerBaRS is a route to an httptest server that answers with f.
func partnerBaRS(t *testing.T, f http.HandlerFunc) *BaRS {
	route := partner(t, f)
	endpoint := func(ods, destination string) (Endpoint, bool) {
		if destination != "https://fhir.nhs.uk/Id/dos-service-id|2000099001" {
			t.Errorf("asked for the endpoint %q", destination)
		}
		return route.Endpoint(ods)
	}
	return &BaRS{Endpoint: endpoint, Version: "1.1.0", Software: Software{System: "https://spadapter.example/Id/product", Value: "spadapter", Name: "spadapter", Version: "1.2.3"}}
}

// mirror answers with both ids of the request.
func mirror(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer(status, body, "X-Request-Id", r.Header.Get("X-Request-Id"), "X-Correlation-Id", strings.ToUpper(r.Header.Get("X-Correlation-Id")))(w, r)
	}
}

// barred is the OperationOutcome of a BaRS server.
func barred(code, reason string) string {
	return fmt.Sprintf(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":%q,"details":{"coding":[{"system":"https://fhir.nhs.uk/CodeSystem/http-error-codes","code":%q}]},"diagnostics":"Betty Secret"}]}`, code, reason)
}

func TestBaRSSendsTheSameOnEveryTry(t *testing.T) {
	var requests []*http.Request
	b := partnerBaRS(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !bytes.Equal(body, rowBaRS.Body) {
			t.Errorf("sent %s", body)
		}
		requests = append(requests, r)
		mirror(200, `{"resourceType":"Bundle","type":"message"}`)(w, r)
	})
	for range 2 {
		if _, err := b.Send(t.Context(), rowBaRS); err != nil {
			t.Fatal(err)
		}
	}
	got := requests[0]
	if got.URL.Path != "/fhir/$process-message" || got.Method != "POST" {
		t.Errorf("%s %s", got.Method, got.URL)
	}
	decoded := func(name string) string {
		text, err := base64.StdEncoding.DecodeString(got.Header.Get(name))
		if err != nil || !json.Valid(text) {
			t.Errorf("%s is %q", name, got.Header.Get(name))
		}
		return string(text)
	}
	for what, pair := range map[string][2]string{
		"request id":     {got.Header.Get("X-Request-Id"), "019c0000-0000-7000-8000-00000000000d"},
		"correlation":    {got.Header.Get("X-Correlation-Id"), "7b0000cc-0000-4000-8000-0000000000cc"},
		"accept":         {got.Header.Get("Accept"), "application/fhir+json; version=1.1.0"},
		"content type":   {got.Header.Get("Content-Type"), "application/fhir+json"},
		"use context":    {got.Header.Get("use-context"), "a5t1|referral|servicerequest-response|new"},
		"target":         {decoded("NHSD-Target-Identifier"), `{"system":"https://fhir.nhs.uk/Id/dos-service-id","value":"2000099001"}`},
		"end user":       {decoded("NHSD-End-User-Organisation"), `{"identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Z99010"}],"name":"Elmbridge link workers","resourceType":"Organization"}`},
		"software":       {decoded("NHSD-Requesting-Software"), `{"deviceName":[{"name":"spadapter","type":"model-name"}],"identifier":[{"system":"https://spadapter.example/Id/product","value":"spadapter"}],"resourceType":"Device","version":[{"value":"1.2.3"}]}`},
		"both are equal": {fmt.Sprint(requests[0].Header), fmt.Sprint(requests[1].Header)},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s:\n  %s\n  %s", what, pair[0], pair[1])
		}
	}
	without := rowBaRS
	without.Facts = referral.Facts{}
	if _, err := b.Send(t.Context(), without); err != nil || requests[2].Header.Get("X-Correlation-Id") != rowBaRS.Referral {
		t.Errorf("without a conversation of the sender: %v, %q", err, requests[2].Header.Get("X-Correlation-Id"))
	}
	ordinary := b.Endpoint
	b.Endpoint = func(ods, destination string) (Endpoint, bool) {
		e, ok := ordinary(ods, destination)
		e.Version = "1.2.0"
		return e, ok
	}
	if _, err := b.Send(t.Context(), rowBaRS); err != nil || requests[3].Header.Get("Accept") != "application/fhir+json; version=1.2.0" {
		t.Errorf("an endpoint with a version of its own: %v, %q", err, requests[3].Header.Get("Accept"))
	}
}

// What counts as delivered, what is tried again and what is refused.
func TestBaRSJudgesTheAnswer(t *testing.T) {
	const delivered, retry, dead = "delivered", "retry", "dead"
	id, correlation := "X-Request-Id", "X-Correlation-Id"
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
		issue  issue.Type
	}{
		{"a Bundle", mirror(200, `{"resourceType":"Bundle","type":"message"}`), delivered, ""},
		{"words of welcome", mirror(200, outcome("information", "informational")), delivered, ""},
		{"202 with nothing", mirror(202, ""), delivered, ""},
		{"the request comes back", mirror(200, messageSent), delivered, ""},
		{"duplicate: an earlier try arrived", mirror(409, barred("duplicate", "REC_CONFLICT")), delivered, ""},

		{"lie: the request comes back, with no ids", answer(200, messageSent), retry, issue.Incomplete},
		{"lie: another request id", answer(200, messageSent, id, "7b0000ff-0000-4000-8000-0000000000ff", correlation, rowBaRS.Facts.Correlation), retry, issue.Incomplete},
		{"lie: another conversation", answer(200, messageSent, id, rowBaRS.ID, correlation, "7b0000ff-0000-4000-8000-0000000000ff"), retry, issue.Incomplete},
		{"lie: a duplicate of something else", answer(409, barred("duplicate", "REC_CONFLICT")), retry, issue.Incomplete},
		{"lie: login page", mirror(200, "<html>"), retry, issue.Exception},
		{"lie: 200 with an error", mirror(200, barred("invariant", "REC_BAD_REQUEST")), dead, issue.Invariant},
		{"lie: 200 with a passing error", mirror(200, barred("transient", "REC_UNAVAILABLE")), retry, issue.Transient},
		{"refused without ids", answer(400, barred("invariant", "REC_BAD_REQUEST")), retry, issue.Incomplete},
		{"refused without words", mirror(400, ""), retry, issue.Invalid},
		{"404 of something else", mirror(404, "<html>"), retry, issue.NotFound},

		{"400", mirror(400, barred("invariant", "REC_BAD_REQUEST")), dead, issue.Invariant},
		{"400 in the wrong prefix", mirror(400, barred("invalid", "SEND_BAD_REQUEST")), dead, issue.Invalid},
		{"400 of a proxy that is too busy", mirror(400, barred("processing", "PROXY_TOO_MANY_REQUESTS")), retry, issue.Processing},
		{"400 in a code system of another's", mirror(400, strings.Replace(barred("invalid", "PROXY_TOO_MANY_REQUESTS"), "http-error-codes", "mine", 1)), dead, issue.Invalid},
		{"400 in the other spelling of the code system", mirror(400, strings.Replace(barred("invalid", "REC_TIMEOUT"), "/CodeSystem/", "/Codesystem/", 1)), retry, issue.Invalid},
		{"401", mirror(401, barred("forbidden", "REC_UNAUTHORIZED")), retry, issue.Forbidden},
		{"403", mirror(403, barred("forbidden", "REC_FORBIDDEN")), retry, issue.Forbidden},
		{"404: nobody asked", mirror(404, barred("not-found", "REC_NOT_FOUND")), dead, issue.NotFound},
		{"405", mirror(405, barred("not-supported", "REC_METHOD_NOT_ALLOWED")), dead, issue.NotSupported},
		{"406", mirror(406, barred("processing", "REC_NOT_ACCEPTABLE")), dead, issue.Processing},
		{"408", mirror(408, barred("timeout", "REC_TIMEOUT")), retry, issue.Timeout},
		{"409 that is no duplicate", mirror(409, barred("conflict", "REC_CONFLICT")), dead, issue.Conflict},
		{"422", mirror(422, barred("not-supported", "REC_UNPROCESSABLE_ENTITY")), dead, issue.NotSupported},
		{"422 with duplicate is no duplicate", mirror(422, barred("duplicate", "REC_UNPROCESSABLE_ENTITY")), dead, issue.Duplicate},
		{"425", mirror(425, barred("duplicate", "REC_TOO_EARLY")), retry, issue.Duplicate},
		{"429", mirror(429, barred("throttled", "REC_TOO_MANY_REQUESTS")), retry, issue.Throttled},
		{"500", mirror(500, barred("exception", "REC_SERVER_ERROR")), retry, issue.Exception},
		{"501", mirror(501, barred("not-supported", "PROXY_NOT_IMPLEMENTED")), dead, issue.NotSupported},
		{"503", mirror(503, barred("transient", "REC_SERVICE_UNAVAILABLE")), retry, issue.Transient},
		{"504", mirror(504, barred("timeout", "PROXY_TIMEOUT")), retry, issue.Timeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := partnerBaRS(t, c.answer).Send(t.Context(), rowBaRS)
			got := retry
			switch {
			case err == nil:
				got = delivered
			case r.Refused:
				got = dead
			}
			if got != c.want {
				t.Fatalf("%s with status %d (%v), want %s", got, r.Status, err, c.want)
			}
			if err == nil {
				return
			}
			if e := failure(err); e.Type != c.issue || strings.Contains(e.Error(), "Betty") {
				t.Errorf("issue %s %q, want %s", e.Type, e.Error(), c.issue)
			}
		})
	}
}

func TestBaRSRenewsARefusedToken(t *testing.T) {
	var used []string
	b := partnerBaRS(t, func(w http.ResponseWriter, r *http.Request) {
		if used = append(used, r.Header.Get("Authorization")); used[len(used)-1] != "Bearer good" {
			mirror(403, barred("forbidden", "PROXY_FORBIDDEN"))(w, r)
			return
		}
		mirror(200, "")(w, r)
	})
	give := []string{"old", "good"}
	b.Token = func(context.Context, Endpoint, string) (string, error) {
		token := give[0]
		give = give[1:]
		return token, nil
	}
	if _, err := b.Send(t.Context(), rowBaRS); err != nil || !slices.Equal(used, []string{"Bearer old", "Bearer good"}) {
		t.Errorf("%v, used %q", err, used)
	}
}

func TestBaRSSendsNothingThatCannotBeRouted(t *testing.T) {
	asked := 0
	b := partnerBaRS(t, func(w http.ResponseWriter, r *http.Request) { asked++ })
	for name, body := range map[string]string{
		"no message":         `{"resourceType":"Bundle","type":"message"}`,
		"no JSON":            `{`,
		"an address instead": strings.Replace(messageSent, "https://fhir.nhs.uk/Id/dos-service-id|2000099001", "https://gp.example/fhir", 1),
	} {
		d := rowBaRS
		d.Body = []byte(body)
		if r, err := b.Send(t.Context(), d); !errors.Is(err, issue.Structure) || !r.Refused {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	d := rowBaRS
	d.Recipient = "Z99999"
	if r, err := b.Send(t.Context(), d); !errors.Is(err, issue.NotFound) || r.Refused {
		t.Errorf("a recipient without endpoint: %+v, %v", r, err)
	}
	b.Endpoint = func(string, string) (Endpoint, bool) { return Endpoint{Address: "http://gp.example/bars"}, true }
	if r, err := b.Send(t.Context(), rowBaRS); !errors.Is(err, issue.NotSupported) || r.Refused {
		t.Errorf("an unsafe address: %+v, %v", r, err)
	}
	if asked != 0 {
		t.Errorf("%d requests were sent", asked)
	}
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	b.Endpoint = func(string, string) (Endpoint, bool) { return Endpoint{Address: s.URL}, true }
	if r, err := b.Send(t.Context(), rowBaRS); !errors.Is(err, issue.Transient) || r.Refused {
		t.Errorf("nobody listens: %+v, %v", r, err)
	}
}
