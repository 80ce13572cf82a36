package fhirpath

import (
	"maps"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// call is a function call being compiled.
type call struct {
	*compiler
	term  *term
	input code   // what the function is called on
	focus static // of $this outside the arguments
}

// function is one function: how many arguments it takes and how a call compiles.
type function struct {
	min, max int
	build    func(c call) (code, error)
}

// functions is the table of all functions; init in the files beside fills it.
var functions = map[string]function{}

// register adds functions to the table.
func register(list map[string]function) {
	for name, f := range list {
		functions[name] = f
	}
}

func (c *compiler) compileCall(t *term, focus static) (code, error) {
	f, found := functions[t.name]
	if !found {
		return code{}, fault(c.src, t.start, issue.NotSupported, "there is no function %s()%s", t.name,
			similar(t.name, slices.Sorted(maps.Keys(functions)), func(name string) string { return name + "()" }))
	}
	if n := len(t.args); n < f.min || n > f.max {
		return code{}, fault(c.src, t.start, issue.Structure, "%s() takes %s and got %d", t.name, count(f.min, f.max), n)
	}
	in, err := c.input(t.left, focus)
	if err != nil {
		return code{}, err
	}
	return f.build(call{c, t, in, focus})
}

func count(low, high int) string {
	words := [...]string{"no argument", "one argument", "two arguments", "three arguments"}
	switch {
	case high > 3:
		return words[low] + " or more"
	case low != high:
		return words[low] + " to " + words[high]
	}
	return words[low]
}

// plain compiles argument i, to be evaluated on the focus around the call.
func (c call) plain(i int) (op, error) {
	k, err := c.compile(c.term.args[i], c.focus)
	return k.orNil(), err
}

// lambda compiles argument i, to be evaluated on the items of the input.
func (c call) lambda(i int) (code, error) {
	return c.compile(c.term.args[i], c.input.static)
}

func (k code) orNil() op {
	if k.op == nil && k.test == nil {
		return nil
	}
	return k.run()
}

// after makes the code of a function without arguments from what it does with its input.
func (c call) after(out static, f step) (code, error) {
	in := c.input.run()
	return code{static: out, op: func(s *state) error {
		base := len(s.stack)
		if err := in(s); err != nil {
			return err
		}
		return f(s, base)
	}}, nil
}

// onItems is a function without arguments that gives items of out.
func onItems(out static, f step) function {
	return function{0, 0, func(c call) (code, error) { return c.after(out, f) }}
}

// keeping is a function without arguments that gives some of its input.
func keeping(f step) function {
	return function{0, 0, func(c call) (code, error) { return c.after(c.input.static, f) }}
}

// deciding is a function without arguments that gives a truth.
func deciding(f func(s *state, items []Value) (truth, error)) function {
	return function{0, 0, func(c call) (code, error) {
		in := c.input.run()
		return condition(func(s *state) (truth, error) {
			base := len(s.stack)
			if err := in(s); err != nil {
				return no, err
			}
			t, err := f(s, s.stack[base:])
			s.drop(base)
			return t, err
		}), nil
	}}
}

// converting is a function without arguments on at most one System value.
func converting(out static, f func(s *state, v Value) (Value, bool, error)) function {
	return function{0, 0, func(c call) (code, error) {
		in, name := c.input.run(), c.term.name
		return code{static: out, op: func(s *state) error {
			v, ok, err := s.operand(in, name+"()")
			if err != nil || !ok {
				return err
			}
			if v, ok, err = f(s, v); err != nil || !ok {
				return err
			}
			if v.kind == String {
				return s.pushText(v.text)
			}
			s.push(v)
			return nil
		}}, nil
	}}
}

// with is a function on at most one System value with arguments that are one System
// value each; the result is empty when the input or an argument that stands is empty.
// wants is the kind of the input, and that of the arguments, where there is only one.
func with(low, high int, out static, f func(s *state, v Value, args []Value) (Value, bool, error), wants ...Kind) function {
	return function{low, high, func(c call) (code, error) {
		in, name := c.input.run(), c.term.name+"()"
		if len(wants) > 0 {
			if err := c.wants(wants[0], c.input.static, c.term.start, "what "+name+" works on"); err != nil {
				return code{}, err
			}
		}
		args := make([]op, len(c.term.args))
		for i, t := range c.term.args {
			arg, err := c.compile(t, c.focus)
			if err == nil && len(wants) > 1 {
				err = c.wants(wants[1], arg.static, t.first(), "the argument of "+name)
			}
			if err != nil {
				return code{}, err
			}
			args[i] = arg.run()
		}
		return code{static: out, op: func(s *state) error {
			v, ok, err := s.operand(in, name)
			if err != nil || !ok {
				return err
			}
			var values [3]Value
			for i, arg := range args {
				if values[i], ok, err = s.operand(arg, "an argument of "+name); err != nil || !ok {
					return err
				}
			}
			if v, ok, err = f(s, v, values[:len(args)]); err != nil || !ok {
				return err
			}
			if v.kind == String {
				return s.pushText(v.text)
			}
			s.push(v)
			return nil
		}}, nil
	}}
}

// typedOrMember is a name with a capital at the start of a path: the focus where that
// is its type, else the element.
func (s *state) typedOrMember(name string) error {
	for _, v := range s.focus {
		before := len(s.stack)
		if n := v.node; n != nil && (n.Type != nil && n.Type.Is(name) || n.Type == nil && n.ResourceType() == name) {
			s.push(v)
		} else if n != nil {
			appendMembers(s, n, name)
		}
		if err := s.spend(1 + len(s.stack) - before); err != nil {
			return err
		}
	}
	return nil
}

// isMember reports whether a node is an element of that name: a choice goes by its
// name in the standard, never by that in JSON.
func isMember(c *fhir.Node, name string) bool {
	if c.Element != nil {
		if c.Element.Name != name {
			return false
		}
	} else if c.Name != name {
		return false
	}
	return c.Kind != fhir.Null && c.Kind != fhir.Array
}

func appendMembers(s *state, n *fhir.Node, name string) {
	s.steps -= len(n.Children) / 8
	for _, c := range n.Children {
		if isMember(c, name) {
			s.stack = append(s.stack, Value{node: c})
		}
	}
}

// members replaces the items from base on by their elements of that name.
func (s *state) members(base int, name string) error {
	mid := len(s.stack)
	for i := base; i < mid; i++ {
		before := len(s.stack)
		switch v := s.stack[i]; {
		case v.node != nil:
			appendMembers(s, v.node, name)
		case v.kind == TypeInfo && name == "name":
			s.push(StringOf(v.text[strings.IndexByte(v.text, '.')+1:]))
		case v.kind == TypeInfo && name == "namespace":
			s.push(StringOf(v.text[:strings.IndexByte(v.text, '.')]))
		case v.kind == Quantity && name == "value":
			s.push(DecimalOf(*v.exact))
		case v.kind == Quantity && (name == "unit" || name == "code"):
			s.push(StringOf(v.text))
		}
		// the same element may be there many times: its members must be paid as they come
		if err := s.spend(1 + len(s.stack) - before); err != nil {
			return err
		}
	}
	s.keep(base, mid)
	return nil
}

// walk pushes what lies at the end of a path from the focus.
func (s *state) walk(path []string) error {
	for _, v := range s.focus {
		from := len(s.stack)
		if v.node != nil {
			walkNode(s, v.node, path)
			if err := s.spend(len(s.stack) - from); err != nil {
				return err
			}
			continue
		}
		s.push(v)
		for _, name := range path {
			if err := s.members(from, name); err != nil {
				return err
			}
		}
	}
	return s.spend(len(path))
}

func walkNode(s *state, n *fhir.Node, path []string) {
	if len(path) == 1 {
		appendMembers(s, n, path[0])
		return
	}
	s.steps -= len(n.Children) / 8
	for _, c := range n.Children {
		if isMember(c, path[0]) {
			s.steps--
			walkNode(s, c, path[1:])
		}
	}
}

// reaches reports whether anything lies at the end of a path.
func (s *state) reaches(n *fhir.Node, path []string) bool {
	if len(path) == 0 {
		return true
	}
	s.steps -= 1 + len(n.Children)/8
	for _, c := range n.Children {
		if isMember(c, path[0]) && s.reaches(c, path[1:]) {
			return true
		}
	}
	return false
}
