package gateway

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// maxAlternatives bounds the values that all parameters of one search offer with
// commas, maxConditions those parameters.
const (
	maxAlternatives = 200
	maxConditions   = 50
)

// commonParams are the parameters of every type.
// Source: http://hl7.org/fhir/R4/search.html#all.
var commonParams = []referral.SearchParam{
	{Name: "_id", Kind: referral.ParamID, Type: "token", Definition: "http://hl7.org/fhir/SearchParameter/Resource-id"},
	{Name: "_lastUpdated", Kind: referral.ParamUpdated, Type: "date", Definition: "http://hl7.org/fhir/SearchParameter/Resource-lastUpdated"},
}

// searchRequest is a search as the domain takes it, and the parameters that were used.
type searchRequest struct {
	query referral.Query
	used  []parameter

	ignored []*issue.Error // warnings, one for each parameter that nobody knows
	others  []string       // types that are looked at beside the one that is searched, each once
}

// paramsOf gives what a type can be searched by, nil for a type that cannot be.
type paramsOf func(resourceType string) []referral.SearchParam

// searchParams gives what a type can be searched by, the common ones first.
func searchParams(own []referral.SearchParam) []referral.SearchParam {
	list := slices.Clone(commonParams)
	for _, p := range own {
		if !slices.ContainsFunc(commonParams, func(c referral.SearchParam) bool { return c.Name == p.Name }) {
			list = append(list, p)
		}
	}
	return list
}

// parseSearch makes a Query of parameters. base is the FHIR base with a slash at its
// end, for references that are written in full. A parameter nobody knows is ignored
// with a warning, or refused when strict. One that is offered counts always: without a
// value, or written in another case, it is refused, since leaving it out would find
// everybody. All faults are told at once.
//
// Errors: value and invalid for what cannot be read or is not offered; too-costly.
func parseSearch(resourceType string, of paramsOf, base string, params []parameter, strict bool) (searchRequest, error) {
	r := searchRequest{query: referral.Query{Type: resourceType, Total: true}}
	known := searchParams(of(resourceType))
	control := newPaging()
	alternatives := 0
	var faults []*issue.Error
	for _, p := range params {
		name, target, rest, chained := p.chain()
		i := slices.IndexFunc(known, func(k referral.SearchParam) bool { return strings.EqualFold(k.Name, name) })
		switch {
		case p.formal() || i < 0 && p.value == "" && p.name != hasParameter:
			continue
		case control.take(p, &faults):
			continue
		case len(r.used) >= maxConditions:
			return r, issue.Newf(issue.TooCostly, "search-conditions", "a search may have at most %d parameters", maxConditions)
		}
		if used, err := r.control(p, control); err != nil {
			faults = append(faults, err)
			continue
		} else if used {
			r.used = append(r.used, p)
			continue
		}
		add := func(c referral.Condition, count int, err *issue.Error) {
			if alternatives += count; err != nil {
				faults = append(faults, err)
				return
			}
			if c.Link != nil {
				r.looksAt(c.Link.To)
				r.looksAt(c.Link.From)
			}
			r.query.Conditions = append(r.query.Conditions, c)
			r.used = append(r.used, p)
		}
		limit := maxAlternatives - alternatives
		switch {
		case p.name == hasParameter:
			add(hasCondition(resourceType, of, p, base, limit))
		case p.name == "_include" || p.name == "_revinclude":
			if err := r.includes(of, p); err == nil {
				r.used = append(r.used, p)
			} else if strict {
				faults = append(faults, err)
			} else {
				r.ignored = append(r.ignored, err.Graded(issue.SeverityWarning))
			}
		case i < 0 && strict:
			faults = append(faults, unknownParameter(p))
		case i < 0:
			r.ignored = append(r.ignored, ignoredParameter(p))
		case known[i].Name != name:
			faults = append(faults, issue.Newf(issue.Invalid, "search-case", "the names of search parameters are case-sensitive; write %s", known[i].Name).At("http."+known[i].Name).
				With("the parameter is %.200q", p.key()))
		case chained:
			add(chainCondition(resourceType, known[i], target, of, rest, base, limit))
		case p.modifier == referral.ModifierIdentifier && len(known[i].Targets) > 0 && slices.Contains(known[i].Modifiers, p.modifier):
			add(chainCondition(resourceType, known[i], "", of, parameter{name: "identifier", value: p.value}, base, limit))
		default:
			add(conditionOf(known[i], p, base, limit))
		}
	}
	r.query.Page = control.page
	r.used = append(r.used, control.used()...)
	return r, issue.Join(faults)
}

