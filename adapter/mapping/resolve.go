package mapping

import (
	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
)

// finder finds what a reference names; from is the element that refers, nil for a text.
type finder = func(reference string, from *fhir.Node) *fhir.Node

// resolve answers resolve() in expressions. Each source is indexed once: a message may
// have thousands of references, and looking through it for each would take their square.
func (r *run) resolve(reference string, from *fhir.Node) *fhir.Node {
	if from == nil {
		from = r.focus
	}
	root := r.in.Source
	if from != nil {
		root = from.Root()
	}
	if find := r.indexes[root]; find != nil {
		return find(reference, from)
	}
	for i := range r.marks {
		if r.marks[i].root != root {
			continue
		}
		if r.indexes == nil {
			r.indexes = map[*fhir.Node]finder{}
		}
		r.indexes[root] = fhirpath.Resolver(root)
		return r.indexes[root](reference, from)
	}
	r.work += len(root.Children)
	return fhirpath.Find(root, reference, from) // a target changes while it is made
}
