package store_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// access is a record of a look at one patient.
func access(n int) referral.Audit {
	return referral.Audit{Organisation: "A83002", At: epoch.Add(time.Duration(n) * time.Second), Client: "lw-tool", Actor: "SPX01", Role: auth.RoleOwner,
		Purpose: "TREAT", Action: "R", Interaction: "read", Outcome: "0", Entity: fmt.Sprintf("Task/t%d", n), Version: n, Patient: fmt.Sprintf("p%d", n), RequestID: fmt.Sprint("r", n)}
}

// look commits accesses, one transaction each.
func look(t *testing.T, s *store.Store, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		a := access(n)
		commit(t, s, &referral.Change{Organisation: a.Organisation, At: a.At, Audits: []referral.Audit{a}})
	}
}

func closed(t *testing.T, s *store.Store) {
	t.Helper()
	if err := s.Close(background); err != nil {
		t.Fatal(err)
	}
}

func verified(t *testing.T, s *store.Store, keys ...*store.AuditKey) *store.AuditReport {
	t.Helper()
	report, err := s.VerifyAudit(t.Context(), keys, nil, nil)
	if err != nil {
		t.Fatal(explain(err))
	}
	return report
}

func sealing(t *testing.T) *store.AuditKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	k, err := store.ParseAuditKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Whatever somebody does to the records in the database is seen, and where.
func TestTamperedAuditIsSeen(t *testing.T) {
	// a hundred records, a checkpoint at 100
	for name, tamper := range map[string]struct {
		sql      []string
		sequence int64
		what     string
	}{
		"untouched":                     {},
		"a field is changed":            {[]string{"UPDATE audit SET patient = 'p1' WHERE sequence = 40"}, 40, "not what was written"},
		"the outcome of a list is gone": {[]string{"UPDATE audit SET shown = '' WHERE sequence = 101"}, 101, "not what was written"},
		"an id is changed":              {[]string{"UPDATE audit SET id = id || 'x' WHERE sequence = 40"}, 40, "not what was written"},
		"a record is removed":           {[]string{"DELETE FROM audit WHERE sequence = 40"}, 40, "one record is missing"},
		"the first is removed":          {[]string{"DELETE FROM audit WHERE sequence = 1"}, 1, "one record is missing"},
		"several are removed":           {[]string{"DELETE FROM audit WHERE sequence > 40 AND sequence < 51"}, 41, "10 records are missing"},
		"the end is removed":            {[]string{"DELETE FROM audit WHERE sequence > 90"}, 91, "was cut off"},
		"the end is removed and the head set back": {[]string{"DELETE FROM audit WHERE sequence > 90",
			"UPDATE audit_stream SET sequence = 90, head = (SELECT hash FROM audit WHERE sequence = 90)"}, 91, "a checkpoint"},
		"two change their contents": {[]string{"UPDATE audit SET entity = 'Task/t40' WHERE sequence = 40",
			"UPDATE audit SET entity = 'Task/t39' WHERE sequence = 41"}, 40, "not what was written"},
		"two change their places": {[]string{"UPDATE audit SET sequence = -1 WHERE sequence = 40", "UPDATE audit SET sequence = 40 WHERE sequence = 41",
			"UPDATE audit SET sequence = 41 WHERE sequence = -1"}, 40, "missing"},
		"one is put in": {[]string{"INSERT INTO audit SELECT " + columnsWith("id || 'x'", "sequence") + " FROM audit WHERE sequence = 40"}, 40, "second record"},
		"one is put in with a place of its own": {[]string{"INSERT INTO audit SELECT " + columnsWith("id || 'x'", "41") + " FROM audit WHERE sequence = 40"},
			41, "not what was written"},
		"one is put at the end": {[]string{"INSERT INTO audit SELECT " + columnsWith("'ffffffff'", "102") + " FROM audit WHERE sequence = 40"}, 102, "beyond the end"},
		"one is put into a stream that is not there": {[]string{"INSERT INTO audit SELECT " + strings.Replace(columnsWith("'ffffffff'", "1"), ", stream,", ", 'another',", 1) +
			" FROM audit WHERE sequence = 40"}, 1, "not there"},
		"it is found under one patient less": {[]string{"DELETE FROM audit_about WHERE about = 'Patient/q2'"}, 0, "found under Patient/q2"},
		"its beginning is changed":           {[]string{"UPDATE audit_stream SET began = began + 1"}, 0, "how the stream began"},
		"the stream is removed":              {[]string{"DELETE FROM audit_stream"}, 101, "not there any more"},
		"the seal is changed":                {[]string{"UPDATE audit_checkpoint SET at = at + 1"}, 101, "the seal"},
		"a purge is made up": {[]string{"UPDATE audit_stream SET pruned = 40, anchor = (SELECT hash FROM audit WHERE sequence = 40)",
			"DELETE FROM audit WHERE sequence <= 40"}, 40, "no key sealed"},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.EachURL(t, func(t *testing.T, url string) {
				key := sealing(t)
				s := storetest.Open(t, url, store.Committers(1), store.SealedAudit(key))
				look(t, s, 0, 100)
				list := referral.Audit{At: epoch, Client: "lw-tool", Action: "E", Interaction: "search-type", Outcome: "0", Entity: "Task",
					Shown: []referral.Shown{{Organisation: "A83002", Patients: []string{"q1", "q2"}}, {Organisation: "A83003", Patients: []string{"q3"}}}}
				commit(t, s, &referral.Change{At: epoch, Audits: []referral.Audit{list}})
				closed(t, s)
				for _, text := range tamper.sql {
					raw(t, url, text)
				}
				report := verified(t, storetest.Open(t, url), key)
				if tamper.sql == nil {
					if len(report.Faults) > 0 || report.Records != 101 || report.Streams[0].Sealed != 101 || report.NotVerified() != nil {
						t.Fatalf("%+v", report)
					}
					return
				}
				if len(report.Faults) == 0 {
					t.Fatalf("nothing is seen: %+v", report)
				}
				f := report.Faults[len(report.Faults)-1]
				if f.Sequence != tamper.sequence || !strings.Contains(f.What, tamper.what) {
					t.Errorf("got %+v, want %d: %s", f, tamper.sequence, tamper.what)
				}
				if err := report.NotVerified(); !errors.Is(err, issue.Security) {
					t.Error(err)
				}
			})
		})
	}
}

