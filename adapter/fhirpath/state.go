package fhirpath

import (
	"sync"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// state is one evaluation: a stack of values that every operation pushes its result
// on. Operations never allocate collections of their own, and states are pooled, so
// that the common expressions allocate nothing.
//
// A collection on the stack may be kept as a slice (the focus of an iteration): the
// items below the top are not written to while it is in use, and when the stack grows
// the old array stays as it was.
type state struct {
	frame
	stack []Value
	base  int // where the result of the expression starts; the focus lies below
	high  int // how far the stack was used, for clearing
	steps int
	given int // the steps it began with
	ctx   Context
	first *fhir.Node // the focus of the whole expression
	found finder
}

// frame is what $this, $index and $total mean.
type frame struct {
	focus Collection
	index int
	total Collection
}

// op pushes its result on the stack.
type op func(s *state) error

// step replaces the items from base on by its result.
type step func(s *state, base int) error

// truth is a value of three-valued logic.
type truth uint8

const (
	unknown truth = iota // the empty collection
	no
	yes
)

// test evaluates to a truth without touching the stack's contents.
type test func(s *state) (truth, error)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (t truth) not() truth {
	switch t {
	case yes:
		return no
	case no:
		return yes
	}
	return unknown
}

var states = sync.Pool{New: func() any { return &state{stack: make([]Value, 0, 64)} }}

func begin(ctx Context, focus *fhir.Node) *state {
	s := states.Get().(*state)
	s.ctx, s.first, s.steps = ctx, focus, ctx.Steps
	if s.steps <= 0 {
		s.steps = defaultSteps
	}
	if ctx.Budget != nil {
		s.steps = min(s.steps, max(*ctx.Budget, 0))
	}
	s.given = s.steps
	if focus != nil {
		s.stack = append(s.stack, Value{node: focus})
		s.focus = s.stack[:1:1]
		s.base = 1
	}
	return s
}

// end gives the state back; nothing of the tree may stay in the pool.
func (s *state) end() {
	if s.ctx.Budget != nil {
		*s.ctx.Budget -= s.given - s.steps
	}
	if cap(s.stack) > 1<<14 {
		return // one large evaluation must not hold its memory for good
	}
	clear(s.stack[:min(cap(s.stack), max(s.high, len(s.stack)))])
	*s = state{stack: s.stack[:0]}
	states.Put(s)
}

func (s *state) push(v Value) { s.stack = append(s.stack, v) }

// drop forgets the items from base on.
func (s *state) drop(base int) {
	s.high = max(s.high, len(s.stack))
	s.stack = s.stack[:base]
}

// keep moves the items from mid on down to base: the result takes the place of the input.
func (s *state) keep(base, mid int) {
	s.high = max(s.high, len(s.stack))
	s.stack = s.stack[:base+copy(s.stack[base:], s.stack[mid:])]
}

// answer replaces the items from base on by one.
func (s *state) answer(base int, v Value) error {
	s.drop(base)
	s.push(v)
	return nil
}

// spend counts work and ends evaluations that take too much.
func (s *state) spend(n int) error {
	if s.steps -= n; s.steps < 0 {
		return tooCostly()
	}
	return nil
}

func tooCostly() error {
	return issue.New(issue.TooCostly, "fhirpath-steps", "the FHIRPath expression needs more work than is allowed; make it more specific")
}

// system is v.System(), of which the work is counted: a Quantity is looked for among
// the children. As in all that subtracts from steps and gives no error, the next term
// or spend tells that there was too much.
func (s *state) system(v Value) Value {
	if v.node != nil {
		s.steps -= len(v.node.Children) / 4
	}
	return v.System()
}

// each runs f with every item from base on as $this and leaves the items where they are.
func (s *state) each(base int, f func(v Value) (bool, error)) error {
	old, end := s.frame, len(s.stack)
	items := s.stack[base:end:end]
	for i := range items {
		s.focus, s.index = items[i:i+1:i+1], i
		if err := s.spend(1); err != nil {
			return err
		}
		more, err := f(items[i])
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	s.frame = old
	return nil
}

// singleton is the truth of the items from base on by singleton evaluation, which it drops.
func (s *state) singleton(base int) (truth, error) {
	items := s.stack[base:]
	t := unknown
	switch len(items) {
	case 0:
	case 1:
		t = yes
		if v := s.system(items[0]); v.kind == Boolean {
			t = truthOf(v.number != 0)
		}
	default:
		return no, failf("a condition needs one item and got %d", len(items))
	}
	s.drop(base)
	return t, nil
}

// failf is an error of evaluation, of which the words are ours.
func failf(format string, args ...any) error {
	return issue.Newf(issue.Invalid, "fhirpath", format, brief(args)...)
}
