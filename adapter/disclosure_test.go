package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// words of the service, by the sharing level from which the practice reads them.
var wordsFrom = map[string][]string{
	"codes-only": {"1230392000", "710911006"},
	"summary": {"Kettledrum", "Harpsichord", "Glockenspiel", "Marimba", "Ocarina", "Tambourine", "Xylophone", "Vibraphone", "Bassoon", "Cornet", "Celesta", "Dulcimer",
		"25.03"},
	"full":  {"Accordion", "Banjo", "Clarinet"},
	"never": {"Didgeridoo"},
}

// told by a service on the way to an outcome, in every way that there is.
func (c *cast) story(v referral.View) referral.View {
	v = c.worker.act(v, "accept", referral.Input{Note: "Kettledrum"}).view()
	v = c.worker.act(v, "contact", referral.Input{Channel: "telephone", Result: "reached", Note: "Didgeridoo", NoteAudience: "service"}).view()
	v = c.worker.act(v, "plan", referral.Input{Plan: &referral.Plan{Summary: "Harpsichord", Matters: "Accordion", Goals: []string{"Banjo"}, Agreed: true}}).view()
	v = c.worker.act(v, "signpost", referral.Input{Signpost: &referral.Signpost{To: "Glockenspiel", Contact: "Marimba"}}).view()
	v = c.worker.act(v, "refer", referral.Input{Activity: &referral.ActivityInput{Provider: service2, Name: "Ocarina", Words: "Clarinet", Consent: true}}).view()
	at := "/api/v1/activities/" + v.Activities[0].ID + "/actions/"
	c.other.do(http.MethodPost, at+"accept", mustJSON(referral.Input{Note: "Tambourine"}), "If-Match", `W/"1"`).want(200)
	c.other.do(http.MethodPost, at+"end", mustJSON(referral.Input{Sessions: "6"}), "If-Match", `W/"2"`).want(200)
	v = c.worker.edit(c.worker.look(v.ID), "notes", referral.NoteInput{Text: "Xylophone", Audience: "practice"}).view()
	v = c.worker.act(v, "hold", referral.Input{Reason: &referral.Coded{Code: "unwell", Text: "Vibraphone"}, ReviewOn: "2099-01-31"}).view()
	return c.worker.act(v, "complete", referral.Input{Note: "Bassoon", Outcome: &referral.Outcome{
		Status: "goals-met", Summary: "Cornet", RequestedActions: []string{"Celesta"}, Scores: []referral.Score{{Instrument: "swemwbs", Value: "25.03"}},
		Findings:      []referral.Coded{{Code: "1230392000", Display: "Not feeling lonely", Text: "Kettledrum"}, {Text: "Dulcimer"}},
		Interventions: []referral.Coded{{Code: "710911006", Display: "Referral to housing service", Text: "Glockenspiel"}},
	}}).view()
}

// faces are the addresses at which a practice may read of a referral.
func faces(v referral.View) []string {
	list := []string{"/api/v1/referrals/" + v.ID, "/api/v1/referrals?count=100", "/api/v1/events?since=0", "/api/v1/referrals/" + v.ID + "/summary", "/fhir/R4/Task/" + v.ID}
	for n := 1; n <= v.Version; n++ {
		list = append(list, fmt.Sprintf("/fhir/R4/Task/%s/_history/%d", v.ID, n))
	}
	for _, a := range v.Activities {
		list = append(list, "/api/v1/activities/"+a.ID, "/fhir/R4/"+a.Task, "/fhir/R4/"+a.Task+"/_history")
	}
	for _, kind := range []string{"Task", "Observation", "Procedure", "DocumentReference", "Provenance"} {
		list = append(list, "/fhir/R4/"+kind+"?_count=100&_total=accurate", "/fhir/R4/"+kind+"/_history?_count=100")
	}
	return list
}

// all is everything that a caller reads at some addresses.
func (c caller) all(paths ...string) string {
	var b strings.Builder
	for _, path := range paths {
		b.Write(c.get(path).body)
	}
	return b.String()
}

// TestThePracticeReadsWhatTheLevelAllows: over every face the practice reads at each level
// what a write-back would tell it, and no total counts more; the service reads everything.
func TestThePracticeReadsWhatTheLevelAllows(t *testing.T) {
	levels := []string{"none", "codes-only", "summary", "full"}
	for i, level := range levels {
		t.Run(level, func(t *testing.T) {
			storetest.EachURL(t, func(t *testing.T, url string) {
				w := newWorld(t, url)
				w.config.Sharing, w.config.SubscriberNetworks = level, loopback
				a := w.run(quiet())
				c := &cast{w, a, a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1), a.as(auth.RoleOwner, service2), a.as(auth.RoleOperator)}
				follower := c.gp.subscribe(newSubscriber(t).URL, "full-resource", "").Text("id")
				counts := func(kind string) int { return c.gp.total("/fhir/R4/" + kind + "?_total=accurate") }
				v := c.referred("received")
				before := counts("Observation")
				v = c.story(v)
				eventually(t, "every event has its number", func() bool { return w.number("SELECT count(*) FROM waiting") == 0 })
				theirs := c.gp.all(append(faces(v), "/fhir/R4/Subscription/"+follower+"/$events?content=full-resource")...)
				mine := c.worker.all(faces(v)...)
				for from, list := range wordsFrom {
					may := from != "never" && slices.Index(levels, level) >= slices.Index(levels, from)
					for _, words := range list {
						if at := strings.Index(theirs, words); at >= 0 != may {
							t.Errorf("the practice reads %s: %v (…%s)", words, at >= 0, around(theirs, max(at, 0)))
						}
						if !strings.Contains(mine, words) {
							t.Errorf("the service does not read %s", words)
						}
					}
				}
				for kind, want := range map[string][4]int{"Observation": {0, 1, 3, 3}, "Procedure": {0, 1, 3, 3}, "DocumentReference": {0, 0, 2, 2}} {
					got := counts(kind)
					if kind == "Observation" {
						got -= before
					}
					if got != want[i] {
						t.Errorf("the practice counts %d of %s, want %d", got, kind, want[i])
					}
				}
			})
		})
	}
}

