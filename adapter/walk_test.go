package main

import (
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// walk is a service on a store of its own, with a clock that the walk turns, and what the
// walk knows of the referrals in it.
type walk struct {
	t       *rapid.T
	service *referral.Service
	store   *store.Store
	aside   *aside // the same database, as an administrator sees it
	law     []statute
	errand  map[[2]string][2]string
	now     time.Time
	sharing string
	list    []*knows
	dead    map[string]bool // people who died, by referral
	people  map[string]*synthetic
	read    map[string]int64 // how far the feed of an audience was read
	told    map[string][]string
	count   map[string]int  // moves that were made, by row and action, over all walks
	said    int             // what was said beside the moves
	private map[string]bool // events that the practice is not told of
}

// Whatever is tried on referrals, by whomever and in whatever order: what the law allows
// is made, with its one event and what it sends, and nothing else changes anything.
// Afterwards every referral can be brought to its end.
func TestAnyWalkKeepsTheLaw(t *testing.T) {
	compiled := shipped(t)
	partners, err := referral.LoadPartners(checked(t, castPartners("https://gp.example")))
	if err != nil {
		t.Fatal(err)
	}
	rows, errands := readLaw(t), map[[2]string][2]string{}
	for line := range strings.Lines(strings.TrimSpace(errandLaw)) {
		f := strings.Fields(line)
		errands[[2]string{f[0], f[1]}] = [2]string{f[2], f[3]}
	}
	made := map[string]int{}
	walking := func(rt *rapid.T, url string) {
		s, err := store.Open(t.Context(), url)
		if err != nil {
			rt.Fatal(err)
		}
		defer s.Close(t.Context())
		w := &walk{t: rt, store: s, count: made, law: rows, errand: errands, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), private: map[string]bool{}, dead: map[string]bool{}, people: map[string]*synthetic{},
			read: map[string]int64{}, told: map[string][]string{}, sharing: oneOfThese(rt, "sharing", levels)}
		w.aside = openAside(rt, url)
		defer w.aside.Close()
		nudge, decline := rapid.SampledFrom([]int{0, 3}).Draw(rt, "nudge"), rapid.SampledFrom([]int{0, 0, 6}).Draw(rt, "decline")
		w.service = referral.NewService(referral.Config{
			Store: s, Partners: partners, Instruments: compiled.instruments, Terminology: compiled.codes, Dialect: compiled.dialect, Outlet: outlets{library: compiled.library, partners: partners}.toRecord,
			Base: publicURL + "/fhir/R4/", Invariants: compiled.invariants.Validate, Conforms: compiled.conforms, Sharing: w.sharing,
			Rules: referral.Rules{MinAttempts: 2, NudgeDays: nudge, DeclineDays: decline}, Now: func() time.Time { return w.now },
		})
		w.refers(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"": w.check, "refers": w.refers, "moves": w.moves, "works": w.works, "works on": w.works, "runs errands": w.runsErrands, "edits": w.edits,
			"notes": w.notes, "attaches": w.attaches, "shares": w.shares,
			"waits": w.waits, "delivers": w.delivers, "dies": w.dies,
		})
		w.end()
	}
	checks := flag.Lookup("rapid.checks")
	defer func(n string) { _ = checks.Value.Set(n) }(checks.Value.String())
	if raced {
		if err := checks.Value.Set("20"); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		run, dir := 0, t.TempDir()
		rapid.Check(t, func(rt *rapid.T) {
			run++
			walking(rt, "sqlite:"+filepath.Join(dir, strconv.Itoa(run)+".db"))
		})
	})
	t.Run("postgres", func(t *testing.T) {
		if storetest.Postgres(t) == "" {
			return
		}
		if err := checks.Value.Set("12"); err != nil {
			t.Fatal(err)
		}
		rapid.Check(t, func(rt *rapid.T) { walking(rt, storetest.Postgres(t)) })
	})
	t.Logf("moves made: %v", made)
	if raced { // few walks do not come everywhere
		return
	}
	for _, what := range []string{"note", "attachment", "sharing-changed", "rendered again"} {
		if made[what] == 0 {
			t.Errorf("no walk came to: %s", what)
		}
	}
	if len(made) < len(rows)/2 {
		t.Errorf("only %d of %d rows were made", len(made), len(rows))
	}
}

