package fhir

import (
	"errors"
	"strings"
	"unicode/utf8"

	"spadapter/adapter/issue"
)

// The namespaces of FHIR XML, and the one whose attributes are passed over.
// Source: http://hl7.org/fhir/R4/xml.html.
const (
	spaceFHIR   = "http://hl7.org/fhir"
	spaceXHTML  = "http://www.w3.org/1999/xhtml"
	spaceXML    = "http://www.w3.org/XML/1998/namespace"
	spaceSchema = "http://www.w3.org/2001/XMLSchema-instance"
)

// ParseXML reads one resource in XML into the tree that Parse makes of the same
// resource in JSON: lists and kinds by definition, the attributes id and url as
// elements, a narrative as its text. The place of an element is its start tag, that of
// a primitive its value. body is not kept and may be reused.
//
// Comments are passed over outside a narrative, and so are attributes of XMLSchema-instance.
// Errors, each with line and column: structure when the body is not well-formed XML 1.0
// in UTF-8 or its root is not in the namespace of FHIR, and for a document type
// definition, a processing instruction or an entity that XML itself does not define;
// too-long over Limits.Bytes; too-costly over Limits.Depth, which counts what nests in
// JSON, Limits.Nodes, or too many attributes or namespaces. What XML allows and FHIR does
// not (elements out of order, text, unknown attributes, other namespaces) is for Check
// to say; the tree has as much of it as JSON could hold.
//
// Source: http://hl7.org/fhir/R4/xml.html, XML 1.0, Namespaces in XML 1.0.
func ParseXML(system *System, body []byte, limits Limits) (*Node, error) {
	limits = limits.orDefaults()
	if len(body) > limits.Bytes {
		return nil, issue.Newf(issue.TooLong, "body-limit", "the body is %d bytes long; at most %d are accepted", len(body), limits.Bytes)
	}
	source := strings.TrimPrefix(string(body), "\uFEFF")
	x := newXMLParser(&document{system: system, source: source, limits: limits, xml: true})
	if !utf8.ValidString(source) {
		x.pos = firstInvalid(source)
		return nil, x.fail("xml-utf8", "the body is not UTF-8 at this place; send UTF-8 without any other encoding")
	}
	return x.document(-1)
}

// IsXML reports whether a body looks like XML: its first character is '<'.
func IsXML(body []byte) bool {
	text := strings.TrimLeft(strings.TrimPrefix(string(body[:min(len(body), 512)]), "\uFEFF"), " \t\r\n")
	return strings.HasPrefix(text, "<")
}

// Read reads one resource in the format it is in: ParseXML when IsXML says so, and
// Parse otherwise.
func Read(system *System, body []byte, limits Limits) (*Node, error) {
	if IsXML(body) {
		return ParseXML(system, body, limits)
	}
	return Parse(system, body, limits)
}

// Reread reads n, a resource, once more from the text that its tree was parsed from, in
// the format and limits of then and with the types of system. It becomes the root of a
// tree of its own, whose elements keep their lines and columns. What Repair
// mended is mended again. Errors: those of Parse;
// exception for a node that was not parsed.
func (n *Node) Reread(system *System) (*Node, error) {
	if n.doc == nil || n.Order < 0 {
		return nil, issue.New(issue.Exception, "reread", "only a resource that was parsed can be read again")
	}
	doc := &document{system: system, source: n.doc.source, limits: n.doc.limits, xml: n.doc.xml}
	var again *Node
	var err error
	if doc.xml {
		again, err = newXMLParser(doc).document(int(n.start))
	} else {
		p := &parser{doc: doc, src: doc.source, limits: doc.limits, pos: int(n.start)}
		again, err = p.alone()
	}
	if err == nil && n.doc.repaired {
		Repair(again)
	}
	return again, err
}

// Source is the text that the root of a parsed tree was read from, without what stands
// before and after it; "" for any other node.
func (n *Node) Source() string {
	if n.doc == nil || n.Parent != nil || n.Order < 0 {
		return ""
	}
	return n.doc.source[n.start:n.doc.end]
}

// Faults is what the parser met at n or below that FHIR does not allow and that writing
// the tree anew would hide, nil when there is none. Check says it too.
func (n *Node) Faults() error {
	if n.doc == nil {
		return nil
	}
	var found []*issue.Error
	for _, f := range n.doc.faults {
		m := f.node
		if f.owner != nil { // the node itself is in no tree
			m = f.owner
		}
		for ; m != nil; m = m.Parent {
			if m == n || m.Order == n.Order {
				found = append(found, issue.New(issue.Structure, f.rule, f.text).At(f.path()).On(f.node.Position()))
				break
			}
		}
		if len(found) == maxIssues {
			break
		}
	}
	return issue.Join(found)
}

// errEncoding is what the decoder gets for an encoding that is not UTF-8.
var errEncoding = errors.New("fhir: another encoding is declared")
