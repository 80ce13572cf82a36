package main

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// silentCast has services that are reminded after five working days, or what is given, and
// after decline days count as declining; timers look all the time, in two processes where
// the database allows it.
func silentCast(t *testing.T, url string, decline int) *cast {
	w := newWorld(t, url)
	w.config.TimersEvery, w.config.NudgeDays, w.config.DeclineDays = 5*time.Millisecond, 5, decline
	a := w.run(quiet())
	if url != "" && !strings.HasPrefix(url, "sqlite:") {
		w.run(quiet())
	}
	return &cast{w, a, a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1), a.as(auth.RoleOwner, service2), a.as(auth.RoleOperator)}
}

// back puts the beginning of a wait for a decision into the past, with the times that are
// reckoned from it; the next reminder is that after so many working days.
func (c *cast) back(id string, by, reminder int) {
	c.w.t.Helper()
	began := time.Now().UTC().AddDate(0, 0, -by).Truncate(time.Millisecond)
	remind := began
	for remind = began; reminder > 0; {
		remind = remind.AddDate(0, 0, 1)
		if workingDays(remind.AddDate(0, 0, -1), remind) == 1 {
			reminder--
		}
	}
	c.exec("UPDATE referral SET since = " + strconv.FormatInt(began.UnixMilli(), 10) + ", remind = " + strconv.FormatInt(remind.UnixMilli(), 10) + " WHERE id = '" + id + "'")
}

// A service that has not decided is reminded once, however many processes look; nobody
// else is, and nothing moves. One that has asked the practice is not.
func TestAServiceIsRemindedOnce(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := silentCast(t, url, 0)
		v, asked := c.referred("received"), c.referred("received")
		asked = c.worker.act(asked, "ask", referral.Input{Question: "Which language?"}).view()
		c.back(v.ID, 30, 5)
		eventually(t, "the service is reminded", func() bool { return c.events(v.ID, "T25") == 1 })
		last := c.referred("received")
		c.back(last.ID, 30, 5)
		eventually(t, "another is reminded", func() bool { return c.events(last.ID, "T25") == 1 })
		if n := c.events(v.ID, "T25"); n != 1 || c.events(asked.ID, "T25") != 0 {
			t.Errorf("reminded %d times, and %d times where the practice is asked", n, c.events(asked.ID, "T25"))
		}
		if now := c.worker.look(v.ID); now.Status != "received" || now.Version != v.Version || now.Overdue {
			t.Errorf("the reminder led to %s, version %d", now.Status, now.Version)
		}
		eventually(t, "the service is told", func() bool { return slices.Contains(movesOf(c.worker.events("").Events), "T25") })
		for _, h := range c.worker.events("").Events {
			if h.Data.Move == "T25" && h.Type != "referral.reminder" {
				t.Errorf("the service is told of a %s", h.Type)
			}
		}
		if moves := movesOf(c.gp.events("").Events); slices.Contains(moves, "T25") {
			t.Errorf("the practice is told %v", moves)
		}
	})
}

// RC29: silence declines only where the deployment says so; then the record is told, with
// a reason that says what happened.
func TestRC29SilenceDeclinesOnlyByConfiguration(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := silentCast(t, url, 15)
		v := c.referred("received")
		c.back(v.ID, 60, 15)
		eventually(t, "the referral is declined", func() bool { return c.events(v.ID, "T06") == 1 })
		v = c.gp.look(v.ID)
		if v.Status != "rejected" || v.BusinessStatus != "unanswered" {
			t.Errorf("silence led to %s, %s", v.Status, v.BusinessStatus)
		}
		eventually(t, "the record is told", func() bool { return inRecord(c.w, v.ID) != nil })
		if text := string(encoded(inRecord(c.w, v.ID))); !strings.Contains(text, "The service did not answer in the time agreed.") {
			t.Errorf("the record is told %s", text)
		}
		if n := c.w.number("SELECT count(*) FROM delivery WHERE referral = '" + v.ID + "'"); n != 1 {
			t.Errorf("%d write-backs", n)
		}
	})
	c := silentCast(t, "", 0) // nothing is configured
	v := c.referred("received")
	c.back(v.ID, 60, 15)
	other := c.referred("received")
	c.back(other.ID, 30, 5)
	eventually(t, "a timer has run", func() bool { return c.events(other.ID, "T25") == 1 })
	if now := c.worker.look(v.ID); now.Status != "received" {
		t.Errorf("silence led to %s", now.Status)
	}
}
