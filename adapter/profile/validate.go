package profile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
	"spadapter/adapter/issue"
)

// validator is one validation of one resource.
type validator struct {
	profile *Profile
	found   []*issue.Error
	depth   int // of profiles within profiles
}

func (v *validator) report(t issue.Type, n *fhir.Node, rule, words string) *issue.Error {
	e := issue.New(t, rule, words)
	if len(v.found) < maxIssues {
		v.found = append(v.found, e.At(n.Path()).On(n.Position()))
	}
	return e
}

func (v *validator) rule(e *element) string { return v.profile.id + "/" + e.id }

func (v *validator) resource(p *Profile, n *fhir.Node) {
	outer := v.profile
	for ; p != nil; p = p.base {
		v.profile = p
		if p.root.types[0].Kind == fhir.Resource && n.ResourceType() != p.Type {
			v.report(issue.BusinessRule, n, p.id, "this profile is for a "+p.Type)
			break
		}
		v.node(p.root, n)
	}
	v.profile = outer
}

// node checks one node against what the profile says of its element.
func (v *validator) node(e *element, n *fhir.Node) {
	if e.narrowed && n.Type != nil && !slices.ContainsFunc(e.types, func(t *fhir.Type) bool { return n.Type.Is(t.Name) }) {
		v.report(issue.BusinessRule, n, v.rule(e), e.path+" must be "+typeNames(e.types)+" and is "+n.Type.Name)
		return
	}
	if e.fixed != nil && !equal(e.fixed, n) {
		v.report(issue.BusinessRule, n, v.rule(e), e.path+" must be exactly "+show(e.fixed)).With("got %s", clip(show(n)))
	}
	if e.pattern != nil && !matches(e.pattern, n) {
		v.report(issue.BusinessRule, n, v.rule(e), e.path+" must hold "+show(e.pattern)).With("got %s", clip(show(n)))
	}
	if e.targets != nil {
		v.target(e, n)
	}
	if e.binding != nil {
		v.binding(e, n)
	}
	for _, r := range e.rules {
		v.constraint(r, n)
	}
	v.profiled(e, n)
	for _, c := range e.children {
		v.children(c, n)
	}
}

// children checks count, slices and each of the elements of parent that c is about.
func (v *validator) children(c *element, parent *fhir.Node) {
	count := 0
	var few [8]int
	perSlice := few[:min(len(c.slices), len(few))]
	if len(c.slices) > len(few) {
		perSlice = make([]int, len(c.slices))
	}
	for _, n := range parent.Children {
		if n.ElementName() != c.name || n.Kind == fhir.Null || n.Kind == fhir.Array {
			continue
		}
		count++
		if c.max != unset && count == c.max+1 {
			v.tooMany(c, n)
		}
		v.node(c, n)
		if !c.slicing {
			continue
		}
		s := v.sliceOf(c, n)
		if s == nil {
			if c.closed {
				v.report(issue.BusinessRule, n, v.rule(c), c.path+" must be one of the slices "+sliceNames(c))
			}
			continue
		}
		i := slices.Index(c.slices, s)
		if perSlice[i]++; s.max != unset && perSlice[i] == s.max+1 {
			v.tooMany(s, n)
		}
		v.node(s, n)
	}
	if c.min != unset && count < c.min {
		v.tooFew(c, parent, count)
	}
	for i, s := range c.slices {
		if s.min != unset && perSlice[i] < s.min {
			v.tooFew(s, parent, perSlice[i])
		}
	}
}

func (v *validator) tooMany(e *element, n *fhir.Node) {
	if e.max == 0 {
		v.report(issue.BusinessRule, n, v.rule(e), e.label()+" is not allowed here; leave it out")
		return
	}
	v.report(issue.BusinessRule, n, v.rule(e), fmt.Sprintf("%s may be given at most %s", e.label(), times(e.max)))
}

// tooFew is reported on the parent, at the place where the element is missing.
func (v *validator) tooFew(e *element, parent *fhir.Node, count int) {
	words := e.label() + " is required"
	if e.min > 1 {
		words = fmt.Sprintf("%s must be given at least %s and is there %s", e.label(), times(e.min), times(count))
	}
	problem := v.report(issue.BusinessRule, parent, v.rule(e), words)
	if problem.Expression != "" {
		problem.Expression += "." + e.name
	}
}

