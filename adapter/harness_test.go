package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// The test binary is the adapter itself when this variable is set, so that the tests
// start, stop and kill the real program.
const asProgram = "ADAPTER_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	storetest.Main(m)
}

// The cast: A refers to service 1, B to service 2, and C to whichever claims first.
const (
	practiceA, practiceB, practiceC = "Y99001", "Y99002", "Y99003"
	service1, service2              = "Y99201", "Y99202"
)

// publicURL is the base URL of every adapter of a test, so that tokens and answers
// are the same after a restart and in a second process.
const publicURL = "https://adapter.example"

// world is what surrounds the adapters of one test: a database, a GP system, keys.
type world struct {
	t        *testing.T
	dir      string
	database string
	gp       *standIn
	signer   *auth.Signer
	config   Config
}

// newWorld makes the surroundings; database "" is a new SQLite file.
func newWorld(t *testing.T, database string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), database: database, gp: newStandIn(t)}
	if database == "" {
		w.database = "sqlite:" + filepath.Join(w.dir, "adapter.db")
	}
	private, public, err := auth.GenerateKeys(auth.ES384)
	if err != nil {
		t.Fatal(err)
	}
	if w.signer, err = auth.NewSigner(private, auth.SignerConfig{NewID: uuid.NewString}); err != nil {
		t.Fatal(err)
	}
	w.config = Config{
		Listen: "127.0.0.1:0", BaseURL: publicURL, Database: w.database, Partners: filepath.Join(w.dir, "partners.json"),
		JWKS: filepath.Join(w.dir, "jwks.json"), Keys: filepath.Join(w.dir, "keys.json"), Issuer: "spadapter",
		Sharing: "full", MinAttempts: 3, BodyBytes: 256 << 10, RetryFor: 72 * time.Hour, DrainFor: 20 * time.Second,
	}
	for file, body := range map[string][]byte{w.config.JWKS: public, w.config.Keys: private, w.config.Partners: castPartners(w.gp.URL())} {
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// castPartners is the partner Bundle: every practice receives at the same GP system.
func castPartners(gp string) []byte {
	var entries []string
	for _, ods := range []string{practiceA, practiceB, practiceC, service1, service2} {
		entries = append(entries, fmt.Sprintf(`{"resource":{"resourceType":"Organization","identifier":[{"system":%q,"value":%q}],"name":"Partner %s (synthetic)"}}`, referral.SystemODS, ods, ods))
	}
	named := func(ods string) string {
		return fmt.Sprintf(`{"identifier":{"system":%q,"value":%q}}`, referral.SystemODS, ods)
	}
	for _, p := range []string{practiceA, practiceB, practiceC} {
		entries = append(entries, fmt.Sprintf(`{"resource":{"resourceType":"Endpoint","status":"active","connectionType":{"system":"http://terminology.hl7.org/CodeSystem/endpoint-connection-type","code":"hl7-fhir-rest"},"managingOrganization":%s,"payloadType":[{"text":"outcome"}],"address":%q}}`, named(p), gp))
	}
	for _, a := range [][2]string{{practiceA, service1}, {practiceB, service2}, {practiceC, service1}, {practiceC, service2}} {
		entries = append(entries, fmt.Sprintf(`{"resource":{"resourceType":"OrganizationAffiliation","active":true,"organization":%s,"participatingOrganization":%s}}`, named(a[0]), named(a[1])))
	}
	return []byte(`{"resourceType":"Bundle","type":"collection","entry":[` + strings.Join(entries, ",\n") + `]}`)
}

// adapter is one running adapter: a child process, or a part of the test process.
type adapter struct {
	w     *world
	url   string
	log   string // file with the log of the child
	child *exec.Cmd
	ended chan error
	stop  func() // asks the part of this process to end
}

// start starts the program as a child process and returns once it serves.
func (w *world) start() *adapter {
	w.t.Helper()
	program, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	a := &adapter{w: w, log: filepath.Join(w.dir, "log-"+uuid.NewString()), ended: make(chan error, 1)}
	log, err := os.Create(a.log)
	if err != nil {
		w.t.Fatal(err)
	}
	defer log.Close()
	a.child = exec.Command(program, "serve")
	a.child.Stdout, a.child.Stderr = log, log
	c := w.config
	a.child.Env = append(plainEnvironment(), asProgram+"=1")
	for name, value := range map[string]string{
		"LISTEN": c.Listen, "BASE_URL": c.BaseURL, "DATABASE": c.Database, "PARTNERS_FILE": c.Partners, "JWKS_FILE": c.JWKS,
		"KEYS_FILE": c.Keys, "SHARING": c.Sharing, "BODY_BYTES": strconv.Itoa(c.BodyBytes),
	} {
		if value != "" {
			a.child.Env = append(a.child.Env, "ADAPTER_"+name+"="+value)
		}
	}
	if err := a.child.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() { a.ended <- a.child.Wait() }()
	w.t.Cleanup(a.kill)
	eventually(w.t, "the adapter serves", func() bool {
		select {
		case err := <-a.ended:
			a.child = nil
			text, _ := os.ReadFile(a.log)
			w.t.Fatalf("the adapter ended (%v):\n%s", err, text)
		default:
		}
		a.url = listening(a.log)
		return a.url != ""
	})
	return a
}

// plainEnvironment is ours without settings of an adapter.
func plainEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "ADAPTER_") })
}

