package gateway

import (
	"net/http"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

// lookupOperation is $lookup.
// Source: http://hl7.org/fhir/R4/codesystem-operation-lookup.html.
var lookupOperation = &operation{
	name: "lookup", definition: "http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup",
	inputs: []input{
		{name: "code", kind: "code"},
		{name: "system", kind: "uri"},
		{name: "version", kind: "string"},
		{name: "coding", kind: "Coding"},
		{name: "date", kind: "dateTime", refused: noDate},
		{name: "displayLanguage", kind: "code"},
		{name: "property", kind: "code", many: true},
	},
	notes: "Without property everything is given that is loaded of the code.",
}

// lookup is GET and POST [base]/CodeSystem/$lookup: what a code system says of a code.
func lookup(x *exchange) error {
	in, err := x.inputs()
	if err != nil {
		return err
	}
	first, err := x.oneOf(in, "code", "coding")
	if err != nil {
		return err
	}
	c := terminology.Coding{System: in.text("system"), Version: in.text("version"), Code: in.text("code")}
	if in.one("coding") != nil {
		list, err := asked(in, first, "system", "version")
		if err != nil {
			return err
		}
		c = list[0]
	} else if c.System == "" {
		return first.fault(issue.Required, "parameter-missing", "code needs system: the code system that it belongs to")
	}
	d, err := x.codes().Describe(c.System, c.Version, c.Code)
	if err != nil {
		return x.placed(err, in, "code", "coding")
	}
	x.sendResource(http.StatusOK, described(in, d).Node)
	return nil
}

// described is the answer: name and display always, the rest as it is wanted.
func described(in inputs, d *terminology.Details) outputs {
	wanted := func(names ...string) bool {
		return in["property"] == nil || slices.ContainsFunc(in["property"], func(g *given) bool { return slices.Contains(names, g.text) })
	}
	out := newOutputs()
	name, display := d.Name, d.Display
	if name == "" {
		name = d.System
	}
	if display == "" {
		display = d.Code // the standard asks for one
	}
	language := in.text("displayLanguage")
	for _, other := range d.Designations {
		if language != "" && strings.EqualFold(other.Language, language) {
			display = other.Value
			break
		}
	}
	out.value("name", "valueString", name)
	out.value("version", "valueString", d.Version)
	out.value("display", "valueString", display)
	for _, other := range d.Designations {
		if !wanted("designation", "lang."+other.Language) {
			continue
		}
		n := out.add("designation")
		setPart(n, "language", "valueCode", other.Language)
		if other.Use.Code != "" {
			addCoding(addPart(n, "use"), other.Use)
		}
		setPart(n, "value", "valueString", other.Value)
	}
	property := func(code string) *fhir.Node {
		n := out.add("property")
		setPart(n, "code", "valueCode", code)
		return addPart(n, "value")
	}
	if d.Definition != "" && wanted("definition") {
		property("definition").Set("valueString", d.Definition)
	}
	addRelated(property, "parent", d.Parents, wanted)
	addRelated(property, "child", d.Children, wanted)
	for _, p := range d.Properties {
		switch {
		case !wanted(p.Code):
		case p.Type == "Coding":
			addCoding(property(p.Code), p.Coding)
		default:
			property(p.Code).Set(valueName(p.Type), p.Value)
		}
	}
	return out
}

// maxRelated bounds the parents or children that are listed of one code.
const maxRelated = 1000

// addRelated lists the codes above or below one.
func addRelated(property func(code string) *fhir.Node, code string, list []string, wanted func(...string) bool) {
	if !wanted(code) {
		return
	}
	for _, other := range list[:min(len(list), maxRelated)] {
		property(code).Set("valueCode", other)
	}
}

// subsumesOperation is $subsumes.
// Source: http://hl7.org/fhir/R4/codesystem-operation-subsumes.html.
var subsumesOperation = &operation{
	name: "subsumes", definition: "http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes",
	inputs: []input{
		{name: "codeA", kind: "code"},
		{name: "codeB", kind: "code"},
		{name: "system", kind: "uri"},
		{name: "version", kind: "string"},
		{name: "codingA", kind: "Coding"},
		{name: "codingB", kind: "Coding"},
	},
	notes: "Both codes are of one code system.",
}

// subsumes is GET and POST [base]/CodeSystem/$subsumes and
// [base]/CodeSystem/[id]/$subsumes: how two codes stand to each other.
func subsumes(x *exchange) error {
	in, err := x.inputs()
	if err != nil {
		return err
	}
	system, err := x.codeSystem(in, "system")
	if err != nil {
		return err
	}
	var codes [2]string
	for i, side := range []string{"A", "B"} {
		first, err := x.oneOf(in, "code"+side, "coding"+side)
		if err != nil {
			return err
		}
		codes[i] = first.text
		if in.one("code"+side) != nil {
			if system == "" {
				return first.fault(issue.Required, "parameter-missing", "code"+side+" needs system: the code system that it belongs to")
			}
			continue
		}
		list, err := asked(in, first)
		if err != nil {
			return err
		}
		if system == "" {
			system = list[0].System
		}
		if list[0].System != system {
			return first.fault(issue.NotSupported, "parameter-conflict", "codes of different code systems are not compared here")
		}
		codes[i] = list[0].Code
	}
	result, err := x.codes().Subsumes(system, in.text("version"), codes[0], codes[1])
	if err != nil {
		return x.placed(err, in, "system", "codeA", "codingA")
	}
	out := newOutputs()
	out.value("outcome", "valueCode", result)
	x.sendResource(http.StatusOK, out.Node)
	return nil
}
