package fhirpath

import (
	"slices"

	"spadapter/adapter/issue"
)

type termKind uint8

const (
	literalTerm  termKind = iota // literal
	emptyTerm                    // {}
	memberTerm                   // left.name, or name
	callTerm                     // left.name(args), or name(args)
	indexTerm                    // left[args[0]]
	variableTerm                 // %name
	specialTerm                  // $this, $index, $total
	unaryTerm                    // name args[0]
	binaryTerm                   // left name args[0]
	typeTerm                     // left is/as a type, whose name is type
)

// term is a node of the syntax tree.
type term struct {
	kind    termKind
	name    string // of the member, function, variable; the operator
	literal Value
	left    *term
	args    []*term
	start   int // offset in the source
	depth   int
}

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

// operators are the words that cannot be an element without backquotes;
// as, contains, in and is can (rule identifier of the grammar).
var operators = []string{"and", "div", "implies", "mod", "or", "xor"}

func (p *parser) term() (*term, *issue.Error) {
	t := &term{start: p.token.start}
	switch p.token.kind {
	case tokenString:
		t.literal = StringOf(p.token.text)
	case tokenNumber:
		return p.number(t)
	case tokenMoment:
		v, ok := parseMoment(p.token.text)
		if !ok {
			return nil, p.fail(t.start, "this is not a date, dateTime or time: expected @YYYY-MM-DD, @YYYY-MM-DDThh:mm:ss.fff+zz:zz or @Thh:mm:ss.fff")
		}
		t.literal = v
	case tokenSpecial:
		t.kind, t.name = specialTerm, p.token.text
	case tokenDelimited:
		return p.invocation(nil)
	case tokenWord:
		switch word := p.token.text; {
		case word == "true" || word == "false":
			t.literal = BooleanOf(word == "true")
		case slices.Contains(operators, word):
			return nil, p.expected("a value before the operator " + word)
		default:
			return p.invocation(nil)
		}
	case tokenSymbol:
		switch p.token.text {
		case "(":
			if err := p.advance(); err != nil {
				return nil, err
			}
			inner, err := p.expression(0)
			if err != nil {
				return nil, err
			}
			return inner, p.take(")", "after an expression in brackets")
		case "{":
			if err := p.advance(); err != nil {
				return nil, err
			}
			t.kind = emptyTerm
			return t, p.take("}", "for the empty collection {}")
		case "%":
			// no blank may stand between, which the grammar says and nobody checks
			if err := p.advance(); err != nil {
				return nil, err
			}
			if p.token.kind != tokenWord && p.token.kind != tokenDelimited && p.token.kind != tokenString {
				return nil, p.expected("the name of a variable after %")
			}
			t.kind, t.name = variableTerm, p.token.text
			return t, p.advance()
		}
		return nil, p.expected("a value, an element or a function")
	default:
		return nil, p.expected("a value, an element or a function")
	}
	return t, p.advance()
}

// number reads a number, and the unit that makes it a quantity.
func (p *parser) number(t *term) (*term, *issue.Error) {
	v, ok := parseNumber(p.token.text)
	if !ok {
		return nil, p.fail(t.start, "this number is too large: an integer has 32 bits, a decimal %d digits", maxDigits)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	t.literal = v
	if p.token.kind == tokenString || p.token.kind == tokenWord && isCalendar(p.token.text) {
		d, _ := v.Decimal()
		t.literal = QuantityOf(d, p.token.text)
		return t, p.advance()
	}
	return t, nil
}
