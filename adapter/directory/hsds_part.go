package directory

import (
	"strconv"
	"strings"
	"time"
)

// parts reads what a service has many times.
func (o object) parts(s *Service, now time.Time) {
	for _, p := range o.list("phones") {
		s.Phones = union(s.Phones, p.phone())
	}
	for _, c := range o.list("contacts") {
		contact := Contact{Name: c.text("name", maxName), Title: c.text("title", maxName), Email: c.email("email")}
		if contact != (Contact{}) {
			s.Contacts = append(s.Contacts, contact)
		}
		for _, p := range c.list("phones") {
			s.Phones = union(s.Phones, p.phone())
		}
	}
	for _, p := range o.list("schedules") {
		o.schedule(s, p, "")
	}
	for _, a := range o.list("service_areas") {
		name := a.text("name", maxName)
		if name == "" {
			name = a.text("service_area", maxName)
		}
		if name != "" {
			s.Areas = union(s.Areas, []string{name})
		}
	}
	for _, c := range o.list("cost_options") {
		c.cost(s)
	}
	for _, l := range o.list("languages") {
		language := Language{Code: strings.ToLower(strings.TrimSpace(l.text("code", 40))), Name: l.text("name", maxName)}
		if language.Name == "" {
			language.Name = l.text("language", maxName)
		}
		if language != (Language{}) {
			s.Languages = append(s.Languages, language)
		}
	}
	for _, a := range o.list("attributes") {
		a.term(s)
	}
	for i, at := range o.list("service_at_locations") {
		at.place(s, i)
	}
}

func (o object) phone() []string {
	number := o.text("number", 80)
	if number == "" {
		return nil
	}
	if extension := o.number("extension"); extension != "" {
		number += " ext " + extension
	}
	return []string{number}
}

// schedule adds a schedule that says something.
func (object) schedule(s *Service, o object, place string) {
	p := Schedule{
		Frequency: strings.ToUpper(o.text("freq", 40)), Opens: o.clock("opens_at"), Closes: o.clock("closes_at"),
		From: o.date("valid_from"), To: o.date("valid_to"), Start: o.date("dtstart"),
		Description: o.text("description", maxText), Attending: o.text("attending_type", maxName), Place: place,
	}
	if notes := o.text("notes", maxText); notes != "" && p.Description == "" {
		p.Description = notes
	}
	if p.Frequency != "" && p.Frequency != "WEEKLY" && p.Frequency != "MONTHLY" {
		o.r.note(o.at("freq"), "freq is WEEKLY or MONTHLY; this is left out")
		p.Frequency = ""
	}
	if text := o.number("interval"); text != "" {
		if n, err := strconv.Atoi(text); err == nil && n > 0 && n < 1000 {
			p.Interval = n
		} else {
			o.r.note(o.at("interval"), "an interval is a whole number from 1; this is left out")
		}
	}
	for part := range strings.SplitSeq(o.text("byday", 400), ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		day, ok := readDay(part)
		if !ok {
			o.r.note(o.at("byday"), "byday has days like MO,TU or 2MO; one is left out")
			continue
		}
		p.Days = union(p.Days, []string{day})
	}
	if p.Days == nil && p.Start != "" && p.Frequency == "WEEKLY" {
		if start, err := time.Parse(time.DateOnly, p.Start); err == nil { // RFC 5545: the day of DTSTART
			p.Days = []string{Weekdays[(int(start.Weekday())+6)%7]}
		}
	}
	for part := range strings.SplitSeq(o.text("bymonthday", 400), ",") {
		if n, err := strconv.Atoi(strings.TrimSpace(part)); err == nil && n >= -31 && n <= 31 && n != 0 && p.Frequency == "MONTHLY" && len(p.MonthDays) < 31 {
			p.MonthDays = append(p.MonthDays, n)
		}
	}
	if p.Words() != "" {
		s.Schedules = append(s.Schedules, p)
	}
}

