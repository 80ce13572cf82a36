package mesh_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/issue"
	"spadapter/adapter/mesh"
	peer "spadapter/conformance/peer/mesh"
)

const (
	ours, theirs = "X26SP001", "X26GP001"
	sharedKey    = "a shared key"
	ourPassword  = "our password"
	document     = "GPCONNECT_SEND_DOCUMENT"
	nhsNumber    = "9990000018"
	subject      = "Outcome for Betty Synthetic, NHS Number: 9990000018, seen at Synthetic Wellbeing, ODS code: A99901, version 1"
)

// at is what all clocks of these tests show.
var at = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// exchange starts a stand-in with our mailbox and that of a practice.
func exchange(t *testing.T, c peer.Config) (*peer.Exchange, *peer.Practice, *mesh.Client) {
	t.Helper()
	c.SharedKey = sharedKey
	if c.Now == nil {
		c.Now = func() time.Time { return at }
	}
	if c.Person == nil {
		c.Person = func(number, birth, surname string) (string, string) {
			switch {
			case number != nhsNumber:
				return "", "EPL-153"
			case birth != "01041950" || surname != "Synthetic":
				return "", "EPL-154"
			}
			return theirs, ""
		}
	}
	x := peer.New(c)
	x.Register(peer.Mailbox{ID: ours, Password: ourPassword, ODS: "A99901"})
	p := x.Practice(peer.Mailbox{ID: theirs, Password: "their password", ODS: "Y99001"})
	server := httptest.NewServer(x)
	t.Cleanup(server.Close)
	return x, p, &mesh.Client{URL: server.URL, Mailbox: ours, Password: ourPassword, SharedKey: sharedKey, Now: func() time.Time { return at }}
}

// toPractice is a message in order.
func toPractice() mesh.Message {
	return mesh.Message{To: "GPPROVIDER_" + nhsNumber + "_01041950_Synthetic", Workflow: document, LocalID: "A99901", Subject: subject,
		FileName: "one.json", ContentType: "application/fhir+json", Body: itk(uuid.NewString())}
}

