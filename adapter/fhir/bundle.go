package fhir

import (
	"strconv"
	"strings"

	"spadapter/adapter/issue"
)

// bundle checks the invariants of Bundle that need no FHIRPath.
// Source: http://hl7.org/fhir/R4/bundle.html#invs (bdl-1 to bdl-12),
// http://hl7.org/fhir/STU3/bundle.html#invs (bdl-1 to bdl-9: request and response may be absent).
func (c *checker) bundle(n *Node) {
	kind := n.Text("type")
	mandatory := c.system.Version != STU3
	requests := kind == "batch" || kind == "transaction" || kind == "history"
	responses := kind == "batch-response" || kind == "transaction-response" || kind == "history"
	if total := n.Child("total"); total != nil && kind != "searchset" && kind != "history" {
		c.report(issue.Invariant, total, "bdl-1", "Bundle.total is only for a searchset or a history; leave it out or change Bundle.type")
	}
	c.links(n)
	seen := map[string]bool{}
	var misplaced [2][]*Node // request, response where the type allows none
	for i, entry := range n.All("entry") {
		if c.full() {
			return
		}
		if entry.Kind != Object {
			continue
		}
		request, response, resource := entry.Child("request"), entry.Child("response"), entry.Child("resource")
		if search := entry.Child("search"); search != nil && kind != "searchset" {
			c.report(issue.Invariant, search, "bdl-2", "Bundle.entry.search is only for a searchset; leave it out or change Bundle.type")
		} else if search != nil && resource != nil {
			c.searched(search.Text("mode"), resource)
		}
		if requests && request == nil && mandatory {
			c.report(issue.Invariant, entry, "bdl-3", "each entry of a "+kind+" needs request with method and url")
		} else if !requests && request != nil {
			misplaced[0] = append(misplaced[0], request)
		}
		if responses && response == nil && mandatory {
			c.report(issue.Invariant, entry, "bdl-4", "each entry of a "+kind+" needs response with status")
		} else if !responses && response != nil {
			misplaced[1] = append(misplaced[1], response)
		}
		if request == nil && response == nil && resource == nil {
			c.report(issue.Invariant, entry, "bdl-5", "an entry without request and response must have a resource; give one or leave the entry out")
		}
		if url := entry.Child("fullUrl"); url != nil {
			key := url.Value + "|" + resource.Text("meta", "versionId")
			if seen[key] && kind != "history" {
				c.report(issue.Invariant, url, "bdl-7", "two entries have the same fullUrl; each must be unique, or tell versions apart by resource.meta.versionId").With("fullUrl %s", clip(url.Value))
			}
			seen[key] = true
			if strings.Contains(url.Value, "/_history/") {
				c.report(issue.Invariant, url, "bdl-8", "fullUrl must not be specific to a version; leave out /_history/ and what follows")
			}
			if url.Kind == String && url.Value != "" && !absolute(url.Value) {
				c.report(issue.Value, url, "bundle-full-url", "Bundle.entry.fullUrl must be absolute: urn:uuid:… or https://server/Type/id").
					With("got %s", clip(url.Value))
			}
			c.fullURL(url, resource)
		}
		if i == 0 && resource != nil {
			switch {
			case kind == "document" && resource.resourceType != "Composition":
				c.report(issue.Invariant, resource, "bdl-11", "the first resource of a document must be a Composition, not "+article(resource.resourceType, c.system))
			case kind == "message" && resource.resourceType != "MessageHeader":
				c.report(issue.Invariant, resource, "bdl-12", "the first resource of a message must be a MessageHeader, not "+article(resource.resourceType, c.system))
			}
		}
	}
	if kind != "" { // else the type is what is wrong
		c.misplaced(misplaced[0], "bdl-3", "Bundle.entry.request is only for a batch, transaction or history")
		c.misplaced(misplaced[1], "bdl-4", "Bundle.entry.response is only for a batch-response, transaction-response or history")
	}
	if kind == "document" {
		if n.Text("identifier", "system") == "" || n.Text("identifier", "value") == "" {
			c.report(issue.Invariant, n, "bdl-9", "a document needs an identifier with system and value")
		}
		if n.Child("timestamp") == nil && mandatory {
			c.report(issue.Invariant, n, "bdl-10", "a document needs Bundle.timestamp, the time at which it was put together")
		}
	}
	c.references(n)
	switch kind {
	case "document", "message":
		c.included(n, kind)
	}
}

