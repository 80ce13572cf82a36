package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// sentReferral is one referral that a load sent, and what it was told; status 0 is no answer.
type sentReferral struct {
	body       []byte
	identifier string
	answer     answer
}

// underLoad has clients refer without a pause until the adapter is gone, calls
// interrupt once enough referrals are acknowledged, and gives all that were sent.
func underLoad(t *testing.T, a *adapter, practice string, seed uint64, enough int, interrupt func()) []sentReferral {
	t.Helper()
	gp := a.as(auth.RoleRequester, practice)
	s := newSeries(practice, seed)
	var mu sync.Mutex
	var all []sentReferral
	acknowledged := 0
	reached := make(chan struct{})
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for {
				var m message
				s.next(&m)
				got, err := gp.try(http.MethodPost, "/fhir/R4", m.body)
				mu.Lock()
				if err != nil {
					got = answer{}
				}
				all = append(all, sentReferral{m.body, m.identifier, got})
				if got.status == http.StatusOK {
					if acknowledged++; acknowledged == enough {
						close(reached)
					}
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	<-reached
	interrupt()
	clients.Wait()
	return all
}

// halves finds referrals of which a part is missing or there twice, and parts without a referral.
var halves = map[string]string{
	"a referral without its one Task":              `SELECT count(*) FROM referral r WHERE (SELECT count(*) FROM resource x WHERE x.id = r.id AND x.type = 'Task') <> 1`,
	"a referral without its two ServiceRequests":   `SELECT count(*) FROM referral r WHERE (SELECT count(*) FROM resource x WHERE x.type = 'ServiceRequest' AND x.id IN (r.service_request, r.filler)) <> 2`,
	"a referral without its three Observations":    `SELECT count(*) FROM referral r WHERE (SELECT count(*) FROM resource x WHERE x.referral = r.id AND x.type = 'Observation') <> 3`,
	"a referral without its Patient":               `SELECT count(*) FROM referral r WHERE NOT EXISTS (SELECT 1 FROM resource x WHERE x.id = r.patient AND x.type = 'Patient')`,
	"a referral without its two events":            `SELECT count(*) FROM referral r WHERE (SELECT count(*) FROM event e WHERE e.referral = r.id) <> 2`,
	"a referral without its content":               `SELECT count(*) FROM referral r WHERE (SELECT count(*) FROM content c WHERE c.referral = r.id) <> 1`,
	"a ServiceRequest without a referral":          `SELECT count(*) FROM resource x WHERE x.type = 'ServiceRequest' AND NOT EXISTS (SELECT 1 FROM referral r WHERE x.id IN (r.service_request, r.filler))`,
	"a Task without a referral":                    `SELECT count(*) FROM resource x WHERE x.type = 'Task' AND NOT EXISTS (SELECT 1 FROM referral r WHERE x.id = r.id)`,
	"a message without a referral, or the reverse": `SELECT abs((SELECT count(*) FROM message) - (SELECT count(*) FROM referral))`,
}

// A server killed in the middle of its work has every referral that it acknowledged,
// whole, and none twice; what it did not acknowledge can be sent again.
func TestKilledServerKeepsWhatItAcknowledged(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		var all []sentReferral
		for round := range 2 {
			a := w.start()
			all = append(all, underLoad(t, a, practiceA, uint64(round+1), 80, a.kill)...)
		}
		a := w.start()
		gp := a.as(auth.RoleRequester, practiceA)
		for what, query := range halves {
			if n := w.number(query); n != 0 {
				t.Errorf("%s: %d", what, n)
			}
		}
		acknowledged := 0
		for _, s := range all {
			found := gp.total("/fhir/R4/ServiceRequest?identifier=" + s.identifier)
			if s.answer.status == http.StatusOK {
				acknowledged++
				if found != 1 {
					t.Errorf("an acknowledged referral is there %d times", found)
				}
			} else if found > 1 {
				t.Errorf("a referral without an answer is there %d times", found)
			}
		}
		for _, s := range all {
			again := gp.do(http.MethodPost, "/fhir/R4", s.body).want(http.StatusOK)
			if s.answer.status == http.StatusOK && string(again.body) != string(s.answer.body) {
				t.Fatalf("sent again, the answer differs:\n%s\n%s", again.body, s.answer.body)
			}
		}
		if n := w.number("SELECT count(*) FROM referral"); n != len(all) {
			t.Errorf("%d referrals are stored, %d were sent", n, len(all))
		}
		if report := w.verified(); len(report.Faults) > 0 || len(report.Streams) < 3 {
			t.Errorf("the audit after the kills: %+v", report)
		}
		t.Logf("%d of %d were acknowledged before the kills", acknowledged, len(all))
	})
}

// completed takes a new referral of practice A to its outcome and gives its Task.
func completed(a *adapter) (*synthetic, string) {
	s := someone(practiceA)
	task := a.as(auth.RoleRequester, practiceA).refer(s.message())
	worker := a.as(auth.RoleOwner, service1)
	v := worker.act(worker.look(task), "accept", referral.Input{}).view()
	worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).want(http.StatusOK)
	return s, task
}

// age lets the time pass that an open delivery waits for: its lease of two minutes, or
// its next try.
func (w *world) age() {
	w.t.Helper()
	db := w.db()
	defer db.Close()
	if _, err := db.Exec("UPDATE delivery SET wake = 0, due = 0 WHERE open = 1"); err != nil {
		w.t.Fatal(err)
	}
}

