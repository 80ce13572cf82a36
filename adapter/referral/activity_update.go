package referral

import (
	"context"
	"slices"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// updateActivity takes a new version of a sub-Task over FHIR.
func (s *Service) updateActivity(ctx context.Context, c Call, a *Activity, version int, root *fhir.Node) (*Updated, error) {
	st, err := s.activityStep(ctx, c, a.ID, version, Input{})
	if err != nil {
		return nil, err
	}
	was, err := st.current(ctx, "Task", a.ID, version)
	if err != nil {
		return nil, err
	}
	p, err := st.proposal(was, root, Activities)
	if err != nil {
		return nil, err
	}
	if p != nil {
		if err := st.chooseActivity(p); err != nil {
			return nil, err
		}
		if err := st.commitActivity(ctx); err != nil {
			return nil, err
		}
	}
	return s.updated(ctx, c, a.ID, was, root, st.move)
}

// chooseActivity finds the row that a proposal means and takes it.
func (st *step) chooseActivity(p *proposal) error {
	var first error
	for i := range Activities {
		m := &Activities[i]
		if !slices.ContainsFunc(st.actors, func(a Actor) bool { return p.fits(m, &Record{}, a) }) {
			continue
		}
		st.in = p.input(m)
		err := st.takeActivity(m)
		if err == nil {
			return nil
		}
		if first == nil {
			first = issue.Join(placed(issue.All(err), m))
		}
	}
	if first != nil {
		return first
	}
	return issue.New(issue.BusinessRule, "illegal-move", "Task.status "+p.was.Text("status")+" to "+p.status+" is no move that the caller may make; "+
		legal(Activities, p.was.Text("status"), false, st.actor)).At("Task.status")
}
