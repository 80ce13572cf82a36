package referral

import (
	"slices"

	"spadapter/adapter/auth"
)

// The statuses of a referral's Task.
// Source: http://hl7.org/fhir/R4/valueset-task-status.html.
const (
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

// Terminal reports whether nothing follows a status.
func Terminal(status string) bool { return slices.Contains(terminal, status) }

// WriteBack is what a move sends to the patient's record.
type WriteBack string

// The kinds of write-back, from nothing to everything the sharing level allows.
const (
	WriteNothing WriteBack = ""
	WriteClosure WriteBack = "closure" // the Task with its reason
	WritePlan    WriteBack = "plan"    // the Task and a summary of the plan
	WriteOutcome WriteBack = "outcome" // the Task with outputs, coded outcome, scores, summary
)

// Move is one row of the life-cycle table.
type Move struct {
	ID       string    // "T05"
	Action   string    // its name in the JSON API; "" when no caller makes it
	Name     string    // what it is, for people
	From     []string  // statuses it starts from; "" is before the referral exists
	To       string    // the status it leads to
	Role     auth.Role // who may make it; "" is the adapter itself
	Business []string  // allowed business statuses; with one it is set without asking
	Reason   bool      // Input.Reason is mandatory, its code one of Business
	Requires []string  // fields of Input that must be given
	Allows   []string  // fields of Input that may be given beside Requires, at and note
	Guards   []Guard   // what else must hold
	Proposes string    // ServiceRequest.status proposed to the GP system
	Writes   WriteBack // what goes to the record
}

// Table is the life cycle: the moves this version makes, one row each. Code, the
// allowed actions of the JSON API and the tests read it; nothing else knows a rule.
//
// A second and later contact attempt is T08 too, from in-progress to itself.
// Source: the closed loop of Gravity SDOH Clinical Care (Task as order and fulfil),
// BSeR and 360X for rejection and outcome, and English link-worker practice; the
// business statuses are our own code system.
var Table = []Move{
	{ID: "T02", Name: "request", From: []string{""}, To: StatusRequested, Role: auth.RoleRequester, Proposes: "active"},
	{ID: "T03", Name: "receive", From: []string{StatusRequested}, To: StatusReceived,
		Business: []string{"awaiting-triage"}, Proposes: "active"},
	{ID: "T05", Action: "accept", Name: "accept", From: []string{StatusReceived}, To: StatusAccepted, Role: auth.RoleOwner,
		Business: []string{"allocated"}, Proposes: "active"},
	{ID: "T06", Action: "reject", Name: "reject", From: []string{StatusReceived}, To: StatusRejected, Role: auth.RoleOwner,
		Business: []string{"not-eligible", "no-capacity", "wrong-service", "duplicate"}, Reason: true,
		Proposes: "revoked", Writes: WriteClosure},
	{ID: "T08", Action: "contact", Name: "record a contact or an attempt", From: []string{StatusAccepted, StatusInProgress}, To: StatusInProgress,
		Role: auth.RoleOwner, Business: []string{"contact-attempted", "contacted"}, Requires: []string{"channel", "result"}, Proposes: "active"},
	{ID: "T09", Action: "plan", Name: "agree a plan", From: []string{StatusInProgress}, To: StatusInProgress, Role: auth.RoleOwner,
		Business: []string{"plan-agreed"}, Requires: []string{"plan"}, Allows: []string{"review_on"}, Guards: []Guard{contacted, agreed},
		Proposes: "active", Writes: WritePlan},
	{ID: "T09", Action: "progress", Name: "record progress", From: []string{StatusInProgress}, To: StatusInProgress, Role: auth.RoleOwner,
		Business: []string{"assessment-booked", "did-not-attend", "appointment-cancelled", "referred-onward", "signposted", "support-ongoing"},
		Requires: []string{"status"}, Proposes: "active"},
	{ID: "T10", Action: "hold", Name: "put on hold", From: []string{StatusAccepted, StatusInProgress}, To: StatusOnHold, Role: auth.RoleOwner,
		Business: []string{"waiting-list", "patient-request", "unwell"}, Reason: true, Requires: []string{"review_on"}, Proposes: "on-hold"},
	{ID: "T11", Action: "resume", Name: "resume", From: []string{StatusOnHold}, To: StatusInProgress, Role: auth.RoleOwner,
		Business: []string{"support-ongoing"}, Proposes: "active"},
	{ID: "T12", Action: "reject", Name: "decline late", From: []string{StatusAccepted, StatusInProgress}, To: StatusRejected, Role: auth.RoleOwner,
		Business: []string{"no-capacity", "wrong-service"}, Reason: true, Guards: []Guard{notContacted},
		Proposes: "revoked", Writes: WriteClosure},
	{ID: "T16", Action: "complete", Name: "complete with an outcome", From: []string{StatusAccepted, StatusInProgress, StatusOnHold}, To: StatusCompleted,
		Role: auth.RoleOwner, Business: []string{"goals-met", "partially-met", "signposted-only"}, Requires: []string{"outcome"}, Guards: []Guard{hasOutcome},
		Proposes: "completed", Writes: WriteOutcome},
	{ID: "T17", Action: "close", Name: "close without an outcome", From: []string{StatusAccepted, StatusInProgress, StatusOnHold}, To: StatusCancelled,
		Role: auth.RoleOwner, Business: []string{"declined-by-patient", "unable-to-contact", "disengaged", "deceased", "moved-away"}, Reason: true,
		Guards: []Guard{enoughAttempts}, Proposes: "revoked", Writes: WriteClosure},
	{ID: "T18", Action: "fail", Name: "end because the service closed", From: []string{StatusAccepted, StatusInProgress, StatusOnHold}, To: StatusFailed,
		Role: auth.RoleOwner, Business: []string{"service-closed"}, Reason: true, Proposes: "revoked", Writes: WriteClosure},
}

// moves gives the rows of an action that start from a status, in the order of the table.
func moves(action, from string) []Move {
	var out []Move
	for _, m := range Table {
		if m.Action == action && action != "" && slices.Contains(m.From, from) {
			out = append(out, m)
		}
	}
	return out
}

// Actions lists the names of the actions in the order of the table.
func Actions() []string {
	var out []string
	for _, m := range Table {
		if m.Action != "" && !slices.Contains(out, m.Action) {
			out = append(out, m.Action)
		}
	}
	return out
}

// row finds the one row of an adapter's own move.
func row(id string) Move {
	for _, m := range Table {
		if m.ID == id {
			return m
		}
	}
	panic("referral: the life-cycle table has no row " + id)
}
