package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// canary is in everything about a person that these tests store; nobody is called this.
const canary = "Zzyzxcanary"

// dataKeys makes a key set, or the next one from another.
func dataKeys(t testing.TB, before []byte) ([]byte, *store.DataKeys) {
	t.Helper()
	text, err := store.NewDataKeys(before)
	if err != nil {
		t.Fatal(explain(err))
	}
	return text, parseKeys(t, text)
}

func parseKeys(t testing.TB, text []byte) *store.DataKeys {
	t.Helper()
	keys, err := store.ParseDataKeys(text)
	if err != nil {
		t.Fatal(explain(err))
	}
	return keys
}

// person is an intake that says the canary wherever a message may say something.
func person(s *store.Store, n int) (*referral.Change, ids) {
	c, id := intake(s, n, "A83002", "SPX01", "")
	say := func(b []byte) []byte { return append([]byte(`{"n":"`+canary+`"}`), b...) }
	c.Message.Body, c.Response.Body, c.Referral.Content = say(c.Message.Body), say(c.Response.Body), say(c.Referral.Content)
	for i := range c.Versions {
		c.Versions[i].Body = say(c.Versions[i].Body)
		for j, t := range c.Versions[i].Terms {
			if t.Param == "family" {
				c.Versions[i].Terms[j].Value = strings.ToLower(canary) + fmt.Sprint(n)
			}
		}
	}
	for i := range c.Events {
		c.Events[i].Data = say(nil)
	}
	c.Keys = append(c.Keys, referral.Key{Kind: referral.KeyConditional, Scope: "A83002", Value: fmt.Sprint("Patient?identifier=", canary, n), Hash: id.patient})
	d := notice(s, id.referral, "A83002", c.At)
	d.ID, d.Body = id.delivery, say(d.Body)
	c.Deliveries = []referral.Delivery{d}
	return c, id
}

func hook(s *store.Store, n int) *referral.Subscriber {
	return &referral.Subscriber{ID: s.NewID(), Kind: referral.KindWebhook, Organisation: "SPX01", Role: "owner", Version: 1, Status: "active",
		URL: "https://tool.example/", Settings: []byte("{}"), Secret: "whsec_" + canary + fmt.Sprint(n), Former: "whsec_former" + canary, Created: epoch, Updated: epoch}
}

// personal are the columns that hold personal data or secrets, with the words of their rows.
var personal = []string{"message.body", "response.body", "key.value", "resource.body", "content.body", "event.data", "delivery.body",
	"subscriber.secret", "subscriber.former", "term.value", "key.id"}

// clear gives the columns in which the canary or the NHS number of person n can be read.
func inTheClear(t *testing.T, url string, n int) (out []string) {
	t.Helper()
	db := planning(t, url)
	defer db.Close()
	for _, column := range personal {
		table, name, _ := strings.Cut(column, ".")
		rows, err := db.Query(fmt.Sprintf("SELECT %s FROM %s", name, table))
		if err != nil {
			t.Fatal(err)
		}
		found, some := false, false
		for rows.Next() {
			var value sql.RawBytes
			if err := rows.Scan(&value); err != nil {
				t.Fatal(err)
			}
			some = true
			low := bytes.ToLower(value)
			found = found || bytes.Contains(low, []byte(strings.ToLower(canary))) || bytes.Contains(low, fmt.Appendf(nil, "99%08d", n))
		}
		if rows.Close(); !some {
			t.Errorf("%s has no rows: nothing is shown by that", column)
		}
		if found {
			out = append(out, column)
		}
	}
	return out
}

