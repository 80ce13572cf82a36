package directory

import (
	"math"
	"time"
)

// View is a service as the JSON API shows it. Text is plain: whoever shows it on a page
// escapes it.
type View struct {
	ID          string   `json:"id"` // also that of the HealthcareService
	Version     int      `json:"version"`
	Name        string   `json:"name"`
	Status      string   `json:"status"`
	Kinds       []Code   `json:"kinds"`
	KindsFrom   string   `json:"kinds_from,omitempty"`
	Needs       []Code   `json:"needs"`
	Description string   `json:"description,omitempty"`
	URL         string   `json:"url,omitempty"`
	Email       string   `json:"email,omitempty"`
	Phones      []string `json:"phones,omitempty"`

	Organisation *OrganisationView `json:"organisation,omitempty"`
	Locations    []LocationView    `json:"locations"`
	Schedules    []ScheduleView    `json:"schedules"`
	Cost         CostView          `json:"cost"`
	Languages    []Language        `json:"languages,omitempty"`
	Areas        []string          `json:"areas,omitempty"`
	MinimumAge   *int              `json:"minimum_age,omitempty"`
	MaximumAge   *int              `json:"maximum_age,omitempty"`
	Contacts     []Contact         `json:"contacts,omitempty"`
	Terms        []Term            `json:"terms,omitempty"`

	AssuredOn  string     `json:"assured_on,omitempty"`
	ModifiedOn string     `json:"modified_on,omitempty"`
	Stale      bool       `json:"stale"`
	Warnings   []string   `json:"warnings"`
	Withdrawn  *time.Time `json:"withdrawn_at,omitempty"`

	DistanceKM *float64 `json:"distance_km,omitempty"` // from what the search is near to
	Nearest    string   `json:"nearest,omitempty"`     // id of the location that is so far away

	Feed   string `json:"feed"`
	Source string `json:"source_id"`
}

// Code is a code with its words.
type Code struct {
	Code    string `json:"code"`
	Display string `json:"display"`
}

// OrganisationView is who runs a service.
type OrganisationView struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	URL  string `json:"url,omitempty"`
}

// LocationView is where a service is.
type LocationView struct {
	ID            string   `json:"id"`
	Name          string   `json:"name,omitempty"`
	Address       []string `json:"address,omitempty"`
	Postcode      string   `json:"postcode,omitempty"`
	Position      *Point   `json:"position,omitempty"`
	Accessibility []Code   `json:"accessibility,omitempty"`
	AccessWords   []string `json:"accessibility_words,omitempty"` // as the feed says it
}

// ScheduleView is when a service is.
type ScheduleView struct {
	Schedule
	Words string `json:"words"`
}

// CostView is what a service costs. Free and From are about everybody, and about the one
// who pays the least; From is pounds, "" when not said.
type CostView struct {
	Free    bool         `json:"free"`
	From    string       `json:"from,omitempty"`
	Options []CostOption `json:"options,omitempty"`
}

// FeedView is a feed in the words of the JSON API.
type FeedView struct {
	Name      string     `json:"name"`
	Refreshed *time.Time `json:"refreshed_at"` // null when never
	Problem   string     `json:"problem,omitempty"`
}

func feedView(f Feed) FeedView {
	v := FeedView{Name: f.Name, Problem: f.Problem}
	if !f.Refreshed.IsZero() {
		v.Refreshed = &f.Refreshed
	}
	return v
}

// view makes the view of an entry that is a service.
func (d *Directory) view(e *Entry) (*View, error) {
	s, err := e.Service()
	if err != nil {
		return nil, err
	}
	now := d.now()
	v := &View{ID: e.ID, Version: e.Version, Name: s.Name, Status: s.Status, KindsFrom: s.KindsFrom, Description: s.Description, URL: s.URL, Email: s.Email,
		Phones: s.Phones, Languages: s.Languages, Areas: s.Areas, MinimumAge: s.MinimumAge, MaximumAge: s.MaximumAge, Contacts: s.Contacts, Terms: s.Terms,
		AssuredOn: s.Assured, ModifiedOn: s.Modified, Feed: s.Feed, Source: s.Source,
		Kinds: d.codes(SystemKind, s.Kinds), Needs: d.codes(SystemNeed, s.Needs), Locations: []LocationView{}, Schedules: []ScheduleView{}, Warnings: []string{}}
	if o := s.Organisation; o != nil {
		v.Organisation = &OrganisationView{o.ID, o.Name, o.URL}
	}
	for i := range s.Locations {
		v.Locations = append(v.Locations, d.locationView(&s.Locations[i]))
	}
	for _, p := range s.Schedules {
		v.Schedules = append(v.Schedules, ScheduleView{p, p.Words()})
	}
	v.Cost = CostView{Free: s.Free(now), Options: s.Costs}
	if pence, _ := s.cheapest(now); pence >= 0 {
		v.Cost.From = pounds(pence)
	}
	if !e.Withdrawn.IsZero() {
		v.Status, v.Withdrawn = StatusWithdrawn, &e.Withdrawn
	}
	v.warn(s, now, d.StaleAfter)
	return v, nil
}

// warn says what to heed before somebody is sent there.
func (v *View) warn(s *Service, now time.Time, after time.Duration) {
	switch v.Status {
	case StatusActive:
	case StatusWithdrawn:
		v.Warnings = append(v.Warnings, "The directory has had this no longer since "+v.Withdrawn.Format(time.DateOnly)+".")
	default:
		v.Warnings = append(v.Warnings, "This is "+v.Status+".")
	}
	if s.Alert != "" {
		v.Warnings = append(v.Warnings, s.Alert)
	}
	stale, words := s.Stale(now, after)
	if v.Stale = stale; stale {
		v.Warnings = append(v.Warnings, words)
	}
}

func (d *Directory) codes(system string, list []string) []Code {
	out := []Code{}
	for _, c := range list {
		out = append(out, Code{c, d.Vocabulary.Display(system, c)})
	}
	return out
}

func (d *Directory) locationView(l *Location) LocationView {
	v := LocationView{ID: l.ID, Name: l.Name, Postcode: l.Postcode}
	v.Address = append(v.Address, l.Lines...)
	for _, line := range []string{l.City, l.Region} {
		if line != "" {
			v.Address = append(v.Address, line)
		}
	}
	if p, ok := l.Point(); ok {
		v.Position = &p
	}
	var access []string
	for _, a := range l.Accessibility {
		access = union(access, a.Codes)
		v.AccessWords = append(v.AccessWords, a.Text)
	}
	if access != nil {
		v.Accessibility = d.codes(SystemAccessibility, access)
	}
	return v
}

// near sets the distance, in kilometres to a tenth, and which location is so far away.
func (v *View) near(e *Entry, from Point) {
	if e.Distance < 0 {
		return
	}
	km := math.Round(e.Distance/100) / 10
	v.DistanceKM = &km
	least := math.Inf(1)
	for i := range v.Locations {
		if p := v.Locations[i].Position; p != nil && Metres(from, *p) < least {
			least, v.Nearest = Metres(from, *p), v.Locations[i].ID
		}
	}
}
