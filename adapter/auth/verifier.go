package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"spadapter/adapter/issue"
)

// Config says whom a Verifier trusts.
type Config struct {
	Audience    []string      // what a token may be for; it must name one of them
	Issuers     []Issuer      // at least one, each with its own name
	Leeway      time.Duration // for clocks that differ: 0 to 60 s
	MaxLifetime time.Duration // how far ahead exp may be; 0 means 24 h. SMART asks for 5 min in assertions
	CacheSize   int           // verified tokens remembered; 0 means 4096, less than 0 none
	Assertions  bool          // the tokens are client assertions for a token endpoint, and not access tokens
	Now         func() time.Time
}

// Issuer is one who may issue tokens: a partner that signs with its own client key,
// or we ourselves.
type Issuer struct {
	Name       string      // the iss of its tokens
	Keys       *Keys       // its public keys, given or fetched
	Algorithms []Algorithm // what it may sign with; nil means ES384, RS384, RS512, and ES256 for access tokens
	AnyType    bool        // its access tokens may have the typ JWT or none: for an issuer elsewhere that does not follow RFC 9068

	Audience []string // what its tokens may be for; nil means the Verifier's

	// Clients makes it a platform that issues tokens for client ids: what each may do is
	// what we registered it with, and nothing of that is read from the token.
	Clients *Clients

	// CIS2 makes it one whose tokens carry the claims of NHS CIS2 about a person.
	CIS2 *CIS2

	// Registration is what a partner was registered with. The token then proves who is
	// calling and nothing else: iss and sub are the client id, and whatever the token says of organisations, role and
	// scopes is ignored. Nil for our own issuer, whose tokens carry the claims organisation, role and scope.
	Registration *Registration
}

// Registration is what a client may do, by agreement.
type Registration struct {
	Organisations []string // ODS codes
	Role          Role
	Scopes        []string
}

var (
	defaultAlgorithms   = []Algorithm{ES384, RS384, RS512, ES256}
	assertionAlgorithms = defaultAlgorithms[:3]
)

// AssertionAlgorithms are what a client may sign its assertions with unless it is
// registered with others, as a new list.
func AssertionAlgorithms() []Algorithm { return slices.Clone(assertionAlgorithms) }

// accessToken is the typ of access tokens. Source: https://www.rfc-editor.org/rfc/rfc9068#section-2.1.
const accessToken = "at+jwt"

const (
	maxToken    = 16 << 10 // a header line of common servers and proxies is 8 to 16 KiB
	maxLeeway   = time.Minute
	maxLifetime = 24 * time.Hour
)

// Verifier authenticates callers by signed tokens. It is read-only but for its cache
// and safe for concurrent use; make a new one when keys or registrations change.
type Verifier struct {
	issuers     map[string]*trusted
	parser      *jwt.Parser
	maxLifetime time.Duration
	leeway      time.Duration
	assertions  bool
	now         func() time.Time
	cache       *cache
}

// trusted is an Issuer and what holds its claims to its audience.
type trusted struct {
	Issuer
	validator *jwt.Validator
}

