package fhir

import "slices"

// TypeKind says what sort of type a Type is.
type TypeKind uint8

// The kinds of type. A Backbone is defined inside one resource or data type and has
// a dotted name, such as "Patient.contact".
const (
	Primitive TypeKind = iota
	Complex
	Backbone
	Resource
)

// Type is one type of a FHIR version: a primitive, a data type, a backbone element
// or a resource. Types are shared and read-only.
type Type struct {
	Name        string // "HumanName", "Patient.contact", "dateTime"
	URL         string // canonical of its StructureDefinition, "" for a backbone
	Kind        TypeKind
	Abstract    bool       // Resource, DomainResource, Element, BackboneElement: no instance has this type
	Base        *Type      // "Quantity" for "Age", "uri" for "canonical"; nil for Element and Resource
	Elements    []*Element // in the order of the standard
	Pattern     string     // the standard's regular expression of a primitive, "" when it states none
	Constraints []string   // base invariants that hold on every instance, as FHIRPath

	json    Kind       // the JSON form of a primitive
	inXML   []*Element // Elements in the order that XML demands, where that is another
	members map[string]Member
	system  *System
}

// Element is the definition of one element of a type.
type Element struct {
	Name        string   // "value" for value[x]
	Path        string   // "Observation.value"
	Types       []*Type  // one, or several when Choice; the abstract Resource where any resource may stand
	Choice      bool     // value[x]: the JSON name is Name + type name
	List        bool     // may repeat: a JSON array
	Required    bool     // at least one
	Targets     []string // allowed reference targets by resource type; nil or "Resource" when any
	Codes       []string // the codes of a required binding to a closed value set, sorted; nil when none
	ValueSet    string   // canonical of that value set
	Constraints []string // invariants stated on this element, as FHIRPath
}

// Member is what a JSON member name means in a type: its element and its type there.
type Member struct {
	Element *Element
	Type    *Type
}

// Member finds the element of a JSON name: "valueQuantity" gives value[x] as
// Quantity. False when the type has none of that name.
func (t *Type) Member(name string) (Member, bool) {
	m, ok := t.members[name]
	return m, ok
}

// Element finds a definition by the standard's name ("value"), nil when there is none.
func (t *Type) Element(name string) *Element {
	for _, e := range t.Elements {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// System is the type system t belongs to.
func (t *Type) System() *System { return t.system }

// JSON is the JSON form of a primitive's value (String, Number or Boolean), Object
// for every other type.
func (t *Type) JSON() Kind {
	if t.Kind == Primitive {
		return t.json
	}
	return Object
}

// Is reports whether t is the named type or derives from it: "Age" is a "Quantity",
// "Patient" a "DomainResource".
func (t *Type) Is(name string) bool {
	for ; t != nil; t = t.Base {
		if t.Name == name {
			return true
		}
	}
	return false
}

// HasCode reports whether code is in the required binding, true when there is none.
func (e *Element) HasCode(code string) bool {
	if e.Codes == nil {
		return true
	}
	_, found := slices.BinarySearch(e.Codes, code)
	return found
}

// JSONName is the JSON member name of the element for a type: "valueQuantity".
func (e *Element) JSONName(t *Type) string {
	if !e.Choice {
		return e.Name
	}
	return e.Name + upperFirst(t.Name)
}
