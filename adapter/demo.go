package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
)

// demoCmd shows the main job from end to end: it starts the adapter, a stand-in GP
// system and a link-worker client, and lets a referral go round.
type demoCmd struct {
	Once    bool   `help:"End after the loop: exit code 0, or 1 when a step failed."`
	Listen  string `help:"Address of the adapter." default:"127.0.0.1:0"`
	Verbose bool   `help:"Show the adapter's log." short:"v"`
}

// The cast of the demo; all of it is made up.
const (
	demoPractice     = "Y99001"
	demoPracticeName = "Millbrook Surgery (synthetic)"
	demoService      = "Y99201"
	demoServiceName  = "Millbrook Link Workers (synthetic)"
)

func (c *demoCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	dir, err := os.MkdirTemp("", "adapter-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	stage, err := newStage(ctx, dir, c)
	if err != nil {
		return err
	}
	out := newTerminal(os.Stdout)
	play := &play{out: out, stage: stage, started: time.Now()}
	err = play.run(ctx)
	if err == nil && !c.Once {
		stage.invite(out)
		<-ctx.Done()
	}
	return errors.Join(err, stage.close())
}

// stage is the running adapter with its two neighbours.
type stage struct {
	gp      *standIn
	app     *app
	signer  *auth.Signer
	stopApp context.CancelFunc
	ended   chan error
}

func newStage(ctx context.Context, dir string, c *demoCmd) (*stage, error) {
	s := &stage{ended: make(chan error, 1)}
	private, public, err := auth.GenerateKeys(auth.ES384)
	if err != nil {
		return nil, err
	}
	if s.signer, err = auth.NewSigner(private, auth.SignerConfig{NewID: uuid.NewString}); err != nil {
		return nil, err
	}
	if s.gp, err = startStandIn(); err != nil {
		return nil, err
	}
	config := Config{
		Listen: c.Listen, Database: "sqlite:" + filepath.Join(dir, "adapter.db"), Partners: filepath.Join(dir, "partners.json"),
		JWKS: filepath.Join(dir, "jwks.json"), Keys: filepath.Join(dir, "keys.json"), Issuer: "spadapter",
		Sharing: "summary", MinAttempts: 3, BodyBytes: 5 << 20, RetryFor: 72 * time.Hour, DrainFor: 5 * time.Second,
	}
	if err := errors.Join(
		os.WriteFile(config.JWKS, public, 0o600),
		os.WriteFile(config.Keys, private, 0o600),
		os.WriteFile(config.Partners, demoPartners(s.gp.URL()), 0o600),
		config.complete(),
	); err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	if c.Verbose {
		log = newLogger("debug")
	}
	// the adapter outlives the signal, so that it can drain
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	if s.app, err = newApp(running, config, log); err != nil {
		stop()
		return nil, err
	}
	s.stopApp = stop
	go func() { s.ended <- s.app.run(running) }()
	return s, nil
}

func (s *stage) close() error {
	s.stopApp()
	err := <-s.ended
	s.gp.Close()
	return err
}

// token makes a bearer token for one of the two clients.
func (s *stage) token(role auth.Role, organisation string) (string, error) {
	scopes := []string{"system/*.cruds"}
	return s.signer.Token(auth.Claims{
		Issuer: s.app.config.Issuer, Client: "demo-" + string(role), Audience: s.app.config.Audience,
		Organisations: []string{organisation}, Role: role, Scopes: scopes,
	}, time.Now(), 8*time.Hour)
}

// invite says what a person can do next.
func (s *stage) invite(out *terminal) {
	token, err := s.token(auth.RoleOwner, demoService)
	if err != nil {
		return
	}
	requester, err := s.token(auth.RoleRequester, demoPractice)
	if err != nil {
		return
	}
	out.line("\n%s", out.paint(heading, "The adapter stays up. Try it; Ctrl-C ends it."))
	out.line("  FHIR API            %s/fhir/R4/metadata", s.app.url)
	out.line("  link-worker API     %s/api/v1/referrals", s.app.url)
	out.line("  its documentation   %s/docs", s.app.url)
	out.line("  metrics             %s/metrics", s.app.url)
	out.line("  stand-in GP record  %s/Task", s.gp.URL())
	out.line("\n  TOKEN=%s", token)
	out.line("  curl -s -H \"Authorization: Bearer $TOKEN\" %s/api/v1/referrals", s.app.url)
	out.line("\n  GP=%s", requester)
	out.line("  curl -s -H \"Authorization: Bearer $GP\" %s/fhir/R4/Task", s.app.url)
}

// demoPartners is the partner Bundle of the demo: a practice with an endpoint, a
// link-worker service, and the affiliation that leads referrals from one to the other.
func demoPartners(gp string) []byte {
	organisation := func(id, ods, name string) string {
		return fmt.Sprintf(`{"fullUrl":"urn:uuid:%s","resource":{"resourceType":"Organization","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":%q}],"name":%q}}`, id, ods, name)
	}
	const practice, service = "5d0f2a52-6a2f-4b57-9a6c-5b6f0a7d0001", "5d0f2a52-6a2f-4b57-9a6c-5b6f0a7d0002"
	return fmt.Appendf(nil, `{"resourceType":"Bundle","type":"collection","entry":[%s,%s,
{"resource":{"resourceType":"OrganizationAffiliation","active":true,"organization":{"reference":"urn:uuid:%s"},"participatingOrganization":{"reference":"urn:uuid:%s"}}},
{"resource":{"resourceType":"Endpoint","status":"active","connectionType":{"system":"http://terminology.hl7.org/CodeSystem/endpoint-connection-type","code":"hl7-fhir-rest"},
 "managingOrganization":{"reference":"urn:uuid:%s"},"payloadType":[{"text":"outcome"}],"address":%q}}]}`,
		organisation(practice, demoPractice, demoPracticeName), organisation(service, demoService, demoServiceName), practice, service, practice, gp)
}
