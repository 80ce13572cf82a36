package terminology

import (
	"slices"
	"strings"
)

// constraint is an expression of the Expression Constraint Language of SNOMED CT, as far
// as it goes by concepts, hierarchy and reference sets. What an expression says of
// attributes is not read here.
// Source: http://snomed.org/ecl.
type constraint struct {
	op    string        // "" for a concept alone; < << <! <<! > >> >! >>! ^ for one with an operator; * and or minus
	id    uint64        // of the concept
	parts []*constraint // of and, or, minus
}

const (
	maxConstraint      = 64 << 10 // bytes
	maxConstraintDepth = 32
)

// operators are the short forms of the operators, by the long ones.
var operators = map[string]string{
	"descendantof": "<", "descendantorselfof": "<<", "childof": "<!", "childorselfof": "<<!",
	"ancestorof": ">", "ancestororselfof": ">>", "parentof": ">!", "parentorselfof": ">>!", "memberof": "^",
}

// parseConstraint reads an expression; bad says why it cannot.
func parseConstraint(text string) (c *constraint, bad string) {
	if len(text) > maxConstraint {
		return nil, "the expression is too long"
	}
	p := &constraintParser{rest: text}
	c = p.compound(0)
	if p.space(); p.bad == "" && p.rest != "" {
		p.fail("only concepts, the hierarchy, reference sets, AND, OR and MINUS are read of the expression constraint language")
	}
	return c, p.bad
}

type constraintParser struct{ rest, bad string }

func (p *constraintParser) fail(bad string) *constraint {
	if p.bad == "" {
		p.bad = bad
	}
	p.rest = ""
	return &constraint{op: "*"}
}

func (p *constraintParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// word takes letters.
func (p *constraintParser) word() string {
	p.space()
	end := 0
	for end < len(p.rest) && (p.rest[end]|0x20 >= 'a' && p.rest[end]|0x20 <= 'z') {
		end++
	}
	return strings.ToLower(p.rest[:end])
}

// compound reads parts that one operator joins: which of two would bind closer is not
// defined, so that brackets are needed.
func (p *constraintParser) compound(depth int) *constraint {
	first := p.simple(depth)
	out := &constraint{parts: []*constraint{first}}
	for p.bad == "" {
		op := p.word()
		taken := len(op)
		if op == "" && strings.HasPrefix(p.rest, ",") {
			op, taken = "and", 1
		}
		if op != "and" && op != "or" && op != "minus" {
			break
		}
		if out.op != "" && (out.op != op || op == "minus") {
			return p.fail("AND, OR and MINUS need brackets where they meet")
		}
		out.op = op
		p.rest = p.rest[taken:]
		out.parts = append(out.parts, p.simple(depth))
	}
	if len(out.parts) == 1 {
		return first
	}
	return out
}

func (p *constraintParser) simple(depth int) *constraint {
	if depth > maxConstraintDepth {
		return p.fail("the brackets of the expression are too deep")
	}
	p.space()
	op := ""
	if op = operators[p.word()]; op != "" {
		p.rest = p.rest[len(p.word()):]
	} else {
		for _, symbol := range []string{"<<!", "<<", "<!", "<", ">>!", ">>", ">!", ">", "^"} {
			if rest, ok := strings.CutPrefix(p.rest, symbol); ok {
				op, p.rest = symbol, rest
				break
			}
		}
	}
	p.space()
	if rest, ok := strings.CutPrefix(p.rest, "("); ok {
		p.rest = rest
		inner := p.compound(depth + 1)
		p.space()
		if p.rest, ok = strings.CutPrefix(p.rest, ")"); !ok {
			return p.fail("a bracket of the expression is not closed")
		}
		if op == "" || p.bad != "" {
			return inner
		}
		if inner.op != "" {
			return p.fail("an operator before brackets is not read here")
		}
		return &constraint{op: op, id: inner.id}
	}
	if rest, ok := strings.CutPrefix(p.rest, "*"); ok && op == "" {
		p.rest = rest
		return &constraint{op: "*"}
	}
	end := 0
	for end < len(p.rest) && p.rest[end] >= '0' && p.rest[end] <= '9' {
		end++
	}
	id, ok := digits(p.rest[:end])
	if !ok {
		return p.fail("the expression has no concept where one is needed")
	}
	p.rest = p.rest[end:]
	p.space()
	if rest, ok := strings.CutPrefix(p.rest, "|"); ok { // the term is for people
		if _, p.rest, ok = strings.Cut(rest, "|"); !ok {
			return p.fail("a term of the expression is not closed")
		}
	}
	return &constraint{op: op, id: id}
}

// holds says whether a concept meets the constraint.
func (c *constraint) holds(s *release, id uint64, why *doubts) answer {
	switch c.op {
	case "":
		return truth(id == c.id)
	case "*":
		return yes
	case "^":
		return s.member(c.id, id, why)
	case "<<":
		return s.within(id, c.id, why)
	case ">>":
		return s.within(c.id, id, why)
	case "<":
		return both(truth(id != c.id), s.within(id, c.id, why))
	case ">":
		return both(truth(id != c.id), s.within(c.id, id, why))
	case "<!", "<<!":
		if id == c.id {
			return truth(c.op == "<<!")
		}
		return s.directly(id, c.id, why)
	case ">!", ">>!":
		if id == c.id {
			return truth(c.op == ">>!")
		}
		return s.directly(c.id, id, why)
	case "minus":
		return both(c.parts[0].holds(s, id, why), not(c.parts[1].holds(s, id, why)))
	}
	result := truth(c.op == "and")
	for _, part := range c.parts {
		a := part.holds(s, id, why)
		if c.op == "and" {
			result = both(result, a)
		} else {
			result = not(both(not(result), not(a)))
		}
		if result == truth(c.op != "and") {
			return result // nothing that follows can change it
		}
	}
	return result
}

// both is the conjunction in three values.
func both(a, b answer) answer {
	switch {
	case a == no || b == no:
		return no
	case a == yes && b == yes:
		return yes
	}
	return unknown
}

// list gives the concepts that may meet the constraint, sorted, each once, and whether
// these are all.
func (c *constraint) list(s *release, why *doubts) (ids []uint64, complete bool) {
	self := strings.HasPrefix(c.op, "<<") || strings.HasPrefix(c.op, ">>")
	direct := strings.HasSuffix(c.op, "!")
	switch {
	case c.op == "":
		return []uint64{c.id}, true
	case c.op == "*":
		return s.ids, s.closed(why)
	case c.op == "^":
		return s.listed(c.id, why)
	case c.op[0] == '<':
		return s.below(c.id, self, direct, why)
	case c.op[0] == '>':
		return s.above(c.id, self, direct, why)
	case c.op == "minus":
		return c.parts[0].list(s, why) // what falls out of them, holds says
	case c.op == "and":
		for _, part := range c.parts { // the shortest whole list has them all
			more, all := part.list(s, why)
			if ids == nil && !complete || all && (!complete || len(more) < len(ids)) {
				ids, complete = more, all
			}
		}
		return ids, complete
	}
	complete = true
	for _, part := range c.parts {
		more, all := part.list(s, why)
		if !why.spend(1 + len(more)) {
			return nil, false
		}
		ids = append(ids, more...)
		complete = complete && all
	}
	slices.Sort(ids)
	return slices.Compact(ids), complete
}
