package terminology

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// animals has every kind of property; its version is 1.
const animals = `{"resourceType":"CodeSystem","url":"urn:animals","version":"1","name":"Animals","status":"active","content":"complete","caseSensitive":true,
"property":[{"code":"legs","type":"integer"},{"code":"food","type":"code"},{"code":"kin","type":"Coding"},{"code":"gone","uri":"http://hl7.org/fhir/concept-properties#inactive","type":"boolean"},{"code":"above","uri":"http://hl7.org/fhir/concept-properties#parent","type":"code"}],"concept":[
{"code":"animal","property":[{"code":"notSelectable","valueBoolean":true}],"concept":[
 {"code":"bird","display":"Bird","property":[{"code":"legs","valueInteger":2}],"concept":[{"code":"duck","display":"Duck","property":[{"code":"legs","valueInteger":2},{"code":"food","valueCode":"plant"},{"code":"food","valueCode":"fish"}]},{"code":"dodo","display":"Dodo","property":[{"code":"legs","valueInteger":2},{"code":"gone","valueBoolean":true}]}]},
 {"code":"fish","display":"Fish","designation":[{"language":"cy","value":"Pysgodyn"}],"property":[{"code":"kin","valueCoding":{"system":"urn:x","code":"shark"}}]}]},
{"code":"pet","display":"Pet"},{"code":"goldfish","display":"Goldfish","property":[{"code":"above","valueCode":"fish"},{"code":"above","valueCode":"pet"}]}]}`

// set is a ValueSet with a compose.
func set(url, compose string) string {
	return `{"resourceType":"ValueSet","url":"` + url + `","status":"active","compose":` + compose + `}`
}

// including is a compose of one include of animals.
func including(rest string) string { return `{"include":[{"system":"urn:animals",` + rest + `}]}` }

// filtered is one filter as a compose.
func filtered(property, op, value string) string {
	return including(`"filter":[{"property":"` + property + `","op":"` + op + `","value":"` + value + `"}]`)
}

// listing gives the codes of a value set in order, and why they are not all.
func listing(r *Registry, url string) string {
	list, err := r.List(context.Background(), Wanted{ValueSet: url, Count: -1})
	if err != nil {
		return strings.TrimPrefix(issue.All(err)[0].Details, "the value set cannot be expanded whole: ")
	}
	var out []string
	for _, m := range list.Members {
		out = append(out, m.Code)
	}
	return strings.Join(out, " ")
}

