package auth

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"slices"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"

	"spadapter/adapter/issue"
)

// Keys is a set of public keys: one that was given, which Replace may change, or one that
// is fetched from where its owner publishes it (NewRemoteKeys). Safe for concurrent use.
type Keys struct {
	set    atomic.Pointer[keySet] // of a set that was given
	remote *remote                // nil for one that was given
}

// keySet is what a set holds at one time. It is read-only.
type keySet struct{ byID map[string][]publicKey }

type publicKey struct {
	key   crypto.PublicKey
	alg   Algorithm // "" when the key names none
	until time.Time // when it stops to count; zero for never
}

// serves reports whether a signature of that algorithm can be checked with the key.
func (k publicKey) serves(alg Algorithm) bool {
	return alg.fits(k.key) && (k.alg == "" || k.alg == alg)
}

// Sizes of RSA keys: the least is that of RFC 7518 section 3.3; above the most a signature
// takes milliseconds to check, which whoever holds the key could make us spend.
const rsaBits, rsaMost = 2048, 8192

// a set that needs more is not one partner's, and every entry is parsed before listening
const maxKeys = 64

// ParseKeys reads JSON Web Key Sets of public keys as one. Keys for encryption and of kinds
// unknown here are passed over, as RFC 7517 section 5 has it; certificates in keys are
// not looked at and nothing is fetched. A key that several sets hold counts as the first
// has it. A key with the member exp, in seconds since 1970, stops to count then.
//
// Errors: structure when it is no key set; value for a key without kid, a private or
// symmetric key, an RSA key under 2048 or over 8192 bits, two keys that one kid and alg
// select, and sets without a usable key. Source: https://www.rfc-editor.org/rfc/rfc7517.
func ParseKeys(jwks ...[]byte) (*Keys, error) {
	k := &Keys{}
	if err := k.Replace(jwks...); err != nil {
		return nil, err
	}
	return k, nil
}

// Replace makes the set hold what these sets hold, read as ParseKeys reads them. On an
// error it stays what it was. A set that is fetched cannot be replaced: not-supported.
func (k *Keys) Replace(jwks ...[]byte) error {
	if k.remote != nil {
		return issue.New(issue.NotSupported, "keys-remote", "a key set that is fetched is replaced by its owner alone")
	}
	set := &keySet{byID: map[string][]publicKey{}}
	for _, one := range jwks {
		list, err := parseSet(one)
		if err != nil {
			return err
		}
		for _, m := range list {
			key, ok, err := m.public()
			if err == nil && ok {
				err = set.add(m.KID, key)
			}
			if err != nil {
				return err
			}
		}
	}
	if len(set.byID) == 0 {
		return noKeys()
	}
	k.set.Store(set)
	return nil
}

func noKeys() error {
	return badKeys("keys-none", "the key set holds no key for signatures: RSA, EC P-256 or P-384, Ed25519")
}

// url is where the set is fetched, "" for one that was given.
func (k *Keys) url() string {
	if k.remote == nil {
		return ""
	}
	return k.remote.config.URL
}

// settled gives the set that counts now without waiting for anything; nil when it has to
// be looked for.
func (k *Keys) settled(now time.Time) *keySet {
	if k.remote != nil {
		return k.remote.settled(now)
	}
	return k.set.Load()
}

// find gives the one key that a kid and an algorithm select, and the set it is in. Errors: unknown for none,
// login for several, transient for a set that cannot be had.
func (k *Keys) find(ctx context.Context, now time.Time, kid string, alg Algorithm) (publicKey, *keySet, error) {
	set := k.set.Load()
	if k.remote != nil {
		var err error
		if set, err = k.remote.look(ctx, now, kid, alg); err != nil {
			return publicKey{}, nil, err
		}
	}
	key, err := set.one(now, kid, alg)
	return key, set, err
}

// one gives the only key of that kid which serves alg.
func (s *keySet) one(now time.Time, kid string, alg Algorithm) (publicKey, error) {
	var found []publicKey
	for _, key := range s.byID[kid] {
		if key.serves(alg) && (key.until.IsZero() || now.Before(key.until)) {
			found = append(found, key)
		}
	}
	switch len(found) {
	case 0:
		return publicKey{}, issue.New(issue.Unknown, "token-key", "the issuer has no key with this kid for this algorithm")
	case 1:
		return found[0], nil
	}
	return publicKey{}, login("token-key-twice", "the issuer has several keys with this kid for this algorithm; kid and alg must select one")
}

