package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"

	"spadapter/adapter/auth"
)

// benchServer is the adapter under load: one that was running, or a child process, so
// that what it uses can be told from what the load uses.
type benchServer struct {
	url, token string
	ownerToken string // of the link-worker service
	database   string // "sqlite", "postgresql", or "unknown" of a running adapter

	gp     *benchGP  // where a child files write-backs; nil for a running adapter
	child  *exec.Cmd // nil for a running adapter
	dir    string    // temporary, of the child
	ended  chan struct{}
	waited error // how the child ended, once ended is closed
}

// server finds or starts the adapter to measure.
func (c *benchCmd) server(ctx context.Context) (*benchServer, error) {
	if c.URL != "" {
		s := &benchServer{url: strings.TrimRight(c.URL, "/"), database: "unknown"}
		var ofGP, ofOwner error
		s.token, ofGP = givenToken(c.Token)
		s.ownerToken, ofOwner = givenToken(c.OwnerToken)
		return s, errors.Join(ofGP, ofOwner)
	}
	dir, err := os.MkdirTemp("", "adapter-bench-")
	if err != nil {
		return nil, err
	}
	s := &benchServer{dir: dir, ended: make(chan struct{})}
	if err := s.start(ctx, c); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// givenToken is a token of the command line, or that of the file it names.
func givenToken(text string) (string, error) {
	file, ok := strings.CutPrefix(text, "@")
	if !ok {
		return text, nil
	}
	body, err := os.ReadFile(file)
	return strings.TrimSpace(string(body)), err
}

func (s *benchServer) start(ctx context.Context, c *benchCmd) error {
	private, public, err := auth.GenerateKeys(auth.ES384)
	if err != nil {
		return err
	}
	file := func(name string) string { return filepath.Join(s.dir, name) }
	database := c.Database
	if database == "" {
		database = "sqlite:" + file("adapter.db")
	}
	s.database = databaseKind(database)
	if s.gp, err = startBenchGP(); err != nil {
		return err
	}
	if err := errors.Join(
		os.WriteFile(file("jwks.json"), public, 0o600),
		os.WriteFile(file("keys.json"), private, 0o600),
		os.WriteFile(file("partners.json"), demoPartners(s.gp.url), 0o600),
	); err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	s.child = exec.Command(program, "serve")
	if c.Profile != "" {
		s.child.Args = []string{program, "bench", "--serve-profiled", c.Profile}
	}
	// of our own settings the child takes none, so that a run means the same everywhere
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "ADAPTER_") || strings.HasPrefix(v, "ADAPTER_TEST_") {
			s.child.Env = append(s.child.Env, v)
		}
	}
	s.child.Env = append(s.child.Env, "ADAPTER_LISTEN=127.0.0.1:0", "ADAPTER_DATABASE="+database, "ADAPTER_PARTNERS_FILE="+file("partners.json"),
		"ADAPTER_JWKS_FILE="+file("jwks.json"), "ADAPTER_KEYS_FILE="+file("keys.json"),
		// one client of the bench stands for many
		"ADAPTER_RATE=1000000", "ADAPTER_RATE_BURST=1000000", "ADAPTER_REQUESTS_AT_ONCE=10000", "ADAPTER_CLIENT_REQUESTS_AT_ONCE=10000")
	if c.Dialect == barsDialect {
		s.child.Env = append(s.child.Env, "ADAPTER_BARS_SERVICES="+barsService)
	}
	// the log goes to a file and not through us: reading it would cost us time
	log, err := os.Create(file("log"))
	if err != nil {
		return err
	}
	defer log.Close()
	s.child.Stdout, s.child.Stderr = log, log
	if err := s.child.Start(); err != nil {
		s.child = nil
		return err
	}
	go func() {
		s.waited = s.child.Wait()
		close(s.ended)
	}()
	if s.url, err = s.listening(ctx); err != nil {
		return err
	}
	signer, err := auth.NewSigner(private, auth.SignerConfig{NewID: uuid.NewString})
	if err != nil {
		return err
	}
	token := func(role auth.Role, ods string) (string, error) {
		return signer.Token(auth.Claims{
			Issuer: "spadapter", Client: "bench", Audience: []string{s.url}, Organisations: []string{ods},
			Role: role, Scopes: []string{"system/*.cruds"},
		}, time.Now(), 24*time.Hour)
	}
	if s.token, err = token(auth.RoleRequester, c.Practice); err != nil {
		return err
	}
	s.ownerToken, err = token(auth.RoleOwner, demoService)
	return err
}

// listening waits until the child says in its log where it serves.
func (s *benchServer) listening(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for {
		log, err := os.ReadFile(filepath.Join(s.dir, "log"))
		if err != nil {
			return "", err
		}
		for line := range bytes.Lines(log) {
			var said struct {
				Msg     string
				BaseURL string `json:"base_url"`
			}
			if json.Unmarshal(line, &said) == nil && said.Msg == "serving" && said.BaseURL != "" {
				return said.BaseURL, nil
			}
		}
		select {
		case <-ctx.Done():
			return "", errors.Join(errors.New("the adapter did not begin to serve"), s.fault())
		case <-s.ended:
			return "", s.fault()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// watch gives a context that also ends when the child does.
func (s *benchServer) watch(ctx context.Context) context.Context {
	if s.child == nil {
		return ctx
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		<-s.ended
		cancel()
	}()
	return ctx
}

// fault tells how a child ended that should not have, with the last lines of its log;
// nil while it runs.
func (s *benchServer) fault() error {
	if s.child == nil {
		return nil
	}
	select {
	case <-s.ended:
	default:
		return nil
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return fmt.Errorf("the adapter ended (%v):\n%s", s.waited, strings.Join(lines[max(0, len(lines)-5):], "\n"))
}

// stop ends the child, which drains, and removes what was temporary.
func (s *benchServer) stop() error {
	if s.child != nil {
		// Windows has no such signal
		if err := s.child.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			_ = s.child.Process.Kill()
		}
		select {
		case <-s.ended:
		case <-time.After(30 * time.Second):
			_ = s.child.Process.Kill()
			<-s.ended
		}
	}
	var err error
	if s.gp != nil {
		err = s.gp.stop()
	}
	if s.dir == "" {
		return err
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// serveProfiled is serve with a CPU profile of its whole life; its configuration is
// all in the environment.
func serveProfiled(file string) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	var serve serveCmd
	parser, err := kong.New(&serve)
	if err != nil {
		return err
	}
	if _, err := parser.Parse(nil); err != nil {
		return err
	}
	return serve.Run()
}
