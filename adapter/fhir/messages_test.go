package fhir

import (
	"flag"
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"spadapter/adapter/issue"
)

var update = flag.Bool("update", false, "write testdata/messages.txt anew")

// spoken are bodies that make Parse and Check say everything they can say.
var spoken = []struct{ name, body string }{
	{"empty body", ``},
	{"array for a body", `[]`},
	{"XML for JSON", `<Patient xmlns="http://hl7.org/fhir"/>`},
	{"not UTF-8", "{\"resourceType\":\"Patient\",\"id\":\"\xe9\"}"},
	{"text after the end", `{"resourceType":"Patient"} {}`},
	{"no resourceType", `{"id":"a"}`},
	{"ends inside a string", `{"resourceType":"Patient","id":"a`},
	{"ends before a value", `{"resourceType":"Patient","id":`},
	{"ends before a name", `{"resourceType":"Patient",`},
	{"ends before a bracket", `{"resourceType":"Patient","name":[{}`},
	{"comma at the end of an object", `{"resourceType":"Patient","id":"a",}`},
	{"two commas", `{"resourceType":"Patient",,"id":"a"}`},
	{"comma at the end of an array", `{"resourceType":"Patient","name":[{"text":"A"},]}`},
	{"no comma", `{"resourceType":"Patient" "id":"a"}`},
	{"no colon", `{"resourceType":"Patient","id" "a"}`},
	{"other than a comma", `{"resourceType":"Patient","id":"a"; "active":true}`},
	{"no value", `{"resourceType":"Patient","id":,"active":true}`},
	{"no value before the end", `{"resourceType":"Patient","id":}`},
	{"comment", `{"resourceType":"Patient", // a comment` + "\n}"},
	{"comment after a value", `{"resourceType":"Patient" /* a comment */ }`},
	{"name without quotes", `{"resourceType":"Patient",id:"a"}`},
	{"name is an object", `{"resourceType":"Patient",{}}`},
	{"value without quotes", `{"resourceType":"Patient","id":a}`},
	{"single quotes", `{"resourceType":"Patient","id":'a'}`},
	{"plus sign", `{"resourceType":"Patient","multipleBirthInteger":+1}`},
	{"leading zero", `{"resourceType":"Patient","multipleBirthInteger":01}`},
	{"control character", "{\"resourceType\":\"Patient\",\"id\":\"a\nb\"}"},
	{"unknown escape", `{"resourceType":"Patient","id":"\x"}`},
	{"half of a pair", `{"resourceType":"Patient","id":"\ud83d"}`},
	{"names twice", `{"resourceType":"Patient","id":"a","id":"b"}`},
	{"names twice, many", `{"resourceType":"Patient","id":"a"` + strings.Repeat(`,"id":"b"`, maxDuplicates+1) + `}`},
	{"deep", `{"resourceType":"Patient","extension":` + strings.Repeat(`[{"extension":`, 32) + `[]` + strings.Repeat(`}]`, 32) + `}`},
	{"deep arrays", `{"resourceType":"Patient","extension":` + strings.Repeat(`[`, 70) + strings.Repeat(`]`, 70) + `}`},
	{"many elements", `{"resourceType":"Patient","name":[` + strings.Repeat("0,", 500_000) + `0]}`},
	{"long", `{"resourceType":"Patient","id":"` + strings.Repeat("a", 5<<20) + `"}`},

	{"a concept that must be of a list", `{"resourceType":"Condition","clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"activ"}]},"verificationStatus":{"text":"sure"},"subject":{"reference":"Patient/1"}}`},
	{"address of another type", `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"https://x.example/fhir/Observation/1","resource":{"resourceType":"Patient","id":"1"}}]}`},
	{"request where none may be, in every entry", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}]}`},
	{"request in a Bundle without type", `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}]}`},
	{"time without a zone", `{"resourceType":"Patient","deceasedDateTime":"2026-02-17T10:00:00"}`},
	{"reference to a type that is mistyped", `{"resourceType":"Patient","managingOrganization":{"reference":"Organisation/1"}}`},
	{"beginning of a code", `{"resourceType":"Patient","gender":"M"}`},
	{"resource type", `{"resourceType":"patient"}`},
	{"resource type of another version", `{"resourceType":"ReferralRequest"}`},
	{"resource type that is none", `{"resourceType":"Widget"}`},
	{"no resource", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"id":"a"}},{"resource":"a"}]}`},
	{"resourceType in a data type", `{"resourceType":"Patient","name":[{"resourceType":"HumanName","text":"a"}]}`},
	{"unknown element, nearly right", `{"resourceType":"Patient","brithDate":"1970"}`},
	{"unknown element of another version", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"context":{"reference":"Encounter/1"}}`},
	{"unknown element, choice without its type", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"value":1}`},
	{"unknown element, choice with a type that is not allowed", `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"},"occurrenceString":"soon"}`},
	{"unknown element, nothing near", `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"},"shoeSize":9}`},
	{"unknown element of a data type", `{"resourceType":"Patient","name":[{"firstName":"A"}]}`},
	{"unknown element of a primitive", `{"resourceType":"Patient","_birthDate":{"value":"1970"}}`},
	{"array wanted", `{"resourceType":"Patient","name":{"text":"A"}}`},
	{"no array wanted", `{"resourceType":"Patient","gender":["male"]}`},
	{"array in an array", `{"resourceType":"Patient","name":[[{"text":"A"}]]}`},
	{"empty array", `{"resourceType":"Patient","name":[]}`},
	{"empty object", `{"resourceType":"Patient","maritalStatus":{}}`},
	{"null", `{"resourceType":"Patient","gender":null}`},
	{"neither value nor extension", `{"resourceType":"Patient","_gender":{}}`},
	{"string for an object", `{"resourceType":"Patient","maritalStatus":"M"}`},
	{"string for a boolean", `{"resourceType":"Patient","active":"true"}`},
	{"number for a string", `{"resourceType":"Patient","birthDate":1970}`},
	{"string for a number", `{"resourceType":"Patient","multipleBirthInteger":"2"}`},
	{"object for a string", `{"resourceType":"Patient","gender":{"text":"male"}}`},
	{"value in the companion member", `{"resourceType":"Patient","_gender":"male"}`},
	{"companion of an object", `{"resourceType":"Patient","maritalStatus":{"text":"M"},"_maritalStatus":{"id":"a"}}`},
	{"companion that is no array", `{"resourceType":"Patient","name":[{"given":["A"],"_given":{"id":"a"}}]}`},
	{"companion that is too short", `{"resourceType":"Patient","name":[{"given":["A","B"],"_given":[{"id":"a"}]}]}`},
	{"companion that is empty", `{"resourceType":"Patient","gender":"male","_gender":{}}`},
	{"choice given twice", `{"resourceType":"Patient","deceasedBoolean":true,"deceasedDateTime":"2020"}`},
	{"required with codes", `{"resourceType":"ServiceRequest","intent":"order","subject":{"reference":"Patient/1"}}`},
	{"required reference", `{"resourceType":"ServiceRequest","status":"active","intent":"order"}`},
	{"required reference to anything", `{"resourceType":"Linkage","item":[{"type":"source"}]}`},
	{"required choice", `{"resourceType":"Group","type":"person","actual":true,"characteristic":[{"code":{"text":"x"},"exclude":false}]}`},
	{"required data type", `{"resourceType":"Observation","status":"final"}`},
	{"required backbone", `{"resourceType":"OperationOutcome"}`},
	{"code, nearly right", `{"resourceType":"Task","status":"in_progress","intent":"order"}`},
	{"code, nothing near", `{"resourceType":"Task","status":"waiting","intent":"order"}`},
	{"code of a long list", `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"500"}]}`},
	{"reference that is none", `{"resourceType":"Patient","managingOrganization":{"reference":"A81001"}}`},
	{"reference to a wrong type", `{"resourceType":"Patient","managingOrganization":{"reference":"Patient/1"}}`},
	{"reference that says two types", `{"resourceType":"Patient","managingOrganization":{"reference":"Organization/1","type":"Practitioner"}}`},
	{"contained reference", `{"resourceType":"Patient","managingOrganization":{"reference":"#o"}}`},
	{"contained without id", `{"resourceType":"Patient","contained":[{"resourceType":"Organization","name":"A"}]}`},
	{"contained with one id", `{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"a"},{"resourceType":"Organization","id":"a"}]}`},
	{"contained in contained", `{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"a","contained":[{"resourceType":"Organization","id":"b"}]}]}`},
	{"version in an extension", `{"resourceType":"Patient","extension":[{"url":"http://example.org/x|1","valueString":"a"}]}`},

	{"transaction", `{"resourceType":"Bundle","type":"transaction","total":1,"entry":[{"search":{"mode":"match"},"response":{"status":"200"},"resource":{"resourceType":"Patient"}}]}`},
	{"batch response", `{"resourceType":"Bundle","type":"batch-response","entry":[{"request":{"method":"GET","url":"Patient"}}]}`},
	{"collection", `{"resourceType":"Bundle","type":"collection","entry":[{"link":[{"relation":"x","url":"http://example.org"}]}]}`},
	{"full URLs", `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"Patient/1","resource":{"resourceType":"Patient"}},{"fullUrl":"http://example.org/Patient/1/_history/1","resource":{"resourceType":"Patient"}},{"fullUrl":"http://example.org/Patient/1/_history/1","resource":{"resourceType":"Patient"}}]}`},
	{"searchset", `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":"http://example.org"},{"relation":"self","url":"http://example.org"}],"entry":[{"search":{"mode":"outcome"},"resource":{"resourceType":"Patient"}},{"search":{"mode":"match"},"resource":{"resourceType":"Patient"}}]}`},
	{"document", `{"resourceType":"Bundle","type":"document","entry":[{"resource":{"resourceType":"Patient"}}]}`},
	{"message", `{"resourceType":"Bundle","type":"message","entry":[{"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid"}]}}]}`},
	{"reference by URN that leads nowhere", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","managingOrganization":{"reference":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-3b8e6c7a0009"}}}]}`},
	{"reference by URN to a wrong type", `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-3b8e6c7a0009","resource":{"resourceType":"Patient","managingOrganization":{"reference":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-3b8e6c7a0009"}}}]}`},
	{"references of a document", `{"resourceType":"Bundle","type":"document","identifier":{"system":"http://example.org","value":"1"},"timestamp":"2026-03-01T10:00:00Z","entry":[
		{"fullUrl":"http://example.org/Composition/c","resource":{"resourceType":"Composition","status":"final","type":{"text":"x"},"date":"2026","title":"t","author":[{"reference":"Organization/nowhere"}],"subject":{"reference":"Patient/p"},"section":[{"entry":[{"reference":"Observation/o"}]}]}},
		{"fullUrl":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-3b8e6c7a0001","resource":{"resourceType":"Patient","id":"p"}},
		{"fullUrl":"http://example.org/Observation/o","resource":{"resourceType":"Observation","id":"o","meta":{"versionId":"1"},"status":"final","code":{"text":"x"}}},
		{"fullUrl":"http://example.org/Observation/o","resource":{"resourceType":"Observation","id":"o","meta":{"versionId":"2"},"status":"final","code":{"text":"x"}}}]}`},
	{"focus of a message", `{"resourceType":"Bundle","type":"message","entry":[{"fullUrl":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-3b8e6c7a0001","resource":{"resourceType":"MessageHeader","eventUri":"http://example.org","source":{"endpoint":"http://example.org"},"focus":[{"reference":"Task/t"}]}},{"fullUrl":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-3b8e6c7a0002","resource":{"resourceType":"Task","id":"t","status":"draft","intent":"order"}}]}`},
}

// illegal holds a value that is not in the lexical form of each primitive.
var illegal = map[string]string{
	"base64Binary": `"="`, "canonical": `"a b"`, "code": `" a"`, "date": `"01/02/2026"`, "dateTime": `"2026-03-01T10:00"`,
	"decimal": `1e1000`, "id": `"a_b"`, "instant": `"2026-03-01"`, "integer": `1.5`, "markdown": `" "`, "oid": `"1.2.3"`,
	"positiveInt": `0`, "string": `""`, "time": `"10:00"`, "unsignedInt": `-1`, "uri": `"urn:uuid:1"`, "url": `"a b"`, "uuid": `"1"`,
}

// TestMessages writes out everything that Parse and Check can say, for a person to read:
// see testdata/messages.txt. Run with -update after a change of words.
func TestMessages(t *testing.T) {
	bodies := slices.Clone(spoken)
	for _, name := range slices.Sorted(maps.Keys(illegal)) {
		bodies = append(bodies, struct{ name, body string }{name, `{"resourceType":"Basic","code":{"text":"x"},"extension":[{"url":"http://example.org/x","value` + upperFirst(name) + `":` + illegal[name] + `}]}`})
	}
	bodies = append(bodies, struct{ name, body string }{"xhtml", `{"resourceType":"Basic","code":{"text":"x"},"text":{"status":"generated","div":"<div>&nbsp;</div>"}}`})
	var b strings.Builder
	said := map[string]bool{}
	for _, s := range bodies {
		_, _, err := judge(R4, []byte(s.body))
		if strings.HasPrefix(s.name, "long") || strings.HasPrefix(s.name, "many") || strings.HasPrefix(s.name, "deep") {
			_, err = Parse(Types(R4), []byte(s.body), Limits{}) // with the limits that hold by default
		}
		all := issue.All(err)
		if len(all) == 0 {
			t.Errorf("%s: nothing is said", s.name)
		}
		fmt.Fprintf(&b, "# %s\n", s.name)
		for i, e := range all {
			said[e.Rule] = true
			if i > 3 && i < len(all)-1 {
				continue
			}
			fmt.Fprintf(&b, "%s [%s] %s %d:%d\n    %s\n", e.Type, e.Rule, e.Expression, e.Line, e.Column, e.Details)
			if e.Diagnostics != "" {
				fmt.Fprintf(&b, "    (%s)\n", e.Diagnostics)
			}
		}
		b.WriteByte('\n')
	}
	const golden = "testdata/messages.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("the words differ from %s; run with -update and read them:\n%s", golden, got)
	}
	for _, rule := range rulesInSource(t) {
		if !said[rule] && rule != "more-repairs" { // of Repair, which TestManyRepairs has
			t.Errorf("no body here makes rule %s speak", rule)
		}
	}
	for name := range lexical {
		if name != "boolean" && !said["lexical-"+name] { // the JSON form says it of a boolean
			t.Errorf("no body here makes rule lexical-%s speak", name)
		}
	}
}

// rulesInSource collects the rules that Parse and Check name: the rule is the first
// string of a call of fail, the second argument or the third of report and New.
func rulesInSource(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, file := range files {
		switch base := strings.TrimSuffix(file, ".go"); {
		case strings.HasSuffix(base, "_test"), strings.HasPrefix(base, "xml"), base == "decode", base == "fromtyped", base == "bound", base == "plan", base == "typed", base == "construct",
			strings.HasPrefix(base, "package"):
			continue // they speak of typed messages, of XML or of packages
		}
		tree, err := goparser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := ""
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				name = f.Sel.Name
			case *ast.Ident:
				name = f.Name
			}
			at := map[string]int{"fail": 0, "report": 2, "complain": 1, "New": 1, "Newf": 1}
			if i, known := at[name]; known && i < len(call.Args) {
				if lit, ok := call.Args[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					rule, _ := strconv.Unquote(lit.Value)
					found[rule] = true
				}
			}
			return true
		})
	}
	if len(found) < 30 {
		t.Fatalf("only %d rules found in the source", len(found))
	}
	return slices.Sorted(maps.Keys(found))
}
