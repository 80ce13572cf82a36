package fhir

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"spadapter/adapter/issue"
)

// TestCheckFindsEveryFault plants several faults at once and wants each of them, with
// its place.
func TestCheckFindsEveryFault(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       []string // "rule path"
	}{
		{"clean", `{"resourceType":"Patient","active":true}`, nil},
		{"kinds", `{"resourceType":"Patient","active":"yes","name":{"family":"A"},"gender":["male"],"birthDate":1970}`,
			[]string{"json-kind Patient.active", "json-array Patient.name", "json-array Patient.gender[0]", "json-kind Patient.birthDate"}},
		{"empties", `{"resourceType":"Patient","name":[],"address":[{}],"gender":null,"language":""}`,
			[]string{"json-empty Patient.name[0]", "json-empty Patient.address[0]", "json-null Patient.gender", "lexical-code Patient.language"}},
		{"required and codes", `{"resourceType":"ServiceRequest","status":"open"}`,
			[]string{"required-code ServiceRequest.status", "required ServiceRequest.intent", "required ServiceRequest.subject"}},
		{"empty object does not satisfy", `{"resourceType":"ServiceRequest","status":"active","intent":{},"subject":{}}`,
			[]string{"json-kind ServiceRequest.intent", "json-empty ServiceRequest.subject"}},
		{"unknown", `{"resourceType":"Patient","gendre":"male","contact":[{"frend":true}]}`,
			[]string{"unknown-element Patient.gendre", "unknown-element Patient.contact[0].frend"}},
		{"choice", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueString":"a","valueInteger":1}`,
			[]string{"choice Observation.value"}},
		{"targets", `{"resourceType":"Task","status":"draft","intent":"order","owner":{"reference":"Observation/1"},"encounter":{"reference":"no way"},"partOf":[{"reference":"Task"}]}`,
			[]string{"reference-target Task.owner", "reference-form Task.encounter.reference", "reference-form Task.partOf[0].reference"}},
		{"contained", `{"resourceType":"Task","status":"draft","intent":"order","contained":[{"resourceType":"Patient"},{"resourceType":"Patient","id":"p"},{"resourceType":"Patient","id":"p"}],"owner":{"reference":"#q"},"for":{"reference":"#p"}}`,
			[]string{"contained-id Task.contained[0]", "contained-id Task.contained[2]", "contained-reference Task.owner.reference"}},
		{"primitive companions", `{"resourceType":"Patient","_birthDate":{"extension":[{"url":"http://x","valueString":"about 1970"}]},"name":[{"given":["A",null],"_given":[null,{"id":"g"}]}],"_name":{"id":"n"}}`,
			[]string{"json-primitive Patient.name[0]", "json-primitive Patient.name[0]"}},
		{"bundle", `{"resourceType":"Bundle","type":"transaction","total":1,"entry":[
			{"fullUrl":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-3b8e6c7a0001","resource":{"resourceType":"Patient"}},
			{"fullUrl":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-3b8e6c7a0001","resource":{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-3b8e6c7a0009"}},"request":{"method":"POST","url":"ServiceRequest"}}]}`,
			[]string{"bdl-1 Bundle.total", "bdl-3 Bundle.entry[0]", "bdl-7 Bundle.entry[1].fullUrl", "bundle-reference Bundle.entry[1].resource.subject.reference"}},
		{"bundle target", `{"resourceType":"Bundle","type":"collection","entry":[
			{"fullUrl":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-3b8e6c7a0001","resource":{"resourceType":"Practitioner"}},
			{"resource":{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-3b8e6c7a0001"}}}]}`,
			[]string{"reference-target Bundle.entry[1].resource.subject.reference"}},
		{"resource type", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"patient"}},{"resource":{"id":"x"}}]}`,
			[]string{"resource-type Bundle.entry[0].resource", "json-resource-type Bundle.entry[1].resource"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root, err := Parse(Types(R4), []byte(tc.body), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range issue.All(Check(root)) {
				got = append(got, e.Rule+" "+e.Expression)
				if e.Line == 0 || !e.Failure() || !e.Type.Valid() || e.Details == "" {
					t.Errorf("an issue without its place, words or type: %+v", e)
				}
			}
			if !sameSet(got, tc.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tc.want, "\n  "))
			}
		})
	}
}

// TestCheckReportsOneFaultOnce: one rule speaks for one value.
func TestCheckReportsOneFaultOnce(t *testing.T) {
	for _, v := range []Version{R4, STU3} {
		for value, rule := range map[string]string{
			`"id":"a b"`: "lexical-id", `"id":""`: "lexical-id", `"language":"e\u0001n"`: "lexical-code",
			`"implicitRules":"http://x\u0000"`: "lexical-uri", `"name":[{"text":"a\u001fb"}]`: "lexical-string",
		} {
			root, err := Parse(Types(v), []byte(`{"resourceType":"Patient",`+value+`}`), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if all := issue.All(Check(root)); len(all) != 1 || all[0].Rule != rule {
				t.Errorf("%s %s: %v", v, value, all)
			}
		}
		root, _ := Parse(Types(v), []byte(`{"resourceType":"Patient","name":[{"text":"a\tb\r\nc"}]}`), Limits{})
		if err := Check(root); err != nil {
			t.Errorf("%s: layout is refused: %v", v, err)
		}
	}
}

func sameSet(a, b []string) bool {
	count := map[string]int{}
	for _, s := range a {
		count[s]++
	}
	for _, s := range b {
		count[s]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestCheckSuggestsTheName(t *testing.T) {
	root, _ := Parse(Types(R4), []byte(`{"resourceType":"Patient","brithDate":"1970"}`), Limits{})
	if err := Check(root); err == nil || !strings.Contains(err.Error(), "birthDate") {
		t.Error(err)
	}
}

func TestParseRefusals(t *testing.T) {
	deep := strings.Repeat(`{"extension":[`, 40) + strings.Repeat(`]}`, 40)
	for _, tc := range []struct {
		name, body string
		want       issue.Type
		line       int
	}{
		{"empty", "", issue.Structure, 1},
		{"array", "[]", issue.Structure, 1},
		{"not json", "{\n nope}", issue.Structure, 2},
		{"half", `{"resourceType":"Patient","name":[{"family":"A`, issue.Structure, 1},
		{"trailing", `{"resourceType":"Patient"} x`, issue.Structure, 1},
		{"trailing comma", `{"resourceType":"Patient",}`, issue.Structure, 1},
		{"duplicate", "{\"resourceType\":\"Patient\",\n\"id\":\"a\",\n\"id\":\"b\"}", issue.Structure, 3},
		{"no type", `{"id":"a"}`, issue.Structure, 1},
		{"latin 1", "{\"resourceType\":\"Patient\",\"id\":\"\xe9\"}", issue.Structure, 1},
		{"control", "{\"resourceType\":\"Patient\",\"id\":\"\x01\"}", issue.Structure, 1},
		{"bad escape", `{"resourceType":"Patient","id":"\x"}`, issue.Structure, 1},
		{"half surrogate", `{"resourceType":"Patient","id":"\ud83d"}`, issue.Structure, 1},
		{"leading zero", `{"resourceType":"Patient","multipleBirthInteger":01}`, issue.Structure, 1},
		{"comment", "{\"resourceType\":\"Patient\" // no\n}", issue.Structure, 1},
		{"deep", `{"resourceType":"Patient","extension":[` + deep + `]}`, issue.TooCostly, 1},
		{"big", `{"resourceType":"Patient","id":"` + strings.Repeat("x", 200) + `"}`, issue.TooLong, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			limits := Limits{}
			if tc.name == "big" {
				limits.Bytes = 100
			}
			_, err := Parse(Types(R4), []byte(tc.body), limits)
			all := issue.All(err)
			if len(all) != 1 || !errors.Is(err, tc.want) || all[0].Line != tc.line || all[0].Details == "" {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := Parse(Types(R4), []byte("\uFEFF{\"resourceType\":\"Patient\"}"), Limits{}); err != nil {
		t.Errorf("a byte order mark is ignored: %v", err)
	}
}

// TestLexicalAgreesWithTheStandard holds the hand-written forms against the regular
// expressions that the type systems state.
func TestLexicalAgreesWithTheStandard(t *testing.T) {
	samples := []string{"", " ", "a", "a b", "a  b", " a", "a ", "0", "-0", "1", "01", "-1", "2147483647", "2147483648", "9999999999", "1.0",
		"2020", "2020-1", "2020-01", "2020-13", "2020-01-31", "2020-01-32", "0000", "2020-01-01T", "2020-01-01T10:00:00Z", "2020-01-01T10:00:00",
		"2020-01-01T10:00Z", "2020-01-01T24:00:00Z", "2020-01-01T10:00:60Z", "2020-01-01T10:00:00.123456789+01:00", "2020-01-01T10:00:00+14:00",
		"2020-01-01T10:00:00+14:01", "2020-01-01T10:00:00.Z", "10:00:00", "10:00", "10:00:00.5", "23:59:60", "25:00:00",
		"urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "urn:oid:1.2.3", "urn:oid:1.02.3", "urn:oid:3.1", "urn:oid:1",
		"http://x/y", "true", "false", "True", "YWJj", "YWJ=", "YQ==", "Y", "a.b-C9", strings.Repeat("x", 64), strings.Repeat("x", 65), "a_b", "é",
		"a\tb", "a\nb", "a\rb", "a\fb", "a\x00b", "a\x01", "a\x1fb"}
	// the standard's pattern is laxer or stricter here on purpose
	known := map[string]bool{
		// no control characters but TAB, CR and LF in a string, none at all in a uri, only
		// single spaces in a code: stated in words
		"string a\x00b": true, "string a\x01": true, "string a\x1fb": true, "string a\fb": true,
		"markdown a\x00b": true, "markdown a\x01": true, "markdown a\x1fb": true, "markdown a\fb": true,
		"uri a\x00b": true, "uri a\x01": true, "uri a\x1fb": true, "url a\x00b": true, "url a\x01": true, "url a\x1fb": true,
		"canonical a\x00b": true, "canonical a\x01": true, "canonical a\x1fb": true,
		"code a\x00b": true, "code a\x01": true, "code a\x1fb": true, "code a\fb": true, "code a\tb": true, "code a\nb": true, "code a\rb": true,
		"uuid urn:uuid:C757873D-EC9A-4326-A141-556F43239520": true,
		"string  ": true, "markdown  ": true, // blank text: stated in words, not in the pattern
		"uri ": true, "url ": true, "canonical ": true, // an empty value: json.html
		"integer 2147483648": true, "unsignedInt 2147483648": true, "positiveInt 2147483648": true,
		"integer 9999999999": true, "unsignedInt 9999999999": true, "positiveInt 9999999999": true, // 32 bits: stated in words
		// what stands behind urn:oid: and urn:uuid: is stated in words
		"uri urn:oid:1.02.3": true, "url urn:oid:1.02.3": true, "canonical urn:oid:1.02.3": true,
		"uri urn:oid:3.1": true, "url urn:oid:3.1": true, "canonical urn:oid:3.1": true,
		"uri urn:oid:1": true, "url urn:oid:1": true, "canonical urn:oid:1": true,
		"integer -0": true, // the pattern allows what the words exclude
	}
	// STU3 states patterns that R4 corrected; the corrected forms hold for both
	laxer := map[string]bool{"oid urn:oid:3.1": true, "oid urn:oid:1": true, "date 0000": true, "dateTime 0000": true,
		"dateTime 2020-01-01T10:00:60Z": true, "instant 2020-01-01T10:00:60Z": true, "time 23:59:60": true}
	for _, v := range []Version{R4, STU3} {
		for name, ok := range lexical {
			ty := Types(v).Type(name)
			if ty == nil || ty.Pattern == "" || name == "decimal" || name == "base64Binary" || name == "xhtml" {
				continue
			}
			pattern := regexp.MustCompile(`^(?:` + ty.Pattern + `)$`)
			for _, s := range samples {
				if want := pattern.MatchString(s); ok(s) != want && !known[name+" "+s] && !(v == STU3 && laxer[name+" "+s]) {
					t.Errorf("%s %s %q: here %v, the standard says %v (%s)", v, name, s, ok(s), want, ty.Pattern)
				}
			}
		}
	}
}

const reference = "../../../shared/reference/real"

// TestParseNamesTheElement: a fault of the JSON itself has its element too.
func TestParseNamesTheElement(t *testing.T) {
	for body, want := range map[string]string{
		`{"resourceType":"Patient","name":[{"family":"A"},{"given":["B",]}]}`:                                          "Patient.name[1].given[1] there is nothing between this comma and the ']'",
		`{"resourceType":"Patient","name":[{"family":"A" "given":["B"]}]}`:                                             "Patient.name[0] a comma is missing before this",
		`{"resourceType":"Patient","active":True}`:                                                                     "Patient.active this is not a JSON value",
		`{"resourceType":"Patient","gender":'male'}`:                                                                   "Patient.gender text needs double quotes",
		`{"resourceType":"Patient",gender:"male"}`:                                                                     "Patient a member name needs double quotes",
		`{"resourceType":"Patient","active":true,}`:                                                                    "Patient there is nothing between this comma and the '}'",
		`{"resourceType":"Patient","active":true // why` + "\n}":                                                       "Patient JSON has no comments",
		`{"resourceType":"Observation","valueQuantity":{"value":+1}}`:                                                  "Observation.value.value this is not a JSON number",
		`{"resourceType":"Observation","valueQuantity":{"value":01}}`:                                                  "Observation.value.value this is not a JSON number",
		`{"resourceType":"Patient","_gender":{"id":"a","id":"b"}}`:                                                     "Patient.gender.id a member name occurs twice",
		`{"resourceType":"Bundle","entry":[{},{"resource":{"resourceType":"Task","note":[{"text":"a","text":"b"}]}}]}`: "Bundle.entry[1].resource.note[0].text a member name occurs twice",
		`{"id":"\u12"}`:                         "id a \\u escape",
		`{"resourceType":"Patient","name":[[{]`: "Patient.name[0] a member name needs",
	} {
		_, err := Parse(Types(R4), []byte(body), Limits{})
		all := issue.All(err)
		if len(all) != 1 || !strings.HasPrefix(all[0].Expression+" "+all[0].Details, want) {
			t.Errorf("%s\ngot  %v\nwant %s", body, err, want)
		}
	}
	// what was found before the reading ended is told as well
	_, err := Parse(Types(R4), []byte(`{"resourceType":"Patient","name":[{"text":"a","text":"b"}],"contact":[{"gender":}]}`), Limits{})
	if all := issue.All(err); len(all) != 2 || all[0].Expression != "Patient.name[0].text" || all[1].Expression != "Patient.contact[0].gender" {
		t.Errorf("got %v", err)
	}
}

func FuzzParseCheck(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Task"}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		root, err := Parse(Types(R4), body, Limits{})
		if err != nil {
			sound(t, err, maxDuplicates+1)
			return
		}
		checked := Check(root)
		sound(t, checked, maxIssues)
		encoded := Encode(root)
		again, err := Parse(Types(R4), encoded, Limits{})
		if checked == nil && (err != nil || string(Encode(again)) != string(encoded)) {
			t.Fatalf("does not survive writing and reading: %v\n%s", err, encoded)
		}
	})
}

// sound wants issues that a sender can act on, and not too many of them.
func sound(t *testing.T, err error, most int) {
	t.Helper()
	all := issue.All(err)
	if len(all) > most {
		t.Fatalf("%d issues", len(all))
	}
	for _, e := range all {
		placed := e.Line > 0 && e.Column > 0 || e.Type == issue.TooLong
		if !placed || e.Rule == "" || e.Details == "" || !e.Type.Valid() || !e.Failure() || len(e.Diagnostics) > 500 {
			t.Fatalf("%+v", e)
		}
	}
}

// TestBundleRulesByVersion: what R4 obliges and STU3 does not.
func TestBundleRulesByVersion(t *testing.T) {
	for body, want := range map[string]string{
		`{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient"}}]}`:          "bdl-3",
		`{"resourceType":"Bundle","type":"batch-response","entry":[{"resource":{"resourceType":"Patient"}}]}`: "bdl-4",
		`{"resourceType":"Bundle","type":"document","identifier":{"system":"http://example.org","value":"1"},"entry":[{"resource":{"resourceType":"Composition","status":"final","type":{"text":"x"},"date":"2026","title":"t","subject":{"display":"a"},"author":[{"display":"b"}]}}]}`: "bdl-10",
	} {
		for version, rule := range map[Version]string{R4: want, STU3: ""} {
			_, _, err := judge(version, []byte(body))
			got := ""
			for _, e := range issue.All(err) {
				got += e.Rule
			}
			if got != rule {
				t.Errorf("%s %s: got %q, want %q", version, body, got, rule)
			}
		}
	}
}

// TestCloneIsApart: what is done to a copy is not done to the original, nor to a
// neighbour that shares its block of memory.
func TestCloneIsApart(t *testing.T) {
	root, err := Parse(Types(R4), []byte(sample), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	before := string(Encode(root))
	c := root.Clone()
	if string(Encode(c)) != before || c.Child("name").Parent != c {
		t.Fatalf("the copy differs: %s", Encode(c))
	}
	c.Child("name").Set("text", "added")
	c.Child("name").Add("prefix").Value = "Dr"
	c.Child("birthDate").Value = "changed"
	c.Remove("active")
	if string(Encode(root)) != before {
		t.Errorf("the original changed: %s", Encode(root))
	}
	d := root.Clone()
	d.Child("name").Set("text", "x")
	if !strings.Contains(string(Encode(d)), `"given":["A","B"]`) || !strings.Contains(string(Encode(d)), `"active":true`) {
		t.Errorf("a neighbour was overwritten: %s", Encode(d))
	}
}
