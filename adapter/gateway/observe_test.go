package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

func lines(t *testing.T, log *bytes.Buffer) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(log.String()) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		out = append(out, one)
	}
	return out
}

func TestOneLineForEachRequest(t *testing.T) {
	w := newWorld(t, nil)
	w.do("GET", "/fhir/R4/Patient/1", "", "as gp", "X-Request-ID: r1")
	w.do("GET", "/fhir/R4/Patient/1", "", "X-Request-ID: r2")
	w.do("GET", "/nothing", "")
	w.do("GET", "/healthz", "")
	got := lines(t, w.log)
	if len(got) != 4 {
		t.Fatalf("%d lines: %s", len(got), w.log)
	}
	for name, want := range map[string]any{
		"msg": "request", "level": "INFO", "method": "GET", "route": "/fhir/R4/Patient/:id", "status": 200.0, "duration_ms": 0.0, "bytes": 35.0,
		"request_id": "r1", "client": "gp-system", "organisation": "A81001",
	} {
		if got[0][name] != want {
			t.Errorf("%s is %v, want %v", name, got[0][name], want)
		}
	}
	if got[1]["status"] != 401.0 || got[1]["issues"] != "login" || got[1]["rules"] != "token-missing" || got[1]["client"] != nil {
		t.Errorf("%v", got[1])
	}
	if got[2]["route"] != "none" || got[3]["level"] != "DEBUG" {
		t.Errorf("%v %v", got[2], got[3])
	}
}

func TestPanicBecomesException(t *testing.T) {
	for name, throw := range map[string]func(){
		"a value":   func() { panic("Mrs Quill, 9990000000") },
		"a runtime": func() { var p *referral.Version; _ = p.Body },
	} {
		w := newWorld(t, func(o *Operations) {
			o.Read = func(context.Context, referral.Call, string, string) (*referral.Version, error) {
				throw()
				return nil, nil
			}
		})
		rec := w.do("GET", "/fhir/R4/Patient/1", "", "as gp", "X-Request-ID: r1")
		wants(t, rec, 500, "exception")
		if rec.Header().Get("X-Request-ID") != "r1" || strings.Contains(rec.Body.String(), "Quill") || strings.Contains(rec.Body.String(), "nil pointer") {
			t.Errorf("%s: %s", name, rec.Body)
		}
		got := lines(t, w.log)
		if len(got) != 1 || got[0]["level"] != "ERROR" || !strings.Contains(got[0]["stack"].(string), "gateway.read") || strings.Contains(w.log.String(), "Quill") {
			t.Errorf("%s: %s", name, w.log)
		}
		if len(w.refused) != 1 {
			t.Errorf("%s: the refusal is not recorded", name)
		}
	}
}

