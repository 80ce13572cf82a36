package main

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

func less(level string) referral.SharingInput {
	return referral.SharingInput{Level: level, Reason: "She asked for it."}
}

func more(level string) referral.SharingInput {
	in := less(level)
	in.Consent = &referral.ConsentInput{GivenOn: time.Now().UTC().Format(time.RFC3339), How: "spoken"}
	return in
}

// R13: the level is lowered, raised or lowered to nothing while outcomes wait. What is
// sent in the end is rendered at the level that holds then, and what the level keeps is not
// in any try that is made after it was set.
func TestR13TheLevelAtTheMomentOfSending(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		cases := []struct {
			from, to    string
			has, hasNot []string
		}{
			{"full", "codes-only", []string{"1230392000", "710911006", "Withheld at sharing level codes-only"}, []string{"lunch club", "sleeping tablets", "25.03", "A word for the practice"}},
			{"full", "summary", []string{"1230392000", "25.03", "A word for the practice", "sleeping tablets", "lunch club"}, []string{"Withheld at sharing level"}},
			{"codes-only", "full", []string{"1230392000", "25.03", "sleeping tablets", "lunch club"}, []string{"Withheld at sharing level", "A word for the practice"}}, // it was not in the Task
			{"full", "none", nil, nil},
		}
		views := make([]referral.View, len(cases))
		for i, one := range cases {
			v := c.referred("in-progress")
			if one.from != v.Sharing {
				v = c.worker.edit(v, "sharing", less(one.from)).view()
			}
			v = c.worker.edit(v, "notes", referral.NoteInput{Text: "A word for the practice", Audience: "practice"}).view()
			views[i] = c.worker.act(v, "signpost", referral.Input{Signpost: &referral.Signpost{To: "Millbrook library"}}).view()
			c.w.gp.fail(standInFault{Status: http.StatusServiceUnavailable})
		}
		for i, v := range views {
			views[i] = c.worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).view()
		}
		eventually(t, "the first tries failed", func() bool { return len(c.w.gp.received()) >= len(cases) })
		for i, one := range cases {
			in := less(one.to)
			if one.from == "codes-only" {
				in = more(one.to)
			}
			views[i] = c.worker.edit(views[i], "sharing", in).view()
		}
		for i, one := range cases {
			v := views[i]
			rows := func(state string) int {
				return c.w.number("SELECT count(*) FROM delivery WHERE referral = '" + v.ID + "' AND state = '" + state + "'")
			}
			if one.has == nil {
				eventually(t, "the row is withdrawn", func() bool { return rows("superseded") == 1 })
				if n := rows("queued") + rows("sending") + rows("delivered"); n != 0 || inRecord(c.w, v.ID) != nil {
					t.Errorf("%d rows are left, the record has %v", n, inRecord(c.w, v.ID))
				}
				continue
			}
			eventually(t, "the outcome is delivered", func() bool { return rows("delivered") == 1 })
			if n := rows("superseded"); n != 1 {
				t.Errorf("%d rows were superseded", n)
			}
			body := ""
			for _, r := range c.w.gp.received() {
				if strings.Contains(string(r.Body), v.ID) {
					body = readable(t, r.Body)
				}
			}
			for _, words := range one.has {
				if !strings.Contains(body, words) {
					t.Errorf("%s to %s: %q is not in %s", one.from, one.to, words, body)
				}
			}
			for _, words := range one.hasNot {
				if strings.Contains(body, words) {
					t.Errorf("%s to %s: %q is in %s", one.from, one.to, words, body)
				}
			}
		}
	})
}

// readable is a Bundle with the text of its documents.
func readable(t *testing.T, body []byte) string {
	t.Helper()
	out := string(body)
	for _, e := range checked(t, body).All("entry") {
		if n := e.Child("resource"); n.ResourceType() == "DocumentReference" {
			text, err := base64.StdEncoding.DecodeString(n.Text("content", "attachment", "data"))
			if err != nil {
				t.Fatal(err)
			}
			out += string(text)
		}
	}
	return out
}

