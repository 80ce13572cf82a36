package mapping

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
)

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
