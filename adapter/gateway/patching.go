package gateway

import (
	"cmp"
	"encoding/json"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// patching is what a JSON Patch may still build. What is taken from it never comes back: a
// copy of a copy doubles with each operation, and the whole work must stay in bounds.
type patching struct {
	bytes, nodes, depth int
}

// newPatching has the defaults of fhir.Parse where a limit is not set.
func newPatching(l fhir.Limits) *patching {
	return &patching{cmp.Or(l.Bytes, 5<<20), cmp.Or(l.Nodes, 500_000), cmp.Or(l.Depth, 64)}
}

// copied gives a deep copy of a JSON value that is to stand below depth others. Errors:
// too-costly when less than it is left.
func (p *patching) copied(value any, depth int) (any, error) {
	if p.nodes--; p.nodes < 0 || depth > p.depth {
		return nil, overPatched()
	}
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, part := range v {
			if err := p.write(len(name) + len(`"":,`)); err != nil {
				return nil, err
			}
			var err error
			if out[name], err = p.copied(part, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := []any{}
		for _, part := range v {
			one, err := p.copied(part, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, one)
		}
		return out, p.write(len(v))
	case string:
		return v, p.write(len(v))
	case json.Number:
		return v, p.write(len(v))
	}
	return value, nil
}

// write takes bytes of what is left.
func (p *patching) write(n int) error {
	if p.bytes -= n; p.bytes < 0 {
		return overPatched()
	}
	return nil
}

func overPatched() error {
	return issue.New(issue.TooCostly, "patch", "the patch builds more, or deeper, than a request may bring: send fewer or smaller operations, or the whole resource with PUT")
}
