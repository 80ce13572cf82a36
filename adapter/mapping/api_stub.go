package mapping

import (
	"context"
	"io/fs"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

type group struct{}

// Compile reads maps that may import each other and compiles them.
func Compile(sources []Source, env Env) (*Set, error) {
	return nil, issue.New(issue.NotSupported, "map", "being written")
}

// Transform runs the map's first group.
func (m *Map) Transform(ctx context.Context, in Input) (*Result, error) {
	return nil, issue.New(issue.NotSupported, "map", "being written")
}

// Dialect is one folder of maps: what converts one kind of message into another.
type Dialect struct {
	Name  string // the folder's name: ukcore-r4-to-referral
	Map   *Map   // the map to run: the file named like the folder, or the only one
	Set   *Set
	Codes *terminology.Registry // its ConceptMaps and CodeSystems, and those of Env
}

// Load compiles every folder of every file system; a folder of a later one replaces the
// folder of that name of an earlier one.
func Load(env Env, systems ...fs.FS) (map[string]*Dialect, error) {
	return nil, issue.New(issue.NotSupported, "map", "being written")
}

// TypeByURL finds the type a StructureDefinition URL names.
func TypeByURL(url string) *fhir.Type { return nil }
