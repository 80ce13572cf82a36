package mapping

import (
	"slices"
	"strconv"
	"strings"
)

// parser reads one map by recursive descent. It stops at the first fault.
// Source: https://hl7.org/fhir/R4/mapping.g4 and https://hl7.org/fhir/R5/mapping.g4.
type parser struct {
	file   *file
	tokens []token
	pos    int
	depth  int // of rules in rules
}

// maxNesting is how deep rules may stand in rules.
const maxNesting = 64

// fault is what the parser panics with, and parse recovers.
type fault struct{ err error }

func parse(src Source) (m *mapDecl, err error) {
	f := newFile(src.Name, src.Text)
	if err := f.legible(); err != nil {
		return nil, err
	}
	tokens, err := scan(f)
	if err != nil {
		return nil, err
	}
	p := &parser{file: f, tokens: metadataOnTop(tokens)}
	defer func() {
		if r := recover(); r != nil {
			flt, ok := r.(fault)
			if !ok {
				panic(r)
			}
			m, err = nil, flt.err
		}
	}()
	return p.mapDecl(), nil
}

func (p *parser) stop(at int, format string, args ...any) {
	panic(fault{p.file.fail(at, "map-syntax", format, args...)})
}

// expected stops with what should stand at the present token.
func (p *parser) expected(what string) {
	t := p.peek()
	found := "the end of the map"
	if t.kind != end {
		found = strconv.Quote(clip(p.file.text[t.start:t.stop]))
	}
	p.stop(t.start, "expected %s, found %s", what, found)
}

