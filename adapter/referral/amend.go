package referral

import (
	"context"
	"slices"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// edit makes a change of a referral from the version that the caller has seen, and gives
// the referral after it. what names the kind of change, so that an Idempotency-Key stands
// for one of them.
//
// Errors: not-found; conflict (rule "version-conflict") for a stale version, (rule
// "repeat-differs") for a key that stood for something else; those of decide.
func (s *Service) edit(ctx context.Context, c Call, what, id string, version int, in Input, decide func(*step) (*Change, error)) (*View, error) {
	keys := editKeys(c, what+" "+id)
	if v, err := s.answered(ctx, c, keys); v != nil || err != nil {
		return v, err
	}
	var answer *View
	err := s.attempt(ctx, c, id, in, func(st *step) (*Change, error) {
		if st.before.Version != version {
			return nil, staleVersion(st.before.Version)
		}
		change, err := decide(st)
		if err != nil {
			return nil, err
		}
		if answer, err = st.show(ctx, change); err != nil {
			return nil, err
		}
		promise(change, keys, answer)
		return change, nil
	})
	if err != nil {
		// the same call may have been made at the same moment
		if v, known := s.answered(ctx, c, keys); v != nil || known != nil {
			return v, known
		}
		return nil, err
	}
	return answer, nil
}

// show gives the referral as it will be after a change, or the new one where an ended one
// is opened again.
func (st *step) show(ctx context.Context, change *Change) (*View, error) {
	r := st.after
	if st.successor != nil && st.move.To == "" {
		r = st.successor
	}
	ahead := *st.s
	ahead.Store = &foresight{st.s.Store, st, change}
	return ahead.view(ctx, st.c, r, slices.DeleteFunc(slices.Clone(st.events), func(e Event) bool { return e.Referral != r.ID }))
}

// amend makes the Change of something that is no move of the life cycle: the next version
// of the referral, and its event. What touch adds to the Task is for the practice to read;
// with nil the Task says what it said.
func (st *step) amend(ctx context.Context, move string, data any, touch func(*fhir.Task)) (*Change, error) {
	s := st.s
	if st.after == nil {
		after := *st.before
		st.after = &after
	}
	r := st.after
	r.Version, r.Updated = st.before.Version+1, st.at
	stored, err := s.Store.Read(ctx, st.scope, "Task", r.ID)
	if err != nil {
		return nil, err
	}
	task, err := parse(stored.Body)
	if err != nil {
		return nil, err
	}
	if touch != nil {
		var typed fhir.Task
		if err := fhir.Decode(task, &typed); err != nil {
			return nil, err
		}
		typed.LastModified = fhir.NewDateTime(st.at)
		touch(&typed)
		if task, err = fhir.FromTyped(&typed); err != nil {
			return nil, err
		}
	}
	version, err := s.taskVersion(r, task)
	if err != nil {
		return nil, err
	}
	a := s.audit(st.c, "update", "U", nil)
	a.Organisation, a.Actor, a.Entity, a.Version, a.Patient = r.Organisation, st.party(), "Task/"+r.ID, r.Version, r.Patient
	return &Change{Organisation: r.Organisation, At: st.at, Referral: r, Versions: []Version{version}, Audits: []Audit{a}, Events: []Event{{
		ID: s.Store.NewID(), Referral: r.ID, Move: move, From: r.Status, To: r.Status, BusinessStatus: r.BusinessStatus,
		Actor: st.party(), Role: st.role(), At: st.when, Data: mustJSON(data),
	}}}, nil
}

// finished announces a Change of amend and checks it.
func (st *step) finished(change *Change) (*Change, error) {
	st.s.announce(change)
	st.events = append(st.events, change.Events...)
	return change, sound(change)
}

// belongs refuses who may not add to a referral: an operator, and a service that has not
// claimed it.
func (st *step) belongs() error {
	switch {
	case st.actor == ActorRequester:
		return nil
	case st.actor != ActorWorker:
		return issue.New(issue.Forbidden, "role", "this is for the requester and the service that owns the referral; the caller is somebody else")
	case st.before.Owner == "":
		return issue.New(issue.BusinessRule, "not-claimed", "nobody has claimed the referral yet; accept it first")
	}
	return nil
}
