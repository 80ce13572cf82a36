package main

import (
	"testing"

	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// What a level keeps from a practice is not to be had by asking for it either: its worklist
// by risk, in both directions, says what its items say, also after the level was raised and
// on a database from before. A service that takes over is not told by it what the one before
// kept.
func TestTheWorklistDoesNotTellWhatALevelKeeps(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		found := func() *referral.Outcome {
			o := fullOutcome()
			o.Findings = append(o.Findings, referral.Coded{Code: "248054003", Display: "Self-neglect"})
			return o
		}
		says := func(who caller, want ...int) { // with a risk, without one
			t.Helper()
			var with, without int
			for _, v := range who.worklist("") {
				if len(v.Risks) > 0 {
					with++
				} else {
					without++
				}
			}
			if with != want[0] || without != want[1] {
				t.Errorf("%d items show a risk and %d none, want %v", with, without, want)
			}
			if yes, no := len(who.worklist("risk=true")), len(who.worklist("risk=false")); yes != with || no != without {
				t.Errorf("risk=true lists %d and risk=false %d, and %d and %d show it so", yes, no, with, without)
			}
		}
		v := c.referred("in-progress")
		v = c.gp.edit(v, "sharing", less("none")).view()
		v = c.worker.act(v, "complete", referral.Input{Outcome: found()}).view()
		says(c.worker, 1, 0)
		says(c.gp, 0, 1)
		before := func() { // as it was when nothing was known of who is told
			c.a.stop()
			c.exec("UPDATE referral SET risk_told = 0, seen = 0 WHERE risk = 1")
			c.exec("DELETE FROM need")
			c = c.w.cast()
		}
		before()
		says(c.worker, 1, 0)
		says(c.gp, 0, 1)

		again := c.worker.act(v, "reopen", referral.Input{}).view()
		says(c.worker, 2, 0)
		says(c.gp, 0, 2)
		c.worker.act(again, "transfer", referral.Input{Reason: said("replaced"), Service: service2}).want(200)
		says(c.other, 0, 1)

		v = c.worker.edit(c.worker.look(v.ID), "sharing", more("codes-only")).view()
		says(c.gp, 3, 0) // those that took its place show what was found until then
		says(c.other, 1, 0)
		before()
		says(c.gp, 3, 0)
	})
}
