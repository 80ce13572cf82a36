package mapping

import (
	"context"
	"errors"
	"testing"
	"testing/fstest"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

func file1(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func gender(name, value string) string {
	return `map "https://test.example/StructureMap/` + name + `" = "` + name + `"
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as source
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as target
imports "https://test.example/StructureMap/shared"
group main(source src : Patient, target tgt : Patient) { src -> tgt.gender = '` + value + `' "g"; src then id(src, tgt) "id"; }`
}

const sharedMap = `map "https://test.example/StructureMap/shared" = "shared"
group id(source src, target tgt) { src.id as v -> tgt.id = v; }`

// A deployment adds a dialect, replaces one, and adds a file to base.
func TestLoadOverrides(t *testing.T) {
	shipped := fstest.MapFS{
		"base/shared.map": file1(sharedMap), "a/a.map": file1(gender("a", "male")), "a/other.map": file1(gender("o", "other")),
		"b/any.map": file1(gender("b", "male")), "notes/README.md": file1("no map"), "README.md": file1("x"),
	}
	local := fstest.MapFS{
		"b/b.map": file1(gender("b", "female")), "c/c.map": file1(gender("c", "unknown")),
		"base/codes.json": file1(`{"resourceType":"CodeSystem","url":"urn:c","status":"active","content":"complete","concept":[{"code":"1"}]}`),
	}
	all, err := Load(Env{}, shipped, local)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 {
		t.Errorf("got %d dialects", len(all))
	}
	p := fhir.Types(fhir.R4).New("Patient")
	p.Set("id", "1")
	for name, want := range map[string]string{"a": "male", "b": "female", "c": "unknown"} {
		result, err := all[name].Map.Transform(context.Background(), Input{Source: p})
		if err != nil || result.Target.Text("gender") != want || result.Target.Text("id") != "1" {
			t.Errorf("%s: %v %v", name, result, err)
		}
		if _, ok := all[name].Codes.Lookup("urn:c", "1"); !ok {
			t.Errorf("%s does not see the codes of base", name)
		}
	}
	delete(shipped, "a/a.map")
	shipped["a/third.map"] = file1(gender("x", "male"))
	if _, err := Load(Env{}, shipped); !errors.Is(err, issue.NotFound) {
		t.Errorf("a folder in which no map is the one to run: %v", err)
	}
	shipped["b/any.map"] = file1("map")
	if _, err := Load(Env{}, shipped); len(issue.All(err)) != 2 {
		t.Errorf("every folder's fault at once: %v", err)
	}
}
