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
	start   int // offset in the source of the name or operator
	named   int // offset of the name of the type of a typeTerm
	depth   int
}

// first is the offset of the first token of the term, brackets aside.
func (t *term) first() int {
	at := t.start
	for ; t != nil; t = t.left {
		at = min(at, t.start)
	}
	return at
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
