package referral

import (
	"context"
	"slices"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
)

// glance reads in a normalised referral what the worklist finds it by: as render shows it,
// so that a list by need or by risk holds what its items say.
func (s *Service) glance(r *Record, content *fhir.Node) {
	r.Priority, r.Needs = "routine", nil // a request without priority is a routine one
	shown := &View{}
	h := s.newSheet(shown)
	for _, entry := range content.All("entry") {
		n := entry.Child("resource")
		if n.ResourceType() != "ServiceRequest" {
			h.show(n, RoleBaseline)
			continue
		}
		if n.Text("id") != r.Filler {
			continue
		}
		h.request(n, r.Organisation)
		if shown.Priority != "" {
			r.Priority = shown.Priority
		}
		for _, need := range shown.Needs {
			if code := need.Need; code != "" && !slices.Contains(r.Needs, code) {
				r.Needs = append(r.Needs, code)
			}
		}
	}
	r.Risk = len(shown.Risks) > 0
	r.RiskTold = r.Risk
	r.Registered = ""
	if practice := factsAtIntake(r, content).Practice; practice != r.Organisation {
		r.Registered = practice
	}
}

// risky reports whether one of some resources is shown as a risk.
func (s *Service) risky(list []*fhir.Node) bool {
	shown := &View{}
	h := s.newSheet(shown)
	for _, n := range list {
		h.show(n, RoleFollowUp)
	}
	return len(shown.Risks) > 0
}

// endanger adds to what is known of the risks of a referral those of some resources of it:
// those that its service may read, and among them those that the practice may.
func (s *Service) endanger(r *Record, list []Version) error {
	var all, told []*fhir.Node
	for i := range list {
		v := &list[i]
		if v.Organisation != r.Organisation && v.Organisation != r.Owner {
			continue // a service before this one kept it to itself
		}
		n, err := parse(v.Body)
		if err != nil {
			return err
		}
		if all = append(all, n); v.Organisation != r.Organisation {
			continue
		}
		if n, err = parse(v.Body); err != nil {
			return err
		}
		withholdFrom(n)
		told = append(told, n)
	}
	r.RiskTold = r.RiskTold || s.risky(told)
	r.Risk = r.Risk || r.RiskTold || s.risky(all)
	return nil
}

// weigh settles whether a referral holds a risk after resources of it were recorded or
// taken back.
func (s *Service) weigh(ctx context.Context, r *Record, content *fhir.Node, changed []Version, back bool) error {
	if !back {
		return s.endanger(r, changed)
	}
	before, err := s.joined(ctx, Scope{Role: auth.RoleOperator}, []Record{*r})
	if err != nil {
		return err
	}
	list := slices.Clone(changed)
	for _, v := range before[r.ID] {
		if !slices.ContainsFunc(changed, func(c Version) bool { return c.ID == v.ID }) {
			list = append(list, v)
		}
	}
	fresh := *r
	s.glance(&fresh, content)
	if err := s.endanger(&fresh, list); err != nil {
		return err
	}
	r.Risk, r.RiskTold = fresh.Risk, fresh.RiskTold
	return nil
}

// maxLearned is how many referrals are read at once.
const maxLearned = 100

// Learn reads, in referrals from before the worklist was found by them, priority, needs,
// risk and the practice where the person is registered. A list by them is whole when it
// returns; it gives how many it read. Errors: those of the store.
func (s *Service) Learn(ctx context.Context) (n int, err error) {
	everything := Scope{Role: auth.RoleOperator}
	for {
		list, err := s.Store.Unseen(ctx, maxLearned)
		if err != nil || len(list) == 0 {
			return n, err
		}
		var people []string
		for _, r := range list {
			people = append(people, r.Patient)
		}
		joined, err := s.joined(ctx, everything, list)
		if err != nil {
			return n, err
		}
		patients, err := s.Store.ReadAll(ctx, everything, "Patient", people)
		if err != nil {
			return n, err
		}
		for i := range list {
			if err := s.learn(ctx, &list[i], joined[list[i].ID], patients[list[i].Patient]); err != nil {
				return n, err
			}
		}
		if err := s.Store.See(ctx, list); err != nil {
			return n, err
		}
		n += len(list)
	}
}

// learn is glance at a referral as it is now.
func (s *Service) learn(ctx context.Context, r *Record, joined []Version, patient *Version) error {
	content, err := s.content(r)
	if err != nil {
		return err
	}
	s.glance(r, content)
	if err := s.endanger(r, joined); err != nil {
		return err
	}
	if patient == nil {
		return nil
	}
	n, err := parse(patient.Body)
	if err != nil {
		return err
	}
	facts := factsOf(r, n, func(reference string) *fhir.Node {
		return s.organisation(ctx, Scope{Role: auth.RoleOperator}, reference)
	})
	if r.Registered = facts.Practice; facts.Practice == r.Organisation {
		r.Registered = ""
	}
	return nil
}
