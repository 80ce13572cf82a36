package gateway

import (
	"encoding/json"
	"net/http"

	"spadapter/adapter/issue"
)

// problemBase is what the type URIs of problems start with; the issue type follows.
const problemBase = "https://spadapter.example/problem/"

// problemDetails is the error of the plain JSON API.
// Source: RFC 9457; request_id and errors are extension members.
type problemDetails struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail,omitempty"`
	RequestID string         `json:"request_id"`
	Errors    []problemError `json:"errors"`
}

// problemError is one issue: type is its code of http://hl7.org/fhir/issue-type.
type problemError struct {
	Type        issue.Type     `json:"type"`
	Severity    issue.Severity `json:"severity,omitempty"` // only where it is not error
	Rule        string         `json:"rule,omitempty"`
	Element     string         `json:"element,omitempty"`
	Line        int            `json:"line,omitempty"`
	Column      int            `json:"column,omitempty"`
	Detail      string         `json:"detail,omitempty"`
	Diagnostics string         `json:"diagnostics,omitempty"`
}

// problem writes the issues as one problem. It speaks for the first issue that gave
// the response its status.
func problem(status int, requestID string, issues []*issue.Error) []byte {
	p := problemDetails{Type: "about:blank", Title: http.StatusText(status), Status: status, RequestID: requestID}
	for _, e := range issues {
		if p.Detail == "" && e.Failure() && statusOf(e) == status {
			p.Type, p.Detail = problemBase+string(e.Type), e.Details
		}
		one := problemError{
			Type: e.Type, Rule: e.Rule, Element: e.Expression, Line: e.Line, Column: e.Column,
			Detail: e.Details, Diagnostics: e.Diagnostics,
		}
		if s := severityOf(e); s != issue.SeverityError {
			one.Severity = s
		}
		p.Errors = append(p.Errors, one)
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers only: cannot fail
	}
	return body
}
