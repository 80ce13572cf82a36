package referral

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"spadapter/adapter/auth"
)

// ActivityView is a sub-Task as a tool sees it. Who owns the referral sees the referral
// beside it; a provider sees this and no more.
type ActivityView struct {
	ID             string    `json:"id"`
	Version        int       `json:"version"`            // the ETag is W/"version"
	Referral       string    `json:"referral,omitempty"` // for who owns the referral
	Name           string    `json:"name"`
	Provider       *Party    `json:"provider,omitempty"` // nil for one that the service speaks for
	Status         string    `json:"status"`
	BusinessStatus string    `json:"business_status,omitempty"`
	Sessions       int       `json:"sessions"`
	Instructions   string    `json:"instructions,omitempty"`
	Person         *Contact  `json:"person,omitempty"` // for the provider
	Created        time.Time `json:"created"`
	Updated        time.Time `json:"updated"`
	AllowedActions []Action  `json:"allowed_actions"`
	Task           string    `json:"task"`
}

// Activity gives one sub-Task. Errors: not-found.
func (s *Service) Activity(ctx context.Context, c Call, id string) (*ActivityView, error) {
	a, err := s.Store.Activity(ctx, s.scope(c), id)
	if err != nil {
		return nil, err
	}
	r, err := s.Store.Referral(ctx, Scope{Role: auth.RoleOperator}, a.Referral)
	if err != nil {
		return nil, err
	}
	v, err := s.activityView(ctx, c, a, r)
	if err != nil {
		return nil, err
	}
	audit := s.audit(c, "read", "R", nil)
	audit.Organisation, audit.Entity, audit.Version, audit.Patient = a.Organisation, "Task/"+a.ID, a.Version, r.Patient
	return v, s.record(ctx, audit)
}

// Activities gives the sub-Tasks that the caller was sent as a provider, the oldest first.
// Errors: value for a bad cursor.
func (s *Service) Activities(ctx context.Context, c Call, open Wanted, p Page) (list []ActivityView, next string, err error) {
	found, next, err := s.Store.Activities(ctx, s.scope(c), open, p)
	if err != nil {
		return nil, "", err
	}
	list = make([]ActivityView, 0, len(found))
	audit := s.audit(c, "search-type", "E", nil)
	audit.Entity = "Task"
	for i := range found {
		r, err := s.Store.Referral(ctx, Scope{Role: auth.RoleOperator}, found[i].Referral)
		if err != nil {
			return nil, "", err
		}
		v, err := s.activityView(ctx, c, &found[i], r)
		if err != nil {
			return nil, "", err
		}
		list = append(list, *v)
		audit.shows(found[i].Organisation, r.Patient)
	}
	return list, next, s.record(ctx, audit)
}

// activityView renders a sub-Task for a caller.
func (s *Service) activityView(ctx context.Context, c Call, a *Activity, r *Record) (*ActivityView, error) {
	return s.activityWith(ctx, c, a, r, nil)
}

// activityWith is activityView with the current version of its Task, where that was read.
func (s *Service) activityWith(ctx context.Context, c Call, a *Activity, r *Record, stored *Version) (*ActivityView, error) {
	v := &ActivityView{
		ID: a.ID, Version: a.Version, Name: a.Name, Status: a.Status, BusinessStatus: a.BusinessStatus, Sessions: a.Sessions,
		Created: a.Created, Updated: a.Updated, Task: "Task/" + a.ID, AllowedActions: []Action{},
	}
	if a.Owner != "" {
		p := s.party(a.Owner)
		v.Provider = &p
	}
	who := s.activityActors(c, a, r)
	if slices.Contains(who, ActorWorker) || c.Principal.Role != auth.RoleOwner {
		v.Referral = a.Referral
	} else if slices.Contains(who, ActorProvider) {
		person, err := s.contact(ctx, c, a, r)
		if err != nil {
			return nil, err
		}
		v.Person = person
	}
	if stored == nil || stored.Number != a.Version {
		var err error
		if stored, err = s.Store.ReadVersion(ctx, Scope{Role: auth.RoleOperator}, "Task", a.ID, a.Version); err != nil {
			return nil, err
		}
	}
	var task struct{ Description string }
	if err := json.Unmarshal(stored.Body, &task); err != nil {
		return nil, err
	}
	v.Instructions = task.Description
	if c.Principal.Role == auth.RoleRequester && !sharesAtLeast(r.Sharing, SharingFull) {
		if v.Instructions = ""; !sharesAtLeast(r.Sharing, SharingSummary) {
			v.Name, v.Sessions = "", 0
		}
	}
	for i := range Activities {
		m := &Activities[i]
		if m.Action == "" || !m.Starts(a.Status, false) || !slices.ContainsFunc(who, m.By) {
			continue
		}
		v.AllowedActions = append(v.AllowedActions, m.offer("/api/v1/activities/"+a.ID))
	}
	return v, nil
}

// offer is a row as an action that a caller may take.
func (m *Move) offer(at string) Action {
	a := Action{Name: m.Action, Move: m.ID, To: m.To, Requires: slices.Clone(m.Requires), Href: at + "/actions/" + m.Action}
	if m.Reason {
		a.Requires, a.Reasons = append(a.Requires, "reason"), m.ReasonCodes()
	}
	return a
}
