package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/gateway"
	"spadapter/adapter/issue"
)

// jsonReport writes one object in a line for each resource.
type jsonReport struct{ out *bufio.Writer }

func newJSONReport(w io.Writer) *jsonReport { return &jsonReport{bufio.NewWriter(w)} }

// jsonResult is a line of it.
type jsonResult struct {
	File         string      `json:"file"`
	Line         int         `json:"line,omitempty"` // of the resource, in an NDJSON file
	ResourceType string      `json:"resourceType,omitempty"`
	FHIR         string      `json:"fhir,omitempty"`
	Errors       int         `json:"errors"`
	Warnings     int         `json:"warnings"`
	Issues       []jsonIssue `json:"issues"`
}

type jsonIssue struct {
	Severity    string `json:"severity"`
	Type        string `json:"type"`
	Rule        string `json:"rule,omitempty"`
	Details     string `json:"details"`
	Diagnostics string `json:"diagnostics,omitempty"`
	Expression  string `json:"expression,omitempty"`
	Line        int    `json:"line,omitempty"`
	Column      int    `json:"column,omitempty"` // in bytes, from 1
}

func (r *jsonReport) add(v *validated) error {
	out := jsonResult{File: v.file, Line: v.line, ResourceType: v.resource, Errors: v.errors, Warnings: v.warnings, Issues: []jsonIssue{}}
	if v.system != nil {
		out.FHIR = releaseName(v.system)
	}
	for _, e := range v.issues {
		out.Issues = append(out.Issues, jsonIssue{severityWord(e), string(e.Type), e.Rule, e.Details, e.Diagnostics, e.Expression, e.Line, e.Column})
	}
	encoder := json.NewEncoder(r.out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(out); err != nil {
		return err
	}
	return r.out.Flush()
}

func (r *jsonReport) end(*validateTally) error { return r.out.Flush() }

// releaseName is what people call a version of FHIR.
func releaseName(system *fhir.System) string {
	if system == fhir.Types(fhir.STU3) {
		return "STU3"
	}
	return "R4"
}

// outcomeReport writes the OperationOutcome of the only resource, or a Bundle with one
// for each.
type outcomeReport struct {
	out   *bufio.Writer
	alone bool
	n     int
}

// extensionFile names the file that an OperationOutcome is about.
// Source: the HL7 extensions pack, operationoutcome-file.
const extensionFile = "http://hl7.org/fhir/StructureDefinition/operationoutcome-file"

func newOutcomeReport(w io.Writer, alone bool) *outcomeReport {
	return &outcomeReport{out: bufio.NewWriter(w), alone: alone}
}

func (r *outcomeReport) add(v *validated) error {
	n := gateway.Outcome(v.issues)
	file := n.Add("extension")
	file.Set("url", extensionFile)
	file.Set("valueString", v.file)
	if r.alone {
		_, err := r.out.Write(append(fhir.EncodeIndent(n), '\n'))
		return err
	}
	before := ",\n"
	if r.n++; r.n == 1 {
		before = `{"resourceType":"Bundle","type":"collection","entry":[` + "\n"
	}
	fmt.Fprintf(r.out, `%s{"resource":%s}`, before, fhir.Encode(n))
	return nil
}

func (r *outcomeReport) end(*validateTally) error {
	switch {
	case r.alone:
	case r.n == 0: // an empty list would be no FHIR
		r.out.WriteString(`{"resourceType":"Bundle","type":"collection"}` + "\n")
	default:
		r.out.WriteString("\n]}\n")
	}
	return r.out.Flush()
}

// junitReport writes one testsuite with a testcase for each file. What it holds is kept
// in a file of its own until the numbers that stand before it are known.
// Source: the format that the common CI servers read, https://github.com/testmoapp/junitxml.
type junitReport struct {
	out      io.Writer
	inputs   []convertInput
	command  *validateCmd
	cases    *os.File
	buffer   *bufio.Writer
	began    time.Time
	err      error
	current  int // the input whose resources come, -1 before the first
	failures int
	broken   int

	text             bytes.Buffer // of the current file
	errors, warnings int
	failed, unread   bool
	rule             string // of its first fault
}

func newJUnitReport(c *validateCmd, inputs []convertInput, w io.Writer) *junitReport {
	r := &junitReport{out: w, inputs: inputs, command: c, began: time.Now(), current: -1}
	if r.cases, r.err = os.CreateTemp("", "adapter-junit-*"); r.err == nil {
		r.buffer = bufio.NewWriter(r.cases)
	}
	return r
}

// junitText bounds what is written of one file: CI servers show it on a page.
const junitText = 256 << 10

func (r *junitReport) add(v *validated) error {
	if r.err != nil {
		return r.err
	}
	for r.current < v.input {
		r.next()
	}
	r.errors += v.errors
	r.warnings += v.warnings
	r.failed = r.failed || v.failed(r.command.Werror)
	r.unread = r.unread || v.unreadable
	source := newSourceText(v.body, v.line)
	for i, e := range v.issues {
		if r.rule == "" {
			r.rule = e.Rule
		}
		if i == r.command.Max && i > 0 || r.text.Len() > junitText {
			fmt.Fprintf(&r.text, "%s\n", plural(len(v.issues)-i, "further remark"))
			break
		}
		r.issue(v, source, e)
	}
	return nil
}

func (r *junitReport) issue(v *validated, source *sourceText, e *issue.Error) {
	fmt.Fprintf(&r.text, "%s:%d:%d: %s: %s [%s]\n", v.file, e.Line, e.Column, severityWord(e), wordsOf(e), e.Rule)
	if e.Expression != "" {
		fmt.Fprintf(&r.text, "    at %s\n", e.Expression)
	}
	if !r.command.Values {
		return
	}
	if e.Diagnostics != "" {
		fmt.Fprintf(&r.text, "    %s\n", e.Diagnostics)
	}
	if line, ok := source.line(e.Line); ok && e.Column > 0 {
		from := min(e.Column-1, len(line))
		text, marks := excerpt(line, from, tokenLength(line, from), defaultColumns)
		fmt.Fprintf(&r.text, "    %s\n    %s\n", text, marks)
	}
}

// next ends the testcase of a file and begins that of the next.
func (r *junitReport) next() {
	if r.current >= 0 {
		name := r.inputs[r.current].path
		if name == "-" {
			name = "<stdin>"
		}
		fmt.Fprintf(r.buffer, `    <testcase classname="adapter.validate" name="%s" file="%[1]s"`, attribute(name))
		element := ""
		switch {
		case r.unread:
			element = "error"
			r.broken++
		case r.failed:
			element = "failure"
			r.failures++
		case r.text.Len() > 0:
			element = "system-out"
		}
		switch element {
		case "":
			r.buffer.WriteString("/>\n")
		case "system-out":
			fmt.Fprintf(r.buffer, ">\n      <system-out>%s</system-out>\n    </testcase>\n", content(r.text.String()))
		default:
			message := plural(r.errors, "error") + ", " + plural(r.warnings, "warning")
			fmt.Fprintf(r.buffer, ">\n      <%s message=\"%s\" type=\"%s\">%s</%[1]s>\n    </testcase>\n", element, attribute(message), attribute(r.rule), content(r.text.String()))
		}
	}
	r.text.Reset()
	r.errors, r.warnings, r.failed, r.unread, r.rule = 0, 0, false, false, ""
	r.current++
}

func (r *junitReport) end(*validateTally) error {
	if r.err != nil {
		return r.err
	}
	defer os.Remove(r.cases.Name())
	defer r.cases.Close()
	for r.current < len(r.inputs) {
		r.next()
	}
	if err := r.buffer.Flush(); err != nil {
		return err
	}
	if _, err := r.cases.Seek(0, io.SeekStart); err != nil {
		return err
	}
	numbers := fmt.Sprintf(`name="adapter validate" tests="%d" failures="%d" errors="%d" skipped="0" time="%.3f"`, len(r.inputs), r.failures, r.broken, time.Since(r.began).Seconds())
	if _, err := fmt.Fprintf(r.out, "%s<testsuites %s>\n  <testsuite %[2]s>\n", xml.Header, numbers); err != nil {
		return err
	}
	if _, err := io.Copy(r.out, r.cases); err != nil {
		return err
	}
	_, err := io.WriteString(r.out, "  </testsuite>\n</testsuites>\n")
	return err
}

// content is a text as XML takes it between tags, its lines kept.
func content(text string) string { return strings.ReplaceAll(attribute(text), "&#xA;", "\n") }

// attribute is a text as XML takes it; what XML has no character for is replaced.
func attribute(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}
