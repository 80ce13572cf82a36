package mapping

import (
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// parseResource reads a map that is written as a StructureMap resource in JSON into the
// same syntax tree as a text.
// Source: http://hl7.org/fhir/R4/structuremap.html.
func parseResource(src Source) (m *mapDecl, err error) {
	// a rule is an object in an array: two levels
	root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(src.Text), fhir.Limits{Depth: 2*maxNesting + 16})
	if err != nil {
		return nil, named(src.Name, err)
	}
	if root.ResourceType() != "StructureMap" {
		return nil, issue.Newf(issue.Structure, "map-syntax", "%s: expected a StructureMap resource", src.Name).On(1, 1)
	}
	if err := issue.Failures(fhir.Check(root)); err != nil {
		return nil, named(src.Name, err)
	}
	f := newFile(src.Name, strings.TrimPrefix(src.Text, "\uFEFF"))
	f.paths = map[int]string{}
	p := &resourceParser{file: f}
	defer func() {
		if r := recover(); r != nil {
			flt, ok := r.(fault)
			if !ok {
				panic(r)
			}
			m, err = nil, flt.err
		}
	}()
	return p.mapDecl(root), nil
}

func named(name string, err error) error {
	var out []*issue.Error
	for _, e := range issue.All(err) {
		named := *e
		named.Details = name + ": " + e.Details
		if named.Line == 0 {
			named.Line, named.Column = 1, 1
		}
		out = append(out, &named)
	}
	return issue.Join(out)
}

// about are the elements of a StructureMap that the text says in /// lines.
var about = []string{"id", "version", "title", "status", "experimental", "date", "publisher", "purpose", "copyright"}

type resourceParser struct {
	file *file
}

// at is the offset of an element in the file; faults there name the element.
func (p *resourceParser) at(n *fhir.Node) int {
	line, column := n.Position()
	if line == 0 || line > len(p.file.starts) {
		return 0
	}
	offset := p.file.starts[line-1] + column - 1
	p.file.paths[offset] = n.Path()
	return offset
}

func (p *resourceParser) stop(n *fhir.Node, t issue.Type, format string, args ...any) {
	e := p.file.fail(p.at(n), "map-syntax", format, args...)
	e.Type = t
	panic(fault{e})
}

// name is a name that R4 wants to be an id; where it is none, it stands in an extension.
func (p *resourceParser) name(n *fhir.Node, element string) string {
	c := n.Child(element)
	if c == nil {
		return ""
	}
	return p.named(c)
}

func (p *resourceParser) named(c *fhir.Node) string {
	value := c.Value
	if x := extension(c, extensionName); x != nil {
		value = x.Value
	}
	if value == "" || len(value) > maxName {
		p.stop(c, issue.Structure, "expected a name of 1 to %d bytes", maxName)
	}
	return value
}

func (p *resourceParser) mapDecl(root *fhir.Node) *mapDecl {
	m := &mapDecl{file: p.file, url: root.Text("url"), name: root.Text("name"), doc: tidy(root.Text("description"))}
	for _, element := range about {
		if v := root.Text(element); v != "" {
			m.set(element, v)
		}
	}
	for _, x := range extensions(root, extensionAbout) {
		key, value, _ := strings.Cut(x.Value, "=")
		m.set(key, value)
	}
	for _, s := range root.All("structure") {
		m.uses = append(m.uses, useDecl{url: s.Text("url"), alias: p.name(s, "alias"), mode: s.Text("mode"), doc: line(s.Text("documentation")), at: p.at(s)})
	}
	for _, i := range root.All("import") {
		m.imports = append(m.imports, importDecl{url: i.Value, at: p.at(i)})
	}
	for _, x := range root.All("extension") {
		if x.Text("url") != extensionConstant {
			continue
		}
		c := constantDecl{at: p.at(x)}
		for _, part := range x.All("extension") {
			switch v := part.Child("value"); {
			case v == nil:
			case part.Text("url") == "name":
				c.name = v.Value
			case part.Text("url") == "value":
				c.expression, c.at = p.expression(v), p.at(v)
			}
		}
		if c.name == "" || c.expression == "" {
			p.stop(x, issue.Structure, "expected the name and the value of a constant")
		}
		m.constants = append(m.constants, c)
	}
	for _, g := range root.All("group") {
		m.groups = append(m.groups, p.group(m, g))
	}
	for _, c := range root.All("contained") {
		if c.ResourceType() != "ConceptMap" || c.Text("id") == "" {
			continue
		}
		if d := conceptMapOf(c); d != nil {
			d.at = p.at(c)
			m.conceptMaps = append(m.conceptMaps, d)
		} else {
			p.at(c)
			m.contained = append(m.contained, c)
		}
	}
	return m
}

