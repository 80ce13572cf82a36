package fhir

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// xmlExclusions are the published files that do not survive the way through XML, each with
// its reason, by the end of their path.
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

// TestXMLSuite takes every published file through XML and back, where the files are at hand.
func TestXMLSuite(t *testing.T) {
	passed, excluded, failed, same := 0, 0, 0, 0
	used := map[string]bool{}
	verdict := func(file, problem string) {
		reason, isExcluded := "", false
		for end, why := range xmlExclusions {
			if strings.HasSuffix(filepath.ToSlash(file), end) {
				reason, isExcluded, used[end] = why, true, true
			}
		}
		switch {
		case isExcluded && problem == "":
			failed++
			t.Errorf("%s passes and is excluded (%s): take it off the list", file, reason)
		case isExcluded:
			excluded++
		case problem != "":
			failed++
			t.Errorf("%s: %s", file, problem)
		default:
			passed++
		}
	}
	found := false
	_ = filepath.WalkDir(reference, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil
		}
		found = true
		body, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		system := Types(R4)
		if strings.Contains(file, "stu3") || strings.Contains(file, "gpconnect") {
			system = Types(STU3)
		}
		switch filepath.Ext(file) {
		case ".json":
			root, err := Parse(system, body, Limits{Bytes: 64 << 20})
			if err != nil || root.Type == nil {
				return nil // no FHIR of this version
			}
			verdict(file, xmlProblem(t, system, body))
			if again, err := ParseXML(system, EncodeXML(root), Limits{Bytes: 64 << 20}); err == nil && bytes.Equal(Encode(again), Encode(root)) {
				same++
			}
		case ".xml":
			if !bytes.Contains(body, []byte(`xmlns="http://hl7.org/fhir"`)) {
				return nil // another language
			}
			root, err := ParseXML(system, body, Limits{})
			if err != nil {
				verdict(file, err.Error())
				return nil
			}
			if err := Check(root); err != nil {
				verdict(file, err.Error())
				return nil
			}
			problem := xmlProblem(t, system, Encode(root))
			if twin, err := os.ReadFile(strings.TrimSuffix(file, ".xml") + ".json"); err == nil && problem == "" {
				// whoever made the JSON wrote the quotation marks of the narratives plainly
				plain := strings.NewReplacer(`\u0026quot;`, `\"`)
				if plain.Replace(canonical(t, twin)) != plain.Replace(canonical(t, Encode(root))) {
					problem = "differs from its JSON"
				}
			}
			verdict(file, problem)
		}
		return nil
	})
	if !found {
		t.Log("the folder shared/reference/real is absent: nothing compared")
		return
	}
	for end := range xmlExclusions {
		if !used[end] {
			t.Errorf("no file ends in %s: take it off the list", end)
		}
	}
	t.Logf("suite xml: %d passed, %d excluded, %d failed; %d of the JSON files have their members in order and came back byte for byte", passed, excluded, failed, same)
}
