package gateway

import (
	"math"
	"slices"

	"spadapter/adapter/fhir"
	"spadapter/adapter/mapping"
)

// structureMaps are the maps of the caller's dialects as resources, each once: first
// those that run, then those that they import.
func (x *exchange) structureMaps() ([]*fhir.Node, error) {
	dialects := x.Conversions.Dialects(x.only())
	var maps []*mapping.Map
	for _, d := range dialects {
		maps = append(maps, d.Map)
	}
	for _, d := range dialects {
		maps = append(maps, d.Set.Maps()...)
	}
	var out []*fhir.Node
	seen := map[string]bool{}
	for _, m := range maps {
		if seen[m.URL] {
			continue
		}
		seen[m.URL] = true
		n, err := x.structureMapOf(m)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// structureMapOf is one map as a resource, made when it is first asked for.
func (x *exchange) structureMapOf(m *mapping.Map) (*fhir.Node, error) {
	if known, ok := x.maps.Load(m); ok {
		return known.(*fhir.Node), nil
	}
	n, err := m.Resource()
	if err != nil {
		return nil, err
	}
	if n.Child("id") == nil && fhir.Lexical("id", mapID(m)) {
		n.Set("id", mapID(m))
		last := len(n.Children) - 1 // an id stands first
		n.Children = slices.Insert(n.Children[:last], 0, n.Children[last])
	}
	// many read it from now on: a tree that was parsed is one that nobody changes
	if n, err = fhir.Parse(n.System(), fhir.Encode(n), fhir.Limits{Bytes: math.MaxInt32, Nodes: math.MaxInt32}); err != nil {
		return nil, err
	}
	x.maps.Store(m, n)
	return n, nil
}
