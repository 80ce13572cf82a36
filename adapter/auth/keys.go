package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/MicahParks/jwkset"

	"spadapter/adapter/issue"
)

// Algorithm is the alg of a signed token. Only public-key algorithms exist here:
// neither none nor HMAC can be named.
// Source: https://www.rfc-editor.org/rfc/rfc7518#section-3.1.
type Algorithm string

// The algorithms. SMART backend services require RS384 and ES384, the NHS England
// API platform RS512.
const (
	RS256 Algorithm = "RS256"
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	EdDSA Algorithm = "EdDSA"
)

// fits reports whether a public key can be used with the algorithm.
func (a Algorithm) fits(key crypto.PublicKey) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return a == RS256 || a == RS384 || a == RS512
	case *ecdsa.PublicKey:
		return a == ES256 && k.Curve == elliptic.P256() || a == ES384 && k.Curve == elliptic.P384()
	case ed25519.PublicKey:
		return a == EdDSA
	}
	return false
}

// Keys is a set of public keys, each with its own kid. It is read-only.
type Keys struct{ byID map[string][]publicKey }

type publicKey struct {
	key crypto.PublicKey
	alg Algorithm // "" when the key names none
}

// least size of an RSA key, RFC 7518 section 3.3
const rsaBits = 2048

// a set that needs more is not one partner's, and every entry is parsed before listening
const maxKeys = 64

// ParseKeys reads a JSON Web Key Set of public keys. Keys for encryption and of kinds
// unknown here are passed over, as RFC 7517 section 5 has it; certificates in keys are
// not looked at and nothing is fetched.
//
// Errors: structure when it is no key set; value for a key without kid, a private or
// symmetric key, an RSA key under 2048 bits, two keys that one kid and kty select, and
// a set without a usable key. Source: https://www.rfc-editor.org/rfc/rfc7517.
func ParseKeys(jwks []byte) (*Keys, error) {
	list, err := parseSet(jwks)
	if err != nil {
		return nil, err
	}
	keys := &Keys{byID: map[string][]publicKey{}}
	for _, m := range list {
		if m.KTY == "oct" || m.D != "" {
			return nil, badKeys("keys-private", "a set of public keys holds a secret key: make a new key, this one is known now, and send its public half")
		}
		if !usable(m) {
			continue
		}
		jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil {
			return nil, badKeys("keys-value", "a key cannot be read").Because(err)
		}
		if err := keys.add(m.KID, publicKey{jwk.Key(), Algorithm(m.ALG)}); err != nil {
			return nil, err
		}
	}
	if len(keys.byID) == 0 {
		return nil, badKeys("keys-none", "the key set holds no key for signatures: RSA, EC P-256 or P-384, Ed25519")
	}
	return keys, nil
}

// badKeys is the error of a key set that cannot be used.
func badKeys(rule, text string) *issue.Error { return issue.New(issue.Value, rule, text) }

func parseSet(jwks []byte) ([]jwkset.JWKMarshal, error) {
	var set jwkset.JWKSMarshal
	if err := json.Unmarshal(jwks, &set); err != nil || set.Keys == nil {
		return nil, issue.New(issue.Structure, "keys-json", `this is no JSON Web Key Set: expected {"keys":[…]}`)
	}
	if len(set.Keys) > maxKeys {
		return nil, badKeys("keys-many", "the key set holds more than 64 keys")
	}
	for i := range set.Keys { // jwkset would check certificates, and fetch them
		m := &set.Keys[i]
		m.X5U, m.X5C, m.X5T, m.X5TS256 = "", nil, "", ""
	}
	return set.Keys, nil
}

// usable reports whether a key is for signatures and of a kind known here.
func usable(m jwkset.JWKMarshal) bool {
	if m.USE != "" && m.USE != jwkset.UseSig {
		return false
	}
	switch m.KTY {
	case jwkset.KtyRSA:
		return true
	case jwkset.KtyEC:
		return m.CRV == jwkset.CrvP256 || m.CRV == jwkset.CrvP384
	case jwkset.KtyOKP:
		return m.CRV == jwkset.CrvEd25519
	}
	return false
}

