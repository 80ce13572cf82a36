package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// edit posts a change of a referral that is no move.
func (c caller) edit(v referral.View, what string, in any, headers ...string) answer {
	c.t.Helper()
	return c.do(http.MethodPost, "/api/v1/referrals/"+v.ID+"/"+what, mustJSON(in), append([]string{"If-Match", fmt.Sprintf(`W/"%d"`, v.Version)}, headers...)...)
}

// problems lists the rules of a refusal with their elements.
func (a answer) problems() (list []string) {
	a.t.Helper()
	var p struct {
		Errors []struct{ Rule, Element, Detail string }
	}
	a.into(&p)
	for _, e := range p.Errors {
		list = append(list, strings.TrimSpace(e.Rule+" "+e.Element))
		if e.Detail == "" {
			a.t.Errorf("%s has no words", e.Rule)
		}
	}
	slices.Sort(list)
	return list
}

// refuses wants a status and the rules of the refusal.
func (a answer) refuses(status int, rules ...string) {
	a.t.Helper()
	if got := a.problems(); a.status != status || !slices.Equal(got, rules) {
		a.t.Errorf("status %d, rules %q; want %d, %q: %s", a.status, got, status, rules, a.body)
	}
}

func textsOf(list []referral.Note) (out []string) {
	for _, n := range list {
		out = append(out, n.Text)
	}
	return out
}

func taskNotes(n *fhir.Node) (out []string) {
	for _, note := range n.All("note") {
		out = append(out, note.Text("text"))
	}
	return out
}

// A service keeps one note to itself and gives another to the practice, which answers; a
// slip is corrected. Each reads what is for it, over JSON, over FHIR and in its events, and
// what is for the practice goes to the record with the outcome, not before.
func TestANoteIsReadByItsAudience(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		v := c.referred("in-progress")
		sent := len(v.Notes)
		v = c.worker.edit(v, "notes", referral.NoteInput{Text: "Her son is in prison."}).view()
		v = c.worker.edit(v, "notes", referral.NoteInput{Text: "Sleeps better.", Audience: "practice"}).view()
		slip := v.Notes[len(v.Notes)-1]
		v = c.worker.edit(v, "notes", referral.NoteInput{Text: "Sleeps much better.", Replaces: slip.ID}).view()
		v = c.worker.edit(v, "notes", referral.NoteInput{Text: "Well done with the walks.", Audience: "person"}).view()
		v = c.gp.edit(v, "notes", referral.NoteInput{Text: "New tablets since Monday."}).view()
		v = c.worker.act(v, "progress", referral.Input{Status: "support-ongoing", Note: "Cried for an hour.", NoteAudience: "service"}).view()

		mine, theirs := c.worker.look(v.ID), c.gp.look(v.ID)
		all := []string{"Her son is in prison.", "Sleeps better.", "Sleeps much better.", "Well done with the walks.", "New tablets since Monday.", "Cried for an hour."}
		if got := textsOf(mine.Notes[sent:]); !slices.Equal(got, all) {
			t.Errorf("the service reads %q", got)
		}
		if got := textsOf(theirs.Notes[sent:]); !slices.Equal(got, all[1:5]) {
			t.Errorf("the practice reads %q", got)
		}
		for i, want := range []referral.Note{
			{Audience: "service", Author: service1}, {Audience: "practice", Author: service1, ReplacedBy: mine.Notes[sent+2].ID},
			{Audience: "practice", Author: service1, Replaces: slip.ID}, {Audience: "person", Author: service1}, {Audience: "practice", Author: practiceA}, {Audience: "service", Author: service1},
		} {
			got := mine.Notes[sent+i]
			if got.ID == "" || got.Time == "" || got.AuthorName != "Partner "+got.Author+" (synthetic)" {
				t.Errorf("note %d has no id, time or name: %+v", i, got)
			}
			got.ID, got.Text, got.Time, got.AuthorName = "", "", "", ""
			if got != want {
				t.Errorf("note %d is %+v, want %+v", i, got, want)
			}
		}
		if theirs.Version != v.Version || mine.Version != v.Version {
			t.Errorf("version %d and %d, not %d", theirs.Version, mine.Version, v.Version)
		}
		inTask := taskNotes(c.gp.get("/fhir/R4/" + v.Links.Task).want(http.StatusOK).node())
		for i, want := range []string{"Sleeps better.", ": Sleeps much better.", "Well done with the walks.", "New tablets since Monday."} {
			if got := inTask[len(inTask)-4+i]; !strings.HasSuffix(got, want) {
				t.Errorf("the Task says %q, want %q", got, want)
			}
		}
		if n := c.w.number("SELECT count(*) FROM delivery"); n != 0 {
			t.Errorf("%d deliveries: a note is no milestone", n)
		}

		v = c.worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).view()
		eventually(t, "the outcome is in the record", func() bool { return inRecord(c.w, v.ID) != nil })
		if got := taskNotes(inRecord(c.w, v.ID)); !slices.Equal(got, inTask) {
			t.Errorf("the record says %q, the Task %q", got, inTask)
		}
		// after the end nothing is added, and what is wrong can still be set right
		c.worker.edit(v, "notes", referral.NoteInput{Text: "x"}).refuses(422, "referral-ended")
		c.worker.edit(v, "notes", referral.NoteInput{Text: "Her son-in-law is.", Replaces: mine.Notes[sent].ID}).want(200)
	})
}

