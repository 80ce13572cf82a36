package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// validation is one run of the validate command.
type validation struct {
	command   *validateCmd
	validator *validator
	inputs    []convertInput
}

// validated is what was found in one resource.
type validated struct {
	convertMessage
	file       string // as it was named
	resource   string // its type, "" when it could not be parsed
	system     *fhir.System
	issues     []*issue.Error // those that are to be shown; lines are those of the file
	errors     int
	warnings   int
	hidden     int // issues below the severity that is shown
	unreadable bool
	unheld     bool // no profile was there whose must-support elements could be missing
	better     bool // nothing tells its FHIR version, and as STU3 it has no errors
}

// failed reports whether the resource counts as faulty.
func (v *validated) failed(werror bool) bool { return v.errors > 0 || werror && v.warnings > 0 }

// limits of a file: far above those of a request, so that an export can be checked.
var validateLimits = fhir.Limits{Bytes: maxDocument, Nodes: 4_000_000}

// check does one message.
func (v *validation) check(d convertMessage) validated {
	if d.line > 0 {
		d.body = bytes.TrimRight(d.body, "\r\n") // or what ends too early would end in the next line
	}
	out := validated{convertMessage: d, file: v.inputs[d.input].path}
	if out.file == "-" {
		out.file = "<stdin>"
	}
	var found []*issue.Error
	if d.err != nil {
		out.unreadable = true
		found = issue.All(d.err)
	} else {
		found = v.judge(d.body, &out)
	}
	least := severityRank(issue.Severity(v.command.Severity))
	for _, e := range found {
		rank := severityRank(e.Severity)
		switch {
		case e.Failure():
			out.errors++
		case e.Severity == issue.SeverityWarning:
			out.warnings++
		}
		if rank < least {
			out.hidden++
			continue
		}
		if d.line > 1 && e.Line > 0 {
			e.Line += d.line - 1
		}
		if e.Line == 0 && d.line > 0 {
			e.Line = d.line
		}
		out.issues = append(out.issues, e)
	}
	return out
}

// judge reads a message and validates it.
func (v *validation) judge(body []byte, out *validated) []*issue.Error {
	c := v.command
	system := fhir.Types(fhir.R4)
	if c.FHIR == "STU3" {
		system = fhir.Types(fhir.STU3)
	}
	root, err := fhir.Read(system, body, validateLimits)
	var r4, stu3 int
	if err == nil && c.FHIR == "detect" {
		if r4, stu3 = v.validator.evidence(root); stu3 > r4 {
			system = fhir.Types(fhir.STU3)
			root, err = root.Reread(system)
		}
	}
	if err != nil {
		return issue.All(err)
	}
	out.resource, out.system = root.ResourceType(), system
	q := question{intake: c.Intake, mustSupport: c.MustSupport}
	for _, p := range c.Profile {
		if t := v.validator.typeOf(p); root.Type == nil || root.Type.Is(t) {
			q.profiles = append(q.profiles, p)
		}
	}
	out.unheld = c.MustSupport && len(q.profiles) == 0 && !v.validator.claims(root)
	found := v.validator.validate(root, q)
	if r4 > 0 && stu3 > 0 {
		words := fmt.Sprintf("this was read as FHIR %s: by their types and profiles, %s can only be of R4 and %d of STU3; say -fhir if that is wrong", releaseName(system), plural(r4, "resource"), stu3)
		found = append([]*issue.Error{issue.New(issue.Structure, "fhir-version", words).Graded(issue.SeverityWarning).At(root.Path()).On(root.Position())}, found...)
	}
	if c.FHIR == "detect" && r4 == 0 && stu3 == 0 && !c.Intake && len(q.profiles) == 0 && issue.Failures(issue.Join(found)) != nil {
		out.better = v.soundAsSTU3(root)
	}
	if len(c.Profile) > 0 && len(q.profiles) == 0 && root.Type != nil {
		var types []string
		for _, p := range c.Profile {
			if t := v.validator.typeOf(p); !slices.Contains(types, t) {
				types = append(types, t)
			}
		}
		found = append([]*issue.Error{issue.New(issue.Invalid, "profile-type", "this is a "+root.ResourceType()+", and the profiles that were given are for "+strings.Join(types, ", ")).
			At(root.Path()).On(root.Position())}, found...)
	}
	return found
}

// soundAsSTU3 reports whether a resource is without errors as one of FHIR STU3.
func (v *validation) soundAsSTU3(root *fhir.Node) bool {
	root, err := root.Reread(fhir.Types(fhir.STU3))
	return err == nil && issue.Failures(issue.Join(v.validator.validate(root, question{}))) == nil
}

// severityRank orders severities, the worst highest.
func severityRank(s issue.Severity) int {
	switch s {
	case issue.SeverityInformation:
		return 0
	case issue.SeverityWarning:
		return 1
	}
	return 2
}

// severityWord is how a severity is called in a report.
func severityWord(e *issue.Error) string {
	switch {
	case e.Failure():
		return "error"
	case e.Severity == issue.SeverityWarning:
		return "warning"
	}
	return "information"
}

