package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// maxPatch is how many operations one patch may have.
const maxPatch = 200

func tooManyOperations() error {
	return issue.New(issue.TooCostly, "patch", "a patch has at most "+strconv.Itoa(maxPatch)+" operations")
}

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

// jsonPatched applies a JSON Patch to a resource. The resource and all that the operations
// add, copy and move count together against the limits. Errors: structure for what is no
// patch, with the rules "json" and "json-utf8" for text that is none; too-costly for more than maxPatch operations and beyond the limits; business-rule
// with the rule "patch-test" for a test that fails, and "patch" for a path that leads
// nowhere; those of fhir.Parse for what comes of it.
func jsonPatched(body, text []byte, limits fhir.Limits) (*fhir.Node, error) {
	list, err := operationsOf(text)
	if err != nil {
		return nil, err
	}
	document, err := decodeExact(body)
	if err != nil {
		return nil, err
	}
	p := newPatching(limits)
	root, err := p.copied(document, 0)
	if err != nil {
		return nil, err
	}
	for i, o := range list {
		if root, err = o.apply(root, p); err != nil {
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

// operationsOf reads the operations of a JSON Patch, and no more of them than one may have.
func operationsOf(text []byte) (list []patchOperation, err error) {
	wrong := func(err error) error {
		return issue.New(issue.Structure, "patch", "the body is no JSON Patch: a list of operations with op and path").Because(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if start, err := decoder.Token(); err != nil || start != json.Delim('[') {
		return nil, wrong(err)
	}
	for decoder.More() {
		if len(list) == maxPatch {
			return nil, tooManyOperations()
		}
		var one json.RawMessage
		if err := decoder.Decode(&one); err != nil {
			return nil, wrong(err)
		}
		if err := wholeText(one); err != nil {
			return nil, err.At("[" + strconv.Itoa(len(list)) + "]")
		}
		var o patchOperation
		if err := json.Unmarshal(one, &o); err != nil {
			return nil, wrong(err)
		}
		list = append(list, o)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, wrong(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, wrong(err)
	}
	return list, nil
}

// wholeText refuses, by the rules of fhir.Parse, characters that encoding/json replaces in
// silence.
func wholeText(text []byte) *issue.Error {
	switch {
	case !utf8.Valid(text):
		return issue.New(issue.Structure, "json-utf8", "the operation is not UTF-8; send UTF-8 without any other encoding")
	case halved(text):
		return issue.New(issue.Structure, "json", `a \u escape of the operation is half of a pair (\ud800 to \udfff), which stands for nothing: send both halves`)
	}
	return nil
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

func (o patchOperation) apply(root any, p *patching) (any, error) {
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
		if value, err = p.copied(value, len(path)); err != nil {
			return nil, err
		}
		if o.Op == "move" {
			if len(from) < len(path) && slices.Equal(from, path[:len(from)]) {
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
	if value, err = p.copied(value, len(path)); err != nil {
		return nil, err
	}
	return edit(root, path, o.Op, value)
}
