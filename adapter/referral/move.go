package referral

import (
	"slices"

	"spadapter/adapter/auth"
)

// The statuses of a referral's Task.
// Source: http://hl7.org/fhir/R4/valueset-task-status.html.
const (
	StatusDraft      = "draft"
	StatusRequested  = "requested"
	StatusReceived   = "received"
	StatusAccepted   = "accepted"
	StatusRejected   = "rejected"
	StatusInProgress = "in-progress"
	StatusOnHold     = "on-hold"
	StatusCancelled  = "cancelled"
	StatusCompleted  = "completed"
	StatusFailed     = "failed"
	StatusInError    = "entered-in-error"
)

// terminal statuses end the life of a referral: only a correction acts on one.
var terminal = []string{StatusRejected, StatusCancelled, StatusCompleted, StatusFailed, StatusInError}

// Terminal reports whether nothing follows a status but a correction.
func Terminal(status string) bool { return slices.Contains(terminal, status) }

// Actor is who makes a move.
type Actor string

// The actors of the life cycle.
const (
	ActorRequester Actor = "REQ"  // the GP system: a caller in the role of requester
	ActorWorker    Actor = "LW"   // the link-worker service: an owner of the referral
	ActorProvider  Actor = "VCSE" // the provider of an activity: an owner of the sub-Task alone
	ActorOperator  Actor = "ADM"  // a caller in the role of operator
	ActorTimer     Actor = "SYS"  // a time that is over
	ActorAdapter   Actor = "ADP"  // this program, in the commit that caused the move
)

// actorOf is the actor that a role makes of a caller; who owns a sub-Task is looked at
// where it is moved.
func actorOf(role auth.Role) Actor {
	switch role {
	case auth.RoleRequester:
		return ActorRequester
	case auth.RoleOwner:
		return ActorWorker
	case auth.RoleOperator:
		return ActorOperator
	}
	return ""
}

// WriteBack is what a move sends to the patient's record.
type WriteBack string

// The kinds of write-back, from nothing to everything the sharing level allows.
const (
	WriteNothing    WriteBack = ""
	WriteMessage    WriteBack = "message"    // the Task with a question to the practice
	WriteClosure    WriteBack = "closure"    // the Task with its reason
	WritePlan       WriteBack = "plan"       // the Task and a summary of the plan
	WriteOutcome    WriteBack = "outcome"    // the Task with outputs, coded outcome, scores, summary
	WriteCorrection WriteBack = "correction" // an outcome, and what it takes the place of marked as wrong
	WriteRetraction WriteBack = "retraction" // everything that was filed, marked as entered in error
)

// Telling says of a move whether whoever sent the request is told by a message in the
// dialect that it came in, where that dialect has answers.
type Telling string

// The kinds of telling.
const (
	TellsNobody  Telling = ""
	TellsSender  Telling = "sender"
	TellsAbsence Telling = "did-not-attend" // only of that business status, and where Rules.TellAbsence says so
)

// The times of a referral at which a row holds, by the cancellation that its requester
// may have asked for (T13).
const (
	Unasked   = ""          // no cancellation is asked for
	Asked     = "asked"     // one is, and nobody has answered it
	Whichever = "whichever" // either
)

// Move is one row of the life-cycle table.
type Move struct {
	ID       string    // "T05"
	Action   string    // its name in the JSON API; "" when no caller asks for it there
	Name     string    // what it is, for people
	From     []string  // statuses it starts from; "" is before the Task exists
	During   string    // Unasked, Asked or Whichever
	To       string    // the status it leads to; "" leaves it as it is
	Actors   []Actor   // who may make it
	Business []string  // business statuses it leads to; with one it is set without asking, with none it stays
	Keeps    bool      // the business status before it is kept beside, until a row restores it (T13)
	Restores bool      // the business status becomes the one that was kept
	Reason   bool      // Input.Reason is mandatory
	Reasons  []string  // codes of the reason where it does not decide the business status
	Outcomes []string  // codes of Input.Outcome.Status
	Requires []string  // fields of Input that must be given
	Allows   []string  // fields of Input that may be given beside Requires, at and note
	Guards   []Guard   // what else must hold
	Opens    Opening   // what it brings into being
	Proposes string    // ServiceRequest.status proposed to the GP system; "" proposes nothing new
	Writes   WriteBack // what goes to the record
	Least    string    // least sharing level at which it goes there
	Tells    Telling   // whether whoever sent the request is answered in its own dialect
	Proof    bool      // a Provenance says who did it and why
}

// Opening is what a move brings into being beside the next version of its Task.
type Opening string

// The openings.
const (
	OpensNothing   Opening = ""
	OpensActivity  Opening = "activity"  // S01: a sub-Task at a provider
	OpensSuccessor Opening = "successor" // a new Task on the same request
)

// Leads is the status that a row leads to from another.
func (m *Move) Leads(from string) string {
	if m.To == "" {
		return from
	}
	return m.To
}

// Starts reports whether a row starts from a status, while a cancellation is asked for
// or not.
func (m *Move) Starts(from string, asked bool) bool {
	if !slices.Contains(m.From, from) {
		return false
	}
	return m.During == Whichever || (m.During == Asked) == asked
}

// By reports whether an actor may make the move.
func (m *Move) By(a Actor) bool { return slices.Contains(m.Actors, a) }

// ReasonCodes are the codes that Input.Reason may have, nil when the row takes none.
func (m *Move) ReasonCodes() []string {
	switch {
	case !m.Reason:
		return nil
	case m.Reasons != nil:
		return m.Reasons
	}
	return m.Business
}

// moves gives the rows of an action that start from a state, in the order of a table.
func moves(table []Move, action, from string, asked bool) []*Move {
	var out []*Move
	for i := range table {
		if m := &table[i]; m.Action == action && action != "" && m.Starts(from, asked) {
			out = append(out, m)
		}
	}
	return out
}

// actions lists the names of the actions of a table in its order.
func actions(table []Move) []string {
	var out []string
	for _, m := range table {
		if m.Action != "" && !slices.Contains(out, m.Action) {
			out = append(out, m.Action)
		}
	}
	return out
}

// Actions lists the names of the actions on a referral in the order of the table.
func Actions() []string { return actions(Table) }

// ActivityActions lists the names of the actions on a sub-Task.
func ActivityActions() []string { return actions(Activities) }

// row finds the first row with an id, in either table.
func row(id string) *Move {
	for _, table := range [][]Move{Table, Activities} {
		for i := range table {
			if table[i].ID == id {
				return &table[i]
			}
		}
	}
	panic("referral: the life-cycle table has no row " + id)
}
