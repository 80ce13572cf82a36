package fhir

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/fhir/go/fhirversion"
	"github.com/google/fhir/go/jsonformat"

	"spadapter/adapter/issue"
)

// differentialSeeds are sound resources of many types, which both sides accept.
var differentialSeeds = []string{
	`{"resourceType":"ServiceRequest","id":"sr","status":"active","intent":"order","priority":"routine","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"reference":"Patient/p1"},"authoredOn":"2026-03-01T09:30:00Z","occurrencePeriod":{"start":"2026-03","end":"2026-04-01"},"note":[{"authorString":"A","time":"2026-03-01","text":"walks"}]}`,
	`{"resourceType":"Task","id":"t","status":"in-progress","intent":"order","basedOn":[{"reference":"ServiceRequest/sr/_history/2"}],"for":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}},"restriction":{"repetitions":2,"period":{"end":"2026-12-31"}},"output":[{"type":{"text":"score"},"valueDecimal":0.10}]}`,
	`{"resourceType":"Patient","id":"p","active":true,"name":[{"use":"official","family":"Test","given":["A","B"]}],"telecom":[{"system":"phone","value":"0100","rank":1}],"gender":"female","birthDate":"1970-02-03","deceasedBoolean":false,"address":[{"line":["1 High St"],"postalCode":"AA1 1AA"}],"multipleBirthInteger":2,"generalPractitioner":[{"reference":"Organization/o"}],"photo":[{"contentType":"image/png","data":"QUJD"}]}`,
	`{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"},"effectiveDateTime":"2026-03-01","valueQuantity":{"value":1.50,"comparator":"<","unit":"kg","system":"http://unitsofmeasure.org","code":"kg"},"referenceRange":[{"low":{"value":1},"text":"low"}],"component":[{"code":{"text":"y"},"valueTime":"10:00:00"},{"code":{"text":"z"},"valueInteger":-3}]}`,
	`{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-3b8e6c7a0001","resource":{"resourceType":"Patient","gender":"male"},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=1"}},{"fullUrl":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-3b8e6c7a0002","resource":{"resourceType":"ServiceRequest","status":"draft","intent":"plan","subject":{"reference":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-3b8e6c7a0001"}},"request":{"method":"PUT","url":"ServiceRequest/1"}}]}`,
	`{"resourceType":"Bundle","type":"searchset","total":1,"link":[{"relation":"self","url":"https://example.org/Patient?x=1"}],"entry":[{"fullUrl":"https://example.org/Patient/a","resource":{"resourceType":"Patient","id":"a"},"search":{"mode":"match","score":0.5}}]}`,
	`{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"http://example.org/Questionnaire/q|1.0","authored":"2026-03-01T10:00:00+01:00","item":[{"linkId":"1","text":"one","answer":[{"valueBoolean":true},{"valueCoding":{"system":"http://example.org/cs","code":"a"},"item":[{"linkId":"1.1"}]}]}]}`,
	`{"resourceType":"Organization","identifier":[{"use":"official","type":{"text":"ODS"},"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A81001","period":{"start":"2020"}}],"active":true,"name":"Hilltop","contact":[{"purpose":{"text":"x"},"name":{"text":"y"}}]}`,
	`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid","details":{"text":"x"},"diagnostics":"y","expression":["Patient.name"]}]}`,
	`{"resourceType":"Procedure","contained":[{"resourceType":"Location","id":"l","name":"Hall","position":{"longitude":-0.5,"latitude":51}}],"status":"completed","subject":{"reference":"Patient/p"},"performedPeriod":{"start":"2026-03-01T10:00:00Z"},"location":{"reference":"#l"},"performer":[{"actor":{"reference":"Practitioner/1","display":"P"}}]}`,
	`{"resourceType":"Questionnaire","url":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-3b8e6c7a0003","status":"active","subjectType":["Patient"],"date":"2026","item":[{"linkId":"1","type":"choice","required":true,"enableWhen":[{"question":"2","operator":"=","answerInteger":3}],"answerOption":[{"valueString":"a"}]}]}`,
	`{"resourceType":"Composition","status":"final","type":{"text":"x"},"date":"2026-03-01","author":[{"reference":"Practitioner/1"}],"title":"T","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"},"section":[{"title":"s","mode":"working","entry":[{"reference":"Observation/o"}],"section":[{"title":"t"}]}]}`,
	`{"resourceType":"Consent","status":"active","scope":{"text":"x"},"category":[{"text":"y"}],"patient":{"reference":"Patient/p"},"provision":{"type":"permit","period":{"start":"2026"},"data":[{"meaning":"instance","reference":{"reference":"Observation/o"}}],"provision":[{"type":"deny"}]}}`,
	`{"resourceType":"DocumentReference","meta":{"versionId":"1","lastUpdated":"2026-03-01T10:00:00.123Z","profile":["http://example.org/p"],"tag":[{"system":"http://example.org/t","code":"a"}]},"status":"current","content":[{"attachment":{"url":"http://example.org/doc","size":12,"hash":"QUJD","creation":"2026-03"}}],"extension":[{"url":"http://example.org/e","valueAge":{"value":3,"unit":"a"}},{"url":"http://example.org/f","extension":[{"url":"g","valueOid":"urn:oid:1.2.3"}]}]}`,
}

