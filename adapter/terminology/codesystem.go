package terminology

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
)

// Concept is one concept of a code system.
type Concept struct {
	System  string
	Code    string
	Display string // "" when the code system gives none
}

// codeSystem is a compiled CodeSystem.
type codeSystem struct {
	url, version string
	name         string
	node         *fhir.Node
	complete     bool // content=complete: a code that is not here does not exist
	folded       bool // codes are not case sensitive: keys are lower case
	subsumes     bool // what lies below a concept is one
	concepts     map[string]*concept
	order        []*concept
	roles        map[string]string // property code → its standard role: parent, child, inactive, notSelectable, status
	declared     map[string]bool   // property codes
}

// concept is one concept with all that is said of it.
type concept struct {
	Concept
	definition   string
	designations []Designation
	properties   []Property
	parents      []string // codes, as they were written
	children     []string
	abstract     bool
	inactive     bool
}

func (s *codeSystem) key(code string) string {
	if s.folded {
		return fold(code)
	}
	return code
}

func (s *codeSystem) edition() string { return s.version }

func (s *codeSystem) same(a, b string) bool { return s.key(a) == s.key(b) }

func (s *codeSystem) find(code string) (Concept, bool) {
	c := s.concepts[s.key(code)]
	if c == nil {
		return Concept{}, false
	}
	return c.Concept, true
}

func (s *codeSystem) active(code string) answer {
	c := s.concepts[s.key(code)]
	switch {
	case c == nil:
		return unknown
	case c.inactive:
		return no
	}
	return yes
}

func (s *codeSystem) candidates(_ []*filter, why *doubts, yield func(code string) bool) bool {
	for _, c := range s.order {
		if !yield(c.Code) {
			break
		}
	}
	return s.closed(why)
}

// closed says whether the concepts are all there.
func (s *codeSystem) closed(why *doubts) bool {
	switch {
	case s.complete:
	case len(s.order) == 0:
		why.add("the concepts of the code system %s are not loaded", s.url)
	default:
		why.add("only a part of the code system %s is loaded", s.url)
	}
	return s.complete
}

func (s *codeSystem) selects(filters []*filter, code string, why *doubts) answer {
	c := s.concepts[s.key(code)]
	if c == nil {
		if s.closed(why) {
			return no
		}
		return unknown
	}
	result := yes
	for _, f := range filters {
		switch s.passes(f, c, why) {
		case no:
			return no
		case unknown:
			result = unknown
		}
	}
	return result
}

// within reports whether code is ancestor or lies below it.
func (s *codeSystem) within(code, ancestor string) bool {
	want, at := s.key(ancestor), s.key(code)
	for range maxDepth { // most concepts have one parent: no list of what was seen is needed
		if at == want {
			return true
		}
		c := s.concepts[at]
		if c == nil || len(c.parents) == 0 {
			return false
		}
		if len(c.parents) > 1 {
			break
		}
		at = s.key(c.parents[0])
	}
	seen := map[string]bool{at: true}
	for stack := []string{at}; len(stack) > 0; {
		at, stack = stack[len(stack)-1], stack[:len(stack)-1]
		if at == want {
			return true
		}
		if c := s.concepts[at]; c != nil {
			for _, p := range c.parents {
				if p = s.key(p); !seen[p] {
					seen[p] = true
					stack = append(stack, p)
				}
			}
		}
	}
	return false
}

// maxDepth is a chain of parents that no published code system reaches: a longer one is
// a circle.
const maxDepth = 128

// rolesOf are the properties of the standard that say where a concept stands.
// Source: http://hl7.org/fhir/R4/codesystem.html#properties.
var rolesOf = map[string]string{
	"parent": "parent", "subsumedBy": "parent", "child": "child", "inactive": "inactive", "notSelectable": "notSelectable", "status": "status",
}

