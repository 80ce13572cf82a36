package mappings

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
)

// unnoticed holds the rules that a case executes and that no case misses when they are
// gone, each with the reason. A rule here that a case does notice fails the test.
var unnoticed = map[string]string{
	`outcome-to-ukcore-r4/outcome-to-ukcore-r4.map envelope: s.fullUrl "ignore-fullUrl";`:                  "the condition of newFullUrl reads the same element; this rule says why it is left out",
	`gpconnect-stu3-to-ukcore-r4/stu3-types.map Extension: src.value : code as v -> tgt.value = v "code";`: "a code is a string, whose rule matches it here; other engines go by the very type",
}

// TestEveryRuleIsNeeded takes each rule out of each shipped map that reads something in
// a case, and runs the cases: a loss, another result or an error must show it. What no
// case notices could be broken tomorrow without anybody seeing it.
func TestEveryRuleIsNeeded(t *testing.T) {
	shipped := fstest.MapFS{}
	files, err := fs.Glob(FS, "*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(FS, file)
		if err != nil {
			t.Fatal(err)
		}
		shipped[file] = &fstest.MapFile{Data: text}
	}
	executed, rules := executedRules(t, shipped)
	var lock sync.Mutex
	count := map[string]int{}
	missed := map[string]bool{}
	t.Run("rules", func(t *testing.T) {
		const workers = 4
		for w := range workers {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				for i := w; i < len(rules); i += workers {
					if !executed[i] {
						continue
					}
					r := rules[i]
					how := without(t, shipped, r)
					lock.Lock()
					count[how]++
					if how == "" {
						missed[r.key()] = true
						if unnoticed[r.key()] == "" {
							t.Errorf("no case misses the rule\n  %s", r.key())
						}
					}
					lock.Unlock()
				}
			})
		}
	})
	t.Logf("of %d rules the cases execute %d; taken out, %d are seen as a loss, %d by another result, %d by an error, %d by nothing",
		len(rules), len(executed), count["loss"], count["result"], count["error"], count[""])
	for key, reason := range unnoticed {
		if !missed[key] {
			t.Errorf("%s is noticed, and listed as unnoticed: %s", key, reason)
		}
	}
	if count["loss"] == 0 || len(executed) < 100 {
		t.Errorf("%d rules executed, %v: the test does not work", len(executed), count)
	}
}

// without runs all cases without the rule and says how it was noticed, "" if it was not.
func without(t *testing.T, shipped fstest.MapFS, r rule) string {
	changed := fstest.MapFS{}
	own := path.Dir(r.file)
	for name, file := range shipped {
		if folder := path.Dir(name); own == "base" || folder == "base" || folder == own {
			changed[name] = file
		}
	}
	text := string(shipped[r.file].Data)
	changed[r.file] = &fstest.MapFile{Data: []byte(text[:r.start] + text[r.stop:])}
	lib, err := mapping.LoadLibrary(mapping.Env{}, mapping.Layer{FS: changed})
	if err != nil {
		return "error"
	}
	how := ""
	for _, d := range lib.Dialects("") {
		for _, c := range cases(t, d.Name) {
			v, err := c.Run(context.Background(), d)
			switch {
			case err != nil:
				t.Fatal(err)
			case v.Passed():
			case v.Result == nil:
				how = "error"
			case len(v.Result.Unread) > 0 && !strings.Contains(c.Sections["issues"], "map-unread"):
				return "loss"
			case how == "":
				how = "result"
			}
		}
	}
	return how
}

