package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"slices"
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

// Valid reports whether a is one of the algorithms.
func (a Algorithm) Valid() bool { return slices.Contains(algorithms, a) }

// algorithms are all there are.
var algorithms = []Algorithm{RS256, RS384, RS512, ES256, ES384, EdDSA}

// overlap reports whether some algorithm fits both keys, so that kid and alg do not tell
// them apart.
func overlap(a, b publicKey) bool {
	return slices.ContainsFunc(algorithms, func(alg Algorithm) bool { return a.serves(alg) && b.serves(alg) })
}
