package referral

import (
	"context"
	"slices"

	"spadapter/adapter/auth"
)

// Contact is the least that a provider must know of a person to deliver an activity: how
// to reach them and how to speak with them, and what they need to take part. Nothing that
// was written in words is in it, for words may tell anything.
type Contact struct {
	Name        string   `json:"name"`
	Telecom     []string `json:"telecom,omitempty"`                  // empty for a restricted person, and when the activity has ended
	Preferred   *Concept `json:"preferred_contact_method,omitempty"` // by its code
	Languages   []Coded  `json:"languages,omitempty"`
	Interpreter *bool    `json:"interpreter_needed"` // null when nothing is recorded, which is not false
	Written     []Coded  `json:"written_format,omitempty"`
	Access      []Coded  `json:"access_needs"`         // such as wheelchair access or a quiet place
	More        bool     `json:"more_needs,omitempty"` // there are others: the link worker knows them
}

// contact is what a provider of an activity of a referral sees of the person.
func (s *Service) contact(ctx context.Context, c Call, a *Activity, r *Record) (*Contact, error) {
	everything := Scope{Role: auth.RoleOperator}
	stored, err := s.Store.Read(ctx, everything, "Patient", r.Patient)
	if err != nil {
		return nil, err
	}
	patient, err := parse(stored.Body)
	if err != nil {
		return nil, err
	}
	out := &Contact{Name: person(patient, s.now()).Name, Access: []Coded{}}
	if Terminal(a.Status) {
		return out, nil // it is over: there is nothing left to know
	}
	joined, err := s.joined(ctx, everything, []Record{*r})
	if err != nil {
		return nil, err
	}
	v, err := s.render(c, r, patient, joined[r.ID], nil, nil)
	if err != nil {
		return nil, err
	}
	s.limit(out, v)
	return out, nil
}

// limit takes from a View what a provider may know, and no more.
func (s *Service) limit(out *Contact, v *View) {
	p, c := v.Person, v.Communicate
	if !p.Restricted && !p.Deceased {
		out.Telecom = p.Telecom
	}
	names := s.accessNames()
	plain := func(c Coded) Coded {
		c = Coded{System: c.System, Code: c.Code}
		c.Display = names[c]
		return c
	}
	known := func(list []Coded) (codes []Coded) {
		for _, code := range list {
			if s.in("sp-access-need", []Coded{code}) {
				codes = append(codes, plain(code))
			}
		}
		return codes
	}
	if p.Preferred != nil {
		if codes := known(p.Preferred.Codes); len(codes) > 0 {
			out.Preferred = &Concept{Text: codes[0].Display, Codes: codes}
		}
	}
	for _, l := range c.Languages {
		for _, code := range l.Codes {
			if code.Code != "" && !(l.Recorded != nil && !l.Recorded.current()) {
				out.Languages = append(out.Languages, plain(code))
			}
		}
	}
	out.Interpreter = c.Interpreter
	if c.WrittenFormat != nil {
		out.Written = known(c.WrittenFormat.Codes)
	}
	r := v.Requirements
	for _, list := range [][]Finding{c.Needs, c.Interpreters, r.Adjustments, r.Impairments, r.Mobility, r.Other} {
		for _, f := range list {
			if !f.current() {
				continue
			}
			codes := known(append(slices.Clone(f.Codes), f.ValueCodes...))
			out.Access = append(out.Access, codes...)
			out.More = out.More || len(codes) == 0
		}
	}
}

// accessNames are the words of our own list for the codes in it, so that none of the
// sender's words is needed.
func (s *Service) accessNames() map[Coded]string {
	list, _ := s.Terminology.Expand(canonical + "/ValueSet/sp-access-need")
	out := make(map[Coded]string, len(list))
	for _, c := range list {
		out[Coded{System: c.System, Code: c.Code}] = c.Display
	}
	return out
}
