package terminology

import (
	"slices"
	"strconv"
	"strings"
)

// release is what is loaded of SNOMED CT: concepts, their terms and parents, reference
// sets. Each part may be missing, and then what it would decide is unknown. It is
// read-only. A concept is its place in ids.
type release struct {
	ids        []uint64 // every concept that a file names, sorted
	states     []uint8
	stated     bool // a concept file was read
	namespaces map[uint64]bool
	first      []uint32 // of the terms of a concept; one more than there are concepts
	terms      []term
	text       []string
	languages  []string
	related    bool // a relationship file was read
	parents    links
	children   links
	refsets    map[uint64][]uint64 // active members, sorted
}

type term struct {
	at   uint32
	size uint16
	kind uint8 // and the language, from the third bit on
	rank uint8
}

const (
	stateStated uint8 = 1 << iota // a concept file has it
	stateActive
	stateDefined
)

// none is the release that is not loaded.
var none = &release{}

func (s *release) place(id uint64) (uint32, bool) {
	i, found := slices.BinarySearch(s.ids, id)
	return uint32(i), found
}

func (s *release) words(t term) string {
	block, offset := t.at>>20, t.at&(1<<20-1)
	return s.text[block][offset : offset+uint32(t.size)]
}

func (s *release) termsOf(i uint32) []term { return s.terms[s.first[i]:s.first[i+1]] }

// display is the best term of a concept: the preferred one, or else its fully specified
// name; "" when none is loaded.
func (s *release) display(i uint32) string {
	if list := s.termsOf(i); len(list) > 0 {
		return s.words(list[0])
	}
	return ""
}

func (s *release) same(a, b string) bool { return a == b }

func (s *release) find(code string) (Concept, bool) {
	id, ok := digits(code)
	if !ok {
		return Concept{}, false
	}
	i, ok := s.place(id)
	if !ok {
		return Concept{}, false
	}
	return Concept{System: SNOMED, Code: code, Display: s.display(i)}, true
}

// exists says whether SNOMED CT has a code.
func (s *release) exists(code string, why *doubts) answer {
	if id, ok := digits(code); ok {
		if _, found := s.place(id); found {
			return yes
		}
	}
	id, ok := sctid(code)
	if !ok || partition(id) != partitionConcept {
		if strings.ContainsAny(code, ":+=,|{(<") {
			why.add("an expression of SNOMED CT is not read here")
			return unknown
		}
		return no
	}
	switch {
	case s.namespaces[namespace(id)]:
		return no
	case len(s.ids) == 0:
		why.add("SNOMED CT is not loaded")
	case !s.stated:
		why.add("the concepts of SNOMED CT are not loaded")
	case namespace(id) == 0:
		why.add("the concepts of the International Release of SNOMED CT are not loaded")
	default:
		why.add("no concepts of SNOMED CT with the namespace %07d are loaded", namespace(id))
	}
	return unknown
}

func (s *release) active(code string) answer {
	id, ok := digits(code)
	if !ok {
		return unknown
	}
	i, ok := s.place(id)
	if !ok || s.states[i]&stateStated == 0 {
		return unknown
	}
	return truth(s.states[i]&stateActive != 0)
}

// member says whether a reference set has a component.
func (s *release) member(refset, id uint64, why *doubts) answer {
	list, ok := s.refsets[refset]
	if !ok {
		why.add("the reference set %d is not loaded", refset)
		return unknown
	}
	_, found := slices.BinarySearch(list, id)
	return truth(found)
}

func (s *release) selects(filters []*filter, code string, why *doubts) answer {
	if len(filters) == 0 {
		return s.exists(code, why)
	}
	id, ok := digits(code)
	if !ok {
		return s.exists(code, why)
	}
	result := yes
	for _, f := range filters {
		switch s.passes(f, id, code, why) {
		case no:
			return no
		case unknown:
			result = unknown
		}
	}
	if result == unknown { // what is no identifier is nowhere, whatever else is loaded
		if _, ok := sctid(code); !ok {
			return no
		}
	}
	return result
}

// passes evaluates a filter on a concept.
// Source: http://hl7.org/fhir/R4/snomedct.html#filters.
func (s *release) passes(f *filter, id uint64, code string, why *doubts) answer {
	if f.bad != "" {
		why.add("the filter %q cannot be run: %s", f, f.bad)
		return unknown
	}
	switch f.property {
	case "constraint", "expression":
		if f.op == "=" && f.ecl != nil {
			return f.ecl.holds(s, id, why)
		}
	case "expressions": // whether compositions may stand in the value set, too
		return yes
	case "concept", "code":
		switch f.op {
		case "=":
			return truth(code == f.value)
		case "in":
			return s.member(f.id, id, why)
		case "not-in":
			return not(s.member(f.id, id, why))
		case "is-a":
			return s.within(id, f.id, why)
		case "is-not-a":
			return not(s.within(id, f.id, why))
		case "descendent-of":
			if id == f.id {
				return no
			}
			return s.within(id, f.id, why)
		case "generalizes":
			return s.within(f.id, id, why)
		}
	case "parent", "child":
		if f.op == "=" && s.related {
			from, ok := s.place(id)
			to, found := s.place(f.id)
			if ok && found {
				list := s.parents
				if f.property == "child" {
					list = s.children
				}
				return truth(slices.Contains(list.of(from), to))
			}
		}
	case "inactive":
		if a := s.active(code); f.op == "=" && a != unknown {
			return truth((a == no) == (f.value == "true"))
		}
	}
	why.add("what the filter %q asks is not loaded of SNOMED CT", f)
	return unknown
}

// candidates yields what the narrowest filter may let through.
func (s *release) candidates(filters []*filter, why *doubts, yield func(code string) bool) bool {
	out := codeYield{yield: yield}
	for _, f := range filters {
		if f.bad != "" {
			continue
		}
		switch {
		case f.ecl != nil:
			list, complete := f.ecl.list(s, why)
			return out.all(list, complete)
		case f.property != "concept" && f.property != "code":
		case f.op == "=":
			if id, ok := digits(f.value); ok {
				return out.all([]uint64{id}, true)
			}
		case f.op == "in":
			list, complete := s.listed(f.id, why)
			return out.all(list, complete)
		case f.op == "is-a" || f.op == "descendent-of":
			list, complete := s.below(f.id, f.op == "is-a", false, why)
			return out.all(list, complete)
		}
	}
	if len(s.ids) == 0 {
		why.add("SNOMED CT is not loaded")
		return false
	}
	return out.all(s.ids, s.closed(why))
}

// codeYield yields identifiers as codes.
type codeYield struct{ yield func(code string) bool }

func (y codeYield) all(ids []uint64, complete bool) bool {
	for _, id := range ids {
		if !y.yield(strconv.FormatUint(id, 10)) {
			break
		}
	}
	return complete
}

// closed says whether the concepts are all there: those of the International Release at
// least, with what an edition adds.
func (s *release) closed(why *doubts) bool {
	if _, root := s.place(conceptRoot); root && s.stated {
		return true
	}
	why.add("the concepts of SNOMED CT are not loaded")
	return false
}

// listed gives the concepts of a reference set.
func (s *release) listed(refset uint64, why *doubts) ([]uint64, bool) {
	list, ok := s.refsets[refset]
	if !ok {
		why.add("the reference set %d is not loaded", refset)
		return nil, false
	}
	if !slices.ContainsFunc(list, func(id uint64) bool { return partition(id) != partitionConcept }) {
		return list, true
	}
	return slices.DeleteFunc(slices.Clone(list), func(id uint64) bool { return partition(id) != partitionConcept }), true
}
