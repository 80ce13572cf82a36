package mapping

import (
	"slices"
	"strconv"
	"strings"
)

var (
	sourceModes = []string{"first", "not_first", "last", "not_last", "only_one"}
	targetModes = []string{"first", "last", "single", "collate"}
)

func (p *parser) rule() *ruleDecl {
	r := &ruleDecl{at: p.peek().start}
	for {
		r.sources = append(r.sources, p.source())
		if !p.try(",") {
			break
		}
	}
	if p.try("->") {
		for {
			r.targets = append(r.targets, p.target())
			if !p.try(",") {
				break
			}
		}
	}
	if p.try("then") {
		r.then = true
		if p.is("{") {
			r.rules = p.rules()
		} else {
			for {
				r.calls = append(r.calls, p.call())
				if !p.try(",") {
					break
				}
			}
			if p.is("{") {
				r.rules = p.rules()
			}
		}
	}
	if p.peek().kind == quoted {
		r.name = p.take().value
	}
	if !p.is(";") {
		p.expected("';' at the end of the rule")
	}
	p.take()
	if r.name == "" {
		// as the HL7 implementation names a rule without a name
		s := r.sources[0]
		r.name = s.context
		if len(s.elements) > 0 {
			r.name = s.elements[len(s.elements)-1]
		}
		r.name += s.typ
	}
	return r
}

func (p *parser) call() *callDecl {
	c := &callDecl{at: p.peek().start, group: p.identifier("the name of a group, or '{'")}
	p.want("(")
	for !p.try(")") {
		c.args = append(c.args, p.param())
		if !p.is(")") {
			p.want(",")
		}
	}
	return c
}

// path reads context.element.element.
func (p *parser) path() (context string, elements []string) {
	context = p.identifier("a variable")
	for p.try(".") {
		elements = append(elements, p.identifier("the name of an element"))
	}
	return context, elements
}

func (p *parser) source() *sourceDecl {
	s := &sourceDecl{at: p.peek().start}
	s.context, s.elements = p.path()
	if p.try(":") {
		s.typ = p.identifier("a type")
	}
	if p.peek().kind == number {
		s.card = true
		s.min, _ = strconv.Atoi(p.take().value)
		p.want("..")
		if p.try("*") {
			s.max = -1
		} else if t := p.take(); t.kind == number {
			s.max, _ = strconv.Atoi(t.value)
		} else {
			p.stop(t.start, "expected a number or '*'")
		}
	}
	for {
		at := p.peek().start
		switch t := p.peek(); {
		case p.try("default"):
			s.defAt, s.def = at, p.expression(true)
		case p.try("as"):
			s.alias = p.identifier("the name of a variable")
		case p.try("where"):
			s.whereAt, s.where = p.peek().start, p.expression(false)
		case p.try("check"):
			s.checkAt, s.check = p.peek().start, p.expression(false)
		case p.try("log"):
			s.logAt, s.log = p.peek().start, p.expression(false)
		case t.kind == name && !t.delimited && slices.Contains(sourceModes, t.value):
			s.list = p.take().value
		default:
			return s
		}
	}
}

func (p *parser) target() *targetDecl {
	t := &targetDecl{at: p.peek().start, valueAt: p.peek().start}
	switch {
	case p.is("("):
		t.transform = "evaluate"
		t.params = []paramValue{p.bracketed()}
	case p.peek().kind == name && p.after().kind == mark && p.after().value == "(":
		p.transform(t)
	default:
		t.context, t.elements = p.path()
		if p.try("=") {
			t.valueAt = p.peek().start
			p.transform(t)
		}
	}
	for {
		switch tok := p.peek(); {
		case p.try("as"):
			t.alias = p.identifier("the name of a variable")
		case p.try("share"):
			t.list, t.share = "share", p.identifier("the id of the shared element")
		case tok.kind == name && !tok.delimited && slices.Contains(targetModes, tok.value):
			t.list = p.take().value
		default:
			return t
		}
	}
}

