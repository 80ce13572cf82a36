package profile

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// repeated joins n texts, the first of them for 0.
func repeated(n int, text func(i int) string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = text(i)
	}
	return strings.Join(parts, ",")
}

func loaded(t testing.TB, definitions ...string) *Set {
	t.Helper()
	s, err := Load(Env{ValidateCode: codesForTests(t)}, packaged(t, "x", definitions...))
	if err := errors.Join(err, s.Compile()); err != nil {
		t.Fatal(err)
	}
	return s
}

// asked is a definition of that type with its id and elements.
func asked(typ, id, elements string) string {
	return strings.ReplaceAll(strings.ReplaceAll(definition(typ, elements), `"id":"p"`, `"id":"`+id+`"`), "https://x.example/p", "https://x.example/"+id)
}

// manySlices tells n slices of Patient.identifier apart by what mark says of each.
func manySlices(n int, discriminator string, mark func(i int) string) string {
	return `{"path":"Patient.identifier","slicing":{"discriminator":[` + discriminator + `],"rules":"closed"}},` + repeated(n, func(i int) string {
		return fmt.Sprintf(`{"id":"Patient.identifier:s%d","path":"Patient.identifier","sliceName":"s%d","max":"1"},%s`, i, i, mark(i))
	})
}

func wide(t testing.TB, limit fhir.Limits, body string) *fhir.Node {
	t.Helper()
	root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(body), limit)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// growingMessages are messages of size n, each with the profiles that it is hard for.
var growingMessages = map[string]struct {
	definitions []string
	body        func(n int) string
	ask         string
}{
	"entries that claim": {
		[]string{asked("Patient", "p", `{"path":"Patient.name","min":1,"constraint":[{"key":"k","severity":"error","human":"x","expression":"family.exists()"}]}`)},
		func(n int) string {
			return `{"resourceType":"Bundle","type":"collection","entry":[` + repeated(n, func(i int) string {
				return fmt.Sprintf(`{"fullUrl":"https://x.example/fhir/Patient/%d","resource":{"resourceType":"Patient","id":"%d","meta":{"profile":["https://x.example/p"]},"name":[{"family":"x"}]}}`, i, i)
			}) + `]}`
		}, "",
	},
	"references in a loop": {
		[]string{
			asked("Patient", "p", `{"path":"Patient.link.other","type":[{"code":"Reference","targetProfile":["https://x.example/q"]}]}`),
			asked("Patient", "q", `{"path":"Patient.link.other","type":[{"code":"Reference","targetProfile":["https://x.example/p"]}]},{"path":"Patient.name","constraint":[{"key":"k","severity":"error","human":"x","expression":"%resource.link.other.resolve().exists()"}]}`),
			asked("Bundle", "b", `{"path":"Bundle.entry.resource","type":[{"code":"Resource","profile":["https://x.example/p"]}]}`),
		},
		func(n int) string {
			return `{"resourceType":"Bundle","type":"collection","entry":[` + repeated(n, func(i int) string {
				return fmt.Sprintf(`{"fullUrl":"https://x.example/fhir/Patient/%d","resource":{"resourceType":"Patient","id":"%d","name":[{"family":"x"}],"link":[{"other":{"reference":"Patient/%d"},"type":"seealso"}]}}`, i, i, (i+1)%n)
			}) + `]}`
		}, "https://x.example/b",
	},
	"contained": {
		[]string{asked("List", "p", `{"path":"List.entry.item","type":[{"code":"Reference","targetProfile":["https://x.example/q"]}]}`), asked("Patient", "q", `{"path":"Patient.active","min":1}`)},
		func(n int) string {
			return `{"resourceType":"List","status":"current","mode":"working","contained":[` + repeated(n, func(i int) string {
				return fmt.Sprintf(`{"resourceType":"Patient","id":"c%d","active":true}`, i)
			}) + `],"entry":[` + repeated(n, func(i int) string { return fmt.Sprintf(`{"item":{"reference":"#c%d"}}`, i) }) + `]}`
		}, "https://x.example/p",
	},
	"slices": {
		[]string{asked("Patient", "p", manySlices(200, `{"type":"value","path":"system"}`, func(i int) string {
			return fmt.Sprintf(`{"id":"Patient.identifier:s%d.system","path":"Patient.identifier.system","fixedUri":"http://x/%d"}`, i, i)
		}))},
		func(n int) string {
			return `{"resourceType":"Patient","identifier":[` + repeated(n, func(i int) string { return fmt.Sprintf(`{"system":"http://x/%d"}`, i) }) + `]}`
		}, "https://x.example/p",
	},
	"claims of one profile": {
		[]string{asked("Patient", "p", `{"path":"Patient.name","constraint":[{"key":"k","severity":"error","human":"x","expression":"family.exists()"}]}`)},
		func(n int) string {
			return `{"resourceType":"Patient","meta":{"profile":[` + repeated(n, func(int) string { return `"https://x.example/p"` }) + `]},"name":[` + repeated(n, func(int) string { return `{"text":"x"}` }) + `]}`
		}, "",
	},
	"extensions": {
		[]string{`{"resourceType":"StructureDefinition","id":"e","url":"https://x.example/e","name":"E","status":"active","kind":"complex-type","abstract":false,"type":"Extension","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Extension","derivation":"constraint","context":[{"type":"fhirpath","expression":"Patient.name"}],"differential":{"element":[{"id":"Extension.value[x]","path":"Extension.value[x]","min":1,"type":[{"code":"string"}]}]}}`},
		func(n int) string {
			return `{"resourceType":"Patient","name":[` + repeated(n, func(int) string {
				return `{"extension":[{"url":"https://x.example/e","valueString":"x"}],"text":"x"}`
			}) + `]}`
		}, "",
	},
	"conformsTo": {
		[]string{
			asked("Bundle", "b", `{"path":"Bundle.entry","constraint":[{"key":"k","severity":"error","human":"x","expression":"resource.conformsTo('https://x.example/p')"}]}`),
			asked("Patient", "p", `{"path":"Patient.link.other","type":[{"code":"Reference","targetProfile":["https://x.example/q"]}]}`),
			asked("Patient", "q", `{"path":"Patient.name","min":1}`),
		},
		func(n int) string {
			return `{"resourceType":"Bundle","type":"collection","entry":[` + repeated(n, func(i int) string {
				return fmt.Sprintf(`{"fullUrl":"https://x.example/fhir/Patient/%d","resource":{"resourceType":"Patient","id":"%d","name":[{"text":"x"}],"link":[{"other":{"reference":"Patient/%d"},"type":"seealso"}]}}`, i, i, n-1-i)
			}) + `]}`
		}, "https://x.example/b",
	},
	"faults": {
		[]string{asked("Patient", "p", `{"path":"Patient.name","patternHumanName":{"family":"x"}},{"path":"Patient.name.given","max":"0"}`)},
		func(n int) string {
			return `{"resourceType":"Patient","name":[` + repeated(n, func(int) string { return `{"family":"y","given":["z"]}` }) + `]}`
		}, "https://x.example/p",
	},
}