// The same outcome is rendered again as it was first, level aside: nothing is lost and
// nothing of a later move comes in.
func TestWhatIsRenderedAgainIsWhatWasMeant(t *testing.T) {
	c := newCast(t, "")
	v := c.referred("in-progress")
	v = c.worker.act(v, "signpost", referral.Input{Signpost: &referral.Signpost{To: "Millbrook library"}}).view()
	c.w.gp.fail(standInFault{Status: http.StatusServiceUnavailable}, standInFault{Status: http.StatusServiceUnavailable})
	v = c.worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).view()
	eventually(t, "it was tried", func() bool { return len(c.w.gp.received()) == 1 })
	c.worker.edit(v, "sharing", less("summary")).want(200)
	eventually(t, "it was tried again", func() bool { return len(c.w.gp.received()) == 2 })
	list := c.w.gp.received()
	shape := func(body []byte) (out []string) {
		for _, e := range checked(t, body).All("entry") {
			n := e.Child("resource")
			out = append(out, n.ResourceType()+" "+n.Text("status")+" "+n.Text("code", "coding", "code")+" "+n.Text("identifier", "value")+" "+n.Text("meta", "versionId"))
		}
		slices.Sort(out)
		return out
	}
	if a, b := shape(list[0].Body), shape(list[1].Body); !slices.Equal(a, b) || len(a) < 7 {
		t.Errorf("first %q, then %q", a, b)
	}
}

// A level is lowered in a word and raised by a new consent, which is kept as a Consent with
// a Provenance. Both parties see it in the timeline and are told; the event says nothing of
// the person. Notes that the level held back are the practice's from then on.
func TestSharingIsLoweredAndRaised(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		v := c.referred("in-progress")
		v = c.worker.edit(v, "notes", referral.NoteInput{Text: "Read by all.", Audience: "practice"}).view()
		v = c.gp.edit(v, "sharing", less("codes-only")).view()
		v = c.worker.edit(v, "notes", referral.NoteInput{Text: "Held back.", Audience: "practice"}).view()
		v = c.worker.edit(v, "notes", referral.NoteInput{Text: "For us.", Audience: "service"}).view()
		in := elsewhere("https://tool.example.nhs.uk/plan")
		in.Audience = "practice"
		v = c.worker.edit(v, "attachments", in).view()
		held := v.Attachments[len(v.Attachments)-1]
		if !strings.Contains(v.SharingNotice, "is not taken back") {
			t.Errorf("the answer says %q", v.SharingNotice)
		}
		theirs := c.gp.look(v.ID)
		if got := textsOf(theirs.Notes); slices.Contains(got, "Held back.") || !slices.Contains(got, "Read by all.") || len(theirs.Attachments) != 0 || theirs.Sharing != "codes-only" {
			t.Errorf("the practice reads %q, %+v", got, theirs.Attachments)
		}
		c.gp.get("/fhir/R4/" + held.Document).want(http.StatusNotFound)
		for _, s := range theirs.Timeline {
			if s.Move == "note" && strings.Contains(string(s.Data), "Held") || s.Move == "attachment" {
				t.Errorf("the timeline of the practice has %s %s", s.Move, s.Data)
			}
		}

		c.worker.edit(v, "sharing", less("full")).refuses(400, "consent-needed consent")
		old := more("full")
		old.Consent.GivenOn = time.Now().AddDate(0, 0, -1).Format(time.DateOnly)
		c.worker.edit(v, "sharing", old).refuses(422, "consent-old consent.given_on")
		old.Consent = &referral.ConsentInput{GivenOn: "2099-01-01", GivenBy: "neighbour", How: "somehow"}
		c.worker.edit(v, "sharing", old).refuses(400, "field-code consent.given_by", "field-code consent.how", "field-date consent.given_on")
		old.Consent = &referral.ConsentInput{GivenBy: "representative"}
		c.worker.edit(v, "sharing", old).refuses(400, "field-required consent.given_on", "field-required consent.how", "field-required consent.name")
		c.worker.edit(v, "sharing", referral.SharingInput{Level: "all"}).refuses(400, "field-code level", "field-required reason")
		c.worker.edit(v, "sharing", less("codes-only")).refuses(422, "sharing-same level")
		c.worker.edit(v, "sharing", more("none")).refuses(400, "field-not-allowed consent")
		if now := c.worker.look(v.ID); now.Version != v.Version {
			t.Fatalf("a refused level changed the referral")
		}

		up := more("summary")
		up.Consent.GivenBy, up.Consent.Name = "representative", "Her daughter, who has power of attorney"
		v = c.worker.edit(v, "sharing", up).view()
		if v.SharingNotice != "" {
			t.Errorf("the answer says %q", v.SharingNotice)
		}
		theirs = c.gp.look(v.ID)
		if got := textsOf(theirs.Notes); !slices.Contains(got, "Held back.") || slices.Contains(got, "For us.") || len(theirs.Attachments) != 1 || theirs.Sharing != "summary" {
			t.Errorf("the practice reads %q, %+v, level %s", got, theirs.Attachments, theirs.Sharing)
		}
		task := c.gp.get("/fhir/R4/" + v.Links.Task).want(200).node()
		if got := taskNotes(task); !slices.Contains(got, "Held back.") || slices.Contains(got, "For us.") {
			t.Errorf("the Task says %q", got)
		}
		c.gp.get("/fhir/R4/" + held.Document).want(200)
		var steps []referral.Step
		for _, s := range theirs.Timeline {
			if s.Move == "sharing-changed" {
				steps = append(steps, s)
			}
		}
		var said struct{ From, To, Reason, Consent string }
		if len(steps) != 2 || steps[0].Actor != practiceA || steps[1].Actor != service1 {
			t.Fatalf("the timeline has %+v", steps)
		}
		answer{t: t, body: steps[1].Data}.into(&said)
		if said.From != "codes-only" || said.To != "summary" || said.Reason != "She asked for it." {
			t.Errorf("the step says %+v", said)
		}
		consent := c.gp.get("/fhir/R4/" + said.Consent).want(200).node()
		if consent.Text("status") != "active" || consent.Text("provision", "code", "coding", "code") != "summary" || consent.Text("patient", "reference") != v.Links.Patient ||
			consent.Text("performer", "display") != up.Consent.Name || consent.Text("dateTime") != up.Consent.GivenOn {
			t.Errorf("the Consent is %s", fhir.Encode(consent))
		}
		if n := c.gp.total("/fhir/R4/Provenance?_total=accurate&target=" + said.Consent); n != 1 {
			t.Errorf("%d Provenances lead to the Consent", n)
		}
		types := map[string]int{}
		eventually(t, "both are told", func() bool {
			clear(types)
			for _, h := range c.gp.events("since=0").Events {
				types[h.Type]++
				if strings.Contains(string(mustJSON(h)), "asked") {
					t.Fatalf("the event says %s", mustJSON(h))
				}
			}
			return types["referral.sharing"] == 2
		})
		if types["referral.note"] != 1 || types["referral.attachment"] != 0 {
			t.Errorf("the practice is told of %v", types)
		}
		v = c.manager.edit(v, "sharing", less("none")).view()
		c.other.edit(v, "sharing", less("none")).refuses(404, "not-found")
	})
}