// transform reads what stands after '=': a literal, a variable, a function, an
// expression in brackets.
func (p *parser) transform(t *targetDecl) {
	tok := p.peek()
	switch {
	case p.is("("):
		t.transform, t.params = "evaluate", []paramValue{p.bracketed()}
	case tok.kind == name && p.after().kind == mark && p.after().value == "(":
		t.transform = p.take().value
		if t.transform == "evaluate" {
			p.evaluate(t)
			return
		}
		p.want("(")
		for !p.try(")") {
			t.params = append(t.params, p.param())
			if !p.is(")") {
				p.want(",")
			}
		}
	case tok.kind == name && p.after().kind == mark && p.after().value == ".":
		// a path below a variable is an expression
		_, _ = p.path()
		last := p.tokens[p.pos-1].stop
		t.transform, t.params = "evaluate", []paramValue{{expressionParam, p.file.text[tok.start:last], tok.start}}
	default:
		t.transform, t.params = "copy", []paramValue{p.param()}
	}
}

// evaluate reads evaluate(context, expression) or evaluate(expression).
func (p *parser) evaluate(t *targetDecl) {
	p.want("(")
	if p.peek().kind == name && p.after().kind == mark && p.after().value == "," {
		t.params = append(t.params, p.param())
		p.want(",")
	}
	at := p.peek().start
	t.params = append(t.params, paramValue{expressionParam, p.until(func(tok token) bool { return tok.value == ")" }), at})
	p.want(")")
}

func (p *parser) bracketed() paramValue {
	at := p.want("(").stop
	e := p.until(func(tok token) bool { return tok.value == ")" })
	p.want(")")
	return paramValue{expressionParam, e, at}
}

func (p *parser) param() paramValue {
	t := p.peek()
	switch {
	case t.kind == text || t.kind == quoted:
		p.take()
		return paramValue{textParam, t.value, t.start}
	case t.kind == number:
		p.take()
		if strings.HasPrefix(t.value, "@") {
			return paramValue{textParam, strings.TrimPrefix(t.value[1:], "T"), t.start}
		}
		return paramValue{numberParam, t.value, t.start}
	case p.try("-"):
		n := p.take()
		if n.kind != number {
			p.stop(n.start, "expected a number after '-'")
		}
		return paramValue{numberParam, "-" + n.value, t.start}
	case p.is("true") || p.is("false"):
		p.take()
		return paramValue{booleanParam, t.value, t.start}
	case p.is("("):
		return p.bracketed()
	case p.try("%"):
		return paramValue{variableParam, p.identifier("a variable"), t.start}
	case t.kind == name:
		if p.after().kind == mark && p.after().value == "." {
			_, _ = p.path()
			return paramValue{expressionParam, p.file.text[t.start:p.tokens[p.pos-1].stop], t.start}
		}
		p.take()
		return paramValue{variableParam, t.value, t.start}
	}
	p.expected("a literal or a variable")
	return paramValue{}
}

// expression takes a FHIRPath expression up to the keyword or mark that ends it in the
// mapping language. asEnds is set where an alias may follow.
func (p *parser) expression(asEnds bool) string {
	return p.until(func(t token) bool {
		switch t.kind {
		case quoted: // the rule's name; inside brackets it is a string
			return true
		case mark:
			return t.value == "->" || t.value == "," || t.value == ";" || t.value == "}"
		case name:
			switch t.value {
			case "check", "log", "then":
				return true
			case "as", "where", "first", "last", "only_one", "not_first", "not_last":
				return asEnds
			}
		}
		return false
	})
}

// until takes the text up to a token, outside all brackets, that ends it. At least one
// token must be there.
func (p *parser) until(ends func(token) bool) string {
	start := p.peek().start
	depth, stop := 0, start
	for {
		t := p.peek()
		previous := token{}
		if p.pos > 0 {
			previous = p.tokens[p.pos-1]
		}
		member := previous.kind == mark && previous.value == "." && stop > start
		if t.kind == end || depth == 0 && !member && ends(t) {
			break
		}
		if t.kind == mark {
			switch t.value {
			case "(", "[", "{":
				depth++
			case ")", "]", "}":
				depth--
			}
			if depth < 0 {
				break
			}
		}
		stop = t.stop
		p.pos++
	}
	if stop == start {
		p.expected("an expression")
	}
	return p.file.text[start:stop]
}
