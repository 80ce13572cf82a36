package referral

import (
	"mime"
	"slices"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Extensions that a partner Bundle may carry.
const (
	extTokenURL     = canonical + "/StructureDefinition/endpoint-token-url"  // valueUrl on Endpoint
	extClientID     = canonical + "/StructureDefinition/endpoint-client-id"  // valueString on Endpoint: who we are there
	extClientRole   = canonical + "/StructureDefinition/client-role"         // valueCode on Device: requester, owner or operator
	extClientScope  = canonical + "/StructureDefinition/client-scope"        // valueString on Device: SMART scopes, blank-separated
	extClientKeys   = canonical + "/StructureDefinition/client-jwks"         // valueString on Device: a JWK set in JSON
	extClientKeysAt = canonical + "/StructureDefinition/client-jwks-url"     // valueUrl on Device: where the client publishes that set; one of the two
	extClientAlg    = canonical + "/StructureDefinition/client-algorithm"    // valueCode on Device, repeats: what it may sign with, such as ES256
	extClientSpeaks = canonical + "/StructureDefinition/client-organization" // valueReference on Device, repeats
	systemClient    = canonical + "/Id/client"                               // Device.identifier: the client id
	poolDefault     = "default"
)

// Organisation is one partner, known by its ODS code.
type Organisation struct {
	ODS     string
	Name    string
	Contact []string // how to reach it: "phone 01632 960001"; nil when the file says nothing
}

// Endpoint is where a partner receives messages.
type Endpoint struct {
	Connection  string   // code of Endpoint.connectionType: how it is spoken to
	Identifiers []string // "system|value", by which messages name it
	Address     string   // base URL, without a slash at the end; of a connection over MESH "mesh:" and a mailbox, or none
	TokenURL    string   // OAuth2 token endpoint, "" when the endpoint asks for no token
	ClientID    string   // who the adapter is there
	Version     string   // of the dialect, from Endpoint.payloadMimeType: "1.2.0" of "application/fhir+json; version=1.2.0"; "" when it says none
}

// The connections. The first is of http://terminology.hl7.org/CodeSystem/endpoint-connection-type
// and that of an endpoint of any other type of that code system; the others are our own.
const (
	ConnectionREST     = "hl7-fhir-rest"
	ConnectionDocument = "gpconnect-document" // GP Connect Send Document, over MESH
	ConnectionRecord   = "gpconnect-record"   // GP Connect Update Record, over MESH
	ConnectionBaRS     = "bars"               // the Booking and Referral Standard

	systemConnection = canonical + "/CodeSystem/endpoint-connection"
)

var ownConnections = []string{ConnectionDocument, ConnectionRecord, ConnectionBaRS}

// overMESH reports whether the endpoint is reached through MESH.
func (e Endpoint) overMESH() bool {
	return e.Connection == ConnectionDocument || e.Connection == ConnectionRecord
}

// Client is a program that may call the adapter.
type Client struct {
	ID            string
	Role          auth.Role
	Organisations []string // ODS codes it may speak for
	Scopes        []string
	JWKS          []byte           // its public keys; nil when it publishes them, or its tokens come from an issuer
	JWKSURL       string           // where it publishes them, "" when it does not
	Algorithms    []auth.Algorithm // what it may sign with, nil for what everybody may
}

// Partners is everyone the adapter works with. It is read-only.
type Partners struct {
	organisations map[string]Organisation
	endpoints     map[string][]Endpoint // at most one of each connection
	services      map[string][]string   // practice → link-worker services affiliated with it
	practices     map[string][]string   // service → practices
	clients       []Client
}

// LoadPartners reads a Bundle of Organization (ODS identifier), Endpoint
// (managingOrganization, address), OrganizationAffiliation (organization the practice,
// participatingOrganization the service) and Device (a client: identifier, owner, role
// and keys as extensions). An empty Bundle is allowed.
//
// Errors: required, value and not-found, one for each fault, naming the element.
// Source: http://hl7.org/fhir/R4/organizationaffiliation.html,
// http://hl7.org/fhir/R4/endpoint.html.
func LoadPartners(bundle *fhir.Node) (*Partners, error) {
	p := &Partners{
		organisations: map[string]Organisation{}, endpoints: map[string][]Endpoint{},
		services: map[string][]string{}, practices: map[string][]string{},
	}
	var faults []*issue.Error
	fault := func(n *fhir.Node, t issue.Type, text string) {
		faults = append(faults, issue.New(t, "partner", text).At(n.Path()).On(n.Position()))
	}
	index := fhir.NewIndex(bundle)
	// ods finds the ODS code that a Reference names, by its target or its identifier.
	ods := func(at, reference *fhir.Node) string {
		if code := odsOf(reference.All("identifier")); code != "" {
			return code
		}
		if target := index.Resolve(reference.Text("reference"), at); target != nil {
			if code := odsOf(target.All("identifier")); code != "" {
				return code
			}
		}
		fault(at, issue.NotFound, "the organisation referred to is not in this Bundle; refer to an Organization with an ODS identifier")
		return ""
	}
	if bundle.ResourceType() != "Bundle" {
		return nil, issue.New(issue.Structure, "partner", "the partner file must be a Bundle")
	}
	for _, entry := range bundle.All("entry") {
		switch r := entry.Child("resource"); r.ResourceType() {
		case "Organization":
			code := odsOf(r.All("identifier"))
			if code == "" {
				fault(r, issue.Required, "an Organization needs an identifier with the system "+SystemODS)
				continue
			}
			o := Organisation{ODS: code, Name: r.Text("name")}
			for _, t := range r.All("telecom") {
				if value := t.Text("value"); value != "" && t.Text("use") != "old" {
					o.Contact = append(o.Contact, strings.TrimSpace(t.Text("system")+" "+value))
				}
			}
			p.organisations[code] = o
		case "Endpoint":
			if r.Text("status") != "active" {
				continue
			}
			e := Endpoint{Connection: ConnectionREST, Address: strings.TrimSuffix(r.Text("address"), "/"), TokenURL: extension(r, extTokenURL), ClientID: extension(r, extClientID)}
			if c := r.Child("connectionType"); c.Text("system") == systemConnection {
				if e.Connection = c.Text("code"); !slices.Contains(ownConnections, e.Connection) {
					fault(r, issue.CodeInvalid, "Endpoint.connectionType of the system "+systemConnection+" is one of "+strings.Join(ownConnections, ", "))
					continue
				}
			}
			web := strings.HasPrefix(e.Address, "http://") || strings.HasPrefix(e.Address, "https://")
			switch {
			case e.overMESH() && !strings.HasPrefix(e.Address, "mesh:"):
				fault(r, issue.Value, "Endpoint.address of a connection over MESH is mesh: and a mailbox, or mesh: alone where MESH finds the practice by the NHS number")
				continue
			case !e.overMESH() && !web:
				fault(r, issue.Value, "Endpoint.address must be an http or https URL")
				continue
			}
			for _, m := range r.All("payloadMimeType") {
				if _, parameters, err := mime.ParseMediaType(m.Value); err == nil && parameters["version"] != "" {
					e.Version = parameters["version"]
				}
			}
			for _, i := range r.All("identifier") {
				e.Identifiers = append(e.Identifiers, endpointName(i.Text("system"), i.Text("value")))
			}
			if r.Child("managingOrganization") == nil {
				fault(r, issue.Required, "an Endpoint needs managingOrganization: whose endpoint it is")
				continue
			}
			code := ods(r, r.Child("managingOrganization"))
			if code == "" {
				continue
			}
			same := func(have Endpoint) bool { return have.Connection == e.Connection }
			p.endpoints[code] = append(slices.DeleteFunc(p.endpoints[code], same), e)
		case "OrganizationAffiliation":
			if r.Text("active") == "false" {
				continue
			}
			practice, service := ods(r, r.Child("organization")), ods(r, r.Child("participatingOrganization"))
			if practice != "" && service != "" {
				p.services[practice] = append(p.services[practice], service)
				p.practices[service] = append(p.practices[service], practice)
			}
		case "Device":
			if status := r.Text("status"); status == "inactive" || status == "entered-in-error" {
				continue
			}
			c := Client{Role: auth.Role(extension(r, extClientRole)), Scopes: strings.Fields(extension(r, extClientScope))}
			for _, i := range r.All("identifier") {
				if i.Text("system") == systemClient {
					c.ID = i.Text("value")
				}
			}
			if keys := extension(r, extClientKeys); keys != "" {
				c.JWKS = []byte(keys)
			}
			if c.JWKSURL = extension(r, extClientKeysAt); c.JWKSURL != "" && c.JWKS != nil {
				fault(r, issue.Value, "a client (Device) has client-jwks or client-jwks-url, not both: which of its keys count must be clear")
				continue
			}
			if c.ID == "" || !c.Role.Valid() {
				fault(r, issue.Required, "a client (Device) needs an identifier with the system "+systemClient+" and a client-role of requester, owner or operator")
				continue
			}
			if owner := r.Child("owner"); owner != nil {
				c.Organisations = append(c.Organisations, ods(r, owner))
			}
			for _, e := range r.All("extension") {
				switch e.Text("url") {
				case extClientSpeaks:
					c.Organisations = append(c.Organisations, ods(r, e.Child("value")))
				case extClientAlg:
					c.Algorithms = append(c.Algorithms, auth.Algorithm(e.Text("value")))
				}
			}
			switch {
			case slices.ContainsFunc(c.Algorithms, func(a auth.Algorithm) bool { return !a.Valid() }):
				fault(r, issue.Value, "client-algorithm is one of RS256, RS384, RS512, ES256, ES384 and EdDSA")
			case slices.ContainsFunc(p.clients, func(other Client) bool { return other.ID == c.ID }):
				fault(r, issue.Duplicate, "another client (Device) has the same identifier")
			}
			p.clients = append(p.clients, c)
		default:
			fault(r, issue.NotSupported, "a partner Bundle holds Organization, Endpoint, OrganizationAffiliation and Device")
		}
	}
	return p, issue.Join(faults)
}

// extension gives the value of the first extension with that URL, "" when there is none.
func extension(n *fhir.Node, url string) string {
	for _, e := range n.All("extension") {
		if e.Text("url") == url {
			return e.Text("value")
		}
	}
	return ""
}

// odsOf gives the ODS code among identifiers, in upper case; "" when there is none.
func odsOf(identifiers []*fhir.Node) string {
	for _, i := range identifiers {
		if isODSSystem(i.Text("system")) {
			return strings.ToUpper(strings.TrimSpace(i.Text("value")))
		}
	}
	return ""
}

// Organisation gives what is known of an ODS code; its name is "" when nothing is.
func (p *Partners) Organisation(ods string) Organisation {
	if o, ok := p.organisations[ods]; ok {
		return o
	}
	return Organisation{ODS: ods}
}

// Knows reports whether an organisation is among the partners, by its ODS code.
func (p *Partners) Knows(ods string) bool {
	_, ok := p.organisations[strings.ToUpper(ods)]
	return ok
}

// Endpoint gives where an organisation takes what belongs into the record of a patient; of
// several that which was named last. False when it has none.
func (p *Partners) Endpoint(ods string) (Endpoint, bool) {
	for _, e := range slices.Backward(p.endpoints[ods]) {
		if e.Connection != ConnectionBaRS {
			return e, true
		}
	}
	return Endpoint{}, false
}

// EndpointOf gives the endpoint of an organisation for a connection; false when it has none.
func (p *Partners) EndpointOf(ods, connection string) (Endpoint, bool) {
	for _, e := range p.endpoints[ods] {
		if e.Connection == connection {
			return e, true
		}
	}
	return Endpoint{}, false
}

// Addressed gives whose endpoint has an identifier, "system|value"; false when nobody's has.
func (p *Partners) Addressed(name string) (ods string, e Endpoint, ok bool) {
	system, value, _ := strings.Cut(name, "|")
	name = endpointName(system, value)
	for ods, list := range p.endpoints {
		for _, e := range list {
			if slices.Contains(e.Identifiers, name) {
				return ods, e, true
			}
		}
	}
	return "", Endpoint{}, false
}

// endpointName is an identifier of an endpoint as it is compared: the DoS system is written
// with http in published messages too.
func endpointName(system, value string) string {
	if rest, ok := strings.CutPrefix(system, "http://fhir.nhs.uk/"); ok {
		system = "https://fhir.nhs.uk/" + rest
	}
	return system + "|" + value
}

// Services counts the link-worker services that are affiliated with a practice. With
// none, referrals wait in a pool that nobody sees.
func (p *Partners) Services() int { return len(p.practices) }

// Writing lists the services that are affiliated with a practice which gets GP Connect
// letters, sorted.
func (p *Partners) Writing() []string {
	var list []string
	for practice, services := range p.services {
		if e, ok := p.Endpoint(practice); ok && e.overMESH() {
			list = append(list, services...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Clients lists the registered clients in the order of the Bundle.
func (p *Partners) Clients() []Client { return slices.Clone(p.clients) }

// route decides who a referral goes to when its request names nobody: the one service
// affiliated with the practice, else a pool.
func (p *Partners) route(practice string) (owner, pool string) {
	switch services := p.services[practice]; len(services) {
	case 0:
		return "", poolDefault
	case 1:
		return services[0], ""
	default:
		return "", practice
	}
}

// scope is what a caller may see.
func (p *Partners) scope(who *auth.Principal) Scope {
	s := Scope{Role: who.Role, Organisations: who.Organisations}
	if who.Role == auth.RoleOwner {
		for _, ods := range who.Organisations {
			// the default pool is for services that work with some practice here, not for
			// whoever holds a token
			if len(p.practices[ods]) > 0 && !slices.Contains(s.Pools, poolDefault) {
				s.Pools = append(s.Pools, poolDefault)
			}
			s.Pools = append(s.Pools, p.practices[ods]...)
		}
	}
	return s
}

// claimants lists the services that may see and claim what waits in a pool.
func (p *Partners) claimants(pool string) []string {
	if pool != poolDefault {
		return p.services[pool]
	}
	var list []string
	for service, practices := range p.practices {
		if len(practices) > 0 {
			list = append(list, service)
		}
	}
	slices.Sort(list)
	return list
}
