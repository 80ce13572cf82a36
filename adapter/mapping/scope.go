package mapping

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
)

// shape is what the compiler knows of the elements a variable will hold: the types they
// can have. No types mean that it knows nothing.
type shape []*fhir.Type

// key tells shapes apart, for the groups that are compiled once for each.
func (s shape) key() string {
	var b strings.Builder
	for _, t := range s {
		b.WriteString(string(t.System().Version))
		b.WriteString(t.Name)
		b.WriteByte(' ')
	}
	return b.String()
}

func (s shape) String() string {
	if len(s) == 0 {
		return "an element of unknown type"
	}
	names := make([]string, len(s))
	for i, t := range s {
		names[i] = t.Name
	}
	if len(names) > 6 {
		names = append(names[:6], "…")
	}
	return strings.Join(names, " or ")
}

// single is the only type of s, nil when there are several or none.
func (s shape) single() *fhir.Type {
	if len(s) == 1 {
		return s[0]
	}
	return nil
}

// shapeOf is the shape of an element of those types; an abstract type tells nothing.
func shapeOf(types []*fhir.Type) shape {
	for _, t := range types {
		if t.Abstract {
			return nil
		}
	}
	return shape(types)
}

// elements finds the definitions of a name in every type of s. found is false when s
// is known and none of its types has the name. self is set for the value of a primitive,
// which is the element itself here.
func (s shape) elements(name string) (list []*fhir.Element, types shape, self, found bool) {
	if len(s) == 0 {
		return nil, nil, false, true
	}
	abstract := false
	for _, t := range s {
		if t.Kind == fhir.Primitive && name == "value" {
			return nil, s, true, true
		}
		e := t.Element(name)
		var of []*fhir.Type
		if e != nil {
			of = e.Types
		} else if m, ok := t.Member(name); ok {
			e, of = m.Element, []*fhir.Type{m.Type}
		} else {
			continue
		}
		if !slices.Contains(list, e) {
			list = append(list, e)
		}
		for _, et := range of {
			abstract = abstract || et.Abstract
			if !slices.Contains(types, et) {
				types = append(types, et)
			}
		}
	}
	if abstract {
		types = nil
	}
	return list, types, false, len(list) > 0
}

// names lists the elements that s has, for messages.
func (s shape) names() string {
	var out []string
	for _, t := range s {
		for _, e := range t.Elements {
			out = append(out, e.Name)
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}

// variable is a name in scope.
type variable struct {
	slot    int
	shape   shape
	target  bool
	depth   int // of the rule that binds it, 0 for a parameter
	repeats int // the innermost rule depth that iterates over it, 0 when none does
}

// scope is the names visible in a rule.
type scope struct {
	outer *scope
	names map[string]variable
	depth int
	group *groupScope

	sources map[*sourceDecl]variable // of the rule, those without a name included
}

// groupScope is what the scopes of one group share.
type groupScope struct {
	owner *mapDecl
	decl  *groupDecl
	slots int
}

func (s *scope) inner() *scope {
	return &scope{outer: s, names: map[string]variable{}, depth: s.depth + 1, group: s.group, sources: map[*sourceDecl]variable{}}
}

func (s *scope) find(name string) (variable, bool) {
	for ; s != nil; s = s.outer {
		if v, ok := s.names[name]; ok {
			return v, true
		}
	}
	return variable{}, false
}

// bind gives a name, "" for none, a new slot.
func (s *scope) bind(name string, v variable) int {
	v.slot, v.depth = s.group.slots, s.depth
	s.group.slots++
	if name != "" {
		s.names[name] = v
	}
	return v.slot
}

// visible lists the names in scope, for messages.
func (s *scope) visible() string {
	var out []string
	for ; s != nil; s = s.outer {
		for n := range s.names {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}

// targets lists the targets in scope, for messages.
func (s *scope) targets() string {
	var out []string
	for ; s != nil; s = s.outer {
		for n, v := range s.names {
			if v.target {
				out = append(out, n)
			}
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}

// fits reports whether a value of type t can stand in the element: as it is, or as
// another primitive of the same JSON form. It gives the element's type for it.
func fits(t *fhir.Type, e *fhir.Element) *fhir.Type {
	for _, et := range e.Types {
		if et.Name == t.Name {
			return et
		}
	}
	for _, et := range e.Types {
		switch {
		case et.Abstract:
			if et.Kind == fhir.Resource && t.Kind == fhir.Resource || et.Kind != fhir.Resource && t.Kind != fhir.Resource {
				return t
			}
		case t.Is(et.Name), et.Is(t.Name) && et.Kind == fhir.Primitive:
			return et
		case et.Kind == fhir.Primitive && t.Kind == fhir.Primitive && !e.Choice && et.JSON() == t.JSON():
			return et
		}
	}
	return nil
}
