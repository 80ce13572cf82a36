package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// A contained Patient has no record of its own: a referral about one is refused, and
// the worklist goes on working.
func TestAContainedPatientIsNoSubject(t *testing.T) {
	a := newWorld(t, "").run(quiet())
	gp := a.as(auth.RoleRequester, practiceA)
	s := someone(practiceA)
	n := s.alone(byReference("#p"))
	setPart(n, "contained", `[{"resourceType":"Patient","id":"p","name":[{"family":"Inside"}]}]`)
	if got := gp.post(n).want(http.StatusUnprocessableEntity).rules(); len(got) == 0 || got[0] != "subject" {
		t.Errorf("%v", got)
	}
	if list := a.as(auth.RoleOwner, service1).worklist(""); len(list) != 0 {
		t.Errorf("%d referrals", len(list))
	}
}

// A subject named by the number of a Patient in the same message is that Patient.
func TestASubjectByNumberIsThePatientOfTheMessage(t *testing.T) {
	a := newWorld(t, "").run(quiet())
	gp := a.as(auth.RoleRequester, practiceA)
	s := someone(practiceA)
	for range 2 { // a stranger at first, then known
		b := s.bundle()
		for _, entry := range b.All("entry") {
			if n := entry.Child("resource"); n.Child("subject") != nil {
				setPart(n, "subject", byNumber(s.nhsNumber))
			}
		}
		gp.do(http.MethodPost, "/fhir/R4", fhir.Encode(b)).want(http.StatusOK)
		s.identifier += "-2"
	}
	if n := gp.total("/fhir/R4/Patient"); n != 1 {
		t.Errorf("there are %d Patients", n)
	}
	for _, v := range a.as(auth.RoleOwner, service1).worklist("") {
		if v.Person.Name == "" || len(v.Person.Telecom) == 0 || len(v.Scores) == 0 {
			t.Errorf("the link worker sees %+v and %d scores", v.Person, len(v.Scores))
		}
	}
}

// A Patient whose registered practice alone has changed is a new version, also where
// only the target of a reference differs.
func TestAChangeOfPracticeAloneIsKept(t *testing.T) {
	gp := newWorld(t, "").run(quiet()).as(auth.RoleRequester, practiceA)
	s := someone(practiceA)
	gp.do(http.MethodPost, "/fhir/R4", s.message()).want(http.StatusOK)
	version := func() string {
		return gp.get("/fhir/R4/Patient?identifier="+s.nhsNumber).want(http.StatusOK).node().Text("entry", "resource", "meta", "versionId")
	}
	s.identifier += "-2"
	gp.do(http.MethodPost, "/fhir/R4", s.message()).want(http.StatusOK)
	if v := version(); v != "1" {
		t.Fatalf("the same Patient again is version %s", v)
	}
	s.identifier += "-3"
	b := s.bundle()
	role := b.All("entry")[roleEntry].Child("resource")
	setPart(role, "organization", fmt.Sprintf(`{"identifier":{"system":%q,"value":%q}}`, referral.SystemODS, practiceA))
	organisation := b.All("entry")[organisationEntry].Child("resource")
	setPart(organisation, "identifier", fmt.Sprintf(`[{"system":%q,"value":%q}]`, referral.SystemODS, practiceB))
	gp.do(http.MethodPost, "/fhir/R4", fhir.Encode(b)).want(http.StatusOK)
	if v := version(); v != "2" {
		t.Errorf("the Patient of another practice is version %s", v)
	}
}

// At codes-only nothing that is told in words leaves.
func TestCodesOnlySendsNoWords(t *testing.T) {
	w := newWorld(t, "")
	w.config.Sharing = referral.SharingCodes
	a := w.run(quiet())
	a.as(auth.RoleRequester, practiceA).refer(someone(practiceA).message())
	worker := a.as(auth.RoleOwner, service1)
	v := worker.act(worker.worklist("")[0], "accept", referral.Input{Note: "secret one"}).want(http.StatusOK).view()
	worker.act(v, "complete", referral.Input{Note: "secret two", Outcome: &referral.Outcome{
		Status:           "goals-met",
		Findings:         []referral.Coded{{Code: "1230392000", Display: "Not feeling lonely", Text: "secret three"}, {Text: "secret four"}},
		Interventions:    []referral.Coded{{Code: "710911006", Display: "Referral to housing service", Text: "secret five"}, {Text: "secret six"}},
		Scores:           []referral.Score{{Instrument: "swemwbs", Value: "25"}},
		RequestedActions: []string{"secret seven"}, Summary: "secret eight",
	}}).want(http.StatusOK)
	eventually(t, "the outcome arrives", func() bool { return w.gp.task(referral.StatusCompleted) != nil })
	for _, r := range w.gp.received() {
		if i := strings.Index(string(r.Body), "secret"); i >= 0 {
			t.Errorf("words left: %s", r.Body[i:min(i+20, len(r.Body))])
		}
		if !strings.Contains(string(r.Body), "1230392000") || !strings.Contains(string(r.Body), "710911006") || !strings.Contains(string(r.Body), "Withheld") {
			t.Errorf("codes or the word of what was withheld are missing")
		}
		if strings.Contains(string(r.Body), "718466001") {
			t.Error("a score left")
		}
	}
}

// What is sent without a ServiceRequest joins the open referral and is seen there, or is
// refused: a safeguarding flag is never acknowledged and then seen by nobody.
func TestAFlagJoinsTheReferralOrIsRefused(t *testing.T) {
	a := newWorld(t, "").run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	s := someone(practiceA)
	patient := s.patient()
	patient.Remove("generalPractitioner")
	gp.post(patient).want(http.StatusCreated)
	flag := func(status string) *fhir.Node {
		n, err := fhir.Parse(fhir.Types(fhir.R4), fmt.Appendf(nil,
			`{"resourceType":"Flag","status":%q,"category":[{"coding":[{"code":"SG"}]}],"code":{"text":"call before visiting"},"subject":%s}`, status, byNumber(s.nhsNumber)), fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return n.Clone()
	}
	gp.post(flag("active")).want(http.StatusUnprocessableEntity)
	gp.do(http.MethodPost, "/fhir/R4", s.message()).want(http.StatusOK)
	gp.post(flag("active")).want(http.StatusCreated)
	gp.post(flag("entered-in-error")).want(http.StatusCreated)
	v := theOne(t, worker, s.nhsNumber)
	if len(v.Risks) != 1 || v.Risks[0].Text != "call before visiting" || v.Version != 3 {
		t.Errorf("version %d shows the risks %+v", v.Version, v.Risks)
	}
}

// A Patient by itself may lack an NHS number; a referral of that person may not, unless
// the message said why there is none.
func TestAReferralSaysWhoThePersonIs(t *testing.T) {
	gp := newWorld(t, "").run(quiet()).as(auth.RoleRequester, practiceA)
	s := someone(practiceA)
	patient := s.patient()
	patient.Remove("generalPractitioner")
	patient.Remove("identifier")
	alone := gp.post(patient).want(http.StatusCreated).located()
	if got := gp.post(s.alone(byReference(alone))).want(http.StatusUnprocessableEntity).rules(); len(got) != 1 || got[0] != "sp-patient-nhs-number" {
		t.Errorf("%v", got)
	}
	setPart(patient, "extension", `[{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberUnavailableReason","valueCodeableConcept":{"text":"not known"}}]`)
	explained := gp.post(patient).want(http.StatusCreated).located()
	gp.post(s.alone(byReference(explained))).want(http.StatusCreated)
}