// columnsWith lists the columns of audit with another id and number.
func columnsWith(id, sequence string) string {
	text := strings.Replace(store.AuditColumns, "id,", id+",", 1)
	return strings.Replace(text, " sequence,", " "+sequence+",", 1)
}

// Who can write hashes can write the records anew, but not what a key sealed, what was kept
// elsewhere, nor what a later stream says.
func TestAuditWrittenAnewIsSeen(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		var kept []store.Checkpoint
		s := storetest.Open(t, url, store.Committers(1), store.Checkpoints(func(c store.Checkpoint) { kept = append(kept, c) }))
		look(t, s, 0, 5)
		closed(t, s)
		again := storetest.Open(t, url, store.Committers(1))
		look(t, again, 5, 8)
		closed(t, again)
		// the second stream goes, as if it had never been, and with it what it says
		raw(t, url, "DELETE FROM audit WHERE stream <> '"+kept[0].Stream+"'")
		raw(t, url, "DELETE FROM audit_checkpoint")
		raw(t, url, "DELETE FROM audit WHERE sequence = 5")
		raw(t, url, "UPDATE audit_stream SET sequence = 4, head = (SELECT hash FROM audit WHERE sequence = 4) WHERE id = '"+kept[0].Stream+"'")
		s = storetest.Open(t, url)
		report := verified(t, s)
		if len(report.Faults) != 2 || !strings.Contains(report.Faults[0].What, "which began later") {
			t.Errorf("the later stream: %+v", report.Faults)
		}
		raw(t, url, "DELETE FROM audit_stream WHERE id <> '"+kept[0].Stream+"'")
		if report = verified(t, s); len(report.Faults) != 0 {
			t.Errorf("without anything that says otherwise: %+v", report.Faults)
		}
		report, err := s.VerifyAudit(t.Context(), nil, kept, nil)
		if err != nil || len(report.Faults) != 1 || !strings.Contains(report.Faults[0].What, "kept elsewhere") {
			t.Errorf("what was kept elsewhere: %v %+v", err, report)
		}
	})
}

