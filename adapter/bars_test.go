package main

import (
	"encoding/base64"
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

const processMessage = "/fhir/R4/$process-message"

// barsCast is a cast whose adapter takes messages of BaRS.
func barsCast(t *testing.T, url string, set ...func(*Config)) *cast {
	t.Helper()
	w := newWorld(t, url)
	takeBaRS(&w.config)
	for _, s := range set {
		s(&w.config)
	}
	return w.cast()
}

// takeBaRS sets an adapter up for the messages of the tests.
func takeBaRS(c *Config) {
	c.BarsServices, c.BarsUseCases, c.BarsVersions = []string{barsService}, []string{barsUseCase}, []string{"1"}
}

// says sends a message with the headers of the standard; more of them replace or, with "", remove.
func (c caller) says(practice string, message *fhir.Node, headers ...string) answer {
	c.t.Helper()
	return c.saysText(practice, string(encoded(message)), headers...)
}

func (c caller) saysText(practice, message string, headers ...string) answer {
	c.t.Helper()
	return c.do(http.MethodPost, processMessage, []byte(message), barsWith(practice, headers...)...)
}

func barsWith(practice string, headers ...string) []string {
	all := map[string]string{"Content-Type": "application/fhir+json", "X-Request-ID": uuid.NewString(), "X-Correlation-ID": uuid.NewString(), "Accept": "application/fhir+json; version=1.1.0"}
	for _, list := range [][]string{barsHeaders(practice), headers} {
		for i := 0; i < len(list); i += 2 {
			all[list[i]] = list[i+1]
		}
	}
	var out []string
	for name, value := range all {
		if value != "" {
			out = append(out, name, value)
		}
	}
	return out
}

// messageOf finds a resource of a message, or of its answer.
func messageOf(b *fhir.Node, kind string) *fhir.Node {
	for _, e := range b.All("entry") {
		if r := e.Child("resource"); r.ResourceType() == kind {
			return r
		}
	}
	return nil
}

// takenBack makes the message that takes a referral back.
func (s *synthetic) takenBack(status, why string) *fhir.Node {
	b := s.barsMessage(service1)
	header, request := messageOf(b, "MessageHeader").Clone(), messageOf(b, "ServiceRequest").Clone()
	header.Child("reason").Child("coding").Set("code", "update")
	header.Set("definition", bars+"MessageDefinition/bars-message-servicerequest-request-cancelled")
	request.Set("status", status)
	for _, name := range []string{"basedOn", "encounter", "requester", "performer"} {
		request.Remove(name)
	}
	if why != "" {
		request.Add("reasonCode").Set("text", why)
	}
	organisations := slices.DeleteFunc(b.All("entry"), func(e *fhir.Node) bool { return e.Child("resource").ResourceType() != "Organization" })
	return s.barsBundle([]int{headerEntry, requestEntry, patientEntry, organisationEntry, receiverEntry},
		[]*fhir.Node{header, request, s.patient(), organisations[0].Child("resource").Clone(), organisations[1].Child("resource").Clone()})
}

// taskIn is the Task that an answer names, and what it says in words.
func taskIn(a answer) (task, words string) {
	a.t.Helper()
	o := messageOf(a.want(http.StatusOK).node(), "OperationOutcome")
	return o.Text("issue", "diagnostics"), o.Text("issue", "details", "text")
}

// wantsCode demands a status, a code of the standard, an issue type and our rule.
func (a answer) wantsCode(status int, code, kind, rule string) {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d %s: %s", a.status, status, rule, a.body)
	}
	n := a.node().Child("issue")
	codings := n.Child("details").All("coding")
	if len(codings) != 2 || codings[0].Text("system") != "https://fhir.nhs.uk/CodeSystem/http-error-codes" || codings[0].Text("code") != code || codings[1].Text("code") != rule || n.Text("code") != kind || !slices.Contains([]string{"error", "fatal"}, n.Text("severity")) {
		a.t.Fatalf("want %s %s %s: %s", code, kind, rule, a.body)
	}
	if strings.Contains(string(a.body), "SEND_") {
		a.t.Errorf("a receiver says SEND_: %s", a.body)
	}
}

