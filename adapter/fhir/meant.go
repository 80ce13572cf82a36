package fhir

import (
	"slices"
	"strings"

	"spadapter/adapter/issue"
)

// forms says in words what each primitive looks like, for error messages.
var forms = map[string]string{
	"boolean":      "true or false",
	"string":       "text with at least one visible character and without control characters",
	"markdown":     "text with at least one visible character and without control characters",
	"xhtml":        "XHTML in one <div>…</div>, with no entities but &amp; &lt; &gt; &quot; &apos; and character references such as &#160;",
	"uri":          "a URI without blanks and control characters; behind urn:uuid: a UUID, behind urn:oid: an object identifier",
	"url":          "a URL without blanks and control characters, such as https://example.org/page",
	"canonical":    "a canonical URL without blanks and control characters, with |version behind it if need be",
	"oid":          "urn:oid: and an object identifier",
	"uuid":         "urn:uuid: and a UUID in lower case",
	"code":         "a code without leading, trailing or double spaces and without control characters",
	"id":           "1 to 64 of the characters A-Z a-z 0-9 - .",
	"base64Binary": "base64: A-Z a-z 0-9 + / in groups of four, the last filled with =",
	"decimal":      "a number such as 12.50 of at most 28 digits, without leading zeros and without a plus sign, and with an exponent, if any, between -999 and 999",
	"integer":      "a whole number of at most 32 bits, without leading zeros",
	"unsignedInt":  "a whole number of 0 or more, without leading zeros",
	"positiveInt":  "a whole number of 1 or more, without leading zeros",
	"date":         "YYYY, YYYY-MM or YYYY-MM-DD, a day that exists",
	"dateTime":     "a day that exists: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with an offset (Z or +hh:mm)",
	"instant":      "a day that exists with its time: YYYY-MM-DDThh:mm:ss with an offset (Z or +hh:mm)",
	"time":         "hh:mm:ss on a clock of 24 hours, without an offset",
}

// formOf says what the value of a primitive must be, and how the given one misses it
// where that can be told.
func formOf(t *Type, value string) string {
	switch {
	case value == "":
		return "not be empty; leave the element out"
	case (t.Name == "dateTime" || t.Name == "instant") && lexical[t.Name](value+"Z"):
		return "say in which time zone it is: write Z or an offset such as +01:00 behind the time"
	}
	return "be " + forms[t.Name]
}

// meant says what was probably meant by the name of an element that t does not have:
// the type of a choice, a name that is nearly the same, or another version of FHIR.
func (t *Type) meant(name string) string {
	for _, e := range t.Elements {
		if e.Choice && strings.HasPrefix(name, e.Name) {
			if rest := name[len(e.Name):]; rest == "" || rest[0] >= 'A' && rest[0] <= 'Z' {
				return "; " + e.Name + "[x] is written with its type: " + codeList(e.jsonNames())
			}
		}
	}
	names := make([]string, 0, len(t.members))
	for member := range t.members {
		names = append(names, member)
	}
	slices.Sort(names)
	if best := issue.Nearest(names, name); best != "" {
		return "; did you mean " + best + "?"
	}
	other := t.system.other()
	if same := other.Type(t.Name); same != nil {
		if _, ok := same.Member(name); ok {
			return "; it is one of FHIR " + string(other.Version) + ", and this is " + string(t.system.Version)
		}
	}
	if len(names) == 0 {
		return ""
	}
	known := make([]string, 0, len(t.Elements))
	for _, e := range t.Elements {
		known = append(known, e.jsonNames()[0])
	}
	if t.Kind == Resource { // id to modifierExtension are in all of them
		if at := slices.Index(known, "modifierExtension"); at >= 0 {
			known = known[at+1:]
		}
	}
	return "; it has " + codeList(known)
}

// meantResource says what was probably meant by the name of a resource type that there
// is none of.
func (s *System) meantResource(name string) string {
	if best := issue.Nearest(s.resources, name); best != "" {
		return "; did you mean " + best + "?"
	}
	if other := s.other(); other.Resource(name) != nil {
		return "; this one is of FHIR " + string(other.Version) + " alone"
	}
	return ", such as ServiceRequest"
}

// meantCode says which code was probably meant.
func meantCode(codes []string, code string) string {
	if best := issue.Nearest(codes, strings.ReplaceAll(code, "_", "-")); best != "" {
		return "; did you mean " + best + "?"
	}
	beginning := slices.DeleteFunc(slices.Clone(codes), func(c string) bool { return !strings.HasPrefix(c, strings.ToLower(code)) })
	if len(beginning) == 1 && code != "" { // such as M for male
		return "; did you mean " + beginning[0] + "?"
	}
	return ""
}

// meantReference says what was probably meant by a reference Type/id whose type there
// is none of.
func (s *System) meantReference(reference string) string {
	name, id, ok := strings.Cut(reference, "/")
	if best := issue.Nearest(s.resources, name); ok && best != "" && isID(id) {
		return "; did you mean " + best + " for the type?"
	}
	return ""
}

// other is the type system of the other version.
func (s *System) other() *System {
	if s.Version == R4 {
		return Types(STU3)
	}
	return Types(R4)
}

// jsonNames are the JSON names of an element: one, or one for each type of a choice.
func (e *Element) jsonNames() []string {
	if !e.Choice {
		return []string{e.Name}
	}
	names := make([]string, len(e.Types))
	for i, t := range e.Types {
		names[i] = e.JSONName(t)
	}
	return names
}