// badKeys is the error of a key set that cannot be used.
func badKeys(rule, text string) *issue.Error { return issue.New(issue.Value, rule, text) }

// jwk is a key with the times of the sets that the adapter makes: when it begins to sign
// and when it stops to count, in seconds since 1970. Others must ignore what they do not
// know, RFC 7517 section 4.
type jwk struct {
	jwkset.JWKMarshal
	From  int64 `json:"nbf,omitempty"`
	Until int64 `json:"exp,omitempty"`
}

func (m jwk) until() time.Time {
	if m.Until == 0 {
		return time.Time{}
	}
	return time.Unix(m.Until, 0)
}

func parseSet(jwks []byte) ([]jwk, error) {
	var set struct {
		Keys []jwk `json:"keys"`
	}
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

// usable reports whether a key is for signatures, to make or to check as operation says, and of
// a kind known here.
func usable(m jwk, operation jwkset.KEYOPS) bool {
	if m.USE != "" && m.USE != jwkset.UseSig || len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, operation) {
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

// public reads a public key; false for one to pass over.
func (m jwk) public() (publicKey, bool, error) {
	if m.KTY == jwkset.KtyOct || m.D != "" {
		return publicKey{}, false, badKeys("keys-private", "a set of public keys holds a secret key: make a new key, this one is known now, and send its public half")
	}
	if !usable(m, jwkset.KeyOpsVerify) {
		return publicKey{}, false, nil
	}
	m.KEYOPS = nil // jwkset refuses those that are registered nowhere
	parsed, err := jwkset.NewJWKFromMarshal(m.JWKMarshal, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return publicKey{}, false, badKeys("keys-value", "a key cannot be read").Because(err)
	}
	key := publicKey{parsed.Key(), Algorithm(m.ALG), m.until()}
	return key, true, key.check(m.KID)
}

// add takes a key that kid and alg tell from those there are; one that is there already
// is passed over.
func (s *keySet) add(kid string, key publicKey) error {
	for _, have := range s.byID[kid] {
		if equal(have.key, key.key) {
			return nil
		}
		if overlap(have, key) {
			return badKeys("keys-kid", "two keys have the same kid and serve the same algorithm")
		}
	}
	s.byID[kid] = append(s.byID[kid], key)
	return nil
}

// published reads a set as its owner publishes it: a key that cannot be used is passed over, and so
// harms nobody but itself; keys that kid and alg do not tell apart are refused when they
// are asked for. Errors: as ParseKeys, for a set without a usable key that of its first key.
func published(body []byte) (*keySet, error) {
	list, err := parseSet(body)
	if err != nil {
		return nil, err
	}
	set, first := &keySet{byID: map[string][]publicKey{}}, noKeys()
	for i, m := range list {
		key, ok, err := m.public()
		if err != nil && i == 0 {
			first = err
		}
		if ok && err == nil && set.add(m.KID, key) != nil {
			set.byID[m.KID] = append(set.byID[m.KID], key)
		}
	}
	if len(set.byID) == 0 {
		return nil, first
	}
	return set, nil
}

// check refuses what no signature should be checked with.
func (k publicKey) check(kid string) error {
	if kid == "" {
		return badKeys("keys-kid", "a key has no kid; every key needs its own")
	}
	if r, ok := k.key.(*rsa.PublicKey); ok {
		switch bits := r.N.BitLen(); {
		case bits < rsaBits:
			return badKeys("keys-rsa", "an RSA key is shorter than 2048 bits")
		case bits > rsaMost:
			return badKeys("keys-rsa", "an RSA key is longer than 8192 bits")
		case r.E < 3 || r.E&1 == 0:
			return badKeys("keys-rsa", "the exponent of an RSA key is none")
		}
	}
	if k.alg != "" && !k.alg.fits(k.key) {
		return badKeys("keys-alg", "the alg of a key is none that its kind can be used with here")
	}
	return nil
}

// equal reports whether two public keys are the same.
func equal(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
