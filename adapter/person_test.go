package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// wholePerson is the message of the case in which every heading of the record standard has
// something.
func wholePerson(t *testing.T) []byte {
	t.Helper()
	body := cases(t)["ukcore-r4-to-referral/whole-person.txtar"]
	if body == nil {
		t.Fatal("the case is not there")
	}
	return body
}

// spoken lists the words and codes of a message: every value but URIs of the standard,
// references, what is true or false, and what is not shown, with the reason.
func spoken(n *fhir.Node) []string {
	switch {
	case n.ResourceType() != "" && (n.Text("status") == "entered-in-error" || n.Text("verificationStatus", "coding", "code") == "refuted"):
		return nil // said to be wrong
	case n.Name == "extension" && strings.HasSuffix(n.Text("url"), "-BirthSex"):
		return nil // not beside a gender
	case n.Name == "request" || n.Name == "fullUrl" || n.Name == "reference" || n.Name == "linkId":
		return nil // how the message is built
	case n.Name == "url" || n.Name == "system" && n.Type.Name == "uri":
		return nil // where a code, a number or an extension is defined
	case n.Name == "data" || n.Type != nil && n.Type.Name == "boolean":
		return nil
	case n.ResourceType() == "ServiceRequest":
		var out []string
		for _, c := range n.Children {
			if c.Name != "status" && c.Name != "intent" { // the state of the Task stands for them
				out = append(out, spoken(c)...)
			}
		}
		return out
	}
	var out []string
	if n.HasValue() {
		out = append(out, n.Value)
	}
	for _, c := range n.Children {
		out = append(out, spoken(c)...)
	}
	return out
}

// Everything that a practice sends of a person reaches the link worker in plain JSON, also
// after it was stored, and what joins the referral later.
func TestTheLinkWorkerSeesTheWholePerson(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		message := wholePerson(t)
		task := c.gp.refer(message)
		got := c.worker.get("/api/v1/referrals/" + strings.TrimPrefix(task, "Task/"))
		v, shown := got.view(), strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(got.body))
		looked := 0
		for _, value := range spoken(checked(t, message)) {
			if slices.Contains([]string{"transaction", "718466001", "Short Warwick-Edinburgh Mental Well-being Scale score", "{score}", "score"}, value) {
				continue // how it was sent; a score is named by its instrument
			}
			looked++
			if !strings.Contains(shown, value) {
				t.Errorf("%q is not in the view", value)
			}
		}
		if looked < 300 {
			t.Errorf("only %d values were looked for", looked)
		}
		if v.Consent.State != "given" || v.Carer.Is == nil || v.RiskState != referral.StateRecorded || len(v.Practices) != 3 || v.Practices[0].Name != "Linton Medical Centre" {
			t.Errorf("%+v %+v %s %+v", v.Consent, v.Carer, v.RiskState, v.Practices)
		}
		for _, later := range []string{
			`{"resourceType":"RelatedPerson","patient":%s,"relationship":[{"text":"carer"}],"name":[{"text":"Nimo Warsame"}]}`,
			`{"resourceType":"Consent","status":"rejected","scope":{"text":"sharing"},"category":[{"text":"x"}],"patient":%s,"policyRule":{"text":"by telephone"}}`,
			`{"resourceType":"DocumentReference","status":"current","type":{"text":"About me"},"subject":%s,"content":[{"attachment":{"title":"A second page"}}]}`,
			`{"resourceType":"QuestionnaireResponse","status":"completed","subject":%s,"item":[{"linkId":"1","text":"What matters to you","answer":[{"valueString":"Sleep"}]}]}`,
			`{"resourceType":"Flag","status":"active","code":{"text":"No known risks"},"subject":%s}`,
		} {
			c.gp.do(http.MethodPost, "/fhir/R4/"+kindOf(later), []byte(strings.Replace(later, "%s", byReference(v.Links.Patient), 1))).want(http.StatusCreated)
		}
		now := c.worker.look(task)
		if len(now.Contacts) != len(v.Contacts)+1 || now.Consent.State != "refused" || len(now.AboutMe) != len(v.AboutMe)+2 || !strings.Contains(now.RiskStatement, "though") {
			t.Errorf("%d contacts, consent %s, %d pages, %q", len(now.Contacts), now.Consent.State, len(now.AboutMe), now.RiskStatement)
		}
		c.worker.act(now, "accept", referral.Input{}).want(http.StatusOK) // refused consent is recorded; it stops nobody
	})
}

func kindOf(body string) string {
	_, kind, _ := strings.Cut(body, `"resourceType":"`)
	kind, _, _ = strings.Cut(kind, `"`)
	return kind
}

