package profile

import (
	"errors"
	"slices"
	"sync"

	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
	"spadapter/adapter/issue"
)

// maxIssues bounds what one message can make a validation say, as in fhir.Check.
const maxIssues = 200

// Invariants are the invariants of the base standard for one type system. They are
// compiled when a type is first met and kept. Safe for concurrent use; a nil
// *Invariants has none.
type Invariants struct {
	system   *fhir.System
	types    sync.Map // *fhir.Type to []*invariant
	elements sync.Map // *fhir.Element to []*invariant
}

// invariant is one compiled rule.
type invariant struct {
	key   string
	words string // our own, for the sender
	test  *fhirpath.Expression
}

// Base gives the invariants of a type system: the FHIRPath that the descriptors of
// google/fhir carry, and ext-1, dom-3, dom-4 and dom-5, which they leave out. Those
// that fhir.Check reports itself (bdl-*, dom-2, ele-1, ref-1) are not run again;
// dom-6 is advice on good practice and is left to profiles.
func Base(system *fhir.System) *Invariants { return &Invariants{system: system} }

// Validate runs every invariant on every node of the tree: entries of a Bundle,
// contained resources, data types and the values of extensions included.
//
// It returns all faults (at most 200) as one joined error in the order of the tree,
// each of type invariant with the key as rule ("prr-1"; "base:" and the type where no
// key is known), the FHIRPath, line and column of the node; too-costly where a rule
// would need more work than is allowed. nil when every rule holds.
func (i *Invariants) Validate(root *fhir.Node) error {
	if i == nil || root == nil {
		return nil
	}
	v := validation{base: i}
	v.visit(root)
	return issue.Join(v.found)
}

type validation struct {
	base  *Invariants
	found []*issue.Error
}

func (v *validation) visit(n *fhir.Node) {
	if n.Element != nil && len(n.Element.Constraints) > 0 {
		v.run(n, v.base.ofElement(n.Element))
	}
	if t := n.Type; t != nil && n.Kind == fhir.Object {
		if len(t.Constraints) > 0 {
			v.run(n, v.base.ofType(t))
		}
		if t.Name == "Extension" {
			v.extension(n)
		}
	}
	contained := false
	for _, c := range n.Children {
		contained = contained || c.Name == "contained"
		// most nodes are primitives with neither children nor rules of their own
		if len(c.Children) > 0 || c.Element != nil && len(c.Element.Constraints) > 0 {
			v.visit(c)
		}
	}
	if contained && n.ResourceType() != "" {
		v.contained(n)
	}
}

func (v *validation) run(n *fhir.Node, rules []*invariant) {
	for _, r := range rules {
		holds, err := r.test.Test(fhirpath.Context{}, n)
		switch {
		case errors.Is(err, issue.TooCostly):
			v.report(issue.TooCostly, n, r.key, "the rule "+r.key+" would need more work than is allowed for one message")
		case err != nil || !holds:
			e := v.report(issue.Invariant, n, r.key, r.words).Because(err)
			if r.key == "txt-1" && n.HasValue() {
				narrative(e, n.Value)
			}
		}
	}
}

// narrative puts what is wrong with a narrative before the words of its rule.
func narrative(e *issue.Error, div string) {
	words, got := fhirpath.NarrativeFault(div)
	if words == "" {
		return
	}
	e.Details = "this narrative is not allowed: " + words + "; " + e.Details
	if got != "" {
		_ = e.With("got %q", got)
	}
}

func (v *validation) report(t issue.Type, n *fhir.Node, key, words string) *issue.Error {
	e := issue.New(t, key, words)
	if len(v.found) < maxIssues {
		v.found = append(v.found, e.At(n.Path()).On(n.Position()))
	}
	return e
}

func (i *Invariants) ofType(t *fhir.Type) []*invariant {
	if have, ok := i.types.Load(t); ok {
		return have.([]*invariant)
	}
	rules := compileAll(t.Constraints, t, t.Name)
	i.types.Store(t, rules)
	return rules
}

func (i *Invariants) ofElement(e *fhir.Element) []*invariant {
	if have, ok := i.elements.Load(e); ok {
		return have.([]*invariant)
	}
	var t *fhir.Type
	if len(e.Types) == 1 {
		t = e.Types[0]
	}
	rules := compileAll(e.Constraints, t, e.Path)
	i.elements.Store(e, rules)
	return rules
}

// compileAll compiles the rules of one type or element, without those that are left to
// fhir.Check.
func compileAll(sources []string, t *fhir.Type, owner string) []*invariant {
	var out []*invariant
	for i, source := range sources {
		r := ruleOf(source, owner)
		if r.skip != "" || slices.Contains(sources[:i], source) { // txt-1 and txt-2 are one expression
			continue
		}
		if r.instead != "" {
			source = r.instead
		}
		options := []fhirpath.Option{}
		if t != nil {
			options = append(options, fhirpath.Type(t))
		}
		e, err := fhirpath.Compile(source, options...)
		if err != nil {
			continue // none today: a test compiles all of both versions
		}
		out = append(out, &invariant{r.key, r.words, e})
	}
	return out
}
