package fhirpath

import (
	"cmp"
	"slices"
	"strings"

	"spadapter/adapter/issue"
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
		list[i] = candidate{h, min(issue.Edits(name, h), 1+len(name)/2)}
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
		if len(out) < 3 && 3*issue.Edits(name, n) <= max(len(name), 3) {
			out = append(out, format(n))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(out, " or ") + "?"
}