// validateTally counts what came of a run.
type validateTally struct {
	files, resources int
	errors, warnings int
	hidden           int
	failed           int // resources
	unreadable       int
	better           int
	unheld           int
}

func (t *validateTally) add(v *validated) {
	t.resources++
	t.errors += v.errors
	t.warnings += v.warnings
	t.hidden += v.hidden
	if v.unreadable {
		t.unreadable++
	}
	if v.better {
		t.better++
	}
	if v.unheld {
		t.unheld++
	}
}

// validateReport is one way to write results down. They come in the order of the input.
type validateReport interface {
	add(v *validated) error
	end(t *validateTally) error
}

func (v *validation) run(ctx context.Context) error {
	began := time.Now()
	c := v.command
	var reports []validateReport
	text := newTextReport(c, os.Stdout)
	var file *reportFile
	if c.Out == "" {
		reports = append(reports, v.report(os.Stdout))
	} else {
		var err error
		if file, err = createReport(c.Out); err != nil {
			return misuse{err}
		}
		defer file.discard()
		reports = append(reports, v.report(file))
		if c.Format != "text" {
			reports = append(reports, text)
		}
	}
	if r, ok := reports[0].(*junitReport); ok {
		defer r.discard()
	}
	tally := validateTally{files: len(v.inputs)}
	var done atomic.Int64
	clear, redraw := progress("validating", v.inputs, c.Quiet, &done)
	err := eachMessage(ctx, v.inputs, c.Jobs, func(d convertMessage) validated {
		defer done.Add(int64(len(d.body)))
		return v.check(d)
	}, func(result validated) error {
		tally.add(&result)
		if result.failed(c.Werror) {
			tally.failed++
		}
		if len(result.issues) > 0 {
			clear()
			defer redraw()
		}
		for _, r := range reports {
			if err := r.add(&result); err != nil {
				return err
			}
		}
		return nil
	})
	clear()
	if err == nil && ctx.Err() != nil {
		err = fmt.Errorf("interrupted after %s", plural(tally.resources, "resource"))
	}
	if err != nil {
		return misuse{err}
	}
	for _, r := range reports {
		err = errors.Join(err, r.end(&tally))
	}
	if file != nil && err == nil {
		err = file.keep()
	}
	if err != nil {
		return misuse{err}
	}
	if !c.Quiet {
		to := io.Writer(os.Stderr)
		if c.Format == "text" && c.Out == "" || c.Format != "text" && c.Out != "" {
			to = os.Stdout
		}
		v.summary(to, &tally, time.Since(began))
	}
	switch {
	case tally.unreadable > 0:
		return statusUsage
	case tally.failed > 0:
		return statusFaults
	}
	return nil
}

// report makes the report that was asked for.
func (v *validation) report(w io.Writer) validateReport {
	c := v.command
	switch c.Format {
	case "json":
		return newJSONReport(w)
	case "outcome":
		return newOutcomeReport(w, len(v.inputs) == 1 && !v.inputs[0].lines)
	case "junit":
		return newJUnitReport(c, v.inputs, w)
	case "sarif":
		return newSARIFReport(c, w)
	}
	return newTextReport(c, w)
}

// summary is the last line of a run.
func (v *validation) summary(w io.Writer, t *validateTally, took time.Duration) {
	term := newTerminal(os.Stdout)
	if w != os.Stdout {
		term = newTerminal(os.Stderr)
	}
	words := plural(t.files, "file")
	if t.resources != t.files {
		words += " with " + plural(t.resources, "resource")
	}
	if t.errors == 0 && t.warnings == 0 {
		words += ", no errors and no warnings"
	} else {
		words += ", " + plural(t.errors, "error") + ", " + plural(t.warnings, "warning")
	}
	if t.unreadable > 0 {
		words += ", " + fmt.Sprint(t.unreadable) + " could not be read"
	}
	style := good
	switch {
	case t.failed > 0 || t.unreadable > 0:
		style = bad
	case t.warnings > 0:
		style = caution
	}
	fmt.Fprint(w, term.paint(style, words))
	if took > time.Second {
		fmt.Fprintf(w, " in %s", took.Round(10*time.Millisecond))
	}
	fmt.Fprintln(w)
	if t.better > 0 {
		fmt.Fprintln(w, plural(t.better, "resource")+" with errors as FHIR R4 and none as STU3: try -fhir STU3")
	}
	if t.unheld > 0 {
		fmt.Fprintln(w, "-must-support needs a profile, and "+plural(t.unheld, "resource")+" had none: name it with -profile or in meta.profile, and load it with -package")
	}
	if t.hidden > 0 {
		fmt.Fprintln(w, term.paint(faint, plural(t.hidden, "further remark")+" not shown; -severity information shows everything"))
	}
}

// plural is "1 file", "2 files", "1,204 files".
func plural(n int, noun string) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if n != 1 {
		noun += "s"
	}
	return digits + " " + noun
}
