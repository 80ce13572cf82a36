package referral

import (
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// organisation finds the ODS code of the organisation a Reference names, directly or
// through a PractitionerRole or HealthcareService; "" when it names none.
func (in *intake) organisation(index *fhir.Index, ref *fhir.Node) string {
	if ref == nil {
		return ""
	}
	if ods := odsOf(ref.All("identifier")); ods != "" {
		return ods
	}
	switch n := in.resolve(index, ref); n.ResourceType() {
	case "Organization":
		return odsOf(n.All("identifier"))
	case "PractitionerRole":
		return in.organisation(index, n.Child("organization"))
	case "HealthcareService":
		return in.organisation(index, n.Child("providedBy"))
	}
	return ""
}

// uncoded reports whether a Reference leads to an Organization, directly or through a
// PractitionerRole, and none of them has an ODS code.
func (in *intake) uncoded(index *fhir.Index, ref *fhir.Node) bool {
	if ref == nil || in.organisation(index, ref) != "" {
		return false
	}
	n := in.resolve(index, ref)
	if role := n.Child("organization"); n.ResourceType() == "PractitionerRole" && role != nil {
		n = in.resolve(index, role)
	}
	return n.ResourceType() == "Organization"
}

// findSender decides whose message this is: the requester's organisation, which must be
// one the caller speaks for, and the one that the headers say acts; when the message names none, the caller's only one.
func (in *intake) findSender(index *fhir.Index) {
	var named *fhir.Node
	for _, it := range in.items {
		var candidates []*fhir.Node
		switch it.node.ResourceType() {
		case "ServiceRequest":
			candidates = it.node.All("requester")
		case "Patient":
			candidates = it.node.All("managingOrganization")
		case "Observation":
			if in.request == nil {
				candidates = it.node.All("performer")
			}
		}
		for _, ref := range candidates {
			if ods := in.organisation(index, ref); ods != "" && (in.sender == "" || it == in.request) {
				in.sender, named = ods, ref
			}
		}
	}
	if in.request != nil {
		if ref := in.request.node.Child("requester"); in.uncoded(index, ref) {
			in.notices = append(in.notices, issue.New(issue.BusinessRule, "requester-ods", "the Organization that refers has no ODS code, so the referral counts as the caller's own; give the Organization an identifier of the system "+SystemODS).
				Graded(issue.SeverityWarning).At(ref.Path()).On(ref.Position()))
		}
	}
	who, acting := in.c.Principal, in.c.EndUser.Organisation
	switch {
	case acting != "" && in.sender != "" && in.sender != acting:
		in.fault(named, issue.Forbidden, "sender-header", "the message names another sending organisation than the header NHSD-End-User-Organisation").With("ODS code %q", in.sender)
	case in.sender == "" && len(who.Organisations) == 1:
		in.sender = who.Organisations[0]
	case in.sender == "":
		n := in.root
		if in.request != nil {
			n = in.request.node
		}
		in.fault(n, issue.BusinessRule, "sender-unknown", "the message names no sending organisation and the caller speaks for several; give ServiceRequest.requester an organisation with an ODS code")
	case !who.SpeaksFor(in.sender):
		in.fault(named, issue.Forbidden, "sender", "the caller may not send for the organisation that the message names").With("ODS code %q", in.sender)
	}
}
