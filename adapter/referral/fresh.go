package referral

import (
	"context"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
)

// Fresh says just before a delivery is sent whether what it was decided on still holds.
// Where the person's practice has changed, the row is superseded in a commit by one for
// the new practice, and the old practice gets nothing; where a death or a restriction
// was learned, by one that knows it.
//
// Errors: those of the store; conflict when the row was superseded in the meantime.
func (s *Service) Fresh(ctx context.Context, d Delivery) (bool, error) {
	everything := Scope{Role: auth.RoleOperator}
	r, err := s.Store.Referral(ctx, everything, d.Referral)
	if err != nil {
		return false, err
	}
	v, err := s.Store.Read(ctx, everything, "Patient", r.Patient)
	if err != nil {
		return false, err
	}
	patient, err := parse(v.Body)
	if err != nil {
		return false, err
	}
	now := factsOf(r, patient, func(reference string) *fhir.Node { return s.organisation(ctx, everything, reference) })
	if now == d.Facts {
		return true, nil
	}
	next := d
	next.ID, next.Supersedes, next.Claim, next.State, next.Attempts = s.Store.NewID(), d.ID, "", DeliveryQueued, 0
	next.Facts, next.Created, next.Due, next.Problem = now, s.now(), s.now(), ""
	if now.Practice != d.Facts.Practice {
		next.Recipient = now.Practice
	}
	a := Audit{ID: s.Store.NewID(), Organisation: d.Organisation, At: next.Created, Action: "U", Interaction: "supersede", Outcome: "0",
		Entity: "Task/" + d.Referral, Patient: r.Patient}
	return false, s.Store.Commit(ctx, &Change{Organisation: d.Organisation, At: next.Created, Deliveries: []Delivery{next}, Audits: []Audit{a}})
}

// organisation reads the stored Organization that a relative reference leads to, nil
// when it leads to none: what cannot be read names nobody.
func (s *Service) organisation(ctx context.Context, scope Scope, reference string) *fhir.Node {
	id, ok := strings.CutPrefix(reference, "Organization/")
	if !ok {
		return nil
	}
	v, err := s.Store.Read(ctx, scope, "Organization", id)
	if err != nil {
		return nil
	}
	n, err := parse(v.Body)
	if err != nil {
		return nil
	}
	return n
}

// factsAtIntake are the facts as the message told them.
func factsAtIntake(r *Record, content *fhir.Node) Facts {
	index := fhir.NewIndex(content)
	for _, entry := range content.All("entry") {
		if n := entry.Child("resource"); n.ResourceType() == "Patient" && n.Text("id") == r.Patient {
			return factsOf(r, n, func(reference string) *fhir.Node { return index.Resolve(reference, n) })
		}
	}
	return Facts{Sharing: r.Sharing, Practice: r.Organisation}
}

// factsOf reads the facts from a Patient; the registered practice is the requester's
// where the Patient names none.
func factsOf(r *Record, patient *fhir.Node, resolve func(reference string) *fhir.Node) Facts {
	f := Facts{Sharing: r.Sharing, Practice: r.Organisation}
	for _, gp := range patient.All("generalPractitioner") {
		ods := odsOf(gp.All("identifier"))
		if ods == "" {
			if target := resolve(gp.Text("reference")); target.ResourceType() == "Organization" {
				ods = odsOf(target.All("identifier"))
			}
		}
		if ods != "" {
			f.Practice = ods
			break
		}
	}
	f.Restricted = restricted(patient)
	f.Deceased = deceased(patient)
	return f
}

// deceased reports whether a Patient says that the person has died.
func deceased(patient *fhir.Node) bool {
	n := patient.Child("deceased")
	return n != nil && n.Value != "false"
}
