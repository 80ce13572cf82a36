package directory

import "time"

// Service is one service of a feed, as this program keeps it. Text is plain, without
// markup. "" and nil mean that the feed says nothing.
type Service struct {
	ID     string `json:"id"`     // logical id here
	Feed   string `json:"feed"`   // name of the feed
	Source string `json:"source"` // id in the feed

	Name           string   `json:"name"`
	Description    string   `json:"description,omitempty"`
	URL            string   `json:"url,omitempty"`
	Email          string   `json:"email,omitempty"`
	Phones         []string `json:"phones,omitempty"`
	Status         string   `json:"status"` // active, inactive, defunct or temporarily closed
	Alert          string   `json:"alert,omitempty"`
	Accreditations string   `json:"accreditations,omitempty"`

	Assured  string `json:"assured,omitempty"`  // date on which the information was last checked, 2026-02-17
	Modified string `json:"modified,omitempty"` // date of the last change

	MinimumAge *int `json:"minimum_age,omitempty"` // years
	MaximumAge *int `json:"maximum_age,omitempty"`

	Organisation *Organisation `json:"organisation,omitempty"`
	Locations    []Location    `json:"locations,omitempty"`
	Schedules    []Schedule    `json:"schedules,omitempty"`
	Costs        []CostOption  `json:"costs,omitempty"`
	Languages    []Language    `json:"languages,omitempty"`
	Areas        []string      `json:"areas,omitempty"` // where people must live, in words
	Contacts     []Contact     `json:"contacts,omitempty"`
	Terms        []Term        `json:"terms,omitempty"` // the feed's own classification

	Kinds     []string `json:"kinds,omitempty"`      // codes of activity-kind
	KindsFrom string   `json:"kinds_from,omitempty"` // "taxonomy", or "name" where no term said anything
	Needs     []string `json:"needs,omitempty"`      // codes of need that those kinds answer
}

// The states of a service. Source: HSDS-UK 3.0, service.status.
const (
	StatusActive            = "active"
	StatusInactive          = "inactive"
	StatusDefunct           = "defunct"
	StatusTemporarilyClosed = "temporarily closed"
)

// Statuses are what service.status may be.
var Statuses = []string{StatusActive, StatusInactive, StatusDefunct, StatusTemporarilyClosed}

// Organisation runs services.
type Organisation struct {
	ID          string       `json:"id"`
	Source      string       `json:"source"`
	Feed        string       `json:"feed"`
	Name        string       `json:"name"`
	Description string       `json:"description,omitempty"`
	Email       string       `json:"email,omitempty"`
	URL         string       `json:"url,omitempty"`
	Identifiers []Identifier `json:"identifiers,omitempty"` // registers that know it
}

// Identifier is a number in a register, such as that of companies or charities.
type Identifier struct {
	Scheme string `json:"scheme,omitempty"` // code of https://org-id.guide, such as GB-CHC
	Type   string `json:"type,omitempty"`
	Value  string `json:"value"`
}

// Location is where a service takes place. Latitude and Longitude are decimal degrees
// (WGS 84) in the digits of the feed, and given together or not at all.
type Location struct {
	ID            string          `json:"id"`
	Source        string          `json:"source"`
	Feed          string          `json:"feed"`
	Name          string          `json:"name,omitempty"`
	Description   string          `json:"description,omitempty"`
	Latitude      string          `json:"latitude,omitempty"`
	Longitude     string          `json:"longitude,omitempty"`
	UPRN          string          `json:"uprn,omitempty"`
	Lines         []string        `json:"lines,omitempty"`
	City          string          `json:"city,omitempty"`
	Region        string          `json:"region,omitempty"`
	Postcode      string          `json:"postcode,omitempty"`
	Country       string          `json:"country,omitempty"`
	Accessibility []Accessibility `json:"accessibility,omitempty"`
}

// Accessibility is what a feed says about access, and the codes that its words stand for.
type Accessibility struct {
	Text  string   `json:"text"`
	Codes []string `json:"codes,omitempty"`
}

// CostOption is what somebody pays. Amount is decimal digits, "" when not said.
type CostOption struct {
	Option      string `json:"option,omitempty"`
	Amount      string `json:"amount,omitempty"`
	Currency    string `json:"currency,omitempty"` // ISO 4217, "" counts as GBP
	Description string `json:"description,omitempty"`
	From        string `json:"from,omitempty"`
	To          string `json:"to,omitempty"`
}

// Language is one in which a service is given: a code (BCP 47), a name, or both.
type Language struct {
	Code string `json:"code,omitempty"`
	Name string `json:"name,omitempty"`
}

// Contact is whom to ask.
type Contact struct {
	Name  string `json:"name,omitempty"`
	Title string `json:"title,omitempty"`
	Email string `json:"email,omitempty"`
}

// Term is one term of a taxonomy that the feed put on a service.
type Term struct {
	Taxonomy string `json:"taxonomy,omitempty"`
	URI      string `json:"uri,omitempty"`
	Code     string `json:"code,omitempty"`
	Name     string `json:"name,omitempty"`
}

// Free reports whether everybody who comes on that day pays nothing. What the feed does
// not say is not free.
func (s *Service) Free(day time.Time) bool {
	pence, all := s.cheapest(day)
	return pence == 0 && all
}

// cheapest gives the least that somebody pays on that day in pence, -1 when the feed
// does not say it in pounds; all reports whether everybody pays that.
func (s *Service) cheapest(day time.Time) (pence int64, all bool) {
	pence, all = -1, true
	for _, c := range s.Costs {
		if !within(day, c.From, c.To) {
			continue
		}
		amount, ok := c.pence()
		switch {
		case !ok:
			all = false
		case pence < 0:
			pence = amount
		case amount != pence:
			all = false
			pence = min(pence, amount)
		}
	}
	return pence, all && pence >= 0
}

// within reports whether a day lies between two dates, either of which may be "".
func within(day time.Time, from, to string) bool {
	d := day.Format(time.DateOnly)
	return (from == "" || from <= d) && (to == "" || d <= to)
}
