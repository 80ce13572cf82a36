package terminology

import (
	"fmt"
	"slices"
	"strings"
)

// Answer is what the operation $translate answers.
type Answer struct {
	Result  bool   // one match at least is neither unmatched nor disjoint
	Message string // for people: why there is no match, or what would give more; "" when there is nothing to say
	Matches []Translation
}

// Translation is one match with all that its row says.
type Translation struct {
	Concept     Coding    // Code is "" where a row says unmatched
	Equivalence string    // a code of http://hl7.org/fhir/concept-map-equivalence, read from the coding that was asked for
	Products    []Product // nil when there are none
	Source      string    // canonical of the ConceptMap
}

// Matched reports whether t names a code: neither unmatched nor disjoint.
func (t Translation) Matched() bool {
	return t.Concept.Code != "" && t.Equivalence != "unmatched" && t.Equivalence != "disjoint"
}

// Answer translates codings as the operation $translate does: the matches of every
// ConceptMap that the question allows, ordered by its url, then by coding, then by row.
//
// A row that depends on other elements matches when every one of them is among the
// dependencies with the value it asks for; a dependency that names no code system does
// not meet a row that does. A coding with a version is not translated by a group about
// another version. Reversed, rows are read from right to left: the equivalence is turned
// round (wider is narrower, subsumes is specializes), what a row depends on is its
// product, and no row is left out for what it depends on, because the codes that might
// lead to the coding are asked for.
//
// Errors: required when the question does not say which map; not-found when no
// ConceptMap answers to it, or one that an unmapped rule hands over to is not loaded.
//
// Source: http://hl7.org/fhir/R4/conceptmap-operation-translate.html,
// http://hl7.org/fhir/R4/conceptmap.html.
func (r *Registry) Answer(q Question) (*Answer, error) {
	maps, err := r.candidates(q)
	if err != nil {
		return nil, err
	}
	s := &search{registry: r, question: &q, seen: map[seen]bool{}}
	for _, m := range maps {
		for _, c := range q.Codings {
			s.known = false
			if err := s.in(m, c, 0); err != nil {
				return nil, err
			}
			if bare, ok := termCode(c.Code); ok && c.System == ReadV2 && !s.known && !q.Reverse {
				c.Code = bare
				if err := s.in(m, c, 0); err != nil {
					return nil, err
				}
			}
		}
	}
	out := &Answer{Matches: s.matches, Result: slices.ContainsFunc(s.matches, Translation.Matched)}
	out.Message = s.message(out.Result)
	return out, nil
}

// search is one question on its way through the maps, and what it met.
type search struct {
	registry *Registry
	question *Question
	matches  []Translation
	keys     []seen        // of the matches
	seen     map[seen]bool // one row may be reached by two codings, or through two maps

	known     bool     // a group says something of the coding that is looked up
	depends   []string // elements that rows depend on and that no dependency met
	stated    bool     // a row says unmatched or disjoint
	listed    bool     // a row has no target
	elsewhere bool     // a match lies in another system than is wanted
	system    bool     // a group is about the code system
	version   bool     // a group is about another version of it
	collects  bool     // reversed, an unmapped rule sends any code here
}

// seen tells one match from another.
type seen struct {
	source  string
	row     int
	concept Coding
}

// in looks a coding up in one map.
func (s *search) in(m *conceptMap, c Coding, depth int) error {
	for _, g := range m.groups {
		system, version := g.source, g.sourceVersion
		if s.question.Reverse {
			system, version = g.target, g.targetVersion
		}
		if c.System != "" && system != "" && c.System != system {
			continue
		}
		s.system = true
		if !sameVersion(c.Version, version) {
			s.version = true
			continue
		}
		found := false
		if s.question.Reverse {
			found = s.backward(m, g, c)
		} else {
			found = s.forward(m, g, c)
		}
		if found || g.unmapped != "other-map" {
			continue
		}
		other := s.registry.mapAt(g.other)
		if other == nil {
			_, err := s.registry.Translate(g.other, "", "") // says so
			return err
		}
		if depth >= maxHandovers {
			return handsOverForEver(m)
		}
		before := len(s.matches)
		if err := s.in(other, c, depth+1); err != nil {
			return err
		}
		if s.question.Reverse {
			// a code that has a row here is never handed over
			s.drop(before, func(t Translation) bool { _, listed := g.lookup(t.Concept.Code); return listed })
		}
	}
	return nil
}