// TestCompose: what a value set lists, and that it holds exactly that.
func TestCompose(t *testing.T) {
	const all = "animal bird duck dodo fish pet goldfish"
	parts := []string{animals, colours, shapes,
		set("urn:birds", filtered("concept", "is-a", "bird")), set("urn:pets", filtered("above", "=", "pet")),
		set("urn:me", `{"include":[{"valueSet":["urn:you"]},{"system":"urn:animals","concept":[{"code":"pet"}]}]}`), set("urn:you", `{"include":[{"valueSet":["urn:me"]}]}`),
		`{"resourceType":"ValueSet","url":"urn:versioned","version":"2","status":"active","compose":{"include":[{"system":"urn:animals","concept":[{"code":"pet"}]}]}}`,
		`{"resourceType":"ValueSet","url":"urn:expanded","status":"active","expansion":{"timestamp":"2026-01-01","contains":[{"system":"urn:animals","code":"bird","abstract":true,"contains":[{"system":"urn:animals","code":"duck","inactive":true}]},{"system":"urn:animals","code":"fish"}]}}`,
	}
	for compose, want := range map[string]string{
		including(`"version":"1"`):                             all,
		including(`"version":"2"`):                             "the code system urn:animals|2 is loaded, but not known to be in this version",
		including(`"version":"2","concept":[{"code":"duck"}]`): "duck", // what is listed needs no code system
		`{"include":[{"system":"urn:none"}]}`:                  "the code system urn:none is not loaded",
		`{"include":[{"system":"urn:none","concept":[{"code":"b"},{"code":"a"},{"code":"b"}]}]}`: "b a",
		`{"include":[{"system":"urn:shapes"}]}`:                                                  "only a part of the code system urn:shapes is loaded",

		filtered("concept", "is-a", "bird"):            "bird duck dodo",
		filtered("code", "descendent-of", "animal"):    "bird duck dodo fish goldfish",
		filtered("concept", "is-not-a", "bird"):        "animal fish pet goldfish",
		filtered("concept", "generalizes", "goldfish"): "animal fish pet goldfish",
		filtered("concept", "=", "duck"):               "duck",
		filtered("concept", "in", "duck, pet ,none"):   "duck pet",
		filtered("concept", "not-in", "duck,pet"):      "animal bird dodo fish goldfish",
		filtered("concept", "regex", "d.*"):            "duck dodo",
		filtered("concept", "regex", "uck"):            "", // the whole of it
		filtered("concept", "is-a", "none"):            "",
		filtered("legs", "=", "2"):                     "bird duck dodo",
		filtered("legs", "exists", "false"):            "animal fish pet goldfish",
		filtered("food", "=", "fish"):                  "duck", // one of two
		filtered("food", "in", "plant,hay"):            "duck",
		filtered("food", "not-in", "plant"):            "animal bird dodo fish pet goldfish",
		filtered("kin", "=", "shark"):                  "fish",
		filtered("gone", "=", "true"):                  "dodo",
		filtered("gone", "=", "false"):                 "animal bird duck fish pet goldfish",
		filtered("above", "=", "pet"):                  "goldfish",
		filtered("parent", "=", "fish"):                "goldfish",
		filtered("child", "=", "duck"):                 "bird",
		filtered("child", "exists", "true"):            "animal bird fish pet",
		filtered("display", "regex", "(Duck|Dodo)"):    "duck dodo",
		filtered("designation", "=", "Pysgodyn"):       "fish",
		filtered("definition", "exists", "true"):       "",

		filtered("wings", "=", "2"):                             "the code system urn:animals has no property wings",
		filtered("legs", "is-a", "2"):                           `the filter "legs is-a 2" is not possible: is-a works on concept`,
		filtered("concept", "regex", "("):                       `the filter "concept regex (" cannot be run: its regular expression is not one that RE2 reads`,
		filtered("concept", "regex", strings.Repeat("a", 2000)): `the filter "concept regex ` + strings.Repeat("a", 2000) + `" cannot be run: its regular expression is too long`,
		filtered("legs", "exists", "maybe"):                     `the filter "legs exists maybe" cannot be run: exists needs the value true or false`,
		filtered("concept", "child-of", "bird"):                 `the filter "concept child-of bird" cannot be run: there is no such operator`,

		including(`"filter":[{"property":"concept","op":"is-a","value":"bird"},{"property":"gone","op":"=","value":"false"}]`): "bird duck",
		`{"inactive":false,"include":[{"system":"urn:animals","filter":[{"property":"concept","op":"is-a","value":"bird"}]}]}`: "bird duck",
		`{"inactive":false,"include":[{"system":"urn:animals","concept":[{"code":"dodo"},{"code":"duck"}]}]}`:                  "duck",

		`{"include":[{"valueSet":["urn:birds"]},{"valueSet":["urn:pets"]}]}`:                                          "bird duck dodo goldfish",
		`{"include":[{"valueSet":["urn:birds","urn:pets"]}]}`:                                                         "", // both
		`{"include":[{"system":"urn:animals","concept":[{"code":"duck"},{"code":"fish"}],"valueSet":["urn:birds"]}]}`: "duck",
		`{"include":[{"system":"urn:animals"},{"system":"urn:colours"},{"system":"urn:animals","concept":[{"code":"pet"}]}],"exclude":[{"system":"urn:animals","filter":[{"property":"concept","op":"is-a","value":"animal"}]},{"system":"urn:colours","concept":[{"code":"red"}]}]}`: "pet scarlet crimson blue navy",
		`{"include":[{"system":"urn:animals"}],"exclude":[{"valueSet":["urn:birds"]}]}`: "animal fish pet goldfish",
		`{"include":[{"system":"urn:animals"}],"exclude":[{"valueSet":["urn:none"]}]}`:  "the value set urn:none is not loaded",
		`{"include":[{"valueSet":["urn:versioned|2"]}]}`:                                "pet",
		`{"include":[{"valueSet":["urn:versioned|1"]}]}`:                                "the value set urn:versioned|1 is not loaded",
		`{"include":[{"valueSet":["urn:versioned"]}]}`:                                  "pet",
		`{"include":[{"valueSet":["urn:expanded"]}]}`:                                   "duck fish",
		`{"include":[{"valueSet":["urn:me"]}]}`:                                         "the value set urn:me imports itself",
		`{"include":[{"valueSet":["urn:v"]}]}`:                                          "the value set urn:v imports itself",
		`{"include":[{"version":"1"}]}`:                                                 "an include of the value set says neither a code system nor only value sets",
		`{"include":[{"concept":[{"code":"duck"}]}]}`:                                   "an include of the value set says neither a code system nor only value sets",
	} {
		r := load(t, append(slices.Clone(parts), set("urn:v", compose))...)
		got := listing(r, "urn:v")
		if got != want {
			t.Errorf("%.300s:\ngot  %s\nwant %s", compose, got, want)
			continue
		}
		if strings.Contains(want, " is ") || strings.Contains(want, "neither") || strings.Contains(want, "filter") || strings.Contains(want, "imports") || strings.Contains(want, "no property") {
			continue
		}
		for _, code := range strings.Fields(all) {
			ok, known := r.ValidateCode("urn:v", "urn:animals", code)
			if !known || ok != slices.Contains(strings.Fields(want), code) {
				t.Errorf("%s: %s is %v, %v", compose, code, ok, known)
			}
		}
	}
}

