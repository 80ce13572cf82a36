package referral

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// open makes the sub-Task of an onward referral (S01).
func (st *step) open(change *Change) error {
	in, m := st.in.Activity, row("S01")
	a := Activity{
		ID: st.s.Store.NewID(), Referral: st.after.ID, Organisation: st.after.Organisation, Owner: in.Provider, Name: in.Name,
		Version: 1, Status: m.To, Created: st.at, Updated: st.at,
	}
	owner := in.Provider
	if owner == "" {
		owner = st.after.Owner
	}
	r := *st.after
	r.ID, r.Status, r.Due = a.ID, a.Status, time.Time{}
	t := st.s.newTask(&r, fhir.New(fhir.Types(fhir.R4).Type("ServiceRequest")))
	t.BusinessStatus = nil
	t.PartOf = []*fhir.Reference{fhir.NewReference("Task/" + st.after.ID)}
	t.Requester, t.Owner = st.s.reference(st.after.Owner), st.s.reference(owner)
	t.AuthoredOn = fhir.NewDateTime(st.at)
	t.Code.Text = fhir.NewString(in.Name)
	if in.Words != "" {
		t.Description = fhir.NewString(in.Words)
	}
	if in.Code != nil {
		t.ReasonCode = st.s.concept(*in.Code)
	}
	// what was given is in the event of the referral
	return st.s.moveActivity(change, turn{referral: st.after, move: m, party: st.party(), role: st.role(), when: st.when}, &a, t)
}

// turn is one move of a sub-Task: of which referral, from where, by whom, with what.
type turn struct {
	referral *Record
	move     *Move
	from     string
	party    string
	role     auth.Role
	when     time.Time
	in       Input
}

// moveActivity adds the next version of a sub-Task to a change: a as it is after the move,
// t its Task as it was before.
func (s *Service) moveActivity(change *Change, by turn, a *Activity, t *fhir.Task) error {
	r, m, in := by.referral, by.move, by.in
	t.Status = fhir.NewBound[fhir.TaskStatus](a.Status)
	if a.BusinessStatus != "" {
		t.BusinessStatus = s.businessStatus(a.BusinessStatus)
	}
	t.LastModified = fhir.NewDateTime(a.Updated)
	t.StatusReason = nil
	reason := ""
	if m.Reason && in.Reason != nil {
		reason = a.BusinessStatus
		t.StatusReason = s.concept(Coded{System: SystemBusinessStatus, Code: reason, Text: in.Reason.Text})
	}
	if in.Note != "" {
		note := fhir.NewAnnotation(in.Note, by.when)
		if by.party != "" {
			must(fhir.SetChoice(note, "author", s.reference(by.party)))
		}
		t.Note = append(t.Note, note)
	}
	if m.ID == "S04" {
		t.Output = append(t.Output, s.output("sessions", fhir.NewInteger(int32(a.Sessions))))
	}
	n, err := fhir.FromTyped(t)
	if err != nil {
		return err
	}
	stamp(n, a.ID, a.Version, a.Updated)
	label(n, r.Sharing, SharingFull)
	v := Version{Type: "Task", ID: a.ID, Number: a.Version, Organisation: a.Organisation, Updated: a.Updated, Referral: a.Referral, Patient: r.Patient}
	v.Terms, v.From, v.To = terms(n)
	v.write(n)
	if err := s.emits("the sub-Task", ProfileActivity, n); err != nil {
		return err
	}
	change.Versions = append(change.Versions, v)
	change.Activities = append(change.Activities, *a)
	e := Event{
		ID: s.Store.NewID(), Referral: a.Referral, Activity: a.ID, Move: m.ID, From: by.from, To: a.Status, BusinessStatus: a.BusinessStatus,
		Reason: reason, Actor: by.party, Role: by.role, At: by.when, Data: mustJSON(in),
	}
	s.tellProvider(&e, a, r, change.At)
	change.Events = append(change.Events, e)
	return nil
}

