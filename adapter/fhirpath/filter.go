package fhirpath

// The functions of http://hl7.org/fhirpath/N1/#filtering-and-projection, #subsetting,
// #combining and aggregate().
func init() {
	register(map[string]function{
		"where":     {1, 1, buildWhere},
		"select":    {1, 1, buildSelect},
		"ofType":    {1, 1, buildOfType},
		"is":        {1, 1, buildIs},
		"as":        {1, 1, buildAs},
		"first":     keeping(func(s *state, base int) error { s.slice(base, 0, 1); return nil }),
		"last":      keeping(func(s *state, base int) error { s.slice(base, len(s.stack)-base-1, 1); return nil }),
		"tail":      keeping(func(s *state, base int) error { s.slice(base, 1, len(s.stack)); return nil }),
		"skip":      {1, 1, func(c call) (code, error) { return buildTake(c, true) }},
		"take":      {1, 1, func(c call) (code, error) { return buildTake(c, false) }},
		"single":    keeping(single),
		"intersect": {1, 1, func(c call) (code, error) { return buildIntersect(c, true) }},
		"exclude":   {1, 1, func(c call) (code, error) { return buildIntersect(c, false) }},
		"union":     {1, 1, func(c call) (code, error) { return buildCombine(c, true) }},
		"combine":   {1, 1, func(c call) (code, error) { return buildCombine(c, false) }},
		"aggregate": {1, 2, buildAggregate},
		"iif":       {2, 3, buildIif},
		"trace":     {1, 2, buildTrace},
		"sort":      {0, 9, buildSort},
	})
}

func buildWhere(c call) (code, error) {
	arg, err := c.lambda(0)
	if err != nil {
		return code{}, err
	}
	criteria := arg.condition()
	return c.after(c.input.static, func(s *state, base int) error {
		mid := len(s.stack)
		err := s.each(base, func(v Value) (bool, error) {
			t, err := criteria(s)
			if t == yes {
				s.push(v)
			}
			return true, err
		})
		s.keep(base, mid)
		return err
	})
}

func buildSelect(c call) (code, error) {
	arg, err := c.lambda(0)
	if err != nil {
		return code{}, err
	}
	projection := arg.run()
	return c.after(arg.static, func(s *state, base int) error {
		mid := len(s.stack)
		err := s.each(base, func(Value) (bool, error) { return true, projection(s) })
		s.keep(base, mid)
		return err
	})
}

func buildOfType(c call) (code, error) {
	of, err := c.typeArgument(c.term.args[0])
	if err != nil {
		return code{}, err
	}
	return c.after(of.static(), func(s *state, base int) error {
		to := base
		for i := base; i < len(s.stack); i++ {
			if of.exactly(s.stack[i]) {
				s.stack[to] = s.stack[i]
				to++
			}
		}
		work := len(s.stack) - base
		s.drop(to)
		return s.spend(work)
	})
}

func buildIs(c call) (code, error) {
	of, err := c.typeArgument(c.term.args[0])
	return isType(c.input.whole(), of), err
}

func buildAs(c call) (code, error) {
	of, err := c.typeArgument(c.term.args[0])
	return asType(c.input.whole(), of), err
}

// whole is k with run() made, for use after an error elsewhere.
func (k code) whole() code { k.op = k.run(); return k }

// slice keeps n items from the item number from on.
func (s *state) slice(base, from, n int) {
	count := len(s.stack) - base
	s.steps -= count / 16
	from = min(max(from, 0), count)
	n = min(max(n, 0), count-from)
	copy(s.stack[base:], s.stack[base+from:base+from+n])
	s.drop(base + n)
}

func buildTake(c call, skip bool) (code, error) {
	number, err := c.plain(0)
	if err != nil {
		return code{}, err
	}
	what := "the argument of " + c.term.name + "()"
	return c.after(c.input.static, func(s *state, base int) error {
		n, ok, err := s.integer(number, what)
		switch {
		case err != nil:
			return err
		case !ok:
			s.drop(base)
		case skip:
			s.slice(base, int(n), len(s.stack))
		default:
			s.slice(base, 0, int(n))
		}
		return nil
	})
}

func single(s *state, base int) error {
	if n := len(s.stack) - base; n > 1 {
		return failf("single() needs one item and got %d", n)
	}
	return nil
}

func buildIntersect(c call, common bool) (code, error) {
	other, err := c.plain(0)
	if err != nil {
		return code{}, err
	}
	return c.after(c.input.static, func(s *state, base int) error {
		mid := len(s.stack)
		if err := other(s); err != nil {
			return err
		}
		end := len(s.stack)
		within := set{items: s.stack[mid:end:end]}
		if err := within.prepare(s); err != nil {
			return err
		}
		to := base
		for i := base; i < mid; i++ {
			found, err := within.has(s, s.stack[i])
			if err != nil {
				return err
			}
			if found == common {
				s.stack[to] = s.stack[i]
				to++
			}
		}
		s.drop(to)
		if common {
			return s.distinct(base) // exclude() keeps duplicates, intersect() does not
		}
		return nil
	})
}

func buildCombine(c call, merge bool) (code, error) {
	other, err := c.compile(c.term.args[0], c.focus)
	if err != nil {
		return code{}, err
	}
	right := other.run()
	return c.after(c.input.union(other.static), func(s *state, base int) error {
		mid := len(s.stack)
		if err := right(s); err != nil {
			return err
		}
		if !merge {
			return s.spend(1 + len(s.stack) - mid) // literals among them were free
		}
		return s.distinct(base)
	})
}
