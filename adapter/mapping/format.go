package mapping

import (
	"strconv"
	"strings"

	"spadapter/adapter/issue"
)

// width is how long a line may be before the targets of a rule go to a line of their own.
const width = 120

// Format prints a map, given in either form, in the mapping language: the comment on the
// map, its header (map "…" = "…", or /// lines where it says more), concept maps, uses,
// imports, constants, groups. Comments stay with the map, group, rule or declaration that
// they stand above or behind; expressions are printed as written, in brackets. Reading the
// result gives the same map, and Format of it the same text.
//
// What the language has no words for is left out: contacts, narrative, use context.
//
// Errors: those of parsing; not-supported for a contained ConceptMap that says more than
// a conceptmap block can.
//
// Source: http://hl7.org/fhir/R4/mapping-language.html.
func Format(src Source) (string, error) {
	m, err := read(src)
	if err != nil {
		return "", err
	}
	for _, c := range m.contained {
		line, column := c.Position()
		return "", issue.Newf(issue.NotSupported, "map-format", "%s: the contained ConceptMap says more than a conceptmap block can; expected one group for each pair of systems, and codes with their equivalence alone", src.Name).At(c.Path()).On(line, column)
	}
	p := &printer{}
	p.mapDecl(m)
	return p.String(), nil
}

type printer struct {
	strings.Builder
	depth int
}

// line writes one line at the present depth.
func (p *printer) line(text string) {
	if text != "" {
		p.WriteString(strings.Repeat("  ", p.depth))
		p.WriteString(text)
	}
	p.WriteByte('\n')
}

// doc writes a comment above a declaration.
func (p *printer) doc(text string) {
	if text == "" {
		return
	}
	for _, l := range strings.Split(text, "\n") {
		p.line(strings.TrimRight("// "+l, " "))
	}
}

// behind is a comment behind a declaration.
func behind(doc string) string {
	if doc == "" {
		return ""
	}
	return " // " + doc
}

func (p *printer) mapDecl(m *mapDecl) {
	p.doc(m.doc)
	if len(m.about) == 0 && m.name != "" {
		p.line("map " + quote(m.url, '"') + " = " + quote(m.name, '"'))
	} else {
		p.line("/// url = " + quote(m.url, '"'))
		if m.name != "" {
			p.line("/// name = " + quote(m.name, '"'))
		}
		for _, a := range m.about {
			p.line("/// " + a.key + " = " + quote(a.value, '"'))
		}
	}
	for _, c := range m.conceptMaps {
		p.line("")
		p.conceptMap(c)
	}
	part := func(n int) {
		if n > 0 {
			p.line("")
		}
	}
	part(len(m.uses))
	for _, u := range m.uses {
		text := "uses " + quote(u.url, '"')
		if u.alias != "" {
			text += " alias " + written(u.alias)
		}
		p.line(text + " as " + u.mode + behind(u.doc))
	}
	part(len(m.imports))
	for _, i := range m.imports {
		p.line("imports " + quote(i.url, '"') + behind(i.doc))
	}
	part(len(m.constants))
	for _, c := range m.constants {
		p.line("let " + written(c.name) + " = (" + c.expression + ");" + behind(c.doc))
	}
	for _, g := range m.groups {
		p.line("")
		p.group(g)
	}
}

func (p *printer) group(g *groupDecl) {
	p.doc(g.doc)
	text := "group " + written(g.name) + "("
	for i, param := range g.params {
		if i > 0 {
			text += ", "
		}
		text += param.mode + " " + written(param.name)
		if param.typ != "" {
			text += " : " + written(param.typ)
		}
	}
	text += ")"
	if g.extends != "" {
		text += " extends " + written(g.extends)
	}
	if g.mode != "" {
		text += " <<" + g.mode + ">>"
	}
	if len(g.rules) == 0 {
		p.line(text + " {}")
		return
	}
	p.line(text + " {")
	p.rules(g.rules)
	p.line("}")
}

func (p *printer) rules(rules []*ruleDecl) {
	p.depth++
	for _, r := range rules {
		p.rule(r)
	}
	p.depth--
}

