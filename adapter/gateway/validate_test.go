package gateway

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// testValidator knows the structure, one profile, and says with what it was asked.
func testValidator() *Validator {
	return &Validator{
		Validate: func(_ context.Context, root *fhir.Node, profiles []string, intake bool) []*issue.Error {
			found := issue.All(fhir.Check(root))
			if len(profiles) > 0 || intake {
				found = append(found, issue.Newf(issue.Informational, "asked", "asked with %s %t", strings.Join(profiles, " "), intake).Graded(issue.SeverityInformation))
			}
			return found
		},
		Known: func(profile, resourceType string) error {
			if strings.HasPrefix(profile, "urn:known") {
				return nil
			}
			return issue.New(issue.NotSupported, "profile-unknown", "no such profile; for "+resourceType+" there is urn:known").With("it is %q", profile)
		},
	}
}

// rules lists the severity and rule of each issue of an answer.
func rules(root *fhir.Node) string {
	var out []string
	for _, n := range root.All("issue") {
		out = append(out, n.Text("severity")+":"+n.Text("details", "coding", "code"))
	}
	return strings.Join(out, " ")
}

func parametersOf(resource string, others ...string) string {
	parts := others
	if resource != "" {
		parts = append(parts, `{"name":"resource","resource":`+resource+`}`)
	}
	return `{"resourceType":"Parameters","parameter":[` + strings.Join(parts, ",") + `]}`
}

func TestValidateAnswers(t *testing.T) {
	w := newWorld(t, nil)
	const (
		fine   = `{"resourceType":"Patient","id":"p1"}`
		faulty = `{"resourceType":"Patient","gender":"x"}`
	)
	valueOf := func(name, kind, value string) string {
		return fmt.Sprintf(`{"name":%q,"value%s":%q}`, name, kind, value)
	}
	for _, c := range []struct {
		name, target, body string
		status             int
		rules              string
	}{
		{"system", "/fhir/R4/$validate", fine, 200, "information:valid"},
		{"type", "/fhir/R4/Patient/$validate", fine, 200, "information:valid"},
		{"type that is not stored", "/fhir/R4/Bundle/$validate", `{"resourceType":"Bundle","type":"collection"}`, 200, "information:valid"},
		{"type that is none", "/fhir/R4/patient/$validate", fine, 404, "error:unknown-path"},
		{"faults are an answer", "/fhir/R4/Patient/$validate", faulty, 200, "error:required-code"},
		{"another type", "/fhir/R4/Observation/$validate", fine, 200, "error:resource-type"},
		{"another type and its faults", "/fhir/R4/Bundle/$validate", faulty, 200, "error:resource-type error:required-code"},
		{"unknown type in the body", "/fhir/R4/$validate", `{"resourceType":"Patiant"}`, 200, "error:resource-type"},
		{"no FHIR at all", "/fhir/R4/$validate", `{"resourceType":"Patient",}`, 400, "fatal:json"},
		{"in Parameters", "/fhir/R4/Patient/$validate", parametersOf(faulty), 200, "error:required-code"},
		{"without a resource", "/fhir/R4/Patient/$validate", parametersOf("", valueOf("mode", "Code", "create")), 400, "error:parameter-missing"},
		{"profiles in the address", "/fhir/R4/$validate?profile=urn:known:1&profile=urn:known:2", fine, 200, "information:valid information:asked"},
		{"profile in Parameters", "/fhir/R4/$validate", parametersOf(fine, valueOf("profile", "Uri", "urn:known:1"), valueOf("profile", "Canonical", "urn:known:2")), 200, "information:valid information:asked"},
		{"unknown profiles", "/fhir/R4/$validate?profile=urn:a&profile=urn:b&profile=urn:known", fine, 422, "error:profile-unknown error:profile-unknown"},
		{"as many profiles as may be", "/fhir/R4/$validate?profile=urn:known" + strings.Repeat("&profile=urn:known", maxProfiles-1), fine, 200, "information:valid information:asked"},
		{"too many profiles", "/fhir/R4/$validate?profile=urn:known" + strings.Repeat("&profile=urn:known", maxProfiles), fine, 422, "error:profile-limit"},
		{"too many profiles in Parameters", "/fhir/R4/$validate", parametersOf(fine, strings.Split(strings.Repeat(valueOf("profile", "Uri", "urn:known")+"\n", 30), "\n")[:30]...), 422, "error:profile-limit"},
		{"usageContext", "/fhir/R4/$validate", parametersOf(fine, `{"name":"usageContext","valueUsageContext":{"code":{"code":"a"},"valueCodeableConcept":{"text":"b"}}}`), 422, "error:parameter-refused"},
		{"unknown parameter", "/fhir/R4/$validate?profil=a", fine, 400, "error:parameter-unknown"},
		{"create", "/fhir/R4/Patient/$validate?mode=create", fine, 200, "information:valid information:asked"},
		{"mode that is none", "/fhir/R4/Patient/$validate?mode=creat", fine, 400, "error:validate-mode"},
		{"delete of a type", "/fhir/R4/Patient/$validate?mode=delete", fine, 400, "error:validate-mode"},
		{"delete", "/fhir/R4/Patient/p1/$validate", parametersOf("", valueOf("mode", "Code", "delete")), 200, "error:validate-mode"},
		{"update", "/fhir/R4/Patient/p1/$validate?mode=update", fine, 200, "error:validate-mode"},
		{"profile mode", "/fhir/R4/Patient/p1/$validate", parametersOf("", valueOf("mode", "Code", "profile"), valueOf("profile", "Uri", "urn:known")), 200, "information:valid information:asked"},
		{"profile mode without profile", "/fhir/R4/Patient/p1/$validate?mode=profile", fine, 400, "error:validate-mode"},
		{"instance", "/fhir/R4/Patient/p1/$validate", faulty, 200, "error:required-code"},
		{"no id", "/fhir/R4/Patient/a_b/$validate", fine, 404, "error:unknown-id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := w.post(c.target, c.body, "as gp")
			if root := parsed(t, rec); rec.Code != c.status || rules(root) != c.rules {
				t.Errorf("%d %s, want %d %s\n%s", rec.Code, rules(root), c.status, c.rules, rec.Body)
			}
		})
	}
}

