package fhir

import (
	"sync"
	"sync/atomic"

	apb "github.com/google/fhir/go/proto/google/fhir/proto/annotations_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"spadapter/adapter/issue"
)

// form is how a message of google/fhir holds what FHIR says.
type form uint8

const (
	formComplex   form = iota // elements in fields
	formContained             // ContainedResource: one resource in a oneof
	formAny                   // google.protobuf.Any around a ContainedResource
	formText
	formBoolean
	formInteger
	formUnsigned
	formBinary
	formCode   // an enum
	formMoment // microseconds, time zone, precision
)

// typePlan is what Decode and FromTyped need to know of a message, worked out once
// from its descriptor.
type typePlan struct {
	form   form
	typ    *Type // nil for ContainedResource and Any
	system *System
	fields []*fieldPlan          // in the order of the standard
	names  map[string]*fieldPlan // by JSON name; by resource type for ContainedResource

	value     protoreflect.FieldDescriptor // of a primitive; value_us of a moment
	codes     map[string]protoreflect.EnumNumber
	texts     map[protoreflect.EnumNumber]string
	extension protoreflect.FieldDescriptor // of a primitive; nil for xhtml
	timezone  protoreflect.FieldDescriptor // nil for time
	precision protoreflect.FieldDescriptor
	scale     [7]protoreflect.EnumNumber // by precision

	oneof   protoreflect.OneofDescriptor            // the reference of Reference, the resource of ContainedResource
	targets map[string]protoreflect.FieldDescriptor // Reference: by resource type
	types   map[protoreflect.FieldNumber]string     // Reference: the same the other way round
	uri     protoreflect.FieldDescriptor            // Reference
	frag    protoreflect.FieldDescriptor            // Reference
	byField map[protoreflect.FieldNumber]*fieldPlan // ContainedResource
	inside  func() protoreflect.Message             // Any: a new ContainedResource
}

// fieldPlan is one JSON member of a type.
type fieldPlan struct {
	name      string
	field     protoreflect.FieldDescriptor
	choice    protoreflect.FieldDescriptor            // the field within the message of a choice type
	choices   map[protoreflect.FieldNumber]*fieldPlan // of a choice type, on the entry in fields
	oneof     protoreflect.OneofDescriptor            // of a choice type
	list      bool
	reference bool // Reference.reference
	element   *Element
	typ       *Type

	message protoreflect.MessageDescriptor
	child   atomic.Pointer[typePlan]
}

var plans sync.Map // protoreflect.MessageDescriptor → *typePlan

// planOf gives the plan of a message, nil when it is none of FHIR R4 or STU3.
func planOf(md protoreflect.MessageDescriptor) *typePlan {
	if p, ok := plans.Load(md); ok {
		return p.(*typePlan)
	}
	var system *System
	switch md.ParentFile().Package() {
	case "google.fhir.r4.core":
		system = Types(R4)
	case "google.fhir.stu3.proto":
		system = Types(STU3)
	default:
		return nil
	}
	t := system.messages[md.FullName()]
	if t == nil && isPrimitive(md) {
		t = system.types["code"] // bound codes are messages of their own
	}
	if t == nil && md.Name() != "ContainedResource" {
		return nil
	}
	return keepPlan(md, newPlan(md, system, t))
}

func keepPlan(md protoreflect.MessageDescriptor, p *typePlan) *typePlan {
	kept, _ := plans.LoadOrStore(md, p)
	return kept.(*typePlan)
}

// plan gives the plan of the field's own message.
func (f *fieldPlan) plan(system *System) *typePlan {
	if p := f.child.Load(); p != nil {
		return p
	}
	var p *typePlan
	if kept, ok := plans.Load(f.message); ok && f.message.FullName() != "google.protobuf.Any" {
		p = kept.(*typePlan)
	} else {
		p = newPlan(f.message, system, f.typ)
		if p.form != formAny { // Any is the same message in both versions
			p = keepPlan(f.message, p)
		}
	}
	f.child.Store(p)
	return p
}

func isPrimitive(md protoreflect.MessageDescriptor) bool {
	return proto.GetExtension(md.Options(), apb.E_StructureDefinitionKind).(apb.StructureDefinitionKindValue) ==
		apb.StructureDefinitionKindValue_KIND_PRIMITIVE_TYPE
}

