package gateway

import (
	"bytes"
	"encoding/json"
	"mime"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
	"spadapter/adapter/issue"
)

// maxPatch is how many operations one patch may have.
const maxPatch = 200

func isJSONPatch(contentType string) bool {
	name, _, err := mime.ParseMediaType(contentType)
	return err == nil && name == "application/json-patch+json"
}

// patchOperation is one operation of a JSON Patch. Source: RFC 6902 section 4.
type patchOperation struct {
	Op    string          `json:"op"`
	Path  *string         `json:"path"`
	From  *string         `json:"from"`
	Value json.RawMessage `json:"value"`
}

// jsonPatched applies a JSON Patch to a resource. Errors: structure for what is no patch;
// business-rule with the rule "patch-test" for a test that fails, and "patch" for a path
// that leads nowhere; those of fhir.Parse for what comes of it.
func jsonPatched(body, text []byte, limits fhir.Limits) (*fhir.Node, error) {
	var list []patchOperation
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, issue.New(issue.Structure, "patch", "the body is no JSON Patch: a list of operations with op and path").Because(err)
	}
	if len(list) > maxPatch {
		return nil, issue.New(issue.TooCostly, "patch", "a patch has at most 200 operations")
	}
	root, err := decodeExact(body)
	if err != nil {
		return nil, err
	}
	for i, o := range list {
		if root, err = o.apply(root); err != nil {
			for _, e := range issue.All(err) {
				_ = e.At("[" + strconv.Itoa(i) + "]")
			}
			return nil, err
		}
	}
	out, err := json.Marshal(root)
	if err != nil {
		return nil, issue.New(issue.Exception, "patch", "the patched resource cannot be written").Because(err)
	}
	return fhir.Parse(fhir.Types(fhir.R4), out, limits)
}

// decodeExact reads JSON with the digits of its numbers.
func decodeExact(text []byte) (v any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return nil, issue.New(issue.Structure, "patch", "a value of the patch is no JSON").Because(err)
	}
	return v, nil
}

func badPatch(text string) error { return issue.New(issue.BusinessRule, "patch", text) }

func (o patchOperation) apply(root any) (any, error) {
	if o.Path == nil {
		return nil, issue.New(issue.Structure, "patch", "an operation needs a path")
	}
	path, err := pointer(*o.Path)
	if err != nil {
		return nil, err
	}
	var value any
	switch o.Op {
	case "add", "replace", "test":
		if o.Value == nil {
			return nil, issue.New(issue.Structure, "patch", o.Op+" needs a value")
		}
		if value, err = decodeExact(o.Value); err != nil {
			return nil, err
		}
	case "move", "copy":
		if o.From == nil {
			return nil, issue.New(issue.Structure, "patch", o.Op+" needs from")
		}
		from, err := pointer(*o.From)
		if err != nil {
			return nil, err
		}
		if value, err = lookupPointer(root, from); err != nil {
			return nil, err
		}
		if o.Op == "move" {
			if strings.HasPrefix(*o.Path, *o.From+"/") {
				return nil, badPatch("what is moved cannot be moved into itself")
			}
			if root, err = edit(root, from, "remove", nil); err != nil {
				return nil, err
			}
		}
		return edit(root, path, "add", value)
	case "remove":
	default:
		return nil, issue.New(issue.Structure, "patch", "op is add, remove, replace, move, copy or test")
	}
	if o.Op == "test" {
		now, err := lookupPointer(root, path)
		if err != nil {
			return nil, err
		}
		if !reflect.DeepEqual(now, value) {
			return nil, issue.New(issue.BusinessRule, "patch-test", "a test of the patch fails: the resource is not as the client thinks").At(*o.Path)
		}
		return root, nil
	}
	return edit(root, path, o.Op, value)
}

// pointer reads a JSON Pointer. Source: RFC 6901.
func pointer(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	if text[0] != '/' {
		return nil, issue.New(issue.Structure, "patch", "a path begins with a slash")
	}
	parts := strings.Split(text[1:], "/")
	for i, p := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(p)
	}
	return parts, nil
}

func entryAt(text string, length int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n >= length || strconv.Itoa(n) != text {
		return 0, badPatch("a path of the patch leads nowhere: there is no entry " + strconv.Quote(text))
	}
	return n, nil
}

func lookupPointer(root any, path []string) (any, error) {
	for _, name := range path {
		switch at := root.(type) {
		case map[string]any:
			next, ok := at[name]
			if !ok {
				return nil, badPatch("a path of the patch leads nowhere: there is no " + strconv.Quote(name))
			}
			root = next
		case []any:
			i, err := entryAt(name, len(at))
			if err != nil {
				return nil, err
			}
			root = at[i]
		default:
			return nil, badPatch("a path of the patch leads into a value that has no parts")
		}
	}
	return root, nil
}

// edit gives the tree with one place changed; op is add, remove or replace.
func edit(root any, path []string, op string, value any) (any, error) {
	if len(path) == 0 {
		if op == "remove" {
			return nil, badPatch("the whole resource cannot be removed")
		}
		return value, nil
	}
	name := path[0]
	switch at := root.(type) {
	case map[string]any:
		next, ok := at[name]
		if !ok && (len(path) > 1 || op != "add") {
			return nil, badPatch("a path of the patch leads nowhere: there is no " + strconv.Quote(name))
		}
		if len(path) == 1 && op == "remove" {
			delete(at, name)
			return at, nil
		}
		if len(path) == 1 {
			at[name] = value
			return at, nil
		}
		changed, err := edit(next, path[1:], op, value)
		at[name] = changed
		return at, err
	case []any:
		if len(path) == 1 && op == "add" {
			i := len(at)
			if name != "-" {
				var err error
				if i, err = entryAt(name, len(at)+1); err != nil {
					return nil, err
				}
			}
			return slices.Insert(slices.Clone(at), i, value), nil
		}
		i, err := entryAt(name, len(at))
		if err != nil {
			return nil, err
		}
		if len(path) == 1 && op == "remove" {
			return slices.Delete(slices.Clone(at), i, i+1), nil
		}
		changed, err := edit(at[i], path[1:], op, value)
		out := slices.Clone(at)
		out[i] = changed
		return out, err
	}
	return nil, badPatch("a path of the patch leads into a value that has no parts")
}

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
		return nil, issue.New(issue.TooCostly, "patch", "a patch has at most 200 operations")
	}
	for _, p := range operations {
		if p.Text("name") != "operation" {
			return nil, issue.New(issue.Structure, "patch", "the parameters of a FHIRPath Patch are called operation").At(p.Path())
		}
		if err := patchStep(root, p); err != nil {
			for _, e := range issue.All(err) {
				_ = e.At(p.Path()).On(p.Position())
			}
			return nil, err
		}
	}
	// what was built is read anew, as any resource that comes from outside
	return fhir.Parse(fhir.Types(fhir.R4), fhir.Encode(root), ours)
}

// patchStep does one operation.
func patchStep(root, operation *fhir.Node) error {
	part := map[string]*fhir.Node{}
	for _, p := range operation.All("part") {
		part[p.Text("name")] = p
	}
	text := func(name string) string { return part[name].Text("value") }
	expression, err := fhirpath.Compile(text("path"), fhirpath.Type(root.Type))
	if err != nil || text("path") == "" {
		return issue.New(issue.Structure, "patch", "path must be a FHIRPath, such as Task.status")
	}
	found, err := expression.Eval(fhirpath.Context{}, root)
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
	if len(at.All(name)) > 0 && !n.List {
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
