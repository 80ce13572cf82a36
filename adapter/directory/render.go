package directory

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"spadapter/adapter/fhir"
)

// The extensions of what FHIR R4 has no element for.
const (
	extAssured = canonical + "/StructureDefinition/assured-date"  // valueDate on HealthcareService
	extStale   = canonical + "/StructureDefinition/stale-warning" // valueString on HealthcareService: as of the answer
)

// Resource renders an entry as FHIR R4, with its version. Errors: exception.
//
// Source: http://hl7.org/fhir/R4/healthcareservice.html, location.html, organization.html;
// https://docs.openreferral.org.
func (d *Directory) Resource(e *Entry) (*fhir.Node, error) {
	root := fhir.Types(fhir.R4).New(e.Type)
	root.Set("id", e.ID)
	meta := root.Add("meta")
	meta.Set("versionId", strconv.Itoa(e.Version))
	meta.Set("lastUpdated", e.Updated.UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	switch e.Type {
	case TypeService:
		s, err := e.Service()
		if err != nil {
			return nil, err
		}
		d.renderService(root, s, e)
	case TypeLocation:
		var l Location
		if err := json.Unmarshal(e.Body, &l); err != nil {
			return nil, stored(err)
		}
		renderLocation(root, &l, e)
	default:
		var o Organisation
		if err := json.Unmarshal(e.Body, &o); err != nil {
			return nil, stored(err)
		}
		renderOrganisation(root, &o, e)
	}
	return root, nil
}

func (d *Directory) renderService(root *fhir.Node, s *Service, e *Entry) {
	if s.Assured != "" {
		x := root.Add("extension")
		x.Set("url", extAssured)
		x.Set("valueDate", s.Assured)
	}
	now := d.now()
	if stale, words := s.Stale(now, d.StaleAfter); stale {
		x := root.Add("extension")
		x.Set("url", extStale)
		x.Set("valueString", words)
	}
	addIdentifier(root, identifierSystem(s.Feed), s.Source)
	root.Set("active", strconv.FormatBool(s.Status == StatusActive && e.Withdrawn.IsZero()))
	if s.Organisation != nil {
		refer(root.Add("providedBy"), TypeOrganisation, s.Organisation.ID, s.Organisation.Name)
	}
	for _, k := range s.Kinds {
		addCoding(root.Add("type"), SystemKind, k, d.Vocabulary.Display(SystemKind, k))
	}
	for _, t := range s.Terms {
		concept := root.Add("type")
		if i := strings.LastIndexAny(t.URI, "/#"); i > 0 && codeLike(t.URI[i+1:]) && fhir.Lexical("uri", t.URI[:i]) {
			addCoding(concept, t.URI[:i], t.URI[i+1:], t.Name)
		}
		text := t.Name
		if text == "" {
			text = t.URI + t.Code
		}
		concept.Set("text", text)
	}
	for i := range s.Locations {
		refer(root.Add("location"), TypeLocation, s.Locations[i].ID, s.Locations[i].Name)
	}
	root.Set("name", s.Name)
	root.Set("comment", s.Description)
	root.Set("extraDetails", extra(s))
	addTelecom(root, "url", s.URL)
	addTelecom(root, "email", s.Email)
	for _, p := range s.Phones {
		addTelecom(root, "phone", p)
	}
	for _, a := range s.Areas {
		root.Add("coverageArea").Set("display", a)
	}
	d.renderTerms(root, s, now)
	renderTimes(root, s)
}

// codeLike reports whether text can be a FHIR code.
func codeLike(text string) bool { return text != "" && fhir.Lexical("code", text) }

// renderTerms says under which terms one may come.
func (d *Directory) renderTerms(root *fhir.Node, s *Service, now time.Time) {
	const provision = "http://terminology.hl7.org/CodeSystem/service-provision-conditions"
	if pence, _ := s.cheapest(now); s.Free(now) {
		addCoding(root.Add("serviceProvisionCode"), provision, "free", "Free")
	} else if pence >= 0 {
		addCoding(root.Add("serviceProvisionCode"), provision, "cost", "Fees apply")
	}
	if words := ages(s); words != "" {
		root.Add("eligibility").Add("code").Set("text", words)
	}
	var access []string
	for _, l := range s.Locations {
		for _, a := range l.Accessibility {
			access = union(access, a.Codes)
		}
	}
	for _, code := range access {
		addCoding(root.Add("characteristic"), SystemAccessibility, code, d.Vocabulary.Display(SystemAccessibility, code))
	}
	for _, l := range s.Languages {
		c := root.Add("communication")
		if codeLike(l.Code) {
			addCoding(c, "urn:ietf:bcp:47", l.Code, l.Name)
		}
		c.Set("text", l.Name)
	}
}

// ages says who may come by age, "" for everybody.
func ages(s *Service) string {
	switch low, high := s.MinimumAge, s.MaximumAge; {
	case low != nil && high != nil:
		return "Age " + strconv.Itoa(*low) + " to " + strconv.Itoa(*high)
	case low != nil && *low > 0:
		return "Age " + strconv.Itoa(*low) + " and over"
	case high != nil:
		return "Age up to " + strconv.Itoa(*high)
	}
	return ""
}

// extra gathers what has no element: alerts, costs in words, accreditations.
func extra(s *Service) string {
	var lines []string
	if s.Alert != "" {
		lines = append(lines, s.Alert)
	}
	for _, c := range s.Costs {
		lines = append(lines, c.words())
	}
	if s.Accreditations != "" {
		lines = append(lines, "Accreditations: "+s.Accreditations)
	}
	for _, l := range s.Locations {
		for _, a := range l.Accessibility {
			lines = append(lines, "Access: "+a.Text)
		}
	}
	return strings.Join(lines, "\n\n")
}

// words says a cost: "Adults: £3.50 a session".
func (c CostOption) words() string {
	text := c.Option
	if c.Amount != "" {
		amount := c.Amount + " " + c.Currency
		if pence, ok := c.pence(); ok && pence == 0 {
			amount = "free"
		} else if ok {
			amount = "£" + pounds(pence)
		}
		if text != "" {
			text += ": "
		}
		text += amount
	}
	if c.Description != "" {
		text = strings.TrimSpace(text + " " + c.Description)
	}
	return "Cost: " + text
}

var fhirDays = map[string]string{"MO": "mon", "TU": "tue", "WE": "wed", "TH": "thu", "FR": "fri", "SA": "sat", "SU": "sun"}

// renderTimes gives what holds every week as availableTime, the rest in words: FHIR R4
// cannot say the second Tuesday of the month.
func renderTimes(root *fhir.Node, s *Service) {
	var rest []string
	for _, p := range s.Schedules {
		if !p.everyWeek() || p.From != "" || p.To != "" {
			rest = append(rest, p.Words())
			continue
		}
		t := root.Add("availableTime")
		for _, d := range p.Days {
			day := fhir.NewPrimitive(memberType(t, "daysOfWeek"), fhirDays[d])
			t.Append("daysOfWeek", day)
		}
		if p.Opens != "" {
			t.Set("availableStartTime", p.Opens+":00")
		}
		if p.Closes != "" {
			t.Set("availableEndTime", p.Closes+":00")
		}
	}
	rest = slices.Compact(rest)
	root.Set("availabilityExceptions", strings.Join(rest, "; "))
}

func memberType(n *fhir.Node, name string) *fhir.Type {
	m, _ := n.Type.Member(name)
	return m.Type
}

func renderLocation(root *fhir.Node, l *Location, e *Entry) {
	addIdentifier(root, identifierSystem(l.Feed), l.Source)
	addIdentifier(root, systemUPRN, l.UPRN)
	status := "active"
	if !e.Withdrawn.IsZero() {
		status = "inactive"
	}
	root.Set("status", status)
	root.Set("name", l.Name)
	description := l.Description
	for _, a := range l.Accessibility {
		description = strings.TrimSpace(description + "\n" + a.Text)
	}
	root.Set("description", description)
	root.Set("mode", "instance")
	if len(l.Lines) > 0 || l.City != "" || l.Postcode != "" {
		a := root.Add("address")
		for _, line := range l.Lines {
			a.Append("line", fhir.NewPrimitive(memberType(a, "line"), line))
		}
		a.Set("city", l.City)
		a.Set("district", l.Region)
		a.Set("postalCode", l.Postcode)
		a.Set("country", l.Country)
	}
	if _, ok := l.Point(); ok {
		p := root.Add("position")
		p.Set("longitude", plainDecimal(l.Longitude))
		p.Set("latitude", plainDecimal(l.Latitude))
	}
}

func renderOrganisation(root *fhir.Node, o *Organisation, e *Entry) {
	addIdentifier(root, identifierSystem(o.Feed), o.Source)
	for _, i := range o.Identifiers {
		if n := addIdentifier(root, schemeSystem(i.Scheme), i.Value); n != nil && i.Type != "" {
			n.Add("type").Set("text", i.Type)
		}
	}
	root.Set("active", strconv.FormatBool(e.Withdrawn.IsZero()))
	root.Set("name", o.Name)
	addTelecom(root, "url", o.URL)
	addTelecom(root, "email", o.Email)
}

func addIdentifier(root *fhir.Node, system, value string) *fhir.Node {
	if value == "" {
		return nil
	}
	n := root.Add("identifier")
	n.Set("system", system)
	n.Set("value", value)
	return n
}

func addCoding(concept *fhir.Node, system, code, display string) {
	n := concept.Add("coding")
	n.Set("system", system)
	n.Set("code", code)
	n.Set("display", display)
}

func addTelecom(root *fhir.Node, system, value string) {
	if value == "" {
		return
	}
	n := root.Add("telecom")
	n.Set("system", system)
	n.Set("value", value)
}

func refer(n *fhir.Node, kind, id, display string) {
	n.Set("reference", kind+"/"+id)
	n.Set("display", display)
}

// plainDecimal writes a number that a JSON reader would take in the form of a FHIR
// decimal, keeping its digits.
func plainDecimal(text string) string {
	text = strings.TrimPrefix(text, "+")
	if strings.HasPrefix(text, ".") {
		text = "0" + text
	}
	text = strings.Replace(text, "-.", "-0.", 1)
	text = strings.TrimSuffix(text, ".")
	if fhir.Lexical("decimal", text) && json.Valid([]byte(text)) {
		return text
	}
	f, _ := strconv.ParseFloat(text, 64) // leading zeros and the like
	return strconv.FormatFloat(f, 'f', -1, 64)
}
