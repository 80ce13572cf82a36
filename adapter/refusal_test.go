package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// planted is a fault in a message and what the refusal must say of it.
type planted struct {
	plant      func(b *fhir.Node, s *synthetic)
	expression string
	rule       string
	code       string // of http://hl7.org/fhir/issue-type
	status     int
}

func resourceOf(b *fhir.Node, entry int) *fhir.Node { return b.All("entry")[entry].Child("resource") }

// faults are all that can be planted in one message beside each other.
var faults = map[string]planted{
	"the subject is missing": {func(b *fhir.Node, _ *synthetic) { resourceOf(b, requestEntry).Remove("subject") },
		"Bundle.entry[4].resource.subject", "required", "required", 400},
	"the check digit of the NHS number is wrong": {func(b *fhir.Node, s *synthetic) {
		last := s.nhsNumber[9]
		resourceOf(b, patientEntry).Child("identifier").Set("value", s.nhsNumber[:9]+string('0'+(last-'0'+1)%10))
	}, "Bundle.entry[0].resource.identifier[0].value", "nhs-number-check-digit", "business-rule", 422},
	"the score is out of range": {func(b *fhir.Node, _ *synthetic) {
		resourceOf(b, firstObservation).Set("valueInteger", "11")
	}, "Bundle.entry[5].resource.value", "instrument-range", "business-rule", 422},
	"the birth date is no date": {func(b *fhir.Node, _ *synthetic) { resourceOf(b, patientEntry).Set("birthDate", "1951-02-30") },
		"Bundle.entry[0].resource.birthDate", "", "value", 400},
	"an element nobody knows": {func(b *fhir.Node, _ *synthetic) {
		n := resourceOf(b, roleEntry)
		n.Children = append(n.Children, &fhir.Node{Name: "salary", Kind: fhir.String, Value: "12", Parent: n})
	}, "Bundle.entry[2].resource.salary", "", "structure", 400},
}

// single are those that need a message without other faults: they are looked for when
// the form is in order.
var single = map[string]planted{
	"the code is not that of a referral": {func(b *fhir.Node, _ *synthetic) {
		resourceOf(b, requestEntry).Child("code").Child("coding").Set("code", "306206005")
	}, "Bundle.entry[4].resource.code", "", "code-invalid", 422},
	"a reference leads nowhere": {func(b *fhir.Node, _ *synthetic) {
		resourceOf(b, requestEntry).Child("subject").Set("reference", "Patient/0190aaaa-0000-7000-8000-000000000000")
	}, "Bundle.entry[4].resource.subject.reference", "reference-unknown", "business-rule", 422},
	"a reference leads to no entry": {func(b *fhir.Node, _ *synthetic) {
		resourceOf(b, requestEntry).Child("subject").Set("reference", "urn:uuid:00000000-0000-4000-8000-000000000000")
	}, "Bundle.entry[4].resource.subject.reference", "bundle-reference", "value", 400},
	"a type that is not taken": {func(b *fhir.Node, _ *synthetic) {
		resourceOf(b, roleEntry).Remove("practitioner")
		n := fhir.Types(fhir.R4).New("Basic")
		setCode(n.Add("code"), "http://example.org", "x", "x")
		e := b.All("entry")[practitionerEntry]
		e.Remove("resource")
		e.Append("resource", n)
		e.Child("request").Set("url", "Basic")
	}, "Bundle.entry[1].resource", "type-not-accepted", "not-supported", 422},
	"a birth to come": {func(b *fhir.Node, _ *synthetic) { resourceOf(b, patientEntry).Set("birthDate", "2951-02-03") },
		"Bundle.entry[0].resource.birthDate", "date-future", "business-rule", 422},
	"a death to come": {func(b *fhir.Node, _ *synthetic) {
		resourceOf(b, patientEntry).Set("deceasedDateTime", time.Now().AddDate(0, 0, 3).Format(time.DateOnly))
	}, "Bundle.entry[0].resource.deceased", "date-future", "business-rule", 422},
	"the status is not active": {func(b *fhir.Node, _ *synthetic) { resourceOf(b, requestEntry).Set("status", "draft") },
		"Bundle.entry[4].resource.status", "", "", 422},
}

