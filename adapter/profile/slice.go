package profile

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// discriminator tells to which slice an element belongs.
// Source: http://hl7.org/fhir/R4/profiling.html#discriminator.
type discriminator struct {
	kind   string // value, pattern, exists, type
	path   string
	names  []string   // path taken apart, nil for $this
	source *fhir.Node // the definition, for messages
}

// expectation is what one slice says at the path of one discriminator.
type expectation struct {
	discriminator *discriminator
	value         *fhir.Node // fixed or pattern value
	exact         bool       // fixed
	binding       *binding
	types         []*fhir.Type
	present       bool
}

// discriminators compiles the paths of every slicing below e and makes sure that each
// slice says what a discriminator asks for, so that no slice can silently match nothing.
func (c *compiler) discriminators(e *element) {
	if len(e.slices) > 0 && len(e.discriminates) == 0 {
		if e.name == "extension" || e.name == "modifierExtension" {
			// extensions are sliced by url unless a profile says otherwise
			e.slicing, e.discriminates = true, []*discriminator{{kind: "value", path: "url"}}
		} else if base := c.inherited(e); base != nil {
			e.slicing, e.closed, e.discriminates = true, base.closed, base.discriminates
		} else {
			c.fail(issue.Invalid, nil, "%s has slices and no discriminator", e.id)
		}
	}
	for _, d := range e.discriminates {
		c.path(d)
	}
	for _, s := range e.slices {
		for _, d := range e.discriminates {
			x, ok := s.expects(d)
			if base := c.inherited(e); !ok && base != nil {
				// a slice of the base profile, of which this one says more
				for _, b := range base.slices {
					if b.slice == s.slice {
						x, ok = b.expects(d)
					}
				}
			}
			if !ok {
				c.fail(issue.Invalid, d.source, "the slice %s says nothing at %s, by which slices are told apart", s.id, d.path)
			}
			s.expected = append(s.expected, x)
		}
		c.discriminators(s)
	}
	for _, child := range e.children {
		c.discriminators(child)
	}
}

// inherited is the element of a base profile that says how e is sliced.
func (c *compiler) inherited(e *element) *element {
	for p := c.profile.base; p != nil; p = p.base {
		at := p.root
		for _, name := range strings.Split(e.path, ".")[1:] {
			if at = at.childNamed(name); at == nil {
				break
			}
		}
		if at != nil && len(at.discriminates) > 0 {
			return at
		}
	}
	return nil
}

func (c *compiler) path(d *discriminator) {
	switch d.kind {
	case "value", "pattern", "exists", "type":
	default:
		c.fail(issue.NotSupported, d.source, "slicing by %s is not supported: use value, pattern, exists or type", d.kind)
	}
	if strings.ContainsAny(d.path, "() ") {
		c.fail(issue.NotSupported, d.source, "the path of a discriminator must be names of elements with dots, or $this")
	}
	if d.path != "$this" && d.path != "" {
		d.names = strings.Split(d.path, ".")
	}
}

// expects is what slice s says at a discriminator's path: its own fixed or pattern
// value there, or that part of one stated further up.
func (s *element) expects(d *discriminator) (expectation, bool) {
	x := expectation{discriminator: d}
	at := s.find(&x, d.names, nil)
	switch d.kind {
	case "exists":
		x.present = at != nil && at.max != 0
		return x, at != nil && (at.min > 0 || at.max == 0)
	case "type":
		if at != nil {
			x.types = at.types
		}
		return x, len(x.types) > 0
	}
	if x.value == nil && at != nil && at.binding != nil && at.binding.strength == "required" {
		x.binding = at.binding
		return x, true
	}
	if x.value == nil && d.path == "url" {
		// the url of a profiled extension is the canonical of its definition; that of an
		// extension inside another is, by the custom of all editors, the name of the slice
		url := s.slice
		if len(s.profiles) == 1 {
			url, _, _ = strings.Cut(s.profiles[0], "|")
		} else if !strings.HasSuffix(s.path, "extension.extension") {
			return x, false
		}
		x.value, x.exact = fhir.NewPrimitive(fhir.Types(fhir.R4).Type("uri"), url), true
	}
	return x, x.value != nil
}

// find follows names below e and notes the fixed or pattern value at the end, whether
// stated there or, as value, further up. Where an element on the way is sliced itself,
// the first of its slices that states a value counts. The element at the end is nil
// when the profile does not mention it.
func (e *element) find(x *expectation, names []string, value *fhir.Node) *element {
	if e.fixed != nil {
		value, x.exact = e.fixed, true
	} else if e.pattern != nil {
		value, x.exact = e.pattern, false
	}
	if len(names) == 0 {
		x.value = value
		return e
	}
	child := e.childNamed(names[0])
	if child == nil {
		for _, name := range names {
			value = value.Child(name)
		}
		x.value = value
		return nil
	}
	at := child.find(x, names[1:], value.Child(names[0]))
	for _, s := range child.slices {
		if x.value == nil {
			s.find(x, names[1:], nil)
		}
	}
	return at
}

func (e *element) childNamed(name string) *element {
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// sliceOf is the slice n belongs to, nil when to none.
func (v *validator) sliceOf(e *element, n *fhir.Node) *element {
next:
	for _, s := range e.slices {
		for i := range s.expected {
			if x := &s.expected[i]; v.meets(x, n, x.discriminator.names) != (x.discriminator.kind != "exists" || x.present) {
				continue next
			}
		}
		return s
	}
	return nil
}

// meets reports whether anything at the end of the path below n is as the slice
// expects; for exists, whether there is anything.
func (v *validator) meets(x *expectation, n *fhir.Node, names []string) bool {
	if len(names) > 0 {
		for _, c := range n.Children {
			if c.ElementName() == names[0] && v.meets(x, c, names[1:]) {
				return true
			}
		}
		return false
	}
	switch {
	case x.discriminator.kind == "exists":
		return true
	case x.discriminator.kind == "type":
		return slices.ContainsFunc(x.types, func(t *fhir.Type) bool { return n.Type != nil && n.Type.Is(t.Name) })
	case x.value != nil && x.exact:
		return equal(x.value, n)
	case x.value != nil:
		return matches(x.value, n)
	}
	if v.profile.env.ValidateCode == nil {
		return false
	}
	ok, _ := anyCoding(n, func(c *fhir.Node) (bool, bool) { return v.profile.env.ValidateCode(x.binding.valueSet, c) })
	return ok
}
