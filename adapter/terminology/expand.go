package terminology

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Expand lists the codes of a value set that are known from what is loaded, sorted by
// system and code. complete is false when there may be more: the value set is not here,
// takes a code system that is not here whole, or filters by what is not here.
//
// Source: http://hl7.org/fhir/R4/valueset-operation-expand.html.
func (r *Registry) Expand(valueSet string) (concepts []Concept, complete bool) {
	s := r.set(valueSet)
	if s == nil {
		return nil, false
	}
	complete = s.members(0, nil, func(c Concept, _ *listed) bool {
		if c.Display == "" {
			known, _ := r.Lookup(c.System, c.Code)
			c.Display = known.Display
		}
		concepts = append(concepts, c)
		return true
	})
	slices.SortFunc(concepts, func(a, b Concept) int {
		return cmp.Or(strings.Compare(a.System, b.System), strings.Compare(a.Code, b.Code))
	})
	return concepts, complete
}

// Wanted is what the operation $expand asks: which value set, and what of it.
type Wanted struct {
	ValueSet string     // canonical, with its version or without
	Resource *fhir.Node // the value set itself, instead of one that is loaded

	Text           string   // words of which each begins a word of the display or of a designation; "" for any
	Offset         int      // how many codes to leave out at the beginning
	Count          int      // how many codes to give at most, -1 for all
	ActiveOnly     bool     // leave out what is known to be out of use
	Choosable      bool     // leave out abstract concepts
	Language       string   // of the displays, BCP 47; "" for the best
	ExcludeSystems []string // canonicals of code systems
	Designations   bool     // give them
}

// Expansion is a value set as a list.
type Expansion struct {
	Resource *fhir.Node // the value set, nil for one that SNOMED CT implies; shared: read only
	URL      string
	Total    int // codes that Wanted selects, of which Members may be a page
	Members  []Member
	Systems  []string // canonicals of the code systems that were used, with their version where one is stated, sorted
}

// Member is one code of an expansion.
type Member struct {
	Concept
	Abstract     bool
	Inactive     bool // false also where that is not known
	Designations []Designation
}

// MaxMembers is how many codes one expansion gives. More are given in pages.
const MaxMembers = 10_000

// maxCandidates is how many codes an expansion may look at: the whole of SNOMED CT and
// its terms.
const maxCandidates = 2_000_000

// List expands a value set in the order of its definition: what it lists in the order of
// the list, what it takes of a code system in the order of that, flat, each code once.
//
// Errors: not-found when the value set is not loaded, and when it draws on content that is
// not, since a part would be taken for the whole; too-costly for more than MaxMembers
// codes in one answer, for a value set that is sent and takes too much work, and for too
// many words; timeout when ctx ends.
//
// Source: http://hl7.org/fhir/R4/valueset-operation-expand.html.
func (r *Registry) List(ctx context.Context, w Wanted) (*Expansion, error) {
	s, err := r.asked(w.ValueSet, w.Resource)
	if err != nil {
		return nil, err
	}
	out := &Expansion{Resource: s.node, URL: s.url}
	why := doubts{work: newWork(ctx)}
	seen, ended := 0, error(nil)
	words, err := w.words()
	if err != nil {
		return nil, err
	}
	excluded := map[string]bool{} // code systems: whether they are left out
	limit := w.Count
	if limit < 0 || limit > MaxMembers {
		limit = MaxMembers + 1
	}
	complete := s.members(0, &why, func(c Concept, l *listed) bool {
		if seen++; seen > maxCandidates {
			ended = issue.Newf(issue.TooCostly, "expansion-size", "the value set has more than %d codes; ask whether it holds a code with $validate-code", maxCandidates)
			return false
		}
		left, known := excluded[c.System]
		if !known {
			canonical := r.canonicalOf(c.System)
			left = slices.ContainsFunc(w.ExcludeSystems, func(system string) bool { return sameCanonical(system, canonical) })
			excluded[c.System] = left
			why.spend(len(w.ExcludeSystems))
		}
		if left || !why.spend(1+len(words)/4) || !r.passes(c, l, w, words) {
			return !why.over()
		}
		if out.Total++; out.Total > w.Offset && len(out.Members) < limit {
			out.Members = append(out.Members, r.memberOf(c, l, w))
		}
		return true
	})
	switch {
	case why.over():
		return nil, why.work.err
	case ended != nil:
		return nil, ended
	case !complete:
		return nil, issue.New(issue.NotFound, "expansion-incomplete", "the value set cannot be expanded whole: "+why.String())
	case len(out.Members) > MaxMembers:
		return nil, issue.Newf(issue.TooCostly, "expansion-size", "the value set has %d codes, and one answer at most %d; ask for pages with count and offset, or for some of the codes with filter", out.Total, MaxMembers)
	}
	out.Systems = r.used(s)
	return out, nil
}

