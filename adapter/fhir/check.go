package fhir

import (
	"fmt"
	"sort"
	"strings"

	"spadapter/adapter/issue"
)

// maxIssues bounds what one message can make Check say: enough to mend a message,
// too few to be used as an amplifier.
const maxIssues = 200

// Check is the structural validation of a parsed resource against the base standard:
// unknown elements, JSON kinds, arrays, required elements, choices, the lexical form
// of every primitive, required codes, reference forms and targets, contained
// resources, and the rules of a Bundle, a document and a message. It runs no FHIRPath.
//
// It returns every fault it finds (at most 200) as one joined error, each with the
// FHIRPath of its element, line and column, and the rule; nil when there is none.
// Types: structure, required, value (also for a reference that leads nowhere inside the
// message), code-invalid, invariant (bdl-*), all of severity error.
//
// Source: http://hl7.org/fhir/R4/json.html, http://hl7.org/fhir/R4/datatypes.html,
// http://hl7.org/fhir/R4/references.html, http://hl7.org/fhir/R4/bundle.html.
func Check(root *Node) error {
	c := &checker{system: root.System()}
	if root.doc != nil {
		c.xml = root.doc.xml
		for _, f := range root.doc.faults {
			if c.full() {
				break
			}
			c.found = append(c.found, issue.New(issue.Structure, f.rule, f.text).At(f.path()).On(f.node.Position()))
		}
	}
	c.resource(root)
	if len(c.found) == 0 {
		return nil
	}
	sort.SliceStable(c.found, func(i, j int) bool {
		a, b := c.found[i], c.found[j]
		return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column
	})
	return issue.Join(c.found)
}

type checker struct {
	system *System
	xml    bool // the sender wrote XML, which is spoken of in other words
	found  []*issue.Error
}

// words are those for the format that was sent.
func (c *checker) words(json, xml string) string {
	if c.xml {
		return xml
	}
	return json
}

// full reports whether nothing more is kept, so that looking further is in vain.
func (c *checker) full() bool { return len(c.found) >= maxIssues }

// report keeps an issue about n. The place of an issue that is not kept is not computed.
func (c *checker) report(t issue.Type, n *Node, rule, text string) *issue.Error {
	e := issue.New(t, rule, text)
	if !c.full() {
		c.found = append(c.found, e.At(n.Path()).On(n.Position()))
	}
	return e
}

// label is how an element is called in a message: "Observation.status".
func label(n *Node) string {
	if n.Element != nil {
		return n.Element.Path
	}
	return n.Path()
}

func (c *checker) resource(n *Node) {
	if n.resourceType == "" {
		c.report(issue.Structure, n, "json-resource-type", label(n)+" must be a resource: "+c.words("an object with resourceType", "an element such as <Patient>"))
		return
	}
	if n.Type == nil {
		full := c.full()
		e := c.report(issue.Structure, n, "resource-type", c.words("resourceType", "the name of the element")+" must be a resource type of FHIR "+string(c.system.Version)+c.system.meantResource(n.resourceType)).
			With("resourceType %s", clip(n.resourceType))
		if !full {
			_ = e.On(n.typePosition())
		}
		return
	}
	c.children(n)
	switch n.Type.Name {
	case "Bundle":
		c.bundle(n)
	case "Parameters":
	default:
		if n.Name != "contained" { // its references resolve in the resource that contains it
			c.contained(n)
		}
	}
}

// children checks the elements of n, whose type is known.
func (c *checker) children(n *Node) {
	t := n.Type
	if len(n.Children) == 0 && n.Kind == Object && n.resourceType == "" {
		c.report(issue.Structure, n, "json-empty", label(n)+" must not be "+c.words("an empty object", "empty")+"; leave the element out")
		return
	}
	for i, child := range n.Children {
		if c.full() {
			return
		}
		if child.Element == nil {
			if child.Kind == Array && child.Name == "" || child.List && i > 0 && n.Children[i-1].Name == child.Name {
				continue // one member is one fault, however many values it has
			}
			c.report(issue.Structure, child, "unknown-element", "this element does not exist in "+t.Name+t.meant(child.Name)).
				With("element %s", clip(child.Name))
			continue
		}
		first := i == 0 || n.Children[i-1].Name != child.Name
		if first {
			c.repetition(n, i, child)
		}
		c.element(child)
	}
	for _, e := range t.Elements {
		if e.Required && !has(n, e) {
			c.required(n, e)
		}
	}
}

func has(n *Node, e *Element) bool {
	for _, child := range n.Children {
		if child.Element == e {
			return true
		}
	}
	return false
}

func (c *checker) required(n *Node, e *Element) {
	if c.full() {
		return
	}
	text := e.Path + " is required"
	switch {
	case e.Choice:
		text = e.Path + "[x] is required; one of " + codeList(e.jsonNames())
	case len(e.Codes) > 0:
		text += "; one of " + codeList(e.Codes)
	case e.Types[0].Name == "Reference":
		text += " (a Reference to " + targetList(e.Targets) + ")"
	case e.Types[0].Kind == Primitive || e.Types[0].Kind == Complex:
		text += " (" + e.Types[0].Name + ")"
	}
	err := issue.New(issue.Required, "required", text).On(n.Position())
	if path := n.Path(); path != "" {
		err.Expression = path + "." + e.Name
	}
	c.found = append(c.found, err)
}

