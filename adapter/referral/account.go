package referral

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/fhir"
)

// account is what a summary is told from: a referral as it stands after its last event.
type account struct {
	s          *Service
	record     *Record
	events     []Event // oldest first
	activities []Activity
	patient    *fhir.Node   // as known now
	content    *fhir.Node   // the normalised referral
	recorded   []*fhir.Node // what the practice sent, with the request and later
	level      string       // what may be told: SharingSummary or SharingFull
	whole      bool         // for the service itself: everything
	letter     bool         // what a letter says: also of messages, and at SharingCodes
	at         time.Time
}

// happened is an event with what was given.
type happened struct {
	Event
	in Input
}

// tale is what the events of a referral come to.
type tale struct {
	kind      WriteBack // of the last event that files something, WriteNothing when none did
	last      happened  // that event
	plan      *happened
	outcome   *happened // the last, of a correction where there is one
	replaced  *happened // the outcome before that
	filed     []happened
	contacts  []happened
	signposts []happened
	notes     []happened
	question  string // to the practice, while it is open
}

// tell reads the events of a referral.
func (a *account) tell() tale {
	var t tale
	for _, e := range a.events {
		if e.Activity != "" {
			continue
		}
		h := happened{Event: e}
		if len(e.Data) > 0 && json.Unmarshal(e.Data, &h.in) != nil {
			continue
		}
		switch w := h.writes(); w {
		case WriteNothing, WriteMessage:
		default:
			t.kind, t.last = w, h
			t.filed = append(t.filed, h)
		}
		if h.in.Plan != nil {
			t.plan = &h
		}
		if h.in.Outcome != nil {
			t.replaced, t.outcome = t.outcome, &h
		}
		if h.in.Channel != "" {
			t.contacts = append(t.contacts, h)
		}
		if h.in.Signpost != nil {
			t.signposts = append(t.signposts, h)
		}
		if h.in.Note != "" {
			t.notes = append(t.notes, h)
		}
	}
	if a.record.BusinessStatus == "info-requested" {
		t.question = asked(a.events)
	}
	if n := len(a.events); a.letter && n > 0 {
		// what writes a letter and files nothing is a message
		if h := (happened{Event: a.events[n-1]}); json.Unmarshal(h.Data, &h.in) == nil && !h.writes().files() {
			t.kind, t.last = WriteMessage, h
		}
	}
	return t
}

// writes is what the move of an event files: that of the row whose fields were given.
func (h *happened) writes() WriteBack {
	given := h.in.given()
	for i := range Table {
		m := &Table[i]
		if m.ID == h.Move && !slices.ContainsFunc(m.Requires, func(field string) bool { return !given[field] }) {
			return m.Writes
		}
	}
	return WriteNothing
}

// files reports whether a kind of write-back has a summary document. A question to the
// practice has none: it is no milestone of the record.
func (w WriteBack) files() bool { return w != WriteNothing && w != WriteMessage }

// day is a FHIR date, or the day of a dateTime, in words: "2 March 2026", "March 2026".
// What is no date stays as it is.
func day(date string) string {
	date, _, _ = strings.Cut(date, "T")
	for _, form := range [][2]string{{time.DateOnly, "2 January 2006"}, {"2006-01", "January 2006"}} {
		if at, err := time.Parse(form[0], date); err == nil {
			return at.Format(form[1])
		}
	}
	return date
}

// dayOf is the day of a time in words.
func dayOf(at time.Time) string { return at.UTC().Format("2 January 2006") }

// minute is a time to the minute, in words.
func minute(at time.Time) string { return at.UTC().Format("2 January 2006, 15:04 UTC") }

// display is a code of ours in words, the code itself when it is not known.
func (s *Service) display(system, code string) string {
	if known, ok := s.Terminology.Lookup(system, code); ok && known.Display != "" {
		return known.Display
	}
	return strings.ReplaceAll(code, "-", " ")
}

// coded is a code in words with its number: "Not feeling lonely (SNOMED CT 1230392000)".
func (s *Service) coded(c Coded) string {
	if c.Code == "" {
		return c.Text
	}
	if c.System == "" {
		c.System = SystemSNOMED
	}
	words := c.Display
	if known, ok := s.Terminology.Lookup(c.System, c.Code); ok && words == "" {
		words = known.Display
	}
	switch {
	case words == "":
		words = c.Text
	case c.Text != "" && c.Text != words:
		words += ", " + c.Text
	}
	number := c.Code
	if c.System == SystemSNOMED {
		number = "SNOMED CT " + number
	}
	return strings.TrimSpace(words + " (" + number + ")")
}

func (s *Service) codedAll(list []Coded) []string {
	var out []string
	for _, c := range list {
		out = append(out, s.coded(c))
	}
	return out
}

// organisationText names an organisation, with its ODS code.
func (s *Service) organisationText(ods string) string {
	if name := s.Partners.Organisation(ods).Name; name != "" {
		return name + " (" + ods + ")"
	}
	return ods
}
