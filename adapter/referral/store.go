package referral

import (
	"context"
	"time"

	"spadapter/adapter/auth"
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

	// Referral gives one referral with its content.
	Referral(ctx context.Context, s Scope, id string) (*Record, error)
	// Referrals gives the worklist, oldest first, with content. next is "" on the last page.
	Referrals(ctx context.Context, s Scope, f Filter) (list []Record, next string, err error)
	// Events gives the history of one referral in order.
	Events(ctx context.Context, s Scope, referral string) ([]Event, error)

	// ActivitiesOf gives the sub-Tasks of a referral, the oldest first. It knows no scope.
	ActivitiesOf(ctx context.Context, referral string) ([]Activity, error)
	// Activity gives one sub-Task that its provider or the owner of its referral may see.
	Activity(ctx context.Context, s Scope, id string) (*Activity, error)
	// Activities gives the sub-Tasks that a provider was sent, the oldest first; open ones
	// alone when open is set. next is "" on the last page.
	Activities(ctx context.Context, s Scope, open bool, p Page) (list []Activity, next string, err error)
	// DueReferrals gives the ids of at most n referrals whose time is over. It knows no scope.
	DueReferrals(ctx context.Context, now time.Time, n int) ([]string, error)
	// Ledger gives the open loops of a scope, without names.
	Ledger(ctx context.Context, s Scope, q LedgerQuery) (*Ledger, error)
	// Outbox gives what was and is to be sent to records about a referral, without bodies,
	// in the order to send. It knows no scope.
	Outbox(ctx context.Context, referral string) ([]Delivery, error)

	Feeds
	Subscribers
}

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
	Successor    *Record        // a second referral, which the change creates
	Activities   []Activity     // sub-Tasks; Version 1 creates, a higher one demands that Version-1 is current
	Events       []Event        //
	Audits       []Audit        //
	Deliveries   []Delivery     // the outbox rows this change causes, in the order to send
	Cancels      []Cancellation // deliveries that become superseded
	Timer        *Timer         // a timer of a referral that moves nothing, nil when none
}

// Cancellation names a delivery that must still be queued, after so many tries.
type Cancellation struct {
	Delivery string
	Attempts int
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
type Found struct {
	Versions []Version
	Next     string
	Total    int
}

// Query is a search: every Condition must hold.
type Query struct {
	Type       string
	Conditions []Condition
	Page       Page
	Total      bool
}

// ParamKind is how a condition compares.
type ParamKind uint8

// The kinds of condition.
const (
	ParamToken   ParamKind = iota // Term.System and Term.Value
	ParamString                   // Term.Value starts with
	ParamRef                      // Term.Value is equal
	ParamDate                     // From and To of the version
	ParamID                       // the logical id
	ParamUpdated                  // the time of the version
	ParamPatient                  // the id of the Patient
)

// Condition holds when one of the Values does.
type Condition struct {
	Param  string
	Kind   ParamKind
	Values []Value
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

// Filter selects the worklist. Empty fields do not filter.
type Filter struct {
	Status  []string
	Owner   string // ODS code; "-" for referrals nobody owns
	Patient string // id of the Patient
	Open    bool   // not in a terminal status
	Since   time.Time
	Page    Page
}
