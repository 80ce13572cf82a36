package mapping

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

// Dialect is one folder of maps: what converts one kind of message into another.
type Dialect struct {
	Name  string // the folder's name, such as ukcore-r4-to-referral
	Map   *Map   // the one to run: its file is named like the folder, or is the only one
	Set   *Set
	Codes *terminology.Registry // the folder's ConceptMaps and code systems beside those of Env
}

// base is the folder whose maps and codes are part of every dialect.
const base = "base"

// Load compiles every folder, directly below the root of each file system, that holds a
// .map file: its maps (structuremap-*.json too), with the ConceptMap, CodeSystem and ValueSet resources in its
// .json files. A folder of a later file system replaces the one of the same name. The
// folder "base" is no dialect: its maps can be imported, and its codes used, by all, and
// those of a later file system are added to the earlier ones or replace them one by one. The
// dialects are keyed by name; one call at start-up is enough.
//
// Errors: those of Compile and terminology.Load for every folder, joined, each with the
// folder and file in its Details; not-found for a folder in which no map is the one to run.
func Load(env Env, systems ...fs.FS) (map[string]*Dialect, error) {
	from := map[string]fs.FS{}
	var bases []fs.FS
	for _, fsys := range systems {
		entries, err := fs.ReadDir(fsys, ".")
		if err != nil {
			return nil, issue.New(issue.NotFound, "map-load", "the folder of the maps cannot be read").Because(err)
		}
		for _, e := range entries {
			if !e.IsDir() {
				continue
			}
			if e.Name() == base {
				bases = append(bases, fsys)
			} else if files, _ := fs.Glob(fsys, e.Name()+"/*.map"); len(files) > 0 {
				from[e.Name()] = fsys
			}
		}
	}
	shared, codes, err := readBases(bases, env.Terminology)
	if err != nil {
		return nil, err
	}
	env.Terminology = codes
	out := map[string]*Dialect{}
	var errs []*issue.Error
	for name, fsys := range from {
		d, err := loadDialect(env, fsys, name, shared)
		if err != nil {
			errs = append(errs, issue.All(err)...)
			continue
		}
		out[name] = d
	}
	if len(errs) > 0 {
		slices.SortStableFunc(errs, func(a, b *issue.Error) int { return strings.Compare(a.Details, b.Details) })
		return nil, issue.Join(errs)
	}
	return out, nil
}

// folder is what one folder holds.
type folder struct {
	sources   []Source
	resources []*fhir.Node
}

func readFolder(fsys fs.FS, name string) (folder, error) {
	var out folder
	sub, err := fs.Sub(fsys, name)
	if err != nil {
		return out, issue.New(issue.NotFound, "map-load", "a folder of maps cannot be read").Because(err)
	}
	if out.resources, err = terminology.Resources(sub, func(file string) bool { return !strings.Contains(file, "/") }); err != nil {
		return out, err
	}
	files, _ := fs.Glob(sub, "*.map")
	resources, _ := fs.Glob(sub, "structuremap-*.json")
	files = append(files, resources...)
	for _, file := range files {
		text, err := fs.ReadFile(sub, file)
		if err != nil {
			return out, issue.New(issue.NotFound, "map-load", "a map cannot be read").Because(err)
		}
		out.sources = append(out.sources, Source{Name: path.Join(name, file), Text: string(text)})
	}
	return out, nil
}

// readBases reads the base folders; a file or resource of a later one replaces the one of
// the same name, or url, of an earlier one.
func readBases(systems []fs.FS, codes *terminology.Registry) ([]Source, *terminology.Registry, error) {
	var sources []Source
	for _, fsys := range systems {
		f, err := readFolder(fsys, base)
		if err != nil {
			return nil, nil, err
		}
		if codes, err = codes.With(f.resources...); err != nil {
			return nil, nil, err
		}
		for _, s := range f.sources {
			i := slices.IndexFunc(sources, func(have Source) bool { return have.Name == s.Name })
			if i < 0 {
				sources = append(sources, s)
			} else {
				sources[i] = s
			}
		}
	}
	return sources, codes, nil
}

func loadDialect(env Env, fsys fs.FS, name string, shared []Source) (*Dialect, error) {
	own, err := readFolder(fsys, name)
	if err != nil {
		return nil, err
	}
	main := -1
	for i, s := range own.sources {
		if s.Name == name+"/"+name+".map" || len(own.sources) == 1 {
			main = i
		}
	}
	if main < 0 {
		return nil, issue.Newf(issue.NotFound, "map-load", "%s: none of the maps is called %s.map: which one is to run?", name, name)
	}
	if env.Terminology, err = env.Terminology.With(own.resources...); err != nil {
		return nil, err
	}
	d := &Dialect{Name: name}
	if d.Set, err = Compile(append(own.sources, shared...), env); err != nil {
		return nil, err
	}
	d.Map, d.Codes = d.Set.maps[main], d.Set.codes
	return d, nil
}
