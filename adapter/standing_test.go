package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The log of a start says what is on and what is off, and nothing that is secret.
func TestAStartSaysWhatIsOn(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		want   map[string]any
	}{
		"nothing": {Config{}, map[string]any{"tls": false, "client_certificates": "none", "gp_connect": "off", "data_keys": false, "audit_key": false, "issuers_file": false, "trusted_proxies": 0.0}},
		"everything": {
			Config{
				TLSCert: "c.pem", TLSKey: "k.pem", TLSClientCA: "ca.pem", TLSClientCert: "required", GPConnectListen: "127.0.0.1:8081",
				DataKeysCommand: "kms hush", AuditKey: "hush.pem", Issuers: "issuers.json", TrustedProxies: []string{"10.0.0.0/8"},
			},
			map[string]any{"tls": true, "client_certificates": "required", "gp_connect": "127.0.0.1:8081", "data_keys": true, "audit_key": true, "issuers_file": true, "trusted_proxies": 1.0},
		},
		"a certificate that may be left out": {
			Config{TLSCert: "c.pem", TLSKey: "k.pem", TLSClientCA: "ca.pem", TLSClientCert: "optional", DataKeys: "hush.json"},
			map[string]any{"tls": true, "client_certificates": "optional", "data_keys": true, "audit_key": false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			slog.New(slog.NewJSONHandler(&log, nil)).Info("serving", c.config.standing()...)
			var line map[string]any
			if err := json.Unmarshal(log.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			for key, want := range c.want {
				if line[key] != want {
					t.Errorf("%s is %v, want %v", key, line[key], want)
				}
			}
			if strings.Contains(log.String(), "hush") {
				t.Errorf("a secret or its place is in the log: %s", &log)
			}
		})
	}
}

// What stands in the way of an operator is named: the flag or setting, the file, the reason.
func TestCommandsNameWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	made := filepath.Join(dir, "data-keys.json")
	if out, code := program(t, nil, "data-keys", made); code != 0 {
		t.Fatal(out)
	}
	database := "sqlite:" + filepath.Join(dir, "adapter.db")
	c := databaseFlags{Database: database}
	s, err := openStore(t.Context(), c.Database, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(dir, "short")
	if err := os.WriteFile(short, []byte("too short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, step := range map[string]struct {
		args []string
		code int
		want string
	}{
		"a key set is never overwritten":    {[]string{"data-keys", made}, 1, made + " exists and is kept"},
		"a key of the audit by its flag":    {[]string{"audit", "verify", "-key", short}, 1, "-key " + short + ": "},
		"a key of the audit by its setting": {[]string{"audit", "verify", "-audit-key", short}, 1, "ADAPTER_AUDIT_KEY_FILE: "},
		"a person of whom nothing is kept":  {[]string{"purge", "-o", "Y99001", "-patient", "unknown"}, 0, "nothing is stored about the patient unknown of Y99001"},
		"a database that does not answer":   {[]string{"ledger", "-database", "postgres://adapter:tr0ub4dor@127.0.0.1:1/adapter"}, 1, "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			out, code := program(t, []string{"ADAPTER_DATABASE=" + database}, step.args...)
			if code != step.code || !strings.Contains(out, step.want) || strings.Contains(out, "tr0ub4dor") {
				t.Errorf("exit code %d: %s", code, out)
			}
		})
	}
}

// Tokens and assertions for an adapter elsewhere are made with the same setting.
func TestAnAssertionIsForTheBaseURL(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.json")
	if out, code := program(t, nil, "keys", "-private", keys, "-public", keys+".public"); code != 0 {
		t.Fatal(out)
	}
	for name, c := range map[string]struct {
		env  []string
		args []string
		want string
	}{
		"default":  {nil, nil, "http://127.0.0.1:8080/oauth2/token"},
		"base URL": {[]string{"ADAPTER_BASE_URL=https://adapter.example/"}, nil, "https://adapter.example/oauth2/token"},
		"named":    {[]string{"ADAPTER_BASE_URL=https://adapter.example"}, []string{"-url", "https://elsewhere.example/token"}, "https://elsewhere.example/token"},
	} {
		t.Run(name, func(t *testing.T) {
			out, code := program(t, c.env, append([]string{"assertion", "-keys", keys, "-client", "gp-system"}, c.args...)...)
			if code != 0 {
				t.Fatal(out)
			}
			var claims struct{ Aud any }
			parts := strings.Split(out, ".")
			if len(parts) != 3 {
				t.Fatal(out)
			}
			text, err := base64.RawURLEncoding.DecodeString(parts[1])
			if err != nil || json.Unmarshal(text, &claims) != nil {
				t.Fatalf("%v: %s", err, text)
			}
			if list, ok := claims.Aud.([]any); ok && len(list) == 1 {
				claims.Aud = list[0]
			}
			if claims.Aud != c.want {
				t.Errorf("aud is %v, want %s", claims.Aud, c.want)
			}
		})
	}
}
