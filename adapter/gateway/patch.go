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
