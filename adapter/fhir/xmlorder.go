package fhir

import "slices"

// order sees to it that the children of n, behind its attributes, stand in the order of
// its definition, and those of one name together and as often as they may.
// Source: http://hl7.org/fhir/R4/xml.html.
func (x *xmlParser) order(n *Node, attributes int) {
	last, apart := 0, false
	names := positions{list: n.Children}
	for i, c := range n.Children {
		first, again := names.first(c.Name, i)
		if again && n.Children[i-1].Name != c.Name {
			apart = true
		}
		m, known := n.member(c.Name)
		if !known {
			if again { // JSON has no other way to say it twice
				n.Children[first].List, c.List = true, true
			}
			continue
		}
		if again && !m.Element.List {
			x.fault(c, int(c.start), "xml-repeat", m.Element.Path+" does not repeat; give it once")
		}
		if i < attributes {
			continue
		}
		place := n.Type.place(m.Element, last)
		if place < last {
			x.fault(c, int(c.start), "xml-order", m.Element.Path+" must stand before "+n.Type.order()[last].Path+": in XML the order of the elements is fixed")
		}
		last = place
	}
	if apart {
		place := make(map[string]int, len(n.Children)) // of the first of a name
		for i, c := range slices.Backward(n.Children) {
			place[c.Name] = i
		}
		slices.SortStableFunc(n.Children, func(a, b *Node) int { return place[a.Name] - place[b.Name] })
	}
}

// positions says where the first child of a name stands.
type positions struct {
	list []*Node
	many map[string]int // from where looking through the list would cost more
}

// first is the position of the first child that is called name, i itself when there is
// none before it. It is asked for every child in turn.
func (p *positions) first(name string, i int) (at int, again bool) {
	const few = 24
	if i < few {
		for at, c := range p.list[:i] {
			if c.Name == name {
				return at, true
			}
		}
		return i, false
	}
	if p.many == nil {
		p.many = make(map[string]int, 2*few)
		for at, c := range slices.Backward(p.list[:i]) {
			p.many[c.Name] = at
		}
	}
	if at, again = p.many[name]; !again {
		p.many[name], at = i, i
	}
	return at, again
}

// place is the position of e in the order of t, looked for from a position on.
func (t *Type) place(e *Element, from int) int {
	order := t.order()
	for i := from; i < len(order); i++ {
		if order[i] == e {
			return i
		}
	}
	return slices.Index(order, e)
}

// order is that of the elements of t in XML.
func (t *Type) order() []*Element {
	if t.inXML != nil {
		return t.inXML
	}
	return t.Elements
}