// A move over FHIR may bring a note for the service alone: it is kept, and stands in no Task.
func TestANoteOfATaskMayBeForTheServiceAlone(t *testing.T) {
	c := newCast(t, "")
	v := c.referred("accepted")
	patch := func(v referral.View, status, text, audience string) answer {
		body := fmt.Sprintf(`[{"op":"replace","path":"/status","value":%q},{"op":"add","path":"/statusReason","value":{"coding":[{"system":%q,"code":"unwell"}]}},
			{"op":"add","path":"/executionPeriod","value":{"end":"2099-01-04"}},{"op":"add","path":"/note","value":[{"text":%q,"extension":[{"url":"https://spadapter.example/fhir/StructureDefinition/audience","valueCode":%q}]}]}]`,
			status, referral.SystemBusinessStatus, text, audience)
		return c.worker.do(http.MethodPatch, "/fhir/R4/Task/"+v.ID, []byte(body), "Content-Type", "application/json-patch+json", "If-Match", fmt.Sprintf(`W/"%d"`, v.Version))
	}
	got := patch(v, "on-hold", "Drinks again.", "service").want(http.StatusOK)
	if strings.Contains(string(got.body), "Drinks") {
		t.Errorf("the Task says %s", got.body)
	}
	if mine, theirs := textsOf(c.worker.look(v.ID).Notes), textsOf(c.gp.look(v.ID).Notes); !slices.Contains(mine, "Drinks again.") || slices.Contains(theirs, "Drinks again.") {
		t.Errorf("the service reads %q, the practice %q", mine, theirs)
	}
	v = c.referred("accepted")
	if got := patch(v, "on-hold", "Had an operation.", "person").want(http.StatusOK).node(); got.Text("note", "extension", "value") != "person" {
		t.Errorf("the Task is %s", fhir.Encode(got))
	}
	if got := patch(c.referred("accepted"), "on-hold", "x", "everybody"); got.status != 422 || !strings.Contains(string(got.body), "service, practice, person") {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}

// What a note must be, who may write which, and from which version.
func TestNotesAreRefusedWithReasons(t *testing.T) {
	c := newCast(t, "")
	v := c.referred("accepted")
	note := func(text string) referral.NoteInput { return referral.NoteInput{Text: text} }
	c.worker.edit(v, "notes", note("")).refuses(400, "field-required text")
	c.worker.edit(v, "notes", note("\x07")).refuses(400, "field-text text")
	c.worker.edit(v, "notes", note(strings.Repeat("a", 4001))).refuses(400, "field-text text")
	later, before := time.Now().Add(time.Hour), time.Now().AddDate(-50, 0, 0)
	c.worker.edit(v, "notes", referral.NoteInput{Text: "x", At: &later, Audience: "everybody", Replaces: "no"}).refuses(400, "field-code audience", "field-time at", "note-unknown replaces")
	c.worker.edit(v, "notes", referral.NoteInput{Text: "x", At: &before}).refuses(400, "field-time at")
	for _, audience := range []string{"service", "person"} {
		c.gp.edit(v, "notes", referral.NoteInput{Text: "x", Audience: audience}).refuses(422, "audience-practice audience")
	}
	c.manager.edit(v, "notes", note("x")).refuses(403, "role")
	c.other.edit(v, "notes", note("x")).refuses(404, "not-found")
	c.a.as(auth.RoleRequester, practiceB).edit(v, "notes", note("x")).refuses(404, "not-found")
	waiting := c.a.as(auth.RoleRequester, practiceC).look(c.a.as(auth.RoleRequester, practiceC).refer(someone(practiceC).message()))
	c.worker.edit(waiting, "notes", note("x")).refuses(422, "not-claimed")
	for what, in := range map[string]any{"notes": note("x"), "attachments": elsewhere("https://tool.example.nhs.uk/plan"), "sharing": referral.SharingInput{Level: "none", Reason: "x"}} {
		c.worker.do(http.MethodPost, "/api/v1/referrals/"+v.ID+"/"+what, mustJSON(in)).refuses(428, "if-match-missing http.If-Match")
		stale := v
		stale.Version--
		c.worker.edit(stale, what, in).refuses(412, "version-conflict")
	}

	v = c.worker.edit(v, "notes", note("kept")).view()
	kept := v.Notes[len(v.Notes)-1]
	v = c.worker.edit(v, "notes", referral.NoteInput{Text: "told", Audience: "practice"}).view()
	told := v.Notes[len(v.Notes)-1]
	c.gp.edit(v, "notes", referral.NoteInput{Text: "x", Replaces: kept.ID}).refuses(404, "note-unknown replaces")
	c.gp.edit(v, "notes", referral.NoteInput{Text: "x", Replaces: told.ID}).refuses(422, "note-of-another replaces")
	c.worker.edit(v, "notes", referral.NoteInput{Text: "x", Replaces: kept.ID, Audience: "practice"}).refuses(422, "audience-differs audience")
	v = c.worker.edit(v, "notes", referral.NoteInput{Text: "kept better", Replaces: kept.ID}).view()
	if last := v.Notes[len(v.Notes)-1]; last.Audience != "service" {
		t.Errorf("the correction is for %s", last.Audience)
	}
	c.worker.edit(v, "notes", referral.NoteInput{Text: "x", Replaces: kept.ID}).refuses(409, "note-replaced replaces")

	// a note with a move
	c.worker.act(v, "resume", referral.Input{NoteAudience: "service"}).want(422)
	c.worker.act(v, "hold", referral.Input{Reason: said("unwell"), ReviewOn: "2027-01-04", NoteAudience: "service"}).refuses(400, "field-not-allowed note_audience")
	c.worker.act(v, "hold", referral.Input{Reason: said("unwell"), ReviewOn: "2027-01-04", Note: "x", NoteAudience: "all"}).refuses(422, "field-code note_audience")
	c.gp.act(v, "cancel", referral.Input{Reason: said("moved-away"), Note: "x", NoteAudience: "service"}).refuses(422, "audience-practice note_audience")
	v = c.worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).view()
	c.worker.act(v, "correct", referral.Input{Outcome: fullOutcome(), Note: "x", NoteAudience: "service"}).refuses(422, "audience-practice note_audience")
}

