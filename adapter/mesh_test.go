package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
	peer "spadapter/conformance/peer/mesh"
)

const (
	meshOurs, meshPractice = "X26SP001", "X26GP001"
	meshSender             = "A99901"
)

// post is a world with a MESH and one practice behind it.
type post struct {
	*world
	x        *peer.Exchange
	practice *peer.Practice
	adapter  *adapter
	referral string // the one that everything is about
	sent     *synthetic
	person   peer.Person
}

func newPost(t *testing.T, url string) *post {
	t.Helper()
	w := newWorld(t, url)
	p := &post{world: w, sent: someone(practiceA)}
	p.person = peer.Person{Number: p.sent.nhsNumber, Birth: p.sent.birthDate, Family: p.sent.family, Given: "Betty"}
	p.x = peer.New(peer.Config{SharedKey: "the shared key", Person: func(number, birth, surname string) (string, string) {
		if number != p.person.Number {
			return "", "EPL-153"
		}
		if surname != p.person.Family {
			return "", "EPL-154"
		}
		return meshPractice, ""
	}})
	p.x.Register(peer.Mailbox{ID: meshOurs, Password: "the mailbox password", ODS: meshSender})
	p.practice = p.x.Practice(peer.Mailbox{ID: meshPractice, ODS: practiceA})
	server := httptest.NewServer(p.x)
	t.Cleanup(server.Close)
	file := func(name, text string) string {
		path := filepath.Join(w.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	w.config.MeshURL, w.config.MeshMailbox = server.URL, meshOurs
	w.config.MeshPassword, w.config.MeshSharedKey = file("password", "the mailbox password\n"), file("shared", "the shared key\n")
	w.config.MeshPoll = 20 * time.Millisecond
	return p
}

// open starts an adapter and refers the person.
func (p *post) open(log *slog.Logger) {
	p.t.Helper()
	p.adapter = p.world.run(log)
	p.referral = strings.TrimPrefix(p.adapter.as(auth.RoleRequester, practiceA).refer(p.sent.message()), "Task/")
}

// put puts a message in the outbox, as the move of a referral does, and gives the ids of the
// delivery and of the message.
func (p *post) put(event string) (id, message string) {
	p.t.Helper()
	id, message = uuid.NewString(), uuid.NewString()
	p.row(id, peer.Document(message, event, meshSender, p.person, nil))
	return id, message
}

func (p *post) row(id string, body []byte) {
	p.t.Helper()
	db := p.db()
	defer db.Close()
	now := time.Now().UnixMilli()
	text := `INSERT INTO delivery (id, organisation, referral, recipient, place, state, open, wake, claim, attempts, problem, move, kind, route, content_type, facts, due, expires, created, replay_of, supersedes, body)
SELECT '%s', '%s', '%s', '%[2]s', %[4]d, 'queued', 1, %[4]d, '', 0, '', 'T16', 'write-back', 'mesh', 'application/fhir+json', '{"sharing":"full","practice":"%[2]s"}', %[4]d, %[5]d, %[4]d, '', '', %[6]s`
	value := "CAST('" + strings.ReplaceAll(string(body), "'", "''") + "' AS BLOB)"
	if !strings.HasPrefix(p.database, "sqlite:") {
		value = fmt.Sprintf("'\\x%x'::bytea", body)
	}
	if _, err := db.Exec(fmt.Sprintf(text, id, practiceA, p.referral, now, now+72*3600*1000, value)); err != nil {
		p.t.Fatal(err)
	}
}

// state waits until a delivery has a state.
func (p *post) state(id string, want referral.DeliveryState) {
	p.t.Helper()
	eventually(p.t, "delivery is "+string(want), func() bool { return p.is(id, want) })
}

func (p *post) is(id string, state referral.DeliveryState) bool {
	return p.number("SELECT COUNT(*) FROM delivery WHERE id = '"+id+"' AND state = '"+string(state)+"'") == 1
}

// collected waits until the inbox is empty, which is when all in it is kept.
func (p *post) collected() {
	p.t.Helper()
	eventually(p.t, "the inbox is empty", func() bool { return len(p.x.Waiting(meshOurs)) == 0 })
}

// said is what the ledger says of a delivery, "" when it is not in it.
func (p *post) said(id string) string {
	p.t.Helper()
	var l referral.Ledger
	p.adapter.as(auth.RoleRequester, practiceA).get("/api/v1/ledger").into(&l)
	for _, o := range l.Undelivered {
		if o.Delivery == id {
			return o.State + " " + o.Why + " " + o.Details
		}
	}
	return ""
}

// A message goes out, waits for both acknowledgements, and is delivered only then.
func TestAMessageOverMESHIsDeliveredByItsAcknowledgements(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		p := newPost(t, url)
		p.practice.Answers()
		p.open(quiet())
		before := p.number("SELECT COUNT(*) FROM event")
		id, message := p.put("ITK007C")
		p.state(id, referral.DeliveryAwaiting)
		if s := p.said(id); !strings.HasPrefix(s, "awaiting waiting sent") {
			t.Errorf("the ledger says %q", s)
		}
		got := p.practice.Got()
		if len(got) != 1 || got[0].Address != "GPPROVIDER_"+p.person.Number+"_09031951_Quillfeather" || got[0].Workflow != "GPCONNECT_SEND_DOCUMENT" || got[0].LocalID != meshSender ||
			got[0].Subject != "Social prescribing outcome for Betty Quillfeather, NHS Number: "+p.person.Number+", seen at Synthetic Wellbeing, ODS code: A99901, version 1" {
			t.Fatalf("the practice got %+v", got)
		}
		p.practice.Answer(got[0], message, "20013")
		p.collected()
		if s := p.said(id); !strings.Contains(s, "business acknowledgement has not come") || !p.is(id, referral.DeliveryAwaiting) {
			t.Errorf("after the infrastructure acknowledgement the ledger says %q", s)
		}
		p.practice.Answer(got[0], message, "30001")
		p.state(id, referral.DeliveryDelivered)
		if s := p.said(id); s != "" {
			t.Errorf("a delivered message is in the ledger: %q", s)
		}
		if n := p.number("SELECT COUNT(*) FROM event"); n != before {
			t.Errorf("%d events came of it", n-before)
		}
		if len(p.x.Refused()) > 0 || p.x.Handshakes(meshOurs) != 1 {
			t.Errorf("refused %v, %d handshakes", p.x.Refused(), p.x.Handshakes(meshOurs))
		}
		id, _ = p.put("ITK014M")
		p.state(id, referral.DeliveryAwaiting)
		if got := p.practice.Got(); got[1].Workflow != "GPCONNECT_UPDATE_RECORD" {
			t.Errorf("Update Record goes as %s", got[1].Workflow)
		}
	})
}

