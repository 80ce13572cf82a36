package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// modes lists what a search gives: "match Task", "include Patient".
func (c caller) modes(path string) (list []string) {
	c.t.Helper()
	for _, entry := range c.do(http.MethodGet, "/fhir/R4/"+path, nil, "Prefer", "handling=strict").want(http.StatusOK).node().All("entry") {
		list = append(list, entry.Text("search", "mode")+" "+entry.Child("resource").ResourceType())
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// A GP system and a link-worker tool find what they have by whom it is about, and get it
// together.
func TestSearchFollowsReferences(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		s := someone(practiceA)
		s.family = "Wren"
		v := c.worker.look(c.gp.refer(s.message()))
		c.gp.refer(someone(practiceA).message())
		nhs := referral.SystemNHSNumber + "|" + s.nhsNumber
		_, request, _ := strings.Cut(v.Links.ServiceRequest, "/")
		for _, search := range []string{
			"Task?patient:identifier=" + nhs, "Task?patient.identifier=" + nhs, "Task?patient:Patient.identifier=" + nhs, "Task?patient.family=wre",
			"Task?focus:ServiceRequest.identifier=" + s.identifier, "Task?focus.identifier=" + s.identifier, "Task?focus:identifier=" + s.identifier,
			"ServiceRequest?subject:Patient.identifier=" + nhs, "ServiceRequest?_has:Task:focus:_id=" + v.ID, "Observation?subject:Patient.identifier=" + nhs + "&code=105529008",
			"Patient?_has:Task:patient:status=received&family=Wren", "Patient?family=Wren&_has:Observation:patient:code=105529008",
			"Task?patient.identifier=" + nhs + "&requester:identifier=" + referral.SystemODS + "|" + practiceA,
			"Task?patient.identifier=" + nhs + "&owner.identifier=" + service1 + "&status:not=completed&_sort=_lastUpdated",
		} {
			for name, who := range map[string]caller{"practice": c.gp, "service": c.worker, "operator": c.manager} {
				if n := who.total("/fhir/R4/" + search); n != 1 {
					t.Errorf("the %s finds %d by %s", name, n, search)
				}
			}
			if n := c.other.total("/fhir/R4/" + search); n != 0 {
				t.Errorf("another service finds %d by %s", n, search)
			}
		}
		for search, want := range map[string][]string{
			"Task?patient:identifier=" + nhs + "&_include=Task:patient&_include=Task:focus":   {"include Patient", "include ServiceRequest", "match Task"},
			"Patient?identifier=" + nhs + "&_revinclude=Task:patient":                         {"include Task", "match Patient"},
			"Observation?patient.identifier=" + nhs + "&_include=Observation:patient:Patient": {"include Patient", "match Observation"},
			"ServiceRequest?_id=" + request + "&_revinclude=Task:focus":                       {"include Task", "match ServiceRequest"},
			"ServiceRequest?_id=" + request + "&_revinclude=Task:focus&_count=0":              nil,
		} {
			if got := c.gp.modes(search); !slices.Equal(got, want) {
				t.Errorf("%s gives %v, want %v", search, got, want)
			}
		}
		// a token for Tasks tells nothing of Patients
		tasks := caller{t, c.gp.url, c.w.token(auth.Claims{Role: auth.RoleRequester, Organisations: []string{practiceA}, Scopes: []string{"system/Task.cruds"}}, time.Now())}
		for _, search := range []string{"patient.family=Wren", "patient:identifier=" + nhs, "_include=Task:patient", "_revinclude=Provenance:target", "_has:Provenance:target:_id=1"} {
			if got := tasks.get("/fhir/R4/Task?" + search); got.status != http.StatusForbidden {
				t.Errorf("with a scope for Task alone, %s is answered with %d", search, got.status)
			}
		}
	})
}

// What a sharing level keeps from a practice no search gives away: neither that it is there
// nor how much of it.
func TestSearchKeepsTheSharingLevel(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		s := someone(practiceA)
		v := c.worker.look(c.gp.refer(s.message()))
		v = c.gp.edit(v, "sharing", referral.SharingInput{Level: "none", Reason: "asked by the person"}).view()
		v = c.worker.look(v.ID)
		for _, move := range []struct {
			action string
			in     referral.Input
		}{{"accept", referral.Input{}}, {"contact", referral.Input{Channel: "telephone", Result: "reached"}}, {"plan", agreedPlan()}, {"complete", referral.Input{Outcome: fullOutcome()}}} {
			v = c.worker.act(v, move.action, move.in).view()
		}
		_, patient, _ := strings.Cut(v.Links.Patient, "/")
		for _, search := range []string{
			"Patient?_id=" + patient + "&_has:Procedure:patient:code:missing=false", "Procedure?patient.identifier=" + s.nhsNumber,
			"Patient?_id=" + patient + "&_has:DocumentReference:patient:_lastUpdated=gt2000-01-01",
		} {
			if n := c.worker.total("/fhir/R4/" + search); n == 0 {
				t.Errorf("the service finds nothing by %s", search)
			}
			if n := c.gp.total("/fhir/R4/" + search); n != 0 {
				t.Errorf("the practice finds %d by %s", n, search)
			}
		}
		const included = "&_revinclude=Procedure:patient&_revinclude=DocumentReference:patient"
		if got := c.worker.modes("Patient?_id=" + patient + included); len(got) != 3 {
			t.Errorf("the service gets %v", got)
		}
		if got := c.gp.modes("Patient?_id=" + patient + included); len(got) != 1 {
			t.Errorf("the practice gets %v", got)
		}
	})
}
