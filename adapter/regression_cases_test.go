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

// More defects that were seen in others' programs, and races: none is here. Those that
// concern the life cycle alone are in TestDefectsOfOthers, others have tests named after
// them beside what they are about. RC07 concerns who polls partners, which nothing here does.
func TestDefectsOfOthersAtTheEdge(t *testing.T) {
	c := newCast(t, "")
	t.Run("RC03 put without If-Match", func(t *testing.T) {
		n := c.worker.taskOf(c.referred("received").ID)
		change(n, "accepted", "", "")
		for version, status := range map[string]int{"": http.StatusPreconditionRequired, "9": http.StatusPreconditionFailed} {
			if got := c.worker.put(n, version); got.status != status {
				t.Errorf("with the version %q: %d", version, got.status)
			}
		}
		if v := c.worker.look(n.Text("id")); v.Version != 1 {
			t.Errorf("something was written: version %d", v.Version)
		}
	})
	t.Run("RC05 and RC15 nothing is sent or told of what was not committed", func(t *testing.T) {
		v := c.referred("in-progress")
		stale := v
		stale.Version--
		sent, told := len(c.w.gp.received()), c.w.number("SELECT count(*) FROM event")
		c.worker.act(stale, "complete", referral.Input{Outcome: fullOutcome()}).want(http.StatusPreconditionFailed)
		c.worker.act(v, "complete", referral.Input{Outcome: &referral.Outcome{Status: "goals-met"}})
		if n := c.w.number("SELECT count(*) FROM event"); n != told || len(c.w.gp.received()) != sent || c.w.number("SELECT count(*) FROM delivery WHERE referral = '"+v.ID+"'") != 0 {
			t.Error("a refused outcome left a trace")
		}
		if n := c.w.number("SELECT count(*) FROM delivery d WHERE d.referral <> '' AND NOT EXISTS (SELECT 1 FROM event e WHERE e.referral = d.referral AND e.move = d.move)"); n != 0 {
			t.Errorf("%d messages belong to no event", n)
		}
	})
	t.Run("RC10 an id of the sender takes the place of nothing", func(t *testing.T) {
		v := c.referred("received")
		was := c.gp.get("/fhir/R4/" + v.Links.Patient).want(http.StatusOK)
		s := someone(practiceA)
		b := s.bundle()
		resourceOf(b, patientEntry).Set("id", strings.TrimPrefix(v.Links.Patient, "Patient/"))
		if other := c.worker.look(c.gp.refer(encoded(b))); other.Links.Patient == v.Links.Patient {
			t.Error("the id of the sender is used here")
		}
		if now := c.gp.get("/fhir/R4/" + v.Links.Patient); string(now.body) != string(was.body) {
			t.Errorf("another's Patient became %s", now.body)
		}
	})
	t.Run("RC11 and R08 a copy from before is not written back", func(t *testing.T) {
		v := c.referred("accepted")
		cached := c.worker.taskOf(v.ID)
		v = c.worker.act(v, "contact", referral.Input{Channel: "sms", Result: "reached", Note: "kept"}).view()
		if got := c.worker.put(change(cached, "on-hold", "unwell", "unwell"), numberOf(cached)); got.status != http.StatusPreconditionFailed {
			t.Errorf("the copy is answered with %d", got.status)
		}
		if n := c.worker.taskOf(v.ID); n.Text("note", "text") != "kept" || n.Text("status") != "in-progress" {
			t.Errorf("the Task is %s", encoded(n))
		}
	})
	t.Run("RC19, R04 and R07 a retry is no second referral", func(t *testing.T) {
		body := someone(practiceA).message()
		before := c.w.number("SELECT count(*) FROM referral")
		first := c.gp.do(http.MethodPost, "/fhir/R4", body, "X-Request-ID", "retry-1").want(http.StatusOK)
		again := c.gp.do(http.MethodPost, "/fhir/R4", body, "X-Request-ID", "retry-1").want(http.StatusOK)
		other := c.gp.do(http.MethodPost, "/fhir/R4", body, "X-Request-ID", "retry-2").want(http.StatusOK)
		if string(first.body) != string(again.body) || string(first.body) != string(other.body) || c.w.number("SELECT count(*) FROM referral") != before+1 {
			t.Error("a retry has another answer, or made another referral")
		}
	})
	t.Run("R06 a first try that failed is no success afterwards", func(t *testing.T) {
		bad := strings.Replace(string(someone(practiceA).message()), `"birthDate":"1951-03-09"`, `"birthDate":"1951-13-09"`, 1)
		for range 2 {
			if got := c.gp.do(http.MethodPost, "/fhir/R4", []byte(bad), "X-Request-ID", "failed-1"); got.status != http.StatusBadRequest {
				t.Errorf("the bad message is answered with %d", got.status)
			}
		}
	})
	t.Run("RC21 nothing is cut in silence", func(t *testing.T) {
		v := c.referred("accepted")
		in := referral.Input{Channel: "sms", Result: "reached", Note: strings.Repeat("x", 4001)}
		if got := c.worker.act(v, "contact", in); got.status != http.StatusBadRequest {
			t.Errorf("a note that is too long is answered with %d", got.status)
		}
		in.Note = strings.Repeat("x", 4000)
		c.worker.act(v, "contact", in).want(http.StatusOK)
		if n := c.worker.taskOf(v.ID); n.Text("note", "text") != in.Note {
			t.Error("a long note is not whole")
		}
	})
	t.Run("RC22 a value is mapped and not constant", func(t *testing.T) {
		for _, priority := range []string{"routine", "urgent", "stat"} {
			b := someone(practiceA).bundle()
			resourceOf(b, requestEntry).Set("priority", priority)
			v := c.worker.look(c.gp.refer(encoded(b)))
			if v.Priority != priority || c.worker.taskOf(v.ID).Text("priority") != priority {
				t.Errorf("%s became %s", priority, v.Priority)
			}
		}
	})
	t.Run("RC23 a name is chosen by its use", func(t *testing.T) {
		b := someone(practiceA).bundle()
		setPart(resourceOf(b, patientEntry), "name", `[{"use":"old","family":"Formerly","given":["Ada"]},{"use":"maiden","family":"Maiden"},{"use":"official","family":"Rightly","given":["Ada"]}]`)
		v := c.worker.look(c.gp.refer(encoded(b)))
		n := c.worker.get("/fhir/R4/" + v.Links.Patient).want(http.StatusOK).node()
		if !strings.Contains(v.Person.Name, "Rightly") || len(n.All("name")) != 3 {
			t.Errorf("the person is %q of %d names", v.Person.Name, len(n.All("name")))
		}
	})
	t.Run("RC24 and RC25 what cannot be read is said where it is", func(t *testing.T) {
		for where, edit := range map[string]func(b *fhir.Node){
			"authoredOn": func(b *fhir.Node) { resourceOf(b, requestEntry).Set("authoredOn", "soon") },
			"birthDate":  func(b *fhir.Node) { resourceOf(b, patientEntry).Set("birthDate", "9 March 1951") },
			"subject":    func(b *fhir.Node) { resourceOf(b, requestEntry).Remove("subject") },
		} {
			b := someone(practiceA).bundle()
			edit(b)
			got := c.gp.do(http.MethodPost, "/fhir/R4", encoded(b))
			located := false
			for _, i := range got.node().All("issue") {
				located = located || strings.Contains(i.Text("expression")+i.Text("details", "text"), where)
			}
			if got.status < 400 || got.status >= 500 || !located {
				t.Errorf("%s: %d %s", where, got.status, got.body)
			}
		}
	})
	t.Run("RC27 a label stays on every copy", func(t *testing.T) {
		b := someone(practiceA).bundle()
		label := resourceOf(b, firstObservation).Add("meta").Add("security")
		label.Set("system", "http://terminology.hl7.org/CodeSystem/v3-ActCode")
		label.Set("code", "NOPAT")
		v := c.worker.look(c.gp.refer(encoded(b)))
		for _, who := range []caller{c.gp, c.worker} {
			found := who.get("/fhir/R4/Observation?patient=" + v.Links.Patient).want(http.StatusOK)
			if n := strings.Count(string(found.body), `"NOPAT"`); n != 1 {
				t.Errorf("%d Observations have the label", n)
			}
		}
	})
	t.Run("RC28 totals count what the caller may see", func(t *testing.T) {
		mine, all := c.gp.total("/fhir/R4/Task"), c.manager.total("/fhir/R4/Task")
		theirs := c.w.number("SELECT count(*) FROM referral")
		stranger := c.a.as(auth.RoleRequester, practiceB)
		stranger.refer(someone(practiceB).message())
		if mine != theirs || all != theirs || stranger.total("/fhir/R4/Task") != 1 || c.gp.total("/fhir/R4/Task") != mine || c.manager.total("/fhir/R4/Task") != all+1 {
			t.Errorf("the practice counts %d, an operator %d of %d", mine, all, theirs)
		}
	})
	t.Run("R18 the version decides, not a client's clock", func(t *testing.T) {
		v := c.referred("accepted")
		early := v.Created.Add(-50)
		first := c.worker.act(v, "contact", referral.Input{Channel: "sms", Result: "no-answer"}).view()
		second := c.worker.act(first, "contact", referral.Input{Channel: "sms", Result: "reached", At: &early}).view()
		if second.Version != first.Version+1 || second.BusinessStatus != "contacted" {
			t.Errorf("the later step is %s, version %d", second.BusinessStatus, second.Version)
		}
	})
	t.Run("R19 polling misses nothing at one moment", func(t *testing.T) {
		v := c.referred("accepted")
		at := c.worker.taskOf(v.ID).Text("meta", "lastUpdated")
		found := c.worker.get("/fhir/R4/Task?_count=500&_lastUpdated=ge" + strings.ReplaceAll(at, "+", "%2B")).want(http.StatusOK)
		if !strings.Contains(string(found.body), fmt.Sprintf(`"id":%q`, v.ID)) {
			t.Error("what changed at that moment is not found")
		}
	})
}
