package main

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// glance is all there is of a referral at a moment.
type glance struct {
	record  *referral.Record
	events  []referral.Event
	outbox  []referral.Delivery
	errands []referral.Activity
}

func (w *walk) look(id string) glance {
	events, err := w.store.Events(w.t.Context(), referral.Scope{Role: auth.RoleOperator}, id)
	if err != nil {
		w.t.Fatal(err)
	}
	outbox, err := w.store.Outbox(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	slices.SortStableFunc(outbox, func(a, b referral.Delivery) int { return strings.Compare(a.ID, b.ID) }) // as they were made
	return glance{w.record(id), events, outbox, w.errands(id)}
}

func (w *walk) task(id string) *fhir.Node {
	v, err := w.store.Read(w.t.Context(), referral.Scope{Role: auth.RoleOperator}, "Task", id)
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := fhir.Parse(fhir.Types(fhir.R4), v.Body, fhir.Limits{})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// check demands what must always hold, whatever was done.
func (w *walk) check(t *rapid.T) {
	w.t = t
	w.now = w.now.Add(time.Second) // no two steps at the same moment
	for _, k := range w.list {
		w.checkTask(k)
		w.checkQuestions(k)
	}
	w.checkFeeds()
	w.checkLedger()
	// invariant 8
	if twice := w.aside.text("SELECT COALESCE(MAX(n), 0) FROM (SELECT COUNT(*) AS n FROM delivery WHERE supersedes = '' AND replay_of = '' AND state <> 'superseded' GROUP BY referral, move, recipient, kind, created) x"); twice > "1" {
		t.Fatalf("one transition has %s rows in the outbox", twice)
	}
	// invariant 9: the record has this from the practice
	if n := w.aside.text("SELECT COUNT(*) FROM delivery WHERE " + w.aside.words("body") + " LIKE '%871731000000106%'"); n != "0" {
		t.Fatalf("%s messages file the referral itself", n)
	}
}

// sent demands exactly one row of the outbox where the law sends something, else none.
func (w *walk) sent(t *rapid.T, s *statute, before, after glance, what string) {
	level, want := after.record.Sharing, 0
	switch {
	case s.sends == "retract":
		for _, d := range before.outbox {
			if d.Attempts > 0 || d.State == referral.DeliverySending || d.State == referral.DeliveryDelivered {
				want = 1 // whoever may have something is told that it is wrong
			}
		}
		for _, d := range after.outbox {
			if d.State == referral.DeliveryQueued && d.Move != s.row {
				t.Fatalf("%s leaves %s in the outbox", what, d.Move)
			}
		}
	case s.sends != "-" && atLeast(level, s.sends) && level != "none":
		want = 1
	}
	made := after.outbox[len(before.outbox):]
	if len(made) != want {
		t.Fatalf("%s sends %d messages and should send %d (%s)", what, len(made), want, level)
	}
	for _, d := range made {
		if d.Move != s.row || d.Kind != "write-back" || d.Recipient != after.record.Organisation || d.State != referral.DeliveryQueued {
			t.Fatalf("%s sends %+v", what, d)
		}
	}
}

// checkTask holds a Task to its record and to the Task as it was: invariants 1 to 5 and 7.
func (w *walk) checkTask(k *knows) {
	g := w.look(k.id)
	r, n := g.record, w.task(k.id)
	if n.Text("status") != r.Status || n.Text("businessStatus", "coding", "code") != r.BusinessStatus || n.Text("meta", "versionId") != fmt.Sprint(r.Version) {
		w.t.Fatalf("the Task says %s and the record %s, %s, %d", fhir.Encode(n), r.Status, r.BusinessStatus, r.Version)
	}
	if slices.Contains(ended, r.Status) && (!r.Due.IsZero() || r.Former != "") {
		w.t.Fatalf("time counts for a referral that is %s", r.Status)
	}
	if r.Former != "" && !slices.Contains([]string{"accepted", "in-progress", "on-hold"}, r.Status) {
		w.t.Fatalf("a cancellation is asked for while %s", r.Status)
	}
	if r.Status == "completed" && slices.ContainsFunc(g.errands, func(a referral.Activity) bool { return !slices.Contains(ended, a.Status) }) {
		w.t.Fatal("a referral is completed with an open activity")
	}
	// invariant 7: each version has its one event and its record in the audit
	steps := 0
	for _, e := range g.events {
		if e.Activity == "" && e.Move != "T21" && e.Move != "T25" && e.Move != "T03" {
			steps++
		}
	}
	audited := w.aside.text("SELECT COUNT(DISTINCT at) FROM audit WHERE entity = 'Task/" + k.id + "' AND outcome = '0' AND action = 'U'")
	if steps != r.Version || audited < strconv.Itoa(r.Version-1) && len(audited) == 1 {
		w.t.Fatalf("version %d has %d steps and %s records in the audit", r.Version, steps, audited)
	}
	if k.task != nil {
		was, err := fhir.Parse(fhir.Types(fhir.R4), k.task, fhir.Limits{})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, name := range []string{"requester", "for", "basedOn", "focus", "intent", "code", "partOf", "groupIdentifier", "identifier", "owner", "input"} {
			if texts(was.All(name)) != texts(n.All(name)) {
				w.t.Fatalf("%s of the Task changed from %s to %s", name, texts(was.All(name)), texts(n.All(name)))
			}
		}
		for _, name := range []string{"note", "output"} {
			if !strings.HasPrefix(texts(n.All(name)), texts(was.All(name))) {
				w.t.Fatalf("%s of the Task lost something: %s", name, texts(n.All(name)))
			}
		}
	}
	k.task = fhir.Encode(n)
}

func texts(list []*fhir.Node) string {
	var b strings.Builder
	for _, n := range list {
		b.Write(fhir.Encode(n))
	}
	return b.String()
}

// checkFeeds reads on in every feed: each number is the one after that before.
func (w *walk) checkFeeds() {
	for {
		n, err := w.store.Sequence(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	for _, audience := range []string{"operator", "requester:" + practiceA, "requester:" + practiceB, "owner:" + service1, "owner:" + service2} {
		feed, err := w.store.Feed(w.t.Context(), audience, w.read[audience], 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range feed.Events {
			if e.Number != w.read[audience]+1 {
				w.t.Fatalf("%s: after event %d comes %d", audience, w.read[audience], e.Number)
			}
			w.read[audience] = e.Number
			w.told[audience] = append(w.told[audience], at(jsonOf(string(e.Body)))["id"].(string))
		}
	}
}

// checkLedger counts each referral in exactly one class, the one it belongs to: invariant 10.
func (w *walk) checkLedger() {
	l, err := w.store.Ledger(w.t.Context(), referral.Scope{Role: auth.RoleOperator}, referral.LedgerQuery{Now: w.now, Count: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	want := map[string][5]int{}
	for _, k := range w.list {
		g := w.look(k.id)
		c := want[k.practice]
		switch r := g.record; {
		case slices.Contains(ended, r.Status):
			open := slices.ContainsFunc(g.outbox, func(d referral.Delivery) bool {
				return d.State == referral.DeliveryQueued || d.State == referral.DeliverySending || d.State == referral.DeliveryDead
			})
			c[map[bool]int{false: 3, true: 4}[open]]++
		case r.Former != "" || r.Status == "received" && r.BusinessStatus != "info-requested":
			c[0]++
		case r.Status == "received":
			c[1]++
		default:
			c[2]++
		}
		want[k.practice] = c
	}
	got := map[string][5]int{}
	for _, c := range l.Counts {
		got[c.Practice.ODS] = [5]int{c.WaitingForService, c.WaitingForRequester, c.InService, c.ClosedDelivered, c.ClosedOpen}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Fatalf("the ledger counts %v, and there are %v", got, want)
	}
}

// aside is a second connection to the database of a walk.
type aside struct {
	*sql.DB
	t      *rapid.T
	lite   bool // SQLite
	tables []string
}

func openAside(t *rapid.T, url string) *aside {
	path, lite := strings.CutPrefix(url, "sqlite:")
	driver, source := "pgx", url
	tables := "SELECT string_agg(table_name::text, ' ' ORDER BY table_name) FROM information_schema.tables WHERE table_schema = current_schema()"
	if lite {
		driver, source = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
		tables = "SELECT group_concat(name, ' ') FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	a := &aside{DB: db, t: t, lite: lite}
	for name := range strings.FieldsSeq(a.text(tables)) {
		a.tables = append(a.tables, name)
	}
	if len(a.tables) < 10 {
		t.Fatalf("only %d tables", len(a.tables))
	}
	return a
}

// words is a column of bytes as text.
func (a *aside) words(column string) string {
	if a.lite {
		return column
	}
	return "convert_from(" + column + ", 'UTF8')"
}

// text asks for one value.
func (a *aside) text(query string) (s string) {
	if err := a.QueryRow(query).Scan(&s); err != nil {
		a.t.Fatalf("%s: %v", query, err)
	}
	return s
}

// fingerprint is the same as long as nothing in the database changes.
func (a *aside) fingerprint() [32]byte {
	h := sha256.New()
	for _, table := range a.tables {
		rows, err := a.Query(`SELECT * FROM "` + table + `" ORDER BY 1, 2`)
		if err != nil {
			a.t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			a.t.Fatal(err)
		}
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		for rows.Next() {
			if err := rows.Scan(values...); err != nil {
				a.t.Fatal(err)
			}
			for _, v := range values {
				fmt.Fprintf(h, "%v|", *v.(*any))
			}
		}
		if err := rows.Err(); err != nil {
			a.t.Fatal(err)
		}
		rows.Close()
	}
	return [32]byte(h.Sum(nil))
}
