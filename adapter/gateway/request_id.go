package gateway

import (
	"github.com/google/uuid"

	"spadapter/adapter/issue"
)

// maxHeaderID bounds the ids that a client may send in a header: enough for any UUID
// or trace id, and short enough to keep with every record.
const maxHeaderID = 128

// identify reads the ids of the request and mirrors them on the response. A request
// id that was not sent is made; one that is not valid is replaced in the response,
// where it could do harm.
func (x *exchange) identify() error {
	var faults []*issue.Error
	header := x.Writer.Header()
	one := func(name string) string {
		values := x.Request.Header.Values(name)
		if len(values) == 0 {
			if x.messaged() && name == "X-Correlation-ID" {
				faults = append(faults, issue.New(issue.Required, "header-missing", "X-Correlation-ID must be sent with every message: the UUID of its conversation").At("http.X-Correlation-ID"))
			}
			return ""
		}
		if len(values) > 1 || !visible(values[0]) || len(values[0]) > maxHeaderID {
			faults = append(faults, issue.Newf(issue.Value, "header-id", "%s must be sent once, with 1 to %d visible ASCII characters", name, maxHeaderID).At("http."+name))
			return ""
		}
		if x.uuids() && name != "Idempotency-Key" && !isUUID(values[0]) {
			kind := issue.Value
			if x.route.bars {
				kind = issue.Invalid
				header.Set(name, values[0]) // a sender that gets no id back sends again
			}
			faults = append(faults, issue.Newf(kind, "header-uuid", "%s must be a UUID, in 36 characters", name).At("http."+name))
			return ""
		}
		return values[0]
	}
	x.call.RequestID = one("X-Request-ID")
	x.call.RequestGiven = x.call.RequestID != ""
	if !x.call.RequestGiven {
		if x.uuids() && len(faults) == 0 {
			faults = append(faults, issue.New(issue.Required, "header-missing", "X-Request-ID must be sent with every request: a UUID of its own").At("http.X-Request-ID"))
		}
		x.call.RequestID = x.NewID()
	}
	if header.Get("X-Request-ID") == "" {
		header.Set("X-Request-ID", x.call.RequestID)
	}
	if x.call.CorrelationID = one("X-Correlation-ID"); x.call.CorrelationID != "" {
		header.Set("X-Correlation-ID", x.call.CorrelationID)
	}
	x.call.IdempotencyKey = one("Idempotency-Key")
	return issue.Join(faults)
}

// messaged reports whether the request must be one of BaRS.
func (x *exchange) messaged() bool { return x.route.bars && !x.route.open }

// uuids reports whether the ids in the header must be UUIDs.
func (x *exchange) uuids() bool { return x.messaged() || x.door.Demands.UUIDs && !x.route.open }

// isUUID reports whether s is a UUID in its usual form, in either case.
// Source: RFC 9562 section 4.
func isUUID(s string) bool {
	_, err := uuid.Parse(s)
	return err == nil && len(s) == 36
}

// visible reports whether s is not empty and all printable ASCII without blanks.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
