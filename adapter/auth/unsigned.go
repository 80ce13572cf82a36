package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/issue"
)

// UnsignedConfig says what an Unsigned demands.
type UnsignedConfig struct {
	Audience   []string              // service roots; aud must be one of them
	Scopes     map[string][]string   // the values of requested_scope that are taken, and the scopes that each gives here
	Registered func(ods string) bool // whether an organisation is a partner here
	Leeway     time.Duration         // for clocks that differ, after exp: 0 to 60 s
	Now        func() time.Time
}

// Unsigned reads the JWT that GP Connect sends through the Spine proxy. It is not
// signed: who is calling is known from the connection, and the token only tells of it.
// Never let callers in with one on a listener that others than that proxy can reach.
//
// It is read-only and safe for concurrent use.
// Source: https://digital.nhs.uk/services/gp-connect/develop-gp-connect-services/integrate-with-spine/cross-organisation-audit-and-provenance.
type Unsigned struct{ c UnsignedConfig }

// NewUnsigned makes an Unsigned. Errors: value for a configuration that lacks something.
func NewUnsigned(c UnsignedConfig) (*Unsigned, error) {
	if len(c.Audience) == 0 || slices.Contains(c.Audience, "") || len(c.Scopes) == 0 || c.Registered == nil || c.Now == nil || c.Leeway < 0 || c.Leeway > maxLeeway {
		return nil, issue.New(issue.Value, "auth-config", "unsigned tokens need an audience, scopes, partners, a clock, and a leeway from 0 to 60 seconds")
	}
	roots := make([]string, len(c.Audience))
	for i, root := range c.Audience { // both are written with a slash at the end, and without
		roots[i] = strings.TrimRight(root, "/")
	}
	c.Audience = roots
	return &Unsigned{c}, nil
}

const (
	unsignedLifetime = 300            // seconds from iat to exp: exactly this
	maxAhead         = 24 * time.Hour // a clock that is a day fast is no clock; anything less is accepted
)

// Verify gives the caller that an unsigned token (without "Bearer ") names: a requester
// of requesting_organization, with the user of requesting_practitioner.
//
// Errors, none with any part of the token, and all faults of the claims at once, each
// naming its claim: structure for what is no unsigned JWT; required for a missing claim;
// value for one that is not what it must be, an expired token included; business-rule for
// a resource of the wrong type inside a claim; forbidden for an organisation that is no
// partner here.
func (u *Unsigned) Verify(ctx context.Context, token string) (*Principal, error) {
	if err := ctx.Err(); err != nil {
		return nil, issue.New(issue.Timeout, "token", "the caller has gone").Because(err)
	}
	if len(token) > maxToken {
		return nil, malformed("the JWT is longer than 16 KiB")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" {
		return nil, malformed("this is no JWT: header, claims and an empty signature, with a dot after each of the first two")
	}
	if parts[2] != "" {
		return nil, malformed("the signature of the JWT must be empty here, after the second dot; a signed token is for the other listener")
	}
	header, err := jsonPart(parts[0], "header")
	if err != nil {
		return nil, err
	}
	var alg string
	if json.Unmarshal(header["alg"], &alg) != nil || alg != "none" {
		return nil, issue.New(issue.Value, "jwt-alg", "the alg of the JWT must be none here")
	}
	if typ, named := header["typ"]; named && !strings.EqualFold(string(typ), `"JWT"`) {
		return nil, issue.New(issue.Value, "jwt-typ", "the typ of the JWT must be JWT")
	}
	if header["crit"] != nil {
		return nil, issue.New(issue.Value, "jwt-crit", "the JWT has critical header parameters; none is understood")
	}
	claims, err := jsonPart(parts[1], "claims")
	if err != nil {
		return nil, err
	}
	r := &reading{claims: claims}
	p := u.read(r)
	if err := issue.Join(r.faults); err != nil {
		return nil, err
	}
	if !u.c.Registered(p.Organisations[0]) {
		return nil, issue.New(issue.Forbidden, "jwt-organisation", "the organisation in requesting_organization is no partner here")
	}
	return p, nil
}

