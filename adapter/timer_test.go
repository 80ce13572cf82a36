package main

import (
	"bytes"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// due lets the time of a referral be over.
func (c *cast) due(id string) {
	c.w.t.Helper()
	c.exec("UPDATE referral SET due = 1000 WHERE id = '" + id + "'")
}

func (c *cast) exec(statement string) {
	c.w.t.Helper()
	db := c.w.db()
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		c.w.t.Fatal(err)
	}
}

// timedCast has timers that look all the time, in two processes where the database allows
// it.
func timedCast(t *testing.T, url string) *cast {
	w := newWorld(t, url)
	w.config.TimersEvery = 5 * time.Millisecond
	a := w.run(quiet())
	if !strings.HasPrefix(url, "sqlite:") && url != "" {
		w.run(quiet())
	}
	return &cast{w, a, a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1), a.as(auth.RoleOwner, service2), a.as(auth.RoleOperator)}
}

// events counts the events of a row on a referral.
func (c *cast) events(id, move string) int {
	return c.w.number("SELECT count(*) FROM event WHERE referral = '" + id + "' AND move = '" + move + "'")
}

// A cancellation that nobody answers is confirmed by time, once, with one write-back,
// however many processes look (R10); other times that are over are said, once, and
// change nothing (T21, RC29).
func TestR10TimersRunOnce(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := timedCast(t, url)
		asked := c.gp.act(c.referred("in-progress"), "cancel", referral.Input{Reason: said("consent-withdrawn")}).view()
		late := c.referred("received")
		held := c.worker.act(c.referred("accepted"), "hold", referral.Input{Reason: said("unwell"), ReviewOn: time.Now().AddDate(0, 0, 7).Format(time.DateOnly)}).view()
		if late.Due == nil || held.Due == nil || asked.Due == nil || !asked.Due.After(time.Now().AddDate(0, 0, 4)) {
			t.Fatalf("due are %v, %v, %v", late.Due, held.Due, asked.Due)
		}
		for _, id := range []string{asked.ID, late.ID, held.ID} {
			c.due(id)
		}
		eventually(t, "the timers have run", func() bool {
			return c.events(asked.ID, "T14")+c.events(late.ID, "T21")+c.events(held.ID, "T21") == 3
		})
		// what another process might do yet it has had the time to do when a later one is done
		last := c.referred("received")
		c.due(last.ID)
		eventually(t, "a later timer has run", func() bool { return c.events(last.ID, "T21") == 1 })
		for id, n := range map[string]int{asked.ID: c.events(asked.ID, "T14"), late.ID: c.events(late.ID, "T21"), held.ID: c.events(held.ID, "T21")} {
			if n != 1 {
				t.Errorf("the timer of %s ran %d times", id, n)
			}
		}
		v := c.worker.look(asked.ID)
		if v.Status != "cancelled" || v.BusinessStatus != "cancellation-requested" {
			t.Errorf("the cancellation led to %s, %s", v.Status, v.BusinessStatus)
		}
		if n := c.w.number("SELECT count(*) FROM delivery WHERE referral = '" + asked.ID + "'"); n != 1 {
			t.Errorf("%d write-backs of one cancellation", n)
		}
		// RC29: silence declines nothing
		if v := c.worker.look(late.ID); v.Status != "received" || v.Version != late.Version || !v.Overdue {
			t.Errorf("silence led to %s, version %d, overdue %t", v.Status, v.Version, v.Overdue)
		}
		if v := c.worker.act(c.worker.look(late.ID), "accept", referral.Input{}).view(); v.Overdue || v.Due == nil {
			t.Errorf("after a move the referral is still overdue")
		}
	})
}

// R09: a timer uses the version that it saw; where somebody acted before its commit, it does
// nothing.
func TestR09AStaleTimerDoesNothing(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := timedCast(t, url)
		for range 5 {
			asked := c.gp.act(c.referred("in-progress"), "cancel", referral.Input{Reason: said("consent-withdrawn")}).view()
			c.due(asked.ID)
			got := c.worker.act(asked, "complete", referral.Input{Outcome: fullOutcome()})
			v := c.worker.look(asked.ID)
			switch {
			case got.status == http.StatusOK && v.Status == "completed" && c.events(asked.ID, "T14") == 0:
			case got.status == http.StatusPreconditionFailed || got.status == http.StatusUnprocessableEntity:
				eventually(t, "the timer has run", func() bool { return c.events(asked.ID, "T14") == 1 })
			default:
				t.Errorf("outcome %d, status %s, %d times T14", got.status, v.Status, c.events(asked.ID, "T14"))
			}
			if n := c.events(asked.ID, "T14") + c.events(asked.ID, "T15"); n != 1 {
				t.Errorf("the referral ended %d times", n)
			}
		}
	})
}

// Where the deployment says so, a cancellation waits for its answer.
func TestACancellationMayWait(t *testing.T) {
	w := newWorld(t, "")
	w.config.TimersEvery, w.config.ConfirmDays = 5*time.Millisecond, -1
	a := w.run(quiet())
	c := &cast{w: w, a: a, gp: a.as(auth.RoleRequester, practiceA), worker: a.as(auth.RoleOwner, service1)}
	asked := c.gp.act(c.referred("accepted"), "cancel", referral.Input{Reason: said("consent-withdrawn")}).view()
	c.due(asked.ID)
	eventually(t, "the cancellation is overdue", func() bool { return c.events(asked.ID, "T21") == 1 })
	if v := c.worker.look(asked.ID); v.Status != "accepted" || !v.CancellationAsked {
		t.Errorf("the referral is %s, %s", v.Status, v.BusinessStatus)
	}
}

