package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"spadapter/adapter/referral"
)

var levels = []string{"none", "codes-only", "summary", "full"}

func atLeast(level, least string) bool {
	return slices.Index(levels, level) >= slices.Index(levels, least)
}

// beside is something that was said beside the moves of a referral.
type beside struct {
	words    string // unique
	audience string
	own      bool   // the practice said it
	highest  string // sharing level since
}

// read reports whether the practice may read it.
func (b *beside) read() bool {
	return b.own || b.audience != "service" && atLeast(b.highest, "summary")
}

// notes adds a note, by anybody, for anybody.
func (w *walk) notes(t *rapid.T) {
	w.adds(t, "note", func(c referral.Call, k *knows, version int, audience, words string) error {
		_, err := w.service.AddNote(t.Context(), c, k.id, version, referral.NoteInput{Text: words, Audience: audience})
		return err
	})
}

// attaches adds an attachment.
func (w *walk) attaches(t *rapid.T) {
	w.adds(t, "attachment", func(c referral.Call, k *knows, version int, audience, words string) error {
		in := referral.AttachmentInput{Title: words, URL: "https://tool.example.nhs.uk/plan", ContentType: "application/pdf", Audience: audience}
		_, err := w.service.AddAttachment(t.Context(), c, k.id, version, in)
		return err
	})
}