func malformed(text string) *issue.Error { return issue.New(issue.Structure, "jwt-form", text) }

// jsonPart reads a part of a JWT that is a JSON object.
func jsonPart(part, name string) (map[string]json.RawMessage, error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, issue.Newf(issue.Structure, "jwt-base64", "the %s of the JWT are not in base64url without padding", name)
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil || members == nil {
		return nil, issue.Newf(issue.Structure, "jwt-json", "the %s of the JWT are no JSON object", name)
	}
	return members, nil
}

// reading is the claims of one token, and what is wrong with them.
type reading struct {
	claims map[string]json.RawMessage
	faults []*issue.Error
}

func (r *reading) fault(t issue.Type, claim, text string) {
	r.faults = append(r.faults, issue.New(t, "jwt-claim", "the claim "+claim+" "+text))
}

// has reads a claim into a value. Without it, or when it is something else, it reports a fault.
func (r *reading) has(claim string, into any, what string) bool {
	raw := r.claims[claim]
	switch {
	case raw == nil || string(raw) == "null" || string(raw) == `""`:
		r.fault(issue.Required, claim, "is missing from the JWT")
		return false
	case json.Unmarshal(raw, into) != nil:
		r.fault(issue.Value, claim, "of the JWT must be "+what)
		return false
	}
	return true
}

func (r *reading) text(claim string) (s string) {
	r.has(claim, &s, "text")
	return s
}

// moment reads seconds since 1970; a fraction is none.
func (r *reading) moment(claim string) (seconds int64, ok bool) {
	if !r.has(claim, &seconds, "a whole number of seconds since 1970") {
		return 0, false
	}
	if seconds <= 0 || seconds > 1<<40 {
		r.fault(issue.Value, claim, "of the JWT is no time")
		return 0, false
	}
	return seconds, true
}

// agent is a Device, Organization or Practitioner in a claim, as far as it is read.
type agent struct {
	ResourceType string
	ID           string
	Identifier   []struct{ System, Value string }
	Model        json.RawMessage
	Version      json.RawMessage
}

// resource reads a resource of one type; nil and a fault when it is none.
func (r *reading) resource(claim, resourceType string) *agent {
	a := &agent{}
	if !r.has(claim, a, "a FHIR "+resourceType) {
		return nil
	}
	if a.ResourceType != resourceType {
		r.fault(issue.BusinessRule, claim, "of the JWT must hold a resource of the type "+resourceType)
		return nil
	}
	return a
}

// identifier gives the value of the identifier with a system of NHS England, by the last
// part of its URI, which has been published under two hosts and in either case; "" when
// there is none.
func (a *agent) identifier(name string) string {
	for _, i := range a.Identifier {
		system := strings.ToLower(i.System)
		if rest, ok := strings.CutSuffix(system, "/"+name); ok && nhsSystem(rest) {
			return strings.TrimSpace(i.Value)
		}
	}
	return ""
}

func nhsSystem(root string) bool {
	return slices.Contains([]string{"https://fhir.nhs.uk/id", "http://fhir.nhs.net/id"}, root)
}

// local reports whether there is an identifier with a system that is not NHS England's.
func (a *agent) local() bool {
	for _, i := range a.Identifier {
		end := max(0, strings.LastIndexByte(i.System, '/'))
		if i.System != "" && strings.TrimSpace(i.Value) != "" && !nhsSystem(strings.ToLower(i.System[:end])) {
			return true
		}
	}
	return false
}

// unknownProfile is what a consumer sends for a user without a Spine role profile.
const unknownProfile = "UNK"

