package gateway

import (
	"mime"
	"strconv"
	"strings"

	"spadapter/adapter/issue"
)

// negotiate reads the query, and what the client wants back: the format, and Prefer. It
// comes first, so that every refusal can be told in that format; what is wrong with the
// wish itself is kept for its turn.
// Source: http://hl7.org/fhir/R4/http.html#mime-type, #general.
func (x *exchange) negotiate() {
	x.prefer = parsePrefer(x.Request.Header.Values("Prefer"))
	if x.query, x.unwanted = splitQuery(x.Request.URL.RawQuery); x.unwanted != nil {
		x.query = nil
	}
	wish := x.wish(x.query)
	if x.route.document {
		if summaryForm(x.accept()) == "" {
			x.refuseFormat("Accept allows no form of a summary; allow text/plain or application/pdf", "http.Accept")
		}
		return
	}
	if x.route.surface == surfaceAPI {
		if !takesJSON(x.accept()) && !(x.route.streams && wantsStream(x.Request)) {
			x.refuseFormat("Accept allows no format that is served; allow application/json", "http.Accept")
		}
		return
	}
	x.choose(wish)
	if x.route.bars && !x.route.open {
		x.acceptable()
	}
}

// wish is the format that parameters name, "" for none. They also say how to write it.
func (x *exchange) wish(of []parameter) (format string) {
	for _, p := range of {
		switch p.name {
		case "_format":
			format = p.value
		case "_pretty":
			x.pretty = p.value == "true"
		}
	}
	return format
}

// choose sets the format of the response: what was wished for goes before Accept.
func (x *exchange) choose(wish string) {
	x.wished = wish
	like := formatOf(x.Request.Header.Get("Content-Type"))
	chosen, ok := like, true
	switch {
	case wish == "json":
		chosen = formatJSON
	case wish == "xml":
		chosen = formatXML
	case wish != "":
		// "+" decodes to a blank, and everybody forgets to write %2B
		if chosen, ok = accepted([]string{strings.ReplaceAll(wish, " ", "+")}, like); !ok {
			x.refuseFormat("_format asks for a format that is not served; use json or xml", "http._format")
		}
	default:
		if chosen, ok = accepted(x.accept(), like); !ok {
			x.refuseFormat("Accept allows no format that is served; allow application/fhir+json or application/fhir+xml", "http.Accept")
		}
	}
	if x.reply == nil { // what an entry of a batch answers becomes a part of the JSON that the batch collects
		x.format = chosen
	}
}

// accept gives the lines of the Accept header that say something: an empty one asks for
// nothing in particular.
func (x *exchange) accept() []string {
	lines := x.Request.Header.Values("Accept")
	if len(lines) == 1 && strings.Trim(lines[0], " \t,") == "" {
		return nil
	}
	return lines
}

func (x *exchange) refuseFormat(text, at string) {
	if x.unwanted == nil {
		x.unwanted = issue.New(issue.NotSupported, "not-acceptable", text).At(at)
	}
}

// The precedence of the ranges of an Accept header, the more specific the higher.
const (
	rangeAny = iota + 1
	rangeType
	rangeName
)

// accepted chooses the format that the lines of an Accept header like best: by weight, then
// the one that is named more exactly, then like, which is that of the request's body.
// Without any line everything is accepted. False when neither format is.
// Source: RFC 9110, section 12.5.1.
func accepted(lines []string, like format) (format, bool) {
	if len(lines) == 0 {
		return like, true
	}
	var weight [2]float64 // of the most precise range
	var rank [2]int
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			name, q := mediaRange(strings.TrimSpace(part))
			for _, f := range []format{formatJSON, formatXML} {
				precise := 0
				switch {
				case formatNames[f][name]:
					precise = rangeName
				case name == "application/*" || name == "text/*":
					precise = rangeType
				case name == "*/*":
					precise = rangeAny
				}
				if precise > rank[f] || precise == rank[f] && precise > 0 && q > weight[f] {
					rank[f], weight[f] = precise, q
				}
			}
		}
	}
	other := formatXML - like
	best := like
	if weight[other] > weight[like] || weight[other] == weight[like] && rank[other] > rank[like] {
		best = other
	}
	return best, weight[best] > 0
}

// mediaRange takes one range of an Accept header apart; "" when it is none, or one of
// another FHIR version.
func mediaRange(part string) (name string, weight float64) {
	if part == "*/*" || formatNames[formatJSON][part] || formatNames[formatXML][part] {
		return part, 1 // nearly all, without parsing
	}
	name, params, err := mime.ParseMediaType(part)
	if err != nil || !r4(params["fhirversion"]) {
		return "", 0
	}
	weight = 1
	if q, ok := params["q"]; ok {
		if weight, err = strconv.ParseFloat(q, 64); err != nil || !(weight >= 0 && weight <= 1) {
			return "", 0
		}
	}
	return name, weight
}

// takesJSON reports whether an Accept header allows plain JSON.
func takesJSON(lines []string) bool {
	if len(lines) == 0 {
		return true
	}
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			name, weight := mediaRange(strings.TrimSpace(part))
			if weight > 0 && (plainNames[name] || name == "*/*" || name == "application/*" || name == "text/*") {
				return true
			}
		}
	}
	return false
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
