package main

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// With a key set the program works as before, and what a person's name, number and words
// are is not in the database; the key may come from a command; without it nothing starts.
func TestTheProgramSealsWhatItStores(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		file := filepath.Join(w.dir, "data-keys.json")
		if out, code := program(t, nil, "data-keys", file); code != 0 {
			t.Fatal(out)
		}
		if out, code := program(t, nil, "data-keys", file); code == 0 {
			t.Fatalf("a key set was overwritten: %s", out)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%v %v", info.Mode(), err)
		}
		// before there were keys
		first := w.start()
		early := someone(practiceA)
		early.family = "Quenchworthy"
		task := first.as(auth.RoleRequester, practiceA).refer(early.message())
		first.terminate()

		w.config.DataKeys = file
		a := w.start()
		gp := a.as(auth.RoleRequester, practiceA)
		s := someone(practiceA)
		s.family = "Zzyzxcanary"
		late := gp.refer(s.message())
		worker := a.as(auth.RoleOwner, service1)
		v := worker.act(worker.look(late), "accept", referral.Input{Note: "Likes brontosauruses"}).view()
		worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).want(200)
		worker.look(task)
		for _, name := range []string{"Quenchworthy", "quench", "Zzyzxcanary", "ZZYZX"} {
			if n := gp.total("/fhir/R4/Patient?family=" + name); n != 1 {
				t.Errorf("%s is found %d times", name, n)
			}
		}
		env := []string{"ADAPTER_DATABASE=" + w.database, "ADAPTER_DATA_KEYS_COMMAND=cat " + file}
		if out, code := program(t, env, "encrypt"); code != 0 || !strings.Contains(out, "everything is sealed") {
			t.Fatalf("encrypt ends with %d: %s", code, out)
		}
		if n := gp.total("/fhir/R4/Patient?family=quenchworthy"); n != 1 {
			t.Errorf("after sealing the person is found %d times", n)
		}
		eventually(t, "the outcome arrives", func() bool { return len(w.gp.Record()) > 0 })
		if events := string(gp.get("/fhir/R4/AuditEvent?subtype=search-type").want(200).body); !strings.Contains(events, base64.StdEncoding.EncodeToString([]byte("family=Quenchworthy"))) {
			t.Errorf("who searched does not read what was looked for: %s", events)
		}
		a.terminate()
		if out, code := program(t, []string{"ADAPTER_DATABASE=" + w.database}, "audit", "verify"); code != 0 || !strings.Contains(out, "every record is as it was written") {
			t.Errorf("without the keys the audit is not verified: %s", out)
		}
		for _, text := range []string{"Quenchworthy", "Zzyzxcanary", "brontosaurus", s.nhsNumber, early.nhsNumber, s.birthDate} {
			if where := w.clearIn(text); where != "" {
				t.Errorf("%s is in %s", text, where)
			}
		}
		for _, env := range [][]string{{}, {"ADAPTER_DATA_KEYS_COMMAND=/bin/false"}, {"ADAPTER_DATA_KEYS_COMMAND=/nowhere"}, {"ADAPTER_DATA_KEYS_FILE=" + w.config.JWKS}} {
			out, code := program(t, append(env, "ADAPTER_DATABASE="+w.database, "ADAPTER_LISTEN=127.0.0.1:0"), "serve")
			if code != 1 || !strings.Contains(out, "DATA_KEYS") {
				t.Errorf("%v: serve ends with %d: %s", env, code, out)
			}
		}
	})
}

// clearIn finds a text in the database: in the file, or in any column; "" when it is nowhere.
func (w *world) clearIn(text string) string {
	w.t.Helper()
	db := w.db()
	defer db.Close()
	if path, ok := strings.CutPrefix(w.database, "sqlite:"); ok {
		if _, err := db.Exec("VACUUM"); err != nil { // pages that are free keep what was in them until then
			w.t.Fatal(err)
		}
		if _, err := db.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			w.t.Fatal(err)
		}
		body, err := os.ReadFile(path)
		if err != nil {
			w.t.Fatal(err)
		}
		if bytes.Contains(bytes.ToLower(body), []byte(strings.ToLower(text))) {
			return "the file"
		}
		return ""
	}
	for name := range w.counts() {
		n := 0
		if err := db.QueryRow(`SELECT count(*) FROM "`+name+`" x WHERE strpos(lower(x::text), lower($1)) > 0 OR strpos(lower(x::text), encode($1::bytea, 'hex')) > 0`, text).Scan(&n); err != nil {
			w.t.Fatal(err)
		}
		if n > 0 {
			return name
		}
	}
	return ""
}
