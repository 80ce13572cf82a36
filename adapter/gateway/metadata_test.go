package gateway

import (
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
)

// claims lists "Type interaction" and "Type $operation" of the statement; "" stands for
// the whole system.
func claims(statement *fhir.Node) []string {
	var list []string
	rest := statement.Child("rest")
	for _, i := range rest.All("interaction") {
		list = append(list, " "+i.Text("code"))
	}
	for _, o := range rest.All("operation") {
		list = append(list, " $"+o.Text("name"))
	}
	for _, r := range rest.All("resource") {
		for _, i := range r.All("interaction") {
			list = append(list, r.Text("type")+" "+i.Text("code"))
		}
		for _, o := range r.All("operation") {
			list = append(list, r.Text("type")+" $"+o.Text("name"))
		}
	}
	return list
}

// artefactIDs has an id for each type whose resources are part of the program.
var artefactIDs = map[string]string{"ConceptMap": "letters", "StructureMap": "plain", "OperationDefinition": "convert", "ValueSet": "sp-score", "CodeSystem": "business-status"}

// TestEveryClaimAnswers does what the CapabilityStatement says can be done.
func TestEveryClaimAnswers(t *testing.T) {
	w := newWorld(t, nil)
	list := claims(parsed(t, w.do("GET", "/fhir/R4/metadata", "")))
	for _, claim := range list {
		resource, interaction, _ := strings.Cut(claim, " ")
		path := "/fhir/R4/" + resource
		method, target, body, status := "GET", path, "", 200
		switch interaction {
		case "transaction", "batch":
			method, target, body = "POST", "/fhir/R4", `{"resourceType":"Bundle","type":"`+interaction+`"}`
			if interaction == "transaction" {
				status = 201 // the domain of the tests says so
			}
		case "create":
			method, body, status = "POST", `{"resourceType":"`+resource+`"}`, 201
		case "update", "patch":
			method, target, body = "PUT", path+"/1", `{"resourceType":"`+resource+`","id":"1"}`
			if interaction == "patch" {
				// the version that the stub of the tests has
				method, body = "PATCH", `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"delete"},{"name":"path","valueString":"`+resource+`.status"}]}]}`
			}
		case "read":
			target = path + "/1"
			if id := artefactIDs[resource]; id != "" {
				target = path + "/" + id
			}
		case "$convert", "$transform":
			method, target, body = "POST", strings.TrimSuffix(path, "/")+"/"+interaction+"?dialect=plain", `{"resourceType":"Patient"}`
			if interaction == "$transform" {
				target = path + "/plain/$transform"
			}
		case "$validate":
			method, target, body = "POST", strings.TrimSuffix(path, "/")+"/$validate", `{"resourceType":"Patient"}`
		case "$lifecycle":
			target = "/fhir/R4/$lifecycle"
		case "$translate":
			target = path + "/letters/$translate?code=female&system=http://hl7.org/fhir/administrative-gender"
		case "$expand":
			target = path + "/sp-score/$expand"
		case "$validate-code":
			target = path + "/" + artefactIDs[resource] + "/$validate-code?code=awaiting-triage"
			if resource == "ValueSet" {
				target += "&system=http://snomed.info/sct"
			}
		case "$lookup":
			target = path + "/$lookup?code=awaiting-triage&system=https://spadapter.example/fhir/CodeSystem/business-status"
		case "$subsumes":
			target = path + "/business-status/$subsumes?codeA=awaiting-triage&codeB=awaiting-triage"
		case "vread":
			target = path + "/1/_history/1"
		case "history-instance":
			target = path + "/1/_history"
		case "history-type":
			target = path + "/_history"
		case "search-type":
		default:
			t.Errorf("%s is claimed and not tested", claim)
		}
		rec := w.do(method, target, body, "as op", "Content-Type: application/fhir+json", `If-Match: W/"3"`)
		if rec.Code != status {
			t.Errorf("%s is claimed; %s %s gives %d", claim, method, target, rec.Code)
		}
	}
	if len(list) < 20 {
		t.Errorf("only %d claims", len(list))
	}
}

