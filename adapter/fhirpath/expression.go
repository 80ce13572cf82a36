package fhirpath

import (
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Expression is a compiled FHIRPath expression. It is read-only and safe for
// concurrent use.
type Expression struct {
	source string
	run    op
	test   test
}

// Option is a setting of Compile.
type Option func(*compiler)

// Type gives the type of the elements that the expression will be evaluated on. With
// it, an element or a variant of a choice that the type does not have is an error of
// Compile; steps whose type cannot be known (after resolve(), in contained) are not
// checked. It also sets the type system.
func Type(t *fhir.Type) Option {
	return func(c *compiler) { c.context, c.system = t, t.System() }
}

// Types gives the type system in which the names of types are looked up. Default R4.
func Types(s *fhir.System) Option { return func(c *compiler) { c.system = s } }

// Variables declares the variables that Context.Variables will hold. With it, an
// unknown variable is an error of Compile, without it one of Eval.
func Variables(names ...string) Option {
	return func(c *compiler) {
		if c.variables == nil {
			c.variables = map[string]bool{}
		}
		for _, n := range names {
			c.variables[n] = true
		}
	}
}

// Compile reads an expression. Errors are *issue.Error with line and column in src
// (PlaceOf has the offset too) and with what was expected: structure for the syntax, not-supported for an unknown
// function, invalid for an element, type or variable that does not exist, too-long
// over 64 KiB, too-costly when nested more than 200 deep.
func Compile(src string, opts ...Option) (*Expression, error) {
	c := &compiler{}
	for _, o := range opts {
		o(c)
	}
	if c.system == nil {
		c.system = fhir.Types(fhir.R4)
	}
	tree, err := parse(src)
	if err != nil {
		return nil, err
	}
	return c.expression(src, tree)
}

// MustCompile is Compile for expressions that are part of the program; it panics.
func MustCompile(src string, opts ...Option) *Expression {
	e, err := Compile(src, opts...)
	if err != nil {
		panic("fhirpath: " + src + ": " + err.Error())
	}
	return e
}

// String is the source of the expression.
func (e *Expression) String() string { return e.source }

// Context is what an evaluation knows beside the focus. The zero Context will do for
// expressions that ask for no time and no variables.
type Context struct {
	Resource     *fhir.Node // %resource; nil: the innermost resource the focus lies in
	RootResource *fhir.Node // %rootResource; nil: %resource, or what contains it
	Variables    map[string]Collection

	// Resolve finds what a reference names, nil when it is not found. from is the
	// element that refers, nil for a string the expression made. Nil: Find from the
	// focus's root, which scans; use a Resolver for a large Bundle.
	Resolve func(reference string, from *fhir.Node) *fhir.Node

	Now   time.Time // now(), today() and timeOfDay(); zero: they are errors
	Steps int       // work allowed, about one per term evaluated and per element touched; default 1,000,000

	// Budget is the work allowed for several evaluations together, one after the other:
	// each takes from it what it used. Nil: Steps alone bounds each.
	Budget *int

	// Trace receives what trace() sees, when not nil. values is valid during the call.
	Trace func(name string, values Collection)
}

const defaultSteps = 1_000_000

// Eval evaluates e on focus (nil: on the empty collection). The result is in the
// order of the tree; nil when empty.
//
// Errors are *issue.Error: invalid where FHIRPath says that evaluation ends with an
// error (several items where one is needed, operands of the wrong type); too-costly
// when the work exceeds Context.Steps or what is left of Context.Budget. Expression, Line and Column are those of the
// focus in its document, zero without a focus; PlaceOf gives the place inside e.
func (e *Expression) Eval(ctx Context, focus *fhir.Node) (Collection, error) {
	s := begin(ctx, focus)
	defer s.end()
	if err := e.run(s); err != nil {
		return nil, e.located(err, focus)
	}
	if len(s.stack) == s.base {
		return nil, nil
	}
	return append(Collection(nil), s.stack[s.base:]...), nil
}

// EvalOn is Eval on any collection: for engines that hold variables of their own.
func (e *Expression) EvalOn(ctx Context, focus Collection) (Collection, error) {
	var first *fhir.Node
	if len(focus) > 0 {
		first = focus[0].node
	}
	s := begin(ctx, first)
	defer s.end()
	s.focus = focus
	if err := e.run(s); err != nil {
		return nil, e.located(err, first)
	}
	if len(s.stack) == s.base {
		return nil, nil
	}
	return append(Collection(nil), s.stack[s.base:]...), nil
}

// Test evaluates e as a condition or invariant: a single Boolean is itself, any other
// single item is true (http://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections),
// empty is false, and several items are an error of type invalid. It does not
// allocate on the common paths.
func (e *Expression) Test(ctx Context, focus *fhir.Node) (bool, error) {
	s := begin(ctx, focus)
	defer s.end()
	t, err := e.test(s)
	if err != nil {
		return false, e.located(err, focus)
	}
	return t == yes, nil
}

// located gives an error of the evaluation the path and place of the focus, and says
// in which expression it arose and where.
func (e *Expression) located(err error, focus *fhir.Node) error {
	failed, ok := err.(*issue.Error)
	if !ok {
		return err
	}
	if p, ok := PlaceOf(failed); ok {
		failed.With("at line %d, column %d of the FHIRPath %s", p.Line, p.Column, excerpt(e.source))
	}
	if focus != nil {
		failed.At(focus.Path()).On(focus.Position())
	}
	return failed
}
