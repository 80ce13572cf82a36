package fhirpath

import (
	"strings"
	"sync"

	"spadapter/adapter/fhir"
)

// Find finds the resource a reference names inside root: "#id" among the contained
// resources of the resource that from lies in, anything else among the entries of a
// Bundle. nil when it is not there. from is the element that refers, nil when unknown.
//
// Source: http://hl7.org/fhir/R4/references.html#contained and
// http://hl7.org/fhir/R4/bundle.html#references. Beyond the standard, a relative
// reference also finds the entry with that type and id where the entry has no fullUrl
// with a base.
func Find(root *fhir.Node, reference string, from *fhir.Node) *fhir.Node {
	if found, done := findContained(root, reference, from, contained); done {
		return found
	}
	reference = versionless(reference)
	want, relative := absolute(reference, from)
	for _, entry := range root.Children {
		if entry.Name != "entry" {
			continue
		}
		if url := entry.Text("fullUrl"); url != "" && (url == want || relative && url == reference) {
			return entry.Child("resource")
		}
	}
	if !relative {
		return nil
	}
	for _, entry := range root.Children {
		if r := entry.Child("resource"); entry.Name == "entry" && r != nil && local(r) == reference {
			return r
		}
	}
	return nil
}

// Resolver is Find with an index of root, for many references in one Bundle. Safe for
// concurrent use while root does not change.
func Resolver(root *fhir.Node) func(reference string, from *fhir.Node) *fhir.Node {
	byURL, byID := map[string]*fhir.Node{}, map[string]*fhir.Node{}
	for _, entry := range root.All("entry") {
		r := entry.Child("resource")
		if r == nil {
			continue
		}
		if url := entry.Text("fullUrl"); url != "" && byURL[url] == nil {
			byURL[url] = r
		}
		if id := local(r); id != "" && byID[id] == nil {
			byID[id] = r
		}
	}
	var inside containers
	return func(reference string, from *fhir.Node) *fhir.Node {
		if found, done := findContained(root, reference, from, inside.find); done {
			return found
		}
		reference = versionless(reference)
		want, relative := absolute(reference, from)
		if r := byURL[want]; r != nil || !relative {
			return r
		}
		if r := byURL[reference]; r != nil {
			return r
		}
		return byID[reference]
	}
}

// local is the relative reference to a resource, "" when it has no id.
func local(r *fhir.Node) string {
	if id := r.Text("id"); id != "" {
		return r.ResourceType() + "/" + id
	}
	return ""
}

// findContained answers references that start with #, of what is within a resource; done is
// false for all others.
func findContained(root *fhir.Node, reference string, from *fhir.Node, within func(r *fhir.Node, id string) *fhir.Node) (found *fhir.Node, done bool) {
	id, ok := strings.CutPrefix(reference, "#")
	if !ok {
		return nil, false
	}
	r := container(root, from)
	if r == nil || id == "" {
		return r, true // "#" is the container itself
	}
	return within(r, id), true
}

// contained finds a contained resource by its id.
func contained(r *fhir.Node, id string) *fhir.Node {
	for _, c := range r.Children {
		if c.Name == "contained" && c.Text("id") == id {
			return c
		}
	}
	return nil
}

// containers is contained with an index of each resource that was asked for. Safe for
// concurrent use.
type containers struct {
	lock sync.Mutex
	byID map[*fhir.Node]map[string]*fhir.Node
}

func (s *containers) find(r *fhir.Node, id string) *fhir.Node {
	s.lock.Lock()
	defer s.lock.Unlock()
	index := s.byID[r]
	if index == nil {
		index = map[string]*fhir.Node{}
		for _, c := range r.Children {
			if id := c.Text("id"); c.Name == "contained" && index[id] == nil {
				index[id] = c
			}
		}
		if s.byID == nil {
			s.byID = map[*fhir.Node]map[string]*fhir.Node{}
		}
		s.byID[r] = index
	}
	return index[id]
}

// container is the resource whose contained resources from refers to.
func container(root, from *fhir.Node) *fhir.Node {
	r := root
	if from != nil {
		r = from.Resource()
	}
	if r != nil && r.Name == "contained" && r.Parent != nil {
		r = r.Parent.Resource() // contained resources refer to each other through their container
	}
	return r
}

// finder is Find during one evaluation: its work is counted, and whoever asks for a
// third reference in the same tree gets an index.
type finder struct {
	root  *fhir.Node
	asked int
	index func(reference string, from *fhir.Node) *fhir.Node
}

func (f *finder) find(s *state, reference string, from *fhir.Node) *fhir.Node {
	if strings.HasPrefix(reference, "#") {
		if r := container(nil, from); r != nil {
			s.steps -= looked(r)
		}
		return Find(from.Root(), reference, from)
	}
	if root := from.Root(); root != f.root {
		*f = finder{root: root}
	}
	if f.index != nil {
		return f.index(reference, from)
	}
	s.steps -= looked(f.root)
	if f.asked++; f.asked > 2 {
		f.index = Resolver(f.root)
		return f.index(reference, from)
	}
	return Find(f.root, reference, from)
}

// looked counts what Find looks at in a Bundle, or in the contained resources of another.
func looked(r *fhir.Node) int {
	n := len(r.Children)
	for _, c := range r.Children {
		n += len(c.Children) / 4
		if resource := c.Child("resource"); resource != nil {
			n += len(resource.Children) / 4
		}
	}
	return n
}

// absolute is the fullUrl that a reference names: a relative one is taken against the
// base of the entry that from lies in.
func absolute(reference string, from *fhir.Node) (url string, relative bool) {
	if strings.Contains(reference, ":") {
		return reference, false
	}
	for n := from; n != nil; n = n.Parent {
		if n.Name != "entry" {
			continue
		}
		full := n.Text("fullUrl")
		if !strings.HasPrefix(full, "http") {
			break
		}
		// [base]/Type/id
		if at := strings.LastIndexByte(full, '/'); at > 0 {
			if at = strings.LastIndexByte(full[:at], '/'); at > 0 {
				return full[:at+1] + reference, true
			}
		}
		break
	}
	return reference, true
}

func versionless(reference string) string {
	reference, _, _ = strings.Cut(reference, "/_history/")
	return reference
}
