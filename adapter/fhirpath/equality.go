package fhirpath

import (
	"strings"
	"unicode"

	"spadapter/adapter/fhir"
)

// equal is the operator = on two collections: unknown when one is empty, no when the
// counts differ, else item by item in order.
// Source: http://hl7.org/fhirpath/N1/#equality.
func (s *state) equal(a, b []Value) (truth, error) {
	if len(a) == 0 || len(b) == 0 {
		return unknown, nil
	}
	if len(a) != len(b) {
		return no, nil
	}
	result := yes
	for i := range a {
		t, err := s.same(a[i], b[i])
		if err != nil || t == no {
			return t, err
		}
		if t == unknown {
			result = unknown
		}
	}
	return result, nil
}

// same is = on two items.
func (s *state) same(a, b Value) (truth, error) {
	if err := s.spend(1); err != nil {
		return no, err
	}
	if a.node != nil && a.node == b.node {
		return yes, nil
	}
	x, y := s.system(a), s.system(b)
	switch {
	case x.kind == Node && y.kind == Node:
		return s.sameNodes(x.node, y.node)
	case x.kind == Integer && y.kind == Decimal, x.kind == Decimal && y.kind == Integer:
		return truthOf(compareNumbers(x, y) == 0), nil
	case isQuantity(x) && isQuantity(y):
		if x.kind != Quantity && y.kind != Quantity {
			return truthOf(compareNumbers(x, y) == 0), nil
		}
		order, known := s.compareQuantities(asQuantity(x), asQuantity(y))
		if !known {
			return unknown, nil
		}
		return truthOf(order == 0), nil
	case isDate(x) && isDate(y), x.kind == Time && y.kind == Time:
		order, known := compareMoments(x, y)
		if !known {
			return unknown, nil
		}
		return truthOf(order == 0), nil
	case x.kind != y.kind:
		return no, nil
	}
	switch x.kind {
	case String, TypeInfo:
		if len(x.text) != len(y.text) {
			return no, nil
		}
		s.steps -= len(x.text) / 64
		return truthOf(x.text == y.text), nil
	default:
		return truthOf(x.number == y.number), nil
	}
}

func isNumber(v Value) bool   { return v.kind.isNumber() }
func isQuantity(v Value) bool { return v.kind.isQuantity() }
func isDate(v Value) bool     { return v.kind.isDate() }

// sameNodes compares two structures child by child, in order.
func (s *state) sameNodes(a, b *fhir.Node) (truth, error) {
	if len(a.Children) != len(b.Children) || a.HasValue() != b.HasValue() {
		return no, nil
	}
	result := yes
	for i, c := range a.Children {
		d := b.Children[i]
		if c.ElementName() != d.ElementName() {
			return s.sameUnordered(a, b)
		}
		t, err := s.same(Of(c), Of(d))
		if err != nil || t == no {
			return t, err
		}
		if t == unknown {
			result = unknown
		}
	}
	return result, nil
}

// sameUnordered is sameNodes where the members come in another order, which JSON allows.
func (s *state) sameUnordered(a, b *fhir.Node) (truth, error) {
	result := yes
	others := map[string][]*fhir.Node{}
	for _, c := range b.Children {
		others[c.ElementName()] = append(others[c.ElementName()], c)
	}
	s.steps -= len(b.Children)
	for _, c := range a.Children {
		name := c.ElementName()
		if len(others[name]) == 0 {
			return no, nil
		}
		next := others[name][0]
		others[name] = others[name][1:]
		t, err := s.same(Of(c), Of(next))
		if err != nil || t == no {
			return t, err
		}
		if t == unknown {
			result = unknown
		}
	}
	return result, nil
}

// equivalent is the operator ~ on two collections: in any order, never unknown.
// Source: http://hl7.org/fhirpath/N1/#equivalence.
func (s *state) equivalent(a, b []Value) (bool, error) {
	if len(a) != len(b) {
		return false, nil
	}
	var few [16]bool
	return s.paired(len(a), few[:0], func(i, j int) (bool, error) { return s.alike(a[i], b[j]) })
}

// paired finds for every one of n items one of n others that is alike, each used once.
// taken is room for a note of what is used.
func (s *state) paired(n int, taken []bool, alike func(i, j int) (bool, error)) (bool, error) {
	if cap(taken) < n {
		taken = make([]bool, n)
	}
	taken = taken[:n]
	first := 0 // what lies before is taken
next:
	for i := range n {
		for first < n && taken[first] {
			first++
		}
		for j := first; j < n; j++ {
			if taken[j] {
				if j%16 == 0 {
					s.steps--
				}
				continue
			}
			ok, err := alike(i, j)
			if err != nil {
				return false, err
			}
			if ok {
				taken[j] = true
				continue next
			}
		}
		return false, nil
	}
	return true, nil
}

// alike is ~ on two items.
func (s *state) alike(a, b Value) (bool, error) {
	if err := s.spend(1); err != nil {
		return false, err
	}
	x, y := s.system(a), s.system(b)
	switch {
	case x.kind == Node && y.kind == Node:
		return s.alikeNodes(x.node, y.node)
	case isNumber(x) && isNumber(y):
		m, _ := x.Decimal()
		n, _ := y.Decimal()
		return equivalentDecimals(m, n), nil
	case isQuantity(x) && isQuantity(y):
		return s.equivalentQuantities(asQuantity(x), asQuantity(y)), nil
	case isDate(x) && isDate(y), x.kind == Time && y.kind == Time:
		order, known := compareMoments(x, y)
		return known && order == 0, nil
	case x.kind != y.kind:
		return false, nil
	case x.kind == String:
		s.steps -= (len(x.text) + len(y.text)) / 16
		return strings.EqualFold(x.text, y.text) || strings.EqualFold(spaced(x.text), spaced(y.text)), nil
	case x.kind == TypeInfo:
		return x.text == y.text, nil
	}
	return x.number == y.number, nil
}

// spaced turns every run of white space into one blank.
func spaced(s string) string {
	return strings.Join(strings.FieldsFunc(s, unicode.IsSpace), " ")
}

func (s *state) alikeNodes(a, b *fhir.Node) (bool, error) {
	if a == b {
		return true, nil
	}
	if len(a.Children) != len(b.Children) {
		return false, nil
	}
	return s.paired(len(a.Children), nil, func(i, j int) (bool, error) {
		c, d := a.Children[i], b.Children[j]
		if c.ElementName() != d.ElementName() {
			return false, s.spend(1)
		}
		return s.alike(Of(c), Of(d))
	})
}
