package fhir

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// bundleOf is a message of a referral with n entries, of the size of real ones.
func bundleOf(n int) string {
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","id":"b","meta":{"lastUpdated":"2026-03-01T09:30:00Z"},"type":"collection","entry":[`)
	id := func(i int) string { return fmt.Sprintf("urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-%012x", i) }
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"fullUrl":%q,"resource":`, id(i))
		switch i % 4 {
		case 0:
			b.WriteString(`{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}],"active":true,"name":[{"use":"official","family":"Test","given":["Anne","Maria"],"prefix":["Mrs"]}],"telecom":[{"system":"phone","value":"07700900001","use":"mobile"},{"system":"email","value":"a@example.org"}],"gender":"female","birthDate":"1961-04-12","address":[{"use":"home","line":["1 High Street","Upper Town"],"city":"Exampleton","postalCode":"AA1 1AA"}]}`)
		case 1:
			fmt.Fprintf(&b, `{"resourceType":"ServiceRequest","identifier":[{"system":"https://example.org/referral","value":"R-%d"}],"status":"active","intent":"order","category":[{"coding":[{"system":"http://snomed.info/sct","code":"103693007"}]}],"priority":"routine","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106","display":"Referral to social prescribing service"}]},"subject":{"reference":%q,"display":"Anne Test"},"occurrencePeriod":{"start":"2026-03-01","end":"2026-06-01"},"authoredOn":"2026-03-01T09:30:00+00:00","requester":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A81001"}},"reasonCode":[{"text":"Lonely since moving; would like company and help with forms."}],"note":[{"time":"2026-03-01T09:30:00Z","text":"Prefers mornings. Consent to share was given in the consultation."}]}`, i, id(i-1))
		case 2:
			fmt.Fprintf(&b, `{"resourceType":"Observation","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"survey"}]}],"code":{"coding":[{"system":"http://snomed.info/sct","code":"1144780009","display":"Score"}],"text":"ONS4"},"subject":{"reference":%q},"effectiveDateTime":"2026-03-01","valueInteger":12,"component":[{"code":{"text":"satisfied"},"valueInteger":4},{"code":{"text":"worthwhile"},"valueInteger":5},{"code":{"text":"happy"},"valueQuantity":{"value":3.0,"unit":"points","system":"http://unitsofmeasure.org","code":"1"}}]}`, id(i-2))
		default:
			fmt.Fprintf(&b, `{"resourceType":"Task","status":"requested","intent":"order","code":{"coding":[{"system":"http://hl7.org/fhir/CodeSystem/task-code","code":"fulfill"}]},"focus":{"reference":%q},"for":{"reference":%q},"authoredOn":"2026-03-01T09:31:00Z","restriction":{"repetitions":1,"period":{"end":"2026-04-01"}},"input":[{"type":{"text":"contact"},"valueString":"by phone"}]}`, id(i-2), id(i-3))
		}
		b.WriteByte('}')
	}
	b.WriteString("]}")
	return b.String()
}

// BenchmarkIntake prints in one run how Parse, and Parse with Check, compare with
// encoding/json into map[string]any and with jsonformat's Unmarshal, on a Bundle of 8
// entries: the medians of rounds that take turns, so that a busy machine disturbs all
// alike, and their ratios.
//
//	go test ./adapter/fhir -run '^$' -bench Intake -benchtime 1x
func BenchmarkIntake(b *testing.B) {
	body := []byte(bundleOf(8))
	l := newLibrary(b)
	took := inTurns(b, []way{
		{"Parse", func() error { _, err := Parse(Types(R4), body, Limits{}); return err }},
		{"Parse+Check", func() error { _, _, err := judge(R4, body); return err }},
		{"encoding/json", func() error { var v map[string]any; return json.Unmarshal(body, &v) }},
		{"jsonformat", func() error { _, err := l.unmarshaller.Unmarshal(body); return err }},
	})
	b.ReportMetric(took[2]/took[0], "json/Parse")
	b.ReportMetric(took[3]/took[1], "jsonformat/Parse+Check")
}

// BenchmarkFormats prints in one run how reading and writing XML compare with reading and
// writing the same Bundle of 8 entries in JSON, and with the tokens of encoding/xml alone.
//
//	go test ./adapter/fhir -run '^$' -bench Formats -benchtime 1x
func BenchmarkFormats(b *testing.B) {
	body := []byte(bundleOf(8))
	root, err := Parse(Types(R4), body, Limits{})
	if err != nil {
		b.Fatal(err)
	}
	asXML := EncodeXML(root)
	took := inTurns(b, []way{
		{"Parse", func() error { _, err := Parse(Types(R4), body, Limits{}); return err }},
		{"ParseXML", func() error { _, err := ParseXML(Types(R4), asXML, Limits{}); return err }},
		{"Encode", func() error { Encode(root); return nil }},
		{"EncodeXML", func() error { EncodeXML(root); return nil }},
		{"encoding/xml", func() error {
			for d := xml.NewDecoder(bytes.NewReader(asXML)); ; {
				if _, err := d.RawToken(); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
			}
		}},
	})
	b.ReportMetric(took[1]/took[0], "ParseXML/Parse")
	b.ReportMetric(took[3]/took[2], "EncodeXML/Encode")
	b.ReportMetric(took[1]/took[4], "ParseXML/tokens")
}

// way is one of the ways to do something.
type way struct {
	name string
	do   func() error
}

// inTurns gives the median time of each way, in nanoseconds.
func inTurns(b *testing.B, ways []way) []float64 {
	const rounds, runs = 25, 100
	took := make([][]time.Duration, len(ways))
	for b.Loop() {
		for range rounds {
			for i, way := range ways {
				runtime.GC() // so that none pays for what another left behind
				start := time.Now()
				for range runs {
					if err := way.do(); err != nil {
						b.Fatal(way.name, err)
					}
				}
				took[i] = append(took[i], time.Since(start)/runs)
			}
		}
	}
	medians := make([]float64, len(ways))
	for i, way := range ways {
		slices.Sort(took[i])
		medians[i] = float64(took[i][len(took[i])/2].Nanoseconds())
		b.Logf("%-14s %8.1f µs", way.name, medians[i]/1000)
	}
	b.ReportMetric(0, "ns/op") // says nothing here
	return medians
}
