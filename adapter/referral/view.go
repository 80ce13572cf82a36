package referral

import (
	"encoding/json"
	"time"
)

// View is one referral as a link-worker tool sees it.
type View struct {
	ID             string    `json:"id"`
	Version        int       `json:"version"` // the ETag is W/"version"
	Status         string    `json:"status"`
	BusinessStatus string    `json:"business_status"`
	Priority       string    `json:"priority,omitempty"`
	Created        time.Time `json:"created"`
	Updated        time.Time `json:"updated"`
	AuthoredOn     string    `json:"authored_on,omitempty"`
	Requester      Party     `json:"requester"`
	Owner          *Party    `json:"owner"` // null while nobody has claimed it
	Sharing        string    `json:"sharing_level"`
	SharingNotice  string    `json:"sharing_notice,omitempty"` // what a lower level does not do
	Intake         Received  `json:"intake"`                   // how it came in

	CancellationAsked bool           `json:"cancellation_asked,omitempty"` // by the requester; the service has not answered
	Question          string         `json:"question,omitempty"`           // to the requester, while it is open
	Advice            string         `json:"advice,omitempty"`             // what must be done beside the message
	Due               *time.Time     `json:"due,omitempty"`                // when the time for this state is over
	Overdue           bool           `json:"overdue,omitempty"`
	Follows           string         `json:"follows,omitempty"` // id of the referral whose place this one takes
	Activities        []ActivityView `json:"activities,omitempty"`

	Person         Person     `json:"person"`
	Headings                  // of the record standard
	Needs          []Need     `json:"needs"`
	Scores         []Score    `json:"scores"`
	Findings       []Finding  `json:"findings"`       // those that no heading takes
	Risks          []Finding  `json:"risks"`          // safeguarding concerns included
	RiskStatement  string     `json:"risk_statement"` // says in words what risk_state says
	Notes          []Note     `json:"notes"`          // that the caller may read
	Attachments    []Attached `json:"attachments"`    // that the caller may read
	AllowedActions []Action   `json:"allowed_actions"`
	Timeline       []Step     `json:"timeline,omitempty"` // only for one referral, not in the worklist
	Links          Links      `json:"links"`
}

// Party is an organisation in the loop.
type Party struct {
	ODS  string `json:"ods"`
	Name string `json:"name,omitempty"`
}

// Need is why the person was referred: the referrer's codes and words, and the need
// of our own short list where a map gives one.
type Need struct {
	Need  string  `json:"need,omitempty"` // code of the need code system, such as loneliness
	Codes []Coded `json:"codes,omitempty"`
	Text  string  `json:"text,omitempty"`

	Sensitive bool `json:"sensitive,omitempty"` // for whoever supports the person, and nobody else
}

// Note is a free text with its source.
type Note struct {
	ID         string `json:"id,omitempty"` // "" for a note of the request
	Text       string `json:"text"`
	Time       string `json:"time,omitempty"`
	Author     string `json:"author,omitempty"` // ODS code
	AuthorName string `json:"author_name,omitempty"`
	Audience   string `json:"audience,omitempty"` // of Readers
	Replaces   string `json:"replaces,omitempty"`
	ReplacedBy string `json:"replaced_by,omitempty"` // id of the correction
}

// Action is one legal next step for the caller.
type Action struct {
	Name     string   `json:"name"`               // the last part of the path of the action
	Move     string   `json:"move"`               // row of the life-cycle table
	To       string   `json:"to"`                 // the status it leads to
	Requires []string `json:"requires,omitempty"` // fields of the body that must be given
	Reasons  []string `json:"reasons,omitempty"`  // allowed codes of reason
	Href     string   `json:"href"`
}

// Step is one event of the timeline.
type Step struct {
	Move           string          `json:"move"`
	Activity       string          `json:"activity,omitempty"` // id of the sub-Task that moved
	From           string          `json:"from,omitempty"`
	To             string          `json:"to"`
	BusinessStatus string          `json:"business_status"`
	Reason         string          `json:"reason,omitempty"`
	Actor          string          `json:"actor,omitempty"`
	At             time.Time       `json:"at"`
	Data           json.RawMessage `json:"data,omitempty"`
}

// Links leads to the FHIR resources of the referral, as relative references.
type Links struct {
	Task           string `json:"task"`
	ServiceRequest string `json:"service_request"`
	Patient        string `json:"patient"`
}