// NewVerifier makes a Verifier. Errors: value for a configuration that would trust
// nobody or too much.
func NewVerifier(c Config) (*Verifier, error) {
	bad := func(text string) error { return issue.New(issue.Value, "auth-config", text) }
	switch {
	case len(c.Audience) == 0 || slices.Contains(c.Audience, ""):
		return nil, bad("name the audience that tokens must have")
	case len(c.Issuers) == 0:
		return nil, bad("name at least one issuer")
	case c.Leeway < 0 || c.Leeway > maxLeeway:
		return nil, bad("the leeway is from 0 to 60 seconds")
	case c.MaxLifetime < 0:
		return nil, bad("the longest lifetime of a token must not be negative")
	case c.Now == nil:
		return nil, bad("a clock is needed")
	}
	v := &Verifier{
		issuers: map[string]*trusted{}, leeway: c.Leeway, maxLifetime: c.MaxLifetime, now: c.Now,
		assertions: c.Assertions, cache: newCache(c.CacheSize),
	}
	if v.maxLifetime == 0 {
		v.maxLifetime = maxLifetime
	}
	var methods []string
	for _, i := range c.Issuers {
		if i.Algorithms == nil {
			i.Algorithms = defaultAlgorithms
			if c.Assertions {
				i.Algorithms = assertionAlgorithms
			}
		}
		if i.Name == "" || i.Keys == nil || v.issuers[i.Name] != nil {
			return nil, bad("every issuer needs a name of its own and keys")
		}
		for _, a := range i.Algorithms {
			if !a.Valid() {
				return nil, bad("an issuer is allowed an algorithm that is unknown here")
			}
			methods = append(methods, string(a))
		}
		if r := i.Registration; r != nil {
			if !r.Role.Valid() {
				return nil, bad("a registration needs a role: requester, owner or operator")
			}
			i.Registration = &Registration{organisations(r.Organisations), r.Role, slices.Clone(r.Scopes)}
		}
		if err := i.external(); err != nil {
			return nil, err
		}
		if i.Audience == nil {
			i.Audience = c.Audience
		}
		if len(i.Audience) == 0 || slices.Contains(i.Audience, "") {
			return nil, bad("name the audience that the tokens of every issuer must have")
		}
		v.issuers[i.Name] = &trusted{i, jwt.NewValidator(jwt.WithTimeFunc(c.Now), jwt.WithLeeway(c.Leeway), jwt.WithExpirationRequired(),
			jwt.WithIssuedAt(), jwt.WithAudience(i.Audience...))}
	}
	v.parser = jwt.NewParser(jwt.WithValidMethods(methods), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())
	return v, nil
}

// claims are those that are read.
type claims struct {
	jwt.RegisteredClaims
	Organisation words  `json:"organisation"`
	Role         Role   `json:"role"`
	Scope        string `json:"scope"`
	Client       string `json:"client_id"`

	Party        json.RawMessage `json:"azp"`
	Confirmation json.RawMessage `json:"cnf"`
	cis2Claims
}

// words is a JSON array of strings, or one string.
type words []string

func (w *words) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*w = make(words, 1)
		return json.Unmarshal(b, &(*w)[0])
	}
	return json.Unmarshal(b, (*[]string)(w))
}

// Verify gives the caller that a token (a signed JWT in compact form, without
// "Bearer ") proves. The signature is checked before anything that the token claims.
//
// Errors, none with any part of the token: login for one that is missing, too long,
// malformed, signed with an algorithm that its issuer may not use, not signed by its
// issuer, for another audience, not valid yet, or without what it must have; expired;
// unknown for an issuer or a key that is not registered. Transient when the keys of its issuer
// cannot be fetched, or ctx ended.
//
// Source: https://www.rfc-editor.org/rfc/rfc8725#section-3, RFC 7519 section 7.2.
func (v *Verifier) Verify(ctx context.Context, token string) (*Principal, error) {
	if err := ctx.Err(); err != nil {
		return nil, issue.New(issue.Timeout, "token", "the caller has gone").Because(err)
	}
	switch {
	case token == "":
		return nil, login("token-missing", "a bearer token is required")
	case len(token) > maxToken:
		return nil, login("token-size", "the token is longer than 16 KiB")
	}
	id := sha256.Sum256([]byte(token))
	if p := v.cache.get(id, v.now()); p != nil {
		return p, nil
	}
	c := claims{}
	var by publicKey
	var in *keySet
	parsed, err := v.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		var err error
		by, in, err = v.key(ctx, t, &c)
		return by.key, err
	})
	if err != nil {
		return nil, refusal(err)
	}
	if !parsed.Valid {
		return nil, login("token-signature", "the signature of the token is wrong")
	}
	if err := v.issuers[c.Issuer].validator.Validate(&c); err != nil {
		return nil, refusal(err)
	}
	if c.ExpiresAt.Sub(v.now()) > v.maxLifetime+v.leeway {
		return nil, login("token-lifetime", "the token is valid for too long; ask for a shorter lifetime")
	}
	p, err := v.principal(&c)
	if err != nil {
		return nil, err
	}
	until := p.Expires
	if !by.until.IsZero() && by.until.Before(until) {
		until = by.until
	}
	v.cache.put(id, verified{p, v.issuers[c.Issuer].Keys, in, until}, v.now())
	return p, nil
}

func login(rule, text string) *issue.Error { return issue.New(issue.Login, rule, text) }

