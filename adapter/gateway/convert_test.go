package gateway

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

const somebody = `{"resourceType":"Patient","id":"p1","gender":"female","birthDate":"1970-01-01"}`

// TestConvert converts the shipped example in the dialect of the intake: nothing is lost,
// and every element of the result says where it comes from.
func TestConvert(t *testing.T) {
	referral, err := os.ReadFile("../../testdata/referral.json")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil)
	rec := w.post("/fhir/R4/$convert", string(referral), "as bare", "Prefer: return=minimal", "X-Request-ID: r1")
	wants(t, rec, 200, "no-loss")
	root := parsed(t, rec)
	var names []string
	for _, p := range root.All("parameter") {
		if name := p.Text("name"); name != "trace" || !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if strings.Join(names, " ") != "dialect map return trace outcome" || parameterOf(root, "dialect").Text("value") != "ukcore-r4-to-referral" ||
		parameterOf(root, "map").Text("value") != "https://spadapter.example/fhir/StructureMap/ukcore-r4-to-referral" {
		t.Error(names)
	}
	if made := parameterOf(root, "return").Child("resource"); made.ResourceType() != "Bundle" || made.Text("type") != "collection" {
		t.Errorf("%s", fhir.Encode(made))
	}
	for _, p := range root.All("parameter") {
		if p.Text("name") == "trace" && (!strings.HasPrefix(parameterOf(p, "target").Text("value"), "Bundle") || parameterOf(p, "line").Text("value") == "") {
			t.Fatalf("%s", fhir.Encode(p))
		}
	}
	if len(w.calls) != 0 || len(w.refused) != 0 {
		t.Errorf("the domain was asked: %+v %+v", w.calls, w.refused)
	}
	again := w.post("/fhir/R4/$convert", string(referral), "as bare")
	if again.Body.String() != rec.Body.String() {
		t.Error("the same message gives another answer")
	}
}

func TestConvertSaysWhatIsLost(t *testing.T) {
	w := newWorld(t, nil)
	rec := w.post("/fhir/R4/$convert?dialect=plain&trace=false", "{\"resourceType\":\"Patient\",\n \"gender\":\"female\",\n  \"birthDate\":\"1970-01-01\"}", "as bare")
	wants(t, rec, 200, "map-unread")
	root := parsed(t, rec)
	if got := counted(root); got != "dialect:1 map:1 outcome:1 return:1 unread:1" {
		t.Error(got)
	}
	lost := parameterOf(root, "outcome").Descend("resource", "issue")
	if lost.Text("severity") != "information" || lost.Text("code") != "informational" || lost.Text("expression") != "Patient.birthDate" || lost.Text("extension", "valueInteger") != "3" {
		t.Errorf("%s", fhir.Encode(lost))
	}
	if strings.Contains(rec.Body.String(), "no-loss") || strings.Contains(rec.Body.String(), "1970") {
		t.Error(rec.Body)
	}
}

