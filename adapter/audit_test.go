package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// audits reads all AuditEvents that a search finds, page by page.
func (c caller) audits(query string) (list []*fhir.Node) {
	c.t.Helper()
	for path := "/fhir/R4/AuditEvent?" + query; path != ""; {
		page := c.get(path).want(http.StatusOK).node()
		for _, e := range page.All("entry") {
			list = append(list, e.Child("resource"))
		}
		path = ""
		for _, l := range page.All("link") {
			if l.Text("relation") == "next" {
				path = strings.TrimPrefix(l.Text("url"), publicURL)
			}
		}
	}
	return list
}

// of keeps the events of one interaction, with an outcome.
func of(list []*fhir.Node, interaction, outcome string) []*fhir.Node {
	return slices.DeleteFunc(slices.Clone(list), func(n *fhir.Node) bool {
		return n.Text("subtype", "code") != interaction || n.Text("outcome") != outcome
	})
}

// entitiesOf are the entities with that code of role, "" for those without one.
func entitiesOf(n *fhir.Node, role string) (list []*fhir.Node) {
	for _, e := range n.All("entity") {
		if e.Text("role", "code") == role {
			list = append(list, e)
		}
	}
	return list
}

// agentsOf are the agents with that code of type.
func agentsOf(n *fhir.Node, code string) (list []*fhir.Node) {
	for _, a := range n.All("agent") {
		if a.Text("type", "coding", "code") == code {
			list = append(list, a)
		}
	}
	return list
}

// balpFaults holds an AuditEvent to the rules of IHE BALP: the elements that all profiles
// ask for, and those of the profile that it claims.
// Source: https://profiles.ihe.net/ITI/BALP/, the profiles Create, Read, Update, Delete,
// Query and their Patient variants.
func balpFaults(n *fhir.Node) (faults []string) {
	fail := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if n.Text("type", "system") != "http://terminology.hl7.org/CodeSystem/audit-event-type" || n.Text("type", "code") != "rest" {
		fail("the type is not rest")
	}
	if n.Text("subtype", "system") != "http://hl7.org/fhir/restful-interaction" {
		fail("the subtype is no interaction")
	}
	if !strings.Contains("CRUDE", n.Text("action")) || n.Text("recorded") == "" || !slices.Contains([]string{"0", "4", "8", "12"}, n.Text("outcome")) {
		fail("action, recorded or outcome: %s %s %s", n.Text("action"), n.Text("recorded"), n.Text("outcome"))
	}
	requestors := 0
	for _, a := range n.All("agent") {
		if a.Text("requestor") == "true" {
			requestors++
		}
	}
	client, server := agentsOf(n, "110153"), agentsOf(n, "110152")
	if len(client) != 1 || len(server) != 1 || client[0].Child("who") == nil || server[0].Text("who", "identifier", "value") == "" || requestors > 1 {
		fail("client, server or requestor")
	}
	if n.Child("source") == nil || n.Text("source", "observer", "identifier", "value") == "" {
		fail("no source")
	}
	for _, e := range n.All("entity") {
		if e.Text("type", "code") == "XrequestId" && e.Text("what", "identifier", "value") == "" {
			fail("the transaction has no request id")
		}
	}
	profile := n.Text("meta", "profile")
	if profile == "" {
		return faults
	}
	name := profile[strings.LastIndex(profile, ".")+1:]
	name = strings.TrimPrefix(name, "Patient")
	want := map[string]struct {
		action   string
		subtypes []string
	}{
		"Create": {"C", []string{"create"}}, "Read": {"R", []string{"read", "vread"}}, "Update": {"U", []string{"update", "patch"}},
		"Delete": {"D", []string{"delete"}}, "Query": {"E", []string{"search-type"}},
	}[name]
	var subtypes []string
	for _, s := range n.All("subtype") {
		subtypes = append(subtypes, s.Text("code"))
	}
	if want.action != n.Text("action") || !slices.ContainsFunc(subtypes, func(s string) bool { return slices.Contains(want.subtypes, s) }) {
		fail("%s has the action %s and the subtypes %s", profile, n.Text("action"), subtypes)
	}
	if n.Text("outcome") != "0" || client[0].Text("network", "address") == "" || server[0].Text("network", "address") == "" || client[0].Text("who", "identifier", "value") == "" {
		fail("%s: outcome, network or client", profile)
	}
	patients, objects := 0, 0
	for _, e := range n.All("entity") {
		switch e.Text("type", "code") {
		case "1":
			patients++
			if e.Text("role", "code") != "1" || !strings.HasPrefix(e.Text("what", "reference"), "Patient/") {
				fail("%s: a patient", profile)
			}
		case "2":
			objects++
			if query := e.Text("query") != ""; query != strings.HasSuffix(profile, "Query") || query == (e.Child("what") != nil) || e.Child("role") == nil {
				fail("%s: data or query", profile)
			}
		}
	}
	if objects != 1 || strings.Contains(profile, ".Patient") && patients != 1 || !strings.Contains(profile, ".Patient") && patients == 1 {
		fail("%s: %d objects, %d patients", profile, objects, patients)
	}
	return faults
}

