package main

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/store/storetest"
)

// backedUp is how a database is backed up and put back, as the README tells it.
type backedUp struct {
	backup  func(file string)
	putBack func(file string) // after which the world is on the restored database
}

func sqliteBackup(t *testing.T, w *world) backedUp {
	return backedUp{
		backup: func(file string) {
			if out, code := program(t, []string{"ADAPTER_DATABASE=" + w.database}, "backup", file); code != 0 || !strings.Contains(out, "checked") {
				t.Fatalf("backup ends with %d: %s", code, out)
			}
		},
		putBack: func(file string) {
			w.database = "sqlite:" + file
			w.config.Database = w.database
		},
	}
}

func postgresBackup(t *testing.T, w *world) backedUp {
	u, err := url.Parse(w.database)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	schema := query.Get("search_path")
	query.Del("search_path")
	u.RawQuery = query.Encode()
	run := func(name string, args ...string) {
		t.Helper()
		path, err := exec.LookPath(name)
		if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); err != nil && len(found) > 0 {
			path, err = found[len(found)-1], nil
		}
		if err != nil {
			t.Fatalf("%s belongs to the server that the tests use: %v", name, err)
		}
		if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
	}
	return backedUp{
		backup: func(file string) {
			run("pg_dump", "--format=custom", "--schema="+schema, "--file="+file, "--dbname="+u.String())
		},
		putBack: func(file string) {
			db := w.db()
			defer db.Close()
			if _, err := db.Exec("DROP SCHEMA " + schema + " CASCADE"); err != nil {
				t.Fatal(err)
			}
			run("pg_restore", "--exit-on-error", "--dbname="+u.String(), file)
		},
	}
}

// What was acknowledged before a backup began is there after it was put back, with what was
// still to be sent, although the server took referrals in meanwhile; and nobody is told a
// number twice.
func TestBackupIsPutBack(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		way := sqliteBackup(t, w)
		if !strings.HasPrefix(database, "sqlite:") {
			way = postgresBackup(t, w)
		}
		w.gp.fail(standInFault{Status: http.StatusServiceUnavailable})
		a := w.start()
		_, task := completed(a)
		eventually(t, "the first try is made", func() bool { return len(w.gp.received()) > 0 })
		file := filepath.Join(t.TempDir(), "backup")
		var stored []string
		reached := int64(0)
		underLoad(t, a, practiceA, 1, 60, func() {
			db := w.db()
			defer db.Close()
			rows, err := db.Query("SELECT id FROM referral")
			if err != nil {
				t.Error(err)
			}
			for rows.Next() {
				var id string
				if err := rows.Scan(&id); err != nil {
					t.Error(err)
				}
				stored = append(stored, id)
			}
			rows.Close()
			way.backup(file)
			for _, e := range a.as(auth.RoleOperator, practiceA).events("count=100").Events {
				reached = max(reached, e.Number)
			}
			a.kill()
		})
		if len(stored) < 60 || reached == 0 {
			t.Fatalf("%d referrals before the backup, events up to %d", len(stored), reached)
		}
		way.putBack(file)
		if out, code := program(t, []string{"ADAPTER_DATABASE=" + w.database}, "restored"); code != 0 {
			t.Fatalf("restored ends with %d: %s", code, out)
		}
		for what, query := range halves {
			if n := w.number(query); n != 0 && !strings.HasPrefix(what, "a referral without its") {
				t.Errorf("%s: %d", what, n)
			}
		}
		w.age()
		a = w.start()
		gp := a.as(auth.RoleRequester, practiceA)
		for _, id := range stored {
			gp.get("/fhir/R4/Task/" + id).want(http.StatusOK)
		}
		if n := w.number("SELECT count(*) FROM delivery WHERE referral = '" + strings.TrimPrefix(task, "Task/") + "'"); n == 0 {
			t.Error("what was to be sent is not there")
		}
		eventually(t, "the outcome arrives", func() bool { return len(w.gp.Record()) > 0 })
		a.as(auth.RoleOperator, practiceA).get("/api/v1/events?since=" + strconv.FormatInt(reached, 10)).want(http.StatusGone)
		gp.refer(someone(practiceA).message())
		eventually(t, "the new referral is told of", func() bool {
			return w.number("SELECT count(*) FROM feed") > 0 && w.number("SELECT count(*) FROM waiting") == 0
		})
		if n := int64(w.number("SELECT min(number) FROM feed WHERE audience = 'operator'")); n <= reached {
			t.Errorf("number %d is given again; %d was told before", n, reached)
		}
		if info, err := os.Stat(file); err != nil || strings.HasPrefix(database, "sqlite:") && info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info.Mode(), err)
		}
	})
}
