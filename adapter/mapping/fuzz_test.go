package mapping

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// holds what is true of every source, good or bad: either a set or faults with places; a
// map that parses is printed and read again the same; a map that compiles does so as a
// resource too, where R4 can say it.
func holds(src Source) string {
	set, err := Compile([]Source{src}, Env{})
	if (set == nil) == (err == nil) {
		return "either a set or an error"
	}
	for _, e := range issue.All(err) {
		if e.Type == issue.Exception || e.Line == 0 {
			return "an error without a place: " + e.Error()
		}
	}
	if diff := roundTrip(src); diff != "" {
		return diff
	}
	n, err := Resource(src)
	if err != nil {
		return ""
	}
	resource := Source{Name: "resource.json", Text: string(fhir.Encode(n))}
	if diff := roundTrip(resource); diff != "" {
		return "as a resource: " + diff + "\n" + resource.Text
	}
	if set != nil {
		if _, err := Compile([]Source{resource}, Env{}); err != nil {
			return "as a resource it does not compile: " + err.Error() + "\n" + resource.Text
		}
	}
	return ""
}

func FuzzCompile(f *testing.F) {
	f.Add(header + "group main(source src : Patient, target tgt : Patient) { src.name as n where use = 'x' -> tgt.name = n \"x\"; }")
	f.Add(`map "a" = b uses "c" alias d as source imports "e*" let f = 'g'; group h(source i, target j) extends k <<type+>> { i.a first as b check (c) log d -> j.e = create('F') as g share h then k(b, g), l(b) { b -> g = 1.5; } "n"; }`)
	f.Add("conceptmap \"x\" { prefix s = \"y\" s:a == s:b unmapped for s = provided }")
	f.Add("// a\n/// url = 'x' // b\ngroup g(source `a b`, target t) { // c\n `a b`.`then` default ('x') as x -> t.a.b = append(x, (1 + 2), -0.50), uuid() as u, t = (x) first then {}; // d\n /* e */ }")
	for _, src := range mapFiles(f) {
		if len(src.Text) < 8000 { // the large ones only slow it down
			f.Add(src.Text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if said := holds(Source{Name: "fuzz.map", Text: text}); said != "" {
			t.Fatal(said)
		}
	})
}

func FuzzStructureMap(f *testing.F) {
	f.Add(`{"resourceType":"StructureMap","url":"u","name":"n","status":"active","group":[{"name":"g","typeMode":"none","input":[{"name":"a","mode":"source"},{"name":"b","mode":"target"}],"rule":[{"name":"r","source":[{"context":"a","element":"x","min":1,"max":"*","defaultValueInteger":1e2,"listMode":"first","variable":"v","condition":"a = 'b'","check":"true","logMessage":"'x'"}],"target":[{"context":"b","contextType":"variable","element":"y","listMode":["share"],"listRuleId":"s","transform":"append","parameter":[{"valueId":"v"},{"valueString":"t"},{"valueBoolean":true},{"valueDecimal":-1.50e1}]}],"dependent":[{"name":"g","variable":["a","b"]}]}]}]}`)
	for _, src := range mapFiles(f) {
		if n, err := Resource(src); err == nil && len(src.Text) < 8000 {
			f.Add(string(fhir.Encode(n)))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !strings.HasPrefix(text, "{") {
			text = "{" + text
		}
		if said := holds(Source{Name: "fuzz.json", Text: text}); said != "" {
			t.Fatal(said)
		}
	})
}

// TestGeneratedMaps prints maps that nobody would write and reads them again.
func TestGeneratedMaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := generator{t}
		m := g.mapDecl()
		p := &printer{}
		p.mapDecl(m)
		if said := holds(Source{Name: "generated.map", Text: p.String()}); said != "" {
			t.Fatalf("%s\nof\n%s", said, p.String())
		}
		read, err := parse(Source{Name: "generated.map", Text: p.String()})
		if err != nil {
			t.Fatalf("%v\n%s", err, p.String())
		}
		if diff := differ(m, read); diff != "" {
			t.Fatalf("%s\n%s", diff, p.String())
		}
	})
}

type generator struct{ *rapid.T }

func (g generator) one(of ...string) string { return rapid.SampledFrom(of).Draw(g.T, "word") }
func (g generator) some() int               { return rapid.IntRange(0, 2).Draw(g.T, "count") }
func (g generator) yes() bool               { return rapid.Bool().Draw(g.T, "yes") }

func (g generator) name() string {
	return g.one("src", "tgt", "a", "b1", "_x", "then", "where", "first", "true", "evaluate", "two words", "it's", "a`b", `back\slash`, "é", "0", "$this", "group", "share", "as", "create", "\n")
}

