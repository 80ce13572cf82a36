// Package gateway is the HTTP API: the FHIR R4 interactions under /fhir/R4, the plain
// JSON of the link-worker tools under /api/v1, and health, readiness and metrics. It
// turns a request into a referral.Call and what comes back, or what went wrong, into
// a response; it decides nothing about referrals.
//
// The operations $convert, StructureMap/$transform, ConceptMap/$translate and those on
// ValueSet and CodeSystem show what the engines make of a message or a code. They reach
// neither the domain nor the store.
//
//	handler := gateway.New(gateway.Config{
//		Operations: gateway.OperationsOf(service),
//		Verify:     verifier.Verify,
//		BaseURL:    "https://adapter.example.nhs.uk",
//	})
//
// Each file holds one interaction or operation, and each handler returns its error. One function,
// refuse, renders every error; one table, in status.go, gives its HTTP status. One
// table of routes, in route.go, makes the router, the scope check and the
// CapabilityStatement, so that the statement cannot differ from what runs.
//
// Source: http://hl7.org/fhir/R4/http.html, http://hl7.org/fhir/R4/search.html,
// http://hl7.org/fhir/R4/operations.html,
// RFC 9110 (HTTP), RFC 9457 (problem details), RFC 6750 (bearer tokens).
//
// FHIR is JSON or XML on every route of it, in both directions and independently; what is
// kept, and everything behind the gateway, is the same tree and the same JSON.
//
// How much may be asked, by whom and from where, is in Protection; a request passes, in this
// order, the bounds of its address and header, the rate of its client or address, the bytes of
// all bodies, and its turn among the requests in work. Past the first three nothing of its
// body was read.
//
// It does not know TLS, and what it stores is checked and converted by the domain.
package gateway
