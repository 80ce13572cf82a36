package mapping

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

const header = `map "https://test.example/StructureMap/t" = "t"
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as source
uses "http://hl7.org/fhir/StructureDefinition/Observation" alias Observation as source
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as target
uses "http://hl7.org/fhir/StructureDefinition/Observation" alias Observation as target
uses "http://hl7.org/fhir/StructureDefinition/Basic" alias Basic as target
`

const person = `{"resourceType":"Patient","id":"p1","active":true,
"identifier":[{"system":"urn:a","value":"1"},{"system":"urn:b","value":"2"},{"system":"urn:a","value":"3"}],
"name":[{"use":"official","family":"Test","given":["Ann","Bea","Cis"]}],
"gender":"female","_birthDate":{"extension":[{"url":"http://x.example","valueString":"about 1970"}]},
"deceasedDateTime":"2026-02-03T10:00:00Z","multipleBirthInteger":2}`

// run compiles the rules as a group Patient → target and runs them on person.
func runRules(t *testing.T, target, rules string) (*Result, error) {
	t.Helper()
	return runMap(t, header+"group main(source src : Patient, target tgt : "+target+") {\n"+rules+"\n}\n", person)
}

func runMap(t *testing.T, text, source string) (*Result, error) {
	t.Helper()
	set, err := Compile([]Source{{Name: "t.map", Text: text}}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(source), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return set.Maps()[0].Transform(context.Background(), Input{Source: root, Identity: "id", Now: time.Unix(0, 0).UTC(), Trace: true})
}

func TestRules(t *testing.T) {
	for name, c := range map[string]struct{ target, rules, want string }{
		"short copy keeps extensions": {"Patient", `src.birthDate -> tgt.birthDate;`, `{"resourceType":"Patient","_birthDate":{"extension":[{"url":"http://x.example","valueString":"about 1970"}]}}`},
		"choice to choice":            {"Patient", `src.deceased -> tgt.deceased; src.multipleBirth -> tgt.multipleBirth;`, `{"resourceType":"Patient","deceasedDateTime":"2026-02-03T10:00:00Z","multipleBirthInteger":2}`},
		"type filter":                 {"Patient", `src.deceased : boolean as d -> tgt.deceased = d; src.multipleBirth : integer as m -> tgt.multipleBirth = m;`, `{"resourceType":"Patient","multipleBirthInteger":2}`},
		"first":                       {"Basic", `src.identifier first as i -> tgt.identifier = i;`, `{"resourceType":"Basic","identifier":[{"system":"urn:a","value":"1"}]}`},
		"last after where":            {"Basic", `src.identifier last as i where system = 'urn:b' -> tgt.identifier = i;`, `{"resourceType":"Basic","identifier":[{"system":"urn:b","value":"2"}]}`},
		"not_first":                   {"Basic", `src.identifier not_first as i -> tgt.identifier = i "x";`, `{"resourceType":"Basic","identifier":[{"system":"urn:b","value":"2"},{"system":"urn:a","value":"3"}]}`},
		"not_last":                    {"Basic", `src.identifier not_last as i where (system = 'urn:a') -> tgt.identifier = i;`, `{"resourceType":"Basic","identifier":[{"system":"urn:a","value":"1"}]}`},
		"target first":                {"Basic", `src.identifier as i -> tgt.identifier = i first;`, `{"resourceType":"Basic","identifier":[{"system":"urn:a","value":"1"},{"system":"urn:b","value":"2"},{"system":"urn:a","value":"3"}]}`},
		"share":                       {"Patient", `src.identifier as i then { i.system as s -> tgt.contact as c share x then { s -> c.name as n then { s -> n.given = s "g"; } "n"; } "c"; } "i";`, `{"resourceType":"Patient","contact":[{"name":{"given":["urn:a","urn:b","urn:a"]}}]}`},
		"single":                      {"Patient", `src.identifier as i -> tgt.name as n single then { i.value as v -> n.given = v; };`, `{"resourceType":"Patient","name":[{"given":["1","2","3"]}]}`},
		"several sources":             {"Basic", `src.name as n, n.given as g, src.gender as s -> tgt.identifier as i, i.system = s, i.value = g "x";`, `{"resourceType":"Basic","identifier":[{"system":"female","value":"Ann"},{"system":"female","value":"Bea"},{"system":"female","value":"Cis"}]}`},
		"default":                     {"Patient", `src.language default 'cy' as l -> tgt.language = l; src.gender default ('x') as g -> tgt.gender = g;`, `{"resourceType":"Patient","language":"cy","gender":"female"}`},
		"empty is removed":            {"Patient", `src.name as n -> tgt.contact as c then { n.prefix first as p -> c.name as x then { p -> x.prefix = p "p"; } "x"; };`, `{"resourceType":"Patient"}`},
		"standard order":              {"Patient", `src.gender -> tgt.gender; src.name -> tgt.name; src.active -> tgt.active; src.id -> tgt.id;`, `{"resourceType":"Patient","id":"p1","active":true,"name":[{"use":"official","family":"Test","given":["Ann","Bea","Cis"]}],"gender":"female"}`},
		"append and truncate":         {"Basic", `src.id as i, src.gender as g -> tgt.id = append(i, '-', g), tgt.language = truncate(g, 2) "x";`, `{"resourceType":"Basic","id":"p1-female","language":"fe"}`},
		"uuid is fixed":               {"Basic", `src -> uuid() as u, tgt.id = u, tgt.language = uuid() "x";`, `{"resourceType":"Basic","id":"fb7f6d32-6f8a-5c17-8fb6-000000000000"}`},
		"cc c id":                     {"Basic", `src.gender as g -> tgt.code = cc('urn:s', g, 'D'), tgt.identifier = id('urn:i', g, 'MR') "x";`, `{"resourceType":"Basic","identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"system":"urn:i","value":"female"}],"code":{"coding":[{"system":"urn:s","code":"female","display":"D"}]}}`},
		"cc of text":                  {"Basic", `src.gender as g -> tgt.code = cc(g);`, `{"resourceType":"Basic","code":{"text":"female"}}`},
		"cp":                          {"Patient", `src.id as i -> tgt.telecom = cp('phone', i);`, `{"resourceType":"Patient","telecom":[{"system":"phone","value":"p1"}]}`},
		"qty":                         {"Observation", `src.id as i -> tgt.value = qty('<= 5.40 mg');`, `{"resourceType":"Observation","valueQuantity":{"value":5.40,"comparator":"<=","unit":"mg"}}`},
		"reference":                   {"Observation", `src -> tgt.subject = create('Reference') as r, r.reference = reference(src) "x";`, `{"resourceType":"Observation","subject":{"reference":"Patient/p1"}}`},
		"cast to a date":              {"Patient", `src.deceased as d -> tgt.birthDate = cast(d, 'date');`, `{"resourceType":"Patient","birthDate":"2026-02-03"}`},
		"cast to text":                {"Basic", `src.multipleBirth as m -> tgt.language = cast(m, 'string');`, `{"resourceType":"Basic","language":"2"}`},
		"escape":                      {"Basic", `src -> tgt.language = escape('<a&b>', 'xml') "x";`, `{"resourceType":"Basic","language":"&lt;a&amp;b&gt;"}`},
		"dateOp":                      {"Patient", `src.deceased : dateTime as d -> tgt.deceased = dateOp(d, -2, 'days');`, `{"resourceType":"Patient","deceasedDateTime":"2026-02-01T10:00:00Z"}`},
		"evaluate gives elements":     {"Basic", `src -> tgt.identifier = evaluate(src, identifier.where(system = 'urn:a')) "x";`, `{"resourceType":"Basic","identifier":[{"system":"urn:a","value":"1"},{"system":"urn:a","value":"3"}]}`},
		"expression of variables":     {"Basic", `src.id as i, src.gender as g -> tgt.id = (%i & '-' & %g) "x";`, `{"resourceType":"Basic","id":"p1-female"}`},
		"now is an argument":          {"Basic", `src -> tgt.created = (today()) "x";`, `{"resourceType":"Basic","created":"1970-01-01"}`},
		"nested path":                 {"Basic", `src.name.family first as f -> tgt.code.text = f;`, `{"resourceType":"Basic","code":{"text":"Test"}}`},
		"double quotes are text":      {"Basic", `src -> tgt.language = "en" "x";`, `{"resourceType":"Basic","language":"en"}`},
		"where on the alias":          {"Basic", `src.identifier as i where i.system = 'urn:b' -> tgt.identifier = i;`, `{"resourceType":"Basic","identifier":[{"system":"urn:b","value":"2"}]}`},
		"cardinality holds":           {"Basic", `src.identifier 1..3 as i where system = 'urn:b' -> tgt.identifier = i;`, `{"resourceType":"Basic","identifier":[{"system":"urn:b","value":"2"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := runRules(t, c.target, c.rules)
			if err != nil {
				t.Fatal(err)
			}
			got := string(fhir.Encode(result.Target))
			if name == "uuid is fixed" {
				id := result.Target.Text("id")
				if len(id) != 36 || id[14] != '5' || id == result.Target.Text("language") {
					t.Errorf("got %s", got)
				}
				return
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestTransformRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		target, rules string
		want          issue.Type
		rule, at      string
	}{
		"check":        {"Basic", `src.gender as g check $this = 'male' -> tgt.language = g;`, issue.BusinessRule, "map-check", "Patient.gender"},
		"only_one":     {"Basic", `src.identifier only_one as i -> tgt.identifier = i;`, issue.MultipleMatches, "map-only-one", "Patient"},
		"cardinality":  {"Basic", `src.photo 1..* as i -> tgt.language = 'en';`, issue.Structure, "map-cardinality", "Patient"},
		"second value": {"Basic", `src.identifier as i where value.exists() then { i.value as v -> tgt.language = v; } "x";`, issue.MultipleMatches, "map-twice", "Patient.identifier[1].value"},
		"code":         {"Patient", `src.id as i -> tgt.gender = i;`, issue.CodeInvalid, "map-code", "Patient.id"},
		"cast":         {"Patient", `src.id as i -> tgt.multipleBirth = cast(i, 'integer');`, issue.Value, "map-cast", "Patient.id"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runRules(t, c.target, c.rules)
			all := issue.All(err)
			if len(all) == 0 || !errors.Is(err, c.want) || all[0].Rule != c.rule || all[0].Expression != c.at {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		rules        string
		want         issue.Type
		rule         string
		line, column int
	}{
		"source element":     {`src.nam -> tgt.name;`, issue.Structure, "map-element", 8, 1},
		"target element":     {`src.name -> tgt.nam;`, issue.Structure, "map-element", 8, 13},
		"list to one":        {"src.gender -> tgt.gender;\n  src.name as n -> tgt.maritalStatus as m, m.text = 'x';\n src.communication as c then { c.language -> tgt.maritalStatus; } \"x\";", issue.Structure, "map-list", 9, 20},
		"list to one, made":  {`src.name as n -> tgt.maritalStatus as m then { n.family as f -> m.text = f; };`, issue.Structure, "map-list", 8, 18},
		"type of the value":  {`src.name -> tgt.gender;`, issue.Structure, "map-fit", 8, 13},
		"number for text":    {`src.multipleBirth : integer as m -> tgt.language = m;`, issue.Structure, "map-fit", 8, 37},
		"code":               {`src -> tgt.gender = 'woman' "x";`, issue.Structure, "map-code", 8, 21},
		"variable":           {`sro.name -> tgt.name;`, issue.Structure, "map-variable", 8, 1},
		"writes to a source": {`src.name -> src.name;`, issue.Structure, "map-target", 8, 13},
		"group":              {`src.name as n then Name(n, tgt);`, issue.NotFound, "map-group", 8, 20},
		"arguments":          {`src.name as n then main(n);`, issue.Structure, "map-call", 8, 20},
		"argument's type":    {`src.name as n then main(n, tgt);`, issue.Structure, "map-call", 8, 25},
		"transform":          {`src.id as i -> tgt.id = twist(i);`, issue.NotSupported, "map-transform", 8, 25},
		"parameters":         {`src.id as i -> tgt.id = truncate(i);`, issue.Structure, "map-transform", 8, 25},
		"concept map":        {`src.gender as g -> tgt.gender = translate(g, 'urn:none', 'code');`, issue.NotFound, "map-conceptmap", 8, 46},
		"which type":         {`src.id as i -> tgt.deceased as d then { i -> d.x = i "y"; };`, issue.Structure, "map-create", 8, 16},
		"type filter":        {`src.gender : HumanName as g -> tgt.name = g;`, issue.Structure, "map-type", 8, 1},
		"expression":         {`src.name as n where usse = 'official' -> tgt.name = n;`, issue.Structure, "map-expression", 8, 21},
		"no semicolon":       {`src.name -> tgt.name`, issue.Structure, "map-syntax", 9, 1},
		"no target":          {`src.name -> ;`, issue.Structure, "map-syntax", 8, 13},
		"open string":        {`src -> tgt.id = 'x;`, issue.Structure, "map-syntax", 8, 17},
	} {
		t.Run(name, func(t *testing.T) {
			text := header + "group main(source src : Patient, target tgt : Patient) {\n" + c.rules + "\n}\n"
			_, err := Compile([]Source{{Name: "t.map", Text: text}}, Env{})
			all := issue.All(err)
			if len(all) == 0 {
				t.Fatal("it compiles")
			}
			e := all[0]
			if e.Type != c.want || e.Rule != c.rule || e.Line != c.line || e.Column != c.column || !strings.HasPrefix(e.Details, "t.map: ") {
				t.Errorf("got %v", e)
			}
		})
	}
}

func TestDuplicatesAndIdentity(t *testing.T) {
	text := header + "group main(source src : Patient, target tgt : Basic) { src -> tgt.id = uuid() \"u\"; }\n"
	if _, err := Compile([]Source{{Name: "a.map", Text: text}, {Name: "b.map", Text: text}}, Env{}); !errors.Is(err, issue.Duplicate) {
		t.Errorf("one url twice: %v", err)
	}
	if _, err := Compile([]Source{{Name: "a.map", Text: text + "group main(source s, target t) { }"}}, Env{}); !errors.Is(err, issue.Duplicate) {
		t.Errorf("one name twice: %v", err)
	}
	set, err := Compile([]Source{{Name: "a.map", Text: text}}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Maps()[0].Transform(context.Background(), Input{Source: fhir.Types(fhir.R4).New("Patient")}); !errors.Is(err, issue.Required) {
		t.Errorf("ids without an identity: %v", err)
	}
}

func TestUnread(t *testing.T) {
	rules := `src.identifier as i where system = 'urn:a' then { i.value as v -> tgt.id = v first; } "x";
	src.name "ignore-name"; src.active "ignore-active"; src.id as i "bound"; src.gender as g -> tgt.language = g; src.deceased as d "bound";`
	rules = strings.Replace(rules, "tgt.id = v first", "tgt.identifier as j, j.value = v", 1)
	result, err := runRules(t, "Basic", rules)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range result.Unread {
		got = append(got, n.Path())
	}
	if want := "Patient.identifier[1] Patient.multipleBirth Patient.birthDate"; strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
	if len(result.Issues) != 3 || result.Issues[0].Rule != "map-unread" || result.Issues[0].Line != 2 {
		t.Errorf("issues %v", result.Issues)
	}
}

// TestUnreadOfABuiltTree: the domain hands in trees that were never parsed.
func TestUnreadOfABuiltTree(t *testing.T) {
	set, err := Compile([]Source{{Name: "t.map", Text: header + `group main(source src : Patient, target tgt : Patient) { src.gender -> tgt.gender; }`}}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	p := fhir.Types(fhir.R4).New("Patient")
	p.Set("gender", "male")
	p.Set("birthDate", "1970-01-01")
	p.Add("name").Set("family", "Test")
	result, err := set.Maps()[0].Transform(context.Background(), Input{Source: p})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Unread) != 2 || result.Unread[0].Path() != "Patient.birthDate" || result.Unread[1].Path() != "Patient.name[0]" {
		t.Errorf("got %v", result.Issues)
	}
	if got := string(fhir.Encode(result.Target)); got != `{"resourceType":"Patient","gender":"male"}` {
		t.Error(got)
	}
}

func TestTrace(t *testing.T) {
	result, err := runRules(t, "Patient", "src.gender as g -> tgt.gender = g;\n  src.name as n -> tgt.contact as c then { n -> c.name = n \"copy\"; } \"contact\";")
	if err != nil {
		t.Fatal(err)
	}
	step, ok := result.Origin(result.Target.Descend("contact", "name", "family"))
	if !ok || step.Rule != "copy" || step.Line != 9 || step.File != "t.map" || step.Sources[0].Path() != "Patient.name[0]" || step.Target.Path() != "Patient.contact[0].name" {
		t.Errorf("got %v", step)
	}
	if got := result.Trace[0].String(); got != "Patient.gender <- Patient.gender  t.map:8 main/gender" {
		t.Error(got)
	}
}

func TestGroups(t *testing.T) {
	text := header + `
group Main(source src : Patient, target tgt : Patient) extends Base {
  src.gender -> tgt.gender;
  src.name as n -> tgt.name as t then name(n, t);
}
group Base(source src : Patient, target tgt : Patient) { src.id -> tgt.id; }
group name(source n, target t) { n.family -> t.family; n.given as g -> t.given = g; }
group Id(source s : Identifier, target t : Identifier) <<type+>> { s.value as v -> t.value = v; s.system as v "ignore-system"; }
`
	text = strings.Replace(text, "src.gender -> tgt.gender;", "src.gender -> tgt.gender; src.identifier -> tgt.identifier;", 1)
	result, err := runMap(t, text, person)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"resourceType":"Patient","id":"p1","identifier":[{"value":"1"},{"value":"2"},{"value":"3"}],"name":[{"family":"Test","given":["Ann","Bea","Cis"]}],"gender":"female"}`
	if got := string(fhir.Encode(result.Target)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEmbeddedConceptMap(t *testing.T) {
	text := `/// url = 'https://test.example/StructureMap/c'
/// name = "c"
conceptmap "sex" {
  prefix s = "http://hl7.org/fhir/administrative-gender"
  prefix t = "urn:letters"
  s:female == t:"F"
  s:male <= t:M
  s:unknown --
}
` + strings.SplitN(header, "\n", 2)[1] + `
let greeting = 'hello';
group main(source src : Patient, target tgt : Basic) {
  src.gender as g -> tgt.language = translate(g, '#sex', 'code'), tgt.code = translate(g, '#sex', 'CodeableConcept') "x";
  src -> tgt.id = (%greeting & '!') "y";
}`
	result, err := runMap(t, text, person)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(fhir.Encode(result.Target)); got != `{"resourceType":"Basic","id":"hello!","language":"F","code":{"coding":[{"system":"urn:letters","code":"F"}]}}` {
		t.Error(got)
	}
	if s := result.Trace[0]; s.ConceptMap != "https://test.example/StructureMap/c#sex" || s.Row != 0 {
		t.Errorf("got %+v", s)
	}
	result, err = runMap(t, text, strings.Replace(person, "female", "other", 1))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, n := range result.Unread {
		found = found || n.Path() == "Patient.gender"
	}
	if !found {
		t.Error("a code without a row must be reported as unread")
	}
	result, err = runMap(t, text, strings.Replace(person, "female", "unknown", 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range result.Unread {
		if n.Path() == "Patient.gender" {
			t.Error("a code that a row says has no match was decided on, not lost")
		}
	}
}

func TestVersions(t *testing.T) {
	text := `map "https://test.example/StructureMap/v" = "v"
uses "http://hl7.org/fhir/3.0/StructureDefinition/ReferralRequest" alias ReferralRequest as source
uses "http://hl7.org/fhir/StructureDefinition/ServiceRequest" alias ServiceRequest as target
group main(source src : ReferralRequest, target tgt : ServiceRequest) {
  src.identifier -> tgt.identifier;
  src.subject -> tgt.subject;
  src.reasonCode -> tgt.reasonCode;
  src.note -> tgt.note;
  src.description as d -> tgt.patientInstruction = d;
}`
	set, err := Compile([]Source{{Name: "v.map", Text: text}}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	root, err := fhir.Parse(fhir.Types(fhir.STU3), []byte(`{"resourceType":"ReferralRequest","identifier":[{"system":"urn:x","value":"1"}],"subject":{"reference":"Patient/1"},"reasonCode":[{"text":"lonely"}],"note":[{"text":"n"}],"description":"d"}`), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := set.Maps()[0].Transform(context.Background(), Input{Source: root})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(fhir.Encode(result.Target)); got != `{"resourceType":"ServiceRequest","identifier":[{"system":"urn:x","value":"1"}],"subject":{"reference":"Patient/1"},"reasonCode":[{"text":"lonely"}],"note":[{"text":"n"}],"patientInstruction":"d"}` {
		t.Error(got)
	}
	if err := issue.Failures(fhir.Check(result.Target)); err != nil && !errors.Is(err, issue.Required) {
		t.Error(err)
	}
	if _, err := set.Maps()[0].Transform(context.Background(), Input{Source: fhir.Types(fhir.R4).New("Patient")}); !errors.Is(err, issue.Invalid) {
		t.Errorf("another type as the source: %v", err)
	}
}

// STU3's resources have no uuid: what uuid() gives there is a uri, also as text.
func TestUUIDInSTU3(t *testing.T) {
	text := `map "https://test.example/StructureMap/u" = "u"
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as source
uses "http://hl7.org/fhir/3.0/StructureDefinition/Bundle" alias Bundle as target
group main(source src : Patient, target tgt : Bundle) {
  src -> uuid() as u, tgt.entry as e, e.fullUrl = append('urn:uuid:', u), e.resource = create('Patient') as p, p.id = u, tgt.type = 'collection' "entry";
  src -> tgt.entry as e, e.resource = create('Bundle') as b, b.type = 'document' "inner";
}`
	set, err := Compile([]Source{{Name: "u.map", Text: text}}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := set.Maps()[0].Transform(context.Background(), Input{Source: fhir.Types(fhir.R4).New("Patient"), Identity: "one"})
	if err != nil {
		t.Fatal(err)
	}
	entry := result.Target.All("entry")[0]
	if id := entry.Text("resource", "id"); len(id) != 36 || entry.Text("fullUrl") != "urn:uuid:"+id {
		t.Errorf("%s", fhir.Encode(result.Target))
	}
	if got := result.Target.All("entry")[1].Child("resource"); got.Text("type") != "document" || got.System() != fhir.Types(fhir.STU3) {
		t.Errorf("a Bundle in a Bundle: %s", fhir.Encode(result.Target))
	}
}

func TestTransformEndsWithItsContext(t *testing.T) {
	set, err := Compile([]Source{{Name: "t.map", Text: header + "group main(source src : Patient, target tgt : Patient) { src then main(src, tgt) \"again\"; }"}}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	root, _ := fhir.Parse(fhir.Types(fhir.R4), []byte(person), fhir.Limits{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := set.Maps()[0].Transform(context.Background(), Input{Source: root}); !errors.Is(err, issue.TooCostly) {
		t.Errorf("a group that calls itself without end: %v", err)
	}
	if _, err := set.Maps()[0].Transform(ctx, Input{Source: root}); !errors.Is(err, issue.Timeout) && !errors.Is(err, issue.TooCostly) {
		t.Errorf("got %v", err)
	}
}
