package terminology

import (
	"cmp"
	"math/bits"
	"slices"
)

// links are lists of concepts by concept, one after the other.
type links struct{ first, to []uint32 }

func newLinks(pairs [][2]uint32, n int) links {
	slices.SortFunc(pairs, func(a, b [2]uint32) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	l := links{first: make([]uint32, n+1), to: make([]uint32, 0, len(pairs))}
	at := 0
	for i := range n {
		l.first[i] = uint32(len(l.to))
		for ; at < len(pairs) && int(pairs[at][0]) == i; at++ {
			if at > 0 && pairs[at] == pairs[at-1] {
				continue
			}
			l.to = append(l.to, pairs[at][1])
		}
	}
	l.first[n] = uint32(len(l.to))
	return l
}

func (l links) of(i uint32) []uint32 { return l.to[l.first[i]:l.first[i+1]] }

// within says whether one concept is another or lies below it. That it does not is
// certain only when every way up from it ends at the root.
func (s *release) within(id, above uint64, why *doubts) answer {
	if id == above {
		return yes
	}
	from, ok := s.start(id, why)
	if !ok {
		return unknown
	}
	to, found := s.place(above)
	var few [256]uint32 // most concepts have fewer ancestors
	seen := append(few[:0], from)
	var many map[uint32]bool
	result := yes // as long as every way up is whole
	for next := 0; next < len(seen); next++ {
		result = both(result, s.rooted(seen[next], why))
		for _, p := range s.parents.of(seen[next]) {
			if found && p == to {
				return yes
			}
			if many == nil && !slices.Contains(seen, p) {
				seen = append(seen, p)
			} else if many != nil && !many[p] {
				seen = append(seen, p)
				many[p] = true
			}
		}
		if many == nil && len(seen) > len(few) {
			many = make(map[uint32]bool, 2*len(seen))
			for _, p := range seen {
				many[p] = true
			}
		}
	}
	return not(result)
}

// directly says whether one concept is a child of another.
func (s *release) directly(id, above uint64, why *doubts) answer {
	from, ok := s.start(id, why)
	if !ok {
		return unknown
	}
	if to, found := s.place(above); found && slices.Contains(s.parents.of(from), to) {
		return yes
	}
	return not(s.rooted(from, why))
}

// start is the place of a concept whose parents are asked for.
func (s *release) start(id uint64, why *doubts) (uint32, bool) {
	if !s.related {
		why.add("the relationships of SNOMED CT are not loaded")
		return 0, false
	}
	i, ok := s.place(id)
	if !ok {
		why.add("the concept %d is not loaded", id)
	}
	return i, ok
}

// rooted says yes of a concept that has parents, or none by right: the root, and what is
// not for use any more. Of any other the parents are not loaded.
func (s *release) rooted(i uint32, why *doubts) answer {
	if len(s.parents.of(i)) > 0 || s.ids[i] == conceptRoot || s.states[i]&(stateStated|stateActive) == stateStated {
		return yes
	}
	why.add("the parents of the concept %d are not loaded", s.ids[i])
	return unknown
}

// below gives the concepts under one, sorted; direct is its children alone.
func (s *release) below(above uint64, self, direct bool, why *doubts) ([]uint64, bool) {
	return s.walk(above, self, direct, s.children, why)
}

// above gives the concepts over one, sorted; direct is its parents alone.
func (s *release) above(id uint64, self, direct bool, why *doubts) ([]uint64, bool) {
	return s.walk(id, self, direct, s.parents, why)
}

func (s *release) walk(id uint64, self, direct bool, along links, why *doubts) ([]uint64, bool) {
	from, ok := s.start(id, why)
	if !why.spend(len(s.ids)/64 + 1) {
		return nil, false
	}
	switch {
	case !ok && self:
		return []uint64{id}, false
	case !ok:
		return nil, false
	}
	seen := make([]uint64, (len(s.ids)+63)/64) // one bit a concept
	count := 0
	list := []uint32{from}
	for next := 0; next < len(list) && (!direct || next == 0); next++ {
		for _, to := range along.of(list[next]) {
			if bit := uint64(1) << (to % 64); seen[to/64]&bit == 0 {
				seen[to/64] |= bit
				list = append(list, to)
				count++
			}
			if !why.spend(1) {
				return nil, false
			}
		}
	}
	if bit := uint64(1) << (from % 64); (seen[from/64]&bit != 0) != self {
		seen[from/64] ^= bit
	}
	out := make([]uint64, 0, count+1)
	for i, word := range seen {
		for ; word != 0; word &= word - 1 {
			out = append(out, s.ids[i*64+bits.TrailingZeros64(word)])
		}
	}
	return out, s.closed(why)
}