func (g generator) text() string {
	return g.one("x", "", " ", "it's", `"quoted"`, `\`, "a\nb", "\t\r", "é€", "// no comment", "\u0007", "${x}", "*/")
}

func (g generator) url() string {
	return g.one("urn:x", "http://hl7.org/fhir/StructureDefinition/Patient", "a b", `"`, `\`)
}

func (g generator) comment() string {
	return tidy(g.one("", "", "a comment", "two\nlines", "  indented\n\n- list", "/ slash", "*", "\"x\" = 'y'"))
}

func (g generator) expression() string {
	return g.one("x", "a = 'b'", "a and\n  b", "(a) or (b)", "(a)", "a.where(b, c).first()", `"it's"`, "x // why\n + y", "a.then", "%a", "1 -> 2", "as = where", "'it\\'s'", "a[0]", "{}", "/* c */ a", "a; b", "@2020-01-01T10:00:00Z < now()")
}

func (g generator) mapDecl() *mapDecl {
	m := &mapDecl{url: g.url(), name: g.one("n", "two words", `"`), doc: g.comment()}
	for range g.some() {
		m.set(g.one("status", "version", "title", "x.y"), g.text())
	}
	for range g.some() {
		m.uses = append(m.uses, useDecl{url: g.url(), alias: g.one("", "Patient", g.name()), mode: g.one(useModes...), doc: line(g.comment())})
	}
	for range g.some() {
		m.imports = append(m.imports, importDecl{url: g.url(), doc: line(g.comment())})
	}
	for range g.some() {
		m.constants = append(m.constants, constantDecl{name: g.name(), expression: wholeOf(g.expression()), doc: line(g.comment())})
	}
	for range g.some() {
		c := &conceptMapDecl{id: g.one("a", "b", "c d"), doc: line(g.comment()), unmapped: map[string]string{}}
		for range g.some() {
			row := rowDecl{sourceSystem: g.url(), sourceCode: g.text(), equivalence: g.one("equal", "narrower", "unmatched", "inexact")}
			if row.equivalence != "unmatched" {
				row.targetSystem, row.targetCode = g.url(), g.text()
			}
			c.rows = append(c.rows, row)
		}
		if g.yes() {
			c.unmapped[g.url()] = "provided"
		}
		m.conceptMaps = append(m.conceptMaps, c)
	}
	for range 1 + g.some() {
		d := &groupDecl{name: g.name(), doc: g.comment(), extends: g.one("", g.name()), mode: g.one("", "types", "type+"), owner: m}
		for range 1 + g.some() {
			d.params = append(d.params, paramDecl{mode: g.one("source", "target"), name: g.name(), typ: g.one("", "Patient", g.name())})
		}
		d.rules = g.rules(0)
		m.groups = append(m.groups, d)
	}
	return m
}

func wholeOf(e string) string {
	e, err := trimmed(e)
	if err != nil {
		return "x"
	}
	return e
}

func (g generator) rules(depth int) []*ruleDecl {
	var out []*ruleDecl
	for range g.some() {
		r := &ruleDecl{name: g.one("r", "a rule", "it's \"it\""), doc: g.comment()}
		for range 1 + g.some() {
			r.sources = append(r.sources, g.source())
		}
		for range g.some() {
			r.targets = append(r.targets, g.target())
		}
		if g.yes() {
			r.then = true
			for range g.some() {
				r.calls = append(r.calls, &callDecl{group: g.name(), args: g.params()})
			}
			if depth < 2 {
				r.rules = g.rules(depth + 1)
			}
		}
		if g.yes() {
			r.name = r.standardName()
		}
		out = append(out, r)
	}
	return out
}

func (g generator) names() []string {
	var out []string
	for range g.some() {
		out = append(out, g.name())
	}
	return out
}

func (g generator) source() *sourceDecl {
	s := &sourceDecl{context: g.name(), elements: g.names(), typ: g.one("", "Patient", g.name()), list: g.one(append(sourceModes, "")...), alias: g.one("", g.name())}
	if g.yes() {
		s.card, s.min, s.max = true, 1, g.some()-1
		if s.max == 0 {
			s.max = 1
		}
	}
	for _, e := range []*string{&s.def, &s.where, &s.check, &s.log} {
		if g.yes() {
			*e = wholeOf(g.expression())
		}
	}
	return s
}

func (g generator) target() *targetDecl {
	t := &targetDecl{alias: g.one("", g.name()), list: g.one(append(targetModes, "", "share")...)}
	if t.list == "share" {
		t.share = g.name()
	}
	if g.yes() {
		t.context, t.elements = g.name(), g.names()
	}
	if t.context == "" || g.yes() {
		t.transform, t.params = g.one("copy", "create", "append", "twist", "two words"), g.params()
		if g.yes() {
			t.transform, t.params = "evaluate", []paramValue{{kind: expressionParam, value: wholeOf(g.expression())}}
			if g.yes() {
				t.params = append([]paramValue{{kind: variableParam, value: g.name()}}, t.params...)
			}
		}
	}
	return t
}

func (g generator) params() []paramValue {
	var out []paramValue
	for range g.some() {
		switch p := (paramValue{kind: paramKind(rapid.IntRange(0, int(expressionParam)).Draw(g.T, "kind"))}); p.kind {
		case textParam:
			out = append(out, paramValue{kind: p.kind, value: g.text()})
		case numberParam:
			out = append(out, paramValue{kind: p.kind, value: g.one("0", "-1", "1.50", "99999999999")})
		case booleanParam:
			out = append(out, paramValue{kind: p.kind, value: g.one("true", "false")})
		case variableParam:
			out = append(out, paramValue{kind: p.kind, value: g.name()})
		default:
			out = append(out, paramValue{kind: p.kind, value: wholeOf(g.expression())})
		}
	}
	return out
}
