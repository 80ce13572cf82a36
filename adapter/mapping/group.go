package mapping

import (
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// group is one compiled group: compiled once for each combination of types that it is
// called with, so that untyped parameters are checked too.
type group struct {
	name   string
	file   *file
	url    string // of its map
	params []param
	slots  int
	parent *group // extends
	rules  []*rule
}

type param struct {
	name   string
	target bool
	shape  shape
}

// instance compiles a group for arguments of those shapes, or finds it compiled.
func (c *compiler) instance(d *groupDecl, args []shape) *group {
	shapes := make([]shape, len(d.params))
	var key strings.Builder
	for i, p := range d.params {
		shapes[i] = c.paramShape(d, p, args[i])
		key.WriteString(shapes[i].key() + ";")
	}
	k := instanceKey{d, key.String()}
	if g := c.instances[k]; g != nil {
		return g
	}
	g := &group{name: d.name, file: d.owner.file, url: d.owner.url}
	c.instances[k] = g
	gs := &groupScope{owner: d.owner, decl: d}
	s := &scope{names: map[string]variable{}, group: gs}
	for i, p := range d.params {
		if _, twice := s.names[p.name]; twice {
			c.fail(d.owner, p.at, issue.Structure, "map-variable", "two parameters have the name %s", p.name)
		}
		s.bind(p.name, variable{shape: shapes[i], target: p.mode == "target"})
		g.params = append(g.params, param{p.name, p.mode == "target", shapes[i]})
	}
	if d.extends != "" {
		parent := c.groupNamed(d.owner, d.extends)
		switch {
		case parent == nil:
			c.fail(d.owner, d.at, issue.NotFound, "map-group", "no group is called %s, which this group extends", d.extends)
		case len(parent.params) != len(d.params):
			c.fail(d.owner, d.at, issue.Structure, "map-group", "a group and the group it extends have the same parameters; %s has %d", d.extends, len(parent.params))
		default:
			g.parent = c.instance(parent, shapes)
		}
	}
	for _, r := range d.rules {
		g.rules = append(g.rules, c.rule(s, r))
	}
	g.slots = gs.slots
	return g
}

// paramShape is what a parameter can hold: the stated type, or the argument's own type
// where that is the more specific one.
func (c *compiler) paramShape(d *groupDecl, p paramDecl, arg shape) shape {
	if p.typ == "" {
		return arg
	}
	t := c.typeNamed(d.owner, p.mode, p.typ)
	if t == nil {
		c.fail(d.owner, p.at, issue.NotFound, "map-type", "no type is called %s here; name it in a uses line", p.typ)
		return nil
	}
	if len(arg) == 0 {
		return shapeOf([]*fhir.Type{t})
	}
	var fit shape
	for _, a := range arg {
		if a.Is(t.Name) && (a.System() == t.System() || t.Abstract) {
			fit = append(fit, a)
		}
	}
	if len(fit) == 0 {
		return shapeOf([]*fhir.Type{t}) // the caller reports it
	}
	return fit
}

// call compiles a call of a group from the scope of a rule.
func (c *compiler) call(s *scope, d *callDecl) *call {
	owner := s.group.owner
	g := c.groupNamed(owner, d.group)
	if g == nil {
		c.fail(owner, d.at, issue.NotFound, "map-group", "no group is called %s, here or in the imported maps", d.group)
		return nil
	}
	if len(d.args) != len(g.params) {
		c.fail(owner, d.at, issue.Structure, "map-call", "the group %s has %d parameters and is called with %d", d.group, len(g.params), len(d.args))
		return nil
	}
	out := &call{}
	shapes := make([]shape, len(d.args))
	for i, a := range d.args {
		if a.kind != variableParam {
			if g.params[i].mode == "target" {
				c.fail(owner, a.at, issue.Structure, "map-call", "the parameter %s of %s is a target: it takes a variable", g.params[i].name, d.group)
				return nil
			}
			n := literal(a)
			if n == nil {
				c.fail(owner, a.at, issue.NotSupported, "map-call", "a group takes variables and literals, no expressions; bind it with 'as' first")
				return nil
			}
			out.args = append(out.args, arg{slot: -1, literal: n})
			shapes[i] = shape{n.Type}
			continue
		}
		v, ok := s.find(a.value)
		if !ok {
			c.unknownVariable(s, a.value, a.at)
			return nil
		}
		if v.target != (g.params[i].mode == "target") && g.params[i].mode == "target" {
			c.fail(owner, a.at, issue.Structure, "map-call", "%s is a source, and the parameter %s of %s a target", a.value, g.params[i].name, d.group)
			return nil
		}
		if p := g.params[i]; p.typ != "" && len(v.shape) > 0 {
			if t := c.typeNamed(g.owner, p.mode, p.typ); t != nil && !t.Abstract {
				fit := false
				for _, vt := range v.shape {
					fit = fit || vt.Is(t.Name)
				}
				if !fit {
					c.fail(owner, a.at, issue.Structure, "map-call", "%s is %s, and the parameter %s of %s is %s", a.value, v.shape, p.name, d.group, p.typ)
					return nil
				}
			}
		}
		out.args = append(out.args, arg{slot: v.slot})
		shapes[i] = v.shape
	}
	if c.inside == nil {
		c.inside = map[*groupDecl]int{}
	}
	if c.inside[g] > 32 {
		shapes = make([]shape, len(shapes)) // give up following types that never repeat
	}
	c.inside[g]++
	out.group = c.instance(g, shapes)
	c.inside[g]--
	return out
}

func (c *compiler) unknownVariable(s *scope, name string, at int) {
	c.fail(s.group.owner, at, issue.Structure, "map-variable", "no variable is called %s here; expected one of %s", name, s.visible())
}

// literal makes the element of a literal, nil for what is none.
func literal(p paramValue) *fhir.Node {
	types := fhir.Types(fhir.R4)
	switch p.kind {
	case textParam:
		return fhir.NewPrimitive(types.Type("string"), p.value)
	case booleanParam:
		return fhir.NewPrimitive(types.Type("boolean"), p.value)
	case numberParam:
		if strings.Contains(p.value, ".") {
			return fhir.NewPrimitive(types.Type("decimal"), p.value)
		}
		return fhir.NewPrimitive(types.Type("integer"), p.value)
	}
	return nil
}
