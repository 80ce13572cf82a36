package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spadapter/adapter/auth"
)

// plantedSecret stands where a secret would.
const plantedSecret = "cGxhbnRlZFNlY3JldA"

// No command prints a secret that it was given by environment, file or command line: not in its
// help, not in what it refuses, not when it fails.
func TestNoCommandPrintsASecret(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	token := file("token", plantedSecret+"\n")
	var keys []string
	for name, text := range map[string]string{
		"no-json": plantedSecret, "text": `"` + plantedSecret + `"`, "no-list": `{"keys":"` + plantedSecret + `"}`, "half": `{"keys":[{"kty":"EC","crv":"P-384","d":"` + plantedSecret + `"}]}`,
		"symmetric": `{"keys":[{"kty":"oct","kid":"` + plantedSecret + `","k":"` + plantedSecret + `"}]}`, "cut": `{"keys":[{"d":"` + plantedSecret,
	} {
		keys = append(keys, file(name, text))
	}
	const listen = "ADAPTER_LISTEN=127.0.0.1:0"
	const nowhere = "ADAPTER_METRICS_LISTEN=203.0.113.1:1" // no address of this machine: what starts ends there
	var runs [][2][]string
	run := func(env []string, args ...string) { runs = append(runs, [2][]string{append(env, listen), args}) }
	for _, database := range []string{
		"postgres://adapter:" + plantedSecret + "@127.0.0.1:1/adapter", "postgres://adapter:" + plantedSecret + "@127.0.0.1:wrong/adapter", "postgres://adapter:" + plantedSecret + "%zz@127.0.0.1/adapter",
		"host=127.0.0.1 password=" + plantedSecret, "mysql://adapter:" + plantedSecret + "@127.0.0.1/adapter",
	} {
		env := []string{"ADAPTER_DATABASE=" + database}
		run(env, "serve")
		run(env, "config")
		run(env, "replay")
	}
	hidden := "postgres://adapter:" + plantedSecret + "@127.0.0.1:1/adapter"
	for _, args := range [][]string{{"ledger"}, {"services", "list"}, {"--help"}, {"serve", "--help"}, {"replay", "--help"}, {"serve", "--nonsense"}, {"config", "--listen"}} {
		run([]string{"ADAPTER_DATABASE=" + hidden}, args...)
	}
	run(nil, "serve", "--database", hidden)
	run(nil, "replay", "--database="+hidden, "--nonsense")
	run(nil, "bench", "-n", "1", "--warmup", "0", "--database", hidden)
	for _, key := range keys {
		for _, name := range []string{"KEYS", "JWKS", "PARTNERS"} {
			run([]string{"ADAPTER_" + name + "_FILE=" + key, nowhere}, "serve")
		}
		run(nil, "token", "--keys", key, "--role", "owner", "-o", service1)
	}
	for _, feed := range []string{"a=https://user:" + plantedSecret + "@directory.example/api", "a=https://directory.example/api?key=" + plantedSecret, "a=https://directory.example/api#" + plantedSecret} {
		run([]string{"ADAPTER_FEEDS=" + feed}, "config")
	}
	for _, given := range []string{plantedSecret, "@" + token} {
		bench := []string{"bench", "-n", "1", "-c", "1", "--warmup", "0", "--url", "http://127.0.0.1:1", "--token", given, "--owner-token", given}
		run(nil, bench...)
		run(nil, append(bench, "--actions")...)
		run(nil, append(bench, "--nonsense")...)
	}
	for _, r := range runs {
		if out, _ := program(t, r[0], r[1]...); strings.Contains(out, plantedSecret) || strings.TrimSpace(out) == "" {
			t.Errorf("%v %v prints %s", r[0], r[1], out)
		}
	}
}

// A token may stand in a file, where the list of processes does not show it.
func TestTokenFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(" "+plantedSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{"@" + path: plantedSecret, plantedSecret: plantedSecret, "": ""} {
		if got, err := givenToken(given); got != want || err != nil {
			t.Errorf("%s is %q, %v", given, got, err)
		}
	}
	if _, err := givenToken("@" + path + "-not"); err == nil {
		t.Error("a file that does not exist is a token")
	}
}

// What a running adapter holds and is sent does not come out again: not in the log, not in the
// metrics, not in a refusal.
func TestNothingServedShowsASecret(t *testing.T) {
	w := newWorld(t, "")
	w.config.SubscriberNetworks = []string{"127.0.0.0/8"}
	var log buffer
	a := w.run(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	worker := a.as(auth.RoleOwner, service1)
	hook := worker.hook("http://127.0.0.1:9/told")
	hidden := []string{worker.token, hook.Secret, strings.TrimPrefix(hook.Secret, "whsec_")}
	private, err := os.ReadFile(w.config.Keys)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []struct{ D string } }
	if err := json.Unmarshal(private, &set); err != nil || len(set.Keys) == 0 || set.Keys[0].D == "" {
		t.Fatalf("the private keys cannot be read: %v", err)
	}
	hidden = append(hidden, set.Keys[0].D)
	out := []string{}
	show := func(got answer) { out = append(out, string(got.body)) }
	bad := worker
	bad.token += "x"
	hidden = append(hidden, bad.token)
	show(bad.get("/api/v1/webhooks"))
	show(worker.get("/api/v1/webhooks"))
	show(worker.get("/api/v1/webhooks/" + hook.ID))
	show(worker.get("/api/v1/webhooks/" + worker.token))
	show(worker.do(http.MethodPost, "/api/v1/webhooks", []byte(`{"secret":"`+hook.Secret+`"}`), "Content-Type", "application/json"))
	for _, path := range []string{"/metrics", "/fhir/R4/metadata", "/openapi.json", "/readyz"} {
		show(worker.get(path))
	}
	a.stop()
	out = append(out, log.String())
	for _, secret := range hidden {
		for i, text := range out {
			if strings.Contains(text, secret) {
				t.Errorf("a secret is in output %d: %s", i, around(text, strings.Index(text, secret)))
			}
		}
	}
	if !bytes.Contains([]byte(out[len(out)-1]), []byte(`"msg":"request"`)) {
		t.Error("the log is empty")
	}
}
