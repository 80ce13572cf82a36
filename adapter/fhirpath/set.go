package fhirpath

import (
	"strconv"

	"github.com/shopspring/decimal"
)

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
