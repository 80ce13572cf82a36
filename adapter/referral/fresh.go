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
// was learned, by one that knows it. Where the sharing level has changed, it is superseded
// by one that is rendered at the level that holds now, or by none when that level keeps
// all of it (R13); where another NHS number took the place of the person's, by one that names
// that (R22). An answer to whoever
// sent the referral hangs on the number and the restriction alone. The person is looked up first where Config.Demographics is set.
//
// Errors: those of the store, and of Demographics, which make the delivery wait; conflict when
// the row was superseded in the meantime; those of the conversion.
func (s *Service) Fresh(ctx context.Context, d Delivery) (bool, error) {
	everything := Scope{Role: auth.RoleOperator}
	r, err := s.Store.Referral(ctx, everything, d.Referral)
	if err != nil {
		return false, err
	}
	if err := s.known(ctx, r.Patient); err != nil {
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
	if d.Kind == KindResponse {
		return s.freshAnswer(ctx, d, r, patient)
	}
	now := factsOf(r, patient, func(reference string) *fhir.Node { return s.organisation(ctx, everything, reference) })
	now.Task = d.Facts.Task
	if as := d.Facts; now == as.known() {
		return true, nil
	}
	next := d
	next.ID, next.Supersedes, next.Claim, next.State, next.Attempts = s.Store.NewID(), d.ID, "", DeliveryQueued, 0
	next.Facts, next.Created, next.Due, next.Problem = now, s.now(), s.now(), ""
	if now.Practice != d.Facts.Practice {
		next.Recipient = now.Practice
	}
	outlet := s.outlet(d.Organisation, next.Recipient)
	if d.Facts.Document && next.Recipient == d.Recipient { // which refused the usual way
		if second, ok := s.second(d.Organisation, next.Recipient); ok {
			outlet, next.Facts.Document = second, true
		}
	}
	next.Route, next.ContentType = outlet.Route, outlet.ContentType
	a := Audit{Organisation: d.Organisation, At: next.Created, Action: "U", Interaction: "supersede", Outcome: "0",
		Entity: "Task/" + d.Referral, Patient: r.Patient}
	change := &Change{Organisation: d.Organisation, At: next.Created, Deliveries: []Delivery{next}, Audits: []Audit{a}}
	if now.Sharing != d.Facts.Sharing || now.Numbers != d.Facts.Numbers || d.Facts.Unwritten || next.Route != d.Route || next.Route == RouteMESH { // whose messages name themselves
		body, err := s.retold(ctx, d, outlet, next.ID, next.Recipient, r, patient)
		if err != nil {
			return false, err
		}
		if change.Deliveries[0].Body = body; body == nil {
			change.Deliveries, change.Cancels = nil, []Cancellation{{Delivery: d.ID, Claim: d.Claim}}
		}
	}
	return false, s.Store.Commit(ctx, change)
}

// retold renders what a delivery tells of at the sharing level that holds now: the Task as
// it was after its move, and the versions of resources that the move made. It is nil when
// the level keeps all of it.
func (s *Service) retold(ctx context.Context, d Delivery, outlet Outlet, identity, recipient string, r *Record, patient *fhir.Node) ([]byte, error) {
	scope := Scope{Role: auth.RoleOperator}
	st := &step{s: s, scope: scope, before: r, after: r, patient: patient, move: writing(d.Move)}
	activities, err := s.Store.ActivitiesOf(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	st.activities = activities
	if st.move.Writes != WriteRetraction && (r.Sharing == SharingNone || !sharesAtLeast(r.Sharing, st.move.Least)) {
		return nil, nil
	}
	number := d.Facts.Task
	if number == 0 {
		number = r.Version // of before rows named it
	}
	stored, err := s.Store.ReadVersion(ctx, scope, "Task", d.Referral, number)
	if err != nil {
		return nil, err
	}
	st.at = stored.Updated
	tree, err := parse(stored.Body)
	if err != nil {
		return nil, err
	}
	var task fhir.Task
	if err := fhir.Decode(tree, &task); err != nil {
		return nil, err
	}
	content, err := parse(r.Content)
	if err != nil {
		return nil, err
	}
	var resources []*outcomeResource
	for _, o := range task.Output {
		was, err := st.recorded(ctx, o)
		if err != nil {
			return nil, err
		}
		if was == nil {
			continue
		}
		earlier := was.role == "intervention" && (st.move.Writes == WriteOutcome || st.move.Writes == WriteClosure)
		for was.version.Updated.After(st.at) && was.version.Number > 1 { // as it was then
			v, err := s.Store.ReadVersion(ctx, scope, was.kind, was.id, was.version.Number-1)
			if err != nil {
				return nil, err
			}
			n, err := parse(v.Body)
			if err != nil {
				return nil, err
			}
			was.version, was.wrong = *v, takenBack(n)
		}
		if was.version.Updated.Equal(st.at) || earlier {
			resources = append(resources, was)
		}
	}
	level, err := st.levels(ctx)
	if err != nil {
		return nil, err
	}
	rendered, err := st.rendered(ctx, outlet, identity, recipient, number, tree, content, resources, level)
	if err != nil {
		return nil, err
	}
	return fhir.Encode(rendered), nil
}

// writing is the row with an id that sends something to the record.
func writing(id string) *Move {
	for i := range Table {
		if m := &Table[i]; m.ID == id && m.Writes != WriteNothing {
			return m
		}
	}
	return row(id)
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

// known are the facts without what became of the row itself; one that is unwritten is never
// as it should be.
func (f Facts) known() Facts {
	f.Document = false
	return f
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
	f.Numbers = formerNumbers(patient)
	return f
}

// deceased reports whether a Patient says that the person has died.
func deceased(patient *fhir.Node) bool {
	n := patient.Child("deceased")
	return n != nil && n.Value != "false"
}
