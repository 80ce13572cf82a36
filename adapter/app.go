package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"spadapter/adapter/delivery"
	"spadapter/adapter/fhir"
	"spadapter/adapter/gateway"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/conformance"
)

// app is one running adapter: it introduces the packages to each other.
type app struct {
	config    Config
	log       *slog.Logger
	store     *store.Store
	service   *referral.Service
	partners  *referral.Partners
	authority *authority
	worker    *delivery.Worker
	inbox     *delivery.Inbox // of MESH, nil when not configured
	events    *events
	stopping  chan struct{} // closed when the server is to stop
	shadow    *shadow       // nil without shadow maps
	feeds     *refresher
	people    referral.Demographics // nil when persons are looked up nowhere
	handler   http.Handler
	server    *http.Server
	listener  net.Listener
	crowd     *crowd       // the listener, with its bounds
	metrics   *http.Server // nil unless they have an address of their own
	scraped   net.Listener
	spine     *gpConnect // nil when not configured
	url       string     // where it listens
}

// newApp opens the database, compiles the artefacts and listens. Nothing is served
// before run.
func newApp(ctx context.Context, c Config, log *slog.Logger) (*app, error) {
	a := &app{config: c, log: log, stopping: make(chan struct{})}
	given, notes, err := openPackages(c.Packages)
	if err != nil {
		return nil, fmt.Errorf("ADAPTER_PACKAGES: %w", err)
	}
	compiled, err := compile(c, given, log)
	if err != nil {
		return nil, fmt.Errorf("the maps and other artefacts do not compile: %w", err)
	}
	validator, more, err := newValidator(compiled)
	if err != nil {
		return nil, err
	}
	for _, note := range slices.Concat(notes, compiled.notes, more) {
		log.Warn("a package cannot be used as a whole", "details", note.Details)
	}
	if a.partners, err = loadPartners(c.Partners); err != nil {
		return nil, err
	}
	if a.partners.Services() == 0 {
		log.Warn("no link-worker service is affiliated with a practice: referrals that name no performer will wait where nobody sees them; name partners in ADAPTER_PARTNERS_FILE")
	}
	if a.listener, err = net.Listen("tcp", c.Listen); err != nil {
		return nil, err
	}
	// with port 0 the address is known only now; what the deployment set itself stays
	a.url = c.scheme() + "://" + a.listener.Addr().String()
	if host, port, _ := net.SplitHostPort(c.Listen); port == "0" {
		guessed := localURL(c.scheme(), host, port)
		a.config.Listen = a.listener.Addr().String()
		if c.BaseURL == guessed {
			a.config.BaseURL = a.url
		}
		if slices.Equal(c.Audience, []string{guessed}) {
			a.config.Audience = []string{a.url}
		}
	}
	if a.authority, err = newAuthority(a.config, a.partners, func() *store.Store { return a.store }, log); err != nil {
		return nil, errors.Join(err, a.listener.Close())
	}
	sealing, err := sealingKey(c.AuditKey)
	if err != nil {
		return nil, errors.Join(err, a.listener.Close())
	}
	if a.store, err = openStore(ctx, c.Database, c.DataKeys, c.DataKeysCommand, store.Patience(c.RequestTimeout), store.SealedAudit(sealing), store.Checkpoints(logCheckpoint(log))); err != nil {
		return nil, errors.Join(err, a.listener.Close())
	}
	registry := newRegistry(a.store)
	a.crowd = newCrowd(a.listener, c.Connections, c.AddressConnections, c.protection().Proxies, metricsOf(registry, "main"))
	var converted func(referral.Conversion)
	if c.ShadowMaps != "" {
		library, err := loadLibrary(compiled.terminology, c.Maps, c.ShadowMaps)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("ADAPTER_SHADOW_MAPS_DIR: %w", err), a.listener.Close(), a.store.Close(ctx))
		}
		a.shadow = newShadow(library, registry, log)
		converted = a.shadow.observe
	}
	invariants := compiled.invariants.Validate
	if len(c.Packages) > 0 {
		invariants = validator.sets[fhir.Types(fhir.R4)].Validate // the claims of a message too
	}
	ways := outlets{library: compiled.library, partners: a.partners, mesh: c.meshOn(), record: c.UpdateRecord, mailbox: c.MeshMailbox}
	for _, note := range ways.notes() {
		log.Warn("a letter to a practice will not be whole", "details", note)
	}
	people, err := newDemographics(c, registry)
	if err != nil {
		return nil, errors.Join(err, a.listener.Close(), a.store.Close(ctx))
	}
	service := referral.NewService(referral.Config{
		Store: a.store, Partners: a.partners, Instruments: compiled.instruments, Terminology: compiled.codes,
		Dialect: compiled.dialect, Outlet: ways.toRecord, Second: ways.second, Response: ways.toSender, Converted: converted, Base: a.config.BaseURL + "/fhir/R4/", Invariants: invariants, Conforms: compiled.conforms,
		Sharing: c.Sharing, Rules: c.rules(), RetryFor: c.RetryFor,
		Reachable: c.reachable(), Demographics: people, AskEvery: c.PDSInterval, TrustFor: c.PDSTrustFor,
	})
	a.service, a.people, validator.intake = service, people, service
	if n, err := service.Learn(ctx); err != nil {
		return nil, errors.Join(err, a.listener.Close(), a.store.Close(ctx))
	} else if n > 0 {
		log.Info("worklist_learned", "referrals", n)
	}
	if n, err := a.store.Release(ctx); err != nil {
		return nil, errors.Join(err, a.listener.Close(), a.store.Close(ctx))
	} else if n > 0 {
		log.Info("deliveries_released", "deliveries", n)
	}
	observe := observeDeliveries(registry)
	overMESH, inbox, err := a.newMESH(registry, service.Instead)
	if err != nil {
		return nil, errors.Join(err, a.listener.Close(), a.store.Close(ctx))
	}
	a.inbox = inbox
	if a.worker, err = a.newWorker(observe, service.Fresh, overMESH); err != nil {
		return nil, errors.Join(err, a.listener.Close(), a.store.Close(ctx))
	}
	if a.events, err = newEvents(a.store, service, c, observe, log); err != nil {
		return nil, errors.Join(err, a.listener.Close(), a.store.Close(ctx))
	}
	services, err := a.newDirectory(compiled, service)
	if err != nil {
		return nil, errors.Join(err, a.listener.Close(), a.store.Close(ctx))
	}
	openapi, err := gateway.ParseOpenAPI(conformance.OpenAPI)
	if err != nil {
		return nil, errors.Join(err, a.listener.Close(), a.store.Close(ctx))
	}
	if c.MetricsListen != "" {
		if a.scraped, err = net.Listen("tcp", c.MetricsListen); err != nil {
			return nil, errors.Join(fmt.Errorf("ADAPTER_METRICS_LISTEN: %w", err), a.listener.Close(), a.store.Close(ctx))
		}
		a.config.MetricsListen = a.scraped.Addr().String()
		a.metrics = newMetricsServer(registry)
	}
	a.handler = gateway.New(gateway.Config{
		Operations: gateway.OperationsOf(service), Verify: a.authority.verifier.Verify, Demands: c.demands(), Authority: a.authority.offered(), BaseURL: a.config.BaseURL,
		Limits: fhir.Limits{Bytes: c.BodyBytes}, BytesAtOnce: c.BytesAtOnce, Protection: c.protection(), Version: version(), Ready: a.store.Ping, Logger: log,
		Registerer: registry, Gatherer: registry, NewID: a.store.NewID, Stopping: a.stopping,
		Conversions: compiled.library, Terminology: compiled.library.Codes, Definitions: compiled.definitions, Directory: services, OpenAPI: openapi, BaRS: c.bars(compiled.messages),
		Validator: &gateway.Validator{Known: validator.known, Validate: func(ctx context.Context, root *fhir.Node, profiles []string, intake bool) []*issue.Error {
			return validator.validate(root, question{profiles: profiles, intake: intake, stop: func() bool { return ctx.Err() != nil }})
		}},
	})
	a.server = newServer(a.handler, a.crowd, log)
	err = secure(a.server, c.tls(), log)
	if err != nil {
		err = fmt.Errorf("the files of ADAPTER_TLS_CERT_FILE, _KEY_FILE and _CLIENT_CA_FILE: %w", err)
	} else {
		a.spine, err = newGPConnect(a.config, a.partners, a.handler, registry, log)
	}
	if err != nil {
		return nil, errors.Join(err, a.listener.Close(), a.store.Close(ctx))
	}
	return a, nil
}

