package fhir

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"

	"spadapter/adapter/issue"
)

// tokenKind says what an xmlToken is. Comments do not come out.
type tokenKind uint8

const (
	tokenEnd tokenKind = iota // of an element
	tokenStart
	tokenText
	tokenEOF
)

type xmlToken struct {
	kind     tokenKind
	from, to int // bytes of the source
	name     xml.Name
	space    string     // namespace of the element
	attrs    []xml.Attr // of an element that starts, as they stand
	text     []byte     // until the next token
}

// What one element may have: more is an attack.
const (
	maxAttributes = 64
	maxSpaces     = 64   // namespaces that are in force at one place
	maxOpen       = 1000 // elements around one place, which a narrative may have beyond Limits.Depth
)

// cdata is how a section of plain text starts.
const cdata = "<![CDATA["

// binding is a prefix, "" for the default, and what it stands for down from an element.
type binding struct {
	prefix, space string
	depth         int // of the element that declares it, counted from 1
}

// xmlParser reads tokens with encoding/xml, and sees to what that leaves out: that tags
// match, that attributes and prefixes are unique and declared, and that there is neither
// a document type definition nor an instruction.
type xmlParser struct {
	parser
	decoder *xml.Decoder
	open    []xml.Name // the elements around the place, as their tags say
	spaces  []binding
	faults  []xmlFault
}

func newXMLParser(doc *document) *xmlParser {
	x := &xmlParser{parser: parser{doc: doc, src: doc.source, limits: doc.limits}}
	x.decoder = xml.NewDecoder(strings.NewReader(doc.source))
	x.decoder.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, errEncoding }
	x.spaces = append(x.spaces, binding{"xml", spaceXML, 0})
	return x
}

// at fails at a place.
func (x *xmlParser) at(offset int, rule, text string) *issue.Error {
	x.pos = min(offset, len(x.src))
	return x.fail(rule, text)
}

func (x *xmlParser) costly(offset int, rule, text string) *issue.Error {
	e := x.at(offset, rule, text)
	e.Type = issue.TooCostly
	return e
}

// next gives the next token that matters.
func (x *xmlParser) next() (xmlToken, error) {
	for {
		t := xmlToken{from: int(x.decoder.InputOffset())}
		x.pos = t.from
		token, err := x.decoder.RawToken()
		t.to = int(x.decoder.InputOffset())
		if err == io.EOF && len(x.open) == 0 {
			t.kind = tokenEOF
			return t, nil
		}
		if err != nil {
			return t, x.malformed(err, t.from)
		}
		switch token := token.(type) {
		case xml.StartElement:
			t.kind, t.name, t.attrs = tokenStart, token.Name, token.Attr
			if err := x.references(t); err != nil {
				return t, err
			}
			return t, x.start(&t)
		case xml.EndElement:
			t.name = token.Name
			return t, x.end(&t)
		case xml.CharData:
			t.kind, t.text = tokenText, token
			return t, x.references(t)
		case xml.Directive:
			return t, x.at(t.from, "xml-dtd", "document type definitions and what they declare are not read; send the resource without <!DOCTYPE")
		case xml.ProcInst:
			if token.Target == "xml" && t.from == 0 {
				continue
			}
			return t, x.at(t.from, "xml-instruction", "processing instructions are not read; only an XML declaration may stand, at the very start of the body")
		}
	}
}

// references refuses a character reference to half of a surrogate pair, which the decoder
// reads as U+FFFD.
func (x *xmlParser) references(t xmlToken) error {
	raw := x.src[t.from:t.to]
	if strings.HasPrefix(raw, cdata) {
		return nil
	}
	for at := 0; ; {
		next := strings.Index(raw[at:], "&#")
		if next < 0 {
			return nil
		}
		at += next
		number, _, _ := strings.Cut(raw[at+2:min(at+64, len(raw))], ";")
		base := 10
		if hex, ok := strings.CutPrefix(number, "x"); ok {
			number, base = hex, 16
		}
		if code, err := strconv.ParseUint(number, base, 32); err == nil && utf16.IsSurrogate(rune(code)) {
			return x.at(t.from+at, "xml", "this is half of a pair; write the number of the whole character")
		}
		at += 2
	}
}

// malformed says what is wrong with text that is no XML.
func (x *xmlParser) malformed(err error, from int) *issue.Error {
	at := int(x.decoder.InputOffset())
	var syntax *xml.SyntaxError
	switch {
	case errors.Is(err, errEncoding):
		return x.at(from, "xml-encoding", `the XML declares another encoding; send UTF-8, and declare encoding="UTF-8" or none`)
	case !errors.As(err, &syntax) && err != io.EOF:
		return x.at(from, "xml-version", "only XML 1.0 is read")
	case at >= len(x.src):
		e := x.at(at, "xml", "the XML ends too early: an element, a tag or a comment is not closed")
		if len(x.open) > 0 {
			_ = e.With("the element is %s", clip(written(x.open[len(x.open)-1])))
		}
		return e
	}
	if i := strings.IndexFunc(x.src[from:at], forbidden); i >= 0 {
		return x.at(from+i, "xml", "XML has no place for this control character")
	}
	if i := strings.LastIndexByte(x.src[from:at], '&'); i >= 0 {
		reference := x.src[from+i : at]
		if end := strings.IndexByte(reference, ';'); len(reference) < 64 && (end < 0 || end == len(reference)-1) {
			return x.at(from+i, "xml-entity", "this is no entity of XML: there are &amp; &lt; &gt; &quot; &apos; and character references such as &#160; — write the character & itself as &amp;").
				With("got %s", clip(reference))
		}
	}
	return x.at(max(from, at-1), "xml", "this is not well-formed XML").With("%s", clip(syntax.Msg))
}

