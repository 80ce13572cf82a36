package main

import (
	"fmt"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// synthetic says what is in a made-up referral: a transaction Bundle in UK Core R4, as
// a GP system sends it. Nobody in it exists: the NHS number is of the range 999 that is
// never given out, telephone numbers are of the ranges kept for drama, and the postcode
// is the pseudo-postcode of an address that is not known.
// Source: https://digital.nhs.uk/services/personal-demographics-service,
// https://www.ofcom.org.uk/phones-and-broadband/phone-numbers/numbers-for-drama.
type synthetic struct {
	practice, practiceName string // ODS code of the sender
	nhsNumber              string
	family, birthDate      string
	telephone              string // the last three digits
	identifier             string // of the ServiceRequest, unique for the practice
	uuid                   func(entry int) string
	observations           []syntheticObservation
}

// syntheticObservation is a score of an instrument, or with score "" a finding that is so.
type syntheticObservation struct {
	system, code, display string
	score                 string
	quantity              bool // valueQuantity in {score}, else valueInteger
}

// ons4 is an Observation of an ONS4 question.
func ons4(code, display, value string) syntheticObservation {
	return syntheticObservation{system: referral.SystemInstrument, code: code, display: display, score: value}
}

// The Observations of the demo; a referral of the benchmark has the first, the fifth and the last.
var syntheticObservations = []syntheticObservation{
	ons4("ons4-satisfaction", "ONS4 life satisfaction", "4"),
	ons4("ons4-worthwhile", "ONS4 feeling that the things done in life are worthwhile", "5"),
	ons4("ons4-happy", "ONS4 happiness yesterday", "4"),
	ons4("ons4-anxious", "ONS4 anxiety yesterday", "7"),
	{system: referral.SystemSNOMED, code: "718466001", display: "Short Warwick-Edinburgh Mental Well-being Scale score", score: "17", quantity: true},
	{system: referral.SystemSNOMED, code: "105529008", display: "Lives alone"},
}

// demoReferral is the message of the demo, 11 entries: four ONS4 scores, SWEMWBS and
// "Lives alone". It is always the same, and testdata/referral.json shows it.
func demoReferral() []byte {
	s := synthetic{
		practice: demoPractice, practiceName: demoPracticeName,
		nhsNumber: "9991204172", family: "Fairweather", birthDate: "1949-05-14", telephone: "417", identifier: "MB-2026-000417",
		uuid:         func(entry int) string { return fmt.Sprintf("6f1d7c52-0b7e-4c1a-9a53-2d8c5e9041%02x", entry+1) },
		observations: syntheticObservations,
	}
	return fhir.EncodeIndent(s.bundle())
}

// Entries of every synthetic referral; the Observations follow.
const (
	patientEntry = iota
	practitionerEntry
	roleEntry
	organisationEntry
	requestEntry
	firstObservation
)

const (
	syntheticTime = "2026-02-17T10:42:00+00:00"
	ukCore        = "https://fhir.hl7.org.uk/"
)

// bundle makes the message.
func (s *synthetic) bundle() *fhir.Node {
	b := fhir.Types(fhir.R4).New("Bundle")
	b.Set("type", "transaction")
	for i, resource := range append([]*fhir.Node{s.patient(), s.practitioner(), s.role(), s.organisation(), s.request()}, s.findings()...) {
		entry := b.Add("entry")
		entry.Set("fullUrl", s.url(i))
		entry.Append("resource", resource)
		request := entry.Add("request")
		request.Set("method", "POST")
		request.Set("url", resource.ResourceType())
	}
	return b
}

func (s *synthetic) url(entry int) string { return "urn:uuid:" + s.uuid(entry) }

func (s *synthetic) patient() *fhir.Node {
	p := fhir.Types(fhir.R4).New("Patient")
	id := p.Add("identifier")
	status := id.Add("extension")
	status.Set("url", ukCore+"StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus")
	setCode(status.Add("valueCodeableConcept"), ukCore+"CodeSystem/UKCore-NHSNumberVerificationStatusEngland", "01", "Number present and verified")
	id.Set("system", referral.SystemNHSNumber)
	id.Set("value", s.nhsNumber)
	p.Set("active", "true")
	addName(p, s.family, "Dorothy", "Mrs")
	addTelecom(p, "07700 900"+s.telephone, "mobile")
	p.Set("gender", "female")
	p.Set("birthDate", s.birthDate)
	address := p.Add("address")
	address.Set("use", "home")
	address.Set("line", "Flat 2, 14 Weir Lane")
	address.Set("city", "Millbrook")
	address.Set("postalCode", "ZZ99 3WZ")
	p.Add("generalPractitioner").Set("reference", s.url(organisationEntry))
	return p
}

func (s *synthetic) practitioner() *fhir.Node {
	p := fhir.Types(fhir.R4).New("Practitioner")
	addIdentifier(p, ukCore+"Id/gmc-number", "C9999917")
	addName(p, "Okafor", "Ngozi", "Dr")
	return p
}

func (s *synthetic) role() *fhir.Node {
	r := fhir.Types(fhir.R4).New("PractitionerRole")
	r.Set("active", "true")
	r.Add("practitioner").Set("reference", s.url(practitionerEntry))
	r.Add("organization").Set("reference", s.url(organisationEntry))
	setCode(r.Add("code"), ukCore+"CodeSystem/UKCore-SDSJobRoleName", "R0260", "General Medical Practitioner")
	return r
}

func (s *synthetic) organisation() *fhir.Node {
	o := fhir.Types(fhir.R4).New("Organization")
	addIdentifier(o, referral.SystemODS, s.practice)
	o.Set("active", "true")
	o.Set("name", s.practiceName)
	addTelecom(o, "01632 960100", "work")
	return o
}

func (s *synthetic) request() *fhir.Node {
	r := fhir.Types(fhir.R4).New("ServiceRequest")
	addIdentifier(r, "https://millbrook.example/referrals", s.identifier)
	r.Set("status", "active")
	r.Set("intent", "order")
	setCode(r.Add("category"), referral.SystemSNOMED, "306206005", "Referral to service")
	r.Set("priority", "routine")
	setCode(r.Add("code"), referral.SystemSNOMED, referral.CodeReferral, "Referral to social prescribing service")
	r.Add("subject").Set("reference", s.url(patientEntry))
	r.Set("authoredOn", syntheticTime)
	r.Add("requester").Set("reference", s.url(roleEntry))
	lonely := r.Add("reasonCode")
	setCode(lonely, referral.SystemSNOMED, "422650009", "Social isolation")
	lonely.Set("text", "Sees nobody from one week to the next since her sister moved away")
	setCode(r.Add("reasonCode"), referral.SystemSNOMED, "81877007", "Housing problems")
	for i := range s.observations {
		r.Add("supportingInfo").Set("reference", s.url(firstObservation+i))
	}
	note := r.Add("note")
	note.Set("time", syntheticTime)
	note.Set("text", "Would like company and a reason to go out. Damp in the bedroom; the landlord has not answered. Please ring after ten, she is slow to the phone.")
	return r
}

func (s *synthetic) findings() []*fhir.Node {
	list := make([]*fhir.Node, len(s.observations))
	for i, o := range s.observations {
		n := fhir.Types(fhir.R4).New("Observation")
		n.Set("status", "final")
		if o.score == "" {
			setCode(n.Add("category"), "http://terminology.hl7.org/CodeSystem/observation-category", "social-history", "Social History")
		} else {
			setCode(n.Add("category"), "http://terminology.hl7.org/CodeSystem/observation-category", "survey", "Survey")
		}
		setCode(n.Add("code"), o.system, o.code, o.display)
		n.Add("subject").Set("reference", s.url(patientEntry))
		n.Set("effectiveDateTime", syntheticTime[:len("2026-02-17")])
		n.Add("performer").Set("reference", s.url(roleEntry))
		switch {
		case o.score == "":
			n.Set("valueBoolean", "true")
		case o.quantity:
			q := n.Add("valueQuantity")
			q.Set("value", o.score)
			q.Set("unit", "score")
			q.Set("system", "http://unitsofmeasure.org")
			q.Set("code", "{score}")
		default:
			n.Set("valueInteger", o.score)
		}
		list[i] = n
	}
	return list
}

// setCode fills a CodeableConcept with one coding.
func setCode(concept *fhir.Node, system, value, display string) {
	c := concept.Add("coding")
	c.Set("system", system)
	c.Set("code", value)
	c.Set("display", display)
}

func addIdentifier(n *fhir.Node, system, value string) {
	i := n.Add("identifier")
	i.Set("system", system)
	i.Set("value", value)
}

func addName(n *fhir.Node, family, given, prefix string) {
	h := n.Add("name")
	h.Set("use", "official")
	h.Set("family", family)
	h.Set("given", given)
	h.Set("prefix", prefix)
}

func addTelecom(n *fhir.Node, number, use string) {
	t := n.Add("telecom")
	t.Set("system", "phone")
	t.Set("value", number)
	t.Set("use", use)
}
