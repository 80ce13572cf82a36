package store

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"

	"spadapter/adapter/issue"
)

// AuditKey seals the checkpoints of the audit, and tells whether a seal is its own. A nil
// key seals nothing. It is safe for concurrent use.
type AuditKey struct {
	ID      string // names the key and tells nothing of it
	private ed25519.PrivateKey
	public  ed25519.PublicKey
	secret  []byte
}

// minSecret is the least length of a secret: the length of the hash, as RFC 2104 section 3
// advises.
const minSecret = sha256.Size

// ParseAuditKey reads the file of a key: an Ed25519 key in PEM (PKCS #8 for one that seals,
// SubjectPublicKeyInfo for one that only verifies), as openssl genpkey -algorithm ed25519
// makes it, or else a secret of 32 bytes or more for HMAC-SHA-256. Errors: value.
func ParseAuditKey(body []byte) (*AuditKey, error) {
	wrong := issue.New(issue.Value, "audit-key", "the key of the audit must be an Ed25519 key in PEM, or a secret of at least 32 bytes")
	block, _ := pem.Decode(body)
	if block == nil {
		secret := strings.TrimSpace(string(body))
		if len(secret) < minSecret || strings.Contains(secret, "-----BEGIN") {
			return nil, wrong
		}
		return &AuditKey{ID: "hmac-" + keyName([]byte("spadapter audit key\n"+secret)), secret: []byte(secret)}, nil
	}
	k := &AuditKey{}
	if private, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		k.private, _ = private.(ed25519.PrivateKey)
		if k.private != nil {
			k.public, _ = k.private.Public().(ed25519.PublicKey)
		}
	} else if public, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
		k.public, _ = public.(ed25519.PublicKey)
	}
	if k.public == nil {
		return nil, wrong
	}
	k.ID = "ed25519-" + keyName(k.public)
	return k, nil
}

func keyName(of []byte) string {
	sum := sha256.Sum256(of)
	return hex.EncodeToString(sum[:8])
}

// Seals reports whether the key can seal, and not only verify.
func (k *AuditKey) Seals() bool { return k != nil && (k.private != nil || k.secret != nil) }

// seal signs a checkpoint.
func (k *AuditKey) seal(c *Checkpoint) {
	if !k.Seals() {
		return
	}
	c.Signer = k.ID
	if k.private != nil {
		c.Seal = base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.private, c.content()))
		return
	}
	c.Seal = base64.RawURLEncoding.EncodeToString(k.mac(c))
}

func (k *AuditKey) mac(c *Checkpoint) []byte {
	h := hmac.New(sha256.New, k.secret)
	h.Write(c.content())
	return h.Sum(nil)
}

// verify reports whether this key sealed a checkpoint.
func (k *AuditKey) verify(c *Checkpoint) bool {
	seal, err := base64.RawURLEncoding.DecodeString(c.Seal)
	if err != nil || c.Signer != k.ID {
		return false
	}
	if k.secret != nil {
		return hmac.Equal(seal, k.mac(c))
	}
	return ed25519.Verify(k.public, c.content(), seal)
}
