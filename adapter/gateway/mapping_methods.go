package gateway

import (
	"context"
	"slices"
	"strconv"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
)

// The functions of this file stand for methods of package mapping:
// (*mapping.Dialect).Convert, (*mapping.Map).Sources and (*mapping.Result).Parameters.
// Nothing else in this package knows how those work.

// convertWith checks a message and converts it into what the dialect makes of it.
func convertWith(ctx context.Context, d *mapping.Dialect, in mapping.Input) (*mapping.Result, error) {
	if err := fhir.Check(in.Source); err != nil {
		return nil, err
	}
	return d.Map.Transform(ctx, in)
}

// sourceSystem is the type system of what a map takes, for a message of that resource
// type: STU3 where the map takes something of STU3 and not this type of R4.
func sourceSystem(m *mapping.Map, resourceType string) *fhir.System {
	r4, stu3 := fhir.Types(fhir.R4), fhir.Types(fhir.STU3)
	if takes(m, r4.Resource(resourceType)) || !slices.ContainsFunc(stu3.Resources(), func(name string) bool { return takes(m, stu3.Resource(name)) }) {
		return r4
	}
	return stu3
}

// takes reports whether a map takes a type as its source: it is tried with an empty one.
func takes(m *mapping.Map, t *fhir.Type) bool {
	if t == nil {
		return false
	}
	_, err := m.Transform(context.Background(), mapping.Input{Source: fhir.New(t), Identity: "none"})
	return !slices.ContainsFunc(issue.All(err), func(e *issue.Error) bool { return e.Rule == "map-source" })
}

// parametersOf is what a transform did, as Parameters: a "trace" for every step, and an
// "unread" for every element that no rule read, both in their order.
func parametersOf(result *mapping.Result) *fhir.Node {
	out := newOutputs()
	for _, s := range result.Trace {
		n := out.add("trace")
		setPart(n, "target", "valueString", s.Target.Path())
		for _, source := range s.Sources {
			setPart(n, "source", "valueString", source.Path())
		}
		setPart(n, "map", "valueCanonical", s.Map)
		setPart(n, "group", "valueString", s.Group)
		setPart(n, "rule", "valueString", s.Rule)
		setPart(n, "file", "valueString", s.File)
		setPart(n, "line", "valueInteger", strconv.Itoa(s.Line))
		if s.ConceptMap != "" {
			setPart(n, "conceptMap", "valueCanonical", s.ConceptMap)
			setPart(n, "row", "valueInteger", strconv.Itoa(s.Row))
		}
	}
	for _, unread := range result.Unread {
		n := out.add("unread")
		setPart(n, "element", "valueString", unread.Path())
		if line, column := unread.Position(); line > 0 {
			setPart(n, "line", "valueInteger", strconv.Itoa(line))
			setPart(n, "column", "valueInteger", strconv.Itoa(column))
		}
	}
	return out.Node
}
