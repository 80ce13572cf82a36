package referral

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// change makes the one Change of a move: the next version of the Task, the resources it
// records, its event, and what must go out because of it, converted now so that what
// cannot be converted fails in front of whoever caused it.
func (st *step) change(ctx context.Context) (*Change, error) {
	s, r := st.s, st.after
	stored, err := s.Store.Read(ctx, st.scope, "Task", r.ID)
	if err != nil {
		return nil, err
	}
	tree, err := parse(stored.Body)
	if err != nil {
		return nil, err
	}
	var task fhir.Task
	if err := fhir.Decode(tree, &task); err != nil {
		return nil, err
	}
	content, err := s.content(r)
	if err != nil {
		return nil, err
	}
	change := &Change{Organisation: r.Organisation, At: st.at}
	a := s.audit(st.c, "update", "U", nil)
	a.Organisation, a.Actor, a.Entity, a.Version, a.Patient = r.Organisation, st.party(), "Task/"+r.ID, r.Version, r.Patient
	if st.actor == ActorTimer {
		a.Client = "timers"
	}
	change.Audits = []Audit{a}
	if st.after.Version > st.before.Version {
		if err := st.advance(ctx, change, &task, content); err != nil {
			return nil, err
		}
	}
	switch st.move.Opens {
	case OpensSuccessor:
		err = st.succeed(ctx, change, content)
	case OpensActivity:
		err = st.open(change)
	}
	if err == nil && Terminal(r.Status) {
		err = st.closeActivities(ctx, change)
	}
	s.announce(change)
	return change, err
}

// advance makes the next version of the Task and what belongs to it.
func (st *step) advance(ctx context.Context, change *Change, task *fhir.Task, content *fhir.Node) error {
	s, r := st.s, st.after
	change.Referral = r
	withdrawn, err := st.withdrawn(ctx, task)
	if err != nil {
		return err
	}
	event := Event{
		ID: s.Store.NewID(), Referral: r.ID, Move: st.move.ID, From: st.before.Status, To: r.Status, BusinessStatus: r.BusinessStatus,
		Reason: st.reason, Actor: st.party(), Role: st.role(), At: st.when, Data: mustJSON(st.in),
	}
	var known []*fhir.Node
	if st.move.Writes.files() {
		later, err := st.later(ctx)
		if err != nil {
			return err
		}
		if known, err = sent(content, later); err != nil {
			return err
		}
	}
	recorded := st.outcomeResources(known)
	st.history = append(slices.Clone(st.events), event)
	document, err := st.document(st.history, content, known, withdrawn)
	if err != nil {
		return err
	}
	if document != nil {
		recorded = append(recorded, document)
	}
	replace(recorded, withdrawn)
	st.apply(task, recorded)
	switch {
	case st.move.Writes == WriteRetraction:
		r.Unfiled = "" // there is nothing to file any more
	case st.move.Writes != WriteNothing && st.move.Writes != WriteMessage && r.Sharing != SharingNone && patientNumber(r, content) == "":
		r.Unfiled = UnfiledNoNumber
		if !slices.ContainsFunc(task.Note, func(n *fhir.Annotation) bool { return n.GetText().GetValue() == noRecord }) {
			task.Note = append(task.Note, fhir.NewAnnotation(noRecord, st.at))
		}
	}
	next, err := fhir.FromTyped(task)
	if err != nil {
		return err
	}
	version, err := s.taskVersion(r, next)
	if err != nil {
		return err
	}
	change.Versions = append(change.Versions, version)
	for _, o := range recorded {
		if o.version, err = o.store(r, st.at); err != nil {
			return err
		}
		if err := st.kept(o); err != nil {
			return err
		}
		change.Versions = append(change.Versions, o.version)
	}
	for _, o := range withdrawn {
		change.Versions = append(change.Versions, o.version)
	}
	var observed []Version
	for _, o := range append(slices.Clone(recorded), withdrawn...) {
		if o.kind == "Observation" {
			observed = append(observed, o.version)
		}
	}
	if err := s.weigh(ctx, r, content, observed, len(withdrawn) > 0); err != nil {
		return err
	}
	change.Endangers = r.RiskTold && !st.before.RiskTold
	if st.move.Proof {
		proof, err := st.provenance(append(slices.Clone(recorded), withdrawn...), withdrawn)
		if err != nil {
			return err
		}
		change.Versions = append(change.Versions, proof)
	}
	change.Events = append(change.Events, event)
	if err := st.inquire(ctx, change); err != nil {
		return err
	}
	before, err := st.earlier(ctx, task, recorded)
	if err != nil {
		return err
	}
	if err := st.answer(ctx, change, next, content); err != nil {
		return err
	}
	return st.send(ctx, change, next, content, slices.Concat(recorded, withdrawn, before))
}