// control takes the parameters that shape a result: _total, _summary and _sort. It
// reports whether p was used; what it cannot do is left to be unknown.
// Source: http://hl7.org/fhir/R4/search.html#return.
func (r *searchRequest) control(p parameter, paging *paging) (used bool, err *issue.Error) {
	if p.modifier != "" {
		return false, nil
	}
	switch p.name {
	case "_total":
		switch p.value {
		case "none":
			r.query.Total = false
		case "estimate", "accurate":
			r.query.Total = true
		default:
			return false, issue.New(issue.Value, "search-total", "_total must be none, estimate or accurate").At("http._total").With("_total is %q", p.value)
		}
		return true, nil
	case "_summary":
		if p.value == "count" {
			r.query.Total = true
			paging.page.Count = 0
		}
		return p.value == "count" || p.value == "false", nil
	case "_sort":
		if r.query.Oldest = p.value == "_lastUpdated" && directoryParams[r.query.Type] == nil; r.query.Oldest {
			return true, nil
		}
		return p.value == "-_lastUpdated", nil
	}
	return false, nil
}

// conditionOf makes the condition of one known parameter: its comma-separated values
// are alternatives, of which there may be limit, and how many there are is given back.
// Empty ones are left out, and one must remain.
func conditionOf(known referral.SearchParam, p parameter, base string, limit int) (referral.Condition, int, *issue.Error) {
	c := referral.Condition{Param: known.Name, Kind: known.Kind}
	if p.modifier != "" && !typeModifier(known, p.modifier) && !slices.Contains(known.Modifiers, p.modifier) {
		return c, 0, issue.Newf(issue.Invalid, "search-modifier", "%s is not offered with that modifier", known.Name).
			At("http."+known.Name).With("the modifier is %.200q", p.modifier)
	}
	if p.modifier == referral.ModifierMissing {
		if c.Absent = absence[p.value]; c.Absent == referral.Either {
			return c, 0, issue.Newf(issue.Value, "search-missing", "%s:missing must be true or false", known.Name).At("http."+known.Name).With("the value is %.200q", p.value)
		}
		return c, 1, nil
	}
	c.Not = p.modifier == referral.ModifierNot
	alternatives := splitEscaped(p.value, ',', limit+1)
	if len(alternatives) > limit {
		return c, limit, issue.Newf(issue.TooCostly, "search-alternatives", "a search may have at most %d alternatives over all its parameters", maxAlternatives).At("http." + known.Name)
	}
	for _, text := range alternatives {
		if text == "" {
			continue
		}
		value, err := valueOf(known, p.modifier, text, base)
		if err != nil {
			return c, len(alternatives), err
		}
		c.Values = append(c.Values, value)
	}
	if len(c.Values) == 0 {
		return c, len(alternatives), issue.Newf(issue.Value, "search-empty", "%s has no value; give one, or leave the parameter out", known.Name).At("http." + known.Name)
	}
	return c, len(alternatives), nil
}

// absence is what the values of the modifier missing ask for.
var absence = map[string]referral.Wanted{"true": referral.Yes, "false": referral.No}

// typeModifier reports whether a modifier is the type that a reference goes to, such
// as patient:Patient.
func typeModifier(known referral.SearchParam, modifier string) bool {
	switch known.Kind {
	case referral.ParamPatient:
		return modifier == "Patient"
	case referral.ParamRef:
		return fhir.Types(fhir.R4).Resource(modifier) != nil
	}
	return false
}
