package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
)

// TestLifeCycleIsDocumented: conformance/lifecycle.md is what the tables say.
func TestLifeCycleIsDocumented(t *testing.T) {
	const file = "../conformance/lifecycle.md"
	want := referral.Document()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("the document and the tables differ (- tables, + document); write it with -update\n%s", diff)
	}
	for _, m := range slices.Concat(referral.Table, referral.Activities) {
		if !strings.Contains(want, "| "+m.ID+" | ") {
			t.Errorf("the document leaves out %s", m.ID)
		}
	}
}

// $lifecycle has every row, in JSON and in XML, as its definition says.
func TestLifeCycleIsServed(t *testing.T) {
	w := newWorld(t, "")
	gp := w.run(quiet()).as(auth.RoleRequester, practiceA)
	n := gp.get("/fhir/R4/$lifecycle").want(200).node()
	definition := gp.get("/fhir/R4/OperationDefinition/lifecycle").want(200).node()
	known := map[string]bool{}
	for _, p := range definition.All("parameter") {
		for _, part := range p.All("part") {
			known[p.Text("name")+" "+part.Text("name")] = true
		}
	}
	var ids []string
	for _, p := range n.All("parameter") {
		for _, part := range p.All("part") {
			if !known[p.Text("name")+" "+part.Text("name")] {
				t.Errorf("the part %s of %s is not in the definition", part.Text("name"), p.Text("name"))
			}
			if part.Text("name") == "id" {
				ids = append(ids, part.Text("value"))
			}
		}
	}
	var want []string
	for _, m := range slices.Concat(referral.Table, referral.Activities) {
		want = append(want, m.ID)
	}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Error(diff)
	}
	gp.get("/fhir/R4/$lifecycle?_format=xml").want(200)
}