// spent is the memory, in bytes and blocks, that f takes when nothing is pooled: a pool
// outlives one collection, so two empty it, and none may run while f does.
func spent(f func()) (bytes, blocks uint64) {
	var before, after runtime.MemStats
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, after.Mallocs - before.Mallocs
}

// TestCostIsLinear: four times the size takes about four times the memory, the
// allocations and the counted work. The large round has 10,000 of everything, so that a
// loop within a loop, which counts none of these, would be seen to go round a hundred
// million times.
func TestCostIsLinear(t *testing.T) {
	for name, g := range growingMessages {
		t.Run(name, func(t *testing.T) {
			s := loaded(t, g.definitions...)
			run := func(root *fhir.Node) (work int) {
				v := newValidator(s, &s.env, root)
				defer v.done()
				v.visit(root, nil)
				if g.ask != "" {
					v.against(g.ask, root, nil)
				}
				for _, e := range v.found {
					if errors.Is(e, issue.TooCostly) {
						t.Fatal(e)
					}
				}
				return v.given - v.steps
			}
			small, big := wide(t, fhir.Limits{}, g.body(2_500)), wide(t, fhir.Limits{}, g.body(10_000))
			run(small) // what is built once
			var w1, w4 int
			// other goroutines of the process allocate too
			b1, n1 := spent(func() { w1 = run(small) })
			b4, n4 := spent(func() { w4 = run(big) })
			for range 2 {
				b, n := spent(func() { run(small) })
				b1, n1 = max(b1, b), max(n1, n)
				b, n = spent(func() { run(big) })
				b4, n4 = min(b4, b), min(n4, n)
			}
			t.Logf("work %d, %d; bytes %d, %d; allocations %d, %d", w1, w4, b1, b4, n1, n4)
			if w4 > 4*w1+4*w1/10+100 || b4 > 5*b1+1<<16 || n4 > 5*n1+1000 {
				t.Errorf("four times the size takes %d steps for %d, %d bytes for %d, %d allocations for %d", w4, w1, b4, b1, n4, n1)
			}
			if err := s.Validate(big); errors.Is(err, issue.TooCostly) {
				t.Error(err)
			}
		})
	}
}

// TestManySlices: 10,000 slices are compiled and told apart.
func TestManySlices(t *testing.T) {
	const n = 10_000
	sd := asked("Patient", "p", manySlices(n, `{"type":"value","path":"system"}`, func(i int) string {
		return fmt.Sprintf(`{"id":"Patient.identifier:s%d.system","path":"Patient.identifier.system","fixedUri":"http://x/%d"}`, i, i)
	}))
	s, err := Load(Env{}, fhir.NewPackage("x", wide(t, fhir.Limits{Bytes: 64 << 20, Nodes: 4_000_000}, sd)))
	if err := errors.Join(err, s.Compile()); err != nil {
		t.Fatal(err)
	}
	body := `{"resourceType":"Patient","identifier":[` + repeated(n+2, func(i int) string { return fmt.Sprintf(`{"system":"http://x/%d"}`, min(i, n)) }) + `]}`
	list := issue.All(s.ValidateAgainst(parsed(t, body), "https://x.example/p"))
	if len(list) != 2 || list[0].Expression != "Patient.identifier[10000]" || len(list[0].Details) > 2000 {
		t.Errorf("%v", list)
	}
}

