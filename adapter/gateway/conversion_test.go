package gateway

import (
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"testing/fstest"

	"spadapter/adapter/fhir"
	"spadapter/adapter/mapping"
	"spadapter/adapter/terminology"
	"spadapter/conformance"
	"spadapter/mappings"
)

const (
	plain   = "map \"https://test.example/StructureMap/plain\" = \"plain\"\n" + patientToBasic
	private = "map \"https://test.example/StructureMap/private\" = \"private\"\n" + patientToBasic
	older   = "map \"https://test.example/StructureMap/older\" = \"older\"\n" +
		"uses \"http://hl7.org/fhir/3.0/StructureDefinition/ReferralRequest\" alias ReferralRequest as source\n" +
		"uses \"http://hl7.org/fhir/StructureDefinition/ServiceRequest\" alias ServiceRequest as target\n" +
		"group main(source src : ReferralRequest, target tgt : ServiceRequest) { src.status as s -> tgt.status = s; src.intent as i -> tgt.intent = i; src.subject -> tgt.subject; src.description as d -> tgt.patientInstruction = d; }"
	newer = "map \"https://test.example/StructureMap/newer\" = \"newer\"\n" +
		"uses \"http://hl7.org/fhir/StructureDefinition/ServiceRequest\" alias ServiceRequest as source\n" +
		"uses \"http://hl7.org/fhir/3.0/StructureDefinition/ReferralRequest\" alias ReferralRequest as target\n" +
		"group main(source src : ServiceRequest, target tgt : ReferralRequest) { src.status as s -> tgt.status = s; src.intent as i -> tgt.intent = i; src.subject -> tgt.subject; src.patientInstruction as d -> tgt.description = d; }"
	silent = "map \"https://test.example/StructureMap/silent\" = \"silent\"\n" +
		"uses \"http://hl7.org/fhir/StructureDefinition/Patient\" alias Patient as source\n" +
		"group main(source src : Patient) { src.id \"ignore-id\"; }"
	// two elements of the result for every identifier
	long = "map \"https://test.example/StructureMap/long\" = \"long\"\n" +
		"uses \"http://hl7.org/fhir/StructureDefinition/Patient\" alias Patient as source\n" +
		"uses \"http://hl7.org/fhir/StructureDefinition/Patient\" alias Patient as target\n" +
		"group main(source src : Patient, target tgt : Patient) { src.identifier as a -> tgt.identifier as b then { a.value as v -> b.value = v; } \"i\"; }"
	patientToBasic = `uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as source
uses "http://hl7.org/fhir/StructureDefinition/Basic" alias Basic as target
group main(source src : Patient, target tgt : Basic) {
  src -> tgt.id = uuid() "id";
  src -> tgt.code as c, c.text = 'a letter' then {
    src.gender as g -> c.coding = translate(g, 'urn:test:letters', 'Coding') "sex";
  } "code";
}
`
	letters = `{"resourceType":"ConceptMap","id":"letters","url":"urn:test:letters","version":"1","name":"Letters","status":"active","sourceCanonical":"http://hl7.org/fhir/ValueSet/administrative-gender","group":[{"source":"http://hl7.org/fhir/administrative-gender","target":"urn:letters","element":[
{"code":"female","target":[{"code":"F","display":"Eff","equivalence":"equal"}]},{"code":"unknown","target":[{"equivalence":"unmatched"}]},
{"code":"other","target":[{"code":"O","equivalence":"wider","comment":"c","dependsOn":[{"property":"urn:test:age","system":"urn:ages","value":"adult"}],"product":[{"property":"urn:test:note","system":"urn:notes","value":"n"}]}]}]}]}`
)

// testDialects has the shipped dialects, and small ones: the organisation A81001 has
// "plain" in a version of its own, LW001 has a dialect that nobody else has.
var testDialects = sync.OnceValue(func() Conversions {
	fsys := fstest.MapFS{"base/conceptmap-letters.json": &fstest.MapFile{Data: []byte(letters)}}
	for name, text := range map[string]string{
		"plain": plain, "older": older, "newer": newer, "long": long, "silent": silent, "organisations/LW001/private": private,
		"organisations/A81001/plain": strings.Replace(plain, "src -> tgt.id = uuid() \"id\"", "src -> tgt.id = uuid(), tgt.language = 'cy' \"own\"", 1),
	} {
		fsys[name+"/"+path.Base(name)+".map"] = &fstest.MapFile{Data: []byte(text)}
	}
	library, err := mapping.LoadLibrary(mapping.Env{}, mapping.Layer{FS: mappings.FS}, mapping.Layer{Name: "test", FS: fsys})
	if err != nil {
		panic(err)
	}
	return library
})

var testTerminology = sync.OnceValue(func() *terminology.Registry {
	// one shipped ConceptMap among those that lists are tested with
	shipped, err := terminology.Resources(conformance.FS, func(name string) bool { return strings.Contains(name, "business-status") })
	if err != nil {
		panic(err)
	}
	codes, err := terminology.Load(shipped...)
	if err != nil {
		panic(err)
	}
	n, err := fhir.Parse(fhir.Types(fhir.R4), []byte(letters), fhir.Limits{})
	if err != nil {
		panic(err)
	}
	if codes, err = codes.With(n); err != nil {
		panic(err)
	}
	return codes
})

// definition is the shipped OperationDefinition of $convert.
var definition = sync.OnceValue(func() *fhir.Node {
	body, err := conformance.FS.ReadFile("operations/OperationDefinition-convert.json")
	if err != nil {
		panic(err)
	}
	n, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
	if err != nil {
		panic(err)
	}
	return n
})

// parameter finds the first parameter of a name, nil when there is none.
func parameterOf(root *fhir.Node, name string) *fhir.Node {
	for _, list := range []string{"parameter", "part"} {
		for _, p := range root.All(list) {
			if p.Text("name") == name {
				return p
			}
		}
	}
	return nil
}

// counted gives how often each parameter stands in an answer, such as "map:1 trace:2".
func counted(root *fhir.Node) string {
	count := map[string]int{}
	for _, p := range root.All("parameter") {
		count[p.Text("name")]++
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(count)) {
		out = append(out, name+":"+string(rune('0'+count[name])))
	}
	return strings.Join(out, " ")
}

// rulesOf lists the rules of an OperationOutcome.
func rulesOf(outcome *fhir.Node) []string {
	var out []string
	for _, i := range outcome.All("issue") {
		out = append(out, i.Text("details", "coding", "code"))
	}
	return out
}