func (k *Keys) add(kid string, key publicKey) error {
	if kid == "" {
		return badKeys("keys-kid", "a key has no kid; every key needs its own")
	}
	if r, ok := key.key.(*rsa.PublicKey); ok && r.N.BitLen() < rsaBits {
		return badKeys("keys-rsa", "an RSA key is shorter than 2048 bits")
	}
	if key.alg != "" && !key.alg.fits(key.key) {
		return badKeys("keys-alg", "the alg of a key is none that its kind can be used with here")
	}
	for _, have := range k.byID[kid] {
		if family(have.key) == family(key.key) {
			return badKeys("keys-kid", "two keys have the same kid")
		}
	}
	k.byID[kid] = append(k.byID[kid], key)
	return nil
}

func family(key crypto.PublicKey) string {
	switch key.(type) {
	case *rsa.PublicKey:
		return "RSA"
	case *ecdsa.PublicKey:
		return "EC"
	}
	return "OKP"
}

// find gives the one key of that kid that alg fits, nil when there is none.
func (k *Keys) find(kid string, alg Algorithm) crypto.PublicKey {
	for _, key := range k.byID[kid] {
		if alg.fits(key.key) && (key.alg == "" || key.alg == alg) {
			return key.key
		}
	}
	return nil
}

// GenerateKeys makes a key pair for ES384 (the default, for "") or RS384, RS512,
// ES256, EdDSA, as two JSON Web Key Sets. The private one is a secret; the public one
// goes to partners. The kid is the key's thumbprint (RFC 7638). An RSA key names no
// alg, so that it serves RS384 and RS512. Errors: not-supported for another algorithm.
func GenerateKeys(alg Algorithm) (private, public []byte, err error) {
	var key crypto.Signer
	named := jwkset.ALG(alg)
	switch alg {
	case "", ES384:
		named = jwkset.AlgES384
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RS384, RS512:
		named = ""
		key, err = rsa.GenerateKey(rand.Reader, 3072) // 128-bit strength, NIST SP 800-57 part 1 table 2
	case EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, nil, issue.New(issue.NotSupported, "keys-alg", "keys are made for ES384, ES256, RS384, RS512 or EdDSA")
	}
	if err != nil {
		return nil, nil, issue.New(issue.Exception, "keys-generate", "the key could not be made").Because(err)
	}
	kid, err := thumbprint(key.Public())
	if err != nil {
		return nil, nil, err
	}
	if private, err = marshalKey(key, kid, named, true); err != nil {
		return nil, nil, err
	}
	public, err = marshalKey(key.Public(), kid, named, false)
	return private, public, err
}

func marshalKey(key any, kid string, alg jwkset.ALG, private bool) ([]byte, error) {
	jwk, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{
		Marshal:  jwkset.JWKMarshalOptions{Private: private},
		Metadata: jwkset.JWKMetadataOptions{KID: kid, ALG: alg, USE: jwkset.UseSig},
	})
	if err != nil {
		return nil, issue.New(issue.Exception, "keys-generate", "the key cannot be written").Because(err)
	}
	return json.MarshalIndent(jwkset.JWKSMarshal{Keys: []jwkset.JWKMarshal{jwk.Marshal()}}, "", "  ")
}

// thumbprint names a key after its content. Source: https://www.rfc-editor.org/rfc/rfc7638#section-3.
func thumbprint(key crypto.PublicKey) (string, error) {
	jwk, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{})
	if err != nil {
		return "", issue.New(issue.Exception, "keys-generate", "the key cannot be written").Because(err)
	}
	m := jwk.Marshal()
	required := map[string]string{"kty": string(m.KTY)} // encoding/json sorts the members, as the RFC asks
	for name, value := range map[string]string{"crv": string(m.CRV), "x": m.X, "y": m.Y, "n": m.N, "e": m.E} {
		if value != "" {
			required[name] = value
		}
	}
	body, err := json.Marshal(required)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(body)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}
