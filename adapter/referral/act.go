package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// maxRounds is how often a move is decided again when something beside the referral, such
// as the outbox, changed between the look and the commit.
const maxRounds = 5

// Act makes a move of the life cycle. version is what If-Match named and must be the
// current one. The answer is the referral after the move, or the new one where an ended
// one is opened again.
//
// Errors: not-found for the referral or the action; conflict (rule "version-conflict")
// for a stale version; business-rule for an illegal move, naming the legal ones;
// forbidden for the wrong actor; required, value and business-rule for the input, all
// faults joined. A repeat by Idempotency-Key gets the answer of the first time.
func (s *Service) Act(ctx context.Context, c Call, id, action string, version int, in Input) (*View, error) {
	if err := KnownAction(action); err != nil {
		return nil, err
	}
	return s.edit(ctx, c, "actions/"+action, id, version, in, func(st *step) (*Change, error) {
		change, err := st.make(ctx, action)
		if change != nil {
			st.events = append(st.events, change.Events...)
		}
		return change, err
	})
}

// KnownAction refuses what is no action of the life cycle. Errors: not-found (rule
// "action-unknown"), naming those there are.
func KnownAction(action string) error {
	if slices.Contains(Actions(), action) {
		return nil
	}
	return issue.New(issue.NotFound, "action-unknown", "there is no such action; there are "+strings.Join(Actions(), ", "))
}

// staleVersion is the answer to who acts on a version that is no longer the current one.
func staleVersion(now int) error {
	return issue.New(issue.Conflict, "version-conflict", fmt.Sprintf("the referral has changed: its version is now %d; read it again and decide anew", now))
}

// step reads what a move starts from.
func (s *Service) step(ctx context.Context, c Call, id string, in Input) (*step, error) {
	st := &step{s: s, c: c, scope: s.scope(c), actor: actorOf(c.Principal.Role), in: in, at: s.now()}
	return st, st.read(ctx, id)
}

// read reads what a move starts from.
func (st *step) read(ctx context.Context, id string) (err error) {
	s := st.s
	if st.before, err = s.Store.Referral(ctx, st.scope, id); err != nil {
		return err
	}
	if st.events, err = s.Store.Events(ctx, st.scope, id); err != nil {
		return err
	}
	if st.activities, err = s.Store.ActivitiesOf(ctx, id); err != nil {
		return err
	}
	if st.person, err = s.Store.Read(ctx, st.scope, "Patient", st.before.Patient); err != nil {
		return err
	}
	st.patient, err = st.person.content()
	return err
}

// later gives what joined the referral after its request and before the move, read once.
func (st *step) later(ctx context.Context) ([]Version, error) {
	if st.joined == nil {
		var err error
		if st.joined, err = st.s.joined(ctx, st.scope, []Record{*st.before}); err != nil {
			return nil, err
		}
	}
	return st.joined[st.before.ID], nil
}

// make decides one move and makes its Change.
func (st *step) make(ctx context.Context, action string) (*Change, error) {
	if err := st.decide(action); err != nil {
		return nil, err
	}
	return st.finish(ctx)
}

// finish makes the Change of the move that was taken.
func (st *step) finish(ctx context.Context) (*Change, error) {
	change, err := st.change(ctx)
	if err != nil {
		return nil, err
	}
	return change, sound(change)
}

// step is one move being made.
type step struct {
	s          *Service
	c          Call
	scope      Scope
	actor      Actor
	before     *Record
	events     []Event
	activities []Activity
	person     *Version   // the Patient as known now
	patient    *fhir.Node // the tree of person
	joined     map[string][]Version
	in         Input
	at         time.Time // when it is recorded
	when       time.Time // when it happened

	move      *Move
	business  string
	reason    string // the code of business-status that the reason means
	after     *Record
	activity  *Activity // of a move of a sub-Task: the sub-Task
	actors    []Actor   // who the caller is for it
	from      string    // its status before the move
	history   []Event   // events with that of the move; nil before it is made
	successor *Record   // the new referral that the move opens, nil when it opens none
}

// situation is what guards look at.
func (st *step) situation() situation {
	return situation{record: st.before, actor: st.actor, events: st.events, activities: st.activities, deceased: deceased(st.patient), input: &st.in,
		business: st.business, now: st.at, rules: &st.s.Rules, partners: st.s.Partners}
}

