package terminology

import "strings"

// source is what answers for a code system: a CodeSystem resource, a release of SNOMED CT,
// or the grammar of its codes.
type source interface {
	find(code string) (Concept, bool)
	same(a, b string) bool
	// selects says whether a code is in the code system and passes every filter.
	selects(filters []*filter, code string, why *doubts) answer
	// active says whether a code is for use, or unknown.
	active(code string) answer
	// candidates yields every code that may pass the filters, until yield says false. It
	// reports whether these are all there are.
	candidates(filters []*filter, why *doubts, yield func(code string) bool) bool
	describe(code string) *Details
	// names gives the designations of a code, nil when there are none; read only.
	names(code string) []Designation
	// edition is the version, "" when none is stated.
	edition() string
}

// Parents lists the codes directly above a code, nil when there are none or the code is
// not known.
func (r *Registry) Parents(system, code string) []string {
	if s := r.source(system); s != nil {
		if d := s.describe(code); d != nil {
			return d.Parents
		}
	}
	return nil
}

// Lookup finds a concept of a loaded code system; false when the code system is not
// loaded or does not have the code.
//
// Source: http://hl7.org/fhir/R4/codesystem-operation-lookup.html.
func (r *Registry) Lookup(system, code string) (Concept, bool) {
	s := r.source(system)
	if s == nil {
		return Concept{}, false
	}
	return s.find(code)
}

// source finds what answers for a code system, by its url and with a version or without;
// nil when nothing does. SNOMED CT always has an answer, if only that it is not loaded.
func (r *Registry) source(system string) source {
	if r == nil {
		return nil
	}
	url, _, _ := strings.Cut(system, "|")
	if url == SNOMED && r.release != nil {
		return r.release
	}
	if s, ok := find(r.systems, system); ok && (s.complete || len(s.order) > 0) {
		return s
	}
	if g := grammars[url]; g != nil {
		return g
	}
	if url == SNOMED {
		return none
	}
	if s, ok := find(r.systems, system); ok {
		return s
	}
	return nil
}
