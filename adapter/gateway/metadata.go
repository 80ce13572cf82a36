package gateway

import (
	"net/http"
	"slices"
	"strconv"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// metadata is GET [base]/metadata. Every mode gives the CapabilityStatement: R4 lets
// a server ignore the mode, and there is no other statement here.
// Source: http://hl7.org/fhir/R4/http.html#capabilities.
func metadata(x *exchange) error {
	for _, p := range x.query {
		if p.name == "mode" && !slices.Contains([]string{"", "full", "normative", "terminology"}, p.value) {
			return issue.New(issue.Value, "metadata-mode", "mode must be full, normative or terminology").At("http.mode").With("mode is %q", p.value)
		}
	}
	x.sendResource(http.StatusOK, x.statement)
	return nil
}

// capabilities makes the CapabilityStatement of the routes there are.
// Source: http://hl7.org/fhir/R4/capabilitystatement.html.
func (g *gateway) capabilities() *fhir.Node {
	root := fhir.Types(fhir.R4).New("CapabilityStatement")
	root.Set("status", "active")
	root.Set("date", instant(g.Now()))
	root.Set("kind", "instance")
	if g.Operations.Follow != nil {
		addText(root, "instantiates", backportCapability)
	}
	software := root.Add("software")
	software.Set("name", g.Software)
	software.Set("version", g.Version)
	implementation := root.Add("implementation")
	implementation.Set("description", "Social prescribing referral adapter")
	implementation.Set("url", g.BaseURL+fhirBase)
	root.Set("fhirVersion", string(fhir.R4))
	for _, name := range []string{"json", "application/fhir+json", "xml", "application/fhir+xml"} {
		addText(root, "format", name)
	}

	rest := root.Add("rest")
	rest.Set("mode", "server")
	rest.Set("documentation", g.stated())
	g.addSecurity(rest)
	for _, resource := range g.resourceTypes() {
		g.addResource(rest, resource)
	}
	for _, code := range g.interactions("") {
		if code != "capabilities" { // no code of system-restful-interaction: it goes without saying
			rest.Add("interaction").Set("code", code)
		}
	}
	g.addOperations(rest, "")
	g.addMessaging(root)
	return root
}

// resourceTypes lists the types that the FHIR routes are about, in the order of the table.
func (g *gateway) resourceTypes() []string {
	var list []string
	for _, r := range g.routes {
		if r.surface == surfaceFHIR && r.resource != "" && !slices.Contains(list, r.resource) {
			list = append(list, r.resource)
		}
	}
	return list
}

// addSecurity states where tokens come from.
// Source: https://hl7.org/fhir/smart-app-launch/conformance.html.
func (g *gateway) addSecurity(rest *fhir.Node) {
	security := rest.Add("security")
	if g.TokenURL != "" {
		uris := security.Add("extension")
		uris.Set("url", "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris")
		token := uris.Add("extension")
		token.Set("url", "token")
		token.Set("valueUri", g.TokenURL)
	}
	security.Set("cors", strconv.FormatBool(len(g.Protection.Origins) > 0))
	service := security.Add("service")
	if g.TokenURL == "" {
		service.Set("text", "Bearer token (JWT) of an issuer or client that the adapter trusts")
		return
	}
	coding := service.Add("coding")
	coding.Set("system", "http://terminology.hl7.org/CodeSystem/restful-security-service")
	coding.Set("code", "SMART-on-FHIR")
	service.Set("text", "OAuth 2.0 bearer token by SMART Backend Services")
}

// addMessaging states which messages are taken, and that nobody assures their use nationally.
func (g *gateway) addMessaging(root *fhir.Node) {
	if g.BaRS == nil {
		return
	}
	messaging := root.Add("messaging")
	messaging.Set("documentation", notAssured)
	for _, d := range g.BaRS.offered {
		supported := messaging.Add("supportedMessage")
		supported.Set("mode", "receiver")
		supported.Set("definition", d.Text("url")+"|"+d.Text("version"))
	}
}

// addResource states what can be done with one type.
func (g *gateway) addResource(rest *fhir.Node, resource string) {
	n := rest.Add("resource")
	n.Set("type", resource)
	n.Set("profile", "http://hl7.org/fhir/StructureDefinition/"+resource)
	interactions := g.interactions(resource)
	for _, code := range interactions {
		n.Add("interaction").Set("code", code)
	}
	params := artefactParamsOf(resource)
	if resource == "Subscription" {
		addSubscriptions(n)
		params = subscriptionParams
		n.Set("versioning", "versioned")
		n.Set("updateCreate", "false")
	} else if slices.Contains(g.Operations.ResourceTypes(), resource) {
		params = searchParams(g.Operations.SearchParams(resource))
		n.Set("versioning", "versioned")
		n.Set("readHistory", "true")
		n.Set("updateCreate", "false")
		n.Set("conditionalCreate", map[bool]string{true: "true", false: "false"}[slices.Contains(interactions, "create")])
		n.Set("conditionalRead", "not-match")
		n.Set("conditionalUpdate", "false")
		n.Set("conditionalDelete", "not-supported")
	} else {
		n.Set("versioning", "no-version")
		if own := g.Operations.SearchParams(resource); resource == referral.TypeAudit {
			params = searchParams(own)
		}
	}
	if slices.Contains(interactions, "search-type") {
		from, to := g.references(resource)
		for _, name := range from {
			addText(n, "searchInclude", name)
		}
		for _, name := range to {
			addText(n, "searchRevInclude", name)
		}
		for _, p := range params {
			param := n.Add("searchParam")
			param.Set("name", p.Name)
			param.Set("definition", p.Definition)
			param.Set("type", p.Type)
			param.Set("documentation", g.notes(p))
		}
	}
	g.addOperations(n, resource)
}

// addOperations states what can be invoked on a type, or on the system for "".
func (g *gateway) addOperations(n *fhir.Node, resource string) {
	var seen []*operation
	for _, r := range g.routes {
		if r.operation == nil || r.resource != resource || slices.Contains(seen, r.operation) {
			continue
		}
		seen = append(seen, r.operation)
		o := n.Add("operation")
		o.Set("name", r.operation.name)
		o.Set("definition", r.operation.definition)
		if resource == "" || r.operation != validateOperation { // said once, where it is the system's
			o.Set("documentation", r.operation.notes)
		}
	}
}

// interactions lists what the FHIR routes do on a type, or on the system as a whole
// for "", each once and in the order of the table.
func (g *gateway) interactions(resource string) []string {
	var codes []string
	for _, r := range g.routes {
		if r.surface != surfaceFHIR || r.resource != resource || r.operation != nil {
			continue
		}
		for _, code := range r.interactions {
			if !slices.Contains(codes, code) {
				codes = append(codes, code)
			}
		}
	}
	return codes
}
