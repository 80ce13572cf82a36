package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/mapping"
	"spadapter/adapter/referral"
	"spadapter/mappings"
)

// barsPartner is the BaRS endpoint of a practice: it keeps what it is sent and answers as told.
type barsPartner struct {
	*httptest.Server
	mu      sync.Mutex
	got     []barsRequest
	answers []http.HandlerFunc // for the next requests; then every one is barsTaken
}

type barsRequest struct {
	path   string
	header http.Header
	body   []byte
}

func (r barsRequest) node(t *testing.T) *fhir.Node {
	t.Helper()
	n, err := fhir.Parse(fhir.Types(fhir.R4), r.body, fhir.Limits{})
	if err == nil {
		err = fhir.Check(n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func newBarsPartner(t *testing.T, answers ...http.HandlerFunc) *barsPartner {
	p := &barsPartner{answers: answers}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender is gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		p.mu.Lock()
		p.got = append(p.got, barsRequest{r.URL.Path, r.Header, body})
		answer := barsTaken
		if len(p.answers) > 0 {
			answer, p.answers = p.answers[0], p.answers[1:]
		}
		p.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *barsPartner) received() []barsRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

// mirrored answers with both ids of the request.
func mirrored(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"X-Request-Id", "X-Correlation-Id"} {
			w.Header().Set(name, r.Header.Get(name))
		}
		w.Header().Set("Content-Type", "application/fhir+json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

var barsTaken = mirrored(http.StatusOK, `{"resourceType":"Bundle","type":"message"}`)

// echoed gives the request back as the answer, without its ids.
func echoed(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/fhir+json")
	_, _ = io.Copy(w, r.Body)
}

// barsSource is the DoS service id that the sender of the cases takes answers for.
const barsSource = "https://fhir.nhs.uk/Id/dos-service-id|2000099001"

// barsWorld is a world in which practice A sends by BaRS and takes answers at a partner.
func barsWorld(t *testing.T, p *barsPartner) *world {
	t.Helper()
	w := newWorld(t, "")
	endpoint := fmt.Sprintf(`,{"resource":{"resourceType":"Endpoint","identifier":[{"system":"https://fhir.nhs.uk/Id/dos-service-id","value":"2000099001"}],"status":"active",
"connectionType":{"system":"https://spadapter.example/fhir/CodeSystem/endpoint-connection","code":"bars"},"managingOrganization":{"identifier":{"system":%q,"value":%q}},
"payloadType":[{"text":"answers"}],"payloadMimeType":["application/fhir+json; version=1.2.0"],"address":%q}}`, referral.SystemODS, practiceA, p.URL+"/bars/")
	partners := strings.TrimSuffix(string(castPartners(w.gp.URL())), "]}") + endpoint + "]}"
	if err := os.WriteFile(w.config.Partners, []byte(partners), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// barsMessage is a referral of practice A to its service as a BaRS message, with its id. What
// is replaced in it comes in pairs.
func barsMessage(t *testing.T, replaced ...string) (id string, body []byte) {
	t.Helper()
	text, err := fs.ReadFile(mappings.FS, "outcome-to-bars/accepted.txtar")
	if err != nil {
		t.Fatal(err)
	}
	c, err := mapping.ParseCase("accepted.txtar", text)
	if err != nil {
		t.Fatal(err)
	}
	who := someone(practiceA)
	id = uuid.NewString()
	changes := append([]string{"7b000000-0000-4000-8000-0000000000aa", id, "Z99001", practiceA, "Z99010", service1, "R-2041", who.identifier, "9990000018", who.nhsNumber}, replaced...)
	return id, []byte(strings.NewReplacer(changes...).Replace(c.Sections["message.json"]))
}

// byBars takes a referral of practice A in as a BaRS message, and gives its Task and the id of
// the message.
func (a *adapter) byBars(t *testing.T, correlation string, replaced ...string) (task, message string) {
	t.Helper()
	message, body := barsMessage(t, replaced...)
	root, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
	if err == nil {
		err = fhir.Check(root)
	}
	if err != nil {
		t.Fatal(err)
	}
	response, err := a.service.Submit(t.Context(), referral.Call{
		Principal: &auth.Principal{Client: "bars", Role: auth.RoleRequester, Organisations: []string{practiceA}},
		RequestID: uuid.NewString(), RequestGiven: true, CorrelationID: correlation, ContentType: "application/fhir+json", Body: body, Dialect: "bars",
	}, root)
	if err != nil {
		t.Fatal(err)
	}
	return receipt(answer{t: t, status: response.Status, body: response.Body}), message
}

// barsEntry gives the resource of a message with a type of resource that a condition holds for.
func barsEntry(n *fhir.Node, kind string, holds func(r *fhir.Node) bool) *fhir.Node {
	for _, e := range n.All("entry") {
		if r := e.Child("resource"); r.ResourceType() == kind && (holds == nil || holds(r)) {
			return r
		}
	}
	return nil
}

// ourEncounter is the Encounter by which the service says how a referral stands.
func ourEncounter(n *fhir.Node) *fhir.Node {
	return barsEntry(n, "Encounter", func(r *fhir.Node) bool { return r.Text("identifier", "system") == referral.IDSystem+"task" })
}

// barsSteps is a way through the life cycle, and what the sender is told at each step of it.
type barsSteps struct {
	name  string
	steps func(w barsWay)
	told  []string // our Encounter, the ServiceRequest, and the reason
}

// barsWay makes moves of one referral.
type barsWay struct {
	worker, gp caller
	task       string
}

func (w barsWay) do(action string, in referral.Input) {
	w.worker.t.Helper()
	w.worker.act(w.worker.look(w.task), action, in).view()
}

func (w barsWay) asks() {
	w.gp.t.Helper()
	w.gp.act(w.gp.look(w.task), "cancel", referral.Input{Reason: &referral.Coded{Code: "consent-withdrawn", Text: "said privately"}}).view()
}

func because(code string) referral.Input {
	return referral.Input{Reason: &referral.Coded{Code: code, Text: "said privately"}}
}

// barsTransitions are the transitions of which a sender is told.
var barsTransitions = []barsSteps{
	{"T05 accept", func(w barsWay) { w.do("accept", referral.Input{Note: "said privately"}) }, []string{"planned active "}},
	{"T06 reject", func(w barsWay) { w.do("reject", because("no-capacity")) }, []string{"cancelled revoked 22 RRNA"}},
	{"T12 late decline", func(w barsWay) { w.do("accept", referral.Input{}); w.do("reject", because("wrong-service")) },
		[]string{"planned active ", "cancelled revoked 23 OTH"}},
	{"T14 cancellation confirmed", func(w barsWay) {
		w.do("accept", referral.Input{})
		w.asks()
		w.do("confirm-cancellation", because("consent-withdrawn"))
	}, []string{"planned active ", "cancelled revoked 26 OTH"}},
	{"T15 outcome after a cancellation was asked for", func(w barsWay) {
		w.do("accept", referral.Input{})
		w.asks()
		w.do("complete", referral.Input{Outcome: fullOutcome()})
	}, []string{"planned active ", "finished completed "}},
	{"T16 complete", func(w barsWay) {
		w.do("accept", referral.Input{})
		w.do("contact", referral.Input{Channel: "telephone", Result: "reached"})
		w.do("complete", referral.Input{Outcome: fullOutcome()})
	}, []string{"planned active ", "finished completed "}},
	{"T17 close", func(w barsWay) { w.do("accept", referral.Input{}); w.do("close", because("moved-away")) },
		[]string{"planned active ", "cancelled revoked 42 OTH"}},
	{"T18 service closed", func(w barsWay) { w.do("accept", referral.Input{}); w.do("fail", because("service-closed")) },
		[]string{"planned active ", "cancelled revoked 24 OTH"}},
	{"T09 did not attend", func(w barsWay) {
		w.do("accept", referral.Input{})
		w.do("contact", referral.Input{Channel: "telephone", Result: "reached"})
		w.do("progress", referral.Input{Status: "support-ongoing"})
		w.do("progress", referral.Input{Status: "did-not-attend"})
	}, []string{"planned active ", "in-progress active 281399006"}},
}

// walk makes a way through, and gives what the partner then has of it.
func (s barsSteps) walk(t *testing.T, a *adapter, p *barsPartner, correlation string) (message string, list []barsRequest) {
	t.Helper()
	gp, worker := a.as(auth.RoleRequester, practiceA).in(t), a.as(auth.RoleOwner, service1).in(t)
	before := len(p.received())
	task, message := a.byBars(t, correlation)
	s.steps(barsWay{worker, gp, task})
	eventually(t, "the sender is told", func() bool { return len(p.received()) >= before+len(s.told) })
	return message, p.received()[before:]
}

// Each transition that concerns whoever sent a referral by BaRS is told there in one message,
// which says how the referral stands and nothing of what was learned or written.
func TestTheSenderOfABarsMessageIsTold(t *testing.T) {
	p := newBarsPartner(t)
	w := barsWorld(t, p)
	w.config.BarsDidNotAttend, w.config.BarsAnswerVersion = true, "1.1.0"
	a := w.run(quiet())
	for _, s := range barsTransitions {
		t.Run(s.name, func(t *testing.T) {
			correlation := uuid.NewString()
			message, list := s.walk(t, a, p, correlation)
			var told []string
			ids := map[string]bool{}
			for _, r := range list {
				n := r.node(t)
				ours, header, request := ourEncounter(n), barsEntry(n, "MessageHeader", nil), barsEntry(n, "ServiceRequest", nil)
				var codes []string
				for _, reason := range ours.All("reasonCode") {
					for _, c := range reason.All("coding") {
						codes = append(codes, c.Text("code"))
					}
				}
				told = append(told, ours.Text("status")+" "+request.Text("status")+" "+strings.Join(codes, " "))
				for what, pair := range map[string][2]string{
					"address":          {r.path, "/bars/$process-message"},
					"answered message": {header.Text("response", "identifier"), message},
					"destination":      {header.Text("destination", "endpoint"), barsSource},
					"conversation":     {r.header.Get("X-Correlation-Id"), correlation},
					"version":          {r.header.Get("Accept"), "application/fhir+json; version=1.2.0"},
					"use context":      {r.header.Get("Use-Context"), "a5t1|referral|servicerequest-response|new"},
					"plan":             {request.Text("intent"), "plan"},
				} {
					if pair[0] != pair[1] {
						t.Errorf("%s is %q, want %q", what, pair[0], pair[1])
					}
				}
				if _, err := uuid.Parse(r.header.Get("X-Request-Id")); err != nil || ids[r.header.Get("X-Request-Id")] {
					t.Errorf("the request id %q is no new UUID", r.header.Get("X-Request-Id"))
				}
				ids[r.header.Get("X-Request-Id")] = true
				for _, secret := range []string{"said privately", "lunch club", "sleeping tablets", "1230392000", "25.03"} {
					if bytes.Contains(r.body, []byte(secret)) {
						t.Errorf("it tells %q", secret)
					}
				}
			}
			if strings.Join(told, "; ") != strings.Join(s.told, "; ") {
				t.Errorf("told was %q, want %q", told, s.told)
			}
		})
	}
	kinds := w.number("SELECT count(*) FROM delivery WHERE kind = 'response'")
	if rows := w.number("SELECT count(*) FROM (SELECT DISTINCT referral, move, recipient, kind FROM delivery WHERE kind = 'response') x"); rows != kinds || kinds != len(p.received()) {
		t.Errorf("%d rows for %d transitions, and %d messages", kinds, rows, len(p.received()))
	}
}

// Absence is told only where the deployment says so, and a referral that came another way has
// nobody to tell.
func TestNobodyElseIsTold(t *testing.T) {
	p := newBarsPartner(t)
	w := barsWorld(t, p)
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	usual := gp.refer(someone(practiceA).message())
	way := barsWay{worker, gp, usual}
	way.do("accept", referral.Input{})
	way.do("close", because("moved-away"))
	task, _ := a.byBars(t, uuid.NewString())
	way.task = task
	way.do("accept", referral.Input{})
	way.do("contact", referral.Input{Channel: "telephone", Result: "reached"})
	way.do("progress", referral.Input{Status: "did-not-attend"})
	way.do("hold", referral.Input{Reason: &referral.Coded{Code: "patient-request", Text: "said privately"}, ReviewOn: agreedPlan().ReviewOn})
	way.do("resume", referral.Input{})
	eventually(t, "the acceptance is told", func() bool { return len(p.received()) > 0 })
	if n := w.number("SELECT count(*) FROM delivery WHERE kind = 'response'"); n != 1 || len(p.received()) != 1 {
		t.Errorf("%d answers are made and %d sent", n, len(p.received()))
	}
}

// hasten makes what waits for another try due now.
func (w *world) hasten() {
	w.t.Helper()
	db := w.db()
	defer db.Close()
	if _, err := db.Exec("UPDATE delivery SET due = 1, wake = 1 WHERE state = 'queued'"); err != nil {
		w.t.Fatal(err)
	}
}

// A partner that gives the request back, answers something else, or is busy is tried again
// under the same name with the same bytes; one that says it has the message already has it.
func TestAnAnswerIsTriedAgainUnderItsName(t *testing.T) {
	wrong := func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Request-Id", uuid.NewString())
		barsTaken(w, r)
	}
	duplicate := `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"duplicate","details":{"coding":[{"system":"https://fhir.nhs.uk/CodeSystem/http-error-codes","code":"REC_CONFLICT"}]}}]}`
	p := newBarsPartner(t, echoed, wrong, mirrored(http.StatusTooEarly, strings.Replace(duplicate, "CONFLICT", "TOO_EARLY", 1)), mirrored(http.StatusConflict, duplicate))
	w := barsWorld(t, p)
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	task, _ := a.byBars(t, uuid.NewString())
	barsWay{worker, gp, task}.do("accept", referral.Input{})
	version := worker.look(task).Version
	for n := 1; n < 4; n++ {
		eventually(t, "a try fails", func() bool {
			return w.number("SELECT count(*) FROM delivery WHERE kind = 'response' AND state = 'queued'") == 1 && len(p.received()) == n
		})
		w.hasten()
	}
	eventually(t, "it is delivered", func() bool {
		return w.number("SELECT count(*) FROM delivery WHERE kind = 'response' AND state = 'delivered'") == 1
	})
	list := p.received()
	if len(list) != 4 {
		t.Fatalf("%d requests", len(list))
	}
	for _, r := range list[1:] {
		if !bytes.Equal(r.body, list[0].body) {
			t.Error("a later try sends other bytes")
		}
		for name, values := range list[0].header {
			if !slices.Equal(values, r.header[name]) && name != "X-Request-Id" || name == "X-Request-Id" && values[0] == "" {
				t.Errorf("%s was %q and is %q", name, values, r.header[name])
			}
		}
	}
	for i, r := range []int{0, 2, 3} { // the second handler changed its own copy of the header
		if got := list[r].header.Get("X-Request-Id"); got != list[0].header.Get("X-Request-Id") {
			t.Errorf("try %d has the id %q", i, got)
		}
	}
	if v := worker.look(task); v.Status != referral.StatusAccepted || v.Version != version {
		t.Errorf("the referral is %s, version %d", v.Status, v.Version)
	}
}

// A partner that does not answer holds up nothing but its own messages: the outcome reaches
// the record. An answer that is not sent yet is never sent when the referral turns out to be
// an error.
func TestASlowPartnerHoldsUpItsOwnMessagesAlone(t *testing.T) {
	release := make(chan struct{})
	p := newBarsPartner(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		barsTaken(w, r)
	})
	defer close(release)
	w := barsWorld(t, p)
	a := w.run(quiet())
	gp, worker, operator := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1), a.as(auth.RoleOperator)
	task, _ := a.byBars(t, uuid.NewString())
	way := barsWay{worker, gp, task}
	way.do("accept", referral.Input{})
	way.do("close", because("moved-away"))
	v := worker.look(task)
	eventually(t, "the closure is in the record", func() bool { return inRecord(w, v.ID) != nil })
	if n := len(p.received()); n != 1 {
		t.Errorf("%d messages are under way", n)
	}
	operator.act(operator.look(task), "enter-in-error", because("entered-in-error")).view()
	if n := w.number("SELECT count(*) FROM delivery WHERE kind = 'response' AND move = 'T17' AND state = 'superseded'"); n != 1 {
		t.Error("the second answer is still to be sent")
	}
	if n := w.number("SELECT count(*) FROM delivery WHERE kind = 'response' AND move = 'T24'"); n != 0 {
		t.Error("the sender is told of what its own operator has to say")
	}
}

// A sender may not have answers about its referral delivered to somebody else.
func TestAnAnswerGoesToNobodyElse(t *testing.T) {
	p := newBarsPartner(t)
	w := barsWorld(t, p)
	partners, err := os.ReadFile(w.config.Partners)
	if err != nil {
		t.Fatal(err)
	}
	var bundle map[string]any
	if err := json.Unmarshal(partners, &bundle); err != nil {
		t.Fatal(err)
	}
	list := bundle["entry"].([]any)
	text, err := json.Marshal(list[len(list)-1])
	if err != nil {
		t.Fatal(err)
	}
	var others any
	if err := json.Unmarshal([]byte(strings.NewReplacer(practiceA, practiceB, "2000099001", "2000099002").Replace(string(text))), &others); err != nil {
		t.Fatal(err)
	}
	bundle["entry"] = append(list, others)
	if partners, err = json.Marshal(bundle); err == nil {
		err = os.WriteFile(w.config.Partners, partners, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	task, _ := a.byBars(t, uuid.NewString(), "2000099001", "2000099002")
	barsWay{worker, gp, task}.do("accept", referral.Input{})
	eventually(t, "the answer waits", func() bool {
		return w.number("SELECT count(*) FROM delivery WHERE kind = 'response' AND state = 'queued' AND problem = 'not-found'") == 1
	})
	if len(p.received()) != 0 {
		t.Errorf("it was sent: %s", p.received()[0].body)
	}
}
