package mapping

import (
	"hash/maphash"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
)

// Kinds of Difference.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
)

// Difference is one place where two trees differ.
type Difference struct {
	Path   string // FHIRPath in the tree before, of what was added in the tree after
	Kind   string // Added, Removed or Changed
	Before *fhir.Node
	After  *fhir.Node
}

// maxDifferences bounds what Differences gives: what differs everywhere is another message.
const maxDifferences = 1000

// maxPairs bounds the table of one list's alignment; longer lists that differ are
// compared by position.
const maxPairs = 1 << 18

// Differences lists what differs between two trees of one type, such as two results, in
// the order of the tree before and at most 1,000. The order of elements of different
// names does not count, that of a list's items does: equal items are matched in order,
// and between them items that are about the same thing (by url, system, linkId, or type
// of resource). What exists on one side alone is one difference, with all below it.
//
// Either may be nil. The time is linear for equal trees.
func Differences(before, after *fhir.Node) []Difference {
	c := &comparison{seed: maphash.MakeSeed(), sums: map[*fhir.Node]uint64{}, at: newPaths()}
	switch {
	case before == nil && after == nil:
	case before == nil:
		c.add(Added, nil, after)
	case after == nil:
		c.add(Removed, before, nil)
	default:
		c.pair(before, after)
	}
	return c.found
}

// Element is Path without positions, with the names that the standard has and "unknown"
// for others, and cut where it is deep: for counters, which need few names and no values.
func (d Difference) Element() string {
	const deepest = 12
	n := d.Before
	if n == nil {
		n = d.After
	}
	var names []string
	for ; n != nil; n = n.Parent {
		name := "unknown"
		switch {
		case n.Element != nil:
			name = n.Element.Name
		case n.Parent == nil && n.Type != nil:
			name = n.Type.Name
		}
		names = append(names, name)
	}
	slices.Reverse(names)
	if len(names) > deepest {
		names = append(names[:deepest], "…")
	}
	return strings.Join(names, ".")
}

// String is the difference without values.
func (d Difference) String() string { return d.Kind + " " + d.Path }

type comparison struct {
	seed  maphash.Seed
	sums  map[*fhir.Node]uint64
	at    *paths
	found []Difference
}

func (c *comparison) full() bool { return len(c.found) >= maxDifferences }

func (c *comparison) add(kind string, before, after *fhir.Node) {
	if c.full() {
		return
	}
	n := before
	if n == nil {
		n = after
	}
	c.found = append(c.found, Difference{c.at.of(n), kind, before, after})
}

// sum is the same for trees that are the same but for the order of elements of different
// names.
func (c *comparison) sum(n *fhir.Node) uint64 {
	if s, ok := c.sums[n]; ok {
		return s
	}
	s := maphash.Comparable(c.seed, struct{ name, resource, value string }{n.Name, n.ResourceType(), n.Value}) + uint64(n.Kind)
	counts := map[string]uint64{}
	for _, child := range n.Children {
		counts[child.Name]++
		// a sum: the order of the names falls out, the position in the list does not
		s += maphash.Comparable(c.seed, [2]uint64{counts[child.Name], c.sum(child)})
	}
	c.sums[n] = s
	return s
}

// pair compares two elements that stand for each other.
func (c *comparison) pair(before, after *fhir.Node) {
	if c.full() || c.sum(before) == c.sum(after) {
		return
	}
	if before.ResourceType() != after.ResourceType() || before.Name != after.Name && before.Parent != nil ||
		before.Kind == fhir.Object != (after.Kind == fhir.Object) {
		c.add(Changed, before, after)
		return
	}
	if before.Kind != after.Kind || before.Value != after.Value {
		c.add(Changed, before, after)
	}
	lists := map[string]*[2][]*fhir.Node{}
	var names []string
	for side, n := range []*fhir.Node{before, after} {
		for _, child := range n.Children {
			name := child.ElementName() // value[x] is one element, whatever its type
			if lists[name] == nil {
				lists[name] = &[2][]*fhir.Node{}
				names = append(names, name)
			}
			lists[name][side] = append(lists[name][side], child)
		}
	}
	for _, name := range names {
		c.list(lists[name][0], lists[name][1])
	}
}

// list compares the items of one name.
func (c *comparison) list(before, after []*fhir.Node) {
	if c.full() {
		return
	}
	same := func(a, b *fhir.Node) bool { return c.sum(a) == c.sum(b) }
	c.align(before, after, same, func(before, after []*fhir.Node) {
		c.align(before, after, alike, func(before, after []*fhir.Node) {
			for _, n := range before {
				c.add(Removed, n, nil)
			}
			for _, n := range after {
				c.add(Added, nil, n)
			}
		})
	})
}

// align compares the items that match and gives the runs between them to rest: the ends
// that match, and of the middle a longest common subsequence. Where that would be too
// large a table, items are compared by position.
func (c *comparison) align(before, after []*fhir.Node, match func(a, b *fhir.Node) bool, rest func(before, after []*fhir.Node)) {
	for len(before) > 0 && len(after) > 0 && match(before[0], after[0]) {
		c.pair(before[0], after[0])
		before, after = before[1:], after[1:]
	}
	end := 0
	for end < min(len(before), len(after)) && match(before[len(before)-1-end], after[len(after)-1-end]) {
		end++
	}
	tail, tailAfter := before[len(before)-end:], after[len(after)-end:]
	before, after = before[:len(before)-end], after[:len(after)-end]
	switch {
	case len(before) == 0 || len(after) == 0:
		rest(before, after)
	case len(before)*len(after) > maxPairs:
		n := min(len(before), len(after))
		for i := range n {
			c.pair(before[i], after[i])
		}
		rest(before[n:], after[n:])
	default:
		i, j := 0, 0
		for _, p := range longest(before, after, match) {
			rest(before[i:p[0]], after[j:p[1]])
			c.pair(before[p[0]], after[p[1]])
			i, j = p[0]+1, p[1]+1
		}
		rest(before[i:], after[j:])
	}
	for i := range tail {
		c.pair(tail[i], tailAfter[i])
	}
}

// longest is a longest common subsequence, as pairs of positions.
func longest(a, b []*fhir.Node, match func(a, b *fhir.Node) bool) [][2]int {
	width := len(b) + 1
	table := make([]int32, (len(a)+1)*width) // of the rest from i and j on
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if match(a[i], b[j]) {
				table[i*width+j] = table[(i+1)*width+j+1] + 1
			} else {
				table[i*width+j] = max(table[(i+1)*width+j], table[i*width+j+1])
			}
		}
	}
	var out [][2]int
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case match(a[i], b[j]):
			out = append(out, [2]int{i, j})
			i, j = i+1, j+1
		case table[(i+1)*width+j] >= table[i*width+j+1]:
			i++
		default:
			j++
		}
	}
	return out
}

// alike reports whether two items of a list are about the same thing.
func alike(a, b *fhir.Node) bool {
	if a.Child("resource").ResourceType() != b.Child("resource").ResourceType() {
		return false
	}
	for _, name := range []string{"url", "system", "linkId"} {
		if a.Text(name) != b.Text(name) {
			return false
		}
	}
	return true
}
