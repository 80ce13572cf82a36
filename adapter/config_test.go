package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
)

// program runs the adapter to its end, in an empty directory and with nothing set but
// env, and gives what it printed and its exit code.
func program(t *testing.T, env []string, args ...string) (out string, code int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// a server that should have refused to start would run for ever
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(append(plainEnvironment(), asProgram+"=1"), env...)
	text, _ := cmd.CombinedOutput() // its exit code says how it ended
	if ctx.Err() != nil {
		t.Fatalf("%q with %q does not end", args, env)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// A setting that nothing reads is a typing mistake: every command refuses it, and names
// the settings there are.
func TestUnknownSettingsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"serve"}, {"config"}, {"version"}} {
		out, code := program(t, []string{"ADAPTER_DATABSE=sqlite:x.db"}, args...)
		if code != 1 || !strings.Contains(out, "ADAPTER_DATABSE") || !strings.Contains(out, "ADAPTER_DATABASE") {
			t.Errorf("%v: exit code %d: %s", args, code, out)
		}
	}
}

// The password of the database is in no output: not of config, not of a start that
// fails, not in the log.
func TestTheDatabasePasswordIsHidden(t *testing.T) {
	for _, database := range []string{
		"postgres://adapter:tr0ub4dor@127.0.0.1:1/adapter", "postgres://adapter@127.0.0.1:1/adapter?password=tr0ub4dor",
		"postgres://adapter:tr0ub4dor@127.0.0.1:wrong/adapter", "host=127.0.0.1 password=tr0ub4dor",
	} {
		for _, command := range []string{"config", "serve"} {
			out, code := program(t, []string{"ADAPTER_DATABASE=" + database, "ADAPTER_LISTEN=127.0.0.1:0"}, command)
			if strings.Contains(out, "tr0ub4dor") {
				t.Errorf("%s shows the password: %s", command, out)
			}
			if command == "serve" && code != 1 {
				t.Errorf("serve without a database ends with %d: %s", code, out)
			}
		}
	}
}

// Each setting that cannot be is refused before anything is opened.
func TestSettingsThatCannotBeAreRefused(t *testing.T) {
	for _, setting := range []string{
		"ADAPTER_LISTEN=8080", "ADAPTER_BASE_URL=adapter.example", "ADAPTER_SHARING=everything", "ADAPTER_MIN_ATTEMPTS=-1", "ADAPTER_MIN_ATTEMPTS=many",
		"ADAPTER_BODY_BYTES=1", "ADAPTER_BODY_BYTES_AT_ONCE=-1", "ADAPTER_RETRY_FOR=0s", "ADAPTER_DRAIN_FOR=soon", "ADAPTER_LOG_LEVEL=loud", "ADAPTER_DATABASE=mysql://x",
		"ADAPTER_PARTNERS_FILE=/does/not/exist.json", "ADAPTER_KEYS_FILE=/does/not/exist.json", "ADAPTER_TOKEN_FOR=6m", "ADAPTER_TOKEN_FOR=0s", "ADAPTER_JWKS_NETWORKS=10.0.0.0/33",
	} {
		out, code := program(t, []string{setting}, "serve")
		if name, _, _ := strings.Cut(setting, "="); code == 0 || strings.TrimSpace(out) == "" || strings.Contains(out, "panic") {
			t.Errorf("%s: exit code %d: %s", name, code, out)
		}
	}
}

// A number of the life cycle that means nothing is refused by its name, with what it may be;
// one that is written as zero is not the default in silence.
func TestNumbersThatMeanNothingAreRefused(t *testing.T) {
	all := []string{
		"ADAPTER_TRIAGE_DAYS=0", "ADAPTER_ANSWER_DAYS=0", "ADAPTER_CONTACT_DAYS=3651", "ADAPTER_SUPPORT_DAYS=0", "ADAPTER_CONFIRM_DAYS=0",
		"ADAPTER_NUDGE_DAYS=3651", "ADAPTER_AUTO_DECLINE_DAYS=3651", "ADAPTER_TIMERS_EVERY=0s", "ADAPTER_REOPEN_FOR=0s", "ADAPTER_EVENTS_FOR=0s",
	}
	for _, command := range []string{"serve", "config"} {
		out, code := program(t, all, command)
		for _, setting := range all {
			if name, _, _ := strings.Cut(setting, "="); code == 0 || !strings.Contains(out, name+" is ") {
				t.Errorf("%s does not refuse %s: exit code %d: %s", command, setting, code, out)
			}
		}
	}
	out, code := program(t, []string{"ADAPTER_TRIAGE_DAYS=1", "ADAPTER_CONFIRM_DAYS=-1", "ADAPTER_NUDGE_DAYS=0", "ADAPTER_TIMERS_EVERY=100ms", "ADAPTER_SUPPORT_DAYS=3650"}, "config")
	if code != 0 {
		t.Errorf("what means something is refused: %s", out)
	}
}

// Without any setting the adapter starts on SQLite and loopback, shows what it can do,
// and refuses every token: nobody has keys yet.
func TestZeroConfigurationStarts(t *testing.T) {
	out, code := program(t, nil, "config")
	for _, want := range []string{"127.0.0.1:8080", "sqlite:adapter.db", "http://127.0.0.1:8080"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("config does not show %q: %s", want, out)
		}
	}
	w := newWorld(t, "")
	for _, file := range []string{w.config.JWKS, w.config.Keys} {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	// as zero configuration, but for the port, which another program may have
	w.config.Partners, w.config.BaseURL = "", ""
	w.config.JWKS, w.config.Keys = defaultJWKS, defaultKeys
	a := w.start()
	c := caller{t, a.url, ""}
	c.get("/healthz").want(200)
	c.get("/readyz").want(200)
	if body := c.get("/fhir/R4/metadata").want(200).body; !bytes.Contains(body, []byte(a.url)) {
		t.Errorf("the CapabilityStatement does not say where it is: %s", body)
	}
	c.get("/fhir/R4/Task").want(401)
	a.as(auth.RoleRequester, practiceA).get("/fhir/R4/Task").want(401)
	if code := a.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// What stands after the program in the command of the data keys may be a password: it is
// hidden, whatever the blank before it is.
func TestArgumentsOfACommandAreHidden(t *testing.T) {
	for _, blank := range []string{" ", "\t", "\n", " \t "} {
		out, code := program(t, []string{"ADAPTER_DATA_KEYS_COMMAND= vault" + blank + "tr0ub4dor"}, "config")
		if code != 0 || strings.Contains(out, "tr0ub4dor") || !strings.Contains(out, "vault …") {
			t.Errorf("after %q: exit code %d: %s", blank, code, out)
		}
	}
	if out, _ := program(t, []string{"ADAPTER_DATA_KEYS_COMMAND=vault"}, "config"); !strings.Contains(out, "vault") || strings.Contains(out, "vault …") {
		t.Errorf("a command alone: %s", out)
	}
}
