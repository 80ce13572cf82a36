package gateway

import (
	"net/http"
	"slices"

	"spadapter/adapter/issue"
)

// ruleStatus holds the rules that have a status of their own. bodies-at-once is about
// all clients together; 429 is for one that sends too much.
// Source: RFC 9110 section 15.5, RFC 6585 section 3, RFC 8470 section 5.2.
var ruleStatus = map[string]int{
	"method-not-allowed": http.StatusMethodNotAllowed,
	"not-acceptable":     http.StatusNotAcceptable,
	"version-conflict":   http.StatusPreconditionFailed,
	"body-timeout":       http.StatusRequestTimeout,
	"body-limit":         http.StatusRequestEntityTooLarge,
	"bodies-at-once":     http.StatusServiceUnavailable,
	"media-type":         http.StatusUnsupportedMediaType,
	"too-early":          http.StatusTooEarly,
	"if-match-missing":   http.StatusPreconditionRequired,

	// of the token endpoint, RFC 6749 section 5.2
	"invalid_request":        http.StatusBadRequest,
	"invalid_client":         http.StatusBadRequest,
	"invalid_scope":          http.StatusBadRequest,
	"unsupported_grant_type": http.StatusBadRequest,
}

// typeStatus is the table from issue type to status. A type that is not in it has
// the status of the type above it in the tree.
// Source: http://hl7.org/fhir/R4/http.html#create (400, 422, 412 for several matches),
// #read (404, 410).
var typeStatus = map[issue.Type]int{
	issue.Invalid: http.StatusBadRequest,

	issue.Security: http.StatusForbidden,
	issue.Login:    http.StatusUnauthorized,
	issue.Unknown:  http.StatusUnauthorized,
	issue.Expired:  http.StatusUnauthorized,

	issue.Processing:      http.StatusUnprocessableEntity,
	issue.NotFound:        http.StatusNotFound,
	issue.Deleted:         http.StatusGone,
	issue.Duplicate:       http.StatusConflict,
	issue.Conflict:        http.StatusConflict,
	issue.MultipleMatches: http.StatusPreconditionFailed,

	issue.Transient: http.StatusServiceUnavailable,
	issue.Throttled: http.StatusTooManyRequests,
	issue.Exception: http.StatusInternalServerError,
}

// layers is the order in which statuses win when there are several issues: who is
// calling, how it was asked, whether the message can be read, then what it means,
// and our own faults last, because the sender's own hold whatever became of us.
var layers = []int{
	http.StatusUnauthorized, http.StatusForbidden,
	http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge, http.StatusRequestTimeout,
	http.StatusPreconditionRequired, http.StatusPreconditionFailed, http.StatusTooEarly, http.StatusTooManyRequests,
	http.StatusBadRequest, http.StatusNotFound, http.StatusGone, http.StatusConflict, http.StatusUnprocessableEntity,
	http.StatusServiceUnavailable, http.StatusInternalServerError,
}

// statusOf gives the status of one issue.
func statusOf(e *issue.Error) int {
	if status, ok := ruleStatus[e.Rule]; ok {
		return status
	}
	for t := e.Type; t != ""; t = t.Parent() {
		if status, ok := typeStatus[t]; ok {
			return status
		}
	}
	return http.StatusInternalServerError
}

// statusOfAll gives the status of the issues of one response: that of the lowest
// layer among those that refuse the message. Warnings travel along.
func statusOfAll(issues []*issue.Error) int {
	best := len(layers)
	for _, e := range issues {
		if i := slices.Index(layers, statusOf(e)); e.Failure() && i >= 0 && i < best {
			best = i
		}
	}
	if best == len(layers) {
		return http.StatusInternalServerError
	}
	return layers[best]
}

// retryAfter holds how many seconds a client should wait after a status. A store
// that does not answer is back within seconds or not for a while; a first request
// that is still in work ends in less than one.
var retryAfter = map[int]string{
	http.StatusTooEarly:           "1",
	http.StatusTooManyRequests:    "2",
	http.StatusServiceUnavailable: "5",
}
