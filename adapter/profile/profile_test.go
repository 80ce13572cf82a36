package profile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// codesForTests is a terminology for tests: it knows the value sets of conformance/valuesets
// and one of its own.
func codesForTests(t testing.TB) func(string, *fhir.Node) (bool, bool) {
	t.Helper()
	sets := map[string]map[string]bool{"https://x.example/vs": {"s|a": true, "s|b": true}}
	files, _ := filepath.Glob("../../conformance/valuesets/*.json")
	for _, f := range files {
		vs := parsed(t, read(t, f))
		set := map[string]bool{}
		for _, inc := range vs.Child("compose").All("include") {
			for _, c := range inc.All("concept") {
				set[inc.Text("system")+"|"+c.Text("code")] = true
			}
		}
		sets[vs.Text("url")] = set
	}
	return func(valueSet string, c *fhir.Node) (bool, bool) {
		set, known := sets[valueSet]
		if c.HasValue() {
			return set["s|"+c.Value], known
		}
		return set[c.Text("system")+"|"+c.Text("code")], known
	}
}

func read(t testing.TB, file string) string {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func compiled(t testing.TB, definition string) *Profile {
	t.Helper()
	p, err := Compile(parsed(t, definition), Env{ValidateCode: codesForTests(t)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// graded renders issues with severity: "error p/Patient.name at Patient.name".
func graded(err error) string {
	var out []string
	for _, e := range issue.All(err) {
		severity := e.Severity
		if severity == "" {
			severity = issue.SeverityError
		}
		out = append(out, string(severity)+" "+e.Rule+" at "+e.Expression)
	}
	return strings.Join(out, "\n")
}

func definition(typ, elements string) string {
	differential := ""
	if elements != "" {
		differential = `,"differential":{"element":[` + elements + `]}`
	}
	return `{"resourceType":"StructureDefinition","id":"p","url":"https://x.example/p","name":"P","status":"active","kind":"resource","abstract":false,"type":"` + typ +
		`","baseDefinition":"http://hl7.org/fhir/StructureDefinition/` + typ + `","derivation":"constraint"` + differential + `}`
}

// TestProfile: what each part of an ElementDefinition does to a resource.
func TestProfile(t *testing.T) {
	for _, c := range []struct{ name, typ, elements, body, want string }{
		{"required is missing", "Patient", `{"id":"Patient.name","path":"Patient.name","min":1}`, `{"resourceType":"Patient","id":"a"}`, "error p/Patient.name at Patient.name"},
		{"more than allowed", "Patient", `{"id":"Patient.name","path":"Patient.name","max":"1"}`, `{"resourceType":"Patient","name":[{"text":"a"},{"text":"b"},{"text":"c"}]}`, "error p/Patient.name at Patient.name[1]"},
		{"prohibited", "Patient", `{"path":"Patient.photo","max":"0"}`, `{"resourceType":"Patient","photo":[{"title":"x"}]}`, "error p/Patient.photo at Patient.photo[0]"},
		{"required below what is absent", "Patient", `{"path":"Patient.contact.name","min":1}`, `{"resourceType":"Patient"}`, ""},
		{"required below what is there", "Patient", `{"path":"Patient.contact.name","min":1}`, `{"resourceType":"Patient","contact":[{"gender":"male"}]}`, "error p/Patient.contact.name at Patient.contact[0].name"},
		{"must support never fails", "Patient", `{"path":"Patient.birthDate","mustSupport":true}`, `{"resourceType":"Patient"}`, ""},
		{"fixed, kept", "Observation", `{"path":"Observation.code","fixedCodeableConcept":{"coding":[{"system":"s","code":"1"}]}}`, `{"resourceType":"Observation","code":{"coding":[{"code":"1","system":"s"}]}}`, ""},
		{"fixed, with more", "Observation", `{"path":"Observation.code","fixedCodeableConcept":{"coding":[{"system":"s","code":"1"}]}}`, `{"resourceType":"Observation","code":{"coding":[{"code":"1","system":"s"}],"text":"x"}}`, "error p/Observation.code at Observation.code"},
		{"pattern, with more", "Observation", `{"path":"Observation.code","patternCodeableConcept":{"coding":[{"system":"s","code":"1"}]}}`, `{"resourceType":"Observation","code":{"coding":[{"code":"9"},{"code":"1","system":"s","display":"x"}],"text":"x"}}`, ""},
		{"pattern, broken", "Observation", `{"path":"Observation.code","patternCodeableConcept":{"coding":[{"system":"s","code":"1"}]}}`, `{"resourceType":"Observation","code":{"coding":[{"code":"1"}]}}`, "error p/Observation.code at Observation.code"},
		{"a decimal is a number", "Observation", `{"path":"Observation.value[x].value","fixedDecimal":1.50}`, `{"resourceType":"Observation","valueQuantity":{"value":1.5}}`, ""},
		{"a type of a choice", "Observation", `{"path":"Observation.value[x]","type":[{"code":"Quantity"},{"code":"integer"}]}`, `{"resourceType":"Observation","valueString":"x"}`, "error p/Observation.value[x] at Observation.value"},
		{"short form of a type", "Observation", `{"id":"Observation.valueQuantity","path":"Observation.valueQuantity"},{"id":"Observation.valueQuantity.unit","path":"Observation.valueQuantity.unit","min":1}`, `{"resourceType":"Observation","valueQuantity":{"value":1}}`,
			"error p/Observation.value[x]:valueQuantity.unit at Observation.value.unit"},
		{"short form, other type", "Observation", `{"path":"Observation.valueQuantity.unit","min":1}`, `{"resourceType":"Observation","valueString":"x"}`, ""},
		{"target of a reference, by its text", "ServiceRequest", `{"path":"ServiceRequest.subject","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Patient"]}]}`, `{"resourceType":"ServiceRequest","subject":{"reference":"https://x.example/fhir/Group/1/_history/2"}}`, "error p/ServiceRequest.subject at ServiceRequest.subject"},
		{"target of a reference, contained", "ServiceRequest", `{"path":"ServiceRequest.subject","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Patient"]}]}`, `{"resourceType":"ServiceRequest","contained":[{"resourceType":"Group","id":"g"}],"subject":{"reference":"#g"}}`, "error p/ServiceRequest.subject at ServiceRequest.subject"},
		{"target by identifier only", "ServiceRequest", `{"path":"ServiceRequest.subject","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Patient"]}]}`, `{"resourceType":"ServiceRequest","subject":{"identifier":{"value":"1"}}}`, ""},
		{"required binding", "Observation", `{"path":"Observation.code","binding":{"strength":"required","valueSet":"https://x.example/vs|1.0"}}`, `{"resourceType":"Observation","code":{"coding":[{"system":"s","code":"z"}]}}`, "error p/Observation.code at Observation.code"},
		{"required binding, text alone", "Observation", `{"path":"Observation.code","binding":{"strength":"required","valueSet":"https://x.example/vs"}}`, `{"resourceType":"Observation","code":{"text":"z"}}`, "error p/Observation.code at Observation.code"},
		{"required binding, one of two codings", "Observation", `{"path":"Observation.code","binding":{"strength":"required","valueSet":"https://x.example/vs"}}`, `{"resourceType":"Observation","code":{"coding":[{"system":"t","code":"z"},{"system":"s","code":"a"}]}}`, ""},
		{"extensible binding", "Observation", `{"path":"Observation.code","binding":{"strength":"extensible","valueSet":"https://x.example/vs"}}`, `{"resourceType":"Observation","code":{"coding":[{"system":"s","code":"z"}]}}`, "warning p/Observation.code at Observation.code"},
		{"preferred binding", "Observation", `{"path":"Observation.code","binding":{"strength":"preferred","valueSet":"https://x.example/vs"}}`, `{"resourceType":"Observation","code":{"coding":[{"system":"s","code":"z"}]}}`, ""},
		{"unknown value set", "Observation", `{"path":"Observation.code","binding":{"strength":"required","valueSet":"https://x.example/none"}}`, `{"resourceType":"Observation","code":{"coding":[{"system":"s","code":"z"}]}}`, "information p/Observation.code at Observation.code"},
		{"invariant", "Patient", `{"path":"Patient.name","constraint":[{"key":"n-1","severity":"error","human":"x","expression":"family.exists()"},{"key":"n-2","severity":"warning","human":"y","expression":"given.count() = 1"}]}`, `{"resourceType":"Patient","name":[{"family":"a"},{"given":["b"]}]}`,
			"warning n-2 at Patient.name[0]\nerror n-1 at Patient.name[1]"},
		{"slices by value", "Patient", `{"path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}},{"id":"Patient.identifier:a","path":"Patient.identifier","sliceName":"a","min":1,"max":"1"},{"id":"Patient.identifier:a.system","path":"Patient.identifier.system","fixedUri":"http://a"},{"id":"Patient.identifier:a.value","path":"Patient.identifier.value","min":1}`,
			`{"resourceType":"Patient","identifier":[{"system":"http://a"},{"system":"http://b"},{"system":"http://a","value":"1"}]}`,
			"error p/Patient.identifier:a.value at Patient.identifier[0].value\nerror p/Patient.identifier:a at Patient.identifier[2]"},
		{"a slice is missing", "Patient", `{"path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}},{"id":"Patient.identifier:a","path":"Patient.identifier","sliceName":"a","min":1},{"id":"Patient.identifier:a.system","path":"Patient.identifier.system","patternUri":"http://a"}`,
			`{"resourceType":"Patient","identifier":[{"system":"http://b"}]}`, "error p/Patient.identifier:a at Patient.identifier"},
		{"closed slicing by a pattern", "Observation", `{"path":"Observation.component","slicing":{"discriminator":[{"type":"pattern","path":"code"}],"rules":"closed"}},{"id":"Observation.component:one","path":"Observation.component","sliceName":"one"},{"id":"Observation.component:one.code","path":"Observation.component.code","patternCodeableConcept":{"coding":[{"code":"1"}]}}`,
			`{"resourceType":"Observation","component":[{"code":{"coding":[{"system":"s","code":"1"}]}},{"code":{"coding":[{"system":"s","code":"2"}]}}]}`, "error p/Observation.component at Observation.component[1]"},
		{"slices by a value inside a pattern", "Observation", `{"path":"Observation.category","slicing":{"discriminator":[{"type":"value","path":"coding.code"}],"rules":"open"}},{"id":"Observation.category:v","path":"Observation.category","sliceName":"v","min":1,"max":"1","patternCodeableConcept":{"coding":[{"code":"vital-signs"}]}}`,
			`{"resourceType":"Observation","category":[{"coding":[{"code":"survey"}]}]}`, "error p/Observation.category:v at Observation.category"},
		{"slices by existence", "Patient", `{"path":"Patient.name","slicing":{"discriminator":[{"type":"exists","path":"period"}],"rules":"open"}},{"id":"Patient.name:now","path":"Patient.name","sliceName":"now","max":"1"},{"id":"Patient.name:now.period","path":"Patient.name.period","max":"0"}`,
			`{"resourceType":"Patient","name":[{"text":"a"},{"text":"b"},{"text":"c","period":{"start":"2020"}}]}`, "error p/Patient.name:now at Patient.name[1]"},
		{"an extension by its profile", "Patient", `{"path":"Patient.extension","slicing":{"discriminator":[{"type":"value","path":"url"}],"rules":"open"}},{"id":"Patient.extension:e","path":"Patient.extension","sliceName":"e","max":"1","type":[{"code":"Extension","profile":["https://x.example/e"]}]}`,
			`{"resourceType":"Patient","extension":[{"url":"https://x.example/e","valueString":"1"},{"url":"https://x.example/f","valueString":"1"},{"url":"https://x.example/e","valueString":"1"}]}`, "error p/Patient.extension:e at Patient.extension[2]"},
		{"the wrong resource", "Patient", ``, `{"resourceType":"Observation"}`, "error p at Observation"},
	} {
		p := compiled(t, definition(c.typ, c.elements))
		err := p.Validate(parsed(t, c.body))
		if got := graded(err); got != c.want {
			t.Errorf("%s: got\n%s\nwanted\n%s", c.name, got, c.want)
		}
		for _, e := range issue.All(err) {
			if e.Line == 0 || e.Details == "" || errors.Is(e, issue.Invalid) {
				t.Errorf("%s: %+v", c.name, e)
			}
		}
	}
}

// TestCompileErrors: a profile that cannot work is refused when it is loaded.
func TestCompileErrors(t *testing.T) {
	for _, c := range []struct {
		elements string
		branch   issue.Type
		words    string
	}{
		{`{"path":"Patient.surname","min":1}`, issue.Invalid, "no element surname"},
		{`{"path":"Person.name","min":1}`, issue.Invalid, "starts with Patient"},
		{`{"path":"Patient.name","constraint":[{"key":"k","severity":"error","human":"x","expression":"famly.exists()"}]}`, issue.Invalid, "HumanName has no element famly"},
		{`{"path":"Patient.name","slicing":{"discriminator":[{"type":"position","path":"$this"}],"rules":"open"}}`, issue.NotSupported, "position"},
		{`{"path":"Patient.name","slicing":{"discriminator":[{"type":"value","path":"use"}],"rules":"open"}},{"id":"Patient.name:a","path":"Patient.name","sliceName":"a"}`, issue.Invalid, "says nothing at use"},
		{`{"path":"Patient.name","type":[{"code":"Humanname"}]}`, issue.Invalid, "no type Humanname"},
	} {
		_, err := Compile(parsed(t, definition("Patient", c.elements)), Env{})
		if list := issue.All(err); len(list) != 1 || !errors.Is(err, c.branch) || !strings.Contains(list[0].Details, c.words) || list[0].Line == 0 {
			t.Errorf("%s\n\tgives %v", c.elements, err)
		}
	}
	derived := strings.Replace(definition("Patient", ""), "http://hl7.org/fhir/StructureDefinition/Patient", "https://x.example/base", 1)
	if _, err := Compile(parsed(t, derived), Env{}); !errors.Is(err, issue.NotFound) {
		t.Error(err)
	}
	base := compiled(t, strings.Replace(definition("Patient", `{"path":"Patient.name","min":1}`), `"id":"p"`, `"id":"base"`, 1))
	p, err := Compile(parsed(t, derived), Env{Profile: func(string) *Profile { return base }})
	if err != nil {
		t.Fatal(err)
	}
	if got := graded(p.Validate(parsed(t, `{"resourceType":"Patient"}`))); got != "error base/Patient.name at Patient.name" {
		t.Error(got)
	}
}

// TestShippedProfiles: our intake profiles pass fhir.Check, compile, and say this of
// the messages below.
func TestShippedProfiles(t *testing.T) {
	profiles := shipped(t)
	for _, c := range []struct{ name, body, want string }{
		{"a referral as it should be", referral, ""},
		{"a referral in Read v2, with nothing optional", `{"resourceType":"ServiceRequest","status":"active","intent":"plan","code":{"coding":[{"system":"http://read.info/readv2","code":"8T09."}]},"subject":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}}`, ""},
		{"something else, withdrawn, for a group", `{"resourceType":"ServiceRequest","status":"revoked","intent":"filler-order","doNotPerform":true,"code":{"coding":[{"system":"http://snomed.info/sct","code":"871691000000100"}]},"subject":{"reference":"Group/1"}}`,
			"error sp-referral-request/ServiceRequest.status at ServiceRequest.status\nerror sp-request-intent at ServiceRequest.intent\nerror sp-request-do at ServiceRequest.doNotPerform\nerror sp-referral-request/ServiceRequest.code at ServiceRequest.code\nerror sp-referral-request/ServiceRequest.subject at ServiceRequest.subject"},
		{"a request without a code", `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"}}`, "error sp-referral-request/ServiceRequest.code at ServiceRequest.code"},
		{"a person without a number, and why", `{"resourceType":"Patient","extension":[{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberUnavailableReason","valueCodeableConcept":{"coding":[{"code":"overseas-patient"}]}}],"name":[{"text":"Ada"}],"birthDate":"1990"}`, ""},
		{"a person of whom little is known", `{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number"}],"name":[{"use":"official"}]}`,
			"error sp-patient-nhs-number at Patient\nwarning sp-patient-birth-date at Patient\nerror sp-referral-patient/Patient.identifier:nhsNumber.value at Patient.identifier[0].value\nerror sp-patient-name at Patient.name[0]"},
		{"two numbers and no name", `{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"},{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000026"}],"birthDate":"1990"}`,
			"error sp-referral-patient/Patient.identifier:nhsNumber at Patient.identifier[1]\nerror sp-referral-patient/Patient.name at Patient.name"},
		{"a score that is provisional and empty", `{"resourceType":"Observation","status":"preliminary","code":{"coding":[{"system":"http://snomed.info/sct","code":"718466001"}]}}`, "error sp-score-status at Observation\nerror sp-score-value at Observation"},
		{"a score that was not taken", `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://snomed.info/sct","code":"718466001"}]},"dataAbsentReason":{"coding":[{"code":"asked-declined"}]}}`, ""},
		{"a score in words", `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://snomed.info/sct","code":"718466001"}]},"valueString":"19"}`, "warning sp-score-number at Observation"},
		{"a fact that is only a code, of unknown status", `{"resourceType":"Observation","status":"unknown","code":{"coding":[{"system":"http://snomed.info/sct","code":"105529008"}]}}`, ""},
	} {
		root := parsed(t, c.body)
		resources := []*fhir.Node{root}
		if root.ResourceType() == "Bundle" {
			resources = nil
			for _, e := range root.All("entry") {
				resources = append(resources, e.Child("resource"))
			}
		}
		var all []error
		for _, r := range resources {
			all = append(all, profiles[r.ResourceType()].Validate(r)) // nil for types without one
		}
		if got := graded(errors.Join(all...)); got != c.want {
			t.Errorf("%s: got\n%s\nwanted\n%s", c.name, got, c.want)
		}
	}
}

func shipped(t testing.TB) map[string]*Profile {
	t.Helper()
	out := map[string]*Profile{}
	files, _ := filepath.Glob("../../conformance/profiles/*.json")
	for _, f := range files {
		sd := parsed(t, read(t, f))
		if err := fhir.Check(sd); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		if err := Base(fhir.Types(fhir.R4)).Validate(sd); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		out[sd.Text("type")] = compiled(t, read(t, f))
	}
	if len(out) < 3 {
		t.Fatalf("%d profiles are shipped", len(out))
	}
	return out
}

// TestScoresAreTheInstruments holds the value set of scores to the instruments.
func TestScoresAreTheInstruments(t *testing.T) {
	known := codesForTests(t)
	for _, e := range parsed(t, read(t, "../../conformance/instruments/Bundle-instruments.json")).All("entry") {
		for _, c := range e.Descend("resource", "code").All("coding") {
			if ok, _ := known("https://spadapter.example/fhir/ValueSet/sp-score", c); !ok {
				t.Errorf("%s is an instrument and no score", c.Text("code"))
			}
		}
	}
}

func BenchmarkProfile(b *testing.B) {
	profiles, root := shipped(b), parsed(b, referral)
	b.ReportAllocs()
	for b.Loop() {
		for _, e := range root.Children {
			if r := e.Child("resource"); r != nil {
				_ = profiles[r.ResourceType()].Validate(r)
			}
		}
	}
}