// key finds the key that must have signed the token: by the kid alone, among the keys
// of the issuer alone.
func (v *Verifier) key(ctx context.Context, t *jwt.Token, c *claims) (publicKey, *keySet, error) {
	i, err := v.issuer(t, c)
	if err != nil {
		return publicKey{}, nil, err
	}
	kid, _ := t.Header["kid"].(string)
	if kid == "" {
		return publicKey{}, nil, login("token-kid", "the token has no kid in its header")
	}
	alg := Algorithm(t.Method.Alg())
	if !slices.Contains(i.Algorithms, alg) {
		return publicKey{}, nil, login("token-algorithm", "the issuer may not sign with this algorithm")
	}
	return i.Keys.find(ctx, v.now(), kid, alg)
}

// issuer finds who says to have signed the token, and refuses a header that no token of
// its has.
func (v *Verifier) issuer(t *jwt.Token, c *claims) (*Issuer, error) {
	if _, critical := t.Header["crit"]; critical {
		return nil, login("token-crit", "the token has critical header parameters; none is understood") // RFC 7515 section 4.1.11
	}
	if c.Issuer == "" {
		return nil, login("token-claims", "the token lacks a claim it must have: iss, aud, exp")
	}
	i := v.issuers[c.Issuer]
	if i == nil {
		return nil, issue.New(issue.Unknown, "token-issuer", "the issuer of the token is not registered here")
	}
	typ, named := t.Header["typ"].(string)
	if _, there := t.Header["typ"]; there && !named {
		return nil, login("token-type", "the typ of the token must be a text")
	}
	// a token for another purpose must not pass, RFC 8725 section 3.11
	switch typ = strings.TrimPrefix(strings.ToLower(typ), "application/"); {
	case typ == accessToken && !v.assertions:
	case (typ == "" || typ == "jwt") && (v.assertions || i.Registration != nil || i.AnyType):
	case v.assertions:
		return nil, login("token-type", "the typ of a client assertion must be JWT")
	default:
		return nil, login("token-type", "the typ of an access token must be at+jwt")
	}
	if jku, there := t.Header["jku"]; there && i.Registration != nil && jku != any(i.Keys.url()) {
		return nil, login("token-jku", "the jku of the token is not the URL that the client registered for its keys")
	}
	return &i.Issuer, nil
}

// refusal puts what the library found into our own words. The library's error quotes
// the token in places and is not kept.
func refusal(err error) error {
	var own *issue.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, jwt.ErrTokenMalformed):
		return login("token-malformed", "this is no signed token (JWT in compact form)")
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return login("token-algorithm", "the token is signed with an algorithm that is not accepted")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return login("token-signature", "the signature of the token is wrong, or its algorithm is not accepted")
	case errors.Is(err, jwt.ErrTokenExpired):
		return issue.New(issue.Expired, "token-expired", "the token has expired; get a new one")
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return login("token-early", "the token is not valid yet; check the clock of its issuer")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return login("token-audience", "the token is for another audience (aud) than this server: an access token is to name its base URL, a client assertion its token endpoint")
	}
	return login("token-claims", "the token lacks a claim it must have: iss, aud, exp")
}

// principal makes the caller of verified claims.
func (v *Verifier) principal(c *claims) (*Principal, error) {
	i := v.issuers[c.Issuer]
	p := &Principal{Client: c.Client, Subject: c.Subject, TokenID: c.ID, Expires: c.ExpiresAt.Time, Issuer: c.Issuer}
	var err error
	if p.Certificate, err = thumbprintOf(c.Confirmation); err != nil {
		return nil, err
	}
	switch {
	case i.Clients != nil:
		return p, i.Clients.admit(p, c)
	case i.CIS2 != nil:
		return p, i.CIS2.admit(p, c)
	}
	if r := i.Registration; r != nil {
		if c.Subject != c.Issuer {
			return nil, login("token-subject", "iss and sub of the token must both be the client id")
		}
		p.Client, p.Organisations, p.Role, p.Scopes = c.Issuer, r.Organisations, r.Role, r.Scopes
		return p, nil
	}
	if p.Client == "" {
		p.Client = c.Subject
	}
	p.Organisations, p.Role, p.Scopes = organisations(c.Organisation), c.Role, strings.Fields(c.Scope)
	if p.Client == "" || !p.Role.Valid() {
		return nil, login("token-claims", "the token must name its client (sub or client_id) and its role: requester, owner or operator")
	}
	return p, nil
}
