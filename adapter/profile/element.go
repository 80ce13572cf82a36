package profile

import (
	"math"
	"slices"

	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
	"spadapter/adapter/issue"
)

const unlimited = math.MaxInt

// count is a number that a profile states, and the profile that does.
type count struct {
	n  int
	by *Profile // nil: nobody states it
}

var unstated count

// element is what a profile, with all it derives from, says of one element. An element
// on the way to another, of which it says nothing, has one too.
type element struct {
	id   string // "Patient.identifier:nhsNumber.system"
	path string // "Patient.identifier.system", in the words of the standard
	name string // "identifier"; "value" for value[x]
	of   *fhir.Element

	min, max  count
	maxLength count // in characters

	types    []*fhir.Type // the types it may have here: the base's, or fewer
	narrowed *Profile     // who says fewer
	profiles []typeProfile
	targets  []target // what a Reference may lead to, nil when anything
	refers   *Profile // who says targets and profiles

	fixed, pattern   *fhir.Node
	fixes, patterns  *Profile // who does
	least, most      *limit
	binding          *binding
	rules            []*constraint
	mustSupport      *Profile
	children, active []*element // active: those that can find a fault
	content          *element   // the element of the same profile whose content it has

	slice         string // name of the slice, "" for the element itself
	slicing       *Profile
	implied       bool // no definition states the slicing: it is that of a choice by type
	closed        bool
	ordered       bool
	atEnd         bool // openAtEnd: what is in no slice comes last
	unusable      bool // what is wrong with the slicing is said, and it is not applied
	discriminates []discriminator
	slices        []*element
	named         map[string]*element // the slices by name, where there are many
	marked        map[string]int      // the index of the slice by the one text that marks it, where that is all
	expected      []expectation       // of a slice: what its siblings are told apart by
}

// typeProfile is a profile that a node must conform to when it has that type.
type typeProfile struct {
	of  *fhir.Type
	url string
}

// target is one kind of resource that a reference may lead to.
type target struct {
	name string // of the resource type
	url  string // of a profile of it, "" when any will do
}

type binding struct {
	strength, valueSet string
	widest             string // the value set that no code may leave, whatever the strength
	by                 *Profile
}

// constraint is one ElementDefinition.constraint.
type constraint struct {
	key, human string
	severity   issue.Severity
	test       *fhirpath.Expression
	by         *Profile
}

// clone copies what a base profile says, for one that derives from it to change.
func (e *element) clone() *element {
	c := *e
	c.active, c.content, c.expected, c.unusable = nil, nil, nil, false
	c.named, c.marked = nil, nil
	c.rules = slices.Clip(e.rules)
	c.children = make([]*element, len(e.children))
	for i, child := range e.children {
		c.children[i] = child.clone()
	}
	c.slices = make([]*element, len(e.slices))
	for i, s := range e.slices {
		c.slices[i] = s.clone()
	}
	return &c
}

// childNamed is the element of that name below e, nil when there is none. Safe on nil.
func (e *element) childNamed(name string) *element {
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// sliceCalled is the slice of that name, nil when there is none. Safe on nil.
func (e *element) sliceCalled(name string) *element {
	if e == nil {
		return nil
	}
	if e.named != nil {
		return e.named[name]
	}
	for _, s := range e.slices {
		if s.slice == name {
			return s
		}
	}
	return nil
}

// finish links the elements whose content is that of another (Questionnaire.item.item
// has that of Questionnaire.item), and picks those that can find a fault, so that a
// validation passes over the rest.
// Source: http://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.contentReference.
func (e *element) finish(root *element) {
	if e.of != nil && len(e.types) == 1 && e.types[0].Kind == fhir.Backbone && e.types[0].Name != e.of.Path && len(e.children) == 0 {
		e.content = root.at(e.types[0].Name)
	}
	for _, c := range e.children {
		c.finish(root)
	}
	for _, s := range e.slices {
		s.finish(root)
	}
	e.refer(root)
	for _, c := range e.children {
		if c.matters() {
			e.active = append(e.active, c)
		}
	}
}

// refer adds the elements below e that the profile does not mention and whose content
// it says something about elsewhere.
func (e *element) refer(root *element) {
	if len(e.types) != 1 || e.types[0].Kind != fhir.Backbone && e.types[0].Kind != fhir.Resource {
		return
	}
	for _, of := range e.types[0].Elements {
		if len(of.Types) != 1 || of.Types[0].Kind != fhir.Backbone || of.Types[0].Name == of.Path || e.childNamed(of.Name) != nil {
			continue
		}
		if content := root.at(of.Types[0].Name); content != nil && (len(content.children) > 0 || len(content.rules) > 0) {
			e.active = append(e.active, &element{id: e.id + "." + of.Name, path: of.Path, name: of.Name, of: of, types: of.Types, content: content})
		}
	}
}

// at finds the element of a path in the words of the standard, nil when the profile
// says nothing of it.
func (e *element) at(path string) *element {
	if e.path == path {
		return e
	}
	for _, c := range e.children {
		if len(c.path) <= len(path) && path[:len(c.path)] == c.path {
			if found := c.at(path); found != nil {
				return found
			}
		}
	}
	return nil
}

// matters reports whether anything that e says can find a fault.
func (e *element) matters() bool {
	return e.min.by != nil || e.max.by != nil || e.maxLength.by != nil || e.narrowed != nil || len(e.profiles) > 0 || e.targets != nil ||
		e.fixed != nil || e.pattern != nil || e.least != nil || e.most != nil || e.binding != nil || len(e.rules) > 0 ||
		len(e.active) > 0 || e.content != nil || e.sliced()
}

// sliced reports whether the slicing of e is to be applied.
func (e *element) sliced() bool {
	return e.slicing != nil && !e.unusable && (len(e.slices) > 0 || e.closed)
}

// label names the element for people: its path, and the slice.
func (e *element) label() string {
	if e.slice != "" {
		return e.path + " (" + e.slice + ")"
	}
	return e.path
}
