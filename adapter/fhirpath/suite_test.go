package fhirpath

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/fhir"
)

// suiteFolder holds HL7's tests; it is not part of this repository.
const suiteFolder = "../../../shared/reference/real/fhirpath-suite"

type suiteTest struct {
	Name       string `xml:"name,attr"`
	Input      string `xml:"inputfile,attr"`
	Predicate  bool   `xml:"predicate,attr"`
	Ordered    string `xml:"ordered,attr"`
	Expression struct {
		Text    string `xml:",chardata"`
		Invalid string `xml:"invalid,attr"`
	} `xml:"expression"`
	Outputs []struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	} `xml:"output"`
}

// tally counts the verdicts on the cases of a suite.
type tally struct{ passed, excluded, failed int }

// count takes one case in and gives what is to be complained of, "" for nothing. A case
// on the list of exclusions is one that does not pass: when it does, the list is wrong.
func (t *tally) count(problem, reason string, isExcluded bool) string {
	switch {
	case isExcluded && problem == "":
		t.failed++
		return "passes and is excluded (" + reason + "): take it off the list"
	case isExcluded:
		t.excluded++
	case problem != "":
		t.failed++
		return problem
	default:
		t.passed++
	}
	return ""
}

func TestTallyIsHonest(t *testing.T) {
	for _, c := range []struct {
		story, problem string
		isExcluded     bool
		want           tally
		complains      bool
	}{
		{"passes", "", false, tally{passed: 1}, false},
		{"fails", "gives 2", false, tally{failed: 1}, true},
		{"excluded and fails", "gives 2", true, tally{excluded: 1}, false},
		{"excluded and passes", "", true, tally{failed: 1}, true},
	} {
		var got tally
		if complaint := got.count(c.problem, "a reason", c.isExcluded); got != c.want || (complaint != "") != c.complains {
			t.Errorf("%s: %+v, %q", c.story, got, complaint)
		}
	}
	// a case that must not evaluate counts like any other, and an answer fails it
	var c suiteTest
	c.Expression.Text, c.Expression.Invalid = "1 + 1", "execution"
	if problem := c.run(parsed(t, bundle)); problem != "gives no error" {
		t.Error(problem)
	}
	// what must be found before the evaluation is not found in time by the evaluation
	c.Expression.Text, c.Expression.Invalid = "entry.single()", "semantic"
	if problem := c.run(parsed(t, bundle)); problem != "compiles" {
		t.Error(problem)
	}
}

// TestSuiteR4 runs HL7's tests for FHIRPath on R4 where they are at hand. Executable is
// every test of the file that has an expression, whatever its mode and version, and
// whether it expects values, nothing or an error: none is left out of the count.
func TestSuiteR4(t *testing.T) {
	body, err := os.ReadFile(filepath.Join(suiteFolder, "tests-fhir-r4.xml"))
	if err != nil {
		t.Log("the HL7 suite is not on this machine")
		return
	}
	var suite struct {
		Groups []struct {
			Name  string      `xml:"name,attr"`
			Tests []suiteTest `xml:"test"`
		} `xml:"group"`
	}
	if err := xml.Unmarshal(body, &suite); err != nil {
		t.Fatal(err)
	}
	excluded := exclusions(t)
	inputs := map[string]*fhir.Node{}
	var counted tally
	for _, g := range suite.Groups {
		for _, c := range g.Tests {
			input := strings.TrimSuffix(c.Input, ".xml")
			if !strings.HasSuffix(input, ".json") {
				input += ".json"
			}
			if c.Input == "" {
				input = "patient-example.json"
			}
			if inputs[input] == nil {
				body, err := os.ReadFile(filepath.Join(suiteFolder, input))
				if err != nil {
					t.Fatal(err)
				}
				if inputs[input], err = fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{}); err != nil {
					t.Fatal(err)
				}
			}
			problem := c.run(inputs[input])
			reason, isExcluded := excluded[c.Name]
			if complaint := counted.count(problem, reason, isExcluded); complaint != "" {
				t.Errorf("%s/%s: %s\n\t%s", g.Name, c.Name, strings.TrimSpace(c.Expression.Text), complaint)
			}
			delete(excluded, c.Name)
		}
	}
	for name := range excluded {
		counted.failed++
		t.Errorf("the exclusions name %s, which is no test", name)
	}
	executable := counted.passed + counted.excluded + counted.failed
	if want := strings.Count(withoutComments(string(body)), "<expression"); executable < want {
		t.Errorf("%d cases were counted, and the file has %d expressions", executable, want)
	}
	if 100*counted.passed < 97*executable {
		t.Errorf("%d of %d cases pass, wanted 97 %%", counted.passed, executable)
	}
	t.Logf("suite fhirpath-r4: %d passed, %d excluded, %d failed", counted.passed, counted.excluded, counted.failed)
}

