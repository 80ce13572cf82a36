package main

import (
	"strings"

	"spadapter/adapter/fhir"
)

// eachLiteral visits the References with a literal at and below n.
func eachLiteral(n *fhir.Node, visit func(ref, literal *fhir.Node)) {
	if literal := n.Child("reference"); literal != nil && n.Type != nil && n.Type.Name == "Reference" {
		visit(n, literal)
	}
	for _, c := range n.Children {
		eachLiteral(c, visit)
	}
}

// references puts in whom references lead to, and of anything else says at which address it
// is: in what is taken in, which of a record is what the referral refers to and what refers to it.
func (s *supply) references(r *fhir.Node) {
	var waiting []*fhir.Node
	seen := map[*fhir.Node]bool{}
	add := func(n *fhir.Node) {
		if n != nil && n.Name == "resource" && !seen[n] {
			seen[n] = true
			waiting = append(waiting, n)
		}
	}
	add(r)
	for _, e := range s.bundle.All("entry") {
		n := e.Child("resource")
		about := s.system == fhir.Types(fhir.R4)
		if !about && n != nil {
			eachLiteral(n, func(ref, literal *fhir.Node) { about = about || s.index.Resolve(literal.Value, ref) == r })
		}
		if about {
			add(n)
		}
	}
	made := map[string]*fhir.Node{}
	for ; len(waiting) > 0; waiting = waiting[1:] {
		eachLiteral(waiting[0], func(ref, literal *fhir.Node) {
			to := made[literal.Value]
			if to == nil {
				to = s.index.Resolve(literal.Value, ref)
			}
			if to == nil {
				if to = s.reference(ref, literal); to != nil {
					made[literal.Value] = to
				}
			}
			add(to)
		})
	}
	if person := s.index.Resolve(s.person, r.Child("subject")); person.ResourceType() == "Patient" {
		s.number(person)
	} else if person = made[s.person]; person.ResourceType() == "Patient" { // said as the Patient that was put in
		s.identify(person)
	}
}

// reference gives the resource that was put in for a reference that led to none, nil where there
// is none.
func (s *supply) reference(ref, literal *fhir.Node) *fhir.Node {
	target, ok := fhir.ParseReference(s.system, literal.Value)
	if !ok || target.Base != "" || target.URN != "" || target.Local != "" {
		return nil
	}
	fill := suppliedTypes[target.Type]
	if fill == nil {
		literal.Value = suppliedBase + literal.Value
		s.put("address of " + ref.Name)
		return nil
	}
	n := fhir.New(s.system.Resource(target.Type))
	n.Set("id", target.ID)
	fill(s, n)
	full := s.url(target.Type, target.ID)
	if strings.HasPrefix(full, "urn:") {
		literal.Value = full
	}
	s.enter(n, full)
	if target.ID != suppliedPractice && target.ID != suppliedPerson { // said as requester and subject
		s.put(target.Type)
	}
	return n
}
