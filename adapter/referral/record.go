package referral

import (
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
)

// Record is the current state of one referral. Its ID is the id of its Task, and its
// Version the version of that Task.
type Record struct {
	ID             string
	Organisation   string // ODS code of the requester, the data controller of the request
	Owner          string // ODS code of the link-worker service, "" while in a pool
	Pool           string // name of the pool it waits in, "" when it was addressed
	Version        int
	Status         string    // Task.status
	BusinessStatus string    // code of the business-status code system
	Patient        string    // id of the Patient
	ServiceRequest string    // id of the original ServiceRequest
	Filler         string    // id of the normalised ServiceRequest, intent filler-order
	Sharing        string    // none, codes-only, summary, full
	Dialect        string    // the dialect the request came in, and the outcome goes back in
	Attempts       int       // contact attempts so far
	Former         string    // business status before a cancellation was asked for, "" when none is (T13)
	Follows        string    // id of the Task that this one takes the place of, "" when none
	Root           string    // id of the first Task on the request, "" for that one itself
	Unfiled        string    // why its outcome cannot go to a record, "" when it can: UnfiledNoNumber
	Since          time.Time // when it last moved
	Due            time.Time // when the time for its state is over, zero for never
	Overdue        bool      // that time is over, and nobody has acted since (T21)
	Remind         time.Time // when a timer looks at it beside Due (T25, T06), zero for never
	Created        time.Time
	Updated        time.Time
	Risk           bool   // the content, or what joined it, holds a risk
	RiskTold       bool   // and the practice may read it, as far as the service found it
	Priority       string // of the request, "routine" when it has none
	Registered     string // ODS code of the practice where the person is registered, "" when that is the requester

	// Needs are codes of the need code system, each once. They are written once, like
	// Content, and not read back.
	Needs []string

	// Content is the normalised referral, an R4 collection Bundle in JSON. It is written
	// once: Commit ignores it when Version is not 1.
	Content []byte

	tree *fhir.Node // of Content; nil until somebody asks
}

// Asked reports whether the requester has asked to cancel, and nobody has answered.
func (r *Record) Asked() bool { return r.Former != "" }

// UnfiledNoNumber says that there is no NHS number by which a record could be found.
const UnfiledNoNumber = "no-nhs-number"

// Activity is the current state of a sub-Task: an activity at a provider. Its ID is the
// id of that Task, and its Version the version of it.
type Activity struct {
	ID             string
	Referral       string
	Organisation   string // whose data: that of the referral
	Owner          string // ODS code of the provider, "" for one that the service speaks for
	Name           string
	Version        int
	Status         string
	BusinessStatus string // "" until there is one
	Sessions       int
	Created        time.Time
	Updated        time.Time
}

// Event is one step in the life of a referral. Events are append-only.
type Event struct {
	ID             string
	Referral       string
	Activity       string // id of the sub-Task that moved, "" when it is the referral
	Organisation   string // whose data; Commit fills it from the Change when empty
	Move           string // id of the move in the life-cycle table: "T05"
	From, To       string // Task.status
	BusinessStatus string
	Reason         string // code, "" when none
	Actor          string // ODS code of the acting organisation, "" for the adapter itself
	Role           auth.Role
	At             time.Time
	Data           []byte // JSON: what the step recorded, nil when nothing

	// What followers are told, in a Change only: the event without anything about the
	// person, and who may read it. See Public. Nil for an event that nobody is told of.
	Public    []byte
	Audiences []string
	Private   bool   // the requester may not read what it says, and is not told
	Aside     []byte // what the provider of a sub-Task is told in its place, nil when nobody is
	AsideTo   string // the audience that is
}

