package mapping

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

// TestCast: every primitive from its text, and from a text that it does not have.
func TestCast(t *testing.T) {
	for typ, c := range map[string]struct{ good, json, bad string }{
		"boolean":      {"true", `"valueBoolean":true`, "1"},
		"integer":      {"-5", `"valueInteger":-5`, "5.5"},
		"string":       {"x y", `"valueString":"x y"`, " "},
		"decimal":      {"1.50", `"valueDecimal":1.50`, "NaN"},
		"uri":          {"urn:a", `"valueUri":"urn:a"`, "a b"},
		"url":          {"https://a.example", `"valueUrl":"https://a.example"`, "a b"},
		"canonical":    {"urn:a|1", `"valueCanonical":"urn:a|1"`, "a b"},
		"base64Binary": {"YQ==", `"valueBase64Binary":"YQ=="`, "!"},
		"instant":      {"2026-02-03T10:00:00Z", `"valueInstant":"2026-02-03T10:00:00Z"`, "2026-02-03"},
		"date":         {"2026-02", `"valueDate":"2026-02"`, "2026-02-03 noon"},
		"dateTime":     {"2026-02-03", `"valueDateTime":"2026-02-03"`, "2026-02-30"},
		"time":         {"10:00:00", `"valueTime":"10:00:00"`, "25:00:00"},
		"code":         {"a b", `"valueCode":"a b"`, "a  b"},
		"oid":          {"urn:oid:1.2.3", `"valueOid":"urn:oid:1.2.3"`, "1.2.3"},
		"id":           {"a-1", `"valueId":"a-1"`, "a_1"},
		"unsignedInt":  {"0", `"valueUnsignedInt":0`, "-1"},
		"positiveInt":  {"1", `"valuePositiveInt":1`, "0"},
		"markdown":     {"*x*", `"valueMarkdown":"*x*"`, " "},
		"uuid":         {"urn:uuid:c757873d-ec9a-4326-a141-556f43239520", `"valueUuid":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"`, "x"},
	} {
		rules := func(text string) string {
			return `src -> tgt.extension as e, e.url = 'urn:x', e.value = cast('` + text + `', '` + typ + `') "x";`
		}
		result, err := runRules(t, "Basic", rules(c.good))
		if err != nil {
			t.Errorf("%s: %v", typ, err)
			continue
		}
		if got := string(fhir.Encode(result.Target)); got != `{"resourceType":"Basic","extension":[{"url":"urn:x",`+c.json+`}]}` {
			t.Errorf("%s: got %s", typ, got)
		}
		_, err = runRules(t, "Basic", rules(c.bad))
		if all := issue.All(err); len(all) != 1 || all[0].Type != issue.Value || all[0].Rule != "map-cast" || all[0].Expression != "Patient" {
			t.Errorf("%s from %q: %v", typ, c.bad, err)
		}
	}
}

func TestEscape(t *testing.T) {
	for call, want := range map[string]string{
		`escape('<a&\'b\'>', 'xml')`:      "&lt;a&amp;&apos;b&apos;&gt;",
		`escape('"x"<', 'html')`:          "&#34;x&#34;&lt;",
		`escape('"\\n', 'json')`:          `\"\\n`,
		`escape('a\nb', 'java')`:          `a\nb`,
		`escape('a b&c', 'url')`:          "a+b%26c",
		`escape('plain', 'plain')`:        "plain",
		`escape('a%26b', 'url', 'xml')`:   "a&amp;b",
		`escape('&lt;', 'xml', 'plain')`:  "<",
		`escape('\\"', 'json', 'html')`:   "&#34;",
		`escape('a\\tb', 'java', 'json')`: `a\tb`,
	} {
		result, err := runRules(t, "Basic", `src -> tgt.code as c, c.text = `+call+` "x";`)
		if err != nil {
			t.Errorf("%s: %v", call, err)
		} else if got := result.Target.Text("code", "text"); got != want {
			t.Errorf("%s: got %s, want %s", call, got, want)
		}
	}
	_, err := runRules(t, "Basic", `src.id as i -> tgt.code as c, c.text = escape('%zz', 'url', 'xml') "x";`)
	if all := issue.All(err); len(all) != 1 || all[0].Rule != "map-escape" || all[0].Expression != "Patient.id" {
		t.Errorf("got %v", err)
	}
}

