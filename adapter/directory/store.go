package directory

import (
	"context"
	"time"

	"spadapter/adapter/issue"
)

// Store keeps feeds and their entries. What a refresh writes belongs to a load, which
// nobody sees before Publish.
//
// Errors: transient and below when the database cannot answer.
type Store interface {
	// Feeds gives all feeds, by name.
	Feeds(ctx context.Context) ([]Feed, error)
	// Claim takes a feed for one refresh, when it is due or whenever force is set, and nil
	// when it is not due or somebody else has it. A feed that is not there is made.
	Claim(ctx context.Context, name string, now, until time.Time, force bool) (*Claim, error)
	// Renew keeps a claim until then. Errors: conflict when it is lost.
	Renew(ctx context.Context, c *Claim, until time.Time) error
	// Stage writes entries into the load of a claim, and counts their versions on from
	// those that are visible. An entry is staged once. Errors: conflict when the claim is lost.
	Stage(ctx context.Context, c *Claim, now time.Time, list []*Entry) error
	// Index makes the next entries of a load findable, in the order of names, at most n. It
	// begins with the zero Mark and goes on with what it gave until that is Done, after the
	// last Stage and before Publish. Errors: conflict when the claim is lost.
	Index(ctx context.Context, c *Claim, m Mark, n int) (Mark, error)
	// Visible gives the visible entries of the claimed feed among those ids.
	Visible(ctx context.Context, c *Claim, kind string, ids []string) ([]*Entry, error)
	// Missing gives visible entries of a type that the load of the claim does not have, by id
	// after that one, at most n.
	Missing(ctx context.Context, c *Claim, kind, after string, n int) ([]*Entry, error)
	// Publish makes the load what everybody sees, and lets the claim go. Errors: conflict
	// when the claim is lost.
	Publish(ctx context.Context, c *Claim, f Feed) error
	// Release lets the claim go and writes down what the feed says; its load is dropped.
	Release(ctx context.Context, c *Claim, f Feed) error
	// Sweep removes loads that nobody sees any more.
	Sweep(ctx context.Context, now time.Time) error

	// Entry gives one entry. Errors: not-found.
	Entry(ctx context.Context, kind, id string) (*Entry, error)
	// Find gives entries. Errors: value for a bad cursor.
	Find(ctx context.Context, q Query) (Found, error)
	// Centre gives the middle of a postcode sector, or of a district when sector is "".
	// false when nothing is known of it.
	Centre(ctx context.Context, sector, district string) (Centre, bool, error)
	// SetSectors replaces what is known of postcode sectors.
	SetSectors(ctx context.Context, list []SectorPoint) error
}

// Feed is one feed and how it went.
type Feed struct {
	Name      string
	Services  int       // how many are visible and not withdrawn
	Refreshed time.Time // when it was last taken over, or found unchanged
	Due       time.Time // when it is next tried
	State     string    // of its Source
	Failures  int       // since it last went well
	Problem   string    // why it last failed, in our words; "" when it went well
}

// Claim is the right to refresh a feed, for a time.
type Claim struct {
	Feed  Feed
	Token string
	Load  int64 // where entries are staged
	Seen  int64 // the load that is visible, 0 when none is
}

// Mark is how far a load is indexed.
type Mark struct {
	Sort, ID string
	N        int64
	Done     bool
}

// Query finds entries of one type: every condition must hold. The order is that of
// names, or that of distances when there is Near.
type Query struct {
	Type   string
	Where  []Condition // those that fewer entries meet come later, as far as is known
	Name   string      // how the folded name begins; "" for any
	IDs    []string
	Pence  int64 // the most that somebody pays; -1 for any
	Since  time.Time
	Before time.Time // Since and Before bound the time of the version; zero for open
	Near   *Point
	Within float64 // metres from Near, 0 for any; what is nowhere is then not found
	Count  int
	After  string // Next of the page before
	Total  bool
}

// Condition holds when an entry has one of the values as a term.
type Condition struct {
	Param  string
	Values []string
}

// Found is a part of a list. Total is -1 unless it was asked for.
type Found struct {
	Entries []*Entry
	Next    string
	Total   int
}

// Centre is the middle of a postcode sector or district and how it is known.
type Centre struct {
	Point
	From string // one of the words below
}

// How a centre is known.
const (
	FromFile     = "postcode file"                     // the deployment's own
	FromSector   = "places of the directory in sector" // the mean of those that feeds have there
	FromDistrict = "places of the directory in district"
)

// SectorPoint is the middle of a postcode sector.
type SectorPoint struct {
	Sector, District string
	Point
}

func stored(err error) error {
	return issue.New(issue.Exception, "directory-stored", "a stored directory entry cannot be read").Because(err)
}
