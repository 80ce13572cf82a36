package fhirpath

import (
	"cmp"
	"slices"
	"strings"
)

const (
	maxNearest = 5  // names a message gives
	maxName    = 64 // a longer name is like no other
)

// nearest gives the names that are most like one, the likeliest first; those that are
// as like stay in their order. more says that there are others.
func nearest(name string, have []string) (names []string, more bool) {
	if len(name) > maxName {
		name = name[:maxName]
	}
	type candidate struct {
		name string
		far  int
	}
	list := make([]candidate, len(have))
	for i, h := range have {
		// what is not like it at all is not more so for being short
		list[i] = candidate{h, min(distance(strings.ToLower(name), strings.ToLower(h)), 1+len(name)/2)}
		if len(name) > 2 && strings.HasPrefix(h, name) {
			list[i].far = 1 // a name broken off
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(a.far, b.far) })
	for _, c := range list[:min(maxNearest, len(list))] {
		names = append(names, c.name)
	}
	return names, len(list) > maxNearest
}

// similar gives at most three names that are likely to have been meant, for a list that
// is too long to show where nothing is like: "; did you mean a or b?", or "".
func similar(name string, have []string, format func(string) string) string {
	names, _ := nearest(name, have)
	var out []string
	for _, n := range names {
		if len(out) < 3 && 3*distance(strings.ToLower(name), strings.ToLower(n)) <= max(len(name), 3) {
			out = append(out, format(n))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(out, " or ") + "?"
}

// distance counts the letters to put in, take out, change or swap with the next one to
// make one name of the other.
func distance(a, b string) int {
	if len(a) > maxName || len(b) > maxName {
		return maxName
	}
	var rows [3][maxName + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
