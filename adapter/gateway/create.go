package gateway

import (
	"net/http"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// create is POST [base]/[type], conditional with If-None-Exist.
// Source: http://hl7.org/fhir/R4/http.html#create.
func create(x *exchange) error {
	root, err := x.resource()
	if err != nil {
		return err
	}
	if root.ResourceType() != x.route.resource {
		return issue.Newf(issue.Invalid, "resource-type", "the body must be %s, as the address says", withArticle(x.route.resource)).
			At("resourceType").With("resourceType is %q", root.ResourceType())
	}
	response, err := x.Operations.Submit(x.context(), x.call, root)
	if err != nil {
		return err
	}
	x.prefers(response)
	return nil
}

// withArticle is "an Observation", "a Patient".
func withArticle(resource string) string {
	if strings.IndexByte("AEIO", resource[0]) >= 0 { // U sounds otherwise, and begins no type
		return "an " + resource
	}
	return "a " + resource
}

// resource parses the body, and takes the condition of a create into the call.
func (x *exchange) resource() (*fhir.Node, error) {
	x.call.IfNoneExist = x.Request.Header.Get("If-None-Exist")
	return fhir.Parse(fhir.Types(fhir.R4), x.call.Body, x.Limits)
}

// prefers answers a create with as much as the client asked for: the resource unless
// Prefer says otherwise. Source: http://hl7.org/fhir/R4/http.html#ops.
func (x *exchange) prefers(r *referral.Response) {
	switch x.prefer.returns {
	case "minimal":
		x.answer(r, "", nil)
	case "OperationOutcome":
		done := issue.New(issue.Informational, "", "the resource is stored").Graded(issue.SeverityInformation)
		if r.Status != http.StatusCreated {
			done.Details = "the resource was stored before"
		}
		x.answer(r, contentFHIR, x.encode(outcome([]*issue.Error{done})))
	default:
		x.answer(r, r.ContentType, r.Body)
	}
}

// answer writes what the domain answered, with its location made absolute and the
// given body.
func (x *exchange) answer(r *referral.Response, contentType string, body []byte) {
	header := x.Writer.Header()
	if r.Location != "" {
		header.Set("Location", x.base+r.Location)
	}
	if r.ETag != "" {
		header.Set("ETag", r.ETag)
	}
	x.send(r.Status, contentType, body)
}
