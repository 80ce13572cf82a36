package fhirpath

import (
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
		return code{}, fault(c.src, t.start, issue.NotSupported, "there is no function %s()%s", t.name, similar(t.name))
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

// similar names a function that differs in case only, the usual mistake.
func similar(name string) string {
	for have := range functions {
		if strings.EqualFold(have, name) {
			return "; did you mean " + have + "()?"
		}
	}
	return ""
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
func with(low, high int, out static, f func(s *state, v Value, args []Value) (Value, bool, error)) function {
	return function{low, high, func(c call) (code, error) {
		in, name := c.input.run(), c.term.name+"()"
		args := make([]op, len(c.term.args))
		for i := range args {
			var err error
			if args[i], err = c.plain(i); err != nil {
				return code{}, err
			}
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
	base := len(s.stack)
	for _, v := range s.focus {
		if n := v.node; n != nil && (n.Type != nil && n.Type.Is(name) || n.Type == nil && n.ResourceType() == name) {
			s.push(v)
		} else if n != nil {
			appendMembers(s, n, name)
		}
	}
	return s.spend(len(s.stack) - base + 1)
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
	}
	work := len(s.stack) - base + 1
	s.keep(base, mid)
	return s.spend(work)
}

// walk pushes what lies at the end of a path from the focus.
func (s *state) walk(path []string) error {
	base := len(s.stack)
	for _, v := range s.focus {
		if v.node != nil {
			walkNode(s, v.node, path)
			continue
		}
		from := len(s.stack)
		s.push(v)
		for _, name := range path {
			if err := s.members(from, name); err != nil {
				return err
			}
		}
	}
	return s.spend(len(s.stack) - base + len(path))
}

func walkNode(s *state, n *fhir.Node, path []string) {
	if len(path) == 1 {
		appendMembers(s, n, path[0])
		return
	}
	for _, c := range n.Children {
		if isMember(c, path[0]) {
			walkNode(s, c, path[1:])
		}
	}
}

// reaches reports whether anything lies at the end of a path.
func reaches(n *fhir.Node, path []string) bool {
	if len(path) == 0 {
		return true
	}
	return slices.ContainsFunc(n.Children, func(c *fhir.Node) bool {
		return isMember(c, path[0]) && reaches(c, path[1:])
	})
}
