package fhir

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// xmlExclusions are the published files that do not survive the way through XML, each with
// its reason, by their path.
var xmlExclusions = map[string]string{
	"bars-api/document_reference/id/GET-success.json":                                        "format is an array and does not repeat",
	"bars-api/document_reference/id/PUT-body.json":                                           "format is an array and does not repeat",
	"bars-api/message_definition/MessageDefinition_ServiceRequest-request_CaseTransfer.json": "useContext.code is an array and does not repeat",
	"bars-api/metadata/BaRS_API_Capability_Statement.json":                                   "security is an array and does not repeat",
	"bars-api/service_request/GET-success.json":                                              "entry.resource without resourceType, with elements that do not exist",
	"bars-api/service_request/PUT-body.json":                                                 "basedOn repeats and is no array",
	"bars-api/service_request/id/GET-success.json":                                           "basedOn repeats and is no array",
	"fhir-test-cases/invalid/Observation-ex-pain.json":                                       "a value in the companion of a primitive",
	"fhir-test-cases/invalid/empty-array.json":                                               "an empty array",
	"fhir-test-cases/invalid/json-comments.json":                                             "fhir_comments is no element and holds a boolean",
	"fhir-test-cases/invalid/synthea.json":                                                   "reasonCode repeats and is no array",
	"fhir-test-cases/invalid/xml-bad-entities.json":                                          "an entity of HTML in the narrative, which XML does not know, becomes its character",
	"fhir-primitives/xhtml.valid.ndjson \"<div>text</div>\"":                                 "a narrative without a namespace gets that of XHTML, without which it is none",
	"fhirpath-suite/observation-example.xml":                                                 "status stands before extension",
	"fhirpath-suite/patient-name-extensions.json":                                            "given and _given differ in length",
	"gpconnect-observation/example-observation-resource-2.json":                              "null as the value of an element",
	"gpconnect-referralrequest/fhir-bundle.json":                                             "relationship of a Patient's contact repeats and is no array",
	"gpconnect-structured/correctPatientStructuredRecordResponseNormal.json":                 "fhir_comments is no element, so that an array of one cannot be told",
	"gpconnect-structured/malformedDateStructuredRecord.json":                                "fhir_comments is no element, so that an array of one cannot be told",
	"mapping-suite/r4b/qrext.json":                                                           "a positiveInt as a string",
	"mapping-suite/r5/qrext.json":                                                            "a positiveInt as a string",
	"ms-fhir-server/Includes-TestResources.json":                                             "result repeats and is no array",
	"ms-fhir-server/InvalidObservation.json":                                                 "_text, the companion of an element that is no primitive",
	"ms-fhir-server/ObservationWithBloodPressure.json":                                       "interpretation is no array, as before R4",
	"ms-fhir-server/ObservationWithTemperature.json":                                         "interpretation is no array, as before R4",
	"ms-fhir-server/PatientWithUnknownElements.json":                                         "name1 is no element, so that an array of one cannot be told",
}

// canonical is JSON with the members of every object sorted and numbers as they are: two
// texts with the same are the same resource, whatever the order of their members.
func canonical(t *testing.T, body []byte) string {
	t.Helper()
	out := canonicalBytes(body)
	if out == nil {
		t.Fatalf("no JSON: %s", body)
	}
	return string(out)
}

// canonicalBytes is canonical, nil for what is no JSON.
func canonicalBytes(body []byte) []byte {
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\uFEFF"))))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil
	}
	out, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return out
}

// xmlProblem says how a resource in JSON differs from what comes back from XML, "" when
// it does not: compared with the text of the file, and on the second way byte for byte.
func xmlProblem(t *testing.T, system *System, body []byte) string {
	limits := Limits{Bytes: 64 << 20}
	root, err := Parse(system, body, limits)
	if err != nil {
		t.Fatal(err)
	}
	for name, encode := range map[string]func(*Node) []byte{"plain": EncodeXML, "indented": EncodeXMLIndent} {
		text := encode(root)
		again, err := ParseXML(system, text, limits)
		if err != nil {
			return name + ": " + err.Error()
		}
		back := Encode(again)
		if want, got := canonical(t, body), canonical(t, back); want != got {
			i := 0
			for i < min(len(want), len(got)) && want[i] == got[i] {
				i++
			}
			return name + ": differs at …" + want[max(0, i-60):min(len(want), i+60)] + " / " + got[max(0, i-60):min(len(got), i+60)]
		}
		if second := encode(again); !bytes.Equal(second, text) {
			return name + ": the XML is another the second time"
		}
		if third, err := ParseXML(system, text, limits); err != nil || !bytes.Equal(Encode(third), back) {
			return name + ": the JSON is another the second time"
		}
		if err := again.Faults(); err != nil {
			return name + ": " + err.Error()
		}
	}
	return ""
}

