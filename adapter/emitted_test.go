package main

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// defect wants an answer that says in words what was made wrong here: status 500, our
// rule, and the profile; and a log that says so without a value of the person.
func defect(t *testing.T, got answer, log string, sent *synthetic, words ...string) {
	t.Helper()
	if got.status != http.StatusInternalServerError {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	for _, part := range append(words, "emitted-invalid", "nothing was stored or sent") {
		if !strings.Contains(string(got.body), part) {
			t.Errorf("the answer does not say %q: %s", part, got.body)
		}
	}
	if !strings.Contains(log, `"rules":"emitted-invalid`) {
		t.Errorf("the log does not name the rule:\n%s", log)
	}
	for _, secret := range []string{sent.nhsNumber, sent.identifier} {
		if strings.Contains(log, secret) || strings.Contains(string(got.body), secret) {
			t.Errorf("%s is told", secret)
		}
	}
}

// A deployment puts in an outcome map that sends an Observation without the condition
// that makes a repeat harmless. The link worker who completes a referral is told, and
// nothing is stored or sent; everything else goes on.
func TestAWriteBackThatDoesNotFitIsRefusedBeforeItIsStored(t *testing.T) {
	const outcomeMap = "outcome-to-ukcore-r4/outcome-to-ukcore-r4.map"
	w := newWorld(t, "")
	w.config.Maps = ownMaps(t, map[string][3]string{
		outcomeMap: {outcomeMap, "q.url = 'Observation' then createOnce(i, q)", "q.url = 'Observation', q.method = 'POST'"},
	})
	var log bytes.Buffer
	a := w.run(slog.New(slog.NewJSONHandler(&log, nil)))
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	sent := someone(practiceA)
	v := worker.look(gp.refer(sent.message()))
	v = worker.act(v, "accept", referral.Input{}).view()
	before := w.counts()
	got := worker.act(v, "complete", referral.Input{Outcome: fullOutcome()})
	assertOnlyAudited(t, before, w.counts(), 1)
	if now := worker.look(v.ID); now.Version != v.Version || now.Status != "accepted" {
		t.Errorf("the referral moved to %s, version %d", now.Status, now.Version)
	}
	if n := w.number("SELECT count(*) FROM delivery"); n != 0 || len(w.gp.Record()) != 0 {
		t.Errorf("%d deliveries wait, the record holds %s", n, w.gp.Record())
	}
	// a closure has no Observation here and goes through
	worker.act(v, "close", referral.Input{Reason: &referral.Coded{Code: "moved-away", Text: "in words"}}).view()
	a.stop()
	defect(t, got, log.String(), sent, "sp-outcome-bundle", "ifNoneExist")
}

// The same on the way in, and on the way to the service's own Task: what a map makes is
// never stored when it does not fit, and the sender learns that it is not at fault.
func TestANormalisedReferralThatDoesNotFitIsNotStored(t *testing.T) {
	for name, edit := range map[string][3]string{
		"it is no order of who fills it": {intakeMap, "tgt.intent = 'filler-order'", "tgt.intent = 'order'"},
		"the original is not named":      {intakeMap, "s.fullUrl as u -> b.reference = u;\n    r.identifier first as i -> b.identifier = i;", "r -> b.display = 'somewhere';"},
		"the need is none of the list":   {intakeMap, "src.reasonCode as c where (coding.exists() or text.exists()) -> tgt.reasonCode as tc then reason(c, tc);", "src.reasonCode as c -> tgt.reasonCode as tc, tc.coding as n, n.system = 'https://spadapter.example/fhir/CodeSystem/need', n.code = 'lonliness';"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			w.config.Maps = ownMaps(t, map[string][3]string{intakeMap: edit})
			var log bytes.Buffer
			a := w.run(slog.New(slog.NewJSONHandler(&log, nil)))
			sent := someone(practiceA)
			before := w.counts()
			got := a.as(auth.RoleRequester, practiceA).do(http.MethodPost, "/fhir/R4", sent.message())
			assertOnlyAudited(t, before, w.counts(), 1)
			a.stop()
			defect(t, got, log.String(), sent, "sp-referral-bundle")
		})
	}
}

// What the sender made wrong stays the sender's: 422, with the place.
func TestWhatASenderMadeWrongIsTheSenders(t *testing.T) {
	w := newWorld(t, "")
	gp := w.run(quiet()).as(auth.RoleRequester, practiceA)
	for name, p := range map[string]planted{
		"a need that is none of the list": {func(b *fhir.Node, _ *synthetic) {
			setCode(resourceOf(b, requestEntry).Add("reasonCode"), referral.SystemNeed, "lonliness", "Loneliness")
		}, "Bundle.entry[4].resource.reasonCode[2].coding.code", "own-code-unknown", "code-invalid", 422},
		"two ODS codes": {func(b *fhir.Node, _ *synthetic) {
			i := resourceOf(b, organisationEntry).Add("identifier")
			i.Set("system", referral.SystemODS)
			i.Set("value", practiceA)
		}, "Bundle.entry[3].resource.identifier[1]", "sp-referral-organization/Organization.identifier:odsOrganisationCode", "business-rule", 422},
	} {
		t.Run(name, func(t *testing.T) {
			s := someone(practiceA)
			b := s.bundle()
			p.plant(b, s)
			before := w.counts()
			got := gp.do(http.MethodPost, "/fhir/R4", fhir.Encode(b))
			assertIssue(t, got, p)
			if got.status != p.status {
				t.Errorf("status %d: %s", got.status, got.body)
			}
			assertOnlyAudited(t, before, w.counts(), 1)
		})
	}
}

// A close reason says more than the business status that it belongs to: both stand in the
// Task and reach the record, and the guards look at what it means.
func TestACloseReasonStandsBesideTheBusinessStatus(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	finer := func(code string) referral.Input {
		return referral.Input{Reason: &referral.Coded{System: referral.SystemCloseReason, Code: code, Text: "in words"}}
	}
	v := worker.look(gp.refer(someone(practiceA).message()))
	for _, code := range []string{"declined", "gone fishing"} {
		if got := worker.act(v, "reject", finer(code)); got.status != http.StatusUnprocessableEntity && got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", code, got.status, got.body)
		}
	}
	rejected := worker.act(v, "reject", finer("out-of-area")).view()
	if rejected.Status != "rejected" || rejected.BusinessStatus != "not-eligible" {
		t.Fatalf("the referral is %s, %s", rejected.Status, rejected.BusinessStatus)
	}
	eventually(t, "the closure is in the record", func() bool { return inRecord(w, v.ID) != nil })
	var codes []string
	for _, c := range inRecord(w, v.ID).Child("statusReason").All("coding") {
		codes = append(codes, c.Text("code"))
	}
	if got := strings.Join(codes, " "); got != "not-eligible out-of-area" {
		t.Errorf("the reason in the record is %s", got)
	}
	v = worker.look(gp.refer(someone(practiceA).message()))
	v = worker.act(v, "accept", referral.Input{}).view()
	if got := worker.act(v, "close", finer("not-contactable")); !strings.Contains(string(got.body), "guard-enough-attempts") {
		t.Errorf("nobody tried to reach the person: %d %s", got.status, got.body)
	}
}