// TestEveryRouteIsClaimed finds no FHIR route that the statement is silent about.
func TestEveryRouteIsClaimed(t *testing.T) {
	w := newWorld(t, nil)
	list := claims(parsed(t, w.do("GET", "/fhir/R4/metadata", "")))
	g := &gateway{Config: w.config.withDefaults()}
	for _, r := range g.table() {
		if r.surface != surfaceFHIR || r.interactions[0] == "capabilities" {
			continue
		}
		codes := r.interactions
		if r.operation != nil {
			codes = []string{"$" + r.operation.name}
		}
		for _, code := range codes {
			if !slices.Contains(list, r.resource+" "+code) {
				t.Errorf("%s %s is not claimed", r.method, r.path)
			}
		}
	}
}

// TestEverySearchParameterIsUsed asks for each that is claimed, in strict mode.
func TestEverySearchParameterIsUsed(t *testing.T) {
	w := newWorld(t, nil)
	statement := parsed(t, w.do("GET", "/fhir/R4/metadata", ""))
	values := map[string]string{"token": "x", "string": "x", "date": "2026", "reference": "Patient/1", "uri": "urn:x"}
	for _, r := range statement.Child("rest").All("resource") {
		if artefact := !slices.Contains(w.config.Operations.ResourceTypes(), r.Text("type")); artefact {
			if r.Text("versioning") != "no-version" || r.Child("conditionalRead") != nil {
				t.Errorf("%s", fhir.Encode(r))
			}
		} else if r.Text("versioning") != "versioned" || r.Text("updateCreate") != "false" || (r.Text("conditionalCreate") == "true") != slices.Contains(w.config.Operations.CreateTypes(), r.Text("type")) {
			t.Errorf("%s", fhir.Encode(r))
		}
		for _, p := range r.All("searchParam") {
			if p.Text("definition") == "" || values[p.Text("type")] == "" {
				t.Errorf("%s.%s has no definition or type", r.Text("type"), p.Text("name"))
			}
			value := values[p.Text("type")]
			if p.Text("name") == "owner" || p.Text("name") == "agent" || p.Text("name") == "requester" {
				value = "Y99201"
			}
			rec := w.do("GET", "/fhir/R4/"+r.Text("type")+"?"+p.Text("name")+"="+value, "", "as gp", "Prefer: handling=strict")
			wants(t, rec, 200, "")
			if self := parsed(t, rec).Text("link", "url"); !strings.Contains(self, "?"+p.Text("name")+"=") {
				t.Errorf("%s is claimed and not used: %s", p.Text("name"), self)
			}
		}
	}
}

func TestStatementSaysWhatItIs(t *testing.T) {
	w := newWorld(t, nil)
	rec := w.do("GET", "/fhir/R4/metadata?_pretty=true", "")
	statement := parsed(t, rec)
	for want, names := range map[string][]string{
		"active": {"status"}, "2026-02-17T12:00:00.000Z": {"date"}, "instance": {"kind"}, "4.0.1": {"fhirVersion"}, "json": {"format"},
		"server": {"rest", "mode"}, base + "/fhir/R4": {"implementation", "url"}, "spadapter": {"software", "name"},
		base + "/oauth2/token": {"rest", "security", "extension", "extension", "value"}, "SMART-on-FHIR": {"rest", "security", "service", "coding", "code"},
	} {
		if got := statement.Text(names...); got != want {
			t.Errorf("%v is %q, want %q", names, got, want)
		}
	}
	var formats []string
	for _, f := range statement.All("format") {
		formats = append(formats, f.Value)
	}
	if got := strings.Join(formats, " "); got != "json application/fhir+json xml application/fhir+xml" {
		t.Errorf("the formats are %s", got)
	}
	for _, mode := range []string{"full", "normative", "terminology", ""} {
		wants(t, w.do("GET", "/fhir/R4/metadata?mode="+mode, ""), 200, "")
	}
	wants(t, w.do("GET", "/fhir/R4/metadata?mode=all", ""), 400, "metadata-mode")
}
