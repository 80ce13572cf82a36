package gateway

import (
	"net/http"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

// translateOperation is $translate.
// Source: http://hl7.org/fhir/R4/conceptmap-operation-translate.html.
var translateOperation = &operation{
	name: "translate", definition: "http://hl7.org/fhir/OperationDefinition/ConceptMap-translate",
	inputs: []input{
		{name: "url", kind: "uri"},
		{name: "conceptMap", kind: wholeResource, refused: "a ConceptMap within the request is not taken; name one of those that are here by url"},
		{name: "conceptMapVersion", kind: "string"},
		{name: "code", kind: "code"},
		{name: "system", kind: "uri"},
		{name: "version", kind: "string"},
		{name: "source", kind: "uri"},
		{name: "coding", kind: "Coding"},
		{name: "codeableConcept", kind: "CodeableConcept"},
		{name: "target", kind: "uri"},
		{name: "targetsystem", kind: "uri"},
		{name: "dependency", many: true, parts: []input{
			{name: "element", kind: "uri", required: true},
			{name: "concept", kind: "CodeableConcept", required: true},
		}},
		{name: "reverse", kind: "boolean"},
	},
}

// translate is GET and POST [base]/ConceptMap/$translate and
// [base]/ConceptMap/[id]/$translate: what a code is in another code system.
func translate(x *exchange) error {
	in, err := x.inputs()
	if err != nil {
		return err
	}
	q, err := x.question(in)
	if err != nil {
		return err
	}
	answer, err := x.codes().Answer(q)
	if err != nil {
		return x.aboutMap(err, in)
	}
	out := newOutputs()
	out.value("result", "valueBoolean", map[bool]string{true: "true", false: "false"}[answer.Result])
	out.value("message", "valueString", answer.Message)
	for _, m := range answer.Matches {
		n := out.add("match")
		setPart(n, "equivalence", "valueCode", m.Equivalence)
		if m.Concept.Code != "" {
			addCoding(addPart(n, "concept"), m.Concept)
		}
		for _, p := range m.Products {
			product := addPart(n, "product")
			setPart(product, "element", "valueUri", p.Element)
			addCoding(addPart(product, "concept"), p.Value)
		}
		setPart(n, "source", "valueUri", m.Source)
	}
	x.sendResource(http.StatusOK, out.Node)
	return nil
}

// aboutMap places an error about the ConceptMap at the first parameter that chose it.
func (x *exchange) aboutMap(err error, in inputs) error {
	return x.placed(err, in, "url", "conceptMapVersion", "source", "target", "targetsystem")
}

// placed places an error at the first of the parameters that was given, or where the first
// of them would stand.
func (x *exchange) placed(err error, in inputs, names ...string) error {
	for _, e := range issue.All(err) {
		if e.Expression != "" {
			continue
		}
		_ = e.At(x.absent(names[0]))
		for _, name := range names {
			if g := in.one(name); g != nil {
				_ = e.At(g.at).On(g.line, g.column)
				break
			}
		}
	}
	return err
}

func addCoding(parameter *fhir.Node, c terminology.Coding) {
	setCoding(parameter.Add("valueCoding"), c)
}

func setCoding(n *fhir.Node, c terminology.Coding) {
	n.Set("system", c.System)
	n.Set("version", c.Version)
	n.Set("code", c.Code)
	n.Set("display", c.Display)
}

// question is what the inputs ask. Errors: not-found for an id that no ConceptMap has;
// required and invalid for inputs that do not belong together.
func (x *exchange) question(in inputs) (terminology.Question, error) {
	q := terminology.Question{
		Map: in.text("url"), Version: in.text("conceptMapVersion"), Source: in.text("source"), Target: in.text("target"),
		TargetSystem: in.text("targetsystem"), Reverse: in.flag("reverse", false),
	}
	if x.Param("id") != "" {
		id, err := x.resourceID()
		if err != nil {
			return q, err
		}
		n := x.codes().ConceptMap(id)
		if n == nil {
			return q, issue.New(issue.NotFound, "unknown-id", "there is no resource with this id")
		}
		for _, name := range []string{"url", "conceptMapVersion"} {
			if g := in.one(name); g != nil {
				return q, g.fault(issue.Invalid, "parameter-conflict", "the address names the ConceptMap; leave "+name+" out")
			}
		}
		q.Map, q.Version = n.Text("url"), n.Text("version")
	}
	for _, g := range in["dependency"] {
		concept := g.parts.one("concept").node
		q.Dependencies = append(q.Dependencies, terminology.Dependency{
			Element: g.parts.text("element"), Codings: codings(concept), Text: concept.Text("text"),
		})
	}
	var err error
	q.Codings, err = x.asked(in)
	return q, err
}

// asked gives the codings that are to be translated: those of the one of code, coding
// and codeableConcept that was given. A coding of a concept that lacks its system or code
// says nothing here and is left out.
func (x *exchange) asked(in inputs) ([]terminology.Coding, error) {
	first, err := x.oneOf(in, "code", "coding", "codeableConcept")
	if err != nil {
		return nil, err
	}
	if g := in.one("code"); g != nil {
		if in.text("system") == "" {
			return nil, g.fault(issue.Required, "parameter-missing", "code needs system: the code system that it belongs to")
		}
		return []terminology.Coding{{System: in.text("system"), Version: in.text("version"), Code: g.text}}, nil
	}
	return asked(in, first, "system", "version")
}

// oneOf gives the one of some parameters that was given; there must be exactly one.
func (x *exchange) oneOf(in inputs, names ...string) (*given, error) {
	var first *given
	for _, name := range names {
		g := in.one(name)
		if g != nil && first != nil {
			return nil, g.fault(issue.Invalid, "parameter-conflict", "give one of "+strings.Join(names, ", "))
		}
		if g != nil {
			first = g
		}
	}
	if first == nil {
		return nil, issue.New(issue.Required, "parameter-missing", "one of "+strings.Join(names, ", ")+" is required").At(x.absent(names[0]))
	}
	return first, nil
}

// asked gives those codings of a Coding or CodeableConcept that have a system and a code.
// others are parameters that belong to a code and not to these.
func asked(in inputs, first *given, others ...string) ([]terminology.Coding, error) {
	for _, name := range others {
		if g := in.one(name); g != nil {
			return nil, g.fault(issue.Invalid, "parameter-conflict", name+" belongs to code; a coding has its own")
		}
	}
	list := []*fhir.Node{first.node}
	if first.node.Type != nil && first.node.Type.Name == "CodeableConcept" {
		list = first.node.All("coding")
	}
	var out []terminology.Coding
	for _, n := range list {
		if c := coding(n); c.System != "" && c.Code != "" {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, first.fault(issue.Required, "parameter-missing", "there is no coding with system and code to ask about")
	}
	return out, nil
}

// codings reads those of a CodeableConcept.
func codings(concept *fhir.Node) []terminology.Coding {
	var out []terminology.Coding
	for _, n := range concept.All("coding") {
		out = append(out, coding(n))
	}
	return out
}

func coding(n *fhir.Node) terminology.Coding {
	return terminology.Coding{System: n.Text("system"), Version: n.Text("version"), Code: n.Text("code"), Display: n.Text("display")}
}
