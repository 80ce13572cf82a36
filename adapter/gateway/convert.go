package gateway

import (
	"net/http"
	"strings"

	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
)

// convertOperation is $convert, defined in conformance/operations.
var convertOperation = &operation{
	name: "convert", definition: canonicalBase + "OperationDefinition/convert",
	inputs: []input{
		{name: "source", kind: wholeResource, required: true, bare: true},
		{name: "dialect", kind: "string"},
		{name: "organisation", kind: "string"},
		{name: "identity", kind: "string"},
		{name: "trace", kind: "boolean"},
	},
}

// convert is POST [base]/$convert, a dry run: what a dialect makes of a message, where
// every element of it comes from, and what of the message is lost. Nothing is stored and
// nothing stored is read. The body is the message itself, with the other parameters in
// the address, or Parameters.
func convert(x *exchange) error {
	in, err := x.inputs()
	if err != nil {
		return err
	}
	organisation, err := x.organisation(in)
	if err != nil {
		return err
	}
	way, err := x.way(in, organisation)
	if err != nil {
		return err
	}
	source, err := x.message(in.one("source"), way[0].Map)
	if err != nil {
		return err
	}
	input := x.input(source, in, organisation, in.flag("trace", true))
	var results []*mapping.Result
	for i, dialect := range way {
		step := input
		if i < len(way)-1 {
			step.Identity = "inlet|" + input.Identity
		}
		if i > 0 {
			step.Source = results[i-1].Target
		}
		result, err := dialect.Convert(x.context(), step)
		if err != nil {
			return err
		}
		if result.Target == nil {
			return makesNothing()
		}
		results = append(results, result)
	}
	out := newOutputs()
	for _, dialect := range way {
		out.value("dialect", "valueString", dialect.Name)
		out.value("map", "valueCanonical", dialect.Map.URL)
	}
	x.addResults(out, results)
	x.sendResource(http.StatusOK, out.Node)
	return nil
}

// way finds the dialect that was named, or all those that a message of the dialect it is
// recognised as goes through when it is taken in, among those that hold for the
// organisation. Errors: value for one that is not among them, not-supported for a message of
// none.
func (x *exchange) way(in inputs, organisation string) ([]*mapping.Dialect, error) {
	g := in.one("dialect")
	if g == nil {
		d, _, err := x.Conversions.RecogniseDocument(organisation, in.one("source").node)
		if err != nil {
			return nil, err
		}
		return x.Conversions.Way(organisation, d), nil
	}
	if d := x.Conversions.Dialect(organisation, g.text); d != nil {
		return []*mapping.Dialect{d}, nil
	}
	var known []string
	for _, d := range x.Conversions.Dialects(organisation) {
		known = append(known, d.Name)
	}
	return nil, g.fault(issue.Value, "dialect-unknown", "there is no such dialect; there are "+strings.Join(known, ", ")).With("the dialect is %.200q", g.text)
}