func codeList(codes []string) string {
	const shown = 12
	if len(codes) <= shown {
		return strings.Join(codes, ", ")
	}
	return fmt.Sprintf("%s, … (%d in all)", strings.Join(codes[:shown], ", "), len(codes))
}

// repetition checks arrays and choices at the first node of a group of one name.
func (c *checker) repetition(n *Node, i int, child *Node) {
	e := child.Element
	switch {
	case e.List && !child.List && child.Kind != Null: // null is a fault of its own
		c.report(issue.Structure, child, "json-array", e.Path+" repeats: write it as an array, also with one value")
	case !e.List && child.List:
		c.report(issue.Structure, child, "json-array", e.Path+" does not repeat: write the value without an array")
	}
	if e.Choice {
		for _, other := range n.Children[:i] {
			if other.Element == e && other.Name != child.Name {
				c.report(issue.Structure, child, "choice", e.Path+"[x] is a choice: give it once, with one type")
				break
			}
		}
	}
}

func (c *checker) element(n *Node) {
	if n.Kind == Array {
		text := label(n) + " must not be an array inside an array; write one array"
		if len(n.Children) == 0 {
			text = label(n) + " must not be an empty array; leave the element out"
		}
		c.report(issue.Structure, n, "json-empty", text)
		return
	}
	if n.Kind == Null {
		c.report(issue.Structure, n, "json-null", label(n)+" must not be null; leave the element out")
		return
	}
	if len(n.Element.Types) == 1 && n.Element.Types[0].Abstract {
		if n.Kind != Object {
			c.report(issue.Structure, n, "json-kind", label(n)+" must be a resource")
			return
		}
		c.resource(n)
		return
	}
	if n.Type == nil {
		return
	}
	if n.Type.Kind == Primitive {
		c.primitive(n)
		return
	}
	if n.Kind != Object {
		c.report(issue.Structure, n, "json-kind", fmt.Sprintf("%s must be %s (%s), not %s", label(n), c.words("an object", "an element that holds others"), n.Type.Name, c.words(kindWords[n.Kind], "a value")))
		return
	}
	if n.resourceType != "" {
		c.report(issue.Structure, n, "json-resource-type", label(n)+" is a "+n.Type.Name+", which has no resourceType")
	}
	c.children(n)
	switch n.Type.Name {
	case "Reference":
		c.reference(n)
	case "CodeableConcept":
		c.concept(n)
	case "Extension":
		if url := n.Child("url"); url != nil && strings.Contains(url.Value, "|") {
			c.report(issue.Value, url, "extension-url", "Extension.url must not carry a version; leave out the | and what follows").
				With("got %s", clip(url.Value))
		}
	}
}

func (c *checker) primitive(n *Node) {
	t := n.Type
	if n.Kind == Object { // what is inside belongs to something else
		c.report(issue.Structure, n, "json-kind", fmt.Sprintf("%s must be %s (%s), not an object", label(n), wantedWords[t.json], t.Name))
		return
	}
	for _, child := range n.Children {
		if c.full() {
			return
		}
		if child.Element == nil {
			c.report(issue.Structure, child, "unknown-element", "a primitive has only id and extension beside its value")
			continue
		}
		c.element(child)
	}
	if n.Kind == Absent {
		if len(n.Children) == 0 {
			c.report(issue.Structure, n, "json-null", label(n)+" has neither a value nor an extension; leave it out")
		}
		return
	}
	if n.Kind != t.json {
		c.report(issue.Structure, n, "json-kind", fmt.Sprintf("%s must be %s (%s), not %s", label(n), wantedWords[t.json], t.Name, kindWords[n.Kind]))
		return
	}
	if ok := lexical[t.Name]; ok != nil && !ok(n.Value) {
		c.report(issue.Value, n, "lexical-"+t.Name, label(n)+" must "+formOf(t, n.Value)).With("got %s", clip(n.Value))
		return
	}
	if e := n.Element; e.Codes != nil && !e.HasCode(n.Value) {
		c.report(issue.CodeInvalid, n, "required-code", fmt.Sprintf("%s must be one of %s (%s)%s", e.Path, codeList(e.Codes), e.ValueSet, meantCode(e.Codes, n.Value))).
			With("got %s", clip(n.Value))
	}
}

// wantedWords says how a primitive is written, kindWords what was found instead.
var (
	wantedWords = map[Kind]string{String: "a string in double quotes", Number: "a number without quotes", Boolean: "true or false without quotes"}
	kindWords   = map[Kind]string{Object: "an object", String: "a string", Number: "a number", Boolean: "true or false", Null: "null", Absent: "an id or extension alone", Array: "an array"}
)

// clip quotes a sender's value for diagnostics, shortened.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(s[:most], ""))
	}
	return fmt.Sprintf("%q", s)
}
