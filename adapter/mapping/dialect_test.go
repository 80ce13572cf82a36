package mapping

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// dialectOf compiles one map as a dialect.
func dialectOf(t *testing.T, text string) *Dialect {
	t.Helper()
	lib, err := LoadLibrary(Env{}, Layer{FS: fstest.MapFS{"d/d.map": file1(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return lib.Dialect("", "d")
}

const bundleHeader = `map "https://test.example/StructureMap/b" = "b"
uses "http://hl7.org/fhir/StructureDefinition/Bundle" alias Bundle as source
uses "http://hl7.org/fhir/StructureDefinition/Bundle" alias Bundle as target
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as source
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as target
`

const bundleMap = bundleHeader + `
group main(source src : Bundle, target tgt : Bundle) {
  src check entry.exists() "some";
  src.type "ignore-type";
  src -> tgt.type = 'collection' "type";
  src.entry as s then entry(s, tgt) "entry";
}
group entry(source s, target tgt) {
  s.resource : Patient as p -> tgt.entry as e, e.resource = create('Patient') as t then {
    s.fullUrl as u -> e.fullUrl = u;
    p.id as v -> t.id = v;
    p.gender as v -> t.gender = v;
    p.name as n -> t.name = n;
    p.generalPractitioner as n -> t.generalPractitioner = n;
    p check deceased.exists().not() "alive";
  } "patient";
}`

func parsed(t *testing.T, text string) *fhir.Node {
	t.Helper()
	n, err := fhir.Parse(fhir.Types(fhir.R4), []byte(text), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const alone = `{"resourceType":"Patient","id":"p1",
"active":true,
"gender":"female",
"name":[{"family":"Test"},{"family":"Other"}],
"telecom":[{"system":"phone","value":"01632 960000"}]}`

// A resource that was sent alone is read as the entry of a Bundle; what is said about it
// names it as it was sent, and it stays as it was.
func TestConvertAlone(t *testing.T) {
	d := dialectOf(t, bundleMap)
	built := parsed(t, alone).Clone()
	for name, source := range map[string]*fhir.Node{"parsed": parsed(t, alone), "built": built} {
		before := string(fhir.Encode(source))
		result, err := d.Convert(context.Background(), Input{Source: source, Trace: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := result.Target.All("entry"); len(got) != 1 || !strings.HasPrefix(got[0].Text("fullUrl"), "urn:uuid:") || got[0].Text("resource", "gender") != "female" {
			t.Errorf("%s: %s", name, fhir.Encode(result.Target))
		}
		var unread []string
		for _, n := range result.Unread {
			unread = append(unread, n.Path())
		}
		if !slices.Equal(unread, []string{"Patient.active", "Patient.telecom[0]"}) {
			t.Errorf("%s: unread %v", name, unread)
		}
		if e := result.Issues[0]; e.Expression != "Patient.active" || name == "parsed" && e.Line != 2 {
			t.Errorf("%s: %v", name, e)
		}
		for _, s := range result.Trace {
			for _, n := range s.Sources {
				if !strings.HasPrefix(n.Path(), "Patient") {
					t.Errorf("%s: a step from %s", name, n.Path())
				}
			}
		}
		if got := result.Trace[len(result.Trace)-1].String(); !strings.HasPrefix(got, "Bundle.entry[0].resource.name[1] <- Patient.name[1]  ") {
			t.Errorf("%s: %s", name, got)
		}
		if string(fhir.Encode(source)) != before || source.Parent != nil || source.Name != "" || source.Path() != "Patient" {
			t.Errorf("%s: the source was changed", name)
		}
		again, err := d.Convert(context.Background(), Input{Source: source})
		if err != nil || string(fhir.Encode(again.Target)) != string(fhir.Encode(result.Target)) {
			t.Errorf("%s: another fullUrl the second time: %v", name, err)
		}
	}
	// refused by the map
	_, err := d.Convert(context.Background(), Input{Source: parsed(t, strings.Replace(alone, `"active":true,`, `"deceasedBoolean":true,`, 1))})
	if e := issue.All(err); len(e) != 1 || e[0].Rule != "map-check" || e[0].Expression != "Patient" || e[0].Line != 1 {
		t.Errorf("got %v", err)
	}
	// of a type that the map does not take: one line for all of it
	result, err := d.Convert(context.Background(), Input{Source: parsed(t, `{"resourceType":"Basic","code":{"text":"x"}}`)})
	if err != nil || len(result.Unread) != 1 || result.Unread[0].Path() != "Basic" || len(result.Issues) != 1 {
		t.Errorf("got %v %v", result, err)
	}
	// a reference that only the message around it could resolve
	result, err = d.Convert(context.Background(), Input{Source: parsed(t, strings.Replace(alone, `"active":true`, `"generalPractitioner":[{"reference":"urn:uuid:5a000004-0000-4000-8000-000000000004"}]`, 1))})
	if err != nil || !slices.ContainsFunc(result.Issues, func(e *issue.Error) bool {
		return e.Rule == "map-reference" && e.Severity == issue.SeverityWarning && e.Expression == "Patient.generalPractitioner[0]" && e.Line == 2
	}) {
		t.Errorf("got %v %v", result, err)
	}
}

// Every fault of the source is told, and none reaches the map.
func TestConvertRefusesInvalidSource(t *testing.T) {
	d := dialectOf(t, bundleMap)
	_, err := d.Convert(context.Background(), Input{Source: parsed(t, `{"resourceType":"Patient","gender":"f","birthDate":"1 May","nick":"x"}`)})
	if len(issue.All(err)) != 3 || !errors.Is(err, issue.CodeInvalid) || !errors.Is(err, issue.Structure) {
		t.Errorf("got %v", err)
	}
	if _, err := d.Convert(context.Background(), Input{}); !errors.Is(err, issue.Required) {
		t.Errorf("no source: %v", err)
	}
	if _, err := d.Convert(context.Background(), Input{Source: fhir.Types(fhir.STU3).New("Patient")}); !errors.Is(err, issue.Invalid) {
		t.Errorf("another version: %v", err)
	}
}

// A map that makes invalid FHIR is told which rule did, traced or not.
func TestConvertRefusesInvalidResult(t *testing.T) {
	d := dialectOf(t, header+`group main(source src : Patient, target tgt : Observation) {
  src -> tgt.code as c then { src.id as i -> c.text = i; } "code";
  src -> tgt.subject as s then {
    src.id as i -> s.reference = append('Medication/', i) "wrong";
  } "subject";
}`)
	for _, trace := range []bool{false, true} {
		_, err := d.Convert(context.Background(), Input{Source: parsed(t, alone), Trace: trace})
		told := issue.All(err)
		if len(told) != 2 || told[0].Type != issue.Exception || told[0].Rule != "map-result" {
			t.Fatalf("got %v", err)
		}
		for _, want := range []string{"Observation.status is required", "d/d.map:9, group main, rule subject", "Observation.subject"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("no %q in %v", want, err)
			}
		}
		if told[0].Expression != "Patient" && told[1].Expression != "Patient" {
			t.Errorf("the source is not named: %v", err)
		}
	}
}

func TestSourcesAndTargets(t *testing.T) {
	m := dialectOf(t, bundleMap).Map
	if s, g := m.Sources(), m.Targets(); len(s) != 1 || s[0].Name != "Bundle" || len(g) != 1 || g[0].Name != "Bundle" {
		t.Errorf("%v %v", s, g)
	}
	m = dialectOf(t, header+`group main(source a : Patient, source b, target tgt : Basic) { a.id as i -> tgt.id = i; }`).Map
	if s := m.Sources(); len(s) != 2 || s[0].Name != "Patient" || s[1] != nil || m.Targets()[0].Name != "Basic" {
		t.Errorf("%v", s)
	}
}

// What the transform did is itself valid FHIR, and the same each time.
func TestParametersAndReport(t *testing.T) {
	text := strings.Replace(bundleMap, "p.gender as v -> t.gender = v;", "p.gender as v -> t.gender = translate(v, '#g', 'code');", 1)
	text = strings.Replace(text, "group main", "conceptmap \"g\" {\n prefix s = \"urn:s\"\n prefix t = \"urn:t\"\n s:female == t:other\n}\ngroup main", 1)
	d := dialectOf(t, text)
	result, err := d.Convert(context.Background(), Input{Source: parsed(t, alone), Trace: true})
	if err != nil {
		t.Fatal(err)
	}
	root := result.Parameters()
	if err := fhir.Check(root); err != nil {
		t.Error(err)
	}
	if string(fhir.Encode(root)) != string(fhir.Encode(result.Parameters())) {
		t.Error("another text the second time")
	}
	if fhir.Check(parsed(t, string(fhir.Encode(root)))) != nil {
		t.Error("not read as it was written")
	}
	count := map[string]int{}
	for _, p := range root.All("parameter") {
		count[p.Text("name")]++
	}
	if count["trace"] != len(result.Trace) || count["unread"] != 2 || count["map"] != 1 || count["dialect"] != 1 || count["issues"] != 1 {
		t.Errorf("%v", count)
	}
	for _, p := range root.All("parameter") {
		if parts := p.All("part"); p.Text("name") == "trace" && parts[0].Text("value") == "Bundle.entry[0].resource.gender" {
			var got []string
			for _, part := range parts {
				got = append(got, part.Text("name")+"="+part.Text("value"))
			}
			want := "target=Bundle.entry[0].resource.gender source=Patient.gender map=https://test.example/StructureMap/b group=entry rule=gender file=d/d.map line=22 conceptMap=https://test.example/StructureMap/b#g row=0"
			if strings.Join(got, " ") != want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
			}
		}
	}
	var plain, values strings.Builder
	if result.Report(&plain, false) != nil || result.Report(&values, true) != nil {
		t.Error("a writer that takes everything fails")
	}
	if strings.Contains(plain.String(), "Other") || !strings.Contains(values.String(), `<- Patient.name[1] = {"family":"Other"}`) {
		t.Errorf("%s\n%s", &plain, &values)
	}
	columns := map[int]bool{}
	for _, line := range strings.Split(plain.String(), "\n") {
		if at := strings.Index(line, " <- "); at > 0 {
			columns[at] = true
		}
	}
	if len(columns) != 1 || !strings.Contains(plain.String(), "entry/gender   d/d.map:22  https://test.example/StructureMap/b#g row 0\n") ||
		!strings.Contains(plain.String(), "unread, 2\n  Patient.active      line 2\n") {
		t.Errorf("%s", &plain)
	}
	if err := result.Report(failing{}, false); !errors.Is(err, errFull) {
		t.Errorf("a writer that fails: %v", err)
	}
	if got := shown(fhir.NewPrimitive(fhir.Types(fhir.R4).Type("string"), "a\x1b[2J\nb"+strings.Repeat("é", 80))); strings.ContainsAny(got, "\x1b\n") || len([]rune(got)) > 64 {
		t.Errorf("%q can do things to a terminal", got)
	}
}

var errFull = errors.New("full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }

// Origin answers for every element of a result, and for those that were copied whole.
func TestOrigin(t *testing.T) {
	d := dialectOf(t, bundleMap)
	result, err := d.Convert(context.Background(), Input{Source: parsed(t, alone), Trace: true})
	if err != nil {
		t.Fatal(err)
	}
	family := result.Target.All("entry")[0].Descend("resource", "name", "family")
	if s, ok := result.Origin(family); !ok || s.Rule != "name" {
		t.Errorf("%v %v", s, ok)
	}
	if _, ok := result.Origin(result.Target); ok {
		t.Error("no rule made the root")
	}
}

// The report of loss is bounded, and its last line says how much more there is.
func TestUnreadIsBounded(t *testing.T) {
	text := `{"resourceType":"Patient","id":"x","identifier":[` + strings.Repeat(`{"value":"1"},`, 499) + `{"value":"1"}]}`
	result, err := runMap(t, header+`group main(source src : Patient, target tgt : Basic) { src.id as i -> tgt.id = i; }`, text)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Unread) != 500 || len(result.Issues) != maxUnread+1 {
		t.Fatalf("%d unread, %d issues", len(result.Unread), len(result.Issues))
	}
	last := result.Issues[maxUnread]
	if !strings.Contains(last.Details, "and 399 more") || last.Expression != "Patient.identifier[100]" {
		t.Errorf("%v", last)
	}
}

// paths gives what Node.Path gives.
func TestPaths(t *testing.T) {
	for _, root := range []*fhir.Node{parsed(t, alone), parsed(t, alone).Clone(), parsed(t, `{"resourceType":"Patient","nick":[{"x":1}],"contained":[{"resourceType":"Basic","code":{"coding":[{"code":"a"},{"code":"b"}]}}],"_birthDate":{"extension":[{"url":"x","valueString":"v"}]}}`)} {
		at := newPaths()
		var walk func(n *fhir.Node)
		walk = func(n *fhir.Node) {
			if at.of(n) != n.Path() {
				t.Errorf("%s, not %s", at.of(n), n.Path())
			}
			for _, c := range n.Children {
				walk(c)
			}
		}
		walk(root)
	}
}
