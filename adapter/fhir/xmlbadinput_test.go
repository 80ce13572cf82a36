package fhir

import (
	"fmt"
	"strings"
	"testing"

	"spadapter/adapter/issue"
)

// inPatient is a resource in XML around some of its content.
func inPatient(content string) string { return xmlPatient + content + "</Patient>" }

// inDiv is a resource in XML around some of its narrative.
func inDiv(content string) string {
	return inPatient(`<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">` + content + `</div></text>`)
}

// TestBadXML sends what no one should send. Each body gets one issue with its place, in
// memory that its size bounds, with the limits that hold by default.
func TestBadXML(t *testing.T) {
	Types(R4) // built once, before anything is counted
	laughs := func(n int) string {
		var b strings.Builder
		b.WriteString(`<!DOCTYPE Patient [<!ENTITY a0 "ha">`)
		for i := range n {
			fmt.Fprintf(&b, `<!ENTITY a%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&a%d;", i), 10))
		}
		return b.String() + "]>\n" + inPatient(fmt.Sprintf(`<language value="&a%d;"/>`, n))
	}
	for _, tc := range []struct {
		name, body string
		kind       issue.Type // "" when it is accepted
		rule, at   string
		line       int // 0 for an issue about the whole
	}{
		{"10,000 elements deep", inPatient(strings.Repeat(`<contact>`, 10_000) + strings.Repeat(`</contact>`, 10_000)), issue.TooCostly, "depth-limit", "", 1},
		{"10,000 elements deep and no end", xmlPatient + strings.Repeat(`<extension url="a">`, 10_000), issue.TooCostly, "depth-limit", "", 1},
		{"10,000 elements deep in a narrative", inDiv(strings.Repeat(`<b>`, 10_000) + strings.Repeat(`</b>`, 10_000)), issue.TooCostly, "depth-limit", "", 1},
		{"10,000 elements deep in another language", inPatient(`<x xmlns="urn:x">` + strings.Repeat(`<y>`, 10_000) + strings.Repeat(`</y>`, 10_000) + `</x>`), issue.TooCostly, "depth-limit", "", 1},
		{"10,000 resources deep", inPatient(strings.Repeat(`<contained><Patient>`, 10_000)), issue.TooCostly, "depth-limit", "", 1},
		{"900 elements deep in a narrative", inDiv(strings.Repeat(`<b>`, 900) + "x" + strings.Repeat(`</b>`, 900)), "", "", "", 0},
		{"50 MB", inPatient(`<name><text value="` + strings.Repeat("a", 50_000_000) + `"/></name>`), issue.TooLong, "body-limit", "", 0},
		{"more elements than a resource may have", inPatient(strings.Repeat("<name/>", 600_000)), issue.TooCostly, "node-limit", "", 1},
		{"billion laughs", laughs(10), issue.Structure, "xml-dtd", "", 1},
		{"quadratic blowup", "<!DOCTYPE a [<!ENTITY a \"" + strings.Repeat("a", 50_000) + "\">]>" + inDiv(strings.Repeat("&a;", 50_000)), issue.Structure, "xml-dtd", "", 1},
		{"a DTD that does not end", "<!DOCTYPE a [" + strings.Repeat("<!ENTITY a 'a'>", 100_000), issue.Structure, "xml", "", 1},
		{"an external entity", "<?xml version='1.0'?>\n<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/hostname\">]>" + inPatient(`<language value="&e;"/>`), issue.Structure, "xml-dtd", "", 2},
		{"a parameter entity", "<!DOCTYPE x [<!ENTITY % e SYSTEM \"http://127.0.0.1:9/x.dtd\"> %e;]>" + inPatient(""), issue.Structure, "xml-dtd", "", 1},
		{"an external DTD", "\n<!DOCTYPE x PUBLIC \"a\" \"http://127.0.0.1:9/x.dtd\">" + inPatient(""), issue.Structure, "xml-dtd", "", 2},
		{"a DTD behind the resource", inPatient("") + "\n<!DOCTYPE x>", issue.Structure, "xml-dtd", "", 2},
		{"an include", inPatient("\n" + `<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/hostname" parse="text"/>`), issue.Structure, "xml-namespace", "Patient", 2},
		{"a style sheet", "<?xml-stylesheet href=\"x\"?>" + inPatient(""), issue.Structure, "xml-instruction", "", 1},
		{"an instruction in a narrative", inDiv("\n<?php echo 1 ?>"), issue.Structure, "xml-instruction", "", 2},
		{"two declarations", "<?xml version='1.0'?>\n<?xml version='1.0'?>" + inPatient(""), issue.Structure, "xml-instruction", "", 2},
		{"an entity of HTML", inDiv("\n&nbsp;"), issue.Structure, "xml-entity", "", 2},
		{"a byte order mark", "\uFEFF<?xml version='1.0'?>" + inPatient("<active value='true'/>"), "", "", "", 0},
		{"two byte order marks", "\uFEFF\uFEFF" + inPatient(""), issue.Structure, "xml", "", 1},
		{"JSON", "\n{\"resourceType\":\"Patient\"}", issue.Structure, "xml", "", 2},
		{"UTF-16", "\xff\xfe<\x00P\x00", issue.Structure, "xml-utf8", "", 1},
		{"UTF-16 that is none", "<?xml version='1.0' encoding='UTF-16'?>" + inPatient(""), issue.Structure, "xml-encoding", "", 1},
		{"UTF-7", "<?xml version='1.0' encoding='UTF-7'?>" + inPatient(""), issue.Structure, "xml-encoding", "", 1},
		{"Latin-1", inPatient("\n<name><text value='Andr\xe9'/></name>"), issue.Structure, "xml-utf8", "", 2},
		{"an overlong encoding", inPatient("<language value='\xc0\xaf'/>"), issue.Structure, "xml-utf8", "", 1},
		{"a surrogate as a reference", inPatient("<language value='&#xD800;'/>"), issue.Structure, "xml", "", 1},
		{"a surrogate as a reference in a narrative", inDiv("\n&#x1F600;&#56832;"), issue.Structure, "xml", "", 2},
		{"a reference in CDATA", inDiv("<![CDATA[&#xD800;]]>"), "", "", "", 0},
		{"a character beyond Unicode", inPatient("<language value='&#x110000;'/>"), issue.Structure, "xml-entity", "", 1},
		{"a reference of many digits", inPatient("<language value='&#" + strings.Repeat("9", 1000) + ";'/>"), issue.Structure, "xml", "", 1},
		{"NUL as a reference", inPatient("<language value='&#0;'/>"), issue.Structure, "xml", "", 1},
		{"another namespace", `<Patient xmlns="http://hl7.org/fhir/"/>`, issue.Structure, "xml-namespace", "", 1},
		{"XHTML for FHIR", `<Patient xmlns="http://www.w3.org/1999/xhtml"/>`, issue.Structure, "xml-namespace", "", 1},
		{"FHIR for XHTML", inPatient("<text><status value='empty'/>\n<div>x</div></text>"), issue.Structure, "xml-namespace", "Patient.text", 2},
		{"an unknown attribute", inPatient("\n<active value='true' since='1'/>"), issue.Structure, "xml-attribute", "Patient.active", 2},
		{"a value of an object", inPatient("\n<name value='x'><text value='y'/></name>"), issue.Structure, "xml-attribute", "Patient.name[0]", 2},
		{"a value of a resource", "<Patient xmlns='http://hl7.org/fhir'\n value='x'><active value='true'/></Patient>", issue.Structure, "xml-attribute", "Patient", 1},
		{"text", inPatient("<name>\nx<text value='y'/></name>"), issue.Structure, "xml-text", "Patient.name[0]", 2},
		{"text as a character reference", inPatient("\n&#120;<active value='true'/>"), issue.Structure, "xml-text", "Patient", 2},
		{"CDATA", inPatient("\n<![CDATA[<active value='true'/>]]>"), issue.Structure, "xml-text", "Patient", 2},
		{"CDATA for a value", inPatient("\n<language><![CDATA[en]]></language>"), issue.Structure, "xml-text", "Patient.language", 2},
		{"CDATA in an attribute", inPatient("\n<language value='<![CDATA[en]]>'/>"), issue.Structure, "xml", "", 2},
		{"CDATA that does not end", inPatient("<![CDATA[") + strings.Repeat("]]", 1000), issue.Structure, "xml", "", 1},
		{"an attribute twice", inPatient("<active value='true'\nvalue='false'/>"), issue.Structure, "xml-duplicate", "", 2},
		{"an element twice", inPatient("<active value='true'/>\n<active value='false'/>"), issue.Structure, "xml-repeat", "Patient.active", 2},
		{"an element of many characters", inPatient("<" + strings.Repeat("a", 1_000_000) + " value='1'/>"), issue.Structure, "unknown-element", "Patient", 1},
		{"a decimal with a plus sign", inPatient("<extension url='http://example.org/x'>\n<valueDecimal value='+1'/></extension>"), issue.Value, "lexical-decimal", "Patient.extension[0].value", 2},
		{"a decimal with leading zeros", inPatient("<extension url='http://example.org/x'>\n<valueDecimal value='01.0'/></extension>"), issue.Value, "lexical-decimal", "Patient.extension[0].value", 2},
		{"a decimal that is none", inPatient("<extension url='http://example.org/x'>\n<valueDecimal value='NaN'/></extension>"), issue.Value, "lexical-decimal", "Patient.extension[0].value", 2},
		{"a boolean as a digit", inPatient("\n<active value='1'/>"), issue.Value, "lexical-boolean", "Patient.active", 2},
		{"blanks around a code", inPatient("\n<gender value=' male '/>"), issue.Value, "lexical-code", "Patient.gender", 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := []byte(tc.body)
			var err error
			used, _ := memory(func() {
				var root *Node
				if root, err = ParseXML(Types(R4), body, Limits{}); err == nil {
					err = Check(root)
				}
			})
			// the elements that may be counted, and what the reader of XML keeps of each byte
			if most := uint64(2<<20 + 48*min(len(body), 5<<20)); used > most {
				t.Errorf("%d bytes of memory for a body of %d", used, len(body))
			}
			all := issue.All(err)
			if tc.kind == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if len(all) != 1 || all[0].Type != tc.kind || all[0].Rule != tc.rule || all[0].Line != tc.line || (all[0].Column == 0) != (tc.line == 0) ||
				!strings.HasPrefix(all[0].Expression, tc.at) || all[0].Details == "" || len(all[0].Diagnostics) > 400 {
				t.Errorf("%+v", all)
			}
		})
	}
}

// TestLargeXML raises the limit of bytes: what remains bounds the work.
func TestLargeXML(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		kind issue.Type
	}{
		"one long value":     {inPatient(`<name><text value="` + strings.Repeat("a", 50_000_000) + `"/></name>`), issue.Value},
		"one long comment":   {inPatient(`<active value="1"/><!--` + strings.Repeat("a", 50_000_000) + `-->`), issue.Value},
		"one long narrative": {inDiv(strings.Repeat("a", 50_000_000) + "<![CDATA[" + "\x01"), issue.Structure},
		"many elements":      {inPatient("<name>" + strings.Repeat(`<given value="a"/>`, 2_700_000) + "</name>"), issue.TooCostly},
	} {
		body := []byte(tc.body)
		var err error
		used, _ := memory(func() {
			var root *Node
			if root, err = ParseXML(Types(R4), body, Limits{Bytes: 64 << 20}); err == nil {
				err = Check(root)
			}
		})
		if all := issue.All(err); len(all) != 1 || all[0].Type != tc.kind || all[0].Line != 1 {
			t.Errorf("%s: %v", name, err)
		}
		if used > 800<<20 {
			t.Errorf("%s: %d bytes of memory", name, used)
		}
	}
}

