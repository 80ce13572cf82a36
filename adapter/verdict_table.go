package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
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
	folder         string
	files, others  int        // others hold no referral
	stands, filled verdictSum // filled counts referrals, the others files
}

// verdictSum counts verdicts.
type verdictSum struct{ converted, losses, refused, kept int }

func (c *verdictSum) add(of string) {
	switch of {
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

func (c *verdictCount) add(v *verdict) {
	c.files++
	if !v.Referral {
		c.others++
		return
	}
	c.stands.add(v.Verdict)
	for _, s := range v.Supplied {
		c.filled.add(s.Verdict)
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

// supplied reports whether referrals were judged with what they lack, too.
func (t *verdictTable) supplied() bool {
	return slices.ContainsFunc(t.rows, func(v verdict) bool { return len(v.Supplied) > 0 })
}

// head are the columns of the table of folders.
func (t *verdictTable) head() []string {
	head := []string{"folder", "files", "no referral", "converted", "losses", "refused", "kept"}
	if t.supplied() {
		head = append(head, "supplied: converted", "losses", "refused", "kept")
	}
	return head
}

func (t *verdictTable) cells(c *verdictCount) []string {
	cells := []string{c.folder, fmt.Sprint(c.files), fmt.Sprint(c.others)}
	sums := []verdictSum{c.stands}
	if t.supplied() {
		sums = append(sums, c.filled)
	}
	for _, s := range sums {
		for _, n := range []int{s.converted, s.losses, s.refused, s.kept} {
			cells = append(cells, fmt.Sprint(n))
		}
	}
	return cells
}

// short is that, and where $process-message alone refuses it, what would become of it otherwise.
func (s *suppliedVerdict) short() string {
	if s.Content == nil {
		return s.outcome.short()
	}
	return s.outcome.short() + "; its content by itself " + s.Content.short()
}

// verdictReason is a rule that refused, in the words of the first row that it did.
type verdictReason struct {
	rule, words string
	rows        int
}

// reasons are the rules that refused, sorted.
func (t *verdictTable) reasons() []verdictReason {
	found := map[string]*verdictReason{}
	add := func(o *outcome) {
		if o.Verdict != becameNothing || o.Rule == "" {
			return
		}
		if found[o.Rule] == nil {
			found[o.Rule] = &verdictReason{rule: o.Rule, words: o.words()}
		}
		found[o.Rule].rows++
	}
	for _, v := range t.shown() {
		add(&v.outcome)
		for _, s := range v.Supplied {
			add(&s.outcome)
			if s.Content != nil {
				add(s.Content)
			}
		}
	}
	var list []verdictReason
	for _, rule := range slices.Sorted(maps.Keys(found)) {
		list = append(list, *found[rule])
	}
	return list
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
		for _, s := range v.Supplied {
			fmt.Fprintf(tab, "    %s with %s\t\t%s\t%d\t%s\n", s.Part, s.with(), s.Verdict, s.Issues, s.why())
		}
	}
	fmt.Fprintln(tab)
	fmt.Fprintln(tab, strings.ToUpper(strings.Join(t.head(), "\t")))
	for _, c := range t.counts() {
		fmt.Fprintln(tab, strings.Join(t.cells(&c), "\t"))
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
	head(t.head()...)
	for _, c := range t.counts() {
		row(t.cells(&c)...)
	}
	if reasons := t.reasons(); len(reasons) > 0 {
		b.WriteString("\n")
		head("rule that refused", "verdicts", "in words, where it was first")
		for _, r := range reasons {
			row(r.rule, fmt.Sprint(r.rows), r.words)
		}
	}
	folder := ""
	for _, v := range t.shown() {
		if v.Folder != folder {
			folder = v.Folder
			fmt.Fprintf(&b, "\n**%s**\n\n", folder)
			if t.supplied() {
				head("file", "dialect", "as it stands", "supplied", "as a social prescribing referral")
			} else {
				head("file", "dialect", "as it stands")
			}
		}
		if !t.supplied() {
			row(v.name(), v.as(), v.short())
			continue
		}
		for i, s := range v.Supplied {
			if i == 0 {
				row(strings.TrimSpace(v.name()+" "+s.Part), v.as(), v.short(), s.with(), s.short())
			} else {
				row(strings.TrimSpace(v.name()+" "+s.Part), v.as(), "″", s.with(), s.short())
			}
		}
	}
	return b.String()
}

// with is what was put in, in words.
func (s *suppliedVerdict) with() string {
	if len(s.Added) == 0 {
		return "nothing"
	}
	return strings.Join(s.Added, ", ")
}
