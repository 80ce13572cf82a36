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
	// whatever the sharing level is: an answer has no place for what a level would allow
	source, err := st.report(ctx, stance(task), content, nil, levels{SharingNone, SharingNone})
	if err != nil {
		return err
	}
	id := st.s.Store.NewID()
	message, err := st.tell(ctx, outlet, source, id)
	if err != nil {
		return err
	}
	if err := storable(message); err != nil {
		return err
	}
	correlation, err := st.correlation(ctx)
	if err != nil {
		return err
	}
	change.Deliveries = append(change.Deliveries, Delivery{
		ID: id, Organisation: r.Organisation, Referral: r.ID, Move: st.move.ID, Recipient: r.Organisation, Kind: outlet.Kind, Route: outlet.Route,
		ContentType: outlet.ContentType, Body: fhir.Encode(message), State: DeliveryQueued,
		Facts: Facts{Sharing: SharingNone, Task: r.Version, Practice: r.Organisation, Correlation: correlation},
		Due:   st.at, Expires: st.at.Add(st.s.RetryFor), Created: st.at,
	})
	return nil
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
