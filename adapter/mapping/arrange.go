package mapping

import (
	"slices"

	"spadapter/adapter/fhir"
)

// prune removes what was created and stayed empty: FHIR has no empty elements.
// Resources stay. Source: http://hl7.org/fhir/R4/datatypes.html#representations.
func (r *run) prune() {
	// what is removed loses its parent at once and its place at the end: taking each out
	// of a long list by itself would move the rest every time
	var parents map[*fhir.Node]bool
	for i := len(r.created) - 1; i >= 0; i-- {
		n := r.created[i]
		if n.Parent == nil || n.HasValue() || n.ResourceType() != "" ||
			slices.ContainsFunc(n.Children, func(c *fhir.Node) bool { return c.Parent == n }) {
			continue
		}
		if parents == nil {
			parents = map[*fhir.Node]bool{}
		}
		parents[n.Parent] = true
		n.Parent = nil
	}
	for p := range parents {
		p.Children = slices.DeleteFunc(p.Children, func(c *fhir.Node) bool { return c.Parent != p })
	}
}

// arrange puts the elements of what was created into the order of the standard: the
// order of the rules is the author's, and a reader looks for fullUrl before resource.
func arrange(n *fhir.Node) {
	if n.Type == nil || len(n.Children) < 2 {
		return
	}
	var few [32]int
	rank := few[:0]
	sorted, at := true, 0
	elements := n.Type.Elements
	for _, c := range n.Children {
		// mostly in order already: look on from where the last one was
		for steps := 0; steps < len(elements) && elements[at] != c.Element; steps++ {
			if at++; at == len(elements) {
				at = 0
			}
		}
		sorted = sorted && (len(rank) == 0 || rank[len(rank)-1] <= at)
		rank = append(rank, at)
	}
	if sorted {
		return
	}
	if len(rank) > len(few) {
		type ranked struct {
			node *fhir.Node
			rank int
		}
		order := make([]ranked, len(rank))
		for i, c := range n.Children {
			order[i] = ranked{c, rank[i]}
		}
		slices.SortStableFunc(order, func(a, b ranked) int { return a.rank - b.rank })
		for i := range order {
			n.Children[i] = order[i].node
		}
		return
	}
	for i := 1; i < len(rank); i++ {
		for j := i; j > 0 && rank[j-1] > rank[j]; j-- {
			rank[j-1], rank[j] = rank[j], rank[j-1]
			n.Children[j-1], n.Children[j] = n.Children[j], n.Children[j-1]
		}
	}
}
