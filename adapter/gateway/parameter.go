package gateway

import (
	"net/url"
	"strings"

	"spadapter/adapter/issue"
)

// maxParameters bounds a query, and maxQuery its characters as it is sent. The longest search
// that makes sense has a dozen parameters; 200 alternatives of 64 characters fit.
const (
	maxParameters = 100
	maxQuery      = 16 << 10
)

// parameter is one name=value of a query, decoded.
type parameter struct {
	name     string // "patient"
	modifier string // "Patient" of "patient:Patient", "" when none
	value    string
}

// key is the name with its modifier.
func (p parameter) key() string {
	if p.modifier == "" {
		return p.name
	}
	return p.name + ":" + p.modifier
}

// formal reports whether p is about the form of the response, not its content.
func (p parameter) formal() bool { return p.name == "_format" || p.name == "_pretty" }

// splitQuery takes a query string apart, in its order. Errors: value for a wrong
// escape, too-costly for too many parameters or characters.
func splitQuery(raw string) ([]parameter, error) {
	if raw == "" {
		return nil, nil
	}
	if len(raw) > maxQuery {
		return nil, issue.Newf(issue.TooCostly, "query-length", "a query may have at most %d characters", maxQuery)
	}
	list := make([]parameter, 0, 1+min(strings.Count(raw, "&"), maxParameters))
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		if len(list) == maxParameters {
			return nil, issue.Newf(issue.TooCostly, "query-limit", "a query may have at most %d parameters", maxParameters)
		}
		key, value, _ := strings.Cut(pair, "=")
		key, keyErr := url.QueryUnescape(key)
		value, valueErr := url.QueryUnescape(value)
		if keyErr != nil || valueErr != nil {
			return nil, issue.New(issue.Value, "query-escape", "the query has a % that no two hexadecimal digits follow")
		}
		name, modifier, _ := strings.Cut(key, ":")
		list = append(list, parameter{name, modifier, value})
	}
	return list, nil
}

// splitEscaped cuts text at each sep that no backslash precedes, and leaves the
// escapes in place. It makes at most limit parts; the last is then the rest. Source: http://hl7.org/fhir/R4/search.html#escaping.
func splitEscaped(text string, sep byte, limit int) []string {
	var parts []string
	start := 0
	for i := 0; i < len(text) && len(parts) < limit-1; i++ {
		switch text[i] {
		case '\\':
			i++
		case sep:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

// unescape takes the backslashes out of one value.
func unescape(text string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) && strings.IndexByte(`,|$\`, text[i+1]) >= 0 {
			i++
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

// unknownParameter refuses a parameter that a strict client would not have ignored.
func unknownParameter(p parameter) *issue.Error {
	return issue.New(issue.Invalid, "search-unknown", "there is no such search parameter here; the CapabilityStatement lists them").With("the parameter is %.200q", p.key())
}

// ignoredParameter tells a client that is not strict what its search was not asked.
func ignoredParameter(p parameter) *issue.Error {
	e := unknownParameter(p).Graded(issue.SeverityWarning)
	e.Type, e.Rule, e.Details = issue.NotSupported, "search-ignored", "there is no such search parameter here, and it was ignored; Prefer: handling=strict refuses such a search"
	return e
}
