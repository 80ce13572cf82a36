package fhir

import "strings"

// Index finds the resources of a Bundle, or a single resource, by reference.
type Index struct {
	system *System
	byURL  map[string]*Node // fullUrl
	byID   map[string]*Node // Type/id
}

// NewIndex indexes a Bundle by fullUrl and by type and id; for any other resource only
// contained resources can be found.
func NewIndex(root *Node) *Index {
	x := &Index{system: root.System()}
	if root.resourceType != "Bundle" {
		return x
	}
	entries := root.All("entry")
	x.byURL, x.byID = make(map[string]*Node, len(entries)), make(map[string]*Node, len(entries))
	for _, entry := range entries {
		resource := entry.Child("resource")
		if resource == nil {
			continue
		}
		if url := entry.Text("fullUrl"); url != "" {
			if x.byURL[url] == nil {
				x.byURL[url] = resource
			}
		}
		if id := resource.Text("id"); id != "" {
			key := resource.resourceType + "/" + id
			if x.byID[key] == nil {
				x.byID[key] = resource
			}
		}
	}
	return x
}

// Resolve finds what a literal reference at the element from points at; nil when it
// is not here. A relative reference resolves against the fullUrl of the entry that
// holds it, then by type and id.
func (x *Index) Resolve(reference string, from *Node) *Node {
	if strings.HasPrefix(reference, "#") {
		r := from.Resource()
		for r != nil && r.Name == "contained" {
			r = r.Parent.Resource()
		}
		if r == nil {
			return nil
		}
		if reference == "#" {
			return r
		}
		for _, contained := range r.All("contained") {
			if contained.Text("id") == reference[1:] {
				return contained
			}
		}
		return nil
	}
	if x.byURL == nil {
		return nil
	}
	if at := strings.Index(reference, "/_history/"); at >= 0 {
		reference = reference[:at]
	}
	if r := x.byURL[reference]; r != nil {
		return r
	}
	if strings.HasPrefix(reference, "urn:") || strings.Contains(reference, "://") {
		return nil
	}
	if base := x.base(from); base != "" {
		if r := x.byURL[base+reference]; r != nil {
			return r
		}
	}
	return x.byID[reference]
}

// base is the server base of the entry that holds n, with its slash.
func (x *Index) base(n *Node) string {
	r := n.Resource()
	for r != nil && r.Name == "contained" {
		r = r.Parent.Resource()
	}
	if r == nil || r.Parent == nil {
		return ""
	}
	url := r.Parent.Text("fullUrl")
	if at := strings.LastIndex(url, "/"+r.resourceType+"/"); at >= 0 {
		return url[:at+1]
	}
	return ""
}