// assertIssue demands an issue with that place, rule and code, and a sentence.
func assertIssue(t *testing.T, got answer, p planted) {
	t.Helper()
	for _, i := range got.node().All("issue") {
		at := i.Text("expression")
		rule := i.Text("details", "coding", "code")
		if (at == p.expression || strings.ReplaceAll(at, "[0]", "") == strings.ReplaceAll(p.expression, "[0]", "")) && (p.rule == "" || rule == p.rule) && (p.code == "" || i.Text("code") == p.code) {
			if words := i.Text("details", "text"); len(strings.Fields(words)) < 3 {
				t.Errorf("%s is explained by %q only", at, words)
			}
			return
		}
	}
	t.Errorf("no issue at %s by %q of type %q in %s", p.expression, p.rule, p.code, got.body)
}

// Every planted fault is told with its place and a sentence, alone and with all
// others, and nothing of the message is stored, on each database.
func TestEveryPlantedFaultIsToldAndNothingIsStored(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		gp := w.run(quiet()).as(auth.RoleRequester, practiceA)
		check := func(name string, list ...planted) {
			t.Run(name, func(t *testing.T) {
				s := someone(practiceA)
				b := s.bundle()
				for _, p := range list {
					p.plant(b, s)
				}
				before := w.counts()
				got := gp.do(http.MethodPost, "/fhir/R4", fhir.Encode(b))
				status := 422
				for _, p := range list {
					status = min(status, p.status)
					assertIssue(t, got, p)
				}
				if got.status != status {
					t.Errorf("status %d, want %d: %s", got.status, status, got.body)
				}
				if n := len(got.node().All("issue")); n != len(list) {
					t.Errorf("%d issues for %d faults: %s", n, len(list), got.body)
				}
				assertOnlyAudited(t, before, w.counts(), 1)
			})
		}
		var all []planted
		for name, p := range faults {
			check(name, p)
			all = append(all, p)
		}
		for name, p := range single {
			check(name, p)
		}
		check("all at once", all...)
		check("code, status and NHS number", single["the code is not that of a referral"], single["the status is not active"])
	})
}

// What is no message at all is refused by its form.
func TestWhatIsNoMessageIsRefused(t *testing.T) {
	w := newWorld(t, "")
	gp := w.run(quiet()).as(auth.RoleRequester, practiceA)
	good := string(someone(practiceA).message())
	for name, c := range map[string]struct {
		path, body, media string
		status            int
		rule              string
	}{
		"not JSON":                        {"/fhir/R4", `<Bundle/>`, "application/fhir+json", 400, ""},
		"half of it":                      {"/fhir/R4", good[:len(good)/2], "application/fhir+json", 400, ""},
		"empty":                           {"/fhir/R4", ``, "application/fhir+json", 400, ""},
		"an array":                        {"/fhir/R4", `[]`, "application/fhir+json", 400, ""},
		"a member twice":                  {"/fhir/R4", `{"resourceType":"Bundle","type":"transaction","type":"batch"}`, "application/fhir+json", 400, ""},
		"no Bundle":                       {"/fhir/R4", `{"resourceType":"Patient"}`, "application/fhir+json", 400, "bundle-expected"},
		"no type that FHIR has":           {"/fhir/R4", `{"resourceType":"Referral"}`, "application/fhir+json", 400, ""},
		"the type of another address":     {"/fhir/R4/ServiceRequest", `{"resourceType":"Patient"}`, "application/fhir+json", 400, "resource-type"},
		"a searchset":                     {"/fhir/R4", `{"resourceType":"Bundle","type":"searchset"}`, "application/fhir+json", 400, "bundle-type"},
		"an empty transaction":            {"/fhir/R4", `{"resourceType":"Bundle","type":"transaction"}`, "application/fhir+json", 400, "bundle-empty"},
		"over the limit":                  {"/fhir/R4", `{"resourceType":"Bundle","id":"` + strings.Repeat("x", w.config.BodyBytes) + `"}`, "application/fhir+json", 413, "body-limit"},
		"a media type that is not FHIR":   {"/fhir/R4", good, "text/plain", 415, "media-type"},
		"another version of FHIR":         {"/fhir/R4", good, "application/fhir+json; fhirVersion=3.0", 415, "media-type"},
		"a Task, which only we make":      {"/fhir/R4/Task", `{"resourceType":"Task"}`, "application/fhir+json", 405, "method-not-allowed"},
		"a reference with a condition":    {"/fhir/R4/ServiceRequest", strings.Replace(string(fhir.Encode(someone(practiceA).alone(`{"reference":"X"}`))), `"X"`, `"Patient?identifier=1"`, 1), "application/fhir+json", 422, "conditional-reference"},
		"a subject that is only in words": {"/fhir/R4/ServiceRequest", string(fhir.Encode(someone(practiceA).alone(`{"display":"Mrs Someone"}`))), "application/fhir+json", 422, "subject"},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.counts()
			got := gp.do(http.MethodPost, c.path, []byte(c.body), "Content-Type", c.media)
			i := got.node().Child("issue")
			if got.status != c.status || c.rule != "" && i.Text("details", "coding", "code") != c.rule || i.Text("details", "text") == "" {
				t.Errorf("status %d, want %d by %q: %s", got.status, c.status, c.rule, got.body)
			}
			assertOnlyAudited(t, before, w.counts(), 1)
		})
	}
}

