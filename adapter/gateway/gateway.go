package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/time/rate"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/terminology"
)

// Config is what New needs. Operations, Verify and BaseURL must be given. What needs
// Conversions, Terminology, Definitions or a Validator is offered only where they are given.
type Config struct {
	Operations Operations

	// Verify gives the caller behind a bearer token. Errors: login, expired, unknown
	// or forbidden for a token that is refused; transient when it cannot say.
	Verify  func(ctx context.Context, token string) (*auth.Principal, error)
	Demands Demands // what is asked of a request besides its token

	// Conversions has the dialects of $convert and $transform.
	Conversions Conversions

	// Terminology has the code systems, value sets and ConceptMaps for a sending
	// organisation, by its ODS code, "" for everybody's.
	Terminology func(organisation string) *terminology.Registry
	Definitions []*fhir.Node // the OperationDefinitions that are served; read only

	Validator *Validator // judges for $validate
	Directory *Directory // the directory of services; nil when not offered
	OpenAPI   *OpenAPI   // describes the plain JSON API, at /openapi.json and for people at /docs; nil when not offered

	BaRS *BaRS // messages of the Booking and Referral Standard; nil when not offered

	Authority *Authority // hands out access tokens; nil when not offered

	BaseURL  string      // public URL, such as "https://adapter.example.nhs.uk"; the FHIR base is BaseURL + "/fhir/R4"
	TokenURL string      // where clients get their tokens, for the CapabilityStatement; default that of Authority, "" when not offered
	Limits   fhir.Limits // of a request body, also after decompression; default 5 MiB

	// BytesAtOnce bounds the bytes, after decompression, of all bodies that are in work at
	// one time; at least one body always fits. Default 32 MiB: a body's tree takes about ten
	// times its bytes, and the collector as much again, so that all of them stay below 1 GiB.
	// BytesWait is how long a request waits for its share before it is told to come again,
	// default 3 s: partners give up after 5.
	BytesAtOnce int
	BytesWait   time.Duration

	Protection Protection // of the program against those who ask too much

	Software string // name in the CapabilityStatement, default "spadapter"
	Version  string // of the software, default "dev"

	Stopping     <-chan struct{} // closed when the server stops: who waits for events is answered; nil for never
	MaxFollowers int             // who may wait for events at the same time, a tenth of them of one client, default 5,000

	Ready      func(context.Context) error // nil when the program can serve; default always
	Logger     *slog.Logger                // default slog.Default
	Registerer prometheus.Registerer       // default a registry of its own
	Gatherer   prometheus.Gatherer         // what /metrics shows, default the same registry
	NewID      func() string               // makes request ids, default UUIDv7
	Now        func() time.Time            // default time.Now
}

// gateway is a Config with its defaults, and what is made once at start-up.
type gateway struct {
	Config
	overTLS        bool   // BaseURL is https
	base           string // BaseURL + "/fhir/R4/"
	front          *Door  // for whom no other was opened
	metrics        *metrics
	scrape         http.Handler // GET /metrics
	statement      *fhir.Node   // the CapabilityStatement
	routes         []*route
	olderStatement *fhir.Node // the CapabilityStatement of FHIR STU3
	engine         *gin.Engine
	anonymous      *rate.Limiter      // for the records of refusals without principal
	rates          *rates[string]     // by client id
	addresses      *rates[netip.Addr] // of who has no valid token
	proven         *proven
	turns          *turns
	admission      *admission
	followers      *followers
	maps           sync.Map // *mapping.Map → its StructureMap, made when first asked for
}

// New makes the handler. It is safe for concurrent use, and keeps nothing
// between requests but what limits them: what is left to each client and address, what was
// recorded of unknown callers, and who is in work or waits.
func New(config Config) http.Handler {
	if config.Directory != nil {
		config.Operations = config.Directory.over(config.Operations)
	}
	g := &gateway{Config: config.withDefaults(), anonymous: rate.NewLimiter(anonymousRecords, anonymousRecords), proven: newProven()}
	p := &g.Protection
	g.rates, g.addresses = newRates[string](p.Rate, p.Burst), newRates[netip.Addr](p.AddressRate, p.AddressBurst)
	g.turns = newTurns(p.AtOnce, p.ClientAtOnce, p.Wait)
	g.front = &Door{Verify: g.Verify, Demands: g.Demands}
	g.followers = newFollowers(g.MaxFollowers)
	g.overTLS = strings.HasPrefix(g.BaseURL, "https:")
	g.base = g.BaseURL + fhirBase + "/"
	g.admission = newAdmission(g.BytesAtOnce, g.Limits.Bytes, g.BytesWait)
	g.metrics = newMetrics(g.Registerer)
	g.scrape = promhttp.HandlerFor(g.Gatherer, scrapeOptions)
	g.routes = g.table()
	g.statement = g.capabilities()
	g.olderStatement = g.stu3Capabilities()

	gin.SetMode(gin.ReleaseMode)
	g.engine = gin.New()
	engine := g.engine
	engine.RedirectTrailingSlash = false
	engine.HandleMethodNotAllowed = true
	for _, r := range g.routes {
		engine.Handle(r.method, r.path, g.serve(r))
		if r.method == http.MethodGet {
			engine.Handle(http.MethodHead, r.path, g.serve(r))
		}
	}
	engine.NoRoute(g.serveMissing(unknownPath))
	engine.NoMethod(g.serveMissing(unknownMethod))
	return engine
}

func (c Config) withDefaults() Config {
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	if c.Authority != nil && c.TokenURL == "" {
		c.TokenURL = c.BaseURL + TokenPath
	}
	if c.Limits.Bytes == 0 {
		c.Limits.Bytes = 5 << 20
	}
	if c.Limits.Depth == 0 {
		c.Limits.Depth = 64
	}
	if c.Limits.Nodes == 0 {
		c.Limits.Nodes = 500_000
	}
	if c.BytesAtOnce == 0 {
		c.BytesAtOnce = 32 << 20
	}
	if c.BytesWait == 0 {
		c.BytesWait = 3 * time.Second
	}
	if c.Software == "" {
		c.Software = "spadapter"
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	if c.Protection.Wait == 0 {
		c.Protection.Wait = turnWait
	}
	if c.MaxFollowers == 0 {
		c.MaxFollowers = 5000
	}
	if c.Ready == nil {
		c.Ready = func(context.Context) error { return nil }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Registerer == nil {
		registry := prometheus.NewRegistry()
		c.Registerer = registry
		if c.Gatherer == nil {
			c.Gatherer = registry
		}
	}
	if c.Gatherer == nil {
		c.Gatherer = prometheus.DefaultGatherer
	}
	if c.NewID == nil {
		c.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
