package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"spadapter/adapter/referral"
)

// judged is the table of the paths, by a command with everything at its default.
func judged(t *testing.T, supply bool, paths ...string) *verdictTable {
	t.Helper()
	inputs, groups, err := verdictInputs(paths)
	if err != nil {
		t.Fatal(err)
	}
	table, err := (&verdictCmd{Quiet: true, Supply: supply}).judge(context.Background(), shipped(t), inputs, groups)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestVerdict: one message of each verdict.
func TestVerdict(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "messages")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	source := func(name string) []byte {
		text, err := os.ReadFile("../mappings/ukcore-r4-to-referral/" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range txtar.Parse(text).Files {
			if f.Name == "source.json" {
				return f.Data
			}
		}
		t.Fatal("no source")
		return nil
	}
	complete := source("read-v2-with-term-codes")
	for name, body := range map[string][]byte{
		"a-converted.json": complete,
		"c-refused.json":   bytes.ReplaceAll(complete, []byte("8T09.00"), []byte("13EH.00")),
		"d-broken.json":    complete[:200],
		"e-kept.json":      []byte(`{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}],"name":[{"family":"Reed"}]}`),
		"f-none.json":      []byte(`{"resourceType":"Bundle","type":"message","entry":[{"fullUrl":"urn:uuid:0a000000-0000-4000-8000-000000000001","resource":{"resourceType":"ServiceRequest"}}]}`),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	table := judged(t, false, folder)
	want := []verdict{
		{File: "a-converted.json", Referral: true, outcome: outcome{Dialect: "ukcore-r4", Verdict: becameReferral}},
		{File: "c-refused.json", Referral: true, outcome: outcome{Dialect: "ukcore-r4", Verdict: becameNothing, Rule: "sp-referral-request/ServiceRequest.code", Element: "Bundle.entry[1].resource.code"}},
		{File: "d-broken.json", Referral: true, outcome: outcome{Verdict: becameNothing, Rule: "json"}},
		{File: "e-kept.json", outcome: outcome{Dialect: "ukcore-r4", Verdict: becameOther}},
		{File: "f-none.json", Referral: true, outcome: outcome{Verdict: becameNothing, Rule: "dialect-unknown", Element: "Bundle"}},
	}
	if len(table.rows) != len(want) {
		t.Fatalf("%d verdicts; want %d", len(table.rows), len(want))
	}
	for i, w := range want {
		g := table.rows[i]
		if g.Folder != "messages" || g.File != w.File || g.Referral != w.Referral || g.Dialect != w.Dialect || g.Verdict != w.Verdict || g.Rule != w.Rule || w.Element != "" && g.Element != w.Element {
			t.Errorf("got %+v\nwant %+v", g, w)
		}
	}
	var out bytes.Buffer
	if err := table.write(&out, "json"); err != nil {
		t.Fatal(err)
	}
	var first verdict
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 4 || json.Unmarshal([]byte(lines[0]), &first) != nil || first.File != "a-converted.json" {
		t.Errorf("as JSON:\n%s", &out)
	}
	out.Reset()
	if err := table.write(&out, "text"); err != nil || !strings.Contains(out.String(), "messages  5      1            1          0       3        0") {
		t.Errorf("as text: %v\n%s", err, &out)
	}
	if err := (&verdictCmd{Paths: []string{folder}, Format: "text", Quiet: true}).Run(); !errors.Is(err, statusFaults) {
		t.Errorf("the command ends with %v where a referral was refused", err)
	}
}

// TestVerdictLosses: what was not read, or leads nowhere, is a loss; a code without a
// translation is not.
func TestVerdictLosses(t *testing.T) {
	data, err := json.Marshal(map[string]referral.Received{"received": {Dialect: "bars", Issues: []referral.Remark{
		{Rule: "map-untranslated", Expression: "Bundle.entry[0].resource.code"},
		{Rule: "map-unread", Expression: "Bundle.entry[1]"}, {Rule: "map-unread", Expression: "Bundle.entry[2]"},
		{Rule: "map-reference", Expression: "Bundle.entry[3].resource.subject"}, {Rule: "map-unread", Expression: "Bundle.entry[4]"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	v := verdict{File: "x.json", Referral: true, outcome: outcome{Dialect: "bars"}}
	v.accept(&referral.Change{Events: []referral.Event{{Move: "T01"}, {Move: "T02", Data: data}}})
	table := verdictTable{rows: []verdict{v}}
	want := "| x.json | bars | losses, not in the result: Bundle.entry[1], Bundle.entry[2], Bundle.entry[3].resource.subject, Bundle.entry[4] |\n"
	if got := table.markdown(); !strings.HasSuffix(got, want) || table.refused() != 0 {
		t.Errorf("got\n%s\nwant %s", got, want)
	}
}

const (
	verdictsBegin = "<!-- verdicts: made by adapter verdict -->\n"
	verdictsEnd   = "<!-- end of verdicts -->\n"
)

// TestVerdicts: conformance/README.md has the verdict of every published referral message,
// as the command gives it.
func TestVerdicts(t *testing.T) {
	const folder = "../../shared/reference/real/"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("the published messages are not here: ", err)
	}
	var paths []string
	for _, name := range []string{"bars-api", "gpconnect-referralrequest", "gpconnect-structured", "gravity-sdoh", "hl7-r4-examples", "hl7-stu3-examples"} {
		paths = append(paths, folder+name)
	}
	want := judged(t, true, paths...).markdown()
	const file = "../conformance/README.md"
	readme, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(readme), verdictsBegin)
	got, after, ends := strings.Cut(rest, verdictsEnd)
	if !begins || !ends {
		t.Fatalf("%s has no part between %q and %q", file, verdictsBegin, verdictsEnd)
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+verdictsBegin+want+verdictsEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s has other verdicts than the program; look, and run with -update. Now:\n%s", file, want)
	}
}
