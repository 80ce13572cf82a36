package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// A backup that is made while others commit is whole, private, and replaces nothing.
func TestBackupBesideCommits(t *testing.T) {
	url := storetest.SQLite(t)
	s := storetest.Open(t, url)
	var before []ids
	for n := range 50 {
		c, id := intake(s, n, "A83002", "SPX01", "")
		commit(t, s, c)
		before = append(before, id)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1000; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			c, _ := intake(s, n, "A83002", "SPX01", "")
			if err := s.Commit(background, c); err != nil {
				t.Error(explain(err))
				return
			}
		}
	})
	path := filepath.Join(t.TempDir(), "copy.db")
	err := store.Backup(t.Context(), url, path)
	close(stop)
	wg.Wait()
	if err != nil {
		t.Fatal(explain(err))
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
	wantIssue(t, store.Backup(t.Context(), url, path), issue.Duplicate, "backup")
	if again, err := os.Stat(path); err != nil || !again.ModTime().Equal(info.ModTime()) || again.Size() != info.Size() {
		t.Error("the file was touched")
	}
	if left, _ := filepath.Glob(path + "*"); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	restored := storetest.Open(t, "sqlite:"+path)
	for n, id := range before {
		if _, err := restored.Referral(t.Context(), operator, id.referral); err != nil {
			t.Errorf("%d: %v", n, explain(err))
		}
	}
	for what, url := range map[string]string{"PostgreSQL": "postgres://db/x", "no file": "sqlite:" + path + ".none"} {
		if err := store.Backup(t.Context(), url, path+"2"); err == nil {
			t.Errorf("%s was copied", what)
		}
	}
}

// A database that was put back gives no number a second time, not even to an audience that it
// does not know; and who follows is told to begin afresh.
func TestRestoredGivesNoNumberTwice(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url)
		tell := func(audience string, n int) {
			c, id := intake(s, n, "A83002", "SPX01", "")
			c.Events = []referral.Event{{ID: s.NewID(), Referral: id.referral, Move: "T01", Public: []byte(`{}`), Audiences: []string{audience}}}
			commit(t, s, c)
			if _, err := s.Sequence(t.Context()); err != nil {
				t.Fatal(explain(err))
			}
		}
		for n := range 3 {
			tell("owner:SPX01", n)
		}
		h := hook(s, 1)
		h.Role = "owner"
		if err := s.AddSubscriber(t.Context(), h, referral.Audit{ID: s.NewID()}); err != nil {
			t.Fatal(explain(err))
		}
		// of what came after the backup this database knows nothing: numbers 4 to 9 were told
		if n, err := s.Restored(t.Context(), 1000, byPurge(s)); err != nil || n != 2 {
			t.Fatalf("%d %v", n, explain(err))
		}
		tell("owner:SPX01", 10)
		tell("owner:SPX02", 11) // which the backup does not know
		for _, after := range []int64{0, 3, 9} {
			_, err := s.Feed(t.Context(), "owner:SPX01", after, 10)
			wantIssue(t, err, issue.Deleted, "events-pruned")
			if after > 0 {
				continue
			}
			if _, err := s.Feed(t.Context(), "owner:SPX02", after, 10); err == nil || !strings.Contains(err.Error(), "since=1000") {
				t.Errorf("an unknown audience: %v", err)
			}
		}
		for audience, last := range map[string]int64{"owner:SPX01": 1003, "owner:SPX02": 1000, referral.AudienceOperator: 1003} {
			feed, err := s.Feed(t.Context(), audience, last, 10)
			if err != nil || len(feed.Events) == 0 || feed.Events[0].Number != last+1 {
				t.Errorf("%s: %+v %v", audience, feed, explain(err))
			}
		}
		p, err := s.Subscriber(t.Context(), "", referral.KindWebhook, h.ID)
		if err != nil || p.Reached != 3 {
			t.Errorf("the webhook was taken past what it was not told, to %d: %v", p.Reached, explain(err))
		}
		if _, err := s.Restored(t.Context(), 0, byPurge(s)); err == nil {
			t.Error("a skip of 0 is taken")
		}
	})
}
