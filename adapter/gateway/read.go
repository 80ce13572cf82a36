package gateway

import (
	"net/http"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// read is GET [base]/[type]/[id], conditional with If-None-Match.
// Source: http://hl7.org/fhir/R4/http.html#read.
func read(x *exchange) error {
	id, err := x.resourceID()
	if err != nil {
		return err
	}
	v, err := x.Operations.Read(x.context(), x.call, x.route.resource, id)
	if err != nil {
		return err
	}
	return x.sendVersion(v)
}

// resourceID takes the id out of the address. Text that cannot be an id is an
// unknown id, and stays out of every record.
func (x *exchange) resourceID() (string, error) {
	id := x.Param("id")
	if !validID(id) {
		return "", issue.New(issue.NotFound, "unknown-id", "there is no resource with this id")
	}
	x.entity = x.route.resource + "/" + id
	return id, nil
}

// validID reports whether text has the form [A-Za-z0-9\-\.]{1,64}.
// Source: http://hl7.org/fhir/R4/datatypes.html#id.
func validID(text string) bool {
	for i := range len(text) {
		c := text[i]
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return text != "" && len(text) <= 64
}

// sendVersion answers with one version of a resource, or 304 when the client has it.
func (x *exchange) sendVersion(v *referral.Version) error {
	if v.Deleted {
		return issue.New(issue.Deleted, "deleted", "the resource was deleted with this version")
	}
	header := x.Writer.Header()
	tag := etag(v.Number)
	header.Set("ETag", tag)
	header.Set("Last-Modified", v.Updated.UTC().Format(http.TimeFormat))
	if x.unchanged(tag) {
		x.send(http.StatusNotModified, "", nil)
		return nil
	}
	return x.sendStored(http.StatusOK, v.Body)
}
