package referral

import (
	"fmt"
	"slices"
	"strings"
)

// needs are why the person was referred, and what the plan found.
func (a *account) needs(t tale) []string {
	var lines []string
	add := func(line string) {
		if line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	for _, n := range a.recorded {
		if n.ResourceType() != "ServiceRequest" || n.Text("id") != a.record.Filler {
			continue
		}
		for _, reason := range n.All("reasonCode") {
			need := need(reason)
			words := need.Text
			if need.Need != "" {
				words = a.s.display(SystemNeed, need.Need)
			}
			if codes := a.s.codedAll(need.Codes); len(codes) > 0 {
				words = strings.Join(nonEmpty(words, strings.Join(codes, ", ")), ": ")
			}
			add(words)
		}
	}
	if t.plan != nil {
		for _, c := range t.plan.in.Plan.Needs {
			add(a.s.coded(c))
		}
	}
	return lines
}

// done is what was tried and what came of it: contacts, the plan, signposts, activities
// and interventions, also what did not work.
func (a *account) done(t tale) []string {
	s, full := a.s, a.level == SharingFull
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if len(t.contacts) > 0 {
		lines = append(lines, a.contacts(t))
		for _, h := range t.contacts {
			if full {
				add("%s, %s: %s", dayOf(h.At), strings.ToLower(s.display(canonical+"/CodeSystem/contact-channel", h.in.Channel)),
					strings.ToLower(s.display(canonical+"/CodeSystem/contact-result", h.in.Result)))
			}
		}
	} else {
		lines = append(lines, "Contacts and attempts: none recorded")
	}
	if t.plan != nil {
		lines = append(lines, a.plan(t)...)
	}
	for _, h := range t.signposts {
		sp := h.in.Signpost
		lines = append(lines, strings.Join(nonEmpty("Signposted on "+dayOf(h.At)+" to "+sp.To, sp.Contact, sp.Reason), "; "))
	}
	for i := range a.activities {
		lines = append(lines, "Referred on: "+a.attended(&a.activities[i]))
	}
	if t.outcome != nil {
		lines = append(lines, s.codedAll(t.outcome.in.Outcome.Interventions)...)
	}
	return lines
}

// contacts counts contacts and attempts by their result.
func (a *account) contacts(t tale) string {
	var results []string
	count := map[string]int{}
	for _, h := range t.contacts {
		if count[h.in.Result]++; count[h.in.Result] == 1 {
			results = append(results, h.in.Result)
		}
	}
	for i, result := range results {
		results[i] = fmt.Sprintf("%s %d", strings.ToLower(a.s.display(canonical+"/CodeSystem/contact-result", result)), count[result])
	}
	return fmt.Sprintf("Contacts and attempts: %d (%s), the last on %s", len(t.contacts), strings.Join(results, ", "), dayOf(t.contacts[len(t.contacts)-1].At))
}

// plan is the summary of the plan, and its headings where the level allows them.
func (a *account) plan(t tale) []string {
	p, in := t.plan.in.Plan, &t.plan.in
	lines := []string{"Plan agreed with the person on " + dayOf(t.plan.At) + ": " + p.Summary}
	if a.level == SharingFull {
		for _, part := range []struct {
			label string
			list  []string
		}{
			{"What matters to the person", []string{p.Matters}}, {"Strengths", p.Strengths}, {"Goals", p.Goals}, {"Actions", p.Actions},
			{"If it does not go as planned", []string{p.Contingency}},
		} {
			if text := strings.Join(nonEmpty(slices.Clone(part.list)...), "; "); text != "" {
				lines = append(lines, part.label+": "+text)
			}
		}
	}
	if in.ReviewOn != "" {
		lines = append(lines, strings.Join(nonEmpty("Review on "+day(in.ReviewOn), p.Reviewer), ", by "))
	}
	return lines
}

// attended says of an activity that the person was referred to what came of it.
func (a *account) attended(activity *Activity) string {
	state := activity.Status
	if Terminal(a.record.Status) && !Terminal(state) {
		state = "ended with the referral" // the same commit ends it
	} else if activity.BusinessStatus != "" {
		state += ", " + strings.ToLower(a.s.display(SystemBusinessStatus, activity.BusinessStatus))
	}
	switch activity.Sessions {
	case 0:
	case 1:
		state += ", came once"
	default:
		state += fmt.Sprintf(", came %d times", activity.Sessions)
	}
	return activity.Name + " (" + state + ")"
}

// risks are those that the practice recorded. That none is recorded, and that none is
// known, are said as what they are.
func (a *account) risks() []string {
	v := &View{}
	h := a.s.newSheet(v)
	for _, n := range a.recorded {
		h.add(n)
	}
	for _, n := range a.recorded {
		if n.ResourceType() == "ServiceRequest" && n.Text("id") == a.record.Filler {
			h.request(n, a.record.Organisation)
		}
	}
	for _, n := range a.recorded {
		h.show(n, RoleBaseline)
	}
	h.state()
	var lines, none []string
	for _, f := range v.Risks {
		lines = append(lines, a.finding(f))
	}
	for _, f := range slices.Concat(h.noRisks, v.Safeguarding.Recorded) {
		none = append(none, a.finding(f))
	}
	for _, f := range v.Findings {
		if f.Denied && a.s.in("sp-risk", f.coded(), f.phrases()...) {
			none = append(none, a.finding(f))
		}
	}
	switch {
	case v.RiskState == StateNoneKnown:
		lines = append(lines, "No known risks:")
	case len(lines) == 0 && len(none) > 0:
		lines = append(lines, "No known risks, as far as these were asked for:")
	case len(lines) == 0:
		return []string{"Not recorded. That is not the same as no known risk."}
	}
	return append(lines, none...)
}

// finding is one finding in words.
func (a *account) finding(f Finding) string {
	words := f.Text
	if len(f.Codes) > 0 {
		c := f.Codes[0]
		c.Text = f.Text
		words = a.s.coded(c)
	}
	if f.Value != "" && f.Value != "true" && f.Value != "false" {
		words += ": " + f.Value
	}
	if f.Denied {
		words += ": denied"
	}
	words += onDate(f.Date)
	switch {
	case f.Ended && f.End != "":
		words += " (ended " + day(f.End) + ")"
	case f.Ended:
		words += " (ended)"
	}
	return words
}

// notes are what was noted, for the service itself.
func (a *account) notes(t tale) []string {
	var lines []string
	for _, h := range t.notes {
		lines = append(lines, strings.Join(nonEmpty(dayOf(h.At), h.Actor), ", ")+": "+h.in.Note)
	}
	return lines
}

// correction says why an outcome was corrected, and what is different.
func (a *account) correction(t tale) []string {
	lines := []string{"Replaces the outcome recorded on " + minute(t.replaced.At) + ", whose entries are marked as entered in error."}
	if why := noteOf(&t.outcome.Event); a.whole || why.Audience != ForService {
		lines = append(lines, "Why: "+why.Note)
	}
	was, is := a.parts(t.replaced.in.Outcome), a.parts(t.outcome.in.Outcome)
	same := len(lines)
	for _, part := range was {
		if !slices.Contains(is, part) {
			lines = append(lines, "No longer: "+part)
		}
	}
	for _, part := range is {
		if !slices.Contains(was, part) {
			lines = append(lines, "New: "+part)
		}
	}
	if len(lines) == same {
		lines = append(lines, "The outcome itself is the same.")
	}
	return lines
}

// parts are the statements of an outcome in words.
func (a *account) parts(o *Outcome) []string {
	s := a.s
	parts := append([]string{s.display(SystemBusinessStatus, o.Status)}, s.codedAll(o.Findings)...)
	parts = append(parts, s.codedAll(o.Interventions)...)
	for i := range o.Scores {
		score := &o.Scores[i]
		parts = append(parts, s.Instruments.ByCode(score.Instrument).Name+" "+score.Value+onDate(score.Date))
	}
	for _, action := range o.RequestedActions {
		parts = append(parts, "requested action: "+action)
	}
	if o.Summary != "" {
		parts = append(parts, "summary: "+o.Summary)
	}
	return parts
}