// party is the organisation that makes the move, "" for the adapter and for operators.
func (st *step) party() string {
	switch st.actor {
	case ActorRequester:
		return st.before.Organisation
	case ActorWorker:
		if st.after != nil && st.after.Owner != "" {
			return st.after.Owner
		}
		return st.before.Owner
	}
	return ""
}

// role is the role that the move is made in, "" for the adapter itself.
func (st *step) role() auth.Role {
	if st.c.Principal == nil {
		return ""
	}
	return st.c.Principal.Role
}

// noRecord is said on the Task when there is no record to write to. The loop stays
// open: whoever traces the person files the outcome.
const noRecord = "Not returned to the GP record: the NHS number of the person is not known. Trace the person, then file the outcome."

// apply writes the move into the Task. Notes and outputs are only ever added to.
func (st *step) apply(t *fhir.Task, recorded []*outcomeResource) {
	r := st.after
	t.Status = fhir.NewBound[fhir.TaskStatus](r.Status)
	t.BusinessStatus = st.s.businessStatus(r.BusinessStatus)
	t.LastModified = fhir.NewDateTime(st.at)
	if r.Owner != "" {
		t.Owner = st.s.reference(r.Owner)
	}
	restrict(t, r)
	t.StatusReason = nil
	reason := st.in.Reason
	if st.move.Restores && reason == nil && r.Status == StatusOnHold {
		reason = st.held() // why it is on hold is said as before
	}
	if reason != nil {
		t.StatusReason = st.s.concept(Coded{System: SystemBusinessStatus, Code: st.s.businessOf(reason), Text: reason.Text})
		if filed := st.s.filing(st.s.businessOf(reason)); filed != nil {
			t.StatusReason.Coding = append(t.StatusReason.Coding, fhir.NewCoding(filed.System, filed.Code, filed.Display))
		}
		if finer, ok := st.s.Terminology.Lookup(SystemCloseReason, reason.Code); ok && reason.System == SystemCloseReason {
			t.StatusReason.Coding = append(t.StatusReason.Coding, fhir.NewCoding(SystemCloseReason, finer.Code, finer.Display))
		}
	}
	for _, words := range st.words() {
		t.Note = append(t.Note, st.s.annotation(words, "", st.party(), st.when))
	}
	if st.in.Note != "" && st.in.NoteAudience != ForService {
		t.Note = append(t.Note, st.s.annotation(st.in.Note, st.in.NoteAudience, st.party(), st.when))
	}
	if st.move.Proposes != "" && st.move.Proposes != proposed(t) {
		t.Output = append(t.Output, st.s.output("proposed-status", fhir.NewCode(st.move.Proposes)))
	}
	if action := st.in.RequestedAction; action != "" {
		t.Output = append(t.Output, st.s.output("requested-action", fhir.NewString(action)))
	}
	if o := st.in.Outcome; o != nil {
		t.Output = append(t.Output, st.s.output("outcome", st.s.businessStatus(o.Status)))
		for _, f := range o.Findings {
			t.Output = append(t.Output, st.s.output("outcome", st.s.concept(f)))
		}
		for _, action := range requested(o) {
			t.Output = append(t.Output, st.s.output("requested-action", fhir.NewString(action)))
		}
	}
	for _, o := range recorded {
		// the identifier holds in the record too, where the logical id does not
		ref := fhir.NewReference(o.kind + "/" + o.id)
		ref.Type, ref.Identifier = fhir.NewURI(o.kind), fhir.NewIdentifier(IDSystem+strings.ToLower(o.kind), o.id)
		t.Output = append(t.Output, st.s.output(o.role, ref))
	}
}

