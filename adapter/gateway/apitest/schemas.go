package apitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemas are those of a document, each compiled when it is first asked for: openapi3filter
// compiles anew for every body, which takes thirty milliseconds for a referral.
type schemas struct {
	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

// address names the document to the compiler; nothing is read from there.
const address = "openapi:document"

func newSchemas(document []byte) (*schemas, error) {
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, err
	}
	s := &schemas{compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	s.compiler.DefaultDraft(jsonschema.Draft2020)
	s.compiler.AssertFormat()
	return s, s.compiler.AddResource(address, root)
}

// pointer is the place of a member in the document. Source: RFC 6901.
func pointer(names ...string) string {
	out := "#"
	for _, name := range names {
		out += "/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(name)
	}
	return out
}

// at is the schema at a place.
func (s *schemas) at(place string) (*jsonschema.Schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if schema := s.compiled[place]; schema != nil {
		return schema, nil
	}
	schema, err := s.compiler.Compile(address + place)
	if err == nil {
		s.compiled[place] = schema
	}
	return schema, err
}

// check holds a body against the schema at a place; with given null members count as left
// out.
func (s *schemas) check(at string, body []byte, given bool) error {
	schema, err := s.at(at)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the body is no JSON: %w", err)
	}
	if given {
		dropNulls(value)
	}
	if err := schema.Validate(value); err != nil {
		var wrong *jsonschema.ValidationError
		if !errors.As(err, &wrong) {
			return err
		}
		_, text, _ := strings.Cut(wrong.Error(), "\n")
		return fmt.Errorf("the body does not fit its schema: %s", text)
	}
	return nil
}

func dropNulls(value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, one := range v {
			if one == nil {
				delete(v, name)
			}
			dropNulls(one)
		}
	case []any:
		for _, one := range v {
			dropNulls(one)
		}
	}
}

// closed is a document whose objects have the properties that are named and no others.
func closed(document []byte) ([]byte, error) {
	var root any
	if err := json.Unmarshal(document, &root); err != nil {
		return nil, err
	}
	closeObjects(root)
	return json.Marshal(root)
}

func closeObjects(value any) {
	switch v := value.(type) {
	case map[string]any:
		_, properties := v["properties"].(map[string]any)
		if _, said := v["additionalProperties"]; properties && v["type"] == "object" && !said {
			v["additionalProperties"] = false
		}
		for _, one := range v {
			closeObjects(one)
		}
	case []any:
		for _, one := range v {
			closeObjects(one)
		}
	}
}
