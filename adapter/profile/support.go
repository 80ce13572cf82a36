package profile

import (
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// MustSupport lists the elements that the profiles of a resource mark as must-support
// and that it does not have, where what should hold them is there. The profiles are
// those named, by their canonicals, or, when none is, those that the resource claims.
//
// Every issue is informational, with the rule and the place that a missing element
// would have in Validate: what must be supported need not be sent. nil when none is
// missing, at most 200.
func (s *Set) MustSupport(resource *fhir.Node, canonicals ...string) []*issue.Error {
	if resource == nil {
		return nil
	}
	if len(canonicals) == 0 {
		for _, c := range resource.Child("meta").All("profile") {
			canonicals = append(canonicals, c.Value)
		}
	}
	v := newValidator(s, &s.env, resource)
	for _, canonical := range canonicals {
		if p := s.Profile(canonical); p != nil && p.fits(resource) {
			v.supported(p.root, resource)
		}
	}
	return inOrder(v.found)
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