// assertArrivedOnce demands the outcome once at the receiver, in its first version.
func assertArrivedOnce(t *testing.T, w *world) {
	t.Helper()
	eventually(t, "nothing waits in the outbox", func() bool { return w.number("SELECT count(*) FROM delivery WHERE state <> 'delivered'") == 0 })
	var got []string
	for _, l := range w.gp.Record() {
		switch l.What {
		case "output":
		case "document":
			got = append(got, "document")
		default:
			got = append(got, strings.TrimSpace(l.What+" "+l.Code+" "+l.Value))
		}
	}
	slices.Sort(got)
	want := []string{"document", "finding 1230392000", "finding 185960001", "intervention 710911006", "score 718466001 25.03 score",
		"score ons4-satisfaction 7 score", "task completed version 1"}
	if !slices.Equal(got, want) {
		t.Errorf("the record holds\n%q\nwant\n%q", got, want)
	}
	first := w.gp.received()[0]
	for _, r := range w.gp.received() {
		if r.ID != first.ID || string(r.Body) != string(first.Body) {
			t.Error("a later try differs from the first")
		}
	}
}

// A server killed after the commit and before the delivery sends the outcome when it
// is up again.
func TestOutcomeArrivesAlthoughTheServerWasKilledBeforeItWasSent(t *testing.T) {
	for name, fault := range map[string]standInFault{
		"the GP system is slow":     {Delay: patience},
		"the GP system is away":     {Status: http.StatusServiceUnavailable},
		"the GP system cuts it off": {Drop: true},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.EachURL(t, func(t *testing.T, url string) {
				w := newWorld(t, url)
				w.gp.fail(fault)
				a := w.start()
				completed(a)
				eventually(t, "the first try is made", func() bool { return len(w.gp.received()) > 0 })
				a.kill()
				if len(w.gp.Record()) > 0 {
					t.Fatal("the fault did not keep the outcome away")
				}
				w.age()
				w.start()
				assertArrivedOnce(t, w)
			})
		})
	}
}

// A server killed after the partner had taken the outcome and before it could note
// that down sends it again, and the receiver can tell: it is there once.
func TestOutcomeArrivesOnceAlthoughTheServerWasKilledBeforeItKnew(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		taken := make(chan struct{}, 1)
		var hang atomic.Bool
		hang.Store(true)
		gate := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			w.gp.ServeHTTP(answer, r)
			if hang.Swap(false) {
				taken <- struct{}{}
				<-r.Context().Done()
				return
			}
			rw.Header().Set("Content-Type", "application/fhir+json")
			rw.WriteHeader(answer.Code)
			_, _ = rw.Write(answer.Body.Bytes())
		}))
		t.Cleanup(gate.Close)
		if err := os.WriteFile(w.config.Partners, castPartners(gate.URL+"/fhir"), 0o600); err != nil {
			t.Fatal(err)
		}
		a := w.start()
		completed(a)
		<-taken
		a.kill()
		w.age()
		w.start()
		eventually(t, "it is sent again", func() bool { return len(w.gp.received()) == 2 })
		assertArrivedOnce(t, w)
	})
}

// An answer that is lost on its way makes a second try, and no second copy.
func TestOutcomeArrivesOnceAlthoughTheAnswerWasLost(t *testing.T) {
	for name, fault := range map[string]standInFault{"no answer": {Late: true, Drop: true}, "half an answer": {Half: true}, "an error": {Late: true, Status: http.StatusBadGateway}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits for the worker's next look at its outbox
			w := newWorld(t, "")
			w.gp.fail(fault)
			completed(w.start())
			eventually(t, "the first try is noted", func() bool { return w.number("SELECT count(*) FROM attempt") == 1 })
			w.age()
			assertArrivedOnce(t, w)
			if n := len(w.gp.received()); n != 2 {
				t.Errorf("%d tries", n)
			}
		})
	}
}

// A server that is asked to end answers the requests under way, takes no new ones, and
// ends with success.
func TestTerminatedServerAnswersWhatIsUnderWay(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.start()
		gp := a.as(auth.RoleRequester, practiceA)
		type open struct {
			net.Conn
			in   *bufio.Reader
			rest []byte
		}
		var under []open
		for range 8 {
			conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			body := someone(practiceA).message()
			fmt.Fprintf(conn, "POST /fhir/R4 HTTP/1.1\r\nHost: adapter\r\nAuthorization: Bearer %s\r\nContent-Type: application/fhir+json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", gp.token, len(body))
			o := open{conn, bufio.NewReader(conn), body}
			// the server says so when it has begun to work on it
			if line, err := o.in.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
				t.Fatalf("%q %v", line, err)
			}
			_, _ = o.in.ReadString('\n')
			under = append(under, o)
		}
		a.ask()
		eventually(t, "the adapter drains", func() bool {
			text, _ := os.ReadFile(a.log)
			return strings.Contains(string(text), `"draining"`)
		})
		if _, err := gp.try(http.MethodGet, "/healthz", nil); err == nil {
			t.Error("a draining adapter takes new connections")
		}
		for _, o := range under {
			if _, err := o.Write(o.rest); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(o.in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if text, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
				t.Errorf("status %d: %s", response.StatusCode, text)
			}
		}
		if code := a.exit(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if n := w.number("SELECT count(*) FROM referral"); n != len(under) {
			t.Errorf("%d referrals are stored, %d were acknowledged", n, len(under))
		}
	})
}
