package mapping

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"spadapter/mappings"
)

// TestShippedMapsArePortable holds the shipped maps to what other engines read too:
// .ci/other-engine runs them there; this says at once, and without Java, which rule is
// written in a way that only this engine takes. mappings/base/README.md has the reasons.
func TestShippedMapsArePortable(t *testing.T) {
	files, err := fs.Glob(mappings.FS, "*/*.map")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		text, err := fs.ReadFile(mappings.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := parse(Source{Name: name, Text: string(text)})
		if err != nil {
			t.Fatal(err)
		}
		for _, condition := range bare.FindAllString(remark.ReplaceAllString(string(text), ""), -1) {
			t.Errorf("%s: put the condition in parentheses: %s…", name, condition)
		}
		for _, g := range m.groups {
			portable(t, name, g.rules)
		}
	}
}

// bare is a condition without parentheses.
var bare = regexp.MustCompile(`\b(where|check) +[^ (]{1,20}`)

// remark is a comment in a map; a URL has no blank before its slashes.
var remark = regexp.MustCompile(`(?m)(^|\s)//.*$`)

func portable(t *testing.T, file string, rules []*ruleDecl) {
	for _, r := range rules {
		if len(r.sources) != 1 {
			t.Errorf("%s, rule %s has %d sources; nest rules of one source each", file, r.name, len(r.sources))
		}
		for _, s := range r.sources {
			for _, condition := range []string{s.where, s.check} {
				if s.alias != "" && strings.Contains(condition, "%"+s.alias+".") {
					t.Errorf("%s, rule %s: a condition names the variable that its own rule binds; write $this", file, r.name)
				}
			}
		}
		portable(t, file, r.rules)
	}
}
