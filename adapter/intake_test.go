package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// post sends one resource to the address of its type.
func (c caller) post(n *fhir.Node, headers ...string) answer {
	c.t.Helper()
	return c.do(http.MethodPost, "/fhir/R4/"+n.ResourceType(), fhir.Encode(n), headers...)
}

// theOne gives the referral of a person, which must be the only one.
func theOne(t *testing.T, worker caller, number string) referral.View {
	t.Helper()
	var found []referral.View
	for _, v := range worker.worklist("") {
		if v.Person.NHSNumber == number {
			found = append(found, v)
		}
	}
	if len(found) != 1 {
		t.Fatalf("the worklist has %d referrals of the person, want one", len(found))
	}
	return worker.look(found[0].ID)
}

// rules lists the rules of the issues of a refusal.
func (a answer) rules() (list []string) {
	a.t.Helper()
	for _, i := range a.node().All("issue") {
		list = append(list, i.Text("details", "coding", "code"))
	}
	return list
}

// A ServiceRequest alone is a whole referral, whether its subject is named by an NHS
// number or by the Patient that was sent before.
func TestServiceRequestAloneIsAReferral(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.run(quiet())
		gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)

		s := someone(practiceA)
		made := gp.post(s.alone(byNumber(s.nhsNumber))).want(http.StatusCreated)
		v := theOne(t, worker, s.nhsNumber)
		if v.Links.ServiceRequest != made.located() || made.header.Get("ETag") != `W/"1"` {
			t.Errorf("the answer names %s, the referral %s", made.located(), v.Links.ServiceRequest)
		}
		if n := gp.total("/fhir/R4/Patient?identifier=" + referral.SystemNHSNumber + "%7C" + s.nhsNumber); n != 1 {
			t.Errorf("%d Patients of the number", n)
		}

		s = someone(practiceA)
		patient := s.patient()
		patient.Remove("generalPractitioner")
		at := gp.post(patient).want(http.StatusCreated).located()
		gp.post(s.alone(byReference(at))).want(http.StatusCreated)
		v = theOne(t, worker, s.nhsNumber)
		if v.Links.Patient != at || v.Person.Name != "Dorothy Quillfeather" {
			t.Errorf("the referral is about %s, %q", v.Links.Patient, v.Person.Name)
		}
		if n := gp.total("/fhir/R4/Task?patient=" + at); n != 1 {
			t.Errorf("%d Tasks", n)
		}
	})
}

// The same person sent again is the next version of the one Patient, or nothing new.
func TestAPatientKnownByNumberIsOne(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp := a.as(auth.RoleRequester, practiceA)
	s := someone(practiceA)
	patient := s.patient()
	patient.Remove("generalPractitioner")
	first := gp.post(patient).want(http.StatusCreated)
	if again := gp.post(patient).want(http.StatusOK); again.located() != first.located() || again.header.Get("ETag") != `W/"1"` {
		t.Errorf("the same again: %s %s", again.located(), again.header.Get("ETag"))
	}
	patient.Set("birthDate", "1951-03-10")
	if next := gp.post(patient).want(http.StatusOK); next.located() != first.located() || next.header.Get("ETag") != `W/"2"` {
		t.Errorf("a correction: %s %s", next.located(), next.header.Get("ETag"))
	}
	if n := len(gp.get("/fhir/R4/" + first.located() + "/_history").want(http.StatusOK).node().All("entry")); n != 2 {
		t.Errorf("the history has %d versions", n)
	}
}