// Of notes that are written at the same moment from the same version one is taken; whoever
// reads again loses nothing.
func TestConcurrentNotes(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		v := c.referred("accepted")
		before := len(v.Notes)
		match := fmt.Sprintf(`W/"%d"`, v.Version)
		won := 0
		for i, got := range together(t, 6, func(i int) (answer, error) {
			return c.worker.try(http.MethodPost, "/api/v1/referrals/"+v.ID+"/notes", mustJSON(referral.NoteInput{Text: fmt.Sprint("note ", i)}), "If-Match", match)
		}) {
			if got.status == 200 {
				won++
			} else {
				got.refuses(412, "version-conflict")
				c.worker.edit(c.worker.look(v.ID), "notes", referral.NoteInput{Text: fmt.Sprint("note ", i)}).want(200)
			}
		}
		if now := c.worker.look(v.ID); won != 1 || len(now.Notes) != before+6 || now.Version != v.Version+6 {
			t.Errorf("%d were taken at once; there are %d notes, version %d", won, len(now.Notes)-before, now.Version)
		}
	})
}

// secret is what a service keeps to itself, in every way that it can.
const secret = "Quicksilvertongue"

// TestNothingOfTheServiceAloneIsReadByAnybodyElse: a note, an attachment and the note of a
// move for the service alone are nowhere that the practice, a provider or the next service
// may read, nor in what is sent, told, logged or audited.
func TestNothingOfTheServiceAloneIsReadByAnybodyElse(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		w.config.SubscriberNetworks = loopback
		log := &buffer{}
		a := w.run(slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug - 4})))
		gp, worker, operator := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1), a.as(auth.RoleOperator)
		provider, next := a.as(auth.RoleOwner, service2), a.as(auth.RoleOwner, "Y99003")
		hooks, full := newSubscriber(t), newSubscriber(t)
		gp.hook(hooks.URL)
		operator.hook(hooks.URL)
		n := gp.subscribe(full.URL, "full-resource", "")
		gp.subscriptionIs(n.Text("id"), "active")

		sent := someone(practiceA)
		v := worker.look(gp.refer(sent.message()))
		v = worker.act(v, "accept", referral.Input{Note: secret, NoteAudience: "service"}).view()
		v = worker.edit(v, "notes", referral.NoteInput{Text: "She says " + secret + " hits her."}, "Idempotency-Key", "a-note").view()
		v = worker.edit(v, "notes", referral.NoteInput{Text: secret + " does not.", Replaces: v.Notes[len(v.Notes)-1].ID}).view()
		v = worker.edit(v, "attachments", referral.AttachmentInput{Title: secret, URL: "https://tool.example.nhs.uk/" + secret, ContentType: "text/plain"}).view()
		document := v.Attachments[0].Document
		v = worker.act(v, "contact", referral.Input{Channel: "telephone", Result: "reached", Note: secret, NoteAudience: "service"}).view()
		v = worker.act(v, "refer", referral.Input{Activity: &referral.ActivityInput{Provider: service2, Name: "Lunch club", Consent: true}, Note: secret, NoteAudience: "service"}).view()
		activity := v.Activities[0]
		provider.do(http.MethodPost, "/api/v1/activities/"+activity.ID+"/actions/accept", []byte(`{}`), "If-Match", `W/"1"`).want(200)
		provider.do(http.MethodPost, "/api/v1/activities/"+activity.ID+"/actions/cancel", mustJSON(referral.Input{Reason: said("disengaged")}), "If-Match", `W/"2"`).want(200)
		v = worker.act(v, "close", referral.Input{Reason: said("disengaged"), Note: secret, NoteAudience: "service"}).want(200).view()
		if !strings.Contains(string(mustJSON(v)), secret) {
			t.Fatal("the service itself cannot read it")
		}
		v = worker.act(v, "reopen", referral.Input{Note: secret, NoteAudience: "service"}).want(200).view()
		if got := worker.look(v.ID); got.Notes[len(got.Notes)-1].Text != secret {
			t.Errorf("the note of the referral that was opened again is lost: %+v", got.Notes)
		}
		first := v.Follows
		v = worker.act(v, "transfer", referral.Input{Reason: said("replaced"), Service: practiceC, Note: secret, NoteAudience: "service"}).want(200).view()
		worker.get("/fhir/R4/" + document).want(200)

		var surfaces []string
		for _, id := range []string{first, v.ID} {
			surfaces = append(surfaces, "/api/v1/referrals/"+id, "/fhir/R4/Task/"+id, "/fhir/R4/Task/"+id+"/_history?_count=50")
			for version := 1; version <= 12; version++ {
				surfaces = append(surfaces, fmt.Sprintf("/fhir/R4/Task/%s/_history/%d", id, version))
			}
		}
		surfaces = append(surfaces, "/api/v1/referrals?count=100", "/api/v1/events?since=0", "/api/v1/activities", "/api/v1/activities/"+activity.ID, "/api/v1/ledger",
			"/fhir/R4/"+document, "/fhir/R4/"+document+"/_history", "/fhir/R4/"+document+"/_history/1", "/fhir/R4/"+v.Links.Patient, "/fhir/R4/Subscription/"+n.Text("id")+"/$events?content=full-resource")
		for _, kind := range []string{"Task", "DocumentReference", "Observation", "Procedure", "Provenance", "ServiceRequest", "Consent", "QuestionnaireResponse"} {
			surfaces = append(surfaces, "/fhir/R4/"+kind+"?_count=100&_total=accurate", "/fhir/R4/"+kind+"/_history?_count=100", "/fhir/R4/"+kind+"?patient="+strings.TrimPrefix(v.Links.Patient, "Patient/"))
		}
		for name, c := range map[string]caller{"the practice": gp, "the provider": provider, "the next service": next} {
			read := 0
			for _, path := range surfaces {
				got := c.get(path)
				if got.status == 200 {
					read++
				}
				if strings.Contains(string(got.body), secret) {
					t.Errorf("%s reads it in %s: …%s", name, path, around(string(got.body), strings.Index(string(got.body), secret)))
				}
			}
			if read < 10 {
				t.Errorf("%s read only %d addresses", name, read)
			}
		}
		gp.get("/fhir/R4/" + document).want(http.StatusNotFound)
		if n := gp.total("/fhir/R4/DocumentReference?_total=accurate"); n != 2 {
			t.Errorf("the total counts %d documents, and not the pages of two ends", n)
		}
		eventually(t, "every event has its numbers", func() bool { return w.number("SELECT count(*) FROM waiting") == 0 })
		for _, h := range gp.events("since=0").Events {
			if h.Type == "referral.note" || h.Type == "referral.attachment" {
				t.Errorf("the practice is told of %s", h.Type)
			}
		}

		eventually(t, "the closure is in the record", func() bool { return inRecord(w, first) != nil && inRecord(w, v.ID) != nil })
		for _, r := range w.gp.received() {
			if strings.Contains(string(r.Body), secret) {
				t.Errorf("it was sent to the record: %s", r.Body)
			}
		}
		last := len(operator.events("since=0").Events)
		eventually(t, "the followers are told", func() bool { return len(hooks.messages()) >= last })
		for _, m := range append(hooks.messages(), full.messages()...) {
			if strings.Contains(string(m.body), secret) {
				t.Errorf("a follower was told: %s", m.body)
			}
		}
		for _, column := range []string{"audit.query", "audit.entity", "feed.body", "delivery.body", "term.value", "attempt.details", "waiting.body"} {
			table, name, _ := strings.Cut(column, ".")
			text := "CAST(" + name + " AS TEXT)"
			if column == "delivery.body" && !strings.HasPrefix(w.database, "sqlite:") {
				text = "convert_from(body, 'UTF8')"
			}
			if n := w.number(fmt.Sprintf("SELECT count(*) FROM %s WHERE %s LIKE '%%%s%%'", table, text, secret)); n != 0 {
				t.Errorf("it is in %d rows of %s", n, column)
			}
		}
		metrics := string(gp.get("/metrics").want(200).body)
		a.stop()
		if strings.Contains(log.String(), secret) || strings.Contains(metrics, secret) {
			t.Error("it is in the log or the metrics")
		}
	})
}
