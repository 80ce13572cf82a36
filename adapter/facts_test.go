package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// fact is the body of POST /api/v1/facts.
func fact(number, asOf, members string) []byte {
	return fmt.Appendf(nil, `{"nhs_number":%q,"source":"Notice of the back office","as_of":%q,%s}`, number, asOf, members)
}

// tell tells a fact as an operator.
func (c caller) tell(number, asOf, members string) (out referral.Informed) {
	c.t.Helper()
	c.do(http.MethodPost, "/api/v1/facts", fact(number, asOf, members)).want(http.StatusOK).into(&out)
	return out
}

// What an operator has learned holds for every organisation that knows the person, each of
// which finds it in its audit; it may be said twice, and what is older is not taken.
func TestFactsHoldForEveryOrganisation(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		other := c.a.as(auth.RoleRequester, practiceB)
		here := someone(practiceA)
		there := here.sibling()
		there.practice = practiceB
		v := c.worker.look(c.gp.refer(here.message()))
		c.other.look(other.refer(there.message()))
		got := c.manager.tell(here.nhsNumber, "2026-03-02", `"practice":"`+practiceC+`","deceased":"2026-03-01","restricted":true`)
		if got.Persons != 2 || got.Referrals != 2 || strings.Join(got.Changed, " ") != "deceased practice restricted" || len(got.Older) != 0 {
			t.Errorf("%+v", got)
		}
		version := func() string {
			return c.gp.get("/fhir/R4/"+v.Links.Patient).node().Text("meta", "versionId")
		}
		if n := version(); n != "2" {
			t.Errorf("version %s", n)
		}
		again := c.manager.tell(here.nhsNumber, "2026-03-02", `"practice":"`+practiceC+`","deceased":"2026-03-01","restricted":true`)
		if again.Persons != 2 || len(again.Changed)+len(again.Older) != 0 || version() != "2" {
			t.Errorf("said twice: %+v", again)
		}
		old := c.manager.tell(here.nhsNumber, "2026-02-01", `"practice":"`+practiceB+`","restricted":false,"deceased":false`)
		if len(old.Changed) != 0 || strings.Join(old.Older, " ") != "deceased practice restricted" || version() != "2" {
			t.Errorf("said late: %+v", old)
		}
		shown := c.worker.look("Task/" + v.ID)
		if !shown.Person.Deceased || shown.Person.DeceasedOn != "2026-03-01" || !shown.Person.Restricted || len(shown.Practices) != 1 || shown.Practices[0].ODS != practiceC {
			t.Errorf("%+v %+v", shown.Person, shown.Practices)
		}
		for who, caller := range map[string]caller{practiceA: c.gp, practiceB: other} {
			n := 0
			for _, a := range caller.audits("action=U") {
				if strings.Contains(string(fhir.Encode(a)), "Patient/") {
					n++
				}
			}
			if n != 3 {
				t.Errorf("%s reads %d records of it", who, n)
			}
		}
		var origin *fhir.Node
		for _, p := range c.gp.provenanceOf(v.Links.Patient) {
			if p.Text("activity", "coding", "code") == "amend" {
				origin = p
			}
		}
		if origin.Text("entity", "what", "display") != "Notice of the back office" || !strings.HasPrefix(origin.Text("occurredDateTime"), "2026-03-02") {
			t.Errorf("the origin is %s", fhir.Encode(origin))
		}
		if was := c.gp.get("/fhir/R4/" + v.Links.Patient + "/_history/1").node(); was.Child("deceased") != nil {
			t.Error("history has changed")
		}
	})
}

