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
	url       string
	includes  []*clause
	excludes  []*clause
	expansion map[string]bool // when there is no compose: what the expansion lists
}

// clause is one compose.include or compose.exclude.
type clause struct {
	system  string
	version string
	codes   map[string]bool // nil when every code of the system is meant
	filters []filter
	sets    []string // canonicals of the value sets that must also hold the code

	code   *codeSystem // linked
	linked []*valueSet // nil where one is not loaded
}

type filter struct{ property, op, value string }

// ValidateCode says whether a value set holds a code. known is false when that cannot
// be decided from what is loaded: the value set is not here, it takes a whole code
// system that is not here, or it filters by what is not here. system "" matches any
// system, as for a code element whose system the binding implies.
//
// Source: http://hl7.org/fhir/R4/valueset-operation-validate-code.html,
// http://hl7.org/fhir/R4/valueset.html#compositions.
func (r *Registry) ValidateCode(valueSet, system, code string) (ok, known bool) {
	if r == nil {
		return false, false
	}
	s, found := find(r.sets, valueSet)
	if !found {
		return false, false
	}
	a := s.holds(system, code, 0)
	return a == yes, a != unknown
}

func (s *valueSet) holds(system, code string, depth int) answer {
	if s == nil || depth > 16 { // not loaded, or value sets that name each other
		return unknown
	}
	if s.expansion != nil {
		if s.expansion[system+"|"+code] || system == "" && s.expansion["|"+code] {
			return yes
		}
		return no
	}
	result := no
	for _, c := range s.includes {
		if a := c.holds(system, code, depth); a == yes {
			result = yes
			break
		} else if a == unknown {
			result = unknown
		}
	}
	if result == no {
		return no
	}
	for _, c := range s.excludes {
		switch c.holds(system, code, depth) {
		case yes:
			return no
		case unknown:
			result = unknown
		}
	}
	return result
}

func (c *clause) holds(system, code string, depth int) answer {
	result := yes
	if c.system != "" {
		if system != "" && system != c.system {
			return no
		}
		result = c.selects(code)
		if result == no {
			return no
		}
	}
	for _, s := range c.linked {
		switch s.holds(system, code, depth+1) {
		case no:
			return no
		case unknown:
			result = unknown
		}
	}
	return result
}

func (c *clause) selects(code string) answer {
	if c.codes != nil {
		if c.codes[code] || c.code != nil && c.code.folded && c.codes[fold(code)] {
			return yes
		}
		return no
	}
	if c.code == nil {
		return unknown
	}
	if _, has := c.code.concepts[c.code.key(code)]; !has {
		if c.code.complete {
			return no
		}
		return unknown
	}
	result := yes
	for _, f := range c.filters {
		switch a := c.code.filter(f, code); a {
		case no:
			return no
		case unknown:
			result = unknown
		}
	}
	return result
}

// filter evaluates the filters that the hierarchy decides; every other one is unknown.
// Source: http://hl7.org/fhir/R4/valueset-filter-operator.html.
func (s *codeSystem) filter(f filter, code string) answer {
	if f.property != "concept" && f.property != "code" || !s.complete {
		return unknown
	}
	truth := func(b bool) answer {
		if b {
			return yes
		}
		return no
	}
	switch f.op {
	case "is-a":
		return truth(s.within(code, f.value, 0))
	case "descendent-of":
		return truth(s.key(code) != s.key(f.value) && s.within(code, f.value, 0))
	case "is-not-a":
		return truth(!s.within(code, f.value, 0))
	case "=":
		return truth(s.key(code) == s.key(f.value))
	case "in", "not-in":
		in := false
		for _, v := range strings.Split(f.value, ",") {
			in = in || s.key(strings.TrimSpace(v)) == s.key(code)
		}
		return truth(in == (f.op == "in"))
	}
	return unknown
}

// copy is s with clauses that can be linked anew.
func (s *valueSet) copy() *valueSet {
	out := *s
	out.includes, out.excludes = copyClauses(s.includes), copyClauses(s.excludes)
	return &out
}

func copyClauses(list []*clause) []*clause {
	out := make([]*clause, len(list))
	for i, c := range list {
		d := *c
		out[i] = &d
	}
	return out
}

// link resolves the code systems and value sets that s names.
func (s *valueSet) link(r *Registry) {
	for _, list := range [][]*clause{s.includes, s.excludes} {
		for _, c := range list {
			name := c.system
			if c.version != "" {
				name += "|" + c.version
			}
			c.code, _ = find(r.systems, name)
			c.linked = make([]*valueSet, len(c.sets))
			for i, url := range c.sets {
				c.linked[i], _ = find(r.sets, url)
			}
		}
	}
}

func (l *loader) valueSet(n *fhir.Node) *valueSet {
	s := &valueSet{url: n.Text("url")}
	compose := n.Child("compose")
	for _, c := range compose.All("include") {
		s.includes = append(s.includes, newClause(c))
	}
	for _, c := range compose.All("exclude") {
		s.excludes = append(s.excludes, newClause(c))
	}
	if expansion := n.Child("expansion"); compose == nil && expansion != nil {
		s.expansion = map[string]bool{}
		var walk func(at *fhir.Node)
		walk = func(at *fhir.Node) {
			for _, c := range at.All("contains") {
				if c.Text("abstract") != "true" {
					s.expansion[c.Text("system")+"|"+c.Text("code")] = true
					s.expansion["|"+c.Text("code")] = true
				}
				walk(c)
			}
		}
		walk(expansion)
	}
	return s
}

func newClause(n *fhir.Node) *clause {
	c := &clause{system: n.Text("system"), version: n.Text("version")}
	if concepts := n.All("concept"); len(concepts) > 0 {
		c.codes = make(map[string]bool, len(concepts))
		for _, concept := range concepts {
			c.codes[concept.Text("code")] = true
		}
	}
	for _, f := range n.All("filter") {
		c.filters = append(c.filters, filter{f.Text("property"), f.Text("op"), f.Text("value")})
	}
	for _, v := range n.All("valueSet") {
		c.sets = append(c.sets, v.Value)
	}
	return c
}

func fold(code string) string { return strings.ToLower(code) }
