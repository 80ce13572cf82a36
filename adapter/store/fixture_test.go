package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv("STORE_TEST_CHILD"); url != "" {
		if os.Getenv("STORE_TEST_PURGE") != "" {
			purgingChild(url) // see purge_test.go
			return
		}
		child(url) // see crash_test.go
		return
	}
	storetest.Main(m)
}

// epoch is when the tests take place.
var epoch = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// ids names the parts of one intake.
type ids struct {
	referral, patient, request, filler, observation, delivery string
}

// intake is a change as a GP system's referral makes one, with the sizes of a real
// one. n makes its keys and its patient different from the others.
func intake(s *store.Store, n int, organisation, owner, pool string) (*referral.Change, ids) {
	at := epoch.Add(time.Duration(n) * time.Second)
	id := ids{referral: s.NewID(), patient: s.NewID(), request: s.NewID(), filler: s.NewID(), observation: s.NewID(), delivery: s.NewID()}
	message := padded(fmt.Sprintf(`{"resourceType":"Bundle","n":%d}`, n), 9000)
	digest := sha256.Sum256(message)
	hash := hex.EncodeToString(digest[:])
	c := &referral.Change{
		Organisation: organisation, At: at,
		Message: &referral.Message{ID: s.NewID(), Client: "gp-" + organisation, Dialect: "ukcore-r4", ContentType: "application/fhir+json", Body: message, SHA256: hash},
		Keys: []referral.Key{
			{Kind: referral.KeyRequest, Scope: "gp-" + organisation, Value: fmt.Sprintf("request-%d", n), Hash: hash},
			{Kind: referral.KeyNatural, Scope: organisation, Value: fmt.Sprintf("https://gp.example/id|%d", n), Hash: hash},
			{Kind: referral.KeyPatient, Scope: organisation, Value: fmt.Sprintf("99%08d", n), Hash: id.patient},
		},
		Response: &referral.Response{Status: 201, ContentType: "application/fhir+json", Location: "Task/" + id.referral, ETag: `W/"1"`, Body: padded(id.referral, 3000)},
		Referral: &referral.Record{ID: id.referral, Owner: owner, Pool: pool, Version: 1, Status: "requested", BusinessStatus: "received",
			Patient: id.patient, ServiceRequest: id.request, Filler: id.filler, Sharing: "full", Dialect: "ukcore-r4", Content: padded(id.referral, 7000)},
	}
	add := func(kind, id, referralID string, patient string, terms ...referral.Term) {
		c.Versions = append(c.Versions, referral.Version{Type: kind, ID: id, Number: 1, Updated: at, Body: padded(id, 700),
			Referral: referralID, Patient: patient, Terms: terms, From: at, To: at.Add(time.Second)})
	}
	add("Patient", id.patient, "", id.patient,
		referral.Term{Param: "identifier", System: "https://fhir.nhs.uk/Id/nhs-number", Value: fmt.Sprintf("99%08d", n)},
		referral.Term{Param: "family", Value: fmt.Sprintf("smith%d", n%50)})
	add("ServiceRequest", id.request, id.referral, id.patient,
		referral.Term{Param: "identifier", System: "https://gp.example/id", Value: fmt.Sprint(n)},
		referral.Term{Param: "status", System: "http://hl7.org/fhir/request-status", Value: "active"})
	add("ServiceRequest", id.filler, id.referral, id.patient, referral.Term{Param: "based-on", Value: "ServiceRequest/" + id.request})
	c.Versions[2].Hidden = true
	add("Task", id.referral, id.referral, id.patient,
		referral.Term{Param: "status", System: "http://hl7.org/fhir/task-status", Value: "requested"},
		referral.Term{Param: "focus", Value: "ServiceRequest/" + id.request})
	add("Observation", id.observation, id.referral, id.patient,
		referral.Term{Param: "code", System: "http://snomed.info/sct", Value: "872561000000103"},
		referral.Term{Param: "based-on", Value: "ServiceRequest/" + id.request})
	for i := range 5 {
		add("Observation", s.NewID(), id.referral, id.patient, referral.Term{Param: "code", System: "http://loinc.org", Value: fmt.Sprint("1234-", i)})
	}
	c.Events = []referral.Event{
		{ID: s.NewID(), Referral: id.referral, Move: "T01", To: "requested", Actor: organisation, Role: auth.RoleRequester, At: at},
		{ID: s.NewID(), Referral: id.referral, Move: "T02", From: "requested", To: "received", At: at, Data: []byte(`{"route":"affiliation"}`)},
	}
	c.Audits = []referral.Audit{{ID: s.NewID(), Organisation: organisation, At: at, Client: "gp-" + organisation, Actor: organisation, Role: auth.RoleRequester,
		Action: "C", Interaction: "transaction", Outcome: "0", Entity: "Task/" + id.referral, Patient: id.patient, RequestID: fmt.Sprintf("request-%d", n)}}
	return c, id
}

// notice is a delivery about a referral, due at once.
func notice(s *store.Store, referralID, recipient string, at time.Time) referral.Delivery {
	return referral.Delivery{ID: s.NewID(), Referral: referralID, Move: "T16", Recipient: recipient, Kind: "write-back", Route: "fhir-rest",
		ContentType: "application/fhir+json", Body: padded("write-back", 2000), Facts: referral.Facts{Sharing: "full", Practice: recipient},
		Created: at, Due: at, Expires: at.Add(72 * time.Hour)}
}

func padded(text string, size int) []byte {
	return append([]byte(text), bytes.Repeat([]byte("abcdefghijklmno "), max(0, size-len(text))/16)...)
}

func requester(organisations ...string) referral.Scope {
	return referral.Scope{Role: auth.RoleRequester, Organisations: organisations}
}

func owner(organisation string, pools ...string) referral.Scope {
	return referral.Scope{Role: auth.RoleOwner, Organisations: []string{organisation}, Pools: pools}
}

var operator = referral.Scope{Role: auth.RoleOperator}

func commit(t *testing.T, s *store.Store, c *referral.Change) {
	t.Helper()
	if err := s.Commit(t.Context(), c); err != nil {
		t.Fatalf("Commit: %v", explain(err))
	}
}

// explain adds the cause to an issue, which its Error leaves out.
func explain(err error) error {
	if list := issue.All(err); len(list) > 0 && list[0].Cause != nil {
		return fmt.Errorf("%w: %v", err, list[0].Cause)
	}
	return err
}

func wantIssue(t *testing.T, err error, want issue.Type, rule string) {
	t.Helper()
	list := issue.All(err)
	if len(list) != 1 || list[0].Type != want || (rule != "" && list[0].Rule != rule) {
		t.Fatalf("got %v, want an issue of type %s and rule %q", err, want, rule)
	}
}

var background = context.Background()
