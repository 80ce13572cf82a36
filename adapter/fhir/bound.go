package fhir

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"spadapter/adapter/issue"
)

// NewBound makes a code of a bound element from the standard's word:
// NewBound[TaskStatus]("in-progress"). It panics for a code that is not in the value
// set: pass constants, and use SetCode for what comes from outside.
func NewBound[M any, P interface {
	*M
	proto.Message
}](code string) P {
	p := P(new(M))
	if err := SetCode(p, code); err != nil {
		panic(err)
	}
	return p
}

// SetCode gives a code message its value; code-invalid when it is not in the value set.
func SetCode(m proto.Message, code string) error {
	r := m.ProtoReflect()
	p := planOf(r.Descriptor())
	if p == nil || p.form != formCode && p.form != formText {
		return notFHIR(r.Descriptor())
	}
	if !p.set(r, code) {
		return issue.Newf(issue.CodeInvalid, "typed-code", "the code is not in the value set of %s", r.Descriptor().FullName()).With("found %q", code)
	}
	return nil
}

// CodeOf is the standard's word of a code message, such as "in-progress" of a
// TaskStatus; "" for nil and for one without value.
func CodeOf(m proto.Message) string {
	if m == nil || !m.ProtoReflect().IsValid() {
		return ""
	}
	r := m.ProtoReflect()
	p := planOf(r.Descriptor())
	if p == nil || p.form != formCode && p.form != formText {
		return ""
	}
	code, _ := p.get(r)
	return code
}

// SetChoice sets a choice element to a value of one of its types:
// SetChoice(observation, "value", NewQuantity(…)). structure when m has no such element,
// or the element no such type. value then belongs to m.
func SetChoice(m proto.Message, element string, value proto.Message) error {
	r, v := m.ProtoReflect(), value.ProtoReflect()
	if f := choiceOf(r, element); f != nil {
		for _, c := range f.choices {
			if c.message.FullName() == v.Descriptor().FullName() {
				r.Mutable(f.field).Message().Set(c.choice, protoreflect.ValueOfMessage(v))
				return nil
			}
		}
	}
	return issue.Newf(issue.Structure, "typed", "%s has no choice %s[x] of type %s", r.Descriptor().Name(), element, v.Descriptor().Name())
}

// Choice is the value of a choice element, to be told apart by a type switch; nil
// when there is none.
func Choice(m proto.Message, element string) proto.Message {
	r := m.ProtoReflect()
	f := choiceOf(r, element)
	if f == nil || !r.Has(f.field) {
		return nil
	}
	choice := r.Get(f.field).Message()
	if fd := choice.WhichOneof(f.oneof); fd != nil {
		return choice.Get(fd).Message().Interface()
	}
	return nil
}

func choiceOf(r protoreflect.Message, element string) *fieldPlan {
	if p := planOf(r.Descriptor()); p != nil && p.form == formComplex {
		for _, f := range p.fields {
			if f.name == element && f.choices != nil {
				return f
			}
		}
	}
	return nil
}
