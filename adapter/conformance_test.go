package main

import (
	"context"
	"io/fs"
	"path"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
	"spadapter/adapter/referral"
	"spadapter/mappings"
)

func shipped(t testing.TB) *artefacts {
	t.Helper()
	a, err := compile(Config{}, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// caseTargets are what the shipped maps make of the cases of a dialect, by file. Cases
// that are refused have none.
func caseTargets(t testing.TB, a *artefacts, dialect string) map[string]*fhir.Node {
	t.Helper()
	files, err := fs.Glob(mappings.FS, dialect+"/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*fhir.Node{}
	for _, file := range files {
		text, err := fs.ReadFile(mappings.FS, file)
		if err != nil {
			t.Fatal(err)
		}
		c, err := mapping.ParseCase(path.Base(file), text)
		if err != nil {
			t.Fatal(err)
		}
		v, err := c.Run(context.Background(), a.library.Dialect("", dialect))
		if err != nil {
			t.Fatal(err)
		}
		if v.Result != nil && v.Result.Target != nil {
			out[file] = v.Result.Target
		}
	}
	return out
}

// TestWhatTheMapsMakeFits: the target of every case fits the profile of what this
// program makes, and whatever goes out claims nothing that is not so.
func TestWhatTheMapsMakeFits(t *testing.T) {
	a := shipped(t)
	for dialect, profile := range map[string]string{intakeDialect: referral.ProfileReferral, outletPrefix + usualDialect: referral.ProfileOutcome,
		outletPrefix + referral.ConnectionBaRS: referral.ProfileBaRSResponse} {
		targets := caseTargets(t, a, dialect)
		if len(targets) < 3 {
			t.Errorf("%s: %d cases have a target", dialect, len(targets))
		}
		for file, target := range targets {
			for _, e := range issue.All(a.conforms(profile, target)) {
				t.Errorf("%s: %s %s at %s: %s %s", file, e.Severity, e.Rule, e.Expression, e.Details, strings.TrimSpace(e.Diagnostics))
			}
		}
	}
}
