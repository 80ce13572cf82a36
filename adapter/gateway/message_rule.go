package gateway

import (
	"slices"

	"spadapter/adapter/issue"
)

// messageAct is what a message of BaRS is there for.
type messageAct uint8

const (
	actRefuse   messageAct = iota
	actRefer               // take a referral in
	actRevoke              // take one back
	actRestore             // withdraw a cancellation that was asked for, where it is allowed
	actResponse            // take an answer to a request that was sent from here
)

// messageRule is one row of the decision table: what a message comes to by its event, its
// reason and the status of its ServiceRequest. A nil list holds for whatever is sent.
type messageRule struct {
	event   string
	reasons []string
	status  []string
	act     messageAct
	refusal issue.Type // of a row that refuses
	rule    string
	text    string
}

// messageRules is the decision table of $process-message: the first row that fits decides.
// A reason of delete is taken like update: the guide's text says one, an example the other.
// Source: BaRS guide 1.8.2, Core; "Failure scenarios" and the pseudo code of each workflow.
var messageRules = []messageRule{
	{event: "booking-request", refusal: issue.NotSupported, rule: "message-event", text: "bookings are not offered here"},
	{event: "booking-response", refusal: issue.Invariant, rule: "message-workflow", text: "booking-response is no message that is ever sent in BaRS"},

	{event: "servicerequest-request", reasons: []string{"new"}, status: []string{"active"}, act: actRefer},
	{event: "servicerequest-request", reasons: []string{"update", "delete"}, status: []string{"revoked", "entered-in-error"}, act: actRevoke},
	{event: "servicerequest-request", reasons: []string{"update"}, status: []string{"active"}, act: actRestore},
	{event: "servicerequest-request", refusal: issue.Invariant, rule: "message-workflow", text: "the reason of the message and the status of its ServiceRequest belong to no workflow: new goes with active, update with revoked or entered-in-error"},

	{event: "servicerequest-response", reasons: []string{"new", "update"}, act: actResponse},
	{event: "servicerequest-response", refusal: issue.Invariant, rule: "message-workflow", text: "the reason of a response is new or update"},

	{refusal: issue.NotSupported, rule: "message-event", text: "this event is not offered here: it is servicerequest-request or servicerequest-response"},
}

// messageRuleOf gives the row that decides.
func messageRuleOf(event, reason, status string) *messageRule {
	for i := range messageRules {
		r := &messageRules[i]
		if (r.event == "" || r.event == event) && (r.reasons == nil || slices.Contains(r.reasons, reason)) && (r.status == nil || slices.Contains(r.status, status)) {
			return r
		}
	}
	panic("gateway: the last row of the decision table holds for everything")
}

// whatever reports whether a row decides by the event alone.
func (r *messageRule) whatever() bool { return r.reasons == nil && r.status == nil }
