package referral

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
)

// AudienceOperator is the audience of the operators, who may read every event.
const AudienceOperator = "operator"

// audience names who reads the same events: a role for one organisation.
func audience(role auth.Role, organisation string) string {
	if role == auth.RoleOperator {
		return AudienceOperator
	}
	return string(role) + ":" + organisation
}

// Happening is an event as followers are told of it, in the form of a CloudEvent. It
// names what happened to which referral, and nothing about the person.
// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md.
type Happening struct {
	Number      int64         `json:"number,omitempty"` // place in the feed of this reader, from 1 without gaps
	Source      string        `json:"source,omitempty"` // base URL of the adapter
	SpecVersion string        `json:"specversion"`
	ID          string        `json:"id"`
	Type        string        `json:"type"`    // referral.moved, referral.observation, referral.activity, referral.note, referral.attachment, referral.sharing, referral.overdue, referral.reminder or test
	Subject     string        `json:"subject"` // "Task/0190…"
	Time        time.Time     `json:"time"`    // when it was recorded
	Data        HappeningData `json:"data"`
}

// HappeningData is what happened.
//
// The provider of an activity is told of its sub-Task as others are of a referral: Referral
// is the id of the sub-Task, and Requester the service that sent it.
type HappeningData struct {
	Referral       string      `json:"referral"`
	Version        int         `json:"version"` // of its Task, after the change
	Move           string      `json:"move"`    // row of the life-cycle table
	From           string      `json:"from"`    // Task.status
	To             string      `json:"to"`
	BusinessStatus string      `json:"business_status"`
	Requester      string      `json:"requester"` // ODS code
	Owner          string      `json:"owner"`     // ODS code, "" while nobody has claimed it
	Actor          ActingParty `json:"actor"`
	Note           string      `json:"note,omitempty"`       // id of the note that was added
	Attachment     string      `json:"attachment,omitempty"` // id of the DocumentReference that was added
}

// ActingParty is who acted: an organisation in a role, both "" for the adapter itself.
type ActingParty struct {
	Organisation string    `json:"organisation"`
	Role         auth.Role `json:"role"`
}

// announce makes what followers are told of the events of a change, and says who may
// read it: the requester, the owner, and while nobody owns it the services that may
// claim it, as things stand in this commit.
func (s *Service) announce(c *Change) {
	for i := range c.Events {
		e := &c.Events[i]
		r := c.Referral
		if c.Successor != nil && e.Referral == c.Successor.ID {
			r = c.Successor
		}
		s.tellOf(e, r, c.At)
	}
}

// tellOf makes what followers of a referral are told of one event.
func (s *Service) tellOf(e *Event, r *Record, at time.Time) {
	var audiences []string
	if !e.Private && e.Move != row("T25").ID { // a reminder is for the service alone
		audiences = append(audiences, audience(auth.RoleRequester, r.Organisation))
	}
	if r.Owner != "" {
		audiences = append(audiences, audience(auth.RoleOwner, r.Owner))
	} else {
		for _, service := range s.Partners.claimants(r.Pool) {
			audiences = append(audiences, audience(auth.RoleOwner, service))
		}
	}
	h := Happening{SpecVersion: "1.0", ID: e.ID, Type: "referral.moved", Subject: "Task/" + r.ID, Time: at, Data: HappeningData{
		Referral: r.ID, Version: r.Version, Move: e.Move, From: e.From, To: e.To, BusinessStatus: e.BusinessStatus,
		Requester: r.Organisation, Owner: r.Owner, Actor: ActingParty{e.Actor, e.Role},
	}}
	switch {
	case e.Move == moveNote:
		h.Type, h.Data.Note = "referral.note", e.ID
	case e.Move == moveAttachment:
		h.Type, h.Data.Attachment = "referral.attachment", attachedOf(e).ID
	case e.Move == moveSharing:
		h.Type = "referral.sharing"
	case e.Move == "observation":
		h.Type = "referral.observation"
	case e.Move == row("T21").ID:
		h.Type = "referral.overdue"
	case e.Move == row("T25").ID:
		h.Type = "referral.reminder"
	case e.Activity != "":
		h.Type, h.Subject = "referral.activity", "Task/"+e.Activity
	}
	e.Public, e.Audiences = mustJSON(h), audiences
}

// tellProvider makes what the provider of a sub-Task is told of one of its moves, where it
// works here itself: of the sub-Task alone, in place of the referral, which it does not see.
func (s *Service) tellProvider(e *Event, a *Activity, r *Record, at time.Time) {
	to := audience(auth.RoleOwner, a.Owner)
	if a.Owner == "" || a.Owner == r.Owner {
		return
	}
	e.AsideTo, e.Aside = to, mustJSON(Happening{SpecVersion: "1.0", ID: e.ID, Type: "referral.activity", Subject: "Task/" + a.ID, Time: at, Data: HappeningData{
		Referral: a.ID, Version: a.Version, Move: e.Move, From: e.From, To: e.To, BusinessStatus: e.BusinessStatus,
		Requester: r.Owner, Owner: a.Owner, Actor: ActingParty{e.Actor, e.Role},
	}})
}

