package mapping

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Convert checks the source, runs the dialect's map on it and checks the result.
//
// A resource that stands alone is read as the only entry of a collection where the map
// takes a Bundle; what is said about it still names its elements and lines as they were
// sent. Without an Identity the SHA-256 of the encoded source is used: the same message
// gives the same ids.
//
// Result.Issues also holds a warning (rule map-reference) for each reference of the
// result that leads to what no rule read.
//
// Errors: those of fhir.Check for every source, those of Transform, and exception (rule
// map-result) for each fault that fhir.Check finds in the result: it is the map's, and
// names the rule, file and line that made the element.
func (d *Dialect) Convert(ctx context.Context, in Input) (*Result, error) {
	var faults []*issue.Error
	for _, n := range append([]*fhir.Node{in.Source}, in.More...) {
		if n != nil {
			faults = append(faults, issue.All(issue.Failures(fhir.Check(n)))...)
		}
	}
	if len(faults) > 0 {
		return nil, issue.Join(faults)
	}
	if in.Identity == "" && in.Source != nil {
		sum := sha256.Sum256(fhir.Encode(in.Source))
		in.Identity = hex.EncodeToString(sum[:])
	}
	result, err := d.Map.transform(ctx, in, d.Map.envelope(in))
	if err != nil {
		return nil, err
	}
	result.Dialect = d.Name
	for _, n := range result.targets {
		faults = append(faults, issue.All(issue.Failures(fhir.Check(n)))...)
	}
	if len(faults) == 0 {
		return result, nil
	}
	traced := result
	if !in.Trace {
		// the same input gives the same result: run it again to see who made what
		in.Trace = true
		if traced, err = d.Map.transform(ctx, in, d.Map.envelope(in)); err != nil {
			return nil, err
		}
	}
	alone := d.Map.envelope(in) != nil
	var refused []*issue.Error
	for _, e := range faults {
		if e.Rule == "bundle-reference" && (len(result.Unread) > 0 || alone) {
			// the sender named something that is not in the message or not taken: information
			warning := traced.blame(e, issue.Value, "map-reference", "the result refers to what is not in it").Graded(issue.SeverityWarning)
			if !slices.ContainsFunc(result.Issues, func(have *issue.Error) bool { // copied twice, told once
				return have.Rule == warning.Rule && have.Expression == warning.Expression
			}) {
				result.Issues = append(result.Issues, warning)
			}
			continue
		}
		refused = append(refused, traced.blame(e, issue.Exception, "map-result", "the map makes what is not valid FHIR"))
	}
	if len(refused) > 0 {
		return nil, issue.Join(refused)
	}
	return result, nil
}

// blame says of a fault of the result which rule made it, at the source that it was
// made of.
func (r *Result) blame(fault *issue.Error, t issue.Type, rule, words string) *issue.Error {
	e := issue.Newf(t, rule, "%s: %s, at %s", words, fault.Details, fault.Expression)
	e.Diagnostics = fault.Diagnostics
	s, ok := r.madeAt(fault.Expression)
	if !ok { // an element of the root that no rule made
		e.Details += " (" + r.Map.File + ")"
		return e.At(r.Source.Path()).On(r.Source.Position())
	}
	e.Details += " (" + s.File + ":" + itoa(s.Line) + ", group " + s.Group + ", rule " + s.Rule + ")"
	if len(s.Sources) > 0 {
		from := s.Sources[len(s.Sources)-1]
		_ = e.At(from.Path()).On(from.Position())
	}
	return e
}
