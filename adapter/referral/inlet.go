package referral

import (
	"context"
	"encoding/json"
	"errors"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
)

// inlet is how a message of another dialect became the one that is taken in.
type inlet struct {
	dialect *mapping.Dialect
	input   mapping.Input
	result  *mapping.Result
	traced  *mapping.Result // the same with its trace, nil until a fault asks where it comes from
}

// receive makes a transaction of UK Core R4 of a message of the dialect that the call names;
// a message of the usual dialect stays as it is, and has no inlet.
//
// Errors: not-supported for a dialect that is not spoken here; those of Dialect.Convert, at
// the elements of the message as it was sent.
func (s *Service) receive(ctx context.Context, c Call, root *fhir.Node) (*fhir.Node, *inlet, error) {
	organisation := ""
	if c.Principal != nil && len(c.Principal.Organisations) == 1 {
		organisation = c.Principal.Organisations[0] // whose own maps hold, before the message says whose it is
	}
	spoken := s.Dialect(organisation, c.Dialect)
	switch {
	case spoken == nil:
		return nil, nil, issue.Newf(issue.NotSupported, "dialect-unknown", "no dialect %q is spoken here", c.Dialect)
	case spoken.Inlet == nil:
		return root, nil, nil
	}
	in := &inlet{dialect: spoken.Inlet}
	in.input = mapping.Input{Source: root, Identity: "inlet|" + c.clientName() + "|" + hexHash(c.Body), Now: s.now()}
	var err error
	if in.result, err = s.convert(ctx, c, organisation, in.dialect, in.input); err != nil {
		return nil, nil, err
	}
	target, err := parse(fhir.Encode(in.result.Target)) // what is decided changes the tree; the trace needs its own
	if errors.Is(err, issue.TooCostly) {
		return nil, nil, issue.New(issue.TooCostly, "message-large", "what the message becomes in FHIR R4 has more elements than are taken in; send it in parts").At(root.Path()).On(root.Position())
	}
	return target, in, err
}

func (c Call) clientName() string {
	if c.Principal == nil {
		return ""
	}
	return c.Principal.Client
}

// place names a fault of the converted message at the element of the message as it was sent
// that the faulty one was made of.
func (in *inlet) place(ctx context.Context, e *issue.Error) *issue.Error {
	if in == nil || e.Expression == "" {
		return e
	}
	if in.traced == nil {
		input := in.input
		input.Trace = true
		var err error
		if in.traced, err = in.dialect.Convert(ctx, input); err != nil {
			in.traced = in.result // the same input has the same result: without the trace nothing is found
		}
	}
	placed := *e
	if from := in.traced.From(e.Expression); from != nil {
		_ = placed.At(from.Path()).On(from.Position())
		return &placed
	}
	placed.Line, placed.Column = 0, 0 // of a text that nobody sent
	return &placed
}

// placed names all of them where they were sent.
func (in *inlet) placed(ctx context.Context, list []*issue.Error) []*issue.Error {
	if in == nil {
		return list
	}
	out := make([]*issue.Error, len(list))
	for i, e := range list {
		out[i] = in.place(ctx, e)
	}
	return out
}

// Received is how a referral came in: in which dialect, and what was noticed, mended and lost
// on the way.
type Received struct {
	Dialect string   `json:"dialect"`
	Issues  []Remark `json:"issues,omitempty"`
}

// Remark is an issue of a message that was taken in all the same.
type Remark struct {
	Severity   string `json:"severity"`
	Code       string `json:"code"` // of http://hl7.org/fhir/issue-type
	Rule       string `json:"rule,omitempty"`
	Text       string `json:"text"`
	Was        string `json:"was,omitempty"`        // what was sent
	Expression string `json:"expression,omitempty"` // FHIRPath in the message as it was sent
	Line       int    `json:"line,omitempty"`
}

// received is what is kept of how a message came in.
func (in *intake) received() Received {
	r := Received{Dialect: in.spoken().Name}
	for _, e := range in.notices {
		r.Issues = append(r.Issues, Remark{Severity: string(e.Severity), Code: string(e.Type), Rule: e.Rule, Text: e.Details,
			Was: e.Diagnostics, Expression: e.Expression, Line: e.Line})
	}
	return r
}

// beginning is what is kept with the event that a referral began with.
type beginning struct {
	Received    *Received `json:"received,omitempty"`    // nil when nothing was noticed
	Correlation string    `json:"correlation,omitempty"` // X-Correlation-ID of a message of another dialect: answers carry it on
}

// begun is that, as JSON; nil when there is nothing to keep.
func (in *intake) begun() []byte {
	var b beginning
	if len(in.notices) > 0 {
		received := in.received()
		b.Received = &received
	}
	if in.from != nil {
		b.Correlation = in.c.CorrelationID
	}
	if b == (beginning{}) {
		return nil
	}
	return mustJSON(b)
}

// receivedOf reads it back; of a referral that keeps none the dialect alone is known.
func receivedOf(r *Record, events []Event) Received {
	out := Received{Dialect: r.Dialect}
	for i := range events {
		var data beginning
		if events[i].Move == "T02" && len(events[i].Data) > 0 && json.Unmarshal(events[i].Data, &data) == nil && data.Received != nil {
			out.Issues = data.Received.Issues
		}
	}
	return out
}

// withoutReceived is the data of an event without how the message came in, nil when there is
// nothing else.
func withoutReceived(data []byte) json.RawMessage {
	var members map[string]json.RawMessage
	if len(data) == 0 || json.Unmarshal(data, &members) != nil || members["received"] == nil {
		return data
	}
	if delete(members, "received"); len(members) == 0 {
		return nil
	}
	return mustJSON(members)
}