// TestTransforms holds what each transform makes of a Patient, and the modes beside them.
func TestTransforms(t *testing.T) {
	for name, c := range map[string]struct{ target, rules, want string }{
		"create by name":              {"Observation", `src -> tgt.value = create('Quantity') as q, q.value = 1.50 "x";`, `"valueQuantity":{"value":1.50}`},
		"create of the only type":     {"Basic", `src.id as i -> tgt.code = create() as c, c.text = i "x";`, `"code":{"text":"p1"}`},
		"names on both sides, short":  {"Basic", `src.identifier as a -> tgt.identifier as b;`, `"identifier":[{"system":"urn:a","value":"1"},{"system":"urn:b","value":"2"},{"system":"urn:a","value":"3"}]`},
		"copy of a literal":           {"Observation", `src -> tgt.value = true "x";`, `"valueBoolean":true`},
		"copy of a number":            {"Observation", `src -> tgt.value = -7 "x";`, `"valueInteger":-7`},
		"copy of a date":              {"Patient", `src -> tgt.birthDate = @2020-02-29 "x";`, `"birthDate":"2020-02-29"`},
		"copy, written out":           {"Basic", `src.id as i -> tgt.id = copy(i);`, `"id":"p1"`},
		"truncate counts characters":  {"Basic", `src -> tgt.code as c, c.text = truncate('äöü€x', 4) "x";`, `"code":{"text":"äöü€"}`},
		"append of expressions":       {"Basic", `src.name first as n -> tgt.code as c, c.text = append((n.given.first()), ' ', n.family) "x";`, `"code":{"text":"Ann Test"}`},
		"reference":                   {"Observation", `src -> tgt.subject as r, r.reference = reference(src) "x";`, `"subject":{"reference":"Patient/p1"}`},
		"pointer without an entry":    {"Observation", `src -> tgt.subject as r, r.reference = pointer(src) "x";`, `"subject":{"reference":"Patient/p1"}`},
		"pointer to an entry":         {"Bundle", `src -> tgt.entry as e, e.fullUrl = 'urn:uuid:1', e.resource = create('Patient') as p, p.id = 'x' then { src -> tgt.entry as f, f.resource = create('Basic') as b, b.subject as r, r.reference = pointer(p), b.author as a, a.reference = reference(p) "f"; } "x";`, `"entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"x"}},{"resource":{"resourceType":"Basic","subject":{"reference":"urn:uuid:1"},"author":{"reference":"Patient/x"}}}]`},
		"dateOp over a leap day":      {"Patient", `src -> tgt.deceased = cast('2020-02-29', 'dateTime') as b then { src -> tgt.extension as e, e.url = 'urn:x', e.value = (%b + 1 year) "y"; } "x";`, `"extension":[{"url":"urn:x","valueDateTime":"2021-02-28"}],"deceasedDateTime":"2020-02-29"`},
		"dateOp in months":            {"Patient", `src.deceased : dateTime as d -> tgt.deceased = dateOp(d, 1, 'months');`, `"deceasedDateTime":"2026-03-03T10:00:00Z"`},
		"evaluate of the rule's own":  {"Basic", `src.name first as n -> tgt.code as c, c.text = (given.last()) "x";`, `"code":{"text":"Cis"}`},
		"c without a display":         {"Basic", `src -> tgt.code as c, c.coding = c('urn:s', 'x') "x";`, `"code":{"coding":[{"system":"urn:s","code":"x"}]}`},
		"cc of system and code":       {"Basic", `src -> tgt.code = cc('urn:s', 'x') "x";`, `"code":{"coding":[{"system":"urn:s","code":"x"}]}`},
		"qty of parts":                {"Observation", `src -> tgt.value = qty(5.40, 'mg', 'http://unitsofmeasure.org', 'mg') "x";`, `"valueQuantity":{"value":5.40,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}`},
		"qty of text with comparator": {"Observation", `src -> tgt.value = qty('>=0.10 ml') "x";`, `"valueQuantity":{"value":0.10,"comparator":">=","unit":"ml"}`},
		"qty of no number":            {"Observation", `src -> tgt.value = qty('many') "x";`, ``},
		"id without a type":           {"Basic", `src.id as i -> tgt.identifier = id('urn:i', i);`, `"identifier":[{"system":"urn:i","value":"p1"}]`},
		"cp infers phone":             {"Patient", `src -> tgt.telecom = cp('+44 20 7946 0000') "x";`, `"telecom":[{"system":"phone","value":"+44 20 7946 0000"}]`},
		"cp infers email":             {"Patient", `src -> tgt.telecom = cp('a@b.example') "x";`, `"telecom":[{"system":"email","value":"a@b.example"}]`},
		"cp infers url":               {"Patient", `src -> tgt.telecom = cp('https://b.example') "x";`, `"telecom":[{"system":"url","value":"https://b.example"}]`},
		"cp that tells nothing":       {"Patient", `src -> tgt.telecom = cp('ask') "x";`, `"telecom":[{"system":"other","value":"ask"}]`},
		"first before, last behind": {"Basic", `src -> tgt.identifier as i last, i.value = 'z' "z"; src.identifier as a -> tgt.identifier = a "m"; src.id as a -> tgt.identifier as i first, i.value = a "f";`,
			`"identifier":[{"value":"p1"},{"system":"urn:a","value":"1"},{"system":"urn:b","value":"2"},{"system":"urn:a","value":"3"},{"value":"z"}]`},
		"collate":             {"Patient", `src.identifier as i -> tgt.name as n collate then { i.value as v -> n.given = v; };`, `"name":[{"given":["1","2","3"]}]`},
		"share by two rules":  {"Patient", `src.identifier first as i -> tgt.name as n share one, n.given = 'a' "x"; src.id as i -> tgt.name as n share one, n.given = 'b' "y"; src.id as i -> tgt.name as n share two, n.given = 'c' "z";`, `"name":[{"given":["a","b"]},{"given":["c"]}]`},
		"default of a list":   {"Patient", `src.contact.gender default ('other') first as g -> tgt.gender = g;`, `"gender":"other"`},
		"default not needed":  {"Patient", `src.gender default ('other') as g -> tgt.gender = g;`, `"gender":"female"`},
		"backticks":           {"Basic", "src.id as `then` -> tgt.`id` = `then`;", `"id":"p1"`},
		"a name of FHIRPath":  {"Basic", "src.identifier first as resource where resource.system = 'urn:a' -> tgt.identifier as context, context.value = (%resource.value & '!') \"x\";", `"identifier":[{"value":"1!"}]`},
		"nested, then groups": {"Basic", `src.id as i -> tgt as t then put(i, t) { i -> t.language = 'en' "l"; } "x";`, `"id":"p1","language":"en"`},
		"escapes in a string": {"Basic", `src -> tgt.code as c, c.text = 'a\'\\\u00e9\tb' "x";`, `"code":{"text":"a'\\é\tb"}`},
	} {
		t.Run(name, func(t *testing.T) {
			text := header + "group main(source src : Patient, target tgt : " + c.target + ") {\n" + c.rules + "\n}\ngroup put(source i, target t) { i -> t.id = i \"i\"; }\n"
			result, err := runMap(t, text, person)
			if err != nil {
				t.Fatal(err)
			}
			want := `{"resourceType":"` + c.target + `"`
			if c.want != "" {
				want += "," + c.want
			}
			if got := string(fhir.Encode(result.Target)); got != want+"}" {
				t.Errorf("got  %s\nwant %s}", got, want)
			}
		})
	}
}

