package fhir

import (
	d4 "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"spadapter/adapter/issue"
)

// FromTyped gives the tree of a message of github.com/google/fhir/go: a resource, a
// ContainedResource or an Any (as the resource inside), a data type or a primitive.
// Members are in the order of the standard. The tree is new and hangs nowhere; m is
// only read and may be shared.
//
// Errors, all of them, each with the FHIRPath: value for a code or a time without
// value, or a time zone that is neither Z, UTC nor an offset; structure for a list with
// a nil entry; not-supported for a message that is not of FHIR R4 or STU3.
//
// Source: https://github.com/google/fhir/wiki (FhirProto).
func FromTyped(m proto.Message) (*Node, error) {
	if m == nil || !m.ProtoReflect().IsValid() {
		return nil, issue.New(issue.Exception, "typed", "FromTyped needs a message")
	}
	b := builder{}
	root := b.message(m.ProtoReflect())
	if b.issues != nil {
		return nil, issue.Join(b.issues)
	}
	return root, nil
}

type builder struct {
	slab   []Node
	issues []*issue.Error
}

func (b *builder) fail(n *Node, t issue.Type, text string) {
	b.issues = append(b.issues, issue.New(t, "typed", text).At(n.Path()))
}

// node makes an element, hung under parent so that it has a path.
func (b *builder) node(parent *Node, f *fieldPlan) *Node {
	if len(b.slab) == cap(b.slab) {
		b.slab = make([]Node, 0, 32)
	}
	b.slab = append(b.slab, Node{Order: -1, Parent: parent})
	n := &b.slab[len(b.slab)-1]
	if f != nil {
		n.Name, n.Element, n.Type, n.List = f.name, f.element, f.typ, f.list
		parent.Children = append(parent.Children, n)
	}
	return n
}

// message makes a root.
func (b *builder) message(m protoreflect.Message) *Node {
	n := b.node(nil, nil)
	p := planOf(m.Descriptor())
	switch {
	case m.Descriptor().FullName() == "google.protobuf.Any":
		p = &typePlan{form: formAny}
	case p == nil:
		b.issues = append(b.issues, issue.All(notFHIR(m.Descriptor()))...)
		return n
	}
	b.fill(n, p, m)
	return n
}

func (b *builder) fill(n *Node, p *typePlan, m protoreflect.Message) {
	if !m.IsValid() {
		b.fail(n, issue.Structure, "the entry is nil")
		return
	}
	switch p.form {
	case formComplex:
		n.Kind, n.Type = Object, p.typ
		if p.typ.Kind == Resource {
			n.resourceType = p.typ.Name
		}
		b.members(n, p, m)
	case formContained:
		fd := m.WhichOneof(p.oneof)
		if fd == nil {
			b.fail(n, issue.Structure, "there is no resource in the ContainedResource")
			return
		}
		b.fill(n, p.byField[fd.Number()].plan(p.system), m.Get(fd).Message())
	case formAny:
		inner, err := m.Interface().(*anypb.Any).UnmarshalNew()
		if err != nil {
			b.fail(n, issue.Structure, "the contained resource cannot be read")
			return
		}
		if p = planOf(inner.ProtoReflect().Descriptor()); p == nil {
			b.fail(n, issue.NotSupported, "the contained message is no FHIR resource")
			return
		}
		b.fill(n, p, inner.ProtoReflect())
	default:
		b.primitive(n, p, m)
	}
}

func (b *builder) members(n *Node, p *typePlan, m protoreflect.Message) {
	for _, f := range p.fields {
		switch {
		case f.reference:
			if fd := m.WhichOneof(p.oneof); fd != nil {
				b.reference(n, f, p, fd, m.Get(fd).Message())
			}
		case !m.Has(f.field):
		case f.list:
			list, plan := m.Get(f.field).List(), f.plan(p.system)
			for i := range list.Len() {
				b.fill(b.node(n, f), plan, list.Get(i).Message())
			}
		case f.choices != nil:
			choice := m.Get(f.field).Message()
			if fd := choice.WhichOneof(f.oneof); fd != nil {
				c := f.choices[fd.Number()]
				b.fill(b.node(n, c), c.plan(p.system), choice.Get(fd).Message())
			}
		default:
			b.fill(b.node(n, f), f.plan(p.system), m.Get(f.field).Message())
		}
	}
}

// reference makes Reference.reference from the field it is in.
func (b *builder) reference(parent *Node, f *fieldPlan, p *typePlan, fd protoreflect.FieldDescriptor, m protoreflect.Message) {
	n := b.node(parent, f)
	plan := f.plan(p.system)
	if fd == p.uri {
		b.fill(n, plan, m)
		return
	}
	if fd.Message() != f.message {
		plan = f.idPlan(fd.Message(), p.system)
	}
	b.primitive(n, plan, m)
	if n.Kind != String {
		return
	}
	target, typed := p.types[fd.Number()]
	if !typed {
		n.Value = "#" + n.Value
		return
	}
	n.Value = target + "/" + n.Value
	if history := fd.Message().Fields().ByName("history"); m.Has(history) {
		version := m.Get(history).Message()
		n.Value += "/_history/" + version.Get(version.Descriptor().Fields().ByName("value")).String()
	}
}

func (b *builder) primitive(n *Node, p *typePlan, m protoreflect.Message) {
	if n.Type == nil {
		n.Type = p.typ
	}
	n.Kind = p.typ.json
	// half of all values are one of these; reflection costs three times as much
	switch x := m.Interface().(type) {
	case *d4.String:
		if n.Value = x.Value; x.Id == nil && x.Extension == nil {
			return
		}
	case *d4.Code:
		if n.Value = x.Value; x.Id == nil && x.Extension == nil {
			return
		}
	case *d4.Uri:
		if n.Value = x.Value; x.Id == nil && x.Extension == nil {
			return
		}
	}
	for _, f := range p.fields { // id and extension
		if !m.Has(f.field) {
			continue
		}
		if !f.list {
			b.fill(b.node(n, f), f.plan(p.system), m.Get(f.field).Message())
			continue
		}
		list, plan := m.Get(f.field).List(), f.plan(p.system)
		for i := range list.Len() {
			e := list.Get(i).Message()
			if plan.url(e) == noValueURL {
				n.Kind = Absent
				continue
			}
			b.fill(b.node(n, f), plan, e)
		}
	}
	if n.Kind == Absent {
		n.Value = ""
		return
	}
	value, ok := p.get(m)
	if !ok {
		b.fail(n, issue.Value, "the element has no value that FHIR can write: a code that is not set, a time without precision or with a named time zone")
		return
	}
	n.Value = value
}

// url reads Extension.url.
func (p *typePlan) url(m protoreflect.Message) string {
	f := p.names["url"]
	if f == nil || !m.IsValid() || !m.Has(f.field) {
		return ""
	}
	return m.Get(f.field).Message().Get(f.plan(p.system).value).String()
}
