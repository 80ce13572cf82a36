package gateway

import (
	"net/http"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// systemErrorCode is the code system of the errors of the API platform and of BaRS.
const systemErrorCode = "https://fhir.nhs.uk/CodeSystem/http-error-codes"

// profileOutcome is what an error is an instance of there.
const profileOutcome = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-OperationOutcome"

// errorCodes are the codes of a receiver by status. Two are in the guide and in no code
// system: TOO_EARLY and TOO_MANY_REQUESTS, which clients compare.
// Source: https://fhir.nhs.uk/CodeSystem/http-error-codes 1.0.0; BaRS guide 1.8.2.
var errorCodes = map[int]string{
	http.StatusBadRequest:           "REC_BAD_REQUEST",
	http.StatusUnauthorized:         "REC_UNAUTHORIZED",
	http.StatusForbidden:            "REC_FORBIDDEN",
	http.StatusNotFound:             "REC_NOT_FOUND",
	http.StatusMethodNotAllowed:     "REC_METHOD_NOT_ALLOWED",
	http.StatusNotAcceptable:        "REC_NOT_ACCEPTABLE",
	http.StatusRequestTimeout:       "REC_TIMEOUT",
	http.StatusConflict:             "REC_CONFLICT",
	http.StatusUnsupportedMediaType: "REC_UNSUPPORTED_MEDIA_TYPE",
	http.StatusUnprocessableEntity:  "REC_UNPROCESSABLE_ENTITY",
	http.StatusTooEarly:             "REC_TOO_EARLY",
	http.StatusTooManyRequests:      "REC_TOO_MANY_REQUESTS",
	http.StatusInternalServerError:  "REC_SERVER_ERROR",
	http.StatusNotImplemented:       "REC_NOT_IMPLEMENTED",
	http.StatusServiceUnavailable:   "REC_UNAVAILABLE",
}

// errorStatus are the statuses of ours that the standard does not know, and what says the
// same in it.
var errorStatus = map[int]int{
	http.StatusGone:                        http.StatusNotFound,
	http.StatusPreconditionFailed:          http.StatusConflict,
	http.StatusPreconditionRequired:        http.StatusBadRequest,
	http.StatusRequestEntityTooLarge:       http.StatusUnprocessableEntity,
	http.StatusRequestURITooLong:           http.StatusBadRequest,
	http.StatusRequestHeaderFieldsTooLarge: http.StatusBadRequest,
}

// statusAsBaRS is a status that the standard knows.
func statusAsBaRS(status int) int {
	if known, ok := errorStatus[status]; ok {
		return known
	}
	return status
}

// outcomeAsBaRS is outcome with the code of the standard before our rule, and without what
// was sent: it is read out to people and kept by programs that have no business with it.
func outcomeAsBaRS(status int, issues []*issue.Error) *fhir.Node {
	code := errorCodes[status]
	if code == "" {
		code = errorCodes[http.StatusInternalServerError]
	}
	plain := make([]*issue.Error, len(issues))
	for i, e := range issues {
		one := *e
		if one.Diagnostics = one.Details; one.Rule == "not-acceptable" {
			one.Type = issue.Processing // where R4 says not-supported
		}
		plain[i] = &one
	}
	root := outcome(plain)
	addText(root.Add("meta"), "profile", profileOutcome)
	for _, n := range root.All("issue") {
		details := n.Child("details")
		if details == nil {
			details = n.Add("details")
		}
		rules, text := details.All("coding"), details.Text("text")
		details.Remove("coding")
		details.Remove("text")
		coding := details.Add("coding")
		coding.Set("system", systemErrorCode)
		coding.Set("code", code)
		for _, rule := range rules {
			details.Append("coding", rule)
		}
		details.Set("text", text)
	}
	return root
}
