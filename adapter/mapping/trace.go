package mapping

import (
	"fmt"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
)

// step notes that a rule made a target element.
func (r *run) step(f int, ru *rule, n *fhir.Node) {
	s := Step{Target: n, Map: ru.url, Group: ru.in, Rule: ru.name, File: ru.file.name, Line: ru.line, Row: -1}
	for _, src := range ru.sources {
		at := r.around.original(r.stack[f+src.slot])
		if at != nil && (len(s.Sources) == 0 || s.Sources[len(s.Sources)-1] != at) {
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
// what was copied whole has one step. False when no step made it. The first call makes
// an index; safe for concurrent use.
func (r *Result) Origin(n *fhir.Node) (Step, bool) {
	r.indexing.Do(func() {
		r.made = make(map[*fhir.Node]int, len(r.Trace))
		for i := range r.Trace {
			r.made[r.Trace[i].Target] = i
		}
	})
	for ; n != nil; n = n.Parent {
		if i, ok := r.made[n]; ok {
			return r.Trace[i], true
		}
	}
	return Step{}, false
}

// madeAt is Origin of the element of a path, or of the longest part of the path that is
// there: a required element that is missing is the fault of who made its parent.
func (r *Result) madeAt(path string) (Step, bool) {
	for _, root := range r.targets {
		n, rest := root, strings.Split(path, ".")
		if rest[0] != root.Path() {
			continue
		}
		for _, name := range rest[1:] {
			name, index, _ := strings.Cut(strings.TrimSuffix(name, "]"), "[")
			i, _ := strconv.Atoi(index)
			all := n.All(name)
			if i >= len(all) {
				break
			}
			n = all[i]
		}
		return r.Origin(n)
	}
	return Step{}, false
}

// From is the element of the source that the element of a path of the target, or the
// longest part of the path that is there, was made of; nil when no step says it.
func (r *Result) From(path string) *fhir.Node {
	if s, ok := r.madeAt(path); ok && len(s.Sources) > 0 {
		return s.Sources[len(s.Sources)-1]
	}
	return nil
}