// TestABaRSReferralIsTakenInAndWorked: a message becomes the referral that a transaction would
// be, its sender learns the ids (RC20), and a link worker sees every word of it.
func TestABaRSReferralIsTakenInAndWorked(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := barsCast(t, url)
		s := someone(practiceA)
		sent := s.barsMessage(service1)
		request, conversation := uuid.NewString(), uuid.NewString()
		got := c.gp.says(practiceA, sent, "X-Request-ID", request, "X-Correlation-ID", conversation)
		task, words := taskIn(got)
		if got.header.Get("X-Request-ID") != request || got.header.Get("X-Correlation-ID") != conversation || got.header.Get("X-Referral-Dialect") != "bars" {
			t.Errorf("the headers are %v", got.header)
		}
		if !strings.Contains(words, "received") || !strings.Contains(words, "not accepted") {
			t.Errorf("the receipt says %q", words)
		}
		b := got.node()
		if b.Text("type") != "message" || b.Text("id") == sent.Text("id") || b.Child("entry").Child("resource").Text("response", "identifier") != sent.Text("id") {
			t.Errorf("the answer is %s", got.body)
		}
		for _, kind := range []string{"ServiceRequest", "Patient", "HealthcareService", "Practitioner", "PractitionerRole", "Consent", "Organization"} {
			n := messageOf(b, kind)
			if n.Text("id") == "" || n.Text("meta", "versionId") != "1" {
				t.Fatalf("the answer gives no id to the %s: %s", kind, got.body)
			}
			c.gp.get("/fhir/R4/" + kind + "/" + n.Text("id")).want(http.StatusOK)
		}
		var ours string
		for _, e := range b.All("entry") {
			if n := e.Child("resource"); n.ResourceType() == "Encounter" && n.Text("status") == "planned" {
				ours = n.Text("identifier", "value")
			}
		}
		if "Task/"+ours != task {
			t.Errorf("our Encounter is of %q, the Task is %s", ours, task)
		}
		v := c.worker.look(task)
		if v.Owner == nil || v.Owner.ODS != service1 || v.Requester.ODS != practiceA {
			t.Errorf("it is for %v from %v", v.Owner, v.Requester)
		}
		if text := fmt.Sprint(v); !strings.Contains(text, "a reason to go out") {
			t.Errorf("the words of the care plan are lost: %s", text)
		}
		if n := c.w.number("SELECT count(*) FROM message WHERE dialect = 'bars'"); n != 1 {
			t.Errorf("%d messages of BaRS are kept", n)
		}
	})
}

