package referral

// What several rows share.
var (
	untouched  = []string{StatusRequested, StatusReceived}
	supported  = []string{StatusAccepted, StatusInProgress, StatusOnHold}
	unfinished = []string{StatusRequested, StatusReceived, StatusAccepted, StatusInProgress, StatusOnHold}

	requesters = []Actor{ActorRequester}
	workers    = []Actor{ActorWorker}
	operators  = []Actor{ActorOperator}

	outcomes = []string{"goals-met", "partially-met", "signposted-only"}
	inError  = []string{"entered-in-error"}
)

// Table is the life cycle of a referral, one row for each move and actor. Code, the
// transitions that a Task takes over FHIR, the allowed actions of the JSON API, $lifecycle,
// the diagram and the tests read it; nothing else knows a rule.
//
// A second and later contact attempt is T08 too, from in-progress to itself. A new Task on
// the same request (open again, transfer) is T02 and T03 of that Task.
//
// Source: the closed loop of Gravity SDOH Clinical Care (Task as order and fulfil),
// BSeR and 360X for rejection, cancellation and outcome, and English link-worker practice;
// the business statuses are our own code system.
var Table = []Move{
	{ID: "T01", Name: "draft, at the requester", From: []string{""}, To: StatusDraft, Actors: requesters, Proposes: "draft"},
	{ID: "T02", Name: "request", From: []string{"", StatusDraft}, To: StatusRequested, Actors: requesters, Proposes: "active"},
	{ID: "T03", Name: "receive", From: []string{StatusRequested}, To: StatusReceived, Actors: []Actor{ActorAdapter},
		Business: []string{"awaiting-triage"}, Proposes: "active"},
	{ID: "T04", Action: "ask", Name: "ask the referrer, in a Task that it owns", From: []string{StatusReceived}, Actors: workers, Business: []string{"info-requested"},
		Requires: []string{"question"}, Proposes: "active", Writes: WriteMessage, Least: SharingCodes},
	{ID: "T23", Action: "answer", Name: "answer the service, here or in that Task", From: []string{StatusReceived}, Actors: requesters, Business: []string{"awaiting-triage"},
		Requires: []string{"answer"}, Guards: []Guard{questioned}, Proposes: "active"},
	{ID: "T05", Action: "accept", Name: "accept", From: []string{StatusReceived}, To: StatusAccepted, Actors: workers,
		Business: []string{"allocated"}, Proposes: "active", Tells: TellsSender},
	{ID: "T06", Action: "reject", Name: "reject", From: []string{StatusReceived}, To: StatusRejected, Actors: workers,
		Business: []string{"not-eligible", "no-capacity", "wrong-service", "duplicate"}, Reason: true,
		Proposes: "revoked", Writes: WriteClosure, Least: SharingCodes, Tells: TellsSender},
	{ID: "T06", Name: "reject, because nobody answered in time; only where the deployment says so", From: []string{StatusReceived}, To: StatusRejected, Actors: []Actor{ActorTimer},
		Business: []string{"unanswered"}, Reason: true, Guards: []Guard{unanswered},
		Proposes: "revoked", Writes: WriteClosure, Least: SharingCodes, Tells: TellsSender},
	{ID: "T07", Action: "cancel", Name: "cancel before it is accepted", From: untouched, To: StatusCancelled, Actors: requesters,
		Business: []string{"cancellation-requested", "declined-by-patient", "consent-withdrawn", "moved-away", "deceased"}, Reason: true, Proposes: "revoked"},
	{ID: "T08", Action: "contact", Name: "record a contact or an attempt", From: []string{StatusAccepted, StatusInProgress}, To: StatusInProgress,
		Actors: workers, Business: []string{"contact-attempted", "contacted"}, Requires: []string{"channel", "result"}, Guards: []Guard{alive}, Proposes: "active"},
	{ID: "T09", Action: "plan", Name: "agree a plan", From: []string{StatusInProgress}, To: StatusInProgress, Actors: workers,
		Business: []string{"plan-agreed"}, Requires: []string{"plan"}, Allows: []string{"review_on"}, Guards: []Guard{contacted, agreed},
		Proposes: "active", Writes: WritePlan, Least: SharingSummary},
	{ID: "T09", Action: "signpost", Name: "give name and contact of a service", From: []string{StatusInProgress}, To: StatusInProgress, Actors: workers,
		Business: []string{"signposted"}, Requires: []string{"signpost"}, Guards: []Guard{contacted, alive}, Proposes: "active"},
	{ID: "T09", Action: "refer", Name: "refer onward to an activity", From: []string{StatusInProgress}, To: StatusInProgress, Actors: workers,
		Business: []string{"referred-onward"}, Requires: []string{"activity"}, Guards: []Guard{contacted, alive, consented}, Opens: OpensActivity, Proposes: "active"},
	{ID: "T09", Action: "escalate", Name: "ask the practice to act at once; in a crisis or for safeguarding after telephoning", From: supported, To: StatusInProgress, Actors: workers,
		Business: []string{"escalated-to-gp", "crisis", "safeguarding"}, Requires: []string{"status", "requested_action"},
		Proposes: "active", Writes: WriteMessage, Least: SharingCodes},
	{ID: "T09", Action: "progress", Name: "record progress", From: []string{StatusInProgress}, To: StatusInProgress, Actors: workers,
		Business: []string{"assessment-booked", "did-not-attend", "appointment-cancelled", "referred-onward", "signposted", "support-ongoing"},
		Requires: []string{"status"}, Proposes: "active", Tells: TellsAbsence},
	{ID: "T10", Action: "hold", Name: "put on hold", From: []string{StatusAccepted, StatusInProgress}, To: StatusOnHold, Actors: workers,
		Business: []string{"waiting-list", "patient-request", "unwell"}, Reason: true, Requires: []string{"review_on"}, Proposes: "on-hold"},
	{ID: "T11", Action: "resume", Name: "resume", From: []string{StatusOnHold}, To: StatusInProgress, Actors: workers,
		Business: []string{"support-ongoing"}, Proposes: "active"},
	{ID: "T12", Action: "reject", Name: "decline late", From: []string{StatusAccepted, StatusInProgress}, To: StatusRejected, Actors: workers,
		Business: []string{"no-capacity", "wrong-service"}, Reason: true, Guards: []Guard{notContacted},
		Proposes: "revoked", Writes: WriteClosure, Least: SharingCodes, Tells: TellsSender},
	{ID: "T13", Action: "cancel", Name: "ask to cancel after it was accepted", From: supported, Actors: requesters,
		Business: []string{"cancellation-requested"}, Keeps: true, Reason: true,
		Reasons: []string{"cancellation-requested", "declined-by-patient", "consent-withdrawn", "moved-away", "deceased", "entered-in-error"}},
	{ID: "T14", Action: "confirm-cancellation", Name: "confirm the cancellation", From: supported, During: Asked, To: StatusCancelled, Actors: workers,
		Business: []string{"consent-withdrawn", "moved-away", "declined-by-patient", "deceased", "disengaged", "cancellation-requested"}, Reason: true,
		Proposes: "revoked", Writes: WriteClosure, Least: SharingCodes, Tells: TellsSender},
	{ID: "T14", Name: "cancel, because nobody answered in time", From: supported, During: Asked, To: StatusCancelled, Actors: []Actor{ActorTimer},
		Business: []string{"cancellation-requested"}, Reason: true, Guards: []Guard{expired},
		Proposes: "revoked", Writes: WriteClosure, Least: SharingCodes, Tells: TellsSender},
	{ID: "T15", Action: "complete", Name: "complete although a cancellation is asked for", From: supported, During: Asked, To: StatusCompleted, Actors: workers,
		Business: []string{"outcome-recorded"}, Outcomes: outcomes, Requires: []string{"outcome"}, Guards: []Guard{hasOutcome, activitiesEnded},
		Proposes: "completed", Writes: WriteOutcome, Least: SharingCodes, Tells: TellsSender},
	{ID: "T22", Action: "withdraw-cancellation", Name: "take the request to cancel back", From: supported, During: Asked, Actors: requesters,
		Restores: true},
	{ID: "T22", Action: "decline-cancellation", Name: "decline to cancel", From: supported, During: Asked, Actors: workers,
		Restores: true, Reason: true, Reasons: []string{"support-ongoing", "plan-agreed", "patient-request"}, Writes: WriteMessage, Least: SharingCodes},
	{ID: "T16", Action: "complete", Name: "complete with an outcome", From: supported, To: StatusCompleted,
		Actors: workers, Business: outcomes, Outcomes: outcomes, Requires: []string{"outcome"}, Guards: []Guard{hasOutcome, activitiesEnded},
		Proposes: "completed", Writes: WriteOutcome, Least: SharingCodes, Tells: TellsSender},
	{ID: "T17", Action: "close", Name: "close without an outcome", From: supported, To: StatusCancelled,
		Actors: workers, Business: []string{"declined-by-patient", "unable-to-contact", "disengaged", "deceased", "moved-away"}, Reason: true,
		Guards: []Guard{enoughAttempts}, Proposes: "revoked", Writes: WriteClosure, Least: SharingCodes, Tells: TellsSender},
	{ID: "T17", Action: "transfer", Name: "hand over to another service, as a new Task", From: []string{StatusReceived, StatusAccepted, StatusInProgress, StatusOnHold}, To: StatusCancelled,
		Actors: []Actor{ActorWorker, ActorOperator}, Business: []string{"replaced"}, Reason: true, Requires: []string{"service"}, Guards: []Guard{anotherService},
		Opens: OpensSuccessor, Proposes: "revoked", Writes: WriteClosure, Least: SharingCodes},
	{ID: "T18", Action: "fail", Name: "end because the service closed", From: supported, To: StatusFailed,
		Actors: workers, Business: []string{"service-closed"}, Reason: true, Proposes: "revoked", Writes: WriteClosure, Least: SharingCodes, Tells: TellsSender},
	{ID: "T19", Action: "enter-in-error", Name: "sent in error", From: untouched, To: StatusInError, Actors: requesters,
		Reason: true, Reasons: inError, Proposes: "entered-in-error", Writes: WriteRetraction, Least: SharingNone, Proof: true},
	{ID: "T19", Action: "enter-in-error", Name: "sent in error", From: []string{StatusRequested, StatusReceived, StatusAccepted}, During: Whichever, To: StatusInError, Actors: operators,
		Reason: true, Reasons: inError, Proposes: "entered-in-error", Writes: WriteRetraction, Least: SharingNone, Proof: true},
	{ID: "T24", Action: "enter-in-error", Name: "made in error", During: Whichever, To: StatusInError, Actors: operators,
		From:   []string{StatusInProgress, StatusOnHold, StatusRejected, StatusCancelled, StatusCompleted, StatusFailed},
		Reason: true, Reasons: inError, Proposes: "entered-in-error", Writes: WriteRetraction, Least: SharingNone, Proof: true},
	{ID: "T20", Action: "correct", Name: "correct the outcome", From: []string{StatusCompleted}, To: StatusCompleted, Actors: workers,
		Outcomes: outcomes, Requires: []string{"outcome", "note"}, Guards: []Guard{hasOutcome}, Proposes: "completed", Writes: WriteCorrection, Least: SharingCodes, Proof: true},
	{ID: "T21", Name: "overdue", From: unfinished, During: Whichever, Actors: []Actor{ActorTimer}, Guards: []Guard{expired}},
	{ID: "T25", Name: "remind the service", From: []string{StatusReceived}, Actors: []Actor{ActorTimer}, Guards: []Guard{halfway}},
	{ID: "T02", Action: "reopen", Name: "open again, as a new Task", From: []string{StatusRejected, StatusCancelled, StatusCompleted, StatusFailed},
		Actors: []Actor{ActorRequester, ActorWorker}, Guards: []Guard{reopenable, owned}, Opens: OpensSuccessor, Proposes: "active"},
}

