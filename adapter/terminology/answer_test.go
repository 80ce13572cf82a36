package terminology

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"spadapter/adapter/issue"
)

// ways are ConceptMaps with every rule that the standard has for a row.
var ways = []string{
	`{"resourceType":"ConceptMap","id":"first","url":"urn:m","version":"1","status":"active","sourceCanonical":"urn:vs-a","targetUri":"urn:vs-b","group":[
{"source":"urn:a","sourceVersion":"2026","target":"urn:b","targetVersion":"7","element":[
 {"code":"1","target":[{"code":"x","display":"X","equivalence":"equivalent"},{"code":"y","equivalence":"wider"}]},
 {"code":"2","target":[{"equivalence":"unmatched"}]},
 {"code":"3"},
 {"code":"4","target":[
  {"code":"m","equivalence":"narrower","dependsOn":[{"property":"urn:sex","value":"male"}],"product":[{"property":"urn:laterality","system":"urn:sides|3","value":"left","display":"Left"}]},
  {"code":"f","equivalence":"subsumes","dependsOn":[{"property":"urn:sex","system":"urn:sexes|1","value":"female"},{"property":"urn:age","value":"adult"}]},
  {"code":"p","equivalence":"relatedto"}]},
 {"code":"5","target":[{"code":"q","equivalence":"specializes","dependsOn":[{"property":"urn:age","value":"child"}]}]},
 {"code":"6","target":[{"code":"x","equivalence":"disjoint"}]}],
 "unmapped":{"mode":"fixed","code":"other","display":"Other"}},
{"source":"urn:c","target":"urn:b","element":[{"code":"1","target":[{"code":"x","equivalence":"inexact"}]}],"unmapped":{"mode":"other-map","url":"urn:n"}},
{"source":"urn:c","target":"urn:e","element":[{"code":"1","target":[{"code":"e1","equivalence":"equal"}]}]}]}`,
	`{"resourceType":"ConceptMap","id":"second","url":"urn:n","status":"active","sourceUri":"urn:vs-c|1","group":[{"source":"urn:c","target":"urn:b","element":[{"code":"9","target":[{"code":"n","equivalence":"equal"}]}],"unmapped":{"mode":"provided"}}]}`,
	`{"resourceType":"CodeSystem","url":"urn:b","status":"active","content":"complete","concept":[{"code":"y","display":"Why"},{"code":"n","display":"En"}]}`,
}

// shown is an answer in one line: matches, then the message.
func shown(a *Answer) string {
	var out []string
	for _, m := range a.Matches {
		one := fmt.Sprintf("%s %s|%s", m.Equivalence, m.Concept.System, m.Concept.Code)
		if m.Concept.Version != "" {
			one += "@" + m.Concept.Version
		}
		if m.Concept.Display != "" {
			one += " " + m.Concept.Display
		}
		for _, p := range m.Products {
			one += fmt.Sprintf(" +%s=%s|%s|%s", p.Element, p.Value.System, p.Value.Version, p.Value.Code)
		}
		if m.Source != "urn:m" {
			one += " of " + m.Source
		}
		out = append(out, one)
	}
	return fmt.Sprintf("%v: %s; %s", a.Result, strings.Join(out, ", "), a.Message)
}

