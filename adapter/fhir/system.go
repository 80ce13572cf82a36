package fhir

import (
	"slices"
	"strings"
	"sync"
	"unicode"

	apb "github.com/google/fhir/go/proto/google/fhir/proto/annotations_go_proto"
	r4 "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/bundle_and_contained_resource_go_proto"
	stu3 "github.com/google/fhir/go/proto/google/fhir/proto/stu3/resources_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Version is a published FHIR version.
type Version string

// The versions this program speaks.
const (
	R4   Version = "4.0.1"
	STU3 Version = "3.0.2"
)

// System is the type system of one FHIR version: every resource, data type and
// primitive. It is read-only.
type System struct {
	Version Version

	types     map[string]*Type
	messages  map[protoreflect.FullName]*Type
	resources []string
}

var systems = map[Version]func() *System{
	R4: sync.OnceValue(func() *System {
		return build(R4, (&r4.ContainedResource{}).ProtoReflect().Descriptor())
	}),
	STU3: sync.OnceValue(func() *System {
		return build(STU3, (&stu3.ContainedResource{}).ProtoReflect().Descriptor())
	}),
}

// Types is the type system of a version, built on the first call. It panics for a
// version that is not one of the constants.
func Types(v Version) *System { return systems[v]() }

// Type finds a type by its name: "Patient", "HumanName", "Patient.contact",
// "dateTime"; nil when there is none.
func (s *System) Type(name string) *Type { return s.types[name] }

// Resource finds a resource type that can have instances, nil when there is none.
func (s *System) Resource(name string) *Type {
	if t := s.types[name]; t != nil && t.Kind == Resource && !t.Abstract {
		return t
	}
	return nil
}

// Resources lists the names of the resource types, sorted.
func (s *System) Resources() []string { return slices.Clone(s.resources) }

// New makes an empty resource or value of the named type, which must exist.
func (s *System) New(name string) *Node { return New(s.types[name]) }

// bases holds what the descriptors do not state: what a type derives from.
// Source: http://hl7.org/fhir/R4/datatypes.html, http://hl7.org/fhir/R4/resource.html.
var bases = map[string]string{
	"code": "string", "id": "string", "markdown": "string",
	"canonical": "uri", "url": "uri", "uuid": "uri", "oid": "uri",
	"positiveInt": "integer", "unsignedInt": "integer",
	"Age": "Quantity", "Count": "Quantity", "Distance": "Quantity", "Duration": "Quantity",
	"Bundle": "Resource", "Binary": "Resource", "Parameters": "Resource",
	"DomainResource": "Resource", "BackboneElement": "Element",
}

func build(v Version, contained protoreflect.MessageDescriptor) *System {
	s := &System{Version: v, types: map[string]*Type{}, messages: map[protoreflect.FullName]*Type{}}
	for _, abstract := range []string{"Element", "BackboneElement", "Resource", "DomainResource"} {
		s.types[abstract] = &Type{Name: abstract, Kind: Complex, Abstract: true, system: s,
			URL: "http://hl7.org/fhir/StructureDefinition/" + abstract}
	}
	s.types["Resource"].Kind, s.types["DomainResource"].Kind = Resource, Resource
	s.types["BackboneElement"].Base = s.types["Element"]
	s.types["DomainResource"].Base = s.types["Resource"]
	fields := contained.Fields()
	for i := range fields.Len() {
		m := fields.Get(i).Message()
		s.message(m, "")
		s.resources = append(s.resources, string(m.Name()))
	}
	slices.Sort(s.resources)
	for _, t := range s.types {
		t.members = map[string]Member{}
		for _, e := range t.Elements {
			for _, et := range e.Types {
				t.members[e.JSONName(et)] = Member{e, et}
			}
		}
	}
	return s
}

// message gives the Type of a descriptor, building it on the first call. path is the
// name of a backbone element that is defined in place.
func (s *System) message(m protoreflect.MessageDescriptor, path string) *Type {
	if m.FullName() == "google.protobuf.Any" || m.Name() == "ContainedResource" {
		return s.types["Resource"]
	}
	if t := s.messages[m.FullName()]; t != nil {
		return t
	}
	options := m.Options()
	url := proto.GetExtension(options, apb.E_FhirStructureDefinitionUrl).(string)
	kind := proto.GetExtension(options, apb.E_StructureDefinitionKind).(apb.StructureDefinitionKindValue)
	if url == "" {
		// a code bound to a value set is a profile of code, made in place
		if base := proto.GetExtension(options, apb.E_FhirProfileBase).([]string); len(base) > 0 {
			return s.primitive(base[0][strings.LastIndexByte(base[0], '/')+1:], m)
		}
		if kind == apb.StructureDefinitionKindValue_KIND_PRIMITIVE_TYPE {
			return s.primitive("code", m) // the STU3 descriptors name no base
		}
	}
	name := path
	if url != "" {
		name = url[strings.LastIndexByte(url, '/')+1:]
	}
	if kind == apb.StructureDefinitionKindValue_KIND_PRIMITIVE_TYPE {
		return s.primitive(name, m)
	}
	t := &Type{Name: name, URL: url, Kind: Backbone, system: s,
		Constraints: proto.GetExtension(options, apb.E_FhirPathMessageConstraint).([]string)}
	s.messages[m.FullName()] = t
	if s.types[name] == nil {
		s.types[name] = t
	}
	base := "Element"
	switch {
	case kind == apb.StructureDefinitionKindValue_KIND_RESOURCE:
		t.Kind, base = Resource, "DomainResource"
	case url != "":
		t.Kind = Complex
	}
	if t.Kind != Resource && m.Fields().ByName("modifier_extension") != nil {
		base = "BackboneElement"
	}
	if b, ok := bases[name]; ok {
		base = b
	}
	if t.Base = s.types[base]; t.Base == nil && base == "Quantity" {
		t.Base = s.message(m.ParentFile().Messages().ByName("Quantity"), "")
	}
	s.elements(t, m)
	return t
}

func (s *System) elements(t *Type, m protoreflect.MessageDescriptor) {
	fields := m.Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if oneof := f.ContainingOneof(); oneof != nil && oneof.Name() == "reference" {
			if f.Name() == "uri" { // the fields of this oneof are one JSON member: reference
				t.Elements = append(t.Elements, &Element{Name: "reference", Path: t.Name + ".reference", Types: []*Type{s.named("string", m)}})
			}
			continue
		}
		if f.Message() == nil {
			continue
		}
		e := &Element{
			Name: f.JSONName(), Path: t.Name + "." + f.JSONName(), List: f.IsList(),
			Targets:     proto.GetExtension(f.Options(), apb.E_ValidReferenceType).([]string),
			Constraints: proto.GetExtension(f.Options(), apb.E_FhirPathConstraint).([]string),
			Required: proto.GetExtension(f.Options(), apb.E_ValidationRequirement).(apb.Requirement) ==
				apb.Requirement_REQUIRED_BY_FHIR,
		}
		if proto.GetExtension(f.Message().Options(), apb.E_IsChoiceType).(bool) {
			e.Choice = true
			choices := f.Message().Fields()
			for j := range choices.Len() {
				c := choices.Get(j)
				e.Types = append(e.Types, s.message(unprofiled(c.Message()), e.Path))
				e.Targets = append(e.Targets, proto.GetExtension(c.Options(), apb.E_ValidReferenceType).([]string)...)
				s.binding(e, c.Message())
			}
		} else {
			e.Types = []*Type{s.message(unprofiled(f.Message()), e.Path)}
			s.binding(e, f.Message())
			if unprofiled(f.Message()) != f.Message() {
				e.Constraints = append(slices.Clone(e.Constraints), proto.GetExtension(f.Message().Options(), apb.E_FhirPathMessageConstraint).([]string)...)
			}
		}
		t.Elements = append(t.Elements, e)
	}
	if t.Name == "Reference" || t.Name == "Extension" {
		t.inXML = slices.Clone(t.Elements)
		slices.SortStableFunc(t.inXML, func(a, b *Element) int {
			return slices.Index(misplaced, a.Name) - slices.Index(misplaced, b.Name)
		})
	}
}