// Activities is the life cycle of a sub-Task: an activity at a provider that the person
// was referred to. A sub-Task never moves the referral that it is part of.
var Activities = []Move{
	{ID: "S01", Name: "refer to an activity", From: []string{""}, To: StatusRequested, Actors: workers},
	{ID: "S02", Action: "accept", Name: "accept", From: []string{StatusRequested}, To: StatusAccepted, Actors: []Actor{ActorProvider, ActorWorker}},
	{ID: "S02", Action: "reject", Name: "decline", From: []string{StatusRequested}, To: StatusRejected, Actors: []Actor{ActorProvider, ActorWorker},
		Business: []string{"not-eligible", "no-capacity", "wrong-service", "duplicate"}, Reason: true},
	{ID: "S03", Action: "attend", Name: "record the first attendance", From: []string{StatusAccepted}, To: StatusInProgress, Actors: []Actor{ActorProvider, ActorWorker},
		Business: []string{"attended"}},
	{ID: "S03", Action: "attend", Name: "record a further attendance", From: []string{StatusInProgress}, To: StatusInProgress, Actors: []Actor{ActorProvider, ActorWorker},
		Business: []string{"attended"}},
	{ID: "S04", Action: "end", Name: "end the activity", From: []string{StatusAccepted, StatusInProgress}, To: StatusCompleted, Actors: []Actor{ActorProvider, ActorWorker},
		Business: []string{"ended"}, Requires: []string{"sessions"}},
	{ID: "S05", Action: "cancel", Name: "end without attendance or early", From: []string{StatusRequested, StatusAccepted, StatusInProgress}, To: StatusCancelled,
		Actors:   []Actor{ActorWorker, ActorProvider, ActorAdapter},
		Business: []string{"did-not-attend", "declined-by-patient", "no-capacity", "disengaged", "deceased", "moved-away", "replaced", "consent-withdrawn", "service-closed", "cancellation-requested"}, Reason: true},
}