// Every answer that is no acceptance is an open incident, and changes nothing clinical.
func TestARefusalOverMESHIsAnIncident(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		p := newPost(t, url)
		p.open(quiet())
		status := "SELECT COUNT(*) FROM referral WHERE status = 'received'"
		if p.number(status) != 1 {
			t.Fatal("the referral is not received")
		}
		answers := map[string][]string{}
		p.practice.Decides(func(m peer.Message) []string {
			for message, codes := range answers {
				if bytes.Contains(m.Body(), []byte(message)) {
					return codes
				}
			}
			return nil
		})
		p.adapter.stop()
		rows := map[string]string{}
		for _, codes := range [][]string{{"10009"}, {"20001"}, {"20009"}, {"20013", "30002"}, {"20013", "30003"}, {"20013", "30004"}, {"30002", "20013"}, {"20013", "30017"}} {
			id, message := p.put("ITK007C")
			answers[message], rows[id] = codes, message
		}
		p.adapter = p.run(quiet())
		for id, message := range rows {
			p.state(id, referral.DeliveryDead)
			worst := slices.DeleteFunc(slices.Clone(answers[message]), func(c string) bool { return c == "20013" })[0]
			if s := p.said(id); !strings.HasPrefix(s, "dead ") || !strings.Contains(s, worst) {
				t.Errorf("%v: the ledger says %q", answers[message], s)
			}
		}
		p.collected()
		if p.number(status) != 1 || p.number("SELECT COUNT(*) FROM referral") != 1 {
			t.Error("the status of the referral changed")
		}
	})
}

