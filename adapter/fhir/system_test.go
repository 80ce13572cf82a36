package fhir

import (
	"testing"
)

func TestSystems(t *testing.T) {
	for _, v := range []Version{R4, STU3} {
		s := Types(v)
		t.Logf("%s: %d resources, %d types", v, len(s.Resources()), len(s.types))
		for name, ty := range s.types {
			if ty.Base == nil && name != "Element" && name != "Resource" {
				t.Errorf("%s %s has no base", v, name)
			}
			if len(ty.Elements) == 0 && !ty.Abstract && ty.Kind != Primitive {
				t.Errorf("%s %s has no elements", v, name)
			}
			if ty.Kind == Primitive && len(ty.Elements) == 0 {
				t.Errorf("%s %s has no id and extension", v, name)
			}
		}
	}
	task := Types(R4).Type("Task")
	if e := task.Element("status"); !e.Required || !e.HasCode("in-progress") || e.HasCode("IN_PROGRESS") || e.ValueSet != "http://hl7.org/fhir/ValueSet/task-status" {
		t.Errorf("Task.status: %+v", e)
	}
	if m, ok := task.Member("for"); !ok || m.Type.Name != "Reference" {
		t.Errorf("Task.for: %+v", m)
	}
	obs := Types(R4).Type("Observation")
	if m, ok := obs.Member("valueQuantity"); !ok || m.Type.Name != "Quantity" || m.Element.Name != "value" {
		t.Errorf("valueQuantity: %+v", m)
	}
	if m, ok := obs.Member("valueString"); !ok || m.Type.Name != "string" {
		t.Errorf("valueString: %+v", m)
	}
	if ty := Types(R4).Type("Patient.contact"); ty == nil || ty.Kind != Backbone || !ty.Is("BackboneElement") {
		t.Errorf("Patient.contact: %+v", ty)
	}
	if !Types(R4).Type("Age").Is("Quantity") || !Types(R4).Type("Patient").Is("DomainResource") || Types(R4).Type("Bundle").Is("DomainResource") {
		t.Error("derivation")
	}
}

func BenchmarkParse(b *testing.B) {
	body := []byte(sample)
	s := Types(R4)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(s, body, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

const sample = `{"resourceType":"Patient","id":"a","name":[{"family":"Test","given":["A","B"],"_given":[null,{"id":"x"}]}],"_birthDate":{"extension":[{"url":"http://x","valueString":"1970"}]},"active":true}`

func TestRoundTrip(t *testing.T) {
	root, err := Parse(Types(R4), []byte(sample), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(Encode(root)); got != `{"resourceType":"Patient","id":"a","name":[{"family":"Test","given":["A","B"],"_given":[null,{"id":"x"}]}],"active":true,"_birthDate":{"extension":[{"url":"http://x","valueString":"1970"}]}}` {
		t.Error(got)
	}
	if p := root.Child("name").All("given")[1].Path(); p != "Patient.name[0].given[1]" {
		t.Error(p)
	}
}
