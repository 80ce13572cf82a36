package mapping

import (
	"fmt"
	"strings"

	"spadapter/adapter/fhir"
)

// step notes that a rule made a target element.
func (r *run) step(f int, ru *rule, n *fhir.Node) {
	s := Step{Target: n, Map: ru.url, Group: ru.in, Rule: ru.name, File: ru.file.name, Line: ru.line, Row: -1}
	for _, src := range ru.sources {
		if at := r.stack[f+src.slot]; at != nil {
			s.Sources = append(s.Sources, at)
		}
	}
	if r.match != nil {
		s.ConceptMap, s.Row = r.match.Map, r.match.Row
	}
	r.trace = append(r.trace, s)
}

// steps is the trace without the elements that were removed because they stayed empty.
func (r *run) steps() []Step {
	var out []Step
	for _, s := range r.trace {
		if s.Target.Parent != nil || s.Target.ResourceType() != "" {
			out = append(out, s)
		}
	}
	return out
}

// String is the step in one line: the target's path, the sources' paths, the rule.
func (s Step) String() string {
	from := make([]string, len(s.Sources))
	for i, n := range s.Sources {
		from[i] = n.Path()
	}
	out := fmt.Sprintf("%s <- %s  %s:%d %s/%s", s.Target.Path(), strings.Join(from, ", "), s.File, s.Line, s.Group, s.Rule)
	if s.ConceptMap != "" {
		out += fmt.Sprintf(" (%s row %d)", s.ConceptMap, s.Row)
	}
	return out
}

// Origin finds the step that made a target element, or the nearest element above it:
// what was copied whole has one step. False when no step made it.
func (r *Result) Origin(n *fhir.Node) (Step, bool) {
	for ; n != nil; n = n.Parent {
		for i := len(r.Trace) - 1; i >= 0; i-- {
			if r.Trace[i].Target == n {
				return r.Trace[i], true
			}
		}
	}
	return Step{}, false
}
