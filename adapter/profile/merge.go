package profile

import (
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// compiler lays the definitions of one StructureDefinition over what its base says.
type compiler struct {
	profile  *Profile
	snapshot bool                      // the definitions are a snapshot: they repeat the standard
	lookup   func(url string) *Profile // other profiles; may be nil
	typeOf   func(url string) string   // of another profile, "" when it is not known
	found    []*issue.Error

	sources map[*element]*fhir.Node // the definition that an element was last said by
	within  map[string]string       // path to slice, for definitions that have no id
	refused map[string]bool         // ids below which nothing more is said
}

func (c *compiler) fail(t issue.Type, at *fhir.Node, format string, args ...any) *issue.Error {
	for i, a := range args {
		if text, ok := a.(string); ok {
			args[i] = clip(text)
		}
	}
	e := issue.Newf(t, clip(c.profile.id), format, args...)
	if at != nil {
		e = e.At(at.Path()).On(at.Position())
	}
	if len(c.found) < maxIssues {
		c.found = append(c.found, e)
	}
	return e
}

// identity is the id of an ElementDefinition, which tells slices apart
// ("identifier:nhsNumber"). One without an id, or with one of its own making, goes by
// its path and by the slices that were opened before it.
func (c *compiler) identity(d *fhir.Node) string {
	id, path, slice := d.Text("id"), d.Text("path"), d.Text("sliceName")
	if id != "" && (id == c.profile.Type || strings.HasPrefix(id, c.profile.Type+".")) {
		last := id[strings.LastIndexByte(id, '.')+1:]
		if slice != "" && !strings.Contains(last, ":") && last != slice {
			id += ":" + slice
		}
		return id
	}
	if c.within == nil {
		c.within = map[string]string{}
	}
	for open := range c.within {
		if open == path || !strings.HasPrefix(path, open+".") {
			delete(c.within, open)
		}
	}
	if slice != "" {
		c.within[path] = slice
	}
	parts := strings.Split(path, ".")
	if len(parts) > maxDepth {
		return path
	}
	var b strings.Builder
	for i, part := range parts {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(part)
		if s := c.within[strings.Join(parts[:i+1], ".")]; s != "" && s != part {
			b.WriteString(":" + s)
		}
	}
	return b.String()
}

// place finds or makes the element that an ElementDefinition is about.
func (c *compiler) place(d *fhir.Node) *element {
	id := c.identity(d)
	parts := strings.Split(id, ".")
	at := c.profile.root
	switch {
	case parts[0] != c.profile.Type:
		c.fail(issue.Invalid, d, "the path of an element of this profile starts with %s", c.profile.Type)
		return nil
	case len(parts) > maxDepth:
		c.fail(issue.TooCostly, d, "the path of an element has more than %d names", maxDepth)
		return nil
	}
	if len(c.refused) > 0 {
		for i := range len(id) + 1 {
			if (i == len(id) || id[i] == '.') && c.refused[id[:i]] {
				return nil
			}
		}
	}
	for _, part := range parts[1:] {
		name, slice, _ := strings.Cut(part, ":")
		if strings.ContainsAny(slice, "/:") {
			c.refuse(id)
			c.fail(issue.NotSupported, d, "slices of slices (%s) are not supported; make each of them a slice of its own", slice)
			return nil
		}
		parent := at
		if at = c.child(at, name, d); at == nil {
			c.refuse(id)
			return nil
		}
		if slice != "" && at.slice == "" {
			if m, ok := member(parent, slice); ok && at.of != nil && at.of.Choice && m.Element == at.of {
				at = at.typed(c.profile, m.Type, slice)
			} else {
				at = at.sliceNamed(slice)
			}
		}
	}
	return at
}

func (c *compiler) refuse(id string) {
	if c.refused == nil {
		c.refused = map[string]bool{}
	}
	c.refused[id] = true
}

// member finds a JSON name among the types of an element.
func member(parent *element, name string) (fhir.Member, bool) {
	for _, t := range parent.types {
		if m, ok := t.Member(name); ok {
			return m, true
		}
	}
	return fhir.Member{}, false
}

// child finds or makes the element of that name. valueQuantity is value[x] with one
// type (http://hl7.org/fhir/R4/profiling.html#slicing-by-type).
func (c *compiler) child(parent *element, name string, d *fhir.Node) *element {
	plain := strings.TrimSuffix(name, "[x]")
	var of *fhir.Element
	var only *fhir.Type
	for _, t := range parent.types {
		if of = t.Element(plain); of == nil {
			if m, ok := t.Member(name); ok {
				of, only, plain = m.Element, m.Type, m.Element.Name
			}
		}
		if of == nil {
			of = inherited(t, plain)
		}
		if of != nil {
			break
		}
	}
	if of == nil {
		c.fail(issue.Invalid, d, "there is no element %s in %s", name, parent.path)
		return nil
	}
	e := parent.childNamed(plain)
	if e == nil {
		e = &element{id: parent.id + "." + name, path: parent.path + "." + plain, name: plain, of: of, types: of.Types}
		if only != nil {
			e.id = parent.id + "." + plain + "[x]"
		}
		parent.children = append(parent.children, e)
	}
	if only != nil {
		return e.typed(c.profile, only, name)
	}
	return e
}

// inherited finds an element that any instance of an abstract type has.
func inherited(t *fhir.Type, name string) *fhir.Element {
	if !t.Abstract || t.Kind != fhir.Resource {
		return nil
	}
	return t.System().Type("Basic").Element(name)
}

// typed is the slice of a choice for one type.
func (e *element) typed(by *Profile, t *fhir.Type, name string) *element {
	s := e.sliceNamed(name)
	s.types, s.narrowed = []*fhir.Type{t}, by
	if e.slicing == nil {
		e.slicing, e.implied = by, true
		e.discriminates = []discriminator{{kind: "type", path: "$this"}}
	}
	return s
}

func (e *element) sliceNamed(name string) *element {
	if s := e.sliceCalled(name); s != nil {
		return s
	}
	s := &element{id: e.id + ":" + name, path: e.path, name: e.name, of: e.of, types: e.types, slice: name}
	e.slices = append(e.slices, s)
	switch {
	case e.named != nil:
		e.named[name] = s
	case len(e.slices) > 16:
		e.named = make(map[string]*element, 2*len(e.slices))
		for _, s := range e.slices {
			e.named[s.slice] = s
		}
	}
	return s
}

// element lays one ElementDefinition over its place.
func (c *compiler) element(d *fhir.Node) {
	e := c.place(d)
	if e == nil {
		return
	}
	p := c.profile
	if c.sources == nil {
		c.sources = map[*element]*fhir.Node{}
	}
	c.sources[e] = d
	if e != p.root {
		c.cardinality(e, d)
	} else if d.Child("isModifier") != nil {
		p.modifier = d.Text("isModifier") == "true"
	}
	if x := d.Child("fixed"); x != nil && c.sameType(e, x) {
		e.fixed, e.fixes = x.Clone(), p
	}
	if x := d.Child("pattern"); x != nil && c.sameType(e, x) {
		e.pattern, e.patterns = x.Clone(), p
	}
	if m := d.Child("maxLength"); m != nil {
		if n, err := strconv.Atoi(m.Value); err == nil && n > 0 {
			e.maxLength = count{n, p}
		} else {
			c.fail(issue.Invalid, m, "maxLength is a number above zero")
		}
	}
	if x := d.Child("minValue"); x != nil {
		e.least = c.limit(x, "$this < %limit")
	}
	if x := d.Child("maxValue"); x != nil {
		e.most = c.limit(x, "$this > %limit")
	}
	if d.Text("mustSupport") == "true" {
		e.mustSupport = p
	}
	if b := d.Child("binding"); b != nil && b.Text("valueSet") != "" {
		c.bind(e, b)
	}
	c.typesOf(e, d)
	if s := d.Child("slicing"); s != nil {
		c.slicing(e, s)
	}
	for _, k := range d.All("constraint") {
		c.constraint(e, k)
	}
}