// An issue has its element, and its line and column in what was sent.
func TestValidatePlaces(t *testing.T) {
	w := newWorld(t, nil)
	for body, want := range map[string]string{
		"{\"resourceType\":\"Patient\",\n  \"gender\":\"x\"}": "Patient.gender 2 12",
		"{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"resource\",\n\"resource\":{\"resourceType\":\"Patient\",\n  \"gender\":\"x\"}}]}": "Patient.gender 3 12",
	} {
		n := parsed(t, w.post("/fhir/R4/$validate", body, "as gp")).Child("issue")
		var numbers []string
		for _, e := range n.All("extension") {
			numbers = append(numbers, e.Text("value"))
		}
		if got := n.Text("expression") + " " + strings.Join(numbers, " "); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	rec := w.post("/fhir/R4/$validate?"+url.Values{"profile": {"urn:not here"}}.Encode(), somebody, "as gp")
	wants(t, rec, 422, "profile-unknown")
	if root := parsed(t, rec); root.Text("issue", "location") != "http.profile" || !strings.Contains(rec.Body.String(), "for Patient there is urn:known") {
		t.Error(rec.Body)
	}
	// an entry of a batch was written anew: its lines mean nothing to the sender
	rec = w.post("/fhir/R4", `{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient","gender":"x"},"request":{"method":"POST","url":"Patient/$validate"}}]}`, "as gp")
	wants(t, rec, 200, "required-code")
	if strings.Contains(rec.Body.String(), extensionLine) {
		t.Error(rec.Body)
	}
}

// What is stored is validated by GET or without a resource, for those who may read it.
func TestValidateWhatIsStored(t *testing.T) {
	w := newWorld(t, nil)
	if rec := w.do("GET", "/fhir/R4/Observation/o1/$validate?profile=urn:known", "", "as gp"); rec.Code != 200 {
		t.Error(rec.Body)
	} else if root := parsed(t, rec); rules(root) != "error:required error:required information:asked" || strings.Contains(rec.Body.String(), extensionLine) {
		t.Error(rec.Body)
	}
	if len(w.calls) != 1 {
		t.Errorf("%d calls of the domain", len(w.calls))
	}
	wants(t, w.do("GET", "/fhir/R4/Observation/o1/$validate", "", "as bare"), 403, "scope")
	wants(t, w.post("/fhir/R4/Observation/o1/$validate", `{"resourceType":"Observation"}`, "as bare"), 403, "scope")
	wants(t, w.post("/fhir/R4/Observation/$validate", `{"resourceType":"Observation"}`, "as bare"), 200, "required")
	wants(t, w.post("/fhir/R4/$validate", somebody), 401, "token-missing")
	wants(t, w.do("GET", "/fhir/R4/$validate", "", "as gp"), 405, "method-not-allowed")
	if len(w.calls) != 1 {
		t.Errorf("%d calls of the domain", len(w.calls))
	}
}

// The CapabilityStatement has $validate for the system and every type that is stored.
func TestValidateIsStated(t *testing.T) {
	w := newWorld(t, nil)
	rest := parsed(t, w.do("GET", "/fhir/R4/metadata", "")).Child("rest")
	has := func(n *fhir.Node) bool {
		for _, o := range n.All("operation") {
			if o.Text("name") == "validate" {
				return o.Text("definition") == "http://hl7.org/fhir/OperationDefinition/Resource-validate"
			}
		}
		return false
	}
	if !has(rest) {
		t.Error("not on the system")
	}
	with := 0
	for _, n := range rest.All("resource") {
		if has(n) {
			with++
		}
	}
	if with != len(referral.ResourceTypes()) {
		t.Errorf("on %d types", with)
	}
}

// In XML as in JSON, both ways.
func TestValidateXML(t *testing.T) {
	w := newWorld(t, nil)
	rec := w.do("POST", "/fhir/R4/Patient/$validate", "<Patient xmlns=\"http://hl7.org/fhir\">\n<gender value=\"x\"/></Patient>", "as gp", "Content-Type: application/fhir+xml")
	if got := rec.Body.String(); rec.Code != 200 || !strings.Contains(got, "<OperationOutcome") || !strings.Contains(got, `<expression value="Patient.gender"/>`) || !strings.Contains(got, `<valueInteger value="2"/>`) {
		t.Error(got)
	}
}

func TestVerdict(t *testing.T) {
	warning := issue.New(issue.Invalid, "a", "b").Graded(issue.SeverityWarning)
	note := issue.New(issue.Informational, "a", "b").Graded(issue.SeverityInformation)
	for want, found := range map[string][]*issue.Error{
		"All OK": {note}, "No errors; 1 warning": {warning}, "No errors; 2 warnings": {warning, note, warning}, "": {warning, issue.New(issue.Invalid, "a", "b")},
	} {
		got := ""
		for _, e := range verdict(found, warnings(found)) {
			got = e.Details
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A check that its client did not wait for is given up, and is no answer.
func TestValidateEndsWithItsClient(t *testing.T) {
	w := newWorld(t, nil)
	ctx, leave := context.WithCancel(context.Background())
	var asked context.Context
	w.config.Validator = &Validator{Known: w.config.Validator.Known, Validate: func(ctx context.Context, _ *fhir.Node, _ []string, _ bool) []*issue.Error {
		leave()
		asked = ctx
		return nil
	}}
	w.handler = New(w.config)
	r := httptest.NewRequestWithContext(ctx, "POST", "/fhir/R4/$validate", strings.NewReader(somebody))
	r.Header.Set("Authorization", "Bearer gp")
	r.Header.Set("Content-Type", contentFHIR)
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	if wants(t, rec, 503, "client-gone"); asked.Err() == nil {
		t.Error("the check was not told")
	}
}
