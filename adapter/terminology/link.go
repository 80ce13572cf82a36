package terminology

import "strings"

// link resolves the code systems and value sets that s names.
func (s *valueSet) link(r *Registry) {
	for _, c := range s.all() {
		if c.system != "" && !strings.Contains(c.system, "|") { // a code system has its version beside it
			c.code = r.source(c.canonical())
			c.pinned = c.code != nil && c.otherVersion(c.code)
		}
		c.linked = make([]*valueSet, len(c.sets))
		for i, url := range c.sets {
			c.linked[i] = r.set(url)
		}
	}
	s.includes.index()
	s.excludes.index()
}

// otherVersion says whether the clause asks for another version than is loaded. What is
// loaded of SNOMED CT states no version: an edition may be asked for, a dated one not. Any
// other code system without a version has one only.
func (c *clause) otherVersion(loaded source) bool {
	if c.system == SNOMED {
		return strings.Contains(c.version, "/version/") && loaded != source(none)
	}
	return !sameVersion(c.version, loaded.edition())
}

// markCircles finds the value sets that lead back to themselves.
func markCircles(sets map[string]*valueSet) {
	const under, done = 1, 2
	state := map[*valueSet]int{}
	var path []*valueSet
	var visit func(s *valueSet)
	visit = func(s *valueSet) {
		switch state[s] {
		case done:
			return
		case under:
			for i := len(path) - 1; i >= 0; i-- {
				path[i].circular = true
				if path[i] == s {
					return
				}
			}
			return
		}
		state[s] = under
		path = append(path, s)
		for _, c := range s.all() {
			for _, to := range c.linked {
				if to != nil {
					visit(to)
				}
			}
		}
		path = path[:len(path)-1]
		state[s] = done
	}
	for _, s := range sets {
		s.circular = false
	}
	for _, s := range sets {
		visit(s)
	}
}
