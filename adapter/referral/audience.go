package referral

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
)

// Who may read a note or an attachment: the codes of CodeSystem audience, each with the
// readers of the one before it.
const (
	ForService  = "service"  // the service that owns the referral alone
	ForPractice = "practice" // also the requester, and the record from SharingSummary on
	ForPerson   = "person"   // it may also be shown to the person
)

// Readers lists the audiences, the narrowest first.
var Readers = []string{ForService, ForPractice, ForPerson}

const extAudience = canonical + "/StructureDefinition/audience" // valueCode

// The events that are no move of the life cycle.
const (
	moveNote       = "note"
	moveAttachment = "attachment"
	moveSharing    = "sharing-changed"
)

// leastShared is the sharing level from which words and documents of the service go to
// the practice.
const leastShared = SharingSummary

// noted is what an event says of a note, whatever else it says.
type noted struct {
	Note     string `json:"note,omitempty"`
	Audience string `json:"note_audience,omitempty"` // "" for ForPractice
	Replaces string `json:"replaces,omitempty"`      // id of the event whose note this one corrects
}

// noteOf reads the note of an event; its Note is "" when there is none.
func noteOf(e *Event) (n noted) {
	if len(e.Data) > 0 {
		_ = json.Unmarshal(e.Data, &n) // this program wrote it; what has no such members has no note
	}
	if n.Note != "" && n.Audience == "" {
		n.Audience = ForPractice
	}
	return n
}

// permission is what one caller may read of the events of a referral.
type permission struct {
	caller    *auth.Principal
	requester bool              // the caller is the practice
	levels    map[string]string // by event, at which sharing level the practice may read it
}

func permissionOf(c Call, r *Record, events []Event) permission {
	if c.Principal.Role != auth.RoleRequester {
		return permission{caller: c.Principal}
	}
	return permission{caller: c.Principal, requester: true, levels: readable(r, events)}
}

// own reports whether the caller may read what an event has for the service alone: the
// organisation that wrote it may, whoever owns the referral now, and an operator.
func (v permission) own(e *Event) bool {
	switch v.caller.Role {
	case auth.RoleOperator:
		return true
	case auth.RoleRequester:
		return false
	}
	return v.caller.SpeaksFor(e.Actor)
}

// note reports whether the caller may read the note of an event.
func (v permission) note(e *Event, n noted) bool {
	switch {
	case v.requester && e.Role == auth.RoleRequester:
		return true
	case n.Audience == ForService:
		return v.own(e)
	case !v.requester:
		return true
	}
	return sharesAtLeast(v.levels[e.ID], leastShared)
}

// step gives the step of the timeline that the caller may see; false for none.
func (v permission) step(e *Event) (Step, bool) {
	out := Step{Move: e.Move, Activity: e.Activity, From: e.From, To: e.To, BusinessStatus: e.BusinessStatus,
		Reason: e.Reason, Actor: e.Actor, At: e.At, Data: json.RawMessage(e.Data)}
	if e.Move == "T02" {
		out.Data = withoutReceived(e.Data) // which the view has by itself
	}
	if v.requester && (e.Role == auth.RoleRequester || e.Move == moveSharing) {
		return out, true
	}
	level := v.levels[e.ID]
	if v.requester && e.Move != moveNote && e.Move != moveAttachment {
		out.Data = told(e.Data, level)
	}
	switch n := noteOf(e); {
	case e.Move == moveAttachment && attachedOf(e).Audience == ForService:
		return out, v.own(e)
	case e.Move == moveAttachment:
		return out, !v.requester || sharesAtLeast(level, leastShared)
	case n.Note == "" || v.note(e, n):
		return out, true
	case e.Move == moveNote:
		return Step{}, false
	}
	if len(out.Data) == 0 {
		return out, true
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(out.Data, &members) != nil {
		return Step{}, false
	}
	delete(members, "note")
	delete(members, "note_audience")
	out.Data = mustJSON(members)
	return out, true
}

// readable finds the level at which the practice may read each event: the highest that held
// since it was recorded. What it could read once stays readable when the level is lowered,
// since that cannot be taken back.
func readable(r *Record, events []Event) map[string]string {
	ordered := slices.Clone(events) // as they were recorded: at is what the caller said
	slices.SortStableFunc(ordered, func(a, b Event) int { return strings.Compare(a.ID, b.ID) })
	out := map[string]string{}
	level, highest := r.Sharing, r.Sharing
	for _, e := range slices.Backward(ordered) {
		if out[e.ID] = highest; e.Move != moveSharing {
			continue
		}
		if level = sharedOf(&e).From; !sharesAtLeast(highest, level) {
			highest = level
		}
	}
	return out
}

// annotation writes a note as FHIR has it. audience and party may be "".
func (s *Service) annotation(text, audience, party string, at time.Time) *fhir.Annotation {
	n := fhir.NewAnnotation(text, at)
	if party != "" {
		must(fhir.SetChoice(n, "author", s.reference(party)))
	}
	if audience != "" {
		e := &fhir.Extension{Url: fhir.NewURI(extAudience)}
		must(fhir.SetChoice(e, "value", fhir.NewCode(audience)))
		n.Extension = append(n.Extension, e)
	}
	return n
}
