package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
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
