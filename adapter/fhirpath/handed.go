package fhirpath

import (
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// The functions of FHIR for which the layer above hands the knowledge in,
// http://hl7.org/fhir/R4/fhirpath.html#functions. Without it they do not compile.
func init() {
	register(map[string]function{
		"memberOf": {1, 1, func(c call) (code, error) {
			if c.memberOf == nil {
				return c.none("a terminology")
			}
			ask := c.memberOf
			return c.asking(20, func(v Value, valueSet string) (bool, bool) { return ask(v, valueSet) }, false)
		}},
		"conformsTo": {1, 1, func(c call) (code, error) {
			if c.conformsTo == nil {
				return c.none("profiles")
			}
			ask := c.conformsTo
			return c.asking(100, func(v Value, profile string) (bool, bool) {
				if v.node == nil {
					return false, true
				}
				return ask(v.node, profile)
			}, true)
		}},
		"subsumes":          {1, 1, func(c call) (code, error) { return buildSubsumes(c, false) }},
		"subsumedBy":        {1, 1, func(c call) (code, error) { return buildSubsumes(c, true) }},
		"elementDefinition": {0, 0, buildElementDefinition},
		"slice":             {2, 2, buildSlice},
	})
}

// none is the error of a function that was handed nothing.
func (c call) none(what string) (code, error) {
	return code{}, fault(c.src, c.term.start, issue.NotSupported, "%s() needs %s, and there is none here", c.term.name, what)
}

// asking is a condition on one item and one String. Where the answer is not known it is
// empty, or an error when it must be.
func (c call) asking(work int, ask func(v Value, text string) (yes, known bool), must bool) (code, error) {
	argument, err := c.plain(0)
	if err != nil {
		return code{}, err
	}
	in, name := c.input.run(), c.term.name+"()"
	return condition(func(s *state) (truth, error) {
		base := len(s.stack)
		if err := in(s); err != nil {
			return no, err
		}
		v, ok, err := s.single(base, name)
		if err != nil || !ok {
			return unknown, err
		}
		text, ok, err := s.stringOperand(argument, "the argument of "+name)
		if err != nil || !ok {
			return unknown, err
		}
		if err := s.spend(work); err != nil {
			return unknown, err
		}
		answer, known := ask(v, text)
		switch {
		case known:
			return truthOf(answer), nil
		case must:
			return no, failf("%s does not know this profile", name)
		}
		return unknown, nil
	}), nil
}

// buildSubsumes: whether the input is the same as the argument or above it; the other
// way round for subsumedBy().
func buildSubsumes(c call, by bool) (code, error) {
	if c.subsumes == nil {
		return c.none("a terminology")
	}
	argument, err := c.plain(0)
	if err != nil {
		return code{}, err
	}
	in, name, ask := c.input.run(), c.term.name+"()", c.subsumes
	return condition(func(s *state) (truth, error) {
		base := len(s.stack)
		var pair [2]Value
		for i, op := range []op{in, argument} {
			if err := op(s); err != nil {
				return no, err
			}
			v, ok, err := s.single(base, name)
			if err != nil || !ok {
				s.drop(base)
				return unknown, err
			}
			pair[i] = v
		}
		if by {
			pair[0], pair[1] = pair[1], pair[0]
		}
		if err := s.spend(20); err != nil {
			return no, err
		}
		above, known := ask(pair[0], pair[1])
		if !known {
			return unknown, nil
		}
		return truthOf(above), nil
	}), nil
}

// buildElementDefinition gives the ElementDefinition of each element that has one.
func buildElementDefinition(c call) (code, error) {
	if c.definition == nil {
		return c.none("profiles")
	}
	ask := c.definition
	return c.after(static{}, func(s *state, base int) error {
		mid := len(s.stack)
		for i := base; i < mid; i++ {
			if err := s.spend(20); err != nil {
				return err
			}
			if n := s.stack[i].node; n != nil {
				s.pushNode(ask(n))
			}
		}
		s.keep(base, mid)
		return nil
	})
}

// buildSlice keeps the elements that are in the named slice of a structure.
func buildSlice(c call) (code, error) {
	if c.slice == nil {
		return c.none("profiles")
	}
	structure, err := c.plain(0)
	if err != nil {
		return code{}, err
	}
	name, err := c.plain(1)
	if err != nil {
		return code{}, err
	}
	ask := c.slice
	return c.after(c.input.static, func(s *state, base int) error {
		url, ok, err := s.stringOperand(structure, "the structure of slice()")
		if err != nil {
			return err
		}
		slice, ok2, err := s.stringOperand(name, "the name of slice()")
		if err != nil {
			return err
		}
		to := base
		for i := base; i < len(s.stack) && ok && ok2; i++ {
			if err := s.spend(100); err != nil {
				return err
			}
			if n := s.stack[i].node; n != nil && ask(n, url, slice) {
				s.stack[to] = s.stack[i]
				to++
			}
		}
		s.drop(to)
		return nil
	})
}

// MemberOf gives memberOf(): whether a code, Coding or CodeableConcept is in a value
// set. When known is false, memberOf() is empty. Without it memberOf() does not compile.
func MemberOf(f func(v Value, valueSet string) (member, known bool)) Option {
	return func(c *compiler) { c.memberOf = f }
}

// ConformsTo gives conformsTo(): whether an element conforms to a profile. When known
// is false, conformsTo() is an error. Without it conformsTo() does not compile.
func ConformsTo(f func(n *fhir.Node, profile string) (conforms, known bool)) Option {
	return func(c *compiler) { c.conformsTo = f }
}

// Subsumes gives subsumes() and subsumedBy(): whether one Coding or CodeableConcept is
// the same as another or above it. When known is false they are empty. Without it they
// do not compile.
func Subsumes(f func(above, code Value) (subsumes, known bool)) Option {
	return func(c *compiler) { c.subsumes = f }
}

// ElementDefinition gives elementDefinition(): the definition of an element, nil when
// there is none. Without it elementDefinition() does not compile.
func ElementDefinition(f func(n *fhir.Node) *fhir.Node) Option {
	return func(c *compiler) { c.definition = f }
}

// Slice gives slice(): whether an element is in the named slice of the structure; false
// for a structure or name that does not exist. Without it slice() does not compile.
func Slice(f func(n *fhir.Node, structure, name string) bool) Option {
	return func(c *compiler) { c.slice = f }
}
