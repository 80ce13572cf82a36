package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// bulkItem and bulkResult are an item and what came of it, as a tool writes and reads them.
type bulkItem struct {
	ID      string         `json:"id"`
	Version int            `json:"version"`
	Input   referral.Input `json:"input"`
}

type bulkResult struct {
	ID       string
	Status   int
	Version  int
	ETag     string
	Referral *referral.View
	Problem  json.RawMessage
}

func (c caller) bulk(action string, items any, headers ...string) answer {
	c.t.Helper()
	return c.do(http.MethodPost, "/api/v1/referrals/actions/"+action, mustJSON(map[string]any{"items": items}), headers...)
}

func (a answer) results() (list []bulkResult) {
	a.t.Helper()
	var page struct{ Items []bulkResult }
	a.want(200).into(&page)
	return page.Items
}

// R24: of many referrals one is invalid, one is somebody else's, one is stale and one is
// not even an item. The others move, each as if it had come alone; what is refused is
// answered and audited like a single action.
func TestR24OneInvalidOfMany(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		var good []referral.View
		for range 5 {
			good = append(good, c.referred("accepted"))
		}
		invalid, stale := c.referred("received"), c.referred("accepted")
		theirs := c.other.look(c.a.as(auth.RoleRequester, practiceB).refer(someone(practiceB).message()))
		hold := referral.Input{Reason: said("waiting-list"), ReviewOn: "2099-01-04"}
		var items []any
		for _, v := range good {
			items = append(items, bulkItem{v.ID, v.Version, hold})
		}
		items = append(items, bulkItem{invalid.ID, invalid.Version, hold}, bulkItem{theirs.ID, 1, hold}, bulkItem{"0190-nobody", 1, hold}, bulkItem{stale.ID, stale.Version - 1, hold},
			map[string]any{"id": "a1", "version": 1, "inputs": 1}, "x", bulkItem{ID: "a2"}, bulkItem{"a_3", 1, hold})
		audits := func(outcome string) int {
			return c.w.number("SELECT count(*) FROM audit WHERE interaction = 'update' AND outcome = '" + outcome + "'")
		}
		done, refused := audits("0"), audits("4")
		got := c.worker.bulk("hold", items).results()
		if len(got) != len(items) {
			t.Fatalf("%d results", len(got))
		}
		for i, v := range good {
			r := got[i]
			if r.ID != v.ID || r.Status != 200 || r.Version != v.Version+1 || r.ETag != fmt.Sprintf(`W/"%d"`, v.Version+1) || r.Referral == nil || r.Referral.Status != "on-hold" || r.Problem != nil {
				t.Errorf("item %d: %+v", i, r)
			}
			if now := c.worker.look(v.ID); now.Version != v.Version+1 || now.Status != "on-hold" {
				t.Errorf("item %d is %s, version %d", i, now.Status, now.Version)
			}
		}
		for i, want := range []struct {
			status int
			rule   string
		}{{422, "illegal-move"}, {404, "not-found"}, {404, "not-found"}, {412, "version-conflict"}, {400, "unknown-field"}, {400, "json"}, {428, "if-match-missing version"}, {404, "unknown-id id"}} {
			r := got[len(good)+i]
			if rules := (answer{t: t, body: r.Problem}).problems(); r.Status != want.status || len(rules) != 1 || rules[0] != want.rule || r.Referral != nil || r.ETag != "" {
				t.Errorf("item %d: %d %v, want %v: %s", len(good)+i, r.Status, rules, want, r.Problem)
			}
		}
		// somebody else's referral looks like none
		words := func(r bulkResult) string {
			var p map[string]any
			answer{t: t, body: r.Problem}.into(&p)
			return fmt.Sprint(p["detail"], p["status"], p["errors"])
		}
		if a, b := words(got[len(good)+1]), words(got[len(good)+2]); a != b {
			t.Errorf("%s differs from %s", a, b)
		}
		single := c.worker.act(invalid, "hold", hold)
		var one, other struct{ Type, Detail string }
		single.into(&one)
		answer{t: t, body: got[len(good)].Problem}.into(&other)
		if one != other {
			t.Errorf("a single action says %+v, the bulk %+v", one, other)
		}
		if a, b := audits("0")-done, audits("4")-refused; a != len(good) || b != 9 {
			t.Errorf("%d changes and %d refusals are audited", a, b)
		}
	})
}

// A bulk that names a referral twice, has nothing in it or too much, or is of no action is
// refused as a whole, before anything is done.
func TestABulkIsRefusedAsAWhole(t *testing.T) {
	c := newCast(t, "")
	v := c.referred("received")
	item := bulkItem{v.ID, v.Version, referral.Input{}}
	c.worker.bulk("accept", []bulkItem{item, {"a", 1, referral.Input{}}, item}).refuses(400, "bulk-duplicate items[2].id")
	c.worker.bulk("accept", []bulkItem{}).refuses(400, "bulk-empty items")
	c.worker.bulk("accept", make([]bulkItem, 101)).refuses(422, "bulk-limit items")
	c.worker.do(http.MethodPost, "/api/v1/referrals/actions/accept", []byte(`{"item":[]}`)).refuses(400, "unknown-field")
	c.worker.do(http.MethodPost, "/api/v1/referrals/actions/accept", []byte(`{"items":{}}`)).refuses(400, "json-kind items")
	c.worker.bulk("dance", []bulkItem{item}).refuses(404, "action-unknown")
	if now := c.worker.look(v.ID); now.Version != v.Version {
		t.Error("something was done")
	}
	if got := c.worker.bulk("accept", []bulkItem{item}, "Prefer", "return=minimal").results(); got[0].Status != 200 || got[0].Referral != nil || got[0].Version != v.Version+1 {
		t.Errorf("with return=minimal: %+v", got[0])
	}
}

