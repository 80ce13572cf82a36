package referral

import (
	"spadapter/adapter/summary"
)

// asks is what a message asks of the practice, nil when it asks nothing.
func (t tale) asks() []string {
	in := t.last.in
	switch {
	case in.RequestedAction != "":
		return []string{in.RequestedAction}
	case in.Question != "":
		return []string{"Answer the question of the service: " + in.Question}
	}
	return nil
}

// response says in a letter where a referral stands in the codes of the national list.
func (a *account) response() []string {
	if !a.letter {
		return nil
	}
	said := a.s.response(a.record.BusinessStatus)
	if said == nil {
		return nil
	}
	return []string{"National response code: " + said.Display + " (ITK " + said.Code + ")"}
}

// leftOut names in a letter the documents that are attached to the referral, which a message
// does not carry: what they are called and when they were attached.
// Source: GP Connect Send Document: what is left out of a message is listed in it.
func (a *account) leftOut() []string {
	if !a.letter {
		return nil
	}
	var lines []string
	for i := range a.events {
		e := &a.events[i]
		if at := attachedOf(e); e.Move == moveAttachment && at.Audience != ForService {
			lines = append(lines, at.Title+", attached on "+minute(e.At)+". Ask the service for it.")
		}
	}
	return lines
}

// coded fills the page of a letter at the level that shares codes alone: nothing that
// somebody wrote in words.
func (a *account) coded(page *summary.Summary, t tale) *summary.Summary {
	s := a.s
	if len(page.Requested) > 0 && t.kind != WriteRetraction {
		page.Requested = []string{"Withheld at sharing level " + a.level + ": there is one, as free text. Telephone the service."}
	}
	add := func(heading string, lines ...string) {
		page.Sections = append(page.Sections, summary.Section{Heading: heading, Lines: nonEmpty(lines...)})
	}
	p := person(a.patient, a.at)
	add("Person", labelled("Name", p.Name), labelled("Date of birth", day(p.BirthDate)), labelled("NHS number", spaced(p.NHSNumber)))
	add("Referral", a.referral()...)
	wordless := func(list []Coded) (lines []string) {
		for _, c := range list {
			if c.Text = ""; c.Code != "" {
				lines = append(lines, s.coded(c))
			}
		}
		return lines
	}
	if t.kind == WriteRetraction {
		add("Entered in error", append([]string{s.display(SystemBusinessStatus, t.last.Reason)}, a.filed(t)...)...)
		return page
	}
	lines := []string{s.display(SystemBusinessStatus, a.record.BusinessStatus) + ", since " + dayOf(a.record.Since)}
	if t.kind == WriteClosure {
		if filed := s.filing(t.last.Reason); filed != nil {
			lines = append(lines, "Coded as "+s.coded(*filed))
		}
	}
	var done []string
	if t.outcome != nil {
		o := t.outcome.in.Outcome
		lines[0] = s.display(SystemBusinessStatus, o.Status) + ", recorded on " + dayOf(t.outcome.At)
		lines = append(lines, wordless(o.Findings)...)
		done = wordless(o.Interventions)
	}
	for _, h := range t.signposts {
		if c := h.in.Signpost.Code; c != nil {
			done = append(done, wordless([]Coded{*c})...)
		}
	}
	add("Outcome", append(lines, a.response()...)...)
	add("What was done", done...)
	add("Withheld", "At sharing level "+a.level+": free text, and scores.")
	return page
}
