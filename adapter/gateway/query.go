package gateway

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// maxAlternatives bounds the values that one parameter may offer with commas.
const maxAlternatives = 200

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
}

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
// end, for references that are written in full. A parameter nobody knows is left
// out, or refused when strict; so is a value that is empty. All faults are told at once.
//
// Errors: value and invalid for what cannot be read or is not offered; too-costly.
func parseSearch(resourceType string, own []referral.SearchParam, base string, params []parameter, strict bool) (searchRequest, error) {
	r := searchRequest{query: referral.Query{Type: resourceType, Total: true}}
	known := searchParams(own)
	control := newPaging()
	var faults []*issue.Error
	for _, p := range params {
		switch {
		case p.formal() || p.value == "":
			continue
		case control.take(p, &faults):
			continue
		}
		if used, err := r.control(p, control); err != nil {
			faults = append(faults, err)
			continue
		} else if used {
			r.used = append(r.used, p)
			continue
		}
		// "patient.name" is a chain: dropping it would widen the search to everybody
		name, _, chained := strings.Cut(p.name, ".")
		i := slices.IndexFunc(known, func(k referral.SearchParam) bool { return k.Name == name })
		switch {
		case i < 0 && strict:
			faults = append(faults, unknownParameter(p))
		case i < 0:
		case chained:
			faults = append(faults, issue.Newf(issue.Invalid, "search-chain", "chained search is not offered; search by %s itself", name).At("http."+name))
		default:
			condition, err := conditionOf(known[i], p, base)
			if err != nil {
				faults = append(faults, err)
			} else if len(condition.Values) > 0 {
				r.query.Conditions = append(r.query.Conditions, condition)
				r.used = append(r.used, p)
			}
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
		return p.value == "-_lastUpdated", nil // the order there is
	}
	return false, nil
}

// conditionOf makes the condition of one known parameter: its comma-separated values
// are alternatives. Empty alternatives are left out.
func conditionOf(known referral.SearchParam, p parameter, base string) (referral.Condition, *issue.Error) {
	c := referral.Condition{Param: known.Name, Kind: known.Kind}
	if p.modifier != "" && !typeModifier(known, p.modifier) {
		return c, issue.Newf(issue.Invalid, "search-modifier", "%s is not offered with that modifier", known.Name).
			At("http."+known.Name).With("the modifier is %q", p.modifier)
	}
	for _, text := range splitEscaped(p.value, ',') {
		if text == "" {
			continue
		}
		if len(c.Values) >= maxAlternatives {
			return c, issue.Newf(issue.TooCostly, "search-alternatives", "%s has too many alternatives; at most %d are taken", known.Name, maxAlternatives).At("http." + known.Name)
		}
		value, err := valueOf(known, p.modifier, text, base)
		if err != nil {
			return c, err
		}
		c.Values = append(c.Values, value)
	}
	return c, nil
}

// typeModifier reports whether a modifier is the type that a reference goes to, such
// as patient:Patient. No other modifier is offered.
func typeModifier(known referral.SearchParam, modifier string) bool {
	switch known.Kind {
	case referral.ParamPatient:
		return modifier == "Patient"
	case referral.ParamRef:
		return fhir.Types(fhir.R4).Resource(modifier) != nil
	}
	return false
}
