package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"spadapter/adapter/issue"
)

// convertSummary counts what came of the messages, by input.
type convertSummary struct {
	conversion *conversion
	inputs     []convertCount
	total      convertCount
	reasons    map[string]*convertReason
	told       int
}

type convertCount struct {
	messages, failed, unread, different int
}

// convertReason is one rule that refused messages.
type convertReason struct {
	name     string
	messages int
	first    string
}

// maxTold is how many refused messages are told one by one; a folder of the wrong files
// would otherwise scroll the summary away.
const maxTold = 50

func newConvertSummary(v *conversion) *convertSummary {
	return &convertSummary{conversion: v, inputs: make([]convertCount, len(v.inputs)), reasons: map[string]*convertReason{}}
}

func (s *convertSummary) add(c converted) {
	for _, count := range []*convertCount{&s.inputs[c.input], &s.total} {
		count.messages++
		count.unread += c.unread
		if c.err != nil {
			count.failed++
		}
		if c.differences > 0 {
			count.different++
		}
	}
	var counted []string
	for _, e := range issue.All(c.err) {
		name := strings.TrimSpace(string(e.Type) + " " + e.Rule)
		if slices.Contains(counted, name) {
			continue
		}
		counted = append(counted, name)
		if s.reasons[name] == nil {
			s.reasons[name] = &convertReason{name: name, first: s.where(c)}
		}
		s.reasons[name].messages++
	}
}

// where names a message: its file, and its line in an NDJSON file.
func (s *convertSummary) where(c converted) string {
	name := s.conversion.inputs[c.input].name
	if c.line > 0 {
		return fmt.Sprintf("%s:%d", name, c.line)
	}
	return name
}

// tell is what is said of one message, "" when there is nothing to say.
func (s *convertSummary) tell(c converted) string {
	if c.err == nil && c.report == "" {
		return ""
	}
	var b strings.Builder
	if c.err != nil {
		if s.told++; s.told > maxTold && c.report == "" {
			if s.told == maxTold+1 {
				return "further refused messages are counted in the summary\n"
			}
			return ""
		}
	}
	t := newTerminal(os.Stderr)
	if c.err != nil {
		fmt.Fprintf(&b, "%s  %s\n", t.paint(heading, s.where(c)), t.paint(bad, "refused"))
		writeIssues(&b, c.err)
	} else {
		fmt.Fprintf(&b, "%s\n", t.paint(heading, s.where(c)))
	}
	b.WriteString(c.report)
	return b.String()
}

// writeIssues lists the issues of one message, most of them in one line each.
func writeIssues(w io.Writer, err error) {
	for i, e := range issue.All(err) {
		if i == 20 {
			fmt.Fprintf(w, "  … and %d more\n", len(issue.All(err))-i)
			return
		}
		at := e.Expression
		if e.Line > 0 {
			at = strings.TrimSpace(fmt.Sprintf("%s (line %d, column %d)", at, e.Line, e.Column))
		}
		fmt.Fprintf(w, "  %s %s: %s", cmp.Or(e.Severity, issue.SeverityError), e.Type, e.Details)
		if e.Diagnostics != "" {
			fmt.Fprintf(w, " (%s)", e.Diagnostics)
		}
		if at != "" {
			fmt.Fprintf(w, "\n      at %s", at)
		}
		if e.Rule != "" {
			fmt.Fprintf(w, "  [%s]", e.Rule)
		}
		fmt.Fprintln(w)
	}
}

// counted is "1 message", "2 messages".
func counted(n int) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}

// maxListed is how many inputs the summary lists.
const maxListed = 20

func (s *convertSummary) print(w io.Writer) {
	t := newTerminal(os.Stderr)
	compared := s.conversion.against != nil
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, c convertCount) {
		fmt.Fprintf(tab, "%d\t%d\t%d\t%d\t", c.messages, c.messages-c.failed, c.failed, c.unread)
		if compared {
			fmt.Fprintf(tab, "%d\t", c.different)
		}
		fmt.Fprintf(tab, "  %s\n", name)
	}
	fmt.Fprint(tab, "messages\tconverted\trefused\tunread\t")
	if compared {
		fmt.Fprint(tab, "different\t")
	}
	fmt.Fprintln(tab, "  input")
	for i, c := range s.inputs {
		if i == maxListed && len(s.inputs) > maxListed+1 {
			rest := convertCount{}
			for _, more := range s.inputs[i:] {
				rest.messages += more.messages
				rest.failed += more.failed
				rest.unread += more.unread
				rest.different += more.different
			}
			row(fmt.Sprintf("%d more", len(s.inputs)-i), rest)
			break
		}
		row(s.conversion.inputs[i].name, c)
	}
	if len(s.inputs) > 1 {
		row("in all", s.total)
	}
	_ = tab.Flush() // to a terminal or a file of the caller's: nothing to do when it fails
	var reasons []*convertReason
	for _, r := range s.reasons {
		reasons = append(reasons, r)
	}
	slices.SortFunc(reasons, func(a, b *convertReason) int {
		if a.messages != b.messages {
			return b.messages - a.messages
		}
		return strings.Compare(a.name, b.name)
	})
	if len(reasons) > 0 {
		fmt.Fprintln(w)
		tab = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tab, "refused for\tmessages\tfirst")
		for _, r := range reasons {
			fmt.Fprintf(tab, "%s\t%d\t%s\n", r.name, r.messages, r.first)
		}
		_ = tab.Flush()
	}
	took := time.Since(s.conversion.began)
	line := fmt.Sprintf("%s: %s in %s", cmp.Or(s.conversion.command.Dialect, "converted"), counted(s.total.messages), took.Round(time.Millisecond))
	if took > 100*time.Millisecond {
		line += fmt.Sprintf(", %.0f a second", float64(s.total.messages)/took.Seconds())
	}
	style := good
	if s.total.failed > 0 {
		style = bad
	}
	fmt.Fprintln(w, t.paint(style, line))
}
