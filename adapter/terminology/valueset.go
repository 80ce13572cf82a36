package terminology

import (
	"strings"

	"spadapter/adapter/fhir"
)

// answer is what a part of a value set says of a code.
type answer uint8

const (
	no answer = iota
	yes
	unknown
)

// valueSet is a compiled ValueSet.
type valueSet struct {
	url, version string
	node         *fhir.Node // nil for one that SNOMED CT implies
	includes     clauses
	excludes     clauses
	expansion    map[string]*listed // when there is no compose: what the expansion lists
	listed       []*listed          // the same in its order
	circular     bool               // it imports itself, by whatever way
}

// listed is a code that a value set lists itself.
type listed struct {
	Concept
	abstract     bool
	inactive     bool
	designations []Designation
}

// ValidateCode says whether a value set holds a code. known is false when that cannot
// be decided from what is loaded: the value set is not here, it takes a whole code
// system that is not here, or it filters by what is not here. system "" matches any
// system, as for a code element whose system the binding implies. Validate says why.
//
// Source: http://hl7.org/fhir/R4/valueset-operation-validate-code.html,
// http://hl7.org/fhir/R4/valueset.html#compositions.
func (r *Registry) ValidateCode(valueSet, system, code string) (ok, known bool) {
	s := r.set(valueSet)
	if s == nil {
		return false, false
	}
	a := s.holds(system, code, 0, nil)
	return a == yes, a != unknown
}

// HasCode says whether a value set holds a coded element, as a binding asks: a Coding or
// a Quantity by its system and code, a CodeableConcept by one of its codings at least, a
// primitive by its text, whose system the value set implies. known is false when that
// cannot be decided from what is loaded, and when there is no code to decide on. A Coding
// without system is in no value set.
//
// Source: http://hl7.org/fhir/R4/terminologies.html#4.1.
func (r *Registry) HasCode(valueSet string, n *fhir.Node) (ok, known bool) {
	switch {
	case n == nil:
		return false, false
	case n.IsPrimitive():
		if !n.HasValue() {
			return false, false
		}
		return r.ValidateCode(valueSet, "", n.Value)
	case n.Type != nil && n.Type.Is("CodeableConcept") || n.Child("coding") != nil:
		known = r.set(valueSet) != nil
		for _, c := range n.All("coding") {
			held, decided := r.HasCode(valueSet, c)
			if held {
				return true, true
			}
			known = known && decided
		}
		return false, known
	}
	system, code := n.Text("system"), n.Text("code")
	if system == "" || code == "" {
		return false, r.set(valueSet) != nil
	}
	return r.ValidateCode(valueSet, system, code)
}

// set finds a value set by its canonical, or makes the one that SNOMED CT implies; nil
// when there is none. One that is loaded in another version only is not the one that is
// asked for.
func (r *Registry) set(canonical string) *valueSet {
	if r == nil {
		return nil
	}
	s, ok := find(r.sets, canonical)
	if !ok {
		return r.implicit(canonical)
	}
	if s.version != "" {
		if _, version, _ := strings.Cut(canonical, "|"); !sameVersion(version, s.version) {
			return nil
		}
	}
	return s
}

// maxImports is how deep value sets may import each other. Published ones go to four.
const maxImports = 16

func (s *valueSet) holds(system, code string, depth int, why *doubts) answer {
	if s.circular || depth > maxImports {
		why.add("the value set %s imports itself", s.url)
		return unknown
	}
	if s.expansion != nil {
		return truth(s.expansion[system+"|"+code] != nil)
	}
	result := s.includes.holds(len(s.includes.list), system, code, depth, why)
	if result == no || len(s.excludes.list) == 0 {
		return result
	}
	return both(result, not(s.excludes.holds(len(s.excludes.list), system, code, depth, why)))
}

// copy is s with clauses that can be linked anew.
func (s *valueSet) copy() *valueSet {
	out := *s
	out.includes, out.excludes = s.includes.copy(), s.excludes.copy()
	return &out
}

func (l *loader) valueSet(n *fhir.Node) *valueSet {
	s := &valueSet{url: n.Text("url"), version: n.Text("version"), node: n}
	compose := n.Child("compose")
	active := compose.Text("inactive") == "false"
	for _, c := range compose.All("include") {
		s.includes.list = append(s.includes.list, newClause(c, active, l.patterns))
	}
	for _, c := range compose.All("exclude") {
		s.excludes.list = append(s.excludes.list, newClause(c, false, l.patterns))
	}
	if expansion := n.Child("expansion"); compose == nil && expansion != nil {
		s.expansion = map[string]*listed{}
		var walk func(at *fhir.Node)
		walk = func(at *fhir.Node) {
			for _, c := range at.All("contains") {
				l := newListed(c, c.Text("system"))
				if l.abstract, l.inactive = c.Text("abstract") == "true", c.Text("inactive") == "true"; !l.abstract {
					s.listed = append(s.listed, l)
					for _, key := range []string{l.System + "|" + l.Code, "|" + l.Code} {
						if s.expansion[key] == nil {
							s.expansion[key] = l
						}
					}
				}
				walk(c)
			}
		}
		walk(expansion)
	}
	return s
}

func newListed(n *fhir.Node, system string) *listed {
	return &listed{Concept: Concept{System: system, Code: n.Text("code"), Display: n.Text("display")}, designations: designations(n)}
}
