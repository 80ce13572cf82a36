package gateway

import (
	"context"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// asXML writes a resource that is given in JSON as XML.
func asXML(t *testing.T, version fhir.Version, body string) string {
	t.Helper()
	root, err := fhir.Parse(fhir.Types(version), []byte(body), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return string(fhir.EncodeXML(root))
}

// parsedXML reads a FHIR response in XML, which must be sound FHIR but for the stubs in it.
func parsedXML(t *testing.T, rec *httptest.ResponseRecorder) *fhir.Node {
	t.Helper()
	if got := rec.Header().Get("Content-Type"); got != contentXML {
		t.Errorf("Content-Type %q", got)
	}
	root, err := fhir.ParseXML(fhir.Types(fhir.R4), rec.Body.Bytes(), fhir.Limits{})
	if err != nil {
		t.Fatalf("%v in %s", err, rec.Body)
	}
	for _, e := range issue.All(fhir.Check(root)) {
		if e.Failure() && !strings.Contains(e.Expression, ".resource") && root.Text("id") == "" {
			t.Errorf("%v in %s", e, rec.Body)
		}
	}
	return root
}

const xmlBody = "Content-Type: application/fhir+xml"

// TestEveryRouteInBothFormats asks every kind of route four ways. The answer in XML says
// what the answer in JSON says, under the same status, address and version.
func TestEveryRouteInBothFormats(t *testing.T) {
	example, err := os.ReadFile("../../testdata/referral.json")
	if err != nil {
		t.Fatal(err)
	}
	coding := `{"resourceType":"Parameters","parameter":[{"name":"coding","valueCoding":{"system":"` + genders + `","code":"female"}},{"name":"url","valueUri":"urn:test:letters"}]}`
	for _, c := range []struct {
		method, target, body, caller string
		status                       int
	}{
		{"GET", "/fhir/R4/metadata", "", "gp", 200},
		{"GET", "/fhir/R4/Patient/1", "", "gp", 200},
		{"GET", "/fhir/R4/Patient/1/_history/2", "", "gp", 200},
		{"GET", "/fhir/R4/Patient/1/_history", "", "gp", 200},
		{"GET", "/fhir/R4/Patient/_history", "", "gp", 200},
		{"GET", "/fhir/R4/Patient?family=x&unknown=y", "", "gp", 200},
		{"GET", "/fhir/R4/StructureMap", "", "gp", 200},
		{"GET", "/fhir/R4/StructureMap/ukcore-r4-to-referral", "", "gp", 200},
		{"GET", "/fhir/R4/ConceptMap?_count=2", "", "gp", 200},
		{"GET", "/fhir/R4/ConceptMap/letters", "", "gp", 200},
		{"GET", "/fhir/R4/ConceptMap/letters/$translate?" + byCode + "female", "", "gp", 200},
		{"POST", "/fhir/R4/ConceptMap/$translate", coding, "gp", 200},
		{"POST", "/fhir/R4/Patient", somebody, "gp", 201},
		{"POST", "/fhir/R4", string(example), "gp", 201},
		{"POST", "/fhir/R4", batchOf(`{"resource":`+somebody+`,"request":{"method":"POST","url":"Patient"}}`, `{"request":{"method":"GET","url":"Patient/1?_format=xml"}}`, `{"request":{"method":"GET","url":"Encounter/1"}}`), "gp", 200},
		{"POST", "/fhir/R4/$convert?identity=i", string(example), "gp", 200},
		{"POST", "/fhir/R4/StructureMap/$transform?identity=i&source=https://spadapter.example/fhir/StructureMap/ukcore-r4-to-referral", string(example), "gp", 200},
		{"GET", "/fhir/R4/Patient/%20", "", "gp", 404},
		{"GET", "/fhir/R4/Nothing", "", "gp", 404},
		{"PUT", "/fhir/R4/Patient", "", "gp", 405},
		{"GET", "/fhir/R4/Patient/1", "", "nobody", 401},
		{"POST", "/fhir/R4/Patient", somebody, "bare", 403},
		{"POST", "/fhir/R4/Patient", `{"resourceType":"Observation"}`, "gp", 400},
	} {
		w := newWorld(t, func(o *Operations) {
			submit := o.Submit
			o.Submit = func(ctx context.Context, c referral.Call, root *fhir.Node) (*referral.Response, error) {
				r, err := submit(ctx, c, root)
				if root.ResourceType() == "Bundle" {
					r.Body = []byte(`{"resourceType":"Bundle","type":"transaction-response"}`)
				}
				return r, err
			}
		})
		for _, sent := range []format{formatJSON, formatXML} {
			headers, body := []string{"as " + c.caller}, c.body
			switch {
			case body == "" && sent == formatXML:
				continue
			case sent == formatXML:
				body = asXML(t, fhir.R4, body)
				headers = append(headers, xmlBody)
			case body != "":
				headers = append(headers, "Content-Type: application/fhir+json")
			}
			json := w.do(c.method, c.target, body, append(headers, "Accept: application/fhir+json")...)
			xml := w.do(c.method, c.target, body, append(headers, "Accept: application/fhir+xml")...)
			pretty := w.do(c.method, c.target+map[bool]string{true: "&", false: "?"}[strings.Contains(c.target, "?")]+"_format=xml&_pretty=true", body, headers...)
			if json.Code != c.status || xml.Code != c.status || pretty.Code != c.status {
				t.Errorf("%s %s (%d): %d, %d, %d: %s", c.method, c.target, sent, json.Code, xml.Code, pretty.Code, xml.Body)
				continue
			}
			for _, name := range []string{"ETag", "Location", "Last-Modified", "WWW-Authenticate", "Allow"} {
				if json.Header().Get(name) != xml.Header().Get(name) {
					t.Errorf("%s %s: %s is %q and %q", c.method, c.target, name, json.Header().Get(name), xml.Header().Get(name))
				}
			}
			if got, want := string(fhir.Encode(parsedXML(t, xml))), string(fhir.EncodeXML(parsed(t, json))); asXML(t, fhir.R4, got) != want {
				t.Errorf("%s %s: %s\nis not %s", c.method, c.target, xml.Body, json.Body)
			}
			// the links of a page ask for what the client asked for
			alike := strings.NewReplacer("?_format=xml", "", "&_format=xml", "").Replace(string(fhir.Encode(parsedXML(t, pretty))))
			if alike != string(fhir.Encode(parsedXML(t, xml))) && !strings.Contains(c.target, "_history") && !strings.Contains(c.target, "?") {
				t.Errorf("%s %s: pretty says something else", c.method, c.target)
			}
			// unless something else is asked for, the answer is in the format of the body
			if byItself := w.do(c.method, c.target, body, append(headers, "Accept: */*")...); byItself.Header().Get("Content-Type") != [2]string{contentFHIR, contentXML}[sent] {
				t.Errorf("%s %s: sent %d, answered in %q", c.method, c.target, sent, byItself.Header().Get("Content-Type"))
			}
		}
	}
}

// TestFormatOfResponses runs Accept × body: what is liked best counts, then what is named
// most exactly, then the format of the body.
func TestFormatOfResponses(t *testing.T) {
	w := newWorld(t, nil)
	const j, x = contentFHIR, contentXML
	for _, c := range []struct{ accept, toJSON, toXML string }{
		{"", j, x}, {" , ", j, x}, {"*/*", j, x}, {"application/*", j, x}, {"text/*", j, x},
		{"application/fhir+xml", x, x}, {"application/xml", x, x}, {"text/xml;charset=utf-8", x, x}, {"APPLICATION/FHIR+XML", x, x},
		{"application/fhir+json", j, j}, {"text/json", j, j},
		{"application/fhir+xml, application/fhir+json", j, x},
		{"application/fhir+xml, application/fhir+json;q=0.5", x, x},
		{"application/fhir+xml;q=0.2, application/fhir+json;q=0.9", j, j},
		{"application/fhir+xml;q=0.2, application/xml;q=0.8, application/fhir+json;q=0.7", x, x},
		{"application/fhir+xml, */*", x, x}, {"application/fhir+xml;q=0.5, */*;q=0.5", x, x}, {"application/fhir+xml;q=0.4, */*;q=0.5", j, j},
		{"application/fhir+json;q=0, */*", x, x}, {"application/fhir+xml;q=0, */*", j, j},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", x, x},
		{"application/fhir+xml; fhirVersion=3.0, application/fhir+json;q=0.1", j, j},
		{"application/fhir+xml; q=2, application/fhir+json;q=0.1", j, j},
	} {
		for body, want := range map[string]string{somebody: c.toJSON, asXML(t, fhir.R4, somebody): c.toXML} {
			headers := []string{"as gp", "Content-Type: application/fhir+json"}
			if body[0] == '<' {
				headers[1] = xmlBody
			}
			if c.accept != "" {
				headers = append(headers, "Accept: "+c.accept)
			}
			if rec := w.do("POST", "/fhir/R4/Patient", body, headers...); rec.Code != 201 || rec.Header().Get("Content-Type") != want {
				t.Errorf("Accept %q to %.9s: %d %q", c.accept, body, rec.Code, rec.Header().Get("Content-Type"))
			}
		}
	}
	// a refusal is told in the format that was asked for, and no format at all in that of the body
	wants(t, w.do("POST", "/fhir/R4/Patient?_format=ttl", "<Patient/>", "as gp", xmlBody), 406, "not-acceptable")
	if rec := w.do("GET", "/fhir/R4/Patient/1?_format=%zz", "", "as gp", "Accept: application/xml"); rec.Code != 400 || rec.Header().Get("Content-Type") != contentXML {
		t.Error(rec.Code, rec.Header())
	}
	// in a search it may stand in the body
	for body, want := range map[string]string{"_format=xml": x, "_format=application/fhir%2Bxml&_pretty=true": x, "_format=json": j, "family=x": j} {
		if rec := w.do("POST", "/fhir/R4/Patient/_search", body, "as gp", "Content-Type: application/x-www-form-urlencoded"); rec.Code != 200 || rec.Header().Get("Content-Type") != want {
			t.Error(body, rec.Code, rec.Header())
		}
	}
	wants(t, w.do("POST", "/fhir/R4/Patient/_search", "_format=ttl", "as gp", "Content-Type: application/x-www-form-urlencoded"), 406, "not-acceptable")
	// _format decides over Accept, and the plain API knows JSON alone
	if rec := w.do("GET", "/fhir/R4/Patient/1?_format=json", "", "as gp", "Accept: application/fhir+xml"); rec.Header().Get("Content-Type") != contentFHIR {
		t.Error(rec.Header())
	}
	wants(t, w.do("GET", "/api/v1/referrals?_format=xml", "", "as lw"), 200, "")
	wants(t, w.do("POST", "/api/v1/referrals/1/actions/accept", "<a/>", "as lw", `If-Match: W/"1"`, xmlBody), 415, "media-type")
}

// TestXMLBodies: what is wrong with XML is told with its place, and nothing outside the
// body is ever read.
func TestXMLBodies(t *testing.T) {
	const patient = `<Patient xmlns="http://hl7.org/fhir">`
	laughs := `<!DOCTYPE Patient [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">` + strings.Repeat(`<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">`, 50) + "]>\n" + patient + `<id value="&c;"/></Patient>`
	for name, c := range map[string]struct {
		body, rule, line, column string
	}{
		"not closed":      {patient + "\n<id value='1'>", "xml", "2", "15"},
		"wrong end":       {patient + "\n <id value='1'></Id></Patient>", "xml", "2", "16"},
		"billion laughs":  {laughs, "xml-dtd", "1", "1"},
		"external entity": {"<?xml version='1.0'?>\n<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/hostname\">]>" + patient + `<id value="&e;"/></Patient>`, "xml-dtd", "2", "1"},
		"external DTD":    {`<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">` + patient + `</Patient>`, "xml-dtd", "1", "1"},
		"unknown entity":  {patient + "\n<id value='&e;'/></Patient>", "xml-entity", "2", "12"},
		"instruction":     {patient + "\n<?php echo 1 ?></Patient>", "xml-instruction", "2", "1"},
		"encoding":        {`<?xml version="1.0" encoding="UTF-16"?>` + patient + `</Patient>`, "xml-encoding", "1", "1"},
		"no namespace":    {"\n<Patient/>", "xml-namespace", "2", "1"},
		"JSON":            {`{"resourceType":"Patient"}`, "xml", "1", "1"},
		"empty":           {"", "xml", "1", "1"},
	} {
		w := newWorld(t, nil)
		for _, accept := range []string{"application/fhir+xml", "application/fhir+json"} {
			rec := w.do("POST", "/fhir/R4/Patient", c.body, "as gp", xmlBody, "Accept: "+accept)
			wants(t, rec, 400, c.rule)
			var root *fhir.Node
			if strings.HasSuffix(accept, "xml") {
				root = parsedXML(t, rec)
			} else {
				root = parsed(t, rec)
			}
			var place []string
			for _, e := range root.Child("issue").All("extension") {
				place = append(place, e.Text("value"))
			}
			if got := strings.Join(place, ":"); got != c.line+":"+c.column {
				t.Errorf("%s: at %s: %s", name, got, rec.Body)
			}
		}
		if len(w.calls) != 0 || len(w.refused) != 2 {
			t.Errorf("%s: %d calls, %d refusals", name, len(w.calls), len(w.refused))
		}
	}
	w := newWorld(t, nil)
	sent := "\uFEFF<?xml version='1.0' encoding='utf-8'?>\n<!-- c --> " + patient + "<active value='true'/></Patient>\n"
	wants(t, w.do("POST", "/fhir/R4/Patient", sent, "as gp", "Content-Type: text/xml; charset=UTF-8"), 201, "")
	if got := w.calls[0]; string(got.Body) != sent || got.ContentType != "text/xml; charset=UTF-8" {
		t.Errorf("kept as %q %q", got.ContentType, got.Body)
	}
}

// TestBatchInXML: an entry is read as it would be alone, and what the XML of one entry has
// too much is that entry's fault, not passed over.
func TestBatchInXML(t *testing.T) {
	entry := func(resource string) string {
		return `<entry><resource>` + resource + `</resource><request><method value="POST"/><url value="Patient"/></request></entry>`
	}
	batch := func(entries string) string {
		return `<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/>` + entries + `</Bundle>`
	}
	w := newWorld(t, nil)
	rec := w.do("POST", "/fhir/R4", batch(entry(`<Patient><active value="true"/></Patient>`)+"\n"+
		entry(`<Patient>text<active value="true" x="y"/></Patient>`)+"\n"+
		entry(`<Patient><active value="1,&quot;x&quot;:2"/></Patient>`)), "as gp", xmlBody)
	wants(t, rec, 200, "")
	entries := parsedXML(t, rec).All("entry")
	if len(entries) != 3 || entries[0].Text("response", "status") != "201 Created" || entries[2].Text("response", "status") != "201 Created" || len(w.calls) != 2 {
		t.Fatalf("%d calls: %s", len(w.calls), rec.Body)
	}
	if second := entries[1].Descend("response", "outcome"); entries[1].Text("response", "status") != "400 Bad Request" || len(second.All("issue")) != 2 ||
		second.Text("issue", "details", "coding", "code") != "xml-text" || second.Text("issue", "expression") != "Bundle.entry[1].resource" || second.Text("issue", "extension", "value") != "2" {
		t.Errorf("%s", rec.Body)
	}
	if got := string(w.calls[1].Body); got != `{"resourceType":"Patient","active":"1,\"x\":2"}` {
		t.Error(got) // what is no boolean does not become JSON of its own
	}
	w = newWorld(t, nil)
	wants(t, w.do("POST", "/fhir/R4", batch("text"+entry(`<Patient/>`)), "as gp", xmlBody), 400, "xml-text")
	many := strings.Repeat(`<active value="true" x="y"/>`, 300)
	wants(t, w.do("POST", "/fhir/R4", batch(entry(`<Patient>`+many+`</Patient>`)+entry(`<Patient/>`)), "as gp", xmlBody), 400, "xml-attribute")
	if len(w.calls) != 0 {
		t.Errorf("%d entries ran", len(w.calls))
	}
}

// TestConvertXML: a message within Parameters is read as the version that the map takes,
// with the lines of the request, and what comes out may be of another version.
func TestConvertXML(t *testing.T) {
	w := newWorld(t, nil)
	request := asXML(t, fhir.STU3, `{"resourceType":"ReferralRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"},"description":"d"}`)
	for i, body := range []string{request,
		"<f:Parameters xmlns:f=\"http://hl7.org/fhir\"><f:parameter><f:name value=\"source\"/>\n<f:resource>" + request +
			`</f:resource></f:parameter><f:parameter><f:name value="dialect"/><f:valueString value="older"/></f:parameter></f:Parameters>`} {
		target := "/fhir/R4/$convert"
		if i == 0 {
			target += "?dialect=older"
		}
		rec := w.do("POST", target, body, "as bare", "Content-Type: application/fhir+xml; fhirVersion=3.0")
		wants(t, rec, 200, "")
		if made := parameterOf(parsedXML(t, rec), "return").Child("resource"); made.ResourceType() != "ServiceRequest" || made.Text("patientInstruction") != "d" {
			t.Error(rec.Body)
		}
		rec = w.do("POST", target, strings.Replace(body, `"active"`, `"brilliant"`, 1), "as bare", xmlBody)
		wants(t, rec, 422, "required-code")
		if at := parsedXML(t, rec).Child("issue"); at.Text("expression") != "ReferralRequest.status" || at.Text("extension", "value") != map[int]string{0: "1", 1: "2"}[i] {
			t.Error(rec.Body)
		}
		wants(t, w.do("POST", target, strings.Replace(body, `<status`, `text<status`, 1), "as bare", xmlBody), 400, "xml-text")
	}
	rec := w.do("POST", "/fhir/R4/StructureMap/$transform?source=https://spadapter.example/fhir/StructureMap/nothing", "<Basic xmlns='http://hl7.org/fhir'/>", "as bare", xmlBody)
	wants(t, rec, 404, "map-unknown")
	parsedXML(t, rec)
}

// TestRepeatInAnotherFormat: the answer that was kept is told in the format asked for.
func TestRepeatInAnotherFormat(t *testing.T) {
	kept := []byte(`{"resourceType":"Bundle","id":"1","type":"transaction-response","entry":[{"response":{"status":"201 Created","etag":"W/\"1\""}}]}`)
	w := newWorld(t, func(o *Operations) {
		o.Submit = func(context.Context, referral.Call, *fhir.Node) (*referral.Response, error) {
			return &referral.Response{Status: 200, ContentType: contentFHIR, Body: kept}, nil
		}
	})
	body := `{"resourceType":"Bundle","type":"transaction"}`
	if rec := w.post("/fhir/R4", body, "as gp"); rec.Body.String() != string(kept) {
		t.Error(rec.Body)
	}
	want := `<Bundle xmlns="http://hl7.org/fhir"><id value="1"/><type value="transaction-response"/><entry><response><status value="201 Created"/><etag value="W/&quot;1&quot;"/></response></entry></Bundle>`
	if rec := w.post("/fhir/R4?_format=xml", body, "as gp"); rec.Body.String() != want {
		t.Error(rec.Body)
	}
}
