package profile

import (
	"github.com/shopspring/decimal"

	"spadapter/adapter/fhir"
)

// equal reports whether got is exactly want, as fixed[x] asks: the same elements with
// the same values and nothing else; the order of members aside.
// Source: http://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.fixed_x_.
func equal(want, got *fhir.Node) bool {
	if !sameValue(want, got) || len(want.Children) != len(got.Children) {
		return false
	}
	return each(want, func(name string, wanted []*fhir.Node) bool {
		have := got.All(name)
		if len(have) != len(wanted) {
			return false
		}
		for i := range wanted {
			if !equal(wanted[i], have[i]) {
				return false
			}
		}
		return true
	})
}

// matches reports whether got holds all of want, as pattern[x] asks: of a list each
// wanted item somewhere.
// Source: http://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_.
func matches(want, got *fhir.Node) bool {
	if want.HasValue() && !sameValue(want, got) {
		return false
	}
	return each(want, func(name string, wanted []*fhir.Node) bool {
		have := got.All(name)
	next:
		for _, w := range wanted {
			for _, h := range have {
				if matches(w, h) {
					continue next
				}
			}
			return false
		}
		return true
	})
}

// each runs f with every name below n and the elements of that name.
func each(n *fhir.Node, f func(name string, elements []*fhir.Node) bool) bool {
next:
	for i, c := range n.Children {
		name := c.ElementName()
		for _, before := range n.Children[:i] {
			if before.ElementName() == name {
				continue next
			}
		}
		if !f(name, n.All(name)) {
			return false
		}
	}
	return true
}

// sameValue compares primitives: decimals as numbers, everything else as text.
func sameValue(want, got *fhir.Node) bool {
	if want.HasValue() != got.HasValue() || want.Kind == fhir.Object && got.Kind != fhir.Object {
		return false
	}
	if want.Kind == fhir.Number && got.Kind == fhir.Number && want.Value != got.Value && len(got.Value) < 40 {
		a, err1 := decimal.NewFromString(want.Value)
		b, err2 := decimal.NewFromString(got.Value)
		return err1 == nil && err2 == nil && small(a) && small(b) && a.Equal(b)
	}
	return want.Value == got.Value
}

// small keeps 1e999999999 from being written out in digits.
func small(d decimal.Decimal) bool { return d.Exponent() < 64 && d.Exponent() > -64 }

// anyCoding asks about the codings of a CodeableConcept, a Coding, the code of a
// Quantity, or a primitive. ok when one is in; known is false when none is and one may be.
func anyCoding(n *fhir.Node, ask func(coding *fhir.Node) (ok, known bool)) (ok, known bool) {
	if n.Type == nil || n.Type.Name != "CodeableConcept" {
		return ask(n)
	}
	known = true
	for _, c := range n.All("coding") {
		in, sure := ask(c)
		if in && sure {
			return true, true
		}
		known = known && sure
	}
	return false, known
}
