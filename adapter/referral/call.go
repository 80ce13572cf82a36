package referral

import (
	"sync/atomic"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
)

// Call is who asks for something and how: what every operation of a Service needs
// to decide visibility, repeats and audit.
type Call struct {
	Principal      *auth.Principal
	RequestID      string // X-Request-ID as sent or made by the gateway
	RequestGiven   bool   // the caller sent X-Request-ID: it then identifies repeats
	CorrelationID  string // X-Correlation-ID, "" when none
	IdempotencyKey string // Idempotency-Key, "" when none
	IfNoneExist    string // If-None-Exist, "" when none
	Dialect        string // of Body, as the gateway recognised it; "" for the usual one
	ContentType    string // of Body
	Body           []byte // the request as received
	Query          string // the raw query string, for audit
	EndUser        EndUser
	Address        string         // network address that it came from, "" when unknown
	Repairs        []*issue.Error // what a lenient reader mended in Body; they become issues of the referral
	Recorded       *atomic.Bool   // set once the call has its record in the audit; nil for nobody who asks

	// Once says that a repeat is refused as a duplicate, not answered again, and Answers makes
	// what the sender is told, in place of the usual answer; nil for that one.
	Once    bool
	Answers func(Receipt) *Response
}