// Audit is one record of an access, successful or refused. Records are append-only.
// Source: IHE Basic Audit Log Patterns, https://profiles.ihe.net/ITI/BALP/.
type Audit struct {
	ID           string // given by the store; records that were committed later have later ones
	Organisation string // whose data; "" when none was reached
	At           time.Time
	Client       string
	Actor        string // ODS code the client acted for, "" when unknown
	Role         auth.Role
	User         string // who used the client, "" when only the client is known
	UserRole     string
	Purpose      string  // code of PurposeOfUse, "" when nobody asked for anything
	Token        string  // id of the access token, "" when it has none
	Address      string  // network address that the request came from, "" for what no request caused
	Action       string  // C, R, U, D or E
	Interaction  string  // code of http://hl7.org/fhir/restful-interaction, or the name of an operation
	Outcome      string  // 0 success, 4 refused, 8 failed
	Entity       string  // "Task/0190…", a type for a search, "" for a refusal before any
	Version      int     // of the entity, 0 when it has none or none was reached
	Patient      string  // id of the Patient, "" when none, or several
	Shown        []Shown // whose data a list showed, where Organisation and Patient cannot say it
	RequestID    string
	Query        string // the raw search, for audit of what was looked for
	Issue        string // issue type of a refusal
}

// Shown is what a list showed of one organisation's data.
type Shown struct {
	Organisation string   // ODS code
	Patients     []string // their ids, each once
}

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states: queued → sending → delivered, back to queued to be tried again, or dead.
// What is sent through others is awaiting until its recipient has acknowledged it.
// A superseded row was replaced by a newly converted one before it was sent.
const (
	DeliveryQueued     DeliveryState = "queued"
	DeliverySending    DeliveryState = "sending"
	DeliveryAwaiting   DeliveryState = "awaiting"
	DeliveryDelivered  DeliveryState = "delivered"
	DeliveryDead       DeliveryState = "dead"
	DeliverySuperseded DeliveryState = "superseded"
)

// Delivery is one row of the outbox: bytes that were decided and converted in the
// commit that caused them, so that every try sends the same.
type Delivery struct {
	ID           string // also the identifier by which the receiver tells a repeat
	Organisation string // whose data
	Referral     string
	Move         string // "T16"
	Recipient    string // ODS code
	Kind         string // "write-back"
	Route        string // "fhir-rest"
	ContentType  string
	Body         []byte
	Facts        Facts
	State        DeliveryState
	Attempts     int
	Due          time.Time
	Expires      time.Time // no further try after this
	Created      time.Time
	ReplayOf     string // the delivery this one repeats, "" when none
	Supersedes   string // the unsent delivery this one takes the place of, "" when none; set in a Change
	Claim        string // whoever holds it may finish the try; set by the queue, "" unless sending
	Problem      string // issue type of the last failed try, or of a refusal that came later
	Said         string // what acknowledgements say, in our own words; "" where none are asked for
	Place        int64  // in the order to send to one recipient; set in a Change, 0 for the time it was created
}

// Facts is what a delivery was decided on.
// They are compared again just before each send.
type Facts struct {
	Sharing  string `json:"sharing"`        // the level that it was rendered at
	Task     int    `json:"task,omitempty"` // the version of the Task that it tells of
	Practice string `json:"practice"`

	// Correlation is the X-Correlation-Id of the message that a response answers, "" when
	// it had none, and for a write-back.
	Correlation string `json:"correlation,omitempty"`

	Restricted bool `json:"restricted,omitempty"`
	Deceased   bool `json:"deceased,omitempty"`
	Numbers    int  `json:"numbers,omitempty"` // how many NHS numbers the person had before this one

	// Unwritten is of a letter that could not be made when its move was, so that the row has
	// no body yet; Document of one that took the place of coded entries the recipient refused.
	Unwritten bool `json:"unwritten,omitempty"`
	Document  bool `json:"document,omitempty"`
}

// Attempt is one try to send a delivery, and what became of it.
type Attempt struct {
	Delivery string
	Number   int // 1 for the first
	At       time.Time
	Duration time.Duration
	State    DeliveryState // the state after it: delivered, awaiting, queued or dead
	Due      time.Time     // when queued; of awaiting, until when an acknowledgement must be here
	Status   int           // HTTP status, 0 when there was no answer
	Issue    string        // issue type, "" on success
	Details  string        // our own words, never the partner's
	Message  string        // id that it has on its way, "" where it has none
}
