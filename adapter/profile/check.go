package profile

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Validate checks a resource, with the resources in it (the entries of a Bundle, what is
// contained, Parameters), against all that is known here: the invariants of the base
// standard, the profiles that each resource claims in meta.profile, and the definitions
// of extensions. The resource should have passed fhir.Check.
//
// It returns every fault (at most 200) as one joined error in the order of the tree, as
// Invariants.Validate and Profile.Validate do. A claimed profile that is not loaded is a
// warning (profile-unknown), one that could be compiled only in part another
// (profile-partial); an extension without definition is information
// (extension-unknown), once for each url; where a definition says that an extension must
// not stand, or must not be as it is, that is an error of type extension. nil when there
// is nothing to say.
func (s *Set) Validate(resource *fhir.Node) error { return s.ValidateAgainst(resource) }

// ValidateAgainst is Validate with profiles that the resource must conform to beside
// those it claims, by their canonicals. One that is not loaded is an error of type
// not-found: the question cannot be answered.
func (s *Set) ValidateAgainst(resource *fhir.Node, canonicals ...string) error {
	return s.ValidateUntil(nil, resource, canonicals...)
}

// ValidateUntil is ValidateAgainst for a caller that may lose interest: stop is asked
// now and then, and once it is true the work ends, with an error of type timeout among
// those that were found until then. stop may be nil.
func (s *Set) ValidateUntil(stop func() bool, resource *fhir.Node, canonicals ...string) error {
	if len(canonicals) == 0 {
		return s.validateEach(stop, resource, nil)
	}
	return s.validateEach(stop, resource, func(n *fhir.Node) []string {
		if n == resource {
			return canonicals
		}
		return nil
	})
}

// ValidateEach is ValidateAgainst for every resource in the tree: asked gives the
// canonicals that one must conform to beside those it claims, such as those that a
// server demands of a type. It is called once for each resource, resource itself first,
// and may be nil.
func (s *Set) ValidateEach(resource *fhir.Node, asked func(resource *fhir.Node) []string) error {
	return s.validateEach(nil, resource, asked)
}

// validateEach is ValidateEach until stop, which may be nil, says that nobody waits.
func (s *Set) validateEach(stop func() bool, resource *fhir.Node, asked func(*fhir.Node) []string) error {
	if s == nil || resource == nil {
		return nil
	}
	base := validation{base: s.base}
	base.visit(resource)
	v := newValidator(s, &s.env, resource)
	defer v.done()
	v.stop, v.found = stop, base.found
	v.visit(resource, asked)
	return issue.Join(inOrder(v.all()))
}

// visit checks the claims of the resources and the extensions from n down.
func (v *validator) visit(n *fhir.Node, asked func(*fhir.Node) []string) {
	if !v.spend(1) {
		return
	}
	if n.ResourceType() != "" {
		v.applied = v.applied[:0]
		if asked != nil {
			for _, canonical := range asked(n) {
				v.against(canonical, n, nil)
			}
		}
		v.claims(n)
	} else if n.Type != nil && n.Type.Name == "Extension" {
		v.extension(n)
	}
	for _, c := range n.Children {
		if v.stopped {
			return
		}
		if len(c.Children) > 0 {
			v.visit(c, asked)
		}
	}
}

// claims checks a resource against the profiles that it names, each of them once.
func (v *validator) claims(n *fhir.Node) {
	list := n.Child("meta").All("profile")
	if len(list) == 0 {
		return
	}
	done := make(map[string]bool, len(list))
	for _, c := range list {
		if c.HasValue() && !done[c.Value] {
			done[c.Value] = true
			v.against(c.Value, n, c)
		}
	}
}

// against checks a resource against a profile, once whatever the number of names it is
// called by. claim is where the resource names it, nil when the caller does.
func (v *validator) against(canonical string, n, claim *fhir.Node) {
	if !v.spend(1) {
		return
	}
	url, _, _ := strings.Cut(canonical, "|")
	if name, ok := strings.CutPrefix(url, standard); ok && v.env.System.Type(name) != nil {
		if n.Type == nil || !n.Type.Is(name) {
			v.report(issue.BusinessRule, n, "profile-type", "the profile "+url+" is for "+a(name))
		}
		return
	}
	p := v.set.Profile(canonical)
	if p == nil {
		v.unknown(canonical, n, claim)
		return
	}
	if slices.Contains(v.applied, p) {
		return
	}
	v.applied = append(v.applied, p)
	if fails(p.faults) && v.once("partial "+p.id) {
		v.report(issue.NotSupported, n, "profile-partial", "a part of the profile "+p.Name+" is at fault itself and was not applied").Graded(issue.SeverityWarning)
	}
	v.resource(p, n)
}

// unknown says that a profile is not here, and what is.
func (v *validator) unknown(canonical string, n, claim *fhir.Node) {
	if len(v.found) >= maxIssues {
		return // looking for what was meant takes longer than saying it
	}
	url, version, _ := strings.Cut(canonical, "|")
	words := "this profile is not loaded here, so the resource was not checked against it"
	if have := v.set.entries[url]; have != nil && version != "" && v.set.entries[canonical] == nil {
		words = "this version of the profile is not loaded here, so the resource was not checked against it; loaded is " + have.definition.Version
	} else if have != nil {
		words = "this profile is loaded and at fault itself, so the resource was not checked against it"
	} else if meant := v.set.meant(url); meant != "" {
		words += "; did you mean " + meant + "?"
	}
	if claim != nil {
		v.report(issue.NotFound, claim, "profile-unknown", words).Graded(issue.SeverityWarning).With("profile %s", clip(canonical))
		return
	}
	v.report(issue.NotFound, n, "profile-unknown", words).With("profile %s", clip(canonical))
}

// meant is the canonical that was probably meant where another was written; "" for none.
func (s *Set) meant(url string) string {
	names := make([]string, 0, len(s.order))
	urls := map[string]string{}
	for _, e := range s.order {
		name := e.definition.URL[strings.LastIndexByte(e.definition.URL, '/')+1:]
		if urls[name] == "" {
			urls[name] = e.definition.URL
			names = append(names, name)
		}
	}
	return urls[issue.Nearest(names, url[strings.LastIndexByte(url, '/')+1:])]
}

// inOrder sorts issues by their place and leaves out what two profiles say in the same
// words because one derives from the other.
func inOrder(found []*issue.Error) []*issue.Error {
	if len(found) < 2 {
		return found
	}
	slices.SortStableFunc(found, func(a, b *issue.Error) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	type words struct{ rule, expression, details string }
	seen := make(map[words]bool, len(found))
	out := found[:0]
	for _, e := range found {
		w := words{e.Rule, e.Expression, e.Details}
		if !seen[w] {
			seen[w] = true
			out = append(out, e)
		}
	}
	return out
}
