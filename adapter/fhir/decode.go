package fhir

import (
	"strings"

	d4 "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	r4 "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/bundle_and_contained_resource_go_proto"
	d3 "github.com/google/fhir/go/proto/google/fhir/proto/stu3/datatypes_go_proto"
	stu3 "github.com/google/fhir/go/proto/google/fhir/proto/stu3/resources_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"spadapter/adapter/issue"
)

// noValueURL is the extension by which google/fhir marks a primitive that has no
// value. It exists in typed resources only: Decode sets it, FromTyped takes it away.
const noValueURL = "https://g.co/fhir/StructureDefinition/primitiveHasNoValue"

// newContained makes the message in which google/fhir wraps a resource.
var newContained = map[Version]func() protoreflect.Message{
	R4:   func() protoreflect.Message { return new(r4.ContainedResource).ProtoReflect() },
	STU3: func() protoreflect.Message { return new(stu3.ContainedResource).ProtoReflect() },
}

// noValue makes the extension noValueURL.
var noValue = map[Version]func() protoreflect.Message{
	R4: func() protoreflect.Message {
		return (&d4.Extension{Url: &d4.Uri{Value: noValueURL}, Value: &d4.Extension_ValueX{
			Choice: &d4.Extension_ValueX_Boolean{Boolean: &d4.Boolean{Value: true}}}}).ProtoReflect()
	},
	STU3: func() protoreflect.Message {
		return (&d3.Extension{Url: &d3.Uri{Value: noValueURL}, Value: &d3.Extension_ValueX{
			Choice: &d3.Extension_ValueX_Boolean{Boolean: &d3.Boolean{Value: true}}}}).ProtoReflect()
	},
}

// Decode puts a resource or element into a message of github.com/google/fhir/go: a
// resource into its own message (a Task into *Task) or into a ContainedResource, an
// element into the message of its data type. Nothing is lost but the order of members
// of different names: FromTyped gives the same tree back. What into held before is
// dropped; it is empty after an error. n is only read.
//
// n should have passed Check. What the message cannot hold comes back as issues, all
// of them, each with the FHIRPath: structure for an element that is unknown, twice or of
// the wrong JSON form; value for a text that is not in the lexical form or the required
// codes; extension for the library's own mark on a primitive; not-supported for a
// message that is not of FHIR R4 or STU3.
//
// Source: https://github.com/google/fhir/wiki (FhirProto), http://hl7.org/fhir/R4/json.html.
func Decode(n *Node, into proto.Message) error {
	if n == nil || into == nil || !into.ProtoReflect().IsValid() {
		return issue.New(issue.Exception, "typed", "Decode needs a resource and a message to put it into")
	}
	m := into.ProtoReflect()
	p := planOf(m.Descriptor())
	if p == nil {
		return notFHIR(m.Descriptor())
	}
	proto.Reset(into)
	d := decoder{}
	if s := n.System(); s != nil && s != p.system {
		d.fail(n, issue.Structure, "typed", "the resource is of FHIR "+string(s.Version)+", the typed form of "+string(p.system.Version))
	} else {
		d.message(n, p, m)
	}
	if d.issues != nil {
		proto.Reset(into)
		return issue.Join(d.issues)
	}
	return nil
}

type decoder struct{ issues []*issue.Error }

func (d *decoder) fail(n *Node, t issue.Type, rule, text string) {
	d.report(n, issue.New(t, rule, text))
}

// report gives e its place, up to maxIssues of them.
func (d *decoder) report(n *Node, e *issue.Error) {
	if len(d.issues) < maxIssues {
		d.issues = append(d.issues, e.At(n.Path()).On(n.Position()))
	}
}

func (d *decoder) structure(n *Node, text string) {
	d.fail(n, issue.Structure, "typed-structure", text)
}

func (d *decoder) message(n *Node, p *typePlan, m protoreflect.Message) {
	switch p.form {
	case formComplex:
		switch {
		case n.Kind != Object:
			d.structure(n, "expected a JSON object, found "+n.Kind.String())
		case p.typ.Kind == Resource && n.resourceType != p.typ.Name:
			d.structure(n, "expected a "+p.typ.Name+" resource")
		case p.typ.Kind != Resource && n.resourceType != "":
			d.structure(n, "a resource stands where a "+p.typ.Name+" belongs")
		default:
			d.members(n, p, m)
		}
	case formContained:
		f := p.names[n.resourceType]
		if f == nil {
			d.structure(n, "expected a resource of FHIR "+string(p.system.Version))
			return
		}
		d.message(n, f.plan(p.system), m.Mutable(f.field).Message())
	case formAny:
		inner := p.inside()
		d.message(n, planOf(inner.Descriptor()), inner)
		into, ok := m.Interface().(*anypb.Any)
		if !ok || into.MarshalFrom(inner.Interface()) != nil {
			d.structure(n, "the contained resource cannot be kept") // a text that is not UTF-8, in a tree that was built
		}
	default:
		d.primitive(n, p, m)
	}
}

