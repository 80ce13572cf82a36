package profile

import (
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// discriminator tells to which slice an element belongs.
// Source: http://hl7.org/fhir/R4/profiling.html#discriminator.
type discriminator struct {
	kind  string // value, pattern, exists, type, profile
	path  string
	steps []step // path taken apart, nil for $this
}

// expectation is what one slice says at the path of one discriminator.
type expectation struct {
	discriminator *discriminator
	value         *fhir.Node // fixed or pattern value
	exact         bool       // fixed
	binding       *binding
	types         []*fhir.Type
	profiles      []string
	present       bool
}

// slicing reads ElementDefinition.slicing. A profile may close what its base left open
// and ask for an order, and tells slices apart as its base does.
func (c *compiler) slicing(e *element, s *fhir.Node) {
	if e.slice != "" && e.of.Choice == false {
		c.fail(issue.NotSupported, s, "slices of slices are not supported: %s is a slice itself", e.label())
		return
	}
	var told []discriminator
	for _, x := range s.All("discriminator") {
		d := discriminator{kind: x.Text("type"), path: x.Text("path")}
		ok := false
		switch d.kind {
		case "value", "pattern", "exists", "type", "profile":
			d.steps, ok = steps(d.path)
			if !ok {
				c.fail(issue.NotSupported, x, "the path of a discriminator must be $this, or names of elements, extension('url'), resolve() and ofType(type) with dots between them")
			}
		default:
			c.fail(issue.NotSupported, x, "slicing by %s is not supported: use value, pattern, exists, type or profile", d.kind)
		}
		if !ok {
			e.slicing, e.unusable = c.profile, true
			return
		}
		told = append(told, d)
	}
	same := func(a, b discriminator) bool { return a.kind == b.kind && a.path == b.path }
	if len(e.slices) > 0 && len(e.discriminates) > 0 && !e.implied && len(told) > 0 && !slices.EqualFunc(told, e.discriminates, same) {
		c.fail(issue.Invalid, s, "%s is already sliced, and by other discriminators; a profile keeps those of its base", e.label())
		return
	}
	rules := s.Text("rules")
	if e.closed && rules != "closed" {
		c.fail(issue.Invalid, s, "the slices of %s are closed in the base of this profile and stay so", e.label())
	}
	e.slicing, e.implied = c.profile, false
	e.closed = e.closed || rules == "closed"
	e.atEnd = e.atEnd || rules == "openAtEnd"
	e.ordered = e.ordered || s.Text("ordered") == "true"
	if len(told) > 0 {
		e.discriminates = told
	}
}

// slicings works out what tells the slices of every element below e apart, and makes
// sure that each slice says so, so that no slice can silently match nothing. general is
// the element that holds for e too, where e lies in a slice: what it says of a slice need
// not be said again. It may be nil.
func (c *compiler) slicings(e, general *element) {
	for _, s := range e.slices {
		if g := general.sliceCalled(s.slice); g != nil {
			c.slicings(s, g)
		} else {
			c.slicings(s, e)
		}
	}
	for _, child := range e.children {
		c.slicings(child, general.childNamed(child.name))
	}
	if len(e.slices) == 0 || e.unusable {
		return
	}
	if len(e.discriminates) == 0 {
		switch {
		case e.name == "extension" || e.name == "modifierExtension":
			// extensions are sliced by url unless a profile says otherwise
			e.discriminates = []discriminator{{kind: "value", path: "url", steps: []step{{name: "url"}}}}
		case e.of.Choice:
			e.discriminates = []discriminator{{kind: "type", path: "$this"}}
		default:
			e.unusable = true
			c.fail(issue.Invalid, c.source(e, e.slices[0]), "%s has slices and no discriminator to tell them apart", e.id)
			return
		}
		if e.slicing == nil {
			e.slicing = c.profile
		}
	}
	least, byMarks := 0, make(map[string]*element, len(e.slices))
	for _, s := range e.slices {
		s.expected = nil
		for k := range e.discriminates {
			d := &e.discriminates[k]
			x, ok := c.expects(s, d)
			if g := general.sliceCalled(s.slice); !ok && g != nil {
				x, ok = c.expects(g, d)
			}
			if !ok {
				e.unusable = true
				c.fail(issue.Invalid, c.source(s, e), "the slice %s says nothing at %s, by which slices are told apart", s.id, d.path)
				return
			}
			s.expected = append(s.expected, x)
		}
		key := marks(s.expected)
		if before := byMarks[key]; before != nil {
			e.unusable = true
			c.fail(issue.Invalid, c.source(s, e), "the slices %s and %s contradict each other: the same values mark both", before.id, s.id)
			return
		}
		byMarks[key] = s
		least += s.min.n
	}
	most := 1
	if e.of.List {
		most = unlimited
	}
	if e.max.by != nil {
		most = e.max.n
	}
	if least > most {
		e.unusable = true
		c.fail(issue.Invalid, c.source(e, e.slices[0]), "%s may be given at most %s, and its slices together ask for at least %s", e.id, times(most), times(least))
	}
	e.indexMarks()
}

// indexMarks makes the index of slices that one text marks each.
func (e *element) indexMarks() {
	if len(e.slices) < 4 || len(e.discriminates) != 1 || e.unusable {
		return
	}
	marked := make(map[string]int, len(e.slices))
	for i, s := range e.slices {
		x := s.expected[0].value
		if x == nil || x.Kind != fhir.String || len(x.Children) > 0 {
			return
		}
		if _, known := marked[x.Value]; !known {
			marked[x.Value] = i
		}
	}
	e.marked = marked
}

// source is the definition of the first of these that this profile mentions; nil when it
// mentions none.
func (c *compiler) source(elements ...*element) *fhir.Node {
	for _, e := range elements {
		if d := c.sources[e]; d != nil {
			return d
		}
	}
	return nil
}

// marks writes what a slice expects, so that two that expect the same are found.
func marks(expected []expectation) string {
	var b strings.Builder
	for _, x := range expected {
		switch {
		case x.discriminator.kind == "exists":
			b.WriteString(strconv.FormatBool(x.present))
		case x.value != nil:
			b.WriteString("value ")
			b.WriteString(show(x.value))
		case x.binding != nil:
			b.WriteString("set " + x.binding.valueSet)
		case x.profiles != nil:
			b.WriteString("profile " + strings.Join(x.profiles, " "))
		default:
			b.WriteString("type " + typeNames(x.types))
		}
		b.WriteByte(0)
	}
	return b.String()
}

// expects is what slice s says at a discriminator's path: its own fixed or pattern
// value there, or that part of one stated further up.
func (c *compiler) expects(s *element, d *discriminator) (expectation, bool) {
	x := expectation{discriminator: d}
	f := finder{c: c}
	at := f.find(s, d.steps, nil)
	x.value, x.exact = f.value, f.exact
	switch d.kind {
	case "exists":
		x.present = at != nil && !(at.max.by != nil && at.max.n == 0)
		return x, at != nil && (at.min.n > 0 || !x.present)
	case "type":
		switch {
		case f.resolved != nil:
			for _, t := range f.resolved {
				if of := c.profile.env.System.Type(t.name); of != nil {
					x.types = append(x.types, of)
				}
			}
		case at != nil && (at.narrowed != nil || len(at.types) == 1 && !at.types[0].Abstract && !at.of.Choice):
			x.types = at.types
		}
		return x, len(x.types) > 0
	case "profile":
		for _, t := range f.resolved {
			if t.url != "" {
				x.profiles = append(x.profiles, t.url)
			}
		}
		if f.resolved == nil && at != nil {
			for _, p := range at.profiles {
				x.profiles = append(x.profiles, p.url)
			}
		}
		return x, len(x.profiles) > 0
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
			url, _, _ = strings.Cut(s.profiles[0].url, "|")
		} else if !strings.HasSuffix(s.path, "extension.extension") {
			return x, false
		}
		x.value, x.exact = fhir.NewPrimitive(c.profile.env.System.Type("uri"), url), true
	}
	return x, x.value != nil
}

