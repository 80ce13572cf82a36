package profile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
	"spadapter/adapter/issue"
)

func parsed(t testing.TB, body string) *fhir.Node {
	t.Helper()
	root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(body), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// keysAndPaths renders issues for comparison: "prr-1 ServiceRequest".
func keysAndPaths(err error) string {
	var out []string
	for _, e := range issue.All(err) {
		out = append(out, e.Rule+" "+e.Expression)
	}
	return strings.Join(out, ", ")
}

// TestBaseCompiles: every invariant that google/fhir carries compiles against its own
// type, and every expression of our table is one of them.
func TestBaseCompiles(t *testing.T) {
	unused := map[string]bool{}
	for source := range rules {
		unused[source] = true
	}
	for _, version := range []fhir.Version{fhir.R4, fhir.STU3} {
		s := fhir.Types(version)
		seen := map[*fhir.Type]bool{}
		try := func(sources []string, of *fhir.Type, owner string) {
			for _, source := range sources {
				delete(unused, source)
				delete(unused, owner+": "+source)
				r := ruleOf(source, owner)
				if r.instead != "" {
					source = r.instead
				}
				if _, err := fhirpath.Compile(source, fhirpath.Type(of)); err != nil {
					t.Errorf("%s %s: %s\n\t%v", version, owner, source, err)
				}
			}
		}
		var walk func(*fhir.Type)
		walk = func(ty *fhir.Type) {
			if seen[ty] {
				return
			}
			seen[ty] = true
			try(ty.Constraints, ty, ty.Name)
			for _, e := range ty.Elements {
				if len(e.Types) == 1 {
					try(e.Constraints, e.Types[0], e.Path)
				}
				for _, et := range e.Types {
					walk(et)
				}
			}
		}
		for _, name := range s.Resources() {
			walk(s.Type(name))
		}
	}
	for source := range unused {
		t.Errorf("no type has the invariant %s", source)
	}
}

// TestPublishedExamples: the examples of HL7 and UK Core, where they are at hand, break
// no invariant.
func TestPublishedExamples(t *testing.T) {
	base := Base(fhir.Types(fhir.R4))
	count := 0
	for _, folder := range []string{"hl7-r4-examples", "ukcore"} {
		files, _ := filepath.Glob("../../../shared/reference/real/" + folder + "/*.json")
		for _, f := range files {
			body, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			root, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
			if err != nil {
				continue
			}
			count++
			for _, e := range issue.All(base.Validate(root)) {
				t.Errorf("%s: %v %v", filepath.Base(f), e, e.Cause)
			}
		}
	}
	t.Logf("%d examples", count)
}

// TestInvariants: one broken rule each, found where it is.
func TestInvariants(t *testing.T) {
	base := Base(fhir.Types(fhir.R4))
	for _, c := range []struct{ name, body, want string }{
		{"an order detail without a code", `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"display":"x"},"orderDetail":[{"text":"x"}]}`, "prr-1 ServiceRequest"},
		{"a value and a reason for none", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueInteger":1,"dataAbsentReason":{"text":"y"}}`, "obs-6 Observation"},
		{"a component with the code of the whole", `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"s","code":"1"}]},"valueInteger":1,"component":[{"code":{"coding":[{"system":"s","code":"1"}]},"valueInteger":2}]}`, "obs-7 Observation"},
		{"a period that ends first, in a contained resource", `{"resourceType":"ServiceRequest","contained":[{"resourceType":"PractitionerRole","id":"r","period":{"start":"2026-03-02","end":"2026-03-01"}}],"status":"active","intent":"order","subject":{"display":"x"},"requester":{"reference":"#r"}}`,
			"per-1 ServiceRequest.contained[0].period"},
		{"a period known less far at its start", `{"resourceType":"PractitionerRole","period":{"start":"2026","end":"2026-03-01"}}`, ""},
		{"a contact without anything", `{"resourceType":"Patient","contact":[{"name":{"family":"x"}},{"relationship":[{"text":"x"}]}]}`, "pat-1 Patient.contact[1]"},
		{"an organisation at home", `{"resourceType":"Organization","name":"x","address":[{"use":"home"}],"telecom":[{"system":"phone","value":"1","use":"home"}]}`, "org-2 Organization.address[0], org-3 Organization.telecom[0]"},
		{"a unit code without its system, inside an extension of a primitive", `{"resourceType":"Patient","_birthDate":{"extension":[{"url":"http://x.example","valueQuantity":{"value":1,"code":"kg"}}]}}`, "qty-3 Patient.birthDate.extension[0].value"},
		{"an extension with nothing, and one with both", `{"resourceType":"Patient","extension":[{"url":"http://x.example"},{"url":"http://x.example","valueString":"a","extension":[{"url":"b","valueString":"c"}]}]}`, "ext-1 Patient.extension[0], ext-1 Patient.extension[1]"},
		{"a contained resource nobody names", `{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","name":"x","meta":{"versionId":"1","security":[{"code":"R"}]}}]}`,
			"dom-4 Patient.contained[0].meta, dom-5 Patient.contained[0].meta, dom-3 Patient.contained[0]"},
		{"in an entry of a Bundle", `{"resourceType":"Bundle","type":"collection","total":3,"entry":[{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{"resourceType":"Task","status":"requested","intent":"order","authoredOn":"2026-03-02T10:00:00Z","lastModified":"2026-03-02T09:00:00Z"}}]}`,
			"inv-1 Bundle.entry[0].resource"},
		{"script in a narrative", `{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>x</script></div>"}}`, "txt-1 Patient.text.div"},
	} {
		err := base.Validate(parsed(t, c.body))
		if got := keysAndPaths(err); got != c.want {
			t.Errorf("%s: got %q, wanted %q", c.name, got, c.want)
		}
		for _, e := range issue.All(err) {
			if e.Type != issue.Invariant || e.Line != 1 || e.Column == 0 || e.Details == "" {
				t.Errorf("%s: %+v", c.name, e)
			}
		}
	}
	if err := (*Invariants)(nil).Validate(nil); err != nil {
		t.Error(err)
	}
}

// referral is a Bundle as a GP system sends it: eight resources, made up.
const referral = `{"resourceType":"Bundle","type":"transaction","entry":[
{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{"resourceType":"Patient","identifier":[{"extension":[{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus","valueCodeableConcept":{"coding":[{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland","code":"01"}]}}],"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018","period":{"start":"2001-01-01"}}],"active":true,"name":[{"use":"official","family":"Okafor","given":["Ada"]}],"telecom":[{"system":"phone","value":"01632 960000","use":"home"},{"system":"email","value":"ada@x.example"}],"gender":"female","birthDate":"1961-05-04","address":[{"line":["1 Test Street"],"city":"Leeds","postalCode":"LS1 1AA"}],"contact":[{"name":{"family":"Okafor"},"telecom":[{"system":"phone","value":"01632 960001"}]}],"generalPractitioner":[{"reference":"urn:uuid:00000000-0000-4000-8000-000000000004"}]},"request":{"method":"POST","url":"Patient"}},
{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000002","resource":{"resourceType":"Practitioner","identifier":[{"system":"https://fhir.hl7.org.uk/Id/gmc-number","value":"C0000000"}],"name":[{"family":"Test","given":["Gene"],"prefix":["Dr"]}],"telecom":[{"system":"phone","value":"01632 960002"}]},"request":{"method":"POST","url":"Practitioner"}},
{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000003","resource":{"resourceType":"PractitionerRole","period":{"start":"2020-01-01","end":"2029-01-01"},"practitioner":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000002"},"organization":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000004"},"code":[{"coding":[{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-SDSJobRoleName","code":"R0260"}]}]},"request":{"method":"POST","url":"PractitionerRole"}},
{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000004","resource":{"resourceType":"Organization","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Z00000"}],"active":true,"name":"Test Surgery","telecom":[{"system":"phone","value":"01632 960003","use":"work"}],"address":[{"use":"work","line":["2 Test Street"],"postalCode":"LS1 1AB"}]},"request":{"method":"POST","url":"Organization"}},
{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000005","resource":{"resourceType":"ServiceRequest","identifier":[{"system":"https://gp.example/referral","value":"r-1"}],"status":"active","intent":"order","priority":"routine","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106","display":"Referral to social prescribing service"}]},"subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"},"authoredOn":"2026-03-02T10:15:00+00:00","requester":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000003"},"reasonCode":[{"coding":[{"system":"http://snomed.info/sct","code":"267076002"}],"text":"lonely"}],"supportingInfo":[{"reference":"urn:uuid:00000000-0000-4000-8000-000000000006"}],"note":[{"text":"prefers mornings"}]},"request":{"method":"POST","url":"ServiceRequest"}},
{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000006","resource":{"resourceType":"Observation","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"survey"}]}],"code":{"coding":[{"system":"http://snomed.info/sct","code":"718466001"}]},"subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"},"effectiveDateTime":"2026-03-02","valueQuantity":{"value":19,"unit":"score","system":"http://unitsofmeasure.org","code":"{score}"},"referenceRange":[{"low":{"value":7},"high":{"value":35}}]},"request":{"method":"POST","url":"Observation"}},
{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000007","resource":{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://snomed.info/sct","code":"720433000"}]},"subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"},"effectiveDateTime":"2026-03-02","valueInteger":11,"component":[{"code":{"text":"one"},"valueInteger":2},{"code":{"text":"two"},"valueInteger":1}]},"request":{"method":"POST","url":"Observation"}},
{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000008","resource":{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://snomed.info/sct","code":"105529008"}]},"subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"},"effectiveDateTime":"2026-03-02","valueBoolean":true},"request":{"method":"POST","url":"Observation"}}]}`

func BenchmarkInvariants(b *testing.B) {
	base, root := Base(fhir.Types(fhir.R4)), parsed(b, referral)
	if err := base.Validate(root); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = base.Validate(root)
	}
}
