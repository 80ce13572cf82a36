package gateway

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// inputs are what an operation was given, by name and in the order of the request.
type inputs map[string][]*given

// given is one parameter of a request.
type given struct {
	node  *fhir.Node // its value or resource; nil for one that has parts or stood in the query
	text  string     // a primitive's value
	parts inputs
	whole bool // the resource is the body itself

	at           string // "Parameters.parameter[2]", or "http.url" for one in the query
	line, column int
}

// one gives the only parameter of a name, nil when it was not given.
func (in inputs) one(name string) *given {
	if list := in[name]; len(list) > 0 {
		return list[0]
	}
	return nil
}

// text gives the value of a primitive parameter, "" when it was not given.
func (in inputs) text(name string) string {
	if g := in.one(name); g != nil {
		return g.text
	}
	return ""
}

// flag gives a boolean parameter, or what counts when it was not given.
func (in inputs) flag(name string, otherwise bool) bool {
	if g := in.one(name); g != nil {
		return g.text == "true"
	}
	return otherwise
}

// fault is an issue at the place where the parameter was given.
func (g *given) fault(t issue.Type, rule, details string) *issue.Error {
	return issue.New(t, rule, details).At(g.at).On(g.line, g.column)
}

// inputs reads what an operation was given: the query, and the body as Parameters or as
// the one resource that the operation works on. All faults are told at once.
//
// Errors: those of fhir.Parse and fhir.Check, except about a resource that was given,
// which its operation checks; invalid for an unknown, repeated or misshapen parameter;
// value for one of another type; required for one that is missing; not-supported for
// one that the definition has and this server does not take.
//
// Source: http://hl7.org/fhir/R4/operations.html#request.
func (x *exchange) inputs() (inputs, error) {
	r := inputReader{found: inputs{}}
	known := x.route.operation.inputs
	for _, p := range x.query {
		if !p.formal() {
			r.query(p, known)
		}
	}
	if x.route.body != mediaNone {
		root, err := x.parse()
		if err != nil {
			return nil, err
		}
		r.body(root, known)
	}
	r.missing(known, r.found, "Parameters.parameter")
	return r.found, issue.Join(r.faults)
}

// absent is the place of a parameter that was not given.
func (x *exchange) absent(name string) string {
	if x.route.body == mediaNone {
		return "http." + name
	}
	return "Parameters.parameter"
}

// inputReader collects inputs and what is wrong with them.
type inputReader struct {
	found  inputs
	faults []*issue.Error
}

// fail keeps a fault, up to what is told and one more, which makes refuse say so.
func (r *inputReader) fail(e *issue.Error) {
	if len(r.faults) <= maxIssues {
		r.faults = append(r.faults, e)
	}
}

// query takes one parameter of the address.
func (r *inputReader) query(p parameter, known []input) {
	i := slices.IndexFunc(known, func(k input) bool { return k.name == p.name })
	if i < 0 || p.modifier != "" {
		r.fail(issue.New(issue.Invalid, "parameter-unknown", "the operation has no such parameter; it takes "+names(known)).With("the parameter is %.200q", p.key()))
		return
	}
	g := &given{text: p.value, at: "http." + p.name}
	switch k := known[i]; {
	case k.kind == "" || k.kind == wholeResource || k.kind[0] < 'a':
		r.fail(g.fault(issue.NotSupported, "parameter-form", p.name+" cannot stand in an address; send the operation as POST with a Parameters resource"))
	case p.value == "":
		r.fail(g.fault(issue.Value, "parameter-type", p.name+" has no value; give one, or leave the parameter out"))
	case k.kind == "boolean" && p.value != "true" && p.value != "false":
		r.fail(g.fault(issue.Value, "parameter-type", p.name+" must be true or false").With("%s is %.200q", p.name, p.value))
	default:
		r.keep(r.found, k, g)
	}
}

// body takes what stands in the body.
func (r *inputReader) body(root *fhir.Node, known []input) {
	if root.ResourceType() == "Parameters" {
		for _, e := range issue.All(fhir.Check(root)) {
			// what is wrong with a resource is for its operation to say, which knows its version
			if !strings.Contains(e.Expression, ".resource") {
				r.fail(e)
			}
		}
		r.parameters(root.All("parameter"), known, r.found)
		return
	}
	i := slices.IndexFunc(known, func(k input) bool { return k.bare })
	if i < 0 {
		r.fail(issue.New(issue.Invalid, "operation-body", "the body must be a Parameters resource").At("resourceType").With("resourceType is %.200q", root.ResourceType()))
		return
	}
	line, column := root.Position()
	r.keep(r.found, known[i], &given{node: root, whole: true, at: root.Path(), line: line, column: column})
}

