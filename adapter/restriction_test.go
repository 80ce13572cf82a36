package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// hideout is what says where the restricted person of these tests is.
const hideout = "Zanzibar"

const confidential = `{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]}`

// inHiding is a referral of a person whose whereabouts are in every place that can hold
// them. The label is on the Patient, or on the whole message.
func inHiding(practice string, onPatient bool) []byte {
	b, err := fhir.Parse(fhir.Types(fhir.R4), withEveryType(someone(practice)), fhir.Limits{})
	if err != nil {
		panic(err)
	}
	for _, entry := range b.All("entry") {
		n := entry.Child("resource")
		place := `[{"use":"home","line":["1 ` + hideout + ` Wharf"],"postalCode":"ZZ99 3WZ"}]`
		reach := `[{"system":"email","value":"me@` + hideout + `.example"}]`
		switch n.ResourceType() {
		case "RelatedPerson":
			setPart(n, "address", place)
			setPart(n, "telecom", reach)
		case "Patient":
			setPart(n, "address", place)
			setPart(n, "telecom", reach)
			setPart(n, "contact", `[{"name":{"family":"Friend"},"telecom":`+reach+`,"address":`+place[1:len(place)-1]+`}]`)
			setPart(n, "text", `{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">`+hideout+`</div>"}`)
			setPart(n, "extension", `[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueAddress":{"city":"`+hideout+`"}}]`)
		case "ServiceRequest":
			setPart(n, "contained", `[{"resourceType":"RelatedPerson","id":"friend","patient":{"reference":"`+b.Child("entry").Text("fullUrl")+`"},"telecom":`+reach+`}]`)
			setPart(n, "supportingInfo", `[{"reference":"#friend"}]`)
		}
	}
	if onPatient {
		setPart(b.All("entry")[patientEntry].Child("resource"), "meta", confidential)
	} else {
		setPart(b, "meta", confidential)
	}
	return fhir.Encode(b)
}

// tellings lists what of a referral tells a caller where the person is: by every way to read
// the person, those around, and what is made of them.
func tellings(c caller, v referral.View) (telling []string) {
	c.t.Helper()
	_, patient, _ := strings.Cut(v.Links.Patient, "/")
	for _, path := range []string{
		"/fhir/R4/" + v.Links.Patient, "/fhir/R4/" + v.Links.Patient + "/_history", "/fhir/R4/" + v.Links.Patient + "/_history/1",
		"/fhir/R4/Patient", "/fhir/R4/Patient/_history", "/fhir/R4/Patient?_revinclude=RelatedPerson:patient", "/fhir/R4/Task?_include=Task:patient",
		"/fhir/R4/Task?_include=Task:focus", "/fhir/R4/RelatedPerson?patient=" + patient, "/fhir/R4/RelatedPerson/_history",
		"/fhir/R4/" + v.Links.ServiceRequest, "/fhir/R4/ServiceRequest/_history", "/fhir/R4/Patient?_format=xml",
		"/api/v1/referrals", "/api/v1/referrals/" + v.ID, "/api/v1/referrals/" + v.ID + "/summary", "/api/v1/ledger", "/api/v1/events", "/api/v1/activities",
	} {
		if got := c.get(path); strings.Contains(strings.ToLower(string(got.body)), strings.ToLower(hideout)) {
			telling = append(telling, path)
		}
	}
	if got := c.do(http.MethodGet, "/api/v1/referrals/"+v.ID+"/summary", nil, "Accept", "application/pdf"); strings.Contains(string(got.body), hideout) {
		telling = append(telling, "the PDF")
	}
	return telling
}

// Where a restricted person is reaches the service that holds the referral and nobody else
// beside the practice that sent it.
func TestWhereARestrictedPersonIs(t *testing.T) {
	for _, onPatient := range []bool{true, false} {
		t.Run(fmt.Sprint("label on the Patient ", onPatient), func(t *testing.T) {
			storetest.EachURL(t, func(t *testing.T, url string) {
				c := newCast(t, url)
				c.worker, c.other, c.manager = c.worker.in(t), c.other.in(t), c.manager.in(t)
				gp := c.a.as("requester", practiceC).in(t)
				v := c.worker.look(gp.refer(inHiding(practiceC, onPatient)))
				nobody := func(when string, callers ...caller) {
					t.Helper()
					for i, one := range callers {
						if list := tellings(one, v); len(list) > 0 {
							t.Errorf("%s, number %d is told by %s", when, i, list)
						}
					}
				}
				if !v.Person.Restricted || len(v.Person.Withheld) == 0 || v.Person.Name == "" {
					t.Errorf("in the pool the person is %+v", v.Person)
				}
				nobody("in the pool", c.worker, c.other, c.manager)
				if list := tellings(gp, v); len(list) < 10 {
					t.Errorf("the practice reads its own by %s alone", list)
				}
				v = c.worker.act(v, "accept", referral.Input{}).view()
				if list := tellings(c.worker, v); len(list) < 10 || v.Person.Address == "" {
					t.Errorf("who holds the referral is told by %s alone", list)
				}
				nobody("when claimed", c.other, c.manager)
				v = c.worker.act(v, "contact", referral.Input{Channel: "telephone", Result: "reached"}).view()
				v = c.worker.act(v, "refer", referral.Input{Activity: &referral.ActivityInput{Provider: service2, Name: "Choir", Consent: true}}).view()
				sub := v.Activities[0].ID
				nobody("with an activity", c.other, c.manager)
				for _, path := range []string{"/api/v1/activities/" + sub, "/fhir/R4/Task/" + sub, "/fhir/R4/Task/" + sub + "/_history", "/fhir/R4/Task?_id=" + sub + "&_include=Task:patient&_include=Task:focus&_include=Task:part-of"} {
					if got := c.other.get(path).want(http.StatusOK); strings.Contains(string(got.body), hideout) {
						t.Errorf("the provider reads %s", got.body)
					}
				}
				v = c.worker.look(gp.refer(inHiding(practiceC, onPatient)))
				v = c.worker.act(v, "accept", referral.Input{}).view()
				v = c.worker.act(v, "reject", referral.Input{Reason: &referral.Coded{Code: "no-capacity"}}).view()
				for _, path := range []string{"/fhir/R4/" + v.Links.Patient, "/api/v1/referrals/" + v.ID} {
					if got := c.worker.get(path).want(http.StatusOK); strings.Contains(string(got.body), hideout) {
						t.Errorf("who has given it back reads %s", got.body)
					}
				}
				for _, sent := range c.w.gp.received() {
					if strings.Contains(string(sent.Body), hideout) {
						t.Errorf("the record is sent %s", sent.Body)
					}
				}
			})
		})
	}
}