func itk(id string) []byte {
	return fmt.Appendf(nil, `{"resourceType":"Bundle","type":"message","identifier":{"value":%q},"entry":[{"resource":{"resourceType":"MessageHeader","id":%[1]q}}]}`, id)
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// The header of the published formula, with the numbers of a request that was worked out by hand
// with another program (openssl dgst -sha256 -hmac).
func TestAuthorizationIsTheFormula(t *testing.T) {
	got := mesh.Authorization("X26SP001", "our password", "a shared key", "00000000-0000-4000-8000-000000000001", "0", at.In(time.FixedZone("x", 3600)))
	head, code, _ := strings.Cut(got, ":202611231200:")
	if head != "NHSMESH X26SP001:00000000-0000-4000-8000-000000000001:0" || code != formula {
		t.Errorf("the header is %s", got)
	}
}

func TestHandshake(t *testing.T) {
	x, _, c := exchange(t, peer.Config{})
	if err := c.Handshake(t.Context(), mesh.Software{Client: "spadapter=1"}); err != nil || x.Handshakes(ours) != 1 {
		t.Errorf("%v, %d handshakes, refused %v", err, x.Handshakes(ours), x.Refused())
	}
	if err := c.Handshake(t.Context(), mesh.Software{}); !errors.Is(err, issue.Invalid) {
		t.Errorf("a handshake without a name gave %v", err)
	}
}

func TestSendAndReceive(t *testing.T) {
	for name, c := range map[string]mesh.Client{
		"whole": {}, "chunks": {ChunkSize: 40}, "gzip": {Gzip: true}, "chunks of gzip": {ChunkSize: 40, Gzip: true},
	} {
		t.Run(name, func(t *testing.T) {
			x, p, client := exchange(t, peer.Config{})
			client.ChunkSize, client.Gzip = c.ChunkSize, c.Gzip
			m := toPractice()
			sent := must[mesh.Sent](t)(client.Send(t.Context(), m))
			got := p.Got()
			if !sent.Whole() || len(got) != 1 || got[0].ID != sent.ID || !bytes.Equal(got[0].Body(), m.Body) || len(got[0].Chunks) != sent.Chunks {
				t.Fatalf("sent %+v, the practice got %d", sent, len(got))
			}
			if g := got[0]; g.Address != m.To || g.Workflow != m.Workflow || g.LocalID != m.LocalID || g.Subject != m.Subject || g.FileName != m.FileName || g.Encoding == "gzip" != c.Gzip {
				t.Errorf("the headers are %+v", g)
			}
			if c.ChunkSize > 0 && sent.Chunks < 3 {
				t.Errorf("only %d chunks", sent.Chunks)
			}
			// and what the practice answers comes back the same way
			ids := must[[]string](t)(client.Inbox(t.Context()))
			if len(ids) != 2 {
				t.Fatalf("the inbox has %v", ids)
			}
			for _, id := range ids {
				head := must[*mesh.Received](t)(client.Head(t.Context(), id))
				in := must[*mesh.Received](t)(client.Receive(t.Context(), id))
				if head.Workflow != document+"_ACK" || in.Workflow != head.Workflow || in.From != theirs || in.ID != id || in.Report || !bytes.Contains(in.Body, []byte("ITK008M")) {
					t.Errorf("received %+v", in)
				}
				if err := client.Acknowledge(t.Context(), id); err != nil {
					t.Error(err)
				}
				if _, err := client.Receive(t.Context(), id); !errors.Is(err, issue.Deleted) {
					t.Errorf("read after the acknowledgement: %v", err)
				}
				if err := client.Acknowledge(t.Context(), id); err != nil {
					t.Errorf("acknowledged twice: %v", err)
				}
			}
			if ids := must[[]string](t)(client.Inbox(t.Context())); ids != nil {
				t.Errorf("the inbox still has %v", ids)
			}
			if want := []string{"410 the message was acknowledged", "410 the message was acknowledged"}; !slices.Equal(x.Refused(), want) {
				t.Errorf("refused %v", x.Refused())
			}
		})
	}
}

// A message that others compressed as a whole and cut afterwards is the same message.
func TestReceiveWhatWasCutAfterCompressing(t *testing.T) {
	x, _, c := exchange(t, peer.Config{})
	text := []byte(strings.Repeat("outcome ", 100))
	whole := gzipped(text)
	id := x.PutChunks(peer.Message{From: theirs, To: ours, Workflow: "W", Encoding: "gzip"}, whole[:10], whole[10:20], whole[20:])
	if m := must[*mesh.Received](t)(c.Receive(t.Context(), id)); !bytes.Equal(m.Body, text) {
		t.Errorf("%d bytes", len(m.Body))
	}
	id = x.PutChunks(peer.Message{From: theirs, To: ours, Workflow: "W", Encoding: "gzip"}, whole[:10], whole[20:])
	if _, err := c.Receive(t.Context(), id); !errors.Is(err, issue.Incomplete) {
		t.Errorf("a message with a hole gave %v", err)
	}
	c.Largest = 700
	id = x.PutChunks(peer.Message{From: theirs, To: ours, Workflow: "W", Encoding: "gzip"}, whole)
	if _, err := c.Receive(t.Context(), id); !errors.Is(err, issue.TooLong) {
		t.Errorf("what unpacks to more than the limit gave %v", err)
	}
}

func TestInboxFollowsThePages(t *testing.T) {
	x, _, c := exchange(t, peer.Config{Page: 2})
	var want []string
	for range 5 {
		want = append(want, x.Put(peer.Message{From: theirs, To: ours, Workflow: "W"}, []byte("x")))
	}
	if ids := must[[]string](t)(c.Inbox(t.Context())); !slices.Equal(ids, want) {
		t.Errorf("%v, want %v", ids, want)
	}
	// a page that leads elsewhere would take the proof of who we are there
	x.Misbehave(peer.Fault{Status: 200, Body: `{"messages":[],"links":{"next":"https://elsewhere.example/messageexchange/X/inbox"}}`})
	if _, err := c.Inbox(t.Context()); !errors.Is(err, issue.Exception) {
		t.Errorf("a link to elsewhere gave %v", err)
	}
	x.Misbehave(peer.Fault{Status: 200, Times: 2000, Body: `{"messages":["1"],"links":{"next":"/messageexchange/` + ours + `/inbox?continue_from=1"}}`})
	if _, err := c.Inbox(t.Context()); !errors.Is(err, issue.Exception) {
		t.Errorf("an inbox without an end gave %v", err)
	}
}

// A chunk that was not taken is sent again, and one that stays away is where Resume goes on.
func TestChunksAreResumed(t *testing.T) {
	for _, fault := range []peer.Fault{{Status: 500}, {Drop: true}, {Late: true, Drop: true}, {Half: true}} {
		x, p, c := exchange(t, peer.Config{})
		c.ChunkSize = 40
		m := toPractice()
		fault.Path, fault.Times = "/3", 2
		x.Misbehave(fault)
		if sent := must[mesh.Sent](t)(c.Send(t.Context(), m)); !sent.Whole() {
			t.Errorf("%+v: sent %+v", fault, sent)
		}
		fault.Times = 3
		x.Misbehave(fault)
		m = toPractice()
		sent, err := c.Send(t.Context(), m)
		if err == nil || sent.Done != 2 || sent.ID == "" {
			t.Fatalf("%+v: sent %+v, %v", fault, sent, err)
		}
		if sent = must[mesh.Sent](t)(c.Resume(t.Context(), m, sent)); !sent.Whole() {
			t.Errorf("%+v: resumed to %+v", fault, sent)
		}
		if got := p.Got(); len(got) != 2 || !bytes.Equal(got[1].Body(), m.Body) {
			t.Errorf("%+v: the practice got %d messages", fault, len(got))
		}
	}
	// the first is not: MESH makes a message of each
	x, p, c := exchange(t, peer.Config{})
	x.Misbehave(peer.Fault{Path: "/outbox", Late: true, Drop: true})
	if sent, err := c.Send(t.Context(), toPractice()); !errors.Is(err, issue.Transient) || sent.ID != "" {
		t.Errorf("sent %+v, %v", sent, err)
	}
	if len(p.Got()) != 1 {
		t.Errorf("the practice got %d messages", len(p.Got()))
	}
}

// What MESH would refuse is refused before it is sent.
func TestSendChecksWhatMESHWouldRefuse(t *testing.T) {
	_, _, c := exchange(t, peer.Config{})
	for name, change := range map[string]func(m *mesh.Message){
		"no address":     func(m *mesh.Message) { m.To = "" },
		"no workflow":    func(m *mesh.Message) { m.Workflow = "" },
		"no body":        func(m *mesh.Message) { m.Body = nil },
		"a line break":   func(m *mesh.Message) { m.Subject = "x\r\nmex-To: other" },
		"a long subject": func(m *mesh.Message) { m.Subject = strings.Repeat("x", 501) },
	} {
		m := toPractice()
		change(&m)
		sent, err := c.Send(t.Context(), m)
		if refused := new(mesh.Refusal); err == nil || errors.As(err, &refused) || sent.ID != "" {
			t.Errorf("%s: sent %+v, %v", name, sent, err)
		}
	}
	for _, bad := range [][3]string{{"999000001", "1950-04-01", "S"}, {nhsNumber, "1950-04", "S"}, {nhsNumber, "1950-04-01", " "}, {nhsNumber, "1950-04-01", "a\nb"}} {
		if to, err := mesh.Practice(bad[0], bad[1], bad[2]); !errors.Is(err, issue.Value) {
			t.Errorf("%v gave %q", bad, to)
		}
	}
	if to, err := mesh.Practice(nhsNumber, "1950-04-01", "Synthetic"); to != toPractice().To || err != nil {
		t.Errorf("%q, %v", to, err)
	}
}

// Where no mailbox is found for the person, MESH accepts the message all the same and says
// so later, in our inbox.
func TestRoutingErrorsComeAsReports(t *testing.T) {
	for code, address := range map[string]string{
		"EPL-152": "GPPROVIDER_9990000019_01041950_Synthetic", "EPL-153": "GPPROVIDER_9990000026_01041950_Synthetic",
		"EPL-154": "GPPROVIDER_9990000018_02041950_Synthetic",
		"EPL-151": "GPPROVIDER_9990000018_01041950_Synthetic", "EPL-150": "GPPROVIDER_9990000018_01041950_Synthetic",
	} {
		config := peer.Config{}
		switch code {
		case "EPL-151":
			config.Person = func(string, string, string) (string, string) { return "X26NOBODY", "" }
		case "EPL-150":
			config.Person = func(string, string, string) (string, string) { return "", "EPL-150" }
		}
		_, p, c := exchange(t, config)
		m := toPractice()
		m.To = address
		sent := must[mesh.Sent](t)(c.Send(t.Context(), m))
		ids := must[[]string](t)(c.Inbox(t.Context()))
		if len(ids) != 1 || len(p.Got()) != 0 {
			t.Fatalf("%s: the inbox has %v", code, ids)
		}
		report := must[*mesh.Received](t)(c.Receive(t.Context(), ids[0]))
		if !report.Report || report.Linked != sent.ID || report.Code != code || report.FileName != m.FileName || report.Workflow != document {
			t.Errorf("%s: %+v", code, report)
		}
		if words, ok := mesh.Words(code); !ok || words == "" {
			t.Errorf("%s has no words", code)
		}
	}
}

func TestWhatNobodyCollectsIsReported(t *testing.T) {
	now := at
	x, _, c := exchange(t, peer.Config{Now: func() time.Time { return now }})
	x.Register(peer.Mailbox{ID: "X26OTHER", ODS: "Y99002"})
	sent := must[mesh.Sent](t)(c.Send(t.Context(), mesh.Message{To: "X26OTHER", Workflow: "OTHER", Body: []byte("x")}))
	if s := must[mesh.Tracking](t)(c.Track(t.Context(), sent.ID)); s.Status != "accepted" || s.Recipient != "X26OTHER" || s.ODS != "Y99002" || s.ID != sent.ID {
		t.Errorf("tracked %+v", s)
	}
	now = now.Add(5*24*time.Hour - time.Minute)
	x.Expire()
	c.Now = func() time.Time { return now }
	if ids := must[[]string](t)(c.Inbox(t.Context())); ids != nil {
		t.Errorf("reported before its time: %v", ids)
	}
	now = now.Add(time.Minute)
	x.Expire()
	x.Expire()
	ids := must[[]string](t)(c.Inbox(t.Context()))
	if len(ids) != 1 {
		t.Fatalf("the inbox has %v", ids)
	}
	if r := must[*mesh.Received](t)(c.Receive(t.Context(), ids[0])); !r.Report || r.Code != "14" || r.Linked != sent.ID {
		t.Errorf("%+v", r)
	}
	if _, err := c.Track(t.Context(), "NONE"); !errors.Is(err, issue.NotFound) {
		t.Errorf("an unknown message is tracked: %v", err)
	}
}

func TestEndpointLookup(t *testing.T) {
	x, _, c := exchange(t, peer.Config{})
	x.Register(peer.Mailbox{ID: "X26OTHER", ODS: "Y99002", Workflows: []string{"OTHER"}})
	list, err := c.EndpointLookup(t.Context(), "Y99002", "OTHER")
	if err != nil || !slices.Equal(list, []mesh.Mailbox{{ID: "X26OTHER", Name: "Mailbox of Y99002"}}) {
		t.Errorf("%v, %v", list, err)
	}
	if list, err := c.EndpointLookup(t.Context(), "Y99002", "ANOTHER"); err != nil || list != nil {
		t.Errorf("%v, %v", list, err)
	}
}

// Every answer that is no success is an issue in our own words, in both forms of the error.
func TestRefusalsAreIssues(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   issue.Type
		code   string
		final  bool
	}{
		{417, `{"messageID":"","errorEvent":"SEND","errorCode":"12","errorDescription":"Betty Secret"}`, issue.NotFound, "12", true},
		{417, `{"message_id":"","detail":[{"event":"SEND","code":"17","msg":"Betty Secret"}]}`, issue.BusinessRule, "17", true},
		{417, `{"detail":[{"event":"SEND","code":"InvalidHeaderChunks","msg":"x"}]}`, issue.Invalid, "InvalidHeaderChunks", true},
		{417, `not JSON`, issue.Processing, "", true},
		{400, `{"detail":[{"event":"TRANSFER","code":"06","msg":{"x":1}}]}`, issue.Invalid, "06", true},
		{403, ``, issue.Login, "", false},
		{413, ``, issue.TooLong, "", true},
		{429, ``, issue.Throttled, "", false},
		{500, `{"detail":[{"event":"SEND","code":"12"}]}`, issue.NotFound, "12", false},
		{502, `<html>`, issue.Exception, "", false},
		{503, ``, issue.Transient, "", false},
		{302, ``, issue.NotFound, "", false},
		{418, ``, issue.Processing, "", true},
	} {
		x, _, client := exchange(t, peer.Config{})
		x.Misbehave(peer.Fault{Status: c.status, Body: c.body})
		_, err := client.Send(t.Context(), toPractice())
		r, ok := errors.AsType[*mesh.Refusal](err)
		if !ok || r.Status != c.status || r.Code != c.code || r.Final != c.final || r.Issue.Type != c.want {
			t.Errorf("%d %s: %+v", c.status, c.body, r)
			continue
		}
		if all := issue.All(err); len(all) != 1 || strings.Contains(all[0].Error(), "Secret") || all[0].Details == "" {
			t.Errorf("%d: %v", c.status, all)
		}
	}
}

