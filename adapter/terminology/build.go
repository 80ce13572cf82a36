package terminology

import (
	"cmp"
	"slices"
	"strconv"

	"spadapter/adapter/issue"
)

// releaseBuilder collects the rows of all files of a release, as compactly as they can be
// kept until everything is known.
type releaseBuilder struct {
	faults *faults
	module []byte // the last that was in order

	stated    []statedConcept
	terms     []description
	text      texts
	codes     []string // of languages, by what a term says
	isA       [][2]uint64
	related   bool // a relationship file was read
	preferred []preference
	ranks     []uint64 // language reference sets that are not among languages
	refsets   map[uint64]*memberList
	last      *memberList // rows of one reference set follow each other
	lastID    uint64
}

type statedConcept struct {
	id      uint64
	time    uint32
	active  bool
	defined bool
}

type description struct {
	id, concept uint64 // id is 0 for a term of a list
	at, time    uint32
	size        uint16
	kind        uint8
	language    uint8
	rank        uint8
	active      bool
}

type preference struct {
	description uint64
	rank        uint8
}

type memberList struct{ active, inactive []uint64 }

func newReleaseBuilder(f *faults) *releaseBuilder {
	return &releaseBuilder{faults: f, refsets: map[uint64]*memberList{}}
}

// member keeps one row of a reference set. A reference set of which only inactive rows
// are here is loaded, and empty.
func (b *releaseBuilder) member(refset, id uint64, active bool) {
	if b.last == nil || b.lastID != refset {
		if b.refsets[refset] == nil {
			b.refsets[refset] = &memberList{}
		}
		b.last, b.lastID = b.refsets[refset], refset
	}
	if active {
		b.last.active = append(b.last.active, id)
	} else {
		b.last.inactive = append(b.last.inactive, id)
	}
}

// maxLanguages is how many languages a term can be in: the number is kept in six bits.
const maxLanguages = 64

func (b *releaseBuilder) languageCode(code []byte) uint8 {
	for i, known := range b.codes {
		if known == string(code) {
			return uint8(i)
		}
	}
	if len(b.codes) == maxLanguages {
		return maxLanguages - 1
	}
	b.codes = append(b.codes, string(code))
	return uint8(len(b.codes) - 1)
}

func (b *releaseBuilder) languageRank(refset uint64) uint8 {
	if i := slices.Index(languages, refset); i >= 0 {
		return uint8(i)
	}
	i := slices.Index(b.ranks, refset)
	if i < 0 {
		b.ranks = append(b.ranks, refset)
		i = len(b.ranks) - 1
	}
	return uint8(min(len(languages)+i, rankFSN-1))
}

// How the terms of a concept are ordered: the preferred ones by the language reference
// set that prefers them, then the fully specified name, the term that a list has, and the
// other synonyms.
const (
	rankFSN     = 100
	rankListed  = 101
	rankSynonym = 102
)

// The kinds of terms.
const (
	termFSN uint8 = iota
	termSynonym
	termListed
)

// build makes the release of what was collected; nil when nothing was. What was collected
// is given up on the way, so that it is not held twice.
func (b *releaseBuilder) build() *release {
	if len(b.stated)+len(b.terms)+len(b.isA)+len(b.refsets) == 0 && !b.related {
		return nil
	}
	s := &release{related: b.related, languages: b.codes, text: b.text.blocks, refsets: map[uint64][]uint64{}, namespaces: map[uint64]bool{}}
	for id, list := range b.refsets {
		slices.Sort(list.active)
		s.refsets[id] = slices.Clip(slices.Compact(list.active))
	}
	b.refsets, b.last = nil, nil
	b.settle()
	s.ids = b.everyConcept(s)
	b.states(s)
	b.hierarchy(s)
	b.named(s)
	return s
}

// settle keeps the newest row of each concept and of each description: a folder may hold
// the International Release beside an edition that has newer rows.
func (b *releaseBuilder) settle() {
	slices.SortStableFunc(b.stated, func(a, c statedConcept) int {
		return cmp.Or(cmp.Compare(a.id, c.id), cmp.Compare(c.time, a.time))
	})
	b.stated = slices.CompactFunc(b.stated, func(a, c statedConcept) bool { return a.id == c.id })
	slices.SortStableFunc(b.terms, func(a, c description) int {
		return cmp.Or(cmp.Compare(a.id, c.id), cmp.Compare(c.time, a.time))
	})
	b.terms = slices.CompactFunc(b.terms, func(a, c description) bool { return a.id != 0 && a.id == c.id })
	b.terms = slices.DeleteFunc(b.terms, func(d description) bool { return !d.active })
}