// TestTheDecisionTableOfBaRS goes through events, reasons and statuses over HTTP.
func TestTheDecisionTableOfBaRS(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := barsCast(t, url)
		known := func() *synthetic {
			s := someone(practiceA)
			taskIn(c.gp.says(practiceA, s.barsMessage(service1)))
			return s
		}
		for _, row := range []struct {
			event, reason, status string
			known                 bool
			want                  int
			code, kind, rule      string
		}{
			{"servicerequest-request", "new", "active", false, 200, "", "", ""},
			{"servicerequest-request", "new", "active", true, 409, "REC_CONFLICT", "conflict", "request-known"},
			{"servicerequest-request", "new", "revoked", true, 400, "REC_BAD_REQUEST", "invariant", "message-workflow"},
			{"servicerequest-request", "new", "entered-in-error", true, 400, "REC_BAD_REQUEST", "invariant", "message-workflow"},
			{"servicerequest-request", "new", "draft", false, 400, "REC_BAD_REQUEST", "invariant", "message-workflow"},
			{"servicerequest-request", "update", "revoked", true, 200, "", "", ""},
			{"servicerequest-request", "delete", "revoked", true, 200, "", "", ""},
			{"servicerequest-request", "update", "entered-in-error", true, 200, "", "", ""},
			{"servicerequest-request", "delete", "entered-in-error", true, 200, "", "", ""},
			{"servicerequest-request", "update", "revoked", false, 404, "REC_NOT_FOUND", "not-found", "request-unknown"},
			{"servicerequest-request", "update", "entered-in-error", false, 404, "REC_NOT_FOUND", "not-found", "request-unknown"},
			{"servicerequest-request", "update", "active", true, 400, "REC_BAD_REQUEST", "invariant", "message-workflow"},
			{"servicerequest-request", "delete", "active", true, 400, "REC_BAD_REQUEST", "invariant", "message-workflow"},
			{"servicerequest-request", "update", "completed", true, 400, "REC_BAD_REQUEST", "invariant", "message-workflow"},
			{"servicerequest-request", "replace", "active", true, 400, "REC_BAD_REQUEST", "invariant", "message-workflow"},
			{"servicerequest-response", "new", "active", true, 400, "REC_BAD_REQUEST", "invariant", "message-response"},
			{"servicerequest-response", "update", "revoked", true, 400, "REC_BAD_REQUEST", "invariant", "message-response"},
			{"servicerequest-response", "delete", "active", true, 400, "REC_BAD_REQUEST", "invariant", "message-workflow"},
			{"booking-request", "new", "active", false, 422, "REC_UNPROCESSABLE_ENTITY", "not-supported", "message-event"},
			{"booking-response", "new", "active", false, 400, "REC_BAD_REQUEST", "invariant", "message-workflow"},
			{"alert", "new", "active", false, 422, "REC_UNPROCESSABLE_ENTITY", "not-supported", "message-event"},
		} {
			t.Run(row.event+" "+row.reason+" "+row.status+fmt.Sprint(" ", row.known), func(t *testing.T) {
				s := someone(practiceA)
				if row.known {
					s = known()
				}
				b := s.barsMessage(service1)
				messageOf(b, "MessageHeader").Child("eventCoding").Set("code", row.event)
				messageOf(b, "MessageHeader").Child("reason").Child("coding").Set("code", row.reason)
				messageOf(b, "ServiceRequest").Set("status", row.status)
				before := c.w.number("SELECT count(*) FROM referral")
				got := c.gp.in(t).says(practiceA, b)
				if row.want == http.StatusOK {
					taskIn(got)
					return
				}
				got.wantsCode(row.want, row.code, row.kind, row.rule)
				if n := c.w.number("SELECT count(*) FROM referral"); n != before {
					t.Errorf("%d referrals were made", n-before)
				}
			})
		}
		s := known()
		b := s.barsMessage(service1)
		header := messageOf(b, "MessageHeader")
		header.Child("eventCoding").Set("code", "servicerequest-response")
		response := header.Add("response")
		response.Set("identifier", uuid.NewString())
		response.Set("code", "ok")
		c.gp.says(practiceA, b).wantsCode(404, "REC_NOT_FOUND", "not-found", "message-response")
	})
}

