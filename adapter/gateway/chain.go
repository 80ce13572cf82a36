package gateway

import (
	"slices"
	"strings"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// hasParameter asks for what others refer to.
const hasParameter = "_has"

// maxIncludes is how many links one search may include.
const maxIncludes = 10

// chain takes a chained parameter apart: patient.identifier, or subject:Patient.identifier
// with the type in between. rest is what is asked of the other end. For any other parameter
// name is its own.
// Source: http://hl7.org/fhir/R4/search.html#chaining.
func (p parameter) chain() (name, target string, rest parameter, chained bool) {
	if name, inner, ok := strings.Cut(p.name, "."); ok {
		return name, "", parameter{inner, p.modifier, p.value}, true
	}
	target, inner, ok := strings.Cut(p.modifier, ".")
	if !ok {
		return p.name, "", parameter{}, false
	}
	inner, modifier, _ := strings.Cut(inner, ":")
	return p.name, target, parameter{inner, modifier, p.value}, true
}

// chainCondition makes a condition on what a reference leads to. target is the type that
// was named, "" for none. A chain that is not offered is refused, since leaving it out would
// find everybody. Errors: invalid, and those of conditionOf.
func chainCondition(resourceType string, known referral.SearchParam, target string, of paramsOf, rest parameter, base string, limit int) (referral.Condition, int, *issue.Error) {
	refuse := func(details string) (referral.Condition, int, *issue.Error) {
		return referral.Condition{}, 0, issue.New(issue.Invalid, "search-chain", details).At("http." + known.Name)
	}
	if organisation := known.Kind == referral.ParamOwner || known.Kind == referral.ParamRequester; organisation {
		if rest.key() != "identifier" || target != "" && target != "Organization" {
			return refuse(known.Name + " leads to an organisation, which is known by its identifier alone: write " + known.Name + ".identifier")
		}
		return conditionOf(known, parameter{known.Name, referral.ModifierIdentifier, rest.value}, base, limit)
	}
	switch {
	case len(known.Targets) == 0:
		return refuse(known.Name + " cannot be chained: search by it itself")
	case target == "" && len(known.Targets) > 1:
		return refuse(known.Name + " leads to several types; name one of " + strings.Join(known.Targets, ", ") + ", as in " + known.Name + ":" + known.Targets[0] + "." + rest.name)
	case target == "":
		target = known.Targets[0]
	case !slices.Contains(known.Targets, target):
		return refuse(known.Name + " leads to " + strings.Join(known.Targets, ", ") + " here, and to no other type")
	}
	link := &referral.Link{From: resourceType, Param: known.Name, Kind: known.Kind, To: target}
	return otherCondition(link, false, of, rest, base, limit)
}

// hasCondition makes a condition on what refers to a resource: _has:Task:patient:status.
// Source: http://hl7.org/fhir/R4/search.html#has.
func hasCondition(resourceType string, of paramsOf, p parameter, base string, limit int) (referral.Condition, int, *issue.Error) {
	parts := strings.SplitN(p.modifier, ":", 4)
	if len(parts) < 3 {
		return referral.Condition{}, 0, issue.New(issue.Value, "search-has", "_has names a type, its reference and its parameter, as in _has:Task:patient:status=requested").At("http._has")
	}
	link, ok := linkOf(of, parts[0], parts[1], resourceType)
	if !ok {
		return referral.Condition{}, 0, issue.Newf(issue.Invalid, "search-has", "no such reference leads to %s here; the CapabilityStatement lists those that do with searchRevInclude", resourceType).
			At("http._has").With("the parameter is %.200q", p.key())
	}
	rest := parameter{name: parts[2], value: p.value}
	if len(parts) == 4 {
		rest.modifier = parts[3]
	}
	return otherCondition(link, true, of, rest, base, limit)
}

// otherCondition makes a condition on the other end of a link. One step is taken: what is
// asked there is asked of that resource itself.
func otherCondition(link *referral.Link, back bool, of paramsOf, rest parameter, base string, limit int) (referral.Condition, int, *issue.Error) {
	other := link.To
	if back {
		other = link.From
	}
	known := searchParams(of(other))
	i := slices.IndexFunc(known, func(k referral.SearchParam) bool { return k.Name == rest.name })
	if i < 0 {
		var names []string
		for _, k := range known {
			names = append(names, k.Name)
		}
		return referral.Condition{}, 0, issue.Newf(issue.Invalid, "search-chain", "%s is searched by %s here, in one step", other, strings.Join(names, ", ")).
			At("http."+link.Param).With("the parameter is %.200q", rest.key())
	}
	if rest.modifier == referral.ModifierIdentifier && len(known[i].Targets) > 0 {
		return referral.Condition{}, 0, issue.Newf(issue.Invalid, "search-chain", "a search takes one step; %s:identifier is another", rest.name).At("http." + link.Param)
	}
	c, count, err := conditionOf(known[i], rest, base, limit)
	c.Link, c.Back = link, back
	return c, count, err
}

// linkOf finds the reference by which one type leads to another.
func linkOf(of paramsOf, from, param, to string) (*referral.Link, bool) {
	for _, p := range of(from) {
		if p.Name == param && slices.Contains(p.Targets, to) {
			return &referral.Link{From: from, Param: param, Kind: p.Kind, To: to}, true
		}
	}
	return nil, false
}

// includes takes a parameter _include or _revinclude: Type:reference, or
// Type:reference:Target. Errors: invalid for what is not offered, too-costly.
// Source: http://hl7.org/fhir/R4/search.html#include.
func (r *searchRequest) includes(of paramsOf, p parameter) *issue.Error {
	parts := strings.Split(p.value, ":")
	refuse := func() *issue.Error {
		return issue.Newf(issue.Invalid, "search-include", "%s is Type:reference as the CapabilityStatement lists it, in one step", p.name).At("http."+p.name).With("%s is %.200q", p.key(), p.value)
	}
	if p.modifier != "" || len(parts) < 2 || len(parts) > 3 {
		return refuse()
	}
	var links []referral.Link
	for _, known := range of(parts[0]) {
		for _, target := range known.Targets {
			if known.Name == parts[1] && (len(parts) == 2 || parts[2] == target) &&
				(p.name == "_include" && parts[0] == r.query.Type || p.name == "_revinclude" && target == r.query.Type) {
				links = append(links, referral.Link{From: parts[0], Param: known.Name, Kind: known.Kind, To: target})
			}
		}
	}
	if len(links) == 0 {
		return refuse()
	}
	list := &r.query.Included
	if p.name == "_revinclude" {
		list = &r.query.Referring
	}
	links = slices.DeleteFunc(links, func(l referral.Link) bool { return slices.Contains(*list, l) })
	if len(r.query.Included)+len(r.query.Referring)+len(links) > maxIncludes {
		return issue.Newf(issue.TooCostly, "search-includes", "a search includes at most %d kinds of reference", maxIncludes).At("http." + p.name)
	}
	for _, l := range links {
		r.looksAt(l.To)
		r.looksAt(l.From)
	}
	*list = append(*list, links...)
	return nil
}

// looksAt notes that a search reads a type, which its caller must be allowed to search.
func (r *searchRequest) looksAt(resourceType string) {
	if resourceType != r.query.Type && !slices.Contains(r.others, resourceType) {
		r.others = append(r.others, resourceType)
	}
}

// references gives the references of a type that can be included, and those that lead to it, as
// a CapabilityStatement writes them.
func (g *gateway) references(resource string) (from, to []string) {
	for _, t := range g.Operations.ResourceTypes() {
		for _, p := range g.Operations.SearchParams(t) {
			for _, target := range p.Targets {
				name := t + ":" + p.Name
				if t == resource && !slices.Contains(from, name) {
					from = append(from, name)
				}
				if target == resource {
					to = append(to, name)
				}
			}
		}
	}
	return from, to
}

// notes says of a parameter how it may be written beside its name, "" when that is all.
func (g *gateway) notes(p referral.SearchParam) string {
	var text []string
	if p.Kind == referral.ParamOwner || p.Kind == referral.ParamRequester {
		text = append(text, "Chained: "+p.Name+".identifier.")
	}
	for _, target := range p.Targets {
		var chains []string
		for _, inner := range searchParams(g.Operations.SearchParams(target)) {
			chains = append(chains, p.Name+":"+target+"."+inner.Name)
		}
		text = append(text, "Chained: "+strings.Join(chains, ", ")+".")
	}
	if len(p.Targets) == 1 {
		text = append(text, "The type may be left out.")
	}
	if len(p.Modifiers) > 0 {
		text = append(text, "Modifiers: "+strings.Join(p.Modifiers, ", ")+".")
	}
	return strings.Join(text, " ")
}