// clip shortens what a message quotes.
func clip(s string) string {
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// peek is the present token; statements (/// lines) count only in the header.
func (p *parser) peek() token {
	for p.tokens[p.pos].kind == statement {
		p.pos++
	}
	return p.tokens[p.pos]
}

func (p *parser) take() token {
	t := p.peek()
	if t.kind != end {
		p.pos++
	}
	return t
}

func (p *parser) after() token {
	p.peek()
	return p.tokens[min(p.pos+1, len(p.tokens)-1)]
}

// is reports whether the present token is that mark or keyword.
func (p *parser) is(value string) bool {
	t := p.peek()
	return (t.kind == mark || t.kind == name && !t.delimited) && t.value == value
}

func (p *parser) try(value string) bool {
	if p.is(value) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) want(value string) token {
	if !p.is(value) {
		p.expected("'" + value + "'")
	}
	return p.take()
}

func (p *parser) identifier(what string) string {
	if p.peek().kind != name {
		p.expected(what)
	}
	return p.take().value
}

// anyText is a string in either kind of quotes.
func (p *parser) anyText(what string) string {
	if k := p.peek().kind; k != text && k != quoted {
		p.expected(what + " in quotes")
	}
	return p.take().value
}

func (p *parser) mapDecl() *mapDecl {
	m := &mapDecl{file: p.file}
	p.leading(&m.doc)
	for first := true; ; {
		for p.tokens[p.pos].kind == statement {
			p.metadata(m, p.tokens[p.pos].value)
			p.pos++
			p.trailing(&m.doc)
		}
		at := p.peek().start
		doc := ""
		if !p.is("map") && !p.is("group") {
			// what stands above the first declaration is about the map
			if p.leading(&doc); first {
				join(&m.doc, doc)
				first, doc = false, ""
			}
		}
		switch {
		case p.try("map"):
			m.url = p.anyText("the url of the map")
			p.want("=")
			if p.peek().kind == name {
				m.name = p.take().value
			} else {
				m.name = p.anyText("the name of the map")
			}
			p.trailing(&m.doc)
		case p.is("conceptmap"):
			c := p.conceptMap()
			join(&doc, c.doc)
			c.doc = line(doc)
			m.conceptMaps = append(m.conceptMaps, c)
		case p.try("uses"):
			u := useDecl{url: p.anyText("the url of a StructureDefinition"), at: at}
			if p.try("alias") {
				u.alias = p.identifier("an alias")
			}
			p.want("as")
			if mode := p.peek(); !slices.Contains(useModes, mode.value) || mode.kind != name {
				p.expected("source, target, queried or produced")
			}
			u.mode = p.take().value
			p.try(";")
			p.trailing(&doc)
			u.doc = line(doc)
			m.uses = append(m.uses, u)
		case p.try("imports"):
			i := importDecl{url: p.anyText("the url of a map"), at: at}
			p.try(";")
			p.trailing(&doc)
			i.doc = line(doc)
			m.imports = append(m.imports, i)
		case p.try("let"):
			c := constantDecl{name: p.identifier("the name of a constant")}
			p.want("=")
			c.expression, c.at = p.expression(false)
			p.want(";")
			p.trailing(&doc)
			c.doc = line(doc)
			m.constants = append(m.constants, c)
		case p.is("group"):
			for p.is("group") {
				m.groups = append(m.groups, p.group(m))
			}
			if p.peek().kind != end {
				p.expected("'group' or the end of the map")
			}
			if m.url == "" {
				p.stop(0, "expected map \"url\" = \"name\" or /// url = '…' at the top")
			}
			return m
		default:
			p.expected("'map', 'uses', 'imports', 'conceptmap', 'let' or 'group'")
		}
	}
}

var useModes = []string{"source", "target", "queried", "produced"}

// metadata reads a line such as: url = 'http://…'
func (p *parser) metadata(m *mapDecl, line string) {
	key, value, ok := strings.Cut(line, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if !ok || value == "" || key == "" || strings.ContainsAny(key, " \t'\"") {
		join(&m.doc, tidy(line))
		return
	}
	if q := value[0]; q == '"' || q == '\'' {
		if unquoted, _, ok := unquote(value, 0); ok {
			value = unquoted
		}
	}
	m.set(key, value)
}

// set gives the map what a /// line says of it.
func (m *mapDecl) set(key, value string) {
	switch key {
	case "url":
		m.url = value
	case "name":
		m.name = value
	case "description":
		join(&m.doc, tidy(value))
	default:
		for i := range m.about {
			if m.about[i].key == key {
				m.about[i].value = value
				return
			}
		}
		m.about = append(m.about, aboutDecl{key, value})
	}
}

func (p *parser) group(m *mapDecl) *groupDecl {
	g := &groupDecl{owner: m}
	p.leading(&g.doc)
	start := p.pos
	g.at = p.want("group").start
	g.name = p.identifier("the name of the group")
	p.want("(")
	for {
		param := paramDecl{at: p.peek().start}
		if !p.is("source") && !p.is("target") {
			p.expected("'source' or 'target'")
		}
		param.mode = p.take().value
		param.name = p.identifier("the name of the parameter")
		if p.try(":") {
			param.typ = p.identifier("a type or alias")
		}
		g.params = append(g.params, param)
		if !p.try(",") {
			break
		}
	}
	p.want(")")
	if p.is("extends") {
		g.extendsAt = p.take().start
		g.extends = p.identifier("the name of a group")
	}
	if p.try("<<") {
		switch {
		case p.try("types"):
			g.mode = "types"
		case p.try("type"):
			p.want("+")
			g.mode = "type+"
		default:
			p.expected("'types' or 'type+'")
		}
		p.want(">>")
	}
	g.rules = p.rules(&g.doc)
	p.inside(start, &g.doc)
	return g
}

// rules reads the rules in braces; comments that belong to none of them go to doc.
func (p *parser) rules(doc *string) []*ruleDecl {
	if p.depth++; p.depth > maxNesting {
		p.stop(p.peek().start, "rules are nested more than %d deep; expected a group that is called", maxNesting)
	}
	p.want("{")
	p.trailing(doc)
	var out []*ruleDecl
	for !p.is("}") {
		out = append(out, p.rule())
	}
	p.leading(doc)
	p.take()
	p.trailing(doc)
	p.depth--
	return out
}
