package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

// TestTerminologyOfTheDeployment: a reference set that is brought decides a binding that
// nothing decided before, and what cannot be read stops the start.
func TestTerminologyOfTheDeployment(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("support.csv", "refsetId,referencedComponentId\n1909999999108,1019999999106\n")
	write("notes.csv", "who,when\nme,today\n")
	const member = "1019999999106"
	ask := func(a *artefacts) (ok, known bool) {
		return a.terminology.ValidateCode(terminology.Refset("1909999999108"), terminology.SNOMED, member)
	}
	without, err := compile(Config{}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, known := ask(without); known {
		t.Error("nothing decides this")
	}
	var log bytes.Buffer
	with, err := compile(Config{Terminology: folder}, nil, slog.New(slog.NewJSONHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if ok, known := ask(with); !ok || !known {
		t.Errorf("got %v, %v", ok, known)
	}
	if ok, known := with.library.Codes("Y99001").ValidateCode(terminology.Refset("1909999999108"), terminology.SNOMED, member); !ok || !known {
		t.Error("the maps must see it, too")
	}
	for _, want := range []string{`"file":"support.csv","kind":"list of reference set members","rows":1`, `"terminology passed over","file":"notes.csv"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is not in %s", want, &log)
		}
	}
	write("more.csv", "refsetId,referencedComponentId\n1909999999108,1019999999107\n")
	if _, err = compile(Config{Terminology: folder}, nil, slog.New(slog.DiscardHandler)); !errors.Is(err, issue.Value) || !strings.Contains(err.Error(), "more.csv, line 2") {
		t.Errorf("got %v", err)
	}
	if _, err = compile(Config{Terminology: folder + "/none"}, nil, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a folder that is not there was taken")
	}
}

// TestMissingTerminologyIsTold: what ships, the code systems of the maps included, is not
// missing; what a deployment's value set draws on is.
func TestMissingTerminologyIsTold(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "v.json"), []byte(`{"resourceType":"ValueSet","url":"urn:v","status":"active","compose":{"include":[{"system":"urn:none"}]}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	a, err := compile(Config{Terminology: folder}, nil, slog.New(slog.NewJSONHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.codes.Missing()) >= len(a.terminology.Missing()) {
		t.Error("the maps bring nothing that was missing: this shows nothing")
	}
	if !strings.Contains(log.String(), `"urn:none"`) || strings.Contains(log.String(), "CodeSystem/need") {
		t.Errorf("got %s", &log)
	}
}
