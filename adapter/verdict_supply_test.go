package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/store"
)

// TestVerdictSupplied: what a fragment lacks is put in and said, every referral of a record is
// judged, and what a message says itself refuses it all the same.
func TestVerdictSupplied(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "messages")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	const number = `"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"{{number}}"}]`
	for name, body := range map[string]string{
		"a-fragment.json": `{"resourceType":"ReferralRequest","id":"r"}`,
		"b-lost.json":     `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"ReferralRequest","id":"r","status":"active","intent":"order","subject":{"reference":"Patient/p"}}},{"resource":{"resourceType":"Patient","id":"p",` + number + `,"name":[{"family":"Reed"}],"animal":{"species":{"text":"a cat"}}}}]}`,
		"c-record.json":   string(oldRecord("308447003")),
		"d-of-r4.json":    `{"resourceType":"ServiceRequest","id":"s","status":"active","intent":"order","code":{"text":"physiotherapy"},"subject":{"reference":"Patient/p"},"basedOn":[{"reference":"CarePlan/c"}],"requester":{"reference":"Practitioner/q"}}`,
		"e-done.json":     `{"resourceType":"ServiceRequest","id":"s","status":"completed","intent":"order","subject":{"reference":"Patient/p"}}`,
		"f-broken.json":   `{"resourceType":"ServiceRequest",`,
		"g-empty.json":    `{"resourceType":"ServiceRequest","status":"active","status":"draft"}`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	table := judged(t, true, folder)
	var got []string
	for _, v := range table.rows {
		if v.Verdict != becameNothing && v.File != "c-record.json" {
			t.Errorf("%s as it stands: %+v", v.File, v.outcome)
		}
		for _, s := range v.Supplied {
			got = append(got, strings.Join([]string{v.File[:1], s.Part, s.with(), s.short()}, " | "))
		}
	}
	want := []string{
		"a |  | status, intent, reasonCode, subject, requester | converted",
		"b |  | reasonCode, requester, NHS number | losses, not in the result: Bundle.entry[1].resource.animal",
		"c | entry[1] | requester | converted",
		"c | entry[2] | reasonCode, requester | converted",
		"d |  | code, Patient, address of basedOn, Practitioner | converted",
		"e |  | code, requester, Patient | refused: sp-referral-request/ServiceRequest.status Bundle.entry[0].resource.status",
		"f |  | nothing | refused: json ServiceRequest",
		"g |  | nothing | refused: json-duplicate ServiceRequest.status",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if again := judged(t, true, folder).markdown(); again != table.markdown() {
		t.Error("the second time the table is another")
	}
}

// TestVerdictAsksTheMessage: a BaRS message that its rules refuse is refused with the rule, and
// the verdict of its content stands beside.
func TestVerdictAsksTheMessage(t *testing.T) {
	compiled := shipped(t)
	_, message := barsMessage(t)
	body := string(message)
	empty, err := store.Open(context.Background(), "sqlite::memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close(context.Background())
	j, err := newJudge(compiled, empty)
	if err != nil {
		t.Fatal(err)
	}
	take := func(body string) suppliedVerdict {
		v := j.judge(context.Background(), convertMessage{body: []byte(body)}, true)
		if len(v.Supplied) != 1 {
			t.Fatalf("%+v", v)
		}
		return v.Supplied[0]
	}
	if s := take(body); s.Verdict == becameNothing {
		t.Errorf("%+v", s)
	}
	for rule, change := range map[string][2]string{
		"message-definition":  {`bars-message-servicerequest-request-referral"`, `bars-message-servicerequest-request-other"`},
		"message-destination": {`"endpoint": "https://fhir.nhs.uk/Id/dos-service-id|`, `"endpoint": "urn:elsewhere|`},
		"message-workflow":    {`"code": "new"`, `"code": "update"`},
	} {
		changed := strings.Replace(body, change[0], change[1], 1)
		if changed == body {
			t.Errorf("%s: nothing of the message was changed", rule)
		}
		if s := take(changed); s.Verdict != becameNothing || s.Rule != rule || s.Content == nil || s.Content.Verdict != becameReferral {
			t.Errorf("%s: %+v", rule, s)
		}
	}
	_, back := barsMessage(t, `"code": "new"`, `"code": "update"`, `"status": "active"`, `"status": "revoked"`)
	if s := take(string(back)); s.Rule != "message-unknown" {
		t.Errorf("one that takes back: %+v", s)
	}
}
