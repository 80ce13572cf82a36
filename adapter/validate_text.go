package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"spadapter/adapter/issue"
)

// textReport tells faults as compilers do: the place, the words, and the line with what
// is meant underlined.
type textReport struct {
	terminal *terminal
	out      *bufio.Writer
	most     int  // issues of one resource, 0 for all
	columns  int  // of the screen
	wrap     bool // somebody looks at it: words go on in the next line at its edge

	absent []*absentProfile // in the order in which they were claimed first
	claims map[string]*absentProfile
}

// absentProfile is a profile that is claimed and not loaded. It is told once, at the end.
type absentProfile struct {
	first  *issue.Error
	by     validated // its file
	source *sourceText
	more   int // further resources that claim it
}

// Columns where nobody looks at a screen, those of a screen that does not say how wide it
// is, and the fewest that a line is cut to.
const (
	defaultColumns  = 120
	terminalColumns = 80
	fewestColumns   = 40
)

func newTextReport(c *validateCmd, w io.Writer) *textReport {
	r := &textReport{out: bufio.NewWriter(w), most: c.Max, columns: defaultColumns}
	r.terminal = &terminal{w: r.out}
	if f, ok := w.(*os.File); ok {
		r.terminal.colour = newTerminal(f).colour
		if term.IsTerminal(int(f.Fd())) {
			r.wrap, r.columns = true, terminalColumns
			if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
				r.columns = max(columns, fewestColumns)
			}
		}
	}
	return r
}

// add tells what is wrong with one resource, at once, so that a long run can be followed.
func (r *textReport) add(v *validated) error {
	source := newSourceText(v.body, v.line)
	issues := make([]*issue.Error, 0, len(v.issues))
	for _, e := range v.issues {
		if !r.hold(v, source, e) {
			issues = append(issues, e)
		}
	}
	for i, e := range issues {
		if i == r.most && r.most > 0 {
			fmt.Fprintf(r.out, "%s: %s\n", r.terminal.paint(heading, printable(v.file)),
				r.terminal.paint(faint, fmt.Sprintf("%s; -max 0 shows them", plural(len(issues)-i, "further remark"))))
			break
		}
		r.issue(v, source, e)
	}
	return r.out.Flush()
}

// hold keeps what is said of a profile that is claimed and not loaded for the end, and
// reports whether it did.
func (r *textReport) hold(v *validated, source *sourceText, e *issue.Error) bool {
	if e.Rule != "profile-unknown" || e.Failure() {
		return false
	}
	key := e.Details + e.Diagnostics
	if p := r.claims[key]; p != nil {
		p.more++
		return true
	}
	// the line alone is kept, and not the whole message, nor one that is a whole message
	line, _ := source.line(e.Line)
	if len(line) > 64<<10 {
		line = nil
	}
	p := &absentProfile{first: e, by: validated{file: v.file}, source: newSourceText(bytes.Clone(line), e.Line)}
	if r.claims == nil {
		r.claims = map[string]*absentProfile{}
	}
	r.claims[key], r.absent = p, append(r.absent, p)
	return true
}

func (r *textReport) end(*validateTally) error {
	for _, p := range r.absent {
		e := *p.first
		e.Details += "; load it with -package"
		switch p.more {
		case 0:
		case 1:
			e.Details += " (1 further resource claims it)"
		default:
			e.Details += " (" + plural(p.more, "further resource") + " claim it)"
		}
		r.issue(&p.by, p.source, &e)
	}
	return r.out.Flush()
}

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
	line := []span{{heading, place + ":"}, {style, word + ":"}, {"", wordsOf(e)}}
	if e.Rule != "" {
		line = append(line, span{faint, "[" + printable(e.Rule) + "]"})
	}
	gutter := strings.Repeat(" ", len(strconv.Itoa(e.Line))+2)
	r.spans("", len(gutter)+2, line...)
	if line, ok := source.line(e.Line); ok && e.Column > 0 && len(line) > 0 {
		from := min(e.Column-1, len(line))
		length := tokenLength(line, from)
		if e.Rule == "unknown-element" || e.Rule == "xml-order" {
			// what is wrong is the name, or where it stands, and not the value
			if at, n, ok := memberName(line, from); ok {
				from, length = at, n
			}
		}
		text, marks := excerpt(line, from, length, max(r.columns-len(gutter)-2, fewestColumns/2))
		bar := r.terminal.paint(faint, "|")
		fmt.Fprintf(r.out, " %d %s %s\n", e.Line, bar, text)
		fmt.Fprintf(r.out, "%s%s %s\n", gutter, bar, r.terminal.paint(style, marks))
	}
	if more := besides(e); more != "" {
		r.spans(gutter, len(gutter)+2, span{faint, "= " + printable(more)})
	}
}

// span is a text in one style.
type span struct{ style, text string }

// spans writes texts in one line, a blank between them, or on a screen in as many as they
// need, broken between words, with blanks before all but the first.
func (r *textReport) spans(before string, indent int, list ...span) {
	r.out.WriteString(before)
	at, start := len(before), true
	for _, s := range list {
		words := []string{s.text}
		if r.wrap {
			words = strings.Split(s.text, " ")
		}
		for _, w := range words {
			width := columnsOf(w)
			switch {
			case start:
			case r.wrap && at > indent && at+1+width > r.columns:
				r.out.WriteString("\n" + strings.Repeat(" ", indent))
				at = indent
			default:
				r.out.WriteByte(' ')
				at++
			}
			start = false
			r.out.WriteString(r.paint(s.style, w))
			at += width
		}
	}
	r.out.WriteByte('\n')
}

// paint gives a text a style; "" is none.
func (r *textReport) paint(style, text string) string {
	if style == "" {
		return text
	}
	return r.terminal.paint(style, text)
}

// columnsOf is how wide a text is shown.
func columnsOf(text string) int {
	width := 0
	for i, c := range text {
		width += cellOf(c, utf8.RuneLen(c), i).width
	}
	return width
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
