package referral

import (
	"context"
	"slices"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
)

// Worklist gives the referrals the caller may see in the order of the filter, without
// timelines. Errors: value for a bad cursor or order, too-costly for too many alternatives.
func (s *Service) Worklist(ctx context.Context, c Call, f Filter) (list []View, next string, err error) {
	records, next, err := s.Store.Referrals(ctx, s.scope(c), f)
	if err != nil {
		return nil, "", err
	}
	around, err := s.around(ctx, c, records, nil)
	if err != nil {
		return nil, "", err
	}
	list = make([]View, 0, len(records))
	for i := range records {
		v, err := s.viewOf(ctx, c, &records[i], around)
		if err != nil {
			return nil, "", err
		}
		list = append(list, *v)
	}
	a := s.audit(c, "search-type", "E", nil)
	a.Entity = "Task"
	for i := range records {
		a.shows(records[i].Organisation, records[i].Patient)
	}
	return list, next, s.record(ctx, a)
}

// View gives one referral with its timeline. Errors: not-found.
func (s *Service) View(ctx context.Context, c Call, id string) (*View, error) {
	r, err := s.Store.Referral(ctx, s.scope(c), id)
	if err != nil {
		return nil, err
	}
	v, err := s.view(ctx, c, r, nil)
	if err != nil {
		return nil, err
	}
	a := s.audit(c, "read", "R", nil)
	a.Organisation, a.Entity, a.Version, a.Patient = r.Organisation, "Task/"+r.ID, r.Version, r.Patient
	return v, s.record(ctx, a)
}

// view renders one referral with its timeline. events is nil when they are still to be read.
func (s *Service) view(ctx context.Context, c Call, r *Record, events []Event) (*View, error) {
	around, err := s.around(ctx, c, []Record{*r}, events)
	if err != nil {
		return nil, err
	}
	v, err := s.viewOf(ctx, c, r, around)
	if err != nil {
		return nil, err
	}
	v.Timeline = timeline(c, r, around.events[r.ID])
	return v, nil
}

// surroundings are what belongs to some referrals and stands beside them, by referral; the
// patients and the Tasks of activities by id.
type surroundings struct {
	events     map[string][]Event
	joined     map[string][]Version
	activities map[string][]Activity
	patients   map[string]*Version
	tasks      map[string]*Version
}

// around reads what belongs to some referrals, with one question for each kind. events are
// those of the only one, nil when they are still to be read.
func (s *Service) around(ctx context.Context, c Call, list []Record, events []Event) (a *surroundings, err error) {
	if len(list) == 0 {
		return &surroundings{}, nil
	}
	scope := s.scope(c)
	a = &surroundings{activities: map[string][]Activity{}}
	var ids, people, tasks []string
	for i := range list {
		ids = append(ids, list[i].ID)
		if !slices.Contains(people, list[i].Patient) {
			people = append(people, list[i].Patient)
		}
	}
	if events != nil {
		a.events = map[string][]Event{ids[0]: events}
	} else if a.events, err = s.Store.EventsOf(ctx, scope, ids); err != nil {
		return nil, err
	}
	if a.joined, err = s.joined(ctx, scope, list); err != nil {
		return nil, err
	}
	for _, list := range a.joined {
		if err := discloseAll(scope.Role, list); err != nil {
			return nil, err
		}
	}
	if a.patients, err = s.Store.ReadAll(ctx, scope, "Patient", people); err != nil {
		return nil, err
	}
	activities, err := s.Store.ActivitiesOf(ctx, ids...)
	if err != nil {
		return nil, err
	}
	for _, one := range activities {
		a.activities[one.Referral] = append(a.activities[one.Referral], one)
		tasks = append(tasks, one.ID)
	}
	a.tasks, err = s.Store.ReadAll(ctx, Scope{Role: auth.RoleOperator}, "Task", tasks)
	return a, err
}

// joined gives what joined some referrals after their requests, and those that they took
// the place of: a flag that the practice raised holds on after a hand-over.
func (s *Service) joined(ctx context.Context, scope Scope, list []Record) (map[string][]Version, error) {
	var all []string
	lines := make([][]string, len(list))
	for i := range list {
		line, err := s.lineage(ctx, &list[i])
		if err != nil {
			return nil, err
		}
		lines[i], all = line, append(all, line...)
	}
	slices.Sort(all)
	found, err := s.Store.Joined(ctx, scope, slices.Compact(all))
	if err != nil {
		return nil, err
	}
	out := make(map[string][]Version, len(list))
	for i, line := range lines {
		for _, id := range slices.Backward(line) {
			out[list[i].ID] = append(out[list[i].ID], found[id]...)
		}
	}
	return out, nil
}

// lineage is a referral and those that it took the place of, the newest first.
func (s *Service) lineage(ctx context.Context, r *Record) ([]string, error) {
	ids := []string{r.ID}
	for id := r.Follows; id != ""; {
		ids = append(ids, id)
		if id == r.Root {
			break
		}
		before, err := s.Store.Referral(ctx, Scope{Role: auth.RoleOperator}, id)
		if err != nil {
			return nil, err
		}
		id = before.Follows
	}
	return ids, nil
}

// viewOf renders one referral with what joined it after the request, and the person as
// known now.
func (s *Service) viewOf(ctx context.Context, c Call, r *Record, around *surroundings) (*View, error) {
	events := around.events[r.ID]
	// a corrected telephone number must reach the link worker
	current := around.patients[r.Patient]
	if current == nil { // say what became of it
		var err error
		if current, err = s.Store.Read(ctx, s.scope(c), "Patient", r.Patient); err != nil {
			return nil, err
		}
	}
	patient, err := current.content()
	if err != nil {
		return nil, err
	}
	patient, shown, later, away, err := s.confined(c, r, patient, around.joined[r.ID])
	if err != nil {
		return nil, err
	}
	v, err := s.render(c, shown, patient, later, events, func(reference string) *fhir.Node { return s.organisation(ctx, s.scope(c), reference) })
	if err != nil {
		return nil, err
	}
	if away {
		v.Person.Withheld = append(v.Person.Withheld, Withheld{Element: "address and telecom", Reason: "The person is restricted: only the service that holds the referral may know where they are."})
	}
	activities := around.activities[r.ID]
	for i := range activities {
		a, err := s.activityWith(ctx, c, &activities[i], r, around.tasks[activities[i].ID])
		if err != nil {
			return nil, err
		}
		v.Activities = append(v.Activities, *a)
	}
	v.AllowedActions = s.offers(c, situation{record: r, actor: actorOf(c.Principal.Role), events: events, activities: activities, deceased: deceased(patient), input: &Input{},
		now: s.now(), rules: &s.Rules, partners: s.Partners})
	return v, nil
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

// registrations are where the Patients of a message that are new versions are registered
// now.
func (in *intake) registrations(ctx context.Context) []Registration {
	var list []Registration
	scope, index := Scope{Role: auth.RoleRequester, Organisations: []string{in.sender}}, fhir.NewIndex(in.root)
	for _, it := range in.items {
		if it.node.ResourceType() == "Patient" && it.number > 1 {
			list = append(list, Registration{it.id, in.practice(ctx, scope, index, it.node)})
		}
	}
	return list
}
