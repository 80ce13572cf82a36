package fhir

import (
	"strings"

	"spadapter/adapter/issue"
)

// bundle checks the invariants of Bundle that need no FHIRPath.
// Source: http://hl7.org/fhir/R4/bundle.html#invs (bdl-1 to bdl-12).
func (c *checker) bundle(n *Node) {
	kind := n.Text("type")
	requests := kind == "batch" || kind == "transaction" || kind == "history"
	responses := kind == "batch-response" || kind == "transaction-response" || kind == "history"
	if total := n.Child("total"); total != nil && kind != "searchset" && kind != "history" {
		c.report(issue.Invariant, total, "bdl-1", "Bundle.total is only for a searchset or a history")
	}
	seen := map[string]bool{}
	for i, entry := range n.All("entry") {
		if c.full() {
			return
		}
		if entry.Kind != Object {
			continue
		}
		request, response, resource := entry.Child("request"), entry.Child("response"), entry.Child("resource")
		if search := entry.Child("search"); search != nil && kind != "searchset" {
			c.report(issue.Invariant, search, "bdl-2", "Bundle.entry.search is only for a searchset")
		}
		if requests && request == nil {
			c.report(issue.Invariant, entry, "bdl-3", "each entry of a "+kind+" needs request with method and url")
		} else if !requests && request != nil {
			c.report(issue.Invariant, request, "bdl-3", "Bundle.entry.request is only for a batch, transaction or history")
		}
		if responses && response == nil {
			c.report(issue.Invariant, entry, "bdl-4", "each entry of a "+kind+" needs response")
		} else if !responses && response != nil {
			c.report(issue.Invariant, response, "bdl-4", "Bundle.entry.response is only for a batch-response, transaction-response or history")
		}
		if request == nil && response == nil && resource == nil {
			c.report(issue.Invariant, entry, "bdl-5", "an entry without request and response must have a resource")
		}
		if url := entry.Child("fullUrl"); url != nil {
			key := url.Value + "|" + resource.Text("meta", "versionId")
			if seen[key] && kind != "history" {
				c.report(issue.Invariant, url, "bdl-7", "two entries have the same fullUrl; each must be unique").With("fullUrl %s", clip(url.Value))
			}
			seen[key] = true
			if strings.Contains(url.Value, "/_history/") {
				c.report(issue.Invariant, url, "bdl-8", "fullUrl must not be specific to a version")
			}
		}
		if i == 0 && resource != nil {
			switch {
			case kind == "document" && resource.resourceType != "Composition":
				c.report(issue.Invariant, resource, "bdl-11", "the first resource of a document is a Composition")
			case kind == "message" && resource.resourceType != "MessageHeader":
				c.report(issue.Invariant, resource, "bdl-12", "the first resource of a message is a MessageHeader")
			}
		}
	}
	if kind == "document" {
		if n.Text("identifier", "system") == "" || n.Text("identifier", "value") == "" {
			c.report(issue.Invariant, n, "bdl-9", "a document needs an identifier with system and value")
		}
		if n.Child("timestamp") == nil {
			c.report(issue.Invariant, n, "bdl-10", "a document needs a timestamp")
		}
	}
	c.references(n)
}

// references checks that the urn: references of a Bundle resolve inside it and that
// what they resolve to is of an allowed type. A reference of another form may lead to
// another server, so its absence here says nothing.
// Source: http://hl7.org/fhir/R4/bundle.html#references.
func (c *checker) references(bundle *Node) {
	if bundle.Type == nil || bundle.Type.Name != "Bundle" {
		return
	}
	index := NewIndex(bundle)
	for _, entry := range bundle.All("entry") {
		resource := entry.Child("resource")
		if resource == nil || resource.resourceType == "Bundle" {
			continue
		}
		walk(resource, func(m *Node) {
			if m.Type == nil || m.Type.Name != "Reference" || m.Element == nil {
				return
			}
			literal := m.Child("reference")
			if literal == nil || c.full() || !strings.HasPrefix(literal.Value, "urn:") {
				return
			}
			target := index.Resolve(literal.Value, m)
			if target == nil {
				if strings.HasPrefix(literal.Value, "urn:uuid:") || strings.HasPrefix(literal.Value, "urn:oid:") {
					c.report(issue.Value, literal, "bundle-reference", "the reference leads nowhere: no entry of the Bundle has this fullUrl").
						With("got %s", clip(literal.Value))
				}
				return
			}
			c.target(m, literal, target.resourceType)
		})
	}
}

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
