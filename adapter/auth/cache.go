package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

// cache remembers verified tokens by the hash of their bytes, for a signature costs
// a hundred times what a look-up does. Failures are never kept: a flood of bad tokens
// must not push out good ones, and a key that arrives late must count at once.
type cache struct {
	mu      sync.RWMutex
	entries map[[sha256.Size]byte]verified
	size    int
}

// verified is what a token proved, by a key of a set.
type verified struct {
	principal *Principal
	keys      *Keys
	set       *keySet   // the set that keys was then; by another, the token is verified again
	until     time.Time // the end of the token, or of its key
}

const defaultCacheSize = 4096 // about 2 MB

func newCache(size int) *cache {
	if size == 0 {
		size = defaultCacheSize
	}
	return &cache{entries: map[[sha256.Size]byte]verified{}, size: size}
}

// get gives the caller while the token has not expired and its key has not gone; the
// leeway is for Verify.
func (c *cache) get(id [sha256.Size]byte, now time.Time) *Principal {
	c.mu.RLock()
	e := c.entries[id]
	c.mu.RUnlock()
	if e.principal == nil || !now.Before(e.until) || e.keys.settled(now) != e.set {
		return nil
	}
	return e.principal
}

func (c *cache) put(id [sha256.Size]byte, e verified, now time.Time) {
	if c.size <= 0 || !now.Before(e.until) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= c.size {
		c.evict(now)
	}
	c.entries[id] = e
}

// evict drops what has expired, and at least an eighth: the map gives any, so that no
// caller can choose what goes.
func (c *cache) evict(now time.Time) {
	drop := c.size/8 + 1
	for id, e := range c.entries {
		if drop > 0 || !now.Before(e.until) {
			delete(c.entries, id)
			drop--
		}
	}
}
