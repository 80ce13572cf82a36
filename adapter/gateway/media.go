package gateway

import (
	"mime"
	"strings"
)

// The content types of responses.
const (
	contentFHIR    = "application/fhir+json; charset=utf-8"
	contentXML     = "application/fhir+xml; charset=utf-8"
	contentJSON    = "application/json"
	contentProblem = "application/problem+json"
)

// media says what the body of a request must be.
type media uint8

const (
	mediaNone media = iota
	mediaFHIR
	mediaMessage // FHIR of any version that a map may take
	mediaSTU3    // FHIR STU3
	mediaJSON
	mediaForm
	mediaPatch // a JSON Patch, or FHIR with a FHIRPath Patch
)

// wanted names a media for people.
func (m media) wanted() string {
	switch m {
	case mediaFHIR, mediaMessage, mediaSTU3:
		return "application/fhir+json or application/fhir+xml"
	case mediaForm:
		return "application/x-www-form-urlencoded"
	case mediaPatch:
		return "application/json-patch+json, application/fhir+json or application/fhir+xml"
	}
	return "application/json"
}

// takes reports whether a Content-Type is this media: UTF-8 throughout, and FHIR R4
// unless the message of an operation may be STU3.
// Parameters that partners add, such as BaRS's version, do not matter.
func (m media) takes(contentType string) bool {
	if contentType == contentFHIR || contentType == "application/fhir+json" {
		return m == mediaFHIR || m == mediaMessage || m == mediaSTU3 || m == mediaPatch // by far the most, without parsing
	}
	name, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return false
	}
	switch m {
	case mediaFHIR:
		return isFHIR(name) && r4(params["fhirversion"])
	case mediaMessage:
		return isFHIR(name) && (r4(params["fhirversion"]) || stu3(params["fhirversion"]))
	case mediaSTU3:
		return isFHIR(name) && (params["fhirversion"] == "" || stu3(params["fhirversion"]))
	case mediaPatch:
		return name == "application/json-patch+json" || isFHIR(name) && r4(params["fhirversion"])
	case mediaJSON:
		return plainNames[name]
	case mediaForm:
		return name == "application/x-www-form-urlencoded"
	}
	return true
}

// formatNames are what the formats of FHIR are called, plainNames what plain JSON is.
// Source: http://hl7.org/fhir/R4/http.html#mime-type.
var (
	formatNames = [2]map[string]bool{
		formatJSON: {"application/fhir+json": true, "application/json": true, "text/json": true},
		formatXML:  {"application/fhir+xml": true, "application/xml": true, "text/xml": true},
	}
	plainNames = map[string]bool{"application/json": true, "text/json": true, "application/problem+json": true}
)

func isFHIR(name string) bool { return formatNames[formatJSON][name] || formatNames[formatXML][name] }

// formatOf is the format that a Content-Type names, JSON where it names none.
func formatOf(contentType string) format {
	if contentType == "" || contentType == contentFHIR {
		return formatJSON
	}
	if name, _, err := mime.ParseMediaType(contentType); err == nil && formatNames[formatXML][name] {
		return formatXML
	}
	return formatJSON
}

// r4 reports whether a fhirVersion parameter, "" when absent, asks for R4.
func r4(version string) bool {
	return version == "" || version == "4.0" || version == "4.0.1"
}

// stu3 reports whether a fhirVersion parameter asks for STU3.
func stu3(version string) bool { return version == "3.0" || version == "3.0.1" || version == "3.0.2" }
