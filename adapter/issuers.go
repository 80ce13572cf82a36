package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
)

// issuerFile is what ADAPTER_ISSUERS_FILE holds: who else may issue tokens for this server.
type issuerFile struct {
	Issuers []outsideIssuer `json:"issuers"`
}

// outsideIssuer is one of them. What a member of JSON means stands in README.md.
type outsideIssuer struct {
	Issuer     string           `json:"issuer"`
	Kind       string           `json:"kind"` // client or cis2
	JWKS       json.RawMessage  `json:"jwks"`
	JWKSURL    string           `json:"jwks_url"`
	Networks   []string         `json:"networks"`
	Algorithms []auth.Algorithm `json:"algorithms"`
	Audience   []string         `json:"audience"`
	RequireAT  bool             `json:"require_at_jwt"`

	ClientClaim string   `json:"client_claim"`
	Clients     []string `json:"clients"`

	Roles          map[string]permission `json:"roles"`
	Identity       *int                  `json:"identity_assurance"`
	Authentication *int                  `json:"authentication_assurance"`
}

type permission struct {
	Role   auth.Role `json:"role"`
	Scopes []string  `json:"scopes"`
}

// The kinds of issuers.
const (
	kindClient = "client" // a platform: its tokens name a client that is registered here
	kindCIS2   = "cis2"   // its tokens have the claims of NHS CIS2 about a person
)

// outsideIssuers reads the file, "" for none. Errors name the issuer and what is wrong.
func outsideIssuers(file string, partners *referral.Partners, log *slog.Logger) ([]auth.Issuer, error) {
	if file == "" {
		return nil, nil
	}
	body, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ADAPTER_ISSUERS_FILE: %w", err)
	}
	list, err := parseIssuers(body)
	if err != nil {
		return nil, fmt.Errorf("ADAPTER_ISSUERS_FILE: %w", err)
	}
	platforms := 0
	for _, o := range list {
		if o.Kind == kindClient {
			platforms++
		}
	}
	var issuers []auth.Issuer
	var faults []error
	for _, o := range list {
		i, err := o.issuer(partners, platforms == 1, log)
		if err != nil {
			faults = append(faults, fmt.Errorf("ADAPTER_ISSUERS_FILE: the issuer %q: %w", o.Issuer, err))
		}
		issuers = append(issuers, i)
	}
	return issuers, errors.Join(faults...)
}

func parseIssuers(body []byte) ([]outsideIssuer, error) {
	var f issuerFile
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is text after the end of the JSON object")
	}
	if len(f.Issuers) == 0 {
		return nil, errors.New(`expected {"issuers":[…]} with at least one issuer`)
	}
	return f.Issuers, nil
}

// issuer makes it one that a Verifier trusts. alone says that it is the only platform, so
// that every client without keys of its own is one of its.
func (o *outsideIssuer) issuer(partners *referral.Partners, alone bool, log *slog.Logger) (auth.Issuer, error) {
	i := auth.Issuer{Name: o.Issuer, Algorithms: o.Algorithms, Audience: o.Audience, AnyType: !o.RequireAT}
	if err := o.check(); err != nil {
		return i, err
	}
	var err error
	if o.JWKSURL != "" {
		i.Keys, err = o.remote(log)
	} else if i.Keys, err = auth.ParseKeys(o.JWKS); err != nil {
		err = fmt.Errorf("jwks: %w", err)
	}
	if err != nil {
		return i, err
	}
	if o.Kind == kindClient {
		i.Clients, err = o.clients(partners, alone)
		return i, err
	}
	level := func(n *int) int {
		if n == nil {
			return 3
		}
		return *n
	}
	i.CIS2 = &auth.CIS2{Roles: map[string]auth.Permission{}, Identity: level(o.Identity), Authentication: level(o.Authentication), Registered: partners.Knows}
	for code, p := range o.Roles {
		i.CIS2.Roles[code] = auth.Permission(p)
	}
	return i, nil
}

