package mapping

import (
	"strconv"

	"spadapter/adapter/fhir"
)

// paths gives the FHIRPath of many nodes of trees that do not change meanwhile. Node.Path
// counts the siblings of a built node each time; here they are counted once.
type paths struct {
	known map[*fhir.Node]string
	index map[*fhir.Node]int // position among the siblings of that name
}

func newPaths() *paths {
	return &paths{known: map[*fhir.Node]string{}, index: map[*fhir.Node]int{}}
}

// of is what n.Path gives.
func (p *paths) of(n *fhir.Node) string {
	if n.Parent == nil || n.Element == nil {
		return n.Path()
	}
	if path, ok := p.known[n]; ok {
		return path
	}
	path := p.of(n.Parent) + "." + n.Element.Name
	if n.List {
		i, ok := p.index[n]
		if !ok {
			counts := map[string]int{}
			for _, c := range n.Parent.Children {
				p.index[c] = counts[c.Name]
				counts[c.Name]++
			}
			i = p.index[n]
		}
		path += "[" + strconv.Itoa(i) + "]"
	}
	p.known[n] = path
	return path
}
