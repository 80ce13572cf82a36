package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"spadapter/adapter/referral"
)

// Config is everything a deployment sets: environment variables and flags of the same
// meaning. Without any of them the adapter starts on SQLite and loopback.
type Config struct {
	Listen   string `help:"Address to listen on." env:"ADAPTER_LISTEN" default:"127.0.0.1:8080"`
	BaseURL  string `help:"Public URL without a path; default http:// (https:// with a certificate) and the listen address." env:"ADAPTER_BASE_URL" name:"base-url"`
	Database string `help:"sqlite:PATH or postgres://…" env:"ADAPTER_DATABASE" default:"sqlite:adapter.db"`
	Partners string `help:"Bundle file of the partners: Organization, Endpoint, OrganizationAffiliation, Device." env:"ADAPTER_PARTNERS_FILE" name:"partners"`

	Maps       string `help:"Folder of dialects that are added to the shipped ones or lie over them; organisations/ODS/ holds those of one sender." env:"ADAPTER_MAPS_DIR" name:"maps"`
	ShadowMaps string `help:"Folder of dialects that are run beside the live ones on real traffic: what would change is reported, nothing is stored." env:"ADAPTER_SHADOW_MAPS_DIR" name:"shadow-maps"`

	Terminology string   `help:"Folder of code systems, value sets, SNOMED CT release files and reference set lists, over the shipped ones." env:"ADAPTER_TERMINOLOGY_DIR" name:"terminology"`
	Packages    []string `help:"FHIR packages, .tgz files or folders: their profiles are known to $validate, and a message that claims one is held to it when it is taken in." env:"ADAPTER_PACKAGES" name:"packages"`

	JWKS     string   `help:"JWK set with the public keys of another token issuer, or for development tokens. Read again when it changes." env:"ADAPTER_JWKS_FILE" name:"jwks" default:"adapter-jwks.json"`
	Issuer   string   `help:"iss of the tokens signed with those keys." env:"ADAPTER_ISSUER" default:"spadapter"`
	Audience []string `help:"aud that a token must have; default the base URL." env:"ADAPTER_AUDIENCE"`
	Keys     string   `help:"Private JWK set for the access tokens that the adapter hands out, and for proving who we are to partners. Read again when it changes." env:"ADAPTER_KEYS_FILE" name:"keys" default:"adapter-keys.json"`

	TokenFor     time.Duration `help:"How long an access token holds that the adapter hands out, at most 5m." env:"ADAPTER_TOKEN_FOR" name:"token-for" default:"5m"`
	JWKSNetworks []string      `help:"Networks, such as 10.1.0.0/16, in which clients may publish their keys besides the public internet; http is allowed to loopback addresses in them." env:"ADAPTER_JWKS_NETWORKS" name:"jwks-networks"`
	ClientTokens bool          `help:"Accept a JWT that a registered client signed itself as a bearer token, besides the tokens that it gets for its assertions." env:"ADAPTER_CLIENT_TOKENS" name:"client-tokens"`
	AnyTokenType bool          `help:"Accept access tokens of ADAPTER_ISSUER whose typ is JWT or missing: for an issuer elsewhere that does not follow RFC 9068." env:"ADAPTER_ANY_TOKEN_TYPE" name:"any-token-type"`

	Feeds      []string      `help:"Open Referral UK feeds of services, NAME=URL with commas between, such as leeds=https://directory.example.gov.uk/api." env:"ADAPTER_FEEDS" name:"feeds"`
	FeedEvery  time.Duration `help:"How often a feed is read again." env:"ADAPTER_FEED_EVERY" name:"feed-every" default:"24h"`
	PlainFeeds bool          `help:"Allow http to feeds on other machines: for test networks only." env:"ADAPTER_PLAIN_FEEDS" name:"plain-feeds"`
	StaleDays  int           `help:"Days after which a service of the directory that nobody checked counts as stale." env:"ADAPTER_STALE_DAYS" name:"stale-days" default:"180"`

	Sharing     string `help:"Sharing level of a new referral: none, codes-only, summary or full." env:"ADAPTER_SHARING" enum:"none,codes-only,summary,full" default:"summary"`
	MinAttempts int    `help:"Contact attempts, on different days, before a person counts as not to be contacted." env:"ADAPTER_MIN_ATTEMPTS" name:"min-attempts" default:"3"`

	TriageDays  int           `help:"Working days until a service must have decided on a referral." env:"ADAPTER_TRIAGE_DAYS" name:"triage-days" default:"10"`
	AnswerDays  int           `help:"Working days until the referrer must have answered a question." env:"ADAPTER_ANSWER_DAYS" name:"answer-days" default:"5"`
	ContactDays int           `help:"Working days from accepting to the first contact." env:"ADAPTER_CONTACT_DAYS" name:"contact-days" default:"10"`
	SupportDays int           `help:"Working days that support may go on without any step recorded." env:"ADAPTER_SUPPORT_DAYS" name:"support-days" default:"20"`
	ConfirmDays int           `help:"Working days until a cancellation that the referrer asked for counts as confirmed; below zero it waits for an answer." env:"ADAPTER_CONFIRM_DAYS" name:"confirm-days" default:"5"`
	NudgeDays   int           `help:"Working days until a service that has not decided is reminded, once; 0 never." env:"ADAPTER_NUDGE_DAYS" name:"nudge-days" default:"5"`
	DeclineDays int           `help:"Working days until a service that has not decided counts as declining, and the practice is told; 0 never." env:"ADAPTER_AUTO_DECLINE_DAYS" name:"auto-decline-days" default:"0"`
	ClosedDays  []string      `help:"Days without work beside weekends and the bank holidays of England, such as 2027-01-04, with commas between." env:"ADAPTER_CLOSED_DAYS" name:"closed-days"`
	ReopenFor   time.Duration `help:"How long after its end a referral can be opened again." env:"ADAPTER_REOPEN_FOR" name:"reopen-for" default:"2160h"`
	TimersEvery time.Duration `help:"How often is looked for times that are over." env:"ADAPTER_TIMERS_EVERY" name:"timers-every" default:"1m"`

	BodyBytes     int           `help:"Largest request body, in bytes." env:"ADAPTER_BODY_BYTES" name:"body-bytes" default:"5242880"`
	BytesAtOnce   int           `help:"Bytes of all request bodies in work at one time, after decompression; at the peak each takes some 25 times that in memory. One body always fits." env:"ADAPTER_BODY_BYTES_AT_ONCE" name:"body-bytes-at-once" default:"33554432"`
	RetryFor      time.Duration `help:"How long a delivery is tried before it is dead." env:"ADAPTER_RETRY_FOR" name:"retry-for" default:"72h"`
	DrainFor      time.Duration `help:"How long a stopping server waits for requests and deliveries under way." env:"ADAPTER_DRAIN_FOR" name:"drain-for" default:"20s"`
	PlainPartners bool          `help:"Allow http to partners on other machines: for test networks only." env:"ADAPTER_PLAIN_PARTNERS" name:"plain-partners"`

	BarsAnswerVersion string `help:"Version of BaRS to speak to a receiver whose Endpoint names none in payloadMimeType." env:"ADAPTER_BARS_ANSWER_VERSION" name:"bars-answer-version" default:"1.1.0"`
	BarsDidNotAttend  bool   `help:"Tell whoever sent a referral by BaRS when the person did not attend." env:"ADAPTER_BARS_DID_NOT_ATTEND" name:"bars-did-not-attend"`

	EventsFor          time.Duration `help:"How long events are kept for those who follow them." env:"ADAPTER_EVENTS_FOR" name:"events-for" default:"2160h"`
	SubscriberNetworks []string      `help:"Networks, such as 127.0.0.0/8, in which webhooks and Subscriptions may be told besides the public internet; http is allowed to loopback addresses in them." env:"ADAPTER_SUBSCRIBER_NETWORKS" name:"subscriber-networks"`

	Rate           int           `help:"Requests a second that one client may make in the long run; each entry of a Bundle and each item of a bulk action counts as one." env:"ADAPTER_RATE" name:"rate" default:"500"`
	RateBurst      int           `help:"Requests that one client may make in one moment." env:"ADAPTER_RATE_BURST" name:"rate-burst" default:"5000"`
	AddressRate    int           `help:"Requests a second without a valid token from one address, in the long run." env:"ADAPTER_ADDRESS_RATE" name:"address-rate" default:"50"`
	AddressBurst   int           `help:"Requests without a valid token from one address in one moment." env:"ADAPTER_ADDRESS_RATE_BURST" name:"address-rate-burst" default:"200"`
	AtOnce         int           `help:"Requests in work at one time; who waits for events does not count." env:"ADAPTER_REQUESTS_AT_ONCE" name:"requests-at-once" default:"256"`
	ClientAtOnce   int           `help:"Requests of one client in work at one time." env:"ADAPTER_CLIENT_REQUESTS_AT_ONCE" name:"client-requests-at-once" default:"64"`
	RequestTimeout time.Duration `help:"Within how long a request is answered once its body is here; a batch and a bulk action have six times as long." env:"ADAPTER_REQUEST_TIMEOUT" name:"request-timeout" default:"10s"`

	Connections        int      `help:"Connections at one time." env:"ADAPTER_CONNECTIONS" name:"connections" default:"10000"`
	AddressConnections int      `help:"Connections from one address at one time; a trusted proxy has all." env:"ADAPTER_ADDRESS_CONNECTIONS" name:"address-connections" default:"600"`
	TrustedProxies     []string `help:"Networks of the proxies before the adapter, such as 10.1.0.0/16: from them X-Forwarded-For says who calls, and a header of ADAPTER_THUMBPRINT_HEADER which client certificate was shown." env:"ADAPTER_TRUSTED_PROXIES" name:"trusted-proxies"`
	MetricsListen      string   `help:"Address for /metrics alone, such as 127.0.0.1:9090; it is then not on the main one." env:"ADAPTER_METRICS_LISTEN" name:"metrics-listen"`
	MetricsNetworks    []string `help:"Networks that /metrics is shown to on the main address, besides this machine." env:"ADAPTER_METRICS_NETWORKS" name:"metrics-networks"`
	Origins            []string `help:"Web origins whose pages may call, such as https://tool.example.nhs.uk, with commas between." env:"ADAPTER_CORS_ORIGINS" name:"cors-origins"`

	Issuers              string `help:"JSON file of other issuers whose tokens are trusted: platforms that name a registered client, and NHS CIS2." env:"ADAPTER_ISSUERS_FILE" name:"issuers"`
	RequireCallerHeaders bool   `help:"Demand NHSD-End-User-Organisation, NHSD-Requesting-Software and NHSD-Target-Identifier of every request with a token." env:"ADAPTER_REQUIRE_CALLER_HEADERS" name:"require-caller-headers"`
	RequestUUIDs         bool   `help:"Demand X-Request-ID, and that it and X-Correlation-ID are UUIDs." env:"ADAPTER_REQUEST_UUIDS" name:"request-uuids"`
	TLSCert              string `help:"Certificate chain in PEM: the adapter then ends TLS itself. It is read again when it changes." env:"ADAPTER_TLS_CERT_FILE" name:"tls-cert"`
	TLSKey               string `help:"Private key of the certificate, in PEM." env:"ADAPTER_TLS_KEY_FILE" name:"tls-key"`
	TLSClientCA          string `help:"Authorities in PEM that client certificates must be from." env:"ADAPTER_TLS_CLIENT_CA_FILE" name:"tls-client-ca"`
	TLSClientCert        string `help:"Whether every client needs a certificate, where there are authorities for them: required or optional." env:"ADAPTER_TLS_CLIENT_CERT" name:"tls-client-cert" enum:"required,optional" default:"required"`
	BoundTokens          bool   `help:"Demand that every token is bound to the client certificate of its connection (RFC 8705)." env:"ADAPTER_BOUND_TOKENS" name:"bound-tokens"`
	ThumbprintHeader     string `help:"Header in which a proxy that ends TLS gives the SHA-256 thumbprint of the client certificate; the proxy must remove one that a client sends." env:"ADAPTER_THUMBPRINT_HEADER" name:"thumbprint-header"`

	GPConnectListen      string   `help:"Address for requests with the UNSIGNED tokens of GP Connect, off by default. It must stand behind the Spine proxy with mutual TLS: whoever reaches it can be anybody." env:"ADAPTER_GPCONNECT_LISTEN" name:"gpconnect-listen"`
	GPConnectAudience    []string `help:"aud that those tokens must have: the service root; default the base URL and /fhir/R4, or /fhir/STU3." env:"ADAPTER_GPCONNECT_AUDIENCE" name:"gpconnect-audience"`
	GPConnectTLSCert     string   `help:"Certificate chain of that listener, in PEM." env:"ADAPTER_GPCONNECT_TLS_CERT_FILE" name:"gpconnect-tls-cert"`
	GPConnectTLSKey      string   `help:"Private key of that certificate, in PEM." env:"ADAPTER_GPCONNECT_TLS_KEY_FILE" name:"gpconnect-tls-key"`
	GPConnectTLSClientCA string   `help:"Authorities in PEM that the Spine proxy's certificate must be from; then nobody connects without one." env:"ADAPTER_GPCONNECT_TLS_CLIENT_CA_FILE" name:"gpconnect-tls-client-ca"`
	GPConnectPlain       bool     `help:"Allow that listener on an address that other machines reach without mutual TLS of its own: only where something in front lets nobody but Spine through." env:"ADAPTER_GPCONNECT_PLAIN" name:"gpconnect-plain"`

	BarsServices           []string      `help:"DoS service ids that BaRS messages may be for; with one or more, $process-message is open. Social prescribing is no nationally assured use case of BaRS: agree it with each partner." env:"ADAPTER_BARS_SERVICES" name:"bars-services"`
	BarsUseCases           []string      `help:"Codes of BaRS use cases that referrals are taken for, in any case." env:"ADAPTER_BARS_USE_CASES" name:"bars-use-cases" default:"a5t1"`
	BarsVersions           []string      `help:"Versions of BaRS messages that are taken: 1 is every 1.x, 1.1 every 1.1.x." env:"ADAPTER_BARS_VERSIONS" name:"bars-versions" default:"1"`
	BarsNumberRequired     bool          `help:"Refuse a BaRS referral of a person without NHS number; its outcome could not be filed." env:"ADAPTER_BARS_NHS_NUMBER_REQUIRED" name:"bars-nhs-number-required"`
	BarsUpdateActive       bool          `help:"Let a BaRS message with reason update and an active ServiceRequest withdraw a cancellation that was asked for; else it is refused." env:"ADAPTER_BARS_UPDATE_ACTIVE" name:"bars-update-active"`
	UpdateRecord           bool          `help:"Send coded entries (GP Connect Update Record) to practices whose Endpoint asks for them, and not a document. Only pharmacy services may today: it needs the approval of NHS England." env:"ADAPTER_UPDATE_RECORD" name:"update-record"`
	PDS                    string        `help:"FHIR base address of the Personal Demographics Service: persons are then looked up there, and before each sending; off without one." env:"ADAPTER_PDS_URL" name:"pds-url"`
	PDSToken               string        `help:"Token endpoint of the NHS England API platform; without one no token is sent, as to the sandbox." env:"ADAPTER_PDS_TOKEN_URL" name:"pds-token-url"`
	PDSClient              string        `help:"API key of the application that is registered there." env:"ADAPTER_PDS_CLIENT_ID" name:"pds-client-id"`
	PDSKeys                string        `help:"Private JWK set with the RSA key of the application, which signs with RS512. Read at the start." env:"ADAPTER_PDS_KEYS_FILE" name:"pds-keys"`
	PDSOrganisation        string        `help:"ODS code of the organisation on whose behalf it is asked, for NHSD-End-User-Organisation-ODS." env:"ADAPTER_PDS_ORGANISATION" name:"pds-organisation"`
	PDSInterval            time.Duration `help:"How often the person of an open referral is looked up, besides before each sending." env:"ADAPTER_PDS_INTERVAL" name:"pds-interval" default:"24h"`
	PDSTrustFor            time.Duration `help:"How long an answer holds while the PDS is away; what is to be sent about persons without such an answer waits. -1s: everything waits." env:"ADAPTER_PDS_TRUST_FOR" name:"pds-trust-for" default:"24h"`
	PDSRate                int           `help:"Persons a second that are looked up at most, by one process." env:"ADAPTER_PDS_RATE" name:"pds-rate" default:"5"`
	PDSPlain               bool          `help:"Allow http to a PDS on another machine: for test networks only." env:"ADAPTER_PDS_PLAIN" name:"pds-plain"`
	MeshURL                string        `help:"URL of MESH, such as https://mesh-sync.spineservices.nhs.uk; without one nothing goes over MESH." env:"ADAPTER_MESH_URL" name:"mesh-url"`
	MeshMailbox            string        `help:"Our mailbox there." env:"ADAPTER_MESH_MAILBOX" name:"mesh-mailbox"`
	MeshPassword           string        `help:"File with the password of the mailbox." env:"ADAPTER_MESH_PASSWORD_FILE" name:"mesh-password"`
	MeshSharedKey          string        `help:"File with the shared key of the environment." env:"ADAPTER_MESH_SHARED_KEY_FILE" name:"mesh-shared-key"`
	MeshCert               string        `help:"Client certificate chain for MESH, in PEM. It is read again for each connection." env:"ADAPTER_MESH_CERT_FILE" name:"mesh-cert"`
	MeshKey                string        `help:"Private key of that certificate, in PEM." env:"ADAPTER_MESH_KEY_FILE" name:"mesh-key"`
	MeshCA                 string        `help:"Authorities in PEM that the certificate of MESH must be from; default those of the machine." env:"ADAPTER_MESH_CA_FILE" name:"mesh-ca"`
	MeshPoll               time.Duration `help:"How often the inbox is read." env:"ADAPTER_MESH_POLL" name:"mesh-poll" default:"1m"`
	MeshWorkflows          []string      `help:"Workflows whose messages in the inbox are ours, with commas between; others stay there. Default those of GP Connect." env:"ADAPTER_MESH_WORKFLOWS" name:"mesh-workflows"`
	MeshOldPractices       []string      `help:"ODS codes of practices that take documents under the old workflow GPFED_CONSULT_REPORT." env:"ADAPTER_MESH_OLD_PRACTICES" name:"mesh-old-practices"`
	MeshInfrastructureWait time.Duration `help:"How long the infrastructure acknowledgement of a message may take before the delivery is dead." env:"ADAPTER_MESH_INFRASTRUCTURE_WAIT" name:"mesh-infrastructure-wait" default:"24h"`
	MeshBusinessWait       time.Duration `help:"How long the business acknowledgement may take after that." env:"ADAPTER_MESH_BUSINESS_WAIT" name:"mesh-business-wait" default:"120h"`
	MeshChunkBytes         int           `help:"Bytes of one chunk, before it is compressed." env:"ADAPTER_MESH_CHUNK_BYTES" name:"mesh-chunk-bytes" default:"20971520"`

	DataKeys        string        `help:"Key set that documents about people in the database are sealed with; none, and they are stored as they are." env:"ADAPTER_DATA_KEYS_FILE" name:"data-keys"`
	DataKeysCommand string        `help:"Command that prints that key set: a program and its arguments, run once at the start, without a shell." env:"ADAPTER_DATA_KEYS_COMMAND" name:"data-keys-command"`
	RetainFor       time.Duration `help:"How long a closed referral is kept after its last change before 'adapter purge' removes it; 0 for ever." env:"ADAPTER_RETAIN_FOR" name:"retain-for" default:"0"`
	RetainAuditFor  time.Duration `help:"How long audit records are kept, at least as long; 0 for ever." env:"ADAPTER_RETAIN_AUDIT_FOR" name:"retain-audit-for" default:"0"`
	RetainFile      string        `help:"JSON file with other times for single organisations." env:"ADAPTER_RETAIN_FILE" name:"retain-file"`

	AuditKey string `help:"File of the key that seals the audit: an Ed25519 key in PEM, or a secret of at least 32 bytes; without one the checkpoints are not sealed." env:"ADAPTER_AUDIT_KEY_FILE" name:"audit-key"`

	LogLevel string `help:"debug, info, warn or error." env:"ADAPTER_LOG_LEVEL" name:"log-level" enum:"debug,info,warn,error" default:"info"`
}