// A provider of an activity sees what it takes to meet the person: over no route anything
// of safeguarding, risks, status or history, in no state of the activity.
func TestAProviderNeverSeesTheRest(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		v := c.worker.look(c.gp.refer(wholePerson(t)))
		v = c.worker.act(v, "accept", referral.Input{}).view()
		v = c.worker.act(v, "contact", referral.Input{Channel: "sms", Result: "reached"}).view()
		v = c.worker.act(v, "refer", referral.Input{Activity: &referral.ActivityInput{Provider: service2, Name: "Sewing group", Words: "Starts at ten.", Consent: true}}).view()
		id := v.Activities[0].ID
		allowed := []string{"Hodan", "Ayaan", "Warsame", "07700 900331", "hodan@warsame.example", "18001 01632 960332", "other", "phone", "email", "so", "9", "SMS", "11", "Large print",
			"204021000000108", "1108191000000103", "247994001", "doesusehearingaid", "Somali language interpreter needed", "Requires wheelchair access", "Noise intolerance", "Does use hearing aid"}
		look := func(when string) {
			t.Helper()
			var all []byte
			for _, path := range []string{"/api/v1/activities", "/api/v1/activities/" + id, "/fhir/R4/Task/" + id, "/fhir/R4/Task/" + id + "/_history", "/api/v1/events",
				"/fhir/R4/Patient", "/fhir/R4/Flag", "/fhir/R4/Observation", "/fhir/R4/Condition", "/fhir/R4/Consent", "/fhir/R4/RelatedPerson", "/fhir/R4/ServiceRequest",
				"/fhir/R4/DocumentReference", "/fhir/R4/QuestionnaireResponse", "/fhir/R4/Task", "/api/v1/referrals"} {
				all = append(all, c.other.get(path).want(http.StatusOK).body...)
			}
			for _, path := range []string{"/api/v1/referrals/" + v.ID, "/fhir/R4/Task/" + v.ID, "/fhir/R4/" + v.Links.Patient, "/fhir/R4/" + v.Links.ServiceRequest} {
				c.other.get(path).want(http.StatusNotFound)
			}
			for _, value := range spoken(checked(t, wholePerson(t))) {
				if len(value) > 3 && !slices.Contains(allowed, value) && strings.Contains(string(all), `"`+value+`"`) && !ordinary(value) {
					t.Errorf("%s a provider sees %q", when, value)
				}
			}
			for _, secret := range []string{"9992207310", "706893006", "390790000", "707087005", "locked in", "hostel", "Poplar", "1978", "asylum", "abuse", "Depressive"} {
				if strings.Contains(strings.ToLower(string(all)), strings.ToLower(secret)) {
					t.Errorf("%s a provider sees %q", when, secret)
				}
			}
		}
		look("When asked")
		var a referral.ActivityView
		c.other.get("/api/v1/activities/" + id).want(http.StatusOK).into(&a)
		if a.Person == nil || a.Person.Name != "Hodan Ayaan Warsame" || len(a.Person.Telecom) != 3 || a.Person.Interpreter == nil || !*a.Person.Interpreter || len(a.Person.Access) != 4 || !a.Person.More {
			t.Errorf("the provider sees %+v", a.Person)
		}
		c.other.do(http.MethodPost, "/api/v1/activities/"+id+"/actions/accept", mustJSON(referral.Input{}), "If-Match", `W/"1"`).want(http.StatusOK)
		look("When accepted")
		c.other.do(http.MethodPost, "/api/v1/activities/"+id+"/actions/end", mustJSON(referral.Input{Sessions: "2"}), "If-Match", `W/"2"`).want(http.StatusOK)
		look("At the end")
		a = referral.ActivityView{}
		c.other.get("/api/v1/activities/" + id).want(http.StatusOK).into(&a)
		if a.Person == nil || len(a.Person.Telecom)+len(a.Person.Access) != 0 || a.Person.Interpreter != nil {
			t.Errorf("at the end the provider still sees %+v", a.Person)
		}
	})
}

// ordinary are words that a Task has in any case.
func ordinary(word string) bool {
	return slices.Contains([]string{"active", "final", "usual", "work", "home", "current", "completed", "official", "order", "urgent", "other"}, word)
}

// The number of a restricted person reaches the link worker, who is told, and no provider.
func TestARestrictedPersonIsSaidToBe(t *testing.T) {
	c := newCast(t, "")
	b := someone(practiceA).bundle()
	setPart(b.All("entry")[patientEntry].Child("resource"), "meta", `{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]}`)
	v := c.worker.look(c.gp.refer(fhir.Encode(b)))
	if !v.Person.Restricted || v.Person.Address == "" || len(v.Person.Telecom) == 0 {
		t.Errorf("the link worker sees %+v", v.Person)
	}
	v = c.worker.act(v, "accept", referral.Input{}).view()
	v = c.worker.act(v, "contact", referral.Input{Channel: "telephone", Result: "reached"}).view()
	v = c.worker.act(v, "refer", referral.Input{Activity: &referral.ActivityInput{Provider: service2, Name: "Choir", Consent: true}}).view()
	got := c.other.get("/api/v1/activities/" + v.Activities[0].ID).want(http.StatusOK)
	if strings.Contains(string(got.body), "telecom") || strings.Contains(string(got.body), "07700") || strings.Contains(string(got.body), "Weir Lane") {
		t.Errorf("the provider sees %s", got.body)
	}
}
