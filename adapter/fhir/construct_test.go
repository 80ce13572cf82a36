package fhir

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

func TestConstructors(t *testing.T) {
	london := time.FixedZone("", 3600)
	at := time.Date(2026, 7, 1, 9, 30, 0, 0, london)
	organisation := &Organization{Id: NewID("o"), Name: NewString("Hilltop Surgery")}
	contained, err := Contain(organisation)
	if err != nil {
		t.Fatal(err)
	}
	task := &Task{
		Contained:       []*anypb.Any{contained},
		Identifier:      []*Identifier{NewIdentifier("https://example.org/tasks", "T-1")},
		Status:          NewBound[TaskStatus]("in-progress"),
		Intent:          NewBound[TaskIntent]("order"),
		BusinessStatus:  NewConcept("https://example.org/bs", "x", "", "First contact"),
		Focus:           NewReference("ServiceRequest/1/_history/2"),
		ForValue:        IdentifierReference("https://fhir.nhs.uk/Id/nhs-number", "9999999468"),
		Requester:       NewReference("#o"),
		AuthoredOn:      NewDateTime(at),
		LastModified:    NewDateTime(at.UTC().Add(1500 * time.Microsecond)),
		ExecutionPeriod: NewPeriod(at, time.Time{}),
		Note:            []*Annotation{NewAnnotation("called", at.UTC())},
		Description:     NewString(""),
	}
	output := &TaskOutput{Type: NewConcept("", "", "", "score")}
	if err := SetChoice(output, "value", NewQuantity("1.50", "points", "")); err != nil {
		t.Fatal(err)
	}
	if q, ok := Choice(output, "value").(*Quantity); !ok || q.GetValue().GetValue() != "1.50" {
		t.Error("the choice does not come back")
	}
	if SetChoice(output, "value", &Task{}) == nil || SetChoice(output, "type", NewBoolean(true)) == nil {
		t.Error("a choice took what it has not")
	}
	task.Output = []*TaskOutput{output}
	bundle := &Bundle{Type: NewBound[BundleType]("transaction"), Entry: []*BundleEntry{{Resource: Wrap(task), Request: &BundleRequest{Method: NewBound[BundleMethod]("PUT")}}}}
	n, err := FromTyped(bundle)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Task","contained":[{"resourceType":"Organization","id":"o","name":"Hilltop Surgery"}],` +
		`"identifier":[{"system":"https://example.org/tasks","value":"T-1"}],"status":"in-progress","businessStatus":{"coding":[{"system":"https://example.org/bs","code":"x"}],"text":"First contact"},"intent":"order",` +
		`"focus":{"reference":"ServiceRequest/1/_history/2"},"for":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9999999468"}},"executionPeriod":{"start":"2026-07-01T09:30:00+01:00"},` +
		`"authoredOn":"2026-07-01T09:30:00+01:00","lastModified":"2026-07-01T08:30:00.001500Z","requester":{"reference":"#o"},` +
		`"note":[{"time":"2026-07-01T08:30:00Z","text":"called"}],"output":[{"type":{"text":"score"},"valueQuantity":{"value":1.50,"unit":"points"}}]},"request":{"method":"PUT"}}]}`
	if got := string(Encode(n)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if Unwrap(bundle.Entry[0].Resource) != proto.Message(task) || Unwrap(nil) != nil || Wrap(NewCode("x")) != nil {
		t.Error("Wrap and Unwrap")
	}
	if got := TimeOf(task.AuthoredOn); !got.Equal(at) || got.Format(time.RFC3339) != "2026-07-01T09:30:00+01:00" {
		t.Error(got)
	}
	if !TimeOf((*DateTime)(nil)).IsZero() || !TimeOf(&Date{}).IsZero() {
		t.Error("a time out of nothing")
	}
	if CodeOf(task.Status) != "in-progress" || CodeOf((*TaskStatus)(nil)) != "" || CodeOf(&TaskStatus{}) != "" || SetCode(task.Status, "nonsense") == nil {
		t.Error("codes")
	}
	for _, ref := range []string{"Patient/1", "Patient/1/_history/2", "#a", "urn:uuid:5f0a3c6e-0c59-4b9f-9c5b-0f8f6f9f3c11", "https://example.org/fhir/Patient/1", "Nothing/1"} {
		if got := ReferenceText(NewReference(ref)); got != ref {
			t.Errorf("%s came back as %s", ref, got)
		}
	}
	if d := NewDate(at); d == nil || TimeOf(d).Day() != 1 {
		t.Error("date")
	}
	if i, _ := FromTyped(NewInstant(at)); i == nil || i.Value != "2026-07-01T09:30:00.000+01:00" {
		t.Error("instant")
	}
}