// The default key files may be missing; a file that was named may not.
const (
	defaultJWKS = "adapter-jwks.json"
	defaultKeys = "adapter-keys.json"
)

// complete fills in what depends on other fields and checks what a flag parser cannot.
func (c *Config) complete() error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("ADAPTER_LISTEN must be host:port, such as 127.0.0.1:8080")
	}
	if c.BaseURL == "" {
		c.BaseURL = localURL(c.scheme(), host, port)
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	if u, err := url.Parse(c.BaseURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" {
		return errors.New("ADAPTER_BASE_URL must be an http or https URL without a path, such as https://adapter.example.nhs.uk")
	}
	if len(c.Audience) == 0 {
		c.Audience = []string{c.BaseURL}
	}
	if c.MinAttempts < 1 || c.BodyBytes < 1024 || c.BytesAtOnce < 0 || c.RetryFor <= 0 || c.DrainFor <= 0 {
		return errors.New("ADAPTER_MIN_ATTEMPTS and the durations are above zero, ADAPTER_BODY_BYTES is at least 1024, and ADAPTER_BODY_BYTES_AT_ONCE is not below zero")
	}
	if c.TriageDays < 0 || c.AnswerDays < 0 || c.ContactDays < 0 || c.SupportDays < 0 || c.ReopenFor < 0 || c.TimersEvery < 0 {
		return errors.New("the working days of the life cycle, ADAPTER_REOPEN_FOR and ADAPTER_TIMERS_EVERY are not below zero")
	}
	if _, err := c.closed(); err != nil || c.NudgeDays < 0 || c.DeclineDays < 0 {
		return errors.New("ADAPTER_CLOSED_DAYS are dates such as 2027-01-04 with commas between, and ADAPTER_NUDGE_DAYS and ADAPTER_AUTO_DECLINE_DAYS are not below zero")
	}
	if err := c.checkBars(); err != nil {
		return err
	}
	if c.TimersEvery == 0 {
		c.TimersEvery = time.Minute
	}
	if c.EventsFor == 0 {
		c.EventsFor = defaultEventsFor
	}
	if _, err := c.networks(); err != nil || c.EventsFor < 0 {
		return errors.New("ADAPTER_SUBSCRIBER_NETWORKS are networks or addresses, such as 10.1.0.0/16, with commas between, and ADAPTER_EVENTS_FOR is above zero")
	}
	if c.TokenFor == 0 {
		c.TokenFor = maxTokenFor
	}
	if _, err := prefixes(c.JWKSNetworks); err != nil || c.TokenFor < time.Second || c.TokenFor > maxTokenFor {
		return errors.New("ADAPTER_JWKS_NETWORKS are networks or addresses, such as 10.1.0.0/16, with commas between, and ADAPTER_TOKEN_FOR is from 1s to 5m")
	}
	if _, err := readRetention(c.RetainFor, c.RetainAuditFor, c.RetainFile); err != nil {
		return fmt.Errorf("ADAPTER_RETAIN_FOR, ADAPTER_RETAIN_AUDIT_FOR, ADAPTER_RETAIN_FILE: %w", err)
	}
	if c.FeedEvery < 0 || c.StaleDays < 0 {
		return errors.New("ADAPTER_FEED_EVERY and ADAPTER_STALE_DAYS are not below zero")
	}
	if _, err := parseFeeds(c.Feeds, c.PlainFeeds); err != nil {
		return err
	}
	return errors.Join(c.guard(), c.checkCallers(), c.checkPDS(), c.completeMESH())
}

