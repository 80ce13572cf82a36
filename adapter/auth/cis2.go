package auth

import (
	"encoding/json"
	"slices"
	"strings"

	"spadapter/adapter/issue"
)

// CIS2 says what people may do whom NHS CIS2 authenticates. What a role may do here is
// a table of the deployment; nothing is concluded from names of roles or from activities.
type CIS2 struct {
	// Roles has what may be done in a role, by its role_code ("S8000:G8000:R8001"), or by
	// the job role at its end ("R8001") where the whole code is not in the table.
	Roles map[string]Permission

	Identity       int                   // least identity assurance level, 0 to 3
	Authentication int                   // least authentication assurance level, 0 to 3
	Registered     func(ods string) bool // whether an organisation is a partner here
}

// Permission is what may be done in a role.
type Permission struct {
	Role   Role
	Scopes []string
}

// cis2Claims are the claims of NHS CIS2. They are kept as they came, for another issuer
// may mean something else by a name.
type cis2Claims struct {
	Roles        json.RawMessage `json:"nhsid_nrbac_roles"`
	Selected     json.RawMessage `json:"selected_roleid"`
	User         json.RawMessage `json:"nhsid_useruid"`
	Identity     json.RawMessage `json:"id_assurance_level"`
	PersonLevel  json.RawMessage `json:"idassurancelevel"`
	Authenticity json.RawMessage `json:"authentication_assurance_level"`
}

// roleProfile is one entry of nhsid_nrbac_roles, as far as it is read.
type roleProfile struct {
	ID           string `json:"person_roleid"`
	Organisation string `json:"org_code"`
	Code         string `json:"role_code"`
}

// admit completes the caller from the claims about a person. Errors: login for claims that
// are missing or do not fit each other, forbidden for an organisation, a role or a level of
// assurance that allows nothing here.
// Source: https://digital.nhs.uk/services/identity-and-access-management/nhs-care-identity-service-2/care-identity-authentication/guidance-for-developers/detailed-guidance/scopes-and-claims.
func (n *CIS2) admit(p *Principal, c *claims) error {
	if json.Unmarshal(c.User, &p.User) != nil || p.User == "" {
		return login("token-user", "the token does not say in nhsid_useruid who the user is")
	}
	if !assured(n.Identity, c.Identity, c.PersonLevel) || !assured(n.Authentication, c.Authenticity) {
		return issue.New(issue.Forbidden, "token-assurance", "the user is not identified or authenticated at the level of assurance that is asked for here (id_assurance_level, authentication_assurance_level)")
	}
	profile, err := c.profile()
	if err != nil {
		return err
	}
	permission, ok := n.Roles[profile.Code]
	if !ok {
		permission, ok = n.Roles[profile.Code[strings.LastIndexByte(profile.Code, ':')+1:]]
	}
	if !ok {
		return issue.New(issue.Forbidden, "token-role", "nothing may be done here in the role that the user selected; the table of role codes does not have it")
	}
	if !n.Registered(strings.ToUpper(profile.Organisation)) {
		return issue.New(issue.Forbidden, "token-organisation", "the organisation of the role that the user selected is no partner here")
	}
	if p.Client == "" {
		p.Client = c.party()
	}
	if p.Client == "" {
		p.Client = c.Issuer
	}
	p.UserRole, p.RoleProfile = profile.Code, profile.ID
	p.Organisations, p.Role, p.Scopes = organisations([]string{profile.Organisation}), permission.Role, permission.Scopes
	return nil
}

// profile finds the role in which the user calls: the selected one, else the only one.
func (c *claims) profile() (roleProfile, error) {
	var list []roleProfile
	if json.Unmarshal(c.Roles, &list) != nil || len(list) == 0 {
		return roleProfile{}, login("token-roles", "the token has no roles of the user in nhsid_nrbac_roles")
	}
	found := list
	if c.Selected != nil {
		var selected string
		if json.Unmarshal(c.Selected, &selected) != nil || selected == "" {
			return roleProfile{}, login("token-selected", "selected_roleid of the token names no role")
		}
		found = slices.DeleteFunc(slices.Clone(list), func(r roleProfile) bool { return r.ID != selected })
		if len(found) != 1 {
			return roleProfile{}, login("token-selected", "selected_roleid of the token is not the person_roleid of one of its roles")
		}
	}
	if len(found) > 1 {
		return roleProfile{}, login("token-selected", "the user has several roles and the token does not say in selected_roleid which one is used; let the user select a role")
	}
	if one := found[0]; one.ID == "" || one.Organisation == "" || one.Code == "" {
		return roleProfile{}, login("token-roles", "the role of the user lacks person_roleid, org_code or role_code")
	}
	return found[0], nil
}

// assured reports whether all levels that a token has are at least the one asked for, and
// it has one. A level is a number from 0 to 3, or the same as text.
func assured(least int, levels ...json.RawMessage) bool {
	said := least == 0
	for _, raw := range levels {
		if raw == nil {
			continue
		}
		level := strings.Trim(string(raw), `"`)
		if len(level) != 1 || level[0] < '0' || level[0] > '3' || int(level[0]-'0') < least {
			return false
		}
		said = true
	}
	return said
}
