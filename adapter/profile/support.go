package profile

import (
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// MustSupport lists the elements that the profiles of a resource mark as must-support
// and that it does not have, where what should hold them is there. The profiles are
// those named, by their canonicals, or, when none is, those that the resource and every
// resource in it claim.
//
// Every issue is informational, with the rule and the place that a missing element
// would have in Validate: what must be supported need not be sent. nil when none is
// missing, at most 200.
func (s *Set) MustSupport(resource *fhir.Node, canonicals ...string) []*issue.Error {
	if s == nil || resource == nil {
		return nil
	}
	v := newValidator(s, &s.env, resource)
	defer v.done()
	if len(canonicals) == 0 {
		v.claimed(resource)
	}
	for _, canonical := range canonicals {
		v.supports(canonical, resource)
	}
	return inOrder(v.all())
}

// claimed looks at every resource from n down.
func (v *validator) claimed(n *fhir.Node) {
	if n.ResourceType() != "" {
		for _, c := range n.Child("meta").All("profile") {
			v.supports(c.Value, n)
		}
	}
	for _, c := range n.Children {
		if len(c.Children) > 0 {
			v.claimed(c)
		}
	}
}

func (v *validator) supports(canonical string, n *fhir.Node) {
	if p := v.set.Profile(canonical); p != nil && p.fits(n) {
		v.supported(p.root, n)
	}
}

// supported looks for the elements below e that n lacks.
func (v *validator) supported(e *element, n *fhir.Node) {
	for _, c := range e.children {
		there := 0
		perSlice := make([]int, len(c.slices))
		for _, child := range n.Children {
			if child.ElementName() != c.name || child.Kind == fhir.Null {
				continue
			}
			there++
			v.supported(c, child)
			if !c.sliced() {
				continue
			}
			if i, _ := v.sliceOf(c, child); i >= 0 {
				perSlice[i]++
				v.supported(c.slices[i], child)
			}
		}
		v.lacks(c, n, there)
		for i, s := range c.slices {
			v.lacks(s, n, perSlice[i])
		}
	}
}

func (v *validator) lacks(e *element, n *fhir.Node, count int) {
	if e.mustSupport == nil || count > 0 {
		return
	}
	problem := v.fault(issue.Informational, n, e.mustSupport, e, e.label()+" is must-support and is not here").Graded(issue.SeverityInformation)
	if problem.Expression != "" {
		problem.Expression += "." + e.name
	}
}
