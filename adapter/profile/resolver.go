package profile

import (
	"sync"

	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
)

// resolver finds what the references of one document lead to. Each Bundle and each
// resource with contained ones is indexed once, when the first reference in it is asked
// for, so that many references cost no more than their number. Safe for concurrent use.
type resolver struct {
	root *fhir.Node

	mu        sync.Mutex
	bundles   map[*fhir.Node]func(reference string, from *fhir.Node) *fhir.Node
	contained map[*fhir.Node]map[string]*fhir.Node // by id
}

// find finds the resource that a reference names, nil when it is not in the document:
// "#id" among the contained ones of the resource that from lies in, anything else in the
// Bundles around from, the innermost first. from is nil when it is not known.
// Source: http://hl7.org/fhir/R4/references.html#contained, http://hl7.org/fhir/R4/bundle.html#references.
func (r *resolver) find(reference string, from *fhir.Node) *fhir.Node {
	if from == nil {
		from = r.root
	}
	if reference == "" {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if reference[0] == '#' {
		return r.inside(reference[1:], from)
	}
	for n := from; n != nil; n = n.Parent {
		if n.ResourceType() != "Bundle" {
			continue
		}
		look := r.bundles[n]
		if look == nil {
			look = fhirpath.Resolver(n)
			if r.bundles == nil {
				r.bundles = map[*fhir.Node]func(string, *fhir.Node) *fhir.Node{}
			}
			r.bundles[n] = look
		}
		if to := look(reference, from); to != nil {
			return to
		}
	}
	return nil
}

// inside finds a contained resource; the empty id is what contains it.
func (r *resolver) inside(id string, from *fhir.Node) *fhir.Node {
	container := from.Resource()
	if container != nil && container.Name == "contained" && container.Parent != nil {
		container = container.Parent.Resource() // contained resources refer to each other through their container
	}
	if container == nil || id == "" {
		return container
	}
	byID, indexed := r.contained[container]
	if !indexed {
		byID = map[string]*fhir.Node{}
		for _, c := range container.Children {
			if c.Name != "contained" {
				continue
			}
			if id := c.Text("id"); id != "" && byID[id] == nil {
				byID[id] = c
			}
		}
		if r.contained == nil {
			r.contained = map[*fhir.Node]map[string]*fhir.Node{}
		}
		r.contained[container] = byID
	}
	return byID[id]
}