// closeActivities ends the sub-Tasks that are still open when the referral ends without an
// outcome: nobody goes on with them.
func (st *step) closeActivities(ctx context.Context, change *Change) error {
	m := row("S05")
	for _, a := range st.activities {
		if Terminal(a.Status) {
			continue
		}
		from := a.Status
		task, err := st.s.activityTask(ctx, st.scope, a.ID)
		if err != nil {
			return err
		}
		a.Version++
		a.Status, a.Updated, a.BusinessStatus = m.To, st.at, "replaced"
		if slices.Contains(m.Business, st.business) {
			a.BusinessStatus = st.business
		}
		by := turn{referral: st.after, move: m, from: from, when: st.at, in: Input{Reason: &Coded{Code: a.BusinessStatus, Text: "The referral ended."}}}
		if err := st.s.moveActivity(change, by, &a, task); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) activityTask(ctx context.Context, scope Scope, id string) (*fhir.Task, error) {
	stored, err := s.Store.Read(ctx, scope, "Task", id)
	if err != nil {
		return nil, err
	}
	tree, err := parse(stored.Body)
	if err != nil {
		return nil, err
	}
	var task fhir.Task
	return &task, fhir.Decode(tree, &task)
}

// activityActors are the actors that a caller is for a sub-Task: its provider, the owner
// of the referral, or both.
func (s *Service) activityActors(c Call, a *Activity, r *Record) []Actor {
	var out []Actor
	if c.Principal.Role == auth.RoleOwner && r != nil && c.Principal.SpeaksFor(r.Owner) {
		out = append(out, ActorWorker)
	}
	if c.Principal.Role == auth.RoleOwner && c.Principal.SpeaksFor(a.Owner) {
		out = append(out, ActorProvider)
	}
	return out
}

// ActActivity makes a move of a sub-Task; version is what If-Match named.
// Errors: those of Act.
func (s *Service) ActActivity(ctx context.Context, c Call, id, action string, version int, in Input) (*ActivityView, error) {
	if !slices.Contains(ActivityActions(), action) {
		return nil, issue.New(issue.NotFound, "action-unknown", "there is no such action on an activity")
	}
	st, err := s.activityStep(ctx, c, id, version, in)
	if err != nil {
		return nil, err
	}
	m, err := activityRow(action, st.activity.Status, st.actors)
	if err != nil {
		return nil, err
	}
	if err := st.takeActivity(m); err != nil {
		return nil, err
	}
	if err := st.commitActivity(ctx); err != nil {
		return nil, err
	}
	return s.activityView(ctx, c, st.activity, st.before)
}

// activityStep reads what a move of a sub-Task starts from.
func (s *Service) activityStep(ctx context.Context, c Call, id string, version int, in Input) (*step, error) {
	scope := s.scope(c)
	a, err := s.Store.Activity(ctx, scope, id)
	if err != nil {
		return nil, err
	}
	if a.Version != version {
		return nil, staleVersion(a.Version)
	}
	// a provider may move what it may not see the whole of
	r, err := s.Store.Referral(ctx, Scope{Role: auth.RoleOperator}, a.Referral)
	if err != nil {
		return nil, err
	}
	st := &step{s: s, c: c, scope: scope, before: r, activity: a, actors: s.activityActors(c, a, r), in: in, at: s.now()}
	if len(st.actors) > 0 {
		st.actor = st.actors[0]
	}
	return st, nil
}

// takeActivity checks everything that a row demands, and settles the sub-Task after it.
func (st *step) takeActivity(m *Move) error {
	st.move = m
	if err := issue.Join(st.fields()); err != nil {
		return err
	}
	a := *st.activity
	a.Version++
	a.Status, a.Updated = m.Leads(a.Status), st.at
	if len(m.Business) > 0 {
		a.BusinessStatus = st.business
	}
	switch {
	case m.ID == "S03":
		a.Sessions++
	case st.in.Sessions != "":
		a.Sessions, _ = strconv.Atoi(st.in.Sessions) // fields has read it
	}
	st.from, st.activity = st.activity.Status, &a
	return nil
}

// commitActivity writes the next version of a sub-Task.
func (st *step) commitActivity(ctx context.Context) error {
	s, a, r := st.s, st.activity, st.before
	task, err := s.activityTask(ctx, st.scope, a.ID)
	if err != nil {
		return err
	}
	party := r.Owner
	if st.actor == ActorProvider {
		party = a.Owner
	}
	change := &Change{Organisation: r.Organisation, At: st.at}
	by := turn{referral: r, move: st.move, from: st.from, party: party, role: st.c.Principal.Role, when: st.when, in: st.in}
	if err := s.moveActivity(change, by, a, task); err != nil {
		return err
	}
	for i := range change.Events {
		s.tellOf(&change.Events[i], r, change.At)
	}
	audit := s.audit(st.c, "update", "U", nil)
	audit.Organisation, audit.Actor, audit.Entity, audit.Version, audit.Patient = r.Organisation, party, "Task/"+a.ID, a.Version, r.Patient
	change.Audits = []Audit{audit}
	if err := sound(change); err != nil {
		return err
	}
	return s.Store.Commit(ctx, change)
}

// activityRow finds the row of a move of a sub-Task, or says why there is none.
func activityRow(action, from string, who []Actor) (*Move, error) {
	rows := moves(Activities, action, from, false)
	if len(rows) == 0 {
		actor := ActorProvider
		if len(who) > 0 {
			actor = who[0]
		}
		return nil, issue.New(issue.BusinessRule, "illegal-move", fmt.Sprintf("%s is not possible while the activity is %s; %s", action, from, legal(Activities, from, false, actor)))
	}
	for _, m := range rows {
		if slices.ContainsFunc(who, m.By) {
			return m, nil
		}
	}
	return nil, wrongActor(rows)
}