// listening reads in the log where the adapter listens, "" when it does not say yet.
func listening(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var line struct{ Msg, Listen string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			return "http://" + line.Listen
		}
	}
	return ""
}

// kill ends the child at once, without any chance to tidy up.
func (a *adapter) kill() {
	if a.child != nil {
		_ = a.child.Process.Kill() // it may have ended before
		<-a.ended
		a.child = nil
	}
}

// terminate asks the child to end and gives its exit code.
func (a *adapter) terminate() int {
	a.w.t.Helper()
	a.ask()
	return a.exit()
}

// ask asks the child to end.
func (a *adapter) ask() {
	a.w.t.Helper()
	if err := a.child.Process.Signal(syscall.SIGTERM); err != nil {
		a.w.t.Fatal(err)
	}
}

func (a *adapter) exit() int {
	a.w.t.Helper()
	select {
	case err := <-a.ended:
		code := a.child.ProcessState.ExitCode()
		a.child = nil
		if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
			a.w.t.Fatal(err)
		}
		return code
	case <-time.After(patience):
		a.w.t.Fatal("the adapter does not end")
		return -1
	}
}

// run runs the adapter in this process, which is quicker and lets the race detector see it.
func (w *world) run(log *slog.Logger) *adapter {
	w.t.Helper()
	c := w.config
	if err := c.complete(); err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	running, err := newApp(ctx, c, log)
	if err != nil {
		stop()
		w.t.Fatal(err)
	}
	a := &adapter{w: w, url: running.url, ended: make(chan error, 1)}
	go func() { a.ended <- running.run(ctx) }()
	a.stop = sync.OnceFunc(func() {
		stop()
		// an idle connection of ours would be waited for
		http.DefaultClient.CloseIdleConnections()
		if err := <-a.ended; err != nil {
			w.t.Errorf("the adapter ended with %v", err)
		}
	})
	w.t.Cleanup(a.stop)
	return a
}

// quiet is the log of an adapter whose log is not what the test is about.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

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

// db opens the database of a world beside the adapter, as an administrator would.
func (w *world) db() *sql.DB {
	w.t.Helper()
	driver, source := "pgx", w.database
	if path, ok := strings.CutPrefix(w.database, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		w.t.Fatal(err)
	}
	return db
}

// number asks the database for one number.
func (w *world) number(query string) (n int) {
	w.t.Helper()
	db := w.db()
	defer db.Close()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// counts gives the number of rows in every table there is.
func (w *world) counts() map[string]int {
	w.t.Helper()
	query := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
	if !strings.HasPrefix(w.database, "sqlite:") {
		query = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()"
	}
	db := w.db()
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]int{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			w.t.Fatal(err)
		}
		out[name] = 0
	}
	for name := range out {
		n := 0
		if err := db.QueryRow(`SELECT count(*) FROM "` + name + `"`).Scan(&n); err != nil {
			w.t.Fatal(err)
		}
		out[name] = n
	}
	if len(out) < 10 {
		w.t.Fatalf("only %d tables", len(out))
	}
	return out
}
