package main

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"spadapter/adapter/issue"
)

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

// discard takes away what was kept beside the report.
func (r *junitReport) discard() {
	if r.cases != nil {
		_ = r.cases.Close()
		_ = os.Remove(r.cases.Name())
	}
}

// content is a text as XML takes it between tags, its lines kept.
func content(text string) string { return strings.ReplaceAll(attribute(text), "&#xA;", "\n") }

// attribute is a text as XML takes it; what XML has no character for is replaced.
func attribute(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}
