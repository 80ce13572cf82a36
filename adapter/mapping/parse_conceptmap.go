package mapping

import (
	"slices"
	"strconv"
	"strings"
)

// equivalences are the operators of a conceptmap block, as the HL7 implementation reads
// them: the standard's page gives the grammar and not the meaning.
var equivalences = map[string]string{"-": "relatedto", "=": "equal", "==": "equivalent", "!=": "disjoint", "--": "unmatched",
	"<=": "wider", ">=": "narrower", "<-": "subsumes", ">-": "specializes", "~": "inexact"}

// conceptMap reads a conceptmap block.
// Source: http://hl7.org/fhir/R4/mapping-language.html, section "Embedded ConceptMaps".
func (p *parser) conceptMap() *conceptMapDecl {
	start := p.pos
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
			p.stop(at, "the prefix %s is not declared; expected one that a prefix line of this concept map declares", clip(prefix))
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
			at := p.peek().start
			prefix := p.identifier("a prefix")
			if _, ok := prefixes[prefix]; !ok {
				p.stop(at, "the prefix %s is not declared; expected one that a prefix line of this concept map declares", clip(prefix))
			}
			p.want("=")
			if !p.is("provided") {
				p.expected("provided, the mode that a conceptmap block can say")
			}
			c.unmapped[prefixes[prefix]] = p.take().value
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
	p.trailing(&c.doc)
	p.inside(start, &c.doc)
	return c
}

func (p *printer) conceptMap(c *conceptMapDecl) {
	p.line("conceptmap " + quote("#"+c.id, '"') + " {" + behind(c.doc))
	p.depth++
	prefixes := map[string]string{}
	var order []string
	prefix := func(system, letter string) {
		if _, has := prefixes[system]; has {
			return
		}
		name := letter
		for i := 2; slices.Contains(order, name); i++ {
			name = letter + strconv.Itoa(i)
		}
		prefixes[system] = name
		order = append(order, name)
		p.line("prefix " + name + " = " + quote(system, '"'))
	}
	for _, r := range c.rows {
		prefix(r.sourceSystem, "s")
	}
	for _, r := range c.rows {
		if r.equivalence != "unmatched" {
			prefix(r.targetSystem, "t")
		}
	}
	var unmapped []string
	for system := range c.unmapped {
		unmapped = append(unmapped, system)
	}
	slices.Sort(unmapped)
	for _, system := range unmapped {
		prefix(system, "s")
	}
	for _, system := range unmapped {
		p.line("unmapped for " + prefixes[system] + " = " + c.unmapped[system])
	}
	for _, r := range c.rows {
		text := prefixes[r.sourceSystem] + ":" + code(r.sourceCode) + " " + operators[r.equivalence]
		if r.equivalence != "unmatched" {
			text += " " + prefixes[r.targetSystem] + ":" + code(r.targetCode)
		}
		p.line(text)
	}
	p.depth--
	p.line("}")
}

func code(code string) string {
	if plainName(code) && !keywords[code] {
		return code
	}
	return quote(code, '"')
}