// oddities are what a mutation puts in the place of a value.
var oddities = []any{
	nil, true, false, json.Number("0"), json.Number("-1"), json.Number("1.0"), json.Number("1e3"), json.Number("2147483648"), json.Number("12345678901234567890"), json.Number("0.00000001"),
	"", " ", "a", "A", "active", "true", "1", "final", "a b", " a", "é", "a\tb", "2026", "2026-02-30", "2026-13", "0000", "2026-03-01T10:00:00", "2026-03-01T10:00:00Z", "2026-03-01T24:00:00Z", "10:00", "10:00:00",
	"http://example.org/x", "urn:uuid:x", "urn:oid:1", "#a", "#", "Patient/1", "Observation/1", "Patient", "Nothing/1", "http://example.org/fhir/Patient/1", "QUJ", "QUJD", "====", "<div>x</div>", "<p>x</p>",
	strings.Repeat("x", 65), map[string]any{}, map[string]any{"id": "x"}, map[string]any{"extension": []any{map[string]any{"url": "http://example.org/e", "valueString": "x"}}},
	map[string]any{"reference": "Patient/1"}, map[string]any{"text": "x"}, map[string]any{"resourceType": "Patient"}, map[string]any{"value": json.Number("1")}, []any{}, []any{nil}, []any{"a"}, []any{map[string]any{}}, []any{"a", nil, "b"},
}

// mutated changes a resource at some of its places, led by the bytes of plan.
func mutated(resource any, plan []byte) any {
	next := func(n int) int {
		if len(plan) == 0 || n == 0 {
			return 0
		}
		b := int(plan[0])
		plan = plan[1:]
		return b % n
	}
	for range 3 {
		if len(plan) == 0 {
			break
		}
		resource = mutateAt(resource, next)
	}
	return resource
}

// mutateAt goes down to one place and changes it.
func mutateAt(v any, next func(int) int) any {
	switch x := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(x))
		for k := range x {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		if len(keys) == 0 {
			return oddities[next(len(oddities))]
		}
		key := keys[next(len(keys))]
		switch next(8) {
		case 0: // leave out
			delete(x, key)
		case 1: // another name
			name := []string{"_" + key, key + "x", "value" + upperFirst(key), "valueString", "extension", "text", "id", "modifierExtension", "contained", "language"}[next(10)]
			x[name] = x[key]
			if next(2) == 0 {
				delete(x, key)
			}
		case 2:
			x[key] = oddities[next(len(oddities))]
		case 3: // one more member
			x[[]string{"_" + key, "id", "extension", "valueBoolean", "resourceType", "_id", "text", "display", "identifier"}[next(9)]] = oddities[next(len(oddities))]
		default:
			x[key] = mutateAt(x[key], next)
		}
		return x
	case []any:
		if len(x) == 0 {
			return oddities[next(len(oddities))]
		}
		i := next(len(x))
		switch next(8) {
		case 0:
			return x[i] // no longer an array
		case 1:
			return append(slices.Clone(x), x[i])
		case 2:
			return append(slices.Clone(x), oddities[next(len(oddities))])
		case 3:
			return slices.Delete(slices.Clone(x), i, i+1)
		default:
			x = slices.Clone(x)
			x[i] = mutateAt(x[i], next)
			return x
		}
	}
	if next(6) == 0 {
		return []any{v}
	}
	return oddities[next(len(oddities))]
}

