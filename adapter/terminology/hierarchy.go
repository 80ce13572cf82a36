package terminology

import (
	"cmp"
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
	if !s.related {
		why.add("the relationships of SNOMED CT are not loaded")
		return unknown
	}
	from, ok := s.place(id)
	if !ok {
		why.add("the concept %d is not loaded", id)
		return unknown
	}
	to, found := s.place(above)
	var few [256]uint32 // most concepts have fewer ancestors
	seen := append(few[:0], from)
	var many map[uint32]bool
	result := no
	for next := 0; next < len(seen); next++ {
		at := seen[next]
		up := s.parents.of(at)
		if len(up) == 0 && s.ids[at] != conceptRoot && s.states[at]&(stateStated|stateActive) != stateStated {
			why.add("the parents of the concept %d are not loaded", s.ids[at])
			result = unknown
		}
		for _, p := range up {
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
	return result
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
	from, ok := s.place(id)
	if !ok || !s.related {
		if !s.related {
			why.add("the relationships of SNOMED CT are not loaded")
		} else {
			why.add("the concept %d is not loaded", id)
		}
		if self {
			return []uint64{id}, false
		}
		return nil, false
	}
	seen := map[uint32]bool{from: true}
	list := []uint32{from}
	for next := 0; next < len(list); next++ {
		if direct && next > 0 {
			break
		}
		for _, to := range along.of(list[next]) {
			if !seen[to] {
				seen[to] = true
				list = append(list, to)
			}
		}
	}
	if !self {
		list = list[1:]
	}
	out := make([]uint64, len(list))
	for i, at := range list {
		out[i] = s.ids[at]
	}
	slices.Sort(out)
	return out, s.closed(why)
}