// held is the reason for which the referral was last put on hold.
func (st *step) held() *Coded {
	for _, e := range slices.Backward(st.events) {
		var in Input
		if e.Move == "T10" && json.Unmarshal(e.Data, &in) == nil && in.Reason != nil {
			return in.Reason
		}
	}
	return &Coded{Code: st.after.BusinessStatus}
}

// words are what a move adds to the notes of the Task beside a note that was given.
func (st *step) words() []string {
	var out []string
	for _, w := range []struct{ before, text string }{
		{"Question to the practice: ", st.in.Question}, {"Answer of the practice: ", st.in.Answer},
	} {
		if w.text != "" {
			out = append(out, w.before+w.text)
		}
	}
	if p := st.in.Signpost; p != nil {
		out = append(out, "Signposted to "+strings.Join(slices.DeleteFunc([]string{p.To, p.Contact, p.Reason}, func(s string) bool { return s == "" }), "; "))
	}
	return out
}

// businessOf is the business status that a reason means: its code, or what a close reason
// belongs to; "" when it is none.
func (s *Service) businessOf(reason *Coded) string {
	if reason.System != SystemCloseReason {
		return reason.Code
	}
	matches, err := s.Terminology.Translate(canonical+"/ConceptMap/close-reason-business-status", SystemCloseReason, reason.Code)
	if err != nil || len(matches) == 0 {
		return ""
	}
	return matches[0].Code
}

// filing is the code by which a business status is filed in the record, nil when none
// says it.
func (s *Service) filing(code string) *Coded {
	matches, err := s.Terminology.Translate(canonical+"/ConceptMap/business-status-filing", SystemBusinessStatus, code)
	if err != nil {
		return nil
	}
	for _, m := range matches {
		if m.Matched() {
			return &Coded{System: m.System, Code: m.Code, Display: m.Display}
		}
	}
	return nil
}

// requested gives the actions asked of the practice; that there are none is said too.
// Source: PRSB, plan and requested actions: "no actions" is stated.
func requested(o *Outcome) []string {
	if len(o.RequestedActions) == 0 {
		return []string{"none"}
	}
	return o.RequestedActions
}

// proposed is the ServiceRequest status that the Task proposed last; a request that
// came in is active.
func proposed(t *fhir.Task) string {
	status := "active"
	for _, o := range t.Output {
		if o.GetType().GetCoding()[0].GetCode().GetValue() == "proposed-status" {
			if code, ok := fhir.Choice(o, "value").(*fhir.Code); ok {
				status = code.GetValue()
			}
		}
	}
	return status
}

func (s *Service) output(code string, value fhir.Message) *fhir.TaskOutput {
	o := &fhir.TaskOutput{Type: s.concept(Coded{System: SystemTaskOutput, Code: code})}
	if err := fhir.SetChoice(o, "value", value); err != nil {
		panic(issue.New(issue.Exception, "task-output", "a Task output has a type that FHIR does not allow").Because(err))
	}
	return o
}

// sharesAtLeast reports whether a sharing level is at least another.
func sharesAtLeast(level, least string) bool {
	return slices.Index(sharingLevels, level) >= slices.Index(sharingLevels, least)
}

// The sharing levels, least first.
const (
	SharingNone    = "none"
	SharingCodes   = "codes-only"
	SharingSummary = "summary"
	SharingFull    = "full"
)