// members decodes the elements under n, for a primitive its id and extensions.
func (d *decoder) members(n *Node, p *typePlan, m protoreflect.Message) {
	for _, c := range n.Children {
		f := p.names[c.Name]
		if f == nil {
			d.structure(c, "this element is unknown here")
			continue
		}
		if c.List != f.list || c.Kind == Array {
			d.structure(c, "the element must be in a JSON array if and only if it repeats")
			continue
		}
		if f.list {
			list := m.Mutable(f.field).List()
			e := list.NewElement()
			d.message(c, f.plan(p.system), e.Message())
			list.Append(e)
			continue
		}
		if f.reference {
			if m.WhichOneof(p.oneof) != nil {
				d.structure(c, "the element must not repeat")
				continue
			}
			d.reference(c, f, p, m)
			continue
		}
		if m.Has(f.field) {
			d.structure(c, "the element must not repeat, and only one type of a choice may stand")
			continue
		}
		field := m.Mutable(f.field).Message()
		if f.choice != nil {
			field = field.Mutable(f.choice).Message()
		}
		d.message(c, f.plan(p.system), field)
	}
}

// reference decodes Reference.reference into the field for its form: a fragment, the
// id of a resource of a known type, or any other URI.
func (d *decoder) reference(n *Node, f *fieldPlan, p *typePlan, m protoreflect.Message) {
	if n.Kind == String {
		if fragment, ok := strings.CutPrefix(n.Value, "#"); ok {
			d.text(n, f, p, m.Mutable(p.frag).Message(), fragment)
			return
		}
		if target, id, version, ok := cutReference(n.Value); ok && p.targets[target] != nil {
			fd := p.targets[target]
			ref := m.Mutable(fd).Message()
			fields := fd.Message().Fields()
			d.text(n, f, p, ref, id)
			if version != "" {
				history := ref.Mutable(fields.ByName("history")).Message()
				history.Set(history.Descriptor().Fields().ByName("value"), protoreflect.ValueOfString(version))
			}
			return
		}
	}
	d.message(n, f.plan(p.system), m.Mutable(p.uri).Message())
}

// text puts a value, and the id and extensions of n, into one of the fields of a reference.
func (d *decoder) text(n *Node, f *fieldPlan, p *typePlan, into protoreflect.Message, value string) {
	md := into.Descriptor()
	into.Set(md.Fields().ByName("value"), protoreflect.ValueOfString(value))
	if len(n.Children) > 0 {
		plan := f.plan(p.system)
		if md != f.message {
			plan = f.idPlan(md, p.system)
		}
		d.reserved(n)
		d.members(n, plan, into)
	}
}

// idPlan is the plan of ReferenceId, which stands in the place of a string.
func (f *fieldPlan) idPlan(md protoreflect.MessageDescriptor, system *System) *typePlan {
	if p, ok := plans.Load(md); ok {
		return p.(*typePlan)
	}
	return keepPlan(md, newPlan(md, system, f.typ))
}

// cutReference takes "Patient/1" or "Patient/1/_history/2" apart.
func cutReference(s string) (target, id, version string, ok bool) {
	target, rest, ok := strings.Cut(s, "/")
	if !ok {
		return "", "", "", false
	}
	id, rest, versioned := strings.Cut(rest, "/")
	if versioned {
		version, ok = strings.CutPrefix(rest, "_history/")
		ok = ok && version != "" && !strings.Contains(version, "/")
	}
	return target, id, version, ok && id != ""
}

// primitive decodes a value, its id and its extensions.
func (d *decoder) primitive(n *Node, p *typePlan, m protoreflect.Message) {
	if len(n.Children) > 0 && n.Kind != Object {
		d.reserved(n)
		d.members(n, p, m)
	}
	switch {
	case n.Kind == Absent || n.Kind == Null:
		if p.extension == nil || len(n.Children) == 0 {
			d.structure(n, "the element has neither a value nor an extension")
			return
		}
		m.Mutable(p.extension).List().Append(protoreflect.ValueOfMessage(noValue[p.system.Version]()))
	case n.Kind != p.typ.json:
		d.structure(n, "expected a JSON "+p.typ.json.String()+", found "+n.Kind.String())
	case !p.set(m, n.Value):
		e := issue.New(issue.Value, "typed-value", "this is no value of the type "+p.typ.Name)
		if p.form == formCode {
			e = issue.New(issue.CodeInvalid, "typed-code", "the code is not in the required value set")
		}
		d.report(n, e.With("found %q", abbreviate(n.Value)))
	}
}

// reserved refuses the mark that would make FromTyped drop the value.
func (d *decoder) reserved(n *Node) {
	for _, c := range n.Children {
		if c.Name == "extension" && c.Text("url") == noValueURL {
			d.fail(c, issue.Extension, "typed-reserved", "this extension is a mark of the google/fhir library and cannot be kept on a primitive; leave it out")
		}
	}
}

func abbreviate(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
