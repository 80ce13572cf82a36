package mappings

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/mapping"
)

// structuredRecord is a synthetic record of about that many bytes, of which a case is the
// referral and the rest is a life of prescriptions, findings and lists.
func structuredRecord(t testing.TB, size int) []byte {
	t.Helper()
	root := again(t, source(t, "gpconnect-stu3-to-ukcore-r4/structured-record.txtar"))
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(string(fhir.Encode(root)), "]}"))
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `,{"resource":{"resourceType":"MedicationRequest","id":"M%d","meta":{"profile":["https://fhir.nhs.uk/STU3/StructureDefinition/CareConnect-GPC-MedicationRequest-1"]},"identifier":[{"system":"https://EMISWeb/Z99001","value":"M-%d"}],"status":"active","intent":"plan","medicationReference":{"reference":"Medication/X%d"},"subject":{"reference":"Patient/P1"},"context":{"reference":"Encounter/E1"},"authoredOn":"2025-11-03T09:00:00","requester":{"agent":{"reference":"Practitioner/GP1"}},"dosageInstruction":[{"text":"One to be taken each day with food"}],"dispenseRequest":{"quantity":{"value":28,"unit":"tablet"}}}}`, i, i, i%50)
		fmt.Fprintf(&b, `,{"resource":{"resourceType":"Observation","id":"V%d","identifier":[{"system":"https://EMISWeb/Z99001","value":"V-%d"}],"status":"final","code":{"coding":[{"system":"http://read.info/readv2","code":"2469.00","display":"O/E - systolic BP reading","userSelected":true},{"system":"http://snomed.info/sct","code":"72313002","display":"Systolic arterial pressure"}]},"subject":{"reference":"Patient/P1"},"context":{"reference":"Encounter/E1"},"effectiveDateTime":"2025-11-03","issued":"2025-11-03T09:00:00+00:00","performer":[{"reference":"Practitioner/GP1"}],"valueQuantity":{"value":132,"unit":"mm[Hg]"}}}`, i, i)
		fmt.Fprintf(&b, `,{"resource":{"resourceType":"List","status":"current","mode":"snapshot","code":{"coding":[{"system":"http://snomed.info/sct","code":"826501000000100"}]},"subject":{"reference":"Patient/P1"},"entry":[{"item":{"reference":"Observation/V%d"}},{"item":{"reference":"MedicationRequest/M%d"}}]}}`, i, i)
	}
	b.WriteString("]}")
	return []byte(b.String())
}

// inlet is what the inlet does with a record before it is decided on.
func inlet(t testing.TB, d *mapping.Dialect, body []byte) *mapping.Result {
	t.Helper()
	root, err := fhir.Parse(fhir.Types(fhir.STU3), body, fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	fhir.Repair(root)
	if _, err := d.Recognition.Excerpt(mapping.Arrival{Root: root, Version: "3.0"}, ""); err != nil {
		t.Fatal(err)
	}
	result, err := d.Convert(context.Background(), mapping.Input{Source: root, Identity: "x"})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// BenchmarkStructuredRecord reads, repairs, excerpts and converts a record of 5 MB.
func BenchmarkStructuredRecord(b *testing.B) {
	d := dialects(b)["gpconnect-stu3-to-ukcore-r4"]
	body := structuredRecord(b, 5_000_000)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		inlet(b, d, body)
	}
}

// TestLargeRecord: of a record of 5 MB goes on what of the small one does.
func TestLargeRecord(t *testing.T) {
	d := dialects(t)["gpconnect-stu3-to-ukcore-r4"]
	small := len(inlet(t, d, structuredRecord(t, 0)).Target.All("entry"))
	large := inlet(t, d, structuredRecord(t, 5_000_000))
	if n := len(large.Target.All("entry")); n != small || len(large.Unread) > 0 {
		t.Errorf("%d entries of the small one, %d of the large one, %d unread", small, n, len(large.Unread))
	}
}
