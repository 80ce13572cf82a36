package gateway

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
	"spadapter/adapter/issue"
)

// The bounds of a FHIRPath Patch: elements of its Parameters, and work of all its paths
// together. It has no operation that copies, so that it adds at most what it says.
const (
	maxPatchNodes = 20_000
	maxPatchSteps = 1_000_000
)

// fhirPathPatched applies a FHIRPath Patch to a resource. Errors: as of jsonPatched.
// Source: http://hl7.org/fhir/R4/fhirpatch.html.
func fhirPathPatched(body []byte, parameters *fhir.Node) (*fhir.Node, error) {
	if parameters.ResourceType() != "Parameters" {
		return nil, issue.New(issue.Structure, "patch", "a FHIRPath Patch is a Parameters resource; a JSON Patch has the Content-Type application/json-patch+json").At("resourceType")
	}
	if err := issue.Failures(fhir.Check(parameters)); err != nil {
		return nil, err
	}
	parsed, err := fhir.Parse(fhir.Types(fhir.R4), body, ours)
	if err != nil {
		return nil, err
	}
	root := parsed.Clone()
	operations := parameters.All("parameter")
	if len(operations) > maxPatch {
		return nil, tooManyOperations()
	}
	if parameters.Size() > maxPatchNodes {
		return nil, issue.New(issue.TooCostly, "patch", "a FHIRPath Patch has at most "+strconv.Itoa(maxPatchNodes)+" elements; send the whole resource with PUT")
	}
	steps := maxPatchSteps
	for _, p := range operations {
		if p.Text("name") != "operation" {
			return nil, issue.New(issue.Structure, "patch", "the parameters of a FHIRPath Patch are called operation").At(p.Path())
		}
		if err := patchStep(root, p, &steps); err != nil {
			for _, e := range issue.All(err) {
				_ = e.At(p.Path()).On(p.Position())
			}
			return nil, err
		}
	}
	// what was built is read anew, as any resource that comes from outside
	return fhir.Parse(fhir.Types(fhir.R4), fhir.Encode(root), fhir.Limits{Bytes: math.MaxInt32})
}

// patchStep does one operation; steps is what is left of the work for the paths.
func patchStep(root, operation *fhir.Node, steps *int) error {
	part := map[string]*fhir.Node{}
	for _, p := range operation.All("part") {
		part[p.Text("name")] = p
	}
	text := func(name string) string { return part[name].Text("value") }
	expression, err := fhirpath.Compile(text("path"), fhirpath.Type(root.Type))
	if err != nil || text("path") == "" {
		return issue.New(issue.Structure, "patch", "path must be a FHIRPath, such as Task.status")
	}
	found, err := expression.Eval(fhirpath.Context{Budget: steps}, root)
	if err != nil {
		return err
	}
	nodes := found.Nodes()
	if len(nodes) != len(found) {
		return badPatch("path must lead to elements of the resource")
	}
	one := func() (*fhir.Node, error) {
		if len(nodes) != 1 {
			return nil, badPatch("path leads to " + strconv.Itoa(len(nodes)) + " elements; it must lead to one")
		}
		return nodes[0], nil
	}
	switch kind := text("type"); kind {
	case "add":
		at, err := one()
		if err != nil {
			return err
		}
		return addElement(at, text("name"), part["value"])
	case "replace":
		at, err := one()
		if err != nil {
			return err
		}
		if at.Parent == nil {
			return badPatch("the whole resource cannot be replaced by a patch; use PUT")
		}
		value, err := elementOf(at.Parent, at.ElementName(), part["value"])
		if err != nil {
			return err
		}
		siblings := at.Parent.Children
		value.Parent, value.List = at.Parent, at.List
		siblings[slices.Index(siblings, at)] = value
	case "delete":
		if len(nodes) == 0 {
			return nil
		}
		at, err := one()
		if err != nil {
			return err
		}
		if at.Parent == nil {
			return badPatch("the whole resource cannot be deleted by a patch")
		}
		at.Parent.Children = slices.DeleteFunc(slices.Clone(at.Parent.Children), func(n *fhir.Node) bool { return n == at })
	case "insert", "move":
		return placeElement(nodes, kind, text, part["value"])
	default:
		return issue.New(issue.Structure, "patch", "type is add, insert, delete, replace or move")
	}
	return nil
}

// addElement adds an element by its name, at the end of a list.
func addElement(at *fhir.Node, name string, value *fhir.Node) error {
	n, err := elementOf(at, name, value)
	if err != nil {
		return err
	}
	if !n.List && at.Child(name) != nil {
		return badPatch(name + " is there already and does not repeat: replace it")
	}
	at.Append(n.Name, n)
	return nil
}

// elementOf makes an element of what a patch gives as value: value[x], or parts with the
// names of the elements of a type that no value[x] has.
func elementOf(parent *fhir.Node, name string, value *fhir.Node) (*fhir.Node, error) {
	if value == nil || name == "" {
		return nil, issue.New(issue.Structure, "patch", "this operation needs a name and a value")
	}
	given := value.Child("value")
	member := name
	if _, ok := parent.Type.Member(name); !ok {
		if given == nil { // a choice such as value[x], named without its type
			return nil, badPatch("there is no element " + strconv.Quote(name) + " here")
		}
		member = name + strings.TrimPrefix(given.Name, "value")
	}
	m, ok := parent.Type.Member(member)
	if !ok {
		return nil, badPatch("there is no element " + strconv.Quote(name) + " here")
	}
	var n *fhir.Node
	switch {
	case given == nil:
		n = fhir.New(m.Type)
		for _, p := range value.All("part") {
			if err := addElement(n, p.Text("name"), p); err != nil {
				return nil, err
			}
		}
	case m.Type.Kind == fhir.Primitive && given.IsPrimitive():
		n = fhir.NewPrimitive(m.Type, given.Value)
	default:
		n = given.Clone()
		n.Type = m.Type
	}
	n.Name, n.Element, n.List = member, m.Element, m.Element.List
	return n, nil
}

// placeElement inserts into a list, or moves an entry of it.
func placeElement(nodes []*fhir.Node, kind string, text func(string) string, value *fhir.Node) error {
	if len(nodes) == 0 {
		return badPatch("path leads to no list")
	}
	parent, name := nodes[0].Parent, nodes[0].Name
	for _, n := range nodes {
		if n.Parent != parent || n.Name != name || parent == nil {
			return badPatch("path must lead to the entries of one list")
		}
	}
	var moved *fhir.Node
	var at int
	var err error
	list := slices.Clone(nodes)
	if kind == "insert" {
		if moved, err = elementOf(parent, nodes[0].ElementName(), value); err != nil {
			return err
		}
		if at, err = entryAt(text("index"), len(list)+1); err != nil {
			return err
		}
		moved.Parent = parent
	} else {
		from, err := entryAt(text("source"), len(list))
		if err != nil {
			return err
		}
		if at, err = entryAt(text("destination"), len(list)); err != nil {
			return err
		}
		moved = list[from]
		list = slices.Delete(list, from, from+1)
	}
	list = slices.Insert(list, at, moved)
	var children []*fhir.Node
	done := false
	for _, c := range parent.Children {
		switch {
		case c.Name != name:
			children = append(children, c)
		case !done:
			children, done = append(children, list...), true
		}
	}
	parent.Children = children
	return nil
}
