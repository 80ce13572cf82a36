package fhirpath

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/shopspring/decimal"

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

// key is a hash that equal values share, so that large sets need not be compared
// pair by pair. The work is counted; the next spend tells when there was too much.
func (s *state) key(v Value) uint64 {
	s.steps--
	x := s.system(v)
	switch x.kind {
	case String, TypeInfo:
		s.steps -= len(x.text) / 64
		return hash(offsetBasis, x.text)
	case Boolean:
		return 3 + uint64(x.number)
	case Integer:
		return hash(7, strconv.FormatInt(x.number, 10))
	case Decimal:
		return hash(7, x.exact.String())
	case Quantity:
		return s.quantityKey(x)
	case Date, DateTime, Time:
		at := x.number
		if x.zone != noZone {
			at -= int64(x.zone) * 60
		}
		return mix(mix(11, uint64(at)), uint64(x.nanos))
	}
	sum := uint64(5)
	for _, c := range x.node.Children {
		sum += hash(s.key(Of(c)), c.ElementName())
	}
	return sum
}

// quantityKey goes by the value in base units, as equality does. A number is equal to a
// quantity of the unit 1, so the two share the form. Words of the calendar and units
// that are not known share one key.
func (s *state) quantityKey(q Value) uint64 {
	m, ok := s.measure(q.text)
	if !ok {
		return 13
	}
	base := m.base(q.exact.Rat())
	if len(m.powers) > 0 {
		return hash(17, base.RatString())
	}
	return hash(7, decimal.NewFromBigRat(base, maxDigits).String())
}

const offsetBasis, prime = 14695981039346656037, 1099511628211

// hash is FNV-1a.
func hash(h uint64, text string) uint64 {
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * prime
	}
	return h
}

func mix(h, n uint64) uint64 { return (h ^ n) * prime }

// set finds equal values among those it was given.
type set struct {
	items []Value
	index map[uint64][]int32 // nil while there are few
}

const fewItems = 12

func (t *set) has(s *state, v Value) (bool, error) {
	if t.index == nil {
		for _, have := range t.items {
			if same, err := s.same(have, v); err != nil || same == yes {
				return same == yes, err
			}
		}
		return false, nil
	}
	for _, i := range t.index[s.key(v)] {
		if same, err := s.same(t.items[i], v); err != nil || same == yes {
			return same == yes, err
		}
	}
	return false, nil
}

// prepare makes the index once there are many items.
func (t *set) prepare(s *state) error {
	if len(t.items) <= fewItems {
		return nil
	}
	from := 0
	if t.index == nil {
		t.index = make(map[uint64][]int32, 2*len(t.items))
	} else {
		from = len(t.items) - 1
	}
	for i := from; i < len(t.items); i++ {
		k := s.key(t.items[i])
		t.index[k] = append(t.index[k], int32(i))
		if s.steps < 0 {
			return tooCostly()
		}
	}
	return nil
}

// add puts v in unless it is there; added says whether it was.
func (t *set) add(s *state, v Value) (added bool, err error) {
	found, err := t.has(s, v)
	if err != nil || found {
		return false, err
	}
	t.items = append(t.items, v)
	return true, t.prepare(s)
}
