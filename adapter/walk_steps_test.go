package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// runsErrands tries any move of a sub-Task, by anybody.
func (w *walk) runsErrands(t *rapid.T) {
	var open []referral.Activity
	for _, k := range w.list {
		open = append(open, w.errands(k.id)...)
	}
	if len(open) == 0 {
		t.Skip("there are none") // skipped: rapid draws another in its place
	}
	a := oneOfThese(t, "activity", open)
	r := w.record(a.Referral)
	who := oneOfThese(t, "who", []string{"LW", "VCSE", "VCSE", "REQ", "stranger"})
	action := oneOfThese(t, "action", referral.ActivityActions())
	in := referral.Input{}
	switch action {
	case "reject":
		in.Reason = said("no-capacity")
	case "cancel":
		in.Reason = said("did-not-attend")
	case "end":
		in.Sessions = "6"
	}
	spoilt := rapid.IntRange(0, 5).Draw(t, "spoilt") == 0
	if spoilt {
		in.Question = "why?"
	}
	c := w.call(who, r)
	if who == "VCSE" {
		c = w.call("LW", &referral.Record{Owner: service2})
	}
	may := who == "LW" || a.Owner != "" && c.Principal.Role == auth.RoleOwner && c.Principal.SpeaksFor(a.Owner) || c.Principal.Role == auth.RoleOwner && c.Principal.SpeaksFor(r.Owner)
	row, legal := w.errand[[2]string{a.Status, action}]
	before, print := w.look(r.ID), w.aside.fingerprint()
	_, err := w.service.ActActivity(t.Context(), c, a.ID, action, a.Version, in)
	what := fmt.Sprintf("%s of an activity by %s while %s", action, who, a.Status)
	if !may || !legal || spoilt {
		if err == nil || w.aside.fingerprint() != print {
			t.Fatalf("%s is answered with %v, or changed something", what, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s is refused: %v", what, err)
	}
	after := w.look(r.ID)
	now := after.errands[slices.IndexFunc(after.errands, func(x referral.Activity) bool { return x.ID == a.ID })]
	if now.Status != row[1] || now.Version != a.Version+1 || len(after.events) != len(before.events)+1 || after.events[len(before.events)].Move != row[0] {
		t.Fatalf("%s led to %s, version %d", what, now.Status, now.Version)
	}
	// invariant 5: the referral does not notice
	if after.record.Version != before.record.Version || after.record.Status != before.record.Status || len(after.outbox) != len(before.outbox) {
		t.Fatalf("%s moved the referral", what)
	}
}

// edits sends a Task back with what nobody, or not this caller, may change: invariants 2
// to 4.
func (w *walk) edits(t *rapid.T) {
	k, r := w.any(t)
	who := oneOfThese(t, "who", []string{"REQ", "LW"})
	n := w.task(k.id).Clone()
	edits := map[string]func(){
		"for":             func() { n.Child("for").Set("reference", "Patient/another") },
		"focus":           func() { n.Child("focus").Set("reference", "ServiceRequest/another") },
		"basedOn":         func() { n.Remove("basedOn") },
		"intent":          func() { n.Set("intent", "plan") },
		"code":            func() { n.Remove("code") },
		"requester":       func() { n.Child("requester").Child("identifier").Set("value", practiceC) },
		"identifier":      func() { n.Remove("identifier") },
		"partOf":          func() { n.Add("partOf").Set("reference", "Task/"+k.id) },
		"groupIdentifier": func() { n.Add("groupIdentifier").Set("value", "g") },
		"owner":           func() { n.Child("owner").Child("identifier").Set("value", practiceC) },
		"restriction":     func() { n.Remove("restriction"); n.Add("restriction").Set("repetitions", "3") },
		"input":           func() { i := n.Add("input"); i.Add("type").Set("text", "x"); i.Set("valueString", "y") },
		"status":          func() { n.Set("status", "ready") },
		"note":            func() { n.Remove("note"); n.Add("note").Set("text", "another"); n.Add("note").Set("text", "and one") },
	}
	if who == "REQ" {
		edits["output"] = func() { o := n.Add("output"); o.Add("type").Set("text", "x"); o.Set("valueString", "y") }
	}
	name := oneOfThese(t, "element", slices.Sorted(maps.Keys(edits)))
	if name == "note" && n.Child("note") == nil {
		t.Skip("there are no notes") // skipped: rapid draws another in its place
	}
	edits[name]()
	print := w.aside.fingerprint()
	_, err := w.service.Update(t.Context(), w.call(who, r), "Task", k.id, r.Version, n)
	if err == nil || w.aside.fingerprint() != print {
		t.Fatalf("%s changes %s: %v, or something changed", who, name, err)
	}
}

// waits lets time pass, and the timers run, now and then as two processes.
func (w *walk) waits(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.IntRange(1, 9*24).Draw(t, "hours")) * time.Hour)
	before := map[string]glance{}
	for _, k := range w.list {
		before[k.id] = w.look(k.id)
	}
	for range 3 { // as several processes, or one that looks again
		if _, err := w.service.Expire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range w.list {
		w.waited(t, before[k.id], w.look(k.id))
	}
}

// waited demands of each referral what the time that passed means for it, once.
func (w *walk) waited(t *rapid.T, b, a glance) {
	over := func(at time.Time) bool {
		return !at.IsZero() && !w.now.Before(at) && !slices.Contains(ended, b.record.Status)
	}
	var rows []string
	for _, e := range a.events[len(b.events):] {
		if e.Activity == "" {
			rows = append(rows, e.Move)
		}
	}
	rules := w.service.Rules
	silent := b.record.Status == "received" && b.record.BusinessStatus == "awaiting-triage"
	var want []string
	switch {
	case over(b.record.Due) && b.record.Former != "":
		want = []string{"T14"}
	case silent && rules.DeclineDays > 0 && workingDays(b.record.Since, w.now) >= rules.DeclineDays:
		want = []string{"T06"}
	default:
		if over(b.record.Due) {
			want = append(want, "T21")
		}
		if over(b.record.Remind) && silent && rules.NudgeDays > 0 && !slices.ContainsFunc(b.events, func(e referral.Event) bool {
			return e.Move == "T25" && !e.At.Before(b.record.Since)
		}) {
			want = append(want, "T25")
		}
	}
	if !slices.Equal(rows, want) {
		t.Fatalf("while %s, %s since %s the timers made %v at %s, and not %v", b.record.Status, b.record.BusinessStatus, b.record.Since, rows, w.now, want)
	}
	switch {
	case slices.Contains(want, "T14"), slices.Contains(want, "T06"):
		if end := map[string]string{"T14": "cancelled", "T06": "rejected"}[want[0]]; a.record.Status != end {
			t.Fatalf("%s led to %s", want[0], a.record.Status)
		}
		w.sent(t, &statute{row: want[0], sends: "codes-only"}, b, a, want[0]+" by time")
	case a.record.Version != b.record.Version || a.record.Status != b.record.Status || len(a.outbox) != len(b.outbox) || slices.Contains(want, "T21") && !a.record.Overdue:
		t.Fatalf("%v moved the referral to %s", want, a.record.Status)
	}
}

// workingDays counts those that are over; no bank holiday lies in the weeks of a walk but
// those of Christmas.
func workingDays(from, to time.Time) (n int) {
	for at := from.AddDate(0, 0, 1); !at.After(to); at = at.AddDate(0, 0, 1) {
		day, holiday := at.Weekday(), at.Format("01-02")
		if day != time.Saturday && day != time.Sunday && !slices.Contains([]string{"12-25", "12-28", "01-01", "03-26", "03-29", "05-03", "05-31"}, holiday) {
			n++
		}
	}
	return n
}

// delivers makes a few tries to send, which fail or not: invariant 6.
func (w *walk) delivers(t *rapid.T) {
	list, err := w.store.Claim(t.Context(), w.now, time.Minute, rapid.IntRange(1, 3).Draw(t, "rows"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if !w.goes(t, d) {
			continue
		}
		before := w.look(d.Referral)
		state := oneOfThese(t, "state", []referral.DeliveryState{referral.DeliveryDelivered, referral.DeliveryQueued, referral.DeliveryDead})
		a := referral.Attempt{Delivery: d.ID, Number: d.Attempts + 1, At: w.now, State: state, Due: w.now.Add(time.Hour)}
		if state != referral.DeliveryDelivered {
			a.Issue = string(issue.Timeout)
		}
		if err := w.store.Finish(t.Context(), d.Claim, a); err != nil {
			t.Fatal(err)
		}
		after := w.look(d.Referral)
		if after.record.Status != before.record.Status || after.record.Version != before.record.Version || len(after.events) != len(before.events) {
			t.Fatalf("a try that was %s moved the referral", state)
		}
	}
}

// dies lets a practice say that a person has died.
func (w *walk) dies(t *rapid.T) {
	k, r := w.any(t)
	if rapid.IntRange(0, 2).Draw(t, "rarely") > 0 || w.dead[k.id] {
		t.Skip("nobody does") // skipped: rapid draws another in its place
	}
	p := w.people[k.id].patient()
	p.Remove("generalPractitioner")
	p.Set("deceasedDateTime", w.now.Format(time.DateOnly))
	before := w.look(k.id)
	w.submit(r.Organisation, fhir.Encode(p))
	for id, person := range w.people {
		w.dead[id] = w.dead[id] || person == w.people[k.id]
	}
	if after := w.look(k.id); after.record.Version != before.record.Version {
		t.Fatal("a death moved the referral by itself")
	}
}

// end brings every referral to its end by legal moves.
func (w *walk) end() {
	act := func(r *referral.Record, who, action string, in referral.Input) {
		if _, err := w.service.Act(w.t.Context(), w.call(who, r), r.ID, action, r.Version, in); err != nil {
			w.t.Fatalf("a referral that is %s, %s does not end with %s: %v", r.Status, r.BusinessStatus, action, err)
		}
	}
	for _, k := range w.list {
		r := w.record(k.id)
		switch {
		case slices.Contains(ended, r.Status):
			continue
		case r.Former != "":
			act(r, "LW", "confirm-cancellation", referral.Input{Reason: said("moved-away")})
		case r.Status == "received":
			act(r, "LW", "reject", referral.Input{Reason: said("no-capacity")})
		default:
			act(r, "LW", "close", referral.Input{Reason: said("disengaged")})
		}
		if now := w.record(k.id); !slices.Contains(ended, now.Status) {
			w.t.Fatalf("a referral that was to end is %s", now.Status)
		}
	}
	w.check(w.t)
	for _, k := range w.list {
		w.checkBeside(w.t, k)
		events, err := w.store.Events(w.t.Context(), referral.Scope{Role: auth.RoleOperator}, k.id)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range events {
			for _, audience := range []string{"operator", "requester:" + k.practice} {
				want := 1
				if (e.Move == "T25" || w.private[e.ID]) && audience != "operator" {
					want = 0 // a reminder is for the service, and so is what it keeps to itself
				}
				if n := strings.Count(strings.Join(w.told[audience], " "), e.ID); n != want {
					w.t.Fatalf("%s is told %d times of %s", audience, n, e.Move)
				}
			}
		}
	}
	// what a feed does not have any more, or not yet, is said, not passed over
	if _, err := w.store.Feed(w.t.Context(), "operator", w.read["operator"]+1, 1); !errors.Is(err, issue.Value) {
		w.t.Fatalf("beyond the end of the feed: %v", err)
	}
}
