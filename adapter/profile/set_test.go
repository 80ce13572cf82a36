package profile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/conformance"
)

// packaged is a package of definitions that are written here.
func packaged(t testing.TB, name string, definitions ...string) *fhir.Package {
	t.Helper()
	var nodes []*fhir.Node
	for _, d := range definitions {
		nodes = append(nodes, parsed(t, d))
	}
	return fhir.NewPackage(name, nodes...)
}

// called is a definition of Patient with that id and base, both below https://x.example/.
func called(id, base, elements string) string {
	d := strings.ReplaceAll(definition("Patient", elements), `"id":"p","url":"https://x.example/p","name":"P"`, `"id":"`+id+`","url":"https://x.example/`+id+`","name":"`+id+`"`)
	if base != "" {
		d = strings.Replace(d, "http://hl7.org/fhir/StructureDefinition/Patient", "https://x.example/"+base, 1)
	}
	return d
}

// TestSetOfTheProgram: what the program embeds is one package, and every profile in it
// compiles.
func TestSetOfTheProgram(t *testing.T) {
	p, err := fhir.PackageFS(conformance.FS, "conformance")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, d := range p.Definitions {
		kinds[d.ResourceType]++
	}
	if kinds["StructureDefinition"] < 3 || kinds["ValueSet"] < 3 || kinds["CodeSystem"] < 1 {
		t.Errorf("%v", kinds)
	}
	s, err := Load(Env{ValidateCode: codesForTests(t)}, p)
	if err := errors.Join(err, s.Compile()); err != nil {
		t.Error(err)
	}
	asked := func(n *fhir.Node) []string {
		if n.ResourceType() == "ServiceRequest" {
			return []string{"https://spadapter.example/fhir/StructureDefinition/sp-referral-request"}
		}
		return nil
	}
	bundle := parsed(t, `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"}}}]}`)
	if got := graded(s.ValidateEach(bundle, asked)); got != "error sp-referral-request/ServiceRequest.code at Bundle.entry[0].resource.code" {
		t.Error(got)
	}
}

