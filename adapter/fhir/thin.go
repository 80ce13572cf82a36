package fhir

// Thin takes those children of that name out of a parsed tree that keep says no to; each is
// asked about with its index in the sender's array. What stays has the paths and lines that it
// had. Like Repair it is for the one who just parsed the tree. Reread gives all of them again.
func (n *Node) Thin(name string, keep func(i int, child *Node) bool) {
	kept := make([]*Node, 0, len(n.Children))
	i := 0
	for _, c := range n.Children {
		if c.Name == name {
			i++
			if !keep(i-1, c) {
				continue
			}
		}
		kept = append(kept, c)
	}
	n.replace(kept)
}

// replace leaves a part of its children to n, in their order, with the paths that they had.
func (n *Node) replace(kept []*Node) {
	if len(kept) == len(n.Children) {
		return
	}
	name, i := "", int32(0)
	for _, c := range n.Children {
		if c.Name != name {
			name, i = c.Name, 0
		}
		if i++; c.List && c.place == 0 {
			c.place = i
		}
	}
	n.Children = kept
}
