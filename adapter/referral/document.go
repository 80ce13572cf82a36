package referral

import (
	"fmt"
	"slices"
	"strings"
)

// Document is the life cycle as Markdown: a diagram and a table for referrals and for
// sub-Tasks, the guards, and the times. It is made of the tables that run and of nothing
// else.
func Document() string {
	var b strings.Builder
	b.WriteString("# The life cycle\n\nThis file is made from the tables that the program runs (`adapter/referral/table.go`): `go test ./adapter -run LifeCycleIsDocumented -update`.\n" +
		"A test fails when it differs. The same is served as `GET /fhir/R4/$lifecycle`.\n\n" +
		"Actors: REQ the requester, LW the link-worker service that owns the referral, VCSE the provider of an activity, ADM an operator, SYS a timer, ADP the adapter.\n" +
		"*asked*: while a cancellation is asked for (T13) and nobody has answered it.\n")
	for _, part := range []struct {
		title string
		table []Move
	}{{"A referral", Table}, {"An activity, as a sub-Task of the referral", Activities}} {
		b.WriteString("\n## " + part.title + "\n\n```mermaid\n" + Diagram(part.table) + "```\n\n")
		b.WriteString("| row | action | from | to | who | business status | reason | needs | guards | proposes | written back, from level | tells the sender |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n")
		for i := range part.table {
			b.WriteString(part.table[i].line())
		}
	}
	b.WriteString("\n## Guards\n\n| guard | what must hold, and what to do otherwise |\n|---|---|\n")
	var seen []string
	for _, m := range slices.Concat(Table, Activities) {
		for _, g := range m.Guards {
			if !slices.Contains(seen, g.Name) {
				seen = append(seen, g.Name)
				fmt.Fprintf(&b, "| `%s` | %s |\n", g.Name, g.Text)
			}
		}
	}
	b.WriteString("\n## Times\n\nWorking days are Monday to Friday without the bank holidays of England, and without the days on which the deployment is closed. When a time is over the referral is overdue (T21); a cancellation that is\nasked for is then confirmed (T14), unless the deployment says otherwise.\n\n" +
		"| wait | state | for | default |\n|---|---|---|---|\n")
	rules := Rules{}.withDefaults()
	seen = nil
	for i := range Waits {
		w := &Waits[i]
		state := w.Status
		if w.Business != "" {
			state += ", " + w.Business
		}
		if w.Asked {
			state = "asked"
		}
		line := fmt.Sprintf("| %s | %s | %s | ", w.Name, state, w.For)
		if w.days == nil {
			line += "the date that was given |\n"
		} else {
			line += fmt.Sprintf("%d working days |\n", w.days(&rules))
		}
		if !slices.Contains(seen, line) {
			seen = append(seen, line)
			b.WriteString(line)
		}
	}
	b.WriteString("\nA service that has not decided is reminded once, on the way to the end of that time (T25: an event to its audience, nothing else). Silence rejects nothing, unless\n" +
		"the deployment says after how many working days it does (T06 by a timer): then the record is told, with the business status unanswered.\n")
	fmt.Fprintf(&b, "\nA referral can be opened again for %d days after its end. \"Unable to contact\" needs attempts on %d different days.\n", int(rules.ReopenFor.Hours()/24), rules.MinAttempts)
	return b.String()
}

// line is a row as a line of the table.
func (m *Move) line() string {
	from := strings.Join(m.From, ", ")
	if i := slices.Index(m.From, ""); i >= 0 {
		from = strings.TrimSuffix("–, "+strings.Join(slices.Delete(slices.Clone(m.From), i, i+1), ", "), ", ")
	}
	switch m.During {
	case Asked:
		from += " *asked*"
	case Whichever:
		from += " *asked or not*"
	}
	to := m.To
	if to == "" {
		to = "unchanged"
	}
	switch m.Opens {
	case OpensActivity:
		to += "; opens a sub-Task (S01)"
	case OpensSuccessor:
		to += "; opens a new Task (T02, T03)"
	}
	business := strings.Join(m.Business, ", ")
	switch {
	case m.Restores:
		business = "the one before T13"
	case business == "":
		business = "unchanged"
	}
	if m.Keeps {
		business += "; the one before is kept"
	}
	reason := ""
	if m.Reason {
		if reason = "yes"; m.Reasons != nil {
			reason = strings.Join(m.Reasons, ", ")
		}
	}
	var who, guards []string
	for _, a := range m.Actors {
		who = append(who, string(a))
	}
	for _, g := range m.Guards {
		guards = append(guards, "`"+g.Name+"`")
	}
	action := m.Name
	if m.Action != "" {
		action = "`" + m.Action + "`: " + m.Name
	}
	writes := string(m.Writes)
	if writes != "" {
		writes += ", " + m.Least
	}
	tells := string(m.Tells)
	if m.Tells == TellsAbsence {
		tells = "of " + tells + " where the deployment says so"
	}
	if m.Proof {
		writes += "; Provenance"
	}
	return "| " + strings.Join([]string{m.ID, action, from, to, strings.Join(who, ", "), business, reason, strings.Join(m.Requires, ", "),
		strings.Join(guards, ", "), m.Proposes, writes, tells}, " | ") + " |\n"
}

// Diagram is a table as a state diagram in the language of Mermaid.
// Source: https://mermaid.js.org/syntax/stateDiagram.html.
func Diagram(table []Move) string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	state := func(s string) string {
		if s == "" {
			return "[*]"
		}
		return strings.ReplaceAll(s, "-", "_")
	}
	var names, ends []string
	type edge struct{ from, to string }
	labels := map[edge][]string{}
	var edges []edge
	for i := range table {
		m := &table[i]
		for _, from := range m.From {
			for _, s := range []string{from, m.Leads(from)} {
				if s != "" && !slices.Contains(names, s) {
					names = append(names, s)
				}
			}
			e := edge{state(from), state(m.Leads(from))}
			if labels[e] == nil {
				edges = append(edges, e)
			}
			label := m.ID
			if m.Action != "" {
				label += " " + m.Action
			}
			if !slices.Contains(labels[e], label) {
				labels[e] = append(labels[e], label)
			}
		}
	}
	for _, name := range names {
		fmt.Fprintf(&b, "    %s: %s\n", state(name), name)
		if Terminal(name) {
			ends = append(ends, name)
		}
	}
	for _, e := range edges {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", e.from, e.to, strings.Join(labels[e], ", "))
	}
	for _, name := range ends {
		fmt.Fprintf(&b, "    %s --> [*]\n", state(name))
	}
	return b.String()
}
