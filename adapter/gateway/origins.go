package gateway

import (
	"net/http"
	"slices"

	"spadapter/adapter/issue"
)

// What pages of another origin may send and read. A token is sent in a header of its own, so
// cookies and other credentials of the browser are not asked for.
// Source: https://fetch.spec.whatwg.org/#http-cors-protocol.
const (
	corsRequest = "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Exist, If-None-Match, Last-Event-ID, Prefer, X-Correlation-ID, X-Request-ID, " +
		headerOrganisation + ", " + headerPractitioner + ", " + headerSoftware + ", " + headerTarget
	corsAnswer  = "Content-Location, ETag, Last-Modified, Link, Location, Retry-After, WWW-Authenticate, X-Correlation-ID, X-Request-ID"
	corsSeconds = "600" // a browser asks again after these
)

// foreign says to a browser that a page of a named origin may read the answer. Without such
// origins nothing is said, and browsers keep every answer from every other page.
func (x *exchange) foreign() {
	if len(x.Protection.Origins) == 0 {
		return
	}
	header := x.Writer.Header()
	header.Add("Vary", "Origin")
	if from := x.Request.Header.Get("Origin"); from != "" && slices.Contains(x.Protection.Origins, from) {
		header.Set("Access-Control-Allow-Origin", from)
		header.Set("Access-Control-Expose-Headers", corsAnswer)
	}
}

// preflight answers the question of a browser whether a page of another origin may send a
// request, and reports whether it is one.
func (x *exchange) preflight() (asked bool, err error) {
	if x.Request.Method != http.MethodOptions || x.Request.Header.Get("Origin") == "" || x.Request.Header.Get("Access-Control-Request-Method") == "" {
		return false, nil
	}
	header := x.Writer.Header()
	if header.Get("Access-Control-Allow-Origin") == "" {
		return true, issue.New(issue.Forbidden, "cors-origin", "pages of this origin may not call the adapter; ADAPTER_CORS_ORIGINS names those that may")
	}
	header.Set("Access-Control-Allow-Methods", header.Get("Allow"))
	header.Set("Access-Control-Allow-Headers", corsRequest)
	header.Set("Access-Control-Max-Age", corsSeconds)
	x.send(http.StatusNoContent, "", nil)
	return true, nil
}
