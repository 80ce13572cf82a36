package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// later is when the referrals of these tests are old enough.
var later = epoch.AddDate(9, 0, 0)

// referralClosed is an intake whose referral has ended, with its outcome delivered.
func referralClosed(t *testing.T, s *store.Store, n int, organisation string) (*referral.Change, ids) {
	t.Helper()
	c, id := intake(s, n, organisation, "SPX01", "")
	c.Referral.Needs = []string{"loneliness", "debt"}
	commit(t, s, c)
	end := referral.Record{ID: id.referral, Organisation: organisation, Owner: "SPX01", Version: 2, Status: "completed", BusinessStatus: "completed",
		Patient: id.patient, ServiceRequest: id.request, Filler: id.filler, Sharing: "full", Created: c.At, Updated: c.At.Add(time.Hour)}
	d := notice(s, id.referral, organisation, c.At)
	id.delivery = d.ID
	commit(t, s, &referral.Change{Organisation: organisation, At: c.At.Add(time.Hour), Referral: &end, Deliveries: []referral.Delivery{d},
		Versions:   []referral.Version{{Type: "Task", ID: id.referral, Number: 2, Body: padded("ended", 100), Referral: id.referral, Patient: id.patient}},
		Keys:       []referral.Key{{Kind: referral.KeyIdempotency, Scope: "spx", Value: fmt.Sprint("end ", organisation, n), Hash: "h"}},
		Response:   &referral.Response{Status: 200, Body: []byte(`{"task":"` + id.referral + `"}`)},
		Events:     []referral.Event{{ID: s.NewID(), Referral: id.referral, Move: "T16", To: "completed", Data: []byte(`{"note":"n"}`)}},
		Activities: []referral.Activity{{ID: s.NewID(), Referral: id.referral, Version: 1, Status: "completed", Name: "walk"}}})
	sendAll(t, s, id.delivery)
	return c, id
}

// sendAll delivers what is to be sent.
func sendAll(t *testing.T, s *store.Store, delivery string) {
	t.Helper()
	for {
		list, err := s.Claim(t.Context(), later, time.Minute, 50)
		if err != nil || len(list) == 0 {
			t.Fatalf("%s is not to be sent: %v", delivery, explain(err))
		}
		for _, d := range list {
			if err := s.Finish(t.Context(), d.Claim, referral.Attempt{Delivery: d.ID, Number: 1, State: referral.DeliveryDelivered, At: epoch}); err != nil {
				t.Fatal(explain(err))
			}
		}
		if slices.ContainsFunc(list, func(d referral.Delivery) bool { return d.ID == delivery }) {
			return
		}
	}
}

func byPurge(s *store.Store) referral.Audit {
	return referral.Audit{ID: s.NewID(), At: later, Client: "adapter purge", Role: "operator", Action: "D", Interaction: "purge", Outcome: "0"}
}

// purge runs a removal to its end.
func purge(t *testing.T, s *store.Store, r referral.Removal, apply bool) (all referral.Removed) {
	t.Helper()
	if r.Before.IsZero() && r.Patient == "" {
		r.Before = later.AddDate(-8, 0, 0)
	}
	p := s.Purge(r, apply)
	for more := true; more; {
		done, again, err := p.Next(t.Context(), byPurge(s))
		if err != nil {
			t.Fatal(explain(err))
		}
		all.Add(done)
		more = again
	}
	return all
}

