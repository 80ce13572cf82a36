package directory

import (
	"slices"
	"strings"

	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

const canonical = "https://spadapter.example/fhir"

// The code systems of the directory, and the ConceptMaps that lead to them.
const (
	SystemKind          = canonical + "/CodeSystem/activity-kind"
	SystemAccessibility = canonical + "/CodeSystem/accessibility"
	SystemNeed          = canonical + "/CodeSystem/need"

	mapKind          = canonical + "/ConceptMap/activity-kind"
	mapAccessibility = canonical + "/ConceptMap/accessibility"
	mapNeed          = canonical + "/ConceptMap/activity-kind-need"
	systemWords      = canonical + "/NamingSystem/directory-words"
)

// Vocabulary understands the words of directories. It is read-only.
type Vocabulary struct {
	codes  *terminology.Registry
	kinds  phrases
	access phrases
}

// NewVocabulary takes the phrases out of the ConceptMaps activity-kind and accessibility.
// Errors: not-found when one is missing.
func NewVocabulary(codes *terminology.Registry) (*Vocabulary, error) {
	v := &Vocabulary{codes: codes}
	for url, into := range map[string]*phrases{mapKind: &v.kinds, mapAccessibility: &v.access, mapNeed: nil} {
		m := codes.ConceptMap(url)
		if m == nil {
			return nil, issue.Newf(issue.NotFound, "directory-vocabulary", "there is no ConceptMap %s", url)
		}
		if into == nil {
			continue
		}
		*into = phrases{}
		for _, g := range m.All("group") {
			if g.Text("source") != systemWords {
				continue
			}
			for _, e := range g.All("element") {
				var targets []string
				for _, t := range e.All("target") {
					if code := t.Text("code"); code != "" {
						targets = append(targets, code)
					}
				}
				into.add(e.Text("code"), targets)
			}
		}
	}
	return v, nil
}

// Knows reports whether a code system has a code.
func (v *Vocabulary) Knows(system, code string) bool {
	_, ok := v.codes.Lookup(system, code)
	return ok
}

// Display gives the words for a code, the code itself where there are none.
func (v *Vocabulary) Display(system, code string) string {
	if c, ok := v.codes.Lookup(system, code); ok && c.Display != "" {
		return c.Display
	}
	return code
}

// codesOf lists the codes that a ConceptMap leads to, sorted.
func (v *Vocabulary) codesOf(m string) []string {
	var out []string
	for _, g := range v.codes.ConceptMap(m).All("group") {
		for _, e := range g.All("element") {
			for _, t := range e.All("target") {
				if code := t.Text("code"); code != "" && !slices.Contains(out, code) {
					out = append(out, code)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// classify sets the kinds of a service and the needs they answer: by the codes of its
// terms, else their words, else the words of its name.
func (v *Vocabulary) classify(s *Service) {
	s.Kinds, s.Needs, s.KindsFrom = nil, nil, ""
	for _, t := range s.Terms {
		found := v.byCode(t)
		if found == nil {
			found = v.kinds.in(t.Name, false)
		}
		s.Kinds = union(s.Kinds, found)
	}
	if s.Kinds != nil {
		s.KindsFrom = "taxonomy"
	} else if s.Kinds = v.kinds.in(s.Name, false); s.Kinds != nil {
		s.KindsFrom = "name"
	}
	for _, k := range s.Kinds {
		matches, err := v.codes.Translate(mapNeed, SystemKind, k)
		if err != nil {
			continue
		}
		for _, m := range matches {
			if m.Matched() {
				s.Needs = union(s.Needs, []string{m.Code})
			}
		}
	}
	for i := range s.Locations {
		for j := range s.Locations[i].Accessibility {
			a := &s.Locations[i].Accessibility[j]
			a.Codes = v.access.in(a.Text, true)
		}
	}
}

// byCode translates the URI of a term: its last part is the code, the rest the system.
func (v *Vocabulary) byCode(t Term) (out []string) {
	i := strings.LastIndexAny(t.URI, "/#")
	if i <= 0 {
		return nil
	}
	matches, err := v.codes.Translate(mapKind, t.URI[:i], t.URI[i+1:])
	if err != nil {
		return nil
	}
	for _, m := range matches {
		if m.Matched() {
			out = union(out, []string{m.Code})
		}
	}
	return out
}

// union adds what is new, in order.
func union(list, more []string) []string {
	for _, m := range more {
		if !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	return list
}

// phrase is some words and what they stand for; nil for what stands for nothing.
type phrase struct {
	words []string
	codes []string
}

// phrases are found by their first word, the longest first.
type phrases map[string][]phrase

func (p phrases) add(text string, codes []string) {
	list := words(text)
	if len(list) == 0 {
		return
	}
	p[list[0]] = append(p[list[0]], phrase{list, codes})
	slices.SortStableFunc(p[list[0]], func(a, b phrase) int { return len(b.words) - len(a.words) })
}

// denials are the words that turn what follows into its opposite.
var denials = []string{"no", "not", "non", "without", "isn", "aren", "cannot", "unsuitable", "nor", "lack", "lacking"}

// denied is how many words back a denial reaches.
const denied = 4

// in gives the codes of the phrases within a text. With sayings, a phrase after a
// denial in the same sentence does not count: "not wheelchair accessible".
func (p phrases) in(text string, sayings bool) (out []string) {
	sentences := []string{text}
	if sayings {
		sentences = strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(".;:!?,\n()", r) })
	}
	for _, sentence := range sentences {
		list := words(sentence)
		for i := 0; i < len(list); {
			found := p.at(list[i:])
			if found == nil {
				i++
				continue
			}
			before := list[max(0, i-denied):i]
			if !sayings || !slices.ContainsFunc(before, func(w string) bool { return slices.Contains(denials, w) }) {
				out = union(out, found.codes)
			}
			i += len(found.words)
		}
	}
	return out
}

// at finds the longest phrase that a list of words begins with.
func (p phrases) at(list []string) *phrase {
	candidates := p[list[0]]
	for i := range candidates {
		c := &candidates[i]
		if len(c.words) <= len(list) && slices.Equal(c.words, list[:len(c.words)]) {
			return c
		}
	}
	return nil
}
