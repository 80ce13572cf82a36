package gateway

import (
	"net/http"

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
	for _, e := range issue.All(err) {
		if e.Expression != "" {
			continue
		}
		_ = e.At(x.absent("url"))
		for _, name := range []string{"url", "conceptMapVersion", "source", "target", "targetsystem"} {
			if g := in.one(name); g != nil {
				_ = e.At(g.at).On(g.line, g.column)
				break
			}
		}
	}
	return err
}

func addCoding(parameter *fhir.Node, c terminology.Coding) {
	n := parameter.Add("valueCoding")
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
	var first *given
	for _, name := range []string{"code", "coding", "codeableConcept"} {
		g := in.one(name)
		if g != nil && first != nil {
			return nil, g.fault(issue.Invalid, "parameter-conflict", "give one of code, coding and codeableConcept")
		}
		if g != nil {
			first = g
		}
	}
	if first == nil {
		return nil, issue.New(issue.Required, "parameter-missing", "one of code with system, coding and codeableConcept is required").At(x.absent("code"))
	}
	if g := in.one("code"); g != nil {
		if in.text("system") == "" {
			return nil, g.fault(issue.Required, "parameter-missing", "code needs system: the code system that it belongs to")
		}
		return []terminology.Coding{{System: in.text("system"), Version: in.text("version"), Code: g.text}}, nil
	}
	for _, name := range []string{"system", "version"} {
		if g := in.one(name); g != nil {
			return nil, g.fault(issue.Invalid, "parameter-conflict", name+" belongs to code; a coding has its own")
		}
	}
	list := []*fhir.Node{first.node}
	if g := in.one("codeableConcept"); g != nil {
		list = g.node.All("coding")
	}
	var out []terminology.Coding
	for _, n := range list {
		if c := coding(n); c.System != "" && c.Code != "" {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, first.fault(issue.Required, "parameter-missing", "there is no coding with system and code to translate")
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
