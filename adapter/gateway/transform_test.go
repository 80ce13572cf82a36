package gateway

import (
	"strings"
	"testing"

	"spadapter/adapter/fhir"
)

// contentParameters is a request of $transform; more stands before the content.
func contentParameters(more string) string {
	return `{"resourceType":"Parameters","parameter":[` + more + `{"name":"content","resource":` + somebody + `}]}`
}

func TestTransform(t *testing.T) {
	const plainURL = `{"name":"source","valueUri":"https://test.example/StructureMap/plain"},`
	w := newWorld(t, nil)
	for name, rec := range map[string]string{
		"by url":           w.post("/fhir/R4/StructureMap/$transform", contentParameters(plainURL), "as bare").Body.String(),
		"by canonical":     w.post("/fhir/R4/StructureMap/$transform", contentParameters(`{"name":"source","valueCanonical":"https://test.example/StructureMap/plain|1"},`), "as bare").Body.String(),
		"the content only": w.post("/fhir/R4/StructureMap/$transform?source=https://test.example/StructureMap/plain", somebody, "as bare").Body.String(),
		"by id":            w.post("/fhir/R4/StructureMap/plain/$transform", somebody, "as bare").Body.String(),
		"source ignored":   w.post("/fhir/R4/StructureMap/plain/$transform", contentParameters(`{"name":"source","valueUri":"urn:x"},`), "as bare").Body.String(),
		"encoded":          w.post("/fhir/R4/StructureMap/plain/%24transform", somebody, "as bare").Body.String(),
	} {
		if !strings.HasPrefix(rec, `{"resourceType":"Basic","id":"`) || !strings.Contains(rec, `"code":{"coding":[{"system":"urn:letters","code":"F","display":"Eff"}],"text":"a letter"}`) {
			t.Errorf("%s: %s", name, rec)
		}
	}
	parsed(t, w.post("/fhir/R4/StructureMap/plain/$transform", contentParameters(""), "as bare"))

	for query, want := range map[string]string{
		"trace=true": "outcome:1 return:1 trace:4 unread:2", "loss=true": "outcome:1 return:1 unread:2",
		"trace=true&loss=true": "outcome:1 return:1 trace:4 unread:2",
	} {
		root := parsed(t, w.post("/fhir/R4/StructureMap/plain/$transform?"+query, somebody, "as bare"))
		if got := counted(root); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	root := parsed(t, w.post("/fhir/R4/StructureMap/$transform", contentParameters(plainURL+`{"name":"loss","valueBoolean":true},`), "as bare"))
	if got := rulesOf(parameterOf(root, "outcome").Child("resource")); strings.Join(got, " ") != "map-unread map-unread" {
		t.Error(got)
	}
	if len(w.calls)+len(w.refused) != 0 {
		t.Errorf("the domain was asked: %v %v", w.calls, w.refused)
	}
}

// TestTransformFindsEveryMapOfADialect: also one that a dialect only imports.
func TestTransformFindsEveryMapOfADialect(t *testing.T) {
	w := newWorld(t, nil)
	dialect := testDialects().Dialect("", "ukcore-r4-to-referral")
	for _, m := range dialect.Set.Maps() {
		rec := w.post("/fhir/R4/StructureMap/"+mapID(m)+"/$transform", `{"resourceType":"Basic","code":{"text":"x"}}`, "as bare")
		if strings.Contains(rec.Body.String(), `"unknown-id"`) {
			t.Errorf("%s: %s", m.URL, rec.Body)
		}
	}
	if len(dialect.Set.Maps()) < 2 {
		t.Error("there is only one map")
	}
}

// TestTransformIntoAnOlderVersion says in the content type what it gives.
func TestTransformIntoAnOlderVersion(t *testing.T) {
	w := newWorld(t, nil)
	rec := w.post("/fhir/R4/StructureMap/newer/$transform", `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"},"patientInstruction":"d"}`, "as bare")
	wants(t, rec, 200, "")
	if rec.Header().Get("Content-Type") != "application/fhir+json; fhirVersion=3.0; charset=utf-8" || rec.Body.String() != `{"resourceType":"ReferralRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"},"description":"d"}` {
		t.Errorf("%v %s", rec.Header(), rec.Body)
	}
	rec = w.post("/fhir/R4/StructureMap/older/$transform", `{"resourceType":"ReferralRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"},"description":"d"}`, "as bare")
	wants(t, rec, 200, "")
	if made := parsed(t, rec); made.ResourceType() != "ServiceRequest" || made.Text("patientInstruction") != "d" {
		t.Errorf("%s", fhir.Encode(made))
	}
}

func TestTransformRefuses(t *testing.T) {
	w := newWorld(t, nil)
	const path = "/fhir/R4/StructureMap/"
	wants(t, w.post(path+"$transform", somebody), 401, "token-missing")
	wants(t, w.post(path+"$transform", somebody, "as gp"), 400, "parameter-missing")
	wants(t, w.post(path+"$transform?source=urn:none", somebody, "as gp"), 404, "map-unknown")
	wants(t, w.post(path+"none/$transform", somebody, "as gp"), 404, "unknown-id")
	wants(t, w.post(path+"a_b/$transform", somebody, "as gp"), 404, "unknown-id")
	wants(t, w.post(path+"plain/$transform", `{"resourceType":"Patient","gender":"woman"}`, "as gp"), 422, "required-code")
	wants(t, w.post(path+"plain/$transform", `{"resourceType":"Basic","code":{"text":"x"}}`, "as gp"), 400, "map-source")
	wants(t, w.post(path+"plain/$transform", `{"resourceType":"Patient","x":"`+strings.Repeat("x", 10<<20)+`"}`, "as gp"), 413, "body-limit")
	wants(t, w.post(path+"silent/$transform", somebody, "as gp"), 422, "map-entry")
	wants(t, w.do("GET", path+"plain/$transform", "", "as gp"), 405, "method-not-allowed")

	// what is another organisation's is not there
	wants(t, w.post(path+"private/$transform", somebody, "as gp"), 404, "unknown-id")
	wants(t, w.post(path+"$transform?source=https://test.example/StructureMap/private", somebody, "as gp"), 404, "map-unknown")
	wants(t, w.post(path+"private/$transform?organisation=LW001", somebody, "as gp"), 403, "organisation")
	wants(t, w.post(path+"plain/$transform", somebody, "as both"), 400, "organisation")
	wants(t, w.post(path+"private/$transform", somebody, "as lw"), 200, "")
	wants(t, w.post(path+"private/$transform?organisation=LW001", somebody, "as op"), 200, "")
	if got := w.post(path+"plain/$transform", somebody, "as gp").Body.String(); !strings.Contains(got, `"language":"cy"`) {
		t.Error(got)
	}
	if got := w.post(path+"plain/$transform", somebody, "as bare").Body.String(); strings.Contains(got, `"language"`) {
		t.Error(got)
	}
	entities := ""
	for _, r := range w.refused {
		entities += r.interaction + " " + r.entity + ","
	}
	if !strings.Contains(entities, "$transform StructureMap/none,$transform ,") {
		t.Error(entities)
	}
}