// scheme is how the listener is spoken to.
func (c *Config) scheme() string {
	if c.tls().on() {
		return "https"
	}
	return "http"
}

// rules are the numbers of the life cycle; what is not set has its default there.
func (c *Config) rules() referral.Rules {
	r := referral.Rules{MinAttempts: c.MinAttempts, TriageDays: c.TriageDays, AnswerDays: c.AnswerDays, ContactDays: c.ContactDays,
		SupportDays: c.SupportDays, ConfirmDays: c.ConfirmDays, NudgeDays: c.NudgeDays, DeclineDays: c.DeclineDays, ReopenFor: c.ReopenFor,
		TellAbsence: c.BarsDidNotAttend}
	r.Closed, _ = c.closed() // complete has read them
	if r.ConfirmDays < 0 {
		r.ConfirmDays, r.NoAutoCancel = 0, true
	}
	return r
}

// closed are the days without work that the deployment adds.
func (c *Config) closed() (days []time.Time, err error) {
	for _, text := range c.ClosedDays {
		day, err := time.Parse(time.DateOnly, strings.TrimSpace(text))
		if err != nil {
			return nil, err
		}
		days = append(days, day)
	}
	return days, nil
}

// defaultEventsFor is how long events are kept where nothing else is said.
const defaultEventsFor = 90 * 24 * time.Hour

