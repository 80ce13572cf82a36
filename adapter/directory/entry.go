package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The types of entry, as FHIR names them.
const (
	TypeService      = "HealthcareService"
	TypeLocation     = "Location"
	TypeOrganisation = "Organization"
)

// Types lists the types of entry, in alphabetical order.
var Types = []string{TypeService, TypeLocation, TypeOrganisation}

// Entry is a service, location or organisation as it is stored. Entries are told apart
// by type and id. Terms and Places are for finding, and do not come back from the store.
type Entry struct {
	Type      string
	ID        string
	Feed      string
	Version   int       // 1 for the first; one more with each change. The store counts.
	Updated   time.Time // of that version
	Withdrawn time.Time // since when the feed does not have it; zero while it does
	Sort      string    // folded name: the order of lists
	Pence     int64     // the least that somebody pays, -1 when not said
	Listed    string    // what the list of the feed said of it; "" when its details must be read each time
	Digest    string    // of Body and Withdrawn: equal digests are the same version
	Body      []byte    // the Service, Location or Organisation as JSON
	Terms     []EntryTerm
	Places    []Place

	Distance float64 // of a search that is near to something: metres; -1 when it is nowhere
}

// EntryTerm is one value that an entry can be found by.
type EntryTerm struct{ Param, Value string }

// Place is where an entry is.
type Place = Point

// The parameters that entries have terms for. Those with a dot are FHIR's.
const (
	ParamType     = "type"   // the type: every entry
	ParamStatus   = "status" // active, inactive, defunct, temporarily-closed, withdrawn
	ParamKind     = "kind"
	ParamNeed     = "need"
	ParamDay      = "day"
	ParamFree     = "free" // "true"
	ParamAccess   = "accessibility"
	ParamLanguage = "language" // code, and name in lower case
	ParamWord     = "word"
	ParamPlaced   = "placed"   // "false" for a service without any place
	ParamSector   = "sector"   // of locations
	ParamDistrict = "district" // of locations

	ParamActive       = "active"
	ParamIdentifier   = "identifier"
	ParamServiceType  = "service-type"
	ParamLocation     = "location"
	ParamOrganisation = "organization"
)

// StatusWithdrawn is the status of what a feed does not have any more.
const StatusWithdrawn = "withdrawn"

// scoped is the term of a FHIR parameter, which means another thing on each type.
func scoped(kind, param string) string { return kind + "." + param }

// maxWords bounds the words of a service that a search finds.
const maxWords = 60

// tiny are words that say nothing in a search.
var tiny = map[string]bool{"the": true, "and": true, "for": true, "with": true, "are": true, "you": true, "your": true, "our": true, "who": true,
	"can": true, "all": true, "from": true, "that": true, "this": true, "will": true, "have": true, "or": true, "of": true, "to": true, "in": true,
	"is": true, "at": true, "on": true, "we": true, "be": true, "by": true, "an": true, "it": true, "as": true}

// Words takes a text apart into what searches compare: lower case, singular, without
// words that say nothing, each once.
func Words(text string) (out []string) {
	for _, w := range words(text) {
		if len(w) > 1 && len(w) <= 40 && !tiny[w] {
			out = union(out, []string{w})
		}
	}
	return out
}

// entries makes the entries of a service, its locations and its organisation. since is
// when the service was withdrawn, zero when it was not; now decides which costs and
// schedules still hold.
func (v *Vocabulary) entries(s *Service, since, now time.Time) []*Entry {
	out := []*Entry{v.serviceEntry(s, since, now)}
	for i := range s.Locations {
		out = append(out, locationEntry(&s.Locations[i], since))
	}
	if s.Organisation != nil {
		out = append(out, organisationEntry(s.Organisation, since))
	}
	return out
}

func (v *Vocabulary) serviceEntry(s *Service, since, now time.Time) *Entry {
	e := newEntry(TypeService, s.ID, s.Feed, s.Name, s, since)
	e.Pence, _ = s.cheapest(now)
	status := strings.ReplaceAll(s.Status, " ", "-")
	if !since.IsZero() {
		status = StatusWithdrawn
	}
	e.term(ParamStatus, status)
	active := "false"
	if status == StatusActive {
		active = "true"
	}
	e.term(scoped(TypeService, ParamActive), active)
	for _, k := range s.Kinds {
		v.kind(e, k)
		e.token(ParamServiceType, SystemKind, k)
	}
	for _, t := range s.Terms {
		if i := strings.LastIndexAny(t.URI, "/#"); i > 0 {
			e.token(ParamServiceType, t.URI[:i], t.URI[i+1:])
		}
	}
	for _, n := range s.Needs {
		e.term(ParamNeed, n)
	}
	for _, p := range s.Schedules {
		if p.To != "" && p.To < now.Format(time.DateOnly) {
			continue
		}
		for _, d := range p.Days {
			e.term(ParamDay, weekday(d))
		}
	}
	if s.Free(now) {
		e.term(ParamFree, "true")
	}
	for _, l := range s.Languages {
		if l.Code != "" {
			e.term(ParamLanguage, l.Code)
		}
		if l.Name != "" {
			e.term(ParamLanguage, fold(l.Name))
		}
	}
	placed := false
	for i := range s.Locations {
		l := &s.Locations[i]
		e.term(scoped(TypeService, ParamLocation), l.ID)
		for _, a := range l.Accessibility {
			for _, code := range a.Codes {
				e.term(ParamAccess, code)
			}
		}
		if p, ok := l.Point(); ok {
			placed = true
			e.Places = append(e.Places, p)
		}
	}
	if !placed {
		e.term(ParamPlaced, "false")
	}
	e.token(ParamIdentifier, identifierSystem(s.Feed), s.Source)
	text := s.Name
	if o := s.Organisation; o != nil {
		e.term(scoped(TypeService, ParamOrganisation), o.ID)
		text += " " + o.Name
	}
	for _, k := range s.Kinds {
		text += " " + v.Display(SystemKind, k)
	}
	for _, t := range s.Terms {
		text += " " + t.Name
	}
	list := Words(text + " " + s.Description)
	for _, w := range list[:min(len(list), maxWords)] {
		e.term(ParamWord, w)
	}
	return e
}

