package fhirpath

import (
	"slices"
	"time"

	"spadapter/adapter/fhir"
)

// The functions FHIR adds, http://hl7.org/fhir/R4/fhirpath.html#functions, and those
// that ask for the time, http://hl7.org/fhirpath/N1/#current-date-and-time-functions.
func init() {
	register(map[string]function{
		"extension":      {1, 1, buildExtension},
		"hasValue":       {0, 0, buildHasValue},
		"getValue":       onItems(static{}, getValue),
		"resolve":        onItems(static{}, resolve),
		"checkModifiers": {1, maxArguments, buildCheckModifiers},
		"htmlChecks":     deciding(htmlChecks),
		"now":            clock(DateTime),
		"today":          clock(Date),
		"timeOfDay":      clock(Time),
	})
}

// buildExtension: the extensions of that url, on primitives too.
func buildExtension(c call) (code, error) {
	url, err := c.plain(0)
	if err != nil {
		return code{}, err
	}
	out := static{}
	if t := c.system.Type("Extension"); t != nil {
		out = static{known: true, types: []*fhir.Type{t}}
	}
	return c.after(out, func(s *state, base int) error {
		want, ok, err := s.stringOperand(url, "the url of extension()")
		if err != nil || !ok {
			s.drop(base)
			return err
		}
		mid := len(s.stack)
		for i := base; i < mid; i++ {
			n := s.stack[i].node
			if n == nil {
				continue
			}
			if err := s.spend(1 + len(n.Children)/8); err != nil {
				return err
			}
			for _, e := range n.Children {
				if !isMember(e, "extension") {
					continue
				}
				if s.steps -= 1 + len(e.Children)/8; e.Text("url") == want {
					s.push(Value{node: e})
				}
			}
		}
		s.keep(base, mid)
		return s.spend(1)
	})
}

// buildHasValue: one primitive element with a value.
func buildHasValue(c call) (code, error) {
	in := c.input.run()
	return condition(func(s *state) (truth, error) {
		base := len(s.stack)
		if err := in(s); err != nil {
			return no, err
		}
		has := len(s.stack) == base+1 && hasValue(s.stack[base])
		s.drop(base)
		return truthOf(has), nil
	}), nil
}

func hasValue(v Value) bool { return v.node == nil || v.node.HasValue() }

func getValue(s *state, base int) error {
	if len(s.stack) != base+1 || !hasValue(s.stack[base]) {
		s.drop(base)
		return nil
	}
	s.stack[base] = s.system(s.stack[base])
	return nil
}

// maxArguments bounds functions with any number of arguments.
const maxArguments = 100

// buildCheckModifiers gives its input, and an error where an element has a modifier
// extension of another url than those given.
func buildCheckModifiers(c call) (code, error) {
	urls := make([]op, len(c.term.args))
	for i := range urls {
		var err error
		if urls[i], err = c.plain(i); err != nil {
			return code{}, err
		}
	}
	return c.after(c.input.static, func(s *state, base int) error {
		known := make([]string, 0, len(urls))
		for _, op := range urls {
			url, ok, err := s.stringOperand(op, "a url of checkModifiers()")
			if err != nil {
				return err
			}
			if ok {
				known = append(known, url)
			}
		}
		for _, v := range s.stack[base:] {
			if v.node == nil {
				continue
			}
			if err := s.spend(1 + len(v.node.Children)/8); err != nil {
				return err
			}
			for _, e := range v.node.Children {
				if !isMember(e, "modifierExtension") {
					continue
				}
				if s.steps -= len(known) + len(e.Children)/8; !slices.Contains(known, e.Text("url")) {
					return failf("checkModifiers() met a modifier extension that it was not given")
				}
			}
		}
		return nil
	})
}

// resolve follows references, canonicals and uris; what is not found is left out.
func resolve(s *state, base int) error {
	mid := len(s.stack)
	for i := base; i < mid; i++ {
		if err := s.spend(1); err != nil {
			return err
		}
		v := s.stack[i]
		var reference string
		switch n := v.node; {
		case n != nil && n.HasValue():
			reference = n.Value
		case n != nil:
			s.steps -= len(n.Children) / 4
			reference = n.Text("reference")
		case v.kind == String:
			reference = v.text
		}
		if reference == "" {
			continue
		}
		s.steps -= len(reference) / 32
		if s.ctx.Resolve != nil {
			s.pushNode(s.ctx.Resolve(reference, v.node))
			continue
		}
		from := v.node
		if from == nil {
			from = s.first
		}
		if from != nil {
			s.pushNode(s.found.find(s, reference, from))
		}
	}
	s.keep(base, mid)
	return nil
}

// clock is now(), today() or timeOfDay(), from Context.Now.
func clock(k Kind) function {
	return onItems(systemStatic(k), func(s *state, base int) error {
		if s.ctx.Now == (time.Time{}) {
			return failf("the evaluation was given no time, so it has no now(), today() and timeOfDay()")
		}
		v := momentOf(s.ctx.Now)
		switch k {
		case Date:
			v, _ = toDate(v)
		case Time:
			v.kind, v.zone = Time, noZone
			v.number -= floorDiv64(v.number, daySecs) * daySecs
		}
		return s.answer(base, v)
	})
}
