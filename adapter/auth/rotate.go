package auth

import (
	"time"

	"github.com/MicahParks/jwkset"

	"spadapter/adapter/issue"
)

// Rotation says how a set gets its next key.
type Rotation struct {
	Algorithm Algorithm     // of the new key; "" means what the newest key is for
	Lead      time.Duration // from now until the new key signs: others must have fetched it by then
	Keep      time.Duration // from then until the old keys end: what they signed must have ended by then
}

// RotateKeys adds a key to a private set, which signs after Lead, says when those before
// it end, and drops those that have. It gives the new set and its public half, and when
// the new key begins. Everything that follows is a matter of the clock, so that processes
// with the same set do the same without another word.
//
// Errors: structure and value as of NewSigner; conflict while the last rotation waits for
// its new key to begin; value for a time below zero.
func RotateKeys(private []byte, r Rotation, now time.Time) (next, public []byte, begins time.Time, err error) {
	if r.Lead < 0 || r.Keep < 0 {
		return nil, nil, begins, badKeys("keys-config", "the times of a rotation are not below zero")
	}
	list, err := parseSet(private)
	if err != nil {
		return nil, nil, begins, err
	}
	if _, err := NewSigner(private, SignerConfig{NewID: func() string { return "" }}); err != nil {
		return nil, nil, begins, err
	}
	begins = now.Add(r.Lead)
	var kept []jwk
	var newest jwk
	for _, m := range list {
		switch {
		case !usable(m, jwkset.KeyOpsSign) || m.Until != 0 && m.Until <= now.Unix():
			continue
		case m.From > now.Unix():
			return nil, nil, begins, issue.Newf(issue.Conflict, "keys-rotation", "the last rotation is not over: its key signs from %s", time.Unix(m.From, 0).UTC().Format(time.RFC3339))
		}
		if newest.KTY == "" || m.From > newest.From {
			newest = m
		}
		if ends := begins.Add(r.Keep).Unix(); m.Until == 0 || m.Until > ends {
			m.Until = ends
		}
		kept = append(kept, m)
	}
	if r.Algorithm == "" {
		r.Algorithm = served(newest)
	}
	key, err := newKey(r.Algorithm)
	if err != nil {
		return nil, nil, begins, err
	}
	key.From = begins.Unix()
	next, public, err = marshalSet(append(kept, key))
	return next, public, begins, err
}

// served is the algorithm that another key of the same kind is made for.
func served(m jwk) Algorithm {
	switch {
	case m.KTY == jwkset.KtyRSA:
		return RS384
	case m.KTY == jwkset.KtyOKP:
		return EdDSA
	case m.CRV == jwkset.CrvP256:
		return ES256
	}
	return ES384
}
