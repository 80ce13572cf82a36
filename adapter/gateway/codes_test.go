package gateway

import (
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"spadapter/adapter/fhir"
	"spadapter/adapter/terminology"
)

// colours is a code system with everything that the operations show, and value sets of it.
var colours = map[string]string{
	"colours.json": `{"resourceType":"CodeSystem","id":"colours","url":"urn:colours","version":"2","name":"Colours","status":"active","content":"complete","property":[{"code":"warm","type":"boolean"}],"concept":[
{"code":"red","display":"Red","definition":"Like blood.","designation":[{"language":"cy","use":{"system":"urn:use","code":"common"},"value":"Coch"}],"property":[{"code":"warm","valueBoolean":true},{"code":"like","valueCoding":{"system":"urn:fruit","code":"cherry"}}],
 "concept":[{"code":"scarlet","display":"Scarlet red"},{"code":"crimson","display":"Crimson"}]},
{"code":"blue","display":"Blue","property":[{"code":"inactive","valueBoolean":true}]},{"code":"grey","display":"Grey","property":[{"code":"notSelectable","valueBoolean":true}]}]}`,
	"all.json":  `{"resourceType":"ValueSet","id":"all","url":"urn:all","version":"3","name":"All","title":"All colours","status":"draft","compose":{"include":[{"system":"urn:colours"}]}}`,
	"reds.json": `{"resourceType":"ValueSet","id":"reds","url":"urn:reds","status":"active","compose":{"include":[{"system":"urn:colours","filter":[{"property":"concept","op":"descendent-of","value":"red"}]},{"system":"urn:paint","concept":[{"code":"7","display":"Signal red"}]}]}}`,
	"far.json":  `{"resourceType":"ValueSet","id":"far","url":"urn:far","status":"active","compose":{"include":[{"system":"urn:elsewhere"}]}}`,
	"list.csv":  "refsetId,referencedComponentId,term\n1909999999108,1019999999106,First\n1909999999108,1029999999104,Second\n",
}

