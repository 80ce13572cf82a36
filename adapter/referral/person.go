package referral

import (
	"strconv"
	"strings"
	"time"

	"spadapter/adapter/fhir"
)

// Person is the patient, as far as the caller may know: the demographics of the record
// standard. What is null or absent is not recorded.
type Person struct {
	NHSNumber string   `json:"nhs_number,omitempty"`
	Name      string   `json:"name"` // to call the person by
	BirthDate string   `json:"birth_date,omitempty"`
	Gender    string   `json:"gender,omitempty"`
	Telecom   []string `json:"telecom,omitempty"`
	Address   string   `json:"address,omitempty"`
	Language  string   `json:"language,omitempty"`

	Restricted    bool           `json:"restricted"` // where the person is must reach nobody else
	Deceased      bool           `json:"deceased"`
	DeceasedOn    string         `json:"deceased_on,omitempty"`
	NumberStatus  *Concept       `json:"nhs_number_status"`
	NumberMissing *Concept       `json:"nhs_number_unavailable_reason,omitempty"`
	Identifiers   []Identity     `json:"identifiers"` // others than the NHS number
	Names         []HumanName    `json:"names"`
	PreferredName *string        `json:"preferred_name"`
	Ethnicity     *Concept       `json:"ethnicity"`
	Religion      *Concept       `json:"religion"`
	Marital       *Concept       `json:"marital_status"`
	Addresses     []Address      `json:"addresses"`
	Points        []ContactPoint `json:"contact_points"`
	Preferred     *Concept       `json:"preferred_contact_method"`
	Times         []string       `json:"preferred_contact_times"`
	Immigration   []Finding      `json:"immigration_status"`
	Withheld      []Withheld     `json:"withheld"`
	Labels        []Coded        `json:"security_labels"`
	More          []Detail       `json:"more"` // what has no field here
}

// Identity is an identifier other than the NHS number.
type Identity struct {
	System string   `json:"system,omitempty"`
	Value  string   `json:"value"`
	Type   *Concept `json:"type,omitempty"`
	Use    string   `json:"use,omitempty"`
}

// HumanName is one name of a person.
type HumanName struct {
	Text     string   `json:"text"`
	Use      string   `json:"use,omitempty"` // usual, official, nickname (the preferred name), old, maiden, temp, anonymous
	Family   string   `json:"family,omitempty"`
	Given    []string `json:"given,omitempty"`
	Prefix   []string `json:"prefix,omitempty"`
	Suffix   []string `json:"suffix,omitempty"`
	Start    string   `json:"start,omitempty"`
	End      string   `json:"end,omitempty"`
	Previous bool     `json:"previous,omitempty"`
}

// Address is one address of a person.
type Address struct {
	Text     string `json:"text"`
	Use      string `json:"use,omitempty"`  // home, temp, work, billing, old
	Type     string `json:"type,omitempty"` // postal, physical, both
	PostCode string `json:"postal_code,omitempty"`
	Start    string `json:"start,omitempty"`
	End      string `json:"end,omitempty"`
	Ended    bool   `json:"ended,omitempty"`
}

// ContactPoint is one way to reach a person.
type ContactPoint struct {
	System    string   `json:"system,omitempty"`
	Other     *Concept `json:"other_system,omitempty"` // such as a textphone
	Value     string   `json:"value"`
	Use       string   `json:"use,omitempty"`
	Rank      int      `json:"rank,omitempty"` // 1 is tried first
	Preferred bool     `json:"preferred,omitempty"`
	Start     string   `json:"start,omitempty"`
	End       string   `json:"end,omitempty"`
	Ended     bool     `json:"ended,omitempty"`
}

// Withheld is something that was sent and is not shown.
type Withheld struct {
	Element string `json:"element"`
	Reason  string `json:"reason"`
}

// Extensions of UK Core that have a field here.
// Source: https://simplifier.net/hl7fhirukcorer4, UKCore-Patient.
const (
	ukCore         = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-"
	extInterpreter = "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired"
	extReligion    = "http://hl7.org/fhir/StructureDefinition/patient-religion"
	extProficiency = "http://hl7.org/fhir/StructureDefinition/patient-proficiency"
)