// TestXMLSuite takes every published file through XML and back, where the files are at
// hand: JSON and XML of R4 and STU3, and each value of the lists of primitives. A file of
// another version is read as R4, for what both have. What is refused as JSON, and what is
// no FHIR, is counted apart.
func TestXMLSuite(t *testing.T) {
	passed, excluded, failed, same, none := 0, 0, 0, 0, 0
	used := map[string]bool{}
	settle := func(name, problem string) {
		reason, isExcluded := xmlExclusions[name]
		used[name] = isExcluded
		switch {
		case isExcluded && problem == "":
			failed++
			t.Errorf("%s passes and is excluded (%s): take it off the list", name, reason)
		case isExcluded:
			excluded++
		case problem != "":
			failed++
			t.Errorf("%s: %s", name, problem)
		default:
			passed++
		}
	}
	rows := manifest(t)
	for _, row := range rows {
		body, err := os.ReadFile(filepath.Join(reference, row.file))
		if err != nil {
			t.Fatal(err)
		}
		system := Types(R4)
		if row.version == "STU3" {
			system = Types(STU3)
		}
		switch filepath.Ext(row.file) {
		case ".json":
			root, err := Parse(system, body, Limits{Bytes: 64 << 20})
			if err != nil || root.Type == nil {
				none++
				continue
			}
			settle(row.file, xmlProblem(t, system, body))
			if again, err := ParseXML(system, EncodeXML(root), Limits{Bytes: 64 << 20}); err == nil && bytes.Equal(Encode(again), Encode(root)) {
				same++
			}
		case ".ndjson":
			for name, value := range ndjson(t, row.file) {
				body := primitiveBody(row.file, value)
				if verdict, _, _ := judge(R4, []byte(body)); verdict != accept {
					none++
					continue
				}
				settle(name, xmlProblem(t, system, []byte(body)))
			}
		case ".xml":
			if !bytes.Contains(body, []byte(`xmlns="http://hl7.org/fhir"`)) {
				none++
				continue
			}
			settle(row.file, xmlFileProblem(t, system, row.file, body))
		}
	}
	if rows == nil {
		return
	}
	for name := range xmlExclusions {
		if !used[name] {
			t.Errorf("no file is called %s: take it off the list", name)
		}
	}
	t.Logf("suite xml: %d passed, %d excluded, %d failed; %d were no resource in JSON or no FHIR; %d JSON files have their members in order and came back byte for byte", passed, excluded, failed, none, same)
}

// xmlFileProblem says what is wrong with a file in XML, or with what comes of it: it is
// taken to JSON and back, and compared with the same resource in JSON beside it.
func xmlFileProblem(t *testing.T, system *System, file string, body []byte) string {
	root, err := ParseXML(system, body, Limits{})
	if err != nil {
		return err.Error()
	}
	if err := Check(root); err != nil {
		return err.Error()
	}
	if problem := xmlProblem(t, system, Encode(root)); problem != "" {
		return problem
	}
	again, err := ParseXML(system, EncodeXML(root), Limits{})
	if err != nil || !bytes.Equal(Encode(again), Encode(root)) {
		return "the tree is another the second time"
	}
	if twin, err := os.ReadFile(filepath.Join(reference, strings.TrimSuffix(file, ".xml")+".json")); err == nil {
		// whoever made the JSON wrote the quotation marks of the narratives plainly
		plain := strings.NewReplacer(`\u0026quot;`, `\"`)
		if plain.Replace(canonical(t, twin)) != plain.Replace(canonical(t, Encode(root))) {
			return "differs from its JSON"
		}
	}
	return ""
}