func (p *resourceParser) group(m *mapDecl, g *fhir.Node) *groupDecl {
	d := &groupDecl{name: p.name(g, "name"), extends: p.name(g, "extends"), doc: tidy(g.Text("documentation")), at: p.at(g), owner: m}
	if d.extends != "" {
		d.extendsAt = p.at(g.Child("extends"))
	}
	switch g.Text("typeMode") {
	case "types":
		d.mode = "types"
	case "type-and-types":
		d.mode = "type+"
	}
	for _, i := range g.All("input") {
		d.params = append(d.params, paramDecl{mode: i.Text("mode"), name: p.name(i, "name"), typ: p.name(i, "type"), at: p.at(i)})
	}
	d.rules = p.rules(g, 1)
	return d
}

func (p *resourceParser) rules(parent *fhir.Node, depth int) []*ruleDecl {
	var out []*ruleDecl
	for _, n := range parent.All("rule") {
		if depth > maxNesting {
			p.stop(n, issue.Structure, "rules are nested more than %d deep; expected a group that is called", maxNesting)
		}
		if extension(n, extensionEmpty) != nil {
			continue
		}
		r := &ruleDecl{name: p.name(n, "name"), doc: tidy(n.Text("documentation")), at: p.at(n), rules: p.rules(n, depth+1)}
		for _, s := range n.All("source") {
			r.sources = append(r.sources, p.source(s))
		}
		for _, t := range n.All("target") {
			r.targets = append(r.targets, p.target(t))
		}
		for _, d := range n.All("dependent") {
			c := &callDecl{group: p.name(d, "name"), at: p.at(d)}
			for _, v := range d.All("variable") {
				c.args = append(c.args, p.argument(v))
			}
			r.calls = append(r.calls, c)
		}
		r.then = n.Child("rule") != nil || n.Child("dependent") != nil
		out = append(out, r)
	}
	return out
}

// argument reads a variable of a call, or the literal that R4 has no place for.
func (p *resourceParser) argument(v *fhir.Node) paramValue {
	if x := extension(v, extensionLiteral); x != nil {
		return p.literal(x)
	}
	return paramValue{variableParam, p.named(v), p.at(v)}
}

func (p *resourceParser) source(n *fhir.Node) *sourceDecl {
	at := p.at(n)
	s := &sourceDecl{context: p.name(n, "context"), elements: p.elements(n), typ: p.name(n, "type"), list: n.Text("listMode"),
		alias: p.name(n, "variable"), at: at, whereAt: at, checkAt: at, logAt: at, defAt: at}
	for element, to := range map[string]struct {
		text *string
		at   *int
	}{"condition": {&s.where, &s.whereAt}, "check": {&s.check, &s.checkAt}, "logMessage": {&s.log, &s.logAt}} {
		if c := n.Child(element); c != nil && c.HasValue() {
			*to.text, *to.at = p.expression(c), p.at(c)
		}
	}
	if n.Child("min") != nil || n.Child("max") != nil {
		s.card, s.max = true, -1
		s.min = p.count(n.Child("min"))
		if max := n.Text("max"); max != "" && max != "*" {
			s.max = p.count(n.Child("max"))
		}
		if s.max >= 0 && s.max < s.min {
			p.stop(n, issue.Structure, "the cardinality %d..%d can never be; expected the smaller number first", s.min, s.max)
		}
	}
	if d := n.Child("defaultValue"); d != nil {
		s.defAt = p.at(d)
		switch {
		case !d.HasValue():
			p.stop(d, issue.NotSupported, "a default value of this type is not supported; expected a primitive")
		case extension(d, extensionExpression) != nil:
			s.def = p.expression(d)
		case d.Kind == fhir.String:
			s.def = quote(d.Value, '\'')
		default:
			s.def = d.Value
		}
	}
	return s
}

