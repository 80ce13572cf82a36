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
			c.fail(d.owner, p.at, issue.Structure, "map-variable", "two parameters have the name %s; expected another", clip(p.name))
		}
		s.bind(p.name, variable{shape: shapes[i], target: p.mode == "target"})
		g.params = append(g.params, param{p.name, p.mode == "target", shapes[i]})
	}
	if d.extends != "" {
		parent := c.groupNamed(d.owner, d.extends)
		switch {
		case parent == nil:
			c.fail(d.owner, d.extendsAt, issue.NotFound, "map-group", "no group is called %s, which this group extends; expected one of %s", clip(d.extends), c.groupNames(d.owner))
		case len(parent.params) != len(d.params):
			c.fail(d.owner, d.extendsAt, issue.Structure, "map-group", "a group and the group it extends have the same parameters; expected %d, as %s has", len(parent.params), clip(d.extends))
		case c.extendsItself(d):
			c.fail(d.owner, d.extendsAt, issue.Structure, "map-group", "the group %s extends itself through %s; expected a group that does not", clip(d.name), clip(d.extends))
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

// extendsItself reports whether the groups that d extends lead to a group twice.
func (c *compiler) extendsItself(d *groupDecl) bool {
	seen := map[*groupDecl]bool{}
	for ; d != nil; d = c.groupNamed(d.owner, d.extends) {
		if seen[d] {
			return true
		}
		if seen[d] = true; d.extends == "" {
			break
		}
	}
	return false
}

// paramShape is what a parameter can hold: the stated type, or the argument's own type
// where that is the more specific one.
func (c *compiler) paramShape(d *groupDecl, p paramDecl, arg shape) shape {
	if p.typ == "" {
		return arg
	}
	t := c.typeNamed(d.owner, p.mode, p.typ)
	if t == nil {
		c.fail(d.owner, p.at, issue.NotFound, "map-type", "no type is called %s here; expected the name of a type or an alias of a uses line", clip(p.typ))
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
		c.fail(owner, d.at, issue.NotFound, "map-group", "no group is called %s, here or in the imported maps; expected one of %s", clip(d.group), c.groupNames(owner))
		return nil
	}
	if len(d.args) != len(g.params) {
		c.fail(owner, d.at, issue.Structure, "map-call", "the group %s is called with %d parameters; expected %d", clip(d.group), len(d.args), len(g.params))
		return nil
	}
	out := &call{}
	shapes := make([]shape, len(d.args))
	for i, a := range d.args {
		if a.kind != variableParam {
			if g.params[i].mode == "target" {
				c.fail(owner, a.at, issue.Structure, "map-call", "the parameter %s of %s is a target; expected a variable", g.params[i].name, d.group)
				return nil
			}
			n := literal(a)
			if n == nil {
				c.fail(owner, a.at, issue.NotSupported, "map-call", "a group takes no expressions; expected a variable or a literal: bind it with 'as' first")
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
			c.fail(owner, a.at, issue.Structure, "map-call", "%s is a source; expected a target for the parameter %s of %s", a.value, g.params[i].name, d.group)
			return nil
		}
		if p := g.params[i]; p.typ != "" && len(v.shape) > 0 {
			if t := c.typeNamed(g.owner, p.mode, p.typ); t != nil && !t.Abstract {
				fit := false
				for _, vt := range v.shape {
					fit = fit || vt.Is(t.Name)
				}
				if !fit {
					c.fail(owner, a.at, issue.Structure, "map-call", "%s is %s; expected %s, as the parameter %s of %s is", a.value, v.shape, p.typ, p.name, d.group)
					return nil
				}
			}
		}
		out.args = append(out.args, arg{slot: v.slot})
		shapes[i] = v.shape
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
	c.fail(s.group.owner, at, issue.Structure, "map-variable", "no variable is called %s here; expected one of %s", clip(name), s.visible())
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