// The ledger has every loop that is open for too long, and every outcome that is not in a
// record with the reason; each referral is counted in one place; nobody sees another's.
func TestTheLedger(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := timedCast(t, url)
		c.w.gp.fail(standInFault{Status: 400, Body: "{}"}) // the record refuses the first outcome for good
		dead := c.worker.act(c.referred("in-progress"), "complete", referral.Input{Outcome: fullOutcome()}).view()
		eventually(t, "the outcome is dead", func() bool {
			return c.w.number("SELECT count(*) FROM delivery WHERE state = 'dead'") == 1
		})
		done := c.worker.act(c.referred("in-progress"), "complete", referral.Input{Outcome: fullOutcome()}).view()
		eventually(t, "the other outcome arrives", func() bool { return inRecord(c.w, done.ID) != nil })
		eventually(t, "that is noted", func() bool {
			return c.w.number("SELECT count(*) FROM delivery WHERE state = 'delivered'") == 1
		})
		late := c.referred("received")
		c.due(late.ID)
		eventually(t, "it is overdue", func() bool { return c.events(late.ID, "T21") == 1 })
		asked := c.worker.act(c.referred("received"), "ask", referral.Input{Question: "Which language?"}).view()
		c.referred("accepted")

		nobody := someone(practiceA)
		b := nobody.bundle()
		patient := resourceOf(b, patientEntry)
		patient.Remove("identifier")
		reason := patient.Add("extension")
		reason.Set("url", "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberUnavailableReason")
		setCode(reason.Add("valueCodeableConcept"), "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberUnavailableReason", "trace-required", "Trace required")
		untraced := c.worker.look(c.gp.refer(encoded(b)))
		untraced = c.worker.act(untraced, "reject", referral.Input{Reason: said("no-capacity")}).view()

		read := func(who caller, query string) (l referral.Ledger) {
			t.Helper()
			who.get("/api/v1/ledger" + query).want(http.StatusOK).into(&l)
			return l
		}
		eventually(t, "the question has arrived", func() bool { return inRecord(c.w, asked.ID) != nil })
		for who, caller := range map[string]caller{"practice": c.gp, "service": c.worker, "operator": c.manager} {
			l := read(caller, "")
			if len(l.Overdue) != 1 || l.Overdue[0].Referral != late.ID || l.Overdue[0].Wait != "triage" || l.Overdue[0].WaitsFor != "service" {
				t.Errorf("%s: overdue are %+v", who, l.Overdue)
			}
			why := map[string]string{}
			for _, o := range l.Undelivered {
				why[o.Referral] = o.State + " " + o.Why
			}
			if len(why) != 2 || why[dead.ID] == "" || !strings.HasPrefix(why[dead.ID], "dead ") || why[untraced.ID] != "unfiled no-nhs-number" {
				t.Errorf("%s: not in a record are %v", who, why)
			}
			if len(l.Counts) != 1 {
				t.Fatalf("%s: counted are %+v", who, l.Counts)
			}
			n := l.Counts[0]
			n.Practice.Name = ""
			if want := (referral.LedgerCount{Practice: referral.Party{ODS: practiceA}, WaitingForService: 1, WaitingForRequester: 1, InService: 1, ClosedDelivered: 1, ClosedOpen: 2, Overdue: 1}); n != want {
				t.Errorf("%s: counted are %+v, want %+v", who, n, want)
			}
		}
		for _, stranger := range []caller{c.a.as(auth.RoleRequester, practiceB), c.other} {
			if l := read(stranger, ""); len(l.Overdue)+len(l.Undelivered)+len(l.Counts) != 0 {
				t.Errorf("a stranger sees %+v", l)
			}
		}
		// page by page it is the same
		seen := map[string]bool{}
		for page, next := read(c.manager, "?count=1"), 0; next < 5; next++ {
			for _, o := range page.Undelivered {
				seen[o.Referral] = true
			}
			if page.Next.Undelivered == "" {
				break
			}
			page = read(c.manager, "?count=1&undelivered="+page.Next.Undelivered)
		}
		if len(seen) != 2 {
			t.Errorf("page by page there are %v", seen)
		}
		c.gp.get("/api/v1/ledger?since=1").want(http.StatusBadRequest)
		c.gp.get("/api/v1/ledger?overdue=nonsense").want(http.StatusBadRequest)

		// the same on the command line
		command := exec.CommandContext(t.Context(), programPath(t), "ledger")
		command.Env = append(plainEnvironment(), asProgram+"=1", "ADAPTER_DATABASE="+c.w.database)
		var out bytes.Buffer
		command.Stdout, command.Stderr = &out, &out
		if strings.HasPrefix(c.w.database, "sqlite:") {
			c.a.stop() // a SQLite file belongs to one process
		}
		if err := command.Run(); err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
		for _, want := range []string{late.ID, dead.ID, untraced.ID, "no-nhs-number", "triage (service)"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the command does not show %q:\n%s", want, out.String())
			}
		}
	})
}

// RC02: one referral that cannot be moved keeps no other from its time.
func TestRC02OneBadItemStopsNoOther(t *testing.T) {
	c := timedCast(t, "")
	bad, good := c.referred("received"), c.referred("received")
	c.exec("DELETE FROM content WHERE referral = '" + bad.ID + "'")
	c.due(bad.ID)
	c.due(good.ID)
	eventually(t, "the good one is overdue", func() bool { return c.events(good.ID, "T21") == 1 })
}