// finder follows the path of a discriminator through what a slice says.
type finder struct {
	c        *compiler
	value    *fhir.Node // fixed or pattern value at the end
	exact    bool
	resolved []target // what the reference that resolve() stands on may lead to
	depth    int      // of profiles gone into
}

// find notes the fixed or pattern value at the end of the steps, whether stated there
// or, as value, further up. Where an element on the way is sliced itself, the first of
// its slices that states a value counts; where the profile says no more and names
// another profile, that one is read on. nil when nobody mentions the element at the end.
func (f *finder) find(e *element, path []step, value *fhir.Node) *element {
	if e.fixed != nil {
		value, f.exact = e.fixed, true
	} else if e.pattern != nil {
		value, f.exact = e.pattern, false
	}
	if len(path) == 0 {
		f.value = value
		return e
	}
	switch s := path[0]; {
	case s.resolve:
		f.resolved = e.targets
		if len(path) > 1 && len(e.targets) == 1 && e.targets[0].url != "" {
			return f.into(e.targets[0].url, path[1:])
		}
		return e
	case s.ofType != "":
		return f.find(e, path[1:], value)
	case s.extension != "":
		if child := e.childNamed("extension"); child != nil {
			for _, x := range child.slices {
				for _, p := range x.profiles {
					if url, _, _ := strings.Cut(p.url, "|"); url == s.extension {
						return f.find(x, path[1:], nil)
					}
				}
			}
		}
		return f.into(s.extension, path[1:])
	}
	name := path[0].name
	child := e.childNamed(name)
	if child == nil {
		for _, s := range path {
			value = value.Child(s.name)
		}
		if value == nil && len(e.profiles) == 1 {
			return f.into(e.profiles[0].url, path)
		}
		f.value = value
		return nil
	}
	at := f.find(child, path[1:], value.Child(name))
	for _, s := range child.slices {
		if f.value == nil {
			f.find(s, path[1:], nil)
		}
	}
	return at
}

// into goes on in another profile.
func (f *finder) into(url string, path []step) *element {
	if f.c.lookup == nil || f.depth > 4 {
		return nil
	}
	f.depth++
	if p := f.c.lookup(url); p != nil {
		return f.find(p.root, path, nil)
	}
	return nil
}
