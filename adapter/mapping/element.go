package mapping

import (
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// elementOf finds the definition of a name in the type of a node.
func elementOf(n *fhir.Node, name string) *fhir.Element {
	if n.Type == nil {
		return nil
	}
	if e := n.Type.Element(name); e != nil {
		return e
	}
	m, _ := n.Type.Member(name)
	return m.Element
}

// put hangs a value under parent, converted to the element's type.
func (t *target) put(r *run, ru *rule, parent *fhir.Node, m made) *fhir.Node {
	e := t.element
	if e == nil {
		if e = elementOf(parent, t.name); e == nil {
			r.fail(ru.issue(issue.Structure, "map-element", "the target has no element %s", t.name), nil)
			return nil
		}
	}
	from := m.node.Type
	if from == nil {
		r.fail(ru.issue(issue.Structure, "map-fit", "an element that FHIR does not define cannot be copied"), m.node)
		return nil
	}
	typ, name := from, e.Name
	if e.Choice || !e.Types[0].Abstract {
		if typ = choose(from, e); typ == nil {
			r.fail(ru.issue(issue.Structure, "map-fit", "%s cannot hold %s", e.Path, from.Name), m.node)
			return nil
		}
		if e.Choice {
			name = t.jsonName(e, typ)
		}
	}
	if !e.List {
		if have := parent.Child(e.Name); have != nil {
			if have.Type == typ && len(have.Children) == 0 && have.HasValue() && have.Value == m.node.Value {
				r.mark(m.node, whole)
				return have
			}
			r.fail(ru.issue(issue.MultipleMatches, "map-twice", "%s gets a second value; it holds one", e.Path), m.node)
			return nil
		}
	}
	if !r.mayList(t, ru, parent, e) {
		return nil
	}
	n, ok := r.convert(ru, m, typ)
	if !ok {
		return nil
	}
	if t.code && n.HasValue() && !e.HasCode(n.Value) {
		r.fail(ru.issue(issue.CodeInvalid, "map-code", "the code is not in %s, which %s is bound to; translate it", e.ValueSet, e.Path).With("code %q", n.Value), m.node)
		return nil
	}
	parent.Append(name, n)
	if e.List {
		r.list(t, ru, parent, n, e)
	}
	return n
}

func (t *target) jsonName(e *fhir.Element, typ *fhir.Type) string {
	for i, et := range e.Types {
		if et == typ && i < len(t.names) {
			return t.names[i]
		}
	}
	return e.JSONName(typ)
}

// choose is fits, and for a value that an expression made also the types that its text
// can be read as.
func choose(from *fhir.Type, e *fhir.Element) *fhir.Type {
	if len(e.Types) == 1 && e.Types[0] == from {
		return from
	}
	if t := fits(from, e); t != nil {
		return t
	}
	if from.Kind != fhir.Primitive {
		return nil
	}
	for _, et := range e.Types {
		if et.Kind == fhir.Primitive && et.JSON() == from.JSON() {
			return et
		}
	}
	for _, et := range e.Types {
		if et.Kind == fhir.Primitive && (et.JSON() == fhir.String || from.JSON() == fhir.String) {
			return et
		}
	}
	return nil
}
