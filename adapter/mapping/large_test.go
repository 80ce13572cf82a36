package mapping

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// many is a Patient with that many identifiers, every second with a use.
func many(count int) string {
	var b strings.Builder
	b.WriteString(`{"resourceType":"Patient","id":"p","identifier":[`)
	for i := range count {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"value":"%d"`, i)
		if i%2 == 0 {
			b.WriteString(`,"use":"old"`)
		}
		b.WriteByte('}')
	}
	b.WriteString(`]}`)
	return b.String()
}

// entries makes an entry of every identifier, and one that stays empty of every second;
// what stands first in the standard is made last.
const entries = `map "https://test.example/StructureMap/e" = "e"
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as source
uses "http://hl7.org/fhir/StructureDefinition/Bundle" alias Bundle as target
group main(source src : Patient, target tgt : Bundle) {
  src.id "ignore-id";
  src.identifier as i -> tgt.entry as e then {
    i.use as u, i.value as v -> e.resource = create('Basic') as b, b.language = v, b.code as c then { v -> c.text = v "text"; } "basic";
    i.value as v -> e.search as s then { v.extension as x -> s.mode = 'match'; } "empty";
  } "entry";
  src -> tgt.type = 'collection' "type";
}`

// A long message becomes a Bundle of 100,000 entries, and what stayed empty is gone.
func TestLargeTarget(t *testing.T) {
	d := dialectOf(t, entries)
	const count = 200_000
	source, err := fhir.Parse(fhir.Types(fhir.R4), []byte(many(count)), fhir.Limits{Bytes: 1 << 30, Nodes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	result, err := d.Convert(context.Background(), Input{Source: source})
	if err != nil {
		t.Fatal(err)
	}
	made := result.Target.All("entry")
	if len(made) != count/2 || result.Target.Children[0].Name != "type" || len(made[0].Children) != 1 || len(result.Unread) != 0 {
		t.Fatalf("%d entries, %d unread, first %s", len(made), len(result.Unread), fhir.Encode(made[0]))
	}
	if len(fhir.Encode(result.Target)) < count*40 {
		t.Error("the text is too short")
	}
}

// Trace, report and comparison go through a long result once.
func TestLargeTrace(t *testing.T) {
	d := dialectOf(t, entries)
	const count = 20_000
	result, err := d.Convert(context.Background(), Input{Source: parsed(t, many(count)), Trace: true})
	if err != nil {
		t.Fatal(err)
	}
	if last := result.Trace[len(result.Trace)-2]; newPaths().of(last.Target) != "Bundle.entry[9999].resource.code.text" {
		t.Errorf("the last step but one: %s", newPaths().of(last.Target))
	}
	if n := len(result.Parameters().All("parameter")); n != len(result.Trace)+2 {
		t.Errorf("%d parameters of %d steps", n, len(result.Trace))
	}
	if err := result.Report(io.Discard, true); err != nil {
		t.Error(err)
	}
	for _, n := range result.Target.All("entry") {
		if _, ok := result.Origin(n.Descend("resource", "language")); !ok {
			t.Fatal("an element without origin")
		}
	}
	if found := Differences(result.Target, result.Target.Clone()); found != nil {
		t.Errorf("%d differences from itself", len(found))
	}
}

// What makes an empty element costs what the element costs, however many there are.
func TestEmptyElementsAreLinear(t *testing.T) {
	m := dialectOf(t, entries).Map
	each := func(count int) float64 {
		source := parsed(t, many(count))
		allocations := testing.AllocsPerRun(1, func() {
			if _, err := m.Transform(context.Background(), Input{Source: source}); err != nil {
				t.Fatal(err)
			}
		})
		return allocations / float64(count)
	}
	if few, more := each(1000), each(20_000); more > few*1.05 {
		t.Errorf("%.2f allocations for each of 1,000, %.2f for each of 20,000", few, more)
	}
}

// nested is that many extensions inside each other.
func nested(depth int) string {
	return `{"resourceType":"Patient","id":"p","extension":[` + strings.Repeat(`{"url":"u","extension":[`, depth-1) + `{"url":"u"}` + strings.Repeat(`]}`, depth-1) + `]}`
}

// Nesting ends where the parser says so, with a place; a tree that was built deeper is
// read to its end.
func TestDeepNesting(t *testing.T) {
	_, err := fhir.Parse(fhir.Types(fhir.R4), []byte(nested(10_000)), fhir.Limits{})
	told := issue.All(err)
	if len(told) != 1 || !errors.Is(err, issue.TooCostly) || told[0].Line != 1 || told[0].Column == 0 {
		t.Errorf("got %v", err)
	}
	d := dialectOf(t, header+`group main(source src : Patient, target tgt : Basic) {
  src.id as i -> tgt.id = i;
  src.extension as x -> tgt.extension = x;
  src -> tgt.code as c, c.text = 'x' "code";
}`)
	patient := fhir.Types(fhir.R4).New("Patient")
	patient.Set("id", "p")
	at := patient
	for range 10_000 {
		at = at.Add("extension")
		at.Set("url", "u")
	}
	result, err := d.Convert(context.Background(), Input{Source: patient, Trace: true})
	if err != nil {
		t.Fatal(err)
	}
	depth := 0
	for n := result.Target.Child("extension"); n != nil; n = n.Child("extension") {
		depth++
	}
	if depth != 10_000 || len(result.Unread) > 0 {
		t.Errorf("depth %d, unread %d", depth, len(result.Unread))
	}
	if got := result.Trace[1].String(); !strings.HasPrefix(got, "Basic.extension[0] <- Patient.extension[0]  ") {
		t.Error(got)
	}
}

// A map that goes round in circles, or takes everything by everything, ends with ctx.
func TestTransformEndsWithContext(t *testing.T) {
	m := dialectOf(t, header+`group main(source src : Patient, target tgt : Basic) {
  src.identifier as a, src.identifier as b, src.identifier as c where %a.value = %b.value and %b.value = 'x' -> tgt.identifier = c "all";
}`).Map
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := m.Transform(ctx, Input{Source: parsed(t, many(10_000))}); !errors.Is(err, issue.Timeout) {
		t.Errorf("got %v", err)
	}
}

// TestWorkIsBounded: a condition that looks at all repeats, for each of them, costs the
// square of the message. The transform ends with an issue instead, at once.
func TestWorkIsBounded(t *testing.T) {
	set, err := Compile([]Source{{Name: "square.map", Text: `map "https://test.example/square" = "square"
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as source
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as target
group main(source src : Patient, target tgt : Patient) {
  src.name as n where (%src.name.where(family = 'x' or family = 'y').empty()) -> tgt.name = n "each";
}`}}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	transform := func(names int) error {
		body := `{"resourceType":"Patient","name":[` + strings.TrimSuffix(strings.Repeat(`{"family":"Ashgrove"},`, names), ",") + `]}`
		root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(body), fhir.Limits{Bytes: 8 << 20})
		if err != nil {
			t.Fatal(err)
		}
		_, err = set.Maps()[0].Transform(context.Background(), Input{Source: root})
		return err
	}
	if err := transform(500); err != nil {
		t.Errorf("500 names are too many: %v", err)
	}
	all := issue.All(transform(50_000))
	if len(all) != 1 || all[0].Type != issue.TooCostly || all[0].Expression == "" || !strings.Contains(all[0].Details, "square.map:5:") {
		t.Errorf("50,000 names: %d issues, first %v", len(all), all[:min(1, len(all))])
	}
}

// TestNotesAreBounded: a map that logs every repeat does not answer with more than it was
// sent, and says how much more there was.
func TestNotesAreBounded(t *testing.T) {
	set, err := Compile([]Source{{Name: "talk.map", Text: `map "https://test.example/talk" = "talk"
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as source
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as target
group main(source src : Patient, target tgt : Patient) {
  src.identifier as i log (value) -> tgt.identifier = i "each";
}`}}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(many(2500)), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := set.Maps()[0].Transform(context.Background(), Input{Source: root})
	if err != nil {
		t.Fatal(err)
	}
	logged := 0
	for _, e := range result.Issues {
		if e.Rule == "map-log" {
			logged++
		}
	}
	if said := slices.IndexFunc(result.Issues, func(e *issue.Error) bool { return e.Rule == "map-notes" }); logged != maxNotes || said < 0 || !strings.Contains(result.Issues[said].Details, "1500 more") {
		t.Errorf("%d are listed of 2500, the rest at %d", logged, said)
	}
}
