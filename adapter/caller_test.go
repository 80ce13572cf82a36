package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// caller is one client of an adapter.
type caller struct {
	t     *testing.T
	url   string
	token string
}

// as gives a client with that role for those organisations; its client id is the same
// each time, so that it is known again after a restart.
func (a *adapter) as(role auth.Role, organisations ...string) caller {
	a.w.t.Helper()
	return caller{a.w.t, a.url, a.w.token(auth.Claims{Role: role, Organisations: organisations}, time.Now())}
}

// token signs a token; what the claims leave out is filled in.
func (w *world) token(c auth.Claims, now time.Time) string {
	w.t.Helper()
	c.Issuer = w.config.Issuer
	c.Client = "test-" + string(c.Role) + "-" + strings.Join(c.Organisations, "-")
	if c.Audience == nil {
		c.Audience = []string{publicURL}
	}
	if c.Scopes == nil {
		c.Scopes = []string{"system/*.cruds"}
	}
	token, err := w.signer.Token(c, now, time.Hour)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// in is the same client in a subtest, which fails for itself.
func (c caller) in(t *testing.T) caller {
	c.t = t
	return c
}

// answer is what came back.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// try makes a request; the error is one of the connection. headers are names and values.
func (c caller) try(method, path string, body []byte, headers ...string) (answer, error) {
	request, err := http.NewRequest(method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil {
		c.holds(request, body, response, text)
	}
	return answer{c.t, response.StatusCode, response.Header, text}, err
}

// do makes a request and demands an answer.
func (c caller) do(method, path string, body []byte, headers ...string) answer {
	c.t.Helper()
	a, err := c.try(method, path, body, headers...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (c caller) get(path string) answer {
	c.t.Helper()
	return c.do(http.MethodGet, path, nil)
}

// want demands a status.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// node parses a FHIR answer and checks that it is sound FHIR.
func (a answer) node() *fhir.Node {
	a.t.Helper()
	return checked(a.t, a.body)
}

// view reads an answer of the link-worker API.
func (a answer) view() (v referral.View) {
	a.t.Helper()
	a.want(http.StatusOK).into(&v)
	return v
}

func (a answer) into(v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%v in %s", err, a.body)
	}
}

// located is the relative reference in Location, without the version.
func (a answer) located() string {
	a.t.Helper()
	at, ok := strings.CutPrefix(a.header.Get("Location"), publicURL+"/fhir/R4/")
	reference, _, versioned := strings.Cut(at, "/_history/")
	if !ok || !versioned {
		a.t.Fatalf("Location is %q", a.header.Get("Location"))
	}
	return reference
}

// refer posts a referral and gives the reference of its Task.
func (c caller) refer(body []byte, headers ...string) string {
	c.t.Helper()
	return receipt(c.do(http.MethodPost, "/fhir/R4", body, headers...).want(http.StatusOK))
}

// receipt finds the Task in the answer to a transaction.
func receipt(a answer) string {
	a.t.Helper()
	task := ""
	for _, entry := range a.node().All("entry") {
		if o := entry.Descend("response", "outcome", "issue"); o != nil {
			task = o.Text("diagnostics")
		}
	}
	if !strings.HasPrefix(task, "Task/") {
		a.t.Fatalf("the receipt names no Task: %s", a.body)
	}
	return task
}

// total is the number of resources a search finds.
func (c caller) total(path string) int {
	c.t.Helper()
	n := 0
	var found struct{ Total *int }
	found.Total = &n
	c.get(path).want(http.StatusOK).into(&found)
	return n
}

// worklist gives every referral the caller sees.
func (c caller) worklist(query string) []referral.View {
	c.t.Helper()
	var all []referral.View
	for next := ""; ; {
		var page struct {
			Items []referral.View
			Next  *string
		}
		c.get("/api/v1/referrals?count=500&" + query + next).want(http.StatusOK).into(&page)
		all = append(all, page.Items...)
		if page.Next == nil {
			return all
		}
		next = "&cursor=" + *page.Next
	}
}

// look reads one referral by its Task.
func (c caller) look(task string) referral.View {
	c.t.Helper()
	return c.get("/api/v1/referrals/" + strings.TrimPrefix(task, "Task/")).view()
}

// act makes a move from a version of a referral.
func (c caller) act(v referral.View, action string, in referral.Input) answer {
	c.t.Helper()
	return c.do(http.MethodPost, "/api/v1/referrals/"+v.ID+"/actions/"+action, mustJSON(in), "If-Match", fmt.Sprintf(`W/"%d"`, v.Version))
}

// patience is far beyond what anything here takes: reaching it is a failure, not a measure.
const patience = 60 * time.Second

// eventually waits for what happens elsewhere.
func eventually(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come about that %s", what)
		}
	}
}

// people gives each message of the tests a person of its own.
var people = struct {
	sync.Mutex
	nhsNumbers
	made int
}{}

// someone makes a referral of a person nobody knows yet, with three Observations.
func someone(practice string) *synthetic {
	people.Lock()
	defer people.Unlock()
	people.made++
	n := people.made
	o := syntheticObservations
	return &synthetic{
		practice: practice, practiceName: "Practice " + practice, nhsNumber: people.next(), family: "Quillfeather",
		birthDate: "1951-03-09", telephone: fmt.Sprintf("%03d", n%1000), identifier: fmt.Sprintf("T-%06d", n),
		uuid:         func(entry int) string { return fmt.Sprintf("7a1d7c52-0b7e-4c1a-9a53-%010x%02x", n, entry+1) },
		observations: []syntheticObservation{o[0], o[4], o[5]},
	}
}

// message is the transaction Bundle in bytes.
func (s *synthetic) message() []byte { return fhir.Encode(s.bundle()) }

// alone is the ServiceRequest as it is posted without a Bundle, about a subject.
func (s *synthetic) alone(subject string) *fhir.Node {
	bare := *s
	bare.observations = nil
	n := bare.request()
	n.Remove("requester")
	setPart(n, "subject", subject)
	return n
}

// byNumber is a subject named by an NHS number.
func byNumber(number string) string {
	return fmt.Sprintf(`{"identifier":{"system":%q,"value":%q}}`, referral.SystemNHSNumber, number)
}

// byReference is a subject named by a reference.
func byReference(reference string) string { return fmt.Sprintf(`{"reference":%q}`, reference) }

// setPart replaces an element of a resource with what is given in JSON.
func setPart(n *fhir.Node, name, text string) {
	n.Remove(name)
	whole := fmt.Sprintf(`{"resourceType":%q,%q:%s}`, n.ResourceType(), name, text)
	part, err := fhir.Parse(fhir.Types(fhir.R4), []byte(whole), fhir.Limits{})
	if err != nil {
		panic(err)
	}
	for _, c := range part.All(name) {
		n.Append(name, c.Clone())
	}
}