// What is no fact is refused at the member that is wrong, and only operators tell facts.
func TestFactsThatAreRefused(t *testing.T) {
	c := newCast(t, "")
	sent := someone(practiceA)
	c.gp.refer(sent.message())
	for member, body := range map[string]string{
		"nhs_number":  `{"nhs_number":"9990000019","restricted":true,"source":"x","as_of":"2026-01-01"}`,
		"practice":    `{"nhs_number":"%s","practice":"../x","source":"x","as_of":"2026-01-01"}`,
		"deceased":    `{"nhs_number":"%s","deceased":"last week","source":"x","as_of":"2026-01-01"}`,
		"restricted":  `{"nhs_number":"%s","restricted":"yes","source":"x","as_of":"2026-01-01"}`,
		"replaced_by": `{"nhs_number":"%[1]s","replaced_by":"%[1]s","source":"x","as_of":"2026-01-01"}`,
		"source":      `{"nhs_number":"%s","restricted":true,"source":" ","as_of":"2026-01-01"}`,
		"as_of":       `{"nhs_number":"%s","restricted":true,"source":"x","as_of":"2099-01-01"}`,
		"number":      `{"number":"%s","restricted":true,"source":"x","as_of":"2026-01-01"}`,
	} {
		if strings.Contains(body, "%") {
			body = fmt.Sprintf(body, sent.nhsNumber)
		}
		got := c.manager.do(http.MethodPost, "/api/v1/facts", []byte(body)).want(http.StatusBadRequest)
		if kind := got.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/problem+json") || !strings.Contains(string(got.body), member) {
			t.Errorf("%s: %s %s", member, kind, got.body)
		}
	}
	unknown := c.manager.do(http.MethodPost, "/api/v1/facts", fact(unused(), "2026-01-01", `"restricted":true`)).want(http.StatusNotFound)
	if !strings.Contains(string(unknown.body), "nhs_number") {
		t.Errorf("%s", unknown.body)
	}
	for who, caller := range map[string]caller{"a practice": c.gp, "a service": c.worker} {
		caller.do(http.MethodPost, "/api/v1/facts", fact(sent.nhsNumber, "2026-01-01", `"practice":"`+practiceB+`"`)).want(http.StatusForbidden)
		if v := c.worker.worklist("")[0]; v.Person.Restricted {
			t.Errorf("%s has told a fact", who)
		}
	}
}

// A practice that sends the person again does not undo what was learned since, and is told; a
// death after it, and a restriction, are taken from the message.
func TestAMessageDoesNotUndoAFact(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		sent := someone(practiceA)
		v := c.worker.look(c.gp.refer(sent.message()))
		c.manager.tell(sent.nhsNumber, "2026-03-02", `"practice":"`+practiceB+`","deceased":false`)
		next := sent.sibling()
		got := c.gp.do(http.MethodPost, "/fhir/R4", next.message(), "Prefer", "return=OperationOutcome").want(http.StatusOK)
		if !strings.Contains(string(got.body), "newer facts are known") {
			t.Errorf("the practice is not told: %s", got.body)
		}
		again := c.worker.look(receipt(got))
		if again.Practices[0].ODS != practiceB || again.Links.Patient != v.Links.Patient {
			t.Errorf("%+v", again.Practices)
		}
		if list := c.worker.worklist("practice=" + practiceB); len(list) != 2 {
			t.Errorf("%d referrals of people registered with the new practice", len(list))
		}
		patient := sent.bare()
		patient.Set("deceasedDateTime", "2026-03-05")
		c.gp.post(patient).want(http.StatusOK)
		if v = c.worker.look("Task/" + v.ID); !v.Person.Deceased || v.Practices[0].ODS != practiceB {
			t.Errorf("%+v %+v", v.Person, v.Practices)
		}
		// and the outcome follows
		v = c.worker.act(v, "accept", referral.Input{}).view()
		v = c.worker.act(v, "close", referral.Input{Reason: said("deceased")}).view()
		c.settledRows(v)
		if n := c.w.number("SELECT count(*) FROM delivery WHERE state = 'delivered' AND recipient = '" + practiceB + "'"); n != 1 {
			t.Errorf("%d deliveries to the new practice", n)
		}
	})
}

// A number that replaces another is sometimes known here already: both are one person, whose
// referrals stay where they are, and who is found by either number (rule R22).
func TestR22TwoNumbersOfOnePersonAreJoined(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		first := someone(practiceA)
		second := first.sibling()
		second.nhsNumber = unused()
		one, two := c.worker.look(c.gp.refer(first.message())), c.worker.look(c.gp.refer(second.message()))
		if one.Links.Patient == two.Links.Patient {
			t.Fatal("they are one already")
		}
		c.manager.tell(first.nhsNumber, "2026-03-02", `"replaced_by":"`+second.nhsNumber+`"`)
		c.manager.tell(first.nhsNumber, "2026-03-02", `"replaced_by":"`+second.nhsNumber+`"`)
		for from, to := range map[string][2]string{one.Links.Patient: {"replaced-by", two.Links.Patient}, two.Links.Patient: {"replaces", one.Links.Patient}} {
			n := c.gp.get("/fhir/R4/" + from).node()
			if links := n.All("link"); len(links) != 1 || links[0].Text("type") != to[0] || links[0].Text("other", "reference") != to[1] {
				t.Errorf("%s is linked by %s", from, fhir.Encode(n))
			}
		}
		if one = c.worker.look("Task/" + one.ID); one.Person.NHSNumber != second.nhsNumber {
			t.Errorf("the first has %q", one.Person.NHSNumber)
		}
		third := first.sibling()
		if got := c.worker.look(c.gp.refer(third.message())); got.Links.Patient != two.Links.Patient || got.Person.NHSNumber != second.nhsNumber {
			t.Errorf("under the old number %+v", got.Links)
		}
		// a result under the new number finds the referral that was made under the old one
		c.worker.act(one, "accept", referral.Input{}).want(http.StatusOK)
		observation := `{"resourceType":"Observation","status":"final","code":{"text":"walks"},` + byNumberMember(second.nhsNumber) + `,"effectiveDateTime":"2026-11-01","valueString":"daily","basedOn":[{"reference":"` + one.Links.ServiceRequest + `"}]}`
		c.gp.do(http.MethodPost, "/fhir/R4/Observation", []byte(observation)).want(http.StatusCreated)
		v := c.worker.look("Task/" + one.ID)
		v = c.worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).view()
		c.settledRows(v)
		if body := string(fhir.Encode(c.sends(one.ID))); strings.Contains(body, first.nhsNumber) || !strings.Contains(body, second.nhsNumber) {
			t.Errorf("sent %s", body)
		}
	})
}

