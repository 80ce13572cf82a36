package main

import (
	"fmt"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// supply makes of a published message the social prescribing referral that it could be: what a
// fragment, or an example of another field, lacks is put in. Nothing of it is taken away, and
// nothing changed but an NHS number that can be none, as templates have, and relative references
// to what is not there, which get an address. The same message gives the same one.
type supply struct {
	judge  *judge
	system *fhir.System
	bundle *fhir.Node
	index  *fhir.Index
	alone  bool     // the Bundle was made here
	person string   // the reference to whom the referral is about
	note   []string // what was put in, in the order that it was, each once
}

// What is put in. Nobody in it exists; the NHS number is of the range 999.
const (
	suppliedNumber   = "9990000018"
	suppliedPerson   = "supplied-patient"
	suppliedPractice = "supplied-organisation"
	suppliedBase     = "https://sender.example/fhir/"
	suppliedUseCase  = "a5t1" // what ADAPTER_BARS_USE_CASES is without a setting
	systemUseCase    = "https://fhir.nhs.uk/CodeSystem/usecases-categories-bars"
)

// suppliedTypes are resources that are put in where a reference leads to none: what each must
// say to be taken. What is of another type is taken to be at the sender's.
var suppliedTypes = map[string]func(s *supply, n *fhir.Node){
	"Patient":           (*supply).patient,
	"Organization":      (*supply).organisation,
	"Practitioner":      func(_ *supply, n *fhir.Node) { n.Add("name").Set("family", "Supplied") },
	"PractitionerRole":  func(_ *supply, n *fhir.Node) { n.Set("active", "true") },
	"RelatedPerson":     func(s *supply, n *fhir.Node) { n.Add("patient").Set("reference", s.person) },
	"HealthcareService": func(_ *supply, n *fhir.Node) { n.Set("name", "Supplied") },
	"Location":          func(_ *supply, n *fhir.Node) { n.Set("name", "Supplied") },
}

// supplied puts into a message what it lacks. root hangs nowhere else and is changed; request
// is the referral in it that is meant, by its place among them. The second result says in a
// few words what was put in.
func (j *judge) supplied(root *fhir.Node, request int) (*fhir.Node, []string) {
	s := &supply{judge: j, system: root.System(), bundle: root}
	if root.ResourceType() != "Bundle" {
		s.wrap(root)
	}
	r := requestsOf(s.bundle)[request]
	s.index = fhir.NewIndex(s.bundle)
	s.request(r)
	s.references(r)
	return s.bundle, s.note
}

func (s *supply) put(what string) {
	if !slices.Contains(s.note, what) {
		s.note = append(s.note, what)
	}
}

// requestsOf are the referrals of a message, in its order.
func requestsOf(root *fhir.Node) []*fhir.Node {
	switch root.ResourceType() {
	case "ServiceRequest", "ReferralRequest":
		return []*fhir.Node{root}
	}
	var list []*fhir.Node
	for _, e := range root.All("entry") {
		if n := e.Child("resource"); n.ResourceType() == "ServiceRequest" || n.ResourceType() == "ReferralRequest" {
			list = append(list, n)
		}
	}
	return list
}

// wrap makes the Bundle that a resource is sent in together with others.
func (s *supply) wrap(root *fhir.Node) {
	s.bundle = fhir.New(s.system.Resource("Bundle"))
	kind := "transaction"
	if s.system == fhir.Types(fhir.STU3) {
		kind = "collection"
	}
	s.bundle.Set("type", kind)
	s.alone = true
	s.enter(root.Clone(), s.url(root.ResourceType(), root.Text("id")))
}

// url is the fullUrl of an entry: in a message a UUID, as every entry of one has; in a Bundle that
// was made here an address at the sender's; "" in any other, where type and id are enough.
func (s *supply) url(resourceType, id string) string {
	switch {
	case s.bundle.Text("type") == "message", s.alone && id == "":
		return fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", len(s.bundle.All("entry")))
	case s.alone:
		return suppliedBase + resourceType + "/" + id
	}
	return ""
}

// enter appends an entry.
func (s *supply) enter(n *fhir.Node, fullURL string) {
	e := s.bundle.Add("entry")
	e.Set("fullUrl", fullURL)
	e.Append("resource", n)
	if s.bundle.Text("type") == "transaction" {
		q := e.Add("request")
		q.Set("method", "POST")
		q.Set("url", n.ResourceType())
	}
}

// request puts in what the referral itself must say.
func (s *supply) request(r *fhir.Node) {
	for _, must := range []struct{ name, text string }{{"status", "active"}, {"intent", "order"}} {
		if r.Child(must.name) == nil {
			r.Set(must.name, must.text)
			s.put(must.name)
		}
	}
	s.code(r)
	if s.bundle.Text("type") == "message" {
		s.useCase(r)
	}
	subject := r.Child("subject")
	if subject == nil {
		subject = r.Add("subject")
	}
	if s.person = subject.Text("reference"); s.person == "" && subject.Child("identifier") == nil {
		s.person = s.somebody(r)
		subject.Set("reference", s.person)
		s.put("subject")
	}
	if r.Child("requester") == nil {
		to := r.Add("requester")
		if s.system == fhir.Types(fhir.STU3) {
			to = to.Add("agent")
		}
		to.Set("reference", "Organization/"+suppliedPractice)
		s.put("requester")
	}
}

// code puts the national code where a referral of the version has its own.
func (s *supply) code(r *fhir.Node) {
	name, set, from := "code", ownValueSets+"sp-referral-code", []string{"code"}
	if r.ResourceType() == "ReferralRequest" {
		name, set, from = "reasonCode", ownValueSets+"gpconnect-referral-code", []string{"reasonCode", "serviceRequested"}
	}
	for _, where := range from {
		for _, c := range r.All(where) {
			if has, _ := s.judge.artefacts.library.Codes("").HasMeaning(set, c); has {
				return
			}
		}
	}
	concept := r.Child(name)
	if concept == nil || name == "reasonCode" {
		concept = r.Add(name)
	}
	coding := concept.Add("coding")
	coding.Set("system", "http://snomed.info/sct")
	coding.Set("code", "871731000000106")
	coding.Set("display", "Referral to social prescribing service")
	s.put(name)
}

// useCase puts in the use case that a message of the Booking and Referral Standard must name.
func (s *supply) useCase(r *fhir.Node) {
	for _, category := range r.All("category") {
		for _, c := range category.All("coding") {
			if c.Text("system") == systemUseCase {
				return
			}
		}
	}
	coding := r.Add("category").Add("coding")
	coding.Set("system", systemUseCase)
	coding.Set("code", suppliedUseCase)
	s.put("use case")
}

// somebody is whom a referral without subject is about: the person that is in the message, the
// one that the referral refers to elsewhere, or a new one.
func (s *supply) somebody(r *fhir.Node) string {
	for _, e := range s.bundle.All("entry") {
		if n := e.Child("resource"); n.ResourceType() == "Patient" {
			if id := n.Text("id"); id != "" {
				return "Patient/" + id
			}
			return e.Text("fullUrl")
		}
	}
	found := "Patient/" + suppliedPerson
	eachLiteral(r, func(_, literal *fhir.Node) {
		if strings.HasPrefix(literal.Value, "Patient/") {
			found = literal.Value
		}
	})
	return found
}

func (s *supply) patient(n *fhir.Node) {
	n.Add("name").Set("family", "Supplied")
	n.Set("gender", "unknown")
	n.Set("birthDate", "1970-01-01")
}

// number gives a person an NHS number who has none, or one that can be none.
func (s *supply) number(person *fhir.Node) {
	for _, i := range person.All("identifier") {
		if i.Text("system") != referral.SystemNHSNumber {
			continue
		}
		if !referral.NHSNumber(i.Text("value")) {
			i.Set("value", suppliedNumber)
			s.put("NHS number")
		}
		return
	}
	s.identify(person)
	s.put("NHS number")
}

func (s *supply) identify(person *fhir.Node) {
	id := person.Add("identifier")
	id.Set("system", referral.SystemNHSNumber)
	id.Set("value", suppliedNumber)
}

// organisation names the sender alone by its code: another one would be a service here.
func (s *supply) organisation(n *fhir.Node) {
	if n.Text("id") == suppliedPractice {
		id := n.Add("identifier")
		id.Set("system", referral.SystemODS)
		id.Set("value", anybody)
	}
	n.Set("name", "Supplied")
}
