package profile

import (
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
	"spadapter/adapter/issue"
)

// cardinality reads min and max. A profile may ask for more and allow less than its
// base, never the other way round.
// Source: http://hl7.org/fhir/R4/profiling.html#cardinality.
func (c *compiler) cardinality(e *element, d *fhir.Node) {
	required, most := 0, 1
	if e.of.Required && e.slice == "" {
		required = 1
	}
	if e.of.List {
		most = unlimited
	}
	low, high := required, most
	if e.min.by != nil {
		low = e.min.n
	}
	if e.max.by != nil {
		high = e.max.n
	}
	if m := d.Child("min"); m != nil {
		n, err := strconv.Atoi(m.Value)
		switch {
		case err != nil || n < 0:
			c.fail(issue.Invalid, m, "min is a number of 0 or more")
		case n < low:
			c.fail(issue.Invalid, m, "%s must be given at least %s by the base of this profile; a profile cannot ask for less", e.label(), times(low))
		case n > low:
			e.min, low = count{n, c.profile}, n
		}
	}
	if m := d.Child("max"); m != nil {
		n, err := strconv.Atoi(m.Value)
		if m.Value == "*" {
			n, err = unlimited, nil
		}
		switch {
		case err != nil || n < 0:
			c.fail(issue.Invalid, m, "max is a number or *")
		case n > high:
			c.fail(issue.Invalid, m, "%s may be given at most %s by the base of this profile; a profile cannot allow more", e.label(), times(high))
		case n < high:
			e.max, high = count{n, c.profile}, n
		}
	}
	if low > high {
		c.fail(issue.Invalid, d, "%s is asked for at least %s and at most %s", e.label(), times(low), times(high))
		e.min, e.max = unstated, unstated
	}
}

// sameType makes sure that a fixed or pattern value is of a type the element has, which
// otherwise nothing could match.
func (c *compiler) sameType(e *element, x *fhir.Node) bool {
	if x.Type == nil || len(e.types) == 0 || slices.ContainsFunc(e.types, func(t *fhir.Type) bool {
		return t.Is(x.Type.Name) || x.Type.Is(t.Name) || t.Kind == fhir.Primitive && x.Type.Kind == fhir.Primitive && t.JSON() == x.Type.JSON()
	}) {
		return true
	}
	c.fail(issue.Invalid, x, "%s is %s and cannot have a value of type %s", e.label(), typeNames(e.types), x.Type.Name)
	return false
}

// limit is minValue or maxValue.
type limit struct {
	node *fhir.Node
	past *fhirpath.Expression // true for what lies beyond; empty where that cannot be told
	vars map[string]fhirpath.Collection
	by   *Profile
}

func (c *compiler) limit(x *fhir.Node, beyond string) *limit {
	node := x.Clone()
	past, err := fhirpath.Compile(beyond, fhirpath.Types(c.profile.env.System), fhirpath.Variables("limit"))
	if err != nil {
		return nil // the expression is ours and compiles
	}
	return &limit{node, past, map[string]fhirpath.Collection{"limit": {fhirpath.Of(node)}}, c.profile}
}

func (c *compiler) bind(e *element, b *fhir.Node) {
	url, _, _ := strings.Cut(b.Text("valueSet"), "|")
	if e.of != nil && e.of.Codes != nil && url == e.of.ValueSet {
		return // fhir.Check holds it to these codes
	}
	e.binding = &binding{strength: b.Text("strength"), valueSet: url, by: c.profile}
	for _, x := range b.All("extension") {
		if x.Text("url") == standard+"elementdefinition-maxValueSet" {
			e.binding.widest, _, _ = strings.Cut(x.Text("value"), "|")
		}
	}
}
