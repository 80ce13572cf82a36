package fhir

import (
	"slices"
	"strings"

	"spadapter/adapter/issue"
)

// Literal is what a literal reference points at.
type Literal struct {
	Type    string // resource type, "" for a urn: or a fragment
	ID      string // logical id, "" for a urn: or a fragment
	Version string // of a version-specific reference
	Base    string // "https://example.org/fhir" of an absolute URL, "" of a relative one
	URN     string // the whole of a urn:uuid: or urn:oid:
	Local   string // the id after '#', of a contained resource
	Query   string // of a conditional reference, such as identifier=system|value
}

// ParseReference takes a literal reference apart. False when it has none of the forms
// of http://hl7.org/fhir/R4/references.html#literal.
func ParseReference(system *System, reference string) (Literal, bool) {
	switch {
	case reference == "" || strings.IndexFunc(reference, isBlank) >= 0:
		return Literal{}, false
	case reference[0] == '#':
		return Literal{Local: reference[1:]}, true
	case strings.HasPrefix(reference, "urn:"):
		return Literal{URN: reference}, uuidForm(strings.TrimPrefix(reference, "urn:uuid:"), true) || isOID(reference) ||
			!strings.HasPrefix(reference, "urn:uuid:") && !strings.HasPrefix(reference, "urn:oid:")
	}
	if name, query, ok := strings.Cut(reference, "?"); ok && system.Resource(name) != nil {
		return Literal{Type: name, Query: query}, query != "" // http://hl7.org/fhir/R4/http.html#trules
	}
	parts := strings.Split(reference, "/")
	n := len(parts)
	var t Literal
	if n >= 4 && parts[n-2] == "_history" {
		t.Version = parts[n-1]
		n -= 2
	}
	absolute := strings.Contains(reference, "://")
	if n < 2 {
		return Literal{}, false
	}
	t.Type, t.ID = parts[n-2], parts[n-1]
	t.Base = strings.Join(parts[:n-2], "/")
	if system.Resource(t.Type) == nil || !isID(t.ID) || t.Version != "" && !isID(t.Version) {
		// any absolute URL may be a resource elsewhere
		return Literal{Base: reference}, absolute
	}
	return t, absolute || n == 2
}

// reference checks one Reference by itself: its form, its type and its target type.
func (c *checker) reference(n *Node) {
	literal := n.Child("reference")
	declared := n.Child("type")
	if literal == nil && declared == nil && n.Child("identifier") == nil && n.Child("display") == nil && n.Child("extension") == nil {
		return // an empty object, reported as such
	}
	found := ""
	if literal != nil && literal.HasValue() {
		target, ok := ParseReference(c.system, literal.Value)
		if !ok {
			c.report(issue.Value, literal, "reference-form", label(n)+" must be Type/id, an absolute URL, urn:uuid:…, urn:oid:… or #id"+c.system.meantReference(literal.Value)).
				With("got %s", clip(literal.Value))
			return
		}
		found = target.Type
	}
	if declared != nil && declared.HasValue() {
		if found != "" && declared.Value != found {
			c.report(issue.Value, declared, "reference-type", "Reference.type and the type in Reference.reference differ; correct one, or leave type out")
		}
		found = declared.Value
	}
	c.target(n, n, found)
}

// target checks that a resource type is one that the element allows.
func (c *checker) target(n, at *Node, resourceType string) {
	targets := n.Element.Targets
	if resourceType == "" || len(targets) == 0 || slices.Contains(targets, "Resource") || slices.Contains(targets, resourceType) {
		return
	}
	e := c.report(issue.Value, at, "reference-target", label(n)+" must refer to "+targetList(targets)+", not to "+safeType(c.system, resourceType))
	if literal := n.Child("reference"); literal != nil && literal.HasValue() {
		e.With("got %s", clip(literal.Value))
	}
}

// targetList names the types that a reference may lead to.
func targetList(targets []string) string {
	if len(targets) == 0 || slices.Contains(targets, "Resource") {
		return "any resource"
	}
	return strings.Join(targets, ", ")
}

// safeType gives a resource type's name only when it is one, since the text is ours.
func safeType(system *System, name string) string {
	if system.Resource(name) != nil {
		return name
	}
	return "another type"
}

// contained checks the contained resources of n and the references to them.
func (c *checker) contained(n *Node) {
	ids := map[string]*Node{}
	for _, r := range n.All("contained") {
		if r.Kind != Object {
			continue
		}
		if r.Child("contained") != nil {
			c.report(issue.Invariant, r, "dom-2", "a contained resource must not contain others; put them side by side into the contained of the outer resource")
		}
		id := r.Text("id")
		switch {
		case id == "":
			c.report(issue.Required, r, "contained-id", "a contained resource needs an id, so that #id can refer to it")
		case ids[id] != nil:
			c.report(issue.Structure, r, "contained-id", "two contained resources have the same id; give each its own")
		}
		ids[id] = r
	}
	walk(n, func(m *Node) {
		if m.Type == nil || m.Type.Name != "Reference" || m.Element == nil {
			return
		}
		literal := m.Child("reference")
		if literal == nil || !strings.HasPrefix(literal.Value, "#") || literal.Value == "#" {
			return
		}
		r := ids[literal.Value[1:]]
		if r == nil {
			c.report(issue.Value, literal, "contained-reference", label(m)+" leads nowhere: no contained resource has this id; add the resource to contained, or correct one of the two").
				With("got %s", clip(literal.Value))
			return
		}
		c.target(m, literal, r.resourceType)
	})
}

// walk visits the elements below n, not going into resources other than contained ones.
func walk(n *Node, visit func(*Node)) {
	if n == nil {
		return
	}
	for _, child := range n.Children {
		if child.resourceType != "" && child.Name != "contained" {
			continue
		}
		visit(child)
		walk(child, visit)
	}
}