// Many writers of several processes: each stream is whole, whatever was refused, rolled
// back or repeated, and all records are there.
func TestAuditOfConcurrentWriters(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		stores := []*store.Store{storetest.Open(t, url, store.Committers(3), store.Group(8))}
		if strings.HasPrefix(url, "postgres") {
			stores = append(stores, storetest.Open(t, url, store.Committers(3), store.Group(8)))
		}
		var group sync.WaitGroup
		var mu sync.Mutex
		stored := 0
		for _, s := range stores {
			for worker := range 8 {
				group.Go(func() {
					for n := range 30 {
						// each is sent by several, and one of them gets through
						c, _ := intake(s, n*4+worker%4, "A83002", "SPX01", "")
						err := s.Commit(background, c)
						if _, repeat := errors.AsType[*referral.Repeat](err); err != nil && !repeat {
							t.Error(explain(err))
						}
						if err == nil {
							mu.Lock()
							stored++
							mu.Unlock()
						}
						a := access(n)
						broken := &referral.Change{Organisation: "A83002", At: epoch, Audits: []referral.Audit{a},
							Versions: []referral.Version{{Type: "Task", ID: "none", Number: 7, Body: []byte("{}")}}}
						wantConflict(t, s.Commit(background, broken))
					}
				})
			}
			group.Go(func() {
				for n := range 10 {
					p := &referral.Subscriber{ID: s.NewID(), Kind: "webhook", Organisation: "SPX01", Role: auth.RoleOwner, Version: 1, Status: "active", Settings: []byte("{}"), Created: epoch, Updated: epoch}
					if err := s.AddSubscriber(background, p, access(n)); err != nil {
						t.Error(explain(err))
					}
					mu.Lock()
					stored++
					mu.Unlock()
				}
			})
		}
		group.Wait()
		report := verified(t, stores[0])
		if len(report.Faults) > 0 || report.Records != int64(stored) || len(report.Streams) < 2 {
			t.Errorf("%d records, %d streams, %+v; %d were stored", report.Records, len(report.Streams), report.Faults, stored)
		}
		for _, st := range report.Streams {
			if st.Last == 0 {
				t.Errorf("the stream %s has no records", st.ID)
			}
		}
	})
}

func wantConflict(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, issue.Conflict) {
		t.Errorf("got %v, want a conflict", err)
	}
}

// What is removed when its time is over leaves an anchor, from which the rest is verified.
func TestPrunedAuditIsVerified(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		key := sealing(t)
		s := storetest.Open(t, url, store.Committers(1))
		raw(t, url, "INSERT INTO audit (id, organisation, at, client, actor, role, action, interaction, outcome, entity, patient, request_id, query, issue) "+
			"VALUES ('0', 'A83002', 1, 'old', '', '', 'R', 'read', '0', '', '', '', '', '')")
		look(t, s, 0, 30)
		if report := verified(t, s); report.Before != 1 || report.Records != 31 {
			t.Errorf("%+v", report)
		}
		closed(t, s)
		s = storetest.Open(t, url, store.Committers(1), store.SealedAudit(key))
		look(t, s, 30, 1300)
		list := access(1300)
		list.Patient, list.Shown = "", []referral.Shown{{Organisation: "A83002", Patients: []string{"p1", "p2"}}}
		commit(t, s, &referral.Change{At: epoch, Audits: []referral.Audit{list}})
		n, err := s.PruneAudit(t.Context(), epoch.Add(1200*time.Second))
		if err != nil || n != 1201 {
			t.Fatalf("%d were removed: %v", n, explain(err))
		}
		report := verified(t, s, key)
		if len(report.Faults) > 0 || report.Before != 0 || report.Records != 101+3 || report.Streams[0].Pruned != 30 || report.Streams[1].First != 1171 {
			t.Errorf("%+v", report)
		}
		if n, err := s.PruneAudit(t.Context(), epoch.Add(1301*time.Second)); err != nil || n != 101 {
			t.Fatalf("%d were removed: %v", n, explain(err))
		}
		if n := rowsOf(t, url, "SELECT count(*) FROM audit_about"); n != 0 {
			t.Errorf("%d entries of removed records are left", n)
		}
		closed(t, s)
		raw(t, url, "UPDATE audit_stream SET anchor = hash WHERE pruned > 100")
		if report := verified(t, storetest.Open(t, url), key); len(report.Faults) != 1 {
			t.Errorf("a changed anchor is not seen: %+v", report)
		}
	})
}

func rowsOf(t *testing.T, url, query string) (n int) {
	t.Helper()
	db := administrator(t, url)
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAuditKeys(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "short": strings.Repeat("x", 31), "broken": "-----BEGIN PRIVATE KEY-----\nxx", "no key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := store.ParseAuditKey([]byte(text)); !errors.Is(err, issue.Value) {
			t.Errorf("%s: %v", name, err)
		}
	}
	secret, err := store.ParseAuditKey([]byte(strings.Repeat("secret ", 6) + "\n"))
	if err != nil || !secret.Seals() || strings.Contains(secret.ID, "secret") {
		t.Fatal(err, secret)
	}
	s := storetest.Open(t, storetest.SQLite(t), store.SealedAudit(secret))
	look(t, s, 0, 501)
	if report := verified(t, s, secret); len(report.Faults) > 0 || report.Streams[0].Sealed != 500 {
		t.Errorf("%+v", report)
	}
	if report := verified(t, s, sealing(t)); len(report.Faults) > 0 || report.Streams[0].Sealed != 0 || report.Streams[0].Unproven != 1 {
		t.Errorf("%+v", report)
	}
}