func cases(t testing.TB, dialect string) []*mapping.Case {
	t.Helper()
	files, _ := fs.Glob(FS, dialect+"/*.txtar")
	var out []*mapping.Case
	for _, file := range files {
		text, err := fs.ReadFile(FS, file)
		if err != nil {
			t.Fatal(err)
		}
		c, err := mapping.ParseCase(path.Base(file), text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

// executedRules finds the rules of all maps, and which of them find something in a case:
// a rule with the same sources, before each, logs its number.
func executedRules(t *testing.T, shipped fstest.MapFS) (map[int]bool, []rule) {
	probed := fstest.MapFS{}
	var rules []rule
	for name, file := range shipped {
		probed[name] = file
	}
	maps, _ := fs.Glob(shipped, "*/*.map")
	for _, name := range maps {
		text := string(shipped[name].Data)
		list := rulesOf(t, name, text)
		var b strings.Builder
		last := 0
		for _, r := range list {
			b.WriteString(text[last:r.start])
			fmt.Fprintf(&b, "%s log 'probe-%d' \"probe-%d\"; ", r.sources, len(rules), len(rules))
			last = r.start
			rules = append(rules, r)
		}
		probed[name] = &fstest.MapFile{Data: []byte(b.String() + text[last:])}
	}
	lib, err := mapping.LoadLibrary(mapping.Env{}, mapping.Layer{FS: probed})
	if err != nil {
		t.Fatalf("with probes the maps do not compile: %v", err)
	}
	executed := map[int]bool{}
	for _, d := range lib.Dialects("") {
		for _, c := range cases(t, d.Name) {
			root, err := fhir.Parse(d.Map.Sources()[0].System(), []byte(c.Sections["source.json"]), fhir.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			result, err := d.Map.Transform(context.Background(), mapping.Input{Source: root, Identity: c.Name})
			if err != nil {
				continue // refused: what was logged is not told
			}
			for _, e := range result.Issues {
				var n int
				if _, err := fmt.Sscanf(e.Details, "probe-%d", &n); e.Rule == "map-log" && err == nil {
					executed[n] = true
				}
			}
		}
	}
	return executed, rules
}

// rule is one rule in the text of a map.
type rule struct {
	file, group string
	start, stop int
	sources     string // what stands before '->', 'then', the name and ';'
	text        string // its first line
}

// key names a rule for people.
func (r rule) key() string { return r.file + " " + r.group + ": " + r.text }

// token is what the structure of a map can be told from: comments, strings, names, '->'
// and single characters.
var token = regexp.MustCompile("(?s)//[^\n]*|/\\*.*?\\*/|'(?:\\\\.|[^'\\\\])*'|\"(?:\\\\.|[^\"\\\\])*\"|`[^`]*`|[A-Za-z_][A-Za-z0-9_]*|->|\\s+|.")

// rulesOf finds the rules of a map in its text, those inside others too.
func rulesOf(t *testing.T, file, text string) []rule {
	var out []rule
	type frame struct {
		open int // index in out of the rule that is being read, -1 between rules
		deep int // round brackets
		done bool
	}
	var stack []frame // of the braces
	group, inGroup := "", false
	before := ""
	for _, at := range token.FindAllStringIndex(text, -1) {
		s := text[at[0]:at[1]]
		if strings.TrimSpace(s) == "" || strings.HasPrefix(s, "//") || strings.HasPrefix(s, "/*") {
			continue
		}
		if len(stack) == 0 {
			switch {
			case before == "group":
				group, inGroup = s, true
			case s == "{" && inGroup:
				stack = append(stack, frame{open: -1})
			}
			before = s
			continue
		}
		f := &stack[len(stack)-1]
		if f.open < 0 && s != "}" {
			out = append(out, rule{file: file, group: group, start: at[0]})
			f.open, f.done = len(out)-1, false
		}
		switch {
		case s == "{":
			stack = append(stack, frame{open: -1})
			before = s
			continue
		case s == "}":
			stack = stack[:len(stack)-1]
			inGroup = len(stack) > 0
			before = s
			continue
		case s == "(":
			f.deep++
		case s == ")":
			f.deep--
		}
		r := &out[f.open]
		if !f.done && f.deep == 0 && (s == "->" || s == "then" || s == ";" || s[0] == '"') {
			r.sources, f.done = strings.TrimSpace(text[r.start:at[0]]), true
		}
		if s == ";" && f.deep == 0 {
			r.stop = at[1]
			r.text, _, _ = strings.Cut(text[r.start:r.stop], "\n")
			f.open = -1
		}
		before = s
	}
	for _, r := range out {
		if r.stop == 0 {
			t.Fatalf("%s: a rule of group %s has no end", file, r.group)
		}
	}
	return out
}

// TestRulesOf holds the reading of the test above to what the compiler says.
func TestRulesOf(t *testing.T) {
	list := rulesOf(t, "x.map", `map "u" = "x" // group no { a; }
group g(source src, target tgt) extends h {
  src.a as a where (x = ';' and b.exists()) -> tgt.a = a; /* src.c; */
  src.b "ignore-b";
  src.c as c, c.d as d -> tgt.e as e, e.f = append('}', c) then { c.g as h then k(h, e) "inner"; } "outer";
}
group k(source s, target t) { s -> t.x = 'y' "z"; }
`)
	var got []string
	for _, r := range list {
		got = append(got, r.group+"|"+r.sources+"|"+r.text)
	}
	want := []string{
		"g|src.a as a where (x = ';' and b.exists())|src.a as a where (x = ';' and b.exists()) -> tgt.a = a;",
		`g|src.b|src.b "ignore-b";`,
		`g|src.c as c, c.d as d|src.c as c, c.d as d -> tgt.e as e, e.f = append('}', c) then { c.g as h then k(h, e) "inner"; } "outer";`,
		`g|c.g as h|c.g as h then k(h, e) "inner";`,
		`k|s|s -> t.x = 'y' "z";`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// TestNoLossOnCases: a shipped map reads everything in every shipped case.
func TestNoLossOnCases(t *testing.T) {
	for name, d := range dialects(t) {
		for _, c := range cases(t, name) {
			v, err := c.Run(context.Background(), d)
			if err != nil || v.Result == nil {
				continue // TestCases tells
			}
			if len(v.Result.Unread) > 0 {
				t.Errorf("%s/%s: reports loss\n%v", name, c.Name, issue.Join(v.Result.Issues))
			}
		}
	}
}

// TestLossIsReported: what no map takes is left out, and the sender is told so.
func TestLossIsReported(t *testing.T) {
	runCase(t, dialects(t)["ukcore-r4-to-referral"], "../testdata/medication-is-reported.txtar")
}
