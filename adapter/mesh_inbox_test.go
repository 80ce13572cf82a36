package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
	peer "spadapter/conformance/peer/mesh"
)

// What is in the inbox and is none of ours stays there; what is ours and cannot be read is
// kept before it is acknowledged, and said to be an incident. What cannot even be kept stays.
func TestTheInboxKeepsBeforeItAcknowledges(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		p := newPost(t, url)
		var log buffer
		p.open(slog.New(slog.NewJSONHandler(&log, nil)))
		ack := "GPCONNECT_SEND_DOCUMENT_ACK"
		other := p.x.Put(peer.Message{From: "X26OTHER", To: meshOurs, Workflow: "SPINE_PATHOLOGY"}, []byte("x"))
		p.x.Put(peer.Message{From: meshPractice, To: meshOurs, Workflow: ack}, []byte("not FHIR"))
		p.x.Put(peer.Message{From: meshPractice, To: meshOurs, Workflow: ack}, []byte(`{"resourceType":"Patient"}`))
		p.x.Put(peer.Message{From: meshPractice, To: meshOurs, Workflow: ack}, peer.Response(uuid.NewString(), "20013", practiceA)) // of nothing we sent
		broken := p.x.Put(peer.Message{From: meshPractice, To: meshOurs, Workflow: ack, Encoding: "gzip"}, []byte("no gzip"))
		eventually(t, "the others are kept", func() bool { return slices.Equal(p.x.Waiting(meshOurs), []string{other, broken}) })
		eventually(t, "the broken one is told of", func() bool { return p.number("SELECT COUNT(*) FROM acknowledgement WHERE delivery = ''") == 4 })
		if n := p.number("SELECT COUNT(*) FROM acknowledgement WHERE delivery = ''"); n != 4 {
			t.Errorf("%d are kept", n)
		}
		if n := p.number("SELECT COUNT(*) FROM acknowledgement WHERE kind = 'unknown' AND problem <> ''"); n != 3 {
			t.Errorf("%d are not read", n)
		}
		if n := strings.Count(log.String(), `"level":"ERROR","msg":"delivery_acknowledged"`); n != 4 {
			t.Errorf("the log names %d of them", n)
		}
	})
}

// A MESH that is slow, fails or cuts its answers loses nothing: what is not acknowledged
// comes again, and one message that cannot be had keeps no other away.
func TestALyingMESHLosesNothing(t *testing.T) {
	p := newPost(t, "")
	p.open(quiet())
	for _, fault := range []peer.Fault{
		{Method: http.MethodPost, Path: "/outbox", Status: 503}, {Method: http.MethodPost, Path: "/outbox", Status: 403},
		{Method: http.MethodPost, Path: "/outbox", Status: 202, Body: "{}"}, {Method: http.MethodPost, Path: "/outbox", Half: true},
		{Method: http.MethodGet, Path: "/inbox", Status: 500, Times: 3}, {Method: http.MethodHead, Drop: true}, {Method: http.MethodGet, Path: "/inbox/", Half: true, Times: 3},
		{Method: http.MethodPut, Status: 500}, {Method: http.MethodPut, Late: true, Drop: true}, {Method: http.MethodGet, Path: "/inbox", Status: 200, Body: "<html>"},
	} {
		p.x.Misbehave(fault)
		id, _ := p.put("ITK007C")
		eventually(t, "it is delivered in spite of "+fmt.Sprintf("%+v", fault), func() bool {
			p.age()
			return p.is(id, referral.DeliveryDelivered)
		})
	}
	p.collected()
}

// A message without what its address is made of is refused before it is sent.
func TestAMessageWithoutAnAddressIsDead(t *testing.T) {
	p := newPost(t, "")
	p.open(quiet())
	id := uuid.NewString()
	p.row(id, peer.Document(uuid.NewString(), "ITK007C", meshSender, peer.Person{Number: p.person.Number, Birth: "1951", Family: "Q", Given: "B"}, nil))
	p.state(id, referral.DeliveryDead)
	if s := p.said(id); !strings.Contains(s, "birth date") || len(p.x.Messages("")) != 0 {
		t.Errorf("the ledger says %q", s)
	}
}

// Nothing about the person and no secret comes into the log, at any level, whatever happens.
func TestTheLogOfMESHNamesNobody(t *testing.T) {
	p := newPost(t, "")
	var log buffer
	p.open(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	for _, codes := range [][]string{{"20013", "30001"}, {"20009"}, {"Quillfeather"}} {
		p.practice.Answers(codes...)
		before := len(p.practice.Got())
		p.put("ITK007C")
		eventually(t, "the practice has it", func() bool { return len(p.practice.Got()) > before })
	}
	p.x.Misbehave(peer.Fault{Method: http.MethodPost, Path: "/outbox", Status: 417, Body: `{"errorEvent":"SEND","errorCode":"12","errorDescription":"` + p.person.Number + `"}`})
	id, _ := p.put("ITK007C")
	p.state(id, referral.DeliveryDead)
	eventually(t, "all is settled", func() bool {
		return p.number("SELECT COUNT(*) FROM acknowledgement") >= 4 && len(p.x.Waiting(meshOurs)) == 0
	})
	p.adapter.stop()
	text := log.String()
	for _, secret := range []string{p.person.Number, p.person.Family, "Betty", "GPPROVIDER", "1951-", "031951", "the mailbox password", "the shared key", "NHSMESH"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log holds %q:\n%s", secret, text)
		}
	}
	if !strings.Contains(text, "delivery_acknowledged") || !strings.Contains(text, "delivery_attempt") {
		t.Errorf("the log says nothing of it:\n%s", text)
	}
}

