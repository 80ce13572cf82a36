package fhirpath

import (
	"errors"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// TestVariablesOfTheResource: %context is the focus, %resource the innermost resource,
// %rootResource what contains that, and a caller may say otherwise.
func TestVariablesOfTheResource(t *testing.T) {
	root := parsed(t, bundle)
	referral := root.All("entry")[1].Child("resource")
	role := referral.Child("contained")
	for _, c := range []struct {
		story string
		focus *fhir.Node
		ctx   Context
		src   string
		want  string
	}{
		{"an element of a resource in a Bundle", referral.Child("subject"), Context{}, "%context.reference | %resource.id | %rootResource.id", "Patient/p1 s1"},
		{"a contained resource", role, Context{}, "%context.id | %resource.id | %rootResource.id", "r s1"},
		{"an element of it", role.Child("active"), Context{}, "%context | %resource.id | %rootResource.id", "true r s1"},
		{"inside a loop the context stays", root, Context{}, "entry.first().select(%context.type | $this.fullUrl)", "collection https://gp.example/fhir/Patient/p1"},
		{"the caller knows better", referral, Context{Resource: root, RootResource: role}, "%resource.type | %rootResource.id", "collection r"},
		{"no focus", nil, Context{}, "%resource | %context | %rootResource", ""},
		{"the systems of FHIR", nil, Context{}, "%sct | %ucum | %`vs-a` | %`ext-b`", "http://snomed.info/sct http://unitsofmeasure.org http://hl7.org/fhir/ValueSet/a http://hl7.org/fhir/StructureDefinition/b"},
	} {
		e, err := Compile(c.src)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Eval(c.ctx, c.focus)
		if have := strings.Join(texts(got), " "); err != nil || have != c.want {
			t.Errorf("%s: %s gives %q and %v, wanted %q", c.story, c.src, have, err, c.want)
		}
	}
}

const valued = `{"resourceType":"Patient","id":"p","gender":"female","_gender":{"id":"g"},
 "birthDate":null,"_birthDate":{"extension":[{"url":"https://x.example/why","valueCode":"unknown"}]},
 "extension":[{"url":"https://x.example/a","valueString":"one"},{"url":"https://x.example/b","valueString":"two"},{"url":"https://x.example/a","valueString":"three"},
  {"url":"https://x.example/nest","extension":[{"url":"inner","valueInteger":7}]}],
 "name":[{"family":"Okafor","given":["Ada","May"]}],"multipleBirthInteger":2}`

// TestFunctionsOfFHIR: what FHIR R4 adds to FHIRPath.
func TestFunctionsOfFHIR(t *testing.T) {
	patient := parsed(t, valued)
	for _, c := range []struct{ src, want string }{
		{"gender.hasValue() | birthDate.hasValue()", "true false"},
		{"name.hasValue()", "false"},
		{"name.given.hasValue()", "false"}, // two of them
		{"photo.hasValue()", "false"},
		{"gender.getValue()", "female"},
		{"birthDate.getValue()", ""},
		{"name.given.getValue()", ""},
		{"gender.getValue().type().namespace | gender.type().namespace", "System FHIR"},
		{"extension('https://x.example/a').value", "one three"},
		{"extension('https://x.example/c')", ""},
		{"extension({})", ""},
		{"birthDate.extension('https://x.example/why').value", "unknown"},
		{"extension('https://x.example/nest').extension('inner').value + 1", "8"},
		{"extension.where(url = 'https://x.example/b').value as string", "two"},
		// types
		{"type().namespace & '.' & type().name", "FHIR.Patient"},
		{"gender.type().name | id.type().name | multipleBirth.type().name", "code id integer"},
		{"1.type().name | 1.0.type().name | 'a'.type().name | @2026.type().name | @2026T.type().name | @T10.type().name | (1 'kg').type().name", "Integer Decimal String Date DateTime Time Quantity"},
		{"gender is code and gender is string and (gender is System.String).not()", "true"},
		{"gender.is(FHIR.string) and gender.is(System.Boolean).not() and $this is Resource", "true"},
		{"(gender as code) | gender.as(code) | gender.ofType(code)", "female"},
		{"gender.ofType(string) | gender.as(string)", ""}, // the very type of a primitive
		{"multipleBirth.ofType(integer) + (multipleBirth as integer)", "4"},
		{"multipleBirth as boolean", ""},
		{"children().ofType(HumanName).family | descendants().ofType(Extension).count()", "Okafor 6"},
		{"(1 | 'a' | true | 1.5).ofType(System.Integer)", "1"},
		{"{} is Patient", ""},
		{"name.given is string", "error"},
		// trace changes nothing
		{"name.given.trace('given') | name.trace('all', given).family", "Ada May Okafor"},
	} {
		e, err := Compile(c.src, Type(patient.Type))
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := e.Eval(Context{}, patient)
		have := strings.Join(texts(got), " ")
		if err != nil {
			have = "error"
		}
		if have != c.want {
			t.Errorf("%s gives %q and %v, wanted %q", c.src, have, err, c.want)
		}
	}
}

func TestTraceShowsWhatPasses(t *testing.T) {
	var seen []string
	ctx := Context{Trace: func(name string, values Collection) { seen = append(seen, name+": "+strings.Join(texts(values), ", ")) }}
	_, err := MustCompile("name.trace('family of ' & %resource.id, family).given.trace('given').where($this = 'May').trace('end')").Eval(ctx, parsed(t, valued))
	if want := "family of p: Okafor|given: Ada, May|end: May"; err != nil || strings.Join(seen, "|") != want {
		t.Errorf("%v, %v", seen, err)
	}
}

// TestResolveOverBundle: by fullUrl, by relative reference, in contained, on strings
// and canonicals; what is not there is left out, and a caller may resolve instead.
func TestResolveOverBundle(t *testing.T) {
	root := parsed(t, bundle)
	for _, c := range []struct{ src, want string }{
		{"entry.resource.ofType(ServiceRequest).subject.resolve().name.family", "Okafor"},
		{"entry.resource.ofType(Observation).subject.resolve().id", "p1"},
		{"entry.resource.ofType(ServiceRequest).requester.resolve().id", "r"},
		{"entry.resource.ofType(ServiceRequest).requester.reference.resolve().id", "r"},
		{"('Patient/p1' | 'Patient/p2' | 'https://gp.example/fhir/ServiceRequest/s1').resolve().id", "p1 s1"},
		{"entry.resource.subject.resolve().id", "p1 p1"},
		{"(entry.resource.subject | entry.resource.requester).resolve().ofType(Patient).distinct().count()", "1"},
		{"type.resolve() | 1.resolve()", ""},
	} {
		e, err := Compile(c.src)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Eval(Context{}, root)
		if have := strings.Join(texts(got), " "); err != nil || have != c.want {
			t.Errorf("%s gives %q and %v, wanted %q", c.src, have, err, c.want)
		}
		indexed, err := e.Eval(Context{Resolve: Resolver(root)}, root)
		if have := strings.Join(texts(indexed), " "); strings.Contains(c.src, "entry") && (err != nil || have != c.want) {
			t.Errorf("%s by the index gives %q and %v, wanted %q", c.src, have, err, c.want)
		}
	}
}

// TestCheckModifiers: the input passes where every modifier extension is known.
func TestCheckModifiers(t *testing.T) {
	patient := parsed(t, `{"resourceType":"Patient","id":"p","modifierExtension":[{"url":"https://x.example/a","valueBoolean":true},{"url":"https://x.example/b","valueBoolean":true}]}`)
	for src, want := range map[string]string{
		"checkModifiers('https://x.example/a', 'https://x.example/b').id": "p",
		"checkModifiers('https://x.example/a').id":                        "error",
		"id.checkModifiers('https://x.example/a')":                        "p",
		"photo.checkModifiers('https://x.example/a')":                     "",
	} {
		got, err := MustCompile(src, Type(patient.Type)).Eval(Context{}, patient)
		have := strings.Join(texts(got), " ")
		if err != nil {
			have = "error"
		}
		if have != want || err != nil && !errors.Is(err, issue.Invalid) {
			t.Errorf("%s gives %q and %v, wanted %q", src, have, err, want)
		}
	}
}

// TestFunctionsHandedIn: memberOf(), conformsTo() and their kin ask the layer above, with the
// element and the text, and are empty or an error where it does not know.
func TestFunctionsHandedIn(t *testing.T) {
	root := parsed(t, bundle)
	referral := root.All("entry")[1].Child("resource")
	var asked []string
	options := []Option{
		MemberOf(func(v Value, valueSet string) (bool, bool) {
			asked = append(asked, v.Text()+v.Node().Text("code")+" in "+valueSet)
			return valueSet == "https://x.example/vs", valueSet != "https://x.example/unknown"
		}),
		ConformsTo(func(n *fhir.Node, profile string) (bool, bool) {
			asked = append(asked, n.ResourceType()+" as "+profile)
			return profile == "https://x.example/profile", profile != "https://x.example/unknown"
		}),
	}
	options = append(options,
		Subsumes(func(above, code Value) (bool, bool) {
			return above.Node() == code.Node() || above.Text() == "active", code.Node().Name != "subject"
		}),
		Slice(func(n *fhir.Node, structure, name string) bool {
			return n.Text("system") == "http://snomed.info/sct" && structure == "https://x.example/profile" && name == "snomed"
		}),
		ElementDefinition(func(n *fhir.Node) *fhir.Node {
			if n.Name == "intent" {
				return nil
			}
			return n.Parent
		}))
	for _, c := range []struct{ src, want string }{
		{"status.memberOf('https://x.example/vs')", "true"},
		{"status.memberOf('https://x.example/other')", "false"},
		{"code.coding.memberOf('https://x.example/unknown')", ""},
		{"priority.memberOf('https://x.example/vs')", ""},
		{"conformsTo('https://x.example/profile')", "true"},
		{"conformsTo('https://x.example/other')", "false"},
		{"conformsTo('https://x.example/unknown')", "error"},
		{"(1).conformsTo('https://x.example/profile')", "false"},
		{"code.subsumes(code)", "true"},
		{"code.subsumes(status)", "false"},
		{"code.subsumedBy(status)", "true"},
		{"status.subsumedBy(code.text)", ""},
		{"status.subsumes(subject)", ""},
		{"code.coding.slice('https://x.example/profile', 'snomed').code", "871731000000106"},
		{"code.coding.slice('https://x.example/profile', 'other') | slice({}, 'snomed')", ""},
		{"(status | intent).elementDefinition().id", "s1"},
	} {
		e, err := Compile(c.src, options...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Eval(Context{}, referral)
		have := strings.Join(texts(got), " ")
		if err != nil {
			have = "error"
		}
		if have != c.want || err != nil && !errors.Is(err, issue.Invalid) {
			t.Errorf("%s gives %q and %v, wanted %q", c.src, have, err, c.want)
		}
	}
	want := "active in https://x.example/vs|active in https://x.example/other|871731000000106 in https://x.example/unknown|" +
		"ServiceRequest as https://x.example/profile|ServiceRequest as https://x.example/other|ServiceRequest as https://x.example/unknown"
	if got := strings.Join(asked, "|"); got != want {
		t.Errorf("asked %s", got)
	}
}
