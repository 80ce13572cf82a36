package gateway

import (
	"net/url"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
)

const (
	genders = "http://hl7.org/fhir/administrative-gender"
	byCode  = "system=" + genders + "&code="
)

// TestTranslateByAddress asks with GET, of the type and of an instance.
func TestTranslateByAddress(t *testing.T) {
	w := newWorld(t, nil)
	for target, want := range map[string]string{
		"letters/$translate?" + byCode + "female":                                                                                                        `{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":true},{"name":"match","part":[{"name":"equivalence","valueCode":"equal"},{"name":"concept","valueCoding":{"system":"urn:letters","code":"F","display":"Eff"}},{"name":"source","valueUri":"urn:test:letters"}]}]}`,
		"$translate?url=urn:test:letters&conceptMapVersion=1&reverse=true&system=urn:letters&code=F":                                                     `{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":true},{"name":"match","part":[{"name":"equivalence","valueCode":"equal"},{"name":"concept","valueCoding":{"system":"` + genders + `","code":"female"}},{"name":"source","valueUri":"urn:test:letters"}]}]}`,
		"$translate?source=http://hl7.org/fhir/ValueSet/administrative-gender&targetsystem=urn:letters&_format=json&version=4.0.1&" + byCode + "unknown": `{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":false},{"name":"message","valueString":"it is stated that the code has no match"},{"name":"match","part":[{"name":"equivalence","valueCode":"unmatched"},{"name":"source","valueUri":"urn:test:letters"}]}]}`,
		"letters/$translate?" + byCode + "male":                                                                                                          `{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":false},{"name":"message","valueString":"no row of the ConceptMap is for this code"}]}`,
		"letters/%24translate?" + byCode + "male":                                                                                                        `{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":false},{"name":"message","valueString":"no row of the ConceptMap is for this code"}]}`,
	} {
		rec := w.do("GET", "/fhir/R4/ConceptMap/"+target, "", "as bare")
		wants(t, rec, 200, "")
		parsed(t, rec)
		if rec.Body.String() != want {
			t.Errorf("%s\n got %s\nwant %s", target, rec.Body, want)
		}
	}
	if rec := w.do("HEAD", "/fhir/R4/ConceptMap/letters/$translate?"+byCode+"female", "", "as bare"); rec.Code != 200 || rec.Body.Len() != 0 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	// the map that ships is there too
	rec := w.do("GET", "/fhir/R4/ConceptMap/business-status-filing/$translate?code=declined-by-patient&system="+url.QueryEscape("https://spadapter.example/fhir/CodeSystem/business-status"), "", "as lw")
	if root := parsed(t, rec); parameterOf(root, "result").Text("value") != "true" {
		t.Error(rec.Body)
	}
	if len(w.calls)+len(w.refused) != 0 {
		t.Errorf("the domain was asked: %v %v", w.calls, w.refused)
	}
}

func asksFor(parameters ...string) string {
	return `{"resourceType":"Parameters","parameter":[` + strings.Join(parameters, ",") + `]}`
}

