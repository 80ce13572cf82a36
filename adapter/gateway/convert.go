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
		{name: "identifier", kind: "string"},
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
	way, source, told, err := x.way(in, organisation)
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
	results[0].Issues = append(told, results[0].Issues...)
	out := newOutputs()
	for _, dialect := range way {
		out.value("dialect", "valueString", dialect.Name)
		out.value("map", "valueCanonical", dialect.Map.URL)
	}
	x.addResults(out, results)
	x.sendResource(http.StatusOK, out.Node)
	return nil
}

// way reads the message for the dialect that was named; or, as the inlet of its own does, for
// all those that a message of the dialect it is recognised as goes through when it is taken in,
// with what was mended and left out. They are among those that hold for the organisation.
// Errors: value for one that is not among them, not-supported for a message of none, those of
// mapping.Recognition.Excerpt.
func (x *exchange) way(in inputs, organisation string) ([]*mapping.Dialect, message, []*issue.Error, error) {
	sent, g := in.one("source"), in.one("dialect")
	if g == nil {
		d, root, told, err := x.Conversions.RecogniseDocument(organisation, sent.node, in.text("identifier"))
		if err != nil {
			return nil, message{}, nil, err
		}
		if sent.whole {
			return x.Conversions.Way(organisation, d), message{root, x.call.Body}, told, nil
		}
		return x.Conversions.Way(organisation, d), message{root, []byte(root.Source())}, told, nil
	}
	if d := x.Conversions.Dialect(organisation, g.text); d != nil {
		source, err := x.message(sent, d.Map)
		return []*mapping.Dialect{d}, source, nil, err
	}
	var known []string
	for _, d := range x.Conversions.Dialects(organisation) {
		known = append(known, d.Name)
	}
	return nil, message{}, nil, g.fault(issue.Value, "dialect-unknown", "there is no such dialect; there are "+strings.Join(known, ", ")).With("the dialect is %.200q", g.text)
}
