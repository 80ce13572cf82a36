package referral

import (
	"context"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
)

// Store keeps referrals and everything that belongs to them. Every call that reads
// takes a Scope and limits what it finds to it in SQL; what lies outside is not
// found, never forbidden.
//
// Errors: not-found, deleted, conflict (a stale version), transient and below when
// the database cannot answer (no-store, timeout, lock-error), and *Repeat from Commit.
type Store interface {
	// NewID makes a logical id: a UUIDv7 in text, later ones sort later.
	NewID() string

	// Commit makes a Change durable as a whole, or not at all; when it returns nil the
	// change survives a power cut. Concurrent commits may share one transaction. It
	// returns *Repeat when one of the Keys is already known, and conflict with the rule
	// "version-conflict" when a version it builds on is no longer the current one.
	Commit(ctx context.Context, c *Change) error

	// Known gives the response stored for the first of the keys that is known, as a
	// *Repeat; nil when none is.
	Known(ctx context.Context, keys []Key) (*Repeat, error)

	// Read gives the current version of a resource; deleted when it was deleted.
	Read(ctx context.Context, s Scope, resourceType, id string) (*Version, error)
	// ReadVersion gives one version.
	ReadVersion(ctx context.Context, s Scope, resourceType, id string, number int) (*Version, error)
	// History gives the versions of one resource (id set), or of a type, newest first.
	History(ctx context.Context, s Scope, resourceType, id string, p Page) (Found, error)
	// Search gives the current resources that meet a query, in the order they were last
	// updated, newest first. Hidden versions are not found.
	Search(ctx context.Context, s Scope, q Query) (Found, error)

	// Original gives the message that a referral began with, as it was received; not-found
	// also for a referral that began without one.
	Original(ctx context.Context, s Scope, id string) (*Message, error)

	// Referral gives one referral with its content.
	Referral(ctx context.Context, s Scope, id string) (*Record, error)
	// Referrals gives the worklist, with content and without Needs. next is "" on the last page.
	Referrals(ctx context.Context, s Scope, f Filter) (list []Record, next string, err error)
	// Events gives the history of one referral in order.
	Events(ctx context.Context, s Scope, referral string) ([]Event, error)
	// EventsOf gives the histories of several referrals, each in order, by referral.
	EventsOf(ctx context.Context, s Scope, referrals []string) (map[string][]Event, error)
	// Joined gives what joined referrals after their requests, by referral: what is current
	// of the types of Joining, in their order; of each the oldest first, and the newest 500.
	Joined(ctx context.Context, s Scope, referrals []string) (map[string][]Version, error)
	// ReadAll gives the current versions of resources of one type, by id. What is not
	// found, or was deleted, is left out.
	ReadAll(ctx context.Context, s Scope, resourceType string, ids []string) (map[string]*Version, error)
	// Unseen gives at most n referrals whose priority, needs, risk and practice were never
	// read in their content, with content. It knows no scope.
	Unseen(ctx context.Context, n int) ([]Record, error)
	// See stores what was read in the content of referrals, unless they have changed since;
	// it makes no new version.
	See(ctx context.Context, list []Record) error

	// Held gives what is known of the origin of facts about a Patient, and when the person was
	// looked up; never nil. It knows no scope.
	Held(ctx context.Context, patient string) (*Held, error)
	// Asked notes when a person was looked up: Asked, Answered, ETag and Problem of h.
	Asked(ctx context.Context, organisation string, h Held) error
	// Unasked gives the ids of at most n Patients with an open referral who were not looked up
	// since a time, the longest waiting first. It knows no scope.
	Unasked(ctx context.Context, since time.Time, n int) ([]string, error)

	// ActivitiesOf gives the sub-Tasks of referrals, the oldest first. It knows no scope.
	ActivitiesOf(ctx context.Context, referrals ...string) ([]Activity, error)
	// Activity gives one sub-Task that its provider or the owner of its referral may see.
	Activity(ctx context.Context, s Scope, id string) (*Activity, error)
	// Activities gives the sub-Tasks that a provider was sent, the oldest first; open ones
	// alone when open is set. next is "" on the last page.
	Activities(ctx context.Context, s Scope, open Wanted, p Page) (list []Activity, next string, err error)
	// DueReferrals gives the ids of at most n referrals whose time is over. It knows no scope.
	DueReferrals(ctx context.Context, now time.Time, n int) ([]string, error)
	// Ledger gives the open loops of a scope, without names.
	Ledger(ctx context.Context, s Scope, q LedgerQuery) (*Ledger, error)
	// Outbox gives what was and is to be sent to records about a referral, without bodies,
	// in the order to send. It knows no scope.
	Outbox(ctx context.Context, referral string) ([]Delivery, error)

	// Audits gives the audit records that meet a query and that a scope may see: all for an
	// operator, for a requester those about its data, for an owner those of its accesses.
	Audits(ctx context.Context, s Scope, q Query) (Audits, error)

	Feeds
	Subscribers
}