var testCodes = sync.OnceValue(func() *terminology.Registry {
	files := fstest.MapFS{}
	for name, text := range colours {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	r, _, err := testTerminology().WithFolder(terminology.Folder{FS: files})
	if err != nil {
		panic(err)
	}
	return r
})

func newCodes(t *testing.T) *world {
	w := newWorld(t, nil)
	w.config.Terminology = func(string) *terminology.Registry { return testCodes() }
	w.handler = New(w.config)
	return w
}

// spelled shows the parameters of an answer in one line.
func spelled(n *fhir.Node) string {
	var out []string
	for _, list := range []string{"parameter", "part"} {
		for _, p := range n.All(list) {
			text := p.Text("name")
			switch value := p.Child("value"); {
			case value == nil:
				text += "(" + spelled(p) + ")"
			case value.Type.Name == "Coding":
				text += "=" + value.Text("system") + "|" + value.Text("code")
			default:
				text += "=" + value.Value
			}
			out = append(out, text)
		}
	}
	return strings.Join(out, " ")
}

const snomed = "http://snomed.info/sct"

func TestExpand(t *testing.T) {
	w := newCodes(t)
	refset := url.QueryEscape(snomed + "?fhir_vs=refset/1909999999108")
	for query, want := range map[string]string{
		"/$expand?url=urn:all":                                             "5: red scarlet crimson blue! grey*",
		"/$expand?url=urn:all|3":                                           "5: red scarlet crimson blue! grey*",
		"/$expand?url=urn:all&valueSetVersion=3&activeOnly=true":           "4: red scarlet crimson grey*",
		"/$expand?url=urn:all&excludeNotForUI=true&activeOnly=true":        "3: red scarlet crimson",
		"/all/$expand?filter=RED":                                          "2: red scarlet",
		"/all/$expand?filter=coch":                                         "1: red",
		"/all/$expand?filter=s%20re":                                       "1: scarlet",
		"/all/$expand?count=2":                                             "5: red scarlet",
		"/all/$expand?count=2&offset=4":                                    "5: grey*",
		"/all/$expand?count=0":                                             "5: ",
		"/all/$expand?offset=7":                                            "5: ",
		"/reds/$expand":                                                    "3: scarlet crimson 7",
		"/reds/$expand?exclude-system=urn:colours|2":                       "1: 7",
		"/reds/$expand?exclude-system=urn:colours|1":                       "3: scarlet crimson 7",
		"/$expand?url=" + refset:                                           "2: 1019999999106 1029999999104",
		"/$expand?url=http://snomed.info/sct?fhir_vs=refset/1909999999108": "2: 1019999999106 1029999999104",
		"/$expand?filter=sec&url=" + refset:                                "1: 1029999999104",
	} {
		rec := w.do("GET", "/fhir/R4/ValueSet"+query, "", "as bare")
		wants(t, rec, 200, "")
		root := parsed(t, rec)
		e := root.Child("expansion")
		got := e.Text("total") + ":"
		for _, c := range e.All("contains") {
			got += " " + c.Text("code")
			if c.Text("inactive") == "true" {
				got += "!"
			}
			if c.Text("abstract") == "true" {
				got += "*"
			}
			if c.Text("display") == "" || c.Child("designation") != nil {
				t.Errorf("%s: %s", query, fhir.Encode(c))
			}
		}
		if got = strings.TrimSuffix(got, ":"); strings.TrimSpace(got) != strings.TrimSuffix(strings.TrimSpace(want), ":") {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
		if e.Text("timestamp") != "2026-02-17T12:00:00.000Z" {
			t.Errorf("%s", fhir.Encode(e))
		}
	}
	root := parsed(t, w.do("GET", "/fhir/R4/ValueSet/all/$expand?count=1&includeDesignations=true&displayLanguage=cy", "", "as gp"))
	want := `{"resourceType":"ValueSet","url":"urn:all","version":"3","name":"All","title":"All colours","status":"draft","expansion":{"timestamp":"2026-02-17T12:00:00.000Z","total":5,"offset":0,"parameter":[{"name":"count","valueInteger":1},{"name":"includeDesignations","valueBoolean":true},{"name":"displayLanguage","valueCode":"cy"},{"name":"used-codesystem","valueUri":"urn:colours|2"}],"contains":[{"system":"urn:colours","code":"red","display":"Coch","designation":[{"language":"cy","use":{"system":"urn:use","code":"common"},"value":"Coch"}]}]}}`
	if got := string(fhir.Encode(root)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if root = parsed(t, w.do("GET", "/fhir/R4/ValueSet/all/$expand?includeDefinition=true", "", "as gp")); root.Text("compose", "include", "system") != "urn:colours" || root.Text("expansion", "total") != "5" {
		t.Errorf("%s", fhir.Encode(root))
	}
	if again := parsed(t, w.do("GET", "/fhir/R4/ValueSet/all", "", "as gp")); again.Child("expansion") != nil {
		t.Error("the value set that is served was changed")
	}
}

// TestExpandSent: a value set may be sent, as a parameter or as the body.
func TestExpandSent(t *testing.T) {
	w := newCodes(t)
	const sent = `{"resourceType":"ValueSet","status":"active","compose":{"include":[{"system":"urn:colours","concept":[{"code":"blue","display":"Azure"}]},{"valueSet":["urn:reds"]}]}}`
	for _, body := range []string{sent, `{"resourceType":"Parameters","parameter":[{"name":"valueSet","resource":` + sent + `}]}`} {
		rec := w.post("/fhir/R4/ValueSet/$expand", body, "as gp")
		wants(t, rec, 200, "")
		if root := parsed(t, rec); root.Text("expansion", "total") != "4" || root.Text("expansion", "contains", "display") != "Azure" {
			t.Errorf("%s", rec.Body)
		}
	}
	wants(t, w.post("/fhir/R4/ValueSet/$expand", `{"resourceType":"Patient"}`, "as gp"), 400, "parameter-type")
	wants(t, w.post("/fhir/R4/ValueSet/$expand", `{"resourceType":"ValueSet","status":"no"}`, "as gp"), 422, "required-code")
	wants(t, w.post("/fhir/R4/ValueSet/$validate-code", `{"resourceType":"Parameters","parameter":[{"name":"valueSet","resource":`+sent+`},{"name":"coding","valueCoding":{"system":"urn:colours","code":"blue"}}]}`, "as gp"), 200, "")
}

func TestExpandRefuses(t *testing.T) {
	w := newCodes(t)
	for query, want := range map[string]struct {
		status int
		rule   string
	}{
		"/$expand":                                 {400, "parameter-missing"},
		"/$expand?url=urn:none":                    {404, "valueset-unknown"},
		"/$expand?url=urn:all|9":                   {404, "valueset-unknown"},
		"/$expand?url=urn:all|3&valueSetVersion=3": {400, "parameter-conflict"},
		"/all/$expand?url=urn:all":                 {400, "parameter-conflict"},
		"/none/$expand":                            {404, "unknown-id"},
		"/all/$expand?count=-1":                    {400, "parameter-type"},
		"/all/$expand?offset=x":                    {400, "parameter-type"},
		"/all/$expand?context=x":                   {422, "parameter-refused"},
		"/all/$expand?date=2020":                   {422, "parameter-refused"},
		"/all/$expand?nonsense=1":                  {400, "parameter-unknown"},
		"/far/$expand":                             {404, "the code system urn:elsewhere is not loaded"},
		"/$expand?url=" + url.QueryEscape(snomed+"?fhir_vs=refset/1999999999100"): {404, "the reference set 1999999999100 is not loaded"},
	} {
		rec := w.do("GET", "/fhir/R4/ValueSet"+query, "", "as gp")
		wants(t, rec, want.status, "")
		if !strings.Contains(rec.Body.String(), want.rule) {
			t.Errorf("%s: %s", query, rec.Body)
		}
	}
	wants(t, w.do("GET", "/fhir/R4/ValueSet/all/$expand", ""), 401, "token-missing")
	large := strings.Builder{}
	for i := range terminology.MaxMembers + 1 {
		large.WriteString(`,{"code":"` + strconv.Itoa(i) + `"}`)
	}
	body := `{"resourceType":"ValueSet","status":"active","compose":{"include":[{"system":"urn:many","concept":[` + large.String()[1:] + `]}]}}`
	wants(t, w.post("/fhir/R4/ValueSet/$expand", body, "as gp"), 422, "expansion-size")
	page := parsed(t, w.post("/fhir/R4/ValueSet/$expand?count=10&offset=10000", body, "as gp"))
	if page.Text("expansion", "total") != "10001" || page.Text("expansion", "contains", "code") != "10000" {
		t.Errorf("%.300s", fhir.Encode(page))
	}
}

func TestValidateCodes(t *testing.T) {
	w := newCodes(t)
	refset := url.QueryEscape(snomed + "?fhir_vs=refset/1909999999108")
	for query, want := range map[string]string{
		"ValueSet/$validate-code?url=urn:all&code=red":                                     "result=true display=Red",
		"ValueSet/all/$validate-code?code=red&system=urn:colours&display=red":              "result=true display=Red",
		"ValueSet/all/$validate-code?code=red&system=urn:colours&display=coch":             "result=true display=Red",
		"ValueSet/all/$validate-code?code=red&system=urn:colours&display=Blue":             `result=false message=the display is not a name of this code; one is "Red" display=Red`,
		"ValueSet/all/$validate-code?code=green":                                           "result=false message=the code system does not have this code",
		"ValueSet/all/$validate-code?code=blue":                                            "result=true message=the code is not for use any more display=Blue",
		"ValueSet/all/$validate-code?code=grey":                                            "result=true message=the code is abstract: it groups others display=Grey",
		"ValueSet/all/$validate-code?code=grey&abstract=false":                             "result=false message=the code is abstract: it groups others and is not to be chosen display=Grey",
		"ValueSet/all/$validate-code?code=red&systemVersion=1":                             "result=true message=the code system is loaded in another version than the coding has: 2 display=Red",
		"ValueSet/reds/$validate-code?code=red&system=urn:colours":                         "result=false message=the value set does not hold this code display=Red",
		"ValueSet/reds/$validate-code?code=7&system=urn:paint":                             "result=true display=Signal red",
		"ValueSet/reds/$validate-code?code=8&system=urn:paint":                             "result=false message=the value set does not hold this code",
		"ValueSet/$validate-code?code=1019999999106&display=first&url=" + refset:           "result=true display=First",
		"ValueSet/$validate-code?code=1039999999102&url=" + refset:                         "result=false message=the value set does not hold this code",
		"CodeSystem/$validate-code?url=urn:colours&code=crimson":                           "result=true display=Crimson",
		"CodeSystem/$validate-code?url=urn:colours&code=crimson&version=2":                 "result=true display=Crimson",
		"CodeSystem/colours/$validate-code?code=none":                                      "result=false message=the code system does not have this code",
		"CodeSystem/$validate-code?url=http://unitsofmeasure.org&code=mg/dL":               "result=true",
		"CodeSystem/$validate-code?url=http://unitsofmeasure.org&code=mg%20dL":             "result=false message=the code system does not have this code",
		"CodeSystem/$validate-code?url=urn:ietf:bcp:13&code=application/fhir%2Bjson":       "result=true",
		"CodeSystem/$validate-code?url=urn:ietf:bcp:13&code=fruit/apple":                   "result=false message=the code system does not have this code",
		"CodeSystem/$validate-code?url=urn:ietf:bcp:47&code=en_GB":                         "result=false message=the code system does not have this code",
		"CodeSystem/$validate-code?url=" + url.QueryEscape(snomed) + "&code=1019999999106": "result=true display=First",
		"CodeSystem/$validate-code?url=" + url.QueryEscape(snomed) + "&code=1019999999107": "result=false message=the code system does not have this code",
	} {
		rec := w.do("GET", "/fhir/R4/"+query, "", "as bare")
		wants(t, rec, 200, "")
		if got := spelled(parsed(t, rec)); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", query, got, want)
		}
	}
	concept := func(parameters string, codings ...string) string {
		return `{"resourceType":"Parameters","parameter":[` + parameters + `{"name":"codeableConcept","valueCodeableConcept":{"coding":[` + strings.Join(codings, ",") + `]}}]}`
	}
	red, paint, far := `{"system":"urn:colours","code":"red","display":"Red"}`, `{"system":"urn:paint","code":"7"}`, `{"system":"urn:elsewhere","code":"1"}`
	for _, c := range []struct{ path, body, want string }{
		{"ValueSet/reds/$validate-code", concept("", red, paint), "result=true display=Signal red"},
		{"ValueSet/reds/$validate-code", concept("", red, red), "result=false message=none of the codings will do; the value set does not hold this code display=Red"},
		{"ValueSet/all/$validate-code", concept("", far, red), "result=true display=Red"},
		{"CodeSystem/$validate-code", concept(`{"name":"url","valueUri":"urn:colours"},`, paint, red), "result=true display=Red"},
		{"CodeSystem/$validate-code", `{"resourceType":"Parameters","parameter":[{"name":"coding","valueCoding":` + red + `}]}`, "result=true display=Red"},
	} {
		rec := w.post("/fhir/R4/"+c.path, c.body, "as gp")
		wants(t, rec, 200, "")
		if got := spelled(parsed(t, rec)); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.body, got, c.want)
		}
	}
	for query, want := range map[string]struct {
		status int
		rule   string
	}{
		"ValueSet/all/$validate-code":                               {400, "parameter-missing"},
		"ValueSet/$validate-code?code=red":                          {400, "parameter-missing"},
		"ValueSet/reds/$validate-code?code=red":                     {400, "code-system"},
		"ValueSet/far/$validate-code?code=red&system=urn:elsewhere": {404, "terminology-not-loaded"},
		"ValueSet/$validate-code?url=urn:none&code=red":             {404, "valueset-unknown"},
		"ValueSet/$validate-code?code=1019999999106&url=" + url.QueryEscape(snomed+"?fhir_vs=isa/1029999999104"): {404, "terminology-not-loaded"},
		"CodeSystem/$validate-code?code=red":                                   {400, "parameter-missing"},
		"CodeSystem/$validate-code?code=red&url=urn:none":                      {404, "codesystem-unknown"},
		"CodeSystem/$validate-code?code=red&url=urn:colours&version=1":         {404, "codesystem-version"},
		"CodeSystem/$validate-code?code=red&url=urn:colours|2":                 {400, "parameter-type"},
		"CodeSystem/colours/$validate-code?code=red&url=urn:colours":           {400, "parameter-conflict"},
		"CodeSystem/$validate-code?url=http://unitsofmeasure.org&code=furlong": {404, "terminology-not-loaded"},
		"CodeSystem/$validate-code?url=urn:ietf:bcp:47&code=en-GB":             {404, "terminology-not-loaded"},
	} {
		wants(t, w.do("GET", "/fhir/R4/"+query, "", "as gp"), want.status, want.rule)
	}
	wants(t, w.post("/fhir/R4/CodeSystem/$validate-code", concept("", red), "as gp"), 400, "parameter-missing")
	wants(t, w.post("/fhir/R4/CodeSystem/$validate-code", concept(`{"name":"url","valueUri":"urn:paint2"},`, red), "as gp"), 400, "parameter-conflict")
}

