package referral

import (
	"context"
	"errors"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// maxReferences bounds how many stored resources one message may refer to.
const maxReferences = 50

// references refuses the references that can lead nowhere, whatever is stored.
func (in *intake) references() {
	system, index := in.root.System(), fhir.NewIndex(in.root)
	for _, it := range in.items {
		eachReference(it.node, func(ref, literal *fhir.Node) {
			if index.Resolve(literal.Value, ref) != nil || strings.HasPrefix(literal.Value, "#") {
				return
			}
			target, ok := fhir.ParseReference(system, literal.Value)
			switch {
			case !ok, target.Base != "": // reported by Check, or on another server
			case target.URN != "" && in.root.ResourceType() != "Bundle":
				in.fault(literal, issue.BusinessRule, "reference-unknown", "a urn: reference can only lead to an entry of the same Bundle").With("got %q", literal.Value)
			case target.Query != "":
				in.fault(literal, issue.NotSupported, "conditional-reference", "conditional references are not supported; refer by identifier or to a resource sent before")
			}
		})
	}
}

// fetch reads the stored resources that the message refers to, and those they refer to.
func (in *intake) fetch(ctx context.Context, scope Scope, index *fhir.Index) error {
	system := in.root.System()
	var failed error
	get := func(literal *fhir.Node, target fhir.Literal, deep bool) *fhir.Node {
		key := target.Type + "/" + target.ID
		if in.fetched[key] != nil || failed != nil {
			return nil
		}
		if len(in.fetched) >= maxReferences {
			in.fault(literal, issue.TooCostly, "too-many-references", "the message refers to more stored resources than are read for one message")
			return nil
		}
		v, err := in.s.Store.Read(ctx, scope, target.Type, target.ID)
		if err == nil {
			var n *fhir.Node
			if n, err = parse(v.Body); err == nil {
				in.fetched[key], in.foreign[key] = n, v.Organisation
				return n
			}
		}
		if !errors.Is(err, issue.NotFound) {
			failed = err
		} else if !deep {
			in.fault(literal, issue.BusinessRule, "reference-unknown", "the reference leads nowhere: no such resource is known here for your organisation; send it in the same transaction or correct the reference").
				With("got %q", literal.Value)
		}
		return nil
	}
	for _, it := range in.items {
		eachReference(it.node, func(ref, literal *fhir.Node) {
			if index.Resolve(literal.Value, ref) != nil || strings.HasPrefix(literal.Value, "#") {
				return
			}
			target, ok := fhir.ParseReference(system, literal.Value)
			switch {
			case !ok, target.Base != "", target.URN != "", target.Query != "": // on another server, or a fault that was told
			case target.ID != "":
				if n := get(literal, target, false); n != nil {
					eachReference(n, func(_, deeper *fhir.Node) {
						if t, ok := fhir.ParseReference(system, deeper.Value); ok && t.ID != "" && t.Base == "" && worthFetching[t.Type] {
							get(deeper, t, true)
						}
					})
				}
			}
		})
	}
	return failed
}

// worthFetching are the types that say who asks and who is asked.
var worthFetching = map[string]bool{"Practitioner": true, "PractitionerRole": true, "Organization": true}

// eachReference visits every Reference with a literal reference below n.
func eachReference(n *fhir.Node, visit func(ref, literal *fhir.Node)) {
	for _, child := range n.Children {
		if child.Type != nil && child.Type.Name == "Reference" {
			if literal := child.Child("reference"); literal != nil && literal.HasValue() {
				visit(child, literal)
			}
		}
		if len(child.Children) > 0 {
			eachReference(child, visit)
		}
	}
}

// resolve finds the resource a Reference leads to, in the message or fetched.
func (in *intake) resolve(index *fhir.Index, ref *fhir.Node) *fhir.Node {
	literal := ref.Text("reference")
	if literal == "" {
		return nil
	}
	if n := index.Resolve(literal, ref); n != nil {
		return n
	}
	return in.fetched[literal]
}
