package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// A referral that ended in a pool was nobody's: no service opens it again, none is offered
// to, and no note of one reaches another through what the practice opens.
func TestWhatNobodyClaimedIsOpenedByThePractice(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		gp := c.a.as(auth.RoleRequester, practiceC)
		v := gp.look(gp.refer(someone(practiceC).message()))
		v = gp.act(v, "cancel", referral.Input{Reason: said("moved-away")}).view()
		seen := c.worker.look(v.ID)
		if slices.ContainsFunc(seen.AllowedActions, func(a referral.Action) bool { return a.Name == "reopen" }) {
			t.Errorf("a service of the pool is offered %+v", seen.AllowedActions)
		}
		c.worker.act(seen, "reopen", referral.Input{Note: secret, NoteAudience: "service"}).refuses(422, "audience-nobody note_audience", "guard-owned")
		c.worker.act(seen, "reopen", referral.Input{}).refuses(422, "guard-owned")
		next := gp.act(v, "reopen", referral.Input{Note: "She is back."}).want(http.StatusOK).view()
		if next.Owner != nil || !slices.Contains(textsOf(c.other.look(next.ID).Notes), "She is back.") {
			t.Errorf("the pool has %+v", next)
		}
	})
}

// What a service writes for itself alone stays its own wherever the event stands: a caller
// for another organisation reads neither the note nor the attachment.
func TestANoteForTheServiceIsItsAuthors(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		v := c.referred("in-progress")
		v = c.worker.edit(v, "notes", referral.NoteInput{Text: secret}).view()
		v = c.worker.act(v, "progress", referral.Input{Status: "support-ongoing", Note: secret, NoteAudience: "service"}).view()
		in := elsewhere("https://tool.example.nhs.uk/own")
		in.Title = secret
		v = c.worker.edit(v, "attachments", in).view()
		// as an older version could leave it: the events of one service in the referral of another
		if _, err := c.w.db().Exec("UPDATE event SET actor = '" + service2 + "' WHERE referral = '" + v.ID + "' AND actor = '" + service1 + "'"); err != nil {
			t.Fatal(err)
		}
		seen := c.worker.look(v.ID)
		if slices.Contains(textsOf(seen.Notes), secret) || strings.Contains(string(mustJSON(seen.Timeline)), secret) {
			t.Errorf("another service reads %q, %s", textsOf(seen.Notes), mustJSON(seen.Timeline))
		}
		if !slices.Contains(textsOf(c.manager.look(v.ID).Notes), secret) {
			t.Error("an operator does not see it")
		}
	})
}
