package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// TestBaRSIsDescribed: what is offered, and that nobody assures it nationally, is said where
// people and programs look.
func TestBaRSIsDescribed(t *testing.T) {
	c := barsCast(t, "")
	n := c.gp.get("/fhir/R4/metadata").node()
	messaging := n.Child("messaging")
	if !strings.Contains(messaging.Text("documentation"), "not a nationally assured") || len(messaging.All("supportedMessage")) != 2 {
		t.Errorf("messaging is %s", encoded(messaging))
	}
	said := false
	for _, o := range n.Child("rest").All("operation") {
		said = said || o.Text("name") == "process-message" && strings.Contains(o.Text("documentation"), "not a nationally assured")
	}
	if !said {
		t.Error("the operation is not described")
	}
	for query, want := range map[string]string{
		"": "2", "?context=" + barsUseCase: "2", "?context=https://fhir.nhs.uk/Id/dos-service-id%7C" + barsService: "2",
		"?context=http://fhir.nhs.uk/Id/dos-service-id%7C" + barsService: "2", "?context=a1t1": "0", "?url=https://spadapter.example/fhir/MessageDefinition/bars-social-prescribing-referral": "1",
	} {
		b := c.gp.get("/fhir/R4/MessageDefinition" + query).want(http.StatusOK).node()
		if b.Text("total") != want {
			t.Errorf("%s finds %s", query, b.Text("total"))
		}
		for _, e := range b.All("entry") {
			d := e.Child("resource")
			if !strings.Contains(d.Text("description"), "NOT a nationally assured") {
				t.Errorf("%s is not labelled", d.Text("id"))
			}
			c.gp.get("/fhir/R4/MessageDefinition/" + d.Text("id")).want(http.StatusOK)
		}
	}
	off := newCast(t, "")
	off.gp.says(practiceA, someone(practiceA).barsMessage(service1)).want(http.StatusNotFound)
	if n := off.gp.get("/fhir/R4/metadata").node(); n.Child("messaging") != nil {
		t.Error("what is not offered is described")
	}
}

// TestPublishedBaRSMessages: each published body of $process-message has its verdict.
func TestPublishedBaRSMessages(t *testing.T) {
	if _, err := os.Stat(publishedBaRS); err != nil {
		t.Skip("the published examples are not here")
	}
	c := barsCast(t, "", func(c *Config) { c.BarsServices = []string{barsService, "111111111"} })
	for file, want := range map[string]struct {
		status           int
		code, kind, rule string
	}{
		"process_message/POST-body.json":                                {422, "REC_UNPROCESSABLE_ENTITY", "not-supported", "message-event"},
		"process_message/request/Booking-POST.json":                     {422, "REC_UNPROCESSABLE_ENTITY", "not-supported", "message-event"},
		"process_message/request/ValidationRequest-POST.json":           {422, "REC_UNPROCESSABLE_ENTITY", "not-supported", "message-definition"},
		"process_message/request/ValidationResponse-POST.json":          {404, "REC_NOT_FOUND", "not-found", "message-response"},
		"process_message/POST-success.json":                             {400, "REC_BAD_REQUEST", "required", "message-event"},
		"process_message/response/Booking-HTTP-Response.json":           {400, "REC_BAD_REQUEST", "required", "message-event"},
		"process_message/response/ValidationRequest-HTTP-Response.json": {400, "REC_BAD_REQUEST", "required", "message-event"},
	} {
		t.Run(file, func(t *testing.T) {
			body, err := os.ReadFile(filepath.Join(publishedBaRS, file))
			if err != nil {
				t.Fatal(err)
			}
			c.gp.in(t).saysText(practiceA, string(body)).wantsCode(want.status, want.code, want.kind, want.rule)
		})
	}
}

// TestPublishedBaRSErrors: the published errors are ours in shape; the code system has a
// capital S here, as in its own definition.
func TestPublishedBaRSErrors(t *testing.T) {
	files, _ := filepath.Glob(publishedBaRS + "/OperationOutcome/REC/*.json")
	if len(files) == 0 {
		t.Skip("the published examples are not here")
	}
	c := barsCast(t, "")
	ours := map[string]*fhir.Node{}
	note := func(a answer) {
		n := a.node()
		ours[fmt.Sprintf("%d-%s-%s", a.status, n.Child("issue").Child("details").Text("coding", "code"), n.Text("issue", "code"))] = n
	}
	s, id := someone(practiceA), uuid.NewString()
	taskIn(c.gp.says(practiceA, s.barsMessage(service1), "X-Request-ID", id))
	note(c.gp.says(practiceA, s.barsMessage(service1), "X-Request-ID", id))
	note(c.gp.says(practiceA, s.barsMessage(service1)))
	note(c.gp.says(practiceA, someone(practiceA).takenBack("revoked", "")))
	note(c.gp.says(practiceA, s.takenBack("active", "")))
	note(c.gp.says(practiceA, s.barsMessage(service1), "X-Correlation-ID", ""))
	note(c.gp.says(practiceA, s.barsMessage(service1), "X-Correlation-ID", "x"))
	note(c.gp.says(practiceA, s.barsMessage(service1), "NHSD-Target-Identifier", "x"))
	note(c.gp.says(practiceA, s.barsMessage(service1), "Accept", "application/fhir+json; version=9"))
	compared := 0
	for _, file := range files {
		n := ours[strings.TrimSuffix(filepath.Base(file), ".json")]
		if n == nil {
			continue
		}
		compared++
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		body = []byte(strings.ReplaceAll(string(body), "/Codesystem/", "/CodeSystem/"))
		theirs, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		a, b := theirs.Child("issue"), n.Child("issue")
		x, y := a.Child("details").Child("coding"), b.Child("details").Child("coding")
		if a.Text("severity") != b.Text("severity") || a.Text("code") != b.Text("code") || x.Text("system") != y.Text("system") || x.Text("code") != y.Text("code") || b.Text("diagnostics") == "" {
			t.Errorf("%s is published, ours is %s", body, encoded(n))
		}
		if err := issue.Failures(fhir.Check(n)); err != nil {
			t.Error(err)
		}
	}
	if compared < 7 {
		t.Errorf("only %d of the published errors were compared: %v", compared, files)
	}
}
