package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
	"spadapter/conformance/peer/pds"
)

// register is a stand-in for the Personal Demographics Service with one person, who is
// registered with practice A.
type register struct {
	*pds.Server
	person pds.Person
}

// registered gives a world a PDS that knows somebody.
func (w *world) registered(s *synthetic) *register {
	r := &register{pds.New(nil, ""), pds.Person{Number: s.nhsNumber, Practice: practiceA, BirthDate: s.birthDate, Family: s.family, Given: "Dorothy"}}
	r.Put(r.person)
	server := httptest.NewServer(r)
	w.t.Cleanup(server.Close)
	w.config.PDS, w.config.PDSRate, w.config.PDSTrustFor = server.URL+"/FHIR/R4", 1000, -time.Second
	return r
}

// becomes changes the person.
func (r *register) becomes(change func(*pds.Person)) {
	change(&r.person)
	r.Put(r.person)
}

// elsewhere gives practice B an address of its own; "" takes it out of the partners.
func (w *world) elsewhere(address string) {
	w.t.Helper()
	var lines []string
	for _, line := range strings.Split(string(castPartners(w.gp.URL())), "\n") {
		if strings.Contains(line, `"Endpoint"`) && strings.Contains(line, practiceB) {
			if address == "" {
				continue
			}
			line = strings.ReplaceAll(line, w.gp.URL(), address)
		}
		lines = append(lines, line)
	}
	if err := os.WriteFile(w.config.Partners, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// asked waits until the person of a new referral was looked up, which no intake waits for.
func (c *cast) asked() {
	c.w.t.Helper()
	eventually(c.w.t, "the person is looked up", func() bool { return c.w.number("SELECT count(*) FROM person WHERE answered > 0") == 1 })
}

// tries counts attempts with an issue.
func (c *cast) tries(issue string) int {
	return c.w.number("SELECT count(*) FROM attempt WHERE issue = '" + issue + "'")
}

// ended is a referral of somebody, whose person was looked up, and with its outcome.
func (c *cast) ended(sent *synthetic) referral.View {
	c.w.t.Helper()
	v := c.worker.look(c.gp.refer(sent.message()))
	c.asked()
	v = c.worker.act(v, "accept", referral.Input{}).view()
	return c.worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).view()
}

// A person who moves between the outcome and its sending, of which only the Personal
// Demographics Service knows: while it is away the outcome waits, then the new practice gets it
// at its own address, and the old one nothing at all (rule R14).
func TestR14ThePersonIsLookedUpAtSendTime(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w, sent, there := newWorld(t, url), someone(practiceA), newStandIn(t)
		w.elsewhere(there.URL())
		r := w.registered(sent)
		c := w.cast()
		c.gp.refer(sent.message())
		c.asked()
		r.Fail(pds.Fault{Status: http.StatusServiceUnavailable, Times: 1})
		v := c.worker.worklist("")[0]
		v = c.worker.act(v, "accept", referral.Input{}).view()
		v = c.worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).view()
		eventually(t, "the outcome waits for the PDS", func() bool { return c.tries("incomplete") == 1 })
		r.becomes(func(p *pds.Person) { p.Practice = practiceB })
		eventually(t, "the new practice has the outcome", func() bool { return there.task(referral.StatusCompleted) != nil })
		c.settledRows(v)
		if got := w.gp.received(); len(got) != 0 {
			t.Errorf("the old practice was sent %d messages", len(got))
		}
		if v = c.worker.look("Task/" + v.ID); v.Practices[0].ODS != practiceB {
			t.Errorf("registered with %+v", v.Practices)
		}
	})
}

// Where no way to the new practice is known, the outcome waits and says so; the old practice
// gets nothing (rule R14).
func TestR14APracticeWithoutEndpointIsWaitedFor(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w, sent := newWorld(t, url), someone(practiceA)
		w.elsewhere("")
		r := w.registered(sent)
		c := w.cast()
		c.gp.refer(sent.message())
		c.asked()
		r.becomes(func(p *pds.Person) { p.Practice = practiceB })
		v := c.worker.worklist("")[0]
		v = c.worker.act(v, "accept", referral.Input{}).view()
		c.worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).want(http.StatusOK)
		eventually(t, "the outcome waits for an address", func() bool { return c.tries("not-found") > 0 })
		if got := w.gp.received(); len(got) != 0 {
			t.Errorf("the old practice was sent %d messages", len(got))
		}
		if l := string(c.manager.get("/api/v1/ledger").want(http.StatusOK).body); !strings.Contains(l, practiceB) || !strings.Contains(l, "endpoint") {
			t.Errorf("the ledger says %s", l)
		}
	})
}

