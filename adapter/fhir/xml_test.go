package fhir

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spadapter/adapter/issue"
)

const xmlPatient = `<Patient xmlns="http://hl7.org/fhir">`

// TestXMLIsTheSameTree: both formats of a resource give one tree.
func TestXMLIsTheSameTree(t *testing.T) {
	for name, c := range map[string]struct{ json, xml string }{
		"primitives": {`{"resourceType":"Observation","status":"final","valueQuantity":{"value":1.500}}`,
			`<Observation xmlns="http://hl7.org/fhir"><status value="final"/><valueQuantity><value value="1.500"/></valueQuantity></Observation>`},
		"lists": {`{"resourceType":"Patient","active":true,"name":[{"given":["A","B"]}]}`,
			xmlPatient + `<active value="true"/><name><given value="A"/><given value="B"/></name></Patient>`},
		"ids and extensions": {`{"resourceType":"Patient","id":"1","_birthDate":{"id":"b","extension":[{"id":"e","url":"http://x","valueInteger":3}]},"birthDate":"1970","name":[{"id":"n","given":[null,"B"],"_given":[{"extension":[{"url":"http://y","valueCode":"z"}]},null]}]}`,
			xmlPatient + `<id value="1"/><name id="n"><given><extension url="http://y"><valueCode value="z"/></extension></given><given value="B"/></name><birthDate id="b" value="1970"><extension id="e" url="http://x"><valueInteger value="3"/></extension></birthDate></Patient>`},
		"resources": {`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o"},{"resourceType":"Group"}]}}]}`,
			`<Bundle xmlns="http://hl7.org/fhir"><type value="collection"/><entry><resource><Patient><contained><Organization><id value="o"/></Organization></contained><contained><Group/></contained></Patient></resource></entry></Bundle>`},
		"text": {`{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">\n <p title='&lt;'>a &amp; b<br/><!-- c --></p>\r\n</div>"},"name":[{"text":"<&>\"'\n\r\t é"}]}`,
			xmlPatient + "<text><status value=\"generated\"/><div xmlns=\"http://www.w3.org/1999/xhtml\">\n <p title='&lt;'>a &amp; b<br/><!-- c --></p>\r\n</div></text><name><text value=\"&lt;&amp;&gt;&quot;'&#10;&#13;&#9; é\"/></name></Patient>"},
		"references": {`{"resourceType":"Task","for":{"display":"d","type":"Patient","reference":"Patient/1"}}`,
			`<Task xmlns="http://hl7.org/fhir"><for><reference value="Patient/1"/><type value="Patient"/><display value="d"/></for></Task>`},
	} {
		fromJSON, err := Parse(Types(R4), []byte(c.json), Limits{})
		if err != nil {
			t.Fatal(name, err)
		}
		if got := string(EncodeXML(fromJSON)); got != c.xml {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.xml)
		}
		fromXML, err := ParseXML(Types(R4), []byte(c.xml), Limits{})
		if err != nil {
			t.Fatal(name, err)
		}
		if got, want := canonical(t, Encode(fromXML)), canonical(t, []byte(c.json)); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
		indented, err := ParseXML(Types(R4), EncodeXMLIndent(fromJSON), Limits{})
		if err != nil || string(EncodeXML(indented)) != c.xml || fromXML.Size() != fromJSON.Size() {
			t.Errorf("%s: %v, indented it is\n%s", name, err, EncodeXMLIndent(fromJSON))
		}
	}
}

