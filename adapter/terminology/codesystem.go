package terminology

import "spadapter/adapter/fhir"

// Concept is one concept of a code system.
type Concept struct {
	System  string
	Code    string
	Display string // "" when the code system gives none
}

// codeSystem is a compiled CodeSystem.
type codeSystem struct {
	url      string
	complete bool // content=complete: a code that is not here does not exist
	folded   bool // codes are not case sensitive: keys are lower case
	concepts map[string]Concept
	parents  map[string][]string // by key, for a code system with a hierarchy
}

// Parents lists the codes directly above a code, nil when there are none or the code is
// not known.
func (r *Registry) Parents(system, code string) []string {
	if r == nil {
		return nil
	}
	s, ok := find(r.systems, system)
	if !ok {
		return nil
	}
	return s.parents[s.key(code)]
}

// Lookup finds a concept of a loaded code system; false when the code system is not
// loaded or does not have the code.
//
// Source: http://hl7.org/fhir/R4/codesystem-operation-lookup.html.
func (r *Registry) Lookup(system, code string) (Concept, bool) {
	if r == nil {
		return Concept{}, false
	}
	s, ok := find(r.systems, system)
	if !ok {
		return Concept{}, false
	}
	c, ok := s.concepts[s.key(code)]
	return c, ok
}

func (s *codeSystem) key(code string) string {
	if s.folded {
		return fold(code)
	}
	return code
}

func (l *loader) codeSystem(n *fhir.Node) *codeSystem {
	s := &codeSystem{url: n.Text("url"), complete: n.Text("content") == "complete", concepts: map[string]Concept{}, parents: map[string][]string{}}
	s.folded = n.Text("caseSensitive") == "false"
	var walk func(at *fhir.Node, parent string)
	walk = func(at *fhir.Node, parent string) {
		for _, c := range at.All("concept") {
			code := c.Text("code")
			key := s.key(code)
			s.concepts[key] = Concept{System: s.url, Code: code, Display: c.Text("display")}
			if parent != "" {
				s.parents[key] = append(s.parents[key], parent)
			}
			for _, p := range c.All("property") {
				if p.Text("code") == "parent" || p.Text("code") == "subsumedBy" {
					s.parents[key] = append(s.parents[key], p.Text("value"))
				}
			}
			walk(c, code)
		}
	}
	walk(n, "")
	return s
}

// within reports whether code is ancestor or lies below it, in a code system whose
// hierarchy is loaded.
func (s *codeSystem) within(code, ancestor string, depth int) bool {
	if s.key(code) == s.key(ancestor) {
		return true
	}
	if depth > 64 { // a cycle in the parents
		return false
	}
	for _, p := range s.parents[s.key(code)] {
		if s.within(p, ancestor, depth+1) {
			return true
		}
	}
	return false
}
