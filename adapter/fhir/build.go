package fhir

// New makes an empty element of that type: a resource, a complex value, or a
// primitive without a value.
func New(t *Type) *Node {
	n := &Node{Type: t, Order: -1}
	switch t.Kind {
	case Resource:
		n.resourceType = t.Name
	case Primitive:
		n.Kind = Absent
	}
	return n
}

// NewPrimitive makes a primitive of that type with its text. The text is not checked.
func NewPrimitive(t *Type, text string) *Node {
	return &Node{Type: t, Kind: t.json, Value: text, Order: -1}
}

// Add makes an element of that JSON name ("valueQuantity", not "value") under n and
// returns it. A name that n's type does not have gives an element without type.
func (n *Node) Add(name string) *Node {
	c := &Node{Order: -1}
	if m, ok := n.member(name); ok {
		c = New(m.Type)
		// resource-typed elements take their type from what is put there
		if m.Type.Abstract {
			c.Type, c.Kind = nil, Object
		}
	}
	n.Append(name, c)
	return c
}

// Set gives the primitive of that JSON name a value, replacing what is there.
// An empty text removes the element.
func (n *Node) Set(name, text string) *Node {
	if text == "" {
		n.Remove(name)
		return nil
	}
	for _, c := range n.Children {
		if c.Name == name {
			c.Value = text
			c.Kind = String
			if c.Type != nil {
				c.Kind = c.Type.json
			}
			return c
		}
	}
	c := n.Add(name)
	c.Value, c.Kind = text, String
	if c.Type != nil {
		c.Kind = c.Type.json
	}
	return c
}

// Append hangs child under n as the element of that JSON name, after the elements
// of the same name, and returns child. child must not hang elsewhere: Clone it first.
func (n *Node) Append(name string, child *Node) *Node {
	child.Name, child.Parent, child.List = name, n, false
	if m, ok := n.member(name); ok {
		child.Element, child.List = m.Element, m.Element.List
		if child.Type == nil && !m.Type.Abstract {
			child.Type = m.Type
		}
	}
	if n.Kind == Absent && n.Type == nil {
		n.Kind = Object
	}
	if child.List {
		for i := len(n.Children) - 1; i >= 0; i-- {
			if n.Children[i].Name == name {
				n.Children = append(n.Children, nil)
				copy(n.Children[i+2:], n.Children[i+1:])
				n.Children[i+1] = child
				return child
			}
		}
	}
	n.Children = append(n.Children, child)
	return child
}

// Remove takes every element of that name out of n.
func (n *Node) Remove(name string) {
	kept := n.Children[:0:0]
	for _, c := range n.Children {
		if c.Name != name && (c.Element == nil || c.Element.Name != name) {
			kept = append(kept, c)
		}
	}
	n.Children = kept
}

// Clone is a deep copy of n that hangs nowhere and can be changed.
func (n *Node) Clone() *Node {
	// one block of nodes and one of pointers: a map copies most of a message, and an
	// allocation for each node would cost more than the copying
	count := n.count()
	c := copier{nodes: make([]Node, 0, count), pointers: make([]*Node, 0, count-1)}
	return c.copy(n)
}

// count is the number of nodes from n down.
func (n *Node) count() int {
	total := 1
	for _, c := range n.Children {
		total += c.count()
	}
	return total
}

type copier struct {
	nodes    []Node
	pointers []*Node
}

func (c *copier) copy(n *Node) *Node {
	c.nodes = append(c.nodes, Node{
		Name: n.Name, Element: n.Element, Type: n.Type, Kind: n.Kind, List: n.List, Value: n.Value,
		Order: -1, resourceType: n.resourceType,
	})
	out := &c.nodes[len(c.nodes)-1]
	if len(n.Children) > 0 {
		from := len(c.pointers)
		c.pointers = c.pointers[:from+len(n.Children)]
		// capped, so that an append to one element's children leaves the next one's alone
		out.Children = c.pointers[from:len(c.pointers):len(c.pointers)]
		for i, child := range n.Children {
			d := c.copy(child)
			d.Parent = out
			out.Children[i] = d
		}
	}
	return out
}

// member finds the element of a JSON name in n's type.
func (n *Node) member(name string) (Member, bool) {
	if n.Type == nil {
		return Member{}, false
	}
	return n.Type.Member(name)
}
