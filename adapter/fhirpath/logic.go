package fhirpath

// logic is and, or, xor and implies by the tables of
// http://hl7.org/fhirpath/N1/#boolean-logic; the right side is not evaluated where the
// left decides.
func logic(operator string, a, b test) test {
	switch operator {
	case "and":
		return func(s *state) (truth, error) {
			x, err := a(s)
			if err != nil || x == no {
				return no, err
			}
			y, err := b(s)
			if err != nil || y == no {
				return no, err
			}
			if x == yes {
				return y, nil
			}
			return unknown, nil
		}
	case "or":
		return func(s *state) (truth, error) {
			x, err := a(s)
			if err != nil || x == yes {
				return yes, err
			}
			y, err := b(s)
			if err != nil || y == yes {
				return yes, err
			}
			if x == no {
				return y, nil
			}
			return unknown, nil
		}
	case "implies":
		return func(s *state) (truth, error) {
			x, err := a(s)
			if err != nil || x == no {
				return yes, err
			}
			y, err := b(s)
			if err != nil || y == yes {
				return yes, err
			}
			if x == yes {
				return y, nil
			}
			return unknown, nil
		}
	}
	return func(s *state) (truth, error) {
		x, err := a(s)
		if err != nil || x == unknown {
			return unknown, err
		}
		y, err := b(s)
		if err != nil || y == unknown {
			return unknown, err
		}
		return truthOf(x != y), nil
	}
}

// equality is =, and != where want is no.
func equality(a op, b code, want truth) test {
	right := b.run()
	return func(s *state) (truth, error) {
		base := len(s.stack)
		if err := a(s); err != nil {
			return no, err
		}
		mid := len(s.stack)
		if mid == base {
			return unknown, nil
		}
		if err := right(s); err != nil {
			return no, err
		}
		t, err := s.equal(s.stack[base:mid], s.stack[mid:])
		s.drop(base)
		if want == no {
			t = t.not()
		}
		return t, err
	}
}

func equivalence(a, b op, want bool) test {
	return func(s *state) (truth, error) {
		base := len(s.stack)
		if err := a(s); err != nil {
			return no, err
		}
		mid := len(s.stack)
		if err := b(s); err != nil {
			return no, err
		}
		ok, err := s.equivalent(s.stack[base:mid], s.stack[mid:])
		s.drop(base)
		return truthOf(ok == want), err
	}
}

// membership is in; contains with the sides changed.
func membership(item, items op, operator string) test {
	return func(s *state) (truth, error) {
		base := len(s.stack)
		if err := item(s); err != nil {
			return no, err
		}
		v, ok, err := s.single(base, operator)
		if err != nil || !ok {
			return unknown, err
		}
		if err := items(s); err != nil {
			return no, err
		}
		found := no
		for _, have := range s.stack[base:] {
			t, err := s.same(have, v)
			if err != nil {
				return no, err
			}
			if t == yes {
				found = yes
				break
			}
		}
		s.drop(base)
		return found, nil
	}
}
