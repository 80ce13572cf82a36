package mapping

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/tools/txtar"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Case is one story that a dialect must tell: a txtar file with the reason as its comment
// and the sections source.json, message.json (for a map with a second source), target.json
// (none when the map refuses the source), issues (one a line: type, rule, FHIRPath) and, if
// it is to be compared, trace.
type Case struct {
	Name     string
	Reason   string
	Sections map[string]string // text by name of the section
}

// sections in the order in which a case is written.
var sections = []string{"source.json", "message.json", "target.json", "issues", "trace"}

// inputs is how many of the sections go in.
const inputs = 2

// leastReason is the length of a comment that can say why a case exists.
const leastReason = 40

// caseTime is when every case happens, for now() and today().
var caseTime = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

// ParseCase reads a case. name seeds its ids: the name of the file.
//
// Errors, joined: required without a comment that says why the case exists, or without
// source.json; structure for a section that a case does not have, or has twice.
func ParseCase(name string, text []byte) (*Case, error) {
	archive := txtar.Parse(text)
	c := &Case{Name: name, Reason: string(archive.Comment), Sections: map[string]string{}}
	var errs []*issue.Error
	if len(strings.TrimSpace(c.Reason)) < leastReason {
		errs = append(errs, issue.Newf(issue.Required, "case-reason", "%s: the comment must say why the case exists, in %d letters at least", name, leastReason))
	}
	for _, f := range archive.Files {
		if _, twice := c.Sections[f.Name]; twice || !slices.Contains(sections, f.Name) {
			errs = append(errs, issue.Newf(issue.Structure, "case-section", "%s: a case has each of the sections %s once at most, and no others", name, strings.Join(sections, ", ")).With("section %q", f.Name))
		}
		c.Sections[f.Name] = string(f.Data)
	}
	if c.Sections["source.json"] == "" {
		errs = append(errs, issue.Newf(issue.Required, "case-source", "%s: a case needs a section source.json", name))
	}
	return c, issue.Join(errs)
}

// Verdict is what a case came to.
type Verdict struct {
	Name     string
	Sections []Section      // those that differ from what the case expects
	Faults   []*issue.Error // what is wrong whatever the case expects
	Result   *Result        // nil when the source was refused

	got map[string]string
}

// Section is one that differs.
type Section struct {
	Name        string
	Want, Got   string
	Differences []Difference // of target.json, when both are FHIR; Before is what was wanted
}

// Passed reports whether the dialect does what the case says.
func (v *Verdict) Passed() bool { return len(v.Sections) == 0 && len(v.Faults) == 0 }

// Run converts the source and compares what comes out. The source is read in the version
// of FHIR that the map takes.
//
// Verdict.Faults has: the errors of fhir.Check for the source (rule and place as Check
// gives them); processing for a source that was changed (case-source-changed), for other
// bytes the second time (case-repeat) and for a target that does not survive encoding
// (case-target). Errors: those of fhir.Parse for the source, and timeout when ctx ends.
func (c *Case) Run(ctx context.Context, d *Dialect) (*Verdict, error) {
	system := fhir.Types(fhir.R4)
	if types := d.Map.Sources(); len(types) > 0 && types[0] != nil {
		system = types[0].System()
	}
	root, err := fhir.Parse(system, []byte(c.Sections["source.json"]), fhir.Limits{})
	if err != nil {
		return nil, named(c.Name+", source.json", err)
	}
	in := Input{Source: root, Identity: c.Name, Now: caseTime, Trace: true}
	if text := c.Sections["message.json"]; text != "" {
		if types := d.Map.Sources(); len(types) > 1 && types[1] != nil {
			system = types[1].System()
		}
		message, err := fhir.Parse(system, []byte(text), fhir.Limits{})
		if err != nil {
			return nil, named(c.Name+", message.json", err)
		}
		in.More = []*fhir.Node{message}
	}
	v := &Verdict{Name: c.Name, got: map[string]string{}}
	given := func() (encoded []byte) {
		for _, n := range append([]*fhir.Node{root}, in.More...) {
			encoded = append(encoded, fhir.Encode(n)...)
		}
		return encoded
	}
	for _, n := range append([]*fhir.Node{root}, in.More...) {
		v.Faults = append(v.Faults, issue.All(issue.Failures(fhir.Check(n)))...)
	}
	before := given()
	result, err := d.Convert(ctx, in)
	if ctx.Err() != nil {
		return nil, issue.New(issue.Timeout, "case-timeout", "the case was not finished").Because(ctx.Err())
	}
	issues := issue.All(err)
	fault := func(rule, text string) {
		v.Faults = append(v.Faults, issue.New(issue.Processing, rule, text))
	}
	if v.Result = result; result != nil {
		issues = result.Issues
		encoded := fhir.Encode(result.Target)
		v.got["target.json"] = string(fhir.EncodeIndent(result.Target)) + "\n"
		var trace strings.Builder
		for _, s := range result.Trace {
			trace.WriteString(s.String() + "\n")
		}
		v.got["trace"] = trace.String()
		in.Trace = false
		if again, err := d.Convert(ctx, in); err != nil || !bytes.Equal(fhir.Encode(again.Target), encoded) {
			fault("case-repeat", "the same input gave other bytes the second time")
		}
		if read, err := fhir.Parse(result.Target.System(), encoded, fhir.Limits{}); err != nil || len(Differences(result.Target, read)) > 0 {
			fault("case-target", "the target is read otherwise than it was written")
		}
	}
	if !bytes.Equal(before, given()) {
		fault("case-source-changed", "the map changed its source")
	}
	for _, e := range issues {
		v.got["issues"] += strings.TrimSpace(string(e.Type)+" "+e.Rule+" "+e.Expression) + "\n"
	}
	v.compare(c)
	return v, nil
}

