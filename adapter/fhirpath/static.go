package fhirpath

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// static is what is known of a collection before the evaluation.
type static struct {
	types  []*fhir.Type // the types an element may have
	system Kind         // its System kind, when made is set
	known  bool         // types is complete
	made   bool         // the items are System values
}

func systemStatic(k Kind) static { return static{system: k, made: true} }

func (a static) union(b static) static {
	switch {
	case a.made && b.made && a.system == b.system:
		return a
	case a.known && b.known:
		out := a
		out.types = slices.Clone(a.types)
		for _, t := range b.types {
			if !slices.Contains(out.types, t) {
				out.types = append(out.types, t)
			}
		}
		return out
	}
	return static{}
}

// names lists the types for a message.
func (a static) names() string {
	names := make([]string, len(a.types))
	for i, t := range a.types {
		names[i] = t.Name
	}
	return strings.Join(names, " or ")
}

// is reports whether one of the types is name or derives from it.
func (a static) is(name string) bool {
	return slices.ContainsFunc(a.types, func(t *fhir.Type) bool { return t.Is(name) })
}

// member is the static type of an element, and an error where no type has it.
func (c *compiler) member(t *term, in static) (static, error) {
	if in.made {
		if in.system == TypeInfo || in.system == Quantity {
			return static{}, nil
		}
		return static{}, fault(c.src, t.start, issue.Invalid, "%s has no elements, so no %s", in.system, t.name)
	}
	if !in.known {
		return static{}, nil
	}
	out := static{known: true}
	found := false
	for _, of := range in.types {
		e := of.Element(t.name)
		if e == nil {
			continue
		}
		found = true
		for _, et := range e.Types {
			if et.Abstract {
				return static{}, nil
			}
			if !slices.Contains(out.types, et) {
				out.types = append(out.types, et)
			}
		}
	}
	if !found && len(in.types) > 0 {
		hint := ""
		for _, of := range in.types {
			if m, ok := of.Member(t.name); ok {
				hint = "; FHIRPath writes " + m.Element.Name + ", and " + m.Element.Name + ".ofType(" + m.Type.Name + ") for that type"
			}
		}
		if hint == "" {
			hint = in.elements(t.name)
		}
		return static{}, fault(c.src, t.start, issue.Invalid, "%s has no element %s%s", in.names(), t.name, hint)
	}
	return out, nil
}

// commonElements are those of every resource and element, which a message names last.
var commonElements = strings.Fields("id meta implicitRules language text contained extension modifierExtension")

// elements lists what the types have instead, the nearest names first: "; it has name,
// active, gender, …".
func (a static) elements(name string) string {
	var own, common []string
	for _, t := range a.types {
		for _, e := range t.Elements {
			switch {
			case slices.Contains(commonElements, e.Name):
				common = append(common, e.Name)
			case !slices.Contains(own, e.Name):
				own = append(own, e.Name)
			}
		}
	}
	names, more := nearest(name, append(own, slices.Compact(common)...))
	if more {
		names = append(names, "…")
	}
	if len(names) == 0 {
		return ""
	}
	return "; it has " + strings.Join(names, ", ")
}

// typeName is a type that an expression names.
type typeName struct {
	name   string
	fhir   *fhir.Type // nil: no element has it
	system Kind       // Node: no System value has it
}

// dataTypes are the types beside resources that expressions ask for, for messages.
var dataTypes = strings.Fields(`boolean string integer decimal date dateTime instant time code id uri url canonical markdown
	positiveInt unsignedInt base64Binary oid uuid Address Age Annotation Attachment CodeableConcept Coding ContactPoint Count
	Distance Dosage Duration Extension HumanName Identifier Meta Money Narrative Period Quantity Range Ratio Reference Signature Timing`)

var systemKinds = map[string]Kind{
	"Boolean": Boolean, "String": String, "Integer": Integer, "Decimal": Decimal,
	"Date": Date, "DateTime": DateTime, "Time": Time, "Quantity": Quantity,
}

// typeOf looks a name up: with a namespace there, without one among the FHIR types and
// then System's. Quantity without a namespace is both.
func (c *compiler) typeOf(name string, start int) (typeName, error) {
	switch {
	case strings.HasPrefix(name, "System."):
		name = name[len("System."):]
		return typeName{name: name, system: systemKinds[name]}, nil
	case strings.HasPrefix(name, "FHIR."):
		name = name[len("FHIR."):]
	default:
		if k := systemKinds[name]; k != Node {
			return typeName{name: name, fhir: c.system.Type(name), system: k}, nil
		}
	}
	t := c.system.Type(name)
	if t == nil {
		types := append(c.system.Resources(), dataTypes...)
		return typeName{}, fault(c.src, start, issue.Invalid, "FHIR %s has no type %s%s", c.system.Version, name,
			similar(name, types, func(name string) string { return name }))
	}
	return typeName{name: name, fhir: t}, nil
}

// typeArgument reads the argument of is(), as() and ofType(), which is a name and no
// expression.
func (c *compiler) typeArgument(t *term) (typeName, error) {
	name := ""
	if t.kind == memberTerm && t.left == nil {
		name = t.name
	} else if t.kind == memberTerm && t.left.kind == memberTerm && t.left.left == nil && (t.left.name == "System" || t.left.name == "FHIR") {
		name = t.left.name + "." + t.name
	} else {
		return typeName{}, fault(c.src, t.first(), issue.Structure, "expected the name of a type, such as Patient, FHIR.string or System.Boolean")
	}
	return c.typeOf(name, t.start)
}

// is reports whether v has the type or one that derives from it.
func (t typeName) is(v Value) bool {
	if v.node == nil {
		return t.system != Node && v.kind == t.system
	}
	switch {
	case t.fhir == nil:
		return false
	case v.node.Type == nil:
		return v.node.ResourceType() == t.name
	}
	return v.node.Type.Is(t.name)
}

// exactly is is for as() and ofType(), where a primitive must have the very type: a
// code is a string, and yet not as(string). HL7's tests for R4 say so.
func (t typeName) exactly(v Value) bool {
	if v.node != nil && v.node.Type != nil && v.node.Type.Kind == fhir.Primitive {
		return v.node.Type.Name == t.name && t.fhir != nil
	}
	return t.is(v)
}

// static is the static type of what is of that type.
func (t typeName) static() static {
	switch {
	case t.fhir != nil && !t.fhir.Abstract && t.system == Node:
		return static{known: true, types: []*fhir.Type{t.fhir}}
	case t.fhir == nil && t.system != Node:
		return systemStatic(t.system)
	}
	return static{}
}
