package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"spadapter/adapter/issue"
)

// textReport tells faults as compilers do: the place, the words, and the line with what
// is meant underlined.
type textReport struct {
	terminal *terminal
	out      *bufio.Writer
	most     int // issues of one resource, 0 for all
	columns  int // of the screen
}

// Columns where nobody looks at a screen, and the fewest that a line is cut to.
const (
	defaultColumns = 120
	fewestColumns  = 40
)

func newTextReport(c *validateCmd, w io.Writer) *textReport {
	r := &textReport{out: bufio.NewWriter(w), most: c.Max, columns: defaultColumns}
	r.terminal = &terminal{w: r.out}
	if f, ok := w.(*os.File); ok {
		r.terminal.colour = newTerminal(f).colour
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			r.columns = columns
		}
	}
	return r
}

// add tells what is wrong with one resource, at once, so that a long run can be followed.
func (r *textReport) add(v *validated) error {
	source := newSourceText(v.body, v.line)
	for i, e := range v.issues {
		if i == r.most && r.most > 0 {
			fmt.Fprintf(r.out, "%s: %s\n", r.terminal.paint(heading, printable(v.file)),
				r.terminal.paint(faint, fmt.Sprintf("%s; -max 0 shows them", plural(len(v.issues)-i, "further remark"))))
			break
		}
		r.issue(v, source, e)
	}
	return r.out.Flush()
}

func (r *textReport) end(*validateTally) error { return r.out.Flush() }

// issue tells one fault.
func (r *textReport) issue(v *validated, source *sourceText, e *issue.Error) {
	word := severityWord(e)
	style := map[string]string{"error": bad, "warning": caution, "information": faint}[word]
	place := printable(v.file)
	if e.Line > 0 {
		place += ":" + strconv.Itoa(e.Line)
		if e.Column > 0 {
			place += ":" + strconv.Itoa(e.Column)
		}
	}
	fmt.Fprintf(r.out, "%s: %s %s", r.terminal.paint(heading, place), r.terminal.paint(style, word+":"), wordsOf(e))
	if e.Rule != "" {
		fmt.Fprint(r.out, " ", r.terminal.paint(faint, "["+printable(e.Rule)+"]"))
	}
	fmt.Fprintln(r.out)
	gutter := strings.Repeat(" ", len(strconv.Itoa(e.Line))+2)
	if line, ok := source.line(e.Line); ok && e.Column > 0 && len(line) > 0 {
		from := min(e.Column-1, len(line))
		length := tokenLength(line, from)
		if e.Rule == "unknown-element" || e.Rule == "xml-order" {
			// what is wrong is the name, or where it stands, and not the value
			if at, n, ok := memberName(line, from); ok {
				from, length = at, n
			}
		}
		text, marks := excerpt(line, from, length, max(r.columns-len(gutter)-2, fewestColumns))
		bar := r.terminal.paint(faint, "|")
		fmt.Fprintf(r.out, " %d %s %s\n", e.Line, bar, text)
		fmt.Fprintf(r.out, "%s%s %s\n", gutter, bar, r.terminal.paint(style, marks))
	}
	if more := besides(e); more != "" {
		fmt.Fprintf(r.out, "%s%s\n", gutter, r.terminal.paint(faint, "= "+printable(more)))
	}
}

// wordsOf is what a fault says. One that nobody wrote for a sender is a fault of the program.
func wordsOf(e *issue.Error) string {
	if e.Details == "" {
		return "this resource could not be checked; please report it"
	}
	return printable(e.Details)
}

// besides is the element of a fault and what was found there.
func besides(e *issue.Error) string {
	switch {
	case e.Diagnostics == "":
		return e.Expression
	case e.Expression == "":
		return e.Diagnostics
	}
	return e.Expression + ": " + e.Diagnostics
}