// parameters takes a list of parameters, or of the parts of one.
func (r *inputReader) parameters(list []*fhir.Node, known []input, into inputs) {
	for _, n := range list {
		name := n.Text("name")
		line, column := n.Position()
		g := &given{at: n.Path(), line: line, column: column}
		i := slices.IndexFunc(known, func(k input) bool { return k.name == name })
		switch {
		case name == "": // Check says so
		case i < 0:
			r.fail(g.fault(issue.Invalid, "parameter-unknown", "there is no such parameter here; there are "+names(known)).With("the name is %.200q", name))
		default:
			r.parameter(n, known[i], g, into)
		}
	}
}

// parameter takes one parameter of a known name: exactly one of value, resource and
// parts, and the one that the definition has.
func (r *inputReader) parameter(n *fhir.Node, k input, g *given, into inputs) {
	value, resource, parts := n.Child("value"), n.Child("resource"), n.All("part")
	forms := 0
	for _, has := range []bool{value != nil, resource != nil, len(parts) > 0} {
		if has {
			forms++
		}
	}
	switch {
	case forms != 1:
		r.fail(g.fault(issue.Structure, "parameter-form", k.name+" must have one of value[x], resource and part"))
		return
	case k.kind == wholeResource && resource == nil:
		r.fail(g.fault(issue.Value, "parameter-form", k.name+" is a resource: give it in resource, not as a value or in parts"))
		return
	case k.kind == "" && len(parts) == 0:
		r.fail(g.fault(issue.Value, "parameter-form", k.name+" has parts: "+names(k.parts)))
		return
	case k.kind != "" && k.kind != wholeResource && value == nil:
		r.fail(g.fault(issue.Value, "parameter-form", k.name+" is "+valueName(k.kind)+", not a resource or parts"))
		return
	}
	switch {
	case resource != nil:
		g.node = resource
		g.line, g.column = resource.Position()
	case value != nil:
		if value.Type == nil || !fitsKind(value.Type.Name, k.kind) || value.IsPrimitive() && !value.HasValue() {
			r.fail(g.fault(issue.Value, "parameter-type", k.name+" must be given as "+valueName(k.kind)))
			return
		}
		g.node, g.text = value, value.Value
	default:
		g.parts = inputs{}
		r.parameters(parts, k.parts, g.parts)
		r.missing(k.parts, g.parts, g.at)
	}
	r.keep(into, k, g)
}

// fitsKind reports whether a value of one type may stand for a parameter of another: a
// canonical and a URL are URIs.
func fitsKind(typ, kind string) bool {
	return typ == kind || kind == "uri" && (typ == "canonical" || typ == "url")
}

// valueName is the JSON name of a value of a type.
func valueName(kind string) string { return "value" + strings.ToUpper(kind[:1]) + kind[1:] }

// keep takes a parameter that is in order, unless it is there already.
func (r *inputReader) keep(into inputs, k input, g *given) {
	switch {
	case k.refused != "":
		r.fail(g.fault(issue.NotSupported, "parameter-refused", k.refused))
	case len(into[k.name]) > 0 && !k.many:
		r.fail(g.fault(issue.Invalid, "parameter-repeated", k.name+" may be given once"))
	default:
		into[k.name] = append(into[k.name], g)
	}
}

// missing tells which required parameters were not given. Where one was given wrongly,
// that has been said.
func (r *inputReader) missing(known []input, found inputs, at string) {
	if len(r.faults) > 0 {
		return
	}
	for _, k := range known {
		if k.required && len(found[k.name]) == 0 {
			r.fail(issue.New(issue.Required, "parameter-missing", k.name+" is required").At(at))
		}
	}
}

// names lists parameters for people.
func names(known []input) string {
	var list []string
	for _, k := range known {
		if k.refused == "" {
			list = append(list, k.name)
		}
	}
	return strings.Join(list, ", ")
}
