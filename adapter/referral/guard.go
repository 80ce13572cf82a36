package referral

import (
	"slices"
	"time"

	"spadapter/adapter/issue"
)

// situation is what a guard may look at: the referral before the move, what happened
// so far, and what is given with the move.
type situation struct {
	record     *Record
	actor      Actor
	events     []Event
	activities []Activity // sub-Tasks
	deceased   bool       // the person has died
	input      *Input
	business   string    // status that the move leads to in detail
	now        time.Time // when it is made
	rules      *Rules
	partners   *Partners
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

var questioned = Guard{Name: "questioned", early: true,
	Text: "the service has asked nothing that is still open; send what there is to tell as an Observation, or wait",
	ok:   func(s situation) bool { return s.record.BusinessStatus == "info-requested" }}

var alive = Guard{Name: "alive", early: true,
	Text: "the person has died: nobody contacts them any more; close the referral with the reason deceased",
	ok:   func(s situation) bool { return !s.deceased }}

var consented = Guard{Name: "consented",
	Text: "a provider learns of the person only when the person agrees: ask them, then send activity.person_agrees true",
	ok:   func(s situation) bool { return s.input.Activity != nil && s.input.Activity.Consent }}

var activitiesEnded = Guard{Name: "activities-ended", early: true,
	Text: "an activity that the person was referred to is still open: end or cancel it with its result first",
	ok: func(s situation) bool {
		return !slices.ContainsFunc(s.activities, func(a Activity) bool { return !Terminal(a.Status) })
	}}

var anotherService = Guard{Name: "another-service",
	Text: "service is the ODS code of another service that receives referrals here",
	ok: func(s situation) bool {
		_, known := s.partners.organisations[s.input.Service]
		return known && s.input.Service != s.record.Owner
	}}

// reopenable: how long is configuration; (unverified) as a national rule.
var reopenable = Guard{Name: "reopenable", early: true,
	Text: "the referral ended too long ago to be opened again, or another Task has its place: send a new one",
	ok: func(s situation) bool {
		return s.record.BusinessStatus != "replaced" && !s.now.After(s.record.Since.Add(s.rules.ReopenFor))
	}}

// owned keeps a service that merely sees a pool from making a referral its own that it
// never claimed.
var owned = Guard{Name: "owned", early: true,
	Text: "no service had claimed this referral when it ended: the practice that sent it opens it again",
	ok:   func(s situation) bool { return s.actor != ActorWorker || s.record.Owner != "" }}

// expired is of timers alone: they look again in the moment of the commit.
var expired = Guard{Name: "expired", early: true,
	Text: "the time for this is not over",
	ok:   func(s situation) bool { return !s.record.Due.IsZero() && !s.now.Before(s.record.Due) }}

// halfway and unanswered are of timers too. Neither holds while the referrer is asked
// something: then it is not the service that is silent.
var halfway = Guard{Name: "halfway", early: true,
	Text: "the time to remind the service has not come, or has gone",
	ok: func(s situation) bool {
		return s.record.BusinessStatus == "awaiting-triage" && s.rules.NudgeDays > 0 && !s.record.Remind.IsZero() &&
			!s.now.Before(s.record.Remind) && s.record.Remind.Equal(s.rules.reminder(s.record))
	}}

var unanswered = Guard{Name: "unanswered", early: true,
	Text: "silence rejects nothing here, or not yet",
	ok: func(s situation) bool {
		return s.record.BusinessStatus == "awaiting-triage" && s.rules.DeclineDays > 0 && !s.now.Before(s.rules.after(s.record.Since, s.rules.DeclineDays))
	}}

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
			// what is noted beside an attempt has its business status too
			if e.Move == "T08" && e.BusinessStatus == "contact-attempted" {
				if day := e.At.UTC().Format("2006-01-02"); !slices.Contains(days, day) {
					days = append(days, day)
				}
			}
		}
		return len(days) >= s.rules.MinAttempts
	}}

// reached reports whether the person was reached at least once.
func reached(events []Event) bool {
	return slices.ContainsFunc(events, func(e Event) bool { return e.BusinessStatus == "contacted" })
}