// Whatever happens in a referral's life is found under its patient, in the form of BALP,
// by those who may see it and by nobody else.
func TestAuditOfAReferral(t *testing.T) {
	compiled, err := compile(Config{}, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	storetest.EachURL(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		a := w.run(quiet())
		gp, other := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleRequester, practiceB)
		worker, stranger, operator := a.as(auth.RoleOwner, service1), a.as(auth.RoleOwner, service2), a.as(auth.RoleOperator)
		s, second := someone(practiceA), someone(practiceC)
		body := s.message()
		task := gp.refer(body)
		id := strings.TrimPrefix(task, "Task/")
		a.as(auth.RoleRequester, practiceC).refer(second.message())
		gp.do(http.MethodPost, "/fhir/R4", body).want(http.StatusOK) // a repeat
		patient := gp.get("/fhir/R4/"+task).want(http.StatusOK).node().Text("for", "reference")
		worker.worklist("")
		v := worker.look(task)
		v = worker.act(v, "accept", referral.Input{}).view()
		worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).want(http.StatusOK)
		other.get("/fhir/R4/" + task).want(http.StatusNotFound)
		gp.do(http.MethodHead, "/fhir/R4/"+task, nil).want(http.StatusOK)
		gp.do(http.MethodGet, "/fhir/R4/"+task+"/_history/1", nil).want(http.StatusOK)
		gp.get("/fhir/R4/Patient?identifier=" + url.QueryEscape(referral.SystemNHSNumber+"|"+s.nhsNumber)).want(http.StatusOK)
		gp.get("/fhir/R4/" + task + "/_history").want(http.StatusOK)
		batch := `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"` + task + `"}},{"request":{"method":"GET","url":"Task/none"}}]}`
		gp.do(http.MethodPost, "/fhir/R4", []byte(batch)).want(http.StatusOK)
		worker.get("/api/v1/referrals/" + id + "/summary").want(http.StatusOK)
		before := operator.audits("patient=" + patient)
		if len(before) < 11 {
			t.Errorf("%d accesses are found", len(before))
		}
		for _, n := range before {
			if err := issue.Failures(compiled.invariants.Validate(n)); err != nil {
				t.Errorf("%v\n%s", err, fhir.Encode(n))
			}
			for _, fault := range balpFaults(n) {
				t.Errorf("%s\n%s", fault, fhir.Encode(n))
			}
			if text := string(fhir.Encode(n)); strings.Contains(text, s.nhsNumber) || strings.Contains(text, s.family) {
				t.Errorf("the person is named in\n%s", text)
			}
			if n.Text("purposeOfEvent", "coding", "code") != referral.PurposeTreatment && n.Text("agent", "altId") != "timers" {
				t.Errorf("no purpose:\n%s", fhir.Encode(n))
			}
		}
		if of(operator.audits("subtype=batch"), "batch", "0") == nil {
			t.Error("a batch has no record of its own")
		}
		for _, n := range of(before, "read", "0") {
			if n.Child("meta").Child("profile") == nil {
				t.Errorf("a read keeps to no profile:\n%s", fhir.Encode(n))
			}
		}
		created := of(before, "transaction", "0")
		if len(created) != 2 || created[1].Text("action") != "C" || created[0].Text("action") != "R" || !strings.HasSuffix(created[1].Text("meta", "profile"), "PatientCreate") {
			t.Errorf("the intake and its repeat: %d", len(created))
		}
		if reads := of(before, "read", "0"); len(reads) < 3 || !strings.HasSuffix(reads[0].Text("meta", "profile"), "PatientRead") ||
			!slices.ContainsFunc(reads, func(n *fhir.Node) bool { return entitiesOf(n, "4")[0].Text("what", "reference") == task+"/_history/3" }) {
			t.Errorf("%d reads", len(reads))
		}
		searched := 0
		for _, n := range of(before, "search-type", "0") {
			for _, e := range entitiesOf(n, "24") {
				raw, err := base64.StdEncoding.DecodeString(e.Text("query"))
				if err != nil {
					t.Error(err)
				}
				if strings.Contains(string(raw), url.QueryEscape(s.nhsNumber)) {
					searched++
				}
			}
			if names := entitiesOf(n, "1"); len(names) == 2 && strings.Contains(n.Text("meta", "profile"), "Patient") {
				t.Error("a list of several patients claims to be of one")
			}
		}
		if searched != 1 {
			t.Errorf("what was looked for is there %d times", searched)
		}
		// the worklist showed patients of two practices: each sees its own
		lists := slices.DeleteFunc(gp.audits("patient="+patient+"&agent="+service1), func(n *fhir.Node) bool { return n.Text("subtype", "code") != "search-type" })
		if len(lists) != 1 || len(entitiesOf(lists[0], "1")) != 1 || len(entitiesOf(lists[0], "24")) != 0 {
			t.Errorf("the practice sees %d lists: %s", len(lists), fhir.Encode(lists[0]))
		}
		if whole := operator.get("/fhir/R4/AuditEvent/" + lists[0].Text("id")).want(http.StatusOK).node(); len(entitiesOf(whole, "1")) != 2 {
			t.Errorf("an operator sees %s", fhir.Encode(whole))
		}
		for name, c := range map[string]caller{"another practice": other, "another service": stranger} {
			if found := c.audits("patient=" + patient); len(found) > 0 {
				t.Errorf("%s sees %d accesses", name, len(found))
			}
			c.get("/fhir/R4/AuditEvent/" + before[0].Text("id")).want(http.StatusNotFound)
		}
		for _, n := range worker.audits("_count=3") {
			if agentsOf(n, "PROV")[0].Text("who", "identifier", "value") != service1 {
				t.Errorf("a service sees the access of another\n%s", fhir.Encode(n))
			}
		}
		if refused := other.audits("outcome=4&entity=" + task); len(refused) != 1 || refused[0].Text("outcomeDesc") != "not-found" || refused[0].Child("meta").Child("profile") != nil {
			t.Errorf("%d refusals", len(refused))
		}
		for query, least := range map[string]int{
			"action=C": 1, "subtype=read": 3, "type=rest": 9, "type=login": 0, "altid=test-owner-" + service1: 4, "date=ge2020-01-01": 9, "date=lt2020-01-01": 0, "outcome=8": 0,
			"action=http://hl7.org/fhir/audit-event-action|R": 3, "entity=" + patient: 9, "entity=" + task: 3, "agent=" + service1: 4,
		} {
			found := len(operator.audits(query + "&patient=" + patient))
			if found < least || least == 0 && found > 0 {
				t.Errorf("%s finds %d", query, found)
			}
		}
		// that somebody looked is there too
		if looks := of(operator.audits("patient="+patient+"&altid=test-operator-"), "search-type", "0"); len(looks) < 5 {
			t.Errorf("%d looks at the audit are recorded", len(looks))
		}
		if n := operator.total("/fhir/R4/AuditEvent?patient=" + patient + "&_summary=count"); n < len(before) {
			t.Errorf("%d are counted", n)
		}
	})
}

