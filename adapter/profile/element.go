package profile

import (
	"math"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
	"spadapter/adapter/issue"
)

const (
	unset     = -1
	unlimited = math.MaxInt
)

// element is one compiled ElementDefinition: what a profile says of an element. An
// element on the way to another, of which it says nothing, has one too.
type element struct {
	id   string // "Patient.identifier:nhsNumber.system"
	path string // "Patient.identifier.system", in the words of the standard
	name string // "identifier"; "value" for value[x]
	list bool   // it may repeat in the base standard

	min, max int
	types    []*fhir.Type // the types it may have here: the base's, or fewer
	narrowed bool         // types says less than the base
	profiles []string     // of its types; the node must conform to one
	targets  []string     // resource types a Reference may lead to, nil when any
	fixed    *fhir.Node
	pattern  *fhir.Node
	binding  *binding
	rules    []*constraint
	children []*element

	slice         string // name of the slice, "" for the element itself
	slicing       bool
	closed        bool
	discriminates []*discriminator
	slices        []*element
	expected      []expectation // of a slice: what its siblings are told apart by
}

type binding struct{ strength, valueSet string }

// constraint is one ElementDefinition.constraint.
type constraint struct {
	key, human string
	severity   issue.Severity
	test       *fhirpath.Expression
}

type compiler struct {
	profile *Profile
	found   []*issue.Error
}

func (c *compiler) fail(t issue.Type, at *fhir.Node, format string, args ...any) {
	e := issue.Newf(t, c.profile.id, format, args...)
	if at != nil {
		e = e.At(at.Path()).On(at.Position())
	}
	c.found = append(c.found, e)
}

// place finds or makes the element that an ElementDefinition is about. The id tells
// slices apart ("identifier:nhsNumber"); a definition without one goes by its path and
// sliceName.
func (c *compiler) place(d *fhir.Node) *element {
	id := d.Text("id")
	if id == "" {
		if id = d.Text("path"); d.Child("sliceName") != nil {
			id += ":" + d.Text("sliceName")
		}
	}
	parts := strings.Split(id, ".")
	at := c.profile.root
	if parts[0] != c.profile.Type {
		c.fail(issue.Invalid, d, "the path of an element of this profile starts with %s", c.profile.Type)
		return nil
	}
	for _, part := range parts[1:] {
		name, slice, _ := strings.Cut(part, ":")
		if at = c.child(at, name, d); at == nil {
			return nil
		}
		if slice != "" {
			at = at.sliceNamed(slice)
		}
	}
	return at
}

// child finds or makes the element of that name. valueQuantity is value[x] with one
// type (http://hl7.org/fhir/R4/profiling.html#slicing-by-type).
func (c *compiler) child(parent *element, name string, d *fhir.Node) *element {
	standard := strings.TrimSuffix(name, "[x]")
	var of *fhir.Element
	var only *fhir.Type
	for _, t := range parent.types {
		if of = t.Element(standard); of == nil {
			if m, ok := t.Member(name); ok {
				of, only, standard = m.Element, m.Type, m.Element.Name
			}
		}
		if of != nil {
			break
		}
	}
	if of == nil {
		c.fail(issue.Invalid, d, "there is no element %s in %s", name, parent.path)
		return nil
	}
	for _, have := range parent.children {
		if have.name == standard {
			if only != nil {
				return have.typed(only, name)
			}
			return have
		}
	}
	e := &element{id: parent.id + "." + name, path: parent.path + "." + standard, name: standard, list: of.List, min: unset, max: unset, types: of.Types}
	if only != nil {
		e.id = parent.id + "." + standard + "[x]"
	}
	parent.children = append(parent.children, e)
	if only != nil {
		return e.typed(only, name)
	}
	return e
}

// typed is the slice of a choice for one type.
func (e *element) typed(t *fhir.Type, name string) *element {
	s := e.sliceNamed(name)
	s.types, s.narrowed = []*fhir.Type{t}, true
	e.slicing = true
	if len(e.discriminates) == 0 {
		e.discriminates = []*discriminator{{kind: "type", path: "$this"}}
	}
	return s
}

func (e *element) sliceNamed(name string) *element {
	for _, s := range e.slices {
		if s.slice == name {
			return s
		}
	}
	s := &element{id: e.id + ":" + name, path: e.path, name: e.name, list: e.list, min: unset, max: unset, types: e.types, slice: name}
	e.slices = append(e.slices, s)
	return s
}

