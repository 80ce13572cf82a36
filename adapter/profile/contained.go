package profile

import (
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// extension is ext-1: an extension has extensions or a value, one of the two.
// Source: http://hl7.org/fhir/R4/extensibility.html#Extension.
func (v *validation) extension(n *fhir.Node) {
	nested, value := false, false
	for _, c := range n.Children {
		switch c.ElementName() {
		case "extension":
			nested = true
		case "value":
			value = true
		}
	}
	if nested == value {
		v.report(issue.Invariant, n, "ext-1", "an extension has either a value or extensions of its own, and one of them it must have")
	}
}

// contained is dom-3 to dom-5 for a resource that contains others. It is written here
// and not as FHIRPath, because the standard's expression for dom-3 reads the whole
// resource again for each contained one.
// Source: http://hl7.org/fhir/R4/domainresource.html, http://hl7.org/fhir/R4/references.html#contained.
func (v *validation) contained(container *fhir.Node) {
	named := map[string]bool{}
	for _, c := range container.Children {
		references(c, named)
	}
	for _, c := range container.Children {
		if c.Name != "contained" {
			continue
		}
		meta := c.Child("meta")
		if meta.Child("versionId") != nil || meta.Child("lastUpdated") != nil {
			v.report(issue.Invariant, meta, "dom-4", "a contained resource has no versionId and no lastUpdated of its own; leave them out")
		}
		if meta.Child("security") != nil {
			v.report(issue.Invariant, meta, "dom-5", "a contained resource has no security label of its own; put it on the resource that contains it")
		}
		own := map[string]bool{}
		references(c, own)
		if id := c.Text("id"); id != "" && !named["#"+id] && !own["#"] {
			v.report(issue.Invariant, c, "dom-3", "nothing refers to this contained resource; refer to it by # and its id, or leave it out")
		}
	}
}

// references collects the local references below n: Reference.reference and canonical,
// uri and url values that start with #.
func references(n *fhir.Node, into map[string]bool) {
	if n.HasValue() && len(n.Value) > 0 && n.Value[0] == '#' && (n.Type == nil || n.Type.Kind == fhir.Primitive && (n.Name == "reference" || n.Type.Is("uri"))) {
		into[n.Value] = true
	}
	for _, c := range n.Children {
		references(c, into)
	}
}
