package referral

import (
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Examine says what Submit refuses in a message whoever sends it and whatever is stored,
// and what it would tell about it. It is the first part of Submit and needs no Store and
// no Partners. Of a batch every entry with POST is examined as if it had come alone.
//
// root may be faulty: what fhir.Check says of it is among the issues. References to this
// server are made relative in it. The issues are in no certain order; nil when there is none.
func (s *Service) Examine(root *fhir.Node) []*issue.Error {
	in := s.begin(Call{}, root)
	if root.ResourceType() == "Bundle" && root.Text("type") == "batch" {
		return in.batch()
	}
	in.examine()
	return append(in.faults, in.notices...)
}

// examine finds what can be known of a message by itself.
func (in *intake) examine() {
	checked := fhir.Check(in.root)
	in.faults = issue.All(checked)
	in.split()
	in.rules()
	in.validate(checked == nil)
	in.references()
	for i, it := range in.items {
		if in.request != nil || it.ifNoneExist == "" { // one that is known already stays as it is
			in.nobody(it)
		}
		switch {
		case it.ifNoneExist != "":
			in.condition(it)
		case it.node.ResourceType() == "Patient":
			in.twice(i)
		}
	}
}

// batch examines the entries of a batch, which share nothing.
func (in *intake) batch() []*issue.Error {
	for _, entry := range in.root.All("entry") {
		request, resource := entry.Child("request"), entry.Child("resource")
		url := strings.TrimPrefix(request.Text("url"), "/")
		switch method := request.Child("method"); request.Text("method") {
		case "PUT", "PATCH", "DELETE":
			in.fault(method, issue.NotSupported, "bundle-method", "only POST and GET entries are accepted in a batch")
		case "POST":
			switch {
			case strings.ContainsAny(url, "$_"): // an operation or a search creates nothing
			case resource == nil:
				in.fault(entry, issue.Required, "bundle-resource", "an entry with POST needs a resource")
			case url != resource.ResourceType():
				in.fault(request.Child("url"), issue.Value, "bundle-url", "request.url of a POST is the type of the resource")
			default:
				in.faults = append(in.faults, in.s.Examine(resource)...)
			}
		}
	}
	return append(in.faults, in.notices...)
}
