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

	intake *referral.Service // what takes messages in, asked what it refuses
}

// question is what is asked of a validator beside what holds for every resource.
type question struct {
	profiles    []string // canonicals that the resource must conform to beside those it claims
	intake      bool     // whether sending it would be refused, as far as that needs nothing stored
	mustSupport bool     // which must-support elements are missing

	stop func() bool // whether nobody waits for the answer any more; nil for never
}

// validate checks a parsed resource against everything that is known of it: its
// structure, the invariants of the base standard, check digits, the profiles that it
// claims and those that are named, and when asked what an intake would refuse in it.
//
// It returns every issue in the order of the text, nil when there is none. What follows
// from a fault that was told is left out: an element whose form is wrong is not told
// again by a profile, and one cause is not told by two rules.
func (v *validator) validate(root *fhir.Node, q question) []*issue.Error {
	found := issue.All(fhir.Check(root))
	type words struct{ rule, expression, details string }
	told, seen := map[string]bool{}, map[words]bool{}
	for _, e := range found {
		told[e.Expression] = true
		seen[words{e.Rule, e.Expression, e.Details}] = true
		if e.Rule == "reference-target" { // which profiles tell of the whole Reference
			told[strings.TrimSuffix(e.Expression, ".reference")] = true
		}
	}
	set := v.sets[root.System()]
	more := referral.CheckDigits(root)
	more = append(more, issue.All(set.ValidateUntil(q.stop, root, q.profiles...))...)
	for _, n := range resources(root) {
		if q.stop != nil && q.stop() {
			break
		}
		delete(told, n.Path()) // many things may be wrong with a resource
		if q.mustSupport {
			var named []string
			if n == root {
				named = q.profiles
			}
			more = append(more, set.MustSupport(n, named...)...)
		}
	}
	refused := map[string]bool{}
	if q.intake {
		for _, e := range v.refused(root) {
			more = append(more, e)
			refused[e.Expression] = refused[e.Expression] || e.Rule == "modifier-extension"
		}
	}
	for _, e := range more {
		w := words{e.Rule, e.Expression, e.Details}
		unknown := e.Rule == "extension-unknown" && refused[e.Expression] // a warning of the same
		if !told[e.Expression] && !seen[w] && !unknown {
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

// claims reports whether a resource, or one in it, claims a profile that is loaded.
func (v *validator) claims(root *fhir.Node) bool {
	return slices.ContainsFunc(resources(root), func(n *fhir.Node) bool {
		return slices.ContainsFunc(n.Child("meta").All("profile"), func(p *fhir.Node) bool { return v.loaded[p.Value] == root.System() })
	})
}

// refused is what an intake says of a resource without looking at what is stored.
func (v *validator) refused(root *fhir.Node) []*issue.Error {
	if root.System() != fhir.Types(fhir.R4) {
		return []*issue.Error{issue.New(issue.NotSupported, "intake-version", "this is FHIR STU3; the intake takes FHIR R4").At(root.Path()).On(root.Position())}
	}
	return v.intake.Examine(root)
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

// known says whether a profile can be asked for, and names the one that was meant, or
// those that can be asked for, where it cannot. resourceType is what it is wanted for, ""
// when that is not known.
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
	case meantProfile(all, url) != "":
		words += "did you mean " + meantProfile(all, url) + "?"
	case resourceType == "":
		words += plural(len(all), "other") + " can be named"
	case len(fitting) > 0:
		words += "loaded for " + resourceType + ": " + shortList(fitting)
	default:
		words += "no profile for " + resourceType + " is loaded"
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

// meantProfile finds the canonical that was probably meant: its name, after the last
// slash, is that of url but for the case of its letters, begins or ends as it does, or
// differs in few letters; "" for none.
func meantProfile(canonicals []string, url string) string {
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
	names := make([]string, len(canonicals))
	for i, c := range canonicals {
		names[i] = last(c)
	}
	if near := issue.Nearest(names, want); near != "" {
		return canonicals[slices.Index(names, near)]
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

// evidence counts the resources that can only be of FHIR R4, and those of STU3: by a type
// that one version alone has, or a profile that is published or loaded for it.
func (v *validator) evidence(root *fhir.Node) (r4, stu3 int) {
	is, was := fhir.Types(fhir.R4), fhir.Types(fhir.STU3)
	for _, n := range resources(root) {
		name := n.ResourceType()
		now, before := is.Resource(name) != nil, was.Resource(name) != nil
		if now == before {
			now, before = false, false
			for _, p := range n.Child("meta").All("profile") {
				of := v.loaded[p.Value]
				now = now || of == is || strings.Contains(p.Value, "/R4/") || strings.Contains(p.Value, "/UKCore-")
				before = before || of == was || strings.Contains(p.Value, "/STU3/") || strings.Contains(p.Value, "/CareConnect-")
			}
		}
		switch {
		case now && !before:
			r4++
		case before && !now:
			stu3++
		}
	}
	return r4, stu3
}
