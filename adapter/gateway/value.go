package gateway

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// valueOf reads one alternative of a search parameter.
func valueOf(known referral.SearchParam, modifier, text, base string) (referral.Value, *issue.Error) {
	switch known.Kind {
	case referral.ParamToken:
		return tokenValue(known.Name, text)
	case referral.ParamString:
		return referral.Value{Text: strings.ToLower(unescape(text))}, nil
	case referral.ParamDate, referral.ParamUpdated:
		return dateValue(known.Name, text)
	case referral.ParamRef:
		return referenceValue(known.Name, modifier, unescape(text), base)
	case referral.ParamPatient:
		id := strings.TrimPrefix(local(unescape(text), base), "Patient/")
		return referral.Value{Text: id}, nil
	case referral.ParamOwner, referral.ParamRequester:
		return organisationValue(known.Name, text)
	}
	return referral.Value{Text: unescape(text)}, nil
}

// organisationValue reads an organisation by its ODS code: it is known by its identifier,
// and Task.owner refers to it in that way.
// Source: http://hl7.org/fhir/R4/search.html#reference, the modifier identifier.
func organisationValue(name, text string) (referral.Value, *issue.Error) {
	ods, ok := referral.ODSCode(unescape(text))
	if !ok {
		return referral.Value{}, issue.Newf(issue.Value, "search-organisation", "%s names an organisation by its ODS code: write %s:identifier=%s|Y99201", name, name, referral.SystemODS).
			At("http."+name).With("the value is %q", text)
	}
	return referral.Value{Text: ods}, nil
}

// tokenValue reads code, system|code, |code or system|.
// Source: http://hl7.org/fhir/R4/search.html#token.
func tokenValue(name, text string) (referral.Value, *issue.Error) {
	parts := splitEscaped(text, '|', 3)
	switch {
	case len(parts) == 1:
		return referral.Value{AnySystem: true, Text: unescape(text)}, nil
	case len(parts) > 2 || text == "|":
		return referral.Value{}, issue.Newf(issue.Value, "search-token", `%s must be code, system|code, |code or system|; write \| for a bar within a code`, name).
			At("http."+name).With("the value is %q", text)
	}
	return referral.Value{System: unescape(parts[0]), Text: unescape(parts[1]), AnyCode: parts[1] == ""}, nil
}

// referenceValue reads Type/id, the full address of a resource here, or an id where
// the modifier names its type.
// Source: http://hl7.org/fhir/R4/search.html#reference.
func referenceValue(name, modifier, text, base string) (referral.Value, *issue.Error) {
	text = local(text, base)
	switch {
	case strings.ContainsAny(text, "/:"): // the address of something elsewhere has one of them too
	case modifier != "":
		text = modifier + "/" + text
	default:
		return referral.Value{}, issue.Newf(issue.Value, "search-reference", "%s must be Type/id, such as ServiceRequest/1", name).
			At("http."+name).With("the value is %q", text)
	}
	return referral.Value{Text: text}, nil
}

// local makes a full address of a resource here relative, and takes a version off.
func local(reference, base string) string {
	reference = strings.TrimPrefix(reference, base)
	if i := strings.Index(reference, "/_history/"); i > 0 {
		reference = reference[:i]
	}
	return reference
}

// prefixes are the comparisons that the store can make.
// Source: http://hl7.org/fhir/R4/search.html#prefix; sa, eb and ap are not offered.
var prefixes = []string{"eq", "ne", "gt", "lt", "ge", "le"}

func dateValue(name, text string) (referral.Value, *issue.Error) {
	v := referral.Value{Prefix: "eq"}
	date := text
	if len(text) > 2 && text[0] >= 'a' && text[2] >= '0' && text[2] <= '9' {
		v.Prefix, date = text[:2], text[2:]
		if !slices.Contains(prefixes, v.Prefix) {
			return referral.Value{}, issue.Newf(issue.Invalid, "search-prefix", "%s takes the prefixes %s", name, strings.Join(prefixes, ", ")).
				At("http."+name).With("the value is %q", text)
		}
	}
	var ok bool
	if v.From, v.To, ok = fhir.Interval(date); !ok {
		return v, badDate(name, text)
	}
	return v, nil
}

func badDate(name, text string) *issue.Error {
	return issue.Newf(issue.Value, "search-date", "%s must be a date or dateTime such as 2026-02, 2026-02-17 or 2026-02-17T09:30:00Z; write the + of an offset as %%2B", name).
		At("http."+name).With("the value is %q", text)
}