// TestLogHasNoPatientData sends the same secret in every place there is, and has the
// domain quote it back as far as it may.
func TestLogHasNoPatientData(t *testing.T) {
	const secret = "9990000000"
	refuse := issue.New(issue.NoStore, "no-store", "the store does not answer").With("about %s", secret).Because(errors.New("disk full"))
	w := newWorld(t, func(o *Operations) {
		o.Submit = func(context.Context, referral.Call, *fhir.Node) (*referral.Response, error) { return nil, refuse }
		o.Read = func(context.Context, referral.Call, string, string) (*referral.Version, error) { return nil, refuse }
		o.Search = func(context.Context, referral.Call, referral.Query) (referral.Found, error) {
			return referral.Found{}, refuse
		}
		o.Refused = func(context.Context, referral.Call, string, string, error) error { return refuse }
	})
	form, plain := "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/json"
	w.do("GET", "/fhir/R4/Patient/"+secret, "", "as gp")
	w.do("GET", "/fhir/R4/Patient/"+secret+"/_history/"+secret, "", "as gp")
	w.do("GET", "/fhir/R4/"+secret, "", "as gp")
	w.do("GET", "/"+secret, "", "as "+secret)
	w.do("GET", "/fhir/R4/Patient?identifier="+secret+"&"+secret+"=1&_count="+secret, "", "as gp", "Prefer: handling=strict")
	w.do("GET", "/fhir/R4/Patient?_format="+secret, "", "as gp", "Accept: "+secret)
	w.do("GET", "/fhir/R4/Patient?_count="+secret, "", "as gp", "X-Correlation-ID: "+secret)
	w.do("POST", "/fhir/R4/Patient/_search", "identifier="+secret, "as gp", form)
	w.do("POST", "/fhir/R4/Patient", `{"resourceType":"`+secret+`"}`, "as gp", plain)
	w.do("POST", "/fhir/R4/Patient", `{"resourceType":"Patient","`+secret+`":`, "as gp", plain)
	w.do("POST", "/fhir/R4/Patient", `{"resourceType":"Patient","id":"`+secret+`"}`, "as gp", plain, "If-None-Exist: identifier="+secret)
	w.do("POST", "/fhir/R4", `{"resourceType":"Bundle","type":"`+secret+`"}`, "as gp", plain)
	w.do("POST", "/fhir/R4", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"POST","url":"Observation/`+secret+`"}}]}`, "as patients", plain)
	w.do("POST", "/api/v1/referrals/"+secret+"/actions/"+secret, `{"`+secret+`":1,"note":"`+secret+`","plan":"`+secret+`"}`, "as lw", plain, `If-Match: W/"1"`)
	w.do("POST", "/api/v1/referrals/1/actions/accept", `{}`, "as lw", plain, "If-Match: "+secret)
	w.do("GET", "/api/v1/referrals?owner="+secret+"&status="+secret+"&"+secret, "", "as lw")
	if strings.Contains(w.log.String(), secret) {
		for _, line := range lines(t, w.log) {
			t.Errorf("%v", line)
		}
	}
	// one for each of 16 requests, and one for the batch entry whose refusal could not be recorded
	if got := lines(t, w.log); len(got) != 17 || !strings.Contains(w.log.String(), "disk full") || !strings.Contains(w.log.String(), "audit_error") {
		t.Errorf("%d lines; causes must be logged: %s", len(got), w.log)
	}
	metrics := w.do("GET", "/metrics", "").Body.String()
	if strings.Contains(metrics, secret) || !strings.Contains(metrics, `adapter_http_requests_total{method="GET",route="/fhir/R4/Patient/:id",status="503"} 1`) {
		t.Error(metrics)
	}
}

func TestClientThatHangsUp(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	w := newWorld(t, func(o *Operations) {
		o.Read = func(ctx context.Context, _ referral.Call, _, _ string) (*referral.Version, error) {
			cancel()
			return nil, ctx.Err()
		}
	})
	var recorded error
	w.config.Operations.Refused = func(ctx context.Context, _ referral.Call, _, _ string, err error) error {
		recorded = err
		return ctx.Err()
	}
	w.handler = withContext(ctx, New(w.config))
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp"), 503, "client-gone")
	if !errors.Is(recorded, issue.Timeout) || strings.Contains(w.log.String(), "audit_error") {
		t.Errorf("%v %s", recorded, w.log)
	}
}

// TestOperationsLeaveNoTrace: what is converted or asked about is not in the log, whose
// lines and series have the pattern of the route.
func TestOperationsLeaveNoTrace(t *testing.T) {
	const secret = "9990000018"
	w := newWorld(t, nil)
	body := `{"resourceType":"Patient","identifier":[{"value":"` + secret + `"}]}`
	w.post("/fhir/R4/$convert?dialect=plain&identity="+secret, body, "as gp")
	w.post("/fhir/R4/$convert?dialect="+secret, body, "as gp")
	w.post("/fhir/R4/$convert?dialect=plain&organisation="+secret, body, "as gp")
	w.post("/fhir/R4/$convert?"+secret+"=1", body, "as gp")
	w.post("/fhir/R4/$convert?dialect=plain", `{"resourceType":"`+secret+`","`+secret+`":1}`, "as gp")
	w.post("/fhir/R4/$convert", asksFor(`{"name":"`+secret+`","valueString":"`+secret+`"}`), "as gp")
	w.post("/fhir/R4/StructureMap/"+secret+"/$transform", body, "as gp")
	w.post("/fhir/R4/StructureMap/$transform?source="+secret, body, "as gp")
	w.do("GET", "/fhir/R4/ConceptMap/letters/$translate?system=urn:x&code="+secret, "", "as gp")
	w.do("GET", "/fhir/R4/ConceptMap/$translate?url="+secret+"&system=urn:x&code="+secret, "", "as gp")
	w.do("GET", "/fhir/R4/ConceptMap/"+secret, "", "as gp")
	w.do("GET", "/fhir/R4/ConceptMap?url="+secret, "", "as gp")
	if strings.Contains(w.log.String(), secret) {
		t.Error(w.log)
	}
	var routes []string
	for _, line := range lines(t, w.log) {
		routes = append(routes, fmt.Sprint(line["route"], " ", line["status"]))
	}
	want := "/fhir/R4/$convert 200, /fhir/R4/$convert 400, /fhir/R4/$convert 403, /fhir/R4/$convert 400, /fhir/R4/$convert 400, /fhir/R4/$convert 400, " +
		"/fhir/R4/StructureMap/:id/$transform 404, /fhir/R4/StructureMap/$transform 404, /fhir/R4/ConceptMap/:id/$translate 200, /fhir/R4/ConceptMap/$translate 404, " +
		"/fhir/R4/ConceptMap/:id 404, /fhir/R4/ConceptMap 200"
	if got := strings.Join(routes, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	metrics := w.do("GET", "/metrics", "").Body.String()
	if strings.Contains(metrics, secret) || !strings.Contains(metrics, `adapter_http_requests_total{method="GET",route="/fhir/R4/ConceptMap/:id/$translate",status="200"} 1`) {
		t.Error(metrics)
	}
}
