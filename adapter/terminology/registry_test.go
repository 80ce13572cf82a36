package terminology

import (
	"errors"
	"sync"
	"testing"
	"testing/fstest"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

func parse(t testing.TB, texts ...string) []*fhir.Node {
	t.Helper()
	var out []*fhir.Node
	for _, text := range texts {
		n, err := fhir.Parse(fhir.Types(fhir.R4), []byte(text), fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, n)
	}
	return out
}

func load(t testing.TB, texts ...string) *Registry {
	t.Helper()
	r, err := Load(parse(t, texts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	colours = `{"resourceType":"CodeSystem","url":"urn:colours","status":"active","content":"complete","concept":[
{"code":"red","display":"Red","concept":[{"code":"scarlet"},{"code":"crimson"}]},{"code":"blue","concept":[{"code":"navy"}]}]}`
	shapes = `{"resourceType":"CodeSystem","url":"urn:shapes","status":"active","content":"fragment","caseSensitive":false,"concept":[{"code":"Round"}]}`
)

func TestTranslate(t *testing.T) {
	r := load(t, `{"resourceType":"ConceptMap","url":"urn:m","version":"1","status":"active","group":[
{"source":"urn:a","target":"urn:b","element":[
 {"code":"1","target":[{"code":"x","display":"X","equivalence":"equivalent"},{"code":"y","equivalence":"wider"}]},
 {"code":"2","target":[{"equivalence":"unmatched"}]},{"code":"3"}],"unmapped":{"mode":"fixed","code":"other"}},
{"source":"urn:c","target":"urn:b","element":[{"code":"1","target":[{"code":"z","equivalence":"equal"}]}],"unmapped":{"mode":"other-map","url":"urn:n"}}]}`,
		`{"resourceType":"ConceptMap","url":"urn:n","status":"active","group":[{"source":"urn:c","target":"urn:b","element":[{"code":"9","target":[{"code":"n","equivalence":"equal"}]}],"unmapped":{"mode":"provided"}}]}`)
	for _, c := range []struct {
		system, code string
		want         []Match
	}{
		{"urn:a", "1", []Match{{"urn:b", "x", "X", "equivalent", "urn:m", 0}, {"urn:b", "y", "", "wider", "urn:m", 1}}},
		{"urn:a", "2", []Match{{"urn:b", "", "", "unmatched", "urn:m", 2}}},
		{"urn:a", "3", nil},
		{"urn:a", "4", []Match{{"urn:b", "other", "", "inexact", "urn:m", -1}}},
		{"urn:c", "1", []Match{{"urn:b", "z", "", "equal", "urn:m", 3}}},
		{"urn:c", "9", []Match{{"urn:b", "n", "", "equal", "urn:n", 0}}},
		{"urn:c", "8", []Match{{"urn:b", "8", "", "equal", "urn:n", -1}}},
		{"urn:d", "1", nil},
	} {
		got, err := r.Translate("urn:m|1", c.system, c.code)
		if err != nil || len(got) != len(c.want) {
			t.Errorf("%s %s: %v %v", c.system, c.code, got, err)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s %s: got %+v, want %+v", c.system, c.code, got[i], c.want[i])
			}
		}
	}
	if m := (Match{Code: "x", Equivalence: "disjoint"}); m.Matched() {
		t.Error("disjoint is no match")
	}
	if _, err := r.Translate("urn:none", "urn:a", "1"); !errors.Is(err, issue.NotFound) {
		t.Errorf("an unknown map: %v", err)
	}
	if _, err := (*Registry)(nil).Translate("urn:m", "", "1"); !errors.Is(err, issue.NotFound) {
		t.Errorf("the nil registry: %v", err)
	}
}

func TestTranslateEndsInACycle(t *testing.T) {
	m := `{"resourceType":"ConceptMap","url":"urn:m","status":"active","group":[{"source":"urn:a","element":[{"code":"1"}],"unmapped":{"mode":"other-map","url":"urn:m"}}]}`
	if _, err := load(t, m).Translate("urn:m", "urn:a", "2"); !errors.Is(err, issue.NotFound) {
		t.Errorf("got %v", err)
	}
}

func TestValidateCode(t *testing.T) {
	set := func(url, compose string) string {
		return `{"resourceType":"ValueSet","url":"` + url + `","status":"active","compose":` + compose + `}`
	}
	r := load(t, colours, shapes,
		set("urn:listed", `{"include":[{"system":"urn:colours","concept":[{"code":"red"}]},{"system":"urn:unknown","concept":[{"code":"q"}]}]}`),
		set("urn:all", `{"include":[{"system":"urn:colours"}],"exclude":[{"system":"urn:colours","concept":[{"code":"navy"}]}]}`),
		set("urn:reds", `{"include":[{"system":"urn:colours","filter":[{"property":"concept","op":"is-a","value":"red"}]}]}`),
		set("urn:below-red", `{"include":[{"system":"urn:colours","filter":[{"property":"concept","op":"descendent-of","value":"red"}]}]}`),
		set("urn:regex", `{"include":[{"system":"urn:colours","filter":[{"property":"display","op":"regex","value":"R.*"}]}]}`),
		set("urn:nested", `{"include":[{"system":"urn:colours","valueSet":["urn:listed"]},{"valueSet":["urn:reds"]}]}`),
		set("urn:far", `{"include":[{"system":"http://snomed.info/sct","filter":[{"property":"concept","op":"is-a","value":"404684003"}]}]}`),
		set("urn:missing", `{"include":[{"valueSet":["urn:nowhere"]}]}`),
		set("urn:loop", `{"include":[{"valueSet":["urn:loop"]}]}`),
		set("urn:shape", `{"include":[{"system":"urn:shapes"}]}`),
		`{"resourceType":"ValueSet","url":"urn:expanded","status":"active","expansion":{"timestamp":"2026-01-01","contains":[{"system":"urn:x","code":"top","abstract":true,"contains":[{"system":"urn:x","code":"leaf"}]}]}}`)
	for _, c := range []struct {
		set, system, code string
		ok, known         bool
	}{
		{"urn:listed", "urn:colours", "red", true, true},
		{"urn:listed", "urn:colours", "blue", false, true},
		{"urn:listed", "urn:unknown", "q", true, true},
		{"urn:listed", "", "red", true, true},
		{"urn:all", "urn:colours", "scarlet", true, true},
		{"urn:all", "urn:colours", "navy", false, true},
		{"urn:all", "urn:colours", "green", false, true},
		{"urn:all", "urn:other", "red", false, true},
		{"urn:reds", "urn:colours", "crimson", true, true},
		{"urn:reds", "urn:colours", "red", true, true},
		{"urn:reds", "urn:colours", "navy", false, true},
		{"urn:below-red", "urn:colours", "red", false, true},
		{"urn:regex", "urn:colours", "red", true, true},
		{"urn:regex", "urn:colours", "blue", false, true},
		{"urn:regex", "urn:colours", "green", false, true},
		{"urn:nested", "urn:colours", "red", true, true},
		{"urn:nested", "urn:colours", "scarlet", true, true},
		{"urn:nested", "urn:colours", "blue", false, true},
		{"urn:far", "http://snomed.info/sct", "267076002", false, false},
		{"urn:far", "http://snomed.info/sct", "267076003", false, true}, // fails its check digit
		{"urn:far", "urn:colours", "red", false, true},
		{"urn:missing", "urn:colours", "red", false, false},
		{"urn:loop", "urn:colours", "red", false, false},
		{"urn:none", "urn:colours", "red", false, false},
		{"urn:shape", "urn:shapes", "ROUND", true, true},
		{"urn:shape", "urn:shapes", "square", false, false},
		{"urn:expanded", "urn:x", "leaf", true, true},
		{"urn:expanded", "urn:x", "top", false, true},
	} {
		if ok, known := r.ValidateCode(c.set, c.system, c.code); ok != c.ok || known != c.known {
			t.Errorf("%s %s|%s: got %v, %v", c.set, c.system, c.code, ok, known)
		}
	}
}

func TestExpand(t *testing.T) {
	r := load(t, colours, shapes,
		`{"resourceType":"ValueSet","url":"urn:reds","status":"active","compose":{"include":[{"system":"urn:colours","filter":[{"property":"concept","op":"descendent-of","value":"red"}]},{"system":"urn:q","concept":[{"code":"1"}]}],"exclude":[{"system":"urn:colours","concept":[{"code":"crimson"}]}]}}`,
		`{"resourceType":"ValueSet","url":"urn:nested","status":"active","compose":{"include":[{"valueSet":["urn:reds"]}]}}`,
		`{"resourceType":"ValueSet","url":"urn:shape","status":"active","compose":{"include":[{"system":"urn:shapes"}]}}`)
	for url, want := range map[string]struct {
		codes    string
		complete bool
	}{"urn:reds": {"scarlet 1 ", true}, "urn:nested": {"scarlet 1 ", true}, "urn:shape": {"Round ", false}, "urn:none": {"", false}} {
		got := ""
		concepts, complete := r.Expand(url)
		for _, c := range concepts {
			got += c.Code + " "
		}
		if got != want.codes || complete != want.complete {
			t.Errorf("%s: got %s %v", url, got, complete)
		}
	}
}

func TestLookup(t *testing.T) {
	r := load(t, colours)
	if c, ok := r.Lookup("urn:colours", "red"); !ok || c.Display != "Red" {
		t.Errorf("got %+v", c)
	}
	if above := r.Parents("urn:colours", "navy"); len(above) != 1 || above[0] != "blue" {
		t.Errorf("got %v", above)
	}
	if _, ok := r.Lookup("urn:colours", "green"); ok {
		t.Error("green is no colour here")
	}
}

func TestWithReplacesAndKeeps(t *testing.T) {
	first := load(t, colours, `{"resourceType":"ValueSet","url":"urn:v","status":"active","compose":{"include":[{"system":"urn:late"}]}}`)
	if _, known := first.ValidateCode("urn:v", "urn:late", "a"); known {
		t.Error("a code system that is not here decides nothing")
	}
	second, err := first.With(parse(t, `{"resourceType":"CodeSystem","url":"urn:late","status":"active","content":"complete","concept":[{"code":"a"}]}`)...)
	if err != nil {
		t.Fatal(err)
	}
	if ok, known := second.ValidateCode("urn:v", "urn:late", "a"); !ok || !known {
		t.Error("the value set must see the code system that came later")
	}
	if _, known := first.ValidateCode("urn:v", "urn:late", "a"); known {
		t.Error("the first registry changed")
	}
}

func TestLoadRefuses(t *testing.T) {
	for want, text := range map[issue.Type]string{
		issue.Required: `{"resourceType":"ConceptMap","status":"active"}`,
		issue.Value:    `{"resourceType":"ConceptMap","url":"urn:m","status":"active","group":[{"element":[{"code":"1","target":[{"code":"2","equivalence":"same"}]}]}]}`,
	} {
		if _, err := Load(parse(t, text)...); !errors.Is(err, want) {
			t.Errorf("%s: got %v", text, err)
		}
	}
	if _, err := Load(parse(t, colours, colours)...); !errors.Is(err, issue.Duplicate) {
		t.Error("the same url twice")
	}
	files := fstest.MapFS{"a/b.json": {Data: []byte(colours)}, "c.json": {Data: []byte(`{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + shapes + `}]}`)}, "d.txt": {Data: []byte("x")}}
	r, err := LoadFS(files)
	if err != nil || len(r.URLs("CodeSystem")) != 2 {
		t.Errorf("got %v %v", r.URLs("CodeSystem"), err)
	}
	files["bad.json"] = &fstest.MapFile{Data: []byte("{")}
	if _, err := LoadFS(files); !errors.Is(err, issue.Structure) {
		t.Errorf("got %v", err)
	}
}

func TestConcurrentReads(t *testing.T) {
	r := load(t, colours, `{"resourceType":"ValueSet","url":"urn:v","status":"active","compose":{"include":[{"system":"urn:colours"}]}}`)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 100 {
				r.ValidateCode("urn:v", "urn:colours", "navy")
				r.Lookup("urn:colours", "red")
			}
		})
	}
	wait.Wait()
}

func BenchmarkValidateCode(b *testing.B) {
	r := load(b, colours, `{"resourceType":"ValueSet","url":"urn:v","status":"active","compose":{"include":[{"system":"urn:colours"}]}}`)
	b.ReportAllocs()
	for b.Loop() {
		r.ValidateCode("urn:v", "urn:colours", "navy")
	}
}