// element compiles one ElementDefinition into its place.
func (c *compiler) element(d *fhir.Node) {
	e := c.place(d)
	if e == nil {
		return
	}
	if m := d.Child("min"); m != nil {
		e.min, _ = strconv.Atoi(m.Value)
	}
	if m := d.Child("max"); m != nil {
		e.max = unlimited
		if n, err := strconv.Atoi(m.Value); err == nil {
			e.max = n
		} else if m.Value != "*" {
			c.fail(issue.Invalid, m, "max is a number or *")
		}
	}
	e.fixed, e.pattern = d.Child("fixed"), d.Child("pattern")
	if b := d.Child("binding"); b != nil && b.Text("valueSet") != "" {
		url, _, _ := strings.Cut(b.Text("valueSet"), "|")
		e.binding = &binding{b.Text("strength"), url}
	}
	c.typesOf(e, d)
	if s := d.Child("slicing"); s != nil {
		e.slicing, e.closed = true, s.Text("rules") == "closed"
		e.discriminates = nil
		for _, x := range s.All("discriminator") {
			e.discriminates = append(e.discriminates, &discriminator{kind: x.Text("type"), path: x.Text("path"), source: x})
		}
	}
	for _, k := range d.All("constraint") {
		c.constraint(e, k)
	}
}

// typesOf reads ElementDefinition.type: fewer types than the base, profiles on them and
// the targets of references.
func (c *compiler) typesOf(e *element, d *fhir.Node) {
	list := d.All("type")
	if len(list) == 0 {
		return
	}
	var types []*fhir.Type
	anyTarget, anyProfile := false, false
	e.targets, e.profiles = nil, nil
	for _, t := range list {
		code := t.Text("code")
		if strings.HasPrefix(code, "http://hl7.org/fhirpath/System.") {
			return // Element.id and Extension.url, which no profile narrows
		}
		of := c.profile.env.System.Type(strings.TrimPrefix(code, standard))
		if of == nil {
			c.fail(issue.Invalid, t, "FHIR %s has no type %s", c.profile.env.System.Version, code)
			return
		}
		types = append(types, of)
		profiles := t.All("profile")
		anyProfile = anyProfile || len(profiles) == 0
		for _, p := range profiles {
			e.profiles = append(e.profiles, p.Value)
		}
		if of.Name != "Reference" {
			continue
		}
		targets := t.All("targetProfile")
		anyTarget = anyTarget || len(targets) == 0
		for _, p := range targets {
			name := c.targetType(p.Value)
			anyTarget = anyTarget || name == "" || name == "Resource"
			e.targets = append(e.targets, name)
		}
	}
	if anyProfile {
		e.profiles = nil // some type is taken without any profile
	}
	if anyTarget {
		e.targets = nil
	}
	if !(len(types) == 1 && types[0].Abstract) {
		// Backbone and resource types keep the type the base gives them
		if len(e.types) == 1 && (e.types[0].Kind == fhir.Backbone || e.types[0].Abstract) {
			return
		}
		e.types, e.narrowed = types, true
	}
}

// targetType is the resource type that a profile on a reference's target is for, ""
// when that cannot be known.
func (c *compiler) targetType(url string) string {
	url, _, _ = strings.Cut(url, "|")
	if name, ok := strings.CutPrefix(url, standard); ok && c.profile.env.System.Type(name) != nil {
		return name
	}
	if c.profile.env.Profile != nil {
		if p := c.profile.env.Profile(url); p != nil {
			return p.Type
		}
	}
	return ""
}

func (c *compiler) constraint(e *element, k *fhir.Node) {
	source := k.Text("expression")
	if from := k.Text("source"); source == "" || from != "" && from != c.profile.URL && e.slice == "" && strings.HasPrefix(from, standard) {
		return // of the base standard, repeated in a snapshot, or XPath only
	}
	options := []fhirpath.Option{fhirpath.Types(c.profile.env.System)}
	if len(e.types) == 1 && !e.types[0].Abstract {
		options = append(options, fhirpath.Type(e.types[0]))
	}
	options = append(options, fhirpath.MemberOf(memberOf(c.profile.env.ValidateCode)))
	if f := c.profile.env.Profile; f != nil {
		options = append(options, fhirpath.ConformsTo(func(n *fhir.Node, url string) (bool, bool) {
			if name, ok := strings.CutPrefix(url, standard); ok {
				return n.Type != nil && n.Type.Is(name), true
			}
			p := f(url)
			return p != nil && p.Conforms(n), p != nil
		}))
	}
	test, err := fhirpath.Compile(source, options...)
	if err != nil {
		for _, problem := range issue.All(err) {
			c.fail(issue.Invalid, k, "the expression of %s does not compile, column %d: %s", k.Text("key"), problem.Column, problem.Details)
		}
		return
	}
	severity := issue.SeverityError
	if k.Text("severity") == "warning" {
		severity = issue.SeverityWarning
	}
	e.rules = append(e.rules, &constraint{k.Text("key"), k.Text("human"), severity, test})
}

// memberOf is memberOf() of FHIRPath by Env.ValidateCode; without one nothing is known.
func memberOf(f func(string, *fhir.Node) (bool, bool)) func(fhirpath.Value, string) (bool, bool) {
	return func(v fhirpath.Value, valueSet string) (member, known bool) {
		if v.Node() == nil || f == nil {
			return false, false
		}
		return anyCoding(v.Node(), func(c *fhir.Node) (bool, bool) { return f(valueSet, c) })
	}
}
