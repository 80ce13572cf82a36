package profile

import (
	"sync"
	"sync/atomic"

	"spadapter/adapter/fhir"
)

// running knows which documents are being validated, so that a validation that an
// invariant begins by conformsTo() shares the index of references and the bound on work
// with the one that it is part of.
type running struct {
	asks      atomic.Bool // some invariant has conformsTo(); without one nothing is kept
	mu        sync.Mutex
	documents map[*fhir.Node]*document
}

var underway = running{documents: map[*fhir.Node]*document{}}

// document is one that is being validated.
type document struct {
	users    int
	resolver *resolver
	left     int // work that may still be begun by conformsTo()
}

// begin shares what is known of a document with v. inner: an invariant begins it.
func (r *running) begin(v *validator, inner bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.documents[v.root]
	if d == nil {
		d = &document{resolver: v.refs}
		r.documents[v.root] = d
		if inner { // what it is part of began before anything asked
			d.left = maxSteps
		}
	}
	d.users++
	v.refs, v.document = d.resolver, d
	if inner {
		v.steps = max(d.left, 0)
	} else {
		d.left += maxSteps
	}
}

// end takes what v used from what is left.
func (r *running) end(v *validator, inner bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := v.document
	if inner {
		// a question of a few steps costs the start of a validation too
		d.left -= max(v.given-v.steps, 0) + 20
	}
	if d.users--; d.users == 0 {
		delete(r.documents, v.root)
	}
}
