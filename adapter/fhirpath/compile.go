package fhirpath

import (
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

type compiler struct {
	src        string
	context    *fhir.Type
	system     *fhir.System
	variables  map[string]bool
	memberOf   func(Value, string) (bool, bool)
	conformsTo func(*fhir.Node, string) (bool, bool)
	subsumes   func(above, code Value) (bool, bool)
	definition func(*fhir.Node) *fhir.Node
	slice      func(n *fhir.Node, structure, name string) bool
}

// code is a compiled term. A condition has test, everything else run; each can be made
// of the other.
type code struct {
	op   op
	test test
	static
	path []string // the term is this path of elements from the focus; nil otherwise

	placed func(error) error // gives an error its place; nil where only what uses the term has one
}

// run is the code as an operation.
func (k code) run() op {
	if k.op != nil {
		return k.op
	}
	test := k.test
	return func(s *state) error {
		t, err := test(s)
		if t != unknown {
			s.push(BooleanOf(t == yes))
		}
		return err
	}
}

// condition is the code as a condition, by singleton evaluation.
func (k code) condition() test {
	if k.test != nil {
		return k.test
	}
	op, placed := k.op, k.placed
	return func(s *state) (truth, error) {
		base := len(s.stack)
		if err := op(s); err != nil {
			return no, err
		}
		t, err := s.singleton(base)
		if err != nil && placed != nil {
			err = placed(err)
		}
		return t, err
	}
}

// condition is code that is a condition.
func condition(t test) code { return code{test: t, static: systemStatic(Boolean)} }

func (c *compiler) expression(src string, tree *term) (*Expression, error) {
	c.src = src
	var focus static
	if c.context != nil && !c.context.Abstract {
		focus = static{known: true, types: []*fhir.Type{c.context}}
	}
	k, err := c.compile(tree, focus)
	if err != nil {
		return nil, err
	}
	if tree.kind == specialTerm {
		k = c.counted(k, tree.start)
	}
	return &Expression{source: src, run: k.run(), test: k.condition()}, nil
}

// compile compiles a term. What a literal or a special costs is paid by what uses it.
func (c *compiler) compile(t *term, focus static) (code, error) {
	switch t.kind {
	case literalTerm, emptyTerm, specialTerm:
		return compileSimple(t, focus), nil
	}
	k, err := c.compileTerm(t, focus)
	if err != nil {
		return code{}, err
	}
	return c.counted(k, t.start), nil
}

func compileSimple(t *term, focus static) code {
	switch t.kind {
	case literalTerm:
		v := t.literal
		k := code{static: systemStatic(v.kind), op: func(s *state) error { s.push(v); return nil }}
		if v.kind == Boolean {
			k.test = always(truthOf(v.number != 0))
		}
		return k
	case emptyTerm:
		return code{op: func(*state) error { return nil }, static: static{known: true}}
	}
	return compileSpecial(t, focus)
}

func (c *compiler) compileTerm(t *term, focus static) (code, error) {
	switch t.kind {
	case memberTerm:
		return c.compileMember(t, focus)
	case callTerm:
		return c.compileCall(t, focus)
	case indexTerm:
		return c.compileIndex(t, focus)
	case variableTerm:
		return c.compileVariable(t)
	case unaryTerm:
		return c.compileUnary(t, focus)
	case typeTerm:
		return c.compileType(t, focus)
	}
	return c.compileBinary(t, focus)
}

// input compiles what a member, function or index works on; without a left side that
// is the focus.
func (c *compiler) input(left *term, focus static) (code, error) {
	if left != nil {
		return c.compile(left, focus)
	}
	return code{op: pushFocus, static: focus, path: []string{}}, nil
}

func pushFocus(s *state) error {
	s.stack = append(s.stack, s.focus...)
	return s.spend(1 + len(s.focus))
}

func compileSpecial(t *term, focus static) code {
	switch t.name {
	case "index":
		return code{static: systemStatic(Integer), op: func(s *state) error {
			s.push(IntegerOf(int64(s.index)))
			return nil
		}}
	case "total":
		return code{op: func(s *state) error {
			s.stack = append(s.stack, s.total...)
			return s.spend(1 + len(s.total))
		}}
	}
	return code{op: pushFocus, static: focus, path: []string{}}
}

func (c *compiler) compileMember(t *term, focus static) (code, error) {
	if t.left == nil && t.name[0] >= 'A' && t.name[0] <= 'Z' {
		// a path may start with the type of the focus: Patient.name
		switch {
		case focus.known && focus.is(t.name):
			return code{op: pushFocus, static: focus, path: []string{}}, nil
		case !focus.known:
			name := t.name
			out := static{}
			if of := c.system.Type(name); of != nil && !of.Abstract {
				out = static{known: true, types: []*fhir.Type{of}}
			}
			return code{static: out, op: func(s *state) error { return s.typedOrMember(name) }}, nil
		case len(focus.types) > 0:
			return code{}, fault(c.src, t.start, issue.Invalid, "%s has no element %s and is no %s", focus.names(), t.name, t.name)
		}
	}
	in, err := c.input(t.left, focus)
	if err != nil {
		return code{}, err
	}
	out, err := c.member(t, in.static)
	if err != nil {
		return code{}, err
	}
	if in.path != nil {
		path := append(in.path[:len(in.path):len(in.path)], t.name)
		return code{static: out, path: path, op: func(s *state) error { return s.walk(path) }}, nil
	}
	left, name := in.run(), t.name
	return code{static: out, op: func(s *state) error {
		base := len(s.stack)
		if err := left(s); err != nil {
			return err
		}
		return s.members(base, name)
	}}, nil
}

func (c *compiler) compileIndex(t *term, focus static) (code, error) {
	in, err := c.compile(t.left, focus)
	if err != nil {
		return code{}, err
	}
	at, err := c.compile(t.args[0], focus)
	if err != nil {
		return code{}, err
	}
	left, index := in.run(), at.run()
	return code{static: in.static, op: func(s *state) error {
		base := len(s.stack)
		if err := left(s); err != nil {
			return err
		}
		i, ok, err := s.integer(index, "an index")
		if err != nil {
			return err
		}
		if count := int64(len(s.stack) - base); !ok || i < 0 || i >= count {
			s.drop(base)
			return nil
		}
		return s.answer(base, s.stack[base+int(i)])
	}}, nil
}

func (c *compiler) compileType(t *term, focus static) (code, error) {
	of, err := c.typeOf(t.literal.text, t.named)
	if err != nil {
		return code{}, err
	}
	in, err := c.compile(t.left, focus)
	if err != nil {
		return code{}, err
	}
	if t.name == "is" {
		return isType(in, of), nil
	}
	return asType(in, of), nil
}

func isType(in code, of typeName) code {
	left := in.run()
	return condition(func(s *state) (truth, error) {
		base := len(s.stack)
		if err := left(s); err != nil {
			return no, err
		}
		v, ok, err := s.single(base, "is")
		if err != nil || !ok {
			return unknown, err
		}
		return truthOf(of.is(v)), nil
	})
}

func asType(in code, of typeName) code {
	left := in.run()
	return code{static: of.static(), op: func(s *state) error {
		base := len(s.stack)
		if err := left(s); err != nil {
			return err
		}
		v, ok, err := s.single(base, "as")
		if err == nil && ok && of.exactly(v) {
			s.push(v)
		}
		return err
	}}
}

func always(t truth) test { return func(*state) (truth, error) { return t, nil } }