// TestConvertParameters gives the same message alone and within Parameters: the answer is
// the same but for the lines, which are those of what was sent.
func TestConvertParameters(t *testing.T) {
	w := newWorld(t, nil)
	alone := w.post("/fhir/R4/$convert?dialect=plain&identity=one", somebody, "as bare")
	wants(t, alone, 200, "")
	within := "\uFEFF{\"resourceType\":\"Parameters\",\"parameter\":[\n{\"name\":\"identity\",\"valueString\":\"one\"},{\"name\":\"dialect\",\"valueString\":\"plain\"},\n{\"name\":\"source\",\"resource\":\n" + somebody + "}]}"
	rec := w.post("/fhir/R4/$convert?_pretty=true", within, "as bare")
	wants(t, rec, 200, "")
	one, two := parsed(t, alone), parsed(t, rec)
	for name, want := range map[string]string{"return": "resource", "map": "value"} {
		if a, b := string(fhir.Encode(parameterOf(one, name).Child(want))), string(fhir.Encode(parameterOf(two, name).Child(want))); a != b {
			t.Errorf("%s: %s, %s", name, a, b)
		}
	}
	for i, root := range []*fhir.Node{one, two} {
		lost := parameterOf(root, "unread")
		if got := parameterOf(lost, "element").Text("value"); got != "Patient.id" {
			t.Error(got)
		}
		if got := parameterOf(lost, "line").Text("value"); got != []string{"1", "4"}[i] {
			t.Errorf("line %s", got)
		}
	}
	if !strings.Contains(rec.Body.String(), "\n  ") {
		t.Error("not pretty")
	}
	step := parameterOf(two, "trace")
	for part, want := range map[string]string{"target": "Basic.id", "source": "Patient", "group": "main", "rule": "id", "map": "https://test.example/StructureMap/plain", "line": "5"} {
		if got := parameterOf(step, part).Text("value"); got != want {
			t.Errorf("%s is %q, want %q", part, got, want)
		}
	}
	if got := parameterOf(step, "file").Text("value"); !strings.HasSuffix(got, "plain/plain.map") {
		t.Errorf("file %s", got)
	}
	for _, p := range two.All("parameter") {
		if m := parameterOf(p, "conceptMap"); m != nil && (m.Text("value") != "urn:test:letters" || parameterOf(p, "row").Text("value") != "0") {
			t.Errorf("%s", fhir.Encode(p))
		}
	}
	if !strings.Contains(rec.Body.String(), "urn:test:letters") {
		t.Error("no step names the ConceptMap")
	}

	// the same bytes give the same ids, other bytes and other organisations others
	ids := map[string]bool{}
	for _, body := range []string{somebody, somebody, somebody + " "} {
		for _, token := range []string{"bare", "op"} {
			ids[parameterOf(parsed(t, w.post("/fhir/R4/$convert?dialect=plain", body, "as "+token)), "return").Text("resource", "id")] = true
		}
	}
	if len(ids) != 4 {
		t.Errorf("%v", ids)
	}
}

// TestConvertReadsOlderVersions: an STU3 message is read as STU3, alone or within R4
// Parameters, and what is wrong with it is told in the words of STU3.
func TestConvertReadsOlderVersions(t *testing.T) {
	w := newWorld(t, nil)
	request := `{"resourceType":"ReferralRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"},"description":"d"}`
	wrap := func(resource string) string {
		return "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"source\",\n\"resource\":" + resource + "},{\"name\":\"dialect\",\"valueString\":\"older\"}]}"
	}
	for i, body := range []string{request, wrap(request)} {
		target := "/fhir/R4/$convert"
		if i == 0 {
			target += "?dialect=older"
		}
		rec := w.post(target, body, "as bare")
		wants(t, rec, 200, "")
		made := parameterOf(parsed(t, rec), "return").Child("resource")
		if made.ResourceType() != "ServiceRequest" || made.Text("patientInstruction") != "d" {
			t.Error(rec.Body)
		}
		wrong := strings.Replace(body, `"active"`, `"brilliant"`, 1)
		rec = w.post(target, wrong, "as bare")
		wants(t, rec, 422, "required-code")
		at := parsed(t, rec).Child("issue")
		if at.Text("expression") != "ReferralRequest.status" || at.Text("extension", "valueInteger") != strconv.Itoa(i+1) {
			t.Error(rec.Body)
		}
	}
	for version, status := range map[string]int{"3.0": 200, "3.0.1": 200, "4.0": 200, "5.0": 415} {
		rec := w.do("POST", "/fhir/R4/$convert?dialect=older", request, "as bare", "Content-Type: application/fhir+json; fhirVersion="+version)
		wants(t, rec, status, "")
	}
	wants(t, w.do("POST", "/fhir/R4/Patient", somebody, "as gp", "Content-Type: application/fhir+json; fhirVersion=3.0"), 415, "media-type")
	// an R4 resource is not what this dialect takes
	wants(t, w.post("/fhir/R4/$convert?dialect=older", `{"resourceType":"Basic","code":{"text":"x"}}`, "as bare"), 400, "")
	// and what comes out may be STU3
	rec := w.post("/fhir/R4/$convert?dialect=newer", `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"},"patientInstruction":"d"}`, "as bare")
	wants(t, rec, 200, "no-loss")
	if !strings.Contains(rec.Body.String(), `{"name":"return","resource":{"resourceType":"ReferralRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"},"description":"d"}}`) {
		t.Error(rec.Body)
	}
}

