package auth

import (
	"encoding/json"
	"slices"

	"spadapter/adapter/issue"
)

// Clients says what the clients of a platform may do, such as those of the NHS England
// API platform (application-restricted access): the platform says who is calling, and we
// know what that one was registered with here.
type Clients struct {
	Claim      string // the claim with the client id: client_id (RFC 9068), azp or sub
	Registered map[string]Registration
}

// external checks the part of an Issuer that says what its tokens mean, and takes a copy of it.
func (i *Issuer) external() error {
	bad := func(text string) error { return issue.New(issue.Value, "auth-config", text) }
	kinds := 0
	for _, is := range []bool{i.Registration != nil, i.Clients != nil, i.CIS2 != nil} {
		if is {
			kinds++
		}
	}
	if kinds > 1 {
		return bad("an issuer is one client, a platform of clients, or NHS CIS2")
	}
	if c := i.Clients; c != nil {
		if !slices.Contains([]string{"client_id", "azp", "sub"}, c.Claim) {
			return bad("the claim with the client id is client_id, azp or sub")
		}
		own := &Clients{Claim: c.Claim, Registered: map[string]Registration{}}
		for id, r := range c.Registered {
			if id == "" || !r.Role.Valid() {
				return bad("a registration needs a client id and a role: requester, owner or operator")
			}
			own.Registered[id] = Registration{organisations(r.Organisations), r.Role, slices.Clone(r.Scopes)}
		}
		i.Clients = own
	}
	if c := i.CIS2; c != nil {
		if len(c.Roles) == 0 || c.Registered == nil || c.Identity < 0 || c.Identity > 3 || c.Authentication < 0 || c.Authentication > 3 {
			return bad("NHS CIS2 needs a table of role codes, assurance levels from 0 to 3, and who is a partner")
		}
		own := *c
		own.Roles = map[string]Permission{}
		for code, p := range c.Roles {
			if code == "" || !p.Role.Valid() {
				return bad("a role code needs a role: requester, owner or operator")
			}
			own.Roles[code] = Permission{p.Role, slices.Clone(p.Scopes)}
		}
		i.CIS2 = &own
	}
	return nil
}

// admit completes the caller from our registration. Errors: login without a client id,
// unknown for one that is not registered.
func (l *Clients) admit(p *Principal, c *claims) error {
	switch l.Claim {
	case "azp":
		p.Client = c.party()
	case "sub":
		p.Client = c.Subject
	}
	if p.Client == "" {
		return issue.Newf(issue.Login, "token-claims", "the token does not say in %s which client is calling", l.Claim)
	}
	r, ok := l.Registered[p.Client]
	if !ok {
		return issue.New(issue.Unknown, "token-client", "the client that the token names is not registered here")
	}
	p.Organisations, p.Role, p.Scopes = r.Organisations, r.Role, r.Scopes
	return nil
}

// party is the client that a token was issued to, "" when it does not say.
func (c *claims) party() (id string) {
	if json.Unmarshal(c.Party, &id) != nil {
		return ""
	}
	return id
}
