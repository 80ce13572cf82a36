package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/profile"
	"spadapter/adapter/referral"
)

// validator judges resources: $validate and the command of that name ask the same one.
// It is read-only and safe for concurrent use.
type validator struct {
	sets   map[*fhir.System]*profile.Set
	loaded map[string]*fhir.System // canonicals of all profiles, with the version and without
	types  map[string]string       // what each of them is for

	versioned map[string]bool // the canonicals that stand for one version
}

// question is what is asked of a validator beside what holds for every resource.
type question struct {
	profiles    []string // canonicals that the resource must conform to beside those it claims
	intake      bool     // whether it and the resources in it have what an intake demands of them
	mustSupport bool     // which must-support elements are missing

	stop func() bool // whether nobody waits for the answer any more; nil for never
}

// validate checks a parsed resource against everything that is known of it: its
// structure, the invariants of the base standard, check digits, the profiles that it
// claims, those of an intake when asked, and those that are named.
//
// It returns every issue in the order of the text, nil when there is none. What follows
// from a fault that was told is left out: an element whose form is wrong is not told
// again by a profile, and one cause is not told by two rules.
func (v *validator) validate(root *fhir.Node, q question) []*issue.Error {
	found := issue.All(fhir.Check(root))
	told := map[string]bool{}
	for _, e := range found {
		told[e.Expression] = true
		if e.Rule == "reference-target" { // which profiles tell of the whole Reference
			told[strings.TrimSuffix(e.Expression, ".reference")] = true
		}
	}
	set := v.sets[root.System()]
	more := referral.CheckDigits(root)
	more = append(more, issue.All(set.ValidateUntil(q.stop, root, q.profiles...))...)
	all := resources(root)
	request := slices.ContainsFunc(all, func(n *fhir.Node) bool { return n.ResourceType() == "ServiceRequest" })
	for _, n := range all {
		if q.stop != nil && q.stop() {
			break
		}
		delete(told, n.Path()) // many things may be wrong with a resource
		if p := referral.ProfileOf(n.ResourceType()); q.intake && p != "" && !slices.Contains(q.profiles, p) {
			for _, e := range issue.All(set.Profile(p).Validate(n)) {
				if e.Rule == referral.RuleIdentified && !request {
					e = e.Graded(issue.SeverityWarning) // as an intake does
				}
				more = append(more, e)
			}
		}
		if q.mustSupport {
			var named []string
			if n == root {
				named = q.profiles
			}
			more = append(more, set.MustSupport(n, named...)...)
		}
	}
	type words struct{ rule, expression, details string }
	seen := map[words]bool{}
	for _, e := range more {
		w := words{e.Rule, e.Expression, e.Details}
		if !told[e.Expression] && !seen[w] {
			seen[w] = true
			found = append(found, e)
		}
	}
	found = distinct(root, found)
	slices.SortStableFunc(found, func(a, b *issue.Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return found
}

// resources are a resource and those within it, in the order of the tree.
func resources(root *fhir.Node) []*fhir.Node {
	var out []*fhir.Node
	var visit func(n *fhir.Node)
	visit = func(n *fhir.Node) {
		if n.ResourceType() != "" {
			out = append(out, n)
		}
		for _, c := range n.Children {
			if len(c.Children) > 0 || c.ResourceType() != "" {
				visit(c)
			}
		}
	}
	visit(root)
	return out
}

// known says whether a profile can be asked for, and names those that can where it
// cannot. resourceType is what it is wanted for, "" when that is not known.
//
// Errors: not-supported for a profile that is not loaded.
func (v *validator) known(canonical, resourceType string) error {
	if v.loaded[canonical] != nil || standardType(canonical) != "" {
		return nil
	}
	all, fitting := v.profiles(""), v.profiles(resourceType)
	url, version, _ := strings.Cut(canonical, "|")
	words := "this profile is not loaded here, so it cannot be checked; "
	switch {
	case version != "" && v.loaded[url] != nil:
		var have []string
		for _, name := range all {
			if other, number, _ := strings.Cut(name, "|"); other == url {
				have = append(have, number)
			}
		}
		words = "this version of the profile is not loaded here; loaded is " + strings.Join(have, ", ")
	case len(fitting) > 0:
		if best := lastPartNearest(all, url); best != "" {
			words += "did you mean " + best + "? "
		}
		of := ""
		if resourceType != "" {
			of = " for " + resourceType
		}
		words += "loaded" + of + ": " + shortList(fitting)
	default:
		words += "no profile for " + resourceType + " is loaded, only " + shortList(all)
	}
	return issue.New(issue.NotSupported, "profile-unknown", words).With("the profile is %.200q", canonical)
}

// profiles lists the canonicals of what is loaded, with their versions, sorted; for one
// type, or for all when that is "".
func (v *validator) profiles(resourceType string) []string {
	var out []string
	for name := range v.loaded {
		if v.versioned[name] && (resourceType == "" || v.types[name] == resourceType) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// shortList names as many as can be read at a glance.
func shortList(names []string) string {
	const shown = 8
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s, … (%d in all)", strings.Join(names[:shown], ", "), len(names))
}

// lastPartNearest finds the canonical whose name, after the last slash, is that of url
// but for the case of its letters, or that begins or ends as it does; "" for none.
func lastPartNearest(canonicals []string, url string) string {
	last := func(s string) string {
		s, _, _ = strings.Cut(s, "|")
		return strings.ToLower(s[strings.LastIndexByte(s, '/')+1:])
	}
	want := last(url)
	if want == "" {
		return ""
	}
	for _, c := range canonicals {
		if last(c) == want {
			return c
		}
	}
	for _, c := range canonicals {
		if have := last(c); strings.HasSuffix(have, "-"+want) || strings.HasSuffix(want, "-"+have) {
			return c
		}
	}
	return ""
}

// standardType is the type that a canonical of the base standard names, "" for any other.
func standardType(canonical string) string {
	url, _, _ := strings.Cut(canonical, "|")
	name, ok := strings.CutPrefix(url, "http://hl7.org/fhir/StructureDefinition/")
	if !ok || fhir.Types(fhir.R4).Type(name) == nil && fhir.Types(fhir.STU3).Type(name) == nil {
		return ""
	}
	return name
}

// typeOf is what a profile is for, "" when it is not loaded.
func (v *validator) typeOf(canonical string) string {
	if t := standardType(canonical); t != "" {
		return t
	}
	return v.types[canonical]
}

// release tells which FHIR version a resource is of, from what it holds: a type of
// resource that only one version has, or a profile that is published for one.
func release(root *fhir.Node) *fhir.System {
	r4, stu3 := fhir.Types(fhir.R4), fhir.Types(fhir.STU3)
	for _, n := range resources(root) {
		if name := n.ResourceType(); r4.Resource(name) == nil && stu3.Resource(name) != nil {
			return stu3
		}
		for _, p := range n.Child("meta").All("profile") {
			if strings.Contains(p.Value, "/STU3/") {
				return stu3
			}
		}
	}
	return r4
}
