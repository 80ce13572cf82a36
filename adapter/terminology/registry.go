package terminology

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Registry holds compiled code systems, value sets and concept maps, each under its
// canonical URL, and what is loaded of SNOMED CT. It is read-only after loading and safe for concurrent use. The nil
// Registry is empty.
type Registry struct {
	systems map[string]*codeSystem
	sets    map[string]*valueSet
	maps    map[string]*conceptMap
	release *release // of SNOMED CT; nil when none is loaded
	implied *implied
}

// Load compiles the CodeSystem, ValueSet and ConceptMap resources among the given
// ones, those inside Bundles included; other resources are passed over.
//
// Errors, all of them joined: required for a resource without url, duplicate for a
// second resource with the url (and version) of another, value for a ConceptMap row
// without code or with an equivalence that the standard does not have.
func Load(resources ...*fhir.Node) (*Registry, error) { return (*Registry)(nil).With(resources...) }

// With is a Registry that has everything r has and these resources too. A resource
// replaces the one r has under its url. Errors are those of Load.
func (r *Registry) With(resources ...*fhir.Node) (*Registry, error) {
	return r.with(nil, resources, nil)
}

// with is With, and a release of SNOMED CT in place of the one r has, unless it is nil.
// names has the files of resources, for what is wrong with them. compiled are further ConceptMaps.
func (r *Registry) with(snomed *release, resources []*fhir.Node, names map[*fhir.Node]string, compiled ...*conceptMap) (*Registry, error) {
	out := &Registry{
		systems: map[string]*codeSystem{}, sets: map[string]*valueSet{}, maps: map[string]*conceptMap{},
		release: snomed, implied: &implied{sets: map[string]*valueSet{}},
	}
	if r != nil {
		if snomed == nil {
			out.release = r.release
		}
		for url, s := range r.systems {
			out.systems[url] = s
		}
		copies := map[*valueSet]*valueSet{} // one is there by its url and by its version
		for url, s := range r.sets {
			if copies[s] == nil {
				copies[s] = s.copy()
			}
			out.sets[url] = copies[s]
		}
		for url, m := range r.maps {
			out.maps[url] = m
		}
	}
	l := loader{registry: out, seen: map[string]bool{}, names: names, patterns: patterns{}}
	for _, m := range compiled {
		out.maps[m.url] = m
	}
	for _, n := range resources {
		l.add(n)
	}
	if len(l.errs) > 0 {
		return nil, issue.Join(l.errs)
	}
	for _, s := range out.sets {
		s.link(out)
	}
	markCircles(out.sets)
	return out, nil
}

// LoadFS is Load for every file below fsys whose name ends in .json, in the order of
// their names. Errors: also those of fhir.Parse, with the file's name in Details.
func LoadFS(fsys fs.FS) (*Registry, error) {
	nodes, err := Resources(fsys, func(string) bool { return true })
	if err != nil {
		return nil, err
	}
	return Load(nodes...)
}

// Resources parses the .json files below fsys whose path is wanted, in the order of
// their names.
func Resources(fsys fs.FS, wanted func(name string) bool) ([]*fhir.Node, error) {
	var nodes []*fhir.Node
	var errs []*issue.Error
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".json" || !wanted(name) {
			return err
		}
		body, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		n, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{Bytes: 64 << 20, Nodes: 10_000_000})
		if err != nil {
			for _, e := range issue.All(err) {
				e.Details = name + ": " + e.Details
				errs = append(errs, e)
			}
			return nil
		}
		nodes = append(nodes, n)
		return nil
	})
	if err != nil {
		return nil, issue.New(issue.NotFound, "terminology-load", "a terminology file cannot be read").Because(err)
	}
	return nodes, issue.Join(errs)
}

// URLs lists the canonical URLs of what was loaded of that resource type, sorted.
func (r *Registry) URLs(resourceType string) []string {
	var out []string
	if r == nil {
		return nil
	}
	switch resourceType {
	case "CodeSystem":
		for u := range r.systems {
			out = append(out, u)
		}
	case "ValueSet":
		for u := range r.sets {
			out = append(out, u)
		}
	case "ConceptMap":
		for u := range r.maps {
			out = append(out, u)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// loader collects resources and what is wrong with them.
type loader struct {
	registry *Registry
	seen     map[string]bool
	names    map[*fhir.Node]string // the files of resources
	patterns patterns
	errs     []*issue.Error
}

func (l *loader) fail(n *fhir.Node, t issue.Type, rule, format string, args ...any) {
	line, column := n.Position()
	e := issue.Newf(t, rule, format, args...).At(n.Path()).On(line, column)
	if name := l.names[n.Root()]; name != "" {
		e.Details = name + ": " + e.Details
	}
	l.errs = append(l.errs, e)
}

func (l *loader) add(n *fhir.Node) {
	kind := n.ResourceType()
	switch kind {
	case "Bundle":
		for _, e := range n.All("entry") {
			if r := e.Child("resource"); r != nil {
				l.add(r)
			}
		}
		return
	case "CodeSystem", "ValueSet", "ConceptMap":
	default:
		return
	}
	url, version := n.Text("url"), n.Text("version")
	if url == "" {
		l.fail(n, issue.Required, "terminology-url", "%s.url is missing; a canonical resource is found by its url", kind)
		return
	}
	key := kind + " " + url + "|" + version
	if l.seen[key] {
		l.fail(n, issue.Duplicate, "terminology-duplicate", "%s %s is loaded twice", kind, url)
		return
	}
	l.seen[key] = true
	switch kind {
	case "CodeSystem":
		put(l.registry.systems, url, version, l.codeSystem(n))
	case "ValueSet":
		put(l.registry.sets, url, version, l.valueSet(n))
	case "ConceptMap":
		put(l.registry.maps, url, version, l.conceptMap(n))
	}
}

// put keeps v under its canonical, without and with the version.
func put[T any](m map[string]T, url, version string, v T) {
	m[url] = v
	if version != "" {
		m[url+"|"+version] = v
	}
}

// find looks a canonical up, with its version first and without it then.
func find[T any](m map[string]T, canonical string) (T, bool) {
	v, ok := m[canonical]
	if !ok {
		if bare, _, cut := strings.Cut(canonical, "|"); cut {
			v, ok = m[bare]
		}
	}
	return v, ok
}
