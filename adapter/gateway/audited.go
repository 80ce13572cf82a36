package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"time"
)

// maxAudited bounds the bytes of a query that the audit keeps.
const maxAudited = 2048

// audited is a query as the audit keeps it. A long one is cut, and the hash of the
// whole tells it from others that begin alike.
func audited(query string) string {
	if len(query) <= maxAudited {
		return query
	}
	sum := sha256.Sum256([]byte(query))
	mark := "…sha256:" + hex.EncodeToString(sum[:])
	return strings.ToValidUTF8(query[:maxAudited-len(mark)], "") + mark
}

// anonymousRecords is how many refusals of unknown callers are audited in a second.
const anonymousRecords = 20

// bucket is a token bucket: it holds a second's tokens. It is safe for concurrent use.
type bucket struct {
	mu     sync.Mutex
	rate   float64 // tokens a second, and how many there can be
	tokens float64
	last   time.Time
}

func newBucket(rate float64) *bucket { return &bucket{rate: rate, tokens: rate} }

// take takes a token, and reports whether there was one.
func (b *bucket) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.After(b.last) {
		b.tokens = min(b.rate, b.tokens+now.Sub(b.last).Seconds()*b.rate)
		b.last = now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
