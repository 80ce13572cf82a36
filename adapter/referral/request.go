package referral

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// requestMoves are the actions that a requester means with the status of its own request,
// the first that is possible: to revoke is to cancel, or to ask for it.
var requestMoves = map[string][]string{
	"revoked":          {"cancel"},
	"entered-in-error": {"enter-in-error", "cancel"},
	"active":           {"withdraw-cancellation"},
}

// statusReasonOf is the extension by which a request says why its status is so.
// Source: http://hl7.org/fhir/R4/extension-request-statusreason.html.
const statusReasonOf = "http://hl7.org/fhir/StructureDefinition/request-statusReason"

// updateRequest takes a new version of an original ServiceRequest: its status alone may
// change, and that is a move of the referral. It is the requester's own: what it says is
// stored with the move, in one commit. Where the service accepts in the same moment the
// cancellation is decided again, and becomes one that is asked for.
func (s *Service) updateRequest(ctx context.Context, c Call, id string, version int, root *fhir.Node) (*Updated, error) {
	scope := s.scope(c)
	stored, err := s.Store.Read(ctx, scope, "ServiceRequest", id)
	if err != nil {
		return nil, err
	}
	if actorOf(c.Principal.Role) != ActorRequester {
		return nil, issue.New(issue.Forbidden, "role", "a ServiceRequest is its requester's: nobody else changes it")
	}
	if stored.Number != version {
		return nil, staleVersion(stored.Number)
	}
	was, err := parse(stored.Body)
	if err != nil {
		return nil, err
	}
	if err := sameRequest(was, root); err != nil {
		return nil, err
	}
	status := root.Text("status")
	if status == was.Text("status") {
		return &Updated{Version: stored, Ignored: ignored(was, root, nil, was)}, nil
	}
	r, err := s.latest(ctx, scope, id)
	if err != nil {
		return nil, err
	}
	var move *Move
	err = s.attempt(ctx, c, r.ID, Input{}, func(st *step) (*Change, error) {
		change, err := st.restate(ctx, stored, root)
		if err != nil {
			return nil, err
		}
		move = st.move
		return change, nil
	})
	if err != nil {
		return nil, err
	}
	return s.updated(ctx, c, id, was, root, move)
}

// errNoMove is the cause of a fault of restate: the status means no move now.
var errNoMove = errors.New("referral: the status of the request means no move")

// restate makes the move that the status of a request means, with the next version of the
// request in the same Change. stored is the version that is current.
func (st *step) restate(ctx context.Context, stored *Version, root *fhir.Node) (*Change, error) {
	status, action := root.Text("status"), ""
	for _, a := range requestMoves[status] {
		if slices.ContainsFunc(moves(Table, a, st.before.Status, st.before.Asked()), func(m *Move) bool { return m.By(st.actor) }) {
			action = a
			break
		}
	}
	if action == "" {
		return nil, issue.New(issue.BusinessRule, "illegal-move", fmt.Sprintf("ServiceRequest.status %s means no move while the referral is %s; %s; in a ServiceRequest revoked, entered-in-error and active mean one",
			status, standing(st.before.Status, st.before.Asked()), Legal(st.before.Status, st.before.Asked(), st.actor))).At("ServiceRequest.status").Because(errNoMove)
	}
	st.in = Input{}
	if m := moves(Table, action, st.before.Status, st.before.Asked())[0]; m.Reason {
		st.in.Reason = requestReason(root, status, m)
	}
	change, err := st.make(ctx, action)
	if err != nil {
		return nil, err
	}
	next := *stored
	n := root.Clone()
	next.Number, next.Updated = stored.Number+1, st.at
	stamp(n, stored.ID, next.Number, st.at)
	next.write(n)
	next.Terms, next.From, next.To = terms(n)
	change.Versions = append(change.Versions, next)
	return change, nil
}

// requestReason is why the requester changed the status: what the request says, else the
// status in words.
func requestReason(root *fhir.Node, status string, m *Move) *Coded {
	why := &Coded{Code: "cancellation-requested", Text: "The requester set its request to " + status + "."}
	if slices.Contains(m.ReasonCodes(), status) {
		why.Code = status
	}
	for _, e := range root.All("extension") {
		if e.Text("url") != statusReasonOf {
			continue
		}
		concept := e.Child("value")
		if code := codeOf(concept, SystemBusinessStatus); code != "" {
			why.Code = code
		}
		if text := concept.Text("text"); text != "" {
			why.Text = text
		}
	}
	return why
}

// sameRequest refuses a change of anything but the status and its reason.
func sameRequest(was, is *fhir.Node) error {
	var faults []*issue.Error
	withoutReason := func(n *fhir.Node) []*fhir.Node {
		return slices.DeleteFunc(n.All("extension"), func(e *fhir.Node) bool { return e.Text("url") == statusReasonOf })
	}
	for _, name := range elementsOf(was, is) {
		same := sameElements(was.All(name), is.All(name))
		if name == "extension" {
			same = sameElements(withoutReason(was), withoutReason(is))
		}
		if !same && !slices.Contains([]string{"id", "meta", "text", "status"}, name) {
			faults = append(faults, issue.New(issue.BusinessRule, "immutable",
				name+" never changes once the request was received: send it back as it was; what is new goes into an Observation, or into a new request").At("ServiceRequest."+name))
		}
	}
	return issue.Join(faults)
}

// latest is the newest referral on a request.
func (s *Service) latest(ctx context.Context, scope Scope, request string) (*Record, error) {
	found, err := s.Store.Search(ctx, scope, Query{Type: "Task", Page: Page{Count: 100}, Conditions: []Condition{
		{Param: "focus", Kind: ParamRef, Values: []Value{{Text: "ServiceRequest/" + request}}},
	}})
	if err != nil {
		return nil, err
	}
	var newest *Record
	for _, v := range found.Versions {
		r, err := s.Store.Referral(ctx, scope, v.ID)
		if errors.Is(err, issue.NotFound) {
			continue // a sub-Task
		}
		if err != nil {
			return nil, err
		}
		if newest == nil || strings.Compare(r.ID, newest.ID) > 0 {
			newest = r
		}
	}
	if newest == nil {
		return nil, issue.New(issue.BusinessRule, "immutable", "this request was made here and is no referral of its own: change the original")
	}
	return newest, nil
}