// kind adds the term of a kind, and those of the kinds that it is part of.
func (v *Vocabulary) kind(e *Entry, code string) {
	if e.term(ParamKind, code) {
		for _, parent := range v.codes.Parents(SystemKind, code) {
			v.kind(e, parent)
		}
	}
}

func locationEntry(l *Location, since time.Time) *Entry {
	e := newEntry(TypeLocation, l.ID, l.Feed, l.Name, l, since)
	e.token(ParamIdentifier, identifierSystem(l.Feed), l.Source)
	if l.UPRN != "" {
		e.token(ParamIdentifier, systemUPRN, l.UPRN)
	}
	if p, ok := l.Point(); ok {
		e.Places = []Place{p}
	}
	if _, sector, district := Postcode(l.Postcode); sector != "" {
		e.term(ParamSector, sector)
		e.term(ParamDistrict, district)
	}
	return e
}

func organisationEntry(o *Organisation, since time.Time) *Entry {
	e := newEntry(TypeOrganisation, o.ID, o.Feed, o.Name, o, since)
	e.token(ParamIdentifier, identifierSystem(o.Feed), o.Source)
	for _, i := range o.Identifiers {
		e.token(ParamIdentifier, schemeSystem(i.Scheme), i.Value)
	}
	active := "true"
	if !since.IsZero() {
		active = "false"
	}
	e.term(scoped(TypeOrganisation, ParamActive), active)
	return e
}

func newEntry(kind, id, feed, name string, body any, since time.Time) *Entry {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // structs of text and numbers: cannot fail
	}
	sum := sha256.New()
	sum.Write(text)
	if !since.IsZero() {
		sum.Write([]byte("withdrawn"))
	}
	e := &Entry{Type: kind, ID: id, Feed: feed, Withdrawn: since, Sort: fold(name), Pence: -1, Body: text, Digest: hex.EncodeToString(sum.Sum(nil))}
	e.term(ParamType, kind)
	return e
}

// term adds a term once, and reports whether it is new.
func (e *Entry) term(param, value string) bool {
	if slices.Contains(e.Terms, EntryTerm{param, value}) {
		return false
	}
	e.Terms = append(e.Terms, EntryTerm{param, value})
	return true
}

// token adds the terms of a FHIR token: code, system|code and system|.
func (e *Entry) token(param, system, code string) {
	param = scoped(e.Type, param)
	e.term(param, code)
	e.term(param, system+"|"+code)
	e.term(param, system+"|")
}

const systemUPRN = "https://fhir.hl7.org.uk/Id/uprn"

// identifierSystem is the system of the ids that a feed gives.
func identifierSystem(feed string) string { return canonical + "/directory/" + feed }

// schemeSystem is the system of a register. Source: https://org-id.guide.
func schemeSystem(scheme string) string {
	if scheme == "" {
		return canonical + "/NamingSystem/register-not-named"
	}
	return "http://org-id.guide/list/" + url.PathEscape(scheme)
}

// revive makes a stored entry one that can be staged again: its body is read and its
// terms are made anew.
func (v *Vocabulary) revive(e *Entry, since, now time.Time) (*Entry, error) {
	var out *Entry
	switch e.Type {
	case TypeService:
		var s Service
		if err := json.Unmarshal(e.Body, &s); err != nil {
			return nil, stored(err)
		}
		out = v.serviceEntry(&s, since, now)
	case TypeLocation:
		var l Location
		if err := json.Unmarshal(e.Body, &l); err != nil {
			return nil, stored(err)
		}
		out = locationEntry(&l, since)
	default:
		var o Organisation
		if err := json.Unmarshal(e.Body, &o); err != nil {
			return nil, stored(err)
		}
		out = organisationEntry(&o, since)
	}
	out.Listed = e.Listed
	return out, nil
}
