package referral

import (
	"cmp"
	"slices"
	"time"

	"spadapter/adapter/issue"
)

// AcknowledgementKind says what an acknowledgement is about.
type AcknowledgementKind string

// The kinds. An infrastructure acknowledgement says whether a message could be read, a
// business one whether the person is known; a report is from the carrier, and says that the
// message did not reach anybody.
const (
	AcknowledgesMessage AcknowledgementKind = "infrastructure"
	AcknowledgesContent AcknowledgementKind = "business"
	AcknowledgesNothing AcknowledgementKind = "report"
	AcknowledgesUnknown AcknowledgementKind = "unknown" // what came can be read as none of the others
)

// Acknowledgement is what came back about a delivery after it was sent.
type Acknowledgement struct {
	ID       string   // that it had on its way: the same one again is no second one
	Names    []string // ids of the message that it is about, any of which may be known; nil when it names none
	Kind     AcknowledgementKind
	Code     string // ITK response code, or code of the carrier
	Negative bool   // it says itself that something is wrong, whatever its code
	At       time.Time
	Workflow string
	Problem  string // why it cannot be read, in our own words; "" when it can
	Body     []byte // as received

	Delivery string // that it is about, "" when it is about none we know; given by the store
}

// Dispatch is how a message is named that a delivery is about to be sent as.
type Dispatch struct {
	Delivery string
	Names    []string
	At       time.Time
}

// Settlement is what all acknowledgements of a delivery mean together.
type Settlement struct {
	State   DeliveryState // awaiting, delivered or dead
	Issue   issue.Type    // of dead
	Code    string        // that decided dead
	Said    string        // in our own words
	Message bool          // there is a good infrastructure acknowledgement
}

// Settled is where a delivery stands after an acknowledgement or the end of its time.
type Settled struct {
	Delivery Delivery // without its body; the zero one when the acknowledgement is about none
	Code     string   // the response that its state comes from, "" when none does
	Changed  bool     // this acknowledgement was not there before, or its time ended now
}

// Settle says what acknowledgements mean together. It depends on which they are alone, not
// on the order or on how often each came. What refuses outweighs what accepts: a message
// whose infrastructure acknowledgement is good and whose business acknowledgement is not was
// not delivered. A clinical status is no matter of it.
func Settle(list []Acknowledgement) Settlement {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Acknowledgement) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Code, b.Code), cmp.Compare(a.ID, b.ID))
	})
	s := Settlement{State: DeliveryAwaiting, Said: "sent; no acknowledgement has come yet"}
	content, repeated := "", false
	for _, a := range list {
		r := ResponseOf(a)
		switch {
		case r.Effect == EffectRefused && s.State != DeliveryDead:
			s.State, s.Issue, s.Code, s.Said = DeliveryDead, r.Issue, a.Code, string(a.Kind)+" response "+a.Code+": "+r.Words
		case r.Effect == EffectRepeated:
			repeated = true
		case r.Effect == EffectAccepted && a.Kind == AcknowledgesMessage:
			s.Message = true
		case r.Effect == EffectAccepted && a.Kind == AcknowledgesContent:
			content = a.Code + ": " + r.Words
		}
	}
	switch {
	case s.State == DeliveryDead:
	case s.Message && content != "":
		s.State, s.Said = DeliveryDelivered, "business response "+content
	case s.Message:
		s.Said = "the recipient's system has read it; its business acknowledgement has not come yet"
	case content != "":
		s.Said = "business response " + content + "; the infrastructure acknowledgement has not come yet"
	case repeated:
		s.Said = "the recipient says that it has the message already; the acknowledgements of the first copy have not come yet"
	}
	return s
}

// AwaitUnknown is how long acknowledgements may take of a message whose sending was never
// confirmed, though one came.
const AwaitUnknown = 24 * time.Hour

// Overdue is what a delivery is whose time for acknowledgements is over.
func (s Settlement) Overdue() Settlement {
	missing := "no infrastructure acknowledgement came in time: ask the recipient whether it has the message"
	if s.Message {
		missing = "no business acknowledgement came in time: ask the recipient whether it has filed the message"
	}
	return Settlement{State: DeliveryDead, Issue: issue.Timeout, Said: missing, Message: s.Message}
}
