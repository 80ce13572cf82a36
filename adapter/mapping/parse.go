package mapping

import (
	"strconv"
	"strings"
)

// parser reads one map by recursive descent. It stops at the first fault.
// Source: https://hl7.org/fhir/R4/mapping.g4 and https://hl7.org/fhir/R5/mapping.g4.
type parser struct {
	file   *file
	tokens []token
	pos    int
}

// fault is what the parser panics with, and parse recovers.
type fault struct{ err error }

func parse(src Source) (m *mapDecl, err error) {
	f := &file{name: src.Name, text: src.Text}
	tokens, err := scan(f)
	if err != nil {
		return nil, err
	}
	p := &parser{file: f, tokens: tokens}
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
		found = strconv.Quote(p.file.text[t.start:t.stop])
	}
	p.stop(t.start, "expected %s, found %s", what, found)
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
	for p.tokens[p.pos].kind == statement {
		p.metadata(m, p.tokens[p.pos].value)
		p.pos++
	}
	for {
		for p.tokens[p.pos].kind == statement {
			p.metadata(m, p.tokens[p.pos].value)
			p.pos++
		}
		at := p.peek().start
		switch {
		case p.try("map"):
			m.url = p.anyText("the url of the map")
			p.want("=")
			if p.peek().kind == name {
				m.name = p.take().value
			} else {
				m.name = p.anyText("the name of the map")
			}
		case p.is("conceptmap"):
			m.conceptMaps = append(m.conceptMaps, p.conceptMap())
		case p.try("uses"):
			u := useDecl{url: p.anyText("the url of a StructureDefinition"), at: at}
			if p.try("alias") {
				u.alias = p.identifier("an alias")
			}
			p.want("as")
			u.mode = p.identifier("source, target, queried or produced")
			m.uses = append(m.uses, u)
			p.try(";")
		case p.try("imports"):
			m.imports = append(m.imports, importDecl{p.anyText("the url of a map"), at})
			p.try(";")
		case p.try("let"):
			c := constantDecl{name: p.identifier("the name of a constant"), at: at}
			p.want("=")
			c.expression = p.expression(false)
			p.want(";")
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

// metadata reads a line such as: url = 'http://…'
func (p *parser) metadata(m *mapDecl, line string) {
	key, value, ok := strings.Cut(line, "=")
	value = strings.TrimSpace(value)
	if !ok || len(value) < 2 {
		return
	}
	if q := value[0]; (q == '"' || q == '\'') && strings.IndexByte(value[1:], q) >= 0 {
		value, _, _ = unquote(value, 0)
	}
	switch strings.TrimSpace(key) {
	case "url":
		m.url = value
	case "name":
		m.name = value
	}
}

func (p *parser) group(m *mapDecl) *groupDecl {
	g := &groupDecl{at: p.want("group").start, owner: m}
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
	if p.try("extends") {
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
	g.rules = p.rules()
	return g
}

func (p *parser) rules() []*ruleDecl {
	p.want("{")
	var out []*ruleDecl
	for !p.try("}") {
		out = append(out, p.rule())
	}
	return out
}

// equivalences are the operators of a conceptmap block, as the HL7 implementation reads
// them: the standard's page gives the grammar and not the meaning.
var equivalences = map[string]string{"-": "relatedto", "=": "equal", "==": "equivalent", "!=": "disjoint", "--": "unmatched",
	"<=": "wider", ">=": "narrower", "<-": "subsumes", ">-": "specializes", "~": "inexact"}

// conceptMap reads a conceptmap block.
// Source: http://hl7.org/fhir/R4/mapping-language.html, section "Embedded ConceptMaps".
func (p *parser) conceptMap() *conceptMapDecl {
	c := &conceptMapDecl{at: p.want("conceptmap").start, unmapped: map[string]string{}}
	c.id = strings.TrimPrefix(p.anyText("the id of the concept map"), "#")
	p.want("{")
	prefixes := map[string]string{}
	word := func(what string) string {
		if k := p.peek().kind; k == text || k == quoted || k == number {
			return p.take().value
		}
		return p.identifier(what)
	}
	coded := func() (system, code string) {
		at := p.peek().start
		prefix := p.identifier("a prefix")
		system, ok := prefixes[prefix]
		if !ok {
			p.stop(at, "the prefix %s is not declared in this concept map", prefix)
		}
		p.want(":")
		return system, word("a code")
	}
	for !p.try("}") {
		switch {
		case p.try("prefix"):
			prefix := p.identifier("a prefix")
			p.want("=")
			prefixes[prefix] = p.anyText("the url of a code system")
			p.try(";")
		case p.try("unmapped"):
			p.want("for")
			prefix := p.identifier("a prefix")
			p.want("=")
			c.unmapped[prefixes[prefix]] = p.identifier("the mode: provided")
			p.try(";")
		default:
			var row rowDecl
			row.sourceSystem, row.sourceCode = coded()
			operator := p.take()
			row.equivalence = equivalences[operator.value]
			if operator.kind != mark || row.equivalence == "" {
				p.stop(operator.start, "expected one of - = == != -- <= >= <- >- ~ after the code")
			}
			if row.equivalence != "unmatched" {
				row.targetSystem, row.targetCode = coded()
			}
			c.rows = append(c.rows, row)
			p.try(";")
		}
	}
	return c
}