// TestXMLForms: one resource has many forms in XML.
func TestXMLForms(t *testing.T) {
	const div = `<div xmlns=\"http://www.w3.org/1999/xhtml\">`
	for xml, want := range map[string]string{
		"\uFEFF<?xml version='1.0' encoding='Utf-8' standalone='yes'?>\r\n<!-- a --> <Patient xmlns='http://hl7.org/fhir'/><!-- b -->\n": `{}`,
		`<f:Patient xmlns:f="http://hl7.org/fhir"><f:active value="true"></f:active></f:Patient>`:                                        `{"active":true}`,
		`<Patient xmlns="http://hl7.org/fhir" xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:schemaLocation="http://a b"/>`:       `{}`,
		xmlPatient + `<a:active xmlns:a="http://hl7.org/fhir" value = 'true' /></Patient>`:                                               `{"active":true}`,
		xmlPatient + `<gender value="fe<!-- -->male"/></Patient>`:                                                                        ``, // '<' in an attribute
		xmlPatient + "<!-- <gender value='male'/> --><gender value='female'/></Patient>":                                                 `{"gender":"female"}`,
		xmlPatient + "<name><text value=\"a\n\tb&#10;c&#x9;d\r\ne\"/></name></Patient>":                                                  `{"name":[{"text":"a  b\nc\td e"}]}`,
		xmlPatient + `<name><text value="&lt;&#60;&#x3C;&amp;lt;&apos;&quot;&gt;"/></name></Patient>`:                                    `{"name":[{"text":"<<<&lt;'\">"}]}`,
		xmlPatient + `<text><h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:p class="c">x</h:p><h:br/></h:div></text></Patient>`:        `{"text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\" xmlns:h=\"http://www.w3.org/1999/xhtml\"><p class=\"c\">x</p><br/></div>"}}`,
		`<f:Patient xmlns:f="http://hl7.org/fhir" xmlns="http://www.w3.org/1999/xhtml"><f:text><div>x</div></f:text></f:Patient>`:        `{"text":{"div":"` + div + `x</div>"}}`,
		xmlPatient + `<text><div xmlns="http://www.w3.org/1999/xhtml"/></text></Patient>`:                                                `{"text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"/>"}}`,
	} {
		root, err := ParseXML(Types(R4), []byte(xml), Limits{})
		if want == "" {
			if err == nil {
				t.Errorf("%s is read", xml)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", xml, err)
			continue
		}
		want = strings.Replace(want, "{", `{"resourceType":"Patient",`, 1)
		if want = strings.Replace(want, ",}", "}", 1); string(Encode(root)) != want {
			t.Errorf("%s\n got %s\nwant %s", xml, Encode(root), want)
		}
		if err := root.Faults(); err != nil {
			t.Errorf("%s: %v", xml, err)
		}
	}
}

// TestXMLFaults: what XML can hold and FHIR does not allow is reported by Check, all at
// once and each with its place, and one fault once.
func TestXMLFaults(t *testing.T) {
	for xml, want := range map[string]string{
		"<gender value='male'/>\n<active value='true'/>":                       "xml-order Patient.active 2:15",
		"<name/>\n<gender value='male'/><name><text value='x'/></name>":        "json-empty Patient.name[0] 1:38|xml-order Patient.name[1] 2:23",
		"<gender value='male'/>\n <gender value='male'/>":                      "xml-repeat Patient.gender 2:16",
		"<gender>male</gender>":                                                "xml-text Patient.gender 1:46",
		"<gender>woman</gender>":                                               "required-code Patient.gender 1:38|xml-text Patient.gender 1:46",
		"<name>\n x <text value='x'/> y</name>":                                "xml-text Patient.name[0] 2:2|xml-text Patient.name[0] 2:22",
		"<gender value=''/>":                                                   "lexical-code Patient.gender 1:52",
		"<gender/>":                                                            "json-null Patient.gender 1:38",
		"<active value='yes'/>":                                                "lexical-boolean Patient.active 1:52",
		"<multipleBirthInteger value='1.5'/>":                                  "lexical-integer Patient.multipleBirth 1:66",
		"<gender value='male' code='x' xml:lang='en'/>":                        "xml-attribute Patient.gender 1:59|xml-attribute Patient.gender 1:68",
		"<name value='x'/>":                                                    "json-kind Patient.name[0] 1:50",
		"<name value='x'><text value='y'/></name>":                             "xml-attribute Patient.name[0] 1:38",
		"<name url='x'><text value='y'/></name>":                               "xml-attribute Patient.name[0] 1:44",
		"<name><id value='x'/><text value='y'/></name>":                        "xml-attribute Patient.name[0].id 1:44",
		"<extension><url value='http://x'/><valueCode value='x'/></extension>": "xml-attribute Patient.extension[0].url 1:49",
		"<contained id='x'><Group/></contained>":                               "xml-attribute Patient.contained[0] 1:49",
		"<contained><Group/>\n<Group/></contained>":                            "xml-resource Patient.contained[0] 2:1",
		"<contained/>":                                                         "json-resource-type Patient.contained[0] 1:38|contained-id Patient.contained[0] 1:38",
		"<gendre value='male'/>":                                               "unknown-element Patient.gendre 1:52",
		"<x xmlns='urn:x'><gender value='male'/></x><gender value='male'/>":    "xml-namespace Patient 1:38",
		"<text><status value='empty'/><div>x</div></text>":                     "xml-namespace Patient.text 1:67",
		"<text><status value='empty'/><div xmlns='http://www.w3.org/1999/xhtml'><a xmlns='urn:a'/></div></text>": "xml-namespace Patient.text 1:109",
		"<div xmlns='http://www.w3.org/1999/xhtml'>x</div>":                                                      "xml-namespace Patient 1:38",
	} {
		contained := strings.Contains(xml, "Group")
		root, err := ParseXML(Types(R4), []byte(xmlPatient+xml+"</Patient>"), Limits{})
		if err != nil {
			t.Errorf("%s: %v", xml, err)
			continue
		}
		var got []string
		for _, e := range issue.All(Check(root)) {
			if contained && !strings.HasPrefix(e.Rule, "xml-") {
				continue // what a Group needs is not the question
			}
			got = append(got, fmt.Sprintf("%s %s %d:%d", e.Rule, e.Expression, e.Line, e.Column))
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%s\n got %s\nwant %s", xml, strings.Join(got, "|"), want)
		}
		if again, err := Parse(Types(R4), Encode(root), Limits{}); err != nil && !strings.Contains(want, "xml-repeat") || err == nil && again.ResourceType() != "Patient" {
			t.Errorf("%s: the JSON %s: %v", xml, Encode(root), err)
		}
	}
	root, err := ParseXML(Types(R4), []byte(`<x id="1" xmlns="http://hl7.org/fhir"><y/></x>`), Limits{})
	if err != nil || len(issue.All(Check(root))) != 2 || root.ResourceType() != "x" {
		t.Errorf("%v %v", err, Check(root))
	}
}

// TestXMLRefusals: what is no XML, and what must not be in it, is refused at its place.
func TestXMLRefusals(t *testing.T) {
	deep := func(n int) string {
		return xmlPatient + strings.Repeat(`<extension url="x">`, n) + strings.Repeat(`</extension>`, n) + `</Patient>`
	}
	many := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		xml, rule    string
		line, column int
	}{
		"empty":             {"", "xml", 1, 1},
		"blank":             {" \n ", "xml", 2, 2},
		"no element":        {"hello", "xml", 1, 1},
		"JSON":              {` {"resourceType":"Patient"}`, "xml", 1, 2},
		"not closed":        {xmlPatient, "xml", 1, 38},
		"half a tag":        {xmlPatient + "<na", "xml", 1, 41},
		"half a comment":    {xmlPatient + "<!-- x", "xml", 1, 44},
		"crossed":           {xmlPatient + "<name><text></name></text></Patient>", "xml", 1, 50},
		"too many ends":     {xmlPatient + "</Patient>\n</Patient>", "xml", 2, 1},
		"two roots":         {xmlPatient + "</Patient><Patient/>", "xml", 1, 48},
		"text behind":       {xmlPatient + "</Patient>\n x", "xml", 2, 2},
		"no quotes":         {xmlPatient + "<id value=1/></Patient>", "xml", 1, 48},
		"attribute twice":   {xmlPatient + "<id value='1'\nvalue='1'/></Patient>", "xml-duplicate", 2, 1},
		"prefix":            {"<f:Patient/>", "xml-prefix", 1, 1},
		"prefix within":     {xmlPatient + "<x:id value='1'/></Patient>", "xml-prefix", 1, 38},
		"attribute prefix":  {xmlPatient + "<id x:value='1'/></Patient>", "xml-prefix", 1, 42},
		"no namespace":      {"<Patient/>", "xml-namespace", 1, 1},
		"other namespace":   {"<Patient xmlns='urn:x'/>", "xml-namespace", 1, 1},
		"DTD":               {"<!DOCTYPE Patient>" + xmlPatient + "</Patient>", "xml-dtd", 1, 1},
		"DTD within":        {xmlPatient + "<!ELEMENT a ANY></Patient>", "xml-dtd", 1, 38},
		"DTD in narrative":  {xmlPatient + "<text><div xmlns='http://www.w3.org/1999/xhtml'><!ENTITY a 'b'></div></text></Patient>", "xml-dtd", 1, 86},
		"entity":            {xmlPatient + "<id value='a&nbsp;b'/></Patient>", "xml-entity", 1, 50},
		"bare ampersand":    {xmlPatient + "<id value='a & b'/></Patient>", "xml-entity", 1, 51},
		"narrative entity":  {xmlPatient + "<text><div xmlns='http://www.w3.org/1999/xhtml'>&nbsp;</div></text></Patient>", "xml-entity", 1, 86},
		"instruction":       {`<?xml version="1.0"?><?xml-stylesheet href="x"?>` + xmlPatient + "</Patient>", "xml-instruction", 1, 22},
		"late declaration":  {` <?xml version="1.0"?>` + xmlPatient + "</Patient>", "xml-instruction", 1, 2},
		"encoding":          {`<?xml version="1.0" encoding="ISO-8859-1"?>` + xmlPatient + "</Patient>", "xml-encoding", 1, 1},
		"version":           {`<?xml version="1.1"?>` + xmlPatient + "</Patient>", "xml-version", 1, 1},
		"UTF-16":            {"\xFF\xFE<\x00P\x00", "xml-utf8", 1, 1},
		"latin 1":           {xmlPatient + "<id value='\xE9'/></Patient>", "xml-utf8", 1, 49},
		"control character": {xmlPatient + "<id value='\x01'/></Patient>", "xml", 1, 49},
		"control reference": {xmlPatient + "<id value='&#1;'/></Patient>", "xml", 1, 53},
		"deep":              {deep(32), "depth-limit", 1, 627},
		"attributes":        {"<Patient " + many(" a%d='1'", 65) + " xmlns='http://hl7.org/fhir'/>", "xml-attribute-limit", 1, 1},
		"namespaces":        {"<Patient xmlns='http://hl7.org/fhir'" + many(" xmlns:a%d='1'", 60) + "><name" + many(" xmlns:b%d='1'", 60) + "/></Patient>", "xml-namespace-limit", 1, 868},
	} {
		_, err := ParseXML(Types(R4), []byte(c.xml), Limits{})
		all := issue.All(err)
		if len(all) != 1 || all[0].Rule != c.rule || all[0].Line != c.line || all[0].Column != c.column || all[0].Details == "" || !all[0].Failure() {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseXML(Types(R4), []byte(deep(31)), Limits{}); err != nil {
		t.Error(err)
	}
	for _, limits := range []Limits{{Nodes: 50}, {Bytes: 100}} {
		if _, err := ParseXML(Types(R4), []byte(xmlPatient+strings.Repeat("<name/>", 50)+"</Patient>"), limits); err == nil {
			t.Errorf("%+v: no limit", limits)
		}
	}
}

// TestXMLDepthIsThatOfJSON: a message that is accepted in one format is in the other.
func TestXMLDepthIsThatOfJSON(t *testing.T) {
	for depth := 28; depth < 36; depth++ {
		inside := strings.Repeat(`{"url":"x","extension":[`, depth) + strings.TrimSuffix(strings.Repeat(`]},`, depth), ",")
		inside = strings.ReplaceAll(strings.Replace(inside, "[]", `[{"url":"x","valueCode":"c"}]`, 1), "},]", "}]")
		body := []byte(`{"resourceType":"Patient","extension":[` + strings.ReplaceAll(inside, "},", "}") + `]}`)
		_, inJSON := Parse(Types(R4), body, Limits{})
		root, err := Parse(Types(R4), body, Limits{Depth: 1000})
		if err != nil {
			t.Fatal(err, string(body))
		}
		if _, inXML := ParseXML(Types(R4), EncodeXML(root), Limits{}); (inXML == nil) != (inJSON == nil) {
			t.Errorf("%d: JSON %v, XML %v", depth, inJSON, inXML)
		}
	}
}

// TestEncodeXMLIsAlwaysXML: nothing that a tree of JSON can hold gets out of its place.
func TestEncodeXMLIsAlwaysXML(t *testing.T) {
	for _, div := range []string{
		`</div></text><active value='true'/><text><div>`, `<div></div><div></div>`, `<div xmlns='http://www.w3.org/1999/xhtml'></div></text><active value='true'/><text><div></div>`,
		`<div>`, `text`, ``, `<div>&nbsp;&copy;&unknown;</div>`, `<!DOCTYPE x><div/>`, `<div><?php ?></div>`, `<x:div/>`, `<div>` + "\x01" + `</div>`, `<p/>`, `<div><![CDATA[</div>]]></div>`,
	} {
		root := Types(R4).New("Patient")
		root.Add("text").Append("div", NewPrimitive(Types(R4).Type("xhtml"), div))
		text := EncodeXML(root)
		back, err := ParseXML(Types(R4), text, Limits{})
		if err != nil || back.Child("active") != nil || len(back.Children) != 1 || len(back.Children[0].Children) != 1 || back.Faults() != nil {
			t.Errorf("%q: %v %s", div, err, text)
		}
	}
	body := `{"resourceType":"a b><","x y":1,"<x>":"y","list":[[1],[]],"none":null,"id":{"a":1},"extension":[{"url":"\u0000\uffff\"<","id":"'"}],"text":{"div":"<div/>"}}`
	root, err := Parse(Types(R4), []byte(body), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	text := EncodeXML(root)
	if want := `<Resource xmlns="http://hl7.org/fhir"><id><a value="1"/></id><extension url="��&quot;&lt;" id="'"/><text><div xmlns="http://www.w3.org/1999/xhtml"/></text></Resource>`; string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if got := string(EncodeXML(root.Child("extension"))); got != `<extension xmlns="http://hl7.org/fhir" url="��&quot;&lt;" id="'"/>` {
		t.Error(got)
	}
	if got := string(EncodeXML(Types(R4).New("HumanName"))); got != `<HumanName xmlns="http://hl7.org/fhir"/>` {
		t.Error(got)
	}
}

// TestReread: a resource is read again from the text around it, as another version too,
// and what was done to the first tree is not in the second.
func TestReread(t *testing.T) {
	referral := `<ReferralRequest><status value="active"/><intent value="order"/><subject><reference value="Patient/1"/></subject></ReferralRequest>`
	for _, body := range []string{
		"\uFEFF {\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"x\",\n \"resource\":{\"resourceType\":\"ReferralRequest\",\"status\":\"active\",\"intent\":\"order\",\"subject\":{\"reference\":\"Patient/1\"}} } ]} ",
		"\uFEFF<Parameters xmlns=\"http://hl7.org/fhir\"><parameter><name value=\"x\"/>\n<resource>" + referral + "</resource></parameter></Parameters> ",
	} {
		root, err := Read(Types(R4), []byte(body), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		root.Child("parameter").Child("name").Value = "changed"
		again, err := root.Reread(root.System())
		if err != nil || again.Text("parameter", "name") != "x" || again.Source() != strings.TrimSpace(strings.TrimPrefix(body, "\uFEFF")) {
			t.Errorf("%v %s", err, again.Source())
		}
		inner := root.Descend("parameter", "resource")
		old, err := inner.Reread(Types(STU3))
		if err != nil || old.Path() != "ReferralRequest" || Check(old) != nil || inner.Source() != "" {
			t.Fatalf("%v %v", err, Check(old))
		}
		line, column := inner.Position()
		if l, c := old.Position(); l != line || c != column || l != 2 || !strings.HasPrefix(old.Source(), body[strings.Index(body, "ReferralRequest")-1:][:1]) && !strings.Contains(old.Source(), "ReferralRequest") {
			t.Errorf("%d:%d is %d:%d, %s", line, column, l, c, old.Source())
		}
		third, err := old.Reread(Types(STU3))
		if err != nil || !bytes.Equal(Encode(third), Encode(old)) || third.Source() != old.Source() {
			t.Errorf("%v %s", err, Encode(third))
		}
	}
	if _, err := Types(R4).New("Patient").Reread(Types(R4)); err == nil {
		t.Error("what was not parsed is read again")
	}
}

// TestXMLIssuesStayFew: a message cannot make the answer much larger than itself.
func TestXMLIssuesStayFew(t *testing.T) {
	body := xmlPatient + strings.Repeat("<name x='1'>text</name>", 20_000) + "</Patient>"
	root, err := ParseXML(Types(R4), []byte(body), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(issue.All(Check(root))); n != maxIssues {
		t.Errorf("%d issues", n)
	}
	if n := len(issue.All(root.Faults())); n != maxIssues {
		t.Errorf("%d faults", n)
	}
}

func FuzzParseXML(f *testing.F) {
	for _, seed := range []string{
		xmlPatient + `<id value="1"/><text><status value="empty"/><div xmlns="http://www.w3.org/1999/xhtml"><p>&lt;</p></div></text><name id="n"><given value="&#10;"/></name></Patient>`,
		`<f:Bundle xmlns:f="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><f:entry><f:resource><f:Patient><f:text><h:div><h:b/></h:div></f:text></f:Patient></f:resource></f:entry></f:Bundle>`,
		`<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>`,
		xmlPatient + `<gender>male</gender><active value="yes"/><x xmlns="urn:y"><z/></x><contained><Group/><Group/></contained></Patient>`,
		xmlPatient + `<extension url="u"><valueDecimal value="1e"/></extension><extension id="i"/><active value="1"/></Patient>`,
		inPatient(`<language value="&#xD800;"/>`), inDiv(`<![CDATA[</div>&]]><b>&#56832;</b>`), inPatient(`<name/><contact/><name value="x"><text value="y"/></name>`),
		`<Patient xmlns="http://hl7.org/fhir" value="x"><active value="true"/></Patient>`,
	} {
		f.Add([]byte(seed))
	}
	for _, row := range manifest(f) {
		body, err := os.ReadFile(filepath.Join(reference, row.file))
		if err != nil {
			f.Fatal(err)
		}
		switch filepath.Ext(row.file) {
		case ".xml":
			f.Add(body)
		case ".json": // what is long is slow to change, and says little more
			if root, err := Parse(Types(R4), body, Limits{}); err == nil && len(body) < 8<<10 {
				f.Add(EncodeXML(root))
			}
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		limits := Limits{Nodes: 20_000}
		root, err := ParseXML(Types(R4), body, limits)
		if err != nil {
			for _, e := range issue.All(err) {
				if e.Details == "" || e.Type == "" {
					t.Fatalf("an error without words: %+v", e)
				}
			}
			return
		}
		all := issue.All(Check(root))
		if len(all) > maxIssues {
			t.Fatalf("%d issues", len(all))
		}
		for _, e := range all {
			if e.Line == 0 || e.Column == 0 || e.Rule == "" || e.Expression == "" {
				t.Fatalf("an issue without its place: %+v", e)
			}
		}
		if same, err := root.Reread(root.System()); err != nil || !bytes.Equal(Encode(same), Encode(root)) || len(issue.All(Check(same))) != len(all) {
			t.Fatalf("read again it is another: %v", err)
		}
		text := EncodeXML(root)
		again, err := ParseXML(Types(R4), text, Limits{Bytes: 64 << 20, Depth: 10_000})
		if err != nil {
			t.Fatalf("what was written is not read: %v\n%s", err, text)
		}
		if second := EncodeXML(again); !bytes.Equal(second, text) {
			t.Fatalf("not the same again:\n%s\n%s", text, second)
		}
		if Check(root) != nil {
			return
		}
		if !bytes.Equal(canonicalBytes(Encode(again)), canonicalBytes(Encode(root))) {
			t.Fatalf("another resource:\n%s\n%s", Encode(root), Encode(again))
		}
		if back, err := Parse(Types(R4), Encode(root), Limits{Bytes: 64 << 20}); err != nil || !bytes.Equal(EncodeXML(back), text) {
			t.Fatalf("another in JSON: %v\n%s\n%s", err, Encode(root), text)
		}
	})
}
