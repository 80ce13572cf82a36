package terminology

import (
	"maps"
	"slices"
	"strconv"
)

// Missing lists the canonicals of what the loaded value sets draw on and what is not
// loaded, sorted: code systems, value sets, and reference sets of SNOMED CT. Until they
// are brought, some questions to those value sets are not decided.
func (r *Registry) Missing() []string {
	if r == nil {
		return nil
	}
	out := map[string]bool{}
	for _, s := range r.sets {
		for _, c := range s.all() {
			r.missing(c, out)
		}
	}
	return slices.Sorted(maps.Keys(out))
}

// missing notes what a clause draws on and what is not loaded.
func (r *Registry) missing(c *clause, out map[string]bool) {
	for i, s := range c.linked {
		if s == nil {
			out[c.sets[i]] = true
		} else if s.node == nil { // SNOMED CT implies it
			r.missing(s.includes.list[0], out)
		}
	}
	if c.system == "" || c.codes != nil {
		return
	}
	snomed, ok := c.code.(*release)
	if cs, system := c.code.(*codeSystem); c.code == nil || c.pinned || system && len(cs.order) == 0 && !cs.complete {
		out[c.canonical()] = true
	}
	if !ok {
		return
	}
	for _, f := range c.filters {
		var needs []uint64
		whole := true // it asks for the hierarchy
		switch {
		case f.bad != "":
			continue
		case f.ecl != nil:
			needs, whole = f.ecl.needs()
		case f.op == "in" || f.op == "not-in":
			needs, whole = []uint64{f.id}, false
		case f.op == "=" && f.property != "parent" && f.property != "child":
			whole = false
		}
		for _, id := range needs {
			if _, loaded := snomed.refsets[id]; !loaded {
				out[Refset(strconv.FormatUint(id, 10))] = true
			}
		}
		if whole && !snomed.related {
			out[SNOMED] = true
		}
	}
	if len(c.filters) == 0 && !snomed.stated {
		out[SNOMED] = true
	}
}

// needs gives the reference sets that an expression asks for, and whether it asks for the
// hierarchy.
func (c *constraint) needs() (refsets []uint64, hierarchy bool) {
	switch c.op {
	case "", "*":
		return nil, false
	case "^":
		return []uint64{c.id}, false
	}
	for _, part := range c.parts {
		more, deep := part.needs()
		refsets = append(refsets, more...)
		hierarchy = hierarchy || deep
	}
	return refsets, hierarchy || len(c.parts) == 0
}