// forward reads a group from left to right, and reports whether it has a row or a rule
// of its own for the code.
func (s *search) forward(m *conceptMap, g *mapGroup, c Coding) bool {
	rows, listed := g.lookup(c.Code)
	s.known = s.known || listed
	if !listed {
		if g.unmapped == "other-map" {
			return false
		}
		rows, _, _ = s.registry.byRule(m, g, c.System, c.Code, 0) // fails for other-map alone
	} else if len(rows) == 0 && len(g.conditional[c.Code]) == 0 {
		s.listed = true
	}
	if conditional := g.conditional[c.Code]; len(conditional) > 0 {
		rows = slices.Clone(rows)
		for _, row := range conditional {
			if s.met(m.details[row.Row].depends) {
				rows = append(rows, row)
			}
		}
		slices.SortFunc(rows, func(a, b Match) int { return a.Row - b.Row })
	}
	for _, row := range rows {
		t := Translation{Concept: Coding{System: row.System, Version: g.targetVersion, Code: row.Code, Display: row.Display}, Equivalence: row.Equivalence, Source: m.url}
		if d := m.details[row.Row]; d != nil {
			t.Products = d.products
		}
		s.add(t, row.Row)
	}
	return true
}

// backward reads a group from right to left.
func (s *search) backward(m *conceptMap, g *mapGroup, c Coding) bool {
	origins := g.origins()[c.Code]
	for _, o := range origins {
		t := Translation{Concept: Coding{System: g.source, Version: g.sourceVersion, Code: o.code}, Equivalence: turned(o.Equivalence), Source: m.url}
		if d := m.details[o.Row]; d != nil {
			t.Products = d.depends
		}
		s.add(t, o.Row)
	}
	switch g.unmapped {
	case "provided":
		if _, listed := g.lookup(c.Code); !listed {
			source := g.source
			if source == "" {
				source = c.System
			}
			s.add(Translation{Concept: Coding{System: source, Version: g.sourceVersion, Code: c.Code}, Equivalence: "equal", Source: m.url}, -1)
			return true
		}
	case "fixed":
		s.collects = s.collects || g.fixed[0].Code == c.Code
	case "other-map":
		return false // a code may come by a row here and by the other map too
	}
	return len(origins) > 0
}

// turned is an equivalence as the other side sees it.
func turned(equivalence string) string {
	switch equivalence {
	case "wider":
		return "narrower"
	case "narrower":
		return "wider"
	case "subsumes":
		return "specializes"
	case "specializes":
		return "subsumes"
	}
	return equivalence
}

// met reports whether every element that a row depends on has the value it must have.
func (s *search) met(depends []Product) bool {
	for _, d := range depends {
		if !slices.ContainsFunc(s.question.Dependencies, func(given Dependency) bool { return given.meets(d) }) {
			if !slices.Contains(s.depends, d.Element) {
				s.depends = append(s.depends, d.Element)
			}
			return false
		}
	}
	return true
}

func (d Dependency) meets(wanted Product) bool {
	if d.Element != wanted.Element {
		return false
	}
	value := wanted.Value
	if value.System == "" && d.Text == value.Code {
		return true
	}
	return slices.ContainsFunc(d.Codings, func(c Coding) bool {
		return c.Code == value.Code && (value.System == "" || c.System == value.System && sameVersion(c.Version, value.Version))
	})
}

// add keeps a match that lies where it is wanted, with the display that the code system
// has for it.
func (s *search) add(t Translation, row int) {
	if want := s.question.TargetSystem; want != "" && t.Concept.Code != "" && t.Concept.System != want {
		s.elsewhere = true
		return
	}
	key := seen{t.Source, row, t.Concept}
	if s.seen[key] {
		return
	}
	s.seen[key] = true
	if t.Concept.Display == "" && t.Concept.Code != "" {
		known, _ := s.registry.Lookup(t.Concept.System, t.Concept.Code)
		t.Concept.Display = known.Display
	}
	s.stated = s.stated || !t.Matched()
	s.matches = append(s.matches, t)
	s.keys = append(s.keys, key)
}

// drop takes back the matches from one position on that are unwanted.
func (s *search) drop(from int, unwanted func(Translation) bool) {
	kept := from
	for i := from; i < len(s.matches); i++ {
		if unwanted(s.matches[i]) {
			delete(s.seen, s.keys[i]) // another way may lead to it
			continue
		}
		s.matches[kept], s.keys[kept] = s.matches[i], s.keys[i]
		kept++
	}
	s.matches, s.keys = s.matches[:kept], s.keys[:kept]
}

// message says why there is no match, the nearest reason first, or what would give more.
func (s *search) message(result bool) string {
	elements := strings.Join(s.depends, ", ")
	switch {
	case result && len(s.depends) > 0:
		return fmt.Sprintf("other rows for the code depend on %s; give a dependency with its value to have them", elements)
	case s.collects:
		return "every code that has no row leads to this one too; these codes are not listed"
	case result:
		return ""
	case s.stated:
		return "it is stated that the code has no match"
	case len(s.depends) > 0:
		return fmt.Sprintf("every row for the code depends on %s, which was not given or has another value; give a dependency", elements)
	case s.elsewhere:
		return "the code has matches, and none is in the target system"
	case s.listed:
		return "the code is listed without a target: nobody has decided what it means there"
	case s.version:
		return "no group of the ConceptMap is about this version of the code system"
	case !s.system:
		return "no group of the ConceptMap is about this code system"
	case s.question.Reverse:
		return "no row of the ConceptMap leads to this code"
	}
	return "no row of the ConceptMap is for this code"
}