// TestConvertKeepsOrganisationsApart: a caller has everybody's dialects and its own.
func TestConvertKeepsOrganisationsApart(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range []struct {
		token, query string
		status       int
		rule, own    string
	}{
		{"gp", "dialect=plain", 200, "", "cy"},
		{"gp", "dialect=plain&organisation=a81001", 200, "", "cy"},
		{"bare", "dialect=plain", 200, "", ""},
		{"gp", "dialect=private", 400, "dialect-unknown", ""},
		{"gp", "dialect=private&organisation=LW001", 403, "organisation", ""},
		{"gp", "dialect=plain&organisation=NOBODY", 403, "organisation", ""},
		{"lw", "dialect=private", 200, "", ""},
		{"lw", "dialect=plain", 200, "", ""},
		{"both", "dialect=plain", 400, "organisation", ""},
		{"both", "dialect=plain&organisation=A81001", 200, "", "cy"},
		{"both", "dialect=plain&organisation=A81002", 200, "", ""},
		{"op", "dialect=plain", 200, "", ""},
		{"op", "dialect=plain&organisation=A81001", 200, "", "cy"},
		{"op", "dialect=private", 400, "dialect-unknown", ""},
		{"op", "dialect=private&organisation=lw001", 200, "", ""},
	} {
		rec := w.post("/fhir/R4/$convert?"+c.query, somebody, "as "+c.token)
		wants(t, rec, c.status, c.rule)
		root := parsed(t, rec)
		if c.status != 200 {
			if strings.Contains(rec.Body.String(), "private,") || c.token != "lw" && strings.Contains(root.Text("issue", "details", "text"), "private") {
				t.Errorf("%+v names what is another's: %s", c, rec.Body)
			}
			continue
		}
		if got := parameterOf(root, "return").Text("resource", "language"); got != c.own {
			t.Errorf("%+v: language %q", c, got)
		}
	}
	known := parsed(t, w.post("/fhir/R4/$convert?dialect=x", somebody, "as lw")).Text("issue", "details", "text")
	var names []string
	for _, d := range testDialects().Dialects("LW001") {
		names = append(names, d.Name)
	}
	if !strings.HasSuffix(known, strings.Join(names, ", ")) || !slices.Contains(names, "private") {
		t.Error(known)
	}
}

func TestConvertRefuses(t *testing.T) {
	w := newWorld(t, nil)
	wants(t, w.post("/fhir/R4/$convert", somebody), 401, "token-missing")
	wants(t, w.post("/fhir/R4/$convert", somebody, "as nobody"), 401, "token-signature")
	wants(t, w.post("/fhir/R4/$convert", `{"resourceType":`, "as gp"), 400, "json")
	wants(t, w.post("/fhir/R4/$convert", ``, "as gp"), 400, "json")
	wants(t, w.post("/fhir/R4/$convert", `<Patient/>`, "as gp"), 400, "json")
	wants(t, w.do("POST", "/fhir/R4/$convert", `<Patient xmlns="http://hl7.org/fhir"/>`, "as gp", "Content-Type: application/fhir+turtle"), 415, "media-type")
	wants(t, w.post("/fhir/R4/$convert", somebody, "as gp", "Accept: application/fhir+turtle"), 406, "not-acceptable")
	wants(t, w.post("/fhir/R4/$convert?_format=ttl", somebody, "as gp"), 406, "not-acceptable")
	wants(t, w.post("/fhir/R4/$convert", `{"resourceType":"Patient","x":"`+strings.Repeat("x", 10<<20)+`"}`, "as gp"), 413, "body-limit")
	wants(t, w.post("/fhir/R4/$convert?dialect=plain", `{"resourceType":"Patient","gender":"woman","nonsense":1}`, "as gp"), 400, "unknown-element")
	wants(t, w.post("/fhir/R4/$convert?dialect=plain", `{"resourceType":"Nonsense"}`, "as gp"), 400, "resource-type")
	wants(t, w.post("/fhir/R4/$convert?dialect=plain", `{"resourceType":"Basic","code":{"text":"x"}}`, "as gp"), 400, "map-source")
	wants(t, w.do("POST", "/fhir/R4/$convert", "", "as gp"), 415, "media-type")
	wants(t, w.post("/fhir/R4/$convert?dialect=silent", somebody, "as gp"), 422, "map-entry")
	rec := w.do("GET", "/fhir/R4/$convert", "", "as gp")
	wants(t, rec, 405, "method-not-allowed")
	if rec.Header().Get("Allow") != "POST" {
		t.Error(rec.Header())
	}
	for _, r := range w.refused {
		if r.call.Principal != nil && r.interaction != "$convert" && !strings.Contains(r.err.Error(), "method") {
			t.Errorf("%+v", r)
		}
	}
	if len(w.refused) != 15 {
		t.Errorf("%d refusals recorded", len(w.refused))
	}
}