func generic(body []byte) (v any, err error) {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// secondOpinion is jsonformat's verdict with its validation.
func secondOpinion(u *jsonformat.Unmarshaller, body []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	_, err = u.Unmarshal(body)
	return err
}

// laxity is something that Check refuses and jsonformat's validation passes over.
type laxity struct {
	rules string // of ours, the start of their names
	why   string
	fits  func(e *issue.Error, all []*issue.Error) bool // nil: every issue of these rules
}

func emptyValue(e *issue.Error, _ []*issue.Error) bool { return e.Diagnostics == `got ""` }

func inContained(e *issue.Error, _ []*issue.Error) bool {
	return strings.Contains(e.Expression, ".contained[")
}

func besideNoObject(e *issue.Error, all []*issue.Error) bool {
	return slices.ContainsFunc(all, func(other *issue.Error) bool {
		return other.Rule == "json-primitive" && other.Expression == e.Expression
	})
}

func urnOrBlank(e *issue.Error, _ []*issue.Error) bool {
	return strings.HasPrefix(e.Diagnostics, `got "urn:`) || strings.Contains(strings.TrimPrefix(e.Diagnostics, "got "), " ")
}

var laxities = []laxity{
	{"json-empty", "{} and [] are read as absent, and satisfy a required element on the way (a trap of the design)", nil},
	{"json-kind", "{} in the place of a primitive is read as absent (a trap of the design)",
		func(e *issue.Error, _ []*issue.Error) bool { return strings.HasSuffix(e.Details, "not an object") }},
	{"json-null", "_name with {} is read as absent", nil},
	{"json-primitive", "a member _name that is no object, or stands beside an object, is passed over", nil},
	{"required", "contained resources are not checked (a trap of the design)", inContained},
	{"required", "a member _name that is no object satisfies a required element",
		besideNoObject},
	{"lexical-", `"" is read as absent, and satisfies a required code on the way (a trap of the design)`, emptyValue},
	{"lexical-id", "the id of a contained resource is not checked", inContained},
	{"lexical-string", "text of blanks alone is taken; json.html wants content", nil},
	{"lexical-xhtml", "XHTML is not looked into", nil},
	{"lexical-date", "the year 0000 is taken; the pattern of R4 excludes it",
		func(e *issue.Error, _ []*issue.Error) bool { return strings.HasPrefix(e.Diagnostics, `got "0000`) }},
	{"lexical-uri", "what follows urn:uuid: and urn:oid: is not looked at, and blanks are taken", urnOrBlank},
	{"lexical-url", "what follows urn:uuid: and urn:oid: is not looked at, and blanks are taken", urnOrBlank},
	{"lexical-canonical", "what follows urn:uuid: and urn:oid: is not looked at, and blanks are taken", urnOrBlank},
	{"lexical-markdown", "text of blanks alone is taken; json.html wants content", nil},
	{"lexical-base64Binary", "blanks alone are taken", func(e *issue.Error, _ []*issue.Error) bool { return e.Diagnostics == `got " "` }},
	{"lexical-code", "a media type is not looked into, and a TAB or line feed is taken in any code; R4 allows single spaces inside",
		func(e *issue.Error, _ []*issue.Error) bool {
			return strings.HasSuffix(e.Expression, ".contentType") || strings.Contains(e.Diagnostics, `\t`) || strings.Contains(e.Diagnostics, `\n`)
		}},
	{"lexical-", "a value is not checked where a member _name that is no object stands beside it", besideNoObject},
	{"required-code", "a value is not checked where a member _name that is no object stands beside it", besideNoObject},
	{"json-kind", "a value is not checked where a member _name that is no object stands beside it", besideNoObject},
	{"reference-target", "the type of a target is looked at in Type/id alone, not in an absolute URL, a urn: or Reference.type",
		func(e *issue.Error, _ []*issue.Error) bool {
			return e.Diagnostics == "" || strings.Contains(e.Diagnostics, ":")
		}},
	{"reference-form", "a reference of no known form is kept as a URI", nil},
	{"contained-", "contained resources and references to them are not checked", nil},
	{"dom-2", "contained resources are not checked", nil},
	{"bdl-", "the invariants of Bundle are not checked", nil},
	{"bundle-", "what entries say of one another is not checked", nil},
}

// strictness is something that jsonformat refuses and Check takes.
type strictness struct {
	why  string
	fits func(root *Node, theirs error) bool
}

func anywhere(root *Node, is func(*Node) bool) bool {
	found := is(root)
	for _, c := range root.Children {
		found = found || anywhere(c, is)
	}
	return found
}

var strictnesses = []strictness{
	{"a URI is parsed by net/url, which wants no colon in the first segment of a relative reference; the pattern of R4 is \\S*",
		func(root *Node, theirs error) bool {
			return strings.Contains(theirs.Error(), "invalid uri") || strings.Contains(theirs.Error(), "invalid canonical") || strings.Contains(theirs.Error(), "invalid url")
		}},
	{"null in an array of primitives beside _name is legal JSON of FHIR that it refuses (a trap of the design)",
		func(root *Node, _ error) bool {
			return anywhere(root, func(n *Node) bool { return n.List && n.Kind == Absent })
		}},
	{"null in _name beside a value is legal JSON of FHIR that it refuses (a trap of the design)",
		func(_ *Node, theirs error) bool {
			return strings.Contains(theirs.Error(), "._") && strings.Contains(theirs.Error(), "expected")
		}},
	{"Parameters.parameter.resource is refused in R4 (a trap of the design)",
		func(root *Node, _ error) bool { return root.ResourceType() == "Parameters" }},
}

// disagreement says how the two verdicts on a body differ for no known reason; "" when
// they do not.
func disagreement(u *jsonformat.Unmarshaller, body []byte) string {
	root, err := Parse(Types(R4), body, Limits{})
	if err == nil {
		err = Check(root)
	}
	ours, theirs := issue.All(err), secondOpinion(u, body)
	switch {
	case len(ours) > 0 && theirs == nil:
		for _, e := range ours {
			known := slices.ContainsFunc(laxities, func(l laxity) bool {
				return strings.HasPrefix(e.Rule, l.rules) && (l.fits == nil || l.fits(e, ours))
			})
			if !known {
				return fmt.Sprintf("only we refuse: %v\n%s", e, body)
			}
		}
	case len(ours) == 0 && theirs != nil:
		if !slices.ContainsFunc(strictnesses, func(s strictness) bool { return s.fits(root, theirs) }) {
			return fmt.Sprintf("only they refuse: %v\n%s", theirs, body)
		}
	}
	return ""
}

func FuzzDifferential(f *testing.F) {
	u, err := jsonformat.NewUnmarshaller("UTC", fhirversion.R4)
	if err != nil {
		f.Fatal(err)
	}
	source := rand.New(rand.NewPCG(1, 2))
	for i := range 400 {
		plan := make([]byte, 3+source.IntN(12))
		for j := range plan {
			plan[j] = byte(source.UintN(256))
		}
		f.Add(uint8(i), plan)
	}
	f.Fuzz(func(t *testing.T, seed uint8, plan []byte) {
		v, err := generic([]byte(differentialSeeds[int(seed)%len(differentialSeeds)]))
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(mutated(v, plan))
		if err != nil {
			t.Fatal(err)
		}
		if d := disagreement(u, body); d != "" {
			t.Error(d)
		}
	})
}
