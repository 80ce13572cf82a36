package fhirpath

import (
	"spadapter/adapter/issue"
)

const (
	maxSource = 64 << 10
	maxDepth  = 200
)

// precedences of the binary operators, http://hl7.org/fhirpath/N1/#operator-precedence.
var precedences = map[string]int{
	"implies": 1, "or": 2, "xor": 2, "and": 3, "in": 4, "contains": 4,
	"=": 5, "~": 5, "!=": 5, "!~": 5, "<": 6, ">": 6, "<=": 6, ">=": 6,
	"|": 7, "is": 8, "as": 8, "+": 9, "-": 9, "&": 9, "*": 10, "/": 10, "div": 10, "mod": 10,
}

const unaryPrecedence = 11

type parser struct {
	lexer
	token token
	depth int
}

func parse(src string) (*term, error) {
	if len(src) > maxSource {
		return nil, issue.Newf(issue.TooLong, "fhirpath", "the FHIRPath is longer than %d bytes", maxSource)
	}
	p := &parser{lexer: lexer{src: src}}
	t, err := p.whole()
	if err != nil {
		return nil, err // not the typed nil
	}
	return t, nil
}

func (p *parser) whole() (*term, *issue.Error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	t, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if p.token.kind != tokenEnd {
		return nil, p.expected("an operator or the end of the expression")
	}
	return t, nil
}

func (p *parser) advance() (err *issue.Error) {
	p.token, err = p.next()
	return err
}

func (p *parser) expected(what string) *issue.Error {
	if p.token.kind == tokenEnd {
		return p.fail(p.token.start, "the expression ends too early: expected %s", what)
	}
	return p.fail(p.token.start, "expected %s", what)
}

func (p *parser) symbol(text string) bool {
	return p.token.kind == tokenSymbol && p.token.text == text
}

// take moves over a symbol that must be there.
func (p *parser) take(text, where string) *issue.Error {
	if !p.symbol(text) {
		return p.expected("'" + text + "' " + where)
	}
	return p.advance()
}

// link gives a term its depth, so that no later walk of the tree can run deep.
func (p *parser) link(t *term) (*term, *issue.Error) {
	if t.left != nil {
		t.depth = t.left.depth + 1
	}
	for _, a := range t.args {
		t.depth = max(t.depth, a.depth+1)
	}
	if t.depth > 10*maxDepth {
		return nil, fault(p.src, t.start, issue.TooCostly, "the FHIRPath is a chain of more than %d steps", 10*maxDepth)
	}
	return t, nil
}

// expression reads operators that bind closer than min.
func (p *parser) expression(min int) (*term, *issue.Error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fault(p.src, p.token.start, issue.TooCostly, "the FHIRPath is nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	left, err := p.unary()
	if err != nil {
		return nil, err
	}
	for p.token.kind == tokenSymbol || p.token.kind == tokenWord {
		name, start := p.token.text, p.token.start
		precedence := precedences[name]
		if precedence <= min {
			break
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		t := &term{kind: binaryTerm, name: name, left: left, start: start}
		if name == "is" || name == "as" {
			var of string
			t.named = p.token.start
			if of, err = p.typeName(); err != nil {
				return nil, err
			}
			t.kind, t.literal = typeTerm, StringOf(of)
		} else {
			right, err := p.expression(precedence)
			if err != nil {
				return nil, err
			}
			t.args = []*term{right}
		}
		if left, err = p.link(t); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// typeName reads System.Boolean, FHIR.Patient or Patient.
func (p *parser) typeName() (string, *issue.Error) {
	name := ""
	for {
		if p.token.kind != tokenWord && p.token.kind != tokenDelimited {
			return "", p.expected("the name of a type")
		}
		name += p.token.text
		if err := p.advance(); err != nil {
			return "", err
		}
		if !p.symbol(".") || name != "System" && name != "FHIR" {
			return name, nil
		}
		name += "."
		if err := p.advance(); err != nil {
			return "", err
		}
	}
}

func (p *parser) unary() (*term, *issue.Error) {
	if !p.symbol("+") && !p.symbol("-") {
		return p.path()
	}
	t := &term{kind: unaryTerm, name: p.token.text, start: p.token.start}
	if err := p.advance(); err != nil {
		return nil, err
	}
	operand, err := p.expression(unaryPrecedence)
	if err != nil {
		return nil, err
	}
	t.args = []*term{operand}
	return p.link(t)
}

// path reads a term with the members, functions and indexers that follow it.
func (p *parser) path() (*term, *issue.Error) {
	t, err := p.term()
	for err == nil {
		switch {
		case p.symbol("."):
			if err = p.advance(); err != nil {
				return nil, err
			}
			if p.token.kind == tokenSpecial {
				return nil, p.expected("the name of an element or function after '.'")
			}
			t, err = p.invocation(t)
		case p.symbol("["):
			start := p.token.start
			if err = p.advance(); err != nil {
				return nil, err
			}
			var index *term
			if index, err = p.expression(0); err != nil {
				return nil, err
			}
			if err = p.take("]", "after an index"); err != nil {
				return nil, err
			}
			t, err = p.link(&term{kind: indexTerm, left: t, args: []*term{index}, start: start})
		default:
			return t, nil
		}
	}
	return nil, err
}

// invocation reads a member or a function call on left, nil for the focus.
func (p *parser) invocation(left *term) (*term, *issue.Error) {
	if p.token.kind != tokenWord && p.token.kind != tokenDelimited {
		return nil, p.expected("the name of an element or function")
	}
	t := &term{kind: memberTerm, name: p.token.text, left: left, start: p.token.start}
	delimited := p.token.kind == tokenDelimited
	if err := p.advance(); err != nil {
		return nil, err
	}
	if delimited || !p.symbol("(") {
		return p.link(t)
	}
	t.kind = callTerm
	if err := p.advance(); err != nil {
		return nil, err
	}
	for !p.symbol(")") {
		if len(t.args) > 0 {
			if err := p.take(",", "or ')' after an argument"); err != nil {
				return nil, err
			}
		}
		arg, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		t.args = append(t.args, arg)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	return p.link(t)
}
