package gateway

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"spadapter/adapter/auth"
)

// smartPath is below the FHIR base. smartCache is how long others keep what is there,
// which changes with the program.
const (
	smartPath  = "/.well-known/smart-configuration"
	smartCache = "public, max-age=300"
)

// smartConfiguration says how a client gets a token.
// Source: https://hl7.org/fhir/smart-app-launch/conformance.html#metadata.
type smartConfiguration struct {
	TokenEndpoint string           `json:"token_endpoint"`
	Keys          string           `json:"jwks_uri"`
	Grants        []string         `json:"grant_types_supported"`
	Methods       []string         `json:"token_endpoint_auth_methods_supported"`
	Algorithms    []auth.Algorithm `json:"token_endpoint_auth_signing_alg_values_supported"`
	Scopes        []string         `json:"scopes_supported"`
	Challenges    []string         `json:"code_challenge_methods_supported"` // required; no grant here has a code
	Capabilities  []string         `json:"capabilities"`
}

// smart is GET [base]/.well-known/smart-configuration: JSON, whatever Accept says.
func smart(x *exchange) error {
	body, err := json.Marshal(smartConfiguration{
		TokenEndpoint: x.TokenURL,
		Keys:          x.BaseURL + keysPath,
		Grants:        []string{"client_credentials"},
		Methods:       []string{"private_key_jwt"},
		Algorithms:    auth.AssertionAlgorithms(),
		Scopes:        x.scopes(),
		Challenges:    []string{"S256"},
		Capabilities:  []string{"client-confidential-asymmetric", "permission-v2"},
	})
	if err != nil {
		panic(err) // strings only: cannot fail
	}
	x.sendUnchanging(contentJSON, smartCache, newDocument(body))
	return nil
}

// scopes lists what the routes ask for: one scope for each type, sorted, with every letter
// that some route needs.
// Source: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html.
func (g *gateway) scopes() []string {
	letters := map[string]string{}
	for _, r := range g.routes {
		if r.letter != 0 && strings.IndexByte(letters[r.resource], r.letter) < 0 {
			letters[r.resource] += string(r.letter)
		}
	}
	var list []string
	for _, resource := range slices.Sorted(maps.Keys(letters)) {
		sorted := strings.Map(func(c rune) rune {
			if strings.ContainsRune(letters[resource], c) {
				return c
			}
			return -1
		}, "cruds")
		list = append(list, "system/"+resource+"."+sorted)
	}
	return list
}
