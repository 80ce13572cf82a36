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

// GenerateKeys makes a key pair for ES384 (the default, for "") or RS384, RS512,
// ES256, EdDSA, as two JSON Web Key Sets. The private one is a secret; the public one
// goes to partners. The kid is the key's thumbprint (RFC 7638). An RSA key names no
// alg, so that it serves RS384 and RS512. Errors: not-supported for another algorithm.
func GenerateKeys(alg Algorithm) (private, public []byte, err error) {
	key, err := newKey(alg)
	if err != nil {
		return nil, nil, err
	}
	return marshalSet([]jwk{key})
}

// newKey makes a private key.
func newKey(alg Algorithm) (jwk, error) {
	var key crypto.Signer
	var err error
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
		return jwk{}, issue.New(issue.NotSupported, "keys-alg", "keys are made for ES384, ES256, RS384, RS512 or EdDSA")
	}
	if err != nil {
		return jwk{}, issue.New(issue.Exception, "keys-generate", "the key could not be made").Because(err)
	}
	kid, err := thumbprint(key.Public())
	if err != nil {
		return jwk{}, err
	}
	made, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{
		Marshal:  jwkset.JWKMarshalOptions{Private: true},
		Metadata: jwkset.JWKMetadataOptions{KID: kid, ALG: named, USE: jwkset.UseSig},
	})
	if err != nil {
		return jwk{}, unwritable(err)
	}
	return jwk{JWKMarshal: made.Marshal()}, nil
}

func unwritable(err error) error {
	return issue.New(issue.Exception, "keys-generate", "the key cannot be written").Because(err)
}

// marshalSet writes private keys as a set, and their public halves as another.
func marshalSet(keys []jwk) (private, public []byte, err error) {
	type set struct {
		Keys []jwk `json:"keys"`
	}
	var open set
	for _, m := range keys {
		plain := m.JWKMarshal
		plain.KEYOPS = nil // jwkset refuses those that are registered nowhere
		parsed, err := jwkset.NewJWKFromMarshal(plain, jwkset.JWKMarshalOptions{Private: true}, jwkset.JWKValidateOptions{})
		if err != nil {
			return nil, nil, badKeys("keys-value", "a key of the private key set cannot be read").Because(err)
		}
		half, err := publicHalf(parsed, m)
		if err != nil {
			return nil, nil, err
		}
		open.Keys = append(open.Keys, half)
	}
	if private, err = json.MarshalIndent(set{keys}, "", "  "); err != nil {
		return nil, nil, unwritable(err)
	}
	if public, err = json.MarshalIndent(open, "", "  "); err != nil {
		return nil, nil, unwritable(err)
	}
	return private, public, nil
}

// publicHalf is the public key of a private one, with the time at which it ends.
func publicHalf(parsed jwkset.JWK, m jwk) (jwk, error) {
	key, secret := parsed.Key().(crypto.Signer)
	if !secret {
		return jwk{}, badKeys("keys-value", "a key of the private key set is no private key")
	}
	open, err := jwkset.NewJWKFromKey(key.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: m.KID, ALG: m.ALG, USE: jwkset.UseSig}})
	if err != nil {
		return jwk{}, badKeys("keys-value", "a key cannot be published").Because(err)
	}
	return jwk{JWKMarshal: open.Marshal(), Until: m.Until}, nil
}

// thumbprint names a key after its content. Source: https://www.rfc-editor.org/rfc/rfc7638#section-3.
func thumbprint(key crypto.PublicKey) (string, error) {
	jwk, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{})
	if err != nil {
		return "", unwritable(err)
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