func TestLookup(t *testing.T) {
	w := newCodes(t)
	for query, want := range map[string]string{
		"$lookup?system=urn:colours&code=red": "name=Colours version=2 display=Red designation(language=cy use=urn:use|common value=Coch) property(code=definition value=Like blood.) " +
			"property(code=child value=scarlet) property(code=child value=crimson) property(code=warm value=true) property(code=like value=urn:fruit|cherry)",
		"$lookup?system=urn:colours&code=red&displayLanguage=cy&property=warm&property=lang.cy": "name=Colours version=2 display=Coch designation(language=cy use=urn:use|common value=Coch) property(code=warm value=true)",
		"$lookup?system=urn:colours&code=scarlet&property=parent":                               "name=Colours version=2 display=Scarlet red property(code=parent value=red)",
		"$lookup?system=" + url.QueryEscape(snomed) + "&code=1019999999106":                     "name=SNOMED CT display=First designation(value=First)",
		"$lookup?system=http://unitsofmeasure.org&code=mg":                                      "name=UCUM display=mg",
		"$subsumes?system=urn:colours&codeA=red&codeB=scarlet":                                  "outcome=subsumes",
		"$subsumes?system=urn:colours&codeA=scarlet&codeB=red":                                  "outcome=subsumed-by",
		"$subsumes?system=urn:colours&codeA=scarlet&codeB=blue":                                 "outcome=not-subsumed",
		"colours/$subsumes?codeA=red&codeB=red":                                                 "outcome=equivalent",
	} {
		rec := w.do("GET", "/fhir/R4/CodeSystem/"+query, "", "as bare")
		wants(t, rec, 200, "")
		if got := spelled(parsed(t, rec)); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", query, got, want)
		}
	}
	codings := func(a, b string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"codingA","valueCoding":{"system":"urn:colours","code":"` + a + `"}},{"name":"codingB","valueCoding":{"system":"` + b + `","code":"red"}}]}`
	}
	rec := w.post("/fhir/R4/CodeSystem/$subsumes", codings("crimson", "urn:colours"), "as gp")
	if got := spelled(parsed(t, rec)); got != "outcome=subsumed-by" {
		t.Error(got)
	}
	wants(t, w.post("/fhir/R4/CodeSystem/$subsumes", codings("red", "urn:paint"), "as gp"), 422, "parameter-conflict")
	rec = w.post("/fhir/R4/CodeSystem/$lookup", `{"resourceType":"Parameters","parameter":[{"name":"coding","valueCoding":{"system":"urn:colours","code":"blue"}}]}`, "as gp")
	if got := spelled(parsed(t, rec)); got != "name=Colours version=2 display=Blue property(code=inactive value=true)" {
		t.Error(got)
	}
	for query, want := range map[string]struct {
		status int
		rule   string
	}{
		"$lookup":                                            {400, "parameter-missing"},
		"$lookup?code=red":                                   {400, "parameter-missing"},
		"$lookup?code=red&system=urn:none":                   {404, "codesystem-unknown"},
		"$lookup?code=green&system=urn:colours":              {404, "code-unknown"},
		"$lookup?code=red&system=urn:colours&version=1":      {404, "codesystem-version"},
		"$lookup?code=red&system=urn:colours&date=2020":      {422, "parameter-refused"},
		"$subsumes?codeA=red&codeB=red":                      {400, "parameter-missing"},
		"$subsumes?system=urn:colours&codeA=red":             {400, "parameter-missing"},
		"$subsumes?system=urn:colours&codeA=red&codeB=green": {404, "code-unknown"},
		"$subsumes?codeA=1019999999106&codeB=1029999999104&system=" + url.QueryEscape(snomed): {404, "terminology-not-loaded"},
	} {
		wants(t, w.do("GET", "/fhir/R4/CodeSystem/"+query, "", "as gp"), want.status, want.rule)
	}
}

func TestReadValueSetsAndCodeSystems(t *testing.T) {
	w := newCodes(t)
	for target, want := range map[string]string{"ValueSet/all": "urn:all", "CodeSystem/colours": "urn:colours", "ValueSet/sp-score": "https://spadapter.example/fhir/ValueSet/sp-score"} {
		rec := w.do("GET", "/fhir/R4/"+target, "", "as bare")
		wants(t, rec, 200, "")
		if got := parsed(t, rec).Text("url"); got != want {
			t.Errorf("%s: got %s", target, got)
		}
	}
	for target, want := range map[string]string{"ValueSet?url=urn:all": "1", "ValueSet?name=al&version=3": "1", "ValueSet?version=9": "0", "CodeSystem?name=Colours": "1"} {
		if got := parsed(t, w.do("GET", "/fhir/R4/"+target, "", "as bare")).Text("total"); got != want {
			t.Errorf("%s: got %s", target, got)
		}
	}
	wants(t, w.do("GET", "/fhir/R4/CodeSystem/none", "", "as gp"), 404, "unknown-id")
}
