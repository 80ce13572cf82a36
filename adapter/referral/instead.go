package referral

import (
	"context"
	"errors"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// eventRecord is the event of an Update Record message.
const eventRecord = "ITK014M"

// Instead writes what a recipient refused as coded entries again as a document, where
// Config.Second names that way: in one commit the refused row is superseded by the new one.
// It does nothing for a row that held no coded entries, and for one that was replaced already.
//
// Errors: those of the store and of the conversion.
func (s *Service) Instead(ctx context.Context, refused Delivery, _ string) error {
	everything := Scope{Role: auth.RoleOperator}
	outlet, ok := s.second(refused.Organisation, refused.Recipient)
	if !ok || refused.State != DeliveryDead {
		return nil
	}
	d, _, err := s.Store.Delivery(ctx, refused.ID)
	if errors.Is(err, issue.NotFound) || errors.Is(err, issue.Deleted) {
		return nil // what is past its retention is not written again
	}
	if err != nil {
		return err
	}
	if d.State != DeliveryDead || d.Facts.Document || !entersCodes(d.Body) {
		return nil
	}
	r, err := s.Store.Referral(ctx, everything, d.Referral)
	if errors.Is(err, issue.NotFound) || errors.Is(err, issue.Deleted) {
		return nil
	}
	if err != nil {
		return err
	}
	v, err := s.Store.Read(ctx, everything, "Patient", r.Patient)
	if err != nil {
		return err
	}
	patient, err := parse(v.Body)
	if err != nil {
		return err
	}
	next := *d
	next.ID, next.Supersedes, next.Claim, next.State, next.Attempts = s.Store.NewID(), d.ID, "", DeliveryQueued, 0
	next.Created = s.now()
	next.Due, next.Expires, next.Problem, next.Said, next.ReplayOf = next.Created, next.Created.Add(s.RetryFor), "", "", ""
	next.Route, next.ContentType, next.Facts.Document = outlet.Route, outlet.ContentType, true
	next.Facts.Sharing, next.Facts.Numbers = r.Sharing, formerNumbers(patient)
	a := Audit{Organisation: d.Organisation, At: next.Created, Action: "U", Interaction: "supersede", Outcome: "0", Entity: "Task/" + d.Referral, Patient: r.Patient}
	change := &Change{Organisation: d.Organisation, At: next.Created, Audits: []Audit{a}}
	next.Body, err = s.retold(ctx, *d, outlet, next.ID, next.Recipient, r, patient)
	switch {
	case err != nil && !unspeakable(err):
		return err
	case err != nil:
		return nil // it stays dead, which is what a person sees
	case next.Body == nil:
		return nil // the sharing level keeps all of it by now
	}
	change.Deliveries = []Delivery{next}
	return s.Store.Commit(ctx, change)
}

// second is the way for what a recipient refused in the first one, false when there is none.
func (s *Service) second(organisation, recipient string) (Outlet, bool) {
	if s.Second == nil {
		return Outlet{}, false
	}
	return s.Second(organisation, recipient)
}

// entersCodes reports whether a message holds coded entries for a record.
func entersCodes(body []byte) bool {
	n, err := fhir.Read(fhir.Types(fhir.STU3), body, fhir.Limits{Bytes: 64 << 20})
	if err != nil || len(n.All("entry")) == 0 {
		return false
	}
	return n.All("entry")[0].Child("resource").Text("event", "code") == eventRecord
}

// unspeakable reports whether a letter cannot be made because of what is in the referral or
// known of the person: a check of the map does not hold. Nobody who moves the referral can
// mend that.
func unspeakable(err error) bool {
	list := issue.All(err)
	for _, e := range list {
		if e.Failure() && e.Rule != "map-check" {
			return false
		}
	}
	return len(list) > 0
}
