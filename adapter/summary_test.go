package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// told is one referral whose summaries are looked at.
type told struct {
	*cast
	sent *synthetic
	v    referral.View
}

// newTold refers somebody to service 1 at a sharing level.
func newTold(t *testing.T, level string) *told {
	w := newWorld(t, "")
	w.config.Sharing = level
	a := w.run(quiet())
	x := &told{cast: &cast{w: w, a: a, gp: a.as(auth.RoleRequester, practiceA), worker: a.as(auth.RoleOwner, service1),
		other: a.as(auth.RoleOwner, service2), manager: a.as(auth.RoleOperator)}, sent: someone(practiceA)}
	x.v = x.worker.look(x.gp.refer(x.sent.message()))
	return x
}

// act makes moves of the service, one after the other.
func (x *told) act(action string, in referral.Input) { x.v = x.worker.act(x.v, action, in).view() }

// begun is support that goes on: contacts, a signpost, an activity.
func (x *told) begun() {
	x.act("accept", referral.Input{})
	x.act("contact", referral.Input{Channel: "telephone", Result: "no-answer"})
	x.act("contact", referral.Input{Channel: "home-visit", Result: "reached", Note: "Prefers mornings."})
	x.act("signpost", referral.Input{Signpost: &referral.Signpost{To: "Warm Hub", Contact: "01632 960002", Reason: "The flat is cold"}})
}

func (x *told) planned() {
	x.begun()
	in := agreedPlan()
	in.ReviewOn = "2099-01-04"
	in.Plan.Matters, in.Plan.Strengths, in.Plan.Reviewer = "To hear music again", []string{"Sings"}, "her link worker"
	in.Plan.Needs = []referral.Coded{{Code: "105529008", Display: "Lives alone"}}
	x.act("plan", in)
}

func outcomeOf(scores ...referral.Score) *referral.Outcome {
	o := fullOutcome()
	o.Scores = scores
	return o
}

// documents are the DocumentReferences of the record in the order in which they came.
func (x *told) documents() (list []*fhir.Node) {
	x.w.gp.locked(func() {
		for _, key := range x.w.gp.order {
			if n := x.w.gp.held[key].node; n.ResourceType() == "DocumentReference" {
				list = append(list, n.Clone())
			}
		}
	})
	return list
}

// filed waits for the write-backs that were made, and gives the last document.
func (x *told) filed(t *testing.T) *fhir.Node {
	t.Helper()
	eventually(t, "everything is in the record", func() bool {
		return x.w.number("SELECT count(*) FROM delivery WHERE state <> 'delivered'") == 0 && inRecord(x.w, x.v.ID) != nil
	})
	list := x.documents()
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1]
}

// forms are the decoded attachments of a document, by content type; each must be whole.
func forms(t *testing.T, document *fhir.Node) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, c := range document.All("content") {
		a := c.Child("attachment")
		data, err := base64.StdEncoding.DecodeString(a.Text("data"))
		hash := sha1.Sum(data)
		if err != nil || a.Text("size") != fmt.Sprint(len(data)) || a.Text("hash") != base64.StdEncoding.EncodeToString(hash[:]) ||
			a.Text("title") == "" || a.Text("creation") == "" {
			t.Errorf("the attachment %s is not whole: %v", a.Text("contentType"), err)
		}
		out[a.Text("contentType")] = data
	}
	return out
}

