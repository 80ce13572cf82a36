package gateway

import (
	"context"
	"errors"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

func batchOf(entries ...string) string {
	return `{"resourceType":"Bundle","type":"batch","entry":[` + strings.Join(entries, ",") + `]}`
}

// TestBatchAnswersEachEntry lets entries succeed and fail side by side.
func TestBatchAnswersEachEntry(t *testing.T) {
	w := newWorld(t, nil)
	submit := w.config.Operations.Submit
	w.config.Operations.Submit = func(ctx context.Context, c referral.Call, root *fhir.Node) (*referral.Response, error) {
		if root.ResourceType() == "Observation" {
			return nil, issue.New(issue.Required, "obs-code", "code is required").At("Observation.code").On(1, 25)
		}
		return submit(ctx, c, root)
	}
	w.handler = New(w.config)
	body := batchOf(
		`{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=a|b"}}`,
		`{"resource":{"resourceType":"Observation"},"request":{"method":"POST","url":"Observation"}}`,
		`{"request":{"method":"GET","url":"Patient/1"}}`,
		`{"request":{"method":"GET","url":"Patient?family=x"}}`,
		`{"request":{"method":"GET","url":"Patient/1","ifNoneMatch":"W/\"3\""}}`,
		`{"request":{"method":"DELETE","url":"Patient/1"}}`,
		`{"request":{"method":"GET","url":"Encounter/1"}}`,
		`{"request":{"method":"GET"}}`,
		`{"request":{"method":"GET","url":"/healthz"}}`,
		`{"request":{"method":"GET","url":"../../healthz"}}`,
		`{"resource":{"resourceType":"Bundle","type":"batch"},"request":{"method":"POST","url":"?x"}}`,
		`{"request":{"method":"G T","url":"Patient"}}`,
	)
	rec := w.post("/fhir/R4", body, "as gp", "X-Request-ID: r1", "Idempotency-Key: k1", "Accept-Encoding: gzip;q=0")
	wants(t, rec, 200, "")
	root := parsed(t, rec)
	var got []string
	for _, e := range root.All("entry") {
		row := e.Text("response", "status")[:3]
		if rule := e.Text("response", "outcome", "issue", "details", "coding", "code"); rule != "" {
			row += " " + rule
		}
		if kind := e.Child("resource").Text("type"); kind != "" {
			row += " " + kind
		} else if r := e.Child("resource"); r != nil {
			row += " " + r.ResourceType()
		}
		got = append(got, row+" "+e.Text("response", "location"))
	}
	want := []string{
		"201 Patient/1/_history/1", "400 obs-code ", "200 Patient ", "200 searchset ", "304 ", "405 method-not-allowed ", "404 unknown-path ",
		"400 batch-request ", "400 batch-request ", "400 batch-request ", "400 batch-request ", "400 batch-request ",
	}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if root.Text("type") != "batch-response" || root.Child("timestamp") != nil {
		t.Error(rec.Body)
	}
	if refused := root.All("entry")[1].Descend("response", "outcome", "issue"); refused.Child("extension") != nil {
		t.Error("a line of a text that the sender never saw")
	}
	first, second := w.calls[0], w.calls[1]
	if first.RequestID != "r1.0" || first.IdempotencyKey != "k1.0" || first.IfNoneExist != "identifier=a|b" || first.Principal != tokens["gp"] || second.RequestID != "r1.2" {
		t.Errorf("%+v %+v", first, second)
	}
	if len(lines(t, w.log)) != 1 {
		t.Errorf("a batch has one line in the log: %s", w.log)
	}
	if len(w.refused) != 8 { // all but 201, 304 and the 200s
		t.Errorf("%d refusals recorded: %+v", len(w.refused), w.refused)
	}
	again := w.post("/fhir/R4", body, "as gp", "X-Request-ID: r1", "Idempotency-Key: k1")
	if !strings.Contains(again.Body.String(), `"status":"201 Created"`) {
		t.Error(again.Body)
	}
}

func TestBatchKeepsScopesAndRoles(t *testing.T) {
	w := newWorld(t, nil)
	body := batchOf(
		`{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}`,
		`{"request":{"method":"GET","url":"Patient/1"}}`,
	)
	for token, want := range map[string]string{"gp": "201 200", "lw": "403 200", "reader": "403 200", "patients": "201 403"} {
		var got []string
		for _, e := range parsed(t, w.post("/fhir/R4", body, "as "+token)).All("entry") {
			got = append(got, e.Text("response", "status")[:3])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", token, got, want)
		}
	}
	many := strings.Repeat(`{"request":{"method":"GET","url":"Patient/1"}},`, maxEntries)
	wants(t, w.post("/fhir/R4", batchOf(many+`{}`), "as gp"), 422, "batch-limit")

	// the resource comes back where it is asked for
	rec := w.post("/fhir/R4", body, "as gp", "Prefer: return=representation")
	if parsed(t, rec).All("entry")[0].Text("resource", "id") != "1" {
		t.Error(rec.Body)
	}
	if len(w.refused) == 0 || w.refused[0].entity != "" && w.refused[0].entity != "Patient/1" {
		t.Errorf("%+v", w.refused)
	}
}

// TestBatchLogsOurFaults: the cause of a 500 is not lost in an entry.
func TestBatchLogsOurFaults(t *testing.T) {
	w := newWorld(t, refusing(errors.New("disk full")))
	rec := w.post("/fhir/R4", batchOf(`{"request":{"method":"GET","url":"Patient/1"}}`), "as gp")
	wants(t, rec, 200, "500 Internal Server Error")
	if got := lines(t, w.log); len(got) != 2 || got[0]["cause"] != "disk full" || got[0]["route"] != "/fhir/R4/Patient/:id" || got[1]["status"] != 200.0 {
		t.Errorf("%s", w.log)
	}
}

// TestBatchInvokesOperations: those on a type work within a batch; one on the whole
// system is refused like everything that concerns it.
func TestBatchInvokesOperations(t *testing.T) {
	w := newWorld(t, nil)
	operation := func(url, body string) string {
		return `{"resource":` + body + `,"request":{"method":"POST","url":"` + url + `"}}`
	}
	rec := w.post("/fhir/R4", batchOf(
		`{"request":{"method":"GET","url":"ConceptMap/letters/$translate?`+byCode+`female"}}`,
		operation("ConceptMap/$translate", asksFor(`{"name":"url","valueUri":"urn:test:letters"}`, `{"name":"coding","valueCoding":{"system":"`+genders+`","code":"unknown"}}`)),
		operation("StructureMap/plain/$transform?loss=true", somebody),
		operation("StructureMap/older/$transform", asksFor(`{"name":"content","resource":{"resourceType":"ReferralRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"},"description":"d"}}`)),
		`{"request":{"method":"GET","url":"ConceptMap?url=urn:test:letters"}}`,
		operation("StructureMap/private/$transform", somebody),
		operation("StructureMap/$transform", asksFor(`{"name":"content","valueString":"x"}`)),
		`{"request":{"method":"POST","url":"StructureMap/plain/$transform"}}`,
		operation("$convert?dialect=plain", somebody),
	), "as gp")
	wants(t, rec, 200, "")
	root, err := fhir.Parse(fhir.Types(fhir.R4), rec.Body.Bytes(), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range root.All("entry") {
		got = append(got, strings.TrimSpace(e.Text("response", "status")[:3]+" "+e.Child("resource").ResourceType()+e.Text("response", "outcome", "issue", "details", "coding", "code")))
	}
	want := "200 Parameters|200 Parameters|200 Parameters|200 ServiceRequest|200 Bundle|404 unknown-id|400 parameter-form|400 json|400 batch-request"
	if strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}
	loss := string(fhir.Encode(root.All("entry")[2].Child("resource")))
	if strings.Contains(loss, extensionLine) || strings.Contains(loss, `"line"`) || !strings.Contains(loss, `"unread"`) || !strings.Contains(rec.Body.String(), "map-unread") {
		t.Error("a line of a text that the sender never saw")
	}
}