// A consent from before the level was lowered does not raise it again, also where another
// referral has taken the place of the one in which it was lowered; a consent of that very
// day needs its time. The practice, which would read more, does not raise the level itself.
func TestAnOldConsentRaisesNothing(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		v := c.referred("in-progress")
		before := more("full")
		before.Consent.GivenOn = time.Now().Add(-2 * time.Second).UTC().Format(time.RFC3339)
		v = c.gp.edit(v, "sharing", less("none")).view()
		today := more("full")
		today.Consent.GivenOn = time.Now().UTC().Format(time.DateOnly)
		refuses := func(v referral.View, who caller) {
			t.Helper()
			who.edit(v, "sharing", before).refuses(422, "consent-old consent.given_on")
			who.edit(v, "sharing", today).refuses(400, "consent-time consent.given_on")
		}
		refuses(v, c.worker)
		c.gp.edit(v, "sharing", more("full")).refuses(422, "sharing-raised level")
		v = c.worker.act(v, "close", referral.Input{Reason: said("disengaged")}).view()
		v = c.worker.act(v, "reopen", referral.Input{}).view()
		if v.Sharing != "none" {
			t.Fatalf("the level is %s", v.Sharing)
		}
		refuses(v, c.worker)
		c.worker.act(v, "transfer", referral.Input{Reason: said("replaced"), Service: service2}).want(200)
		v = c.other.worklist("")[0]
		v = c.other.act(v, "accept", referral.Input{}).view()
		refuses(v, c.other)
		if v = c.other.edit(v, "sharing", more("full")).view(); v.Sharing != "full" {
			t.Errorf("a new consent leads to %s", v.Sharing)
		}
	})
}

// What was filed at a higher level is taken back from the record whatever the level is
// when it turns out to be wrong.
func TestWhatWasFiledIsTakenBackAtALowerLevel(t *testing.T) {
	c := newCast(t, "")
	v := c.worker.act(c.referred("in-progress"), "complete", referral.Input{Outcome: fullOutcome()}).view()
	eventually(t, "the outcome is delivered", func() bool { return c.w.number("SELECT count(*) FROM delivery WHERE state = 'delivered'") == 1 })
	v = c.worker.edit(v, "sharing", less("none")).view()
	c.manager.act(v, "enter-in-error", referral.Input{Reason: said("entered-in-error")}).want(200)
	eventually(t, "the retraction is delivered", func() bool { return c.w.number("SELECT count(*) FROM delivery WHERE state = 'delivered'") == 2 })
	c.w.gp.locked(func() {
		for _, key := range c.w.gp.order {
			if n := c.w.gp.held[key].node; n.Text("status") != "entered-in-error" {
				t.Errorf("the record still has %s", fhir.Encode(n))
			}
		}
	})
}
