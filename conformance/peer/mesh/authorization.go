package mesh

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

var (
	nonceForm = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
	countForm = regexp.MustCompile(`^\d{1,6}$`)
)

// authorised says which rule of the Authorization header a request breaks, "" when none.
// mailbox is the one in the address, "" where the address names none. The lock is held.
func (x *Exchange) authorised(r *http.Request, mailbox string) (caller, broken string) {
	if x.config.Certificate && (r.TLS == nil || len(r.TLS.PeerCertificates) == 0) {
		return "", "no client certificate"
	}
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "NHSMESH ")
	if !ok {
		return "", "the scheme is NHSMESH"
	}
	parts := strings.Split(text, ":")
	if len(parts) != 5 {
		return "", "five parts, with colons between"
	}
	caller, nonce, count, stamp, code := parts[0], parts[1], parts[2], parts[3], parts[4]
	b := x.boxes[caller]
	switch {
	case b == nil:
		return "", "an unknown mailbox"
	case mailbox != "" && caller != mailbox:
		return "", "the mailbox of the address is another"
	case !nonceForm.MatchString(nonce):
		return "", "the nonce is a UUID"
	case !countForm.MatchString(count):
		return "", "the count is a number"
	}
	at, err := time.Parse("200601021504", stamp)
	if off := x.config.Now().Sub(at); err != nil || len(stamp) != 12 || off > x.config.Window || off < -x.config.Window {
		return "", "the timestamp is yyyyMMddHHmm in UTC, and now"
	}
	sum := hmac.New(sha256.New, []byte(x.config.SharedKey))
	fmt.Fprintf(sum, "%s:%s:%s:%s:%s", caller, nonce, count, b.Password, stamp)
	if want := hex.EncodeToString(sum.Sum(nil)); !hmac.Equal([]byte(want), []byte(code)) {
		return "", "the code is the HMAC-SHA256 in lower-case hexadecimal"
	}
	if x.nonces[nonce+":"+count] {
		return "", "a nonce was used twice"
	}
	x.nonces[nonce+":"+count] = true
	return caller, ""
}
