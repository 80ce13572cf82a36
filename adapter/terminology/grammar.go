package terminology

import (
	"mime"
	"regexp"
	"slices"
	"strings"

	"spadapter/adapter/fhirpath"
)

// grammar is a code system whose codes are made by rules and have no end.
type grammar struct {
	url   string
	name  string
	valid func(code string) answer
	doubt string // what a code that is neither right nor wrong by the rules would need
}

// grammars are the code systems of that kind, by their url.
var grammars = map[string]*grammar{
	"http://unitsofmeasure.org": {
		url: "http://unitsofmeasure.org", name: "UCUM", valid: unitCode,
		doubt: "the unit is none of those of UCUM that are known here",
	},
	"urn:ietf:bcp:13": {
		url: "urn:ietf:bcp:13", name: "MIME types", valid: mediaType,
		doubt: "the registry of MIME types is not loaded",
	},
	"urn:ietf:bcp:47": {
		url: "urn:ietf:bcp:47", name: "Language tags", valid: languageTag,
		doubt: "the registry of language tags is not loaded",
	},
}

// unitCode: a code of UCUM has visible ASCII characters only.
// Source: https://ucum.org/ucum, §4.
func unitCode(code string) answer {
	switch {
	case code == "" || strings.ContainsFunc(code, func(c rune) bool { return c <= ' ' || c > '~' }):
		return no
	case fhirpath.Unit(code):
		return yes
	}
	return unknown
}

// topLevel are the registered top-level types.
// Source: https://www.iana.org/assignments/top-level-media-types.
var topLevel = []string{"application", "audio", "example", "font", "haptics", "image", "message", "model", "multipart", "text", "video"}

// mediaType holds a code to the grammar of RFC 2045. The short forms that FHIR itself
// uses, such as json, are left undecided.
func mediaType(code string) answer {
	if !strings.Contains(code, "/") {
		return unknown
	}
	typ, _, err := mime.ParseMediaType(code)
	top, sub, _ := strings.Cut(typ, "/")
	return truth(err == nil && sub != "" && slices.Contains(topLevel, top))
}

// tag is a well-formed language tag, or one for private use.
// Source: RFC 5646, 2.1.
var tag = regexp.MustCompile(`(?i)^(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4}|[a-z]{5,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?$|^x(?:-[a-z0-9]{1,8})+$|^i-[a-z]+$`)

func languageTag(code string) answer {
	if tag.MatchString(code) {
		return unknown
	}
	return no
}

func (g *grammar) edition() string { return "" }

func (g *grammar) same(a, b string) bool { return a == b }

func (g *grammar) find(code string) (Concept, bool) {
	return Concept{System: g.url, Code: code}, g.valid(code) == yes
}

func (g *grammar) active(code string) answer { return g.valid(code) }

func (g *grammar) selects(filters []*filter, code string, why *doubts) answer {
	result := g.valid(code)
	if result == unknown {
		why.add("%s", g.doubt)
	}
	for _, f := range filters {
		if result != no {
			why.add("the filter %q cannot be run on %s", f, g.name)
			result = unknown
		}
	}
	return result
}

func (g *grammar) candidates(_ []*filter, why *doubts, _ func(code string) bool) bool {
	why.add("the codes of %s have no end and cannot be listed", g.name)
	return false
}

func (g *grammar) describe(code string) *Details {
	c, ok := g.find(code)
	if !ok {
		return nil
	}
	return &Details{Concept: c, Name: g.name}
}

func (g *grammar) names(string) []Designation { return nil }