// check finds what is missing, and what is there and means nothing.
func (o *outsideIssuer) check() error {
	var faults []error
	demand := func(holds bool, format string, args ...any) {
		if !holds {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	demand(o.Issuer != "", "issuer is missing: the iss of its tokens")
	demand(o.Kind == kindClient || o.Kind == kindCIS2, "kind is %q; it is %s or %s", o.Kind, kindClient, kindCIS2)
	demand((o.JWKS != nil) != (o.JWKSURL != ""), "one of jwks and jwks_url must be given")
	demand(o.JWKSURL != "" || o.Networks == nil, "networks are where jwks_url may lead to; there is none")
	demand(len(o.Algorithms) > 0, "algorithms is missing: what it signs with, such as RS512")
	for _, a := range o.Algorithms {
		demand(a.Valid(), "algorithms has %q, which is not accepted: only signatures with a key pair are, such as RS256, RS512, ES384", a)
	}
	demand(len(o.Audience) > 0 && !slices.Contains(o.Audience, ""), "audience is missing: what the aud of its tokens must be")
	if o.Kind == kindClient {
		demand(o.Roles == nil && o.Identity == nil && o.Authentication == nil, "roles and levels of assurance are for the kind %s", kindCIS2)
		demand(slices.Contains([]string{"", "client_id", "azp", "sub"}, o.ClientClaim), "client_claim is %q; it is client_id, azp or sub", o.ClientClaim)
		return errors.Join(faults...)
	}
	demand(o.Clients == nil && o.ClientClaim == "", "clients and client_claim are for the kind %s", kindClient)
	demand(len(o.Roles) > 0, "roles is missing: what may be done in which role, by role code")
	for code, p := range o.Roles {
		demand(code != "" && p.Role.Valid() && len(p.Scopes) > 0, "roles: %q needs a role of requester, owner or operator, and scopes", code)
	}
	for name, n := range map[string]*int{"identity_assurance": o.Identity, "authentication_assurance": o.Authentication} {
		demand(n == nil || *n >= 0 && *n <= 3, "%s is from 0 to 3", name)
	}
	return errors.Join(faults...)
}

func (o *outsideIssuer) remote(log *slog.Logger) (*auth.Keys, error) {
	var networks []netip.Prefix
	for _, text := range o.Networks {
		n, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("networks has %q; a network is written as 10.1.0.0/16", text)
		}
		networks = append(networks, n.Masked())
	}
	keys, err := auth.NewRemoteKeys(auth.RemoteConfig{URL: o.JWKSURL, Networks: networks, Observe: func(err error) {
		if err != nil {
			log.Warn("the keys of an issuer cannot be fetched", "issuer", o.Issuer, "error", err.Error())
		}
	}})
	if err != nil {
		return nil, fmt.Errorf("jwks_url: %w", err)
	}
	return keys, nil
}

// clients are the clients that the platform may name. Where there are several platforms
// each says which it names: one that gave an id to a stranger could otherwise speak for
// the client of another.
func (o *outsideIssuer) clients(partners *referral.Partners, alone bool) (*auth.Clients, error) {
	claim := o.ClientClaim
	if claim == "" {
		claim = "client_id"
	}
	if o.Clients == nil && !alone {
		return nil, errors.New("clients is missing: with several platforms, each must say which client ids it issues tokens for")
	}
	found := map[string]auth.Registration{}
	for _, c := range partners.Clients() {
		if slices.Contains(o.Clients, c.ID) || o.Clients == nil && c.JWKS == nil && c.JWKSURL == "" {
			found[c.ID] = auth.Registration{Organisations: c.Organisations, Role: c.Role, Scopes: c.Scopes}
		}
	}
	for _, id := range o.Clients {
		if _, ok := found[id]; !ok {
			return nil, fmt.Errorf("clients has %q, which is no Device among the partners", id)
		}
	}
	return &auth.Clients{Claim: claim, Registered: found}, nil
}
