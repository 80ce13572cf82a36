package referral

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
)

// ignored lists the elements that a caller changed and an update did not take, as FHIRPaths,
// those that were there before first: the elements that this program keeps itself, and those
// that say nothing in the move that was made. was is what the caller could read before, is
// what it sent, move the row that was made of it, now what it may read since. The parts of meta that the server sets on every
// version are nobody's change. nil when everything was taken.
func ignored(was, is *fhir.Node, move *Move, now *fhir.Node) (paths []string) {
	for _, name := range elementsOf(was, is) {
		before, sent := was.All(name), is.All(name)
		if name == "meta" {
			before, sent = lasting(before), lasting(sent)
		}
		path := is.ResourceType() + "." + name
		switch {
		case name == "id" || sameElements(before, sent):
		case name == "contained":
			paths = append(paths, unreferenced(was, is)...)
		case slices.Contains(adapterOwn, name) && is.ResourceType() == "Task" ||
			!move.reads(name) && sameElements(was.All(name), now.All(name)):
			paths = append(paths, path)
		}
	}
	return paths
}

// reads reports whether a row takes what it demands from an element of the Task: a contact is
// told in statusReason, and leaves it as it was.
func (m *Move) reads(element string) bool {
	return m != nil && (m.Reason && element == "statusReason" || slices.ContainsFunc(m.Requires, func(field string) bool {
		at, _, _ := strings.Cut(elementOfField[field], ".")
		return at == element
	}))
}

// lasting is a meta without what is new in every version; none when nothing is left.
func lasting(meta []*fhir.Node) (list []*fhir.Node) {
	for _, n := range meta {
		n = n.Clone()
		n.Remove("versionId")
		n.Remove("lastUpdated")
		if len(n.Children) > 0 {
			list = append(list, n)
		}
	}
	return list
}

// unreferenced lists the contained resources that were added and that no new output leads
// to, and contained itself where one was taken away.
func unreferenced(was, is *fhir.Node) (paths []string) {
	before, sent := was.All("contained"), is.All("contained")
	among := func(list []*fhir.Node, n *fhir.Node) bool {
		return slices.ContainsFunc(list, func(o *fhir.Node) bool { return sameElements([]*fhir.Node{o}, []*fhir.Node{n}) })
	}
	if slices.ContainsFunc(before, func(n *fhir.Node) bool { return !among(sent, n) }) {
		paths = append(paths, is.ResourceType()+".contained")
	}
	outputs, _ := added(was.All("output"), is.All("output"))
	for _, n := range sent {
		leads := func(o *fhir.Node) bool { return o.Text("value", "reference") == "#"+n.Text("id") }
		if !among(before, n) && !slices.ContainsFunc(outputs, leads) {
			paths = append(paths, n.Path())
		}
	}
	return paths
}
