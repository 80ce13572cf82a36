package auth

import (
	"crypto"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"spadapter/adapter/issue"
)

// assertionLifetime stays under the five minutes that SMART and the NHS England API
// platform allow, so that a clock a minute ahead does no harm.
const assertionLifetime = 4 * time.Minute

// SignerConfig says how a Signer signs.
type SignerConfig struct {
	KeyID     string        // which key of the set; "" means the newest that has begun
	Algorithm Algorithm     // "" means the key's own alg, else ES384, ES256, EdDSA or RS384 by its kind
	NewID     func() string // makes a jti that never repeats, such as uuid.NewString
}

// Signer signs with our private keys: of those that have begun (nbf) and not ended (exp)
// with the one that began last, the first of the set where several did. Safe for concurrent use.
type Signer struct {
	config SignerConfig
	ring   atomic.Pointer[[]signingKey] // in the order of the set, at least one
}

// signingKey is one private key and when it signs.
type signingKey struct {
	key    crypto.Signer
	kid    string
	method jwt.SigningMethod
	from   time.Time // zero for always
	until  time.Time // when it stops to sign and to count; zero for never
	public jwk
}

// NewSigner reads a private JSON Web Key Set, such as GenerateKeys and RotateKeys make. Errors:
// structure when it is no key set; value when the key is missing, has no private half or does not
// fit the algorithm.
func NewSigner(private []byte, c SignerConfig) (*Signer, error) {
	if c.NewID == nil {
		return nil, badKeys("keys-config", "a source of token ids is needed")
	}
	s := &Signer{config: c}
	if err := s.Replace(private); err != nil {
		return nil, err
	}
	return s, nil
}

// Replace makes the Signer sign with another set. On an error, as of NewSigner, it stays
// what it was.
func (s *Signer) Replace(private []byte) error {
	list, err := parseSet(private)
	if err != nil {
		return err
	}
	var ring []signingKey
	signs := false
	check := &keySet{byID: map[string][]publicKey{}}
	for _, m := range list {
		if !usable(m, jwkset.KeyOpsSign) {
			continue
		}
		m.KEYOPS = nil // jwkset refuses those that are registered nowhere
		parsed, err := jwkset.NewJWKFromMarshal(m.JWKMarshal, jwkset.JWKMarshalOptions{Private: true}, jwkset.JWKValidateOptions{})
		key, secret := parsed.Key().(crypto.Signer)
		if err != nil || !secret {
			return badKeys("keys-value", "a key of the private key set cannot be read, or is no private key")
		}
		public := publicKey{key.Public(), Algorithm(m.ALG), m.until()}
		if err := errors.Join(public.check(m.KID), check.add(m.KID, public)); err != nil {
			return issue.All(err)[0]
		}
		half, err := publicHalf(parsed, m)
		if err != nil {
			return err
		}
		own := signingKey{key: key, kid: m.KID, until: m.until(), public: half}
		if m.From != 0 {
			own.from = time.Unix(m.From, 0)
		}
		if s.config.KeyID == "" || s.config.KeyID == m.KID {
			signs = true
			if own.method, err = method(public, s.config.Algorithm); err != nil {
				return err
			}
		}
		ring = append(ring, own)
	}
	if !signs {
		return badKeys("keys-none", "the private key set does not hold the signing key")
	}
	s.ring.Store(&ring)
	return nil
}

// method picks how a key signs: as asked, else by its own alg, else by its kind.
func method(key publicKey, asked Algorithm) (jwt.SigningMethod, error) {
	for _, alg := range []Algorithm{asked, key.alg, ES384, ES256, EdDSA, RS384} {
		if alg == "" {
			continue
		}
		if key.serves(alg) {
			return jwt.GetSigningMethod(string(alg)), nil
		}
		if alg == asked {
			break
		}
	}
	return nil, badKeys("keys-alg", "the signing key does not fit the algorithm")
}

// current gives the key that signs now; false when every key is to begin or has ended.
func (s *Signer) current(now time.Time) (found signingKey, ok bool) {
	for _, k := range *s.ring.Load() {
		active := !now.Before(k.from) && (k.until.IsZero() || now.Before(k.until))
		if k.method != nil && active && (!ok || k.from.After(found.from)) {
			found, ok = k, true
		}
	}
	return found, ok
}

// Public is the public half of every key that has not ended, those to begin with them, as
// a JSON Web Key Set for /jwks.json. A key that is to end has the member exp.
func (s *Signer) Public(now time.Time) ([]byte, error) {
	set := struct {
		Keys []jwk `json:"keys"`
	}{Keys: []jwk{}}
	for _, k := range *s.ring.Load() {
		if k.until.IsZero() || now.Before(k.until) {
			set.Keys = append(set.Keys, k.public)
		}
	}
	return json.Marshal(set)
}

// Claims is what a token of our own says.
type Claims struct {
	Issuer        string
	Client        string // client_id and sub
	Audience      []string
	Organisations []string
	Role          Role
	Scopes        []string
}

// Token mints an access token (typ at+jwt) that a Verifier with our own issuer accepts. Errors: value for
// claims that it would not accept.
func (s *Signer) Token(c Claims, now time.Time, ttl time.Duration) (string, error) {
	if c.Issuer == "" || c.Client == "" || len(c.Audience) == 0 || !c.Role.Valid() || ttl <= 0 {
		return "", issue.New(issue.Value, "token-claims", "a token needs issuer, client, audience, role and a lifetime")
	}
	return s.sign(accessToken, jwt.MapClaims{
		"iss": c.Issuer, "sub": c.Client, "client_id": c.Client, "aud": slices.Clone(c.Audience),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(ttl).Unix(), "jti": s.config.NewID(),
		"organisation": organisations(c.Organisations), "role": c.Role, "scope": strings.Join(c.Scopes, " "),
	}, now)
}

// Assertion signs a client assertion (private_key_jwt) for a token endpoint: valid
// for four minutes, with a jti of its own.
//
// Source: https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html.
func (s *Signer) Assertion(clientID, tokenURL string, now time.Time) (string, error) {
	if clientID == "" || tokenURL == "" {
		return "", issue.New(issue.Value, "token-claims", "an assertion needs a client id and the URL of the token endpoint")
	}
	return s.sign("JWT", jwt.MapClaims{
		"iss": clientID, "sub": clientID, "aud": tokenURL,
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(), "jti": s.config.NewID(),
	}, now)
}

// sign makes a token of that type. Errors: exception when no key signs now.
func (s *Signer) sign(typ string, c jwt.MapClaims, now time.Time) (string, error) {
	key, ok := s.current(now)
	if !ok {
		return "", issue.New(issue.Exception, "token-sign", "no key of the private key set signs now: all are to begin or have ended")
	}
	t := jwt.NewWithClaims(key.method, c)
	t.Header["typ"], t.Header["kid"] = typ, key.kid
	token, err := t.SignedString(key.key)
	if err != nil {
		return "", issue.New(issue.Exception, "token-sign", "the token could not be signed").Because(err)
	}
	return token, nil
}
