package mapping

import (
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// parseResource reads a map that is written as a StructureMap resource in JSON into the
// same syntax tree as a text.
// Source: http://hl7.org/fhir/R4/structuremap.html.
func parseResource(src Source) (*mapDecl, error) {
	root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(src.Text), fhir.Limits{})
	if err != nil {
		return nil, named(src.Name, err)
	}
	if root.ResourceType() != "StructureMap" {
		return nil, issue.Newf(issue.Structure, "map-syntax", "%s: expected a StructureMap resource", src.Name).On(1, 1)
	}
	if err := issue.Failures(fhir.Check(root)); err != nil {
		return nil, named(src.Name, err)
	}
	p := &resourceParser{file: &file{name: src.Name, text: strings.TrimPrefix(src.Text, "\uFEFF")}}
	m := &mapDecl{file: p.file, url: root.Text("url"), name: root.Text("name")}
	for _, s := range root.All("structure") {
		m.uses = append(m.uses, useDecl{url: s.Text("url"), alias: s.Text("alias"), mode: s.Text("mode"), at: p.at(s)})
	}
	for _, i := range root.All("import") {
		m.imports = append(m.imports, importDecl{i.Value, p.at(i)})
	}
	for _, g := range root.All("group") {
		d := &groupDecl{name: g.Text("name"), extends: g.Text("extends"), at: p.at(g), owner: m}
		switch g.Text("typeMode") {
		case "types":
			d.mode = "types"
		case "type-and-types":
			d.mode = "type+"
		}
		for _, i := range g.All("input") {
			d.params = append(d.params, paramDecl{mode: i.Text("mode"), name: i.Text("name"), typ: i.Text("type"), at: p.at(i)})
		}
		d.rules = p.rules(g)
		m.groups = append(m.groups, d)
	}
	for _, c := range root.All("contained") {
		if c.ResourceType() == "ConceptMap" && c.Text("id") != "" {
			m.contained = append(m.contained, c)
		}
	}
	return m, nil
}

func named(name string, err error) error {
	var out []*issue.Error
	for _, e := range issue.All(err) {
		named := *e
		named.Details = name + ": " + e.Details
		out = append(out, &named)
	}
	return issue.Join(out)
}

type resourceParser struct {
	file   *file
	starts []int // offsets of the lines
}

// at is the offset of an element in the file.
func (p *resourceParser) at(n *fhir.Node) int {
	if p.starts == nil {
		p.starts = []int{0}
		for i := range len(p.file.text) {
			if p.file.text[i] == '\n' {
				p.starts = append(p.starts, i+1)
			}
		}
	}
	line, column := n.Position()
	if line == 0 || line > len(p.starts) {
		return 0
	}
	return p.starts[line-1] + column - 1
}

func (p *resourceParser) rules(parent *fhir.Node) []*ruleDecl {
	var out []*ruleDecl
	for _, n := range parent.All("rule") {
		r := &ruleDecl{name: n.Text("name"), at: p.at(n), rules: p.rules(n)}
		for _, s := range n.All("source") {
			r.sources = append(r.sources, p.source(s))
		}
		for _, t := range n.All("target") {
			r.targets = append(r.targets, p.target(t))
		}
		for _, d := range n.All("dependent") {
			c := &callDecl{group: d.Text("name"), at: p.at(d)}
			for _, v := range d.All("variable") {
				c.args = append(c.args, paramValue{variableParam, v.Value, p.at(v)})
			}
			r.calls = append(r.calls, c)
		}
		r.then = len(r.rules) > 0 || len(r.calls) > 0
		// the short form src.a -> tgt.b is kept as a create with a variable on both sides
		if len(r.sources) == 1 && len(r.targets) == 1 && !r.then {
			if s, t := r.sources[0], r.targets[0]; s.alias != "" && t.alias != "" && t.transform == "create" && len(t.params) == 0 {
				t.transform, t.alias = "", ""
			}
		}
		out = append(out, r)
	}
	return out
}

func (p *resourceParser) source(n *fhir.Node) *sourceDecl {
	at := p.at(n)
	s := &sourceDecl{context: n.Text("context"), typ: n.Text("type"), list: strings.ReplaceAll(n.Text("listMode"), "-", "_"),
		alias: n.Text("variable"), where: n.Text("condition"), check: n.Text("check"), log: n.Text("logMessage"),
		at: at, whereAt: at, checkAt: at, logAt: at, defAt: at}
	if e := n.Text("element"); e != "" {
		s.elements = strings.Split(e, ".")
	}
	if n.Child("min") != nil || n.Child("max") != nil {
		s.card, s.max = true, -1
		s.min = number0(n.Text("min"))
		if max := n.Text("max"); max != "" && max != "*" {
			s.max = number0(max)
		}
	}
	if d := n.Child("default"); d != nil && d.IsPrimitive() {
		s.def = d.Value
		if d.Kind == fhir.String {
			s.def = "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(d.Value) + "'"
		}
	}
	return s
}

func (p *resourceParser) target(n *fhir.Node) *targetDecl {
	at := p.at(n)
	t := &targetDecl{context: n.Text("context"), transform: n.Text("transform"), alias: n.Text("variable"), share: n.Text("listRuleId"), at: at, valueAt: at}
	if e := n.Text("element"); e != "" {
		t.elements = strings.Split(e, ".")
	}
	t.list = n.Text("listMode")
	for _, v := range n.All("parameter") {
		param := paramValue{textParam, v.Text("value"), p.at(v)}
		if c := v.Child("value"); c != nil {
			switch {
			case c.Name == "valueId":
				param.kind = variableParam
			case c.Kind == fhir.Boolean:
				param.kind = booleanParam
			case c.Kind == fhir.Number:
				param.kind = numberParam
			}
		}
		t.params = append(t.params, param)
	}
	if t.transform == "evaluate" && len(t.params) > 0 {
		t.params[len(t.params)-1].kind = expressionParam
	}
	return t
}

func number0(s string) int {
	n := 0
	for i := range len(s) {
		if digit(s[i]) && n < 1<<20 {
			n = n*10 + int(s[i]-'0')
		}
	}
	return n
}
