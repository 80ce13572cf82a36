package mapping

import (
	"encoding/json"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// convert gives a value as an element of that type, a copy unless it is fresh.
func (r *run) convert(ru *rule, m made, typ *fhir.Type) (*fhir.Node, bool) {
	n := m.node
	if !m.fresh || n.Parent != nil {
		r.mark(n, whole)
		n = n.Clone()
	}
	if n.Type == typ {
		return n, true
	}
	if typ.Kind == fhir.Primitive {
		n.Type = typ
		if n.HasValue() && n.Kind != typ.JSON() {
			if !readable(n.Value, typ) {
				r.fail(ru.issue(issue.Value, "map-cast", "the value cannot be read as %s", typ.Name).With("value %q", n.Value), m.node)
				return nil, false
			}
			n.Kind = typ.JSON()
		}
		return n, true
	}
	if n.Type.System() == typ.System() && n.Type.Is(typ.Name) {
		return n, true // Age as a Quantity
	}
	if !retype(n, typ) {
		r.fail(ru.issue(issue.Structure, "map-fit", "the value has elements that %s does not have; map it with a group", typ.Name), m.node)
		return nil, false
	}
	return n, true
}

// retype gives a copied tree the definitions of another version's type of that name;
// false when it has an element that the type does not have.
func retype(n *fhir.Node, t *fhir.Type) bool {
	n.Type = t
	for _, c := range n.Children {
		m, ok := t.Member(c.Name)
		if !ok || m.Element.List != c.List {
			return false
		}
		c.Element = m.Element
		to := m.Type
		if to.Abstract {
			if c.Type == nil {
				continue
			}
			if to = t.System().Type(c.Type.Name); to == nil {
				return false
			}
		}
		if !retype(c, to) {
			return false
		}
	}
	return true
}

// readable reports whether a text is in the lexical form of a primitive.
func readable(value string, t *fhir.Type) bool {
	switch t.JSON() {
	case fhir.Boolean:
		return value == "true" || value == "false"
	case fhir.Number:
		// what JSON writes as a number: no Inf, no hexadecimal digits
		if value == "" || value[0] != '-' && !digit(value[0]) || !json.Valid([]byte(value)) {
			return false
		}
	}
	return fhir.Lexical(t.Name, value)
}

// become gives an element that is there already a value.
func (r *run) become(ru *rule, n *fhir.Node, m made) *fhir.Node {
	if n.Type == nil || m.node.Type == nil {
		r.fail(ru.issue(issue.Structure, "map-fit", "an element of unknown type cannot take a value"), m.node)
		return nil
	}
	typ := fits(m.node.Type, &fhir.Element{Types: []*fhir.Type{n.Type}})
	if typ == nil && n.Type.Kind == fhir.Primitive && m.node.Type.Kind == fhir.Primitive {
		typ = n.Type
	}
	if typ == nil {
		r.fail(ru.issue(issue.Structure, "map-fit", "%s cannot hold %s", n.Type.Name, m.node.Type.Name), m.node)
		return nil
	}
	if n.HasValue() && n.Value != m.node.Value || n.Type.Kind != fhir.Primitive && len(n.Children) > 0 {
		r.fail(ru.issue(issue.MultipleMatches, "map-twice", "the element gets a second value; it holds one"), m.node)
		return nil
	}
	v, ok := r.convert(ru, m, n.Type)
	if !ok {
		return nil
	}
	n.Kind, n.Value = v.Kind, v.Value
	for _, c := range v.Children {
		c.Parent = n
	}
	n.Children = v.Children
	return n
}
