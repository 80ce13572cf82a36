package fhir

import (
	"bytes"
	"strconv"
	"strings"
)

// xmlFault is a fault before the nodes have their places.
type xmlFault struct {
	node *Node
	at   int
	rule string
	text string
}

// fault keeps what Check will report of n, with its own place.
func (x *xmlParser) fault(n *Node, at int, rule, text string) {
	if len(x.faults) <= maxIssues {
		x.faults = append(x.faults, xmlFault{n, at, rule, text})
	}
}

// document reads the whole body, or the resource that starts at the offset inner alone.
func (x *xmlParser) document(inner int) (*Node, error) {
	var root *Node
	for {
		t, err := x.next()
		if err != nil {
			return nil, err
		}
		switch {
		case t.kind == tokenEOF && root == nil:
			return nil, x.at(t.from, "xml", `the body is empty; send one FHIR resource, such as <Patient xmlns="http://hl7.org/fhir">`)
		case t.kind == tokenEOF:
			return x.finish(root), nil
		case inner >= 0 && t.from != inner:
			continue
		case t.kind == tokenText && root == nil && bytes.HasPrefix(bytes.TrimSpace(t.text), []byte("{")):
			return nil, x.at(t.from+firstVisible(x.src[t.from:t.to]), "xml", "this is JSON, and was to be XML; say Content-Type: application/fhir+json, or name the file .json")
		case t.kind == tokenText && len(bytes.TrimSpace(t.text)) > 0:
			return nil, x.at(t.from+firstVisible(x.src[t.from:t.to]), "xml", "there is text outside the resource; send one element such as <Patient> and nothing else")
		case t.kind == tokenStart && root != nil:
			return nil, x.at(t.from, "xml", "there is another element after the end of the resource; send several resources in a Bundle")
		case t.kind == tokenStart:
			if t.space != spaceFHIR {
				return nil, x.at(t.from, "xml-namespace", `the resource must be in the namespace of FHIR: write xmlns="http://hl7.org/fhir" in its element`)
			}
			if root, err = x.resource(t, 1); err != nil {
				return nil, err
			}
			x.doc.end = int32(x.decoder.InputOffset())
			if inner >= 0 {
				return x.finish(root), nil
			}
		}
	}
}

// finish gives the nodes their definitions and their places.
func (x *xmlParser) finish(root *Node) *Node {
	root.bind(x.doc.system)
	for _, f := range x.faults {
		n := *f.node
		n.start = int32(f.at)
		x.doc.faults = append(x.doc.faults, fault{node: &n, rule: f.rule, text: f.text})
	}
	return root
}

func firstVisible(s string) int { return len(s) - len(strings.TrimLeft(s, " \t\r\n")) }

// resource reads the element of a resource, whose tag is t.
func (x *xmlParser) resource(t xmlToken, depth int) (*Node, error) {
	n, err := x.node(t.from)
	if err != nil {
		return nil, err
	}
	n.resourceType = t.name.Local
	n.Type = x.doc.system.Resource(n.resourceType)
	return n, x.content(n, t, depth)
}

// content reads the attributes and the children of n, whose tag is t, up to its end.
func (x *xmlParser) content(n *Node, t xmlToken, depth int) error {
	primitive := n.Type != nil && n.Type.Kind == Primitive
	if depth > x.limits.Depth && !primitive {
		return x.costly(t.from, "depth-limit", "the resource is nested more than "+strconv.Itoa(x.limits.Depth)+" deep")
	}
	base := len(x.stack)
	text, hasValue, err := x.attributes(n, t)
	if err != nil {
		return err
	}
	ordered := len(x.stack) // what follows has an order
	for {
		t, err := x.next()
		if err != nil {
			return err
		}
		if t.kind == tokenEnd {
			break
		}
		if t.kind == tokenText {
			if visible := bytes.TrimSpace(t.text); len(visible) > 0 {
				x.fault(n, t.from+firstVisible(x.src[t.from:t.to]), "xml-text", `FHIR elements hold no text; the value of a primitive stands in its attribute, such as <status value="active"/>`)
				if primitive && !hasValue {
					text, hasValue = string(visible), true // what was meant, for what else there is to say of it
				}
			}
			continue
		}
		c, err := x.child(n, t, depth)
		if err != nil {
			return err
		}
		if c != nil {
			x.stack = append(x.stack, c)
		}
	}
	if children := x.stack[base:]; len(children) > 0 {
		n.Children = x.children(children)
		for _, c := range n.Children {
			c.Parent = n
		}
		x.order(n, ordered-base)
	}
	x.stack = x.stack[:base]
	x.kind(n, t, text, hasValue)
	return nil
}

// kind gives n the form that JSON would have it in.
func (x *xmlParser) kind(n *Node, t xmlToken, text string, hasValue bool) {
	switch {
	case n.Type != nil && n.Type.Kind == Primitive:
		n.Kind = Absent
		if hasValue {
			n.Kind, n.Value = n.Type.json, text
		}
	case hasValue && len(n.Children) == 0 && n.resourceType == "":
		n.Kind, n.Value = String, text
	case hasValue && n.Type == nil && n.resourceType == "":
		n.Kind, n.Value = String, text
	case hasValue:
		x.fault(n, t.from, "xml-attribute", "only a primitive has the attribute value; this element holds others")
	}
}