// read holds every claim to its rule. The caller is whole when there was no fault.
func (u *Unsigned) read(r *reading) *Principal {
	p := &Principal{Role: RoleRequester, Issuer: r.text("iss"), Subject: r.text("sub")}
	u.audience(r)
	p.Expires = u.times(r)
	if reason := r.text("reason_for_request"); reason != "" && reason != "directcare" {
		r.fault(issue.Value, "reason_for_request", "of the JWT must be directcare")
	}
	if scope := r.text("requested_scope"); scope != "" {
		granted, ok := u.c.Scopes[scope]
		if !ok {
			r.fault(issue.Value, "requested_scope", "of the JWT must be one of patient/*.read, patient/*.write, organization/*.read, organization/*.write")
		}
		p.Scopes = granted
	}
	if device := r.resource("requesting_device", "Device"); device != nil {
		var model, version string
		_ = json.Unmarshal(device.Model, &model) // a Device without them is a Device
		_ = json.Unmarshal(device.Version, &version)
		p.Software = strings.TrimSpace(model + " " + version)
	}
	if organisation := r.resource("requesting_organization", "Organization"); organisation != nil {
		ods := organisation.identifier("ods-organization-code")
		if ods == "" {
			r.fault(issue.Required, "requesting_organization", "of the JWT has no ODS code: an identifier with the system https://fhir.nhs.uk/Id/ods-organization-code")
		}
		p.Organisations = organisations([]string{ods})
		// what the token says of the calling system is not proven, and goes into every log line
		p.Client = "gpconnect:" + strings.ToUpper(ods)
	}
	u.practitioner(r, p)
	return p
}

func (u *Unsigned) audience(r *reading) {
	var list words
	if r.has("aud", &list, "the URL of this service") && !slices.ContainsFunc(list, func(aud string) bool { return slices.Contains(u.c.Audience, strings.TrimRight(aud, "/")) }) {
		r.fault(issue.Value, "aud", "of the JWT must be the root URL of this service")
	}
}

// times checks iat and exp. A token that was made ahead of our clock is accepted, one
// whose time is over is not: consumers' clocks are told apart by that.
func (u *Unsigned) times(r *reading) time.Time {
	iat, made := r.moment("iat")
	exp, ends := r.moment("exp")
	now := u.c.Now()
	if made && time.Unix(iat, 0).After(now.Add(maxAhead)) {
		r.fault(issue.Value, "iat", "of the JWT is more than a day ahead; check the clock of the consumer")
	}
	if !ends {
		return time.Time{}
	}
	switch at := time.Unix(exp, 0); {
	case made && exp != iat+unsignedLifetime:
		r.fault(issue.Value, "exp", "of the JWT must be iat and exactly 300 seconds")
	case !now.Before(at.Add(u.c.Leeway)):
		r.fault(issue.Value, "exp", "of the JWT is over: make a new JWT for every request, and check the clock of the consumer")
	}
	return time.Unix(exp, 0)
}

// practitioner reads who the user is.
func (u *Unsigned) practitioner(r *reading, p *Principal) {
	const claim = "requesting_practitioner"
	a := r.resource(claim, "Practitioner")
	if a == nil {
		return
	}
	if a.ID == "" || p.Subject != "" && a.ID != p.Subject {
		r.fault(issue.Value, claim, "of the JWT must have the id that the claim sub has")
	}
	p.User, p.RoleProfile = a.identifier("sds-user-id"), a.identifier("sds-role-profile-id")
	if p.User == "" {
		r.fault(issue.Required, claim, "of the JWT has no identifier with the system https://fhir.nhs.uk/Id/sds-user-id")
	}
	if p.RoleProfile == "" {
		r.fault(issue.Required, claim, "of the JWT has no identifier with the system https://fhir.nhs.uk/Id/sds-role-profile-id; send UNK for a user without one")
	}
	if !a.local() {
		r.fault(issue.Required, claim, "of the JWT has no local identifier of the user")
	}
	if p.User == unknownProfile {
		p.User = a.ID
	}
}