// Facts that are told at the same time: each is taken whole, one after the other, and what is
// known at the end is what is newest of each member.
func TestFactsAtTheSameTime(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		sent := someone(practiceA)
		v := c.worker.look(c.gp.refer(sent.message()))
		var group sync.WaitGroup
		for i := range 4 {
			for _, members := range []string{`"practice":"Y9900` + strconv.Itoa(i) + `"`, `"deceased":"2026-03-0` + strconv.Itoa(i+1) + `"`} {
				group.Go(func() {
					for { // what met others is told again
						got, err := c.manager.try(http.MethodPost, "/api/v1/facts", fact(sent.nhsNumber, "2026-04-0"+strconv.Itoa(i+1), members))
						if err == nil && got.status == http.StatusOK {
							return
						}
						if err != nil || got.status != http.StatusConflict && got.status != http.StatusPreconditionFailed {
							t.Errorf("%v %d %s", err, got.status, got.body)
							return
						}
					}
				})
			}
		}
		group.Wait()
		n := c.gp.get("/fhir/R4/" + v.Links.Patient).node()
		if list := n.All("generalPractitioner"); len(list) != 1 || list[0].Text("identifier", "value") != "Y99003" || n.Text("deceased") != "2026-03-04" {
			t.Errorf("%s", fhir.Encode(n))
		}
		versions, _ := strconv.Atoi(n.Text("meta", "versionId"))
		if told := c.w.number("SELECT count(*) FROM resource WHERE type = 'Provenance' AND patient = '" + strings.TrimPrefix(v.Links.Patient, "Patient/") + "' AND referral = ''"); told != versions-1 {
			t.Errorf("%d versions, %d origins", versions, told)
		}
	})
}

// A process that is killed while facts are told has told each organisation all or nothing, and
// the same said again tells the rest.
func TestFactsAreWholeAfterAKill(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.start()
		sent := someone(practiceA)
		a.as(auth.RoleRequester, practiceA).refer(sent.message())
		there := sent.sibling()
		there.practice = practiceB
		a.as(auth.RoleRequester, practiceB).refer(there.message())
		manager := a.as(auth.RoleOperator)
		told := make(chan struct{})
		go func() {
			defer close(told)
			for i := 0; ; i++ {
				body := fact(sent.nhsNumber, "2026-04-01", fmt.Sprintf(`"practice":"Y98%03d"`, i%1000))
				if _, err := manager.try(http.MethodPost, "/api/v1/facts", body); err != nil {
					return // the adapter is gone
				}
			}
		}()
		eventually(t, "facts are told", func() bool { return w.number("SELECT count(*) FROM resource WHERE type = 'Patient'") > 8 })
		a.kill()
		<-told
		if n := w.number("SELECT count(*) FROM resource r WHERE r.type = 'Patient' AND r.number > 1") - w.number("SELECT count(*) FROM resource p WHERE p.type = 'Provenance' AND p.referral = ''"); n != 0 {
			t.Errorf("%d versions without origin", n)
		}
		a = w.start()
		got := a.as(auth.RoleOperator).tell(sent.nhsNumber, "2026-04-02", `"practice":"`+practiceC+`"`)
		if got.Persons != 2 || len(got.Changed) != 1 {
			t.Errorf("%+v", got)
		}
		if n := w.number("SELECT count(*) FROM referral WHERE registered = '" + practiceC + "'"); n != 2 {
			t.Errorf("%d referrals know the practice", n)
		}
	})
}
