package auth

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/issue"
)

// EndpointConfig says what a token endpoint hands out and to whom.
type EndpointConfig struct {
	URL      string        // its own URL, the aud that assertions must have
	Clients  []Issuer      // the registered clients, each with a Registration; none is allowed
	Issuer   string        // the iss of the tokens it makes
	Audience string        // their aud
	Lifetime time.Duration // theirs; at most 5 min, 0 means 5 min
	Leeway   time.Duration // as in Config
	Signer   *Signer
	Now      func() time.Time

	// Once notes a jti of a client and reports whether it is new; what it noted must
	// survive a restart and count in every process, until the time given.
	Once func(ctx context.Context, client, jti string, until time.Time) (bool, error)
}

// Endpoint is the token endpoint of SMART backend services, without HTTP. Safe for
// concurrent use.
type Endpoint struct {
	config   EndpointConfig
	verifier *Verifier // nil without clients
}

// Grant is the answer of a token endpoint, as its JSON. It goes out with Cache-Control: no-store.
type Grant struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"` // bearer
	ExpiresIn   int    `json:"expires_in"` // seconds
	Scope       string `json:"scope"`

	Client string `json:"-"` // who has it now, for the log
}

// Limits of a token request.
const (
	maxGrant     = 5 * time.Minute // SMART: SHOULD NOT exceed
	maxAssertion = 5 * time.Minute // SMART: exp no more than five minutes ahead
	maxAsked     = 100             // scopes: one for each type there is, and the token is still a header
)

// NewEndpoint makes an Endpoint. Errors: value for a configuration that lacks something.
func NewEndpoint(c EndpointConfig) (*Endpoint, error) {
	if c.Lifetime == 0 {
		c.Lifetime = maxGrant
	}
	if c.Issuer == "" || c.Audience == "" || c.Signer == nil || c.Once == nil || c.Lifetime < time.Second || c.Lifetime > maxGrant ||
		c.URL == "" || c.Now == nil || slices.ContainsFunc(c.Clients, func(i Issuer) bool { return i.Registration == nil }) {
		return nil, issue.New(issue.Value, "auth-config", "a token endpoint needs registered clients, issuer, audience, signer, a store of used token ids and a lifetime of at most 5 minutes")
	}
	e := &Endpoint{config: c}
	if len(c.Clients) == 0 {
		return e, nil
	}
	var err error
	e.verifier, err = NewVerifier(Config{Audience: []string{c.URL}, Issuers: c.Clients, Leeway: c.Leeway, MaxLifetime: maxAssertion, CacheSize: -1, Assertions: true, Now: c.Now})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Grant answers a token request: grant_type client_credentials with private_key_jwt
// and a scope. The scope granted is what was asked for and the client is registered
// for, in version 2.
//
// An assertion counts once, whatever becomes of the request after that.
//
// The Rule of an error is the error code of RFC 6749 section 5.2: unsupported_grant_type
// (not-supported), invalid_request (invalid), invalid_client (login, expired, unknown),
// invalid_scope (forbidden). Transient when the keys of the client cannot be fetched.
// Other errors are those of Once and of signing.
//
// Source: https://hl7.org/fhir/smart-app-launch/backend-services.html#obtain-access-token.
func (e *Endpoint) Grant(ctx context.Context, form url.Values) (*Grant, error) {
	if err := wellFormed(form); err != nil {
		return nil, err
	}
	p, err := e.client(ctx, form)
	if err != nil {
		return nil, err
	}
	fresh, err := e.config.Once(ctx, p.Client, p.TokenID, p.Expires.Add(e.config.Leeway))
	if err != nil {
		return nil, err
	}
	if !fresh {
		return nil, issue.New(issue.Login, "invalid_client", "the jti of the assertion was used before; make a new one for each request")
	}
	asked := strings.Fields(form.Get("scope"))
	if len(asked) > maxAsked {
		return nil, issue.New(issue.Forbidden, "invalid_scope", "ask for at most 100 scopes")
	}
	scopes := grant(asked, p.Scopes)
	if scopes == nil {
		return nil, issue.New(issue.Forbidden, "invalid_scope", "the client is registered for none of the scopes")
	}
	token, err := e.config.Signer.Token(Claims{
		Issuer: e.config.Issuer, Client: p.Client, Audience: []string{e.config.Audience},
		Organisations: p.Organisations, Role: p.Role, Scopes: scopes,
	}, e.config.Now(), e.config.Lifetime)
	if err != nil {
		return nil, err
	}
	return &Grant{token, "bearer", int(e.config.Lifetime / time.Second), strings.Join(scopes, " "), p.Client}, nil
}

// wellFormed checks the parameters of a token request but for the assertion itself.
func wellFormed(form url.Values) error {
	invalid := func(text string) *issue.Error { return issue.New(issue.Invalid, "invalid_request", text) }
	for name, values := range form { // RFC 6749 section 3.2: parameters must not be repeated
		if len(values) > 1 {
			return invalid("a parameter occurs twice").With("parameter %.200q", name)
		}
	}
	switch {
	case form.Get("grant_type") == "":
		return invalid("grant_type is missing")
	case form.Get("grant_type") != clientCredents:
		return issue.New(issue.NotSupported, "unsupported_grant_type", "grant_type must be client_credentials")
	case form.Get("client_secret") != "":
		return invalid("there are no client secrets here; authenticate with client_assertion")
	case form.Get("client_assertion_type") != clientAssert:
		return invalid("client_assertion_type must be " + clientAssert)
	case form.Get("client_assertion") == "":
		return invalid("client_assertion is missing")
	case strings.TrimSpace(form.Get("scope")) == "":
		return invalid("scope is missing")
	}
	return nil
}

// client finds out whose assertion it is.
func (e *Endpoint) client(ctx context.Context, form url.Values) (*Principal, error) {
	if e.verifier == nil {
		return nil, issue.New(issue.Unknown, "invalid_client", "the issuer of the token is not registered here")
	}
	p, err := e.verifier.Verify(ctx, form.Get("client_assertion"))
	if errors.Is(err, issue.Transient) {
		return nil, err
	}
	if err != nil {
		own := issue.All(err)[0]
		return nil, issue.New(own.Type, "invalid_client", own.Details)
	}
	if id := form.Get("client_id"); id != "" && id != p.Client {
		return nil, issue.New(issue.Login, "invalid_client", "client_id is not the client of the assertion")
	}
	if p.TokenID == "" {
		return nil, issue.New(issue.Login, "invalid_client", "the assertion has no jti")
	}
	return p, nil
}

// grant gives what is both asked for and registered, sorted, one scope for each
// resource type; nil when that is nothing.
func grant(asked, registered []string) []string {
	letters := map[string]string{}
	for _, a := range asked {
		for _, r := range registered {
			at, al := splitScope(a)
			rt, rl := splitScope(r)
			target := at
			switch {
			case at == "*":
				target = rt
			case rt != "*" && rt != at:
				continue
			}
			both := strings.Map(func(c rune) rune {
				if strings.ContainsRune(al, c) && strings.ContainsRune(rl, c) || strings.ContainsRune(letters[target], c) {
					return c
				}
				return -1
			}, "cruds")
			if target != "" && both != "" {
				letters[target] = both
			}
		}
	}
	var out []string
	for target, l := range letters {
		out = append(out, "system/"+target+"."+l)
	}
	slices.Sort(out)
	return out
}