// resourceIn reads a resource that a test wrote down.
func resourceIn(t *testing.T, body []byte) *fhir.Node {
	t.Helper()
	n, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var (
	someID   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	someTime = regexp.MustCompile(`\d\d:\d\d UTC`)
)

// lasting replaces what is different in every run.
func (x *told) lasting(text string) string {
	n := x.sent.nhsNumber
	text = strings.ReplaceAll(text, n[:3]+" "+n[3:6]+" "+n[6:], "999 000 0000")
	for _, days := range []int{0, 1, 2} {
		text = strings.ReplaceAll(text, time.Now().UTC().AddDate(0, 0, -days).Format("2 January 2006"), fmt.Sprintf("(%d days ago)", days))
	}
	return someTime.ReplaceAllString(someID.ReplaceAllString(text, "(id)"), "(time)")
}

// TestSummaries compares the page of every milestone, at every level that has one, with
// testdata/summary. What the requester reads here is what its record got.
func TestSummaries(t *testing.T) {
	reason := func(code string) referral.Input { return referral.Input{Reason: said(code)} }
	flag := func(x *told, code, display string) {
		x.gp.post(resourceIn(t, fmt.Appendf(nil, `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://snomed.info/sct","code":%q,"display":%q}]},"effectiveDateTime":"2026-01-10","subject":%s}`,
			code, display, byNumber(x.sent.nhsNumber)))).want(http.StatusCreated)
		x.v = x.worker.look(x.v.ID)
	}
	goalsMet := func(x *told) {
		x.planned()
		x.act("complete", referral.Input{Outcome: outcomeOf(referral.Score{Instrument: "ons4-satisfaction", Value: "7"}, referral.Score{Instrument: "swemwbs", Value: "25"},
			referral.Score{Instrument: "gad-7", Value: "9"}, referral.Score{Instrument: "phq-9", Value: "14", Role: "baseline", Date: "2026-03-02"},
			referral.Score{Instrument: "phq-9", Value: "11", Date: "2026-05-02"}, referral.Score{Instrument: "phq-9", Value: "12", Date: "2026-06-02"})})
	}
	for name, c := range map[string]struct {
		level string
		story func(x *told)
	}{
		"goals met, summary":   {referral.SharingSummary, goalsMet},
		"goals met, full":      {referral.SharingFull, goalsMet},
		"declined by person":   {referral.SharingSummary, func(x *told) { x.begun(); x.act("close", reason("declined-by-patient")) }},
		"declined by service":  {referral.SharingSummary, func(x *told) { x.act("reject", reason("not-eligible")) }},
		"plan agreed, summary": {referral.SharingSummary, (*told).planned},
		"plan agreed, full":    {referral.SharingFull, (*told).planned},
		"no known risks": {referral.SharingSummary, func(x *told) {
			flag(x, "861931000000100", "No safeguarding issues identified")
			x.act("reject", reason("no-capacity"))
		}},
		"a known risk": {referral.SharingSummary, func(x *told) { flag(x, "248054003", "Self-neglect"); x.act("reject", reason("no-capacity")) }},
		"entered in error": {referral.SharingSummary, func(x *told) {
			goalsMet(x)
			x.v = x.manager.act(x.v, "enter-in-error", reason("entered-in-error")).view()
		}},
		"where it stands, full": {referral.SharingFull, (*told).begun},
		"unable to contact": {referral.SharingSummary, func(x *told) {
			x.act("accept", referral.Input{})
			for days := 2; days >= 0; days-- {
				at := time.Now().AddDate(0, 0, -days)
				x.act("contact", referral.Input{Channel: "telephone", Result: []string{"no-answer", "message-left", "no-answer"}[days], At: &at})
			}
			x.act("close", reason("unable-to-contact"))
		}},
		"corrected": {referral.SharingSummary, func(x *told) {
			goalsMet(x)
			better := outcomeOf(referral.Score{Instrument: "ons4-satisfaction", Value: "6"})
			better.Status, better.Findings, better.RequestedActions = "partially-met", better.Findings[:1], nil
			x.act("correct", referral.Input{Outcome: better, Note: "The housing problem is not solved."})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTold(t, c.level)
			c.story(x)
			here := x.gp.do(http.MethodGet, "/api/v1/referrals/"+x.v.ID+"/summary", nil).want(http.StatusOK)
			got := x.lasting(string(here.body))
			if x.v.BusinessStatus != "signposted" { // else nothing is filed yet
				document := x.filed(t)
				inside := forms(t, document)
				if text := x.lasting(string(inside[referral.SummaryText])); text != got || len(inside) != 2 || !bytes.HasPrefix(inside[referral.SummaryPDF], []byte("%PDF-1.7\n")) {
					t.Errorf("the record got %d forms; its text and what is shown here differ:\n%s", len(inside), cmp.Diff(text, got))
				}
				if document.Text("status") != "current" || document.Text("subject", "identifier", "value") != x.sent.nhsNumber {
					t.Errorf("the record got %s", encoded(document))
				}
			}
			path := filepath.Join("testdata", "summary", strings.NewReplacer(" ", "-", ",", "").Replace(name)+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the page differs from %s; write it with -update when that is meant (- want, + got)\n%s", path, diff)
			}
			// the service has everything, whatever the level
			copy := string(x.worker.do(http.MethodGet, "/api/v1/referrals/"+x.v.ID+"/summary", nil).want(http.StatusOK).body)
			if !strings.Contains(copy, "Copy of the service, with everything that is recorded. The record of the practice gets the sharing level "+c.level+".") {
				t.Errorf("the service reads %s", copy)
			}
			if strings.HasPrefix(name, "plan") && !strings.Contains(copy, "What matters to the person: To hear music again") {
				t.Errorf("the service reads no plan: %s", copy)
			}
		})
	}
}

// At codes-only no document is the practice's, and the record is told so; at none there is nothing.
func TestNoSummaryBelowItsLevel(t *testing.T) {
	for _, level := range []string{referral.SharingNone, referral.SharingCodes} {
		t.Run(level, func(t *testing.T) {
			x := newTold(t, level)
			x.planned()
			x.act("complete", referral.Input{Outcome: fullOutcome()})
			if n, kept := x.gp.total("/fhir/R4/DocumentReference?_total=accurate"), x.worker.total("/fhir/R4/DocumentReference?_total=accurate"); n != 0 || kept != 2 {
				t.Errorf("the practice finds %d documents, the service %d", n, kept)
			}
			if level == referral.SharingCodes {
				none, told := x.filed(t) == nil, string(encoded(inRecord(x.w, x.v.ID)))
				if !none || !strings.Contains(told, "Withheld at sharing level codes-only: ") || !strings.Contains(told, ", summary") || strings.Contains(told, "Id/documentreference") {
					t.Errorf("the record has %s", told)
				}
			} else if n := x.w.number("SELECT count(*) FROM delivery"); n != 0 {
				t.Errorf("%d write-backs at level none", n)
			}
			path := "/api/v1/referrals/" + x.v.ID + "/summary"
			if got := x.gp.do(http.MethodGet, path, nil); got.status != http.StatusForbidden || !strings.Contains(string(got.body), "summary-withheld") {
				t.Errorf("the requester gets %d %s", got.status, got.body)
			}
			x.worker.do(http.MethodGet, path, nil).want(http.StatusOK)
		})
	}
}

// The summary is text or PDF as the client likes, is nobody else's, and each look is in
// the audit; neither its file name nor a header names the person.
func TestTheSummaryIsServed(t *testing.T) {
	x := newTold(t, referral.SharingSummary)
	x.planned()
	path := "/api/v1/referrals/" + x.v.ID + "/summary"
	for _, c := range []struct {
		accept, form string
		status       int
	}{
		{"", referral.SummaryText, 200}, {"*/*", referral.SummaryText, 200}, {"text/plain", referral.SummaryText, 200}, {"text/*;q=0.5, application/pdf", referral.SummaryPDF, 200},
		{"application/pdf", referral.SummaryPDF, 200}, {"application/*", referral.SummaryPDF, 200}, {"application/json", "", 406}, {"text/plain;q=0, application/pdf;q=0", "", 406},
		{"application/pdf;q=0.2, text/plain;q=0.9", referral.SummaryText, 200}, {"*/*;q=0.1, application/pdf;q=0.9", referral.SummaryPDF, 200},
	} {
		for _, who := range []caller{x.worker, x.gp, x.manager} {
			before := x.w.number("SELECT count(*) FROM audit WHERE entity = 'Task/" + x.v.ID + "' AND interaction = 'read'")
			got := who.do(http.MethodGet, path, nil, "Accept", c.accept)
			if got.status != c.status || c.form != "" && got.header.Get("Content-Type") != c.form {
				t.Errorf("Accept %q: %d %s", c.accept, got.status, got.header.Get("Content-Type"))
			}
			if c.status == 406 {
				continue
			}
			if pdf := bytes.HasPrefix(got.body, []byte("%PDF-")); pdf != (c.form == referral.SummaryPDF) {
				t.Errorf("Accept %q: the body is a PDF: %v", c.accept, pdf)
			}
			if n := x.w.number("SELECT count(*) FROM audit WHERE entity = 'Task/" + x.v.ID + "' AND interaction = 'read'"); n != before+1 {
				t.Errorf("%d audit records of a look", n-before)
			}
			for name, values := range got.header {
				if text := strings.Join(values, " "); strings.Contains(text, x.sent.family) || strings.Contains(text, x.sent.nhsNumber) {
					t.Errorf("%s names the person: %s", name, text)
				}
			}
		}
	}
	x.other.do(http.MethodGet, path, nil).want(http.StatusNotFound)
	x.a.as(auth.RoleRequester, practiceB).do(http.MethodGet, path, nil).want(http.StatusNotFound)
	x.worker.do(http.MethodGet, "/api/v1/referrals/"+strings.Repeat("0", 8)+x.v.ID[8:]+"/summary", nil).want(http.StatusNotFound)
}

// 871731000000106 is recorded by whoever refers, once for the episode. Whatever happens
// to the referral, nothing that goes to the record has it: not when the practice coded
// it, not with a legacy code, not when it is opened again, and not when it is handed over.
func TestTheReferralCodeIsOnceInAnEpisode(t *testing.T) {
	x := newTold(t, referral.SharingFull)
	x.planned()
	x.act("close", referral.Input{Reason: said("disengaged")})
	again := x.worker.act(x.v, "reopen", referral.Input{}).view()
	if again.Follows != x.v.ID {
		t.Fatalf("the new referral follows %q", again.Follows)
	}
	x.v = again
	x.begun()
	x.act("transfer", referral.Input{Service: service2, Reason: said("replaced")})
	x.v = x.other.worklist("status=received")[0]
	x.worker = x.other
	x.planned()
	x.act("complete", referral.Input{Outcome: fullOutcome()})
	eventually(t, "everything is in the record", func() bool { return x.w.number("SELECT count(*) FROM delivery WHERE state <> 'delivered'") == 0 })
	bodies := 0
	for _, r := range x.w.gp.received() {
		bodies++
		if bytes.Contains(r.Body, []byte(referral.CodeReferral)) {
			t.Errorf("a write-back has the code of the referral: %s", r.Body)
		}
	}
	if bodies < 5 { // two plans, a closure, a transfer, an outcome
		t.Errorf("only %d write-backs were made", bodies)
	}
	for _, in := range []referral.Input{
		{Outcome: &referral.Outcome{Status: "goals-met", Interventions: []referral.Coded{{Code: referral.CodeReferral, Display: "Referral to social prescribing service"}}}, Note: "x"},
		{Outcome: &referral.Outcome{Status: "goals-met", Findings: []referral.Coded{{Code: referral.CodeReferral, Display: "Referral to social prescribing service"}}}, Note: "x"},
	} {
		if got := x.worker.act(x.v, "correct", in); got.status != http.StatusUnprocessableEntity && got.status != http.StatusBadRequest || !strings.Contains(string(got.body), "code-refused") {
			t.Errorf("a service writes the code itself: %d %s", got.status, got.body)
		}
	}
}

// The first score of the practice counts also when it was sent after the request; the
// pair names it by the practice's own identifier. What is older than it is no last score.
func TestAFirstScoreThatCameLaterIsPaired(t *testing.T) {
	x := newTold(t, referral.SharingSummary)
	x.gp.post(resourceIn(t, fmt.Appendf(nil, `{"resourceType":"Observation","identifier":[{"system":"https://gp.example/scores","value":"s-1"}],"status":"final","code":{"coding":[{"system":"http://snomed.info/sct","code":"720433000","display":"PHQ-9 score"}]},
		"effectiveDateTime":"2026-01-10","valueInteger":15,"subject":%s}`, byNumber(x.sent.nhsNumber)))).want(http.StatusCreated)
	x.v = x.worker.look(x.v.ID)
	x.begun()
	x.act("complete", referral.Input{Outcome: outcomeOf(referral.Score{Instrument: "phq-9", Value: "8"}, referral.Score{Instrument: "swemwbs", Value: "25", Date: "2020-01-01"})})
	text := string(forms(t, x.filed(t))[referral.SummaryText])
	for _, want := range []string{"PHQ-9 15 to 8 (-7, better; ", "first on 10 January 2026", "SWEMWBS (raw) 25 on 1 January 2020, no comparable first score", "1 of 2 compared"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q:\n%s", want, text)
		}
	}
	paired := 0
	x.w.gp.locked(func() {
		for _, key := range x.w.gp.order {
			if from := x.w.gp.held[key].node.Child("derivedFrom"); from != nil {
				paired++
				if from.Text("identifier", "value") != "s-1" || from.Text("display") != "PHQ-9 15 on 2026-01-10" {
					t.Errorf("the pair names %s", encoded(from))
				}
			}
		}
	})
	if paired != 1 {
		t.Errorf("%d scores are paired", paired)
	}
}

// The bytes of a write-back are those of its commit: a document that is sent again is the
// same, and what is stored here is what was sent.
func TestADocumentIsTheSameOnEveryTry(t *testing.T) {
	x := newTold(t, referral.SharingSummary)
	x.planned()
	first := forms(t, x.filed(t))
	id := x.documents()[0].Text("identifier", "value")
	stored := x.gp.get("/fhir/R4/DocumentReference/" + id).want(http.StatusOK).node()
	for form, data := range forms(t, stored) {
		if !bytes.Equal(data, first[form]) {
			t.Errorf("%s was sent otherwise than it is stored", form)
		}
	}
	var body struct{ Entry []json.RawMessage }
	if err := json.Unmarshal(x.w.gp.received()[0].Body, &body); err != nil || len(body.Entry) < 2 {
		t.Errorf("%d entries: %v", len(body.Entry), err)
	}
}