// A death or a restriction that the Personal Demographics Service tells: contact stops and no
// provider learns where the person is, and the loop closes (rule R15, invariant 13).
func TestR15TheServiceTellsOfADeathOrARestriction(t *testing.T) {
	for what, learn := range map[string]func(*pds.Person){
		"deceased":   func(p *pds.Person) { p.Deceased, p.Notice = "2026-11-20", "1" },
		"restricted": func(p *pds.Person) { p.Restricted = true },
	} {
		t.Run(what, func(t *testing.T) {
			storetest.EachURL(t, func(t *testing.T, url string) {
				w, sent := newWorld(t, url), someone(practiceA)
				r := w.registered(sent)
				c := w.cast()
				v := c.worker.look(c.gp.refer(sent.message()))
				c.asked()
				v = c.worker.act(v, "accept", referral.Input{}).view()
				v = c.worker.act(v, "contact", referral.Input{Channel: "telephone", Result: "reached"}).view()
				v = c.worker.act(v, "refer", referral.Input{Activity: &referral.ActivityInput{Provider: service2, Name: "Choir", Consent: true}}).view()
				r.becomes(learn)
				v = c.worker.act(v, "escalate", referral.Input{Status: "escalated-to-gp", RequestedAction: "Please see her."}).view()
				c.settledRows(v)
				if n := w.number("SELECT count(*) FROM delivery WHERE state = 'delivered' AND recipient = '" + practiceA + "' AND facts LIKE '%\"" + what + "\":true%'"); n != 1 {
					t.Errorf("%d rows know it", n)
				}
				var a referral.ActivityView
				c.other.get("/api/v1/activities/" + v.Activities[0].ID).want(http.StatusOK).into(&a)
				if a.Person == nil || len(a.Person.Telecom) != 0 {
					t.Errorf("the provider reads %+v", a.Person)
				}
				v = c.worker.look("Task/" + v.ID)
				if v.Person.Deceased != (what == "deceased") || v.Person.Restricted != (what == "restricted") || v.Practices[0].ODS != practiceA {
					t.Errorf("%+v %+v", v.Person, v.Practices)
				}
				for _, may := range v.AllowedActions {
					if may.Name == "contact" && what == "deceased" {
						t.Error("contact is offered")
					}
				}
				v = c.worker.act(v, "close", referral.Input{Reason: said("disengaged")}).view()
				c.settledRows(v)
				if inRecord(w, v.ID).Text("status") != "cancelled" {
					t.Error("the end is not in the record")
				}
			})
		})
	}
}

// Another NHS number takes the place of the person's while the outcome waits: it goes to the
// surviving one alone, what belonged together stays together, and the person is found by
// either (rule R22).
func TestR22TheOutcomeGoesToTheSurvivingNumber(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w, sent := newWorld(t, url), someone(practiceA)
		r := w.registered(sent)
		c := w.cast()
		open := sent.sibling()
		v := c.worker.look(c.gp.refer(sent.message()))
		c.asked()
		r.Fail(pds.Fault{Status: http.StatusBadGateway, Times: 1})
		v = c.worker.act(v, "accept", referral.Input{}).view()
		v = c.worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).view()
		eventually(t, "the outcome waits", func() bool { return c.tries("incomplete") == 1 })
		survivor := r.person
		survivor.Number = unused()
		r.Put(survivor)
		r.becomes(func(p *pds.Person) { p.ReplacedBy = survivor.Number })
		eventually(t, "the outcome is in the record", func() bool { return w.gp.task(referral.StatusCompleted) != nil })
		c.settledRows(v)
		for _, got := range w.gp.received() {
			if strings.Contains(string(got.Body), sent.nhsNumber) || !strings.Contains(string(got.Body), survivor.Number) {
				t.Errorf("sent %s", got.Body)
			}
		}
		v = c.worker.look("Task/" + v.ID)
		if v.Person.NHSNumber != survivor.Number {
			t.Errorf("the person has %q", v.Person.NHSNumber)
		}
		for _, number := range []string{sent.nhsNumber, survivor.Number} {
			if found := c.gp.get("/fhir/R4/Patient?identifier=" + referral.SystemNHSNumber + "%7C" + number).node(); found.Text("total") != "1" || "Patient/"+found.Text("entry", "resource", "id") != v.Links.Patient {
				t.Errorf("by %s there are %s", number, found.Text("total"))
			}
		}
		// what the practice sends next, under either number, is about the same person
		again := c.worker.look(c.gp.refer(open.message()))
		open.nhsNumber, open.identifier = survivor.Number, open.identifier+"-2"
		under := c.worker.look(c.gp.refer(open.message()))
		if again.Links.Patient != v.Links.Patient || under.Links.Patient != v.Links.Patient || under.Person.NHSNumber != survivor.Number || again.Person.NHSNumber != survivor.Number {
			t.Errorf("%+v and %+v are about others than %+v", again.Links, under.Links, v.Links)
		}
	})
}

