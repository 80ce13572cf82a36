package profile

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// target checks what a reference leads to, as far as the reference itself or the message
// around it tells: its type, and, where it lies in the message, the profile it must
// conform to.
func (v *validator) target(e *element, n *fhir.Node) {
	name, to := v.referred(n)
	if name == "" || v.env.System.Resource(name) == nil {
		return
	}
	var names, urls []string
	any := false
	for _, t := range e.targets {
		if !slices.Contains(names, t.name) {
			names = append(names, t.name)
		}
		if t.name == name || v.env.System.Type(name).Is(t.name) {
			any = any || t.url == ""
			urls = append(urls, t.url)
		}
	}
	if len(urls) == 0 {
		v.fault(issue.BusinessRule, n, e.refers, e, e.path+" must refer to "+strings.Join(names, " or ")+", not to "+name)
		return
	}
	if any || to == nil || v.says(to, urls) {
		return
	}
	if ok, known := v.conformsToAny(urls, to); ok || !known {
		return
	}
	problem := v.fault(issue.BusinessRule, n, e.refers, e, e.path+" must refer to "+a(name)+" that conforms to "+v.profile(urls[0]).Name+", and the one it leads to does not")
	if found, ok := v.within(v.profile(urls[0]), to); ok && len(found) > 0 {
		problem.Details += ": " + found[0].Details
	}
}

// referred is the resource type that a reference leads to, "" when nothing tells, and the
// resource where it is in the message.
func (v *validator) referred(n *fhir.Node) (name string, to *fhir.Node) {
	if to := v.resolve(n); to != nil {
		return to.ResourceType(), to
	}
	if literal, ok := fhir.ParseReference(v.env.System, n.Text("reference")); ok && literal.Type != "" {
		return literal.Type, nil
	}
	return n.Text("type"), nil
}

// says reports whether a resource says itself that it conforms to one of the profiles:
// its faults are then reported on it, and not again on every reference to it.
func (v *validator) says(n *fhir.Node, urls []string) bool {
	if v.set == nil {
		return false
	}
	for _, p := range n.Child("meta").All("profile") {
		if !v.spend(1) {
			return false
		}
		claimed, _, _ := strings.Cut(p.Value, "|")
		for _, url := range urls {
			if url, _, _ = strings.Cut(url, "|"); url == claimed {
				return true
			}
		}
	}
	return false
}

// profile finds another profile, nil when it is not here.
func (v *validator) profile(url string) *Profile {
	switch {
	case v.set != nil:
		return v.set.Profile(url)
	case v.env.Profile != nil:
		url, _, _ = strings.Cut(url, "|")
		return v.env.Profile(url)
	}
	return nil
}

// within is what a profile within a profile says of a node. Each is asked once about
// each node; false for what is being asked already, or lies too deep.
func (v *validator) within(p *Profile, n *fhir.Node) ([]*issue.Error, bool) {
	key := pairing{p, n}
	if have := v.results[key]; have != nil {
		return have.found, have.done
	}
	if v.depth > 8 {
		return nil, false
	}
	if v.results == nil {
		v.results = map[pairing]*outcome{}
	}
	result := &outcome{}
	v.results[key] = result
	outer := v.found
	v.found = nil
	v.depth++
	v.resource(p, n)
	v.depth--
	result.found, result.done = v.found, true
	v.found = outer
	return result.found, true
}

// profiled checks the profiles that an element's types name, where they are loaded: the
// node must conform to one of those of its type.
func (v *validator) profiled(e *element, n *fhir.Node) {
	var first *outcome
	for _, t := range e.profiles {
		if n.Type == nil || !n.Type.Is(t.of.Name) {
			continue
		}
		if v.set != nil && n.Type.Name == "Extension" {
			if url, _, _ := strings.Cut(t.url, "|"); url == n.Text("url") {
				return // the Set checks every extension against its definition
			}
		}
		p := v.profile(t.url)
		if p == nil {
			if v.set != nil && v.once("profile "+t.url) {
				v.fault(issue.NotFound, n, e.refers, e, "the profile "+t.url+" of "+e.path+" is not loaded, so it was not checked").Graded(issue.SeverityInformation)
			}
			return // it may be that one
		}
		found, ok := v.within(p, n)
		if !ok || !fails(found) {
			return
		}
		if first == nil {
			first = v.results[pairing{p, n}]
		}
	}
	if first == nil || first.reported {
		return
	}
	first.reported = true
	for _, problem := range first.found {
		if len(v.found) < maxIssues {
			v.found = append(v.found, problem)
		}
	}
}

func fails(found []*issue.Error) bool {
	return slices.ContainsFunc(found, (*issue.Error).Failure)
}
