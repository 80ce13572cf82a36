package fhir

import (
	"encoding/json"
	"sort"
	"strconv"
	"strings"
	"sync"
)

// Kind is the JSON form in which a node was found.
type Kind uint8

// The kinds. A primitive that has only an id or extensions is Absent: it is an
// element without a value. Array stands only where FHIR allows no array: an empty
// one, or one inside another.
const (
	Object Kind = iota
	String
	Number
	Boolean
	Null
	Absent
	Array
)

var kindNames = [...]string{"object", "string", "number", "boolean", "null", "no value", "array"}

func (k Kind) String() string { return kindNames[k] }

// Node is one element of a FHIR resource, or a resource itself. A repeating
// element is as many nodes, one after the other, with List set and the same Name.
// The two JSON members of a primitive ("birthDate" and "_birthDate") are one node:
// the value here, id and extensions as Children.
//
// A parsed tree is read-only and safe for concurrent use. A tree that is being
// built belongs to one goroutine.
type Node struct {
	Name     string   // the JSON member name, such as "valueQuantity"; "" for a root that stands alone
	Element  *Element // its definition; nil for a root, and where the type system has none
	Type     *Type    // its type; nil where the type system has none
	Kind     Kind
	List     bool   // stood in a JSON array
	start    int32  // byte offset in doc.source
	Value    string // a primitive's text: the unescaped string, the number's own digits, true or false
	Children []*Node
	Parent   *Node // nil for a root

	// Order is the position of the node in a parsed tree, counted from 0 in document
	// order, and -1 in a tree that was built. It serves as an index for marks.
	Order int32

	// place is 1 and the index of the node in the sender's array, where one of that array was
	// taken out of the tree; 0 otherwise.
	place int32

	resourceType string // as written, kept when Type is nil
	doc          *document
}

// document is what the nodes of one parsed tree share.
type document struct {
	system   *System
	source   string
	nodes    int32
	end      int32   // where the text of the root ends
	xml      bool    // source is XML, not JSON
	limits   Limits  // it was read with
	faults   []fault // what the parser met and Check reports
	repaired bool    // Repair was here

	marking sync.Once
	marks   []mark // one for every markEvery bytes of source, made when a position is asked for
}

// mark is what lies before a place in the source.
type mark struct {
	lines int32 // line feeds before it
	start int32 // where its line starts
}

const markEvery = 4096

// ResourceType is the value of resourceType as written, "" for a node that is no
// resource. Safe on a nil node.
func (n *Node) ResourceType() string {
	if n == nil {
		return ""
	}
	return n.resourceType
}

// System is the type system the tree was parsed or built with, nil when unknown.
func (n *Node) System() *System {
	for m := n; m != nil; m = m.Parent {
		if m.doc != nil && m.doc.system != nil {
			return m.doc.system
		}
		if m.Type != nil {
			return m.Type.system
		}
	}
	return nil
}

// Size is the number of nodes of the parsed tree n belongs to, 0 for a built one.
func (n *Node) Size() int {
	if n.doc == nil {
		return 0
	}
	return int(n.doc.nodes)
}

// IsPrimitive reports whether n holds a value and no structure, by its type where
// that is known and by its JSON form otherwise.
func (n *Node) IsPrimitive() bool {
	if n.Type != nil {
		return n.Type.Kind == Primitive
	}
	return n.Kind != Object && n.Kind != Array
}

// HasValue reports whether n is a primitive with a value.
func (n *Node) HasValue() bool { return n.Kind == String || n.Kind == Number || n.Kind == Boolean }

// ElementName is the name of the element in the standard: "value" for the JSON
// member "valueQuantity".
func (n *Node) ElementName() string {
	if n.Element != nil {
		return n.Element.Name
	}
	return n.Name
}

// Child is the first child element of that name ("value" finds valueQuantity), nil
// when there is none. Safe on a nil node.
func (n *Node) Child(name string) *Node {
	if n == nil {
		return nil
	}
	for _, c := range n.Children {
		if c.Name == name || c.Element != nil && c.Element.Name == name {
			return c
		}
	}
	return nil
}

// All gives every child element of that name in order, nil when there is none. Safe
// on a nil node.
func (n *Node) All(name string) []*Node {
	if n == nil {
		return nil
	}
	var out []*Node
	for _, c := range n.Children {
		if c.Name == name || c.Element != nil && c.Element.Name == name {
			out = append(out, c)
		}
	}
	return out
}

