package referral

import (
	"context"
	"slices"
)

// Worklist gives the referrals the caller may see, oldest first, without timelines.
// Errors: value for a bad cursor.
func (s *Service) Worklist(ctx context.Context, c Call, f Filter) (list []View, next string, err error) {
	records, next, err := s.Store.Referrals(ctx, s.scope(c), f)
	if err != nil {
		return nil, "", err
	}
	list = make([]View, 0, len(records))
	for i := range records {
		v, err := s.view(ctx, c, &records[i], nil)
		if err != nil {
			return nil, "", err
		}
		v.Timeline = nil
		list = append(list, *v)
	}
	a := s.audit(c, "search-type", "E", nil)
	a.Entity = "Task"
	if len(records) > 0 {
		a.Organisation = records[0].Organisation
	}
	return list, next, s.record(ctx, a)
}

// View gives one referral with its timeline. Errors: not-found.
func (s *Service) View(ctx context.Context, c Call, id string) (*View, error) {
	r, err := s.Store.Referral(ctx, s.scope(c), id)
	if err != nil {
		return nil, err
	}
	events, err := s.Store.Events(ctx, s.scope(c), id)
	if err != nil {
		return nil, err
	}
	v, err := s.view(ctx, c, r, events)
	if err != nil {
		return nil, err
	}
	a := s.audit(c, "read", "R", nil)
	a.Organisation, a.Entity, a.Patient = r.Organisation, "Task/"+r.ID, r.Patient
	return v, s.record(ctx, a)
}

// view renders one referral with what joined it after the request, and the person as
// known now. events is nil when they are still to be read.
func (s *Service) view(ctx context.Context, c Call, r *Record, events []Event) (*View, error) {
	if events == nil {
		var err error
		if events, err = s.Store.Events(ctx, s.scope(c), r.ID); err != nil {
			return nil, err
		}
	}
	later, err := s.joined(ctx, s.scope(c), r.ID)
	if err != nil {
		return nil, err
	}
	v, err := s.render(c, r, later, events)
	if err != nil {
		return nil, err
	}
	// a corrected telephone number must reach the link worker
	current, err := s.Store.Read(ctx, s.scope(c), "Patient", r.Patient)
	if err != nil {
		return nil, err
	}
	patient, err := parse(current.Body)
	if err != nil {
		return nil, err
	}
	v.Person = person(patient)
	activities, err := s.Store.ActivitiesOf(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	for i := range activities {
		a, err := s.activityView(ctx, c, &activities[i], r)
		if err != nil {
			return nil, err
		}
		v.Activities = append(v.Activities, *a)
	}
	v.AllowedActions = s.offers(c, situation{record: r, events: events, activities: activities, deceased: deceased(patient), input: &Input{},
		now: s.now(), rules: &s.Rules, partners: s.Partners})
	return v, nil
}

// joined reads what joined a referral after the request, and what was recorded in it,
// the oldest of each type first.
func (s *Service) joined(ctx context.Context, scope Scope, referral string) ([]Version, error) {
	var later []Version
	for _, kind := range []string{"Observation", "Flag", "Condition"} {
		found, err := s.Store.Search(ctx, scope, Query{Type: kind, Page: Page{Count: 500}, Conditions: []Condition{
			{Param: "_referral", Kind: ParamRef, Values: []Value{{Text: referral}}},
		}})
		if err != nil {
			return nil, err
		}
		slices.Reverse(found.Versions) // oldest first
		later = append(later, found.Versions...)
	}
	return later, nil
}

// offers lists what the caller may do next.
func (s *Service) offers(c Call, sit situation) []Action {
	out := []Action{}
	r, actor := sit.record, actorOf(c.Principal.Role)
	for i := range Table {
		m := &Table[i]
		if m.Action == "" || !m.By(actor) || !m.Starts(r.Status, r.Asked()) {
			continue
		}
		if slices.ContainsFunc(m.Guards, func(g Guard) bool { return g.early && !g.ok(sit) }) {
			continue
		}
		out = append(out, m.offer("/api/v1/referrals/"+r.ID))
	}
	return out
}