// TestConvertRecognises: without a name the dialect is the one that the message is known as,
// and a message of none is refused with what was recognised and what was missing.
func TestConvertRecognises(t *testing.T) {
	w := newWorld(t, nil)
	if got := parameterOf(parsed(t, w.post("/fhir/R4/$convert", somebody, "as bare")), "dialect").Text("value"); got != "ukcore-r4-to-referral" {
		t.Error(got)
	}
	answer := w.post("/fhir/R4/$convert", `{"resourceType":"Bundle","type":"searchset"}`, "as bare")
	wants(t, answer, 422, "dialect-unknown")
	for _, words := range []string{"ukcore-r4 comes nearest", "Recognised: it came to an address of FHIR R4", "Missing: it is one resource of a referral, or a Bundle of type transaction"} {
		if !strings.Contains(answer.Body.String(), words) {
			t.Errorf("%q is not said in %s", words, answer.Body)
		}
	}
}

// TestConvertIsDefined holds the OperationDefinition to what the operation takes and gives.
func TestConvertIsDefined(t *testing.T) {
	d := definition()
	if err := issue.Failures(fhir.Check(d)); err != nil {
		t.Error(err)
	}
	if d.Text("url") != convertOperation.definition || d.Text("code") != convertOperation.name || d.Text("system") != "true" {
		t.Errorf("%s", fhir.Encode(d))
	}
	var ins []string
	outs := map[string]*fhir.Node{}
	for _, p := range d.All("parameter") {
		if p.Text("use") == "out" {
			outs[p.Text("name")] = p
			continue
		}
		ins = append(ins, p.Text("name")+" "+p.Text("min")+" "+p.Text("max")+" "+p.Text("type"))
	}
	var want []string
	for _, k := range convertOperation.inputs {
		want = append(want, k.name+" "+map[bool]string{true: "1", false: "0"}[k.required]+" 1 "+k.kind)
	}
	if !slices.Equal(ins, want) {
		t.Errorf("got  %q\nwant %q", ins, want)
	}
	w := newWorld(t, nil)
	got := map[string]bool{}
	for _, p := range parsed(t, w.post("/fhir/R4/$convert?dialect=plain", somebody, "as gp")).All("parameter") {
		name := p.Text("name")
		got[name] = true
		if outs[name] == nil {
			t.Errorf("%s is not defined", name)
			continue
		}
		for _, part := range p.All("part") {
			defined := slices.ContainsFunc(outs[name].All("part"), func(n *fhir.Node) bool {
				return n.Text("name") == part.Text("name") && valueName(n.Text("type")) == part.Child("value").Name
			})
			if !defined {
				t.Errorf("%s.%s is not defined so", name, part.Text("name"))
			}
		}
	}
	if len(got) != len(outs) {
		t.Errorf("an answer has %v of %d parameters", got, len(outs))
	}
}

