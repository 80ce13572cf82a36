package fhirpath

import (
	"strings"

	"spadapter/adapter/issue"
)

func (c *compiler) compileUnary(t *term, focus static) (code, error) {
	in, err := c.compile(t.args[0], focus)
	if err != nil {
		return code{}, err
	}
	operand, negate := in.run(), t.name == "-"
	out := static{}
	if k, known := in.kind(); known {
		if out = systemStatic(k); !k.isQuantity() {
			return code{}, fault(c.src, t.start, issue.Invalid, "a sign needs a number or quantity and got %s", in.article())
		}
	}
	return code{static: out, op: func(s *state) error {
		v, ok, err := s.operand(operand, "the sign")
		if err != nil || !ok {
			return err
		}
		if !isQuantity(v) {
			return failf("a sign needs a number or quantity and got %s", v.kind)
		}
		if negate {
			v = v.negated()
		}
		s.push(v)
		return nil
	}}, nil
}

func (v Value) negated() Value {
	if v.kind == Integer {
		return IntegerOf(-v.number)
	}
	d := v.exact.Neg()
	v.exact = &d
	return v
}

func (c *compiler) compileBinary(t *term, focus static) (code, error) {
	a, err := c.compile(t.left, focus)
	if err != nil {
		return code{}, err
	}
	b, err := c.compile(t.args[0], focus)
	if err != nil {
		return code{}, err
	}
	if err := c.fits(t, a.static, b.static); err != nil {
		return code{}, err
	}
	switch t.name {
	case "and", "or", "xor", "implies":
		return condition(logic(t.name, a.condition(), b.condition())), nil
	case "=":
		return condition(equality(a.run(), b, yes)), nil
	case "!=":
		return condition(equality(a.run(), b, no)), nil
	case "~", "!~":
		return condition(equivalence(a.run(), b.run(), t.name == "~")), nil
	case "<", ">", "<=", ">=":
		return condition(comparison(t.name, a.run(), b.run())), nil
	case "in":
		return condition(membership(a.run(), b.run(), "in")), nil
	case "contains":
		return condition(membership(b.run(), a.run(), "contains")), nil
	case "|":
		return code{static: a.union(b.static), op: union(a.run(), b.run())}, nil
	case "&":
		return code{static: systemStatic(String), op: concatenation(a.run(), b.run())}, nil
	case "+", "-", "*", "/", "div", "mod":
		return code{static: calculated(t.name, a.static, b.static), op: calculation(t.name, a.run(), b.run())}, nil
	}
	return code{}, fault(c.src, t.start, issue.Structure, "there is no operator %s", t.name)
}

func comparison(operator string, a, b op) test {
	return func(s *state) (truth, error) {
		x, ok, err := s.operand(a, operator)
		if err != nil {
			return no, err
		}
		y, ok2, err := s.operand(b, operator)
		if err != nil {
			return no, err
		}
		if !ok || !ok2 {
			return unknown, nil
		}
		order, known, err := s.compare(x, y)
		if err != nil || !known {
			return unknown, err
		}
		switch operator {
		case "<":
			return truthOf(order < 0), nil
		case ">":
			return truthOf(order > 0), nil
		case "<=":
			return truthOf(order <= 0), nil
		}
		return truthOf(order >= 0), nil
	}
}

// compare orders two System values; an error where they have no order.
// Source: http://hl7.org/fhirpath/N1/#comparison.
func (s *state) compare(x, y Value) (order int, known bool, err error) {
	switch {
	case x.kind == String && y.kind == String:
		s.steps -= min(len(x.text), len(y.text)) / 64
		return strings.Compare(x.text, y.text), true, nil
	case isNumber(x) && isNumber(y):
		return compareNumbers(x, y), true, nil
	case isQuantity(x) && isQuantity(y):
		order, known = s.compareQuantities(asQuantity(x), asQuantity(y))
		return order, known, nil
	case isDate(x) && isDate(y), x.kind == Time && y.kind == Time:
		order, known = compareMoments(x, y)
		return order, known, nil
	}
	return 0, false, failf("%s and %s have no order", x.kind, y.kind)
}

func union(a, b op) op {
	return func(s *state) error {
		base := len(s.stack)
		if err := a(s); err != nil {
			return err
		}
		if err := b(s); err != nil {
			return err
		}
		return s.distinct(base)
	}
}

func concatenation(a, b op) op {
	return func(s *state) error {
		x, _, err := s.stringOperand(a, "&")
		if err != nil {
			return err
		}
		y, _, err := s.stringOperand(b, "&")
		if err != nil {
			return err
		}
		return s.pushText(x + y)
	}
}

// stringOperand evaluates op to at most one String.
func (s *state) stringOperand(op op, what string) (text string, ok bool, err error) {
	v, ok, err := s.operand(op, what)
	if ok && v.kind != String {
		return "", false, failf("%s needs a String and got %s", what, v.kind)
	}
	return v.text, ok, err
}

// pushText pushes a String, whose length is paid for.
func (s *state) pushText(text string) error {
	if err := s.spend(len(text) / 32); err != nil {
		return err
	}
	if len(text) > 1<<20 {
		return issue.New(issue.TooCostly, "fhirpath-steps", "the FHIRPath expression makes a text of more than a million bytes")
	}
	s.push(StringOf(text))
	return nil
}

func calculation(operator string, a, b op) op {
	return func(s *state) error {
		x, ok, err := s.operand(a, operator)
		if err != nil {
			return err
		}
		y, ok2, err := s.operand(b, operator)
		if err != nil || !ok || !ok2 {
			return err
		}
		if err := s.spend(4); err != nil {
			return err
		}
		var v Value
		switch {
		case x.kind == String && y.kind == String && operator == "+":
			return s.pushText(x.text + y.text)
		case isNumber(x) && isNumber(y):
			v, ok = arithmetic(operator, x, y)
		case isQuantity(x) && isQuantity(y):
			v, ok, err = s.quantityArithmetic(operator, x, y)
		case (isDate(x) || x.kind == Time) && y.kind == Quantity && (operator == "+" || operator == "-"):
			if operator == "-" {
				y = y.negated()
			}
			v, ok, err = x.plus(*y.exact, y.text)
		default:
			return failf("the operator %s does not work on %s and %s", operator, x.kind, y.kind)
		}
		if err == nil && ok {
			s.push(v)
		}
		return err
	}
}
