package referral

import (
	"context"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// NoteInput is a note on a referral.
type NoteInput struct {
	Text     string     `json:"text"`
	Audience string     `json:"audience,omitempty"` // of Readers; default service for a service, practice for a practice
	At       *time.Time `json:"at,omitempty"`       // when it happened, default now; not in the future
	Replaces string     `json:"replaces,omitempty"` // id of the note that this one corrects
}

// AddNote adds a note to a referral. Notes are never changed: a correction is a note that
// names in Replaces the one it takes the place of, which stays readable. A note for the
// practice stands in the Task and goes to the record with the next milestone, from the
// sharing level summary on; one for the service alone is in no resource.
//
// Errors: those of Act; not-found (rule "note-unknown") and conflict (rule
// "note-replaced") for Replaces; business-rule (rule "referral-ended") for an ended
// referral, whose notes can still be corrected.
func (s *Service) AddNote(ctx context.Context, c Call, id string, version int, in NoteInput) (*View, error) {
	return s.edit(ctx, c, "notes", id, version, Input{}, func(st *step) (*Change, error) { return st.note(ctx, in) })
}

func (st *step) note(ctx context.Context, in NoteInput) (*Change, error) {
	if err := st.belongs(); err != nil {
		return nil, err
	}
	r := st.before
	if r.Status == StatusInError || Terminal(r.Status) && in.Replaces == "" {
		return nil, issue.New(issue.BusinessRule, "referral-ended", "the referral has ended: its notes can be corrected (replaces), and its outcome (correct); nothing new is added")
	}
	faults := st.happened(in.At)
	words := Input{Note: in.Text}
	for _, e := range words.texts() {
		faults = append(faults, e.At("text"))
	}
	if in.Text == "" {
		faults = append(faults, issue.New(issue.Required, "field-required", "a note needs text").At("text"))
	}
	audience, fault := st.readers(in.Audience)
	if fault != nil {
		faults = append(faults, fault)
	}
	var old *Event
	if in.Replaces != "" {
		if old, fault = st.corrected(in.Replaces, in.Audience); fault != nil {
			faults = append(faults, fault)
		} else {
			audience = noteOf(old).Audience
		}
	}
	if err := issue.Join(faults); err != nil {
		return nil, err
	}
	shown := audience != ForService && (st.actor == ActorRequester || sharesAtLeast(r.Sharing, leastShared))
	var touch func(*fhir.Task)
	if shown {
		touch = func(t *fhir.Task) {
			t.Note = append(t.Note, st.s.annotation(correction(old)+in.Text, audience, st.party(), st.when))
		}
	}
	change, err := st.amend(ctx, moveNote, noted{in.Text, audience, in.Replaces}, touch)
	if err != nil {
		return nil, err
	}
	change.Events[0].Private = !shown
	return st.finished(change)
}

// correction says in a Task that a note takes the place of another; "" for one that does not.
func correction(old *Event) string {
	if old == nil {
		return ""
	}
	return "Takes the place of the note of " + old.At.Format(time.RFC3339) + ": "
}

// readers settles the audience of what the caller adds.
func (st *step) readers(audience string) (string, *issue.Error) {
	switch {
	case st.actor == ActorRequester && (audience == "" || audience == ForPractice):
		return ForPractice, nil
	case st.actor == ActorRequester:
		return "", issue.New(issue.BusinessRule, "audience-practice", "what a practice adds is for the service and the practice: leave audience out, or send practice").At("audience")
	case audience == "":
		return ForService, nil
	case !slices.Contains(Readers, audience):
		return "", issue.New(issue.CodeInvalid, "field-code", "audience is one of "+strings.Join(Readers, ", ")).At("audience")
	}
	return audience, nil
}

// corrected finds the note that a correction takes the place of. It has the readers that
// the note had: who may read the wrong words must read the right ones.
func (st *step) corrected(id, audience string) (*Event, *issue.Error) {
	at := slices.IndexFunc(st.events, func(e Event) bool { return e.ID == id && e.Activity == "" && noteOf(&e).Note != "" })
	if at < 0 || !permissionOf(st.c, st.before, st.events).note(&st.events[at], noteOf(&st.events[at])) {
		return nil, issue.New(issue.NotFound, "note-unknown", "the referral has no note with this id that you may read").At("replaces")
	}
	e := &st.events[at]
	if e.Actor != st.party() || e.Role != st.role() {
		return nil, issue.New(issue.BusinessRule, "note-of-another", "a note is corrected by who wrote it; add one of your own").At("replaces")
	}
	if now := noteOf(e).Audience; audience != "" && audience != now {
		return nil, issue.New(issue.BusinessRule, "audience-differs", "a correction has the audience of the note that it takes the place of, which is "+now+"; leave audience out").At("audience")
	}
	for i := range st.events {
		if noteOf(&st.events[i]).Replaces == id {
			return nil, issue.New(issue.Conflict, "note-replaced", "another note has taken the place of this one already: correct that one").At("replaces").With("it is %s", st.events[i].ID)
		}
	}
	return e, nil
}

// notes lists the notes of the events that a caller may read, in the order of when they
// were made, each with the one that took its place.
func (s *Service) notes(v permission, events []Event) []Note {
	var out []Note
	at := map[string]int{}
	for i := range events {
		e := &events[i]
		n := noteOf(e)
		if n.Note == "" || !v.note(e, n) {
			continue
		}
		at[e.ID] = len(out)
		out = append(out, Note{ID: e.ID, Text: n.Note, Time: e.At.Format(instant), Author: e.Actor, AuthorName: s.party(e.Actor).Name, Audience: n.Audience, Replaces: n.Replaces})
	}
	for _, n := range out {
		if i, ok := at[n.Replaces]; ok && n.Replaces != "" {
			out[i].ReplacedBy = n.ID
		}
	}
	return out
}
