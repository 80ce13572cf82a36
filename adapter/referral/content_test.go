package referral

import (
	"strings"
	"testing"

	"spadapter/adapter/fhir"
)

func tree(t testing.TB, body string) *fhir.Node {
	t.Helper()
	n, err := fhir.Parse(fhir.Types(fhir.R4), []byte(body), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const contentA = `{"resourceType":"Bundle","type":"collection","entry":[
	{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{"resourceType":"Patient","id":"a","birthDate":"1950","name":[{"family":"A"},{"family":"B"}]}},
	{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000002","resource":{"resourceType":"ServiceRequest","meta":{"versionId":"1"},"status":"active","intent":"order","subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"}}}]}`

// TestContentHash: what says the same clinically is the same, however it was sent.
func TestContentHash(t *testing.T) {
	first := contentHash(tree(t, contentA))
	same := `{"resourceType":"Bundle","type":"collection","entry":[
	{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000012","resource":{"resourceType":"ServiceRequest","id":"x","intent":"order","status":"active","subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000011"}}},
	{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000011","resource":{"resourceType":"Patient","meta":{"lastUpdated":"2024-01-01T00:00:00Z"},"name":[{"family":"A"},{"family":"B"}],"birthDate":"1950"}}]}`
	if contentHash(tree(t, same)) != first {
		t.Error("ids, fullUrls, order and meta make a difference")
	}
	for name, change := range map[string][2]string{
		"a value":            {`"birthDate":"1950"`, `"birthDate":"1951"`},
		"order of names":     {`[{"family":"A"},{"family":"B"}]`, `[{"family":"B"},{"family":"A"}]`},
		"a missing element":  {`"birthDate":"1950",`, ``},
		"an added element":   {`"intent":"order"`, `"intent":"order","priority":"urgent"`},
		"a reference":        {`{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"}`, `{"reference":"Patient/9"}`},
		"a value elsewhere":  {`"birthDate":"1950"`, `"gender":"male"`},
		"shifted boundaries": {`[{"family":"A"},{"family":"B"}]`, `[{"family":"AB"}]`},
	} {
		changed := strings.Replace(contentA, change[0], change[1], 1)
		if changed == contentA {
			t.Fatalf("%s: nothing changed", name)
		}
		if contentHash(tree(t, changed)) == first {
			t.Errorf("%s makes no difference", name)
		}
	}
}
