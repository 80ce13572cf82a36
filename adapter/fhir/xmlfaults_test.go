package fhir

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/issue"
)

// writtenInJSON are the rules about how JSON writes a value: with or without brackets and
// quotation marks, or in two members. XML has one way.
var writtenInJSON = []string{"json-array", "json-kind", "json-primitive"}

// faultsOf are the types, rules and expressions of what Check says, in order, but for
// writtenInJSON. Every issue must have its place.
func faultsOf(t *testing.T, name string, root *Node) string {
	t.Helper()
	var out []string
	for _, e := range issue.All(Check(root)) {
		if e.Line == 0 || e.Column == 0 || e.Details == "" {
			t.Errorf("%s: an issue without its place or words: %+v", name, e)
		}
		if slices.Contains(writtenInJSON, e.Rule) {
			continue
		}
		out = append(out, fmt.Sprintf("%s %s %s", e.Type, e.Rule, e.Expression))
	}
	slices.Sort(out)
	return strings.Join(out, "\n\t")
}

// jsonAlone are the bodies whose faults are others in XML, each with the reason.
var jsonAlone = map[string]string{
	"no resource":                 "an id beside no resource is an attribute where none may be",
	"resourceType in a data type": "the type of a resource is an element in XML, which a data type does not have",
	"array in an array":           "XML has no arrays",
	"empty array":                 "XML has no arrays",
	"null":                        "XML has no null",
	"object for a string":         "an element in a primitive is unknown, and by its own name",
	"companion that is empty":     "XML has no companions",
	"bars-api/document_reference/id/GET-success.json":                                        "format is an array and gets an index",
	"bars-api/document_reference/id/PUT-body.json":                                           "format is an array and gets an index",
	"bars-api/message_definition/MessageDefinition_ServiceRequest-request_CaseTransfer.json": "an array of two where one may stand is an element twice",
	"bars-api/service_request/GET-success.json":                                              "a resource without resourceType that holds elements of its entry",
	"fhir-test-cases/invalid/empty-array.json":                                               "XML has no arrays",
	"fhir-test-cases/invalid/xml-bad-entities.json":                                          "an entity of HTML is written as its character",
	"gpconnect-observation/example-observation-resource-2.json":                              "XML has no null",
	"gpconnect-structured/correctPatientStructuredRecordResponseNormal.json":                 "fhir_comments is no element, so that an array of one has no index",
	"ms-fhir-server/InvalidObservation.json":                                                 "_text, the companion of an element that is no primitive, gives it a value",
	"ms-fhir-server/PatientWithUnknownElements.json":                                         "name1 is no element, so that an array of one has no index",
	"gpconnect-structured/malformedDateStructuredRecord.json":                                "fhir_comments is no element, so that an array of one has no index",
}

// TestFaultsInXMLAreThoseOfJSON writes every body that has faults as XML: what Check says
// of it has the same types, rules and expressions, and every issue has its place.
func TestFaultsInXMLAreThoseOfJSON(t *testing.T) {
	type vector struct {
		name, body string
		system     *System
	}
	var vectors []vector
	for _, s := range spoken {
		vectors = append(vectors, vector{s.name, s.body, Types(R4)})
	}
	for _, name := range slices.Sorted(maps.Keys(illegal)) {
		vectors = append(vectors, vector{name, `{"resourceType":"Basic","code":{"text":"x"},"extension":[{"url":"http://example.org/x","value` + upperFirst(name) + `":` + illegal[name] + `}]}`, Types(R4)})
	}
	for _, row := range manifest(t) {
		if filepath.Ext(row.file) != ".json" || row.version != "R4" && row.version != "STU3" {
			continue
		}
		body, err := os.ReadFile(filepath.Join(reference, row.file))
		if err != nil {
			t.Fatal(err)
		}
		system := Types(R4)
		if row.version == "STU3" {
			system = Types(STU3)
		}
		vectors = append(vectors, vector{row.file, string(body), system})
	}
	limits := Limits{Bytes: 64 << 20}
	compared, left := 0, 0
	for _, v := range vectors {
		root, err := Parse(v.system, []byte(v.body), limits)
		if err != nil || Check(root) == nil {
			continue // it is no tree, or has no faults
		}
		again, err := ParseXML(v.system, EncodeXMLIndent(root), limits)
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		reason, out := jsonAlone[v.name]
		want, got := faultsOf(t, v.name, root), faultsOf(t, v.name, again)
		switch {
		case want == "" && got == "":
			// its faults are of how JSON is written
		case want == got && out:
			t.Errorf("%s has the same faults in both formats: take it off the list (%s)", v.name, reason)
		case want == got:
			compared++
		case out:
			left++
		default:
			t.Errorf("%s\n in JSON\n\t%s\n in XML\n\t%s", v.name, want, got)
		}
	}
	if compared < 60 {
		t.Errorf("only %d bodies were compared", compared)
	}
	t.Logf("%d bodies have the same faults in both formats, %d cannot", compared, left)
}