// The whole life of a server leaves an audit that the command finds whole, against the
// checkpoints in the log too; a record that was changed ends it with an error.
func TestAuditVerifyCommand(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.start()
		a.as(auth.RoleRequester, practiceA).refer(someone(practiceA).message())
		if code := a.terminate(); code != 0 {
			t.Fatal(code)
		}
		log := filepath.Join(t.TempDir(), "log")
		body, err := os.ReadFile(a.log)
		if err != nil || len(loggedCheckpoints(body)) == 0 {
			t.Fatalf("no checkpoint is in the log: %v", err)
		}
		if err := os.WriteFile(log, body, 0o600); err != nil {
			t.Fatal(err)
		}
		c := auditVerifyCmd{databaseFlags: databaseFlags{Database: url}, Against: log}
		if err := c.Run(); err != nil {
			t.Error(err)
		}
		db := w.db()
		if _, err := db.Exec("UPDATE audit SET client = 'somebody else' WHERE sequence = 1"); err != nil {
			t.Fatal(err)
		}
		db.Close()
		c.JSON = true
		if err := c.Run(); err == nil {
			t.Error("a changed record is not seen")
		}
		if _, err := sealingKey(log + ".none"); err == nil {
			t.Error("a key that is not there")
		}
	})
}

// provenanceOf finds the Provenances of a resource.
func (c caller) provenanceOf(reference string) (list []*fhir.Node) {
	c.t.Helper()
	for _, e := range c.get("/fhir/R4/Provenance?target=" + reference).want(http.StatusOK).node().All("entry") {
		list = append(list, e.Child("resource"))
	}
	return list
}