// misplaced says once what one Bundle.type makes wrong in many entries.
func (c *checker) misplaced(nodes []*Node, rule, text string) {
	if len(nodes) == 0 {
		return
	}
	text += "; leave it out or change Bundle.type"
	if more := len(nodes) - 1; more > 0 {
		text += " (as in " + strconv.Itoa(more) + " more)"
	}
	c.report(issue.Invariant, nodes[0], rule, text)
}

// fullURL checks that an address of the form https://server/Type/id names the type of
// what is there. An id that differs is let pass, as published examples have it: a server
// gives what it creates an id of its own.
// Source: http://hl7.org/fhir/R4/bundle.html#bundle-unique.
func (c *checker) fullURL(url, resource *Node) {
	if resource == nil || resource.Type == nil || !strings.HasPrefix(url.Value, "http://") && !strings.HasPrefix(url.Value, "https://") {
		return
	}
	parts := strings.Split(url.Value, "/")
	kind, id := parts[len(parts)-2], parts[len(parts)-1]
	if kind == resource.resourceType || c.system.Resource(kind) == nil || !isID(id) {
		return
	}
	c.report(issue.Value, url, "bundle-full-url", "this is the address of "+article(kind, c.system)+", and the entry holds "+article(resource.resourceType, c.system)+
		": correct it and the references to it, or use urn:uuid:…").With("got %s", clip(url.Value))
}

// absolute reports whether a URI has a scheme.
func absolute(uri string) bool {
	scheme, _, ok := strings.Cut(uri, ":")
	return ok && scheme != "" && !strings.ContainsAny(scheme, "/?#{")
}

// article names a resource type within a sentence, "another type" when it is none.
func article(name string, system *System) string {
	name = safeType(system, name)
	switch {
	case name == "another type":
		return name
	case strings.ContainsRune("AEIO", rune(name[0])):
		return "an " + name
	}
	return "a " + name
}

// links checks that each kind of page is linked once.
// Source: http://hl7.org/fhir/R4/http.html#paging.
func (c *checker) links(n *Node) {
	seen := map[string]bool{}
	for _, link := range n.All("link") {
		switch relation := link.Text("relation"); relation {
		case "self", "first", "previous", "prev", "next", "last":
			if seen[relation] {
				c.report(issue.Value, link, "bundle-link", "a Bundle has at most one link with the relation "+relation+"; leave the others out")
			}
			seen[relation] = true
		}
	}
}

// searched checks what a search gives: its mode says what the resource is.
// Source: http://hl7.org/fhir/R4/bundle.html#searchset.
func (c *checker) searched(mode string, resource *Node) {
	switch mode {
	case "outcome":
		if resource.resourceType != "OperationOutcome" {
			c.report(issue.Value, resource, "bundle-search", "an entry whose search.mode is outcome must hold an OperationOutcome, not "+article(resource.resourceType, c.system))
		}
	case "match", "include":
		if resource.Child("id") == nil {
			c.report(issue.Required, resource, "bundle-search", "a resource that a search found needs its id")
		}
	}
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
					c.report(issue.Value, literal, "bundle-reference", label(m)+" leads nowhere: no entry of the Bundle has this fullUrl; add the entry, or correct one of the two").
						With("got %s", clip(literal.Value))
				}
				return
			}
			c.target(m, literal, target.resourceType)
		})
	}
}
