package referral

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
)

// editKeys are the keys of a change that carries an Idempotency-Key, none for one without.
// Its hash is of what is asked for in which role; the version is left out, since whoever
// asks again may have read the referral in between.
func editKeys(c Call, what string) []Key {
	if c.IdempotencyKey == "" {
		return nil
	}
	c.RequestGiven = false // a trace may span many changes
	keys := requestKeys(c)
	keys[0].Hash = hexHash([]byte(string(c.Principal.Role) + "\n" + what + "\n" + keys[0].Hash))
	return keys
}

// answered gives what the first call with these keys was answered, nil when there was none.
// Errors: conflict (rule "repeat-differs") when that call was another.
func (s *Service) answered(ctx context.Context, c Call, keys []Key) (*View, error) {
	known, err := s.Store.Known(ctx, keys)
	if known == nil || err != nil {
		return nil, err
	}
	response, err := s.repeat(known, keys)
	if err != nil {
		return nil, err
	}
	v := &View{}
	if err := json.Unmarshal(response.Body, v); err != nil {
		return nil, issue.New(issue.Exception, "stored-response", "a stored answer cannot be read").Because(err)
	}
	r, err := s.Store.Referral(ctx, Scope{Role: auth.RoleOperator}, v.ID)
	if err != nil {
		return nil, err
	}
	a := s.audit(c, "read", "R", nil)
	a.Organisation, a.Entity, a.Version, a.Patient = r.Organisation, "Task/"+v.ID, v.Version, r.Patient
	return v, s.record(ctx, a)
}

// promise keeps with a change what its caller is answered, so that a repeat gets the same.
func promise(change *Change, keys []Key, v *View) {
	if len(keys) == 0 {
		return
	}
	change.Keys = append(change.Keys, keys...)
	change.Response = &Response{Status: 200, ContentType: "application/json", ETag: etag(v.Version), Body: mustJSON(v)}
}

// foresight is a store as it will be after a change: as much of it as showing a referral
// reads. What the step has read is not read again.
type foresight struct {
	Store
	st     *step
	change *Change
}

// find gives the last version of a resource in the change; number 0 is any.
func (f *foresight) find(s Scope, resourceType, id string, number int) *Version {
	for i := range f.change.Versions {
		v := &f.change.Versions[len(f.change.Versions)-1-i]
		if v.Type == resourceType && v.ID == id && (number == 0 || v.Number == number) && f.sees(s, v) {
			return v
		}
	}
	return nil
}

// sees reports whether a scope has a version of this change, as the store will say.
func (f *foresight) sees(s Scope, v *Version) bool {
	organisation := v.Organisation
	if organisation == "" {
		organisation = f.change.Organisation
	}
	return s.Role != "requester" || slices.Contains(s.Organisations, organisation)
}

func (f *foresight) Read(ctx context.Context, s Scope, resourceType, id string) (*Version, error) {
	if v := f.find(s, resourceType, id, 0); v != nil {
		return v, nil
	}
	return f.Store.Read(ctx, s, resourceType, id)
}

func (f *foresight) ReadVersion(ctx context.Context, s Scope, resourceType, id string, number int) (*Version, error) {
	if v := f.find(s, resourceType, id, number); v != nil {
		return v, nil
	}
	return f.Store.ReadVersion(ctx, s, resourceType, id, number)
}

func (f *foresight) ReadAll(ctx context.Context, s Scope, resourceType string, ids []string) (map[string]*Version, error) {
	all := map[string]*Version{}
	if p := f.st.person; resourceType == "Patient" && len(ids) == 1 && ids[0] == p.ID {
		all[p.ID] = p
	} else {
		var err error
		if all, err = f.Store.ReadAll(ctx, s, resourceType, ids); err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		if v := f.find(s, resourceType, id, 0); v != nil {
			all[id] = v
		}
	}
	return all, nil
}

func (f *foresight) Joined(ctx context.Context, s Scope, ids []string) (map[string][]Version, error) {
	all := map[string][]Version{}
	if of := f.st.before.ID; len(ids) == 1 && ids[0] == of {
		list, err := f.st.later(ctx)
		if err != nil {
			return nil, err
		}
		all[of] = slices.Clone(list)
	} else {
		var err error
		if all, err = f.Store.Joined(ctx, s, ids); err != nil {
			return nil, err
		}
	}
	for i := range f.change.Versions {
		v := &f.change.Versions[i]
		if !slices.Contains(Joining, v.Type) {
			continue
		}
		for _, id := range ids {
			list := slices.DeleteFunc(all[id], func(w Version) bool { return w.Type == v.Type && w.ID == v.ID })
			if f.sees(s, v) && slices.Contains(v.Terms, referralTerm(id)) {
				list = append(list, *v)
			}
			slices.SortStableFunc(list, func(a, b Version) int {
				return cmp.Compare(slices.Index(Joining, a.Type), slices.Index(Joining, b.Type))
			})
			all[id] = list
		}
	}
	return all, nil
}

func (f *foresight) ActivitiesOf(ctx context.Context, referrals ...string) ([]Activity, error) {
	list := slices.Clone(f.st.activities)
	if len(referrals) != 1 || referrals[0] != f.st.before.ID {
		var err error
		if list, err = f.Store.ActivitiesOf(ctx, referrals...); err != nil {
			return nil, err
		}
	}
	for _, a := range f.change.Activities {
		if !slices.Contains(referrals, a.Referral) {
			continue
		}
		if at := slices.IndexFunc(list, func(b Activity) bool { return a.ID == b.ID }); at >= 0 {
			list[at] = a
		} else {
			list = append(list, a)
		}
	}
	return list, nil
}
