package auth

import (
	"crypto"
	"encoding/json"
	"slices"
	"strings"
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
	KeyID     string        // which key of the set; "" means the first
	Algorithm Algorithm     // "" means the key's own alg, else ES384, ES256, EdDSA or RS384 by its kind
	NewID     func() string // makes a jti that never repeats, such as uuid.NewString
}

// Signer signs with our private key. It is read-only and safe for concurrent use.
type Signer struct {
	key    crypto.Signer
	kid    string
	method jwt.SigningMethod
	public []byte
	newID  func() string
}

// NewSigner reads a private JSON Web Key Set, such as GenerateKeys makes. Errors:
// structure when it is no key set; value when the key is missing, has no private half or does not
// fit the algorithm.
func NewSigner(private []byte, c SignerConfig) (*Signer, error) {
	list, err := parseSet(private)
	if err != nil {
		return nil, err
	}
	if c.NewID == nil {
		return nil, badKeys("keys-config", "a source of token ids is needed")
	}
	s := &Signer{newID: c.NewID}
	public := jwkset.JWKSMarshal{}
	check := &Keys{byID: map[string][]publicKey{}}
	for _, m := range list {
		if !usable(m) {
			continue
		}
		jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{Private: true}, jwkset.JWKValidateOptions{})
		key, secret := jwk.Key().(crypto.Signer)
		if err != nil || !secret {
			return nil, badKeys("keys-value", "a key of the private key set cannot be read, or is no private key")
		}
		if err := check.add(m.KID, publicKey{key.Public(), Algorithm(m.ALG)}); err != nil {
			return nil, err
		}
		open, err := jwkset.NewJWKFromKey(key.Public(), jwkset.JWKOptions{
			Metadata: jwkset.JWKMetadataOptions{KID: m.KID, ALG: m.ALG, USE: jwkset.UseSig}})
		if err != nil {
			return nil, badKeys("keys-value", "a key cannot be published").Because(err)
		}
		public.Keys = append(public.Keys, open.Marshal())
		if s.key == nil && (c.KeyID == "" || c.KeyID == m.KID) {
			s.key, s.kid = key, m.KID
			if err := s.use(c.Algorithm, Algorithm(m.ALG)); err != nil {
				return nil, err
			}
		}
	}
	if s.key == nil {
		return nil, badKeys("keys-none", "the private key set does not hold the signing key")
	}
	s.public, err = json.Marshal(public)
	return s, err
}

// use picks the algorithm: the asked one, else the key's own, else by its kind.
func (s *Signer) use(asked, own Algorithm) error {
	public := s.key.Public()
	for _, alg := range []Algorithm{asked, own, ES384, ES256, EdDSA, RS384} {
		if alg == "" {
			continue
		}
		if alg.fits(public) && (own == "" || alg == own) {
			s.method = jwt.GetSigningMethod(string(alg))
			return nil
		}
		if alg == asked {
			break
		}
	}
	return badKeys("keys-alg", "the signing key does not fit the algorithm")
}

// Public is the public half of every key in the set, as a JSON Web Key Set for
// /jwks.json. The caller must not change it.
func (s *Signer) Public() []byte { return s.public }

// Claims is what a token of our own says.
type Claims struct {
	Issuer        string
	Client        string // client_id and sub
	Audience      []string
	Organisations []string
	Role          Role
	Scopes        []string
}

// Token mints an access token that a Verifier with our own issuer accepts. Errors: value for
// claims that it would not accept.
func (s *Signer) Token(c Claims, now time.Time, ttl time.Duration) (string, error) {
	if c.Issuer == "" || c.Client == "" || len(c.Audience) == 0 || !c.Role.Valid() || ttl <= 0 {
		return "", issue.New(issue.Value, "token-claims", "a token needs issuer, client, audience, role and a lifetime")
	}
	return s.sign(jwt.MapClaims{
		"iss": c.Issuer, "sub": c.Client, "client_id": c.Client, "aud": slices.Clone(c.Audience),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(ttl).Unix(), "jti": s.newID(),
		"organisation": organisations(c.Organisations), "role": c.Role, "scope": strings.Join(c.Scopes, " "),
	})
}

// Assertion signs a client assertion (private_key_jwt) for a token endpoint: valid
// for four minutes, with a jti of its own.
//
// Source: https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html.
func (s *Signer) Assertion(clientID, tokenURL string, now time.Time) (string, error) {
	if clientID == "" || tokenURL == "" {
		return "", issue.New(issue.Value, "token-claims", "an assertion needs a client id and the URL of the token endpoint")
	}
	return s.sign(jwt.MapClaims{
		"iss": clientID, "sub": clientID, "aud": tokenURL,
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(), "jti": s.newID(),
	})
}

func (s *Signer) sign(c jwt.MapClaims) (string, error) {
	t := jwt.NewWithClaims(s.method, c)
	t.Header["kid"] = s.kid
	token, err := t.SignedString(s.key)
	if err != nil {
		return "", issue.New(issue.Exception, "token-sign", "the token could not be signed").Because(err)
	}
	return token, nil
}
