package gateway

import (
	"fmt"
	"strings"
	"testing"
)

// TestInputsAreRefused gives operations every wrong parameter: the answer names each one.
func TestInputsAreRefused(t *testing.T) {
	const (
		translatePath = "/fhir/R4/ConceptMap/$translate"
		transformPath = "/fhir/R4/StructureMap/$transform"
		convertPath   = "/fhir/R4/$convert"

		byURL   = `{"name":"url","valueUri":"urn:test:letters"}`
		aCoding = `{"name":"coding","valueCoding":{"system":"urn:x","code":"y"}}`
		source  = `{"name":"source","resource":` + somebody + `}`
		content = `{"name":"content","resource":` + somebody + `}`
		element = `{"name":"element","valueUri":"urn:x"}`
		concept = `{"name":"concept","valueCodeableConcept":{"text":"x"}}`
	)
	at := func(i int) string { return fmt.Sprintf("Parameters.parameter[%d]", i) }
	w := newWorld(t, nil)
	for name, c := range map[string]struct {
		target, body string
		status       int
		want         string // rule and place of each issue
	}{
		"no source":               {convertPath, asksFor(`{"name":"dialect","valueString":"plain"}`), 400, "parameter-missing Parameters.parameter"},
		"nothing at all":          {convertPath, `{"resourceType":"Parameters"}`, 400, "parameter-missing Parameters.parameter"},
		"two sources":             {convertPath, asksFor(source, source), 400, "parameter-repeated " + at(1)},
		"source as a value":       {convertPath, asksFor(`{"name":"source","valueString":"x"}`), 400, "parameter-form " + at(0)},
		"source in parts":         {convertPath, asksFor(`{"name":"source","part":[{"name":"x","valueString":"x"}]}`), 400, "parameter-form " + at(0)},
		"source in the address":   {convertPath + "?source=x", somebody, 422, "parameter-form http.source"},
		"dialect as a resource":   {convertPath, asksFor(source, `{"name":"dialect","resource":`+somebody+`}`), 400, "parameter-form " + at(1)},
		"dialect as a code":       {convertPath, asksFor(source, `{"name":"dialect","valueCode":"plain"}`), 400, "parameter-type " + at(1)},
		"dialect twice":           {convertPath + "?dialect=plain", asksFor(source, `{"name":"dialect","valueString":"plain"}`), 400, "parameter-repeated " + at(1)},
		"dialect without a value": {convertPath, asksFor(source, `{"name":"dialect","_valueString":{"extension":[{"url":"urn:x","valueString":"y"}]}}`), 400, "parameter-type " + at(1)},
		"unknown dialect":         {convertPath, asksFor(source, `{"name":"dialect","valueString":"none"}`), 400, "dialect-unknown " + at(1)},
		"unknown dialect, asked":  {convertPath + "?dialect=none", somebody, 400, "dialect-unknown http.dialect"},
		"trace as a string":       {convertPath, asksFor(source, `{"name":"trace","valueString":"true"}`), 400, "parameter-type " + at(1)},
		"trace as a JSON string":  {convertPath, asksFor(source, `{"name":"trace","valueBoolean":"true"}`), 400, "json-kind " + at(1) + ".value"},
		"trace as a word":         {convertPath + "?trace=yes", somebody, 400, "parameter-type http.trace"},
		"another's organisation":  {convertPath, asksFor(source, `{"name":"organisation","valueString":"LW001"}`), 403, "organisation " + at(1)},
		"unknown name":            {convertPath, asksFor(source, `{"name":"sauce","valueString":"x"}`), 400, "parameter-unknown " + at(1)},
		"unknown in the address":  {convertPath + "?sauce=x", somebody, 400, "parameter-unknown "},
		"no name":                 {convertPath, asksFor(source, `{"valueString":"x"}`), 400, "required " + at(1) + ".name"},
		"nothing in it":           {convertPath, asksFor(source, `{"name":"trace"}`), 400, "parameter-form " + at(1)},
		"a value and a resource":  {convertPath, asksFor(`{"name":"source","valueString":"x","resource":` + somebody + `}`), 400, "parameter-form " + at(0)},
		"two values":              {convertPath, asksFor(source, `{"name":"dialect","valueString":"x","valueCode":"y"}`), 400, "choice " + at(1) + ".value"},
		"an unknown element":      {convertPath, asksFor(source, `{"name":"dialect","valueString":"plain","x":1}`), 400, "unknown-element " + at(1) + ".x"},
		"all faults at once":      {convertPath, asksFor(`{"name":"sauce","valueString":"x"}`, `{"name":"trace","valueString":"x"}`), 400, "parameter-unknown " + at(0) + ", parameter-type " + at(1)},
		"a fault of the message":  {convertPath, asksFor(`{"name":"dialect","valueString":"plain"}`, `{"name":"source","resource":{"resourceType":"Patient","nonsense":1}}`), 400, "unknown-element Patient.nonsense"},

		"no content":          {transformPath, asksFor(`{"name":"source","valueUri":"https://test.example/StructureMap/plain"}`), 400, "parameter-missing Parameters.parameter"},
		"source as a string":  {transformPath, asksFor(`{"name":"source","valueString":"urn:x"}`, content), 400, "parameter-type " + at(0)},
		"source with a blank": {transformPath, asksFor(`{"name":"source","valueUri":"a b"}`, content), 400, "lexical-uri " + at(0) + ".value"},
		"an unknown map":      {transformPath, asksFor(`{"name":"source","valueUri":"urn:x"}`, content), 404, "map-unknown " + at(0)},
		"which map":           {transformPath, asksFor(content), 400, "parameter-missing Parameters.parameter"},
		"two contents":        {transformPath, asksFor(content, content), 400, "parameter-repeated " + at(1)},

		"another resource":          {translatePath, somebody, 400, "operation-body resourceType"},
		"no code":                   {translatePath, asksFor(byURL), 400, "parameter-missing Parameters.parameter"},
		"which ConceptMap":          {translatePath, asksFor(aCoding), 400, "translate-map Parameters.parameter"},
		"an unknown ConceptMap":     {translatePath, asksFor(aCoding, `{"name":"url","valueUri":"urn:none"}`), 404, "conceptmap-unknown " + at(1)},
		"code without system":       {translatePath, asksFor(byURL, `{"name":"code","valueCode":"x"}`), 400, "parameter-missing " + at(1)},
		"two codings":               {translatePath, asksFor(byURL, aCoding, aCoding), 400, "parameter-repeated " + at(2)},
		"code and coding":           {translatePath, asksFor(byURL, `{"name":"code","valueCode":"x"}`, `{"name":"system","valueUri":"urn:x"}`, aCoding), 400, "parameter-conflict " + at(3)},
		"system beside a coding":    {translatePath, asksFor(byURL, aCoding, `{"name":"system","valueUri":"urn:x"}`), 400, "parameter-conflict " + at(2)},
		"coding without system":     {translatePath, asksFor(byURL, `{"name":"coding","valueCoding":{"code":"x"}}`), 400, "parameter-missing " + at(1)},
		"concept without coding":    {translatePath, asksFor(byURL, `{"name":"codeableConcept","valueCodeableConcept":{"text":"x"}}`), 400, "parameter-missing " + at(1)},
		"coding as a concept":       {translatePath, asksFor(byURL, `{"name":"coding","valueCodeableConcept":{"text":"x"}}`), 400, "parameter-type " + at(1)},
		"a map within the request":  {translatePath, asksFor(aCoding, `{"name":"conceptMap","resource":`+letters+`}`), 422, "parameter-refused " + at(1)},
		"dependency as a value":     {translatePath, asksFor(byURL, aCoding, `{"name":"dependency","valueString":"x"}`), 400, "parameter-form " + at(2)},
		"dependency lacks a part":   {translatePath, asksFor(byURL, aCoding, `{"name":"dependency","part":[`+element+`]}`), 400, "parameter-missing " + at(2)},
		"dependency repeats a part": {translatePath, asksFor(byURL, aCoding, `{"name":"dependency","part":[`+element+`,`+concept+`,`+element+`]}`), 400, "parameter-repeated " + at(2) + ".part[2]"},
		"dependency, unknown part":  {translatePath, asksFor(byURL, aCoding, `{"name":"dependency","part":[`+element+`,`+concept+`,{"name":"x","valueString":"y"}]}`), 400, "parameter-unknown " + at(2) + ".part[2]"},
		"dependency, wrong type":    {translatePath, asksFor(byURL, aCoding, `{"name":"dependency","part":[`+element+`,{"name":"concept","valueCoding":{"code":"x"}}]}`), 400, "parameter-type " + at(2) + ".part[1]"},
	} {
		rec := w.post(c.target, c.body, "as gp")
		var got []string
		for _, i := range parsed(t, rec).All("issue") {
			got = append(got, i.Text("details", "coding", "code")+" "+i.Text("expression")+i.Text("location"))
		}
		if rec.Code != c.status || strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %d %s, want %d %s", name, rec.Code, strings.Join(got, ", "), c.status, c.want)
		}
	}
	if strings.Contains(w.log.String(), "sauce") {
		t.Error("what the sender wrote is in the log")
	}
}

// TestInputsAreBounded: a request of nothing but faults gets an answer of normal length.
func TestInputsAreBounded(t *testing.T) {
	w := newWorld(t, nil)
	rec := w.post("/fhir/R4/$convert", asksFor(strings.Repeat(`{"name":"x","valueString":"y"},`, 1000)+`{"name":"source","resource":`+somebody+`}`), "as gp")
	wants(t, rec, 400, "more-issues")
	if n := len(parsed(t, rec).All("issue")); n != maxIssues {
		t.Errorf("%d issues", n)
	}
}
