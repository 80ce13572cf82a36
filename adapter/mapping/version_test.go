package mapping

import (
	"context"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// The two maps below take a social prescribing referral from STU3 to R4 and back.
const referral3to4 = `map "https://test.example/StructureMap/Referral3to4" = "Referral3to4"
uses "http://hl7.org/fhir/3.0/StructureDefinition/ReferralRequest" alias ReferralRequest as source
uses "http://hl7.org/fhir/StructureDefinition/ServiceRequest" alias ServiceRequest as target
imports "https://test.example/StructureMap/*3to4"

group ReferralRequest(source src : ReferralRequest, target tgt : ServiceRequest) extends Resource <<type+>> {
  src.identifier -> tgt.identifier;
  src.status as s -> tgt.status = s;
  src.intent as i where $this = 'order' -> tgt.intent = 'original-order';
  src.intent as i where $this != 'order' -> tgt.intent = i;
  src.priority as p -> tgt.priority = p;
  src.serviceRequested first as c -> tgt.code as t then Concept(c, t);
  src.subject -> tgt.subject;
  src.occurrence -> tgt.occurrence;
  src.authoredOn as a -> tgt.authoredOn = a;
  src.requester as r then { r.agent as a -> tgt.requester = a; } "requester";
  src.reasonCode -> tgt.reasonCode;
  src.description as d -> tgt.note as n, n.text = d "description";
  src.contained : Practitioner as c -> tgt.contained = create('Practitioner') as t then { c.id as i -> t.id = i; c.name -> t.name; };
}
group Concept(source c, target t) { c.coding -> t.coding; c.text as x -> t.text = x; }
`

const resource3to4 = `map "https://test.example/StructureMap/Resource3to4" = "Resource3to4"
uses "http://hl7.org/fhir/3.0/StructureDefinition/Resource" alias Resource as source
uses "http://hl7.org/fhir/StructureDefinition/Resource" alias Resource as target
group Resource(source src, target tgt) { src.id as i -> tgt.id = i; src.language as l -> tgt.language = l; }
`

const referral4to3 = `map "https://test.example/StructureMap/Referral4to3" = "Referral4to3"
uses "http://hl7.org/fhir/StructureDefinition/ServiceRequest" alias ServiceRequest as source
uses "http://hl7.org/fhir/3.0/StructureDefinition/ReferralRequest" alias ReferralRequest as target

group ServiceRequest(source src : ServiceRequest, target tgt : ReferralRequest) {
  src.id as i -> tgt.id = i;
  src.language as l -> tgt.language = l;
  src.identifier -> tgt.identifier;
  src.status as s -> tgt.status = s;
  src.intent as i where $this = 'original-order' -> tgt.intent = 'order';
  src.intent as i where $this != 'original-order' -> tgt.intent = i;
  src.priority as p -> tgt.priority = p;
  src.code as c -> tgt.serviceRequested = c;
  src.subject -> tgt.subject;
  src.occurrence : dateTime as o -> tgt.occurrence = o;
  src.occurrence : Period as o -> tgt.occurrence = o;
  src.authoredOn as a -> tgt.authoredOn = a;
  src.requester as r -> tgt.requester as t, t.agent = r "requester";
  src.reasonCode -> tgt.reasonCode;
  src.note first as n -> tgt.description = (n.text) "description";
  src.contained : Practitioner as c -> tgt.contained = create('Practitioner') as t then { c.id as i -> t.id = i; c.name -> t.name; };
}
`

const referral3 = `{"resourceType":"ReferralRequest","id":"r1","language":"en",` +
	`"contained":[{"resourceType":"Practitioner","id":"gp","name":[{"family":"Test"}]}],` +
	`"identifier":[{"system":"urn:x","value":"1"}],"status":"active","intent":"order","priority":"routine",` +
	`"serviceRequested":[{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]}],"subject":{"reference":"Patient/1"},` +
	`"occurrenceDateTime":"2026-02","_authoredOn":{"extension":[{"url":"urn:why","valueDecimal":1.50}]},` +
	`"requester":{"agent":{"reference":"#gp"}},"reasonCode":[{"text":"lonely"}],"description":"d"}`

const request4 = `{"resourceType":"ServiceRequest","id":"r1","language":"en",` +
	`"contained":[{"resourceType":"Practitioner","id":"gp","name":[{"family":"Test"}]}],` +
	`"identifier":[{"system":"urn:x","value":"1"}],"status":"active","intent":"original-order","priority":"routine",` +
	`"code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"reference":"Patient/1"},` +
	`"occurrenceDateTime":"2026-02","_authoredOn":{"extension":[{"url":"urn:why","valueDecimal":1.50}]},` +
	`"requester":{"reference":"#gp"},"reasonCode":[{"text":"lonely"}],"note":[{"text":"d"}]}`

// TestReferralBetweenVersions: contained resources, primitives that are extensions alone
// and the digits of decimals survive the way from STU3 to R4 and back.
func TestReferralBetweenVersions(t *testing.T) {
	for _, form := range []func(*testing.T, Source) Source{asText, asResource} {
		set, err := Compile([]Source{
			form(t, Source{Name: "3to4.map", Text: referral3to4}), form(t, Source{Name: "resource.map", Text: resource3to4}), form(t, Source{Name: "4to3.map", Text: referral4to3}),
		}, Env{})
		if err != nil {
			t.Fatal(err)
		}
		forth := transformed(t, set.Map("Referral3to4"), fhir.STU3, referral3, request4)
		transformed(t, set.Map("Referral4to3"), fhir.R4, forth, referral3)
	}
}

func transformed(t *testing.T, m *Map, from fhir.Version, source, want string) string {
	t.Helper()
	root, err := fhir.Parse(fhir.Types(from), []byte(source), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := fhir.Check(root); err != nil {
		t.Errorf("the source is not valid: %v", err)
	}
	result, err := m.Transform(context.Background(), Input{Source: root})
	if err != nil {
		t.Fatal(err)
	}
	got := string(fhir.Encode(result.Target))
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, e := range result.Issues {
		t.Errorf("unexpected: %v", e)
	}
	to := result.Target.Type.System()
	again, err := fhir.Parse(to, []byte(got), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := issue.Failures(fhir.Check(again)); err != nil {
		t.Errorf("the target is not valid: %v", err)
	}
	return got
}

const uses = `uses "http://hl7.org/fhir/StructureDefinition/Observation" alias Observation as source
uses "http://hl7.org/fhir/StructureDefinition/Observation" alias Observation as target
`

// TestDefaultGroups: which group maps a type by default, and what extends brings along
// from maps that are imported by the imported map.
func TestDefaultGroups(t *testing.T) {
	imported := func(name, rest string) Source {
		return Source{Name: name + ".map", Text: `map "https://test.example/` + name + `" = "` + name + `"` + "\n" + uses + rest}
	}
	for name, c := range map[string]struct{ main, source, want string }{
		"types: by both types":         {`src.value -> tgt.value;`, `"valueQuantity":{"value":1.50,"unit":"x"}`, `"valueQuantity":{"value":1.50,"unit":"quantity"}`},
		"types: an Age is a Quantity":  {`src.extension as e -> tgt.extension as x then { e.url -> x.url; e.value -> x.value; };`, `"extension":[{"url":"urn:a","valueAge":{"value":2}}]`, `"extension":[{"url":"urn:a","valueAge":{"value":2,"unit":"quantity"}}]`},
		"type+: by the source alone":   {`src.code -> tgt.code;`, `"code":{"text":"t"}`, `"code":{"text":"concept t"}`},
		"no group: a copy":             {`src.issued -> tgt.issued;`, `"issued":"2026-02-03T10:00:00Z"`, `"issued":"2026-02-03T10:00:00Z"`},
		"extends, over two imports":    {`src -> tgt then own(src, tgt) "x";`, `"id":"1","status":"final","language":"en"`, `"id":"1","language":"en","status":"final"`},
		"own rules beside the default": {`src.method as m -> tgt.method as t then { m.text as x -> t.text = x; };`, `"method":{"text":"t"}`, `"method":{"text":"t"}`},
	} {
		t.Run(name, func(t *testing.T) {
			sources := []Source{
				imported("main", `imports "https://test.example/near"
group main(source src : Observation, target tgt : Observation) { `+c.main+` }
group own(source src : Observation, target tgt : Observation) extends middle { src.status -> tgt.status; }`),
				imported("near", `imports "https://test.example/far"
imports "https://test.example/main"
group middle(source src, target tgt) extends root { src.language -> tgt.language; }
group q(source s : Quantity, target t : Quantity) extends noted <<types>> { s.value -> t.value; }
group noted(source s : Quantity, target t : Quantity) { s -> t.unit = 'quantity' "unit"; }`),
				imported("far", `imports "https://test.example/near"
group root(source src, target tgt) { src.id -> tgt.id; }
group concept(source s : CodeableConcept, target t : CodeableConcept) <<type+>> { s.text as x -> t.text = append('concept ', x); }`),
			}
			set, err := Compile(sources, Env{})
			if err != nil {
				t.Fatal(err)
			}
			root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(`{"resourceType":"Observation",`+c.source+`}`), fhir.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			result, err := set.Maps()[0].Transform(context.Background(), Input{Source: root})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimPrefix(string(fhir.Encode(result.Target)), `{"resourceType":"Observation",`); got != c.want+"}" {
				t.Errorf("got  %s\nwant %s}", got, c.want)
			}
		})
	}
}
