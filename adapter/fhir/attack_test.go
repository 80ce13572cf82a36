package fhir

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"spadapter/adapter/issue"
)

// TestParseStopsAtManyDuplicates: one body makes no more issues than a person reads,
// and none of them grows with the body.
func TestParseStopsAtManyDuplicates(t *testing.T) {
	name := strings.Repeat("é", 1000)
	for _, tc := range []struct{ repeats, want int }{{1, 1}, {maxDuplicates, maxDuplicates}, {maxDuplicates + 1, maxDuplicates + 1}, {80_000, maxDuplicates + 1}} {
		body := `{"resourceType":"Patient","` + name + `":0` + strings.Repeat(",\n\""+name+`":0`, min(tc.repeats, 100)) + strings.Repeat(`,"resourceType":"Patient"`, max(tc.repeats-100, 0)) + `}`
		_, err := Parse(Types(R4), []byte(body), Limits{})
		all := issue.All(err)
		if len(all) != tc.want {
			t.Fatalf("%d repeats: %d issues, want %d", tc.repeats, len(all), tc.want)
		}
		for i, e := range all {
			if e.Rule != "json-duplicate" || e.Line != i+2 || len(e.Diagnostics) > 400 {
				t.Fatalf("%d repeats, issue %d: %+v", tc.repeats, i, e)
			}
			if last := i == maxDuplicates; last != (e.Severity == issue.SeverityFatal) || last != strings.Contains(e.Details, "more member names") {
				t.Fatalf("%d repeats, issue %d: %+v", tc.repeats, i, e)
			}
		}
	}
}

// TestMergeOfManyCompanions joins tens of thousands of companions with their members,
// and keeps the order: the members as they stand, then those without a value.
func TestMergeOfManyCompanions(t *testing.T) {
	const n = 40_000
	var b strings.Builder
	b.WriteString(`{"resourceType":"Patient"`)
	for i := range n {
		fmt.Fprintf(&b, `,"_b%d":{"id":"b"}`, i)
	}
	for i := range n {
		fmt.Fprintf(&b, `,"a%d":["x"],"_a%d":[{"id":"a"},{"id":"c"}]`, i, i)
	}
	root, err := Parse(Types(R4), []byte(b.String()+"}"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if len(root.Children) != 3*n {
		t.Fatalf("%d elements, want %d", len(root.Children), 3*n)
	}
	for i := range n {
		first, second, bare := root.Children[2*i], root.Children[2*i+1], root.Children[2*n+i]
		if first.Name != "a"+strconv.Itoa(i) || first.Value != "x" || first.Text("id") != "a" ||
			second.Name != first.Name || second.Kind != Absent || second.Text("id") != "c" ||
			bare.Name != "b"+strconv.Itoa(i) || bare.Kind != Absent || bare.Text("id") != "b" {
			t.Fatalf("element %d: %+v, %+v, %+v", i, first, second, bare)
		}
	}
}

// TestPlacesOfManyElements asks every element of a large resource for its place, as
// the trace of a mapping does.
func TestPlacesOfManyElements(t *testing.T) {
	const n = 100_000
	body := `{"resourceType":"Patient","active":true,"name":[` + strings.TrimSuffix(strings.Repeat("0,", n), ",") + `],"telecom":[` + strings.TrimSuffix(strings.Repeat("\n0,", n), ",") + `]}`
	root, err := Parse(Types(R4), []byte(body), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	start := strings.Index(body, "[0") + 2
	for i := range n {
		name, telecom := root.Children[1+i], root.Children[1+n+i]
		if want := fmt.Sprintf("Patient.name[%d]", i); name.Path() != want {
			t.Fatalf("path %s, want %s", name.Path(), want)
		}
		if want := fmt.Sprintf("Patient.telecom[%d]", i); telecom.Path() != want {
			t.Fatalf("path %s, want %s", telecom.Path(), want)
		}
		if line, column := name.Position(); line != 1 || column != start+2*i {
			t.Fatalf("name[%d] at %d, %d", i, line, column)
		}
		if line, column := telecom.Position(); line != i+2 || column != 1 {
			t.Fatalf("telecom[%d] at %d, %d", i, line, column)
		}
	}
}

// TestPositionAtEveryOffset holds the marks against a plain count.
func TestPositionAtEveryOffset(t *testing.T) {
	for _, source := range []string{"", "\n", strings.Repeat("x", 2*markEvery), strings.Repeat("abc\n\n", markEvery/2),
		strings.Repeat("x", markEvery-1) + "\n" + strings.Repeat("y", markEvery-1) + "\n" + strings.Repeat("z", 3*markEvery) + "\nend"} {
		d := &document{source: source}
		line, start := 1, 0
		for at := range len(source) + 1 {
			if l, c := d.position(at); l != line || c != at-start+1 {
				t.Fatalf("offset %d: %d, %d; want %d, %d", at, l, c, line, at-start+1)
			}
			if at < len(source) && source[at] == '\n' {
				line, start = line+1, at+1
			}
		}
	}
}

// TestIssuesStayFewAndShort: a message cannot make the answer much larger than itself.
func TestIssuesStayFewAndShort(t *testing.T) {
	many := func(item string) string { return strings.TrimSuffix(strings.Repeat(item+",", 50_000), ",") }
	name := strings.Repeat("é", 100_000)
	for label, body := range map[string]string{
		"kinds":    `{"resourceType":"Patient","name":[` + many("0") + `]}`,
		"unknown":  `{"resourceType":"Patient","` + name + `":[` + many("0") + `]}`,
		"required": `{"resourceType":"Bundle","type":"collection","entry":[` + many(`{"resource":{"resourceType":"Observation"}}`) + `]}`,
		"urn":      `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","generalPractitioner":[` + many(`{"reference":"urn:uuid:x"}`) + `]}}]}`,
		"faults":   `{"resourceType":"Patient","_gender":[` + many("1") + `]}`,
		"type":     `{"resourceType":"` + name + `"}`,
	} {
		root, err := Parse(Types(R4), []byte(body), Limits{})
		if err != nil {
			t.Fatal(label, err)
		}
		all := issue.All(Check(root))
		if want := maxIssues; len(all) != want && !((label == "type" || label == "unknown") && len(all) == 1) {
			t.Errorf("%s: %d issues", label, len(all))
		}
		for _, e := range all {
			if len(e.Expression) > 200 || len(e.Diagnostics) > 500 {
				t.Fatalf("%s: an issue grows with the message: %d, %d bytes", label, len(e.Expression), len(e.Diagnostics))
			}
		}
	}
}