func TestAnswer(t *testing.T) {
	r := load(t, ways...)
	code := func(system, code string) []Coding { return []Coding{{System: system, Code: code}} }
	adult := Dependency{Element: "urn:age", Text: "adult"}
	for name, c := range map[string]struct {
		q    Question
		want string
	}{
		"rows in order, displays":     {Question{Map: "urn:m", Codings: code("urn:a", "1")}, "true: equivalent urn:b|x@7 X, wider urn:b|y@7 Why; "},
		"version beside the url":      {Question{Map: "urn:m", Version: "1", Codings: code("urn:a", "2")}, "false: unmatched urn:b|@7; it is stated that the code has no match"},
		"version in the url":          {Question{Map: "urn:m|1", Codings: code("urn:a", "6")}, "false: disjoint urn:b|x@7; it is stated that the code has no match"},
		"listed without target":       {Question{Map: "urn:m", Codings: code("urn:a", "3")}, "false: ; the code is listed without a target: nobody has decided what it means there"},
		"fixed":                       {Question{Map: "urn:m", Codings: code("urn:a", "8")}, "true: inexact urn:b|other@7 Other; "},
		"provided by the other map":   {Question{Map: "urn:m", Codings: code("urn:c", "8")}, "true: equal urn:b|8 of urn:n; "},
		"a row of the other map":      {Question{Map: "urn:m", Codings: code("urn:c", "9")}, "true: equal urn:b|n En of urn:n; "},
		"every group":                 {Question{Map: "urn:m", Codings: code("urn:c", "1")}, "true: inexact urn:b|x, equal urn:e|e1; "},
		"target system":               {Question{Map: "urn:m", TargetSystem: "urn:e", Codings: code("urn:c", "1")}, "true: equal urn:e|e1; "},
		"no match in that system":     {Question{Map: "urn:m", TargetSystem: "urn:z", Codings: code("urn:c", "1")}, "false: ; the code has matches, and none is in the target system"},
		"another code system":         {Question{Map: "urn:m", Codings: code("urn:z", "1")}, "false: ; no group of the ConceptMap is about this code system"},
		"the version of the system":   {Question{Map: "urn:m", Codings: []Coding{{System: "urn:a", Version: "2026", Code: "2"}}}, "false: unmatched urn:b|@7; it is stated that the code has no match"},
		"another version":             {Question{Map: "urn:m", Codings: []Coding{{System: "urn:a", Version: "2025", Code: "1"}}}, "false: ; no group of the ConceptMap is about this version of the code system"},
		"no row":                      {Question{Map: "urn:n", TargetSystem: "urn:b", Reverse: true, Codings: code("urn:z", "1")}, "false: ; no group of the ConceptMap is about this code system"},
		"dependency not given":        {Question{Map: "urn:m", Codings: code("urn:a", "4")}, "true: relatedto urn:b|p@7; other rows for the code depend on urn:sex; give a dependency with its value to have them"},
		"only rows that depend":       {Question{Map: "urn:m", Codings: code("urn:a", "5")}, "false: ; every row for the code depends on urn:age, which was not given or has another value; give a dependency"},
		"dependency met, product":     {Question{Map: "urn:m", Codings: code("urn:a", "4"), Dependencies: []Dependency{{Element: "urn:sex", Text: "male"}}}, "true: narrower urn:b|m@7 +urn:laterality=urn:sides|3|left, relatedto urn:b|p@7; other rows for the code depend on urn:sex; give a dependency with its value to have them"},
		"a code for a plain value":    {Question{Map: "urn:m", Codings: code("urn:a", "4"), Dependencies: []Dependency{{Element: "urn:sex", Codings: code("urn:any", "male")}}}, "true: narrower urn:b|m@7 +urn:laterality=urn:sides|3|left, relatedto urn:b|p@7; other rows for the code depend on urn:sex; give a dependency with its value to have them"},
		"all dependencies of a row":   {Question{Map: "urn:m", Codings: code("urn:a", "4"), Dependencies: []Dependency{adult, {Element: "urn:sex", Codings: code("urn:sexes", "female")}}}, "true: subsumes urn:b|f@7, relatedto urn:b|p@7; other rows for the code depend on urn:sex; give a dependency with its value to have them"},
		"one of two dependencies":     {Question{Map: "urn:m", Codings: code("urn:a", "4"), Dependencies: []Dependency{{Element: "urn:sex", Codings: code("urn:sexes", "female")}}}, "true: relatedto urn:b|p@7; other rows for the code depend on urn:sex, urn:age; give a dependency with its value to have them"},
		"a value of another system":   {Question{Map: "urn:m", Codings: code("urn:a", "4"), Dependencies: []Dependency{adult, {Element: "urn:sex", Codings: code("urn:else", "female"), Text: "female"}}}, "true: relatedto urn:b|p@7; other rows for the code depend on urn:sex; give a dependency with its value to have them"},
		"a value of another version":  {Question{Map: "urn:m", Codings: code("urn:a", "4"), Dependencies: []Dependency{adult, {Element: "urn:sex", Codings: []Coding{{System: "urn:sexes", Version: "2", Code: "female"}}}}}, "true: relatedto urn:b|p@7; other rows for the code depend on urn:sex; give a dependency with its value to have them"},
		"two codings, one row":        {Question{Map: "urn:m", Codings: append(code("urn:a", "8"), code("urn:a", "88")...)}, "true: inexact urn:b|other@7 Other; "},
		"a map named and handed to":   {Question{TargetSystem: "urn:b", Codings: append(code("urn:c", "9"), code("urn:c", "8")...)}, "true: equal urn:b|n En of urn:n, equal urn:b|8 of urn:n; "},
		"codings one after the other": {Question{Map: "urn:m", Codings: append(code("urn:a", "2"), code("urn:c", "9")...)}, "true: unmatched urn:b|@7, equal urn:b|n En of urn:n; "},

		"by the source value set":      {Question{Source: "urn:vs-a", Codings: code("urn:a", "1")}, "true: equivalent urn:b|x@7 X, wider urn:b|y@7 Why; "},
		"by the target value set":      {Question{Target: "urn:vs-b|4", Codings: code("urn:a", "2")}, "false: unmatched urn:b|@7; it is stated that the code has no match"},
		"by both":                      {Question{Source: "urn:vs-a", Target: "urn:vs-b", Codings: code("urn:a", "2")}, "false: unmatched urn:b|@7; it is stated that the code has no match"},
		"by the target system":         {Question{TargetSystem: "urn:b", Codings: code("urn:c", "9")}, "true: equal urn:b|n En of urn:n; "},
		"a named map states no target": {Question{Map: "urn:n", Target: "urn:anything", Codings: code("urn:c", "9")}, "true: equal urn:b|n En of urn:n; "},

		"back, narrower for wider":         {Question{Map: "urn:m", Reverse: true, Codings: code("urn:b", "y")}, "true: narrower urn:a|1@2026, equal urn:c|y of urn:n; "},
		"back, a listed code stays":        {Question{Map: "urn:m", Reverse: true, Codings: code("urn:b", "1")}, "false: ; no row of the ConceptMap leads to this code"},
		"back, unless it is asked itself":  {Question{TargetSystem: "urn:c", Reverse: true, Codings: code("urn:b", "1")}, "true: equal urn:c|1 of urn:n; "},
		"back, wider for narrower":         {Question{Map: "urn:m", Reverse: true, Codings: code("urn:b", "m")}, "true: wider urn:a|4@2026 +urn:sex=||male, equal urn:c|m of urn:n; "},
		"back, specializes":                {Question{Map: "urn:m", Reverse: true, TargetSystem: "urn:a", Codings: code("urn:b", "f")}, "true: specializes urn:a|4@2026 +urn:sex=urn:sexes|1|female +urn:age=||adult; "},
		"back, subsumes":                   {Question{Map: "urn:m", Reverse: true, TargetSystem: "urn:a", Codings: code("urn:b", "q")}, "true: subsumes urn:a|5@2026 +urn:age=||child; "},
		"back, every row and group":        {Question{Map: "urn:m", Reverse: true, Codings: code("urn:b", "x")}, "true: equivalent urn:a|1@2026, disjoint urn:a|6@2026, inexact urn:c|1, equal urn:c|x of urn:n; "},
		"back, a fixed code":               {Question{Map: "urn:m", Reverse: true, TargetSystem: "urn:a", Codings: code("urn:b", "other")}, "false: ; every code that has no row leads to this one too; these codes are not listed"},
		"back, provided and not listed":    {Question{Map: "urn:n", Reverse: true, Codings: code("urn:b", "8")}, "true: equal urn:c|8 of urn:n; "},
		"back, provided but listed":        {Question{Map: "urn:n", Reverse: true, Codings: code("urn:b", "9")}, "false: ; no row of the ConceptMap leads to this code"},
		"back, a group without unmapped":   {Question{Map: "urn:m", Reverse: true, Codings: code("urn:e", "e2")}, "false: ; no row of the ConceptMap leads to this code"},
		"back, by the target value set":    {Question{Reverse: true, Source: "urn:vs-b", Codings: code("urn:e", "e1")}, "true: equal urn:c|1; "},
		"back, by the system wanted":       {Question{Reverse: true, TargetSystem: "urn:a", Codings: code("urn:b", "y")}, "true: narrower urn:a|1@2026; "},
		"back, another version of a group": {Question{Map: "urn:m", Reverse: true, TargetSystem: "urn:a", Codings: []Coding{{System: "urn:b", Version: "6", Code: "y"}}}, "false: ; the code has matches, and none is in the target system"},
	} {
		a, err := r.Answer(c.q)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := shown(a); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestAnswerWithoutCodeSystems(t *testing.T) {
	r := load(t, `{"resourceType":"ConceptMap","url":"urn:open","status":"active","group":[{"element":[{"code":"1","target":[{"code":"2","equivalence":"equal"}]}],"unmapped":{"mode":"provided"}}]}`,
		`{"resourceType":"ConceptMap","url":"urn:plain","status":"active","group":[{"source":"urn:a","target":"urn:b","element":[{"code":"1","target":[{"code":"2","equivalence":"equal"}]}]}]}`)
	for want, q := range map[string]Question{
		"true: equal |2 of urn:open; ":                       {Map: "urn:open", Codings: []Coding{{System: "urn:any", Code: "1"}}},
		"true: equal urn:any|3 of urn:open; ":                {Map: "urn:open", Codings: []Coding{{System: "urn:any", Code: "3"}}},
		"true: equal urn:any|4 of urn:open; ":                {Map: "urn:open", Reverse: true, Codings: []Coding{{System: "urn:any", Code: "4"}}},
		"false: ; no row of the ConceptMap is for this code": {Map: "urn:plain", Codings: []Coding{{System: "urn:a", Code: "2"}}},
	} {
		a, err := r.Answer(q)
		if err != nil || shown(a) != want {
			t.Errorf("got %s %v, want %s", shown(a), err, want)
		}
	}
}

func TestAnswerRefuses(t *testing.T) {
	r := load(t, append(ways,
		`{"resourceType":"ConceptMap","url":"urn:lost","status":"active","group":[{"source":"urn:a","element":[{"code":"1"}],"unmapped":{"mode":"other-map","url":"urn:nowhere"}}]}`,
		`{"resourceType":"ConceptMap","url":"urn:round","status":"active","group":[{"source":"urn:a","element":[{"code":"1"}],"unmapped":{"mode":"other-map","url":"urn:round"}}]}`)...)
	codings := []Coding{{System: "urn:a", Code: "9"}}
	for name, c := range map[string]struct {
		q    Question
		want issue.Type
		rule string
	}{
		"which map":                {Question{Codings: codings}, issue.Required, "translate-map"},
		"a version without url":    {Question{Version: "1", Source: "urn:vs-a", Codings: codings}, issue.Required, "translate-map"},
		"an unknown url":           {Question{Map: "urn:none", Codings: codings}, issue.NotFound, "conceptmap-unknown"},
		"an unknown version":       {Question{Map: "urn:m", Version: "2", Codings: codings}, issue.NotFound, "conceptmap-unknown"},
		"two versions":             {Question{Map: "urn:m|1", Version: "2", Codings: codings}, issue.NotFound, "conceptmap-unknown"},
		"a version of none":        {Question{Map: "urn:n|1", Codings: codings}, issue.NotFound, "conceptmap-unknown"},
		"another source value set": {Question{Map: "urn:m", Source: "urn:vs-z", Codings: codings}, issue.NotFound, "conceptmap-unknown"},
		"another version of it":    {Question{Source: "urn:vs-c|2", Codings: codings}, issue.NotFound, "conceptmap-unknown"},
		"no map states a target":   {Question{Target: "urn:vs-z", Codings: codings}, issue.NotFound, "conceptmap-unknown"},
		"no map for the system":    {Question{TargetSystem: "urn:z", Codings: codings}, issue.NotFound, "conceptmap-unknown"},
		"back, sides change place": {Question{Source: "urn:vs-a", Reverse: true, Codings: codings}, issue.NotFound, "conceptmap-unknown"},
		"hands over to nothing":    {Question{Map: "urn:lost", Codings: codings}, issue.NotFound, "conceptmap-unknown"},
		"hands over for ever":      {Question{Map: "urn:round", Codings: codings}, issue.NotFound, "conceptmap-cycle"},
		"back, for ever":           {Question{Map: "urn:round", Reverse: true, Codings: codings}, issue.NotFound, "conceptmap-cycle"},
	} {
		_, err := r.Answer(c.q)
		if all := issue.All(err); !errors.Is(err, c.want) || len(all) != 1 || all[0].Rule != c.rule {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := (*Registry)(nil).Answer(Question{Map: "urn:m", Codings: codings}); !errors.Is(err, issue.NotFound) {
		t.Errorf("the nil registry: %v", err)
	}
	if _, err := (*Registry)(nil).Answer(Question{Source: "urn:vs-a", Codings: codings}); !errors.Is(err, issue.NotFound) {
		t.Errorf("the nil registry: %v", err)
	}
}

// TestTranslateAgrees: the fast way gives what the operation gives without dependencies.
func TestTranslateAgrees(t *testing.T) {
	r := load(t, ways...)
	for _, system := range []string{"urn:a", "urn:c", "urn:z"} {
		for _, code := range strings.Split("1 2 3 4 5 6 7 8 9", " ") {
			matches, err := r.Translate("urn:m", system, code)
			if err != nil {
				t.Fatal(err)
			}
			a, err := r.Answer(Question{Map: "urn:m", Codings: []Coding{{System: system, Code: code}}})
			if err != nil || len(a.Matches) != len(matches) {
				t.Errorf("%s|%s: %v, %v", system, code, matches, a)
				continue
			}
			for i, m := range matches {
				if other := a.Matches[i]; m.System != other.Concept.System || m.Code != other.Concept.Code || m.Equivalence != other.Equivalence || m.Map != other.Source || m.Matched() != other.Matched() {
					t.Errorf("%s|%s: %+v, %+v", system, code, m, other)
				}
			}
		}
	}
}

// TestTranslateKeepsItsRows: what a caller appends to shared rows does not change them.
func TestTranslateKeepsItsRows(t *testing.T) {
	r := load(t, ways...)
	first, _ := r.Translate("urn:m", "urn:a", "1")
	_ = append(first, Match{Code: "intruder"})
	both, _ := r.Translate("urn:m", "", "1")
	if len(first) != 2 || len(both) != 4 || both[2].Code != "x" || both[3].Code != "e1" {
		t.Errorf("%v %v", first, both)
	}
	if again, _ := r.Translate("urn:m", "urn:a", "1"); len(again) != 2 || again[1].Code != "y" {
		t.Error(again)
	}
}

func TestTranslateAllocatesNothing(t *testing.T) {
	r := load(t, ways...)
	for _, c := range []Coding{{System: "urn:a", Code: "1"}, {System: "urn:a", Code: "2"}, {System: "urn:a", Code: "8"}, {System: "urn:c", Code: "9"}, {System: "urn:z", Code: "1"}} {
		if n := testing.AllocsPerRun(100, func() { _, _ = r.Translate("urn:m|1", c.System, c.Code) }); n != 0 {
			t.Errorf("%v: %v allocations", c, n)
		}
	}
}

func TestConceptMaps(t *testing.T) {
	r := load(t, append(ways, `{"resourceType":"ConceptMap","id":"late","url":"urn:m","version":"2","status":"active"}`)...)
	var got []string
	for _, n := range r.ConceptMaps() {
		got = append(got, n.Text("url")+"|"+n.Text("version"))
	}
	if strings.Join(got, " ") != "urn:m|2 urn:n|" {
		t.Error(got)
	}
	for name, want := range map[string]string{"urn:m": "late", "urn:m|1": "first", "urn:m|2": "late", "urn:m|3": "", "second": "second", "late": "late", "first": "", "urn:n": "second", "urn:n|1": "", "urn:b": "", "": ""} {
		if got := r.ConceptMap(name).Text("id"); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if (*Registry)(nil).ConceptMap("urn:m") != nil || (*Registry)(nil).ConceptMaps() != nil {
		t.Error("the nil registry has a map")
	}
}

func TestUnmapped(t *testing.T) {
	set := func(url, compose string) string {
		return `{"resourceType":"ValueSet","url":"` + url + `","status":"active","compose":` + compose + `}`
	}
	conceptMap := func(url, source, group string) string {
		return `{"resourceType":"ConceptMap","url":"` + url + `","status":"active",` + source + `"group":[` + group + `]}`
	}
	row := func(code string) string {
		return `{"code":"` + code + `","target":[{"code":"x","equivalence":"equal"}]}`
	}
	blues := `"sourceCanonical":"urn:blues",`
	r := load(t, colours,
		set("urn:blues", `{"include":[{"system":"urn:colours","filter":[{"property":"concept","op":"is-a","value":"blue"}]},{"system":"urn:more","concept":[{"code":"teal"}]}]}`),
		set("urn:far", `{"include":[{"system":"urn:unknown"}]}`),
		conceptMap("urn:total", blues, `{"source":"urn:colours","element":[`+row("blue")+`,{"code":"navy","target":[{"equivalence":"unmatched"}]}]},{"source":"urn:more","element":[`+row("teal")+`]}`),
		conceptMap("urn:gaps", blues, `{"source":"urn:colours","element":[`+row("navy")+`,{"code":"blue"},`+row("teal")+`]}`),
		conceptMap("urn:depends", blues, `{"element":[`+row("navy")+`,`+row("teal")+`,{"code":"blue","target":[{"code":"x","equivalence":"equal","dependsOn":[{"property":"urn:p","value":"v"}]}]}]}`),
		conceptMap("urn:rules", blues, `{"source":"urn:colours","unmapped":{"mode":"provided"}},{"source":"urn:more","unmapped":{"mode":"fixed","code":"x"}}`),
		conceptMap("urn:over", blues, `{"unmapped":{"mode":"other-map","url":"urn:gaps"}}`),
		conceptMap("urn:round", blues, `{"element":[`+row("navy")+`],"unmapped":{"mode":"other-map","url":"urn:round"}}`),
		conceptMap("urn:silent", ``, `{"element":[`+row("navy")+`]}`),
		conceptMap("urn:afar", `"sourceUri":"urn:far",`, `{"element":[`+row("navy")+`]}`),
	)
	for url, want := range map[string]string{
		"urn:total": "true", "urn:gaps": "true urn:colours|blue urn:more|teal", "urn:depends": "true", "urn:rules": "true",
		"urn:over": "true urn:colours|blue urn:more|teal", "urn:round": "true urn:colours|blue urn:more|teal",
		"urn:silent": "false", "urn:afar": "false", "urn:none": "false",
	} {
		codes, known := r.Unmapped(url)
		got := fmt.Sprint(known)
		for _, c := range codes {
			got += " " + c.System + "|" + c.Code
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", url, got, want)
		}
	}
	if _, known := (*Registry)(nil).Unmapped("urn:total"); known {
		t.Error("the nil registry decides nothing")
	}
}

func BenchmarkTranslate(b *testing.B) {
	r := load(b, ways...)
	for name, c := range map[string]Coding{"row": {System: "urn:a", Code: "1"}, "unmatched": {System: "urn:a", Code: "2"}, "fixed": {System: "urn:a", Code: "8"}, "other-map": {System: "urn:c", Code: "9"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = r.Translate("urn:m", c.System, c.Code)
			}
		})
	}
	one := load(b, `{"resourceType":"ConceptMap","url":"urn:m","status":"active","group":[{"source":"urn:a","target":"urn:b","element":[{"code":"1","target":[{"code":"x","equivalence":"equal"}]}]}]}`)
	b.Run("one-group", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = one.Translate("urn:m", "urn:a", "1")
		}
	})
}

func BenchmarkAnswer(b *testing.B) {
	r := load(b, ways...)
	for name, reverse := range map[string]bool{"forward": false, "reverse": true} {
		q := Question{Map: "urn:m", Codings: []Coding{{System: "urn:a", Code: "1"}}, Reverse: reverse}
		if reverse {
			q.Codings[0] = Coding{System: "urn:b", Code: "y"}
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = r.Answer(q)
			}
		})
	}
}