// What MESH cannot bring to anybody comes back as a report.
func TestAReportOfMESHIsAnIncident(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		p := newPost(t, url)
		p.practice.Answers()
		p.open(quiet())
		body := peer.Document(uuid.NewString(), "ITK007C", meshSender, peer.Person{Number: "9990000018", Birth: "1951-03-09", Family: "Q", Given: "B"}, nil)
		id := uuid.NewString()
		p.row(id, body)
		p.state(id, referral.DeliveryDead)
		if s := p.said(id); !strings.Contains(s, "EPL-153") {
			t.Errorf("the ledger says %q", s)
		}
		id, _ = p.put("ITK007C")
		p.state(id, referral.DeliveryAwaiting)
		p.x.Report(p.practice.Got()[0].ID, "14", "not collected")
		p.state(id, referral.DeliveryDead)
		if s := p.said(id); !strings.Contains(s, "did not collect") {
			t.Errorf("the ledger says %q", s)
		}
	})
}

// Acknowledgements count in every order, however often, before the send is recorded, and
// after another message took the place of theirs (R16).
func TestR16AcknowledgementsCountInEveryOrder(t *testing.T) {
	for _, c := range []struct {
		name     string
		reversed bool
		times    int
		xml      bool
	}{{"in order", false, 1, false}, {"reversed", true, 1, false}, {"twice", false, 2, false}, {"reversed and three times, in XML", true, 3, true}} {
		t.Run(c.name, func(t *testing.T) {
			storetest.EachURL(t, func(t *testing.T, url string) {
				p := newPost(t, url)
				p.practice.Order(c.reversed, c.times, c.xml)
				p.open(quiet())
				id, _ := p.put("ITK007C")
				p.state(id, referral.DeliveryDelivered)
				p.collected()
				if n := p.number("SELECT COUNT(*) FROM acknowledgement WHERE delivery = '" + id + "'"); n != 2 || !p.is(id, referral.DeliveryDelivered) {
					t.Errorf("%d acknowledgements are kept", n)
				}
			})
		})
	}
	t.Run("before the send is recorded", func(t *testing.T) {
		storetest.EachURL(t, func(t *testing.T, url string) {
			p := newPost(t, url)
			p.open(quiet())
			answered := make(chan struct{})
			// the practice answers, and MESH has not yet said that it took the message
			p.x.Misbehave(peer.Fault{Method: http.MethodPost, Path: "/outbox", Until: answered, Late: true})
			id, _ := p.put("ITK007C")
			eventually(t, "both acknowledgements are kept", func() bool {
				return p.number("SELECT COUNT(*) FROM acknowledgement WHERE delivery = '"+id+"'") == 2
			})
			if !p.is(id, referral.DeliverySending) {
				t.Error("the delivery is not sending any more")
			}
			close(answered)
			p.state(id, referral.DeliveryDelivered)
		})
	})
	t.Run("though the answer of MESH is lost", func(t *testing.T) {
		p := newPost(t, "")
		p.open(quiet())
		p.x.Misbehave(peer.Fault{Method: http.MethodPost, Path: "/outbox", Late: true, Drop: true})
		id, _ := p.put("ITK007C")
		p.state(id, referral.DeliveryDelivered)
		if n := len(p.practice.Got()); n != 1 {
			t.Errorf("it was sent %d times", n)
		}
	})
	t.Run("after a replacement", func(t *testing.T) {
		storetest.EachURL(t, func(t *testing.T, url string) {
			p := newPost(t, url)
			p.practice.Hold()
			p.open(quiet())
			id, _ := p.put("ITK007C")
			p.state(id, referral.DeliveryAwaiting)
			db := p.db()
			defer db.Close()
			if _, err := db.Exec("UPDATE delivery SET state = 'superseded' WHERE id = '" + id + "'"); err != nil {
				t.Fatal(err)
			}
			p.practice.Release()
			p.collected()
			if n := p.number("SELECT COUNT(*) FROM acknowledgement WHERE delivery = '" + id + "'"); n != 2 || !p.is(id, referral.DeliverySuperseded) {
				t.Errorf("%d acknowledgements are kept", n)
			}
		})
	})
}

