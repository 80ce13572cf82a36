package terminology

import "slices"

// systems gives the code systems that the codes of s can be of.
func (s *valueSet) systems(depth int) map[string]bool {
	out := map[string]bool{}
	if s.circular || depth > maxImports {
		return out
	}
	for _, l := range s.listed {
		out[l.System] = true
	}
	for _, c := range s.includes.list {
		if c.system != "" {
			out[c.system] = true
			continue
		}
		for _, inner := range c.linked {
			if inner != nil {
				for system := range inner.systems(depth + 1) {
					out[system] = true
				}
			}
		}
	}
	return out
}

// members yields every code that s is known to hold, once, until yield says false; with
// what s itself says of it, nil for nothing. It reports whether these are all: when it
// does not, why says what is missing.
func (s *valueSet) members(depth int, why *doubts, yield func(Concept, *listed) bool) bool {
	if s.circular || depth > maxImports {
		why.add("the value set %s imports itself", s.url)
		return false
	}
	if s.expansion != nil {
		for _, l := range s.listed {
			if !yield(l.Concept, l) {
				break
			}
		}
		return true
	}
	complete, more := true, true
	for i, c := range s.includes.list {
		if !more {
			break
		}
		all := c.candidates(depth, why, func(system, code string, l *listed) bool {
			a := c.holds(system, code, depth, why)
			if a == no || s.includes.holds(i, system, code, depth, why.quiet()) == yes { // it is there already
				return !why.over()
			}
			a = both(a, not(s.excludes.holds(len(s.excludes.list), system, code, depth, why)))
			if why.over() {
				more, complete = false, false
				return false
			}
			switch a {
			case unknown:
				complete = false
			case yes:
				concept := Concept{System: system, Code: code}
				if l != nil {
					concept.Display = l.Display
				}
				more = yield(concept, l)
			}
			return more
		})
		complete = complete && all
	}
	return complete
}

// candidates yields every code that c could hold, and says whether these are all.
func (c *clause) candidates(depth int, why *doubts, yield func(system, code string, l *listed) bool) bool {
	switch {
	case c.codes != nil:
		for _, l := range c.order {
			if !yield(c.system, l.Code, l) {
				break
			}
		}
		return true
	case c.system == "":
		for i, inner := range c.linked { // a code must be in all of them
			if inner != nil {
				return inner.members(depth+1, why, func(m Concept, l *listed) bool { return yield(m.System, m.Code, l) }) && !slices.Contains(c.linked[i:], nil)
			}
			why.add("the value set %s is not loaded", c.sets[i])
		}
		if len(c.linked) == 0 {
			c.holds("", "", depth, why)
		}
		return false
	case c.code == nil:
		why.add("the code system %s is not loaded", c.canonical())
		return false
	case c.pinned:
		why.add("the code system %s is loaded, but not known to be in this version", c.canonical())
		return false
	}
	return c.code.candidates(c.filters, why, func(code string) bool { return yield(c.system, code, nil) })
}
