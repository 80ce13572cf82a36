package gateway

import (
	"net/http"
	"strings"

	"spadapter/adapter/fhir"
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
	dialect, err := x.dialect(in, organisation)
	if err != nil {
		return err
	}
	source, err := x.message(in.one("source"), dialect.Map)
	if err != nil {
		return err
	}
	result, err := dialect.Convert(x.context(), x.input(source, in, organisation, in.flag("trace", true)))
	if err != nil {
		return err
	}
	if result.Target == nil {
		return makesNothing()
	}
	out := newOutputs()
	out.value("dialect", "valueString", dialect.Name)
	out.value("map", "valueCanonical", dialect.Map.URL)
	x.addResult(out, result)
	x.sendResource(http.StatusOK, out.Node)
	return nil
}

// recognised finds the dialect of a message that may be of either version of FHIR, however it
// came.
func (x *exchange) recognised(root *fhir.Node, organisation string) (*mapping.Dialect, error) {
	operation := ""
	if root.Text("type") == "message" {
		operation = "process-message"
	}
	d, err := x.Conversions.Recognise(organisation, x.arrival(root, operation))
	if err == nil {
		return d, nil
	}
	if older, e := root.Reread(fhir.Types(fhir.STU3)); e == nil {
		if d, e := x.Conversions.Recognise(organisation, x.arrival(older, operation)); e == nil {
			return d, nil
		}
	}
	return nil, err
}

// dialect finds the dialect that was named, or the one that the message is recognised as,
// among those that hold for the organisation; for a message that is taken in as it is, the
// one of the intake. Errors: value for one that is not among them, not-supported for a
// message of none.
func (x *exchange) dialect(in inputs, organisation string) (*mapping.Dialect, error) {
	g := in.one("dialect")
	if g == nil {
		return x.recognised(in.one("source").node, organisation)
	}
	if d := x.Conversions.Dialect(organisation, g.text); d != nil {
		return d, nil
	}
	var known []string
	for _, d := range x.Conversions.Dialects(organisation) {
		known = append(known, d.Name)
	}
	return nil, g.fault(issue.Value, "dialect-unknown", "there is no such dialect; there are "+strings.Join(known, ", ")).With("the dialect is %.200q", g.text)
}
