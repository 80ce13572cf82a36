package referral

import "spadapter/adapter/fhir"

// EndUser is who stands behind a call, as its headers have it: what the audit is to know
// and no log. Each is "" when it was not sent.
// Source: https://digital.nhs.uk/developer/api-catalogue/booking-and-referral-fhir.
type EndUser struct {
	Organisation string // ODS code of the organisation that acts: one the caller speaks for, and the sender of the message
	Practitioner string // id of the person
	RoleProfile  string // id of the role profile of that person
	Role         string // code of the role
	Software     string // name and version of the program
	Target       string // who is to receive it, "system|value"
}

// ODSOf gives the ODS code among the identifiers of an Organization, in upper case; ""
// when there is none.
func ODSOf(organization *fhir.Node) string { return odsOf(organization.All("identifier")) }
