package mapping

import (
	"spadapter/adapter/fhir"
	"spadapter/adapter/terminology"
)

// Source is one map.
type Source struct {
	Name string // file name, for messages and traces
	Text string // in the mapping language, or a StructureMap resource in JSON
}

// Env is what maps are compiled against.
type Env struct {
	// Terminology holds the ConceptMaps that translate(…) names; nil when the maps
	// embed their own.
	Terminology *terminology.Registry

	// Types finds the type of a uses declaration by the URL of its StructureDefinition; nil
	// means TypeByURL.
	Types func(url string) *fhir.Type
}

// Set is a number of maps that were compiled together and may import each other. It is
// read-only and safe for concurrent use.
type Set struct {
	maps  []*Map
	codes *terminology.Registry
}

// Maps lists the maps in the order of their sources.
func (s *Set) Maps() []*Map { return s.maps }

// Map finds a map by its url or name, nil when there is none.
func (s *Set) Map(name string) *Map {
	for _, m := range s.maps {
		if m.URL == name || m.Name == name {
			return m
		}
	}
	return nil
}

// Map is one compiled map.
type Map struct {
	URL     string
	Name    string
	File    string
	Version string // "" when the map states none

	text  string // as it was read
	entry *group // the first group: where Transform starts
	codes *terminology.Registry
}

// Sources are the types of what the map reads: the source parameters of its first group,
// in order; nil for one without a type that can be told.
func (m *Map) Sources() []*fhir.Type { return m.parameters(false) }

// Targets are the types of what the map makes, like Sources.
func (m *Map) Targets() []*fhir.Type { return m.parameters(true) }

func (m *Map) parameters(target bool) []*fhir.Type {
	var out []*fhir.Type
	for _, p := range m.entry.params {
		if p.target == target {
			out = append(out, p.shape.single())
		}
	}
	return out
}

// Resource is the map as a StructureMap resource, made anew with each call; see the
// function Resource.
func (m *Map) Resource() (*fhir.Node, error) { return Resource(Source{Name: m.File, Text: m.text}) }