// assertReads reads everything of a person back and finds it as it was.
func assertReads(t *testing.T, s *store.Store, c *referral.Change, id ids, n int) {
	t.Helper()
	ctx := t.Context()
	r, err := s.Referral(ctx, operator, id.referral)
	if err != nil || !bytes.Equal(r.Content, c.Referral.Content) {
		t.Fatalf("the content: %v", explain(err))
	}
	m, err := s.Original(ctx, operator, id.referral)
	if err != nil || !bytes.Equal(m.Body, c.Message.Body) {
		t.Fatalf("the message: %v", explain(err))
	}
	v, err := s.Read(ctx, operator, "Patient", id.patient)
	if err != nil || !bytes.Equal(v.Body, c.Versions[0].Body) {
		t.Fatalf("the Patient: %v", explain(err))
	}
	events, err := s.Events(ctx, operator, id.referral)
	if err != nil || string(events[0].Data) != string(c.Events[0].Data) {
		t.Fatalf("the events: %v", explain(err))
	}
	d, _, err := s.Delivery(ctx, id.delivery)
	if err != nil || !bytes.Equal(d.Body, c.Deliveries[0].Body) {
		t.Fatalf("the delivery: %v", explain(err))
	}
	for i, k := range c.Keys {
		known, err := s.Known(ctx, []referral.Key{k})
		if err != nil || known == nil || known.Key.Hash != k.Hash {
			t.Fatalf("key %d: %v %v", i, known, explain(err))
		}
		if k.Kind == referral.KeyNatural && !bytes.Equal(known.Response.Body, c.Response.Body) {
			t.Fatal("the response differs")
		}
	}
	name := strings.ToLower(canary) + fmt.Sprint(n)
	for what, q := range map[string]referral.Condition{
		"NHS number":    {Param: "identifier", Kind: referral.ParamToken, Values: []referral.Value{{System: "https://fhir.nhs.uk/Id/nhs-number", Text: fmt.Sprintf("99%08d", n)}}},
		"any system":    {Param: "identifier", Kind: referral.ParamToken, Values: []referral.Value{{AnySystem: true, Text: fmt.Sprintf("99%08d", n)}}},
		"family":        {Param: "family", Kind: referral.ParamString, Values: []referral.Value{{Text: name}}},
		"family begins": {Param: "family", Kind: referral.ParamString, Values: []referral.Value{{Text: "ZZYZXC"}}},
	} {
		found, err := s.Search(ctx, operator, referral.Query{Type: "Patient", Conditions: []referral.Condition{q}, Page: referral.Page{Count: 500}})
		if err != nil || !slices.ContainsFunc(found.Versions, func(v referral.Version) bool { return v.ID == id.patient }) {
			t.Fatalf("a search by %s does not find the person: %v", what, explain(err))
		}
	}
	found, err := s.Search(ctx, operator, referral.Query{Type: "Patient", Total: true, Conditions: []referral.Condition{
		{Param: "family", Kind: referral.ParamString, Values: []referral.Value{{Text: "zzyzxd"}}}}})
	if err != nil || found.Total != 0 {
		t.Fatalf("another name finds %d people: %v", found.Total, explain(err))
	}
}

// With keys nothing about a person is in the clear, and everything reads as before.
func TestSealedDocumentsAreNotInTheClear(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		_, keys := dataKeys(t, nil)
		s := storetest.Open(t, url, store.Sealed(keys))
		c, id := person(s, 7)
		commit(t, s, c)
		h := hook(s, 7)
		if err := s.AddSubscriber(t.Context(), h, referral.Audit{ID: s.NewID()}); err != nil {
			t.Fatal(explain(err))
		}
		h.Version, h.Former, h.Secret = 2, h.Secret, "whsec_next"+canary
		if err := s.ChangeSubscriber(t.Context(), h, referral.LaneKept, referral.Audit{ID: s.NewID()}); err != nil {
			t.Fatal(explain(err))
		}
		assertReads(t, s, c, id, 7)
		got, err := s.Subscriber(t.Context(), "", referral.KindWebhook, h.ID)
		if err != nil || got.Secret != h.Secret || got.Former != h.Former {
			t.Fatalf("the secrets: %v", explain(err))
		}
		if list := inTheClear(t, url, 7); len(list) > 0 {
			t.Errorf("in the clear: %v", list)
		}
		claimed, err := s.Claim(t.Context(), epoch.Add(time.Hour), time.Minute, 5)
		if err != nil || len(claimed) != 1 || !bytes.Equal(claimed[0].Body, c.Deliveries[0].Body) {
			t.Fatalf("claimed %d: %v", len(claimed), explain(err))
		}
		if err := s.Finish(t.Context(), claimed[0].Claim, referral.Attempt{Delivery: id.delivery, Number: 1, State: referral.DeliveryDead, At: epoch}); err != nil {
			t.Fatal(explain(err))
		}
		again, err := s.Replay(t.Context(), id.delivery, epoch, false, referral.Audit{ID: s.NewID()})
		if err != nil {
			t.Fatal(explain(err))
		}
		if d, _, err := s.Delivery(t.Context(), again); err != nil || !bytes.Equal(d.Body, c.Deliveries[0].Body) {
			t.Errorf("the replay has another body: %v", explain(err))
		}
		var repeat *referral.Repeat
		if err := s.Commit(t.Context(), c); !asRepeat(err, &repeat) {
			t.Errorf("sent again: %v", explain(err))
		}
	})
}

