package mapping

import "spadapter/adapter/fhir"

// prune removes what was created and stayed empty: FHIR has no empty elements.
// Resources stay. Source: http://hl7.org/fhir/R4/datatypes.html#representations.
func (r *run) prune() {
	for i := len(r.created) - 1; i >= 0; i-- {
		n := r.created[i]
		if n.Parent == nil || len(n.Children) > 0 || n.HasValue() || n.ResourceType() != "" {
			continue
		}
		siblings := n.Parent.Children
		for j, c := range siblings {
			if c == n {
				n.Parent.Children = append(siblings[:j:j], siblings[j+1:]...)
				break
			}
		}
		n.Parent = nil
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
	for i := 1; i < len(rank); i++ {
		for j := i; j > 0 && rank[j-1] > rank[j]; j-- {
			rank[j-1], rank[j] = rank[j], rank[j-1]
			n.Children[j-1], n.Children[j] = n.Children[j], n.Children[j-1]
		}
	}
}