// TestTranslateByParameters asks with POST for what an address cannot hold.
func TestTranslateByParameters(t *testing.T) {
	const (
		byURL  = `{"name":"url","valueUri":"urn:test:letters"}`
		female = `{"system":"` + genders + `","code":"female"}`
		other  = `{"system":"` + genders + `","code":"other"}`
		adult  = `{"name":"dependency","part":[{"name":"element","valueUri":"urn:test:age"},{"name":"concept","valueCodeableConcept":{"coding":[{"system":"urn:ages","code":"adult"}]}}]}`
	)
	w := newWorld(t, nil)
	for name, c := range map[string]struct{ body, want string }{
		"a code":            {asksFor(byURL, `{"name":"code","valueCode":"female"},{"name":"system","valueUri":"`+genders+`"}`), "true equal F"},
		"a coding":          {asksFor(byURL, `{"name":"coding","valueCoding":`+female+`}`), "true equal F"},
		"a concept":         {asksFor(byURL, `{"name":"codeableConcept","valueCodeableConcept":{"text":"x","coding":[{"code":"nothing"},{"system":"urn:else","code":"1"},`+female+`]}}`), "true equal F"},
		"no dependency":     {asksFor(byURL, `{"name":"coding","valueCoding":`+other+`}`), "false"},
		"with a dependency": {asksFor(adult, byURL, `{"name":"coding","valueCoding":`+other+`}`, adult), "true wider O"},
		"reversed":          {asksFor(byURL, `{"name":"reverse","valueBoolean":true}`, `{"name":"coding","valueCoding":{"system":"urn:letters","code":"O"}}`), "true narrower other"},
	} {
		rec := w.post("/fhir/R4/ConceptMap/$translate", c.body, "as bare")
		wants(t, rec, 200, "")
		root := parsed(t, rec)
		got := parameterOf(root, "result").Text("value")
		if m := parameterOf(root, "match"); m != nil {
			got += " " + parameterOf(m, "equivalence").Text("value") + " " + parameterOf(m, "concept").Text("value", "code")
		}
		if got != c.want {
			t.Errorf("%s: %s in %s", name, got, rec.Body)
		}
	}
	rec := w.post("/fhir/R4/ConceptMap/letters/$translate?_pretty=true", asksFor(adult, `{"name":"coding","valueCoding":`+other+`}`), "as bare")
	product := parameterOf(parameterOf(parsed(t, rec), "match"), "product")
	if got := string(fhir.Encode(product)); got != `{"name":"product","part":[{"name":"element","valueUri":"urn:test:note"},{"name":"concept","valueCoding":{"system":"urn:notes","code":"n"}}]}` {
		t.Error(got)
	}
}

func TestTranslateRefuses(t *testing.T) {
	w := newWorld(t, nil)
	const path = "/fhir/R4/ConceptMap/"
	for target, want := range map[string]struct {
		status   int
		rule, at string
	}{
		"$translate?" + byCode + "female":                                     {400, "translate-map", "http.url"},
		"$translate?url=urn:none&" + byCode + "female":                        {404, "conceptmap-unknown", "http.url"},
		"$translate?url=urn:test:letters&conceptMapVersion=2&" + byCode + "x": {404, "conceptmap-unknown", "http.url"},
		"$translate?conceptMapVersion=2&" + byCode + "x":                      {400, "translate-map", "http.conceptMapVersion"},
		"none/$translate?" + byCode + "female":                                {404, "unknown-id", ""},
		"a_b/$translate?" + byCode + "female":                                 {404, "unknown-id", ""},
		"letters/$translate?url=urn:test:letters&" + byCode + "x":             {400, "parameter-conflict", "http.url"},
		"letters/$translate":                                                  {400, "parameter-missing", "http.code"},
		"letters/$translate?code=female":                                      {400, "parameter-missing", "http.code"},
		"letters/$translate?code=&system=urn:x":                               {400, "parameter-type", "http.code"},
		"letters/$translate?" + byCode + "x&code=y":                           {400, "parameter-repeated", "http.code"},
		"letters/$translate?" + byCode + "x&reverse=yes":                      {400, "parameter-type", "http.reverse"},
		"letters/$translate?" + byCode + "x&codes=y":                          {400, "parameter-unknown", ""},
		"letters/$translate?" + byCode + "x&code:not=y":                       {400, "parameter-unknown", ""},
		"letters/$translate?coding=a|b":                                       {422, "parameter-form", "http.coding"},
		"letters/$translate?dependency=a":                                     {422, "parameter-form", "http.dependency"},
		"letters/$translate?conceptMap=a":                                     {422, "parameter-form", "http.conceptMap"},
		"letters/$translate?%zz":                                              {400, "query-escape", ""},
		"$translated":                                                         {404, "unknown-id", ""},
	} {
		rec := w.do("GET", path+target, "", "as gp")
		wants(t, rec, want.status, want.rule)
		if got := parsed(t, rec).Text("issue", "location"); got != want.at {
			t.Errorf("%s is at %q", target, got)
		}
	}
	wants(t, w.do("GET", path+"$translate?"+byCode+"x", ""), 401, "token-missing")
	wants(t, w.do("PUT", path+"$translate?"+byCode+"x", "", "as gp"), 405, "method-not-allowed")
	wants(t, w.do("POST", path+"$translate", byCode+"x", "as gp", "Content-Type: application/x-www-form-urlencoded"), 415, "media-type")
	wants(t, w.post(path+"$translate", `{"resourceType":"Parameters","x":"`+strings.Repeat("x", 10<<20)+`"}`, "as gp"), 413, "body-limit")
}
