package fhir

import "strconv"

// fault is something that JSON allows and FHIR does not; Check reports it.
type fault struct {
	node *Node
	rule string
	text string

	// where the element would be, for a node that is in no tree
	owner *Node
	name  string
	index int // within its array
}

// path is the FHIRPath of what is at fault.
func (f fault) path() string {
	if f.owner == nil {
		return f.node.Path()
	}
	name := abbreviate(f.name)
	if m, ok := f.owner.member(f.name); ok {
		name = m.Element.Name
	}
	if f.node.List {
		name += "[" + strconv.Itoa(f.index) + "]"
	}
	return f.owner.Path() + "." + name
}

// merge joins the two JSON members of each primitive, "birthDate" and "_birthDate",
// into one element. Source: http://hl7.org/fhir/R4/json.html#primitive.
//
// One member of an array is as many nodes one after the other; a name occurs once.
func (p *parser) merge(owner *Node, nodes []*Node) []*Node {
	type member struct {
		name  string
		nodes []*Node
	}
	var space [16]member // enough for most objects
	members, companions := space[:0:12], space[12:12]
	all := len(nodes)
	for len(nodes) > 0 {
		name, n := nodes[0].Name, 1
		for n < len(nodes) && nodes[n].Name == name {
			n++
		}
		if len(name) > 1 && name[0] == '_' {
			companions = append(companions, member{name[1:], nodes[:n]})
		} else {
			members = append(members, member{name, nodes[:n]})
		}
		nodes = nodes[n:]
	}
	byName := make(map[string]int, len(companions)) // where in companions
	for i, c := range companions {
		byName[c.name] = i
	}
	out := make([]*Node, 0, all)
	for _, m := range members {
		out = append(out, m.nodes...)
		// a name that stands twice takes its companion once
		if i, ok := byName[m.name]; ok && companions[i].nodes != nil {
			out = p.attach(owner, out, m.name, m.nodes, companions[i].nodes)
			companions[i].nodes = nil
		}
	}
	for _, m := range companions { // primitives without any value
		if m.nodes != nil {
			out = p.attach(owner, out, m.name, nil, m.nodes)
		}
	}
	return out
}

// attach gives the elements have, all called name and the last of out, the ids and
// extensions of extras, in their order, and appends elements without a value for those
// that have none.
func (p *parser) attach(owner *Node, out []*Node, name string, have, extras []*Node) []*Node {
	complain := func(n *Node, rule, text string) {
		p.doc.faults = append(p.doc.faults, fault{node: n, rule: rule, text: text})
	}
	for i, extra := range extras {
		if extra.Kind != Object && !(extra.Kind == Null && extra.List) {
			p.doc.faults = append(p.doc.faults, fault{extra, "json-primitive",
				"the member _" + abbreviate(name) + " must be an object with id or extension; a value belongs in the member " + abbreviate(name), owner, name, i})
			continue
		}
		if i >= len(have) {
			extra.Name = name
			if extra.Kind == Object {
				extra.Kind = Absent
			}
			out = append(out, extra)
			continue
		}
		n := have[i]
		if n.List != extra.List {
			complain(n, "json-primitive", "the two members of a primitive must both be arrays or neither")
		}
		if n.Kind == Object || n.Kind == Array {
			complain(n, "json-primitive", "only a primitive may have a member with '_' before its name; write id and extension into the object itself")
			continue
		}
		if extra.Kind == Null {
			continue
		}
		if n.Kind == Null {
			n.Kind = Absent
		}
		n.Children = extra.Children
		for _, c := range n.Children {
			c.Parent = n
		}
		if len(n.Children) == 0 {
			complain(n, "json-empty", "the member _"+abbreviate(name)+" must not be an empty object; leave it out")
		}
	}
	if len(extras) < len(have) && extras[0].List {
		complain(have[len(extras)], "json-primitive", "the two arrays of a repeating primitive must have the same length; fill the shorter one with null")
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
