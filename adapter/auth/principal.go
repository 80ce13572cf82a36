package auth

import (
	"slices"
	"strings"
	"time"
)

// Role is what a caller is in the referral loop.
type Role string

// The roles.
const (
	RoleRequester Role = "requester" // a GP system or another referrer
	RoleOwner     Role = "owner"     // a link-worker service
	RoleOperator  Role = "operator"  // runs the adapter
)

// Valid reports whether r is one of the roles.
func (r Role) Valid() bool { return r == RoleRequester || r == RoleOwner || r == RoleOperator }

// Principal is a caller whose token was verified. It is read-only.
type Principal struct {
	Client        string   // client id
	Subject       string   // the person or program in the token's sub
	Role          Role     //
	Organisations []string // ODS codes it may speak for
	Scopes        []string // SMART scopes, v2 or v1
	TokenID       string   // jti, "" when the token has none
	Expires       time.Time
}

// SpeaksFor reports whether the caller may act for the organisation with that ODS code.
func (p *Principal) SpeaksFor(ods string) bool { return slices.Contains(p.Organisations, ods) }

// Allows reports whether a scope covers an interaction on a resource type. letter is
// one of c, r, u, d, s. Both system/Type.cruds (v2) and system/Type.read, .write, .*
// (v1) count; * stands for every type.
//
// Source: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html.
func (p *Principal) Allows(resourceType string, letter byte) bool {
	for _, s := range p.Scopes {
		rest, ok := strings.CutPrefix(s, "system/")
		if !ok {
			continue
		}
		name, access, _ := strings.Cut(rest, ".")
		if name != "*" && name != resourceType {
			continue
		}
		access, _, _ = strings.Cut(access, "?")
		switch access {
		case "*":
			return true
		case "read":
			access = "rs"
		case "write":
			access = "cud"
		}
		if strings.IndexByte(access, letter) >= 0 {
			return true
		}
	}
	return false
}
