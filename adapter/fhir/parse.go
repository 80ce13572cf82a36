package fhir

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"spadapter/adapter/issue"
)

// Limits bound what Parse accepts. The zero value of a field means its default.
type Limits struct {
	Bytes int // length of the body, default 5 MiB
	Depth int // nesting of objects and arrays, default 64
	Nodes int // elements, default 500,000
}

func (l Limits) orDefaults() Limits {
	if l.Bytes == 0 {
		l.Bytes = 5 << 20
	}
	if l.Depth == 0 {
		l.Depth = 64
	}
	if l.Nodes == 0 {
		l.Nodes = 500_000
	}
	return l
}

// Parse reads one resource in JSON into a tree of that type system. It accepts every
// tree that JSON can hold, whatever its elements are called: what is wrong with it as
// FHIR is for Check to say, all at once. body is not kept and may be reused.
//
// A byte order mark at the start is ignored (RFC 8259 section 8.1). Errors, each with
// line and column, and the FHIRPath of the element they lie in: structure when the body is not one JSON object, when it is not
// UTF-8, when an object has a name twice (the first maxDuplicates of them), or when
// resourceType is missing;
// too-long over Limits.Bytes; too-costly over Limits.Depth or Limits.Nodes.
//
// Source: http://hl7.org/fhir/R4/json.html.
func Parse(system *System, body []byte, limits Limits) (*Node, error) {
	limits = limits.orDefaults()
	if len(body) > limits.Bytes {
		return nil, issue.Newf(issue.TooLong, "body-limit", "the body is %d bytes long; at most %d are accepted", len(body), limits.Bytes)
	}
	source := strings.TrimPrefix(string(body), "\uFEFF")
	doc := &document{system: system, source: source, limits: limits}
	p := &parser{doc: doc, src: source, limits: limits}
	if !utf8.ValidString(source) {
		p.pos = firstInvalid(source)
		return nil, p.fail("json-utf8", "the body is not UTF-8 at this place; send UTF-8 without any other encoding")
	}
	p.slab = make([]Node, 0, p.guess())
	p.blank()
	if p.pos == len(p.src) {
		return nil, p.fail("json", "the body is empty; send one FHIR resource as a JSON object")
	}
	if p.src[p.pos] != '{' {
		if p.src[p.pos] == '<' {
			return nil, p.fail("json", "this is XML, and was to be JSON; say Content-Type: application/fhir+xml, or name the file .xml")
		}
		return nil, p.fail("json", "the body must be one FHIR resource: a JSON object that starts with '{'")
	}
	return p.alone()
}

// alone reads the resource that starts here; unless it is an element of a text that was
// read before, nothing may stand behind it.
func (p *parser) alone() (*Node, error) {
	whole := strings.Trim(p.src[:p.pos], " \t\r\n") == ""
	root, err := p.object(1)
	p.located(err)
	if len(p.duplicates) > maxDuplicates { // the last of them says that reading stopped
		return nil, issue.Join(p.duplicates)
	}
	if err != nil {
		return nil, issue.Join(append(p.duplicates, issue.All(err)...))
	}
	p.doc.end = int32(p.pos)
	p.blank()
	if whole && p.pos != len(p.src) {
		return nil, p.fail("json", "there is text after the end of the resource; send one JSON object and nothing else")
	}
	if p.duplicates != nil {
		return nil, issue.Join(p.duplicates)
	}
	if root.resourceType == "" {
		p.pos = int(root.start)
		return nil, p.fail("json-resource-type", "resourceType is missing; every resource names its type in it").At("resourceType")
	}
	root.bind(p.doc.system)
	return root, nil
}

func firstInvalid(s string) int {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return len(s)
}

// maxDuplicates is how many names that occur twice one body can make Parse report.
const maxDuplicates = 50

type parser struct {
	doc        *document
	src        string
	pos        int
	limits     Limits
	slab       []Node
	lists      []*Node // block of lists of children
	count      int
	stack      []*Node // children of the objects being read
	duplicates []*issue.Error
	trails     []trail // of the duplicates, then of the error that ended the reading
	root       string  // resourceType of the resource itself, "" while it is not read
}

func (p *parser) fail(rule, text string) *issue.Error {
	return issue.New(issue.Structure, rule, text).Graded(issue.SeverityFatal).On(p.doc.position(p.pos))
}

// duplicate reports a member name that its object already has. It fails when there
// are too many of them to go on.
func (p *parser) duplicate(name string, at int) error {
	if len(p.duplicates) < maxDuplicates {
		p.duplicates = append(p.duplicates, issue.New(issue.Structure, "json-duplicate",
			"a member name occurs twice in one object; keep one of them").On(p.doc.position(at)).With("member %s", clip(name)))
		p.trails = append(p.trails, trail{{name, -1}})
		return nil
	}
	more := p.fail("json-duplicate", "more member names occur twice in one object; the body was read to this place only")
	p.duplicates = append(p.duplicates, more)
	p.trails = append(p.trails, trail{{name, -1}})
	return more
}

