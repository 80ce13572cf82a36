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
	if err := x.recognise(root, ""); err != nil {
		return err
	}
	response, err := x.Operations.Submit(x.context(), x.call, root)
	if err != nil {
		return err
	}
	return x.prefers(response)
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
	return x.parse()
}

// prefers answers a create with as much as the client asked for: the resource unless
// Prefer says otherwise. Source: http://hl7.org/fhir/R4/http.html#ops.
func (x *exchange) prefers(r *referral.Response) error {
	switch x.prefer.returns {
	case "minimal":
		x.locate(r)
		x.send(r.Status, "", nil)
	case "OperationOutcome":
		done := issue.New(issue.Informational, "", "the resource is stored").Graded(issue.SeverityInformation)
		if r.Status != http.StatusCreated {
			done.Details = "the resource was stored before"
		}
		x.locate(r)
		x.sendResource(r.Status, outcome([]*issue.Error{done}))
	default:
		return x.answer(r)
	}
	return nil
}

// answer writes what the domain answered: as JSON byte for byte.
func (x *exchange) answer(r *referral.Response) error {
	x.locate(r)
	if x.format == formatXML && len(r.Body) > 0 {
		return x.sendStored(r.Status, r.Body)
	}
	x.send(r.Status, r.ContentType, r.Body)
	return nil
}

// locate says where what the domain answered is, with its address made absolute.
func (x *exchange) locate(r *referral.Response) {
	header := x.Writer.Header()
	if r.Location != "" {
		header.Set("Location", x.base+r.Location)
	}
	if r.ETag != "" {
		header.Set("ETag", r.ETag)
	}
}
