package terminology

import (
	"fmt"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
)

// filter is one compose.include.filter.
// Source: http://hl7.org/fhir/R4/valueset-filter-operator.html.
type filter struct {
	property, op, value string
	values              []string    // of in and not-in
	pattern             *pattern    // of regex
	id                  uint64      // of SNOMED CT: the concept or reference set that value names
	ecl                 *constraint // of SNOMED CT: value as an expression
	weight              int         // in steps of work, at most, for one code
	bad                 string      // why it cannot be run at all, "" when it can
}

func newFilter(n *fhir.Node, system string, known patterns) *filter {
	return (&filter{property: n.Text("property"), op: n.Text("op"), value: n.Text("value")}).prepared(system, known)
}

// prepared reads the value as the operator needs it. known has the regular expressions
// that were compiled before; nil for none.
func (f *filter) prepared(system string, known patterns) *filter {
	f.weight = 1 + len(f.value)/8 // what is listed in a value, or written of it, is in line with its length
	switch f.op {
	case "in", "not-in":
		for v := range strings.SplitSeq(f.value, ",") {
			f.values = append(f.values, strings.TrimSpace(v))
		}
	case "regex":
		f.pattern = known.of(f.value)
		f.bad = f.pattern.bad
		f.weight += 4 * f.pattern.size // a step of it is asked for each character of a name
	case "exists":
		if f.value != "true" && f.value != "false" {
			f.bad = "exists needs the value true or false"
		}
	case "=", "is-a", "descendent-of", "is-not-a", "generalizes":
	default:
		f.bad = "there is no such operator"
	}
	if system == SNOMED && f.bad == "" {
		f.weight += 8 // the ways up a hierarchy
		f.prepareSNOMED()
	}
	return f
}

// prepareSNOMED reads what a filter of SNOMED CT names. The sign of membership before a
// reference set, which belongs to expressions, is often written.
func (f *filter) prepareSNOMED() {
	switch f.property {
	case "constraint", "expression":
		f.ecl, f.bad = parseConstraint(f.value)
	case "concept", "code", "parent", "child":
		var ok bool
		if f.id, ok = digits(strings.TrimPrefix(strings.TrimSpace(f.value), "^")); !ok {
			f.bad = "its value is no concept of SNOMED CT"
		}
	}
}

func (f *filter) String() string { return fmt.Sprintf("%s %s %s", f.property, f.op, f.value) }

// passes evaluates a filter on a concept of a CodeSystem.
func (s *codeSystem) passes(f *filter, c *concept, why *doubts) answer {
	if f.bad != "" {
		why.add("the filter %q cannot be run: %s", f, f.bad)
		return unknown
	}
	if f.property == "concept" || f.property == "code" {
		switch f.op {
		case "is-a":
			return s.placed(s.within(c.Code, f.value), why)
		case "descendent-of":
			return s.placed(!s.same(c.Code, f.value) && s.within(c.Code, f.value), why)
		case "generalizes":
			return s.placed(s.within(f.value, c.Code), why)
		case "is-not-a":
			return not(s.placed(s.within(c.Code, f.value), why))
		}
		return f.holds([]string{c.Code}, s.same)
	}
	values, known := s.values(f.property, c)
	if !known {
		why.add("the code system %s has no property %s", s.url, f.property)
		return unknown
	}
	switch f.op {
	case "is-a", "descendent-of", "is-not-a", "generalizes":
		why.add("the filter %q is not possible: %s works on concept", f, f.op)
		return unknown
	}
	return f.holds(values, func(a, b string) bool { return a == b })
}

// placed is what the hierarchy says: below is certain; that something is not below is so
// only where the whole hierarchy is here.
func (s *codeSystem) placed(below bool, why *doubts) answer {
	switch {
	case !s.subsumes:
		why.add("the hierarchy of the code system %s does not say what is a kind of what", s.url)
	case below:
		return yes
	case s.closed(why):
		return no
	}
	return unknown
}

// values gives what a concept has for a property; known is false when the code system
// has no such property.
func (s *codeSystem) values(property string, c *concept) (values []string, known bool) {
	for _, p := range c.properties {
		if p.Code == property {
			values = append(values, p.Value)
		}
	}
	switch property {
	case "display":
		return present(c.Display), true
	case "definition":
		return present(c.definition), true
	case "designation":
		for _, d := range c.designations {
			values = append(values, d.Value)
		}
		return values, true
	case "parent":
		return c.parents, true
	case "child":
		return c.children, true
	}
	if role := s.roles[property]; len(values) == 0 && (role == "inactive" || role == "notSelectable") {
		return []string{"false"}, true
	}
	return values, s.declared[property] || len(values) > 0
}

func present(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// holds evaluates the operators that compare values.
func (f *filter) holds(values []string, same func(a, b string) bool) answer {
	any := func(test func(v string) bool) bool { return slices.ContainsFunc(values, test) }
	switch f.op {
	case "=":
		return truth(any(func(v string) bool { return same(v, f.value) }))
	case "in", "not-in":
		in := any(func(v string) bool { return slices.ContainsFunc(f.values, func(w string) bool { return same(v, w) }) })
		return truth(in == (f.op == "in"))
	case "regex":
		return truth(any(f.pattern.expression.MatchString))
	}
	return truth((len(values) > 0) == (f.value == "true")) // exists
}

func truth(b bool) answer {
	if b {
		return yes
	}
	return no
}

func not(a answer) answer {
	switch a {
	case yes:
		return no
	case no:
		return yes
	}
	return unknown
}
