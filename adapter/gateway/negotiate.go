package gateway

import (
	"mime"
	"strconv"
	"strings"

	"spadapter/adapter/issue"
)

// negotiate reads the query, and what the client wants back: _format, which
// overrides Accept, and Prefer. JSON is the only format.
// Source: http://hl7.org/fhir/R4/http.html#mime-type, #general.
func (x *exchange) negotiate() error {
	var err error
	if x.query, err = splitQuery(x.Request.URL.RawQuery); err != nil {
		return err
	}
	x.prefer = parsePrefer(x.Request.Header.Values("Prefer"))
	names := jsonNames
	if x.route.surface == surfaceAPI {
		names = plainNames
	}
	format := ""
	for _, p := range x.query {
		switch p.name {
		case "_format":
			format = p.value
		case "_pretty":
			x.pretty = p.value == "true"
		}
	}
	if x.route.surface == surfaceFHIR && format != "" {
		// "+" decodes to a blank, and everybody forgets to write %2B
		if format == "json" || acceptable(strings.ReplaceAll(format, " ", "+"), names) {
			return nil
		}
		return issue.New(issue.NotSupported, "not-acceptable", "_format asks for a format that is not served; use json").At("http._format")
	}
	accept := x.Request.Header.Values("Accept")
	if len(accept) == 0 || x.route.streams && wantsStream(x.Request) {
		return nil
	}
	for _, line := range accept {
		for part := range strings.SplitSeq(line, ",") {
			if acceptable(strings.TrimSpace(part), names) {
				return nil
			}
		}
	}
	return issue.New(issue.NotSupported, "not-acceptable", "Accept allows no format that is served; allow application/fhir+json or application/json").At("http.Accept")
}

// acceptable reports whether one range of an Accept header takes JSON in R4.
func acceptable(part string, names map[string]bool) bool {
	if part == "*/*" || names[part] {
		return true
	}
	name, params, err := mime.ParseMediaType(part)
	if err != nil || !r4(params["fhirversion"]) {
		return false
	}
	if q, ok := params["q"]; ok {
		if weight, err := strconv.ParseFloat(q, 64); err != nil || weight <= 0 {
			return false
		}
	}
	return names[name] || name == "*/*" || name == "application/*" || name == "text/*"
}

// preference is what a client would like. Source: RFC 7240,
// http://hl7.org/fhir/R4/http.html#ops, http://hl7.org/fhir/R4/search.html#errors.
type preference struct {
	returns string // minimal, representation, OperationOutcome or ""
	strict  bool   // an unknown search parameter is an error
}

func parsePrefer(lines []string) preference {
	var p preference
	for _, line := range lines {
		for part := range strings.FieldsFuncSeq(line, func(r rune) bool { return r == ',' || r == ';' }) {
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			value = strings.Trim(value, `"`)
			switch {
			case strings.EqualFold(name, "return"):
				p.returns = value
			case strings.EqualFold(name, "handling"):
				p.strict = value == "strict"
			}
		}
	}
	return p
}