// TestAnUnknownPartDoesNotHideAnAnswer: yes is certain where one include says so, no where
// an exclude does.
func TestAnUnknownPartDoesNotHideAnAnswer(t *testing.T) {
	r := load(t, animals,
		set("urn:some", `{"include":[{"system":"urn:none"},{"system":"urn:animals","concept":[{"code":"duck"}]},{"valueSet":["urn:missing"]}],"exclude":[{"system":"urn:animals","concept":[{"code":"dodo"}]}]}`),
		set("urn:most", `{"include":[{"system":"urn:animals"}],"exclude":[{"valueSet":["urn:missing"]}]}`))
	for _, c := range []struct{ set, system, code, want string }{
		{"urn:some", "urn:animals", "duck", "yes"},
		{"urn:some", "urn:animals", "dodo", "no"},
		{"urn:some", "urn:animals", "fish", "the value set urn:missing is not loaded"},
		{"urn:some", "urn:none", "a", "the code system urn:none is not loaded; the value set urn:missing is not loaded"},
		{"urn:most", "urn:animals", "cow", "no"},
		{"urn:most", "urn:animals", "duck", "the value set urn:missing is not loaded"},
		{"urn:none", "urn:animals", "duck", "no such value set"},
	} {
		if got := verdict(r, c.set, c.system, c.code); got != c.want {
			t.Errorf("%s %s|%s: got %s, want %s", c.set, c.system, c.code, got, c.want)
		}
	}
}

