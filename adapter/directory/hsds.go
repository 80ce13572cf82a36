package directory

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Fault is something in a feed that is not as it should be. Service and Path may hold
// what the feed says: they are for the operator of this program.
type Fault struct {
	Service string // id of the service in the feed, "" when it has none
	Path    string // such as schedules[0].opens_at
	Words   string
	Left    bool // the whole service is left out
}

// namespace makes the logical ids of this package: UUIDv5 of feed, type and id there.
var namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte(canonical+"/directory"))

func logicalID(feed, kind, source string) string {
	return uuid.NewSHA1(namespace, []byte(feed+"\n"+kind+"\n"+source)).String()
}

// maxID is the longest id that is taken; the standard has UUIDs.
const maxID = 200

// Read makes a Service of the JSON of one service in HSDS-UK 3.0. It is lenient where
// the meaning is plain: numbers as text, days by their names, seconds or none. A service
// whose JSON, id, name or status cannot be used, or whose members have the wrong kind,
// is nil; the faults say why. Parts that say nothing usable are left out, with a note.
//
// Source: HSDS-UK 3.0, service.json, https://docs.openreferraluk.org.
func (v *Vocabulary) Read(feed string, raw []byte, now time.Time) (*Service, []Fault) {
	if !utf8.Valid(raw) {
		return nil, []Fault{{Words: "the text is not UTF-8", Left: true}}
	}
	members, ok := decodeObject(raw)
	if !ok {
		return nil, []Fault{{Words: "this is no JSON object", Left: true}}
	}
	r := &reading{}
	o := object{members, "", r}
	s := &Service{Feed: feed, Source: o.id("service")}
	s.ID = logicalID(feed, TypeService, s.Source)
	s.Name = o.text("name", maxName)
	if s.Name == "" && len(r.faults) == 0 {
		r.fault("name", "a service must have a name")
	}
	s.Status = strings.ReplaceAll(strings.ToLower(o.text("status", 40)), "_", " ")
	if !slices.Contains(Statuses, s.Status) {
		r.fault("status", "status must be active, inactive, defunct or temporarily closed")
	}
	o.details(s)
	o.parts(s, now)
	v.classify(s)
	for i := range r.notes {
		r.notes[i].Service = s.Source
	}
	if len(r.faults) == 0 {
		return s, r.notes
	}
	for i := range r.faults {
		r.faults[i].Service, r.faults[i].Left = s.Source, true
	}
	return nil, r.faults
}

// id gives the id of an object, with a fault when it has none that can be used.
func (o object) id(what string) string {
	id := o.text("id", maxID+1)
	if id == "" {
		o.r.fault(o.at("id"), "a %s must have an id", what)
	} else if utf8.RuneCountInString(id) > maxID {
		o.r.fault(o.at("id"), "an id has at most %d characters", maxID)
		return ""
	}
	return id
}

// details reads what a service has once.
func (o object) details(s *Service) {
	s.Description = o.text("description", maxText)
	s.URL = o.url("url")
	s.Email = o.email("email")
	s.Alert = o.text("alert", maxText)
	s.Accreditations = o.text("accreditations", maxText)
	s.MinimumAge, s.MaximumAge = o.age("minimum_age"), o.age("maximum_age")
	s.Assured, s.Modified = o.date("assured_date"), o.date("last_modified")
	if g, ok := o.object("organization"); ok {
		s.Organisation = g.organisation(s.Feed)
	}
}

func (o object) url(name string) string {
	text := o.text(name, 4096)
	if text == "" {
		return ""
	}
	address := webAddress(text)
	if address == "" {
		o.r.note(o.at(name), "this is no http or https address; it is left out")
	}
	return address
}

func (o object) email(name string) string {
	text := strings.TrimPrefix(o.text(name, 320), "mailto:")
	if text == "" || strings.Count(text, "@") == 1 && !strings.ContainsAny(text, " \n<>\"") {
		return text
	}
	o.r.note(o.at(name), "this is no e-mail address; it is left out")
	return ""
}

func (o object) age(name string) *int {
	text := o.number(name)
	if text == "" {
		return nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0 && f <= 150) {
		o.r.note(o.at(name), "this is no age; it is left out")
		return nil
	}
	years := int(f)
	return &years
}

// date gives the date of a date or dateTime.
func (o object) date(name string) string {
	text := o.text(name, 60)
	if text == "" {
		return ""
	}
	day := text[:min(len(text), len(time.DateOnly))]
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		o.r.note(o.at(name), "a date is written like 2026-02-17; this is left out")
		return ""
	}
	return day
}

// clock gives HH:MM of a time, whose seconds and offset say nothing to who goes there.
func (o object) clock(name string) string {
	text := o.text(name, 40)
	if text == "" {
		return ""
	}
	if i := strings.IndexByte(text, 'T'); i > 0 {
		text = text[i+1:]
	}
	if len(text) == 4 && text[1] == ':' {
		text = "0" + text
	}
	if len(text) >= 5 {
		if _, err := time.Parse("15:04", text[:5]); err == nil {
			return text[:5]
		}
	}
	o.r.note(o.at(name), "a time is written like 09:30; this is left out")
	return ""
}

func (o object) organisation(feed string) *Organisation {
	g := &Organisation{Feed: feed, Source: o.id("organization"), Name: o.text("name", maxName), Description: o.text("description", maxText),
		Email: o.email("email"), URL: o.url("website")}
	if g.URL == "" {
		g.URL = o.url("url")
	}
	g.ID = logicalID(feed, TypeOrganisation, g.Source)
	if g.Name == "" {
		o.r.fault(o.at("name"), "an organization must have a name")
	}
	for _, i := range o.list("organization_identifiers") {
		if value := i.text("identifier", maxID); value != "" {
			g.Identifiers = append(g.Identifiers, Identifier{Scheme: i.text("identifier_scheme", maxID), Type: i.text("identifier_type", maxID), Value: value})
		}
	}
	return g
}
