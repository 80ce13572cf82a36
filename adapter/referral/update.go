package referral

import (
	"context"
	"errors"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Updated is what came of an update over FHIR.
type Updated struct {
	Version *Version // the resource as it is now
	Move    *Move    // the row that was made, nil when nothing changed
	Ignored []string // paths of the elements that the caller changed and the update did not take, nil when it took all
}

// UpdateTypes are the types that a caller may update or patch: whatever the caller
// changes must be a move of the life cycle.
func UpdateTypes() []string { return []string{"ServiceRequest", "Task"} }

// Update takes a new version of a Task or of an original ServiceRequest, and makes the
// move that the change means. version is what If-Match named.
//
// Errors: not-found; conflict (rule "version-conflict") for a stale version; structure
// and below from the checks; business-rule for a change that is no move (rule
// "illegal-move", with the legal ones) or touches what never changes (rules "immutable",
// "append-only", "not-yours"); those of Act.
func (s *Service) Update(ctx context.Context, c Call, resourceType, id string, version int, root *fhir.Node) (*Updated, error) {
	if err := issue.Failures(fhir.Check(root)); err != nil {
		return nil, err
	}
	if root.ResourceType() != resourceType || root.Text("id") != id {
		return nil, issue.New(issue.Invalid, "resource-id", "the resource must have the type and the id of the address").At(resourceType + ".id")
	}
	if resourceType == "ServiceRequest" {
		return s.updateRequest(ctx, c, id, version, root)
	}
	if a, err := s.Store.Activity(ctx, s.scope(c), id); err == nil {
		return s.updateActivity(ctx, c, a, version, root)
	} else if !errors.Is(err, issue.NotFound) {
		return nil, err
	}
	if v, err := s.Store.Read(ctx, s.scope(c), "Task", id); err != nil {
		return nil, err
	} else if v.Referral != id {
		return s.updateQuestion(ctx, c, v, version, root)
	}
	var move *Move
	var was *fhir.Node
	err := s.attempt(ctx, c, id, Input{}, func(st *step) (*Change, error) {
		var err error
		if was, err = st.current(ctx, "Task", id, version); err != nil {
			return nil, err
		}
		p, err := st.proposal(was, root, Table)
		if err != nil || p == nil {
			return nil, err
		}
		if err := st.choose(p); err != nil {
			return nil, err
		}
		move = st.move
		return st.finish(ctx)
	})
	if err != nil {
		return nil, err
	}
	return s.updated(ctx, c, id, was, root, move)
}

// updated is what an update came to, as the caller may read it: was is what the resource
// was, is what was sent.
func (s *Service) updated(ctx context.Context, c Call, id string, was, is *fhir.Node, move *Move) (*Updated, error) {
	v, err := s.Store.Read(ctx, s.scope(c), is.ResourceType(), id)
	if err != nil {
		return nil, err
	}
	if err := disclose(c.Principal.Role, v); err != nil {
		return nil, err
	}
	now, err := parse(v.Body)
	if err != nil {
		return nil, err
	}
	return &Updated{v, move, ignored(was, is, move, now)}, nil
}

// attempt decides a move and commits it, again when something beside the referral
// changed in between. decide gives nil where nothing is to be done.
func (s *Service) attempt(ctx context.Context, c Call, id string, in Input, decide func(*step) (*Change, error)) error {
	for round := 1; ; round++ {
		st, err := s.step(ctx, c, id, in)
		if err != nil {
			return err
		}
		change, err := decide(st)
		if err != nil || change == nil {
			return err
		}
		err = s.Store.Commit(ctx, change)
		var known *Repeat
		if errors.As(err, &known) && known.Key.Kind == KeySuccessor {
			e := issue.New(issue.Conflict, "succeeded", "another Task has taken the place of this one already: work that one")
			return e.With("Task/%s", known.Key.Hash)
		}
		if err == nil || !errors.Is(err, issue.Conflict) || round == maxRounds {
			return err
		}
	}
}

// current reads the version of a resource that an update builds on.
func (st *step) current(ctx context.Context, kind, id string, version int) (*fhir.Node, error) {
	stored, err := st.s.Store.Read(ctx, st.scope, kind, id)
	if err != nil {
		return nil, err
	}
	if stored.Number != version {
		return nil, staleVersion(stored.Number)
	}
	// compared with what the caller could read
	if err := disclose(st.c.Principal.Role, stored); err != nil {
		return nil, err
	}
	return parse(stored.Body)
}

// choose finds the row of the table that a proposal means and takes it: the first that
// accepts what is given, else the first that fits says what is missing.
func (st *step) choose(p *proposal) error {
	var first error
	for i := range p.table {
		m := &p.table[i]
		if !p.fits(m, st.before, st.actor) {
			continue
		}
		st.in = p.input(m)
		err := st.take(m)
		if err == nil {
			return nil
		}
		if first == nil {
			first = issue.Join(append([]*issue.Error{}, placed(issue.All(err), m)...))
		}
	}
	if first != nil {
		return first
	}
	what := "Task.status " + p.was.Text("status") + " to " + p.status
	if p.business != "" {
		what += " with businessStatus " + p.business
	}
	return issue.New(issue.BusinessRule, "illegal-move", what+" is no move that the caller may make; "+
		legal(p.table, p.was.Text("status"), st.before.Asked(), st.actor)).At("Task.status")
}

// placed says of each fault which row of the table it is about, and in which element of
// the Task. The resource itself is sound: what is wrong is the move.
func placed(faults []*issue.Error, m *Move) []*issue.Error {
	for _, e := range faults {
		e.Details = m.ID + ": " + e.Details
		if !e.Type.Within(issue.Security) {
			e.Type = issue.BusinessRule
		}
		field, _, _ := strings.Cut(e.Expression, ".")
		field, _, _ = strings.Cut(field, "[")
		if at := elementOfField[field]; at != "" {
			e.Expression = "Task." + at
		}
	}
	return faults
}