func asRepeat(err error, to **referral.Repeat) bool {
	r, ok := err.(*referral.Repeat)
	*to = r
	return ok
}

// The raw file of a SQLite database, with its log folded in, says nothing of the person.
func TestSealedFileHasNoCanary(t *testing.T) {
	_, keys := dataKeys(t, nil)
	for _, sealed := range []bool{true, false} {
		url := storetest.SQLite(t)
		opts := []store.Option{store.Sealed(keys)}
		if !sealed {
			opts = nil // so that the test is one that can fail
		}
		s, err := store.Open(t.Context(), url, opts...)
		if err != nil {
			t.Fatal(explain(err))
		}
		for n := range 20 {
			c, _ := person(s, n)
			commit(t, s, c)
		}
		if err := s.AddSubscriber(t.Context(), hook(s, 1), referral.Audit{ID: s.NewID()}); err != nil {
			t.Fatal(explain(err))
		}
		if err := s.Close(background); err != nil {
			t.Fatal(err)
		}
		for _, end := range []string{"", "-wal"} {
			file, err := os.ReadFile(strings.TrimPrefix(url, "sqlite:") + end)
			if err != nil {
				if end == "" {
					t.Fatal(err)
				}
				continue // the last to close folded it in
			}
			low := bytes.ToLower(file)
			found := bytes.Contains(low, []byte(strings.ToLower(canary))) || bytes.Contains(low, []byte("9900000003"))
			if end == "" && found == sealed {
				t.Errorf("sealed %v: the person is in the file: %v", sealed, found)
			}
		}
	}
}

// A body that somebody puts in the place of another is not shown as that of the other.
func TestSwappedBodiesAreRefused(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		_, keys := dataKeys(t, nil)
		s := storetest.Open(t, url, store.Sealed(keys))
		a, ida := person(s, 1)
		b, idb := person(s, 2)
		commit(t, s, a)
		commit(t, s, b)
		swap := func(table, column, where string, one, two string) {
			raw(t, url, fmt.Sprintf("UPDATE %[1]s SET %[2]s = (SELECT o.%[2]s FROM %[1]s o WHERE o.%[3]s = CASE WHEN %[1]s.%[3]s = '%[4]s' THEN '%[5]s' ELSE '%[4]s' END) WHERE %[3]s IN ('%[4]s', '%[5]s')",
				table, column, where, one, two))
		}
		swap("content", "body", "referral", ida.referral, idb.referral)
		swap("resource", "body", "id", ida.patient, idb.patient)
		swap("message", "body", "id", a.Message.ID, b.Message.ID)
		swap("delivery", "body", "id", ida.delivery, idb.delivery)
		raw(t, url, "UPDATE response SET body = (SELECT o.body FROM response o WHERE o.id <> response.id)")
		raw(t, url, "UPDATE event SET data = (SELECT MIN(o.data) FROM event o WHERE o.referral <> event.referral)")
		ctx := t.Context()
		for what, read := range map[string]func() (any, error){
			"referral": func() (any, error) { return s.Referral(ctx, operator, ida.referral) },
			"list": func() (any, error) {
				list, _, err := s.Referrals(ctx, operator, referral.Filter{Page: referral.Page{Count: 9}})
				return list, err
			},
			"patient": func() (any, error) { return s.Read(ctx, operator, "Patient", ida.patient) },
			"search": func() (any, error) {
				found, err := s.Search(ctx, operator, referral.Query{Type: "Patient", Page: referral.Page{Count: 9}})
				return found.Versions, err
			},
			"message":  func() (any, error) { return s.Original(ctx, operator, ida.referral) },
			"delivery": func() (any, error) { d, _, err := s.Delivery(ctx, ida.delivery); return d, err },
			"claim":    func() (any, error) { return s.Claim(ctx, epoch.Add(time.Hour), time.Minute, 9) },
			"events":   func() (any, error) { return s.Events(ctx, operator, ida.referral) },
			"response": func() (any, error) { return s.Known(ctx, a.Keys[:1]) },
		} {
			got, err := read()
			wantIssue(t, err, issue.Exception, "sealed-document")
			if text := fmt.Sprintf("%+v", got); strings.Contains(text, canary) {
				t.Errorf("%s shows what it refuses: %s", what, text)
			}
		}
	})
}

