package profile

import (
	"runtime"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

const ukcore = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-"

// ukRequest, ukPatient and ukObservation are resources of a referral as UK Core has them.
const (
	ukRequest = `{"resourceType":"ServiceRequest","id":"s1","meta":{"profile":["` + ukcore + `ServiceRequest"]},"extension":[{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-SourceOfServiceRequest","valueCodeableConcept":{"text":"GP"}}],
		"identifier":[{"system":"https://x.example/id","value":"1"}],"status":"active","intent":"order","category":[{"coding":[{"system":"http://snomed.info/sct","code":"306206005"}]}],"priority":"routine","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106","display":"Referral to social prescribing service"}]},
		"subject":{"reference":"Patient/p1"},"authoredOn":"2026-03-01T10:00:00Z","requester":{"reference":"Organization/o1"},"performer":[{"reference":"Organization/o1"}],"reasonCode":[{"coding":[{"system":"http://snomed.info/sct","code":"105412007"}]}],"note":[{"text":"lives alone"}]}`
	ukPatient      = `{"resourceType":"Patient","id":"p1","meta":{"profile":["` + ukcore + `Patient"]},"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}],"name":[{"use":"official","family":"Example","given":["Ada"]}],"telecom":[{"system":"phone","value":"01632 960001"}],"gender":"female","birthDate":"1950-05-01","address":[{"line":["1 Example Street"],"postalCode":"ZZ99 3WZ"}],"generalPractitioner":[{"reference":"Organization/o1"}]}`
	ukOrganization = `{"resourceType":"Organization","id":"o1","meta":{"profile":["` + ukcore + `Organization"]},"identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"X99999"}],"name":"Example Practice"}`
	ukObservation  = `{"resourceType":"Observation","meta":{"profile":["` + ukcore + `Observation"]},"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"survey"}]}],"code":{"coding":[{"system":"http://snomed.info/sct","code":"718466001"}]},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2026-03-01","performer":[{"reference":"Organization/o1"}],"valueQuantity":{"value":12,"unit":"points"}}`
)

// ukBundle is a collection of a referral with so many Observations.
func ukBundle(observations int) string {
	const at = `{"fullUrl":"https://x.example/fhir/`
	list := []string{at + `ServiceRequest/s1","resource":` + ukRequest + `}`, at + `Patient/p1","resource":` + ukPatient + `}`, at + `Organization/o1","resource":` + ukOrganization + `}`}
	for i := range observations {
		list = append(list, at+`Observation/b`+strings.Repeat("0", i%7)+`","resource":`+ukObservation+`}`)
	}
	return `{"resourceType":"Bundle","type":"collection","entry":[` + strings.Join(list, ",") + `]}`
}

// BenchmarkLoad opens the UK Core package, its value sets left to who needs them, and
// compiles all that is in it.
func BenchmarkLoad(b *testing.B) {
	if publishedPackages(b) == nil {
		return
	}
	b.ReportAllocs()
	var s *Set
	for b.Loop() {
		p, err := fhir.OpenPackage(published + "/ukcore")
		if err != nil {
			b.Fatal(err)
		}
		s, _ = Load(Env{}, p)
		_ = s.Compile()
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-heap")
	runtime.KeepAlive(s)
}

func BenchmarkValidate(b *testing.B) {
	packages := publishedPackages(b)
	if packages == nil {
		return
	}
	s := publishedSet(b, packages)
	for _, c := range []struct{ name, body string }{
		{"request/base", strings.Replace(ukRequest, `"meta":{"profile":["`+ukcore+`ServiceRequest"]},`, "", 1)},
		{"request/ukcore", ukRequest},
		{"bundle of 8", ukBundle(5)},
		{"bundle of 1000", ukBundle(997)},
	} {
		root := parsed(b, c.body)
		if err := s.Validate(root); issue.Failures(err) != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = s.Validate(root)
			}
		})
	}
}
