package mapping

import (
	"path"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

// Compile reads maps, as text or as StructureMap resources in JSON, that may import each
// other. It compiles every group that can be reached from their first groups, and every
// group whose parameters all have types.
//
// Errors, all maps' faults joined, each with file, line and column: structure for the
// syntax, for a name that is not in scope, an element or code that does not exist, a
// value that does not fit its element, and a list put where one value goes; not-found for
// a group, an imported map, a type or a ConceptMap that is not there; duplicate for two
// maps with one url or two groups with one name; not-supported for a transform that the
// standard does not have.
func Compile(sources []Source, env Env) (*Set, error) {
	c := &compiler{env: env, instances: map[instanceKey]*group{}, inside: map[*groupDecl]int{}, reported: map[string]bool{},
		reach: map[*mapDecl][]*mapDecl{}, groups: map[*mapDecl]map[string]*groupDecl{}, constants: map[*mapDecl]map[string]constantDecl{}, byFile: map[*file]*mapDecl{}}
	for _, s := range sources {
		m, err := read(s)
		if err != nil {
			c.errs = append(c.errs, issue.All(err)...)
			continue
		}
		for _, other := range c.maps {
			if other.url == m.url {
				c.fail(m, 0, issue.Duplicate, "map-duplicate", "the map in %s has the same url; expected one of its own", other.file.name)
			}
		}
		names := map[string]*groupDecl{}
		for _, g := range m.groups {
			if names[g.name] != nil {
				c.fail(m, g.at, issue.Duplicate, "map-duplicate", "a group of this map is called %s already; expected another name", clip(g.name))
				continue
			}
			names[g.name] = g
		}
		constants := map[string]constantDecl{}
		for _, k := range m.constants {
			if _, has := constants[k.name]; has {
				c.fail(m, k.at, issue.Duplicate, "map-duplicate", "a constant of this map is called %s already; expected another name", clip(k.name))
			}
			constants[k.name] = k
		}
		c.groups[m], c.constants[m], c.byFile[m.file] = names, constants, m
		c.maps = append(c.maps, m)
	}
	if len(c.errs) > 0 {
		return nil, issue.Join(c.errs)
	}
	c.conceptMaps()
	set := &Set{}
	for _, m := range c.maps {
		set.maps = append(set.maps, c.compileMap(m))
	}
	if len(c.errs) > 0 {
		return nil, issue.Join(c.errs)
	}
	set.codes = c.codes
	for _, m := range set.maps {
		m.codes = c.codes
	}
	return set, nil
}

// read parses a map in either form.
func read(s Source) (*mapDecl, error) {
	if strings.HasPrefix(strings.TrimSpace(strings.TrimPrefix(s.Text, "\uFEFF")), "{") {
		return parseResource(s)
	}
	return parse(s)
}

// TypeByURL finds the type that a StructureDefinition URL names: of STU3 when the URL
// says so (http://hl7.org/fhir/3.0/StructureDefinition/…, the spelling of HL7's own
// maps), of R4 otherwise; nil when there is none. A profile's URL is not a type's.
func TypeByURL(url string) *fhir.Type {
	url, version, _ := strings.Cut(url, "|")
	rest, ok := strings.CutPrefix(url, "http://hl7.org/fhir/")
	if !ok {
		return nil
	}
	system := fhir.Types(fhir.R4)
	if after, ok := strings.CutPrefix(rest, "3.0/"); ok || strings.HasPrefix(version, "3.0") {
		system, rest = fhir.Types(fhir.STU3), after
		if !ok {
			rest = strings.TrimPrefix(url, "http://hl7.org/fhir/")
		}
	}
	rest = strings.TrimPrefix(rest, "4.0/")
	name, ok := strings.CutPrefix(rest, "StructureDefinition/")
	if !ok {
		return nil
	}
	return system.Type(name)
}

// compiler compiles maps; its errs hold every fault.
type compiler struct {
	env       Env
	maps      []*mapDecl
	codes     *terminology.Registry
	instances map[instanceKey]*group
	errs      []*issue.Error
	reported  map[string]bool
	inside    map[*groupDecl]int // depth of compilation, against groups that specialise without end
	rules     int                // compiled so far, against groups that specialise too often

	reach     map[*mapDecl][]*mapDecl
	groups    map[*mapDecl]map[string]*groupDecl
	constants map[*mapDecl]map[string]constantDecl
	byFile    map[*file]*mapDecl
}

// maxErrors is how many faults are reported: more than anyone reads at once.
const maxErrors = 200

type instanceKey struct {
	decl   *groupDecl
	shapes string
}

func (c *compiler) fail(m *mapDecl, at int, t issue.Type, rule, format string, args ...any) {
	if len(c.errs) >= maxErrors {
		return
	}
	e := m.file.fail(at, rule, format, args...)
	e.Type = t
	c.report(e)
}

func (c *compiler) report(e *issue.Error) {
	key := e.Details + "\n" + itoa(e.Line) + "\n" + itoa(e.Column)
	if c.reported[key] || len(c.errs) >= maxErrors {
		return // a group compiled for several types has its fault once
	}
	c.reported[key] = true
	c.errs = append(c.errs, e)
}

func (c *compiler) compileMap(m *mapDecl) *Map {
	out := &Map{URL: m.url, Name: m.name, File: m.file.name, text: m.file.text}
	for _, a := range m.about {
		if a.key == "version" {
			out.Version = a.value
		}
	}
	for _, u := range m.uses {
		if c.typeByURL(u.url) == nil {
			c.fail(m, u.at, issue.NotFound, "map-type", "no type has the url %s; expected the StructureDefinition of a type of R4 or STU3, such as http://hl7.org/fhir/StructureDefinition/Patient", clip(u.url))
		}
	}
	for _, i := range m.imports {
		if !strings.Contains(i.url, "*") && len(c.imported(m, i.url)) == 0 {
			c.fail(m, i.at, issue.NotFound, "map-import", "no map with the url %s is here; expected one of %s", clip(i.url), c.urls(m))
		}
	}
	for i, g := range m.groups {
		if i == 0 {
			shapes := make([]shape, len(g.params))
			out.entry = c.instance(g, shapes)
			continue
		}
		typed := true
		for _, p := range g.params {
			typed = typed && p.typ != ""
		}
		if typed {
			c.instance(g, make([]shape, len(g.params)))
		}
	}
	return out
}

// urls lists the other maps, for messages.
func (c *compiler) urls(m *mapDecl) string {
	var out []string
	for _, other := range c.maps {
		if other != m && len(out) < 20 {
			out = append(out, other.url)
		}
	}
	if len(out) == 0 {
		return "the maps that are compiled with it, and there are none"
	}
	return strings.Join(out, ", ")
}

func (c *compiler) typeByURL(url string) *fhir.Type {
	if c.env.Types != nil {
		if t := c.env.Types(url); t != nil {
			return t
		}
	}
	return TypeByURL(url)
}

// system is the type system of a map's sources or targets.
func (c *compiler) system(m *mapDecl, mode string) *fhir.System {
	for _, want := range []string{mode, map[string]string{"source": "queried", "target": "produced"}[mode]} {
		for _, u := range m.uses {
			if u.mode == want {
				if t := c.typeByURL(u.url); t != nil {
					return t.System()
				}
			}
		}
	}
	return fhir.Types(fhir.R4)
}

// typeNamed resolves an alias, or the name of a type, in a map.
func (c *compiler) typeNamed(m *mapDecl, mode, name string) *fhir.Type {
	for _, u := range m.uses {
		alias := u.alias
		if alias == "" {
			alias = path.Base(u.url)
		}
		side := map[string]string{"queried": "source", "produced": "target"}[u.mode]
		if alias == name && (u.mode == mode || side == mode) {
			if t := c.typeByURL(u.url); t != nil {
				return t
			}
		}
	}
	return c.system(m, mode).Type(name)
}
