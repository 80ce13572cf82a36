package terminology

import (
	"slices"
	"strings"
)

// Expand lists the codes of a value set that are known from what is loaded, sorted by
// system and code. complete is false when there may be more: the value set is not here,
// takes a code system that is not here whole, or filters by what is not here.
//
// Source: http://hl7.org/fhir/R4/valueset-operation-expand.html.
func (r *Registry) Expand(valueSet string) (concepts []Concept, complete bool) {
	if r == nil {
		return nil, false
	}
	s, ok := find(r.sets, valueSet)
	if !ok {
		return nil, false
	}
	candidates := map[Concept]bool{}
	complete = s.candidates(candidates, 0)
	type key struct{ system, code string }
	seen := map[key]bool{}
	for c := range candidates {
		k := key{c.System, c.Code}
		if seen[k] {
			continue
		}
		seen[k] = true
		switch s.holds(c.System, c.Code, 0) {
		case unknown:
			complete = false
		case yes:
			if known, ok := r.Lookup(c.System, c.Code); ok {
				concepts = append(concepts, known)
			} else {
				concepts = append(concepts, Concept{System: c.System, Code: c.Code})
			}
		}
	}
	slices.SortFunc(concepts, func(a, b Concept) int {
		if n := strings.Compare(a.System, b.System); n != 0 {
			return n
		}
		return strings.Compare(a.Code, b.Code)
	})
	return concepts, complete
}

// candidates collects every code that s could hold, and says whether these are all.
func (s *valueSet) candidates(out map[Concept]bool, depth int) bool {
	if s == nil || depth > 16 {
		return false
	}
	if s.expansion != nil {
		for k := range s.expansion {
			if system, code, _ := strings.Cut(k, "|"); system != "" {
				out[Concept{System: system, Code: code}] = true
			}
		}
		return true
	}
	all := true
	for _, c := range s.includes {
		switch {
		case c.codes != nil:
			for code := range c.codes {
				out[Concept{System: c.system, Code: code}] = true
			}
		case c.system == "":
			for _, inner := range c.linked { // a code must be in all of them
				all = inner.candidates(out, depth+1) && all
			}
		case c.code == nil:
			all = false
		default:
			for _, concept := range c.code.concepts {
				out[Concept{System: c.system, Code: concept.Code}] = true
			}
			all = all && c.code.complete
		}
	}
	return all
}
