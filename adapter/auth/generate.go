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