func withoutComments(xml string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(xml, "<!--")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, xml, _ = strings.Cut(rest, "-->")
	}
}

// exclusions reads the tests that are not to pass: a name, a tab and the reason.
func exclusions(t *testing.T) map[string]string {
	body, err := os.ReadFile("testdata/suite-exclusions.tsv")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, reason, _ := strings.Cut(line, "\t")
		if reason == "" {
			t.Errorf("the exclusion %s has no reason", name)
		}
		out[name] = reason
	}
	return out
}

// run says what is wrong, "" when nothing is.
func (c suiteTest) run(input *fhir.Node) string {
	e, err := Compile(c.Expression.Text, Type(input.Type), ConformsTo(func(n *fhir.Node, profile string) (bool, bool) {
		name, ok := strings.CutPrefix(profile, "http://hl7.org/fhir/StructureDefinition/")
		return n.Type.Is(name), ok
	}))
	if err != nil {
		if c.Expression.Invalid != "" {
			return ""
		}
		return "does not compile: " + err.Error()
	}
	if c.Expression.Invalid == "syntax" || c.Expression.Invalid == "semantic" {
		return "compiles"
	}
	ctx := Context{Now: time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)}
	got, err := e.Eval(ctx, input)
	if c.Expression.Invalid != "" {
		if err == nil {
			return "gives no error"
		}
		return ""
	}
	if err != nil {
		return err.Error()
	}
	if c.Predicate {
		ok, err := e.Test(ctx, input)
		if err != nil {
			return err.Error()
		}
		got = Collection{BooleanOf(ok)}
	}
	if len(got) != len(c.Outputs) {
		return fmt.Sprintf("gives %d items %s, wanted %d", len(got), texts(got), len(c.Outputs))
	}
	var want []string
	for _, o := range c.Outputs {
		want = append(want, strings.TrimPrefix(strings.TrimPrefix(o.Text, "@T"), "@"))
	}
	if have := texts(got); !slices.Equal(have, want) {
		return fmt.Sprintf("gives %q, wanted %q", have, want)
	}
	for i, o := range c.Outputs {
		if o.Type != "" && !typed(got[i], o.Type) {
			return fmt.Sprintf("gives %s, wanted the type %s", got[i].System().Kind(), o.Type)
		}
	}
	return ""
}

// typed checks the type of an output; the suite calls every moment with a T a date too.
func typed(v Value, name string) bool {
	if v.node != nil && v.node.Type.Is(name) {
		return true
	}
	switch k := v.System().kind; name {
	case "boolean":
		return k == Boolean
	case "integer":
		return k == Integer
	case "decimal":
		return k == Decimal
	case "string", "code", "id":
		return k == String
	case "date", "dateTime":
		return k == Date || k == DateTime
	case "Quantity":
		return k == Quantity
	}
	return false
}

func texts(c Collection) []string {
	var out []string
	for _, v := range c {
		out = append(out, v.Text())
	}
	return out
}