// decide finds the row of the table and checks everything it demands.
func (st *step) decide(action string) error {
	rows := moves(Table, action, st.before.Status, st.before.Asked())
	if len(rows) == 0 {
		return issue.New(issue.BusinessRule, "illegal-move", fmt.Sprintf("%s is not possible while the referral is %s; %s",
			action, standing(st.before.Status, st.before.Asked()), Legal(st.before.Status, st.before.Asked(), st.actor)))
	}
	mine := slices.IndexFunc(rows, func(m *Move) bool { return m.By(st.actor) })
	if mine < 0 {
		return wrongActor(rows)
	}
	return st.take(rows[mine])
}

// wrongActor says who may make a move.
func wrongActor(rows []*Move) error {
	var who []string
	for _, m := range rows {
		for _, a := range m.Actors {
			if name := actorNames[a]; !slices.Contains(who, name) {
				who = append(who, name)
			}
		}
	}
	return issue.New(issue.Forbidden, "role", "this move ("+rows[0].ID+") is made by "+strings.Join(who, " or ")+"; the caller is somebody else")
}

var actorNames = map[Actor]string{
	ActorRequester: "the requester", ActorWorker: "the service that owns the referral", ActorProvider: "the provider of the activity",
	ActorOperator: "an operator", ActorTimer: "a timer", ActorAdapter: "the adapter",
}

// take checks everything that a row demands, and settles the referral after it.
func (st *step) take(m *Move) error {
	st.move = m
	faults := st.fields()
	sit := st.situation()
	for _, g := range st.move.Guards {
		if e := g.check(sit); e != nil {
			faults = append(faults, e)
		}
	}
	if len(faults) > 0 {
		return issue.Join(faults)
	}
	after := *st.before
	if st.move.Opens == OpensSuccessor && st.move.To == "" {
		st.after = &after // what ended stays as it is
		return nil
	}
	after.Version++
	after.Status, after.BusinessStatus, after.Updated = st.move.Leads(st.before.Status), st.business, st.at
	after.Since, after.Overdue = st.at, false
	if after.Former = ""; st.move.Keeps {
		after.Former = st.before.BusinessStatus
	}
	after.Due = st.s.Rules.due(after.Status, after.BusinessStatus, after.Asked(), st.at, st.review())
	after.Remind = st.s.Rules.looks(after.Status, after.BusinessStatus, st.at, st.at)
	if st.business == "contact-attempted" {
		after.Attempts++
	}
	if after.Owner == "" && st.actor == ActorWorker {
		// T05 claims what waits in a pool; the version makes the claim atomic
		if after.Owner, after.Pool = st.claimant(), ""; after.Owner == "" {
			return issue.New(issue.Forbidden, "pool", "none of the caller's organisations may claim from this pool")
		}
	}
	st.after = &after
	return nil
}

// review is the date that was last given for looking at the referral again.
func (st *step) review() string {
	if st.in.ReviewOn != "" {
		return st.in.ReviewOn
	}
	for _, e := range slices.Backward(st.events) {
		var in Input
		if len(e.Data) > 0 && json.Unmarshal(e.Data, &in) == nil && in.ReviewOn != "" {
			return in.ReviewOn
		}
	}
	return ""
}

// written is when the referral was authored, else received: nothing was done for the
// person before.
func (st *step) written() time.Time {
	received := st.before.Created.Add(-time.Minute) // for clocks that differ
	content, err := st.s.content(st.before)
	if err != nil {
		return received
	}
	for _, entry := range content.All("entry") {
		n := entry.Child("resource")
		if from, _, ok := fhir.Interval(n.Text("authoredOn")); ok && n.Text("id") == st.before.Filler && from.Before(received) {
			return from
		}
	}
	return received
}

// claimant is the caller's organisation that may claim from the pool, "" when none may.
func (st *step) claimant() string {
	for _, ods := range st.c.Principal.Organisations {
		if st.before.Pool == poolDefault && len(st.s.Partners.practices[ods]) > 0 || slices.Contains(st.s.Partners.practices[ods], st.before.Pool) {
			return ods
		}
	}
	return ""
}

// standing is a state in words.
func standing(status string, asked bool) string {
	if asked {
		return status + " with a cancellation asked for"
	}
	return status
}

// Legal says in words which moves an actor may make from a state, with their rows.
func Legal(status string, asked bool, actor Actor) string { return legal(Table, status, asked, actor) }

func legal(table []Move, status string, asked bool, actor Actor) string {
	var names []string
	for i := range table {
		m := &table[i]
		if name := m.Action + " (" + m.ID + ")"; m.Action != "" && m.By(actor) && m.Starts(status, asked) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "nothing that the caller may do follows"
	}
	return "possible are " + strings.Join(names, ", ")
}