// Numbered is one event of a feed: its number there, and a Happening in JSON without
// Number and Source.
type Numbered struct {
	Number int64
	Body   []byte
}

// JSON gives the event as its reader gets it, with its number and its source.
func (n Numbered) JSON(source string) []byte {
	return n.AppendJSON(make([]byte, 0, len(n.Body)+len(source)+48), mustJSON(source))
}

// AppendJSON appends the event as its reader gets it; source is a JSON string.
func (n Numbered) AppendJSON(out, source []byte) []byte {
	out = append(out, `{"number":`...)
	out = strconv.AppendInt(out, n.Number, 10)
	out = append(out, `,"source":`...)
	out = append(out, source...)
	out = append(out, ',')
	return append(out, n.Body[1:]...)
}

// happening reads an event back.
func (n Numbered) happening() (h Happening, err error) {
	if err := json.Unmarshal(n.Body, &h); err != nil {
		return h, issue.New(issue.Exception, "stored-event", "a stored event cannot be read").Because(err)
	}
	h.Number = n.Number
	return h, nil
}

// Feed is a part of what an audience reads.
type Feed struct {
	Events []Numbered // in the order of their numbers, without gaps
	Oldest int64      // number of the oldest event that is kept
	Last   int64      // number of the newest event, 0 when there was none yet
}

// Feeds is what a store knows of events for those who follow them.
type Feeds interface {
	// Feed gives at most n events of an audience with numbers above after. Errors: deleted
	// with the rule "events-pruned" when the next one is not kept any more, value with the
	// rule "events-ahead" when there is none with the number after.
	Feed(ctx context.Context, audience string, after int64, n int) (Feed, error)
	// Await returns when an audience has an event above after, or when ctx ends, and gives
	// the number of the newest that is known.
	Await(ctx context.Context, audience string, after int64) int64
}

// Follower reads one feed from a place on. It belongs to one goroutine.
type Follower struct {
	Role         auth.Role
	Organisation string // ODS code, "" for an operator
	After        int64  // number of the last event that was read

	feeds    Feeds
	audience string
	read     func(ctx context.Context) error // records that events were read, nil when that is done
}

// NewFollower makes a Follower of one organisation's events; read may be nil.
func NewFollower(feeds Feeds, role auth.Role, organisation string, after int64, read func(context.Context) error) *Follower {
	return &Follower{Role: role, Organisation: organisation, After: after, feeds: feeds, audience: audience(role, organisation), read: read}
}

// Follow lets a caller read the events of an organisation that it speaks for after a
// number. organisation may be "" for a caller that speaks for one alone; operators read
// the events of all. That it read is recorded with the first events it gets: one that
// waits in vain leaves no record.
//
// Errors: forbidden for another's organisation, required when it must be named.
func (s *Service) Follow(c Call, organisation string, after int64) (*Follower, error) {
	organisation, err := reader(c, organisation)
	if err != nil {
		return nil, err
	}
	read := func(ctx context.Context) error {
		a := s.audit(c, "search-type", "E", nil)
		a.Entity, a.Organisation, a.Actor = "Task", organisation, organisation
		return s.record(ctx, a)
	}
	return NewFollower(s.Store, c.Principal.Role, organisation, after, read), nil
}

// reader settles whose events a caller reads.
func reader(c Call, organisation string) (string, error) {
	p := c.Principal
	switch {
	case p.Role == auth.RoleOperator && organisation == "":
		return "", nil
	case p.Role == auth.RoleOperator:
		return "", issue.New(issue.Value, "organisation", "an operator reads the events of all organisations; leave organisation out").At("organisation")
	case organisation != "" && p.SpeaksFor(organisation):
		return organisation, nil
	case organisation != "":
		return "", issue.New(issue.Forbidden, "organisation", "your token does not speak for this organisation").At("organisation")
	case len(p.Organisations) == 1:
		return p.Organisations[0], nil
	case len(p.Organisations) == 0:
		return "", issue.New(issue.Forbidden, "organisation", "your token speaks for no organisation, so that there are no events for it")
	}
	return "", issue.New(issue.Required, "organisation", "your token speaks for several organisations, and each has events of its own: name one of them in organisation").At("organisation")
}

// Next gives at most n events after those before, none when there are none yet.
// Errors: those of Feeds.Feed.
func (f *Follower) Next(ctx context.Context, n int) (Feed, error) {
	feed, err := f.feeds.Feed(ctx, f.audience, f.After, n)
	if err != nil || len(feed.Events) == 0 {
		return feed, err
	}
	if f.read != nil {
		if err := f.read(ctx); err != nil {
			return Feed{}, err
		}
		f.read = nil
	}
	f.After = feed.Events[len(feed.Events)-1].Number
	return feed, nil
}

// Wait returns when Next has something to give, or when ctx ends.
func (f *Follower) Wait(ctx context.Context) { f.feeds.Await(ctx, f.audience, f.After) }
