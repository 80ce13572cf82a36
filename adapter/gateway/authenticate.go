package gateway

import (
	"errors"
	"slices"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
)

// authenticate finds out who is calling. The token is kept nowhere.
// Source: RFC 6750 section 2.1.
func (x *exchange) authenticate() error {
	values := x.Request.Header.Values("Authorization")
	if len(values) == 0 {
		return issue.New(issue.Login, "token-missing", "no token was sent; send Authorization: Bearer and an access token").At("http.Authorization")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return issue.New(issue.Login, "token-form", "Authorization must be Bearer and one access token").At("http.Authorization")
	}
	// to look at a signature costs more than to forge one: who sends too many bad tokens is
	// not looked at any more, but for those that have been good
	if !x.door.Unsigned && x.addresses.spent(x.sender(), x.Now()) && !x.proven.has(token) {
		if err := x.strange(nil); err != nil {
			return err
		}
	}
	principal, err := x.door.Verify(x.context(), token)
	if err != nil {
		if errors.Is(err, issue.Security) {
			x.proven.drop(token) // it has ended, or its key has
		}
		return err
	}
	if err := x.bound(principal); err != nil {
		return err
	}
	if !x.door.Unsigned {
		x.proven.add(token)
	}
	x.call.Principal = principal
	return nil
}

// authorize checks the role and the scope that the route needs. Whose data the
// caller may see is for the domain to say.
func (x *exchange) authorize() error {
	r := x.route
	if err := x.needs(r.roles); err != nil {
		return err
	}
	if r.letter != 0 && !x.call.Principal.Allows(r.resource, r.letter) {
		return missingScope(r.resource, r.letter)
	}
	return nil
}

// needs refuses a caller whose role is none of roles; nil allows every role.
func (x *exchange) needs(roles []auth.Role) error {
	if roles == nil || slices.Contains(roles, x.call.Principal.Role) {
		return nil
	}
	return issue.New(issue.Forbidden, "role", "your role may not do this")
}

// missingScope is the error for a scope that the token does not have. resource comes
// from the table of routes or the type system, never from the sender.
func missingScope(resource string, letter byte) *issue.Error {
	return issue.Newf(issue.Forbidden, "scope", "the token lacks the scope system/%s.%c", resource, letter)
}

// challenge is the WWW-Authenticate header of a 401.
// Source: RFC 6750 section 3: no error code when no token was sent.
func (x *exchange) challenge() string {
	if x.route.surface == surfaceToken {
		return `Basic realm="spadapter"` // the scheme that the client used, RFC 6749 section 5.2
	}
	if x.Request.Header.Get("Authorization") == "" {
		return `Bearer realm="spadapter"`
	}
	return `Bearer realm="spadapter", error="invalid_token"`
}
