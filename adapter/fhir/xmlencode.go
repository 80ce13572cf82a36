package fhir

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// EncodeXML writes a resource or element as XML without blanks between the tags: elements
// in the order of their definitions, the namespace of FHIR as the default, numbers with
// their own digits. It does not check the tree. What XML cannot hold is left out, which
// a tree that Check passes does not have: nulls, arrays in arrays, members whose names
// are no names in XML, and what hangs on the id of an element. A character that XML does
// not know becomes U+FFFD.
//
// Source: http://hl7.org/fhir/R4/xml.html.
func EncodeXML(n *Node) []byte { return encodeXML(n, false) }

// EncodeXMLIndent is EncodeXML for people: two blanks a level, and an element a line.
func EncodeXMLIndent(n *Node) []byte { return encodeXML(n, true) }

func encodeXML(n *Node, indent bool) []byte {
	b := buffers.Get().(*[]byte)
	w := xmlWriter{dst: (*b)[:0], indent: indent}
	switch {
	case n.resourceType != "":
		w.resource(n, 0)
	case n.Type != nil && n.Name == "":
		w.element(n.Type.Name, n, 0)
	default:
		w.element(n.Name, n, 0)
	}
	*b = w.dst
	out := bytes.Clone(w.dst)
	if cap(*b) <= 1<<20 { // one huge document must not stay in memory
		buffers.Put(b)
	}
	return out
}

type xmlWriter struct {
	dst    []byte
	indent bool
	begun  bool // the namespace is declared
}

func (w *xmlWriter) line(depth int) {
	if w.indent && w.begun {
		w.dst = append(w.dst, '\n')
		for range depth {
			w.dst = append(w.dst, "  "...)
		}
	}
}

// open starts a tag.
func (w *xmlWriter) open(name string, depth int) {
	w.line(depth)
	w.dst = append(append(w.dst, '<'), name...)
	if !w.begun {
		w.attribute("xmlns", spaceFHIR)
		w.begun = true
	}
}

func (w *xmlWriter) close(name string, depth int) {
	w.line(depth)
	w.dst = append(append(append(w.dst, "</"...), name...), '>')
}

func (w *xmlWriter) attribute(name, value string) {
	w.dst = append(append(append(w.dst, ' '), name...), `="`...)
	w.dst = append(appendXML(w.dst, visible(value)), '"')
}

func (w *xmlWriter) resource(n *Node, depth int) {
	name := n.resourceType
	if !isName(name) {
		name = "Resource"
	}
	w.open(name, depth)
	w.children(name, n, depth, false)
}

func (w *xmlWriter) element(name string, n *Node, depth int) {
	if n.Kind == Null || n.Kind == Array || !isName(name) {
		return
	}
	if n.Kind == String && (n.Type != nil && n.Type.Name == "xhtml" || n.Type == nil && name == "div" && strings.HasPrefix(n.Value, "<div")) {
		w.line(depth)
		w.dst = append(w.dst, narrative(n.Value)...)
		return
	}
	w.open(name, depth)
	if n.resourceType != "" {
		w.dst = append(w.dst, '>')
		w.resource(n, depth+1)
		w.close(name, depth)
		return
	}
	extension := isExtension(n)
	var id, url bool // an attribute stands once
	for _, c := range n.Children {
		if c.HasValue() && attributeOf(c, extension) && !(id && c.Name == "id") && !(url && c.Name == "url") {
			w.attribute(c.Name, c.Value)
			id, url = id || c.Name == "id", url || c.Name == "url"
		}
	}
	if n.HasValue() {
		w.attribute("value", n.Value)
	}
	w.children(name, n, depth, true)
}

// attributeOf reports whether XML writes a child as an attribute.
func attributeOf(c *Node, extension bool) bool {
	return c.Name == "id" || c.Name == "url" && extension
}

// children writes those of an element or resource, and its end; its tag is not closed yet.
func (w *xmlWriter) children(name string, n *Node, depth int, attributes bool) {
	extension := attributes && isExtension(n)
	tag := len(w.dst)
	w.dst = append(w.dst, '>')
	empty := len(w.dst)
	for _, c := range inOrder(n) {
		if !attributes || !attributeOf(c, extension) {
			w.element(c.Name, c, depth+1)
		}
	}
	if len(w.dst) == empty {
		w.dst = append(w.dst[:tag], "/>"...)
		return
	}
	w.close(name, depth)
}

// inOrder gives the children of n in the order of its definition. One that has none keeps
// its place behind the one before it.
func inOrder(n *Node) []*Node {
	if n.Type == nil {
		return n.Children
	}
	last, sorted := 0, true
	for _, c := range n.Children {
		if c.Element == nil {
			continue
		}
		place := n.Type.place(c.Element, last)
		sorted = sorted && place >= last
		last = max(place, 0)
	}
	if sorted {
		return n.Children
	}
	type placed struct {
		node  *Node
		place int
	}
	list := make([]placed, len(n.Children))
	last = 0
	for i, c := range n.Children {
		if c.Element != nil {
			last = max(n.Type.place(c.Element, 0), 0)
		}
		list[i] = placed{c, last}
	}
	slices.SortStableFunc(list, func(a, b placed) int { return a.place - b.place })
	out := make([]*Node, len(list))
	for i, p := range list {
		out[i] = p.node
	}
	return out
}

// isName reports whether an element can be called so: letters, digits and the marks that
// names in XML have beside them, without a prefix.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '-' || c == '.')) {
			return false
		}
	}
	return s != ""
}

// visible gives text with U+FFFD in the place of what is no character in XML.
// Source: XML 1.0, section 2.2.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if forbidden(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

func forbidden(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
}

// appendXML writes the text of an attribute or element. Line ends and tabs are character
// references: as they are, an attribute would lose them.
// Source: XML 1.0, section 3.3.3.
func appendXML(dst []byte, s string) []byte {
	from := 0
	for i := range len(s) {
		var escape string
		switch s[i] {
		case '&':
			escape = "&amp;"
		case '<':
			escape = "&lt;"
		case '>':
			escape = "&gt;"
		case '"':
			escape = "&quot;"
		case '\t':
			escape = "&#9;"
		case '\n':
			escape = "&#10;"
		case '\r':
			escape = "&#13;"
		default:
			continue
		}
		dst = append(append(dst, s[from:i]...), escape...)
		from = i + 1
	}
	return append(dst, s[from:]...)
}