func TestLongAnswersAreCut(t *testing.T) {
	w := newWorld(t, nil)
	lost := w.post("/fhir/R4/$convert?dialect=plain", `{"resourceType":"Patient","name":[`+strings.Repeat(`{"text":"x"},`, maxSteps)+`{"text":"x"}]}`, "as gp")
	wants(t, lost, 200, "unread-cut")
	if n := strings.Count(lost.Body.String(), `{"name":"unread"`); n != maxSteps || strings.Count(lost.Body.String(), `"map-unread"`) >= maxIssues {
		t.Errorf("%d elements, and too many issues", n)
	}
	var list []map[string]string
	for range maxSteps {
		list = append(list, map[string]string{"value": "x"})
	}
	body, err := json.Marshal(map[string]any{"resourceType": "Patient", "identifier": list})
	if err != nil {
		t.Fatal(err)
	}
	rec := w.post("/fhir/R4/$convert?dialect=long", string(body), "as gp")
	wants(t, rec, 200, "trace-cut")
	if got := strings.Count(rec.Body.String(), `{"name":"trace"`); got != maxSteps {
		t.Errorf("%d steps", got)
	}
}

// oldRecord is a structured record of two referrals, one of them of social prescribing, which
// has an identifier that is no array.
const oldRecord = `{"resourceType":"Bundle","type":"collection","entry":[
{"resource":{"resourceType":"List","id":"l","status":"current","mode":"snapshot","code":{"text":"a list"}}},
{"resource":{"resourceType":"ReferralRequest","id":"r1","identifier":{"system":"urn:r","value":"1"},"status":"unknown","intent":"order","subject":{"reference":"Patient/p"},"reasonCode":[{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106","display":"Referral to social prescribing service"}]}]}},
{"resource":{"resourceType":"ReferralRequest","id":"r2","identifier":{"system":"urn:r","value":"2"},"status":"unknown","intent":"order","subject":{"reference":"Patient/p"},"reasonCode":[{"coding":[{"system":"http://snomed.info/sct","code":"308447003","display":"Referral to physiotherapist"}]}]}},
{"resource":{"resourceType":"Patient","id":"p","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}],"name":[{"family":"Reed"}]}}]}`

// TestConvertTakesARecord: without a dialect a record goes the way that it goes at /fhir/STU3: it
// is mended, one referral of it is taken, and both are told.
func TestConvertTakesARecord(t *testing.T) {
	w := newWorld(t, nil)
	for _, body := range []string{oldRecord, "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"source\",\"resource\":" + oldRecord + "}]}"} {
		rec := w.post("/fhir/R4/$convert?trace=false", body, "as bare")
		if strings.Contains(body, "Parameters") {
			rec = w.post("/fhir/R4/$convert", body, "as bare")
		}
		wants(t, rec, 200, "repair-array")
		told := map[string]string{}
		for _, i := range parameterOf(parsed(t, rec), "outcome").Child("resource").All("issue") {
			told[i.Text("details", "coding", "code")] += i.Text("expression") + " " + i.Text("details", "text")
		}
		if got := told["repair-array"]; !strings.HasPrefix(got, "Bundle.entry[1].resource.identifier ") || strings.Contains(got, "entry[2]") {
			t.Errorf("mended: %q", got)
		}
		if got := told["excerpt"]; !strings.Contains(got, "1 List, 1 ReferralRequest") {
			t.Errorf("left out: %q", got)
		}
	}
	both := strings.Replace(oldRecord, "308447003", "871731000000106", 1)
	wants(t, w.post("/fhir/R4/$convert", both, "as bare"), 422, "several-referrals")
	wants(t, w.post("/fhir/R4/$convert?identifier=urn:r%7C2", both, "as bare"), 200, "excerpt")
	wants(t, w.post("/fhir/R4/$convert", strings.Replace(oldRecord, "871731000000106", "308448008", 1), "as bare"), 422, "no-referral")
}