// mentions gives the columns of the whole database in which a text can be found.
func mentions(t *testing.T, url, text string) (out []string) {
	t.Helper()
	db := planning(t, url)
	defer db.Close()
	query := "SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table'"
	hold := "instr(CAST(%[2]s AS BLOB), CAST('%[3]s' AS BLOB)) > 0"
	if strings.HasPrefix(url, "postgres") {
		query = "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = current_schema() AND data_type IN ('text', 'bytea')"
		hold = "position('%[3]s' IN encode(%[2]s::text::bytea, 'escape')) > 0"
	}
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	var list [][2]string
	for rows.Next() {
		var c [2]string
		if err := rows.Scan(&c[0], &c[1]); err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	rows.Close()
	looked := 0
	for _, c := range list {
		table, column, hold := c[0], c[1], hold
		if strings.HasPrefix(url, "postgres") && column == "body" && slices.Contains([]string{"message", "response", "delivery"}, table) {
			hold = "position('%[3]s' IN encode(%[2]s, 'escape')) > 0"
		}
		var n int
		if err := db.QueryRow(fmt.Sprintf(`SELECT COUNT(*) FROM "%[1]s" WHERE `+hold, table, column, text)).Scan(&n); err != nil {
			t.Fatalf("%s.%s: %v", table, column, err)
		}
		looked++
		if n > 0 {
			out = append(out, table+"."+column)
		}
	}
	if looked < 80 {
		t.Fatalf("only %d columns were looked at", looked)
	}
	slices.Sort(out)
	return out
}

// sums is the content of every table, to see that nothing changed.
func sums(t *testing.T, url string) string {
	t.Helper()
	db := planning(t, url)
	defer db.Close()
	var out strings.Builder
	for _, table := range []string{"message", "response", "key", "resource", "term", "referral", "content", "need", "event", "audit", "delivery", "attempt", "activity", "gone", "hold", "feed", "waiting", "person"} {
		rows, err := db.Query("SELECT * FROM " + table)
		if err != nil {
			t.Fatal(err)
		}
		columns, _ := rows.Columns()
		var list []string
		for rows.Next() {
			values, to := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
			for i := range values {
				to[i] = &values[i]
			}
			if err := rows.Scan(to...); err != nil {
				t.Fatal(err)
			}
			list = append(list, fmt.Sprintf("%s", values))
		}
		rows.Close()
		slices.Sort(list)
		fmt.Fprintln(&out, table, list)
	}
	return out.String()
}

// What is removed goes as a whole, what was told beforehand is what goes, and only ids stay.
func TestPurgeRemovesAllOfAReferral(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url)
		c, id := referralClosed(t, s, 1, "A83002")
		_, other := referralClosed(t, s, 2, "B90001")
		if _, err := s.Sequence(t.Context()); err != nil {
			t.Fatal(explain(err))
		}
		before := sums(t, url)
		told := purge(t, s, referral.Removal{Organisation: "A83002"}, false)
		if sums(t, url) != before {
			t.Error("a look changed something")
		}
		done := purge(t, s, referral.Removal{Organisation: "A83002"}, true)
		if fmt.Sprint(told) != fmt.Sprint(done) || done.Requests != 1 || done.People != 1 {
			t.Errorf("told %+v\ndone %+v", told, done)
		}
		for kind, n := range map[string]int{"Task": 2, "ServiceRequest": 2, "Observation": 6, "Patient": 1, "message": 1, "response": 2, "delivery": 1, "attempt": 1, "event": 3, "activity": 1, "referral": 1, "content": 1} {
			if done.Rows[kind] != n {
				t.Errorf("%d of %s, want %d", done.Rows[kind], kind, n)
			}
		}
		// an audit record names what it is about and stays for its own time
		for _, text := range []string{id.referral, id.patient} {
			if got, want := fmt.Sprint(mentions(t, url, text)), "[audit.entity gone.id]"; got != want && got != "[audit.patient gone.id]" {
				t.Errorf("%s is in %s", text, got)
			}
		}
		if list := mentions(t, url, "9900000001"); len(list) > 0 {
			t.Errorf("the NHS number is in %v", list)
		}
		ctx := t.Context()
		for what, scope := range map[string]referral.Scope{"requester": requester("A83002"), "owner": owner("SPX01"), "operator": operator} {
			_, err := s.Referral(ctx, scope, id.referral)
			wantIssue(t, err, issue.Deleted, "resource-removed")
			_, err = s.Read(ctx, scope, "Task", id.referral)
			wantIssue(t, err, issue.Deleted, "resource-removed")
			_, err = s.Read(ctx, scope, "Patient", id.patient)
			wantIssue(t, err, issue.Deleted, "resource-removed")
			_, err = s.History(ctx, scope, "Observation", id.observation, referral.Page{Count: 1})
			wantIssue(t, err, issue.Deleted, "resource-removed")
			_, err = s.Events(ctx, scope, id.referral)
			wantIssue(t, err, issue.Deleted, "resource-removed")
			if what != "requester" {
				if _, err := s.Referral(ctx, scope, other.referral); err != nil {
					t.Errorf("another's referral: %v", explain(err))
				}
			}
		}
		for _, scope := range []referral.Scope{requester("B90001"), owner("SPX02")} {
			_, err := s.Referral(ctx, scope, id.referral)
			wantIssue(t, err, issue.NotFound, "")
		}
		// the old message is not new, and the person may come again
		known, err := s.Known(ctx, c.Keys[:2])
		if err != nil || known == nil || known.Key.Hash != referral.KeyPurged || known.Response != nil {
			t.Errorf("the keys of the message: %+v %v", known, explain(err))
		}
		if known, err := s.Known(ctx, c.Keys[2:3]); err != nil || known != nil {
			t.Errorf("the key of the person: %+v %v", known, explain(err))
		}
		// numbers in feeds have no gap
		feed, err := s.Feed(ctx, referral.AudienceOperator, 0, 10)
		if err != nil || feed.Oldest > 1 {
			t.Errorf("the feed: %+v %v", feed, explain(err))
		}
	})
}