// unused is an NHS number that nobody has.
func unused() string {
	people.Lock()
	defer people.Unlock()
	return people.next()
}

// sibling is another message about the same person.
func (s *synthetic) sibling() *synthetic {
	other, next := *s, someone(s.practice)
	other.identifier, other.uuid = next.identifier, next.uuid
	return &other
}

// A service that lies, or is wrong: no answer about somebody else changes anything, or lets an
// outcome go.
func TestALyingServiceIsNotBelieved(t *testing.T) {
	for what, lie := range map[string]struct {
		set   func(r *register, other pds.Person)
		issue string
	}{
		"answers with somebody else": {func(r *register, other pds.Person) { r.Put(other); r.Fail(pds.Fault{Other: other.Number}) }, "conflict"},
		"says that somebody else replaced them": {func(r *register, other pds.Person) {
			r.Put(other)
			r.becomes(func(p *pds.Person) { p.ReplacedBy = other.Number })
		}, "conflict"},
		"has somebody else under the number": {func(r *register, other pds.Person) {
			r.becomes(func(p *pds.Person) {
				p.BirthDate, p.Family, p.Given, p.Practice = other.BirthDate, other.Family, other.Given, other.Practice
			})
		}, "conflict"},
		"does not know the number any more": {func(r *register, _ pds.Person) { r.becomes(func(p *pds.Person) { p.Invalid = true }) }, "deleted"},
	} {
		t.Run(what, func(t *testing.T) {
			w, sent := newWorld(t, storetest.SQLite(t)), someone(practiceA)
			r := w.registered(sent)
			w.config.PDSTrustFor = time.Hour // what was answered before is not gone back to
			log, into := logged()
			c := w.castLogging(into)
			c.gp.refer(sent.message())
			c.asked()
			other := pds.Person{Number: unused(), Practice: practiceB, BirthDate: "1999-01-01", Family: "Mallory", Given: "Eve"}
			lie.set(r, other)
			v := c.worker.worklist("")[0]
			v = c.worker.act(v, "accept", referral.Input{}).view()
			v = c.worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).view()
			eventually(t, "the outcome waits", func() bool { return c.tries(lie.issue) > 0 })
			v = c.worker.look("Task/" + v.ID)
			if v.Person.NHSNumber != sent.nhsNumber || v.Practices[0].ODS != practiceA || len(w.gp.received()) != 0 {
				t.Errorf("%+v %+v, %d messages", v.Person, v.Practices, len(w.gp.received()))
			}
			if said := log.String(); strings.Contains(said, sent.nhsNumber) || strings.Contains(said, other.Number) || strings.Contains(said, "Mallory") {
				t.Errorf("the log has %s", said)
			}
		})
	}
}

// While the service is away an answer of before holds for as long as is set.
func TestAnAnswerOfBeforeHoldsForAWhile(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w, sent := newWorld(t, url), someone(practiceA)
		r := w.registered(sent)
		w.config.PDSTrustFor = time.Hour
		c := w.cast()
		c.gp.refer(sent.message())
		c.asked()
		r.Fail(pds.Fault{Status: http.StatusTooManyRequests, RetryAfter: 3600})
		v := c.worker.worklist("")[0]
		v = c.worker.act(v, "accept", referral.Input{}).view()
		v = c.worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).view()
		c.settledRows(v)
		if inRecord(w, v.ID) == nil {
			t.Error("the outcome is not in the record")
		}
		if n := r.Asked(sent.nhsNumber); n != 2 {
			t.Errorf("the service was asked %d times", n)
		}
	})
}

// Settings that are no whole configuration are refused, and none looks nobody up.
func TestHalfAPDSIsRefused(t *testing.T) {
	for i, c := range []Config{
		{PDSToken: "https://api.example.nhs.uk/oauth2/token"}, {PDS: "https://pds.example.nhs.uk", PDSClient: "x"},
		{PDS: "https://pds.example.nhs.uk", PDSInterval: -1}, {PDS: "https://pds.example.nhs.uk", PDSRate: -1},
	} {
		if c.checkPDS() == nil {
			t.Errorf("%d: %+v is taken", i, c)
		}
	}
	if d, err := newDemographics(Config{}, nil); d != nil || err != nil {
		t.Error(d, err)
	}
	if _, err := newDemographics(Config{PDS: "http://pds.example.nhs.uk", PDSRate: 1}, nil); err == nil {
		t.Error("a PDS without TLS is taken")
	}
}
