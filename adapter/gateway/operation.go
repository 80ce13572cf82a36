package gateway

import "spadapter/adapter/fhir"

// operation is what a route invokes when it is no interaction: its name, the canonical
// of its definition, and what it takes. The reader of inputs and the
// CapabilityStatement are made from it.
// Source: http://hl7.org/fhir/R4/operations.html.
type operation struct {
	name       string // without the dollar sign
	definition string
	inputs     []input
	notes      string // for the CapabilityStatement: what differs from the definition, "" when nothing
}

// input is one parameter that an operation takes.
type input struct {
	name     string
	kind     string // a data type such as "uri", wholeResource, or "" for one that has parts
	required bool
	many     bool
	bare     bool   // the body may be this resource itself, without Parameters
	refused  string // why this server does not take it, for one that the definition has
	parts    []input
}

// wholeResource is the kind of an input that is a resource.
const wholeResource = "Resource"

// canonicalBase is what the canonicals of this program's own definitions start with.
const canonicalBase = "https://spadapter.example/fhir/"

// outputs is the Parameters resource that an operation answers with.
// Source: http://hl7.org/fhir/R4/parameters.html.
type outputs struct{ *fhir.Node }

func newOutputs() outputs { return outputs{fhir.Types(fhir.R4).New("Parameters")} }

// add appends a parameter and returns it, to be filled.
func (o outputs) add(name string) *fhir.Node {
	n := o.Add("parameter")
	n.Set("name", name)
	return n
}

// value appends a parameter with a primitive value; member is "valueString" and the
// like. An empty text adds nothing.
func (o outputs) value(name, member, text string) {
	if text != "" {
		o.add(name).Set(member, text)
	}
}

// resource appends a parameter that is a resource, which must hang nowhere else.
func (o outputs) resource(name string, resource *fhir.Node) { o.add(name).Append("resource", resource) }

// addPart appends a part to a parameter and returns it, to be filled.
func addPart(parameter *fhir.Node, name string) *fhir.Node {
	n := parameter.Add("part")
	n.Set("name", name)
	return n
}

// setPart appends a part with a primitive value. An empty text adds nothing.
func setPart(parameter *fhir.Node, name, member, text string) {
	if text != "" {
		addPart(parameter, name).Set(member, text)
	}
}