// Who may not do it is told so in the language of the address, and nothing happens.
func TestCallersAreHeldToWhoTheyAre(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	v := worker.look(gp.refer(someone(practiceA).message()))
	long := time.Now().Add(-3 * time.Hour)
	as := func(c auth.Claims, at time.Time) caller { return caller{t, a.url, w.token(c, at)} }
	message := func() []byte { return someone(practiceA).message() }
	accept := "/api/v1/referrals/" + v.ID + "/actions/accept"
	match := []string{"If-Match", `W/"1"`}
	requester := auth.Claims{Role: auth.RoleRequester, Organisations: []string{practiceA}}
	forOthers, narrow := requester, requester
	forOthers.Audience = []string{"https://other.example"}
	narrow.Scopes = []string{"system/Task.rs"}
	tampered := gp
	tampered.token = tampered.token[:len(tampered.token)-8] + "AAAAAAAA"
	for name, c := range map[string]struct {
		who     caller
		path    string
		body    []byte
		headers []string
		status  int
		rule    string
	}{
		"without a token":                            {caller{t, a.url, ""}, "/fhir/R4", message(), nil, 401, "token-missing"},
		"with an expired token":                      {as(requester, long), "/fhir/R4", message(), nil, 401, ""},
		"with a token for another audience":          {as(forOthers, time.Now()), "/fhir/R4", message(), nil, 401, ""},
		"with a changed token":                       {tampered, "/fhir/R4", message(), nil, 401, ""},
		"with a scope that does not reach":           {as(narrow, time.Now()), "/fhir/R4", message(), nil, 403, "scope"},
		"a service refers":                           {worker, "/fhir/R4", message(), nil, 403, "role"},
		"a service refers by a single request":       {worker, "/fhir/R4/ServiceRequest", fhir.Encode(someone(practiceA).alone(byNumber("9990000026"))), nil, 403, "role"},
		"a practice refers for another":              {a.as(auth.RoleRequester, practiceB), "/fhir/R4", message(), nil, 403, "sender"},
		"a practice accepts its own":                 {gp, accept, nil, match, 403, "role"},
		"a worker without a token":                   {caller{t, a.url, ""}, accept, nil, match, 401, "token-missing"},
		"a worker who has not said what it has seen": {worker, accept, nil, nil, 428, "if-match-missing"},
		"a worker who has seen an older version":     {worker, accept, nil, []string{"If-Match", `W/"7"`}, 412, "version-conflict"},
		"a worker with a version that is none":       {worker, accept, nil, []string{"If-Match", `*`}, 400, "if-match"},
		"a move that is not possible":                {worker, "/api/v1/referrals/" + v.ID + "/actions/resume", nil, match, 422, "illegal-move"},
		"an action nobody knows":                     {worker, "/api/v1/referrals/" + v.ID + "/actions/celebrate", nil, match, 404, "action-unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.counts()
			got := c.who.do(http.MethodPost, c.path, c.body, c.headers...)
			rule, words := "", ""
			if strings.HasPrefix(c.path, "/fhir") {
				i := got.node().Child("issue")
				rule, words = i.Text("details", "coding", "code"), i.Text("details", "text")
			} else {
				var p struct {
					Errors []struct{ Rule, Detail string }
				}
				got.into(&p)
				rule, words = p.Errors[0].Rule, p.Errors[0].Detail
			}
			if got.status != c.status || c.rule != "" && rule != c.rule || words == "" {
				t.Errorf("status %d, want %d by %q: %s", got.status, c.status, c.rule, got.body)
			}
			if (got.header.Get("WWW-Authenticate") != "") != (c.status == 401 || rule == "scope") {
				t.Errorf("WWW-Authenticate is %q", got.header.Get("WWW-Authenticate"))
			}
			assertOnlyAudited(t, before, w.counts(), 1)
		})
	}
	if now := worker.look(v.ID); now.Version != 1 {
		t.Errorf("the referral moved to version %d", now.Version)
	}
}