// TestHasCode asks for elements as a binding does.
func TestHasCode(t *testing.T) {
	r := load(t, animals, set("urn:birds", filtered("concept", "is-a", "bird")), set("urn:far", `{"include":[{"system":"urn:none"}]}`), set("urn:units", `{"include":[{"system":"http://unitsofmeasure.org"}]}`))
	element := func(text string, names ...string) *fhir.Node { return parse(t, text)[0].Descend(names...) }
	observation := func(rest string) string { return `{"resourceType":"Observation","status":"duck",` + rest + `}` }
	duck, fish, far, bare := `{"system":"urn:animals","code":"duck"}`, `{"system":"urn:animals","code":"fish"}`, `{"system":"urn:none","code":"1"}`, `{"code":"duck"}`
	concept := func(codings ...string) *fhir.Node {
		return element(observation(`"code":{"text":"x","coding":[`+strings.Join(codings, ",")+`]}`), "code")
	}
	for name, c := range map[string]struct {
		set  string
		n    *fhir.Node
		want string
	}{
		"primitive":                         {"urn:birds", element(observation(`"id":"1"`), "status"), "true true"},
		"primitive, another":                {"urn:birds", element(observation(`"id":"1"`), "id"), "false true"},
		"primitive, undecided":              {"urn:far", element(observation(`"id":"1"`), "id"), "false false"},
		"primitive without value":           {"urn:birds", element(`{"resourceType":"Observation","_status":{"extension":[{"url":"urn:x","valueCode":"y"}]}}`, "status"), "false false"},
		"coding":                            {"urn:birds", concept(duck).Child("coding"), "true true"},
		"coding without system":             {"urn:birds", concept(bare).Child("coding"), "false true"},
		"concept":                           {"urn:birds", concept(fish, duck), "true true"},
		"concept of others":                 {"urn:birds", concept(fish, far), "false true"},
		"concept, one coding undecided":     {"urn:far", concept(far, fish), "false false"},
		"concept without coding":            {"urn:birds", concept(), "false true"},
		"concept of a value set not loaded": {"urn:nowhere", concept(duck), "false false"},
		"no element":                        {"urn:birds", nil, "false false"},
		"quantity":                          {"urn:units", element(observation(`"valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}`), "value"), "true true"},
		"quantity with a word":              {"urn:units", element(observation(`"valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"day"}`), "value"), "false false"},
	} {
		ok, known := r.HasCode(c.set, c.n)
		if got := fmt.Sprint(ok, " ", known); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestGrammars(t *testing.T) {
	const units, types, languages = "http://unitsofmeasure.org", "urn:ietf:bcp:13", "urn:ietf:bcp:47"
	r := load(t)
	for _, c := range []struct {
		system, code string
		want         answer
	}{
		{units, "mg", yes}, {units, "mg/dL", yes}, {units, "{score}", yes}, {units, "1", yes}, {units, "", no}, {units, "m g", no}, {units, "µg", no}, {units, "furlong", unknown}, {units, "week", unknown}, {units, "wk", yes},
		{types, "text/plain", yes}, {types, "application/fhir+json; fhirVersion=4.0", yes}, {types, "json", unknown}, {types, "text/", no}, {types, "text/plain; =", no}, {types, "fruit/apple", no},
		{languages, "en", unknown}, {languages, "en-GB", unknown}, {languages, "zh-Hant-TW", unknown}, {languages, "sl-rozaj-biske", unknown}, {languages, "x-own", unknown}, {languages, "de-CH-x-phonebk", unknown},
		{languages, "en_GB", no}, {languages, "e", no}, {languages, "english-", no}, {languages, "", no},
	} {
		if got := r.source(c.system).selects(nil, c.code, nil); got != c.want {
			t.Errorf("%s %q: got %d, want %d", c.system, c.code, got, c.want)
		}
	}
	if d, err := r.Describe(units, "", "kg"); err != nil || d.Name != "UCUM" {
		t.Errorf("got %v %v", d, err)
	}
	if _, err := r.Describe(units, "", "furlong"); !errors.Is(err, issue.NotFound) {
		t.Errorf("got %v", err)
	}
	// a deployment that brings the languages it knows has them
	listed := load(t, `{"resourceType":"CodeSystem","url":"urn:ietf:bcp:47","status":"active","content":"complete","concept":[{"code":"en"}]}`)
	if got := listed.source(languages).selects(nil, "cy", nil); got != no {
		t.Errorf("got %d", got)
	}
}

func TestList(t *testing.T) {
	r := load(t, animals, set("urn:v", `{"include":[{"system":"urn:animals","concept":[{"code":"fish","display":"Any fish","designation":[{"value":"Fisch"}]},{"code":"duck"}]},{"system":"urn:animals"},{"system":"urn:paint","concept":[{"code":"7"}]}]}`))
	for name, c := range map[string]struct {
		w    Wanted
		want string
	}{
		"everything, each once": {Wanted{Count: -1}, "8: fish/Any fish duck/Duck animal/* bird/Bird dodo/Dodo! pet/Pet goldfish/Goldfish 7/"},
		"a page":                {Wanted{Offset: 2, Count: 2}, "8: animal/* bird/Bird"},
		"beyond the end":        {Wanted{Offset: 9, Count: 2}, "8:"},
		"only how many":         {Wanted{Count: 0}, "8:"},
		"text":                  {Wanted{Count: -1, Text: "FI"}, "1: fish/Any fish"},
		"text of several words": {Wanted{Count: -1, Text: "fish, any"}, "1: fish/Any fish"},
		"text of a designation": {Wanted{Count: -1, Text: "fisch"}, "1: fish/Any fish"},
		"text of a code":        {Wanted{Count: -1, Text: "animal"}, "1: animal/*"},
		"text of signs":         {Wanted{Count: -1, Text: "--"}, "0:"},
		"active":                {Wanted{Count: -1, ActiveOnly: true, Choosable: true}, "6: fish/Any fish duck/Duck bird/Bird pet/Pet goldfish/Goldfish 7/"},
		"language":              {Wanted{Count: 1, Language: "cy"}, "8: fish/Pysgodyn"},
		"another language":      {Wanted{Count: 1, Language: "cy-GB"}, "8: fish/Any fish"},
		"without a system":      {Wanted{Count: -1, ExcludeSystems: []string{"urn:animals"}}, "1: 7/"},
		"without a version":     {Wanted{Count: 0, ExcludeSystems: []string{"urn:animals|2"}}, "8:"},
	} {
		c.w.ValueSet = "urn:v"
		list, err := r.List(t.Context(), c.w)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := fmt.Sprintf("%d:", list.Total)
		for _, m := range list.Members {
			got += " " + m.Code + "/" + m.Display
			if m.Inactive {
				got += "!"
			}
			if m.Abstract {
				got += "*"
			}
		}
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
		if !slices.Equal(list.Systems, []string{"urn:animals|1", "urn:paint"}) {
			t.Errorf("%s: %v", name, list.Systems)
		}
	}
	many := make([]string, MaxMembers+1)
	for i := range many {
		many[i] = fmt.Sprintf(`{"code":"%d"}`, i)
	}
	sent := parse(t, set("urn:many", `{"include":[{"system":"urn:x","concept":[`+strings.Join(many, ",")+`]}]}`))[0]
	if _, err := r.List(t.Context(), Wanted{Resource: sent, Count: -1}); !errors.Is(err, issue.TooCostly) {
		t.Errorf("got %v", err)
	}
	if _, err := r.List(t.Context(), Wanted{Resource: sent, Count: MaxMembers + 5}); !errors.Is(err, issue.TooCostly) {
		t.Errorf("got %v", err)
	}
	if list, err := r.List(t.Context(), Wanted{Resource: sent, Count: MaxMembers}); err != nil || len(list.Members) != MaxMembers || list.Total != MaxMembers+1 {
		t.Errorf("got %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := r.List(ended, Wanted{Resource: sent, Count: 1}); !errors.Is(err, issue.Timeout) {
		t.Errorf("nobody waits for it: %v", err)
	}
}
