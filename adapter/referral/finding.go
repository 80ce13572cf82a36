package referral

import (
	"strings"
	"time"

	"spadapter/adapter/fhir"
)

// Finding is what an Observation, a Flag or a Condition says of the person.
type Finding struct {
	Type         string    `json:"type,omitempty"` // resource type, ServiceRequest for a reason of the referral itself
	Codes        []Coded   `json:"codes,omitempty"`
	Text         string    `json:"text,omitempty"` // the words of the sender, else of the first code
	Value        string    `json:"value,omitempty"`
	ValueCodes   []Coded   `json:"value_codes,omitempty"`
	Absent       *Concept  `json:"absent_reason,omitempty"` // why there is no value
	Denied       bool      `json:"denied,omitempty"`        // asked, and it is not so
	Date         string    `json:"date,omitempty"`          // since when, or when it was seen
	End          string    `json:"end,omitempty"`
	Ended        bool      `json:"ended,omitempty"`  // it held and does no more
	Status       string    `json:"status,omitempty"` // of the record; of a Condition its clinical status
	Verification string    `json:"verification,omitempty"`
	Categories   []Concept `json:"categories,omitempty"`
	Parts        []Finding `json:"parts,omitempty"` // components of an Observation
	Notes        []Note    `json:"notes,omitempty"`
	Reason       bool      `json:"reason,omitempty"`       // the referral names it as its reason
	Safeguarding bool      `json:"safeguarding,omitempty"` // of a risk: it is a safeguarding concern
	Sensitive    bool      `json:"sensitive,omitempty"`    // for whoever supports the person, and nobody else
	Labels       []Coded   `json:"security_labels,omitempty"`
	Reference    string    `json:"reference,omitempty"`
	More         []Detail  `json:"more,omitempty"` // what has no field here
}

// current reports whether a finding is said to be so, now.
func (f *Finding) current() bool { return !f.Ended && !f.Denied }

// coded are all codes that say what a finding is: its own, of its value, of its categories.
func (f *Finding) coded() []Coded {
	out := append(append([]Coded{}, f.Codes...), f.ValueCodes...)
	for _, c := range f.Categories {
		out = append(out, c.Codes...)
	}
	return out
}

// phrases are all words that say what a finding is.
func (f *Finding) phrases() []string {
	out := []string{f.Text, f.Value}
	for _, c := range f.coded() {
		out = append(out, c.Display)
	}
	return out
}

// finding reads an Observation, a Flag or a Condition; More is left for the end.
func (r reading) finding(n *fhir.Node, now time.Time) Finding {
	code := r.concept(n.Child("code"))
	if code == nil {
		code = &Concept{}
	}
	f := Finding{Type: n.ResourceType(), Codes: code.Codes, Text: code.Text, Status: r.text(n, "status"),
		Categories: r.concepts(n.All("category")), Labels: r.codings(n.Child("meta").All("security")), Notes: r.notes(n.All("note"))}
	if id := n.Text("id"); id != "" {
		f.Reference = f.Type + "/" + id
	}
	f.Sensitive = len(f.Labels) > 0
	switch f.Type {
	case "Flag":
		f.Date, f.End = r.period(n.Child("period"))
		f.Ended = f.Status == "inactive"
		for i, c := range f.Categories {
			for j := range c.Codes {
				if c.Codes[j].System == "" { // flags have one list of categories in England
					f.Categories[i].Codes[j].System = systemFlagCategory
				}
			}
		}
	case "Condition":
		f.Status, f.Verification = r.status(n.Child("clinicalStatus")), r.status(n.Child("verificationStatus"))
		if onset := n.Child("onset"); onset != nil && onset.Name == "onsetPeriod" {
			f.Date = r.text(onset, "start") // its end is when it had begun, not when it was over
		} else {
			f.Date, _ = r.period(onset)
		}
		if recorded := n.Child("recordedDate"); f.Date == "" && recorded != nil {
			f.Date = r.text(recorded)
		}
		if abated := n.Child("abatement"); abated != nil {
			f.Ended = true
			if f.End = r.text(abated, "end"); f.End == "" {
				f.End, _ = r.period(abated)
			}
		}
		f.Ended = f.Ended || f.Status == "inactive" || f.Status == "remission" || f.Status == "resolved"
	case "Observation":
		f.Date, f.End = r.period(n.Child("effective"))
		r.value(&f, n)
		for _, part := range n.All("component") {
			p := Finding{}
			if c := r.concept(part.Child("code")); c != nil {
				p.Codes, p.Text = c.Codes, c.Text
			}
			r.value(&p, part)
			f.Parts = append(f.Parts, p)
		}
	}
	f.Ended = f.Ended || past(f.End, now)
	return f
}

// systemFlagCategory is the code system of BaRS for the category of a Flag.
const systemFlagCategory = "https://fhir.nhs.uk/CodeSystem/flag-categories-bars"

// status is the code of a status that the base standard binds to a list of its own.
func (r reading) status(n *fhir.Node) string {
	coding := n.Child("coding")
	if strings.HasPrefix(coding.Text("system"), "http://terminology.hl7.org/CodeSystem/condition-") {
		r.text(coding, "system")
		r.text(coding, "display") // that of the standard
	}
	if code := r.text(coding, "code"); code != "" {
		return code
	}
	return r.text(n, "text")
}

// value reads value[x] in words, or why there is none.
func (r reading) value(f *Finding, n *fhir.Node) {
	f.Absent = r.concept(n.Child("dataAbsentReason"))
	value := n.Child("value")
	switch {
	case value == nil:
	case value.HasValue():
		f.Value = r.text(value)
	case value.Name == "valueCodeableConcept":
		c := r.concept(value)
		f.Value, f.ValueCodes = c.Text, c.Codes
	case value.Name == "valueQuantity":
		f.Value = r.quantity(value)
	case value.Name == "valuePeriod":
		start, end := r.period(value)
		f.Value = start + "/" + end
	case value.Name == "valueRange":
		f.Value = r.quantity(value.Child("low")) + " to " + r.quantity(value.Child("high"))
	}
}

// notes reads Annotations.
func (r reading) notes(list []*fhir.Node) []Note {
	var out []Note
	for _, n := range list {
		note := Note{Text: r.text(n, "text"), Time: r.text(n, "time")}
		if author := n.Child("author"); author != nil {
			if note.Author = author.Value; author.HasValue() {
				r[author] = true
			} else {
				note.Author = r.text(author, "display")
			}
		}
		out = append(out, note)
	}
	return out
}

// past reports whether a FHIR date or dateTime is over; a date is over with its last day.
func past(date string, now time.Time) bool {
	if at, err := time.Parse(time.RFC3339Nano, date); err == nil {
		return at.Before(now)
	}
	today := now.Format(time.DateOnly)
	if len(date) > len(today) || !startsWithYear(date) {
		return false
	}
	return strings.Compare(date, today[:len(date)]) < 0
}

// startsWithYear tells a date from the words or the age that may stand in its place.
func startsWithYear(s string) bool {
	if len(s) != 4 && len(s) != 7 && len(s) != 10 {
		return false
	}
	return strings.Trim(s[:4], "0123456789") == "" && strings.Trim(s[4:], "0123456789-") == ""
}
