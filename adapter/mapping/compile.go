package mapping

import (
	"path"
	"slices"
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

// imported lists the maps that an import names; '*' stands for any text.
func (c *compiler) imported(m *mapDecl, pattern string) []*mapDecl {
	before, after, wild := strings.Cut(pattern, "*")
	var out []*mapDecl
	for _, other := range c.maps {
		if other == m {
			continue
		}
		if other.url == pattern || wild && len(other.url) >= len(before)+len(after) && strings.HasPrefix(other.url, before) && strings.HasSuffix(other.url, after) {
			out = append(out, other)
		}
	}
	return out
}

// reachable is m and every map it imports, directly or not, nearest first.
func (c *compiler) reachable(m *mapDecl) []*mapDecl {
	if out := c.reach[m]; out != nil {
		return out
	}
	out := []*mapDecl{m}
	for i := 0; i < len(out); i++ {
		for _, imp := range out[i].imports {
			for _, other := range c.imported(out[i], imp.url) {
				if !slices.Contains(out, other) {
					out = append(out, other)
				}
			}
		}
	}
	c.reach[m] = out
	return out
}

func (c *compiler) groupNamed(m *mapDecl, name string) *groupDecl {
	for _, other := range c.reachable(m) {
		if g := c.groups[other][name]; g != nil {
			return g
		}
	}
	return nil
}

// groupNames lists the groups that a map can call, for messages.
func (c *compiler) groupNames(m *mapDecl) string {
	var out []string
	for _, other := range c.reachable(m) {
		for name := range c.groups[other] {
			out = append(out, clip(name))
		}
	}
	slices.Sort(out)
	if len(out) > 30 {
		out = append(out[:30], "…")
	}
	return strings.Join(out, ", ")
}

// defaultGroup finds the group that maps a source type by default: to one of the target
// types, or, for <<type+>>, to the type that the group itself states. Where none maps an
// Age, one that maps a Quantity does.
// Source: http://hl7.org/fhir/R4/mapping-language.html, "Default Mapping Groups".
func (c *compiler) defaultGroup(m *mapDecl, from *fhir.Type, to shape) (*groupDecl, *fhir.Type) {
	for at := from; at != nil && !at.Abstract; at = at.Base {
		if g, t := c.defaultFor(m, at, to); g != nil {
			return g, t
		}
		if at.Kind == fhir.Primitive {
			break // a code is more than its string
		}
	}
	return nil, nil
}

func (c *compiler) defaultFor(m *mapDecl, from *fhir.Type, to shape) (*groupDecl, *fhir.Type) {
	for _, other := range c.reachable(m) {
		for _, g := range other.groups {
			if g.mode == "" || len(g.params) != 2 {
				continue
			}
			s := c.typeNamed(g.owner, "source", g.params[0].typ)
			t := c.typeNamed(g.owner, "target", g.params[1].typ)
			if s == nil || t == nil || s != from {
				continue
			}
			if len(to) == 0 && g.mode == "type+" {
				return g, t
			}
			for _, want := range to {
				if want.System() == t.System() && (want.Name == t.Name || want.Kind != fhir.Primitive && want.Is(t.Name)) {
					return g, want
				}
			}
		}
	}
	return nil, nil
}

// constantIn is a constant with the file it is written in.
type constantIn struct {
	constantDecl
	file *file
}

// constant finds a constant of a file's map, or of those it imports.
func (c *compiler) constant(f *file, name string) (constantIn, bool) {
	if c.byFile[f] == nil {
		return constantIn{}, false
	}
	for _, other := range c.reachable(c.byFile[f]) {
		if k, ok := c.constants[other][name]; ok {
			return constantIn{k, other.file}, true
		}
	}
	return constantIn{}, false
}

// conceptMaps loads the embedded concept maps under <url of the map>#<id>.
func (c *compiler) conceptMaps() {
	var nodes []*fhir.Node
	codes := c.env.Terminology
	load := func(m *mapDecl, n *fhir.Node, at int) {
		id := n.Text("id")
		n.Set("url", m.url+"#"+id)
		if _, err := codes.With(n); err != nil {
			for _, e := range issue.All(err) {
				c.fail(m, at, e.Type, "map-conceptmap", "the concept map %s cannot be used: %s", clip(id), e.Details)
			}
			return
		}
		nodes = append(nodes, n)
	}
	for _, m := range c.maps {
		ids := map[string]bool{}
		for _, d := range m.conceptMaps {
			if ids[d.id] {
				c.fail(m, d.at, issue.Duplicate, "map-duplicate", "a concept map of this map is called %s already; expected another id", clip(d.id))
				continue
			}
			ids[d.id] = true
			load(m, d.resource(), d.at)
		}
		for _, inner := range m.contained {
			line, column := inner.Position()
			load(m, inner.Clone(), m.file.starts[line-1]+column-1)
		}
	}
	var err error
	if c.codes, err = codes.With(nodes...); err != nil {
		for _, e := range issue.All(err) {
			c.fail(c.maps[0], 0, e.Type, "map-conceptmap", "the concept maps cannot be used together: %s", e.Details)
		}
	}
}