func (p *parser) blank() {
	for p.pos < len(p.src) {
		switch p.src[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// next skips blanks and takes the byte that must be there.
func (p *parser) next(want byte, where string) *issue.Error {
	p.blank()
	if p.pos < len(p.src) && p.src[p.pos] == want {
		p.pos++
		return nil
	}
	if p.pos == len(p.src) {
		return p.fail("json", "the JSON ends too early: expected '"+string(want)+"' "+where)
	}
	switch c := p.src[p.pos]; {
	case c == '/' || c == '#':
		return p.fail("json", noComments)
	case c == '"' && want != ':':
		return p.fail("json", "a comma is missing before this")
	}
	return p.fail("json", "expected '"+string(want)+"' "+where)
}

func (p *parser) object(depth int) (*Node, error) {
	n, err := p.node(p.pos)
	if err != nil {
		return nil, err
	}
	if depth > p.limits.Depth {
		e := p.fail("depth-limit", "the JSON is nested more than "+strconv.Itoa(p.limits.Depth)+" deep")
		e.Type = issue.TooCostly
		return nil, e
	}
	p.pos++
	base := len(p.stack)
	underscore := false
	var seen map[string]struct{}
	var few [20]string
	names := few[:0]
	for {
		p.blank()
		if p.pos < len(p.src) && p.src[p.pos] == '}' && len(names) == 0 {
			p.pos++
			break
		}
		if p.pos == len(p.src) || p.src[p.pos] != '"' {
			return nil, p.noName()
		}
		at := p.pos
		name, err := p.text()
		if err != nil {
			return nil, err
		}
		twice := false
		if seen == nil {
			for _, have := range names {
				twice = twice || have == name
			}
			if names = append(names, name); len(names) == cap(few[:]) {
				seen = make(map[string]struct{}, 32)
				for _, have := range names {
					seen[have] = struct{}{}
				}
			}
		} else if _, twice = seen[name]; !twice {
			seen[name] = struct{}{}
		}
		if twice {
			if err := p.duplicate(name, at); err != nil {
				return nil, err
			}
		}
		if err := p.next(':', "after a member name"); err != nil {
			return nil, err
		}
		p.blank()
		if name == "resourceType" && p.pos+1 < len(p.src) && p.src[p.pos] == '"' && p.src[p.pos+1] != '"' {
			if n.resourceType, err = p.text(); err != nil {
				return nil, err
			}
			if depth == 1 {
				p.root = n.resourceType
			}
		} else if err := p.member(name, depth); err != nil {
			return nil, err
		}
		underscore = underscore || len(name) > 1 && name[0] == '_'
		p.blank()
		if p.pos < len(p.src) && p.src[p.pos] == ',' {
			p.pos++
			continue
		}
		if err := p.next('}', "or ',' after a member"); err != nil {
			return nil, err
		}
		break
	}
	children := p.stack[base:]
	if underscore {
		children = p.merge(n, children)
	}
	if len(children) > 0 {
		n.Children = p.children(children)
		for _, c := range n.Children {
			c.Parent = n
		}
	}
	p.stack = p.stack[:base]
	return n, nil
}

// member reads the value of one member and pushes its element or elements.
func (p *parser) member(name string, depth int) error {
	if p.pos < len(p.src) && p.src[p.pos] == '[' {
		open := p.pos
		p.pos++
		count := 0
		for {
			p.blank()
			if p.pos < len(p.src) && p.src[p.pos] == ']' && count == 0 {
				p.pos++
				break
			}
			before := len(p.trails)
			c, err := p.value(depth + 2)
			if err != nil || len(p.trails) > before {
				p.within(name, count, before, err)
			}
			if err != nil {
				return err
			}
			c.Name, c.List = name, true
			p.stack = append(p.stack, c)
			count++
			p.blank()
			if p.pos < len(p.src) && p.src[p.pos] == ',' {
				p.pos++
				continue
			}
			if err := p.next(']', "or ',' in an array"); err != nil {
				return err
			}
			break
		}
		if count == 0 {
			c, err := p.node(open)
			if err != nil {
				return err
			}
			c.Name, c.List, c.Kind = name, true, Array
			p.stack = append(p.stack, c)
		}
		return nil
	}
	before := len(p.trails)
	c, err := p.value(depth + 1)
	if err != nil || len(p.trails) > before {
		p.within(name, -1, before, err)
	}
	if err != nil {
		return err
	}
	c.Name = name
	p.stack = append(p.stack, c)
	return nil
}