// person reads what a Patient says of the person by itself: a name, and how to reach them.
func person(n *fhir.Node, now time.Time) Person {
	p := Person{NHSNumber: nhsNumberOf(n.All("identifier")), BirthDate: n.Text("birthDate"), Gender: n.Text("gender"), Language: n.Text("communication", "language", "text")}
	if p.Language == "" {
		p.Language = n.Text("communication", "language", "coding", "display")
	}
	if p.Name = personName(n.All("name"), now); p.Name == "" {
		p.Name = noName
	}
	for _, t := range n.All("telecom") {
		if t.Text("use") != "old" && !past(t.Text("period", "end"), now) {
			p.Telecom = append(p.Telecom, strings.TrimSpace(t.Text("system")+" "+t.Text("value")))
		}
	}
	for _, a := range n.All("address") {
		if a.Text("use") != "old" && !past(a.Text("period", "end"), now) {
			p.Address = addressText(a)
			break
		}
	}
	return p
}

// addressText is an address on one line.
func addressText(a *fhir.Node) string {
	if text := a.Text("text"); text != "" {
		return text
	}
	var parts []string
	for _, line := range a.All("line") {
		parts = append(parts, line.Value)
	}
	for _, part := range []string{"city", "district", "state", "postalCode", "country"} {
		if v := a.Text(part); v != "" {
			parts = append(parts, v)
		}
	}
	return strings.Join(parts, ", ")
}

// noName stands where no name holds now. One of before, which the person may have left
// behind, is among the names alone.
const noName = "name not recorded"

// personName chooses the name to call a person by: the usual or official one, never
// an old one.
func personName(names []*fhir.Node, now time.Time) string {
	var best *fhir.Node
	rank := map[string]int{"usual": 4, "official": 3, "": 2, "nickname": 1, "temp": 1, "anonymous": 1}
	for _, n := range names {
		if r := rank[n.Text("use")]; r > 0 && !past(n.Text("period", "end"), now) && (best == nil || r > rank[best.Text("use")]) {
			best = n
		}
	}
	return nameText(best)
}

// nameText is a name on one line, "" for none.
func nameText(n *fhir.Node) string {
	if text := n.Text("text"); text != "" {
		return text
	}
	var parts []string
	for _, g := range n.All("given") {
		parts = append(parts, g.Value)
	}
	return strings.TrimSpace(strings.Join(append(parts, n.Text("family")), " "))
}

// names reads every name.
func (r reading) names(list []*fhir.Node, now time.Time) []HumanName {
	out := []HumanName{}
	for _, n := range list {
		name := HumanName{Text: nameText(n), Use: r.text(n, "use"), Family: r.text(n, "family"), Given: r.texts(n, "given"),
			Prefix: r.texts(n, "prefix"), Suffix: r.texts(n, "suffix")}
		r.text(n, "text")
		name.Start, name.End = r.period(n.Child("period"))
		name.Previous = name.Use == "old" || name.Use == "maiden" || past(name.End, now)
		out = append(out, name)
	}
	return out
}

// addresses reads every address. An address in words and in parts is shown as both.
func (r reading) addresses(list []*fhir.Node, now time.Time) []Address {
	out := []Address{}
	for _, n := range list {
		a := Address{Text: addressText(n), Use: r.text(n, "use"), Type: r.text(n, "type")}
		if a.PostCode = n.Text("postalCode"); a.PostCode != "" {
			r.text(n, "postalCode")
		}
		r.text(n, "text")
		if n.Text("text") == "" {
			r.texts(n, "line")
			for _, part := range []string{"city", "district", "state", "country"} {
				r.text(n, part)
			}
		}
		a.Start, a.End = r.period(n.Child("period"))
		a.Ended = a.Use == "old" || past(a.End, now)
		out = append(out, a)
	}
	return out
}

// points reads every way to reach somebody.
func (r reading) points(list []*fhir.Node, now time.Time) []ContactPoint {
	out := []ContactPoint{}
	for _, n := range list {
		p := ContactPoint{System: r.text(n, "system"), Value: r.text(n, "value"), Use: r.text(n, "use")}
		p.Rank, _ = strconv.Atoi(r.text(n, "rank"))
		p.Preferred = p.Rank == 1
		p.Start, p.End = r.period(n.Child("period"))
		p.Ended = p.Use == "old" || past(p.End, now)
		for _, at := range []*fhir.Node{n, n.Child("system")} { // UK Core says the second, senders do the first
			if e := r.extension(at, ukCore+"OtherContactSystem"); e != nil {
				p.Other = r.concept(e.Child("value"))
			}
		}
		out = append(out, p)
	}
	return out
}

// extension finds an extension and notes that it was; nil when there is none.
func (r reading) extension(n *fhir.Node, url string) *fhir.Node {
	for _, e := range n.All("extension") {
		if e.Text("url") == url {
			r.text(e, "url")
			return e
		}
	}
	return nil
}
