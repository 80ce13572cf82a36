package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// searches is every search parameter with the values of a referral that is not the caller's, and
// without parameters.
func searches(s *synthetic, v referral.View) []string {
	list := []string{}
	for _, kind := range referral.ResourceTypes() {
		list = append(list, kind, kind+"?_summary=count", kind+"?_lastUpdated=gt2000-01-01")
		for _, reference := range []string{v.Links.Task, v.Links.Patient, v.Links.ServiceRequest} {
			list = append(list, kind+"?_id="+reference[strings.IndexByte(reference, '/')+1:])
		}
		for _, p := range referral.SearchParams(kind) {
			value := map[string]string{
				"identifier": strings.Join([]string{s.identifier, s.nhsNumber, v.ID, s.practice, "C9999917"}, ","), "patient": v.Links.Patient, "subject": v.Links.Patient, "focus": v.Links.ServiceRequest,
				"family": s.family, "birthdate": s.birthDate, "code": referral.CodeReferral + ",105529008", "status": "received,active,final",
				"business-status": "awaiting-triage", "date": "gt2000-01-01", "authored": "gt2000-01-01",
				"owner": service1, "requester": s.practice, "target": v.Links.Task, "part-of": v.Links.Task,
			}[p.Name]
			list = append(list, kind+"?"+p.Name+"="+value)
		}
	}
	return list
}

// A practice sees nothing of another practice, and a service nothing that is neither
// its own nor in one of its pools: not by id, version, history, search, total or
// worklist, and no move is possible.
func TestNobodySeesWhatIsNotTheirs(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.run(quiet())
		sent := someone(practiceA)
		gp := a.as(auth.RoleRequester, practiceA)
		v := a.as(auth.RoleOwner, service1).look(gp.refer(withEveryType(sent)))
		everything := searches(sent, v)
		for who, stranger := range map[string]caller{
			"another practice": a.as(auth.RoleRequester, practiceB), "another service": a.as(auth.RoleOwner, service2),
			"nobody's client": a.as(auth.RoleRequester), "a service without organisation": a.as(auth.RoleOwner),
		} {
			t.Run(who, func(t *testing.T) {
				stranger := stranger.in(t)
				for _, reference := range []string{v.Links.Task, v.Links.Patient, v.Links.ServiceRequest} {
					for _, path := range []string{"", "/_history", "/_history/1"} {
						stranger.get("/fhir/R4/" + reference + path).want(http.StatusNotFound)
					}
				}
				for _, search := range everything {
					if n := stranger.total("/fhir/R4/" + search); n != 0 {
						t.Errorf("%s finds %d", search, n)
					}
				}
				for _, kind := range referral.ResourceTypes() {
					if n := len(stranger.get("/fhir/R4/" + kind + "/_history").want(http.StatusOK).node().All("entry")); n != 0 {
						t.Errorf("the history of %s has %d entries", kind, n)
					}
				}
				for _, filter := range []string{"", "owner=" + service1, "patient=" + v.Links.Patient, "open=true"} {
					if n := len(stranger.worklist(filter)); n != 0 {
						t.Errorf("the worklist with %q has %d referrals", filter, n)
					}
				}
				stranger.get("/api/v1/referrals/" + v.ID).want(http.StatusNotFound)
				for _, action := range referral.Actions() {
					got := stranger.act(v, action, referral.Input{})
					if got.status != http.StatusNotFound {
						t.Errorf("%s is answered with %d", action, got.status)
					}
				}
			})
		}
		// those it belongs to find it by each of these: the searches above mean something
		for _, search := range everything {
			kind, _, _ := strings.Cut(search, "?")
			if slices.Contains([]string{"Procedure", "Provenance"}, kind) || strings.Contains(search, "part-of=") || strings.Contains(search, "_id=") ||
				slices.Contains([]string{"Observation", "PractitionerRole"}, kind) && strings.Contains(search, "identifier=") {
				continue // the message has none of these
			}
			if n := gp.total("/fhir/R4/" + search); n == 0 {
				t.Errorf("the practice itself finds nothing by %s", search)
			}
		}
	})
}