// A message that is labelled labels the person it is about, who was sent before without.
func TestALabelledMessageLabelsWhoWasSentBefore(t *testing.T) {
	c := newCast(t, "")
	s := someone(practiceA)
	person := resourceOf(s.bundle(), patientEntry)
	person.Remove("generalPractitioner")
	known := c.gp.post(person).want(http.StatusCreated).located()
	if got := c.manager.get("/fhir/R4/" + known); !strings.Contains(string(got.body), "07700") {
		t.Fatalf("there is no telephone number in %s", got.body)
	}
	body := strings.Replace(transaction(string(fhir.Encode(s.alone(byReference(known))))), `"type":"transaction"`, `"type":"transaction","meta":`+confidential, 1)
	v := c.worker.look(c.gp.refer([]byte(body)))
	for _, path := range []string{"/fhir/R4/" + known, "/fhir/R4/" + known + "/_history/1", "/fhir/R4/" + known + "/_history", "/api/v1/referrals/" + v.ID} {
		if got := c.manager.get(path).want(http.StatusOK); strings.Contains(string(got.body), "07700") {
			t.Errorf("%s tells the operator %s", path, got.body)
		}
	}
	if got := c.worker.get("/fhir/R4/" + known).want(http.StatusOK); !strings.Contains(string(got.body), "07700") || !strings.Contains(string(got.body), `"code":"R"`) {
		t.Errorf("who holds the referral reads %s", got.body)
	}
}

// A message that brings a restricted person anew and says nothing of it lifts nothing; one that
// says that the person is no longer restricted does.
func TestSilenceLiftsNoRestriction(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		s := someone(practiceA)
		send := func(label string) referral.View {
			t.Helper()
			next := someone(practiceA)
			next.nhsNumber, next.family, next.birthDate = s.nhsNumber, s.family, s.birthDate
			b := next.bundle()
			if label != "" {
				setPart(b.All("entry")[patientEntry].Child("resource"), "meta", strings.Replace(confidential, `"R"`, `"`+label+`"`, 1))
			}
			return c.worker.look(c.gp.refer(fhir.Encode(b)))
		}
		first := send("R")
		reads := func(when string, want bool) {
			t.Helper()
			for _, path := range []string{"/fhir/R4/" + first.Links.Patient, "/fhir/R4/Patient/_history?_count=1", "/api/v1/referrals/" + first.ID} {
				if got := c.manager.get(path).want(http.StatusOK); strings.Contains(string(got.body), "07700") != want && (!want || !strings.HasPrefix(path, "/api")) {
					t.Errorf("%s, the operator reads in %s %s", when, path, got.body)
				}
			}
		}
		reads("restricted", false)
		silent := send("")
		if silent.Links.Patient != first.Links.Patient || !silent.Person.Restricted {
			t.Errorf("after a silent message the person is %+v", silent.Person)
		}
		reads("after a silent message", false)
		if lifted := send("N"); lifted.Person.Restricted {
			t.Errorf("no longer restricted, the person is %+v", lifted.Person)
		}
		reads("no longer restricted", true)
	})
}

// Somebody around the person may be labelled alone: a mother in hiding, say. Where she is
// reaches who holds the referral, by every way to read of her; the person is not restricted.
func TestWhereARestrictedRelatedPersonIs(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		b, err := fhir.Parse(fhir.Types(fhir.R4), withEveryType(someone(practiceC)), fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		mother := `"name":[{"family":"Mother"}],"telecom":[{"system":"email","value":"me@` + hideout + `.example"}]`
		for _, entry := range b.All("entry") {
			switch n := entry.Child("resource"); n.ResourceType() {
			case "RelatedPerson":
				setPart(n, "meta", confidential)
				setPart(n, "name", `[{"family":"Mother"}]`)
				setPart(n, "address", `[{"line":["1 `+hideout+` Wharf"]}]`)
			case "ServiceRequest":
				setPart(n, "meta", confidential)
				setPart(n, "contained", `[{"resourceType":"RelatedPerson","id":"friend","patient":{"reference":"`+b.Child("entry").Text("fullUrl")+`"},`+mother+`}]`)
				setPart(n, "supportingInfo", `[{"reference":"#friend"}]`)
			}
		}
		v := c.worker.look(c.a.as("requester", practiceC).refer(fhir.Encode(b)))
		if v.Person.Restricted || v.Person.Address == "" {
			t.Errorf("the person is %+v", v.Person)
		}
		for i, one := range []caller{c.worker, c.other, c.manager} {
			if list := tellings(one, v); len(list) > 0 {
				t.Errorf("in the pool, number %d is told by %s", i, list)
			}
		}
		v = c.worker.act(v, "accept", referral.Input{}).view()
		if list := tellings(c.worker, v); len(list) < 5 {
			t.Errorf("who holds the referral is told by %s alone", list)
		}
	})
}