// What may not go stays as a whole, and it is said why.
func TestPurgeKeeps(t *testing.T) {
	type one struct {
		s  *store.Store
		id ids
		t  *testing.T
	}
	hold := func(kind referral.HoldKind, target func(ids) string) func(one) {
		return func(o one) {
			if err := o.s.Hold(o.t.Context(), &referral.Hold{Kind: kind, Target: target(o.id), Reason: "inquiry", PlacedBy: "me", Placed: later}, byPurge(o.s)); err != nil {
				o.t.Fatal(explain(err))
			}
		}
	}
	for name, c := range map[string]struct {
		prepare func(one)
		removal referral.Removal
		why     string
	}{
		"one that is not old enough":  {removal: referral.Removal{Before: epoch}},
		"one of another organisation": {removal: referral.Removal{Organisation: "B90001"}},
		"an open one": {why: referral.KeptOpen, removal: referral.Removal{Patient: "own"}, prepare: func(o one) {
			again := referral.Record{ID: o.s.NewID(), Owner: "SPX02", Version: 1, Status: "received", BusinessStatus: "received", Patient: o.id.patient,
				ServiceRequest: o.id.request, Root: o.id.referral, Follows: o.id.referral, Created: later, Content: []byte("{}")}
			commit(o.t, o.s, &referral.Change{Organisation: "A83002", At: later, Referral: &again})
		}},
		"one with an outcome to go": {why: referral.KeptUnfiled, prepare: func(o one) {
			commit(o.t, o.s, &referral.Change{Organisation: "A83002", At: epoch, Deliveries: []referral.Delivery{notice(o.s, o.id.referral, "A83002", epoch)}})
		}},
		"one that is being sent": {why: referral.KeptUnfiled, removal: referral.Removal{Force: true}, prepare: func(o one) {
			commit(o.t, o.s, &referral.Change{Organisation: "A83002", At: epoch, Deliveries: []referral.Delivery{notice(o.s, o.id.referral, "A83002", epoch)}})
			if list, err := o.s.Claim(o.t.Context(), later, time.Minute, 1); err != nil || len(list) != 1 {
				o.t.Fatal(explain(err))
			}
		}},
		"a held referral":     {why: referral.KeptHeld, prepare: hold(referral.HoldReferral, func(i ids) string { return i.referral })},
		"a held patient":      {why: referral.KeptHeld, prepare: hold(referral.HoldPatient, func(i ids) string { return i.patient })},
		"a held organisation": {why: referral.KeptHeld, prepare: hold(referral.HoldOrganisation, func(ids) string { return "A83002" })},
		"a held one in an erasure, forced": {why: referral.KeptHeld, removal: referral.Removal{Patient: "own", Force: true},
			prepare: hold(referral.HoldPatient, func(i ids) string { return i.patient })},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.EachURL(t, func(t *testing.T, url string) {
				s := storetest.Open(t, url)
				_, id := referralClosed(t, s, 1, "A83002")
				if c.prepare != nil {
					c.prepare(one{s, id, t})
				}
				r := c.removal
				if r.Organisation == "" {
					r.Organisation = "A83002"
				}
				if r.Patient != "" {
					r.Patient = id.patient
				}
				before := sums(t, url)
				done := purge(t, s, r, true)
				if sums(t, url) != before {
					t.Error("something changed")
				}
				if done.Requests+done.People > 0 || c.why != "" && (done.Kept[c.why] != 1 || len(done.Kept) != 1) {
					t.Errorf("%+v", done)
				}
			})
		})
	}
}