func (p *resourceParser) count(n *fhir.Node) int {
	if n == nil {
		return 0
	}
	i, err := strconv.ParseInt(n.Value, 10, 32)
	if err != nil || i < 0 {
		p.stop(n, issue.Structure, "expected a whole number of 0 or more, or *, in a cardinality")
	}
	return int(i)
}

// elements is the path in element.
func (p *resourceParser) elements(n *fhir.Node) []string {
	e := n.Child("element")
	if e == nil || !e.HasValue() {
		return nil
	}
	out := strings.Split(e.Value, ".")
	if len(out) > maxNesting {
		p.stop(e, issue.Structure, "expected a path of at most %d elements", maxNesting)
	}
	for _, name := range out {
		if name == "" || len(name) > maxName {
			p.stop(e, issue.Structure, "expected the names of elements with dots between them")
		}
	}
	return out
}

func (p *resourceParser) target(n *fhir.Node) *targetDecl {
	at := p.at(n)
	t := &targetDecl{context: p.name(n, "context"), elements: p.elements(n), transform: n.Text("transform"), alias: p.name(n, "variable"), at: at, valueAt: at}
	switch {
	case t.context == "" && t.transform == "":
		p.stop(n, issue.Structure, "expected a context or a transform in a target")
	case t.context == "" && len(t.elements) > 0:
		p.stop(n, issue.Structure, "expected the context of the element (smp-1)")
	case n.Text("contextType") == "type":
		p.stop(n.Child("contextType"), issue.NotSupported, "expected the contextType variable; a context that names a type is not supported")
	}
	if c := n.Child("transform"); c != nil {
		t.valueAt = p.at(c)
	}
	for i, mode := range n.All("listMode") {
		if i > 0 {
			p.stop(mode, issue.NotSupported, "expected one list mode of a target")
		}
		t.list = mode.Value
	}
	if t.list == "share" {
		if t.share = p.name(n, "listRuleId"); t.share == "" {
			p.stop(n, issue.Structure, "expected a listRuleId beside the list mode share")
		}
	}
	for _, v := range n.All("parameter") {
		t.params = append(t.params, p.parameter(v))
	}
	if t.transform == "create" && len(t.params) == 0 && len(t.elements) > 0 {
		t.transform = "" // what the text leaves out
	}
	if t.transform == "evaluate" {
		last := len(t.params) - 1
		if last < 0 || last > 1 || last == 1 && t.params[0].kind != variableParam {
			p.stop(n, issue.Structure, "expected evaluate(variable, expression)")
		}
		if c := n.All("parameter")[last].Child("value"); t.params[last].kind != expressionParam {
			t.params[last] = paramValue{expressionParam, p.expression(c), p.at(c)}
		}
	}
	return t
}

func (p *resourceParser) parameter(n *fhir.Node) paramValue {
	v := n.Child("value")
	if v == nil || !v.HasValue() {
		p.stop(n, issue.Structure, "expected the value of the parameter")
	}
	if v.Name == "valueId" {
		return paramValue{variableParam, p.named(v), p.at(v)}
	}
	return p.literal(v)
}

// literal is a parameter that is no variable.
func (p *resourceParser) literal(v *fhir.Node) paramValue {
	at := p.at(v)
	switch {
	case extension(v, extensionExpression) != nil:
		return paramValue{expressionParam, p.expression(v), at}
	case v.Kind == fhir.Boolean:
		return paramValue{booleanParam, v.Value, at}
	case v.Kind == fhir.Number:
		number, ok := decimalText(v.Value)
		if !ok {
			p.stop(v, issue.NotSupported, "expected a number of at most 400 digits")
		}
		return paramValue{numberParam, number, at}
	}
	return paramValue{textParam, v.Value, at}
}

// expression is a FHIRPath expression without the blanks and comments around it.
func (p *resourceParser) expression(n *fhir.Node) string {
	e, err := trimmed(n.Value)
	if err != nil {
		p.stop(n, issue.Structure, "the FHIRPath expression cannot be read: %s", err.Details)
	}
	return e
}
