package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// One person's scores never join another person's referral: a message whose resources
// are about different people is refused and nothing of it is stored.
func TestAMessageIsAboutOnePerson(t *testing.T) {
	w := newWorld(t, "")
	gp := w.run(quiet()).as(auth.RoleRequester, practiceA)
	gp.refer(someone(practiceA).message()) // the tables exist and are not empty
	before := w.counts()
	other := someone(practiceA)
	for name, subject := range map[string]string{
		"another number":  byNumber(other.nhsNumber),
		"another Patient": byReference("urn:uuid:0d5f5a52-6a2f-4b57-9a6c-5b6f0a7d0099"),
		"nobody":          "",
	} {
		s := someone(practiceA)
		b := s.bundle()
		entries := b.All("entry")
		score := entries[firstObservation].Child("resource")
		if subject == "" {
			score.Remove("subject")
		} else {
			setPart(score, "subject", subject)
		}
		if name == "another Patient" {
			entry := b.Add("entry")
			entry.Set("fullUrl", "urn:uuid:0d5f5a52-6a2f-4b57-9a6c-5b6f0a7d0099")
			stranger := other.patient()
			stranger.Remove("generalPractitioner")
			entry.Append("resource", stranger)
			request := entry.Add("request")
			request.Set("method", "POST")
			request.Set("url", "Patient")
		}
		answer := gp.do(http.MethodPost, "/fhir/R4", fhir.Encode(b)).want(http.StatusUnprocessableEntity)
		if got := answer.rules(); len(got) != 1 || got[0] != "subject" {
			t.Errorf("%s: %v", name, got)
		}
	}
	after := w.counts()
	for table, n := range before {
		if table != "audit" && after[table] != n {
			t.Errorf("%s has %d rows, had %d", table, after[table], n)
		}
	}
}

// What changes the meaning of a resource in an unknown way is refused.
// Source: http://hl7.org/fhir/R4/extensibility.html#modifierExtension.
func TestUnknownModifiersAreRefused(t *testing.T) {
	gp := newWorld(t, "").run(quiet()).as(auth.RoleRequester, practiceA)
	for element, value := range map[string]string{
		"modifierExtension": `[{"url":"https://x.example/not-really","valueBoolean":true}]`, "implicitRules": `"https://x.example/rules"`,
	} {
		b := someone(practiceA).bundle()
		setPart(b.All("entry")[requestEntry].Child("resource"), element, value)
		gp.do(http.MethodPost, "/fhir/R4", fhir.Encode(b)).want(http.StatusUnprocessableEntity)
	}
}

// What an action writes is legal FHIR or refused with its field: nothing malformed is
// stored, and nothing is left for the record to refuse when its author has gone.
func TestActionsWriteNothingMalformed(t *testing.T) {
	a := newWorld(t, "").run(quiet())
	worker := a.as(auth.RoleOwner, service1)
	a.as(auth.RoleRequester, practiceA).refer(someone(practiceA).message())
	v := worker.act(worker.worklist("")[0], "accept", referral.Input{}).want(http.StatusOK).view()
	good := func() *referral.Outcome {
		return &referral.Outcome{Status: "goals-met", Findings: []referral.Coded{{Code: "1230392000", Display: "Not feeling lonely"}}}
	}
	long := strings.Repeat("x", 5000)
	early := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, change := range map[string]func(*referral.Input){
		"outcome.scores[0].value +":  func(in *referral.Input) { in.Outcome.Scores = []referral.Score{{Instrument: "swemwbs", Value: "+25"}} },
		"outcome.scores[0].value 0":  func(in *referral.Input) { in.Outcome.Scores = []referral.Score{{Instrument: "swemwbs", Value: "025"}} },
		"outcome.scores[0].value .":  func(in *referral.Input) { in.Outcome.Scores = []referral.Score{{Instrument: "swemwbs", Value: "25."}} },
		"outcome.scores[0].value \"": func(in *referral.Input) { in.Outcome.Scores = []referral.Score{{Instrument: "swemwbs", Value: `"25"`}} },
		"outcome.scores[0].date": func(in *referral.Input) {
			in.Outcome.Scores = []referral.Score{{Instrument: "swemwbs", Value: "25", Date: "2026-01-01T10:00:00"}}
		},
		"note blank":                 func(in *referral.Input) { in.Note = " \t\n" },
		"note control":               func(in *referral.Input) { in.Note = "a\x00b" },
		"note long":                  func(in *referral.Input) { in.Note = long },
		"outcome.summary":            func(in *referral.Input) { in.Outcome.Summary = long },
		"outcome.findings[0].system": func(in *referral.Input) { in.Outcome.Findings[0].System = " http://snomed.info/sct" },
		"outcome.findings[0].code": func(in *referral.Input) {
			in.Outcome.Findings[0] = referral.Coded{System: "https://x.example", Code: "a  b", Display: "x"}
		},
		"outcome.findings[0].display": func(in *referral.Input) { in.Outcome.Findings[0].Display = "   " },
		"outcome.requested_actions":   func(in *referral.Input) { in.Outcome.RequestedActions = []string{""} },
		"at":                          func(in *referral.Input) { in.At = &early },
	} {
		in := referral.Input{Outcome: good()}
		change(&in)
		answer := worker.act(v, "complete", in)
		field, _, _ := strings.Cut(name, " ")
		if answer.status != http.StatusBadRequest && answer.status != http.StatusUnprocessableEntity || !strings.Contains(string(answer.body), `"element":"`+field) {
			t.Errorf("%s: %d %s", name, answer.status, answer.body)
		}
	}
	if again := worker.look(v.Links.Task); again.Version != v.Version {
		t.Errorf("the referral moved to version %d", again.Version)
	}
	worker.act(v, "complete", referral.Input{Outcome: good()}).want(http.StatusOK)
}

