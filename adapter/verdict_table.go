package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// verdictTable is the verdicts of many messages, in the order of their names.
type verdictTable struct {
	rows []verdict
	all  bool // list the files without a referral too
}

// verdictCount is one folder in numbers.
type verdictCount struct {
	folder                           string
	files, others                    int // others hold no referral
	converted, losses, refused, kept int
}

func (c *verdictCount) add(v *verdict) {
	c.files++
	if !v.Referral {
		c.others++
		return
	}
	switch v.Verdict {
	case becameReferral:
		c.converted++
	case becameLess:
		c.losses++
	case becameNothing:
		c.refused++
	default:
		c.kept++
	}
}

// counts are the folders in their order, and all of them together last.
func (t *verdictTable) counts() []verdictCount {
	var out []verdictCount
	total := verdictCount{folder: "all"}
	for i := range t.rows {
		v := &t.rows[i]
		if len(out) == 0 || out[len(out)-1].folder != v.Folder {
			out = append(out, verdictCount{folder: v.Folder})
		}
		out[len(out)-1].add(v)
		total.add(v)
	}
	if len(out) > 1 {
		out = append(out, total)
	}
	return out
}

// refused counts the referrals that were.
func (t *verdictTable) refused() int {
	n := 0
	for _, v := range t.rows {
		if v.Referral && v.Verdict == becameNothing {
			n++
		}
	}
	return n
}

// shown are the rows that are listed.
func (t *verdictTable) shown() []verdict {
	var out []verdict
	for _, v := range t.rows {
		if v.Referral || t.all {
			out = append(out, v)
		}
	}
	return out
}

// verdictHead are the columns of the table of folders.
var verdictHead = []string{"folder", "files", "converted", "losses", "refused", "kept", "no referral"}

func (c *verdictCount) cells() []string {
	cells := []string{c.folder}
	for _, n := range []int{c.files, c.converted, c.losses, c.refused, c.kept, c.others} {
		cells = append(cells, fmt.Sprint(n))
	}
	return cells
}

// verdictWidth is how much of a reason is shown in a table.
const verdictWidth = 180

// maxLosses is how many lost elements a table names.
const maxLosses = 3

// why is the reason of a refusal, or what was lost, in a line.
func (v *verdict) why() string {
	if v.Verdict == becameLess {
		named := v.Losses[:min(len(v.Losses), maxLosses)]
		text := "not in the result: " + strings.Join(named, ", ")
		if more := len(v.Losses) - len(named); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		return text
	}
	text := strings.Join(strings.Fields(v.Reason), " ")
	if runes := []rune(text); len(runes) > verdictWidth {
		text = string(runes[:verdictWidth-1]) + "…"
	}
	if v.Rule != "" {
		text = strings.TrimSpace(v.Rule+" "+v.Element) + ": " + text
	}
	return text
}

// as is the dialect, or the type of what was recognised as none.
func (v *verdict) as() string {
	if v.Dialect == "" && v.Type != "" {
		return "none (" + v.Type + ")"
	}
	return v.Dialect
}

func (v *verdict) name() string {
	if v.Line > 0 {
		return fmt.Sprintf("%s:%d", v.File, v.Line)
	}
	return v.File
}

// write writes the table: text, json (an object in each line) or markdown.
//
// Errors: those of w.
func (t *verdictTable) write(w io.Writer, format string) error {
	switch format {
	case "json":
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		for _, v := range t.shown() {
			if err := out.Encode(v); err != nil {
				return err
			}
		}
		return nil
	case "markdown":
		_, err := io.WriteString(w, t.markdown())
		return err
	}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	folder := ""
	for _, v := range t.shown() {
		if v.Folder != folder {
			folder = v.Folder
			fmt.Fprintf(tab, "%s\n", folder)
		}
		fmt.Fprintf(tab, "  %s\t%s\t%s\t%d\t%s\n", v.name(), v.as(), v.Verdict, v.Issues, v.why())
	}
	fmt.Fprintln(tab)
	fmt.Fprintln(tab, strings.ToUpper(strings.Join(verdictHead, "\t")))
	for _, c := range t.counts() {
		fmt.Fprintln(tab, strings.Join(c.cells(), "\t"))
	}
	return tab.Flush()
}

// markdown is the table for a document.
func (t *verdictTable) markdown() string {
	var b strings.Builder
	row := func(cells ...string) {
		for i, c := range cells {
			cells[i] = strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ").Replace(c)
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	head := func(cells ...string) {
		row(cells...)
		b.WriteString(strings.Repeat("|---", len(cells)) + "|\n")
	}
	head(append([]string(nil), verdictHead...)...)
	for _, c := range t.counts() {
		row(c.cells()...)
	}
	folder := ""
	for _, v := range t.shown() {
		if v.Folder != folder {
			folder = v.Folder
			fmt.Fprintf(&b, "\n**%s**\n\n", folder)
			head("file", "dialect", "verdict", "issues", "why")
		}
		row(v.name(), v.as(), v.Verdict, fmt.Sprint(v.Issues), v.why())
	}
	return b.String()
}