func (o object) cost(s *Service) {
	c := CostOption{Option: o.text("option", maxName), Amount: o.number("amount"), Currency: strings.ToUpper(o.text("currency", 40)),
		Description: o.text("amount_description", maxName), From: o.date("valid_from"), To: o.date("valid_to")}
	if c.Amount != "" {
		if _, ok := Pence(c.Amount); !ok {
			o.r.note(o.at("amount"), "this is no amount; it is left out")
			c.Amount = ""
		}
	}
	if c.Currency == "£" || c.Currency == "GBP" {
		c.Currency = ""
	}
	if c != (CostOption{}) {
		s.Costs = append(s.Costs, c)
	}
}

// term reads an attribute, whose term most feeds nest and some do not.
func (o object) term(s *Service) {
	t, nested := o.object("taxonomy_term")
	if !nested {
		t = o
	}
	term := Term{URI: t.text("term_uri", 1000), Code: t.text("code", maxID), Name: t.text("name", maxName)}
	// in HSDS-UK 3.0 a term may stand in "term", in "name", or in both
	if name := t.text("term", maxName); term.Name == "" {
		term.Name = name
	}
	if detail, ok := t.members["taxonomy_detail"].(map[string]any); ok {
		term.Taxonomy = object{detail, t.at("taxonomy_detail"), o.r}.text("name", maxName)
	}
	if text, ok := t.members["taxonomy"].(string); ok && term.Taxonomy == "" {
		term.Taxonomy = plain(text, maxName)
	}
	if term.Name != "" || term.URI != "" || term.Code != "" {
		s.Terms = append(s.Terms, term)
	}
}

// place reads one service_at_location: where, and when there.
func (o object) place(s *Service, number int) {
	l, ok := o.object("location")
	id := ""
	if ok {
		location := l.location(s, number)
		id = location.ID
		s.Locations = append(s.Locations, location)
	}
	for _, p := range o.list("schedules") {
		o.schedule(s, p, id)
	}
	for _, p := range o.list("phones") {
		s.Phones = union(s.Phones, p.phone())
	}
}

func (o object) location(s *Service, number int) Location {
	l := Location{Feed: s.Feed, Source: o.text("id", maxID), Name: o.text("name", maxName), Description: o.text("description", maxText),
		Latitude: o.number("latitude"), Longitude: o.number("longitude")}
	if l.Source == "" {
		l.Source = s.Source + "/" + strconv.Itoa(number) // of no use elsewhere, as it names nothing there
	}
	l.ID = logicalID(s.Feed, TypeLocation, l.Source)
	if l.Latitude != "" || l.Longitude != "" {
		if _, ok := l.Point(); !ok {
			o.r.note(o.at("latitude"), "latitude and longitude are no place on the globe; they are left out")
			l.Latitude, l.Longitude = "", ""
		}
	}
	if strings.EqualFold(o.text("external_identifier_type", 80), "UPRN") {
		l.UPRN = o.text("external_identifier", 40)
	}
	for i, a := range o.list("addresses") {
		if i > 0 && a.text("address_type", 40) != "physical" {
			continue
		}
		l.Lines = nil
		for _, name := range []string{"attention", "address_1", "address_2"} {
			if line := a.text(name, maxName); line != "" {
				l.Lines = append(l.Lines, line)
			}
		}
		l.City, l.Region, l.Country = a.text("city", maxName), a.text("region", maxName), a.text("country", maxName)
		if l.Region == "" {
			l.Region = a.text("state_province", maxName)
		}
		l.Postcode = a.text("postal_code", 40)
		if usual, _, _ := Postcode(l.Postcode); usual != "" {
			l.Postcode = usual
		}
	}
	for _, a := range o.list("accessibility") {
		text := a.text("description", maxText)
		if text == "" {
			text = a.text("accessibility", maxText)
		}
		if details := a.text("details", maxText); details != "" && details != text {
			text = strings.TrimSpace(text + "\n" + details)
		}
		if text != "" {
			l.Accessibility = append(l.Accessibility, Accessibility{Text: text})
		}
	}
	return l
}