// run serves until ctx ends, then drains: no new connections, requests under way are
// answered, deliveries under way are finished, and the database is closed last.
func (a *app) run(ctx context.Context) error {
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorking()
	var group sync.WaitGroup
	var workerErr, eventsErr, inboxErr error
	group.Go(func() { workerErr = a.worker.Run(working) })
	group.Go(func() { eventsErr = a.events.run(working) })
	if a.inbox != nil {
		group.Go(func() { inboxErr = a.inbox.Run(working) })
	}
	if a.shadow != nil {
		group.Go(func() { a.shadow.run(working) })
	}
	group.Go(func() { a.feeds.run(working) })
	group.Go(func() { a.authority.run(working) })
	if a.people != nil {
		group.Go(func() { lookUp(working, a.service, a.config.PDSInterval, a.log) })
	}
	served := make(chan error, 2)
	servers := []*http.Server{a.server}
	go func() { served <- serve(a.server, a.crowd) }()
	if a.spine != nil {
		servers = append(servers, a.spine.server)
		go func() { served <- serve(a.spine.server, a.spine.crowd) }()
	}
	if a.metrics != nil {
		group.Go(func() { _ = a.metrics.Serve(a.scraped) }) // it ends when it is closed below
	}
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		a.log.Info("draining", "limit_ms", a.config.DrainFor.Milliseconds())
	}
	close(a.stopping) // who waits for events is answered now
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.config.DrainFor)
	defer cancel()
	stopped := shutDown(drain, servers)
	stopWorking()
	if a.metrics != nil {
		err = errors.Join(err, a.metrics.Close())
	}
	group.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, stopped, workerErr, eventsErr, inboxErr, a.store.Close(drain))
}

