package fhirpath

// single takes the one item from base on; ok is false when there is none.
func (s *state) single(base int, what string) (v Value, ok bool, err error) {
	items := s.stack[base:]
	switch len(items) {
	case 0:
		return v, false, nil
	case 1:
		v = items[0]
		s.drop(base)
		return v, true, nil
	}
	return v, false, failf("%s needs one item and got %d", what, len(items))
}

// operand evaluates op to at most one System value.
func (s *state) operand(op op, what string) (v Value, ok bool, err error) {
	base := len(s.stack)
	if err := op(s); err != nil {
		return v, false, err
	}
	if v, ok, err = s.single(base, what); ok {
		v = s.system(v)
	}
	return v, ok, err
}

func (s *state) integer(op op, what string) (i int64, ok bool, err error) {
	v, ok, err := s.operand(op, what)
	if ok && v.kind != Integer {
		return 0, false, failf("%s must be an Integer and is %s", what, v.kind)
	}
	return v.number, ok, err
}