// misplaced are the elements of Reference and Extension in the order of the standard,
// which the descriptors do not have there.
// Source: http://hl7.org/fhir/R4/references.html, http://hl7.org/fhir/R4/extensibility.html.
var misplaced = []string{"id", "extension", "url", "value", "reference", "type", "identifier", "display"}

// unprofiled gives the data type itself for the two profiles of Quantity that the
// descriptors treat as types of their own: on the wire they are Quantity.
func unprofiled(m protoreflect.MessageDescriptor) protoreflect.MessageDescriptor {
	if m.Name() == "SimpleQuantity" || m.Name() == "MoneyQuantity" {
		return m.ParentFile().Messages().ByName("Quantity")
	}
	return m
}

// named is a primitive by name, from the file that the data types of m's version are in.
func (s *System) named(name string, m protoreflect.MessageDescriptor) *Type {
	if t := s.types[name]; t != nil {
		return t
	}
	return s.message(m.ParentFile().Messages().ByName(protoreflect.Name(upperFirst(name))), "")
}

// primitive gives the Type of a primitive; m supplies what the standard says of it.
func (s *System) primitive(name string, m protoreflect.MessageDescriptor) *Type {
	t := s.types[name]
	if t == nil {
		t = &Type{Name: name, URL: "http://hl7.org/fhir/StructureDefinition/" + name, Kind: Primitive, json: String, system: s}
		s.types[name] = t
		switch name {
		case "boolean":
			t.json = Boolean
		case "decimal", "integer", "positiveInt", "unsignedInt":
			t.json = Number
		}
		t.Base = s.types["Element"]
		if b, ok := bases[name]; ok {
			if s.types[b] == nil {
				// the primitive this one derives from, in the same file
				if bm := m.ParentFile().Messages().ByName(protoreflect.Name(upperFirst(b))); bm != nil {
					s.message(bm, "")
				} else {
					s.primitive(b, m)
				}
			}
			t.Base = s.types[b]
		}
	}
	if string(m.Name()) == upperFirst(name) {
		t.Pattern = proto.GetExtension(m.Options(), apb.E_ValueRegex).(string)
		t.Elements = nil
		s.messages[m.FullName()] = t
		for _, field := range []string{"id", "extension"} {
			f := m.Fields().ByName(protoreflect.Name(field))
			if f == nil {
				continue
			}
			t.Elements = append(t.Elements, &Element{Name: field, Path: t.Name + "." + field, List: f.IsList(), Types: []*Type{s.message(f.Message(), "")}})
		}
	}
	return t
}

// binding notes the required value set of a code and, where the value set is closed,
// its codes.
func (s *System) binding(e *Element, m protoreflect.MessageDescriptor) {
	url := proto.GetExtension(m.Options(), apb.E_FhirValuesetUrl).(string)
	if url == "" {
		return
	}
	e.ValueSet = url
	value := m.Fields().ByName("value")
	if value == nil || value.Enum() == nil {
		return
	}
	values := value.Enum().Values()
	for i := range values.Len() {
		if v := values.Get(i); v.Number() != 0 {
			e.Codes = append(e.Codes, originalCode(v))
		}
	}
	slices.Sort(e.Codes)
}

// originalCode is the code an enum value stands for.
func originalCode(v protoreflect.EnumValueDescriptor) string {
	if code := proto.GetExtension(v.Options(), apb.E_FhirOriginalCode).(string); code != "" {
		return code
	}
	return strings.ReplaceAll(strings.ToLower(string(v.Name())), "_", "-")
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return string(unicode.ToUpper(rune(s[0]))) + s[1:]
}