// TestWhatIsWrongWithABaRSMessage: each fault of the headers and of the message has the
// status, the code and the issue type of the standard, and both ids are mirrored.
func TestWhatIsWrongWithABaRSMessage(t *testing.T) {
	c := barsCast(t, "", func(c *Config) { c.BarsNumberRequired = true })
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	const bad = "REC_BAD_REQUEST"
	for name, row := range map[string]struct {
		headers          []string
		edit             func(b *fhir.Node)
		want             int
		code, kind, rule string
	}{
		"no request id":             {[]string{"X-Request-ID", ""}, nil, 400, bad, "required", "header-missing"},
		"no correlation id":         {[]string{"X-Correlation-ID", ""}, nil, 400, bad, "required", "header-missing"},
		"request id of words":       {[]string{"X-Request-ID", "retry-1"}, nil, 400, bad, "invalid", "header-uuid"},
		"correlation id of words":   {[]string{"X-Correlation-ID", "talk-1"}, nil, 400, bad, "invalid", "header-uuid"},
		"no target":                 {[]string{"NHSD-Target-Identifier", ""}, nil, 400, bad, "required", "header-missing"},
		"target not in base64":      {[]string{"NHSD-Target-Identifier", "{}"}, nil, 400, bad, "value", "header-value"},
		"target not in JSON":        {[]string{"NHSD-Target-Identifier", encode("x")}, nil, 400, bad, "value", "header-value"},
		"another target":            {[]string{"NHSD-Target-Identifier", encode(`{"system":"` + bars + `Id/dos-service-id","value":"1"}`)}, nil, 400, bad, "value", "message-destination"},
		"no organisation":           {[]string{"NHSD-End-User-Organisation", ""}, nil, 400, bad, "required", "header-missing"},
		"organisation not readable": {[]string{"NHSD-End-User-Organisation", "?"}, nil, 400, bad, "invalid", "header-value"},
		"another organisation":      {[]string{"NHSD-End-User-Organisation", barsHeaders(practiceB)[3]}, nil, 403, "REC_FORBIDDEN", "forbidden", "end-user-organisation"},
		"version of the answer":     {[]string{"Accept", "application/fhir+json; version=2.0.0"}, nil, 406, "REC_NOT_ACCEPTABLE", "processing", "not-acceptable"},
		"no JSON":                   {nil, func(b *fhir.Node) { b.Children = b.Children[:0] }, 400, bad, "structure", "message-expected"},
		"media type":                {[]string{"Content-Type", "text/plain"}, nil, 415, "REC_UNSUPPORTED_MEDIA_TYPE", "not-supported", "media-type"},

		"no version":       {nil, func(b *fhir.Node) { b.Child("meta").Remove("versionId") }, 400, bad, "invariant", "message-version"},
		"version to come":  {nil, func(b *fhir.Node) { b.Child("meta").Set("versionId", "2.0.0") }, 422, "REC_UNPROCESSABLE_ENTITY", "not-supported", "message-version"},
		"version of words": {nil, func(b *fhir.Node) { b.Child("meta").Set("versionId", "latest") }, 422, "REC_UNPROCESSABLE_ENTITY", "not-supported", "message-version"},
		"not for us": {nil, func(b *fhir.Node) {
			messageOf(b, "MessageHeader").Child("destination").Set("endpoint", bars+"Id/dos-service-id|1")
		}, 400, bad, "value", "message-destination"},
		"no definition": {nil, func(b *fhir.Node) { messageOf(b, "MessageHeader").Remove("definition") }, 400, bad, "required", "message-definition"},
		"unknown definition": {nil, func(b *fhir.Node) {
			messageOf(b, "MessageHeader").Set("definition", bars+"MessageDefinition/other")
		}, 422, "REC_UNPROCESSABLE_ENTITY", "not-supported", "message-definition"},
		"no reason": {nil, func(b *fhir.Node) { messageOf(b, "MessageHeader").Remove("reason") }, 400, bad, "required", "message-reason"},
		"no Consent": {nil, func(b *fhir.Node) {
			withoutType(b, "Consent")
		}, 400, bad, "invariant", "message-payload"},
		"no header":    {nil, func(b *fhir.Node) { withoutType(b, "MessageHeader") }, 400, bad, "invariant", "message-header"},
		"no full URL":  {nil, func(b *fhir.Node) { b.All("entry")[3].Remove("fullUrl") }, 400, bad, "required", "message-full-url"},
		"validation":   {nil, func(b *fhir.Node) { category(b, 0).Set("code", "validation") }, 422, "REC_UNPROCESSABLE_ENTITY", "not-supported", "message-category"},
		"use case":     {nil, func(b *fhir.Node) { category(b, 1).Set("code", "a1t1") }, 422, "REC_UNPROCESSABLE_ENTITY", "not-supported", "message-use-case"},
		"open plan":    {nil, func(b *fhir.Node) { messageOf(b, "CarePlan").Set("status", "active") }, 400, bad, "invariant", "message-care-plan"},
		"open visit":   {nil, func(b *fhir.Node) { messageOf(b, "Encounter").Set("status", "arrived") }, 400, bad, "invariant", "message-encounter"},
		"no number":    {nil, func(b *fhir.Node) { messageOf(b, "Patient").Remove("identifier") }, 400, bad, "required", "nhs-number-required"},
		"another type": {nil, func(b *fhir.Node) { b.Set("type", "collection") }, 400, bad, "structure", "message-expected"},
		"another sender": {nil, func(b *fhir.Node) {
			messageOf(b, "Organization").Child("identifier").Set("value", practiceB)
		}, 403, "REC_FORBIDDEN", "forbidden", "sender-header"},
		"another sender by identifier": {nil, func(b *fhir.Node) {
			sender := messageOf(b, "MessageHeader").Child("sender")
			sender.Remove("reference")
			addIdentifier(sender, referral.SystemODS, practiceB)
		}, 403, "REC_FORBIDDEN", "forbidden", "sender-header"},
		"an entry without resource": {nil, func(b *fhir.Node) {
			b.Add("entry").Set("fullUrl", "urn:uuid:"+uuid.NewString())
		}, 400, bad, "invariant", "message-payload"},
		"RC24 a date that is none": {nil, func(b *fhir.Node) { messageOf(b, "Patient").Set("birthDate", "1951-13-09") }, 400, bad, "value", "lexical-date"},
		"RC25 no subject":          {nil, func(b *fhir.Node) { messageOf(b, "ServiceRequest").Remove("subject") }, 400, bad, "required", "required"},
	} {
		t.Run(name, func(t *testing.T) {
			b := someone(practiceA).barsMessage(service1)
			if row.edit != nil {
				row.edit(b)
			}
			headers := barsWith(practiceA, row.headers...)
			got := c.gp.in(t).do(http.MethodPost, processMessage, encoded(b), headers...)
			got.wantsCode(row.want, row.code, row.kind, row.rule)
			for i := 0; i < len(headers); i += 2 {
				if name := headers[i]; strings.HasPrefix(name, "X-") && got.header.Get(name) != headers[i+1] {
					t.Errorf("%s is answered with %q", name, got.header.Get(name))
				}
			}
			if text := string(got.body); strings.Contains(text, "Quillfeather") || strings.Contains(text, "1951-") {
				t.Errorf("the answer tells about the person: %s", text)
			}
		})
	}
	c.gp.saysText(practiceA, "{").wantsCode(400, bad, "structure", "json")
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		got := c.gp.do(method, processMessage, nil, barsWith(practiceA)...)
		got.wantsCode(405, "REC_METHOD_NOT_ALLOWED", "not-supported", "method-not-allowed")
		if got.header.Get("Allow") != http.MethodPost {
			t.Errorf("%s: Allow is %q", method, got.header.Get("Allow"))
		}
	}
	nobody := caller{t, c.a.url, ""}
	nobody.says(practiceA, someone(practiceA).barsMessage(service1)).wantsCode(401, "REC_UNAUTHORIZED", "login", "token-missing")
	c.worker.says(service1, someone(practiceA).barsMessage(service1)).wantsCode(403, "REC_FORBIDDEN", "forbidden", "role")
}

