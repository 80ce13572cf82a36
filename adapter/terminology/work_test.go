package terminology

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"spadapter/adapter/issue"
)

// TestWorkIsInLineWithWhatIsSent: listed codes and clauses that list codes are not
// multiplied with each other.
func TestWorkIsInLineWithWhatIsSent(t *testing.T) {
	r := load(t, animals)
	const n = maxSentClauses - 1
	codes := `{"system":"urn:x","concept":` + repeated(n, `{"code":"%d"}`) + `}`
	each := repeated(n, `{"system":"urn:x","concept":[{"code":"%d"}]}`)
	for name, c := range map[string]struct {
		compose string
		members int
	}{
		"excludes, one code each": {`{"include":[` + codes + `],"exclude":` + repeated(n, `{"system":"urn:x","concept":[{"code":"%d0"}]}`) + `}`, 900},
		"includes, one code each": {`{"include":` + each + `}`, n},
	} {
		s, err := r.asked("", parse(t, set("urn:sent", c.compose))[0])
		if err != nil {
			t.Fatal(err)
		}
		why := doubts{work: newWork(t.Context())}
		got := 0
		if complete := s.members(0, &why, func(Concept, *listed) bool { got++; return true }); !complete || got != c.members {
			t.Errorf("%s: %d members, want %d", name, got, c.members)
		}
		for i := range n {
			s.holds("urn:x", strconv.Itoa(i), 0, &why)
			s.entry("urn:x", strconv.Itoa(i))
		}
		if steps := maxWork - why.work.left; steps > 20*n {
			t.Errorf("%s: %d steps for %d codes", name, steps, n)
		}
	}
}

// TestManyListingClauses: clauses that are found by code answer as those that are asked
// one after the other.
func TestManyListingClauses(t *testing.T) {
	folded := `{"resourceType":"CodeSystem","url":"urn:folded","status":"active","content":"complete","caseSensitive":false,"concept":[{"code":"Duck"},{"code":"Dodo","property":[{"code":"inactive","valueBoolean":true}]}]}`
	filler := strings.Trim(repeated(maxAsked, `{"system":"urn:x","concept":[{"code":"%d","display":"x"}]}`), "[]")
	v := func(rest string) string { return `{"inactive":false,"include":[` + filler + rest + `}` }
	r := load(t, animals, folded,
		set("urn:many", v(`,{"system":"urn:animals","concept":[{"code":"duck","display":"first"}]},{"system":"urn:animals","concept":[{"code":"duck","display":"second"},{"code":"dodo"}]},{"system":"urn:folded","concept":[{"code":"Duck"},{"code":"Dodo"}]},{"system":"urn:animals","filter":[{"property":"concept","op":"=","value":"fish"}]}]`)),
		set("urn:less", `{"include":[{"system":"urn:animals"}],"exclude":[`+filler+`,{"system":"urn:animals","concept":[{"code":"duck"}]},{"system":"urn:animals","filter":[{"property":"concept","op":"is-a","value":"fish"}]}]}`))
	for _, c := range []struct{ set, system, code, want string }{
		{"urn:many", "urn:x", "3", "yes"}, {"urn:many", "urn:x", "33", "no"}, {"urn:many", "", "3", "yes"}, {"urn:many", "", "none", "no"},
		{"urn:many", "urn:animals", "duck", "yes"}, {"urn:many", "urn:animals", "Duck", "no"}, {"urn:many", "urn:animals", "fish", "yes"}, {"urn:many", "urn:animals", "pet", "no"},
		{"urn:many", "urn:animals", "dodo", "no"}, {"urn:many", "", "duck", "yes"}, {"urn:many", "", "dodo", "no"},
		{"urn:many", "urn:folded", "DUCK", "yes"}, {"urn:many", "urn:folded", "DODO", "no"}, {"urn:many", "urn:other", "duck", "no"},
		{"urn:less", "urn:animals", "duck", "no"}, {"urn:less", "urn:animals", "goldfish", "no"}, {"urn:less", "urn:animals", "dodo", "yes"}, {"urn:less", "urn:animals", "cow", "no"},
	} {
		if got := verdict(r, c.set, c.system, c.code); got != c.want {
			t.Errorf("%s %s|%s: got %s, want %s", c.set, c.system, c.code, got, c.want)
		}
	}
	if got := listing(r, "urn:many"); got != "0 1 2 3 4 5 6 7 duck Duck fish" {
		t.Errorf("got %s", got)
	}
	if got := r.set("urn:many").entry("urn:animals", "duck").Display; got != "first" {
		t.Errorf("got %s", got)
	}
	if got := listing(r, "urn:less"); got != "animal bird dodo pet" {
		t.Errorf("got %s", got)
	}
}

// TestWorkHasAnEnd: what is too much work is refused, and given up when nobody waits, by
// the work that is done.
func TestWorkHasAnEnd(t *testing.T) {
	r := load(t, animals, `{"resourceType":"CodeSystem","url":"urn:large","status":"active","content":"complete","concept":`+repeated(5000, `{"code":"%d","display":"Y"}`)+`}`)
	filters := func(system, value string) string {
		return repeated(maxSentFilters, `{"system":"`+system+`","filter":[{"property":"code","op":"=","value":"`+value+`"}]}`)
	}
	costly := parse(t, set("urn:sent", `{"include":[{"system":"urn:large"}],"exclude":`+filters("urn:large", strings.Repeat("x", 2000))+`}`))[0]
	if _, err := r.List(t.Context(), Wanted{Resource: costly, Count: 1}); !errors.Is(err, issue.TooCostly) || !strings.Contains(err.Error(), "takes more work") {
		t.Errorf("got %v", err)
	}
	codings := make([]Coding, 5000)
	for i := range codings {
		codings[i] = Coding{System: "urn:large", Code: strconv.Itoa(i), Display: "none"}
	}
	if _, err := r.Validate(t.Context(), Check{Resource: costly, Codings: codings}); !errors.Is(err, issue.TooCostly) {
		t.Errorf("$validate-code: got %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	small := parse(t, set("urn:sent", `{"include":[{"system":"urn:animals"}],"exclude":`+filters("urn:animals", "none")+`}`))[0]
	if _, err := r.List(ended, Wanted{Resource: small, Count: 1}); !errors.Is(err, issue.Timeout) {
		t.Errorf("seven codes, and nobody waits: %v", err)
	}
	if _, err := r.List(t.Context(), Wanted{Resource: small, Count: 1}); err != nil {
		t.Error(err)
	}
}

// TestWordsAreBounded: a word that comes twice counts once.
func TestWordsAreBounded(t *testing.T) {
	r := load(t, animals, set("urn:v", `{"include":[{"system":"urn:animals"}]}`))
	if _, err := r.List(t.Context(), Wanted{ValueSet: "urn:v", Text: strings.Repeat("fish FISH ", 2000), Count: -1}); err != nil {
		t.Error(err)
	}
	if _, err := r.List(t.Context(), Wanted{ValueSet: "urn:v", Text: strings.Trim(strings.ReplaceAll(repeated(maxWords+1, "w%d"), ",", " "), "[]"), Count: -1}); !errors.Is(err, issue.TooCostly) || !strings.Contains(err.Error(), "21 words") {
		t.Errorf("got %v", err)
	}
}
