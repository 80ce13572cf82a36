package referral

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Limits of what a link worker writes: every version of a Task keeps all of it.
const (
	maxLine = 400   // characters of a code's words, a goal, an action
	maxText = 4_000 // of a note or summary
	maxList = 50    // entries of a list

	maxSessions = 9999 // of an activity
)

// texts checks everything that becomes text, a code or a URI in a resource: each must
// be what FHIR allows there, and of a length that a record can take.
func (in *Input) texts() []*issue.Error {
	var faults []*issue.Error
	fault := func(field, text string) {
		faults = append(faults, issue.New(issue.Value, "field-text", text).At(field))
	}
	// the words are for any field: a note's text and the reason of a change are checked here too
	text := func(field, s string, most int) {
		switch {
		case s == "":
		case len(s) > 4*most || len([]rune(s)) > most:
			fault(field, fmt.Sprintf("the text is at most %d characters long", most))
		case !fhir.Lexical("string", s) || !visible(s):
			fault(field, "the text needs a visible character and no control characters")
		}
	}
	lines := func(field string, list []string) {
		if len(list) > maxList {
			fault(field, fmt.Sprintf("%s has at most %d entries", field, maxList))
			return
		}
		for i, s := range list {
			if at := fmt.Sprintf("%s[%d]", field, i); s == "" {
				fault(at, at+" is empty; leave it out")
			} else {
				text(at, s, maxLine)
			}
		}
	}
	code := func(field string, c Coded) {
		if c.System != "" && !fhir.Lexical("uri", c.System) {
			fault(field+".system", "system is a URI without blanks")
		}
		if c.Code != "" && (!fhir.Lexical("code", c.Code) || len(c.Code) > maxLine) {
			fault(field+".code", "code is without leading, trailing or double blanks")
		}
		text(field+".display", c.Display, maxLine)
		text(field+".text", c.Text, maxText)
	}
	codes := func(field string, list []Coded) {
		if len(list) > maxList {
			fault(field, fmt.Sprintf("%s has at most %d entries", field, maxList))
			return
		}
		for i, c := range list {
			code(fmt.Sprintf("%s[%d]", field, i), c)
		}
	}
	text("note", in.Note, maxText)
	if in.Reason != nil {
		code("reason", *in.Reason)
	}
	text("requested_action", in.RequestedAction, maxText)
	text("question", in.Question, maxText)
	text("answer", in.Answer, maxText)
	text("service", in.Service, maxLine)
	if n, err := strconv.Atoi(in.Sessions); in.Sessions != "" && (err != nil || n < 0 || n > maxSessions || strconv.Itoa(n) != in.Sessions) {
		fault("sessions", "sessions is a whole number from 0, in digits")
	}
	if sp := in.Signpost; sp != nil {
		if sp.To == "" {
			fault("signpost.to", "signpost.to is the name of the service that the person was told of")
		}
		text("signpost.to", sp.To, maxLine)
		text("signpost.contact", sp.Contact, maxLine)
		text("signpost.reason", sp.Reason, maxText)
		if sp.Code != nil {
			code("signpost.code", *sp.Code)
		}
	}
	if a := in.Activity; a != nil {
		if a.Name == "" {
			fault("activity.name", "activity.name says which activity, at whom")
		}
		text("activity.name", a.Name, maxLine)
		text("activity.provider", a.Provider, maxLine)
		text("activity.instructions", a.Words, maxText)
		if a.Code != nil {
			code("activity.code", *a.Code)
		}
	}
	if p := in.Plan; p != nil {
		text("plan.summary", p.Summary, maxText)
		text("plan.what_matters", p.Matters, maxText)
		text("plan.contingency", p.Contingency, maxText)
		text("plan.reviewed_by", p.Reviewer, maxLine)
		lines("plan.strengths", p.Strengths)
		codes("plan.needs", p.Needs)
		lines("plan.goals", p.Goals)
		lines("plan.actions", p.Actions)
	}
	if o := in.Outcome; o != nil {
		text("outcome.summary", o.Summary, maxText)
		lines("outcome.requested_actions", o.RequestedActions)
		codes("outcome.findings", o.Findings)
		codes("outcome.interventions", o.Interventions)
		if len(o.Scores) > maxList {
			fault("outcome.scores", fmt.Sprintf("outcome.scores has at most %d entries", maxList))
		}
	}
	return faults
}

// visible reports whether a text has anything to see. Blanks, marks of format and the
// fillers, which are letters by their class alone, are nothing.
func visible(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) && !strings.ContainsRune("\u115F\u1160\u3164\uFFA0\u2800", r)
	})
}

// turning reports whether a character ends a line, or turns the direction of writing so
// that a text reads otherwise than it is.
// Source: https://www.unicode.org/reports/tr9/, explicit formatting.
func turning(r rune) bool {
	return unicode.In(r, unicode.Bidi_Control, unicode.Cc, unicode.Zl, unicode.Zp)
}

// sound checks everything that a move is about to store against the base standard, so
// that nothing malformed is kept. What it sends was checked as it was rendered.
func sound(c *Change) error {
	for i := range c.Versions {
		n, err := c.Versions[i].content()
		if err == nil {
			err = storable(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// storable checks a resource against the base standard, so that no record refuses it later
// on, when whoever wrote it has gone.
func storable(n *fhir.Node) error {
	var out []*issue.Error
	for _, e := range issue.All(fhir.Check(n)) {
		out = append(out, issue.New(issue.BusinessRule, "not-storable", "what was given cannot be written to a record: "+e.Details).At(e.Expression).Because(e))
	}
	return issue.Join(out)
}