// TestLoad: what cannot be used of packages is said, and the rest is used.
func TestLoad(t *testing.T) {
	versioned := func(version, elements string) string {
		return strings.Replace(called("v", "", elements), `"status"`, `"version":"`+version+`","status"`, 1)
	}
	const noNames = `{"path":"Patient.name","max":"0"}`
	manifest := func(text string) *fhir.Package {
		p, err := fhir.PackageFS(fstest.MapFS{"package.json": {Data: []byte(text)}, "a.json": {Data: []byte(called("a", "", ""))}}, "x")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct {
		name     string
		packages []*fhir.Package
		rule     string
		branch   issue.Type
		profiles int
	}{
		{"nothing", nil, "", "", 0},
		{"another FHIR version", []*fhir.Package{manifest(`{"name":"n","fhirVersions":["3.0.2"]}`)}, "package-version", issue.NotSupported, 0},
		{"a correction of this one", []*fhir.Package{manifest(`{"name":"n","fhirVersions":["4.0.0"]}`)}, "", "", 1},
		{"a dependency that is missing", []*fhir.Package{manifest(`{"name":"n","dependencies":{"m":"1.0.0"}}`)}, "package-dependency", issue.NotFound, 1},
		{"a dependency of another version", []*fhir.Package{manifest(`{"name":"n","dependencies":{"x":"1.0.0"}}`), packaged(t, "x")}, "package-dependency", issue.NotFound, 1},
		{"the base standard", []*fhir.Package{manifest(`{"name":"n","dependencies":{"hl7.fhir.r4.core":"4.0.1"}}`)}, "", "", 1},
		{"the same twice", []*fhir.Package{packaged(t, "x", called("a", "", "")), packaged(t, "y", called("a", "", noNames))}, "package-duplicate", issue.Duplicate, 1},
	} {
		s, err := Load(Env{}, c.packages...)
		list := issue.All(err)
		if len(s.Profiles()) != c.profiles || c.rule == "" && err != nil || c.rule != "" && (len(list) != 1 || list[0].Rule != c.rule || list[0].Type != c.branch) {
			t.Errorf("%s: %q, %v", c.name, s.Profiles(), err)
		}
	}

	// the later version counts, whatever the order, unless another is asked for
	for _, order := range [][]string{{"1.9.0", "1.10.0", "1.10.0-beta"}, {"1.10.0-beta", "1.10.0", "1.9.0"}} {
		var list []*fhir.Package
		for _, v := range order {
			elements := ""
			if v == "1.10.0" {
				elements = noNames
			}
			list = append(list, packaged(t, v, versioned(v, elements)))
		}
		s, err := Load(Env{}, list...)
		if err != nil {
			t.Fatal(err)
		}
		named := parsed(t, `{"resourceType":"Patient","name":[{"text":"x"}]}`)
		if s.Profile("https://x.example/v").Version != "1.10.0" || s.ValidateAgainst(named, "https://x.example/v") == nil || s.ValidateAgainst(named, "https://x.example/v|1.9.0") != nil {
			t.Errorf("%q", order)
		}
	}
}

// TestBrokenDefinitions: a definition that cannot work is said by Compile, with its
// place, and is no obstacle to the others.
func TestBrokenDefinitions(t *testing.T) {
	sound := called("sound", "", `{"path":"Patient.name","min":1}`)
	extension := func(id, profile string) string {
		return `{"resourceType":"StructureDefinition","id":"` + id + `","url":"https://x.example/` + id + `","name":"` + id + `","status":"active","kind":"complex-type","abstract":false,"type":"Extension","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Extension","derivation":"constraint","context":[{"type":"element","expression":"Element"}],"differential":{"element":[{"id":"Extension","path":"Extension"},{"id":"Extension.extension:in","path":"Extension.extension","sliceName":"in","min":1,"type":[{"code":"Extension","profile":["https://x.example/` + profile + `"]}]}]}}`
	}
	for _, c := range []struct {
		name        string
		definitions []string
		want        string // "rule: words", one for each fault
	}{
		{"derives from itself", []string{called("a", "a", "")}, "a: derives from itself"},
		{"a circle of three", []string{called("a", "b", ""), called("b", "c", ""), called("c", "a", "")}, "a: derives from itself\nb: derives from itself\nc: derives from itself"},
		{"the base is not here", []string{called("a", "none", "")}, "a: the base of this profile is not loaded"},
		{"an invariant that is no FHIRPath", []string{called("a", "", `{"path":"Patient","constraint":[{"key":"k","severity":"error","human":"x","expression":"name.("}]}`)}, "a: the expression of k does not compile"},
		{"no type", []string{strings.Replace(called("a", "", ""), `"type":"Patient"`, `"type":"Pation"`, 1)}, "a: whose type exists"},
	} {
		s, err := Load(Env{}, packaged(t, "x", append(c.definitions, sound)...))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range issue.All(s.Compile()) {
			got = append(got, e.Rule+": "+e.Details)
			if e.Line == 0 {
				t.Errorf("%s: no place: %+v", c.name, e)
			}
		}
		slices.Sort(got)
		want := strings.Split(c.want, "\n")
		if len(got) != len(want) {
			t.Errorf("%s: %q", c.name, got)
			continue
		}
		for i := range want {
			rule, words, _ := strings.Cut(want[i], ": ")
			if !strings.HasPrefix(got[i], rule+": ") || !strings.Contains(got[i], words) {
				t.Errorf("%s: %q, wanted %q", c.name, got[i], want[i])
			}
		}
		body := parsed(t, `{"resourceType":"Patient","meta":{"profile":["https://x.example/a","https://x.example/sound"]}}`)
		if err := s.Validate(body); !slices.ContainsFunc(issue.All(err), func(e *issue.Error) bool { return e.Rule == "sound/Patient.name" }) {
			t.Errorf("%s: %v", c.name, err)
		}
	}

	// two extensions, each of which asks for the other inside: no value can have both
	// ends, and looking for one comes to an end
	s, err := Load(Env{}, packaged(t, "x", extension("e1", "e2"), extension("e2", "e1")))
	if err := errors.Join(err, s.Compile()); err != nil {
		t.Fatal(err)
	}
	inner := ""
	for i := range 12 {
		inner = fmt.Sprintf(`{"url":"https://x.example/e%d","extension":[%s]}`, i%2+1, inner)
		inner = strings.Replace(inner, `,"extension":[]`, `,"valueString":"x"`, 1)
	}
	if err := s.Validate(parsed(t, `{"resourceType":"Patient","extension":[`+inner+`]}`)); issue.Failures(err) == nil {
		t.Error("the innermost lacks an extension")
	}
}

// TestClaims: the claims of every resource count, wherever it lies, and what is not
// loaded is said and not guessed.
func TestClaims(t *testing.T) {
	s, err := Load(Env{}, packaged(t, "x", called("named", "", `{"path":"Patient.name","min":1}`)))
	if err != nil {
		t.Fatal(err)
	}
	const claim = `{"resourceType":"Patient","id":"a","meta":{"profile":["https://x.example/named"]}}`
	for _, c := range []struct{ name, body, want string }{
		{"the resource", claim, "error named/Patient.name at Patient.name"},
		{"an entry", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + claim + `}]}`, "error named/Patient.name at Bundle.entry[0].resource.name"},
		{"a Bundle in a Bundle", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + claim + `}]}}]}`, "error named/Patient.name at Bundle.entry[0].resource.entry[0].resource.name"},
		{"contained", `{"resourceType":"Basic","contained":[` + claim + `],"code":{"text":"x"},"subject":{"reference":"#a"}}`, "error named/Patient.name at Basic.contained[0].name"},
		{"a parameter", `{"resourceType":"Parameters","parameter":[{"name":"x","resource":` + claim + `}]}`, "error named/Patient.name at Parameters.parameter[0].resource.name"},
		{"the type itself", `{"resourceType":"Patient","meta":{"profile":["http://hl7.org/fhir/StructureDefinition/Patient"]}}`, ""},
		{"the type of another", `{"resourceType":"Patient","meta":{"profile":["http://hl7.org/fhir/StructureDefinition/Observation"]}}`, "error profile-type at Patient"},
		{"not loaded", `{"resourceType":"Patient","meta":{"profile":["https://x.example/none","https://x.example/named|7"]},"name":[{"text":"x"}]}`, "warning profile-unknown at Patient.meta.profile[0]\nwarning profile-unknown at Patient.meta.profile[1]"},
	} {
		if got := graded(s.Validate(parsed(t, c.body))); got != c.want {
			t.Errorf("%s: got\n%s\nwanted\n%s", c.name, got, c.want)
		}
	}
	if err := s.ValidateAgainst(parsed(t, `{"resourceType":"Patient"}`), "https://x.example/none"); !errors.Is(err, issue.NotFound) {
		t.Error("asked for a profile that is not loaded, and the answer is", err)
	}
	if err := s.ValidateAgainst(parsed(t, `{"resourceType":"Patient"}`), "https://y.example/nmaed"); !strings.HasSuffix(issue.All(err)[0].Details, "did you mean https://x.example/named?") {
		t.Error("a slip of the keyboard is told as", err)
	}
}

// TestMustSupport: what is marked and absent is told, and fails nothing.
func TestMustSupport(t *testing.T) {
	s, err := Load(Env{}, packaged(t, "x", called("m", "", `{"path":"Patient.birthDate","mustSupport":true},{"path":"Patient.name","mustSupport":true},{"path":"Patient.name.family","mustSupport":true},{"path":"Patient.contact.gender","mustSupport":true},
		{"path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}},{"id":"Patient.identifier:a","path":"Patient.identifier","sliceName":"a","mustSupport":true},{"id":"Patient.identifier:a.system","path":"Patient.identifier.system","fixedUri":"http://a"}`)))
	if err != nil {
		t.Fatal(err)
	}
	const patient = `{"resourceType":"Patient","meta":{"profile":["https://x.example/m"]},"name":[{"family":"x"},{"text":"y"}],"identifier":[{"system":"http://b"}]}`
	for _, c := range []struct {
		name, body string
		ask        []string
		want       string
	}{
		{"claimed", patient, nil, "m/Patient.birthDate at Patient.birthDate, m/Patient.identifier:a at Patient.identifier, m/Patient.name.family at Patient.name[1].family"},
		{"asked for", `{"resourceType":"Patient","birthDate":"2000","name":[{"family":"x"}],"identifier":[{"system":"http://a"}],"contact":[{"name":{"text":"x"}}]}`, []string{"https://x.example/m"}, "m/Patient.contact.gender at Patient.contact[0].gender"},
		{"in a Bundle", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + patient + `}]}`, nil, "m/Patient.birthDate at Bundle.entry[0].resource.birthDate, m/Patient.identifier:a at Bundle.entry[0].resource.identifier, m/Patient.name.family at Bundle.entry[0].resource.name[1].family"},
		{"nothing claimed", `{"resourceType":"Patient"}`, nil, ""},
	} {
		root := parsed(t, c.body)
		var got []string
		for _, e := range s.MustSupport(root, c.ask...) {
			got = append(got, e.Rule+" at "+e.Expression)
			if e.Failure() || e.Type != issue.Informational || e.Line == 0 {
				t.Errorf("%s: %+v", c.name, e)
			}
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s: got %s, wanted %s", c.name, text, c.want)
		}
		if err := s.ValidateAgainst(root, c.ask...); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestSetIsShared: many ask a Set that has compiled nothing yet, and all get the answer
// of one who asks alone.
func TestSetIsShared(t *testing.T) {
	s := plantedSet(t, "testdata/planted/definitions")
	root := parsed(t, read(t, "testdata/planted/cases/bundle/practice-profile.json"))
	const profile = "https://spadapter.example/planted/planted-bundle"
	want := graded(plantedSet(t, "testdata/planted/definitions").ValidateAgainst(root, profile))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := graded(s.ValidateAgainst(root, profile)); got != want {
				t.Errorf("got\n%s\nwanted\n%s", got, want)
			}
		})
	}
	wg.Wait()
}
