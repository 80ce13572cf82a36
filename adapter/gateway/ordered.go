package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
)

// ordered is a JSON object that keeps the order of its members, which is the order in
// which a document is read by people. Values are *ordered, []any, string, json.Number,
// bool and nil.
type ordered struct {
	names  []string
	values map[string]any
}

func newOrdered() *ordered { return &ordered{values: map[string]any{}} }

// parseOrdered reads one JSON object.
func parseOrdered(text string) (*ordered, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	value, err := decodeOrdered(d)
	if err != nil {
		return nil, err
	}
	root, ok := value.(*ordered)
	if _, end := d.Token(); !ok || end != io.EOF {
		return nil, errors.New("the text is not one JSON object")
	}
	return root, nil
}

func decodeOrdered(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		o := newOrdered()
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			value, err := decodeOrdered(d)
			if err != nil {
				return nil, err
			}
			o.set(name.(string), value) // the decoder lets nothing else stand there
		}
		_, err = d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			value, err := decodeOrdered(d)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err = d.Token()
		return list, err
	}
	return token, nil
}

// set puts a value where the member of that name stands, or at the end.
func (o *ordered) set(name string, value any) {
	if _, known := o.values[name]; !known {
		o.names = append(o.names, name)
	}
	o.values[name] = value
}

// remove takes a member out.
func (o *ordered) remove(name string) {
	delete(o.values, name)
	o.names = slices.DeleteFunc(o.names, func(n string) bool { return n == name })
}

// at follows names through objects; nil when one of them is none.
func (o *ordered) at(names ...string) *ordered {
	for _, name := range names {
		if o == nil {
			return nil
		}
		o, _ = o.values[name].(*ordered)
	}
	return o
}

// text is a string member, "" when it is none.
func (o *ordered) text(name string) string {
	s, _ := o.values[name].(string)
	return s
}

// clone copies the whole tree.
func (o *ordered) clone() *ordered {
	out := &ordered{names: slices.Clone(o.names), values: make(map[string]any, len(o.values))}
	for name, value := range o.values {
		out.values[name] = cloneValue(value)
	}
	return out
}

func cloneValue(value any) any {
	switch v := value.(type) {
	case *ordered:
		return v.clone()
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = cloneValue(v[i])
		}
		return list
	}
	return value
}

// each visits every object of a tree, the outer before the inner.
func each(value any, visit func(*ordered)) {
	switch v := value.(type) {
	case *ordered:
		visit(v)
		for _, name := range v.names {
			each(v.values[name], visit)
		}
	case []any:
		for _, one := range v {
			each(one, visit)
		}
	}
}

// MarshalJSON writes the members in their order.
func (o *ordered) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, name := range o.names {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, jsonString(name)...), ':')
		value, err := json.Marshal(o.values[name])
		if err != nil {
			return nil, err
		}
		out = append(out, value...)
	}
	return append(out, '}'), nil
}

// texts makes a JSON array of strings.
func texts[T ~string](list []T) []any {
	out := make([]any, len(list))
	for i, one := range list {
		out[i] = string(one)
	}
	return out
}
