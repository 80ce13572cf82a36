package gateway

import "spadapter/adapter/issue"

// vread is GET [base]/[type]/[id]/_history/[vid].
// Source: http://hl7.org/fhir/R4/http.html#vread.
func vread(x *exchange) error {
	id, err := x.resourceID()
	if err != nil {
		return err
	}
	number, ok := versionNumber(x.Param("vid"))
	if !ok {
		return issue.New(issue.NotFound, "unknown-version", "there is no such version; versions are whole numbers from 1")
	}
	v, err := x.Operations.ReadVersion(x.context(), x.call, x.route.resource, id, number)
	if err != nil {
		return err
	}
	return x.sendVersion(v)
}