// sexMap is an external ConceptMap with displays.
const sexMap = `{"resourceType":"ConceptMap","url":"urn:sex","status":"active","group":[{"source":"http://hl7.org/fhir/administrative-gender","target":"urn:letters",
"element":[{"code":"female","target":[{"code":"F","display":"Woman","equivalence":"equivalent"}]},{"code":"unknown","target":[{"equivalence":"unmatched"}]}]}]}`

func translateWith(t *testing.T, rules, gender string) *Result {
	t.Helper()
	node, err := fhir.Parse(fhir.Types(fhir.R4), []byte(sexMap), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	codes, err := terminology.Load(node)
	if err != nil {
		t.Fatal(err)
	}
	set, err := Compile([]Source{{Name: "t.map", Text: header + "group main(source src : Patient, target tgt : Observation) {\n" + rules + "\n}"}}, Env{Terminology: codes})
	if err != nil {
		t.Fatal(err)
	}
	root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(`{"resourceType":"Patient","gender":"`+gender+`","maritalStatus":{"coding":[{"system":"urn:none","code":"female"},{"system":"http://hl7.org/fhir/administrative-gender","code":"`+gender+`"}]}}`), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := set.Maps()[0].Transform(context.Background(), Input{Source: root, Trace: true})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestTranslateOutputs(t *testing.T) {
	for output, want := range map[string]string{
		`'code'`:            `"valueString":"F"`,
		`'system'`:          `"implicitRules":"urn:letters"`,
		`'display'`:         `"valueString":"Woman"`,
		`'Coding'`:          `"code":{"coding":[{"system":"urn:letters","code":"F","display":"Woman"}]}`,
		`'CodeableConcept'`: `"code":{"coding":[{"system":"urn:letters","code":"F","display":"Woman"}]}`,
	} {
		to := "tgt.value"
		switch output {
		case `'system'`:
			to = "tgt.implicitRules"
		case `'Coding'`:
			to = "tgt.code as cc, cc.coding"
		case `'CodeableConcept'`:
			to = "tgt.code"
		}
		for _, from := range []string{"gender", "maritalStatus"} {
			result := translateWith(t, `src.`+from+` as g -> `+to+` = translate(g, 'urn:sex', `+output+`) "x";`, "female")
			if got := string(fhir.Encode(result.Target)); got != `{"resourceType":"Observation",`+want+`}` {
				t.Errorf("%s of %s: got %s", output, from, got)
			}
		}
	}
}

// TestUntranslated: a code that no row has is said, once, and nothing is made of it.
func TestUntranslated(t *testing.T) {
	rules := `src.gender as g -> tgt.code as c, c.coding as k, k.code = translate(g, 'urn:sex', 'code'), k.system = translate(g, 'urn:sex', 'system'), k.display = translate(g, 'urn:sex', 'display') "x";
src.maritalStatus as m -> tgt.category = translate(m, 'urn:sex', 'CodeableConcept');`
	result := translateWith(t, rules, "other")
	if got := string(fhir.Encode(result.Target)); got != `{"resourceType":"Observation"}` {
		t.Errorf("got %s", got)
	}
	var said []string
	for _, e := range result.Issues {
		if e.Failure() {
			t.Errorf("%v refuses", e)
		}
		if e.Rule == "map-untranslated" {
			said = append(said, e.Expression)
			if e.Type != issue.NotFound || !strings.Contains(e.Details, "urn:sex") || !strings.Contains(e.Details, "t.map:") || strings.Contains(e.Details, "other") || !strings.Contains(e.Diagnostics, `"other"`) || e.Line == 0 {
				t.Errorf("got %+v", e)
			}
		}
	}
	if got := strings.Join(said, " "); got != "Patient.gender Patient.maritalStatus" {
		t.Errorf("got %s", got)
	}
	if len(result.Unread) != 2 {
		t.Errorf("unread %v", result.Unread)
	}
	for _, gender := range []string{"female", "unknown"} { // a match, and a decision
		for _, e := range translateWith(t, rules, gender).Issues {
			if e.Rule == "map-untranslated" {
				t.Errorf("%s: %v", gender, e)
			}
		}
	}
}

func TestCheckAndLog(t *testing.T) {
	result, err := runRules(t, "Basic", `src.name as n log (n.given.count()) -> tgt.id = 'x' "logged"; src.gender as g check ($this = 'female') log ('sex ' & g) -> tgt.language = 'en'; src.birthDate as b log ('the day was left out') "said";`)
	if err != nil {
		t.Fatal(err)
	}
	var logged []string
	for _, e := range result.Issues {
		if e.Rule == "map-log" {
			logged = append(logged, e.Expression+" "+e.Diagnostics)
			if e.Severity != issue.SeverityInformation || e.Line == 0 {
				t.Errorf("got %+v", e)
			}
		}
	}
	if got := strings.Join(logged, "; "); got != "Patient.name[0] 3; Patient.gender sex female; Patient.birthDate " {
		t.Errorf("got %s", got)
	}
	// what reads nothing of the message is the words of whoever wrote the map
	if i := slices.IndexFunc(result.Issues, func(e *issue.Error) bool { return strings.HasPrefix(e.Details, "the day was left out (t.map:") }); i < 0 {
		t.Errorf("got %v", result.Issues)
	}
	_, err = runRules(t, "Basic", `src.gender as g check ($this = 'male') -> tgt.language = 'en' "only men";`)
	if all := issue.All(err); len(all) != 1 || !errors.Is(err, issue.BusinessRule) || all[0].Expression != "Patient.gender" || !strings.Contains(all[0].Details, "t.map:8, group main, rule only men") {
		t.Errorf("got %v", err)
	}
}

func TestTwoRulesFirst(t *testing.T) {
	for _, mode := range []string{"first", "last"} {
		_, err := runRules(t, "Basic", `src -> tgt.identifier as i `+mode+`, i.value = 'a' "a"; src -> tgt.identifier as i `+mode+`, i.value = 'b' "b";`)
		if all := issue.All(err); len(all) != 1 || all[0].Rule != "map-list-mode" || !strings.Contains(all[0].Details, "rule a") || !strings.Contains(all[0].Details, "rule b") {
			t.Errorf("%s: %v", mode, err)
		}
	}
}