// localURL is the base URL of an adapter that was given none.
func localURL(scheme, host, port string) string {
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// unknownVariables gives the ADAPTER_* variables that nothing reads: a typing mistake
// in one of them would otherwise start the adapter with a default in silence.
// ADAPTER_TEST_* belongs to the tests.
func unknownVariables(environ []string) error {
	var known, unknown []string
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		known = append(known, t.Field(i).Tag.Get("env"))
	}
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "ADAPTER_") && !strings.HasPrefix(name, "ADAPTER_TEST_") && !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("unknown environment variable %s; known are %s", strings.Join(unknown, ", "), strings.Join(known, ", "))
	}
	return nil
}

// withoutQueries hides the queries of addresses: some directories have their keys there.
func withoutQueries(list []string) (out []string) {
	for _, text := range list {
		if before, _, ok := strings.Cut(text, "?"); ok {
			text = before + "?xxxxx"
		}
		out = append(out, text)
	}
	return out
}

// print writes the effective values, with the password of a database URL and the queries of
// feeds hidden.
func (c *Config) print(w io.Writer) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		value := fmt.Sprint(v.Field(i).Interface())
		if list, ok := v.Field(i).Interface().([]string); ok {
			value = strings.Join(list, ",") // as it is set
		}
		switch v.Type().Field(i).Name {
		case "Database":
			value = redact(value)
		case "Feeds":
			value = strings.Join(withoutQueries(c.Feeds), ",")
		case "DataKeysCommand": // its arguments may be a password
			if words := strings.Fields(value); len(words) > 1 {
				value = words[0] + " …"
			}
		}
		fmt.Fprintf(tab, "%s\t%s\n", v.Type().Field(i).Tag.Get("env"), value)
	}
	return tab.Flush()
}

// redact hides whatever may be a password in the URL of a database: that of its user,
// and those among its parameters. A text that is no URL is hidden whole.
func redact(text string) string {
	if strings.HasPrefix(text, "sqlite:") {
		return text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "(hidden, because it is no URL)"
	}
	query := u.Query()
	for name := range query {
		if strings.Contains(strings.ToLower(name), "password") {
			query.Set(name, "xxxxx")
		}
	}
	u.RawQuery = query.Encode()
	return u.Redacted()
}

// configCmd prints the configuration that serve would run with.
type configCmd struct {
	Config
}

func (c *configCmd) Run() error {
	if err := errors.Join(c.given(), c.complete()); err != nil {
		return err
	}
	return c.print(os.Stdout)
}
