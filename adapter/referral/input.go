package referral

import "time"

// Input is what a link worker gives with an action. Which fields an action needs and
// allows is stated by its row in the life-cycle table; others are refused.
type Input struct {
	At     *time.Time `json:"at,omitempty"`     // when it happened, default now; not in the future
	Reason *Coded     `json:"reason,omitempty"` // reject, hold, close: a code of business-status, or of the system close-reason, and a text
	Note   string     `json:"note,omitempty"`   // appended to the Task's notes

	Channel string `json:"channel,omitempty"` // contact: telephone, sms, e-mail, letter, video, home-visit, in-person
	Result  string `json:"result,omitempty"`  // contact: reached, no-answer, message-left and the other codes of contact-result

	Status   string `json:"status,omitempty"`    // progress: a code of business-status
	ReviewOn string `json:"review_on,omitempty"` // hold, plan: date

	Plan    *Plan    `json:"plan,omitempty"`    // plan
	Outcome *Outcome `json:"outcome,omitempty"` // complete
}

// Coded is a code with its text. System is a URI; "" means SNOMED CT for a clinical
// code and the business-status code system for a reason.
type Coded struct {
	System  string `json:"system,omitempty"`
	Code    string `json:"code,omitempty"`
	Display string `json:"display,omitempty"`
	Text    string `json:"text,omitempty"`
}

// Plan is a personalised care and support plan in a few headings.
// Source: PRSB personalised care and support plan headings: needs, goals, actions.
type Plan struct {
	Summary string   `json:"summary"`
	Needs   []Coded  `json:"needs,omitempty"`
	Goals   []string `json:"goals,omitempty"`
	Actions []string `json:"actions,omitempty"`
	Agreed  bool     `json:"agreed_with_person"`
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
	Instrument     string `json:"instrument"`                 // code of the instrument, such as swemwbs or ons4-anxious
	Name           string `json:"name,omitempty"`             // filled on output
	Value          string `json:"value"`                      // decimal digits, within the instrument's range
	Date           string `json:"date,omitempty"`             // FHIR date or dateTime, default the time of the action
	Low            string `json:"range_low,omitempty"`        // filled on output
	High           string `json:"range_high,omitempty"`       // filled on output
	HigherIsBetter *bool  `json:"higher_is_better,omitempty"` // filled on output
	Change         string `json:"important_change,omitempty"` // filled on output: least change that matters, in points
	Scoring        string `json:"scoring,omitempty"`          // filled on output: raw or metric, where the instrument has both
	Role           string `json:"role,omitempty"`             // baseline or follow-up, filled on output
	Observation    string `json:"observation,omitempty"`      // Observation/id, filled on output
}
