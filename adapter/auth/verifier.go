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
	Now         func() time.Time
}

// Issuer is one who may issue tokens: a partner that signs with its own client key,
// or we ourselves.
type Issuer struct {
	Name       string      // the iss of its tokens
	Keys       *Keys       // its public keys
	Algorithms []Algorithm // what it may sign with; nil means ES384, RS384, RS512, ES256

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

var defaultAlgorithms = []Algorithm{ES384, RS384, RS512, ES256}

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
		cache: newCache(c.CacheSize),
	}
	if v.maxLifetime == 0 {
		v.maxLifetime = maxLifetime
	}
	var methods []string
	for _, i := range c.Issuers {
		if i.Algorithms == nil {
			i.Algorithms = defaultAlgorithms
		}
		if i.Name == "" || i.Keys == nil || v.issuers[i.Name] != nil {
			return nil, bad("every issuer needs a name of its own and keys")
		}
		for _, a := range i.Algorithms {
			if !slices.Contains([]Algorithm{RS256, RS384, RS512, ES256, ES384, EdDSA}, a) {
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
// unknown for an issuer or a key that is not registered.
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
	parsed, err := v.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) { return v.key(t, &c) })
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
	v.cache.put(id, p, v.now())
	return p, nil
}

func login(rule, text string) *issue.Error { return issue.New(issue.Login, rule, text) }

// key finds the key that must have signed the token: by the kid alone, among the keys
// of the issuer alone.
func (v *Verifier) key(t *jwt.Token, c *claims) (any, error) {
	if _, critical := t.Header["crit"]; critical {
		return nil, login("token-crit", "the token has critical header parameters; none is understood") // RFC 7515 section 4.1.11
	}
	if typ, named := t.Header["typ"]; named { // a token for another purpose must not pass, RFC 8725 section 3.11
		s, _ := typ.(string)
		if s = strings.TrimPrefix(strings.ToLower(s), "application/"); s != "jwt" && s != "at+jwt" {
			return nil, login("token-type", "the typ of the token must be JWT or at+jwt")
		}
	}
	kid, _ := t.Header["kid"].(string)
	if kid == "" {
		return nil, login("token-kid", "the token has no kid in its header")
	}
	if c.Issuer == "" {
		return nil, login("token-claims", "the token lacks a claim it must have: iss, aud, exp")
	}
	i := v.issuers[c.Issuer]
	if i == nil {
		return nil, issue.New(issue.Unknown, "token-issuer", "the issuer of the token is not registered here")
	}
	alg := Algorithm(t.Method.Alg())
	if !slices.Contains(i.Algorithms, alg) {
		return nil, login("token-algorithm", "the issuer may not sign with this algorithm")
	}
	key := i.Keys.find(kid, alg)
	if key == nil {
		return nil, issue.New(issue.Unknown, "token-key", "the issuer has no key with this kid for this algorithm")
	}
	return key, nil
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
		return login("token-audience", "the token is for another audience (aud) than this server, whose base URL it is to name")
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