// start takes an element that starts: its namespaces, and that its attributes are unique.
func (x *xmlParser) start(t *xmlToken) error {
	if len(x.open) == maxOpen {
		return x.costly(t.from, "depth-limit", "the XML is nested more than "+strconv.Itoa(maxOpen)+" deep")
	}
	x.open = append(x.open, t.name)
	if len(t.attrs) > maxAttributes {
		return x.costly(t.from, "xml-attribute-limit", "the element has too many attributes")
	}
	for i, a := range t.attrs {
		for _, b := range t.attrs[:i] {
			if a.Name == b.Name {
				return x.at(x.attribute(*t, i).from, "xml-duplicate", "an attribute occurs twice in one element; keep one of them").With("attribute %s", clip(written(a.Name)))
			}
		}
		switch {
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			x.spaces = append(x.spaces, binding{"", a.Value, len(x.open)})
		case a.Name.Space == "xmlns":
			if a.Value == "" || a.Name.Local == "xmlns" || a.Name.Local == "xml" && a.Value != spaceXML {
				return x.at(x.attribute(*t, i).from, "xml-prefix", "this prefix cannot be declared so")
			}
			x.spaces = append(x.spaces, binding{a.Name.Local, a.Value, len(x.open)})
		}
	}
	if len(x.spaces) > maxSpaces {
		return x.costly(t.from, "xml-namespace-limit", "too many namespaces are declared at once")
	}
	b, ok := x.bound(t.name.Space)
	if !ok {
		return x.at(t.from, "xml-prefix", "the prefix of this element is not declared").With("element %s", clip(written(t.name)))
	}
	t.space = b.space
	for i, a := range t.attrs {
		if a.Name.Space != "" && a.Name.Space != "xmlns" {
			if _, ok := x.bound(a.Name.Space); !ok {
				return x.at(x.attribute(*t, i).from, "xml-prefix", "the prefix of this attribute is not declared").With("attribute %s", clip(written(a.Name)))
			}
		}
	}
	return nil
}

// bound is what a prefix stands for here; no namespace is the default of the default.
func (x *xmlParser) bound(prefix string) (binding, bool) {
	for i := len(x.spaces) - 1; i >= 0; i-- {
		if x.spaces[i].prefix == prefix {
			return x.spaces[i], true
		}
	}
	return binding{}, prefix == ""
}

func (x *xmlParser) end(t *xmlToken) error {
	last := len(x.open) - 1
	if last < 0 || x.open[last] != t.name {
		e := x.at(t.from, "xml", "this end tag closes nothing that is open here; every element is closed by its own end tag, the inner one first")
		if last >= 0 {
			_ = e.With("%s is open and %s is closed", clip(written(x.open[last])), clip(written(t.name)))
		}
		return e
	}
	b, _ := x.bound(t.name.Space)
	t.space = b.space
	for len(x.spaces) > 0 && x.spaces[len(x.spaces)-1].depth > last {
		x.spaces = x.spaces[:len(x.spaces)-1]
	}
	x.open = x.open[:last]
	return nil
}

// written is a name as it stands in a tag.
func written(name xml.Name) string {
	if name.Space == "" {
		return name.Local
	}
	return name.Space + ":" + name.Local
}

// attributePlace is where an attribute stands: its name from, its quoted value from value.
type attributePlace struct{ from, value, to int }

// attribute finds the i-th attribute in the tag of t, which the decoder has read.
func (x *xmlParser) attribute(t xmlToken, i int) attributePlace {
	const blanks = " \t\r\n"
	skip := func(at int, while bool) int {
		for at < t.to && (strings.IndexByte(blanks, x.src[at]) >= 0) == while {
			at++
		}
		return at
	}
	at := skip(t.from, false) // behind the name of the element
	for {
		p := attributePlace{from: skip(at, true)}
		equals := strings.IndexByte(x.src[p.from:t.to], '=')
		if equals < 0 {
			return attributePlace{t.from, t.from, t.from} // the decoder has seen it: cannot happen
		}
		p.value = skip(p.from+equals+1, true)
		p.to = p.value + 2 + strings.IndexByte(x.src[p.value+1:t.to], x.src[p.value])
		if i == 0 {
			return p
		}
		i, at = i-1, p.to
	}
}

// blank replaces what layout an attribute may have.
var blank = strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ", "\t", " ")

// value is that of the i-th attribute of t. Line ends and tabs that stand in it are
// blanks; those that are written as character references stay.
// Source: XML 1.0, section 3.3.3.
func (x *xmlParser) value(t xmlToken, i int, p attributePlace) string {
	raw := x.src[p.value:p.to]
	if !strings.ContainsAny(raw, "\t\r\n") {
		return t.attrs[i].Value
	}
	plain := `<a v=` + blank.Replace(raw) + `/>`
	if token, err := xml.NewDecoder(strings.NewReader(plain)).RawToken(); err == nil {
		if start, ok := token.(xml.StartElement); ok && len(start.Attr) == 1 {
			return start.Attr[0].Value
		}
	}
	return t.attrs[i].Value
}
