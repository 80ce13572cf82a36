package fhir

import (
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/issue"
)

// trail is the way from a place in the JSON up to the root, innermost first. Parse
// makes one only when it has something to report, while it returns.
type trail []step

// step is a member name with the position in its array, -1 for none.
type step struct {
	name  string
	index int
}

// within notes that everything reported since lies in the member name. failed is the
// error that ends the reading, nil when reading goes on.
func (p *parser) within(name string, index, since int, failed error) {
	if failed != nil && len(p.trails) == len(p.duplicates) {
		p.trails = append(p.trails, nil)
	}
	for i := since; i < len(p.trails); i++ {
		p.trails[i] = append(p.trails[i], step{name, index})
	}
}

// located gives the duplicates, and the error that ended the reading, their expressions.
func (p *parser) located(failed error) {
	for i, e := range p.duplicates {
		e.At(p.path(p.trails[i]))
	}
	if len(p.duplicates) > maxDuplicates || failed == nil {
		return
	}
	var last trail
	if len(p.trails) > len(p.duplicates) {
		last = p.trails[len(p.duplicates)]
	}
	for _, e := range issue.All(failed) {
		e.At(p.path(last))
	}
}

// path is the FHIRPath of a trail: names of elements where the type system knows them,
// and the names of members elsewhere, shortened.
func (p *parser) path(t trail) string {
	var b strings.Builder
	b.WriteString(abbreviate(p.root))
	of := p.doc.system.Resource(p.root)
	for _, s := range slices.Backward(t) {
		name := s.name
		if name == "" {
			continue // an array inside an array has no name of its own
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		if m, ok := memberOf(of, strings.TrimPrefix(name, "_")); ok {
			name, of = m.Element.Name, m.Type
		} else {
			name, of = abbreviate(name), nil
		}
		b.WriteString(name)
		if s.index >= 0 {
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		}
	}
	return b.String()
}

func memberOf(t *Type, name string) (Member, bool) {
	if t == nil {
		return Member{}, false
	}
	return t.Member(name)
}

const noComments = "JSON has no comments; take this one out"

// noName says what stands where a member name should be.
func (p *parser) noName() error {
	if p.pos == len(p.src) {
		return p.fail("json", "the JSON ends too early: expected a member name in double quotes")
	}
	switch c := p.src[p.pos]; {
	case c == '}':
		return p.comma(c)
	case c == '/' || c == '#':
		return p.fail("json", noComments)
	case c == ',':
		return p.fail("json", "there is no member before this ','; take it out")
	case c == '{' || c == '[':
		return p.fail("json", "expected a member name in double quotes, not another '"+string(c)+"'")
	}
	return p.fail("json", "a member name needs double quotes around it")
}

// comma says that the list that c closes ends with a comma, at the comma, or else that a
// value is missing.
func (p *parser) comma(c byte) error {
	at := p.pos - 1
	for at > 0 && strings.IndexByte(" \t\r\n", p.src[at]) >= 0 {
		at--
	}
	if p.src[at] != ',' {
		return p.fail("json", "a value is missing before this '"+string(c)+"'")
	}
	p.pos = at
	return p.fail("json", "there is nothing between this comma and the '"+string(c)+"' after it; take the comma out")
}

// noValue says what stands where a value should be.
func (p *parser) noValue() error {
	switch c := p.src[p.pos]; {
	case c == ']' || c == '}':
		return p.comma(c)
	case c == ',':
		return p.fail("json", "a value is missing before this ','")
	case c == '/' || c == '#':
		return p.fail("json", noComments)
	case c == '\'':
		return p.fail("json", "text needs double quotes, not single ones")
	case c == '+' || c == '.':
		return p.fail("json", noNumber)
	}
	return p.fail("json", "this is not a JSON value; text needs double quotes around it, and the only words are true, false and null")
}

const noNumber = "this is not a JSON number: write digits, with a leading '-', a '.' between digits or an exponent if need be, and no leading zeros or '+'"