// Joining are the types of what may join a referral after its request.
var Joining = []string{"Observation", "Flag", "Condition", "Consent", "DocumentReference", "QuestionnaireResponse", "RelatedPerson"}

// Scope is whose data a caller may see.
//
// A requester sees the rows of its own organisations. An owner sees the referrals
// that one of its organisations owns or that wait in one of its pools, and what
// belongs to them. An operator sees everything.
type Scope struct {
	Role          auth.Role
	Organisations []string // ODS codes
	Pools         []string // pools whose unclaimed referrals an owner may see and claim
}

// Change is everything one commit holds. Nil and empty parts are left out.
type Change struct {
	Organisation string // ODS code of the organisation whose data this is; on every row
	At           time.Time
	Message      *Message       // the inbound message, as received
	Keys         []Key          // must all be new; each leads to Response from now on
	Response     *Response      // what a repeat gets
	Versions     []Version      // Number 1 creates; a higher one demands that Number-1 is current
	Referral     *Record        // Version 1 creates; a higher one demands that Version-1 is current
	Endangers    bool           // Referral is told to hold a risk, and those that took its place hold it too
	Successor    *Record        // a second referral, which the change creates
	Activities   []Activity     // sub-Tasks; Version 1 creates, a higher one demands that Version-1 is current
	Events       []Event        //
	Audits       []Audit        //
	Deliveries   []Delivery     // the outbox rows this change causes, in the order to send
	Cancels      []Cancellation // deliveries that become superseded
	Timer        *Timer         // a timer of a referral that moves nothing, nil when none
	Registered   []Registration // of Patients that changed; holds for all their referrals
	Held         *Held          // of a Patient: Number 1 or the next after the one that was read, with Facts and Said; nil for no change
}

// Registration is where a Patient is registered.
type Registration struct {
	Patient  string
	Practice string // ODS code, "" for the requester's own
}

// Cancellation names a delivery that must still be queued, after so many tries; or, with
// Claim, one that whoever holds the claim has not sent.
type Cancellation struct {
	Delivery string
	Attempts int
	Claim    string
}

// Timer is the end of a time that a referral had. It holds only while the referral has the
// version and the due time that were seen, so that it takes effect once.
type Timer struct {
	Referral string
	Version  int
	Due      time.Time
	Remind   time.Time // of a reminder: when it was due; zero for the end of Due
	Next     time.Time // of a reminder: when the next look is, zero for never
}

// Message is an inbound message, kept unchanged next to its interpretation.
type Message struct {
	ID          string
	Client      string // who sent it
	Dialect     string // "ukcore-r4"
	ContentType string
	Body        []byte
	SHA256      string // of Body, hexadecimal
}

// KeyKind says what makes a message the same one as before.
type KeyKind string

// The kinds of key. The scope of a request id or idempotency key is the client with the
// organisations of its token, of the others the sending organisation.
const (
	KeyRequest     KeyKind = "request-id"
	KeyIdempotency KeyKind = "idempotency-key"
	KeyNatural     KeyKind = "identifier"  // ServiceRequest.identifier, system|value
	KeyPatient     KeyKind = "patient"     // one Patient for one NHS number in one organisation; has no response
	KeySuccessor   KeyKind = "successor"   // one Task that takes the place of another; has no response
	KeyConditional KeyKind = "conditional" // one resource for one If-None-Exist in one organisation; has no response
)

// Key is one thing that must not happen twice. Hash is the hexadecimal SHA-256 of
// what must be equal in a true repeat: the body, or the normalised content. Of a
// KeyPatient or KeyConditional it is the id of the resource.
type Key struct {
	Kind  KeyKind
	Scope string
	Value string
	Hash  string
}

// Repeat is the error of a Commit whose Key is already known.
type Repeat struct {
	Key      Key       // the known key, with the hash of the first time
	Response *Response // what the first time was answered; nil for KeyPatient and KeyConditional
}

func (*Repeat) Error() string { return "referral: the message is a repeat" }

// Response is a stored HTTP answer, without anything that belongs to one request only.
type Response struct {
	Status      int
	ContentType string
	Location    string // "" when none
	ETag        string // "" when none
	Body        []byte
}

// Version is one version of a resource. Versions are never changed; a correction is
// the next version.
type Version struct {
	Type         string // "Observation"
	ID           string // logical id
	Number       int    // 1 for the first
	Organisation string // whose data; Commit fills it from the Change when empty
	Updated      time.Time
	Deleted      bool
	Body         []byte // JSON with id, meta.versionId and meta.lastUpdated; nil when Deleted
	Referral     string // id of the referral it belongs to, "" when none yet
	Patient      string // id of the Patient it is about (its own id for a Patient), "" when none
	Hidden       bool   // readable by id, not found by search
	Terms        []Term // what search may find it by
	From, To     time.Time

	tree *fhir.Node // of Body; nil until somebody asks
}