func TestNetworkFailuresAreIssues(t *testing.T) {
	x, _, c := exchange(t, peer.Config{})
	x.Misbehave(peer.Fault{Drop: true}, peer.Fault{Half: true})
	if _, err := c.Inbox(t.Context()); !errors.Is(err, issue.Incomplete) {
		t.Errorf("a connection that ends gave %v", err)
	}
	if _, err := c.Inbox(t.Context()); !errors.Is(err, issue.Incomplete) {
		t.Errorf("half an answer gave %v", err)
	}
	x.Misbehave(peer.Fault{Until: make(chan struct{}), Times: 2})
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Inbox(short); !errors.Is(err, issue.Timeout) {
		t.Errorf("no answer gave %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := c.Inbox(stopped); !errors.Is(err, issue.Incomplete) {
		t.Errorf("stopped gave %v", err)
	}
	c.URL = "http://127.0.0.1:1"
	if _, err := c.Inbox(t.Context()); !errors.Is(err, issue.Transient) {
		t.Errorf("nobody there gave %v", err)
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	_, _, c := exchange(t, peer.Config{})
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "client", c)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s", c, c, c, c), log.String()} {
		if strings.Contains(text, ourPassword) || strings.Contains(text, sharedKey) || !strings.Contains(text, ours) {
			t.Errorf("printed %s", text)
		}
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	for _, bad := range []mesh.Client{{}, {URL: "ftp://x", Mailbox: "a", Password: "b", SharedKey: "c"}, {URL: "https://x/path", Mailbox: "a", Password: "b", SharedKey: "c"}, {URL: "https://x", Mailbox: "a/b", Password: "b", SharedKey: "c"}} {
		if bad.Check() == nil {
			t.Errorf("%q is in order", bad.URL)
		}
	}
}

// Nobody is served for another's mailbox, whatever the call.
func TestWrongSecretsAreRefused(t *testing.T) {
	for name, change := range map[string]func(c *mesh.Client){
		"password":   func(c *mesh.Client) { c.Password = "wrong" },
		"shared key": func(c *mesh.Client) { c.SharedKey = "wrong" },
		"mailbox":    func(c *mesh.Client) { c.Mailbox = theirs },
		"unknown":    func(c *mesh.Client) { c.Mailbox = "X26NONE" },
		"clock":      func(c *mesh.Client) { c.Now = func() time.Time { return at.Add(3 * time.Hour) } },
		"nonce":      func(c *mesh.Client) { c.Nonce = func() string { return "x" } },
	} {
		_, _, c := exchange(t, peer.Config{})
		change(c)
		_, err := c.Inbox(t.Context())
		if r, ok := errors.AsType[*mesh.Refusal](err); !ok || r.Status != http.StatusForbidden || !errors.Is(err, issue.Login) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, c := exchange(t, peer.Config{})
	c.Nonce = func() string { return "00000000-0000-4000-8000-000000000001" }
	if _, err := c.Inbox(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := c.Inbox(t.Context()); !errors.Is(err, issue.Login) {
		t.Errorf("a nonce that was used twice gave %v", err)
	}
}
