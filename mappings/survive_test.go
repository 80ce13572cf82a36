package mappings

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"spadapter/adapter/fhir"
	"spadapter/adapter/mapping"
)

// taken are the resource types that a referral may hold.
var taken = []string{"Patient", "RelatedPerson", "Practitioner", "PractitionerRole", "Organization", "HealthcareService", "Location",
	"ServiceRequest", "Observation", "Condition", "QuestionnaireResponse", "DocumentReference", "Flag", "Consent", "Encounter"}

// survives maps one resource in a Bundle and compares its copy with it: all is there but
// meta.versionId and meta.lastUpdated, and nothing is reported.
func survives(t interface{ Fatalf(string, ...any) }, m *mapping.Map, resource *fhir.Node) {
	b := fhir.Types(fhir.R4).New("Bundle")
	b.Set("type", "collection")
	e := b.Add("entry")
	e.Set("fullUrl", "urn:uuid:5a000001-0000-4000-8000-000000000001")
	e.Append("resource", resource.Clone())
	result, err := m.Transform(context.Background(), mapping.Input{Source: b, Identity: "x"})
	if err != nil {
		t.Fatalf("%s: %v", fhir.Encode(resource), err)
	}
	if len(result.Unread) > 0 {
		t.Fatalf("%s: unread %s", fhir.Encode(resource), result.Unread[0].Path())
	}
	entries := result.Target.All("entry")
	got := entries[len(entries)-1].Child("resource")
	want := resource.Clone()
	if meta := want.Child("meta"); meta != nil {
		meta.Remove("versionId")
		meta.Remove("lastUpdated")
		if len(meta.Children) == 0 {
			want.Remove("meta")
		}
	}
	var x, y any
	if json.Unmarshal(fhir.Encode(got), &x) != nil || json.Unmarshal(fhir.Encode(want), &y) != nil {
		t.Fatalf("no JSON: %s", fhir.Encode(got))
	}
	if !reflect.DeepEqual(x, y) {
		t.Fatalf("changed\nfrom %s\nto   %s", fhir.Encode(want), fhir.Encode(got))
	}
}

// TestEveryElementSurvives fills resources with any elements the standard has.
func TestEveryElementSurvives(t *testing.T) {
	m := dialects(t)["ukcore-r4-to-referral"].Map
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom(taken).Draw(rt, "type")
		survives(rt, m, filled(rt, fhir.Types(fhir.R4).Type(name), 0))
	})
}

// samples are texts in the lexical form of each primitive.
var samples = map[string]string{"boolean": "true", "integer": "-3", "decimal": "1.50", "positiveInt": "7", "unsignedInt": "0",
	"date": "2026-03", "dateTime": "2026-03-02T09:12:00+01:00", "instant": "2026-03-02T09:12:00.123Z", "time": "09:12:00",
	"uri": "urn:x", "url": "urn:x", "canonical": "urn:x|1", "oid": "urn:oid:1.2", "uuid": "urn:uuid:5a000001-0000-4000-8000-000000000001",
	"id": "a-1", "base64Binary": "YQ==", "xhtml": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}

// filled draws an element of that type with some of its elements.
func filled(rt *rapid.T, typ *fhir.Type, depth int) *fhir.Node {
	n := fhir.New(typ)
	for _, e := range typ.Elements {
		if depth > 2 && !e.Required || rapid.IntRange(0, 4+3*depth).Draw(rt, e.Path) > 0 {
			continue
		}
		times := 1
		if e.List {
			times = rapid.IntRange(1, 2).Draw(rt, "times")
		}
		et := e.Types[0]
		if e.Choice {
			et = rapid.SampledFrom(e.Types).Draw(rt, "choice")
		}
		if et.Abstract {
			if et = fhir.Types(fhir.R4).Type("Basic"); depth > 0 {
				continue
			}
		}
		for range times {
			var c *fhir.Node
			switch text, ok := samples[et.Name]; {
			case et.Kind != fhir.Primitive:
				if c = filled(rt, et, depth+1); len(c.Children) == 0 {
					continue
				}
			case len(e.Codes) > 0:
				c = fhir.NewPrimitive(et, rapid.SampledFrom(e.Codes).Draw(rt, "code"))
			case ok:
				c = fhir.NewPrimitive(et, text)
			default:
				c = fhir.NewPrimitive(et, rapid.StringMatching(`[a-zé'"\\]{1,6}`).Draw(rt, "text"))
			}
			if c.HasValue() && rapid.IntRange(0, 9).Draw(rt, "extended") == 0 {
				c.Add("extension").Set("url", "urn:e")
			}
			n.Append(e.JSONName(et), c)
		}
	}
	return n
}

// TestPublishedResourcesSurvive does the same with the published examples, where they are.
func TestPublishedResourcesSurvive(t *testing.T) {
	m := dialects(t)["ukcore-r4-to-referral"].Map
	count := 0
	for _, group := range []string{"ukcore", "gravity-sdoh", "hl7-r4-examples", "pds"} {
		root := "../../shared/reference/real/" + group
		_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(p, ".json") {
				return nil
			}
			body, err := os.ReadFile(p)
			if err != nil {
				return nil
			}
			resource, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
			if err != nil || resource.Type == nil || fhir.Check(resource) != nil {
				return nil
			}
			for _, name := range taken {
				if resource.ResourceType() == name {
					count++
					survives(t, m, resource)
				}
			}
			return nil
		})
	}
	t.Logf("%d published resources copied without loss", count)
}