// Force takes what never reached a record; a hold that was lifted holds nothing; referrals
// that took the place of each other go together.
func TestPurgeTakes(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url)
		_, id := referralClosed(t, s, 1, "A83002")
		commit(t, s, &referral.Change{Organisation: "A83002", At: epoch, Deliveries: []referral.Delivery{notice(s, id.referral, "A83002", epoch)}})
		next := referral.Record{ID: s.NewID(), Owner: "SPX02", Version: 1, Status: "completed", BusinessStatus: "completed", Patient: id.patient,
			ServiceRequest: id.request, Root: id.referral, Follows: id.referral, Created: epoch, Content: []byte("{}")}
		commit(t, s, &referral.Change{Organisation: "A83002", At: epoch, Referral: &next,
			Versions: []referral.Version{{Type: "Task", ID: next.ID, Number: 1, Body: []byte("{}"), Referral: next.ID, Patient: id.patient}}})
		h := &referral.Hold{Kind: referral.HoldReferral, Target: next.ID, Reason: "complaint", PlacedBy: "me", Placed: epoch}
		if err := s.Hold(t.Context(), h, byPurge(s)); err != nil {
			t.Fatal(explain(err))
		}
		wantIssue(t, s.Hold(t.Context(), &referral.Hold{Kind: referral.HoldReferral, Target: next.ID}, byPurge(s)), issue.Conflict, "held")
		wantIssue(t, s.Hold(t.Context(), &referral.Hold{Kind: referral.HoldPatient, Target: "nobody"}, byPurge(s)), issue.NotFound, "")
		r := referral.Removal{Organisation: "A83002", Patient: id.patient, Force: true}
		if done := purge(t, s, r, true); done.Requests != 0 || done.Kept[referral.KeptHeld] != 1 {
			t.Fatalf("%+v", done)
		}
		h.Lifted, h.LiftedBy, h.LiftedWhy = later, "me", "answered"
		if err := s.Lift(t.Context(), h, byPurge(s)); err != nil {
			t.Fatal(explain(err))
		}
		wantIssue(t, s.Lift(t.Context(), h, byPurge(s)), issue.NotFound, "")
		told := purge(t, s, r, false)
		if done := purge(t, s, r, true); fmt.Sprint(told) != fmt.Sprint(done) || done.Requests != 1 || done.People != 1 || done.Rows["referral"] != 2 || done.Rows["Task"] != 3 {
			t.Fatalf("%+v", done)
		}
		if _, err := s.Referral(t.Context(), owner("SPX02"), next.ID); !errors.Is(err, issue.Deleted) {
			t.Error(explain(err))
		}
		wantIssue(t, s.Hold(t.Context(), &referral.Hold{Kind: referral.HoldReferral, Target: next.ID}, byPurge(s)), issue.Deleted, "")
		holds, err := s.Holds(t.Context(), true)
		if err != nil || len(holds) != 1 || holds[0].LiftedWhy != "answered" {
			t.Errorf("%+v %v", holds, explain(err))
		}
	})
}

