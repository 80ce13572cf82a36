package mesh

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// scheme begins the Authorization header.
const scheme = "NHSMESH "

// Authorization makes the header that proves who owns a mailbox. The nonce is used for
// one request only; count is how often it was used, and 0 as a rule. at is read in UTC, to
// the minute.
//
// Source: the section "Authorization header" of the MESH API.
func Authorization(mailbox, password, sharedKey, nonce, count string, at time.Time) string {
	stamp := at.UTC().Format("200601021504")
	code := hmac.New(sha256.New, []byte(sharedKey))
	code.Write([]byte(strings.Join([]string{mailbox, nonce, count, password, stamp}, ":")))
	return scheme + strings.Join([]string{mailbox, nonce, count, stamp, hex.EncodeToString(code.Sum(nil))}, ":")
}