// TestWorkHasAnEnd: what would take too much is left with an issue that says so.
func TestWorkHasAnEnd(t *testing.T) {
	identifiers := `{"resourceType":"Patient","identifier":[` + repeated(8_000, func(int) string { return `{"type":{"coding":[{"code":"none"}]},"system":"x:y"}` }) + `]}`
	for _, c := range []struct{ name, sd, body string }{
		{"slices that are told apart by what has no index", asked("Patient", "p", manySlices(2_000, `{"type":"value","path":"type"}`, func(i int) string {
			return fmt.Sprintf(`{"id":"Patient.identifier:s%d.type","path":"Patient.identifier.type","patternCodeableConcept":{"coding":[{"code":"%d"}]}}`, i, i)
		})), identifiers},
		{"a path that leads from each to all", asked("Patient", "p", `{"path":"Patient.link","slicing":{"discriminator":[{"type":"value","path":"other.resolve().name.family"}],"rules":"open"}},{"id":"Patient.link:a","path":"Patient.link","sliceName":"a","max":"1"},{"id":"Patient.link:a.other","path":"Patient.link.other","type":[{"code":"Reference","targetProfile":["https://x.example/q"]}]}`),
			`{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"a","name":[` + repeated(8_000, func(int) string { return `{"family":"z"}` }) + `]}],"link":[` + repeated(8_000, func(int) string { return `{"other":{"reference":"#a"},"type":"seealso"}` }) + `]}`},
		{"an invariant that reads all for each", asked("Patient", "p", `{"path":"Patient.identifier","constraint":[{"key":"k","severity":"error","human":"x","expression":"%resource.identifier.where(system = 'a').empty()"}]}`), identifiers},
	} {
		s := loaded(t, c.sd, asked("Patient", "q", `{"path":"Patient.name.family","fixedString":"x"}`))
		err := s.ValidateAgainst(parsed(t, c.body), "https://x.example/p")
		if !errors.Is(err, issue.TooCostly) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestHardDefinitions: definitions that make much of themselves are compiled or refused,
// and either ends soon.
func TestHardDefinitions(t *testing.T) {
	long := "Patient" + strings.Repeat(".contact", 200)
	for _, c := range []struct {
		name, elements string
		branch         error
	}{
		{"one element 100,000 times", repeated(100_000, func(int) string { return `{"id":"Patient.name","path":"Patient.name","min":1}` }), nil},
		{"100,000 elements that do not exist", repeated(100_000, func(i int) string { return fmt.Sprintf(`{"id":"Patient.x%d","path":"Patient.x%d"}`, i, i) }), issue.Invalid},
		{"100,000 elements without id, in slices", repeated(100_000, func(i int) string {
			return fmt.Sprintf(`{"path":"Patient.extension","sliceName":"s%d","type":[{"code":"Extension","profile":["https://x.example/e%d"]}]}`, i, i)
		}), nil},
		{"a long path", `{"id":"` + long + `","path":"` + long + `"}`, issue.TooCostly},
		{"a name of a million letters", `{"id":"Patient.` + strings.Repeat("x", 1_000_000) + `","path":"Patient.x"}`, issue.Invalid},
		{"an invariant of a million letters", `{"path":"Patient","constraint":[{"key":"k","severity":"error","human":"x","expression":"` + strings.Repeat("(", 1_000_000) + `"}]}`, issue.Invalid},
		{"an element within itself", `{"path":"Patient.extension.extension.extension.extension.extension.value[x]","min":1}`, nil},
	} {
		s, err := Load(Env{}, fhir.NewPackage("x", wide(t, fhir.Limits{Bytes: 64 << 20, Nodes: 4_000_000}, asked("Patient", "p", c.elements))))
		if err != nil {
			t.Fatal(err)
		}
		err = s.Compile()
		if (err == nil) != (c.branch == nil) || c.branch != nil && !errors.Is(err, c.branch) {
			t.Errorf("%s: %v", c.name, clip(fmt.Sprint(err)))
		}
		for _, e := range issue.All(err) {
			if len(e.Details)+len(e.Diagnostics)+len(e.Expression) > 2000 {
				t.Errorf("%s: an issue grows with the definition: %d", c.name, len(e.Details))
			}
		}
		_ = s.ValidateAgainst(parsed(t, `{"resourceType":"Patient","name":[{"text":"x"}]}`), "https://x.example/p")
	}

	var chain []string
	for i := range 40 {
		chain = append(chain, called(fmt.Sprintf("d%d", i), map[bool]string{false: "", true: fmt.Sprintf("d%d", i-1)}[i > 0], ""))
	}
	s, err := Load(Env{}, packaged(t, "x", chain...))
	if err := errors.Join(err, s.Compile()); !errors.Is(err, issue.TooCostly) {
		t.Error(err)
	}
}
