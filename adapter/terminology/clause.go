package terminology

import "spadapter/adapter/fhir"

// clause is one compose.include or compose.exclude.
type clause struct {
	system  string
	version string
	codes   map[string]*listed // nil when every code of the system is meant
	order   []*listed
	filters []*filter
	sets    []string // canonicals of the value sets that must also hold the code
	weight  int      // of the filters
	active  bool     // compose.inactive is false: a code that is not for use is out

	code   source      // linked; nil when it is not loaded
	pinned bool        // another version than that of code is asked for
	linked []*valueSet // nil where one is not loaded
}

func (c *clause) holds(system, code string, depth int, why *doubts) answer {
	if !why.spend(1 + c.weight) {
		return unknown
	}
	result := yes
	if c.system == "" && (len(c.sets) == 0 || c.codes != nil || c.filters != nil) {
		why.add("an include of the value set says neither a code system nor only value sets")
		return unknown
	}
	if c.system != "" {
		if system != "" && system != c.system {
			return no
		}
		result = c.selects(code, why)
		if result == no {
			return no
		}
	}
	for i, s := range c.linked {
		if s == nil {
			why.add("the value set %s is not loaded", c.sets[i])
			result = unknown
			continue
		}
		switch s.holds(system, code, depth+1, why) {
		case no:
			return no
		case unknown:
			result = unknown
		}
	}
	return result
}

func (c *clause) selects(code string, why *doubts) answer {
	if c.codes != nil {
		if c.entry(code) == nil {
			return no
		}
		// a listed code is taken as it is: only what is known to be out of use falls out
		return truth(!c.active || c.code == nil || c.code.active(code) != no)
	}
	if c.code == nil {
		why.add("the code system %s is not loaded", c.canonical())
		return unknown
	}
	if c.pinned {
		why.add("the code system %s is loaded, but not known to be in this version", c.canonical())
		return unknown
	}
	result := c.code.selects(c.filters, code, why)
	if c.active && result != no {
		switch c.code.active(code) {
		case no:
			return no
		case unknown:
			why.add("which codes of %s are for use is not loaded", c.system)
			return unknown
		}
	}
	return result
}

// entry is what the clause itself says of a code that it lists, nil when it does not
// list it.
func (c *clause) entry(code string) *listed {
	if l := c.codes[code]; l != nil {
		return l
	}
	if s, ok := c.code.(*codeSystem); ok && s.folded {
		return c.codes[fold(code)]
	}
	return nil
}

// canonical is the code system with the version that is wanted.
func (c *clause) canonical() string {
	if c.version == "" {
		return c.system
	}
	return c.system + "|" + c.version
}

func newClause(n *fhir.Node, active bool, known patterns) *clause {
	c := &clause{system: n.Text("system"), version: n.Text("version"), active: active}
	if concepts := n.All("concept"); len(concepts) > 0 {
		c.codes = make(map[string]*listed, len(concepts))
		for _, concept := range concepts {
			l := newListed(concept, c.system)
			if c.codes[l.Code] == nil {
				c.order = append(c.order, l)
			}
			c.codes[l.Code] = l
		}
	}
	for _, f := range n.All("filter") {
		c.filters = append(c.filters, newFilter(f, c.system, known))
		c.weight += c.filters[len(c.filters)-1].weight
	}
	for _, v := range n.All("valueSet") {
		c.sets = append(c.sets, v.Value)
	}
	return c
}