// withEveryType is a referral with a resource of each type that a message may bring.
func withEveryType(s *synthetic) []byte {
	b := s.bundle()
	patient := b.Child("entry").Text("fullUrl")
	for _, text := range []string{
		`{"resourceType":"Condition","code":{"coding":[{"system":"http://snomed.info/sct","code":"105529008"}]},"subject":{"reference":%q}}`,
		`{"resourceType":"Consent","status":"active","scope":{"text":"sharing"},"category":[{"text":"sharing"}],"policyRule":{"text":"direct care"},"patient":{"reference":%q}}`,
		`{"resourceType":"Flag","status":"active","code":{"text":"needs longer appointments"},"subject":{"reference":%q}}`,
		`{"resourceType":"DocumentReference","status":"current","subject":{"reference":%q},"content":[{"attachment":{"title":"about me"}}]}`,
		`{"resourceType":"QuestionnaireResponse","status":"completed","subject":{"reference":%q}}`,
		`{"resourceType":"RelatedPerson","patient":{"reference":%q}}`,
		`{"resourceType":"Location","identifier":[{"value":"` + s.identifier + `"}],"name":"hall"}`,
		`{"resourceType":"HealthcareService","identifier":[{"value":"` + s.identifier + `"}],"name":"lunch club"}`,
	} {
		if strings.Contains(text, "%q") {
			text = fmt.Sprintf(text, patient)
		}
		n, err := fhir.Parse(fhir.Types(fhir.R4), []byte(text), fhir.Limits{})
		if err != nil {
			panic(err)
		}
		entry := b.Add("entry")
		entry.Set("fullUrl", "urn:uuid:"+uuid.NewString())
		entry.Append("resource", n.Clone())
		request := entry.Add("request")
		request.Set("method", "POST")
		request.Set("url", n.ResourceType())
	}
	return fhir.Encode(b)
}

// A referral in a pool is seen by the services of that pool until one of them claims
// it, and from then on by that one alone.
func TestAPoolIsSharedUntilSomeoneClaims(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.run(quiet())
		first, second := a.as(auth.RoleOwner, service1), a.as(auth.RoleOwner, service2)
		task := a.as(auth.RoleRequester, practiceC).refer(someone(practiceC).message())
		v := first.look(task)
		if v.Owner != nil || len(second.worklist("owner=-")) != 1 {
			t.Fatalf("the owner is %v", v.Owner)
		}
		second.get("/fhir/R4/" + task).want(http.StatusOK)
		second.get("/fhir/R4/" + v.Links.Patient).want(http.StatusOK)
		v = second.act(v, "accept", referral.Input{}).view()
		if v.Owner == nil || v.Owner.ODS != service2 {
			t.Errorf("the owner is %v", v.Owner)
		}
		for _, reference := range []string{v.Links.Task, v.Links.Patient, v.Links.ServiceRequest} {
			first.get("/fhir/R4/" + reference).want(http.StatusNotFound)
			second.get("/fhir/R4/" + reference).want(http.StatusOK)
		}
		if n := len(first.worklist("")); n != 0 {
			t.Errorf("the other service still sees %d referrals", n)
		}
		if history := len(first.get("/fhir/R4/Task/_history").want(http.StatusOK).node().All("entry")); history != 0 {
			t.Errorf("the other service still sees %d versions", history)
		}
	})
}

// Two practices with the same patient have a Patient each.
func TestPracticesDoNotShareAPatient(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	s := someone(practiceA)
	first := a.as(auth.RoleRequester, practiceA).refer(s.message())
	other := *s
	other.practice = practiceB
	second := a.as(auth.RoleRequester, practiceB).refer(other.message())
	one, two := a.as(auth.RoleOwner, service1).look(first), a.as(auth.RoleOwner, service2).look(second)
	if one.Links.Patient == two.Links.Patient || one.Person.NHSNumber != two.Person.NHSNumber {
		t.Errorf("the Patients are %s and %s", one.Links.Patient, two.Links.Patient)
	}
}
