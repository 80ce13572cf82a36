package referral

import (
	"context"
	"errors"
	"slices"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Revocation is what a requester sends to take a request back without having read it: it
// names the request by its identifiers, its logical id, or both.
type Revocation struct {
	Sender      string       // ODS code of the organisation that the message names; "" when none
	ID          string       // logical id of the ServiceRequest, "" when none
	Identifiers []Identifier // of the ServiceRequest
	Status      string       // revoked, entered-in-error; active withdraws what was asked for
	Reason      string       // in words, "" when none
	NHSNumber   string       // of the person, as the message has it; "" when none
	FullURL     string       // of the ServiceRequest in the message
	Path        string       // of the ServiceRequest in the message, for faults
}

// Identifier is a system and a value.
type Identifier struct{ System, Value string }

// Revoke takes a request back: a referral that nobody has accepted is cancelled or entered
// in error, of a later one the cancellation is asked for. The next version of the original
// ServiceRequest, the bytes of the message and its keys are in the commit of the move.
//
// Errors: not-found (rule "request-unknown"); invariant (rule "request-not-current") for a
// referral that is over or for which it is asked already, (rule "request-person") for one
// about somebody else; forbidden; duplicate (rule "message-duplicate").
func (s *Service) Revoke(ctx context.Context, c Call, r Revocation) (*Response, error) {
	if err := allowed(c, auth.RoleRequester); err != nil {
		return nil, err
	}
	scope, err := s.revoker(c, r)
	if err != nil {
		return nil, err
	}
	request, err := s.revoked(ctx, scope, r)
	if err != nil {
		return nil, err
	}
	record, err := s.latest(ctx, scope, request.ID)
	if err != nil {
		return nil, err
	}
	var response *Response
	err = s.attempt(ctx, c, record.ID, Input{}, func(st *step) (*Change, error) {
		if number := nhsNumberOf(st.patient.All("identifier")); number != "" && r.NHSNumber != "" && number != r.NHSNumber {
			return nil, issue.New(issue.Invariant, "request-person", "the request that is taken back is about another person than the message: correct its identifier, or the Patient").At(r.Path + ".subject")
		}
		// read anew in each round: another message may have changed it
		stored, err := s.Store.Read(ctx, scope, "ServiceRequest", request.ID)
		if err != nil {
			return nil, err
		}
		was, err := parse(stored.Body)
		if err != nil {
			return nil, err
		}
		change, err := st.restate(ctx, stored, restated(was, r))
		if err != nil {
			if errors.Is(err, errNoMove) {
				return nil, issue.New(issue.Invariant, "request-not-current", "the referral is "+standing(st.before.Status, st.before.Asked())+": it cannot become "+r.Status+" any more").At(r.Path + ".status")
			}
			return nil, err
		}
		change.Message = &Message{
			ID: s.Store.NewID(), Client: c.Principal.Client, Dialect: c.Dialect,
			ContentType: c.ContentType, Body: c.Body, SHA256: hexHash(c.Body),
		}
		change.Keys = requestKeys(c)
		if c.Answers != nil {
			response = c.Answers(Receipt{At: st.at, Referral: record.ID, Move: st.move, Stored: []Stored{{r.FullURL, "ServiceRequest", request.ID, stored.Number + 1}}})
			change.Response = response
		}
		return change, nil
	})
	var known *Repeat
	if errors.As(err, &known) {
		return nil, duplicate(known)
	}
	return response, err
}

// revoker is whose requests the caller may take back.
func (s *Service) revoker(c Call, r Revocation) (Scope, error) {
	scope := s.scope(c)
	switch {
	case r.Sender == "":
		return scope, nil
	case c.EndUser.Organisation != "" && c.EndUser.Organisation != r.Sender:
		return scope, issue.New(issue.Forbidden, "sender-header", "the message names another sending organisation than the header NHSD-End-User-Organisation").With("ODS code %q", r.Sender)
	case !c.Principal.SpeaksFor(r.Sender):
		return scope, issue.New(issue.Forbidden, "sender", "the caller may not send for the organisation that the message names").With("ODS code %q", r.Sender)
	}
	scope.Organisations = []string{r.Sender}
	return scope, nil
}

// revoked finds the request that is taken back.
func (s *Service) revoked(ctx context.Context, scope Scope, r Revocation) (*Version, error) {
	unknown := func() error {
		return issue.New(issue.NotFound, "request-unknown", "no referral of this organisation is known by the identifier or the id of the ServiceRequest").At(r.Path)
	}
	if len(r.Identifiers) == 0 && r.ID == "" {
		return nil, issue.New(issue.Required, "request-identifier", "give the ServiceRequest the identifier of the request that is taken back, or its id here").At(r.Path + ".identifier")
	}
	var values []Value
	for _, i := range r.Identifiers {
		values = append(values, Value{System: i.System, Text: i.Value})
	}
	var found Found
	if len(values) > 0 {
		var err error
		if found, err = s.Store.Search(ctx, scope, Query{Type: "ServiceRequest", Page: Page{Count: 2}, Conditions: []Condition{{Param: "identifier", Kind: ParamToken, Values: values}}}); err != nil {
			return nil, err
		}
	}
	if r.ID == "" {
		if len(found.Versions) == 0 {
			return nil, unknown()
		}
		if len(found.Versions) > 1 {
			return nil, issue.New(issue.Invariant, "request-several", "the identifiers of the ServiceRequest are those of several requests").At(r.Path + ".identifier")
		}
		return &found.Versions[0], nil
	}
	v, err := s.Store.Read(ctx, scope, "ServiceRequest", r.ID)
	switch {
	case errors.Is(err, issue.NotFound):
		return nil, unknown()
	case err != nil:
		return nil, err
	case v.Hidden:
		return nil, unknown() // made here: nobody was told of it as the original
	case len(found.Versions) > 0 && !slices.ContainsFunc(found.Versions, func(f Version) bool { return f.ID == v.ID }):
		return nil, issue.New(issue.Invariant, "request-several", "the id and the identifier of the ServiceRequest are those of different requests").At(r.Path + ".identifier")
	}
	return v, nil
}

// restated is a request with the status and the reason of a revocation, and else as it was:
// what a revocation leaves out has not changed.
func restated(was *fhir.Node, r Revocation) *fhir.Node {
	n := was.Clone()
	n.Set("status", r.Status)
	old := n.All("extension")
	n.Remove("extension")
	for _, e := range old {
		if e.Text("url") != statusReasonOf {
			n.Append("extension", e)
		}
	}
	if r.Reason != "" {
		e := n.Add("extension")
		e.Set("url", statusReasonOf)
		e.Add("valueCodeableConcept").Set("text", r.Reason)
	}
	return n
}