// An Observation alone joins the one open referral of its patient; with none or
// several it is refused, and basedOn decides.
func TestObservationJoinsTheOneOpenReferral(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.run(quiet())
		gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
		s := someone(practiceA)
		score := func(value string) *fhir.Node {
			n := s.findings()[0]
			n.Remove("performer")
			n.Set("valueInteger", value)
			setPart(n, "subject", byNumber(s.nhsNumber))
			return n
		}
		if got := gp.post(score("6")).want(http.StatusUnprocessableEntity).rules(); len(got) != 1 || got[0] != "subject" {
			t.Errorf("for a stranger: %v", got)
		}
		patient := s.patient()
		patient.Remove("generalPractitioner")
		gp.post(patient).want(http.StatusCreated)
		if got := gp.post(score("6")).want(http.StatusUnprocessableEntity).rules(); len(got) != 1 || got[0] != "no-open-referral" {
			t.Errorf("without a referral: %v", got)
		}
		first := gp.post(s.alone(byNumber(s.nhsNumber))).want(http.StatusCreated).located()
		joined := gp.post(score("6")).want(http.StatusCreated).located()
		v := theOne(t, worker, s.nhsNumber)
		if n := len(v.Scores); n != 1 || v.Scores[0].Value != "6" || v.Scores[0].Role != "baseline" || v.Scores[0].Observation != joined {
			t.Fatalf("the scores are %+v", v.Scores)
		}
		if v.Version != 2 {
			t.Errorf("the referral is still version %d: who watches it does not learn of the score", v.Version)
		}
		worker.get("/fhir/R4/" + joined).want(http.StatusOK)

		other := *s
		other.identifier += "-2"
		second := gp.post(other.alone(byNumber(s.nhsNumber))).want(http.StatusCreated).located()
		if got := gp.post(score("7")).want(http.StatusUnprocessableEntity).rules(); len(got) != 1 || got[0] != "several-open-referrals" {
			t.Errorf("with two referrals: %v", got)
		}
		named := score("8")
		setPart(named, "basedOn", "["+byReference(second)+"]")
		gp.post(named).want(http.StatusCreated)
		for _, v := range worker.worklist("patient=" + v.Links.Patient) {
			full := worker.look(v.ID)
			want := map[string]string{first: "6", second: "8"}[full.Links.ServiceRequest]
			if len(full.Scores) != 1 || full.Scores[0].Value != want {
				t.Errorf("the scores of %s are %+v, want %s alone", full.Links.ServiceRequest, full.Scores, want)
			}
		}
		// a closed referral takes nothing more
		for _, v := range worker.worklist("patient=" + v.Links.Patient) {
			worker.act(v, "reject", referral.Input{Reason: &referral.Coded{Code: "no-capacity"}}).want(http.StatusOK)
		}
		if got := gp.post(named).want(http.StatusUnprocessableEntity).rules(); len(got) != 1 || got[0] != "no-open-referral" {
			t.Errorf("after the end: %v", got)
		}
	})
}

// Each entry of a batch stands alone: the good ones are referrals, the bad one says why.
func TestR24BatchAnswersEachEntry(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	b := fhir.Types(fhir.R4).New("Bundle")
	b.Set("type", "batch")
	var sent []*synthetic
	for i := range 3 {
		s := someone(practiceA)
		sent = append(sent, s)
		n := s.alone(byNumber(s.nhsNumber))
		if i == 1 {
			n.Set("status", "draft")
		}
		e := b.Add("entry")
		e.Append("resource", n)
		e.Add("request").Set("method", "POST")
		e.Child("request").Set("url", "ServiceRequest")
	}
	got := gp.do(http.MethodPost, "/fhir/R4", fhir.Encode(b)).want(http.StatusOK).node()
	var statuses []string
	for _, e := range got.All("entry") {
		statuses = append(statuses, e.Text("response", "status")[:3])
	}
	if got.Text("type") != "batch-response" || strings.Join(statuses, " ") != "201 422 201" {
		t.Fatalf("%v in %s", statuses, fhir.Encode(got))
	}
	bad := got.All("entry")[1].Descend("response", "outcome", "issue")
	if bad.Text("expression") != "ServiceRequest.status" || bad.Text("details", "text") == "" {
		t.Errorf("the refusal is %s", fhir.Encode(bad))
	}
	theOne(t, worker, sent[0].nhsNumber)
	theOne(t, worker, sent[2].nhsNumber)
	if n := w.number("SELECT count(*) FROM referral"); n != 2 {
		t.Errorf("%d referrals are stored", n)
	}
}

// What a practice sent comes back as it was sent, with ids of ours and nothing lost.
func TestTransactionKeepsWhatWasSent(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp := a.as(auth.RoleRequester, demoPractice)
	sent := checked(t, demoReferral())
	answer := gp.do(http.MethodPost, "/fhir/R4", demoReferral()).want(http.StatusOK).node()
	entries := answer.All("entry")
	if len(entries) != len(sent.All("entry")) || answer.Text("type") != "transaction-response" {
		t.Fatalf("the answer is %s", fhir.Encode(answer))
	}
	at := map[string]string{} // fullUrl → where it is now
	for i, e := range sent.All("entry") {
		reference, _, _ := strings.Cut(entries[i].Text("response", "location"), "/_history/")
		at[e.Text("fullUrl")] = reference
	}
	for i, e := range sent.All("entry") {
		want := string(fhir.Encode(e.Child("resource")))
		for url, reference := range at {
			want = strings.ReplaceAll(want, url, reference)
		}
		stored := gp.get("/fhir/R4/" + at[e.Text("fullUrl")]).want(http.StatusOK).node()
		for _, name := range []string{"id", "meta"} {
			stored.Remove(name)
		}
		if got := string(fhir.Encode(stored)); got != want {
			t.Errorf("entry %d\n got %s\nwant %s", i, got, want)
		}
		if version := fmt.Sprintf("%s/_history/1", at[e.Text("fullUrl")]); entries[i].Text("response", "location") != version {
			t.Errorf("entry %d is at %s", i, entries[i].Text("response", "location"))
		}
	}
}
