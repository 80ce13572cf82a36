package gateway

import (
	"fmt"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// TestDecide: what $process-message asks of a message is asked without a server.
func TestDecide(t *testing.T) {
	definition, err := fhir.Parse(fhir.Types(fhir.R4), []byte(`{"resourceType":"MessageDefinition","url":"urn:d","eventCoding":{"code":"servicerequest-request"},"focus":[{"code":"MessageHeader","min":1,"max":"1"},{"code":"ServiceRequest","min":1,"max":"1"}]}`), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	b := &BaRS{Services: []string{"1"}, UseCases: []string{"a5t1"}, Versions: []string{"1"}, Definitions: []*fhir.Node{definition}}
	for _, c := range []struct {
		version, endpoint, reason, status, useCase string
		refers                                     bool
		rule                                       string
	}{
		{"1.1.0", "1", "new", "active", "a5t1", true, ""},
		{"2.0.0", "1", "new", "active", "a5t1", false, "message-version"},
		{"1.1.0", "2", "new", "active", "a5t1", false, "message-destination"},
		{"1.1.0", "1", "new", "revoked", "a5t1", false, "message-workflow"},
		{"1.1.0", "1", "new", "active", "a1t1", false, "message-use-case"},
		{"1.1.0", "1", "update", "revoked", "a5t1", false, ""},
	} {
		root, err := fhir.Parse(fhir.Types(fhir.R4), fmt.Appendf(nil, `{"resourceType":"Bundle","type":"message","meta":{"versionId":%q},"entry":[
{"fullUrl":"urn:uuid:0a000000-0000-4000-8000-000000000001","resource":{"resourceType":"MessageHeader","eventCoding":{"system":%q,"code":"servicerequest-request"},"destination":[{"endpoint":"%s|%s"}],"reason":{"coding":[{"system":%q,"code":%q}]},"definition":"urn:d"}},
{"fullUrl":"urn:uuid:0a000000-0000-4000-8000-000000000002","resource":{"resourceType":"ServiceRequest","status":%q,"category":[{"coding":[{"system":%q,"code":%q}]}]}}]}`,
			c.version, systemEvent, systemDoS, c.endpoint, systemReason, c.reason, c.status, systemUseCase, c.useCase), fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		refers, err := b.Decide(root)
		rule := ""
		if all := issue.All(err); len(all) > 0 {
			rule = all[0].Rule
		}
		if refers != c.refers || rule != c.rule {
			t.Errorf("%+v: %v, %v", c, refers, err)
		}
	}
}