// adds tries to add something, and demands that it is read by whom it is for.
func (w *walk) adds(t *rapid.T, move string, add func(c referral.Call, k *knows, version int, audience, words string) error) {
	k, r := w.any(t)
	who := oneOfThese(t, "who", []string{"REQ", "LW", "LW", "ADM", "stranger"})
	audience := oneOfThese(t, "audience", []string{"", "service", "practice", "person", "everybody"})
	version := r.Version - max(0, rapid.IntRange(-4, 1).Draw(t, "stale"))
	w.said++
	b := &beside{words: fmt.Sprintf("said-%d.", w.said), audience: audience, own: who == "REQ", highest: r.Sharing}
	may := who == "REQ" && (audience == "" || audience == "practice") || who == "LW" && audience != "everybody"
	if b.audience == "" {
		b.audience = map[bool]string{true: "practice", false: "service"}[b.own]
	}
	before, print := w.look(k.id), w.aside.fingerprint()
	err := add(w.call(who, r), k, version, audience, b.words)
	what := fmt.Sprintf("%s for %q by %s while %s", move, audience, who, r.Status)
	if !may || version != r.Version || slices.Contains(ended, r.Status) {
		if err == nil || w.aside.fingerprint() != print {
			t.Fatalf("%s is answered with %v, or changed something", what, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s is refused: %v", what, err)
	}
	k.beside = append(k.beside, b)
	w.amended(t, before, w.look(k.id), move, what)
	if !b.read() {
		w.private[w.look(k.id).events[len(before.events)].ID] = true
	}
	w.checkBeside(t, k)
}

// amended demands of what is no move one version, one event, and nothing else.
func (w *walk) amended(t *rapid.T, before, after glance, move, what string) {
	b, a := before.record, after.record
	w.count[move]++
	if a.Version != b.Version+1 || a.Status != b.Status || a.BusinessStatus != b.BusinessStatus || a.Former != b.Former || !a.Due.Equal(b.Due) ||
		len(after.events) != len(before.events)+1 || after.events[len(before.events)].Move != move || len(after.outbox) != len(before.outbox) {
		t.Fatalf("%s led to %s, %s, version %d after %d, with %d events and %d rows more", what, a.Status, a.BusinessStatus, a.Version, b.Version,
			len(after.events)-len(before.events), len(after.outbox)-len(before.outbox))
	}
}

// shares sets the sharing level, by anybody.
func (w *walk) shares(t *rapid.T) {
	k, r := w.any(t)
	who := oneOfThese(t, "who", []string{"REQ", "LW", "LW", "ADM", "stranger"})
	in := referral.SharingInput{Level: oneOfThese(t, "level", levels), Reason: "as they wish"}
	raised := !atLeast(r.Sharing, in.Level)
	consent := rapid.IntRange(0, 4).Draw(t, "consent") > 0
	if raised && consent {
		in.Consent = &referral.ConsentInput{GivenOn: w.now.Format(time.RFC3339), How: "spoken"}
	}
	before, print := w.look(k.id), w.aside.fingerprint()
	_, err := w.service.SetSharing(t.Context(), w.call(who, r), k.id, r.Version, in)
	what := fmt.Sprintf("%s after %s by %s while %s", in.Level, r.Sharing, who, r.Status)
	if who == "stranger" || in.Level == r.Sharing || raised && (!consent || who == "REQ") || r.Status == "entered-in-error" {
		if err == nil || w.aside.fingerprint() != print {
			t.Fatalf("%s is answered with %v, or changed something", what, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s is refused: %v", what, err)
	}
	after := w.look(k.id)
	w.amended(t, before, after, "sharing-changed", what)
	if after.record.Sharing != in.Level {
		t.Fatalf("%s led to %s", what, after.record.Sharing)
	}
	for _, b := range k.beside {
		if atLeast(in.Level, b.highest) {
			b.highest = in.Level
		}
	}
	w.checkBeside(t, k)
}

// checkBeside holds what each side reads of a referral to whom it is for.
func (w *walk) checkBeside(t *rapid.T, k *knows) {
	r := w.record(k.id)
	reads := func(who string) string {
		v, err := w.service.View(t.Context(), w.call(who, r), k.id)
		if err != nil {
			t.Fatal(err)
		}
		task, err := w.service.Read(t.Context(), w.call(who, r), "Task", k.id)
		if err != nil {
			t.Fatal(err)
		}
		return string(mustJSON(v)) + string(task.Body)
	}
	theirs, mine := reads("REQ"), reads("LW")
	for _, b := range k.beside {
		if strings.Contains(theirs, b.words) != b.read() || !strings.Contains(mine, b.words) {
			t.Fatalf("at %s the practice reads %v: %+v", r.Sharing, !b.read(), b)
		}
	}
}

// checkQuestions demands one open question where the practice is asked, else none.
func (w *walk) checkQuestions(k *knows) {
	want := "0"
	if w.record(k.id).BusinessStatus == "info-requested" && !slices.Contains(ended, w.record(k.id).Status) {
		want = "1"
	}
	if n := w.aside.text("SELECT COUNT(*) FROM term p JOIN term s ON s.id = p.id WHERE p.param = 'part-of' AND p.value = 'Task/" + k.id +
		"' AND s.param = 'status' AND s.value = 'requested' AND p.id NOT IN (SELECT id FROM activity)"); n != want {
		w.t.Fatalf("%s questions are open, and not %s", n, want)
	}
}

// goes looks at a row once more before it is sent (R13), and reports whether it may.
func (w *walk) goes(t *rapid.T, d referral.Delivery) bool {
	before := w.look(d.Referral)
	fresh, err := w.service.Fresh(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	after := w.look(d.Referral)
	made := after.outbox[len(before.outbox):]
	level := after.record.Sharing
	if !fresh {
		w.count["rendered again"]++
		was := after.outbox[slices.IndexFunc(after.outbox, func(x referral.Delivery) bool { return x.ID == d.ID })]
		if was.State != "superseded" || len(made) > 1 || len(made) == 0 && atLeast(level, d.Facts.Sharing) {
			t.Fatalf("at %s a row of %s is %s, and %d are made", level, d.Facts.Sharing, was.State, len(made))
		}
		for _, next := range made {
			if next.Supersedes != d.ID || next.Facts.Sharing != level || next.State != referral.DeliveryQueued {
				t.Fatalf("at %s a row takes the place of another: %+v", level, next)
			}
		}
		return false
	}
	if d.Facts.Sharing != level || len(made) != 0 {
		t.Fatalf("at %s a row goes that was rendered at %s", level, d.Facts.Sharing)
	}
	k := w.list[slices.IndexFunc(w.list, func(k *knows) bool { return k.id == d.Referral })]
	for _, b := range k.beside {
		if strings.Contains(string(d.Body), b.words) && (!b.read() || !b.own && !atLeast(level, "summary")) {
			t.Fatalf("at %s the record is told %+v", level, b)
		}
	}
	return true
}
