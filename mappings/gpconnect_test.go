package mappings

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
)

// published is where real messages lie for checks on this machine; none of them is part of
// the program.
const published = "../../shared/reference/real/"

// refusedByName are published files that cannot be taken even with what they lack supplied, by
// the rule that says why.
var refusedByName = map[string]string{
	"example-referral-request-with-incorrect-resource-type-recipient.json": "reference-target", // a Device is no recipient
	"example-referral-request-with-incorrect-resource-type-requester.json": "reference-target",
	"example-referral-request-with-incorrect-resource-type-author.json":    "reference-target", // an Organization writes no note
	"example-observation-resource-14.json":                                 "lexical-uri",      // a system with a blank inside
	"example-observation-resource-15.json":                                 "lexical-uri",
	"example-observation-resource-16.json":                                 "lexical-uri",
	"example-observation-resource-26.json":                                 "lexical-uri",
	"example-observation-resource-30.json":                                 "lexical-uri",
	"example-observation-resource-31.json":                                 "lexical-uri",
	"example-observation-resource-32.json":                                 "lexical-uri",
}

// supplied gives a fragment of one resource the elements that FHIR demands of it.
func supplied(root *fhir.Node) {
	for name, text := range map[string]string{"status": "unknown", "intent": "order"} {
		if root.Type.Element(name) != nil && root.Child(name) == nil {
			root.Set(name, text)
		}
	}
	if root.Child("subject") == nil {
		subject := root.Add("subject")
		subject.Set("reference", "Patient/p")
	}
	if root.ResourceType() != "Observation" {
		return
	}
	for _, n := range append(root.All("component"), root) {
		if n.Child("code") == nil {
			n.Add("code").Set("text", "not given")
		}
	}
	if v := root.Child("valueSampledData"); v != nil {
		v.Add("origin").Set("value", "0")
		v.Set("period", "1")
		v.Set("dimensions", "1")
	}
}

// TestPublishedFragments: every published ReferralRequest and Observation converts, with what
// FHIR demands supplied, and loses nothing: every text of it is found again.
func TestPublishedFragments(t *testing.T) {
	var files []string
	for _, folder := range []string{"gpconnect-referralrequest", "gpconnect-observation"} {
		found, _ := filepath.Glob(published + folder + "/example-*.json")
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Skip("the published messages are not on this machine")
	}
	d := dialects(t)["gpconnect-stu3-to-ukcore-r4"]
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			root, err := fhir.Parse(fhir.Types(fhir.STU3), body, fhir.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			fhir.Repair(root)
			supplied(root)
			result, err := d.Convert(context.Background(), mapping.Input{Source: again(t, fhir.Encode(root)), Identity: name})
			if err != nil {
				for _, e := range issue.All(err) {
					if e.Rule != refusedByName[name] {
						t.Errorf("%v %s", e, e.Diagnostics)
					}
				}
				return
			}
			if rule := refusedByName[name]; rule != "" {
				t.Errorf("it is listed as refused by %s, and is taken", rule)
			}
			for _, n := range result.Unread {
				t.Errorf("lost: %s", n.Path())
			}
			made := string(fhir.Encode(result.Target))
			for _, text := range texts(root) {
				if !strings.Contains(made, text) && !changed[text] && !strings.HasPrefix(text, "http") {
					t.Errorf("%q is not in the result", text)
				}
			}
		})
	}
}

// changed are texts that R4 says otherwise.
var changed = map[string]bool{"ReferralRequest": true, "has-member": true, "derived-from": true, "descriptionId": true, "descriptionDisplay": true, "unknown": false}

func again(t testing.TB, body []byte) *fhir.Node {
	t.Helper()
	root, err := fhir.Parse(fhir.Types(fhir.STU3), body, fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// texts lists what a resource says in strings, each as JSON has it inside quotes.
func texts(n *fhir.Node) (list []string) {
	if n.Kind == fhir.String && n.Name != "profile" && n.Name != "versionId" && n.Name != "lastUpdated" {
		quoted := string(fhir.Encode(n))
		list = append(list, strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`))
	}
	for _, c := range n.Children {
		list = append(list, texts(c)...)
	}
	return list
}

// TestPublishedRecords: of every published structured record each referral is taken out and
// converts without a loss that is not told.
func TestPublishedRecords(t *testing.T) {
	files, _ := filepath.Glob(published + "gpconnect-structured/*.json")
	if len(files) == 0 {
		t.Skip("the published messages are not on this machine")
	}
	// any referral is taken here: no published record has one to social prescribing
	fs := withCodes(t)
	lib, err := mapping.LoadLibrary(mapping.Env{}, mapping.Layer{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	d := lib.Dialect("", "gpconnect-stu3-to-ukcore-r4")
	taken := 0
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, chosen := range referralsOf(body) {
			root := again(t, body)
			repairs := fhir.Repair(root)
			left, err := d.Recognition.Excerpt(mapping.Arrival{Root: root, Version: "3.0"}, chosen)
			if err != nil || left == nil {
				t.Errorf("%s %s: %v, left %v", filepath.Base(file), chosen, err, left)
				continue
			}
			result, err := d.Convert(context.Background(), mapping.Input{Source: root, Identity: chosen})
			if err != nil {
				t.Errorf("%s %s: %v", filepath.Base(file), chosen, err)
				continue
			}
			taken++
			for _, n := range result.Unread {
				t.Errorf("%s %s: lost: %s %s", filepath.Base(file), chosen, n.Path(), n.ResourceType())
			}
			t.Logf("%s: %d repairs, %d of the record go on; %s", filepath.Base(file), len(repairs), len(root.All("entry")), left.Details)
		}
	}
	if taken < 8 {
		t.Errorf("%d referrals were taken", taken)
	}
}

// referralsOf lists the identifiers of the referrals in a record, nil where it is none.
func referralsOf(body []byte) (list []string) {
	root, err := fhir.Parse(fhir.Types(fhir.STU3), body, fhir.Limits{})
	if err != nil {
		return nil // a template, whose JSON is broken
	}
	for _, e := range root.All("entry") {
		if n := e.Child("resource"); n.ResourceType() == "ReferralRequest" {
			list = append(list, n.Text("identifier", "system")+"|"+n.Text("identifier", "value"))
		}
	}
	return list
}

// withCodes are the shipped maps with a focus that every referral is.
func withCodes(t *testing.T) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	for _, folder := range []string{"base", "gpconnect-stu3-to-ukcore-r4"} {
		files, err := FS.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := FS.ReadFile(folder + "/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(f.Name(), "plandefinition-") {
				from, to, _ := strings.Cut(string(text), ".where((reasonCode | serviceRequested)")
				_, to, _ = strings.Cut(to, ".exists())")
				text = []byte(from + to)
			}
			out[folder+"/"+f.Name()] = &fstest.MapFile{Data: text}
		}
	}
	return out
}
