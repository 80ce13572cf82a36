package fhirpath

import (
	"slices"

	"spadapter/adapter/issue"
)

// buildAggregate: http://hl7.org/fhirpath/N1/#aggregates.
func buildAggregate(c call) (code, error) {
	arg, err := c.lambda(0)
	if err != nil {
		return code{}, err
	}
	step := arg.run()
	start := op(func(*state) error { return nil })
	if len(c.term.args) == 2 {
		if start, err = c.plain(1); err != nil {
			return code{}, err
		}
	}
	return c.after(static{}, func(s *state, base int) error {
		mid := len(s.stack)
		if err := start(s); err != nil {
			return err
		}
		total := slices.Clone(s.stack[mid:])
		s.drop(mid)
		outer := s.total
		err := s.each(base, func(Value) (bool, error) {
			s.total = total
			if err := step(s); err != nil {
				return false, err
			}
			total = append(total[:0:0], s.stack[mid:]...)
			s.drop(mid)
			return true, nil
		})
		s.total = outer
		s.drop(base)
		s.stack = append(s.stack, total...)
		return err
	})
}

// buildIif: only the branch that is chosen is evaluated. The criterion sees the input
// as a whole, which must not be more than one item.
func buildIif(c call) (code, error) {
	var branch [3]code
	out := static{}
	for i := range c.term.args {
		k, err := c.lambda(i)
		if err != nil {
			return code{}, err
		}
		branch[i] = k
	}
	if k := branch[0]; k.made && k.system != Boolean {
		return code{}, fault(c.src, c.term.args[0].first(), issue.Invalid, "the criterion of iif() must be a Boolean and is %s", k.system)
	}
	criterion, then, otherwise := branch[0].condition(), branch[1].run(), op(func(*state) error { return nil })
	if out = branch[1].static; len(c.term.args) == 3 {
		otherwise, out = branch[2].run(), out.union(branch[2].static)
	}
	return c.after(out, func(s *state, base int) error {
		mid := len(s.stack)
		if mid-base > 1 {
			return failf("iif() needs one item and got %d", mid-base)
		}
		old := s.frame
		s.focus = s.stack[base:mid:mid]
		t, err := criterion(s)
		switch {
		case err != nil:
		case t == yes:
			err = then(s)
		default:
			err = otherwise(s)
		}
		s.frame = old
		s.keep(base, mid)
		return err
	})
}

func buildTrace(c call) (code, error) {
	name, err := c.plain(0)
	if err != nil {
		return code{}, err
	}
	var projection op
	if len(c.term.args) == 2 {
		k, err := c.lambda(1)
		if err != nil {
			return code{}, err
		}
		projection = k.run()
	}
	return c.after(c.input.static, func(s *state, base int) error {
		label, _, err := s.stringOperand(name, "the name of trace()")
		if err != nil || s.ctx.Trace == nil {
			return err
		}
		mid := len(s.stack)
		if projection == nil {
			s.ctx.Trace(label, s.stack[base:mid:mid])
			return nil
		}
		err = s.each(base, func(Value) (bool, error) { return true, projection(s) })
		if err == nil {
			s.ctx.Trace(label, s.stack[mid:])
		}
		s.drop(mid)
		return err
	})
}

// buildSort orders by the keys, an empty key first; a minus before a key turns the
// order round, whatever its type. Without a key the items themselves are the key.
// Source: http://hl7.org/fhirpath/#sort.
func buildSort(c call) (code, error) {
	type sortKey struct {
		op   op
		down bool
	}
	keys := []sortKey{{op: pushFocus}}
	if len(c.term.args) > 0 {
		keys = nil
	}
	for _, arg := range c.term.args {
		k := sortKey{}
		if arg.kind == unaryTerm && arg.name == "-" {
			arg, k.down = arg.args[0], true
		}
		compiled, err := c.compile(arg, c.input.static)
		if err != nil {
			return code{}, err
		}
		k.op = compiled.run()
		keys = append(keys, k)
	}
	return c.after(c.input.static, func(s *state, base int) error {
		type row struct {
			item Value
			keys []Value // the zero Value where a key is empty
		}
		rows := make([]row, 0, len(s.stack)-base)
		err := s.each(base, func(v Value) (bool, error) {
			r := row{v, make([]Value, len(keys))}
			for i, k := range keys {
				key, _, err := s.operand(k.op, "a key of sort()")
				if err != nil {
					return false, err
				}
				r.keys[i] = key
			}
			rows = append(rows, r)
			return true, nil
		})
		if err != nil {
			return err
		}
		if err := s.spend(4 * len(rows) * len(keys)); err != nil {
			return err
		}
		slices.SortStableFunc(rows, func(a, b row) int {
			if err == nil {
				err = s.spend(0) // long texts cost more than was paid
			}
			if err != nil {
				return 0
			}
			for i, k := range keys {
				order, known, problem := 0, true, error(nil)
				x, y := a.keys[i], b.keys[i]
				switch empty := (Value{}); {
				case x == empty && y == empty:
				case x == empty:
					return -1 // first in either direction, as HL7's tests have it
				case y == empty:
					return 1
				default:
					order, known, problem = s.compare(x, y)
				}
				if problem != nil && err == nil {
					err = problem
				}
				if known && order != 0 {
					if k.down {
						return -order
					}
					return order
				}
			}
			return 0
		})
		s.drop(base)
		for _, r := range rows {
			s.push(r.item)
		}
		return err
	})
}