// A program without the keys that were used does not start, and says which it needs.
func TestStartNeedsTheKeysThatWereUsed(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		text, keys := dataKeys(t, nil)
		storetest.Open(t, url, store.Sealed(keys))
		_, other := dataKeys(t, nil)
		for what, opts := range map[string][]store.Option{"none": nil, "others": {store.Sealed(other)}} {
			s, err := store.Open(t.Context(), url, opts...)
			if err == nil {
				s.Close(background)
				t.Errorf("it starts with %s", what)
				continue
			}
			wantIssue(t, err, issue.Conflict, "data-key-missing")
		}
		_, next := dataKeys(t, text)
		storetest.Open(t, url, store.Sealed(next)) // the old one is still in it
		if s, err := store.Open(t.Context(), url, store.Sealed(keys)); err == nil {
			s.Close(background)
			t.Error("it starts without the newest key")
		}
	})
}

// Documents from before there were keys are read; sealing again takes them, is stopped and
// goes on, and a rotation ends with the old key dropped.
func TestResealAndRotation(t *testing.T) {
	const people = 260 // more than one step of patients, terms and keys
	storetest.EachURL(t, func(t *testing.T, url string) {
		plain, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(explain(err))
		}
		old, oldID := person(plain, 1)
		commit(t, plain, old)
		for n := range people {
			c, _ := person(plain, 1000+n)
			c.Versions = c.Versions[:1]
			commit(t, plain, c)
		}
		if err := plain.AddSubscriber(t.Context(), hook(plain, 1), referral.Audit{ID: plain.NewID()}); err != nil {
			t.Fatal(explain(err))
		}
		plain.Close(background)

		first, keys := dataKeys(t, nil)
		s := storetest.Open(t, url, store.Sealed(keys))
		mixed, mixedID := person(s, 2)
		commit(t, s, mixed)
		assertReads(t, s, old, oldID, 1)
		assertReads(t, s, mixed, mixedID, 2)
		if len(inTheClear(t, url, 1)) == 0 {
			t.Fatal("nothing is in the clear before it is sealed")
		}
		// stopped after each step in turn
		steps := 0
		for done := false; !done; {
			ctx, stop := context.WithCancel(t.Context())
			_, err := s.Reseal(ctx, func(p store.Sealing) {
				if p.Sealed > 0 {
					stop()
				}
			})
			stop()
			done = err == nil
			if steps++; steps > 100 {
				t.Fatal("it does not end")
			}
		}
		if steps < 10 {
			t.Errorf("only %d steps", steps)
		}
		if list := inTheClear(t, url, 1); len(list) > 0 {
			t.Errorf("in the clear: %v", list)
		}
		assertReads(t, s, old, oldID, 1)

		second, newer := dataKeys(t, first)
		s2 := storetest.Open(t, url, store.Sealed(newer))
		latest, latestID := person(s2, 3)
		commit(t, s2, latest)
		assertReads(t, s2, old, oldID, 1)
		p, err := s2.Reseal(t.Context(), nil)
		if err != nil || p.Sealed < people {
			t.Fatalf("%+v %v", p, explain(err))
		}
		if p, err := s2.Reseal(t.Context(), nil); err != nil || p.Sealed != 0 || p.Looked < people {
			t.Errorf("a second time: %+v %v", p, explain(err))
		}
		last, err := store.DropDataKeys(second)
		if err != nil {
			t.Fatal(explain(err))
		}
		s3 := storetest.Open(t, url, store.Sealed(parseKeys(t, last)))
		assertReads(t, s3, old, oldID, 1)
		assertReads(t, s3, mixed, mixedID, 2)
		assertReads(t, s3, latest, latestID, 3)
	})
}

// A key set is refused with words, and never quoted.
func TestDataKeysAreRefusedWithoutQuotingThem(t *testing.T) {
	text, _ := dataKeys(t, nil)
	for what, bad := range map[string][]byte{
		"nothing": nil, "no JSON": []byte("hunter2"), "no index": []byte(`{"documents":{}}`), "no keyset": []byte(`{"documents":"hunter2","index":{}}`),
		"swapped": bytes.Replace(bytes.Replace(bytes.Replace(text, []byte(`"index"`), []byte(`"x"`), 1), []byte(`"documents"`), []byte(`"index"`), 1), []byte(`"x"`), []byte(`"documents"`), 1),
	} {
		_, err := store.ParseDataKeys(bad)
		wantIssue(t, err, issue.Value, "data-keys")
		if strings.Contains(explain(err).Error(), "hunter2") {
			t.Errorf("%s: %v", what, explain(err))
		}
	}
}
