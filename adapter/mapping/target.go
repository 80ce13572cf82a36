package mapping

import (
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// target is one compiled target of a rule.
type target struct {
	context int      // slot of what is written to, -1 for a bare transform
	path    []string // elements between the context and the one written to
	name    string   // the element written to, "" for the context itself
	element *fhir.Element
	kind    targetKind
	value   producer
	create  *fhir.Type
	groups  map[*fhir.Type]defaultCall // by type of the source, for the short form
	slot    int                        // where the alias lies, -1 for none
	list    string
	share   string
	names   []string // JSON names, in the order of element.Types
	code    bool     // a required code: the value is checked
}

type targetKind uint8

const (
	assign targetKind = iota // = transform
	create                   // = create(…), or no transform
	alias                    // the context under another name
)

type defaultCall struct {
	group *group
	to    *fhir.Type
}

// made is a value for a target. What is not fresh is copied: it belongs to a source.
type made struct {
	node  *fhir.Node
	fresh bool
}

// producer appends the values of a transform.
type producer func(r *run, f int, ru *rule, out []made) []made

func (c *compiler) target(s *scope, rd *ruleDecl, d *targetDecl) (target, bool) {
	owner := s.group.owner
	t := target{context: -1, slot: -1, list: d.list, share: d.share}
	var v variable
	var elements []*fhir.Element
	var types shape
	if d.context != "" {
		var ok bool
		if v, ok = s.find(d.context); !ok {
			c.unknownVariable(s, d.context, d.at)
			return t, false
		}
		if !v.target {
			c.fail(owner, d.at, issue.Structure, "map-target", "%s is a source, and a rule writes to targets; expected one of %s", d.context, s.targets())
			return t, false
		}
		t.context = v.slot
		types = v.shape
		for i, name := range d.elements {
			var self, found bool
			at := types
			elements, types, self, found = at.elements(name)
			if !found {
				c.fail(owner, d.at, issue.Structure, "map-element", "%s has no element %s; expected one of %s", at, clip(name), at.names())
				return t, false
			}
			if i < len(d.elements)-1 {
				t.path = append(t.path, name)
			} else if !self {
				t.name = name
			}
		}
	}
	if len(elements) == 1 && t.name == elements[0].Name {
		t.element = elements[0]
		t.code = t.element.Codes != nil
		for _, et := range t.element.Types {
			t.names = append(t.names, t.element.JSONName(et))
		}
	}
	made := types // the shape of what the alias will hold
	switch {
	case d.transform == "" && t.name == "" && d.context != "":
		t.kind = alias
	case d.short(rd):
		from := s.sources[rd.sources[0]]
		t.kind = assign
		t.value = copySlot(from.slot, from.target)
		c.short(s, &t, from, types, d)
		c.repeats(s, &t, v, from, d)
	case d.transform == "" || d.transform == "create":
		t.kind = create
		made = c.creation(s, &t, types, d)
		var most variable
		for _, from := range s.sources {
			if from.repeats > most.repeats {
				most = from
			}
		}
		c.repeats(s, &t, v, most, d)
	default:
		t.kind = assign
		var from variable
		var produced shape
		t.value, produced, from = c.transform(s, &t, types, d)
		if t.value == nil {
			return t, false
		}
		c.fit(s, &t, types, produced, d)
		c.repeats(s, &t, v, from, d)
		if len(types) == 0 || len(types) > 1 || t.context < 0 {
			made = produced
		}
	}
	t.slot = s.bind(d.alias, variable{shape: made, target: true})
	return t, true
}

// short reports whether a target is of the short form src.a -> tgt.b, in which the types
// say how the value is mapped. As in the HL7 implementation, names on both sides of a
// rule that does nothing more change nothing.
func (d *targetDecl) short(rd *ruleDecl) bool {
	if d.transform != "" || len(d.elements) == 0 || rd.then {
		return false
	}
	return d.alias == "" || len(rd.sources) == 1 && len(rd.targets) == 1 && rd.sources[0].alias != ""
}

// short prepares the short form src.a -> tgt.b: the default group of the types, or a
// copy where the value can stand as it is.
func (c *compiler) short(s *scope, t *target, from variable, to shape, d *targetDecl) {
	for _, ft := range from.shape {
		g, tt := c.defaultGroup(s.group.owner, ft, to)
		if g == nil {
			continue
		}
		if t.groups == nil {
			t.groups = map[*fhir.Type]defaultCall{}
		}
		t.groups[ft] = defaultCall{c.instance(g, []shape{{ft}, {tt}}), tt}
	}
	for _, ft := range from.shape {
		if _, has := t.groups[ft]; !has {
			c.fit(s, t, to, shape{ft}, d)
		}
	}
}

// fit refuses a value that the element cannot hold.
func (c *compiler) fit(s *scope, t *target, to, from shape, d *targetDecl) {
	if t.element == nil && len(to) != 1 || len(from) == 0 || t.context < 0 {
		return
	}
	e := t.element
	if e == nil {
		e = &fhir.Element{Types: to}
	}
	for _, ft := range from {
		if fits(ft, e) == nil {
			c.fail(s.group.owner, d.at, issue.Structure, "map-fit", "%s cannot hold %s; expected %s", d.path(), ft.Name, shape(e.Types))
			return
		}
	}
}

// repeats refuses a list that is copied to where one value goes.
func (c *compiler) repeats(s *scope, t *target, to, from variable, d *targetDecl) {
	if t.element == nil || t.element.List || from.repeats <= to.depth || t.name == "" {
		return
	}
	c.fail(s.group.owner, d.at, issue.Structure, "map-list", "the source repeats and %s holds one value; expected first, last, only_one or where in the source", d.path())
}

func (d *targetDecl) path() string {
	out := d.context
	for _, e := range d.elements {
		out += "." + e
	}
	return out
}

// creation finds the type of a new element and gives its shape.
func (c *compiler) creation(s *scope, t *target, types shape, d *targetDecl) shape {
	owner := s.group.owner
	if len(d.params) > 0 {
		t.create = c.typeNamed(owner, "target", d.params[0].value)
		switch {
		case t.create == nil || t.create.Abstract:
			c.fail(owner, d.params[0].at, issue.NotFound, "map-type", "no type that can be created is called %s; expected the name of a type or an alias of a uses line", clip(d.params[0].value))
			return nil
		case t.element != nil && fits(t.create, t.element) == nil:
			c.fail(owner, d.params[0].at, issue.Structure, "map-fit", "%s cannot hold %s; expected %s", d.path(), t.create.Name, shape(t.element.Types))
		}
		return shape{t.create}
	}
	if t.context < 0 {
		c.fail(owner, d.at, issue.Structure, "map-create", "expected the name of a type in create, which has no element to tell it")
		return nil
	}
	switch {
	case len(types) == 1:
		t.create = types[0]
	case t.element != nil:
		c.fail(owner, d.at, issue.Structure, "map-create", "%s can be of several types; expected create('…') with one of %s", d.path(), shape(t.element.Types))
	}
	return types
}

// run writes the target for the elements that the rule is at.
func (t *target) run(r *run, f int, ru *rule) {
	r.stack[f+t.slot], r.match = nil, nil
	var parent *fhir.Node
	if t.context >= 0 {
		if parent = r.stack[f+t.context]; parent == nil {
			return
		}
		if len(t.path) > 0 {
			parent = r.descend(parent, t.path, ru)
		}
	}
	switch t.kind {
	case alias:
		r.stack[f+t.slot] = parent
		return
	case create:
		n := t.made(r, ru, parent)
		r.stack[f+t.slot] = n
		if r.tracing && n != nil {
			r.step(f, ru, n)
		}
		return
	}
	values := t.value(r, f, ru, r.scratch[:0])
	for _, m := range values {
		var n *fhir.Node
		switch {
		case parent == nil:
			n = m.node
		case t.name == "":
			n = r.become(ru, parent, m)
		default:
			if call, ok := t.groups[m.node.Type]; ok {
				n = t.viaGroup(r, ru, parent, m.node, call)
			} else {
				n = t.put(r, ru, parent, m)
			}
		}
		if n == nil {
			continue
		}
		r.stack[f+t.slot] = n
		if r.tracing && parent != nil {
			r.step(f, ru, n)
		}
	}
	r.scratch = values[:0]
}

// viaGroup maps a value with the default group of its type.
func (t *target) viaGroup(r *run, ru *rule, parent, from *fhir.Node, call defaultCall) *fhir.Node {
	n := fhir.New(call.to)
	if n = t.put(r, ru, parent, made{n, true}); n == nil {
		return nil
	}
	r.created = append(r.created, n)
	scratch := r.scratch
	r.scratch = nil // the group uses its own
	base := r.push(call.group.slots)
	r.stack[base], r.stack[base+1] = from, n
	call.group.run(r, base)
	r.pop(base)
	r.scratch = scratch
	return n
}

// made creates the element, or finds the one that is to be used again.
func (t *target) made(r *run, ru *rule, parent *fhir.Node) *fhir.Node {
	if parent == nil {
		n := fhir.New(t.create)
		r.created = append(r.created, n)
		return n
	}
	typ, list := t.create, t.element != nil && t.element.List
	if t.element == nil {
		e := elementOf(parent, t.name)
		if e == nil {
			r.fail(ru.issue(issue.Structure, "map-element", "the target has no element %s", t.name), nil)
			return nil
		}
		list = e.List
		if typ == nil {
			if len(e.Types) != 1 || e.Types[0].Abstract {
				r.fail(ru.issue(issue.Structure, "map-create", "%s can be of several types; say which with create('…')", t.name), nil)
				return nil
			}
			typ = e.Types[0]
		}
	}
	if t.list == "share" {
		if n := r.shared[shareKey{parent, t.share}]; n != nil {
			return n
		}
	}
	if !list || t.list == "single" || t.list == "collate" {
		if n := parent.Child(t.name); n != nil {
			if n.Type == typ {
				return n
			}
			r.fail(ru.issue(issue.Structure, "map-twice", "%s has a value of another type already", t.name), nil)
			return nil
		}
	}
	n := t.put(r, ru, parent, made{fhir.New(typ), true})
	if n == nil {
		return nil
	}
	r.created = append(r.created, n)
	if t.list == "share" {
		if r.shared == nil {
			r.shared = map[shareKey]*fhir.Node{}
		}
		r.shared[shareKey{parent, t.share}] = n
	}
	return n
}