// write makes n the content of a version. Nobody changes it from then on.
func (v *Version) write(n *fhir.Node) { v.Body, v.tree = fhir.Encode(n), n }

// content gives the tree of Body, which is parsed once, and never where it was just
// written. Nobody changes it. It is not safe for concurrent use.
func (v *Version) content() (*fhir.Node, error) {
	if v.tree != nil {
		return v.tree, nil
	}
	var err error
	v.tree, err = parse(v.Body)
	return v.tree, err
}

// Term is one indexed value of a search parameter. A token has System and Value, a
// reference "Patient/1" as Value, a string its lower-case form.
type Term struct {
	Param  string
	System string
	Value  string
}

// Page asks for a part of a list. After is the Next of the part before, "" for the
// first; anything else is an error of type value. Count is at least 0.
type Page struct {
	Count int
	After string
}

// Found is a part of a list. Total counts the whole list when it was asked for, -1 otherwise.
// Included is what the query asked for beside it, each once and none that is in Versions; More
// says that there is more of it than one answer takes.
type Found struct {
	Versions []Version
	Next     string
	Total    int
	Included []Version
	More     bool
}

// Query is a search: every Condition must hold. Included and Referring ask for what lies at
// the other end of references: what the found resources lead to, and what leads to them.
type Query struct {
	Type       string
	Conditions []Condition
	Page       Page
	Total      bool
	Oldest     bool   // the first updated first, not the last
	Included   []Link // from Type
	Referring  []Link // to Type
}

// Link is a reference that a search follows: a parameter of one type that leads to another.
type Link struct {
	From  string
	Param string
	Kind  ParamKind // ParamPatient or ParamRef
	To    string
}

// ParamKind is how a condition compares.
type ParamKind uint8

// The kinds of condition.
const (
	ParamToken     ParamKind = iota // Term.System and Term.Value
	ParamString                     // Term.Value starts with
	ParamRef                        // Term.Value is equal
	ParamDate                       // From and To of the version
	ParamID                         // the logical id
	ParamUpdated                    // the time of the version
	ParamPatient                    // the id of the Patient
	ParamOwner                      // the ODS code of who owns a Task
	ParamRequester                  // the ODS code of who asks by a Task
)

// Condition holds when one of the Values does. With a Link it is a condition on another
// resource, which the caller must be able to find too: on one that the resource leads to, or,
// for a link to its type that is walked Back, on one that leads to it.
type Condition struct {
	Param  string
	Kind   ParamKind
	Values []Value
	Not    bool   // of a token: none of the Values holds
	Absent Wanted // whether there is no value at all; Values are then not looked at

	Link *Link
	Back bool
}

// Value is one alternative of a condition. Prefix is eq, ne, gt, lt, ge or le and
// holds for dates, over the range From (inclusive) to To (exclusive).
type Value struct {
	AnySystem bool   // token without "|": any system
	AnyCode   bool   // "system|": any code
	System    string // "" with AnySystem false asks for a code without system
	Text      string
	Prefix    string
	From, To  time.Time
}

// Filter selects the worklist. Empty fields do not filter; of a list one must hold.
type Filter struct {
	Status    []string
	Business  []string // codes of the business-status code system
	Owner     string   // ODS code; "-" for referrals nobody owns
	Practices []string // ODS codes: of the requester, or of the practice where the person is registered
	Patient   string   // id of the Patient
	Needs     []string // codes of the need code system
	Priority  []string // codes of ServiceRequest.priority; a request without any is "routine"
	Open      Wanted   // not in a terminal status
	Overdue   Wanted
	Risk      Wanted    // at least one risk is recorded that the caller may read
	Asked     Wanted    // the requester has asked to cancel, and nobody has answered
	Since     time.Time // updated at that time or later
	DueBefore time.Time // its time is or was over before that one
	Sort      Sort
	Page      Page
}

// Wanted is a filter by something that holds or does not.
type Wanted uint8

// The values of Wanted.
const (
	Either Wanted = iota
	Yes
	No
)

// Sort is the order of a worklist: ascending, and by id where two are equal. A page begins
// after the last row of the page before: what is new or moves in between shifts nothing, and
// a row is only missed when it moves to an earlier place itself.
type Sort string

// The orders.
const (
	SortCreated Sort = "created" // the oldest first; also for ""
	SortDue     Sort = "due"     // what is over for the longest time first, what has no time last
	SortUpdated Sort = "updated" // what nobody has touched for the longest time first
)
