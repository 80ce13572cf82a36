package gateway

import (
	"context"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

func TestCreate(t *testing.T) {
	w := newWorld(t, nil)
	body := `{"resourceType":"Patient","id":"mine"}`
	for prefer, want := range map[string]string{
		"":                          `{"resourceType":"Patient","id":"1"}`,
		"return=representation":     `{"resourceType":"Patient","id":"1"}`,
		"return=minimal":            ``,
		"return=OperationOutcome":   `{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational","details":{"text":"the resource is stored"}}]}`,
		"handling=strict; return=x": `{"resourceType":"Patient","id":"1"}`,
	} {
		rec := w.post("/fhir/R4/Patient", body, "as gp", "Prefer: "+prefer, "If-None-Exist: identifier=a|b")
		wants(t, rec, 201, "")
		if rec.Body.String() != want {
			t.Errorf("%s: %s", prefer, rec.Body)
		}
		if got := rec.Header(); got.Get("Location") != "https://adapter.test/fhir/R4/Patient/1/_history/1" || got.Get("ETag") != `W/"1"` {
			t.Errorf("%v", got)
		}
	}
	call := w.calls[0]
	if string(call.Body) != body || call.IfNoneExist != "identifier=a|b" || call.ContentType != "application/fhir+json" || call.Principal != tokens["gp"] {
		t.Errorf("%+v", call)
	}
}

func TestCreateRefuses(t *testing.T) {
	w := newWorld(t, nil)
	wants(t, w.post("/fhir/R4/Patient", `{"resourceType":"Observation"}`, "as gp"), 400, "resource-type")
	wants(t, w.post("/fhir/R4/Patient", ``, "as gp"), 400, "json")
	rec := w.post("/fhir/R4/Patient", "{\n  \"resourceType\":", "as gp")
	wants(t, rec, 400, "json")
	if parsed(t, rec).Text("issue", "extension", "valueInteger") != "2" {
		t.Errorf("the line is missing: %s", rec.Body)
	}
	if len(w.calls) != 0 || len(w.refused) != 3 || w.refused[0].interaction != "create" {
		t.Errorf("%d calls, refusals %+v", len(w.calls), w.refused)
	}
}

// TestRepeatIsByteForByte writes what the domain stored, whatever the request asks of form.
func TestRepeatIsByteForByte(t *testing.T) {
	stored := "{ \"resourceType\" : \"Bundle\",\n\"odd\":1.00}"
	w := newWorld(t, func(o *Operations) {
		o.Submit = func(context.Context, referral.Call, *fhir.Node) (*referral.Response, error) {
			return &referral.Response{Status: 200, ContentType: "application/fhir+json", Body: []byte(stored)}, nil
		}
	})
	rec := w.post("/fhir/R4?_pretty=true", `{"resourceType":"Bundle","type":"transaction"}`, "as gp", "Prefer: return=minimal")
	wants(t, rec, 200, "")
	if rec.Body.String() != stored || rec.Header().Get("Content-Type") != "application/fhir+json" || rec.Header().Get("Location") != "" {
		t.Errorf("%q %v", rec.Body, rec.Header())
	}
	wants(t, w.post("/fhir/R4/", `{"resourceType":"Bundle","type":"transaction"}`, "as gp"), 200, "")
}

func TestTransactionRefuses(t *testing.T) {
	w := newWorld(t, nil)
	for body, rule := range map[string]string{
		`{"resourceType":"Patient"}`:                   "bundle-expected",
		`{"resourceType":"Bundle"}`:                    "bundle-type",
		`{"resourceType":"Bundle","type":"message"}`:   "bundle-type",
		`{"resourceType":"Bundle","type":"batch","x":`: "json",
	} {
		wants(t, w.post("/fhir/R4", body, "as gp"), 400, rule)
	}
}

func TestTransactionNeedsTheScopeOfEachEntry(t *testing.T) {
	entry := func(method, url string) string { return `{"request":{"method":"` + method + `","url":"` + url + `"}}` }
	bundle := func(entries ...string) string {
		return `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join(entries, ",") + `]}`
	}
	w := newWorld(t, nil)
	rec := w.post("/fhir/R4", bundle(entry("POST", "Patient"), entry("POST", "Observation"), entry("POST", "Observation"), entry("PUT", "Patient/1"),
		entry("GET", "Patient?_id=1"), entry("GET", "Patient/1"), entry("DELETE", "ServiceRequest/1"), `{}`, entry("POST", "Nonsense"), entry("JUMP", "Patient")), "as patients")
	wants(t, rec, 403, "scope")
	var got []string
	for _, i := range parsed(t, rec).All("issue") {
		got = append(got, i.Text("expression")+" "+strings.TrimPrefix(i.Text("details", "text"), "the token lacks the scope system/"))
	}
	want := "Bundle.entry[1].request Observation.c, Bundle.entry[3].request Patient.u, Bundle.entry[4].request Patient.s, Bundle.entry[5].request Patient.r, Bundle.entry[6].request ServiceRequest.d"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
	wants(t, w.post("/fhir/R4", bundle(entry("POST", "Patient")), "as patients"), 201, "")
}