// attributes reads those of n: id and url become elements, and value is given back.
func (x *xmlParser) attributes(n *Node, t xmlToken) (value string, has bool, err error) {
	for i, a := range t.attrs {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		p := x.attribute(t, i)
		if a.Name.Space != "" {
			if b, _ := x.bound(a.Name.Space); b.space == spaceSchema {
				continue
			}
			x.fault(n, p.from, "xml-attribute", "FHIR has no attributes with a prefix; leave it out")
			continue
		}
		switch {
		case a.Name.Local == "value":
			value, has = x.value(t, i, p), true
			if n.resourceType == "" { // a resource is read again from its tag
				n.start = int32(p.value)
			}
		case a.Name.Local == "id" && n.resourceType != "":
			x.fault(n, p.from, "xml-attribute", `a resource has its id in an element, as in <Patient><id value="1"/></Patient>`)
		case a.Name.Local == "id" || a.Name.Local == "url" && isExtension(n):
			c, err := x.node(p.value)
			if err != nil {
				return "", false, err
			}
			c.Name, c.Kind, c.Value = a.Name.Local, String, x.value(t, i, p)
			x.stack = append(x.stack, c)
		default:
			x.fault(n, p.from, "xml-attribute", "FHIR has the attributes value of a primitive, id of an element and url of an extension; everything else is an element")
		}
	}
	return value, has, nil
}

// isExtension reports whether url is an attribute of n, by the name where n has no type.
func isExtension(n *Node) bool {
	if n.Type != nil {
		return n.Type.Name == "Extension"
	}
	return n.Name == "extension" || n.Name == "modifierExtension"
}

// isNarrative reports whether an element of that name in n is XHTML, which where n has
// no type the namespace says.
func isNarrative(n *Node, m Member, t xmlToken) bool {
	if n.Type == nil {
		return t.space == spaceXHTML && t.name.Local == "div"
	}
	return m.Type != nil && m.Type.Name == "xhtml"
}

// child reads one element in n, nil for one that a tree has no place for.
func (x *xmlParser) child(n *Node, t xmlToken, depth int) (*Node, error) {
	m, known := n.member(t.name.Local)
	if isNarrative(n, m, t) {
		if t.space != spaceXHTML {
			x.fault(n, t.from, "xml-namespace", `the narrative must be in the namespace of XHTML: write <div xmlns="http://www.w3.org/1999/xhtml">`)
		}
		c, err := x.node(t.from)
		if err != nil {
			return nil, err
		}
		c.Name, c.Kind = t.name.Local, String
		c.Value, err = x.capture(n, t)
		return c, err
	}
	if t.space != spaceFHIR {
		x.fault(n, t.from, "xml-namespace", "this element is not in the namespace of FHIR, http://hl7.org/fhir, and was not read")
		return nil, x.skip()
	}
	c, err := x.node(t.from)
	if err != nil {
		return nil, err
	}
	c.Name, c.Parent = t.name.Local, n
	depth++
	if known {
		c.Type = m.Type
		if m.Element.List {
			c.List = true
			depth++
		}
		if m.Type.Abstract {
			c.Type = nil
			return c, x.container(c, t, depth)
		}
	}
	if c.Name == "id" && n.Type != nil && n.resourceType == "" || c.Name == "url" && n.Type != nil && isExtension(n) {
		x.fault(c, t.from, "xml-attribute", "this is an attribute, not an element: write "+c.Name+`="…" in the tag around it`)
	}
	return c, x.content(c, t, depth)
}

// container reads an element that holds one resource, whose node they are together.
func (x *xmlParser) container(c *Node, t xmlToken, depth int) error {
	for i, a := range t.attrs {
		if a.Name.Space != "xmlns" && (a.Name.Space != "" || a.Name.Local != "xmlns") {
			x.fault(c, x.attribute(t, i).from, "xml-attribute", "an element that holds a resource has no attributes")
		}
	}
	for {
		t, err := x.next()
		switch {
		case err != nil:
			return err
		case t.kind == tokenEnd:
			return nil
		case t.kind == tokenText:
			if len(bytes.TrimSpace(t.text)) > 0 {
				x.fault(c, t.from+firstVisible(x.src[t.from:t.to]), "xml-text", "this element holds a resource and no text")
			}
			continue
		case t.space != spaceFHIR:
			x.fault(c, t.from, "xml-namespace", "this element is not in the namespace of FHIR, http://hl7.org/fhir, and was not read")
			err = x.skip()
		case c.resourceType != "":
			x.fault(c, t.from, "xml-resource", "this element holds one resource; repeat the element around it for another")
			err = x.skip()
		default:
			c.resourceType, c.start = t.name.Local, int32(t.from)
			c.Type = x.doc.system.Resource(c.resourceType)
			err = x.content(c, t, depth)
		}
		if err != nil {
			return err
		}
	}
}

// skip passes over the rest of the element that has just started.
func (x *xmlParser) skip() error {
	for depth := len(x.open); len(x.open) >= depth; {
		if _, err := x.next(); err != nil {
			return err
		}
	}
	return nil
}