func (v *Verdict) compare(c *Case) {
	for _, name := range sections[inputs:] {
		want, has := c.Sections[name]
		got := v.got[name]
		if want == got || name == "trace" && !has {
			continue
		}
		s := Section{Name: name, Want: want, Got: got}
		if name == "target.json" && v.Result != nil {
			if expected, err := fhir.Parse(v.Result.Target.System(), []byte(want), fhir.Limits{}); err == nil {
				s.Differences = Differences(expected, v.Result.Target)
			}
		}
		v.Sections = append(v.Sections, s)
	}
}

// Updated is the text of the case with what came out of it as what it expects. The
// reason and the source stay; trace is written where the case had it.
func (c *Case) Updated(v *Verdict) []byte {
	out := &txtar.Archive{Comment: []byte(c.Reason)}
	for _, name := range sections {
		text, has := c.Sections[name]
		if !slices.Contains(sections[:inputs], name) {
			text = v.got[name]
		}
		if text != "" && name != "trace" || name == "issues" || name == "trace" && has {
			out.Files = append(out.Files, txtar.File{Name: name, Data: []byte(text)})
		}
	}
	return txtar.Format(out)
}

// Report writes a verdict for people: nothing when the case passed. It shows the values
// of the case, which are made up.
//
// Errors: those of w.
func (v *Verdict) Report(w io.Writer) error {
	var b strings.Builder
	for _, e := range v.Faults {
		fmt.Fprintf(&b, "%s: %s\n", v.Name, e.Error())
	}
	for _, s := range v.Sections {
		fmt.Fprintf(&b, "%s: %s differs from what the case expects\n", v.Name, s.Name)
		if len(s.Differences) > 0 {
			for _, d := range s.Differences {
				fmt.Fprintf(&b, "  %s\n", d)
				if d.Before != nil {
					fmt.Fprintf(&b, "    want%s\n", shown(d.Before))
				}
				if d.After != nil {
					fmt.Fprintf(&b, "    got %s\n", shown(d.After))
				}
			}
			continue
		}
		lines(&b, s.Want, s.Got)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lines writes what two texts have not in common: the lines between those that are the
// same at the start and at the end.
func lines(b *strings.Builder, want, got string) {
	x, y := strings.Split(want, "\n"), strings.Split(got, "\n")
	for len(x) > 0 && len(y) > 0 && x[0] == y[0] {
		x, y = x[1:], y[1:]
	}
	for len(x) > 0 && len(y) > 0 && x[len(x)-1] == y[len(y)-1] {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	for _, line := range x {
		b.WriteString("  - " + line + "\n")
	}
	for _, line := range y {
		b.WriteString("  + " + line + "\n")
	}
}
