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
	p.leading(&r.doc)
	start := p.pos
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
			r.rules = p.rules(&r.doc)
		} else {
			for {
				r.calls = append(r.calls, p.call())
				if !p.try(",") {
					break
				}
			}
			if p.is("{") {
				r.rules = p.rules(&r.doc)
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
	p.trailing(&r.doc)
	p.inside(start, &r.doc)
	if r.name == "" {
		r.name = r.standardName()
	}
	return r
}

// standardName is the name of a rule without a name, as the HL7 implementation gives it.
func (r *ruleDecl) standardName() string {
	s := r.sources[0]
	if len(s.elements) > 0 {
		return s.elements[len(s.elements)-1] + s.typ
	}
	return s.context + s.typ
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
		if len(elements) == maxNesting {
			p.stop(p.peek().start, "expected a path of at most %d elements", maxNesting)
		}
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
		from := p.peek().start
		s.min = p.count()
		p.want("..")
		if p.try("*") {
			s.max = -1
		} else if s.max = p.count(); s.max < s.min {
			p.stop(from, "the cardinality %d..%d can never be; expected the smaller number first", s.min, s.max)
		}
	}
	for {
		switch t := p.peek(); {
		case p.try("default"):
			s.def, s.defAt = p.expression(true)
		case p.try("as"):
			s.alias = p.identifier("the name of a variable")
		case p.try("where"):
			s.where, s.whereAt = p.expression(false)
		case p.try("check"):
			s.check, s.checkAt = p.expression(false)
		case p.try("log"):
			s.log, s.logAt = p.expression(false)
		case t.kind == name && !t.delimited && slices.Contains(sourceModes, t.value):
			s.list = p.take().value
		default:
			return s
		}
	}
}

// count reads one number of a cardinality.
func (p *parser) count() int {
	if p.peek().kind != number {
		p.expected("a number or '*'")
	}
	t := p.take()
	n, err := strconv.ParseInt(t.value, 10, 32)
	if err != nil {
		p.stop(t.start, "expected a whole number of at most 32 bits in a cardinality such as 0..1 or 1..*")
	}
	return int(n)
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
		t.transform, t.params = "evaluate", []paramValue{p.pathParam()}
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
	t.params = append(t.params, paramValue{expressionParam, p.until(closing), at})
	p.want(")")
}

func closing(t token) bool { return t.kind == mark && t.value == ")" }

// pathParam reads a path below a variable as an expression.
func (p *parser) pathParam() paramValue {
	from := p.pos
	start := p.peek().start
	_, _ = p.path()
	for i := from + 1; i < p.pos; i++ {
		p.tokens[i].comments = nil // they stay in the expression
	}
	return paramValue{expressionParam, p.file.text[start:p.tokens[p.pos-1].stop], start}
}

func (p *parser) bracketed() paramValue {
	p.want("(")
	at := p.peek().start
	e := p.until(closing)
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
		return paramValue{numberParam, plain(t.value), t.start}
	case p.try("-"):
		n := p.take()
		if n.kind != number || strings.HasPrefix(n.value, "@") {
			p.stop(n.start, "expected a number after '-'")
		}
		return paramValue{numberParam, "-" + plain(n.value), t.start}
	case p.is("true") || p.is("false"):
		p.take()
		return paramValue{booleanParam, t.value, t.start}
	case p.is("("):
		return p.bracketed()
	case p.try("%"):
		return paramValue{variableParam, p.identifier("a variable"), t.start}
	case t.kind == name:
		if p.after().kind == mark && p.after().value == "." {
			return p.pathParam()
		}
		p.take()
		return paramValue{variableParam, t.value, t.start}
	}
	p.expected("a literal or a variable")
	return paramValue{}
}
