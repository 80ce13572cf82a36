package fhirpath

// The functions of http://hl7.org/fhirpath/N1/#existence.
func init() {
	register(map[string]function{
		"exists":     {0, 1, buildExists},
		"empty":      {0, 0, buildEmpty},
		"not":        {0, 0, buildNot},
		"all":        {1, 1, buildAll},
		"allTrue":    deciding(truths(no, no)),
		"anyTrue":    deciding(truths(yes, yes)),
		"allFalse":   deciding(truths(yes, no)),
		"anyFalse":   deciding(truths(no, yes)),
		"count":      {0, 0, buildCount},
		"isDistinct": {0, 0, buildIsDistinct},
		"distinct":   keeping(func(s *state, base int) error { return s.distinct(base) }),
		"subsetOf":   {1, 1, func(c call) (code, error) { return buildSubset(c, false) }},
		"supersetOf": {1, 1, func(c call) (code, error) { return buildSubset(c, true) }},
	})
}

// any is exists() without criteria, as a condition.
func (k code) any() test {
	if path := k.path; path != nil {
		return func(s *state) (truth, error) {
			if err := s.spend(len(path)); err != nil {
				return no, err
			}
			for _, v := range s.focus {
				if v.node == nil {
					return s.anyOf(k.op)
				}
				if s.reaches(v.node, path) {
					return yes, nil
				}
			}
			return no, nil
		}
	}
	op := k.run()
	return func(s *state) (truth, error) { return s.anyOf(op) }
}

func (s *state) anyOf(op op) (truth, error) {
	base := len(s.stack)
	err := op(s)
	found := len(s.stack) > base
	s.drop(base)
	return truthOf(found), err
}

func buildExists(c call) (code, error) {
	if len(c.term.args) == 0 {
		return condition(c.input.any()), nil
	}
	return c.quantified(yes, yes)
}

func buildEmpty(c call) (code, error) {
	exists := c.input.any()
	return condition(func(s *state) (truth, error) {
		t, err := exists(s)
		return t.not(), err
	}), nil
}

func buildNot(c call) (code, error) {
	in := c.input.condition()
	return condition(func(s *state) (truth, error) {
		t, err := in(s)
		return t.not(), err
	}), nil
}

func buildAll(c call) (code, error) { return c.quantified(no, no) }

// quantified looks for an item whose criteria are stop (where stop is no, also
// unknown) and answers found then, its opposite otherwise.
func (c call) quantified(stop, found truth) (code, error) {
	arg, err := c.lambda(0)
	if err != nil {
		return code{}, err
	}
	in, criteria := c.input.run(), arg.condition()
	return condition(func(s *state) (truth, error) {
		base := len(s.stack)
		if err := in(s); err != nil {
			return no, err
		}
		result := found.not()
		err := s.each(base, func(Value) (bool, error) {
			t, err := criteria(s)
			if err != nil || t == stop || stop == no && t == unknown {
				result = found
				return false, err
			}
			return true, nil
		})
		s.drop(base)
		return result, err
	}), nil
}

// truths is allTrue and its kin: an item that is stop decides for answer, and when
// none is, the opposite holds. Every item must be a Boolean.
func truths(stop, answer truth) func(s *state, items []Value) (truth, error) {
	return func(s *state, items []Value) (truth, error) {
		result := answer.not()
		for _, v := range items {
			v = s.system(v)
			b, ok := v.Boolean()
			if !ok {
				return no, failf("allTrue(), anyTrue(), allFalse() and anyFalse() need Booleans and got %s", v.kind)
			}
			if truthOf(b) == stop {
				result = answer
			}
		}
		return result, s.spend(len(items))
	}
}

func buildCount(c call) (code, error) {
	return c.after(systemStatic(Integer), func(s *state, base int) error {
		return s.answer(base, IntegerOf(int64(len(s.stack)-base)))
	})
}

func buildIsDistinct(c call) (code, error) {
	in := c.input.run()
	return condition(func(s *state) (truth, error) {
		base := len(s.stack)
		if err := in(s); err != nil {
			return no, err
		}
		n := len(s.stack)
		err := s.distinct(base)
		alone := len(s.stack) == n
		s.drop(base)
		return truthOf(alone), err
	}), nil
}

// distinct drops the items from base on that equal an earlier one.
func (s *state) distinct(base int) error {
	items := s.stack[base:]
	if len(items) < 2 {
		return nil
	}
	// the items that stay are moved down in place
	unique := set{items: items[:0:len(items)]}
	for _, v := range items {
		if _, err := unique.add(s, v); err != nil {
			return err
		}
	}
	s.drop(base + len(unique.items))
	return nil
}

func buildSubset(c call, super bool) (code, error) {
	other, err := c.plain(0)
	if err != nil {
		return code{}, err
	}
	in := c.input.run()
	return condition(func(s *state) (truth, error) {
		base := len(s.stack)
		if err := in(s); err != nil {
			return no, err
		}
		mid := len(s.stack)
		if err := other(s); err != nil {
			return no, err
		}
		small, large := s.stack[base:mid], s.stack[mid:]
		if super {
			small, large = large, small
		}
		within := set{items: large[:len(large):len(large)]}
		if err := within.prepare(s); err != nil {
			return no, err
		}
		result := yes
		for _, v := range small {
			found, err := within.has(s, v)
			if err != nil {
				return no, err
			}
			if !found {
				result = no
				break
			}
		}
		s.drop(base)
		return result, nil
	}), nil
}
