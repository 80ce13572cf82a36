package referral

import (
	"slices"

	"spadapter/adapter/issue"
)

// situation is what a guard may look at: the referral before the move, what happened
// so far, and what is given with the move.
type situation struct {
	events   []Event
	input    *Input
	business string // status that the move leads to in detail
	attempts int    // least number of contact attempts before unable-to-contact
}

// Guard is a condition of a move beyond status, role and fields.
type Guard struct {
	Name string
	Text string // what must hold, and what to do otherwise
	ok   func(s situation) bool
	// early guards depend on the referral alone, so that an action they forbid is not
	// offered; the others depend on what is given with the move.
	early bool
}

func (g Guard) check(s situation) *issue.Error {
	if g.ok(s) {
		return nil
	}
	return issue.New(issue.BusinessRule, "guard-"+g.Name, g.Text)
}

var contacted = Guard{Name: "contacted", early: true,
	Text: "a plan is agreed with the person: record a contact that reached them first",
	ok:   func(s situation) bool { return reached(s.events) }}

var notContacted = Guard{Name: "not-contacted", early: true,
	Text: "the person has been contacted: a late rejection is no longer possible, close or complete the referral instead",
	ok:   func(s situation) bool { return !reached(s.events) }}

var agreed = Guard{Name: "agreed",
	Text: "a plan needs a summary and agreed_with_person true",
	ok: func(s situation) bool {
		return s.input.Plan != nil && s.input.Plan.Agreed && s.input.Plan.Summary != ""
	}}

var hasOutcome = Guard{Name: "has-outcome",
	Text: "a completed referral needs at least one finding, intervention or score in outcome",
	ok: func(s situation) bool {
		o := s.input.Outcome
		return o != nil && len(o.Findings)+len(o.Interventions)+len(o.Scores) > 0
	}}

// enoughAttempts: the number is configuration; three is common practice in England
// and (unverified) as a national rule.
var enoughAttempts = Guard{Name: "enough-attempts",
	Text: "unable-to-contact needs more recorded contact attempts first, on different days",
	ok: func(s situation) bool {
		if s.business != "unable-to-contact" {
			return true
		}
		var days []string
		for _, e := range s.events {
			if e.BusinessStatus == "contact-attempted" {
				if day := e.At.UTC().Format("2006-01-02"); !slices.Contains(days, day) {
					days = append(days, day)
				}
			}
		}
		return len(days) >= s.attempts
	}}

// reached reports whether the person was reached at least once.
func reached(events []Event) bool {
	return slices.ContainsFunc(events, func(e Event) bool { return e.BusinessStatus == "contacted" })
}