// A lost response: the same key gives the answer of the first time, whatever has happened
// since, and nothing happens twice. It stands for one change, of one kind, in one role.
func TestARetryWithItsKeyActsOnce(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		v := c.referred("in-progress")
		contact := referral.Input{Channel: "telephone", Result: "reached", Note: "Kept.", NoteAudience: "service"}
		for what, in := range map[string]any{
			"actions/contact": contact, "notes": referral.NoteInput{Text: "A note."}, "attachments": elsewhere("https://tool.example.nhs.uk/1"), "sharing": less("none"),
			"actions/refer":    referral.Input{Activity: &referral.ActivityInput{Provider: service2, Name: "Lunch club", Words: "Ask for Joan.", Consent: true}},
			"actions/signpost": referral.Input{Signpost: &referral.Signpost{To: "Library"}},
		} {
			key := "key-" + strings.ReplaceAll(what, "/", "-")
			first := c.worker.edit(v, what, in, "Idempotency-Key", key).want(200)
			after := first.view()
			shown := c.worker.get("/api/v1/referrals/" + v.ID)
			if !bytes.Equal(first.body, shown.body) {
				t.Errorf("%s: the answer is not what is read afterwards:\n%s\n%s", what, first.body, shown.body)
			}
			again := c.worker.edit(v, what, in, "Idempotency-Key", key).want(200)
			if !bytes.Equal(first.body, again.body) || first.header.Get("ETag") != again.header.Get("ETag") {
				t.Errorf("%s: the repeat is another answer:\n%s\n%s", what, first.body, again.body)
			}
			v = c.worker.edit(after, "notes", referral.NoteInput{Text: "In between."}).view()
			if again = c.worker.edit(v, what, in, "Idempotency-Key", key).want(200); !bytes.Equal(first.body, again.body) {
				t.Errorf("%s: the repeat is another answer when more has happened", what)
			}
			c.worker.edit(v, "notes", referral.NoteInput{Text: "Other."}, "Idempotency-Key", key).refuses(409, "repeat-differs")
			c.worker.act(v, "progress", referral.Input{Status: "support-ongoing"}).want(200)
			v = c.worker.look(v.ID)
		}
		other := c.referred("in-progress")
		c.worker.edit(other, "notes", referral.NoteInput{Text: "A note."}, "Idempotency-Key", "key-notes").refuses(409, "repeat-differs")

		if said := c.worker.edit(other, "actions/progress", referral.Input{Status: "support-ongoing"}, "Idempotency-Key", "key-notes"); !strings.Contains(string(said.body), "use a new one for each new request") {
			t.Errorf("an action is refused with %s", said.body)
		}

		// who refers has keys of their own, and an answer that was refused is no answer
		c.gp.edit(v, "notes", referral.NoteInput{Text: "A note."}, "Idempotency-Key", "key-notes").want(200)
		c.worker.edit(v, "notes", referral.NoteInput{Text: "Late."}, "Idempotency-Key", "late").refuses(412, "version-conflict")
		c.worker.edit(c.worker.look(v.ID), "notes", referral.NoteInput{Text: "Late."}, "Idempotency-Key", "late").want(200)

		// the new Task of one that is opened again
		ended := c.worker.act(c.referred("accepted"), "close", referral.Input{Reason: said("disengaged")}).view()
		first := c.worker.edit(ended, "actions/reopen", referral.Input{}, "Idempotency-Key", "again").want(200)
		if shown := c.worker.get("/api/v1/referrals/" + first.view().ID); !bytes.Equal(first.body, shown.body) || first.view().Follows != ended.ID {
			t.Errorf("the answer is not what is read afterwards:\n%s\n%s", first.body, shown.body)
		}
		if again := c.worker.edit(ended, "actions/reopen", referral.Input{}, "Idempotency-Key", "again").want(200); !bytes.Equal(first.body, again.body) {
			t.Errorf("the repeat is another answer: %s", again.body)
		}

		// at the same moment
		now := c.worker.look(v.ID)
		match := fmt.Sprintf(`W/"%d"`, now.Version)
		answers := together(t, 5, func(int) (answer, error) {
			return c.worker.try(http.MethodPost, "/api/v1/referrals/"+v.ID+"/notes", mustJSON(referral.NoteInput{Text: "Once."}), "If-Match", match, "Idempotency-Key", "once")
		})
		for _, got := range answers {
			if got.status != 200 || !bytes.Equal(got.body, answers[0].body) {
				t.Errorf("status %d: %s", got.status, got.body)
			}
		}
		if after := c.worker.look(v.ID); after.Version != now.Version+1 {
			t.Errorf("version %d after %d", after.Version, now.Version)
		}
	})
}

// A bulk that is sent again with its key, in another order, acts on nothing twice and does
// what could not be done before.
func TestABulkIsRepeated(t *testing.T) {
	c := newCast(t, "")
	a, b := c.referred("received"), c.referred("received")
	first := c.worker.bulk("accept", []bulkItem{{a.ID, a.Version, referral.Input{}}, {b.ID, b.Version + 1, referral.Input{}}}, "Idempotency-Key", "many").results()
	again := c.worker.bulk("accept", []bulkItem{{b.ID, b.Version, referral.Input{}}, {a.ID, a.Version, referral.Input{}}}, "Idempotency-Key", "many").results()
	if first[0].Status != 200 || first[1].Status != 412 || again[0].Status != 200 || again[1].Status != 200 || !bytes.Equal(mustJSON(first[0]), mustJSON(again[1])) {
		t.Errorf("first %+v, then %+v", first, again)
	}
	for _, v := range []referral.View{a, b} {
		if now := c.worker.look(v.ID); now.Version != v.Version+1 {
			t.Errorf("version %d", now.Version)
		}
	}
}
