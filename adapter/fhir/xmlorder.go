package fhir

import "slices"

// order sees to it that the children of n, behind its attributes, stand in the order of
// its definition, and those of one name together and as often as they may.
// Source: http://hl7.org/fhir/R4/xml.html.
func (x *xmlParser) order(n *Node, attributes int) {
	last, apart := 0, false
	names := make(map[string]int, 8) // where the first of a name stands
	for i, c := range n.Children {
		first, again := names[c.Name]
		if !again {
			names[c.Name] = i
		} else if n.Children[i-1].Name != c.Name {
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
		slices.SortStableFunc(n.Children, func(a, b *Node) int { return names[a.Name] - names[b.Name] })
	}
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
