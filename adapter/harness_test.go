package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
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
	extra    []string // further variables of the next child process
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
		Rate: 1 << 20, RateBurst: 1 << 20, AddressRate: 1 << 20, AddressBurst: 1 << 20, // how much they ask is not what most tests are about
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
	spine string // URL of the listener for GP Connect, "" without one
	log   string // file with the log of the child
	child *exec.Cmd
	ended chan error
	stop  func() // asks the part of this process to end

	service *referral.Service // of the part of this process
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
		"SUBSCRIBER_NETWORKS": strings.Join(c.SubscriberNetworks, ","),
		"FEEDS":               strings.Join(c.Feeds, ","),
		"RATE":                strconv.Itoa(c.Rate), "RATE_BURST": strconv.Itoa(c.RateBurst), "ADDRESS_RATE": strconv.Itoa(c.AddressRate), "ADDRESS_RATE_BURST": strconv.Itoa(c.AddressBurst),
		"DATA_KEYS_FILE": c.DataKeys,
	} {
		if value != "" {
			a.child.Env = append(a.child.Env, "ADAPTER_"+name+"="+value)
		}
	}
	a.child.Env = append(a.child.Env, w.extra...)
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
	a := &adapter{w: w, url: running.url, ended: make(chan error, 1), service: running.service}
	if running.spine != nil {
		scheme := map[bool]string{true: "https", false: "http"}[c.gpConnectTLS().on()]
		a.spine = scheme + "://" + running.spine.listener.Addr().String()
	}
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

// counts gives the number of rows in every table there is, but for those in which events
// move from one to the other by themselves, and those of the chain of the audit.
func (w *world) counts() map[string]int {
	w.t.Helper()
	query := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT IN ('waiting', 'feed', 'audience', 'audit_stream', 'audit_checkpoint')"
	if !strings.HasPrefix(w.database, "sqlite:") {
		query = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() AND table_name NOT IN ('waiting', 'feed', 'audience', 'audit_stream', 'audit_checkpoint')"
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
