package referral

import "spadapter/adapter/issue"

// Effect is what a response code does to a delivery.
type Effect uint8

// The effects.
const (
	EffectNone     Effect = iota // it is recorded alone
	EffectAccepted               // the recipient has the message
	EffectRefused                // it has not, and a person must see to it
	EffectRepeated               // it has an earlier copy: what becomes of that one counts
)

// ResponseCode is a code of the ITK response code system.
type ResponseCode struct {
	Code   string
	Effect Effect
	Issue  issue.Type // of what is refused
	Words  string
}

// responses are the codes that a practice may answer with, by code. 30005 to 30018 are the
// states of a referral: they say that the message was understood, and a word that it was turned
// down is a refusal. 30019 to 30025 are of registration and are not for us.
//
// Source: CodeSystem https://fhir.nhs.uk/STU3/CodeSystem/ITK-ResponseCodes-1, version 1.5.0;
// the effects are ours.
var responses = func() map[string]ResponseCode {
	out := map[string]ResponseCode{}
	for _, r := range []ResponseCode{
		{"10001", EffectRefused, issue.Invalid, "the handling specification of the message is wrong"},
		{"10002", EffectRefused, issue.Value, "the message asks for its infrastructure acknowledgement with a wrong value"},
		{"10003", EffectRefused, issue.Value, "the message asks for its business acknowledgement with a wrong value"},
		{"10004", EffectRefused, issue.Value, "the message names a message definition that is not known"},
		{"10005", EffectRefused, issue.Value, "the message names a version of its message definition that is not known"},
		{"10007", EffectRefused, issue.Value, "the sender's reference of the message is wrong"},
		{"10008", EffectRefused, issue.BusinessRule, "a business rule of message handling is not met"},
		{"10009", EffectRefused, issue.Structure, "the message could not be read"},
		{"10010", EffectRefused, issue.Value, "the recipient type of the message is wrong"},

		{"20001", EffectRefused, issue.NotFound, "the person that the message is for is not known"},
		{"20002", EffectRefused, issue.NotFound, "the organisation that the message is for is not known"},
		{"20003", EffectRefused, issue.Forbidden, "the sender is not known"},
		{"20004", EffectRefused, issue.NotSupported, "an attachment is of a type that is not approved"},
		{"20005", EffectRefused, issue.NotSupported, "an attachment is of a type that is not supported"},
		{"20006", EffectRefused, issue.Invalid, "the header of the message is not valid"},
		{"20007", EffectRepeated, "", "the message came before"},
		{"20008", EffectRefused, issue.Duplicate, "the document came before, in another message"},
		{"20009", EffectRefused, issue.Processing, "the content of the message is not valid"},
		{"20010", EffectRefused, issue.NotSupported, "the organisation does not take this kind of content"},
		{"20011", EffectRefused, issue.NotFound, "the person that the content is for is not known"},
		{"20012", EffectRefused, issue.Forbidden, "the sender is not authorised"},
		{"20013", EffectAccepted, "", "the message was read"},
		{"20014", EffectRefused, issue.Conflict, "the replacement cannot be processed: take neither it nor what it replaces for filed"},
		{"20015", EffectRefused, issue.TooLong, "the message is too large"},

		{"30001", EffectAccepted, "", "the person is known there"},
		{"30002", EffectRefused, issue.NotFound, "the person is not known there"},
		{"30003", EffectRefused, issue.NotFound, "the person is no longer registered there"},
		{"30004", EffectRefused, issue.BusinessRule, "the person has died, as the practice knows it"},
		{"30005", EffectAccepted, "", "the referral is open"},
		{"30006", EffectAccepted, "", "the referral is completed"},
		{"30007", EffectAccepted, "", "escalated back to the practice"},
		{"30008", EffectAccepted, "", "signposted to the practice, not urgent"},
		{"30009", EffectAccepted, "", "escalated to urgent treatment, 111 or out of hours"},
		{"30010", EffectAccepted, "", "escalated to an emergency department or 999"},
		{"30011", EffectAccepted, "", "advised to go elsewhere, or to refer themselves"},
		{"30012", EffectAccepted, "", "the person could not be contacted"},
		{"30013", EffectAccepted, "", "closed, not needed"},
		{"30014", EffectRefused, issue.Suppressed, "closed, not accepted"},
		{"30015", EffectRefused, issue.Duplicate, "closed as a duplicate"},
		{"30016", EffectAccepted, "", "accepted"},
		{"30017", EffectRefused, issue.Suppressed, "rejected"},
		{"30018", EffectAccepted, "", "the person did not attend"},
	} {
		out[r.Code] = r
	}
	return out
}()

// ResponseOf says what an acknowledgement does. A code that is not known refuses when the
// acknowledgement says that something is wrong, and does nothing otherwise: what is not
// understood proves nothing.
func ResponseOf(a Acknowledgement) ResponseCode {
	if a.Kind == AcknowledgesNothing {
		words := a.Problem
		if words == "" {
			words = "the message did not reach the recipient"
		}
		return ResponseCode{Code: a.Code, Effect: EffectRefused, Issue: issue.Incomplete, Words: words}
	}
	if a.Kind == AcknowledgesUnknown {
		return ResponseCode{Code: a.Code}
	}
	r, known := responses[a.Code]
	switch {
	case !known && a.Negative:
		return ResponseCode{Code: a.Code, Effect: EffectRefused, Issue: issue.Processing, Words: "refused with a code that is not known"}
	case !known:
		return ResponseCode{Code: a.Code}
	case a.Negative && r.Effect == EffectAccepted:
		return ResponseCode{Code: a.Code, Effect: EffectRefused, Issue: issue.Conflict, Words: "the code says that all is well and the response that it is not"}
	}
	return r
}

// KindOfResponse says which acknowledgement a code belongs to: 1xxxx and 2xxxx are of the
// infrastructure, 3xxxx of the business.
func KindOfResponse(code string) AcknowledgementKind {
	switch {
	case len(code) != 5:
		return AcknowledgesUnknown
	case code[0] == '1' || code[0] == '2':
		return AcknowledgesMessage
	case code[0] == '3':
		return AcknowledgesContent
	}
	return AcknowledgesUnknown
}
