package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"spadapter/adapter/auth"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// The keys change while the adapter runs: what was signed before counts on, what is
// signed later has the next key, and a broken file changes nothing.
func TestKeysAreRotatedWhileTheAdapterRuns(t *testing.T) {
	w := newWorld(t, "")
	log, to := logged()
	w.standard()
	partners, err := loadPartners(w.config.Partners)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.config.complete(); err != nil {
		t.Fatal(err)
	}
	s := storetest.Open(t, w.database)
	a, err := newAuthority(w.config, partners, func() *store.Store { return s }, to)
	if err != nil {
		t.Fatal(err)
	}
	look := func() {
		for _, f := range a.files {
			f.look(to)
		}
	}
	token := func() string {
		t.Helper()
		g, err := a.endpoint.Grant(t.Context(), tokenForm(registrants().rsa.assertion(t, nil, nil)))
		if err != nil {
			t.Fatal(err)
		}
		return g.AccessToken
	}
	counts := func(what, token string, want bool) {
		t.Helper()
		if _, err := a.verifier.Verify(t.Context(), token); want != (err == nil) {
			t.Errorf("%s: %v", what, err)
		}
	}
	published := func() []string {
		t.Helper()
		set, err := a.offered().Keys()
		if err != nil || bytes.Contains(set, []byte(`"d"`)) {
			t.Fatalf("%s, %v", set, err)
		}
		list, err := kids(set)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	header := func(token string) string { first, _, _ := strings.Cut(token, "."); return first }
	development := w.token(auth.Claims{Role: auth.RoleOwner}, time.Now())
	before := token()
	command := rotateKeysCmd{Private: w.config.Keys, Public: w.config.JWKS, Lead: time.Hour, Keep: 15 * time.Minute}
	if err := command.Run(); err != nil {
		t.Fatal(err)
	}
	look()
	if len(published()) != 2 || header(token()) != header(before) {
		t.Errorf("the next key is to be published and not to sign: %v", published())
	}
	if err := command.Run(); err == nil {
		t.Error("a rotation within another was begun")
	}
	// an hour later, as the files say it
	for _, file := range []string{w.config.Keys, w.config.JWKS} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var set struct {
			Keys []map[string]any `json:"keys"`
		}
		if err := json.Unmarshal(text, &set); err != nil {
			t.Fatal(err)
		}
		for _, key := range set.Keys {
			for _, name := range []string{"nbf", "exp"} {
				if at, there := key[name].(float64); there {
					key[name] = int64(at) - 3600
				}
			}
		}
		if text, err = json.Marshal(set); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	look()
	after := token()
	if header(after) == header(before) {
		t.Error("the next key does not sign")
	}
	counts("a token of the old key", before, true)
	counts("a token of the new key", after, true)
	counts("a development token", development, true)
	for _, broken := range []string{"", "{", `{"keys":[]}`} {
		for _, file := range []string{w.config.Keys, w.config.JWKS} {
			if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		look()
		look()
		counts("with broken files", token(), true)
	}
	if err := os.Remove(w.config.Keys); err != nil {
		t.Fatal(err)
	}
	look()
	counts("without a file", token(), true)
	if n := strings.Count(log.String(), `"keys_not_read"`); n != 7 {
		t.Errorf("a broken file is told once; told %d times: %s", n, log)
	}
	// somebody has the old key: it is taken out, and what it signed goes with it
	fresh, public, err := auth.GenerateKeys(auth.ES384)
	if err != nil {
		t.Fatal(err)
	}
	for file, body := range map[string][]byte{w.config.Keys: fresh, w.config.JWKS: public} {
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	look()
	counts("a token of a key that was taken out", after, false)
	counts("a development token of that key", development, false)
	counts("a token of the fresh key", token(), true)
	silent(t, log, before, after, development)
}

// The commands: keys as it was, a rotation of it, and an assertion.
func TestKeyCommands(t *testing.T) {
	dir := t.TempDir()
	private, public := filepath.Join(dir, "keys.json"), filepath.Join(dir, "jwks.json")
	run := func(want int, args ...string) string {
		t.Helper()
		out, code := program(t, nil, args...)
		if code != want {
			t.Fatalf("%v: exit code %d: %s", args, code, out)
		}
		return out
	}
	run(0, "keys", "-algorithm", "RS384", "-private", private, "-public", public)
	run(1, "keys", "make", "-private", private, "-public", public) // never overwritten
	one, err := os.ReadFile(public)
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "foreign.json")
	if err := os.WriteFile(foreign, keySet(t, registrants().ec), 0o640); err != nil {
		t.Fatal(err)
	}
	if out := run(0, "keys", "rotate", "-private", private, "-public", foreign, "-lead", "0s"); !strings.Contains(out, "is as it was") {
		t.Errorf("%s", out)
	}
	if text, err := os.ReadFile(foreign); err != nil || !bytes.Equal(text, keySet(t, registrants().ec)) {
		t.Errorf("the set of another issuer was written: %s, %v", text, err)
	}
	run(0, "keys", "rotate", "-private", private, "-public", public, "-algorithm", "ES384")
	two, err := os.ReadFile(public)
	if err != nil {
		t.Fatal(err)
	}
	old, err := kids(one)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := kids(two); err != nil || len(list) != 3 || !slices.Contains(list, old[0]) || bytes.Contains(two, []byte(`"d"`)) {
		t.Errorf("%v %s, %v", list, two, err)
	}
	if info, err := os.Stat(private); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if out := run(1, "keys", "rotate", "-private", private, "-public", public); !strings.Contains(out, "last rotation") {
		t.Errorf("%s", out)
	}
	second := filepath.Join(dir, "second.json")
	run(0, "keys", "-private", second, "-public", filepath.Join(dir, "second-jwks.json"))
	if err := os.WriteFile(second+nextFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := run(1, "keys", "rotate", "-private", second); !strings.Contains(out, "another rotation") {
		t.Errorf("%s", out)
	}
	assertion := strings.TrimSpace(run(0, "assertion", "-keys", private, "-client", "gp-system", "-url", tokenEndpoint))
	if _, _, err := jwt.NewParser().ParseUnverified(assertion, jwt.MapClaims{}); err != nil {
		t.Errorf("%s: %v", assertion, err)
	}
	run(1, "assertion", "-keys", filepath.Join(dir, "none.json"), "-client", "x")
	if _, code := program(t, nil, "token", "-role", "owner", "-o", service1, "-keys", private); code != 0 {
		t.Error("no development token")
	}
}
