package referral

import "time"

// Input is what a link worker gives with an action. Which fields an action needs and
// allows is stated by its row in the life-cycle table; others are refused.
type Input struct {
	At     *time.Time `json:"at,omitempty"`     // when it happened, default now; not in the future
	Reason *Coded     `json:"reason,omitempty"` // why: a code of business-status, or of the system close-reason, and a text
	Note   string     `json:"note,omitempty"`   // appended to the Task's notes

	NoteAudience string `json:"note_audience,omitempty"` // of Readers, default practice; a note for the service alone is in no Task

	Channel string `json:"channel,omitempty"` // contact: telephone, sms, e-mail, letter, video, home-visit, in-person
	Result  string `json:"result,omitempty"`  // contact: reached, no-answer, message-left and the other codes of contact-result

	Status   string `json:"status,omitempty"`    // progress, escalate: a code of business-status
	ReviewOn string `json:"review_on,omitempty"` // hold, plan: date

	RequestedAction string `json:"requested_action,omitempty"` // escalate: what the practice is asked to do

	Question string `json:"question,omitempty"` // ask: what the referrer is asked
	Answer   string `json:"answer,omitempty"`   // answer: what the referrer says
	Service  string `json:"service,omitempty"`  // transfer: ODS code of the other service
	Sessions string `json:"sessions,omitempty"` // end of an activity: how often the person came

	Signpost *Signpost      `json:"signpost,omitempty"` // signpost
	Activity *ActivityInput `json:"activity,omitempty"` // refer
	Plan     *Plan          `json:"plan,omitempty"`     // plan
	Outcome  *Outcome       `json:"outcome,omitempty"`  // complete, correct
}

// inputFields are the fields of an Input that a row may require or allow, in order.
var inputFields = []string{"channel", "result", "status", "review_on", "requested_action", "question", "answer", "service", "sessions", "signpost", "activity", "plan", "outcome", "reason", "note"}

// given says which of inputFields an Input has.
func (in *Input) given() map[string]bool {
	return map[string]bool{
		"channel": in.Channel != "", "result": in.Result != "", "status": in.Status != "", "review_on": in.ReviewOn != "",
		"requested_action": in.RequestedAction != "", "question": in.Question != "", "answer": in.Answer != "", "service": in.Service != "", "sessions": in.Sessions != "",
		"signpost": in.Signpost != nil, "activity": in.Activity != nil, "plan": in.Plan != nil, "outcome": in.Outcome != nil, "reason": in.Reason != nil, "note": in.Note != "",
	}
}

// Signpost is name and contact of a service that the person was given. It is no referral:
// nothing of the person goes there.
type Signpost struct {
	To      string `json:"to"`                // name of the service
	Contact string `json:"contact,omitempty"` // telephone, address or web page
	Reason  string `json:"reason,omitempty"`
	Code    *Coded `json:"code,omitempty"` // what kind of service, as a signposting action
}

// ActivityInput is an onward referral to a provider, which becomes a sub-Task.
type ActivityInput struct {
	Provider string `json:"provider,omitempty"`     // ODS code of a provider that works here itself, "" for one that the service speaks for
	Name     string `json:"name"`                   // of the activity and its provider
	Code     *Coded `json:"code,omitempty"`         // what kind of activity, as a referral action
	Words    string `json:"instructions,omitempty"` // what the provider needs to know
	Consent  bool   `json:"person_agrees"`          // the person agrees that the provider learns of them
}

// Coded is a code with its text. System is a URI; "" means SNOMED CT for a clinical
// code and the business-status code system for a reason.
type Coded struct {
	System  string `json:"system,omitempty"`
	Code    string `json:"code,omitempty"`
	Display string `json:"display,omitempty"`
	Text    string `json:"text,omitempty"`
}

// Plan is a personalised care and support plan by its headings.
// Source: PRSB Social Prescribing Information Standard 1.1, care and support plan:
// strengths, needs, goals, actions, review; and what matters to the person.
type Plan struct {
	Summary     string   `json:"summary"`
	Matters     string   `json:"what_matters,omitempty"` // to the person, in their words
	Strengths   []string `json:"strengths,omitempty"`
	Needs       []Coded  `json:"needs,omitempty"`
	Goals       []string `json:"goals,omitempty"`
	Actions     []string `json:"actions,omitempty"`
	Contingency string   `json:"contingency,omitempty"` // what to do when it does not go as planned
	Reviewer    string   `json:"reviewed_by,omitempty"` // who is responsible for the review
	Agreed      bool     `json:"agreed_with_person"`
}

// Outcome is what came of a referral.
type Outcome struct {
	Status           string   `json:"status"`                      // goals-met, partially-met or signposted-only
	Findings         []Coded  `json:"findings,omitempty"`          // outcome codes, such as 1230392000 not feeling lonely
	Interventions    []Coded  `json:"interventions,omitempty"`     // what was done: referral and signposting actions
	Scores           []Score  `json:"scores,omitempty"`            // the second set
	RequestedActions []string `json:"requested_actions,omitempty"` // for the practice, told first; none is said too
	Summary          string   `json:"summary,omitempty"`           // a few sentences for the record
}

// Score is one result of an instrument.
type Score struct {
	System, Code   string `json:"-"`                          // code of the score, where the instrument is named by it
	Instrument     string `json:"instrument"`                 // code of the instrument, such as swemwbs or ons4-anxious
	Name           string `json:"name,omitempty"`             // filled on output
	Value          string `json:"value"`                      // decimal digits, within the instrument's range
	Date           string `json:"date,omitempty"`             // FHIR date or dateTime, default the time of the action
	Low            string `json:"range_low,omitempty"`        // filled on output
	High           string `json:"range_high,omitempty"`       // filled on output
	HigherIsBetter *bool  `json:"higher_is_better,omitempty"` // filled on output
	Change         string `json:"important_change,omitempty"` // filled on output: least change that matters, in points
	Scoring        string `json:"scoring,omitempty"`          // filled on output: raw or metric, where the instrument has both
	Role           string `json:"role,omitempty"`             // baseline or follow-up, which it is without it
	Observation    string `json:"observation,omitempty"`      // Observation/id, filled on output
}
