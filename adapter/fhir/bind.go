package fhir

import "strings"

// merge joins the two JSON members of each primitive, "birthDate" and "_birthDate",
// into one element. Source: http://hl7.org/fhir/R4/json.html#primitive.
func (p *parser) merge(members []*Node) []*Node {
	out := make([]*Node, 0, len(members))
	for _, m := range members {
		if !strings.HasPrefix(m.Name, "_") || len(m.Name) == 1 {
			out = append(out, m)
		}
	}
	for i := 0; i < len(members); {
		name := members[i].Name
		j := i + 1
		for j < len(members) && members[j].Name == name {
			j++
		}
		if strings.HasPrefix(name, "_") && len(name) > 1 {
			out = p.attach(out, name[1:], members[i:j])
		}
		i = j
	}
	return out
}

// attach gives the elements called name in out the ids and extensions of extras, in
// their order, and appends elements without a value for those that have none.
func (p *parser) attach(out []*Node, name string, extras []*Node) []*Node {
	var have []*Node
	last := len(out)
	for i, n := range out {
		if n.Name == name {
			have = append(have, n)
			last = i + 1
		}
	}
	for i, extra := range extras {
		if extra.Kind != Object && !(extra.Kind == Null && extra.List) {
			p.doc.faults = append(p.doc.faults, fault{extra, "json-primitive", "the companion member of a primitive must be an object with id or extension"})
			extra.Kind = Absent
			continue
		}
		if i >= len(have) {
			extra.Name = name
			if extra.Kind == Object {
				extra.Kind = Absent
			}
			out = append(out, nil)
			copy(out[last+1:], out[last:])
			out[last] = extra
			last++
			continue
		}
		n := have[i]
		if n.List != extra.List {
			p.doc.faults = append(p.doc.faults, fault{n, "json-primitive", "the two members of a primitive must both be arrays or neither"})
		}
		if extra.Kind == Null {
			continue
		}
		switch n.Kind {
		case Object, Array:
			p.doc.faults = append(p.doc.faults, fault{n, "json-primitive", "only a primitive may have a companion member that starts with '_'"})
		case Null:
			n.Kind = Absent
			fallthrough
		default:
			n.Children = extra.Children
			for _, c := range n.Children {
				c.Parent = n
			}
			if len(n.Children) == 0 {
				p.doc.faults = append(p.doc.faults, fault{n, "json-empty", "an object must not be empty; leave the element out"})
			}
		}
	}
	if len(extras) < len(have) && extras[0].List {
		p.doc.faults = append(p.doc.faults, fault{have[len(extras)], "json-primitive", "the two arrays of a repeating primitive must have the same length; fill with null"})
	}
	return out
}

// bind gives every node below a resource its definition and its place in the order.
func (n *Node) bind(system *System) {
	n.Type = system.Resource(n.resourceType)
	n.number(system)
}

func (n *Node) number(system *System) {
	n.Order = n.doc.nodes
	n.doc.nodes++
	for _, c := range n.Children {
		if m, ok := n.member(c.Name); ok {
			c.Element, c.Type = m.Element, m.Type
		}
		if c.Kind == Object && c.resourceType != "" && (c.Type == nil || c.Type.Abstract || c.Type.Kind == Resource) {
			c.Type = system.Resource(c.resourceType)
		} else if c.Type != nil && c.Type.Abstract {
			c.Type = nil
		}
		c.number(system)
	}
}
