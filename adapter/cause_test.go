package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
)

// extensionsOfUKCore stands for the package: Patient and the extensions whose bindings
// our own profile repeats.
func extensionsOfUKCore() map[string][]byte {
	files := map[string][]byte{"pkg/package.json": []byte(`{"name":"example","version":"1.0.0","fhirVersions":["4.0.1"]}`)}
	add := func(name, text string) { files["pkg/"+name+".json"] = []byte(text) }
	const base = `"status":"active","abstract":false,"derivation":"constraint",`
	add("patient", `{"resourceType":"StructureDefinition","id":"UKCore-Patient","url":"https://example.org/UKCore-Patient","name":"UKCorePatient","kind":"resource","type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient",`+base+
		`"differential":{"element":[{"id":"Patient.identifier.value","path":"Patient.identifier.value","min":1},{"id":"Patient.name","path":"Patient.name","min":1}]}}`)
	for name, codes := range map[string]string{"BirthSex": `"system":"http://hl7.org/fhir/administrative-gender","concept":[{"code":"female"}]`, "NHSNumberVerificationStatus": `"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland","concept":[{"code":"01"}]`} {
		add(name, `{"resourceType":"StructureDefinition","id":"Extension-UKCore-`+name+`","url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-`+name+`","name":"E`+name+`","kind":"complex-type","type":"Extension","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Extension",`+base+
			`"context":[{"type":"element","expression":"Element"}],"differential":{"element":[{"id":"Extension.value[x]","path":"Extension.value[x]","min":1,"type":[{"code":"CodeableConcept"}],"binding":{"strength":"required","valueSet":"https://example.org/vs-`+name+`"}}]}}`)
		add("vs-"+name, `{"resourceType":"ValueSet","id":"vs-`+name+`","url":"https://example.org/vs-`+name+`","status":"active","compose":{"include":[{`+codes+`}]}}`)
	}
	return files
}

// What is wrong is told once, though several rules find it; what only stands at the same
// place is told too.
func TestEachCauseIsToldOnce(t *testing.T) {
	given, _, err := openPackages([]string{filepath.Join(write(t, extensionsOfUKCore()), "pkg")})
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := compile(Config{}, given, quiet())
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := newValidator(compiled)
	if err != nil {
		t.Fatal(err)
	}
	const (
		uk      = `"meta":{"profile":["https://example.org/UKCore-Patient"]},`
		request = `"resourceType":"ServiceRequest","status":"active","intent":"order","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]}`
		ext     = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-"
	)
	for _, c := range []struct{ name, body, at, want string }{
		{"a subject of the wrong type", `{` + request + `,"contained":[{"resourceType":"Organization","id":"o","name":"x"}],"subject":{"reference":"#o"}}`, "ServiceRequest.subject", "reference-target"},
		{"a subject that only our profile refuses", `{` + request + `,"contained":[{"resourceType":"Group","id":"o","type":"person","actual":true}],"subject":{"reference":"#o"}}`, "ServiceRequest.subject", "sp-referral-request/ServiceRequest.subject"},
		{"an NHS number without value", `{"resourceType":"Patient",` + uk + `"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number"}]}`, "Patient.identifier", "nhs-number"},
		{"an identifier without value", `{"resourceType":"Patient",` + uk + `"identifier":[{"system":"https://example.org/id"}]}`, "Patient.identifier", "UKCore-Patient/Patient.identifier.value"},
		{"a name that two profiles want", `{"resourceType":"Patient",` + uk + `"active":true}`, "Patient.name", "UKCore-Patient/Patient.name"},
		{"a birth sex", `{"resourceType":"Patient","extension":[{"url":"` + ext + `BirthSex","valueCodeableConcept":{"coding":[{"system":"http://hl7.org/fhir/administrative-gender","code":"x"}]}}]}`, "Patient.extension", "Extension-UKCore-BirthSex/Extension.value[x]"},
		{"a verification status", `{"resourceType":"Patient","identifier":[{"extension":[{"url":"` + ext + `NHSNumberVerificationStatus","valueCodeableConcept":{"coding":[{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland","code":"99"}]}}],"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}]}`,
			"Patient.identifier", "Extension-UKCore-NHSNumberVerificationStatus/Extension.value[x]"},
		{"relative addresses", `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"Observation/1","resource":{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"}}},{"fullUrl":"Observation/1","resource":{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"}}}]}`, "Bundle.entry", "bundle-full-url subject bdl-7 subject"},
		{"an address of another resource, twice", `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"https://x.example/Patient/1","resource":{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"}}},{"fullUrl":"https://x.example/Patient/1","resource":{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"}}}]}`, "Bundle.entry", "bundle-full-url subject bdl-7 bundle-full-url subject"},
	} {
		root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(c.body), fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range v.validate(root, question{intake: true}) {
			if e.Failure() && strings.HasPrefix(e.Expression, c.at) {
				got = append(got, e.Rule)
			}
		}
		if want := strings.Fields(c.want); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", c.name, got, want)
		}
	}
}
