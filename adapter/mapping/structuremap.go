package mapping

import (
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Resource gives a map, in either form, as an R4 StructureMap that passes fhir.Check and
// that Compile reads with the same meaning. Embedded concept maps are contained
// ConceptMaps; the short form a -> b has the variable vvv on both sides and a create
// without type, as the HL7 implementation writes it. The status is draft where the map
// states none.
//
// What R4 has no place for:
//   - the target mode single is written as collate, its name in R4;
//   - a name that is no id (rules are often called by a sentence) becomes an id, and the
//     extension …/map-name keeps it; expressions go on naming variables as written;
//   - a constant (let) is the extension …/map-constant of the map, with name and value;
//   - an expression, or a blank text, as a parameter or default is a string with the
//     extension …/map-expression;
//   - a literal passed to a group is a variable with the extension …/map-literal;
//   - a /// line that StructureMap has no element for is the extension …/map-about;
//   - an empty group, and then {}, have one rule that does nothing, marked …/map-empty.
//
// These URLs stand under https://spadapter.example/fhir/StructureDefinition/. Comments on
// imports and constants are left out.
//
// Errors: those of parsing; structure, value and others of fhir.Check for what no
// StructureMap can hold, such as a url with blanks, with the FHIRPath of the element and
// no line.
//
// Source: http://hl7.org/fhir/R4/structuremap.html.
func Resource(src Source) (*fhir.Node, error) {
	m, err := read(src)
	if err != nil {
		return nil, err
	}
	w := &resourceWriter{ids: map[string]string{}, taken: map[string]bool{}, short: "vvv"}
	for strings.Contains(src.Text, w.short) && !strings.HasPrefix(strings.TrimSpace(src.Text), "{") {
		w.short += "v"
	}
	root := w.structureMap(m)
	order(root)
	checked, err := fhir.Parse(fhir.Types(fhir.R4), fhir.Encode(root), fhir.Limits{Depth: 2*maxNesting + 16})
	if err != nil {
		return nil, named(src.Name, err)
	}
	if all := issue.All(issue.Failures(fhir.Check(checked))); len(all) > 0 {
		for _, e := range all {
			e.Details = src.Name + ": " + e.Details
			e.Line, e.Column = 0, 0 // the place is of the result, which nobody sees
		}
		return nil, issue.Join(all)
	}
	return checked, nil
}

// order puts the elements into the order of the standard.
func order(n *fhir.Node) {
	arrange(n)
	for _, c := range n.Children {
		order(c)
	}
}

type resourceWriter struct {
	ids   map[string]string // names that are no ids → ids
	taken map[string]bool
	short string // the variable of the short form
}

// extend adds an extension with a value.
func extend(n *fhir.Node, url, value, text string) {
	x := n.Add("extension")
	x.Set("url", url)
	x.Set(value, text)
}

// name sets an element that R4 wants to be an id.
func (w *resourceWriter) name(n *fhir.Node, element, name string) {
	if name != "" {
		w.named(n.Set(element, w.id(name)), name)
	}
}

func (w *resourceWriter) named(c *fhir.Node, name string) {
	if c.Value != name {
		extend(c, extensionName, "valueString", name)
	}
}

func (w *resourceWriter) id(name string) string {
	if fhir.Lexical("id", name) {
		w.taken[name] = true
		return name
	}
	if id := w.ids[name]; id != "" {
		return id
	}
	id := []byte(name)
	for i, c := range id {
		if !digit(c) && !letter(c) || c == '_' {
			id[i] = '-'
		}
	}
	short := string(id[:min(len(id), 56)])
	out := short
	for i := 2; w.taken[out]; i++ {
		out = short + "-" + strconv.Itoa(i)
	}
	w.taken[out], w.ids[name] = true, out
	return out
}

func (w *resourceWriter) structureMap(m *mapDecl) *fhir.Node {
	n := fhir.Types(fhir.R4).New("StructureMap")
	n.Set("url", m.url)
	n.Set("name", m.name)
	if m.name == "" {
		n.Set("name", "map") // R4 wants one
	}
	n.Set("status", "draft")
	n.Set("description", m.doc)
	for _, a := range m.about {
		e := n.Type.Element(a.key)
		if !slices.Contains(about, a.key) || e == nil || !fhir.Lexical(e.Types[0].Name, a.value) || !e.HasCode(a.value) {
			extend(n, extensionAbout, "valueString", a.key+"="+a.value)
			continue
		}
		n.Set(a.key, a.value)
	}
	for _, c := range m.conceptMaps {
		n.Append("contained", c.resource())
	}
	for _, c := range m.contained {
		n.Append("contained", c.Clone())
	}
	for _, c := range m.constants {
		x := n.Add("extension")
		x.Set("url", extensionConstant)
		extend(x, "name", "valueString", c.name)
		extend(x, "value", "valueString", c.expression)
	}
	for _, u := range m.uses {
		s := n.Add("structure")
		s.Set("url", u.url)
		s.Set("mode", u.mode)
		s.Set("alias", u.alias)
		s.Set("documentation", u.doc)
	}
	for _, i := range m.imports {
		n.Append("import", fhir.NewPrimitive(fhir.Types(fhir.R4).Type("canonical"), i.url))
	}
	for _, g := range m.groups {
		w.group(n.Add("group"), g)
	}
	return n
}

func (w *resourceWriter) group(n *fhir.Node, g *groupDecl) {
	w.name(n, "name", g.name)
	w.name(n, "extends", g.extends)
	n.Set("typeMode", map[string]string{"": "none", "types": "types", "type+": "type-and-types"}[g.mode])
	n.Set("documentation", g.doc)
	for _, p := range g.params {
		i := n.Add("input")
		w.name(i, "name", p.name)
		i.Set("type", p.typ)
		i.Set("mode", p.mode)
	}
	for _, r := range g.rules {
		w.rule(n.Add("rule"), r)
	}
	if len(g.rules) == 0 {
		w.empty(n, g.params[0].name)
	}
}

// empty adds a rule that does nothing, where R4 wants one.
func (w *resourceWriter) empty(n *fhir.Node, context string) {
	r := n.Add("rule")
	r.Set("name", "none")
	extend(r, extensionEmpty, "valueBoolean", "true")
	w.name(r.Add("source"), "context", context)
}

func (w *resourceWriter) rule(n *fhir.Node, r *ruleDecl) {
	w.name(n, "name", r.name)
	n.Set("documentation", r.doc)
	short := len(r.sources) == 1 && len(r.targets) == 1 && r.targets[0].short(r)
	for _, s := range r.sources {
		sn := n.Add("source")
		w.source(sn, s)
		if short && s.alias == "" {
			sn.Set("variable", w.short)
		}
	}
	for _, t := range r.targets {
		tn := n.Add("target")
		w.target(tn, t)
		switch {
		case t.transform != "" || len(t.elements) == 0:
		case short:
			tn.Set("transform", "create")
			if t.alias == "" {
				tn.Set("variable", w.short)
			}
		case t.alias != "" || r.then:
			tn.Set("transform", "create")
		}
	}
	for _, inner := range r.rules {
		w.rule(n.Add("rule"), inner)
	}
	if r.then && len(r.rules) == 0 && len(r.calls) == 0 {
		w.empty(n, r.sources[0].context)
	}
	for _, c := range r.calls {
		d := n.Add("dependent")
		w.name(d, "name", c.group)
		for _, a := range c.args {
			v := fhir.NewPrimitive(fhir.Types(fhir.R4).Type("string"), a.value)
			if a.kind == variableParam {
				v.Value = w.id(a.value)
				w.named(v, a.value)
			} else {
				w.literal(v, extensionLiteral, a)
			}
			d.Append("variable", v)
		}
	}
}

func (w *resourceWriter) source(n *fhir.Node, s *sourceDecl) {
	w.name(n, "context", s.context)
	if s.card {
		n.Set("min", strconv.Itoa(s.min))
		n.Set("max", "*")
		if s.max >= 0 {
			n.Set("max", strconv.Itoa(s.max))
		}
	}
	n.Set("type", s.typ)
	n.Set("element", strings.Join(s.elements, "."))
	n.Set("listMode", s.list)
	w.name(n, "variable", s.alias)
	n.Set("condition", s.where)
	n.Set("check", s.check)
	n.Set("logMessage", s.log)
	if s.def == "" {
		return
	}
	if value, stop, ok := unquote(s.def+"'", 0); s.def[0] == '\'' && ok && stop == len(s.def) && quote(value, '\'') == s.def && fhir.Lexical("string", value) {
		n.Set("defaultValueString", value)
		return
	}
	extend(n.Set("defaultValueString", s.def), extensionExpression, "valueBoolean", "true")
}

func (w *resourceWriter) target(n *fhir.Node, t *targetDecl) {
	w.name(n, "context", t.context)
	if t.context != "" {
		n.Set("contextType", "variable")
	}
	n.Set("element", strings.Join(t.elements, "."))
	w.name(n, "variable", t.alias)
	list := t.list
	if list == "single" {
		list = "collate"
	}
	if list != "" {
		n.Append("listMode", fhir.NewPrimitive(fhir.Types(fhir.R4).Type("code"), list))
	}
	w.name(n, "listRuleId", t.share)
	n.Set("transform", t.transform)
	for i, p := range t.params {
		pn := n.Add("parameter")
		switch {
		case p.kind == variableParam:
			w.named(pn.Set("valueId", w.id(p.value)), p.value)
		case t.transform == "evaluate" && i == len(t.params)-1:
			pn.Set("valueString", p.value) // an expression in R4 too
		default:
			w.literal(pn, "", p)
		}
	}
}

// literal sets the value of a parameter, or, of the literal that a call passes, the
// value of an extension.
func (w *resourceWriter) literal(n *fhir.Node, url string, p paramValue) {
	text, expression := p.value, p.kind == expressionParam
	if p.kind == textParam && !fhir.Lexical("string", text) {
		text, expression = quote(text, '\''), true // FHIR has no blank strings
	}
	if url != "" {
		n.Value = text
		n = n.Add("extension")
		n.Set("url", url)
	}
	switch {
	case expression:
		extend(n.Set("valueString", text), extensionExpression, "valueBoolean", "true")
	case p.kind == booleanParam:
		n.Set("valueBoolean", text)
	case p.kind == numberParam && fhir.Lexical("integer", text):
		n.Set("valueInteger", text)
	case p.kind == numberParam:
		n.Set("valueDecimal", text)
	default:
		n.Set("valueString", text)
	}
}
