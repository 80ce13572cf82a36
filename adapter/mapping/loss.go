package mapping

import (
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// What a rule did with a source element.
const (
	bound  uint8 = 1 << iota // a rule was at it, or a condition that held read it
	whole                    // copied with everything below, or read on purpose by ignore-…
	missed                   // translate found nothing for it: being bound does not count
)

// marks are the notes on one source tree.
type marks struct {
	root *fhir.Node
	flat []uint8               // by Node.Order, for a parsed tree
	tree map[*fhir.Node]*uint8 // for a tree that was built

	inside bool // root was put into a Bundle: it may be unread as a whole
}

func newMarks(root *fhir.Node) marks {
	if root.Order == 0 && root.Parent == nil && root.Size() > 0 {
		return marks{root: root, flat: make([]uint8, root.Size())}
	}
	return marks{root: root, tree: map[*fhir.Node]*uint8{}}
}

func (m *marks) add(n *fhir.Node, how uint8) {
	if m.flat != nil {
		m.flat[n.Order] |= how
		return
	}
	p := m.tree[n]
	if p == nil {
		p = new(uint8)
		m.tree[n] = p
	}
	*p |= how
}

func (m *marks) of(n *fhir.Node) uint8 {
	if m.flat != nil {
		return m.flat[n.Order]
	}
	if p := m.tree[n]; p != nil {
		return *p
	}
	return 0
}

// mark notes what a rule did with an element; elements of the target are passed over.
func (r *run) mark(n *fhir.Node, how uint8) {
	if len(r.marks) == 1 && r.marks[0].flat != nil {
		if n.Order >= 0 {
			r.marks[0].flat[n.Order] |= how
		}
		return
	}
	if r.around != nil && n == r.around.resource {
		n = r.around.sent
	}
	root := n.Root()
	for i := range r.marks {
		if m := &r.marks[i]; m.root == root || m.flat == nil && m.root.Root() == root {
			m.add(n, how)
			return
		}
	}
}

// markPath notes every element at the end of a path below n.
func (r *run) markPath(n *fhir.Node, path []string, how uint8) {
	if len(path) == 0 {
		r.mark(n, how)
		return
	}
	r.work += len(n.Children)
	for _, c := range n.Children {
		if c.Name == path[0] || c.Element != nil && c.Element.Name == path[0] {
			r.markPath(c, path[1:], how)
		}
	}
}

// unread appends the topmost elements below the root of which nothing was read, in
// document order.
func (m *marks) unread(out []*fhir.Node) []*fhir.Node {
	out, _ = m.walk(m.root, out)
	return out
}

// walk reports whether anything at or below n was read.
func (m *marks) walk(n *fhir.Node, out []*fhir.Node) ([]*fhir.Node, bool) {
	mark := m.of(n)
	if mark&whole != 0 {
		return out, true
	}
	value := mark&(bound|missed) == bound // what stands in the element itself was read
	if len(n.Children) == 0 {
		if value {
			return out, true
		}
		return append(out, n), false
	}
	before, below := len(out), false
	for _, c := range n.Children {
		var read bool
		out, read = m.walk(c, out)
		below = below || read
	}
	switch {
	case n.HasValue() && value, n == m.root && (value || !m.inside):
		return out, true
	case n.HasValue() && below: // of a primitive, its extensions alone were read
		return append(out, n), true
	case below:
		return out, true
	}
	return append(out[:before], n), false // one line for all of it
}

// maxUnread is how many elements that no rule read one message is told of: enough to
// mend a map, too few to be used as an amplifier.
const maxUnread = 100

// unreadIssues reports what no rule read.
func unreadIssues(unread []*fhir.Node) []*issue.Error {
	var out []*issue.Error
	tell := func(n *fhir.Node, e *issue.Error) {
		line, column := n.Position()
		out = append(out, e.Graded(issue.SeverityInformation).At(n.Path()).On(line, column))
	}
	for i, n := range unread {
		if more := len(unread) - i; i == maxUnread {
			tell(n, issue.Newf(issue.Informational, "map-unread", "no rule of the map read this element and %d more; they are not in the result", more-1))
			break
		}
		tell(n, issue.New(issue.Informational, "map-unread", "no rule of the map read this element; it is not in the result"))
	}
	return out
}