// shutDown ends the servers at the same time: requests under way are answered until ctx ends.
func shutDown(ctx context.Context, servers []*http.Server) error {
	var group sync.WaitGroup
	ends := make([]error, len(servers))
	for i, server := range servers {
		group.Go(func() {
			if ends[i] = server.Shutdown(ctx); ends[i] != nil {
				ends[i] = errors.Join(ends[i], server.Close())
			}
		})
	}
	group.Wait()
	return errors.Join(ends...)
}

// newServer is the server over the listener. A header has 10 seconds to arrive; how long a body
// and an answer may take is for the gateway to say, and it moves these limits for each request.
func newServer(handler http.Handler, c *crowd, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second, WriteTimeout: 90 * time.Second,
		IdleTimeout: 120 * time.Second, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnState: c.follow,
	}
}

// newDirectory makes the directory of services and what keeps it fresh.
func (a *app) newDirectory(compiled *artefacts, service *referral.Service) (*gateway.Directory, error) {
	feeds, err := parseFeeds(a.config.Feeds, a.config.PlainFeeds)
	if err != nil {
		return nil, err
	}
	d, err := newDirectory(a.store, compiled, a.config)
	if err != nil {
		return nil, err
	}
	a.feeds = &refresher{directory: d, feeds: feeds, plain: a.config.PlainFeeds, log: a.log}
	return offered(d, service), nil
}

// loadPartners reads the partner Bundle; without a file there are no partners.
func loadPartners(file string) (*referral.Partners, error) {
	body := []byte(`{"resourceType":"Bundle","type":"collection"}`)
	if file != "" {
		var err error
		if body, err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("ADAPTER_PARTNERS_FILE: %w", err)
		}
	}
	bundle, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
	if err == nil {
		err = fhir.Check(bundle)
	}
	var partners *referral.Partners
	if err == nil {
		partners, err = referral.LoadPartners(bundle)
	}
	if err != nil {
		return nil, fmt.Errorf("ADAPTER_PARTNERS_FILE: %w", err)
	}
	return partners, nil
}

// newWorker makes the delivery worker with its routes.
func (a *app) newWorker(observe func(referral.Delivery, referral.Attempt), fresh func(context.Context, referral.Delivery) (bool, error), overMESH *delivery.MESH) (*delivery.Worker, error) {
	route := &delivery.FHIR{PlainHTTP: a.config.PlainPartners, Endpoint: func(ods string) (delivery.Endpoint, bool) {
		e, ok := a.partners.Endpoint(ods)
		return delivery.Endpoint{ODS: ods, Address: e.Address, TokenURL: e.TokenURL, ClientID: e.ClientID}, ok
	}}
	bars := &delivery.BaRS{PlainHTTP: a.config.PlainPartners, Endpoint: a.barsEndpoint, Version: a.config.BarsAnswerVersion,
		Software: delivery.Software{System: productSystem, Value: "spadapter", Name: "spadapter", Version: version()}}
	if a.authority.signer != nil {
		route.Token = newTokens(a.authority.signer).get
		bars.Token = route.Token
	}
	routes := map[string]delivery.Route{"fhir-rest": route, "bars": bars}
	if overMESH != nil {
		routes["mesh"] = overMESH
	}
	return delivery.New(delivery.Config{
		Queue: a.store, Routes: routes, Wake: a.store.Wake(), Fresh: fresh, Log: a.log,
		Observe: observe, Drain: a.config.DrainFor,
	})
}
