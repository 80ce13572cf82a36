package referral

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

// Config is what a Service works with.
type Config struct {
	Store       Store
	Partners    *Partners
	Instruments *Instruments
	Terminology *terminology.Registry

	// Dialect is a dialect by its name, "" for the usual one, with the maps of a sending
	// organisation where it has its own; nil when it is not spoken here.
	Dialect func(organisation, name string) *Dialect

	// Outlet is how a recipient is written to, with the maps of the organisation whose data
	// it is; for the recipient "" the usual way. False when no way to it is known.
	Outlet func(organisation, recipient string) (Outlet, bool)

	// Second says how a recipient is written to that refused the message of Outlet for good;
	// false when there is no other way. nil for none.
	Second func(organisation, recipient string) (Outlet, bool)

	// Response is how whoever sent a referral is answered in its own dialect; nil, or giving
	// false, where a dialect has no answers.
	Response func(organisation, dialect string) (Outlet, bool)

	Converted  func(Conversion)         // told of each conversion, before it is committed; it must not block; nil for nobody
	Base       string                   // FHIR base URL of this server, with a slash at the end; "" when unknown
	Invariants func(n *fhir.Node) error // the rules of the base standard, run on the whole message; every fault joined, warnings too; nil checks nothing

	// Conforms checks a tree against one of Profiles(), by its canonical; every fault
	// joined, warnings too. nil checks nothing.
	Conforms func(canonical string, n *fhir.Node) error

	Now      func() time.Time
	Sharing  string        // sharing level of a new referral, default summary
	Rules    Rules         // the numbers of the life cycle
	RetryFor time.Duration // how long a delivery is tried, default 72 h

	// Demographics is where persons are looked up: those of open referrals every AskEvery, and
	// just before each send. nil for nowhere.
	Demographics Demographics
	AskEvery     time.Duration // default 24 h
	TrustFor     time.Duration // how long an answer holds while Demographics is away, default 0: what is to be sent waits

	// Reachable says why subscribers may not be told at an address, nil when they may; nil
	// allows every address.
	Reachable func(url string) *issue.Error
}

// Service is the domain at work: it takes referrals in, moves them through their life
// cycle, and decides what goes back. It keeps no state of its own but what it has parsed, and
// may be used by many goroutines.
type Service struct {
	Config
	trees trees
	room  chan struct{} // a subscriber was sent something: the next may go into the outbox
}

// NewService makes a Service; the fields without default must be set. For Examine
// alone, Instruments and Terminology are enough.
func NewService(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Sharing == "" {
		c.Sharing = SharingSummary
	}
	c.Rules = c.Rules.withDefaults()
	if c.RetryFor == 0 {
		c.RetryFor = 72 * time.Hour
	}
	if c.AskEvery <= 0 {
		c.AskEvery = 24 * time.Hour
	}
	return &Service{Config: c, trees: newTrees(), room: make(chan struct{}, 1)}
}

// now is the time of a change, in the precision that is stored.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Millisecond) }

// scope is what the caller may see.
func (s *Service) scope(c Call) Scope { return s.Partners.scope(c.Principal) }

// Read gives the current version of a resource the caller may see.
// Errors: not-found, deleted.
func (s *Service) Read(ctx context.Context, c Call, resourceType, id string) (*Version, error) {
	if resourceType == TypeAudit {
		return s.readAudit(ctx, c, id)
	}
	v, err := s.Store.Read(ctx, s.scope(c), resourceType, id)
	if err != nil {
		return nil, err
	}
	if err := s.limited(ctx, c, v); err != nil {
		return nil, err
	}
	return v, s.record(ctx, s.audit(c, "read", "R", v))
}

// ReadVersion gives one version of a resource. Errors: not-found, deleted.
func (s *Service) ReadVersion(ctx context.Context, c Call, resourceType, id string, number int) (*Version, error) {
	v, err := s.Store.ReadVersion(ctx, s.scope(c), resourceType, id, number)
	if err != nil {
		return nil, err
	}
	if err := s.limited(ctx, c, v); err != nil {
		return nil, err
	}
	return v, s.record(ctx, s.audit(c, "vread", "R", v))
}

// History gives the versions of a resource (id set) or of a type, newest first.
// Errors: not-found when id is set and unknown, value for a bad cursor.
func (s *Service) History(ctx context.Context, c Call, resourceType, id string, p Page) (Found, error) {
	found, err := s.Store.History(ctx, s.scope(c), resourceType, id, p)
	if err != nil {
		return Found{}, err
	}
	if err := s.limitedAll(ctx, c, found.Versions); err != nil {
		return Found{}, err
	}
	interaction := "history-type"
	if id != "" {
		interaction = "history-instance"
	}
	return found, s.record(ctx, s.auditList(c, interaction, resourceType, found.Versions))
}

// Search finds current resources. Errors: value for a bad cursor.
func (s *Service) Search(ctx context.Context, c Call, q Query) (Found, error) {
	if q.Type == TypeAudit {
		return s.searchAudits(ctx, c, q)
	}
	found, err := s.Store.Search(ctx, s.scope(c), q)
	if err != nil {
		return Found{}, err
	}
	for _, list := range [][]Version{found.Versions, found.Included} {
		if err := s.limitedAll(ctx, c, list); err != nil {
			return Found{}, err
		}
	}
	return found, s.record(ctx, s.auditList(c, "search-type", q.Type, slices.Concat(found.Versions, found.Included)))
}

// mustJSON encodes a value of ours; its types cannot fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// parse reads back a document that this program wrote.
func parse(body []byte) (*fhir.Node, error) {
	n, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{Bytes: 64 << 20})
	if err != nil {
		return nil, issue.New(issue.Exception, "stored-document", "a stored document cannot be read").Because(err)
	}
	return n, nil
}

// allowed says whether the caller's role is one of roles.
func allowed(c Call, roles ...auth.Role) error {
	for _, r := range roles {
		if c.Principal != nil && c.Principal.Role == r {
			return nil
		}
	}
	return issue.New(issue.Forbidden, "role", "the caller's role does not allow this; a requester sends referrals, an owner works them")
}
