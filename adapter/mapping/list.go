package mapping

import (
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// listKey names a repeating element of the target.
type listKey struct {
	parent  *fhir.Node
	element *fhir.Element
}

// list counts the items that one rule puts first and one puts last.
// Source: http://hl7.org/fhir/R4/valueset-map-target-list-mode.html.
type list struct {
	first, last   *rule
	firsts, lasts int
}

// mayList fails when another rule has put its items first, or last, already.
func (r *run) mayList(t *target, ru *rule, parent *fhir.Node, e *fhir.Element) bool {
	if !e.List || t.list != "first" && t.list != "last" {
		return true
	}
	l := r.lists[listKey{parent, e}]
	if l == nil {
		return true
	}
	had := l.first
	if t.list == "last" {
		had = l.last
	}
	if had == nil || had.file == ru.file && had.line == ru.line && had.name == ru.name {
		return true
	}
	r.fail(ru.issue(issue.MultipleMatches, "map-list-mode", "another rule (%s) has put its items %s in %s; expected one", had.place(), t.list, e.Path), nil)
	return false
}

// list moves an item that was appended to where the list modes want it: those of first
// before all others, those of last behind, each in the order in which they were made.
func (r *run) list(t *target, ru *rule, parent, n *fhir.Node, e *fhir.Element) {
	if r.lists == nil && t.list != "first" && t.list != "last" {
		return
	}
	key := listKey{parent, e}
	l := r.lists[key]
	if l == nil {
		if t.list != "first" && t.list != "last" {
			return
		}
		if r.lists == nil {
			r.lists = map[listKey]*list{}
		}
		l = &list{}
		r.lists[key] = l
	}
	switch t.list {
	case "first":
		moveTo(parent, n, l.firsts, 0)
		l.first = ru
		l.firsts++
	case "last":
		l.last = ru
		l.lasts++
	default:
		moveTo(parent, n, -1, l.lasts)
	}
}

// moveTo moves the last item of a list to an index or, for -1, before that many others.
func moveTo(parent, n *fhir.Node, index, before int) {
	var at []int
	for i, c := range parent.Children {
		if c.Element == n.Element {
			at = append(at, i)
		}
	}
	if index < 0 {
		index = max(len(at)-1-before, 0)
	}
	for i := len(at) - 1; i > index; i-- {
		parent.Children[at[i]] = parent.Children[at[i-1]]
	}
	parent.Children[at[index]] = n
}
