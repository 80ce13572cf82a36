package gateway

import (
	"net/http"
	"slices"

	"spadapter/adapter/auth"
	"spadapter/adapter/directory"
)

const (
	fhirBase = "/fhir/R4"
	apiBase  = "/api/v1"
)

// surface says in whose language a route speaks, errors included.
type surface uint8

const (
	surfaceFHIR  surface = iota // FHIR resources and OperationOutcome
	surfaceAPI                  // plain JSON and RFC 9457 problems
	surfacePlain                // operations: health, readiness, metrics
	surfaceSTU3                 // FHIR STU3 as GP Connect speaks it: its OperationOutcome has Spine codes
	surfaceToken                // the token endpoint: JSON, and errors as RFC 6749 has them
)

// route is one row of the table that the router, the scope check, the audit and the
// CapabilityStatement are made from.
type route struct {
	method       string
	path         string // as the router writes it: "/fhir/R4/Patient/:id"
	surface      surface
	resource     string     // "Patient"; "" for the whole system
	interactions []string   // codes of http://hl7.org/fhir/restful-interaction; the first is audited
	operation    *operation // what it invokes; nil for an interaction
	letter       byte       // scope letter that is needed on resource: c, r, u, d or s; 0 when the handler asks
	roles        []auth.Role
	body         media // what the body must be
	most         int   // bytes of the body, where fewer are enough than everywhere; 0 where not
	open         bool  // no token needed
	bars         bool  // it takes messages of BaRS: its headers, and its error codes
	streams      bool  // it may answer with server-sent events
	document     bool  // it answers with text or PDF
	always       bool  // it is answered however much is asked
	times        int   // how many times as long as others it may take; 0 for once
	handle       func(*exchange) error
}

var (
	requesters = []auth.Role{auth.RoleRequester, auth.RoleOperator}
	owners     = []auth.Role{auth.RoleOwner, auth.RoleOperator}
)

// table lists every route there is.
func (g *gateway) table() []*route {
	list := []*route{
		{method: http.MethodGet, path: fhirBase + "/metadata", interactions: []string{"capabilities"}, open: true, handle: metadata},
		{method: http.MethodPost, path: fhirBase, interactions: []string{"transaction", "batch"}, body: mediaFHIR, handle: transaction},
		{method: http.MethodPost, path: fhirBase + "/", interactions: []string{"transaction", "batch"}, body: mediaFHIR, handle: transaction},
	}
	for _, resource := range g.Operations.ResourceTypes() {
		list = append(list, g.resourceRoutes(resource)...)
	}
	list = append(list, g.artefactRoutes()...)
	list = append(list, auditRoutes()...)
	list = append(list, g.barsRoutes()...)
	if g.Validator != nil {
		list = append(list, g.validateRoutes()...)
	}
	if g.Operations.Follow != nil {
		list = append(list, g.subscriptionRoutes()...)
	}
	for _, r := range list {
		r.surface = surfaceFHIR
	}
	const referrals, ofServices = apiBase + "/referrals", apiBase + "/services"
	if g.Operations.Follow != nil {
		list = append(list, &route{method: http.MethodGet, path: apiBase + "/events", surface: surfaceAPI, resource: "Task", letter: 's', interactions: []string{"search-type"}, streams: true, handle: events})
		list = append(list, g.webhookRoutes()...)
	}
	if g.Directory != nil {
		list = append(list,
			&route{method: http.MethodGet, path: ofServices, surface: surfaceAPI, resource: directory.TypeService, letter: 's', interactions: []string{"search-type"}, handle: services},
			&route{method: http.MethodGet, path: ofServices + "/:id", surface: surfaceAPI, resource: directory.TypeService, letter: 'r', interactions: []string{"read"}, handle: oneService})
	}
	list = append(list, g.stu3Routes()...)
	if g.OpenAPI != nil {
		list = append(list, g.openapiRoutes()...)
	}
	if !g.Protection.MetricsApart {
		list = append(list, &route{method: http.MethodGet, path: "/metrics", surface: surfacePlain, open: true, always: true, handle: exposition})
	}
	if g.Authority != nil {
		list = append(list, g.authorityRoutes()...)
	}
	return append(list,
		&route{method: http.MethodGet, path: referrals, surface: surfaceAPI, resource: "Task", letter: 's', interactions: []string{"search-type"}, handle: worklist},
		&route{method: http.MethodGet, path: referrals + "/:id", surface: surfaceAPI, resource: "Task", letter: 'r', interactions: []string{"read"}, handle: view},
		&route{method: http.MethodGet, path: referrals + "/:id/summary", surface: surfaceAPI, resource: "Task", letter: 'r', interactions: []string{"read"}, document: true, handle: oneSummary},
		&route{method: http.MethodPost, path: referrals + "/:id/actions/:action", surface: surfaceAPI, resource: "Task", letter: 'u', interactions: []string{"update"}, body: mediaJSON, handle: act},
		&route{method: http.MethodPost, path: referrals + "/actions/:action", surface: surfaceAPI, resource: "Task", letter: 'u', interactions: []string{"update"}, body: mediaJSON, times: manyTimes, handle: bulk},
		&route{method: http.MethodPost, path: referrals + "/:id/notes", surface: surfaceAPI, resource: "Task", letter: 'u', interactions: []string{"update"}, body: mediaJSON, handle: note},
		&route{method: http.MethodPost, path: referrals + "/:id/attachments", surface: surfaceAPI, resource: "Task", letter: 'u', interactions: []string{"update"}, body: mediaJSON, handle: attach},
		&route{method: http.MethodPost, path: referrals + "/:id/sharing", surface: surfaceAPI, resource: "Task", letter: 'u', interactions: []string{"update"}, body: mediaJSON, handle: share},
		&route{method: http.MethodGet, path: apiBase + "/ledger", surface: surfaceAPI, resource: "Task", letter: 's', interactions: []string{"search-type"}, handle: ledger},
		&route{method: http.MethodPost, path: apiBase + "/facts", surface: surfaceAPI, resource: "Patient", letter: 'u', interactions: []string{"update"}, roles: []auth.Role{auth.RoleOperator}, body: mediaJSON, handle: facts},
		&route{method: http.MethodGet, path: apiBase + "/activities", surface: surfaceAPI, resource: "Task", letter: 's', interactions: []string{"search-type"}, roles: owners, handle: activities},
		&route{method: http.MethodGet, path: apiBase + "/activities/:id", surface: surfaceAPI, resource: "Task", letter: 'r', interactions: []string{"read"}, handle: activity},
		&route{method: http.MethodPost, path: apiBase + "/activities/:id/actions/:action", surface: surfaceAPI, resource: "Task", letter: 'u', interactions: []string{"update"}, roles: owners, body: mediaJSON, handle: actActivity},
		&route{method: http.MethodGet, path: "/healthz", surface: surfacePlain, open: true, always: true, handle: health},
		&route{method: http.MethodGet, path: "/readyz", surface: surfacePlain, open: true, always: true, handle: readiness},
	)
}

