package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// record shows the end state as the GP record sees it, and checks that nothing of the
// outcome is missing.
func (p *play) record(context.Context) error {
	lines := p.stage.gp.Record()
	p.out.line("\n%s", p.out.paint(heading, "What the GP record holds now"))
	found := map[string]int{}
	for _, l := range lines {
		found[l.What]++
		what := l.What
		switch l.What {
		case "task":
			p.out.line("  %s  %s", p.out.paint(good, pad("referral", 16)), strings.TrimSpace(l.Code+"  "+l.Display))
			continue
		case "output":
			if strings.HasPrefix(l.Value, "urn:uuid:") || strings.Contains(l.Value, "/") {
				continue // a link to a line of its own
			}
			what = strings.ReplaceAll(l.Code, "-", " ")
			found[l.Code]++
			p.out.line("  %s  %s", pad(what, 16), l.Value)
			continue
		case "document":
			p.out.line("  %s  %s", pad("summary", 16), l.Display)
			for _, text := range strings.Split(strings.TrimSpace(l.Value), "\n") {
				p.out.line("  %s  %s", pad("", 16), p.out.paint(faint, text))
			}
			continue
		}
		value := l.Value
		if before := p.before[l.Code]; before != "" {
			value = before + " → " + strings.TrimSuffix(value, " score")
		}
		p.out.line("  %s  %s", pad(what, 16), strings.TrimSpace(pad(l.Display, 24)+"  "+pad(value, 8)+"  "+p.out.paint(faint, l.Code)))
	}
	for what, least := range map[string]int{"task": 1, "proposed-status": 1, "outcome": 1, "finding": 2, "score": 5, "intervention": 1, "document": 1} {
		if found[what] < least {
			return fmt.Errorf("the GP record has %d of %q, expected at least %d", found[what], what, least)
		}
	}
	if found["task"] != 1 {
		return errors.New("the GP record holds the Task more than once")
	}
	return nil
}

// scores gives the scores of a referral by their code, for comparison with the later ones.
func scores(bundle *fhir.Node) map[string]string {
	out := map[string]string{}
	for _, entry := range bundle.All("entry") {
		n := entry.Child("resource")
		value := n.Child("value").Text("value")
		if v := n.Child("value"); v != nil && v.HasValue() {
			value = v.Value
		}
		if n.ResourceType() == "Observation" && value != "" {
			out[n.Text("code", "coding", "code")] = value
		}
	}
	return out
}

// counts says what a Bundle holds: "Patient, ServiceRequest, 6 Observations".
func counts(bundle *fhir.Node) string {
	var order []string
	n := map[string]int{}
	for _, entry := range bundle.All("entry") {
		name := entry.Child("resource").ResourceType()
		if n[name]++; n[name] == 1 {
			order = append(order, name)
		}
	}
	for i, name := range order {
		if n[name] > 1 {
			order[i] = fmt.Sprintf("%d %ss", n[name], name)
		}
	}
	return strings.Join(order, ", ")
}

// reasons says why the ServiceRequest of a Bundle was made.
func reasons(bundle *fhir.Node) string {
	var out []string
	for _, entry := range bundle.All("entry") {
		for _, r := range entry.Child("resource").All("reasonCode") {
			if _, words := gpConcept(r); words != "" {
				out = append(out, words)
			}
		}
	}
	return strings.Join(out, "; ")
}

// needs lists the needs of a referral in our own short words.
func needs(v referral.View) string {
	var out []string
	for _, n := range v.Needs {
		switch {
		case n.Need != "":
			out = append(out, n.Need)
		case n.Text != "":
			out = append(out, n.Text)
		}
	}
	return strings.Join(out, ", ")
}

func firstNote(v referral.View) string {
	if len(v.Notes) == 0 {
		return "none"
	}
	return v.Notes[0].Text
}

// short leaves the end of a long id away, for people.
func short(reference string) string {
	if i := strings.IndexByte(reference, '/'); i > 0 && len(reference) > i+9 {
		return reference[:i+9] + "…"
	}
	return reference
}