// everyConcept lists every concept that a file names, in order.
func (b *releaseBuilder) everyConcept(s *release) []uint64 {
	n := len(b.stated) + 2*len(b.isA)
	ids := make([]uint64, 0, n)
	for _, c := range b.stated {
		ids = append(ids, c.id)
	}
	for _, pair := range b.isA {
		ids = append(ids, pair[0], pair[1])
	}
	last := uint64(0)
	for _, d := range b.terms {
		if d.concept != last {
			ids = append(ids, d.concept)
			last = d.concept
		}
	}
	for _, list := range s.refsets {
		for _, id := range list {
			if partition(id) == partitionConcept {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Clone(slices.Compact(ids))
}

func (b *releaseBuilder) states(s *release) {
	s.states = make([]uint8, len(s.ids))
	for _, c := range b.stated {
		state := stateStated
		if c.active {
			state |= stateActive
		}
		if c.defined {
			state |= stateDefined
		}
		i, _ := slices.BinarySearch(s.ids, c.id)
		s.states[i] = state
		s.namespaces[namespace(c.id)] = true
		s.stated = true
	}
	b.stated = nil
}

// hierarchy makes the lists of parents and of children.
func (b *releaseBuilder) hierarchy(s *release) {
	pairs := make([][2]uint32, len(b.isA))
	for i, pair := range b.isA {
		from, _ := slices.BinarySearch(s.ids, pair[0])
		to, _ := slices.BinarySearch(s.ids, pair[1])
		pairs[i] = [2]uint32{uint32(from), uint32(to)}
	}
	b.isA = nil
	s.parents = newLinks(pairs, len(s.ids))
	for i := range pairs {
		pairs[i][0], pairs[i][1] = pairs[i][1], pairs[i][0]
	}
	s.children = newLinks(pairs, len(s.ids))
}

// named orders the terms by concept, the best first.
func (b *releaseBuilder) named(s *release) {
	slices.SortFunc(b.preferred, func(a, c preference) int {
		return cmp.Or(cmp.Compare(a.description, c.description), cmp.Compare(a.rank, c.rank))
	})
	for i := range b.terms {
		d := &b.terms[i]
		switch d.kind {
		case termFSN:
			d.rank = rankFSN
		case termListed:
			d.rank = rankListed
		default:
			d.rank = rankSynonym
			if j, found := slices.BinarySearchFunc(b.preferred, d.id, func(p preference, id uint64) int { return cmp.Compare(p.description, id) }); found {
				d.rank = b.preferred[j].rank
			}
		}
	}
	b.preferred = nil
	slices.SortFunc(b.terms, func(a, c description) int {
		return cmp.Or(cmp.Compare(a.concept, c.concept), cmp.Compare(a.rank, c.rank), cmp.Compare(a.id, c.id), cmp.Compare(a.at, c.at))
	})
	s.first = make([]uint32, len(s.ids)+1)
	s.terms = make([]term, 0, len(b.terms))
	at := 0
	for i, id := range s.ids {
		s.first[i] = uint32(len(s.terms))
		for ; at < len(b.terms) && b.terms[at].concept == id; at++ {
			d := b.terms[at]
			t := term{at: d.at, size: d.size, kind: d.kind | d.language<<2, rank: d.rank}
			if d.kind == termListed && slices.ContainsFunc(s.terms[s.first[i]:], func(have term) bool { return s.words(have) == s.words(t) }) {
				continue // lists repeat the term of a concept in every reference set
			}
			s.terms = append(s.terms, t)
		}
	}
	s.first[len(s.ids)] = uint32(len(s.terms))
	b.terms = nil
}

// whole ends the reading: everything that was collected can be kept.
func (b *releaseBuilder) whole() {
	b.text.close()
	if b.text.full {
		b.faults.add(0, issue.TooCostly, "terminology-size", "the terms are more than %s MiB, the most that is kept", strconv.Itoa(maxBlocks))
	}
}