// resourceRoutes lists the interactions on one resource type.
func (g *gateway) resourceRoutes(resource string) []*route {
	path := fhirBase + "/" + resource
	get := func(path, interaction string, letter byte, handle func(*exchange) error) *route {
		return &route{method: http.MethodGet, path: path, resource: resource, letter: letter, interactions: []string{interaction}, handle: handle}
	}
	list := []*route{
		get(path+"/:id", "read", 'r', read),
		get(path+"/:id/_history/:vid", "vread", 'r', vread),
		get(path+"/:id/_history", "history-instance", 'r', history),
		get(path+"/_history", "history-type", 's', history),
	}
	if g.Operations.SearchParams(resource) != nil {
		list = append(list, get(path, "search-type", 's', search), &route{
			method: http.MethodPost, path: path + "/_search", resource: resource, letter: 's',
			interactions: []string{"search-type"}, body: mediaForm, handle: search,
		})
	}
	if slices.Contains(g.Operations.UpdateTypes(), resource) {
		list = append(list,
			&route{method: http.MethodPut, path: path + "/:id", resource: resource, letter: 'u', interactions: []string{"update"}, body: mediaFHIR, handle: update},
			&route{method: http.MethodPatch, path: path + "/:id", resource: resource, letter: 'u', interactions: []string{"patch"}, body: mediaPatch, handle: patch})
	}
	if slices.Contains(g.Operations.CreateTypes(), resource) {
		list = append(list, &route{
			method: http.MethodPost, path: path, resource: resource, letter: 'c',
			interactions: []string{"create"}, roles: requesters, body: mediaFHIR, handle: create,
		})
	}
	return list
}

// artefactRoutes lists what is offered on the artefacts that the program is made of. Any
// caller may use them: they read nothing that is stored.
func (g *gateway) artefactRoutes() []*route {
	var list []*route
	invoke := func(method, path, resource string, body media, o *operation, handle func(*exchange) error) {
		list = append(list, &route{method: method, path: fhirBase + path, resource: resource, interactions: []string{"operation"}, operation: o, body: body, handle: handle})
	}
	serve := func(resource string) {
		path := fhirBase + "/" + resource
		list = append(list,
			&route{method: http.MethodGet, path: path + "/:id", resource: resource, interactions: []string{"read"}, handle: readArtefact},
			&route{method: http.MethodGet, path: path, resource: resource, interactions: []string{"search-type"}, handle: searchArtefacts},
			&route{method: http.MethodPost, path: path + "/_search", resource: resource, interactions: []string{"search-type"}, body: mediaForm, handle: searchArtefacts})
	}
	if g.Conversions != nil {
		serve("StructureMap")
		invoke(http.MethodPost, "/$convert", "", mediaMessage, convertOperation, convert)
		for _, path := range []string{"/StructureMap/$transform", "/StructureMap/:id/$transform"} {
			invoke(http.MethodPost, path, "StructureMap", mediaMessage, transformOperation, transform)
		}
	}
	if g.Terminology != nil {
		serve("ConceptMap")
		serve("ValueSet")
		serve("CodeSystem")
		for _, path := range []string{"/ConceptMap/$translate", "/ConceptMap/:id/$translate"} {
			invoke(http.MethodGet, path, "ConceptMap", mediaNone, translateOperation, translate)
			invoke(http.MethodPost, path, "ConceptMap", mediaFHIR, translateOperation, translate)
		}
		for _, r := range []struct {
			resource  string
			operation *operation
			instance  bool // it may be invoked on one resource, too
			handle    func(*exchange) error
		}{
			{"ValueSet", expandOperation, true, expand},
			{"ValueSet", validateMemberOperation, true, validateMember},
			{"CodeSystem", lookupOperation, false, lookup},
			{"CodeSystem", validateCodeOperation, true, validateCode},
			{"CodeSystem", subsumesOperation, true, subsumes},
		} {
			paths := []string{"/" + r.resource + "/$" + r.operation.name, "/" + r.resource + "/:id/$" + r.operation.name}
			if !r.instance {
				paths = paths[:1]
			}
			for _, path := range paths {
				invoke(http.MethodGet, path, r.resource, mediaNone, r.operation, r.handle)
				invoke(http.MethodPost, path, r.resource, mediaFHIR, r.operation, r.handle)
			}
		}
	}
	if g.Definitions != nil {
		serve("OperationDefinition")
		invoke(http.MethodGet, "/$lifecycle", "", mediaNone, lifecycleOperation, lifecycle)
	}
	return list
}
