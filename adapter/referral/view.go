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

	CancellationAsked bool           `json:"cancellation_asked,omitempty"` // by the requester; the service has not answered
	Question          string         `json:"question,omitempty"`           // to the requester, while it is open
	Advice            string         `json:"advice,omitempty"`             // what must be done beside the message
	Due               *time.Time     `json:"due,omitempty"`                // when the time for this state is over
	Overdue           bool           `json:"overdue,omitempty"`
	Follows           string         `json:"follows,omitempty"` // id of the referral whose place this one takes
	Activities        []ActivityView `json:"activities,omitempty"`

	Person         Person    `json:"person"`
	Needs          []Need    `json:"needs"`
	Scores         []Score   `json:"scores"`
	Findings       []Finding `json:"findings"`
	Risks          []Finding `json:"risks"`
	RiskStatement  string    `json:"risk_statement"` // says so when no risk is recorded
	Notes          []Note    `json:"notes"`
	AllowedActions []Action  `json:"allowed_actions"`
	Timeline       []Step    `json:"timeline,omitempty"` // only for one referral, not in the worklist
	Links          Links     `json:"links"`
}

// Party is an organisation in the loop.
type Party struct {
	ODS  string `json:"ods"`
	Name string `json:"name,omitempty"`
}

// Person is the patient, as far as the caller may know.
type Person struct {
	NHSNumber string   `json:"nhs_number,omitempty"`
	Name      string   `json:"name"`
	BirthDate string   `json:"birth_date,omitempty"`
	Gender    string   `json:"gender,omitempty"`
	Telecom   []string `json:"telecom,omitempty"`
	Address   string   `json:"address,omitempty"`
	Language  string   `json:"language,omitempty"`
}

// Need is why the person was referred: the referrer's codes and words, and the need
// of our own short list where a map gives one.
type Need struct {
	Need  string  `json:"need,omitempty"` // code of the need code system, such as loneliness
	Codes []Coded `json:"codes,omitempty"`
	Text  string  `json:"text,omitempty"`
}

// Finding is an Observation that is no score.
type Finding struct {
	Codes []Coded `json:"codes,omitempty"`
	Text  string  `json:"text,omitempty"`
	Value string  `json:"value,omitempty"`
	Date  string  `json:"date,omitempty"`
}

// Note is a free text with its source.
type Note struct {
	Text   string `json:"text"`
	Time   string `json:"time,omitempty"`
	Author string `json:"author,omitempty"`
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