// growingXML are bodies of a size n, each of which made, or could make, some loop run n×n
// times.
var growingXML = map[string]func(n int) string{
	"elements of one name": func(n int) string { return inPatient(strings.Repeat(`<name><text value="a"/></name>`, n)) },
	"elements of many names": func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `<a%d value="1"/>`, i)
		}
		return inPatient(b.String())
	},
	"elements in turns": func(n int) string { return inPatient(strings.Repeat(`<name/><contact/>`, n)) },
	"elements out of order": func(n int) string {
		return inPatient(strings.Repeat(`<gender value="male"/><active value="true"/>`, n))
	},
	"text":                    func(n int) string { return inPatient(strings.Repeat(`x<name/>`, n)) },
	"comments":                func(n int) string { return inPatient(strings.Repeat(`<!-- x -->`, n)) },
	"elements of a narrative": func(n int) string { return inDiv(strings.Repeat(`<p class="a">x</p>`, n)) },
	"prefixes of a narrative": func(n int) string {
		return inPatient(`<text><h:div xmlns:h="http://www.w3.org/1999/xhtml">` + strings.Repeat(`<h:p>x</h:p>`, n) + `</h:div></text>`)
	},
	"CDATA in a narrative": func(n int) string { return inDiv(strings.Repeat(`<![CDATA[&]]>`, n)) },
	"namespaces":           func(n int) string { return inPatient(strings.Repeat(`<x:name xmlns:x="http://hl7.org/fhir"/>`, n)) },
	"line ends in values":  func(n int) string { return inPatient(strings.Repeat("<language value='a\nb'/>", n)) },
	"line ends in a value": func(n int) string { return inPatient("<language value='" + strings.Repeat("a\n", n) + "'/>") },
	"references":           func(n int) string { return inPatient("<language value='" + strings.Repeat("&#97;", n) + "'/>") },
	"attributes that differ late": func(n int) string {
		var b strings.Builder
		for i := range maxAttributes - 1 {
			fmt.Fprintf(&b, ` %s%d="1"`, strings.Repeat("a", n/16), i)
		}
		return inPatient("<name" + b.String() + "/>")
	},
	"contained resources": func(n int) string { return inPatient(strings.Repeat(`<contained><Group/></contained>`, n)) },
}

// TestCostOfXMLIsLinear: as TestCostIsLinear, for reading, checking and writing XML.
func TestCostOfXMLIsLinear(t *testing.T) {
	run := func(body []byte) {
		if root, err := ParseXML(Types(R4), body, Limits{Bytes: 64 << 20}); err == nil {
			_ = Check(root)
			_ = root.Faults()
			EncodeXML(root)
		}
	}
	for name, make := range growingXML {
		t.Run(name, func(t *testing.T) {
			const large = 40_000
			small, big := []byte(make(large/4)), []byte(make(large))
			run(small) // what is built once
			b1, n1 := memory(func() { run(small) })
			b4, n4 := memory(func() { run(big) })
			t.Logf("%d bytes: %d bytes, %d allocations; %d bytes: %d bytes, %d allocations", len(small), b1, n1, len(big), b4, n4)
			// 16 times would be quadratic; a buffer that doubles may do so once more
			if b4 > 8*b1+1<<16 || n4 > 5*n1+1000 {
				t.Errorf("four times the size takes %d bytes for %d, %d allocations for %d", b4, b1, n4, n1)
			}
		})
	}
}