func (l *loader) codeSystem(n *fhir.Node) *codeSystem {
	s := &codeSystem{
		url: n.Text("url"), version: n.Text("version"), name: n.Text("name"), node: n, complete: n.Text("content") == "complete",
		folded: n.Text("caseSensitive") == "false", concepts: map[string]*concept{}, roles: map[string]string{}, declared: map[string]bool{},
	}
	meaning := n.Text("hierarchyMeaning")
	s.subsumes = meaning == "" || meaning == "is-a"
	for code, role := range rolesOf {
		s.roles[code] = role
	}
	for _, p := range n.All("property") {
		s.declared[p.Text("code")] = true
		if _, role, ok := strings.Cut(p.Text("uri"), "http://hl7.org/fhir/concept-properties#"); ok {
			s.roles[p.Text("code")] = rolesOf[role]
		}
	}
	var walk func(at *fhir.Node, parent *concept)
	walk = func(at *fhir.Node, parent *concept) {
		for _, cn := range at.All("concept") {
			c := s.concept(cn)
			if parent != nil {
				c.parents = append([]string{parent.Code}, c.parents...)
			}
			if known := s.concepts[s.key(c.Code)]; known != nil { // below a second parent
				known.parents = append(known.parents, c.parents...)
				c = known
			} else {
				s.order = append(s.order, c)
				s.concepts[s.key(c.Code)] = c
			}
			walk(cn, c)
		}
	}
	walk(n, nil)
	s.relate()
	return s
}

// concept reads one concept, without what is nested in it.
func (s *codeSystem) concept(n *fhir.Node) *concept {
	c := &concept{Concept: Concept{System: s.url, Code: n.Text("code"), Display: n.Text("display")}, definition: n.Text("definition"), designations: designations(n)}
	for _, p := range n.All("property") {
		value := p.Child("value")
		if value == nil || value.Type == nil {
			continue
		}
		property := Property{Code: p.Text("code"), Type: value.Type.Name, Value: value.Value}
		if property.Type == "Coding" {
			property.Coding = coding(value)
			property.Value = property.Coding.Code
		}
		c.properties = append(c.properties, property)
		switch s.roles[property.Code] {
		case "parent":
			c.parents = append(c.parents, property.Value)
		case "child":
			c.children = append(c.children, property.Value)
		case "inactive":
			c.inactive = property.Value == "true"
		case "notSelectable":
			c.abstract = property.Value == "true"
		case "status":
			c.inactive = c.inactive || slices.Contains([]string{"retired", "inactive", "withdrawn"}, property.Value)
		}
	}
	return c
}

// relate makes every parent know its children and the other way round.
func (s *codeSystem) relate() {
	link := func(list *[]string, code string) {
		if !slices.ContainsFunc(*list, func(have string) bool { return s.same(have, code) }) {
			*list = append(*list, code)
		}
	}
	for _, c := range s.order {
		for _, code := range c.children {
			if child := s.concepts[s.key(code)]; child != nil {
				link(&child.parents, c.Code)
			}
		}
	}
	// a concept of a flat list may have thousands of children: they are told apart once
	count := map[*concept]int{}
	for _, c := range s.order {
		stated := len(c.children)
		count[c] = stated
	}
	for _, c := range s.order {
		for _, code := range c.parents {
			parent := s.concepts[s.key(code)]
			if parent == nil || slices.ContainsFunc(parent.children[:count[parent]], func(have string) bool { return s.same(have, c.Code) }) {
				continue
			}
			parent.children = append(parent.children, c.Code)
		}
	}
}

func designations(n *fhir.Node) []Designation {
	var out []Designation
	for _, d := range n.All("designation") {
		out = append(out, Designation{Language: d.Text("language"), Use: coding(d.Child("use")), Value: d.Text("value")})
	}
	return out
}

// coding reads a Coding; nil gives the empty one.
func coding(n *fhir.Node) Coding {
	if n == nil {
		return Coding{}
	}
	return Coding{System: n.Text("system"), Version: n.Text("version"), Code: n.Text("code"), Display: n.Text("display")}
}

func fold(code string) string { return strings.ToLower(code) }