// Two processes on one database read one inbox one at a time.
func TestOneProcessReadsTheInbox(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		if strings.HasPrefix(url, "sqlite:") {
			return // one process has the file
		}
		a, b := storetest.Open(t, url), storetest.Open(t, url)
		inside := make(chan struct{})
		done := make(chan error, 1)
		leave := make(chan struct{})
		go func() {
			_, err := a.Alone(t.Context(), func(context.Context) error { close(inside); <-leave; return nil })
			done <- err
		}()
		<-inside
		if alone, err := b.Alone(t.Context(), func(context.Context) error { t.Error("two are inside"); return nil }); alone || err != nil {
			t.Errorf("%v, %v", alone, err)
		}
		close(leave)
		if err := <-done; err != nil {
			t.Error(err)
		}
		ran := false
		if alone, err := b.Alone(t.Context(), func(context.Context) error { ran = true; return nil }); !alone || err != nil || !ran {
			t.Errorf("after it: %v, %v", alone, err)
		}
	})
}

// The metrics, the list of an operator and a replay know what is awaited.
func TestAwaitingIsShown(t *testing.T) {
	p := newPost(t, "")
	p.practice.Answers()
	p.open(quiet())
	id, _ := p.put("ITK007C")
	p.state(id, referral.DeliveryAwaiting)
	s := storetest.Open(t, p.database)
	backlog, err := s.Pending(t.Context())
	if err != nil || backlog.Awaiting != 1 || backlog.Queued+backlog.Sending+backlog.Dead != 0 {
		t.Errorf("%+v, %v", backlog, err)
	}
	list, _, err := s.Deliveries(t.Context(), store.Outbox{State: referral.DeliveryAwaiting, Page: referral.Page{Count: 10}})
	if err != nil || len(list) != 1 || list[0].ID != id || list[0].Said == "" {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := s.Replay(t.Context(), id, time.Now(), true, referral.Audit{}); err == nil {
		t.Error("what is awaited was replayed")
	}
	text := string(p.adapter.as(auth.RoleOperator).get("/metrics").body)
	if !strings.Contains(text, `adapter_outbox_deliveries{state="awaiting"} 1`) {
		t.Error("the metrics do not count it")
	}
}

// The commands show the inbox and the way of a delivery, and take nothing.
func TestMESHIsShownToAnOperator(t *testing.T) {
	p := newPost(t, "")
	p.practice.Answers("20013")
	p.open(quiet())
	id, _ := p.put("ITK007C")
	p.state(id, referral.DeliveryAwaiting)
	p.x.Put(peer.Message{From: meshPractice, To: meshOurs, Workflow: "GPCONNECT_SEND_DOCUMENT_ACK"}, []byte("not FHIR"))
	p.collected()
	p.adapter.stop()
	p.x.Put(peer.Message{From: meshPractice, To: meshOurs, Workflow: "OTHER"}, []byte("x"))
	c := p.config
	client, err := (&meshFlags{URL: c.MeshURL, Mailbox: c.MeshMailbox, Password: c.MeshPassword, SharedKey: c.MeshSharedKey}).client()
	if err != nil {
		t.Fatal(err)
	}
	s := storetest.Open(t, p.database)
	var out bytes.Buffer
	if err := showTrack(t.Context(), &out, client, s, id); err != nil {
		t.Fatal(err)
	}
	if err := showInbox(t.Context(), &out, client, s, 10); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"awaiting, the recipient's system has read it", "try 1", "acknowledged", "to Y99001", "infrastructure", "20013", "1 messages wait", "OTHER", "no FHIR STU3"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is missing", part)
		}
	}
	if strings.Contains(out.String(), p.person.Family) || strings.Contains(out.String(), p.person.Number) {
		t.Error("it names the person")
	}
	if t.Failed() {
		t.Log(out.String())
	}
	if len(p.x.Waiting(meshOurs)) != 1 {
		t.Error("the inbox was emptied")
	}
}

func TestMESHSettingsAreChecked(t *testing.T) {
	good := newPost(t, "").config
	for name, change := range map[string]func(c *Config){
		"no mailbox":               func(c *Config) { c.MeshMailbox = "" },
		"no password":              func(c *Config) { c.MeshPassword = "" },
		"no URL":                   func(c *Config) { c.MeshURL = "" },
		"a certificate alone":      func(c *Config) { c.MeshCert = "x" },
		"https and no certificate": func(c *Config) { c.MeshURL = "https://mesh.example" },
		"http elsewhere":           func(c *Config) { c.MeshURL = "http://mesh.example" },
		"a wait below zero":        func(c *Config) { c.MeshBusinessWait = -1 },
	} {
		c := good
		change(&c)
		if c.complete() == nil {
			t.Errorf("%s is taken", name)
		}
	}
	c := good
	if err := c.complete(); err != nil {
		t.Error(err)
	}
	var out bytes.Buffer
	if err := c.print(&out); err != nil || strings.Contains(out.String(), "the mailbox password") || !strings.Contains(out.String(), "ADAPTER_MESH_MAILBOX") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
