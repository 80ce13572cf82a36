package referral

import (
	"context"
	"encoding/json"
	"slices"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
)

// answer makes the message by which a move tells whoever sent the referral, in the dialect
// that it came in; nothing for a dialect without answers. It is a row of the same commit, for
// the organisation that sent the message and nobody else.
//
// Errors: those of the conversion and of the profile, so that what cannot be said fails in
// front of whoever made the move.
func (st *step) answer(ctx context.Context, change *Change, task, content *fhir.Node) error {
	r := st.after
	if !st.tells() || st.s.Response == nil {
		return nil
	}
	outlet, ok := st.s.Response(r.Organisation, r.Dialect)
	if !ok {
		return nil
	}
	id := st.s.Store.NewID()
	body, err := st.answered(ctx, outlet, id, task, content)
	if err != nil {
		return err
	}
	correlation, err := st.correlation(ctx)
	if err != nil {
		return err
	}
	change.Deliveries = append(change.Deliveries, Delivery{
		ID: id, Organisation: r.Organisation, Referral: r.ID, Move: st.move.ID, Recipient: r.Organisation, Kind: outlet.Kind, Route: outlet.Route,
		ContentType: outlet.ContentType, Body: body, State: DeliveryQueued,
		Facts: Facts{Sharing: SharingNone, Task: r.Version, Practice: r.Organisation, Correlation: correlation,
			Restricted: restricted(st.patient), Numbers: formerNumbers(st.patient)},
		Due: st.at, Expires: st.at.Add(st.s.RetryFor), Created: st.at,
	})
	return nil
}

// answered is the message of an answer; id names it. Whatever the sharing level is: an answer
// has no place for what a level would allow.
func (st *step) answered(ctx context.Context, outlet Outlet, id string, task, content *fhir.Node) ([]byte, error) {
	source, err := st.report(ctx, stance(task), content, nil, levels{SharingNone, SharingNone})
	if err != nil {
		return nil, err
	}
	message, err := st.tell(ctx, outlet, source, id)
	if err != nil {
		return nil, err
	}
	return fhir.Encode(message), storable(message)
}

// freshAnswer is Fresh for an answer: one that waits while the person's NHS number is replaced
// or a restriction is learned is superseded by one that knows it. Nothing else that is learned
// of a person is in an answer, or changes who gets it.
func (s *Service) freshAnswer(ctx context.Context, d Delivery, r *Record, patient *fhir.Node) (bool, error) {
	next := d
	next.Facts.Restricted, next.Facts.Numbers = restricted(patient), formerNumbers(patient)
	outlet, ok := Outlet{}, false
	if s.Response != nil {
		outlet, ok = s.Response(r.Organisation, r.Dialect)
	}
	if next.Facts == d.Facts || !ok {
		return true, nil
	}
	scope := Scope{Role: auth.RoleOperator}
	stored, err := s.Store.ReadVersion(ctx, scope, "Task", d.Referral, d.Facts.Task)
	if err != nil {
		return false, err
	}
	task, err := parse(stored.Body)
	if err != nil {
		return false, err
	}
	content, err := parse(r.Content)
	if err != nil {
		return false, err
	}
	next.ID, next.Supersedes, next.Claim, next.State, next.Attempts = s.Store.NewID(), d.ID, "", DeliveryQueued, 0
	next.Created, next.Problem = s.now(), ""
	next.Due = next.Created
	st := &step{s: s, scope: scope, before: r, after: r, patient: patient, move: row(d.Move), at: stored.Updated}
	if next.Body, err = st.answered(ctx, outlet, next.ID, task, content); err != nil {
		return false, err
	}
	a := Audit{Organisation: d.Organisation, At: next.Created, Action: "U", Interaction: "supersede", Outcome: "0",
		Entity: "Task/" + d.Referral, Patient: r.Patient}
	return false, s.Store.Commit(ctx, &Change{Organisation: d.Organisation, At: next.Created, Deliveries: []Delivery{next}, Audits: []Audit{a}})
}

// tells reports whether the move is one that whoever sent the referral is told of.
func (st *step) tells() bool {
	switch st.move.Tells {
	case TellsSender:
		return true
	case TellsAbsence:
		return st.s.Rules.TellAbsence && st.business == string(TellsAbsence)
	}
	return false
}

// stanceElements of a Task say how a referral stands; the others say what was done.
var stanceElements = []string{"id", "identifier", "basedOn", "status", "statusReason", "businessStatus", "intent", "focus", "for",
	"authoredOn", "lastModified", "requester", "owner"}

// stance is the Task with nothing but how the referral stands, and why by codes alone.
func stance(task *fhir.Node) *fhir.Node {
	n := task.Clone()
	n.Children = slices.DeleteFunc(n.Children, func(c *fhir.Node) bool { return !slices.Contains(stanceElements, c.Name) })
	if reason := n.Child("statusReason"); reason != nil {
		reason.Remove("text")
	}
	return n
}

// correlation is the X-Correlation-ID of the message that the referral came in, "" when it
// had none.
func (st *step) correlation(ctx context.Context) (string, error) {
	events := st.events
	if st.after.Root != "" {
		var err error
		if events, err = st.s.Store.Events(ctx, Scope{Role: auth.RoleOperator}, st.after.Root); err != nil {
			return "", err
		}
	}
	for i := range events {
		var data beginning
		if events[i].Move == "T02" && len(events[i].Data) > 0 && json.Unmarshal(events[i].Data, &data) == nil && data.Correlation != "" {
			return data.Correlation, nil
		}
	}
	return "", nil
}
