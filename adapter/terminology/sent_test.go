package terminology

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"spadapter/adapter/issue"
)

// repeated is a JSON array of n items that format makes of their number.
func repeated(n int, format string) string {
	out := make([]string, n)
	for i := range out {
		if out[i] = format; strings.Contains(format, "%") {
			out[i] = fmt.Sprintf(format, i)
		}
	}
	return "[" + strings.Join(out, ",") + "]"
}

// TestPatternsAreMeasured: a short regular expression may be a large program; it is
// refused before it is compiled.
func TestPatternsAreMeasured(t *testing.T) {
	for text, fits := range map[string]bool{
		`d.*`: true, `[A-Z]{1,20}-\d{4,}`: true, `\pL+( \pL+)*`: true, `\pL{1,20}`: true, `x{1000}`: true,
		strings.Repeat(`x{1000}`, 140): false, `((x{10}){10}){10}y{1000}`: false, `((ab|cd){30}){30}`: false, `(\w?){1000}z{1000}`: false,
	} {
		if p := newPattern(text); (p.expression != nil) != fits || fits != (p.bad == "") {
			t.Errorf("%.40s: size %d, %q", text, p.size, p.bad)
		}
	}
	known := patterns{}
	if first := known.of("a+"); known.of("a+") != first {
		t.Error("it is compiled once")
	}
}

// TestSentValueSetsAreBounded: what is sent with a question is refused when it is too much
// to compile.
func TestSentValueSetsAreBounded(t *testing.T) {
	r := load(t, animals)
	regex := func(value string) string {
		return `{"system":"urn:animals","filter":[{"property":"code","op":"regex","value":"` + value + `"}]}`
	}
	for compose, want := range map[string]string{
		`{"include":` + repeated(500, regex(strings.Repeat("x{1000}", 140))) + `}`:                                                                "the regular expression is too large: with its repetitions written out it has more than 2000 steps",
		`{"include":` + repeated(50, regex("x{1000}%d")) + `}`:                                                                                    "steps in its regular expressions",
		`{"include":` + repeated(maxSentFilters+1, regex("d.*")) + `}`:                                                                            "has 201 filters, and may have 200",
		`{"include":[{"system":"urn:animals"}],"exclude":` + repeated(maxSentClauses, `{"system":"urn:animals","concept":[{"code":"%d"}]}`) + `}`: "has 1001 clauses (include and exclude), and may have 1000",
		`{"include":[{"valueSet":` + repeated(maxSentSets+1, `"urn:v%d"`) + `}]}`:                                                                 "other value sets",
		`{"include":[{"system":"urn:animals","concept":` + repeated(maxSentCodes+1, `{"code":"%d"}`) + `}]}`:                                      "codes in its lists",
		`{"include":` + repeated(maxSentFilters, regex("d.*")) + `}`:                                                                              "",
	} {
		sent := parse(t, set("urn:sent", compose))[0]
		_, err := r.List(t.Context(), Wanted{Resource: sent, Count: -1})
		if want == "" {
			if err != nil {
				t.Errorf("%.100s: %v", compose, err)
			}
			continue
		}
		if !errors.Is(err, issue.TooCostly) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: got %v\nwant %s", compose, err, want)
		}
		if _, err := r.Validate(t.Context(), Check{Resource: sent, Codings: []Coding{{System: "urn:animals", Code: "duck"}}}); !errors.Is(err, issue.TooCostly) {
			t.Errorf("$validate-code %.100s: got %v", compose, err)
		}
	}
	many := repeated(maxSentCodes+1, `{"system":"urn:x","code":"%d"}`)
	sent := parse(t, `{"resourceType":"ValueSet","status":"active","expansion":{"timestamp":"2026-01-01","contains":`+many+`}}`)[0]
	if _, err := r.List(t.Context(), Wanted{Resource: sent, Count: 1}); !errors.Is(err, issue.TooCostly) || !strings.Contains(err.Error(), "codes in its lists") {
		t.Errorf("got %v", err)
	}
}
