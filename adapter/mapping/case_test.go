package mapping

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/issue"
)

const story = "Mrs Test has no telephone, so the practice is told that it was left out.\n-- source.json --\n" + alone + "\n"

func caseOf(t *testing.T, text string) *Case {
	t.Helper()
	c, err := ParseCase("story.txtar", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A case is written by what came out, passes then, and fails when something changes.
func TestCase(t *testing.T) {
	d := dialectOf(t, bundleMap)
	c := caseOf(t, story+"-- trace --\n")
	v, err := c.Run(context.Background(), d)
	if err != nil || v.Passed() || len(v.Faults) != 0 {
		t.Fatalf("%v %v", v, err)
	}
	var names []string
	for _, s := range v.Sections {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{"target.json", "issues", "trace"}) {
		t.Errorf("%v", names)
	}
	written := string(c.Updated(v))
	again := caseOf(t, written)
	if v, err = again.Run(context.Background(), d); err != nil || !v.Passed() {
		t.Fatalf("%v %v", v, err)
	}
	if string(again.Updated(v)) != written {
		t.Error("an update of a case that passes changes it")
	}
	for _, want := range []string{"informational map-unread Patient.active\n", "Bundle.type <- Patient  d/d.map:"} {
		if !strings.Contains(written, want) {
			t.Errorf("no %q in\n%s", want, written)
		}
	}
	var report strings.Builder
	if v.Report(&report); report.Len() > 0 {
		t.Errorf("of a case that passed: %s", &report)
	}
	changed := caseOf(t, strings.ReplaceAll(written, `"family": "Other"`, `"family": "Another"`))
	if v, err = changed.Run(context.Background(), d); err != nil || v.Passed() {
		t.Fatalf("%v %v", v, err)
	}
	v.Report(&report)
	if got := report.String(); got != `story.txtar: target.json differs from what the case expects
  changed Bundle.entry[0].resource.name[1].family
    want = Another
    got  = Other
` {
		t.Errorf("%s", got)
	}
	// without trace a case does not get one
	if c := caseOf(t, story); strings.Contains(string(c.Updated(v)), "-- trace") {
		t.Error("a trace that nobody asked for")
	}
}

// A map that refuses makes no target; the case says so.
func TestCaseOfRefusal(t *testing.T) {
	d := dialectOf(t, bundleMap)
	c := caseOf(t, strings.Replace(story, `"active":true`, `"deceasedBoolean":true`, 1)+"-- target.json --\n{}\n")
	v, err := c.Run(context.Background(), d)
	if err != nil || v.Result != nil || len(v.Sections) != 2 {
		t.Fatalf("%v %v", v, err)
	}
	if got := string(c.Updated(v)); strings.Contains(got, "target.json") || !strings.HasSuffix(got, "-- issues --\nbusiness-rule map-check Patient\n") {
		t.Errorf("%s", got)
	}
	var report strings.Builder
	v.Report(&report)
	if !strings.Contains(report.String(), "  - {}\n") || !strings.Contains(report.String(), "  + business-rule map-check Patient\n") {
		t.Errorf("%s", &report)
	}
}

func TestCaseFaults(t *testing.T) {
	d := dialectOf(t, bundleMap)
	for name, c := range map[string]struct {
		text string
		want issue.Type
	}{
		"no reason":       {"why\n-- source.json --\n{}\n", issue.Required},
		"no source":       {strings.Repeat("reason ", 10) + "\n-- target.json --\n{}\n", issue.Required},
		"another section": {story + "-- tarjet.json --\n{}\n", issue.Structure},
		"a section twice": {story + "-- issues --\n-- issues --\n", issue.Structure},
	} {
		if _, err := ParseCase("x", []byte(c.text)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := caseOf(t, strings.Replace(story, "{", "", 1)).Run(context.Background(), d); !errors.Is(err, issue.Structure) {
		t.Errorf("no JSON: %v", err)
	}
	v, err := caseOf(t, strings.Replace(story, "female", "f", 1)).Run(context.Background(), d)
	if err != nil || len(v.Faults) != 1 || v.Passed() {
		t.Errorf("an invalid source: %v %v", v, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := caseOf(t, story).Run(ctx, d); !errors.Is(err, issue.Timeout) {
		t.Errorf("no time: %v", err)
	}
	stu3 := dialectOf(t, `map "https://test.example/StructureMap/s" = "s"
uses "http://hl7.org/fhir/3.0/StructureDefinition/ReferralRequest" alias ReferralRequest as source
uses "http://hl7.org/fhir/StructureDefinition/Basic" alias Basic as target
group main(source src : ReferralRequest, target tgt : Basic) { src.id as i -> tgt.id = i; src.status "ignore-status"; src.intent "ignore-intent"; src.subject "ignore-subject"; src -> tgt.code as c, c.text = 'x' "code"; }`)
	v, err = caseOf(t, strings.Repeat("reason ", 10)+"\n-- source.json --\n"+`{"resourceType":"ReferralRequest","id":"r","status":"active","intent":"order","subject":{"reference":"Patient/1"}}`+"\n").Run(context.Background(), stu3)
	if err != nil || len(v.Faults) != 0 || v.Result == nil || v.Result.Target.Text("id") != "r" {
		t.Errorf("an STU3 source: %v %v", v, err)
	}
}