// A good infrastructure acknowledgement and a business acknowledgement that refuses: never
// delivered, whichever comes first, and an open incident (R17).
func TestR17ABusinessRefusalIsNeverDelivered(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		p := newPost(t, url)
		p.open(quiet())
		for _, reversed := range []bool{false, true} {
			p.practice.Order(reversed, 1, false)
			p.practice.Answers("20013", "30003")
			id, message := p.put("ITK007C")
			p.state(id, referral.DeliveryDead)
			p.collected()
			// one who accepts afterwards does not make it undone
			got := p.practice.Got()
			p.practice.Answer(got[len(got)-1], message, "30001")
			p.collected()
			if s := p.said(id); !p.is(id, referral.DeliveryDead) || !strings.Contains(s, "30003") {
				t.Errorf("the ledger says %q", s)
			}
			if n := p.number("SELECT COUNT(*) FROM attempt WHERE delivery = '" + id + "' AND state = 'delivered'"); n != 0 {
				t.Error("it was delivered once")
			}
		}
	})
}

// A process that is killed between the send and its record sends again, under the same ids:
// the practice says that it came before, and the acknowledgements of the first copy count
// (R20).
func TestR20ARepeatOverMESHCarriesTheSameIds(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		p := newPost(t, url)
		p.practice.Hold()
		p.open(quiet())
		p.adapter.stop()
		taken := make(chan struct{})
		p.x.Misbehave(peer.Fault{Method: http.MethodPost, Path: "/outbox", Until: taken, Late: true})
		defer close(taken)
		id, _ := p.put("ITK007C")
		first := p.startMESH()
		eventually(t, "the practice has it", func() bool { return len(p.practice.Got()) == 1 })
		first.kill()
		p.age()
		p.adapter = p.run(quiet())
		eventually(t, "it is sent again", func() bool { return len(p.practice.Got()) == 2 })
		p.state(id, referral.DeliveryAwaiting)
		got := p.practice.Got()
		if a, b := got[0], got[1]; a.LocalID != b.LocalID || a.FileName != b.FileName || a.Subject != b.Subject || a.Address != b.Address || !bytes.Equal(a.Body(), b.Body()) {
			t.Errorf("the first copy is %+v, the second %+v", got[0], got[1])
		}
		p.practice.Release() // 20013 and 30001 for the first, 20007 for the second
		p.state(id, referral.DeliveryDelivered)
		p.collected()
		if n := p.number("SELECT COUNT(*) FROM acknowledgement WHERE code = '20007' AND delivery = '" + id + "'"); n != 1 || !p.is(id, referral.DeliveryDelivered) {
			t.Errorf("%d answers say that it came before", n)
		}
	})
}

// startMESH starts a child process with the MESH of this world.
func (p *post) startMESH() *adapter {
	p.t.Helper()
	for name, value := range map[string]string{"URL": p.config.MeshURL, "MAILBOX": p.config.MeshMailbox, "PASSWORD_FILE": p.config.MeshPassword,
		"SHARED_KEY_FILE": p.config.MeshSharedKey, "POLL": "100ms"} {
		p.extra = append(p.extra, "ADAPTER_MESH_"+name+"="+value)
	}
	defer func() { p.extra = nil }()
	return p.start()
}

// Time that is over without an acknowledgement is an incident, and an acknowledgement that
// comes after it settles the delivery all the same.
func TestMissingAcknowledgementsAreAnIncident(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		p := newPost(t, url)
		p.practice.Answers()
		p.config.MeshInfrastructureWait = 50 * time.Millisecond
		p.open(quiet())
		id, message := p.put("ITK007C")
		p.state(id, referral.DeliveryDead)
		if s := p.said(id); !strings.Contains(s, "timeout no infrastructure acknowledgement") {
			t.Errorf("the ledger says %q", s)
		}
		m := p.practice.Got()[0]
		p.practice.Answer(m, message, "20013")
		p.collected()
		if !p.is(id, referral.DeliveryDead) {
			t.Error("half an answer ended the incident")
		}
		p.practice.Answer(m, message, "30001")
		p.state(id, referral.DeliveryDelivered)
	})
	p := newPost(t, "")
	p.practice.Answers("20013")
	p.config.MeshBusinessWait = 50 * time.Millisecond
	p.open(quiet())
	id, _ := p.put("ITK007C")
	p.state(id, referral.DeliveryDead)
	if s := p.said(id); !strings.Contains(s, "timeout no business acknowledgement") {
		t.Errorf("the ledger says %q", s)
	}
}