// A client that speaks for two practices does not mix them: what one sent cannot become
// part of a referral of the other.
func TestReferencesStayWithinTheSender(t *testing.T) {
	a := newWorld(t, "").run(quiet())
	stranger := someone(practiceA)
	b := stranger.bundle()
	answer := a.as(auth.RoleRequester, practiceA).do(http.MethodPost, "/fhir/R4", fhir.Encode(b)).want(http.StatusOK).node()
	patient := answer.All("entry")[patientEntry].Text("response", "location")
	patient, _, _ = strings.Cut(patient, "/_history")
	both := a.as(auth.RoleRequester, practiceA, practiceB)
	s := someone(practiceB).alone(byReference(patient))
	setPart(s, "requester", fmt.Sprintf(`{"identifier":{"system":%q,"value":%q}}`, referral.SystemODS, practiceB))
	if got := both.post(s).want(http.StatusUnprocessableEntity).rules(); len(got) != 1 || got[0] != "reference-unknown" {
		t.Errorf("%v", got)
	}
}

// Keys of one client program do not meet across the practices it serves.
func TestKeysBelongToTheOrganisation(t *testing.T) {
	a := newWorld(t, "").run(quiet())
	for _, header := range []string{"X-Request-ID", "Idempotency-Key"} {
		for _, practice := range []string{practiceA, practiceB} {
			a.as(auth.RoleRequester, practice).do(http.MethodPost, "/fhir/R4", someone(practice).message(), header, "the-same").want(http.StatusOK)
		}
	}
}

// A conditional create finds what it made, with and without the system, whatever
// became of it since.
func TestConditionalCreateFindsWhatItMade(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		gp := newWorld(t, url).run(quiet()).as(auth.RoleRequester, practiceA)
		s := someone(practiceA)
		body := func() []byte {
			n := s.practitioner()
			setPart(n, "identifier", `[{"system":"https://x.example/staff","value":"9 to 5"}]`)
			return fhir.Encode(n)
		}
		create := func(condition string, status int) string {
			return gp.do(http.MethodPost, "/fhir/R4/Practitioner", body(), "If-None-Exist", condition).want(status).located()
		}
		first := create("identifier=https://x.example/staff|9%20to%205", http.StatusCreated)
		for _, condition := range []string{"identifier=https://x.example/staff|9%20to%205", "identifier=9%20to%205"} {
			if again := create(condition, http.StatusOK); again != first {
				t.Errorf("%s made %s beside %s", condition, again, first)
			}
		}
		for _, condition := range []string{"identifier=", "identifier=https://x.example/staff|", "identifier=https://x.example/staff|other", "name=x"} {
			answer := gp.do(http.MethodPost, "/fhir/R4/Practitioner", body(), "If-None-Exist", condition)
			if answer.status != http.StatusBadRequest && answer.status != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d", condition, answer.status)
			}
		}
		if n := gp.total("/fhir/R4/Practitioner"); n != 1 {
			t.Errorf("there are %d", n)
		}
	})
}

// Many referrals of one person at the same moment all get through, or are told to try
// again; none is refused for good.
func TestManyReferralsOfOnePersonAtOnce(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		gp := newWorld(t, url).run(quiet()).as(auth.RoleRequester, practiceA)
		person := someone(practiceA)
		var group sync.WaitGroup
		statuses := make([]int, 12)
		for i := range statuses {
			group.Go(func() {
				s := someone(practiceA)
				s.nhsNumber, s.telephone = person.nhsNumber, fmt.Sprintf("%03d", i)
				answer, err := gp.try(http.MethodPost, "/fhir/R4", s.message())
				if err == nil {
					statuses[i] = answer.status
				}
			})
		}
		group.Wait()
		stored := 0
		for _, status := range statuses {
			switch status {
			case http.StatusOK:
				stored++
			case http.StatusServiceUnavailable:
			default:
				t.Errorf("status %d", status)
			}
		}
		if n := gp.total("/fhir/R4/Task"); n != stored || stored == 0 {
			t.Errorf("%d were acknowledged, %d are stored", stored, n)
		}
		if n := gp.total("/fhir/R4/Patient"); n != 1 {
			t.Errorf("the person is there %d times", n)
		}
	})
}

// A request that nothing names is told from others by what it says.
func TestARequestWithoutNameIsStoredOnce(t *testing.T) {
	gp := newWorld(t, "").run(quiet()).as(auth.RoleRequester, practiceA)
	s := someone(practiceA)
	gp.refer(s.message())
	n := s.alone(byNumber(s.nhsNumber))
	n.Remove("identifier")
	first := gp.post(n).want(http.StatusCreated)
	if again := gp.post(n).want(http.StatusCreated); string(again.body) != string(first.body) {
		t.Error("the repeat is another referral")
	}
	n.Set("authoredOn", "2026-02-18")
	if other := gp.post(n).want(http.StatusCreated); string(other.body) == string(first.body) {
		t.Error("another request is taken for a repeat")
	}
}