func times(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// label names the element for people: its path, and the slice.
func (e *element) label() string {
	if e.slice != "" {
		return e.path + " (" + e.slice + ")"
	}
	return e.path
}

func sliceNames(e *element) string {
	var names []string
	for _, s := range e.slices {
		names = append(names, s.slice)
	}
	return strings.Join(names, ", ")
}

func typeNames(types []*fhir.Type) string {
	var names []string
	for _, t := range types {
		names = append(names, t.Name)
	}
	return strings.Join(names, " or ")
}

// show writes a value of a definition.
func show(n *fhir.Node) string {
	if n.HasValue() {
		return n.Value
	}
	return string(fhir.Encode(n))
}

func clip(text string) string {
	if r := []rune(text); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return text
}

// target checks the type of what a reference leads to, as far as the reference itself
// or the message around it tells.
func (v *validator) target(e *element, n *fhir.Node) {
	name := n.Text("type")
	if reference := n.Text("reference"); reference != "" {
		if to := fhirpath.Find(n.Root(), reference, n); to != nil {
			name = to.ResourceType()
		} else if parts := strings.Split(reference, "/"); len(parts) >= 2 {
			for i := len(parts) - 2; i >= 0; i-- {
				if t := v.profile.env.System.Resource(parts[i]); t != nil {
					name = t.Name
					break
				}
			}
		}
	}
	if name == "" || v.profile.env.System.Resource(name) == nil || slices.Contains(e.targets, name) {
		return
	}
	v.report(issue.BusinessRule, n, v.rule(e), e.path+" must refer to "+strings.Join(e.targets, " or ")+", not to "+name)
}

// binding checks a coded value. Source: http://hl7.org/fhir/R4/terminologies.html#strength:
// required binds; extensible lets other codes through where none fits, so it warns;
// preferred and example bind nobody.
func (v *validator) binding(e *element, n *fhir.Node) {
	b := e.binding
	required := b.strength == "required"
	if v.profile.env.ValidateCode == nil || !required && b.strength != "extensible" {
		return
	}
	ok, known := anyCoding(n, func(c *fhir.Node) (bool, bool) { return v.profile.env.ValidateCode(b.valueSet, c) })
	switch {
	case ok && known:
	case !known && required:
		v.report(issue.Informational, n, v.rule(e), "the codes of "+e.path+" were not checked: the value set "+b.valueSet+" is not complete here").Graded(issue.SeverityInformation)
	case !known:
	case required:
		v.report(issue.CodeInvalid, n, v.rule(e), e.path+" must have a code of the value set "+b.valueSet).With("got %s", clip(codes(n)))
	case n.Type != nil && n.Type.Name == "CodeableConcept" && n.Child("coding") == nil:
		// text alone says that no code fits
	default:
		v.report(issue.CodeInvalid, n, v.rule(e), e.path+" should have a code of the value set "+b.valueSet+" where one fits").
			Graded(issue.SeverityWarning).With("got %s", clip(codes(n)))
	}
}

// codes lists the codes of a node as system|code.
func codes(n *fhir.Node) string {
	if n.HasValue() {
		return n.Value
	}
	list := n.All("coding")
	if n.Child("code") != nil {
		list = []*fhir.Node{n}
	}
	var out []string
	for _, c := range list {
		out = append(out, c.Text("system")+"|"+c.Text("code"))
	}
	if len(out) == 0 {
		return "no code"
	}
	return strings.Join(out, ", ")
}

func (v *validator) constraint(r *constraint, n *fhir.Node) {
	holds, err := r.test.Test(v.profile.context(), n)
	switch {
	case errors.Is(err, issue.TooCostly):
		v.report(issue.TooCostly, n, r.key, "the rule "+r.key+" would need more work than is allowed for one message")
	case err != nil || !holds:
		v.report(issue.BusinessRule, n, r.key, r.human).Graded(r.severity).Because(err)
	}
}

// profiled checks the profiles that an element's types name, where they are loaded.
func (v *validator) profiled(e *element, n *fhir.Node) {
	if len(e.profiles) == 0 || v.profile.env.Profile == nil || v.depth > 8 {
		return
	}
	var first *Profile
	for _, url := range e.profiles {
		url, _, _ := strings.Cut(url, "|")
		p := v.profile.env.Profile(url)
		if p == nil {
			return // one of them is not known here: it may be that one
		}
		if p.Conforms(n) {
			return
		}
		if first == nil {
			first = p
		}
	}
	v.depth++
	v.resource(first, n)
	v.depth--
}
