// Package issue is the error of this program: an error that knows which FHIR
// issue it is, where in the message it arose and which rule found it.
//
//	err := issue.New(issue.Required, "sr-subject", "ServiceRequest.subject is required: name the patient").At("ServiceRequest.subject")
//	errors.Is(err, issue.Invalid) // true: required is below invalid in the issue-type tree
//
// Several issues travel together as errors.Join; All takes them apart again.
//
// Source: http://hl7.org/fhir/R4/valueset-issue-type.html and
// http://hl7.org/fhir/R4/operationoutcome.html.
//
// It knows nothing of HTTP: the gateway owns the table from issue to status.
package issue
