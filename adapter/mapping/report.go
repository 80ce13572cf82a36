package mapping

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"spadapter/adapter/fhir"
)

// Report writes what the transform did for people at a terminal: a line for each step of
// the trace, with aligned columns (target, source, rule, file and line, ConceptMap row),
// then what no rule read, then the issues. It shows paths alone; with values also what
// stands in the elements, which is a person's data unless the message is synthetic.
//
// Errors: those of w.
func (r *Result) Report(w io.Writer, values bool) error {
	out := bufio.NewWriter(w)
	at := newPaths()
	fmt.Fprintf(out, "map %s\n", r.Map.URL)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range r.Trace {
		from := make([]string, len(s.Sources))
		for i, n := range s.Sources {
			from[i] = at.of(n)
		}
		target, row := at.of(s.Target), ""
		if values {
			target += shown(s.Target)
			if n := len(from); n > 0 {
				from[n-1] += shown(s.Sources[n-1])
			}
		}
		if s.ConceptMap != "" {
			row = fmt.Sprintf("\t%s row %d", s.ConceptMap, s.Row)
		}
		fmt.Fprintf(table, "  %s\t<- %s\t%s/%s\t%s:%d%s\n", target, strings.Join(from, ", "), s.Group, s.Rule, s.File, s.Line, row)
	}
	_ = table.Flush() // what w refuses, bufio keeps for the last Flush
	if len(r.Unread) > 0 {
		fmt.Fprintf(out, "unread, %d\n", len(r.Unread))
		table = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, n := range r.Unread {
			line, _ := n.Position()
			text := at.of(n)
			if values {
				text += shown(n)
			}
			fmt.Fprintf(table, "  %s\tline %d\n", text, line)
		}
		_ = table.Flush()
	}
	if len(r.Issues) > 0 {
		fmt.Fprintf(out, "issues, %d\n", len(r.Issues))
		for _, e := range r.Issues {
			fmt.Fprintf(out, "  %s\n", e.Error())
			if values && e.Diagnostics != "" {
				fmt.Fprintf(out, "    %s\n", clean(e.Diagnostics))
			}
		}
	}
	return out.Flush()
}

// shown is the value of an element, or the start of its JSON, in one line.
func shown(n *fhir.Node) string {
	text := n.Value
	if !n.HasValue() {
		text = string(fhir.Encode(n))
	}
	if runes := []rune(text); len(runes) > 60 {
		text = string(runes[:59]) + "…"
	}
	return " = " + clean(text)
}

// clean takes out what would move the cursor or break the columns of a terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}