func oneOfThese[V any](t *rapid.T, what string, list []V) V {
	return rapid.SampledFrom(list).Draw(t, what)
}

// any picks a referral, with its record as it is.
func (w *walk) any(t *rapid.T) (*knows, *referral.Record) {
	k := w.list[rapid.IntRange(0, len(w.list)-1).Draw(t, "referral")]
	return k, w.record(k.id)
}

func (w *walk) record(id string) *referral.Record {
	r, err := w.store.Referral(w.t.Context(), referral.Scope{Role: auth.RoleOperator}, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *walk) errands(id string) []referral.Activity {
	list, err := w.store.ActivitiesOf(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// submit sends a message as a practice.
func (w *walk) submit(practice string, body []byte) *referral.Response {
	root, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
	if err != nil {
		w.t.Fatal(err)
	}
	c := referral.Call{Principal: &auth.Principal{Client: "walk-REQ", Role: auth.RoleRequester, Organisations: []string{practice}}, RequestID: w.store.NewID(), Body: body}
	got, err := w.service.Submit(w.t.Context(), c, root)
	if err != nil {
		w.t.Fatalf("the message is refused: %v", err)
	}
	return got
}

// refers begins a referral: T02 and T03.
func (w *walk) refers(t *rapid.T) {
	if len(w.list) == 4 {
		t.Skip("there are enough") // skipped: rapid draws another in its place
	}
	practice := oneOfThese(t, "practice", []string{practiceA, practiceB})
	person := someone(practice)
	got := w.submit(practice, person.message())
	answer, err := fhir.Parse(fhir.Types(fhir.R4), got.Body, fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	id := ""
	for _, entry := range answer.All("entry") {
		if o := entry.Descend("response", "outcome", "issue"); o != nil {
			id = o.Text("diagnostics")[len("Task/"):]
		}
	}
	k := &knows{id: id, practice: practice, attempts: map[string]bool{}}
	w.list, w.people[id] = append(w.list, k), person
	if r := w.record(id); r.Status != "received" || r.BusinessStatus != "awaiting-triage" || r.Version != 1 {
		t.Fatalf("the referral begins as %s, %s", r.Status, r.BusinessStatus)
	}
	// some begin further on, so that short walks come far too
	for _, action := range []string{"accept", "contact", "refer"}[:rapid.IntRange(0, 3).Draw(t, "begun")] {
		w.now = w.now.Add(time.Second)
		w.try(t, k, w.record(id), "LW", action, "well", func(_ string, list []string) string { return list[0] })
	}
}

// moves tries any action by anybody, with what it needs or not, on the version that is
// or one that is not.
func (w *walk) moves(t *rapid.T) {
	k, r := w.any(t)
	who := oneOfThese(t, "who", []string{"REQ", "LW", "LW", "LW", "ADM", "stranger"})
	action := oneOfThese(t, "action", referral.Actions())
	how := oneOfThese(t, "how", []string{"well", "well", "well", "well", "foreign", "future", "reason", "stale"})
	w.try(t, k, r, who, action, how, drawing(t))
}

func drawing(t *rapid.T) func(string, []string) string {
	return func(what string, list []string) string { return oneOfThese(t, what, list) }
}

// works makes a move that is legal, so that walks come far.
func (w *walk) works(t *rapid.T) {
	k, r := w.any(t)
	var legal []*statute
	for i := range w.law {
		state := r.Status
		if r.Former != "" {
			state += "+"
		}
		if s := &w.law[i]; slices.Contains(s.states, state) && (s.to == "=" || !slices.Contains(ended, s.to) || rapid.IntRange(0, 9).Draw(t, "rarely") == 0) {
			legal = append(legal, s)
		}
	}
	if len(legal) == 0 {
		t.Skip("nothing follows") // skipped: rapid draws another in its place
	}
	s := oneOfThese(t, "row", legal)
	w.try(t, k, r, oneOfThese(t, "who", s.who), s.action, "well", drawing(t))
}

// try makes a move and demands what the law says of it.
func (w *walk) try(t *rapid.T, k *knows, r *referral.Record, who, action, how string, draw func(string, []string) string) {
	in := w.given(action, r, draw)
	s, allowed := w.finds(k, r, who, action, &in)
	version := r.Version
	if how == "stale" {
		version--
	} else if how != "well" {
		in = spoil(in, how, w.now)
	}
	before := w.look(k.id)
	print := w.aside.fingerprint()
	_, err := w.service.Act(t.Context(), w.call(who, r), k.id, action, version, in)
	what := fmt.Sprintf("%s by %s (%s) while %s, %s", action, who, how, r.Status, r.BusinessStatus)
	if s == nil || !allowed || how != "well" {
		if err == nil {
			t.Fatalf("%s is made, and may not be", what)
		}
		if !errors.Is(err, issue.BusinessRule) && !errors.Is(err, issue.Forbidden) && !errors.Is(err, issue.Conflict) && !errors.Is(err, issue.NotFound) &&
			!errors.Is(err, issue.Value) && !errors.Is(err, issue.Required) && !errors.Is(err, issue.CodeInvalid) {
			t.Fatalf("%s is refused with %v", what, err)
		}
		if w.aside.fingerprint() != print {
			t.Fatalf("%s is refused and changed something", what)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s is refused: %v", what, err)
	}
	w.made(t, k, s, &in, before, what)
}

// made demands of a move everything that the law says of it.
func (w *walk) made(t *rapid.T, k *knows, s *statute, in *referral.Input, before glance, what string) {
	r, after := before.record, w.look(k.id)
	now := after.record
	w.count[s.row+" "+s.action]++
	if s.action == "reopen" {
		k.followed = true
		if now.Version != r.Version || len(after.events) != len(before.events) {
			t.Fatalf("%s changed the Task that ended", what)
		}
		w.follows(t, k, now, r.Owner)
		return
	}
	to := s.to
	if to == "=" {
		to = r.Status
	}
	if want := s.business(k, r, in); now.Status != to || now.BusinessStatus != want || now.Version != r.Version+1 || (now.Former != "") != (s.row == "T13") {
		t.Fatalf("%s led to %s, %s, version %d, and not to %s, %s, version %d", what, now.Status, now.BusinessStatus, now.Version, to, want, r.Version+1)
	}
	var rows []string
	for _, e := range after.events[len(before.events):] {
		if e.Activity == "" {
			rows = append(rows, e.Move)
		}
	}
	if !slices.Equal(rows, []string{s.row}) {
		t.Fatalf("%s has the events %v", what, rows)
	}
	if s.action == "contact" {
		k.reached = k.reached || in.Result == "reached"
		if now.BusinessStatus == "contact-attempted" {
			k.attempts[w.now.Format(time.DateOnly)] = true
		}
	}
	w.sent(t, s, before, after, what)
	if slices.Contains(ended, now.Status) {
		for _, a := range after.errands {
			if !slices.Contains(ended, a.Status) {
				t.Fatalf("%s left an activity %s", what, a.Status)
			}
		}
	}
	if s.action == "transfer" {
		w.follows(t, k, now, in.Service)
	}
	if opened := len(after.errands) - len(before.errands); (opened == 1) != (s.action == "refer") {
		t.Fatalf("%s opened %d activities", what, opened)
	}
}

// follows finds the Task that took the place of one.
func (w *walk) follows(t *rapid.T, k *knows, old *referral.Record, owner string) {
	id := w.aside.text("SELECT id FROM referral WHERE follows = '" + old.ID + "'")
	r := w.record(id)
	if r.Status != "received" || r.BusinessStatus != "awaiting-triage" || r.Version != 1 || r.Owner != owner || r.ServiceRequest != old.ServiceRequest {
		t.Fatalf("the Task that follows is %+v", r)
	}
	w.list = append(w.list, &knows{id: id, practice: k.practice, attempts: map[string]bool{}})
	w.people[id], w.dead[id] = w.people[k.id], w.dead[k.id]
}