// Every resource that an intake made says of which bytes, and with which map.
func TestProvenanceOfAnIntake(t *testing.T) {
	compiled, err := compile(Config{}, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, "")
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	body := someone(practiceA).message()
	task := gp.refer(body)
	request := gp.get("/fhir/R4/"+task).want(http.StatusOK).node().Text("focus", "reference")
	list := worker.provenanceOf(request)
	if len(list) != 1 {
		t.Fatalf("%d Provenances", len(list))
	}
	n := list[0]
	if err := issue.Failures(issue.Join(append(issue.All(fhir.Check(n)), issue.All(compiled.invariants.Validate(n))...))); err != nil {
		t.Error(err)
	}
	kinds := map[string]int{}
	for _, target := range n.All("target") {
		reference := target.Text("reference")
		kinds[reference[:strings.Index(reference, "/")]]++
		gp.get("/fhir/R4/" + reference).want(http.StatusOK)
	}
	if kinds["ServiceRequest"] != 2 || kinds["Observation"] != 3 || kinds["Task"] != 0 || kinds["Patient"] != 1 {
		t.Errorf("targets: %v", kinds)
	}
	sum := sha256.Sum256(body)
	d := compiled.library.Dialect("", intakeDialect)
	text := string(fhir.Encode(n))
	for _, want := range []string{"nih:sha-256;" + hex.EncodeToString(sum[:]), "nih:sha-256;" + d.Hash, d.Canonical, `"value":"` + practiceA + `"`, `"type":"Device"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	if n := w.number("SELECT count(*) FROM message WHERE id = '" + n.Child("entity").Text("what", "identifier", "value") + "'"); n != 1 {
		t.Errorf("%d messages have that id", n)
	}
	// what the service recorded was made by nobody's map
	v := worker.act(worker.look(task), "accept", referral.Input{}).view()
	worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).want(http.StatusOK)
	if again := worker.provenanceOf(request); len(again) != 1 {
		t.Errorf("%d Provenances after the outcome", len(again))
	}
}

// verified looks through the audit of a world, which may be at work.
func (w *world) verified() *store.AuditReport {
	w.t.Helper()
	s := storetest.Open(w.t, w.database)
	report, err := s.VerifyAudit(w.t.Context(), nil, nil, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

// A record whose words FHIR cannot hold hides no other.
func TestOneRecordHidesNoOther(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp := a.as(auth.RoleRequester, practiceA)
	gp.refer(someone(practiceA).message())
	gp.get("/fhir/R4/nonsense").want(http.StatusNotFound) // an interaction that has no name
	db := w.db()
	defer db.Close()
	if _, err := db.Exec("UPDATE audit SET client = '   ' WHERE interaction = 'transaction'"); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, entry := range gp.get("/fhir/R4/AuditEvent").want(http.StatusOK).node().All("entry") {
		event := entry.Child("resource")
		for _, e := range event.All("entity") {
			shown[e.Child("detail").Text("value")] = true
		}
	}
	if !shown["not-shown"] || w.number("SELECT count(*) FROM audit WHERE interaction = ''") == 0 {
		t.Errorf("got %v", shown)
	}
}
