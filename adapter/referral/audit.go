package referral

import (
	"cmp"
	"context"
	"slices"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
)

// Purposes of use, codes of v3-ActReason.
// Source: http://terminology.hl7.org/ValueSet/v3-PurposeOfUse.
const (
	PurposeTreatment = "TREAT"     // direct care, for which the partners are here by their agreement
	PurposeOperation = "HSYSADMIN" // the work of the operators of the adapter
)

// purposeOf is what a caller is here for, "" when nobody knows the caller.
func purposeOf(p *auth.Principal) string {
	switch {
	case p == nil:
		return ""
	case p.Role == auth.RoleOperator:
		return PurposeOperation
	}
	return PurposeTreatment
}

// userOf is the person behind a call and the role that person has there: by the token, which
// proves it, else as the headers of the client have it. "" where neither tells of one. A role
// without code is told by the id of its profile.
func userOf(c Call) (user, role string) {
	if p := c.Principal; p != nil && p.User != "" {
		return p.User, cmp.Or(p.UserRole, p.RoleProfile)
	}
	return c.EndUser.Practitioner, cmp.Or(c.EndUser.Role, c.EndUser.RoleProfile)
}

// audit makes the record of an access; v is what was reached, nil when nothing.
func (s *Service) audit(c Call, interaction, action string, v *Version) Audit {
	if c.Recorded != nil {
		c.Recorded.Store(true)
	}
	a := Audit{At: s.now(), Action: action, Interaction: interaction, Outcome: "0", RequestID: c.RequestID, Query: c.Query, Address: c.Address}
	if p := c.Principal; p != nil {
		a.Client, a.Role, a.Token, a.Purpose = p.Client, p.Role, p.TokenID, purposeOf(p)
		a.User, a.UserRole = userOf(c)
		if len(p.Organisations) == 1 {
			a.Actor = p.Organisations[0]
		}
	}
	if v != nil {
		a.Organisation, a.Entity, a.Version, a.Patient = v.Organisation, v.Type+"/"+v.ID, v.Number, v.Patient
	}
	return a
}

// auditList records a list: one record with the query, the type in Entity, and all whose
// data the list showed.
func (s *Service) auditList(c Call, interaction, resourceType string, list []Version) Audit {
	a := s.audit(c, interaction, "E", nil)
	a.Entity = resourceType
	for i := range list {
		a.shows(list[i].Organisation, list[i].Patient)
	}
	return a
}

// shows adds to a record that it showed data of a patient, "" for data of nobody, which
// belongs to an organisation, "" for that of none. One of each stands in the record itself.
func (a *Audit) shows(organisation, patient string) {
	switch {
	case organisation == "" && patient == "":
		return
	case len(a.Shown) == 0 && (a.Organisation == "" || a.Organisation == organisation) && (a.Patient == "" || patient == "" || a.Patient == patient):
		if a.Organisation = organisation; patient != "" {
			a.Patient = patient
		}
		return
	case len(a.Shown) == 0:
		a.Shown = []Shown{{Organisation: a.Organisation}}
		if a.Patient != "" {
			a.Shown[0].Patients, a.Patient = []string{a.Patient}, ""
		}
	}
	at := slices.IndexFunc(a.Shown, func(s Shown) bool { return s.Organisation == organisation })
	if at < 0 {
		at = len(a.Shown)
		a.Shown = append(a.Shown, Shown{Organisation: organisation})
	}
	if own := &a.Shown[at]; patient != "" && !slices.Contains(own.Patients, patient) {
		own.Patients = append(own.Patients, patient)
	}
}

// record commits audit records that belong to no other change.
func (s *Service) record(ctx context.Context, a ...Audit) error {
	return s.Store.Commit(ctx, &Change{Organisation: a[0].Organisation, At: a[0].At, Audits: a})
}

// Refused records a call that was answered with an error. entity is "Type/id" or "".
func (s *Service) Refused(ctx context.Context, c Call, interaction, entity string, err error) error {
	c.Recorded = nil // of an entry of a batch: the batch has a record of its own
	a := s.audit(c, interaction, "E", nil)
	// whose data was asked for is not known: the caller's organisation has the record
	a.Outcome, a.Entity, a.Organisation = "4", entity, a.Actor
	if all := issue.All(err); len(all) > 0 {
		a.Issue = string(all[0].Type)
		if all[0].Type.Within(issue.Transient) {
			a.Outcome = "8"
		}
	}
	return s.record(ctx, a)
}

// Accessed records an access to what belongs to nobody: an artefact of the program, an
// operation on one, an entry of the directory. entity is "Type/id", "Type" or "".
func (s *Service) Accessed(ctx context.Context, c Call, interaction, action, entity string) error {
	a := s.audit(c, interaction, action, nil)
	a.Entity, a.Organisation = entity, a.Actor
	return s.record(ctx, a)
}