func (p *printer) rule(r *ruleDecl) {
	sources := make([]string, len(r.sources))
	for i, s := range r.sources {
		sources[i] = s.text()
	}
	targets := make([]string, len(r.targets))
	for i, t := range r.targets {
		targets[i] = t.text()
	}
	end := ";"
	if r.name != r.standardName() {
		end = " " + quote(r.name, '"') + ";"
	}
	head, tail := strings.Join(sources, ", "), ""
	if len(targets) > 0 {
		tail = "-> " + strings.Join(targets, ", ")
	}
	if r.then {
		calls := make([]string, len(r.calls))
		for i, c := range r.calls {
			calls[i] = " " + c.text()
		}
		tail += " then" + strings.Join(calls, ",")
		switch {
		case len(r.rules) > 0:
			tail += " {"
		case len(calls) == 0:
			tail += " {}"
		}
	}
	tail = strings.TrimSpace(tail)
	text := strings.TrimSpace(head + " " + tail)
	long := len(text) > width && len(targets) > 0
	single := len(r.rules) == 0 && !long
	if single && r.doc != "" && !strings.Contains(r.doc, "\n") && !strings.HasPrefix(r.doc, " ") && 2*p.depth+len(text)+len(end)+len(r.doc) < width && !strings.Contains(text, "\n") {
		p.line(text + end + behind(r.doc))
		return
	}
	p.doc(r.doc)
	if long {
		p.line(head)
		p.depth += 2
		text = tail
	}
	if len(r.rules) == 0 {
		text += end
	}
	p.line(text)
	if long {
		p.depth -= 2
	}
	if len(r.rules) > 0 {
		p.rules(r.rules)
		p.line("}" + end)
	}
}

func pathText(context string, elements []string) string {
	out := written(context)
	for _, e := range elements {
		out += "." + member(e)
	}
	return out
}

func (s *sourceDecl) text() string {
	out := pathText(s.context, s.elements)
	if s.typ != "" {
		out += " : " + written(s.typ)
	}
	if s.card {
		max := "*"
		if s.max >= 0 {
			max = strconv.Itoa(s.max)
		}
		out += " " + strconv.Itoa(s.min) + ".." + max
	}
	if s.def != "" {
		out += " default (" + s.def + ")"
	}
	if s.list != "" {
		out += " " + s.list
	}
	if s.alias != "" {
		out += " as " + written(s.alias)
	}
	for _, clause := range []struct{ word, expression string }{{"where", s.where}, {"check", s.check}, {"log", s.log}} {
		if clause.expression != "" {
			out += " " + clause.word + " (" + clause.expression + ")"
		}
	}
	return out
}

func (t *targetDecl) text() string {
	var out string
	if t.context != "" {
		out = pathText(t.context, t.elements)
		if t.transform != "" {
			out += " = "
		}
	}
	switch {
	case t.transform == "":
	case t.transform == "evaluate" && len(t.params) == 1:
		out += "(" + t.params[0].value + ")"
	case t.transform == "copy" && len(t.params) == 1 && t.params[0].kind != expressionParam && t.context != "":
		out += t.params[0].text()
	case t.transform == "evaluate":
		out += "evaluate(" + t.params[0].text() + ", " + t.params[1].value + ")"
	default:
		out += written(t.transform) + paramsText(t.params)
	}
	if t.alias != "" {
		out += " as " + written(t.alias)
	}
	switch t.list {
	case "":
	case "share":
		out += " share " + written(t.share)
	default:
		out += " " + t.list
	}
	return out
}

func (c *callDecl) text() string { return written(c.group) + paramsText(c.args) }

func paramsText(all []paramValue) string {
	out := make([]string, len(all))
	for i, v := range all {
		out[i] = v.text()
	}
	return "(" + strings.Join(out, ", ") + ")"
}

func (v paramValue) text() string {
	switch v.kind {
	case textParam:
		return quote(v.value, '\'')
	case variableParam:
		return written(v.value)
	case expressionParam:
		return "(" + v.value + ")"
	}
	return v.value
}