func newPlan(md protoreflect.MessageDescriptor, system *System, t *Type) *typePlan {
	p := &typePlan{typ: t, system: system, names: map[string]*fieldPlan{}}
	switch {
	case md.FullName() == "google.protobuf.Any":
		p.form, p.typ = formAny, nil
		p.inside = newContained[system.Version]
	case md.Name() == "ContainedResource":
		p.form, p.typ = formContained, nil
		p.oneof = md.Oneofs().Get(0)
		p.byField = map[protoreflect.FieldNumber]*fieldPlan{}
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			f := &fieldPlan{name: string(fd.Message().Name()), field: fd, message: fd.Message()}
			f.typ = system.Resource(f.name)
			p.names[f.name], p.byField[fd.Number()] = f, f
		}
	case isPrimitive(md):
		p.primitive(md)
	default:
		p.complex(md)
	}
	return p
}

// primitive plans the value of a primitive, and its id and extension as elements.
func (p *typePlan) primitive(md protoreflect.MessageDescriptor) {
	fields := md.Fields()
	for i, name := range [...]protoreflect.Name{"id", "extension"} {
		fd := fields.ByName(name)
		if fd == nil {
			continue
		}
		f := &fieldPlan{name: string(name), field: fd, list: i == 1, message: fd.Message()}
		f.element = p.typ.Element(f.name)
		if f.element != nil {
			f.typ = f.element.Types[0]
		} else {
			f.typ = p.system.messages[fd.Message().FullName()]
		}
		p.fields, p.names[f.name] = append(p.fields, f), f
	}
	p.extension = fields.ByName("extension")
	if p.value = fields.ByName("value_us"); p.value != nil {
		p.form = formMoment
		p.timezone, p.precision = fields.ByName("timezone"), fields.ByName("precision")
		for scale, name := range scaleNames {
			if v := p.precision.Enum().Values().ByName(name); v != nil {
				p.scale[scale] = v.Number()
			}
		}
		return
	}
	p.value = fields.ByName("value")
	switch p.value.Kind() {
	case protoreflect.BoolKind:
		p.form = formBoolean
	case protoreflect.BytesKind:
		p.form = formBinary
	case protoreflect.EnumKind:
		p.form = formCode
		p.codes, p.texts = map[string]protoreflect.EnumNumber{}, map[protoreflect.EnumNumber]string{}
		values := p.value.Enum().Values()
		for i := range values.Len() {
			if v := values.Get(i); v.Number() != 0 {
				code := originalCode(v)
				p.codes[code], p.texts[v.Number()] = v.Number(), code
			}
		}
	case protoreflect.StringKind:
		p.form = formText
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		p.form = formUnsigned
	default:
		p.form = formInteger
	}
}

// complex plans the elements of a data type, backbone element or resource.
func (p *typePlan) complex(md protoreflect.MessageDescriptor) {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if oneof := fd.ContainingOneof(); oneof != nil && oneof.Name() == "reference" {
			p.reference(oneof, fd)
			continue
		}
		if fd.Message() == nil {
			continue
		}
		f := &fieldPlan{name: fd.JSONName(), field: fd, list: fd.IsList(), message: fd.Message()}
		f.element = p.typ.Element(f.name)
		p.fields = append(p.fields, f)
		if !proto.GetExtension(fd.Message().Options(), apb.E_IsChoiceType).(bool) {
			f.typ = f.element.Types[0]
			p.names[f.name] = f
			continue
		}
		f.oneof = fd.Message().Oneofs().Get(0)
		f.choices = map[protoreflect.FieldNumber]*fieldPlan{}
		for j := range fd.Message().Fields().Len() {
			cd := fd.Message().Fields().Get(j)
			c := &fieldPlan{
				name: f.name + upperFirst(cd.JSONName()), field: fd, choice: cd, message: cd.Message(),
				element: f.element, typ: f.element.Types[j],
			}
			p.names[c.name], f.choices[cd.Number()] = c, c
		}
	}
}

// reference plans one field of the oneof in Reference, which is one JSON member.
func (p *typePlan) reference(oneof protoreflect.OneofDescriptor, fd protoreflect.FieldDescriptor) {
	if p.oneof == nil {
		p.oneof = oneof
		p.targets = map[string]protoreflect.FieldDescriptor{}
		p.types = map[protoreflect.FieldNumber]string{}
	}
	switch fd.Name() {
	case "uri":
		p.uri = fd
		f := &fieldPlan{name: "reference", field: fd, reference: true, message: fd.Message()}
		f.element = p.typ.Element(f.name)
		f.typ = f.element.Types[0]
		p.fields, p.names[f.name] = append(p.fields, f), f
	case "fragment":
		p.frag = fd
	default:
		if target := proto.GetExtension(fd.Options(), apb.E_ReferencedFhirType).(string); target != "" {
			p.targets[target], p.types[fd.Number()] = fd, target
		}
	}
}

// notFHIR is the answer to a message that no plan can be made for.
func notFHIR(md protoreflect.MessageDescriptor) error {
	return issue.Newf(issue.NotSupported, "typed", "%s is no message of FHIR R4 or STU3", md.FullName())
}