// An illegal move is refused with the legal ones, from every status that can be reached.
func TestAnIllegalMoveNamesTheLegalOnes(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	worker := a.as(auth.RoleOwner, service1)
	v := worker.look(a.as(auth.RoleRequester, practiceA).refer(someone(practiceA).message()))
	visit := func() {
		legal := referral.Legal(v.Status, v.CancellationAsked, "LW")
		for _, action := range referral.Actions() {
			if strings.Contains(legal, " "+action+" (") {
				continue
			}
			got := worker.act(v, action, referral.Input{})
			var p struct{ Detail string }
			got.into(&p)
			switch {
			case got.status == http.StatusForbidden && strings.Contains(p.Detail, "is made by"):
			case got.status == http.StatusUnprocessableEntity && strings.Contains(p.Detail, legal):
			default:
				t.Errorf("%s from %s: %d %q does not say %q", action, v.Status, got.status, p.Detail, legal)
			}
		}
	}
	visit()
	for _, step := range []struct {
		action string
		in     referral.Input
	}{
		{"accept", referral.Input{}}, {"contact", referral.Input{Channel: "sms", Result: "reached"}},
		{"hold", referral.Input{ReviewOn: "2027-01-04", Reason: &referral.Coded{Code: "unwell"}}},
		{"complete", referral.Input{Outcome: fullOutcome()}},
	} {
		v = worker.act(v, step.action, step.in).view()
		visit()
	}
}

// An id of another organisation is answered like an id that nobody has, byte for byte
// but for the id.
func TestForeignIDsAreLikeUnknownOnes(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	owner := a.as(auth.RoleOwner, service1)
	v := owner.look(a.as(auth.RoleRequester, practiceA).refer(someone(practiceA).message()))
	const unknown = "0190aaaa-0000-7000-8000-000000000000"
	for _, stranger := range []caller{a.as(auth.RoleRequester, practiceB), a.as(auth.RoleOwner, service2)} {
		for _, reference := range []string{v.Links.Task, v.Links.Patient, v.Links.ServiceRequest} {
			kind, id, _ := strings.Cut(reference, "/")
			for _, path := range []string{"/fhir/R4/%s/%s", "/fhir/R4/%s/%s/_history", "/fhir/R4/%s/%s/_history/1", "/api/v1/referrals/%[2]s"} {
				of := func(id string) (int, string) {
					got := stranger.do(http.MethodGet, fmt.Sprintf(path, kind, id), nil, "X-Request-ID", "the-same")
					return got.status, strings.ReplaceAll(string(got.body), id, "ID")
				}
				status, body := of(id)
				if wantStatus, want := of(unknown); status != 404 || status != wantStatus || body != want {
					t.Errorf("%s of %s: %d\n%s", path, kind, status, cmp.Diff(want, body))
				}
			}
		}
		of := func(id string) (int, string) {
			got := stranger.do(http.MethodPost, "/api/v1/referrals/"+id+"/actions/accept", nil, "If-Match", `W/"1"`, "X-Request-ID", "the-same")
			return got.status, strings.ReplaceAll(string(got.body), id, "ID")
		}
		status, body := of(v.ID)
		if wantStatus, want := of(unknown); status != wantStatus || body != want {
			t.Errorf("an action: %d\n%s", status, cmp.Diff(want, body))
		}
	}
}