// A person of whom something was referred again stays, with all but the old referral.
func TestPurgeKeepsThePersonOfANewerReferral(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url)
		_, id := referralClosed(t, s, 1, "A83002")
		c, newer := intake(s, 2, "A83002", "SPX01", "")
		c.Referral.Patient, c.At = id.patient, later
		c.Versions, c.Keys = c.Versions[1:], c.Keys[:2]
		for i := range c.Versions {
			c.Versions[i].Patient, c.Versions[i].Updated = id.patient, later
		}
		commit(t, s, c)
		for _, apply := range []bool{false, true} {
			if done := purge(t, s, referral.Removal{Organisation: "A83002"}, apply); done.Requests != 1 || done.People != 0 || done.Rows["Patient"] != 0 {
				t.Errorf("%+v", done)
			}
		}
		for _, read := range [][2]string{{"Patient", id.patient}, {"Task", newer.referral}, {"ServiceRequest", newer.request}} {
			if _, err := s.Read(t.Context(), requester("A83002"), read[0], read[1]); err != nil {
				t.Errorf("%s: %v", read[0], explain(err))
			}
		}
	})
}

// Each commit has one record with parameters, counts and a digest, which is true.
func TestPurgeIsAudited(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url)
		for n := range 45 {
			referralClosed(t, s, n, "A83002")
		}
		done := purge(t, s, referral.Removal{Organisation: "A83002"}, true)
		db := planning(t, url)
		defer db.Close()
		rows, err := db.Query("SELECT query FROM audit WHERE interaction = 'purge' AND organisation = 'A83002'")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		records, requests := 0, 0
		for rows.Next() {
			var query string
			var before string
			var force, some, people int
			if err := rows.Scan(&query); err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Sscanf(strings.ReplaceAll(query, "&", " "), "before=%s force=%d requests=%d people=%d", &before, &force, &some, &people); err != nil || !strings.Contains(query, "&sha256=") {
				t.Fatalf("%s: %v", query, err)
			}
			records, requests = records+1, requests+some
		}
		if records != 3 || requests != 45 || done.Requests != 45 {
			t.Errorf("%d records of %d requests; %d were removed", records, requests, done.Requests)
		}
	})
}

// A hold that was placed holds, at whatever moment of a purge that was; and a person who is
// referred again meanwhile is there.
func TestPurgeBesideHoldsAndIntake(t *testing.T) {
	const n = 120
	storetest.EachURL(t, func(t *testing.T, url string) {
		s, beside := storetest.Open(t, url), (*store.Store)(nil)
		if beside = s; strings.HasPrefix(url, "postgres") {
			beside = storetest.Open(t, url)
		}
		var list []ids
		for i := range n {
			_, id := referralClosed(t, s, i, "A83002")
			list = append(list, id)
		}
		var held, again []ids
		var wg sync.WaitGroup
		begin := make(chan struct{})
		wg.Go(func() {
			<-begin
			for i := n - 1; i >= 0; i -= 3 {
				err := beside.Hold(background, &referral.Hold{Kind: referral.HoldReferral, Target: list[i].referral, Reason: "r", Placed: later}, byPurge(beside))
				if err == nil {
					held = append(held, list[i])
				} else if !errors.Is(err, issue.Deleted) {
					t.Error(explain(err))
				}
			}
		})
		wg.Go(func() {
			<-begin
			for i := n - 2; i >= 0; i -= 3 {
				c, id := intake(beside, 1000+i, "A83002", "SPX01", "")
				c.Referral.Patient = list[i].patient
				c.Versions, c.Keys = c.Versions[3:4], c.Keys[:2]
				c.Versions[0].Patient = list[i].patient
				id.patient = list[i].patient
				if err := beside.Commit(background, c); err == nil {
					again = append(again, id)
				} else if !errors.Is(err, issue.Conflict) {
					t.Error(explain(err))
				}
			}
		})
		close(begin)
		done := purge(t, s, referral.Removal{Organisation: "A83002"}, true)
		wg.Wait()
		for _, id := range held {
			if _, err := s.Referral(t.Context(), operator, id.referral); err != nil {
				t.Errorf("a held referral: %v", explain(err))
			}
		}
		for _, id := range again {
			if _, err := s.Read(t.Context(), operator, "Patient", id.patient); err != nil {
				t.Errorf("the person of a new referral: %v", explain(err))
			}
		}
		t.Logf("%d removed, %d held, %d referred again", done.Requests, len(held), len(again))
	})
}

