package referral

import (
	"context"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
)

// The kinds of what goes out to a partner.
const (
	KindWriteBack = "write-back" // to the patient's record
	KindResponse  = "response"   // to whoever sent the referral, in its own dialect
)

// RouteMESH is the route of what goes over MESH.
const RouteMESH = "mesh"

// Outlet is one way in which what became of a referral goes out: the form of the message, and
// how it travels.
type Outlet struct {
	Name        string           // "ukcore-r4"
	Kind        string           // of its deliveries: KindWriteBack or KindResponse
	Route       string           // of its deliveries: "fhir-rest", "mesh" or "bars"
	ContentType string           //
	Map         *mapping.Dialect // reads the report; one with a second source gets the message that the referral came in
	Profile     string           // canonical of the profile that the message is held to, "" for none
	Mailbox     string           // MESH mailbox that it goes from, "" when there is none
}

// outlet is how a recipient is written to about a referral. Where no way is known, it is the
// usual one: the row waits until the partners name an endpoint.
func (s *Service) outlet(organisation, recipient string) Outlet {
	if o, ok := s.Outlet(organisation, recipient); ok {
		return o
	}
	o, _ := s.Outlet(organisation, "")
	return o
}

// reaches reports whether a way to a recipient is known.
func (s *Service) reaches(organisation, recipient string) bool {
	_, ok := s.Outlet(organisation, recipient)
	return ok
}

// tell converts a report to the message of an outlet; identity makes its ids.
func (st *step) tell(ctx context.Context, o Outlet, source *fhir.Node, identity string) (*fhir.Node, error) {
	input := mapping.Input{Source: source, Identity: identity, Now: st.at}
	if types := o.Map.Map.Sources(); len(types) > 1 {
		sent, err := st.s.sent(ctx, st.after, types[1].System())
		if err != nil {
			return nil, err
		}
		if formerNumbers(st.patient) > 0 || restricted(st.patient) {
			survive(sent, st.patient)
			if restricted(st.patient) { // whoever sent it has it; it need not travel once more
				withholdPlaces(sent)
			}
			// the engine numbers the nodes of a tree as it is read
			if sent, err = fhir.Parse(types[1].System(), fhir.Encode(sent), fhir.Limits{Bytes: 64 << 20}); err != nil {
				return nil, issue.New(issue.Exception, "stored-document", "the message of a referral cannot be written again").Because(err)
			}
		}
		input.More = []*fhir.Node{sent}
	}
	result, err := st.s.convert(ctx, st.c, st.after.Organisation, o.Map, input)
	if err != nil {
		return nil, err
	}
	if o.Profile == "" {
		return result.Target, nil
	}
	return result.Target, st.s.emits("the "+o.Kind, o.Profile, result.Target)
}

// sent is the message that a referral came in, as it was received; of one that took the place
// of another, the message of the first.
func (s *Service) sent(ctx context.Context, r *Record, system *fhir.System) (*fhir.Node, error) {
	id := r.ID
	if r.Root != "" {
		id = r.Root
	}
	m, err := s.Store.Original(ctx, Scope{Role: auth.RoleOperator}, id)
	if err != nil {
		return nil, err
	}
	n, err := fhir.Parse(system, m.Body, fhir.Limits{Bytes: 64 << 20})
	if err != nil {
		return nil, issue.New(issue.Exception, "stored-document", "the stored message of a referral cannot be read").Because(err)
	}
	return n, nil
}