// What a correction says is for the practice: it cannot be for the service alone, over JSON
// or over FHIR. A note for the service that came with the outcome stays with it, also when
// the outcome is corrected.
func TestACorrectionTellsNoNoteOfTheService(t *testing.T) {
	c := newCast(t, "")
	v := c.worker.act(c.referred("in-progress"), "complete", referral.Input{Outcome: fullOutcome(), Note: secret, NoteAudience: "service"}).view()
	c.worker.act(v, "correct", referral.Input{Outcome: fullOutcome(), Note: secret, NoteAudience: "service"}).refuses(422, "audience-practice note_audience")
	patch := fmt.Sprintf(`[{"op":"add","path":"/note","value":[{"text":%q,"extension":[{"url":"https://spadapter.example/fhir/StructureDefinition/audience","valueCode":"service"}]}]},
		{"op":"add","path":"/output/-","value":{"type":{"coding":[{"system":%[2]q,"code":"outcome"}]},"valueCodeableConcept":{"coding":[{"system":%[3]q,"code":"goals-met"}]}}},
		{"op":"add","path":"/output/-","value":{"type":{"coding":[{"system":%[2]q,"code":"outcome"}]},"valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":"1230392000","display":"Not feeling lonely"}]}}}]`,
		secret, referral.SystemTaskOutput, referral.SystemBusinessStatus)
	if got := c.worker.do(http.MethodPatch, "/fhir/R4/Task/"+v.ID, []byte(patch), "Content-Type", "application/json-patch+json", "If-Match", fmt.Sprintf(`W/"%d"`, v.Version)); got.status != 422 || !strings.Contains(string(got.body), "audience-practice") || !strings.Contains(string(got.body), "T20") {
		t.Errorf("over FHIR: %d %s", got.status, got.body)
	}
	v = c.worker.act(v, "correct", referral.Input{Outcome: fullOutcome(), Note: "A slip."}).view()
	c.settledRows(v)
	if !strings.Contains(c.worker.all(faces(v)...), secret) {
		t.Error("the service itself cannot read it")
	}
	if theirs := c.gp.all(faces(v)...); strings.Contains(theirs, secret) || !strings.Contains(theirs, "A slip.") {
		t.Error("the practice reads it, or not why")
	}
	for _, r := range c.w.gp.received() {
		tells(t, "sent", pages(t, checked(t, r.Body))["current"], nil, []string{secret})
		if strings.Contains(string(r.Body), secret) {
			t.Errorf("it was sent: %s", r.Body)
		}
	}
}

// A Provenance does not lead the practice to what the sharing level keeps from it; the service
// that corrected reads all of it.
func TestAProvenanceLeadsToWhatItsReaderReads(t *testing.T) {
	for level, most := range map[string]int{"none": 1, "full": 100} {
		t.Run(level, func(t *testing.T) {
			storetest.EachURL(t, func(t *testing.T, url string) {
				w := newWorld(t, url)
				w.config.Sharing = level
				a := w.run(quiet())
				gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
				v := worker.look(gp.refer(someone(practiceA).message()))
				v = worker.act(v, "accept", referral.Input{}).view()
				v = worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).view()
				v = worker.act(v, "correct", referral.Input{Outcome: fullOutcome(), Note: "A slip."}).view()
				list := worker.provenanceOf("Task/" + v.ID)
				if len(list) != 1 || len(list[0].All("target")) < 3 || list[0].Child("entity") == nil {
					t.Fatalf("the service reads %d", len(list))
				}
				id := list[0].Text("id")
				for _, path := range []string{"/fhir/R4/Provenance/" + id, "/fhir/R4/Provenance/" + id + "/_history/1", "/fhir/R4/Provenance/" + id + "/_history",
					"/fhir/R4/Provenance?_id=" + id, "/fhir/R4/Provenance/_history", "/fhir/R4/Task?_id=" + v.ID + "&_revinclude=Provenance:target"} {
					body := gp.get(path).want(http.StatusOK)
					seen := 0
					for _, n := range append(list[0].All("target"), list[0].All("entity")...) {
						reference := n.Text("reference") + n.Text("what", "reference")
						resource, _, _ := strings.Cut(reference, "/_history/")
						readable := gp.get("/fhir/R4/"+resource).status == http.StatusOK
						if led := strings.Contains(string(body.body), reference); led != readable {
							t.Errorf("%s leads to %s: %v, which is readable: %v", path, resource, led, readable)
						} else if led {
							seen++
						}
					}
					if seen == 0 || seen > most {
						t.Errorf("%s leads to %d", path, seen)
					}
				}
			})
		})
	}
}
