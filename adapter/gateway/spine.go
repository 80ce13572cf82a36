package gateway

import (
	"net/http"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// spineSystem has the codes by which clients of GP Connect know an error.
// Source: https://simplifier.net/guide/gpconnect-data-model, CodeSystem Spine-ErrorOrWarningCode-1 1.6.0.
const (
	spineSystem  = "https://fhir.nhs.uk/STU3/CodeSystem/Spine-ErrorOrWarningCode-1"
	spineProfile = "https://fhir.nhs.uk/STU3/StructureDefinition/GPConnect-OperationOutcome-1"
)

// spineRule is the second table beside that of the statuses: the code of a rule that GP Connect
// has a word for. spineStatus has the word for all others.
// Source: https://developer.nhs.uk/apis/gpconnect-1-6-0/development_fhir_error_handling_guidance.html.
var (
	spineRule = map[string]string{
		"nhs-number":             "INVALID_NHS_NUMBER",
		"nhs-number-check-digit": "INVALID_NHS_NUMBER",
		"reference-unknown":      "REFERENCE_NOT_FOUND",
		"bundle-reference":       "REFERENCE_NOT_FOUND",
		"contained-reference":    "REFERENCE_NOT_FOUND",
		"several-referrals":      "INVALID_PARAMETER",
		"referral-choice":        "INVALID_PARAMETER",
		"sender":                 "NO_RELATIONSHIP",
		"sender-header":          "NO_RELATIONSHIP",
	}
	spineStatus = map[int]string{
		http.StatusBadRequest:           "BAD_REQUEST",
		http.StatusUnauthorized:         "ACCESS_DENIED",
		http.StatusForbidden:            "ACCESS_DENIED",
		http.StatusNotFound:             "NO_RECORD_FOUND",
		http.StatusGone:                 "NO_RECORD_FOUND",
		http.StatusMethodNotAllowed:     "NOT_IMPLEMENTED",
		http.StatusNotAcceptable:        "UNSUPPORTED_MEDIA_TYPE",
		http.StatusUnsupportedMediaType: "UNSUPPORTED_MEDIA_TYPE",
		http.StatusConflict:             "DUPLICATE_REJECTED",
		http.StatusUnprocessableEntity:  "INVALID_RESOURCE",
		http.StatusServiceUnavailable:   "INTERNAL_SERVER_ERROR",
		http.StatusInternalServerError:  "INTERNAL_SERVER_ERROR",
	}
)

// spineDisplay says the codes in words.
var spineDisplay = map[string]string{
	"INVALID_NHS_NUMBER":     "Invalid NHS number",
	"REFERENCE_NOT_FOUND":    "Reference not found",
	"INVALID_PARAMETER":      "Invalid parameter",
	"NO_RELATIONSHIP":        "No relationship between the patient and the organisation",
	"BAD_REQUEST":            "Bad request",
	"ACCESS_DENIED":          "Access has been denied to process this request",
	"NO_RECORD_FOUND":        "No record found",
	"NOT_IMPLEMENTED":        "Not implemented",
	"UNSUPPORTED_MEDIA_TYPE": "Unsupported media type",
	"DUPLICATE_REJECTED":     "Create would lead to creation of a duplicate resource",
	"INVALID_RESOURCE":       "Invalid validation of resource",
	"INTERNAL_SERVER_ERROR":  "Unexpected internal server error",
}

// spineCode is the code of one issue that refuses a message.
func spineCode(e *issue.Error) string {
	if code := spineRule[e.Rule]; code != "" {
		return code
	}
	if code := spineStatus[statusOf(e)]; code != "" {
		return code
	}
	return "BAD_REQUEST" // the request is at fault in a way that GP Connect has no word for: too long, too soon, too many
}

// spineOutcome makes the OperationOutcome of FHIR STU3 as GP Connect has it: what refuses the
// message has a Spine code first, our rule stands behind it.
// Source: http://hl7.org/fhir/STU3/operationoutcome.html.
func spineOutcome(issues []*issue.Error) *fhir.Node {
	root := fhir.Types(fhir.STU3).New("OperationOutcome")
	addText(root.Add("meta"), "profile", spineProfile)
	for _, e := range issues {
		n := root.Add("issue")
		if e.Line > 0 {
			addInteger(n, extensionLine, e.Line)
			if e.Column > 0 {
				addInteger(n, extensionColumn, e.Column)
			}
		}
		n.Set("severity", string(severityOf(e)))
		n.Set("code", olderType(n, e.Type))
		if e.Failure() || e.Rule != "" || e.Details != "" {
			details := n.Add("details")
			code := func(system, code, display string) {
				c := details.Add("coding")
				c.Set("system", system)
				c.Set("code", code)
				c.Set("display", display)
			}
			if e.Failure() {
				spine := spineCode(e)
				code(spineSystem, spine, spineDisplay[spine])
			}
			if e.Rule != "" {
				code(ruleSystem, e.Rule, "")
			}
			details.Set("text", e.Details)
		}
		n.Set("diagnostics", e.Diagnostics)
		if e.Expression != "" {
			addText(n, "expression", e.Expression)
		}
	}
	return root
}

// olderType is the type of an issue as FHIR STU3 has it: of a code that R4 added, the one above.
func olderType(n *fhir.Node, t issue.Type) string {
	element := n.Type.Element("code")
	for ; t != ""; t = t.Parent() {
		if element.HasCode(string(t)) {
			return string(t)
		}
	}
	return string(issue.Processing)
}
