package terminology

import (
	"maps"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Coding is a code as a message carries it. Everything but the code may be "".
type Coding struct {
	System  string
	Version string // of the code system
	Code    string
	Display string
}

// Product is the value of another element: one that a translation sets, or one that it
// depends on.
type Product struct {
	Element string // its URI
	Value   Coding
}

// Dependency is what a message has in another element, for the rows that depend on it.
type Dependency struct {
	Element string // its URI
	Codings []Coding
	Text    string
}

// Question is what the operation $translate asks: some codings, and which ConceptMaps
// may answer. One of Map, Source, Target and TargetSystem must be given.
//
// Source: http://hl7.org/fhir/R4/conceptmap-operation-translate.html.
type Question struct {
	Map     string // canonical of the ConceptMap, with its version or without
	Version string // the version that the ConceptMap must have, "" for any
	Source  string // canonical of the value set that the codings were chosen from
	Target  string // canonical of the value set that an answer is wanted from

	TargetSystem string // the code system that an answer is wanted from
	Codings      []Coding
	Dependencies []Dependency
	Reverse      bool // ask which codes lead to the codings
}

// ConceptMaps lists the ConceptMaps, as they were loaded, that Translate finds by their
// url alone, sorted by it. They are shared: read only.
func (r *Registry) ConceptMaps() []*fhir.Node {
	var out []*fhir.Node
	for _, m := range r.currentMaps() {
		out = append(out, m.node)
	}
	return out
}

// ConceptMap finds a loaded ConceptMap by its canonical, with the version or without, or
// else by its id; nil when there is none. It is shared: read only.
func (r *Registry) ConceptMap(name string) *fhir.Node {
	if r == nil || name == "" {
		return nil
	}
	if m := r.exactMap(name, ""); m != nil {
		return m.node
	}
	for _, m := range r.currentMaps() {
		if m.node.Text("id") == name {
			return m.node
		}
	}
	return nil
}

// currentMaps lists one ConceptMap for every url, sorted by it.
func (r *Registry) currentMaps() []*conceptMap {
	if r == nil {
		return nil
	}
	var out []*conceptMap
	for name, m := range r.maps {
		if name == m.url {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b *conceptMap) int { return strings.Compare(a.url, b.url) })
	return out
}

// exactMap finds a ConceptMap that has the version that is asked for, in the canonical
// or beside it; nil when there is none.
func (r *Registry) exactMap(canonical, version string) *conceptMap {
	url, stated, _ := strings.Cut(canonical, "|")
	if version == "" {
		version = stated
	} else if stated != "" && stated != version {
		return nil
	}
	if version == "" {
		return r.maps[url]
	}
	return r.maps[url+"|"+version]
}

// candidates lists the ConceptMaps that may answer a question, sorted by url; there is
// one at least.
func (r *Registry) candidates(q Question) ([]*conceptMap, error) {
	if r == nil {
		r = &Registry{}
	}
	var list []*conceptMap
	switch {
	case q.Map != "":
		m := r.exactMap(q.Map, q.Version)
		if m == nil {
			return nil, issue.New(issue.NotFound, "conceptmap-unknown", "no ConceptMap with this url and version is here").With("the url is %.200q, the version %.100q", q.Map, q.Version)
		}
		list = []*conceptMap{m}
	case q.Version != "":
		return nil, issue.New(issue.Required, "translate-map", "a version of a ConceptMap was given without its url")
	case q.Source == "" && q.Target == "" && q.TargetSystem == "":
		return nil, issue.New(issue.Required, "translate-map", "say which ConceptMap is to translate: by its url, by its source or target value set, or by the target system")
	default:
		list = r.currentMaps()
	}
	source, target := q.Source, q.Target
	if q.Reverse {
		source, target = target, source
	}
	list = slices.DeleteFunc(list, func(m *conceptMap) bool {
		return !m.isFor(m.source, source, q.Map) || !m.isFor(m.target, target, q.Map) || q.Map == "" && q.TargetSystem != "" && !m.reaches(q.TargetSystem, q.Reverse)
	})
	if len(list) == 0 {
		return nil, issue.New(issue.NotFound, "conceptmap-unknown", "no ConceptMap here states that it is for these value sets or this code system").
			With("source is %.200q, target %.200q, the target system %.200q", q.Source, q.Target, q.TargetSystem)
	}
	return list, nil
}

// isFor reports whether the value set that m states is the wanted one. A map that was
// named by its url need not state any.
func (m *conceptMap) isFor(stated, wanted, url string) bool {
	if wanted == "" || stated == "" && url != "" {
		return true
	}
	return stated != "" && sameCanonical(stated, wanted)
}

// sameCanonical compares two canonicals; a version that one of them leaves out matches any.
func sameCanonical(a, b string) bool {
	a, one, _ := strings.Cut(a, "|")
	b, two, _ := strings.Cut(b, "|")
	return a == b && sameVersion(one, two)
}

func sameVersion(a, b string) bool { return a == "" || b == "" || a == b }

// reaches reports whether a group of m leads to a code system.
func (m *conceptMap) reaches(system string, reverse bool) bool {
	return slices.ContainsFunc(m.groups, func(g *mapGroup) bool {
		if reverse {
			return g.source == system
		}
		return g.target == system
	})
}

// ValueSets lists the ValueSets, as they were loaded, that are found by their url alone,
// sorted by it. They are shared: read only.
func (r *Registry) ValueSets() []*fhir.Node {
	if r == nil {
		return nil
	}
	return current(r.sets, func(s *valueSet) (string, *fhir.Node) { return s.url, s.node })
}

// CodeSystems lists the CodeSystems as ValueSets does the ValueSets. What is loaded of
// SNOMED CT is no resource.
func (r *Registry) CodeSystems() []*fhir.Node {
	if r == nil {
		return nil
	}
	return current(r.systems, func(s *codeSystem) (string, *fhir.Node) { return s.url, s.node })
}

// current lists one resource for every url, sorted by it.
func current[T any](all map[string]T, of func(T) (url string, n *fhir.Node)) []*fhir.Node {
	var out []*fhir.Node
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if url, n := of(all[name]); name == url {
			out = append(out, n)
		}
	}
	return out
}
