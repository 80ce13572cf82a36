package auth

import (
	"slices"
	"strings"
	"time"
)

// Role is what a caller may be in the life cycle of a referral.
type Role string

// The roles. Requester and owner are the words of Task; an operator runs the adapter.
const (
	RoleRequester Role = "requester" // a GP system
	RoleOwner     Role = "owner"     // a link-worker service
	RoleOperator  Role = "operator"
)

// Valid reports whether r is one of the roles.
func (r Role) Valid() bool { return r == RoleRequester || r == RoleOwner || r == RoleOperator }

// Principal is an authenticated caller. It is shared by every request with the same
// token: read it only.
type Principal struct {
	Client        string   // client id
	Organisations []string // ODS codes it may speak for, upper case, sorted; nil when none
	Role          Role
	Subject       string
	Scopes        []string // as granted, such as "system/ServiceRequest.cruds"
	TokenID       string   // jti, "" when the token has none
	Expires       time.Time

	Issuer      string // iss of the token
	User        string // id of the person who calls, "" for a system
	UserRole    string // code of the role in which that person calls, "" when the token says none
	RoleProfile string // id of the role profile that this role is held by, "" when the token says none
	Software    string // name and version of the program that the person uses, "" when the token says none

	// Certificate is the SHA-256 thumbprint (RFC 8705) of the client certificate that the
	// token is bound to, "" for a token that is bound to none. Whoever lets the caller in
	// compares it with the connection.
	Certificate string
}

// Acting gives the same caller for one of its organisations alone, by its ODS code. The
// caller must speak for it.
func (p *Principal) Acting(ods string) *Principal {
	one := *p
	one.Organisations = []string{strings.ToUpper(ods)}
	return &one
}

// SpeaksFor reports whether the caller may act for the organisation with that ODS
// code, in either case. Nobody speaks for "".
func (p *Principal) SpeaksFor(ods string) bool {
	if p == nil || ods == "" {
		return false
	}
	_, found := slices.BinarySearch(p.Organisations, strings.ToUpper(ods))
	return found
}

// Allows reports whether a scope lets the caller do one interaction on a resource
// type: letter is one of c, r, u, d, s (create, read, update, delete, search).
//
// Scopes of version 2 (system/Task.rs) and 1 (system/Task.read, .write, .*) count. A
// scope that is narrowed by a query (system/Task.rs?code=x) allows nothing here, for
// nothing here could hold a caller to the query.
//
// Source: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html.
func (p *Principal) Allows(resource string, letter byte) bool {
	if p == nil || resource == "" || strings.IndexByte("cruds", letter) < 0 {
		return false
	}
	for _, scope := range p.Scopes {
		target, letters := splitScope(scope)
		if (target == "*" || target == resource) && strings.IndexByte(letters, letter) >= 0 {
			return true
		}
	}
	return false
}

// splitScope takes a system scope apart; "", "" for anything else.
func splitScope(scope string) (target, letters string) {
	rest, ok := strings.CutPrefix(scope, "system/")
	target, part, dot := strings.Cut(rest, ".")
	if letters = granted(part); !ok || !dot || letters == "" || target != "*" && !typeName(target) {
		return "", ""
	}
	return target, letters
}

// typeName reports whether text can be the name of a resource type.
func typeName(text string) bool {
	for i := range len(text) {
		if c := text[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return text != "" && len(text) <= 64
}

// granted gives the letters of the part of a scope after the dot; "" when it is malformed.
func granted(letters string) string {
	switch letters {
	case "*":
		return "cruds"
	case "read":
		return "rs"
	case "write":
		return "cud"
	}
	at := -1
	for i := range len(letters) { // the letters have a fixed order and occur once
		next := strings.IndexByte("cruds", letters[i])
		if next <= at {
			return ""
		}
		at = next
	}
	return letters
}

// organisations brings ODS codes into the form of Principal.Organisations.
func organisations(list []string) []string {
	var out []string
	for _, code := range list {
		if code = strings.ToUpper(strings.TrimSpace(code)); code != "" {
			out = append(out, code)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