// passes says whether a code is wanted.
func (r *Registry) passes(c Concept, l *listed, w Wanted, words []string) bool {
	if words == nil && !w.ActiveOnly && !w.Choosable {
		return true
	}
	if snomed, ok := r.source(c.System).(*release); ok && l == nil && words != nil && !snomed.matches(c.Code, words) && c.Code != w.Text {
		return false // nearly all of a million: the rest is not asked of them
	}
	m := r.memberOf(c, l, Wanted{Designations: words != nil})
	if w.ActiveOnly && m.Inactive || w.Choosable && m.Abstract {
		return false
	}
	if words == nil || matches(m.Display, words) || strings.EqualFold(m.Code, w.Text) {
		return true
	}
	return slices.ContainsFunc(m.Designations, func(d Designation) bool { return matches(d.Value, words) })
}

// maxWords bounds the words that codes are found by.
const maxWords = 20

// words are those that a code is found by, each once; nil for any code.
func (w Wanted) words() ([]string, error) {
	if w.Text == "" {
		return nil, nil
	}
	known := map[string]bool{}
	var out []string
	for _, word := range split(w.Text) {
		if key := strings.ToLower(word); !known[key] {
			known[key] = true
			out = append(out, word)
		}
	}
	switch {
	case len(out) > maxWords:
		return nil, issue.Newf(issue.TooCostly, "expansion-filter", "filter has %d words, and may have %d", len(out), maxWords)
	case out == nil:
		return []string{w.Text}, nil // signs alone begin no word
	}
	return out, nil
}

// split parts a text into words.
func split(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
}

// matches reports whether each of some words begins a word of a name.
func matches(name string, words []string) bool {
	for _, word := range words {
		if !begins(name, word) {
			return false
		}
	}
	return true
}

// matches reports whether each of some words begins a word of one name of a concept.
func (s *release) matches(code string, words []string) bool {
	id, _ := digits(code)
	i, ok := s.place(id)
	return ok && slices.ContainsFunc(s.termsOf(i), func(t term) bool { return matches(s.words(t), words) })
}

// begins reports whether a word of a name begins with a text, in any case of letters.
func begins(name, text string) bool {
	inside := false
	for i, c := range name {
		was := inside
		if inside = unicode.IsLetter(c) || unicode.IsDigit(c); inside && !was && len(name)-i >= len(text) && strings.EqualFold(name[i:i+len(text)], text) {
			return true
		}
	}
	return false
}

// memberOf says of a code what the value set says of it, and its code system then.
func (r *Registry) memberOf(c Concept, l *listed, w Wanted) Member {
	m := Member{Concept: c}
	if l != nil {
		m.Abstract, m.Inactive = l.abstract, l.inactive
		m.Designations = slices.Clip(l.designations)
	}
	if s := r.source(c.System); s != nil {
		m.Inactive = m.Inactive || s.active(c.Code) == no
		if cs, ok := s.(*codeSystem); ok {
			known := cs.concepts[cs.key(c.Code)]
			m.Abstract = m.Abstract || known != nil && known.abstract
		}
		if m.Display == "" {
			known, _ := s.find(c.Code)
			m.Display = known.Display
		}
		if w.Designations || w.Language != "" {
			m.Designations = append(m.Designations, s.names(c.Code)...)
		}
	}
	if w.Language != "" {
		if i := slices.IndexFunc(m.Designations, func(d Designation) bool { return speaks(d.Language, w.Language) }); i >= 0 {
			m.Display = m.Designations[i].Value
		}
	}
	if !w.Designations {
		m.Designations = nil
	}
	return m
}

// speaks reports whether a text in one language is in the wanted one: "en-GB" is "en".
func speaks(have, wanted string) bool {
	return have != "" && len(have) >= len(wanted) && strings.EqualFold(have[:len(wanted)], wanted) && (len(have) == len(wanted) || have[len(wanted)] == '-')
}

// canonicalOf is a code system with the version that is loaded.
func (r *Registry) canonicalOf(system string) string {
	if s := r.source(system); s != nil && s.edition() != "" {
		return system + "|" + s.edition()
	}
	return system
}

// used lists the code systems of a value set.
func (r *Registry) used(s *valueSet) []string {
	var out []string
	for system := range s.systems(0) {
		out = append(out, r.canonicalOf(system))
	}
	slices.Sort(out)
	return out
}
