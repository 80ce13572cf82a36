package terminology

import "slices"

// clauses are the includes or the excludes of a value set. Where there are many that only
// list codes, these are found by code and not one after the other.
type clauses struct {
	list   []*clause
	rest   []int                        // positions of those that must be asked one after the other
	listed map[string]map[string]*entry // by code system and code; nil where every clause is in rest
	folded map[string]map[string]*entry // the same in lower case, of systems whose codes are not case sensitive
}

// entry is a code that clauses list.
type entry struct {
	code  *listed // of the first of them
	first int     // its position
}

// maxAsked is how many clauses are asked one after the other, which takes no memory.
const maxAsked = 8

// index prepares the clauses, which are linked.
func (l *clauses) index() {
	l.rest, l.listed, l.folded = l.rest[:0:0], nil, nil
	if len(l.list) > maxAsked {
		l.listed, l.folded = map[string]map[string]*entry{}, map[string]map[string]*entry{}
	}
	for i, c := range l.list {
		if l.listed == nil || c.codes == nil || c.system == "" || len(c.sets) > 0 {
			l.rest = append(l.rest, i)
			continue
		}
		cs, ok := c.code.(*codeSystem)
		for _, code := range c.order {
			put := c.codes[code.Code] // the last, where one is listed twice
			keep(l.listed, c.system, code.Code, put, i)
			if ok && cs.folded {
				keep(l.folded, c.system, fold(code.Code), put, i)
			}
		}
	}
}

func keep(into map[string]map[string]*entry, system, code string, put *listed, at int) {
	if into[system] == nil {
		into[system] = map[string]*entry{}
	}
	if into[system][code] == nil {
		into[system][code] = &entry{code: put, first: at}
	}
}

// entry is the first listing of a code by the clauses that are indexed, nil for none.
func (l *clauses) entry(system, code string) *entry {
	if l.listed == nil {
		return nil
	}
	if e := l.listed[system][code]; e != nil {
		return e
	}
	if l.folded[system] == nil {
		return nil
	}
	return l.folded[system][fold(code)]
}

// holds says whether one of the clauses has a code, with the clauses before a position
// alone.
func (l *clauses) holds(before int, system, code string, depth int, why *doubts) answer {
	if !why.spend(1) {
		return unknown
	}
	has := func(system string) bool {
		e := l.entry(system, code)
		return e != nil && e.first < before && l.list[e.first].selects(e.code.Code, why) == yes
	}
	if system != "" && has(system) {
		return yes
	}
	for any := range l.listed {
		if system != "" {
			break
		}
		if why.spend(1); has(any) {
			return yes
		}
	}
	result := no
	for _, i := range l.rest {
		if i >= before || why.over() {
			break
		}
		switch l.list[i].holds(system, code, depth, why) {
		case yes:
			return yes
		case unknown:
			result = unknown
		}
	}
	if why.over() {
		return unknown
	}
	return result
}

// all is every clause of a value set.
func (s *valueSet) all() []*clause { return slices.Concat(s.includes.list, s.excludes.list) }

func (l clauses) copy() clauses {
	out := clauses{list: make([]*clause, len(l.list))}
	for i, c := range l.list {
		d := *c
		out.list[i] = &d
	}
	return out
}
