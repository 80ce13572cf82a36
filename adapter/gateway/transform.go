package gateway

import (
	"net/http"
	"path"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
)

// transformOperation is $transform with parameters of this program beside the standard
// ones. Source: http://hl7.org/fhir/R4/structuremap-operation-transform.html.
var transformOperation = &operation{
	name: "transform", definition: "http://hl7.org/fhir/OperationDefinition/StructureMap-transform",
	inputs: []input{
		{name: "source", kind: "uri"},
		{name: "content", kind: wholeResource, required: true, bare: true},
		{name: "trace", kind: "boolean"},
		{name: "loss", kind: "boolean"},
		{name: "organisation", kind: "string"},
		{name: "identity", kind: "string"},
	},
	notes: "Beside source and content it takes trace and loss (boolean): with one of them true the answer is Parameters with return, outcome, which says what was lost, and for trace one trace for every element of the result. " +
		"organisation (string) is the ODS code whose maps hold, for a client that speaks for several; identity (string) seeds the ids that a map makes. " +
		"The body may be the content itself, with the other parameters in the address.",
}

// transform is POST [base]/StructureMap/$transform and
// POST [base]/StructureMap/[id]/$transform: what a map makes of a resource. Any map can be
// named that is part of a dialect of the caller's organisation. Nothing is stored and
// nothing stored is read.
func transform(x *exchange) error {
	in, err := x.inputs()
	if err != nil {
		return err
	}
	organisation, err := x.organisation(in)
	if err != nil {
		return err
	}
	m, err := x.structureMap(in, organisation)
	if err != nil {
		return err
	}
	content, err := x.message(in.one("content"), m)
	if err != nil {
		return err
	}
	if err := fhir.Check(content.root); err != nil {
		return err
	}
	trace := in.flag("trace", false)
	result, err := m.Transform(x.context(), x.input(content, in, organisation, trace))
	if err != nil {
		return err
	}
	if result.Target == nil {
		return makesNothing()
	}
	if !trace && !in.flag("loss", false) {
		x.sendResource(http.StatusOK, result.Target)
		return nil
	}
	out := newOutputs()
	x.addResults(out, []*mapping.Result{result})
	x.sendResource(http.StatusOK, out.Node)
	return nil
}

// structureMap finds the map that the address or the parameter source names. The map of
// a dialect goes before one of that url that another dialect imports.
//
// Errors: required when neither names one; not-found when there is none.
func (x *exchange) structureMap(in inputs, organisation string) (*mapping.Map, error) {
	missing := issue.New(issue.NotFound, "unknown-id", "there is no resource with this id")
	wanted := func(m *mapping.Map) bool { return mapID(m) == x.Param("id") }
	if x.Param("id") != "" {
		// the parameter source is ignored here, as the standard says
		if _, err := x.resourceID(); err != nil {
			return nil, err
		}
	} else {
		g := in.one("source")
		if g == nil {
			return nil, issue.New(issue.Required, "parameter-missing", "source is required: the url of the StructureMap to use").At("Parameters.parameter")
		}
		url, _, _ := strings.Cut(g.text, "|")
		wanted = func(m *mapping.Map) bool { return m.URL == url }
		missing = g.fault(issue.NotFound, "map-unknown", "there is no StructureMap with this url").With("the url is %.200q", g.text)
	}
	dialects := x.Conversions.Dialects(organisation)
	for _, d := range dialects {
		if wanted(d.Map) {
			return d.Map, nil
		}
	}
	for _, d := range dialects {
		for _, m := range d.Set.Maps() {
			if wanted(m) {
				return m, nil
			}
		}
	}
	return nil, missing
}

// mapID is the id under which a map has its address: the end of its url.
func mapID(m *mapping.Map) string { return path.Base(m.URL) }
