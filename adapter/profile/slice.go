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
	if e.slice != "" && !e.of.Choice {
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
			b.Write(encoded(x.value))
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