// withoutType removes the entries of a type.
func withoutType(b *fhir.Node, kind string) {
	entries := b.All("entry")
	b.Remove("entry")
	for _, e := range entries {
		if e.Child("resource").ResourceType() != kind {
			b.Append("entry", e)
		}
	}
}

func category(b *fhir.Node, i int) *fhir.Node {
	return messageOf(b, "ServiceRequest").Child("category").All("coding")[i]
}

// TestABaRSReferralIsTakenBack: before acceptance it is cancelled, afterwards the
// cancellation is asked for, and at its end nothing changes; the answer says which.
func TestABaRSReferralIsTakenBack(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := barsCast(t, url)
		for _, row := range []struct{ status, at, now, business, words string }{
			{"revoked", "received", "cancelled", "cancelled-by-referrer", "cancelled"},
			{"entered-in-error", "received", "entered-in-error", "entered-in-error", "entered-in-error"},
			{"revoked", "accepted", "accepted", "cancellation-requested", "awaiting confirmation"},
			{"entered-in-error", "accepted", "accepted", "cancellation-requested", "awaiting confirmation"},
		} {
			t.Run(row.status+" when "+row.at, func(t *testing.T) {
				s := someone(practiceA)
				task, _ := taskIn(c.gp.says(practiceA, s.barsMessage(service1)))
				if row.at == "accepted" {
					c.worker.act(c.worker.look(task), "accept", referral.Input{}).want(http.StatusOK)
				}
				messages := c.w.number("SELECT count(*) FROM message")
				got := c.gp.in(t).says(practiceA, s.takenBack(row.status, "Moved to her daughter's"))
				told, words := taskIn(got)
				v := c.worker.look(task)
				if told != task || !strings.Contains(words, row.words) || v.Status != row.now {
					t.Fatalf("%s: %q, the referral is %s %s", told, words, v.Status, v.BusinessStatus)
				}
				last := v.Timeline[len(v.Timeline)-1]
				if !strings.Contains(string(last.Data), "Moved to her daughter's") {
					t.Errorf("why is not told: %s", last.Data)
				}
				n := messageOf(got.node(), "ServiceRequest")
				stored := c.gp.get("/fhir/R4/ServiceRequest/" + n.Text("id")).want(http.StatusOK).node()
				if n.Text("meta", "versionId") != "2" || stored.Text("meta", "versionId") != "2" || stored.Text("status") != row.status || stored.Child("subject") == nil || stored.Child("requester") == nil {
					t.Errorf("the request is %s", encoded(stored))
				}
				if kept := c.w.number("SELECT count(*) FROM message"); kept != messages+1 {
					t.Errorf("%d messages were kept", kept-messages)
				}
				c.gp.says(practiceA, s.takenBack(row.status, "again")).wantsCode(400, "REC_BAD_REQUEST", "invariant", "request-not-current")
			})
		}
		t.Run("by the id alone", func(t *testing.T) {
			s := someone(practiceA)
			got := c.gp.says(practiceA, s.barsMessage(service1))
			b := s.takenBack("revoked", "")
			request := messageOf(b, "ServiceRequest")
			request.Remove("identifier")
			c.gp.says(practiceA, b).wantsCode(400, "REC_BAD_REQUEST", "required", "request-identifier")
			request.Set("id", messageOf(got.node(), "ServiceRequest").Text("id"))
			taskIn(c.gp.says(practiceA, b))
		})
		t.Run("of another person", func(t *testing.T) {
			s, other := someone(practiceA), someone(practiceA)
			taskIn(c.gp.says(practiceA, s.barsMessage(service1)))
			b := s.takenBack("revoked", "")
			messageOf(b, "Patient").Child("identifier").Set("value", other.nhsNumber)
			c.gp.says(practiceA, b).wantsCode(400, "REC_BAD_REQUEST", "invariant", "request-person")
		})
		t.Run("by another practice", func(t *testing.T) {
			s := someone(practiceA)
			task, _ := taskIn(c.gp.says(practiceA, s.barsMessage(service1)))
			thief := *s
			thief.practice = practiceB
			c.a.as(auth.RoleRequester, practiceB).says(practiceB, thief.takenBack("revoked", "")).wantsCode(404, "REC_NOT_FOUND", "not-found", "request-unknown")
			if v := c.worker.look(task); v.Status != "received" {
				t.Errorf("the referral is %s", v.Status)
			}
		})
	})
}

// TestAnActiveUpdateWithdrawsACancellationWhereItMay: the setting opens one workflow more.
func TestAnActiveUpdateWithdrawsACancellationWhereItMay(t *testing.T) {
	c := barsCast(t, "", func(c *Config) { c.BarsUpdateActive = true })
	s := someone(practiceA)
	task, _ := taskIn(c.gp.says(practiceA, s.barsMessage(service1)))
	c.gp.says(practiceA, s.takenBack("active", "")).wantsCode(400, "REC_BAD_REQUEST", "invariant", "request-not-current")
	c.worker.act(c.worker.look(task), "accept", referral.Input{}).want(http.StatusOK)
	taskIn(c.gp.says(practiceA, s.takenBack("revoked", "Too ill")))
	if _, words := taskIn(c.gp.says(practiceA, s.takenBack("active", ""))); !strings.Contains(words, "withdrawn") {
		t.Errorf("it says %q", words)
	}
	if v := c.worker.look(task); v.Status != "accepted" || v.BusinessStatus != "allocated" {
		t.Errorf("the referral is %s %s", v.Status, v.BusinessStatus)
	}
}

const publishedBaRS = "../../shared/reference/real/bars-api"
