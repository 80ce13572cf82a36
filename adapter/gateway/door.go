package gateway

import (
	"context"
	"net/http"
	"net/netip"

	"spadapter/adapter/auth"
)

// Door is a way into a handler: a listener with rules of its own about who is calling.
type Door struct {
	Verify  func(ctx context.Context, token string) (*auth.Principal, error) // as in Config
	Demands Demands
	FHIR    bool // it leads to the interactions of the FHIR API alone: to no operation, and to no other API

	// Unsigned says that its tokens have no signature, that each request has a new one, and
	// that many callers come from one address: bad ones are counted by their address, and
	// good ones are let in however many those are.
	Unsigned bool
}

// Demands is what a door asks of every request that needs a token, besides the token.
type Demands struct {
	Headers []string // names of headers that must be sent
	UUIDs   bool     // X-Request-ID must be sent; it and X-Correlation-ID must be UUIDs
	Bound   bool     // every token must be bound to the client certificate of the connection
	Proxy   Proxy
}

// Proxy is what ends TLS before us and says in a header which client certificate it saw.
type Proxy struct {
	Header   string         // "" for none
	Networks []netip.Prefix // where it is; the header counts from nowhere else
}

// beyond reports whether the door does not lead to the route: there is nothing at its address,
// whoever asks.
func (x *exchange) beyond() bool {
	return x.door.FHIR && (x.route.surface != surfaceFHIR && x.route.surface != surfaceSTU3 || x.route.operation != nil)
}

type doorKey struct{}

// Through gives a handler that lets callers into one that New made by another door.
func Through(d Door, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), doorKey{}, &d)))
	})
}

// doorOf gives the door that a request came in by.
func (g *gateway) doorOf(r *http.Request) *Door {
	if d, ok := r.Context().Value(doorKey{}).(*Door); ok {
		return d
	}
	return g.front
}