// purgingChild is the process that TestPurgeIsKilled kills.
func purgingChild(url string) {
	s, err := store.Open(background, url)
	if err != nil {
		fmt.Println("error", explain(err))
		os.Exit(1)
	}
	p := s.Purge(referral.Removal{Organisation: "A83002", Before: later}, true)
	for more := true; more; {
		if _, more, err = p.Next(background, byPurge(s)); err != nil {
			fmt.Println("error", explain(err))
			os.Exit(1)
		}
		fmt.Println("step")
	}
}

// A purge that is killed leaves whole referrals, and the next one goes on.
func TestPurgeIsKilled(t *testing.T) {
	const n = 150
	storetest.EachURL(t, func(t *testing.T, url string) {
		s, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(explain(err))
		}
		var list []ids
		for i := range n {
			_, id := referralClosed(t, s, i, "A83002")
			list = append(list, id)
		}
		s.Close(background)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "STORE_TEST_CHILD="+url, "STORE_TEST_PURGE=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		steps := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "error") {
				t.Error(lines.Text())
			}
			if steps++; steps == 2 {
				time.AfterFunc(3*time.Millisecond, func() { cmd.Process.Kill() })
			}
		}
		cmd.Wait()
		s = storetest.Open(t, url)
		left := 0
		for _, id := range list {
			_, err := s.Referral(t.Context(), operator, id.referral)
			whole := err == nil
			if whole {
				left++
			}
			for _, read := range [][2]string{{"Task", id.referral}, {"Patient", id.patient}, {"Observation", id.observation}, {"ServiceRequest", id.filler}} {
				if _, err := s.Read(t.Context(), operator, read[0], read[1]); (err == nil) != whole {
					t.Errorf("%s of a referral that is there %v: %v", read[0], whole, explain(err))
				}
			}
			if _, _, err := s.Delivery(t.Context(), id.delivery); (err == nil) != whole {
				t.Errorf("the delivery of one that is there %v: %v", whole, explain(err))
			}
		}
		if left == n || left == 0 {
			t.Logf("%d of %d were left: the kill came beside the purge", left, n)
		}
		done := purge(t, s, referral.Removal{Organisation: "A83002", Before: later}, true)
		if done.Requests != left {
			t.Errorf("%d were left, the next purge removed %d", left, done.Requests)
		}
	})
}

// What was stored before anybody noted what it is about goes by its own age.
func TestPurgeTakesLooseMessages(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url)
		c, _ := intake(s, 1, "A83002", "SPX01", "")
		c.Versions, c.Referral, c.Events, c.Keys = nil, nil, nil, c.Keys[:1]
		commit(t, s, c)
		referralClosed(t, s, 2, "B90001")
		if list, err := s.Retained(t.Context()); err != nil || fmt.Sprint(list) != "[A83002 B90001]" {
			t.Fatalf("%v %v", list, explain(err))
		}
		for _, apply := range []bool{false, true} {
			if done := purge(t, s, referral.Removal{Organisation: "A83002"}, apply); done.Rows["message"] != 1 || done.Rows["response"] != 1 {
				t.Errorf("%+v", done)
			}
		}
		if known, err := s.Known(context.Background(), c.Keys); err != nil || known == nil {
			t.Errorf("its key: %v %v", known, explain(err))
		}
	})
}