// Descend follows the names, taking the first child each time; nil when one is absent.
func (n *Node) Descend(names ...string) *Node {
	for _, name := range names {
		if n = n.Child(name); n == nil {
			return nil
		}
	}
	return n
}

// Text is the value at the end of the names, taking the first child each time; ""
// when one is absent.
func (n *Node) Text(names ...string) string {
	if n = n.Descend(names...); n == nil {
		return ""
	}
	return n.Value
}

// Root is the topmost node of the tree.
func (n *Node) Root() *Node {
	for n.Parent != nil {
		n = n.Parent
	}
	return n
}

// Resource is the innermost resource n lies in, n itself when it is one, nil when
// there is none.
func (n *Node) Resource() *Node {
	for ; n != nil; n = n.Parent {
		if n.resourceType != "" {
			return n
		}
	}
	return nil
}

// Path is the FHIRPath of n from its root, such as
// "Bundle.entry[2].resource.subject": names of elements, and an index where the
// element repeats. A name that the type system does not have is shortened.
func (n *Node) Path() string {
	var parts []string
	for m := n; m != nil; m = m.Parent {
		if m.Parent == nil {
			switch {
			case m.resourceType != "":
				parts = append(parts, abbreviate(m.resourceType))
			case m.Type != nil:
				parts = append(parts, m.Type.Name)
			}
			break
		}
		name := m.ElementName()
		if m.Element == nil {
			name = abbreviate(name)
		}
		if m.List {
			name += "[" + strconv.Itoa(m.index()) + "]"
		}
		parts = append(parts, name)
	}
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return strings.Join(parts, ".")
}

// index is the position of n among its siblings of the same name. In a parsed tree
// these stand together, and all siblings in their Order.
func (n *Node) index() int {
	if n.place > 0 {
		return int(n.place) - 1
	}
	siblings := n.Parent.Children
	if n.Order >= 0 {
		at := sort.Search(len(siblings), func(i int) bool { return siblings[i].Order >= n.Order })
		// what a fault is about may be a copy of the node, with a place of its own
		if at < len(siblings) && (siblings[at] == n || siblings[at].Order == n.Order && siblings[at].doc == n.doc) {
			return at - sort.Search(at, func(i int) bool { return siblings[i].Name == n.Name })
		}
	}
	i := 0
	for _, s := range siblings {
		if s == n {
			break
		}
		if s.Name == n.Name {
			i++
		}
	}
	return i
}

// Position is the 1-based line and column (in bytes) where n's value starts in the
// source; 0, 0 for a node that was not parsed.
func (n *Node) Position() (line, column int) {
	if n.doc == nil || n.Order < 0 {
		return 0, 0
	}
	return n.doc.position(int(n.start))
}

// typePosition is where a resource names its type: in JSON the value of resourceType, in
// XML the element. It reads the resource again.
func (n *Node) typePosition() (line, column int) {
	if n.doc == nil || n.Order < 0 || n.doc.xml {
		return n.Position()
	}
	members := json.NewDecoder(strings.NewReader(n.doc.source[n.start:]))
	if _, err := members.Token(); err != nil {
		return n.Position()
	}
	for members.More() {
		name, err := members.Token()
		from := int(n.start) + int(members.InputOffset())
		var value json.RawMessage
		if err != nil || members.Decode(&value) != nil {
			break
		}
		if name == "resourceType" {
			return n.doc.position(from + strings.Index(n.doc.source[from:], string(value)))
		}
	}
	return n.Position()
}

// position is the 1-based line and column of an offset in the source. It reads the
// source once, and then a part of it for each call.
func (d *document) position(offset int) (line, column int) {
	d.marking.Do(func() {
		var m mark
		for from := 0; from <= len(d.source); from += markEvery {
			d.marks = append(d.marks, m)
			part := d.source[from:min(from+markEvery, len(d.source))]
			if last := strings.LastIndexByte(part, '\n'); last >= 0 {
				m.lines += int32(strings.Count(part, "\n"))
				m.start = int32(from + last + 1)
			}
		}
	})
	offset = min(offset, len(d.source))
	from := offset / markEvery * markEvery
	m, part := d.marks[offset/markEvery], d.source[from:offset]
	start := int(m.start)
	if last := strings.LastIndexByte(part, '\n'); last >= 0 {
		start = from + last + 1
	}
	return int(m.lines) + strings.Count(part, "\n") + 1, offset - start + 1
}
