package profile

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// tally counts the elements of one parent in the slices of their element.
type tally struct {
	of        *element // nil when it is not sliced
	few       [8]int
	counts    []int // per slice
	last      int   // the slice of the element before, for an order
	outside   *fhir.Node
	undecided bool // an element's slice hangs on what is not here
}

func (t *tally) start(e *element) {
	t.of = e
	if t.counts = t.few[:min(len(e.slices), len(t.few))]; len(e.slices) > len(t.few) {
		t.counts = make([]int, len(e.slices))
	}
}

// slice puts n into its slice and checks it there.
func (v *validator) slice(t *tally, n *fhir.Node) {
	c := t.of
	i, sure := v.sliceOf(c, n)
	if !sure {
		t.undecided = true
		if !v.stopped && v.once("slicing "+c.id) {
			v.fault(issue.Informational, n, c.slicing, c, "the slices of "+c.path+" were not checked: what tells them apart, a value set or what a reference leads to, is not here").
				Graded(issue.SeverityInformation)
		}
		return
	}
	if i < 0 {
		if t.outside == nil {
			t.outside = n
		}
		if c.closed {
			v.fault(issue.BusinessRule, n, c.slicing, c, c.path+" must be one of the slices "+sliceNames(c)).With("got %s", v.atMark(c, n))
		}
		return
	}
	s := c.slices[i]
	switch {
	case c.ordered && i < t.last:
		v.fault(issue.BusinessRule, n, c.slicing, s, s.label()+" comes too late: the slices of "+c.path+" stand in the order "+sliceNames(c))
	case c.atEnd && t.outside != nil:
		v.fault(issue.BusinessRule, n, c.slicing, s, s.label()+" comes too late: what is in none of the slices "+sliceNames(c)+" stands at the end")
	}
	t.last = max(t.last, i)
	if t.counts[i]++; s.max.by != nil && t.counts[i] == s.max.n+1 {
		v.tooMany(s, n)
	}
	v.node(s, n)
}

// sliceOf is the index of the slice that n belongs to, -1 when to none. sure is false
// when that hangs on a value set or a resource that is not here.
func (v *validator) sliceOf(e *element, n *fhir.Node) (index int, sure bool) {
	if e.marked != nil {
		return v.markedSlice(e, n)
	}
	sure = true
next:
	for i, s := range e.slices {
		if !v.spend(1) {
			return -1, false
		}
		decided := true
		for k := range s.expected {
			x := &s.expected[k]
			met, known := v.meets(x, n)
			if !known {
				decided = false
			} else if met != (x.discriminator.kind != "exists" || x.present) {
				continue next
			}
		}
		if decided {
			return i, true
		}
		sure = false
	}
	return -1, sure
}

// markedSlice is sliceOf by the index of what marks the slices.
func (v *validator) markedSlice(e *element, n *fhir.Node) (index int, sure bool) {
	before := v.lost
	index, v.lost = -1, false
	v.each(n, e.discriminates[0].steps, func(at *fhir.Node) bool {
		if i, ok := e.marked[at.Value]; ok && (index < 0 || i < index) {
			if met, _ := v.met(&e.slices[i].expected[0], at); met {
				index = i
			}
		}
		return false
	})
	sure, v.lost = index >= 0 || !v.lost, before
	return index, sure
}

// meets reports whether anything at the end of the path below n is as the slice
// expects; for exists, whether there is anything.
func (v *validator) meets(x *expectation, n *fhir.Node) (met, known bool) {
	if path := x.discriminator.steps; len(path) != 1 || path[0].name == "" {
		if x.discriminator.kind == "type" && len(path) > 0 && path[len(path)-1].resolve {
			return v.refersTo(x, n, path[:len(path)-1])
		}
		before := v.lost
		known, v.lost = true, false
		met = v.each(n, path, func(at *fhir.Node) bool {
			is, sure := v.met(x, at)
			known = known && sure
			return is && sure
		})
		known, v.lost = known && !v.lost, before
		return met, met || known
	}
	// one name, which most slicings are by: without a closure
	known = true
	for _, c := range n.Children {
		if c.ElementName() != x.discriminator.steps[0].name {
			continue
		}
		if !v.spend(1) {
			return false, false
		}
		is, sure := v.met(x, c)
		if is && sure {
			return true, true
		}
		known = known && sure
	}
	return false, known
}

// refersTo is meets for the type of what a reference leads to, which the reference itself
// may tell.
func (v *validator) refersTo(x *expectation, n *fhir.Node, path []step) (met, known bool) {
	before := v.lost
	known, v.lost = true, false
	met = v.each(n, path, func(at *fhir.Node) bool {
		name, _ := v.referred(at)
		of := v.env.System.Resource(name)
		known = known && of != nil
		return of != nil && slices.ContainsFunc(x.types, func(t *fhir.Type) bool { return of.Is(t.Name) })
	})
	known, v.lost = known && !v.lost, before
	return met, met || known
}

func (v *validator) met(x *expectation, n *fhir.Node) (met, known bool) {
	switch {
	case x.discriminator.kind == "exists":
		return true, true
	case x.discriminator.kind == "type":
		return slices.ContainsFunc(x.types, func(t *fhir.Type) bool { return n.Type != nil && n.Type.Is(t.Name) }), true
	case x.discriminator.kind == "profile":
		return v.conformsToAny(x.profiles, n)
	case x.value != nil && !v.spend(len(n.Children)):
		return false, false
	case x.value != nil && x.exact:
		return equal(x.value, n), true
	case x.value != nil:
		return matches(x.value, n), true
	case v.env.ValidateCode == nil:
		return false, false
	}
	return anyCoding(n, func(c *fhir.Node) (bool, bool) { return v.env.ValidateCode(x.binding.valueSet, c) })
}

// conformsToAny reports whether n breaks no rule of one of the profiles. known is false
// when it conforms to none and one is not here.
func (v *validator) conformsToAny(urls []string, n *fhir.Node) (conforms, known bool) {
	known = true
	for _, url := range urls {
		if name, ok := strings.CutPrefix(url, standard); ok && v.env.System.Type(name) != nil {
			if n.Type != nil && n.Type.Is(name) {
				return true, true
			}
			continue
		}
		p := v.profile(url)
		if p == nil {
			known = false
			continue
		}
		if found, ok := v.within(p, n); ok && !fails(found) {
			return true, true
		}
	}
	return false, known
}
